//! How much runs at once, how often something is tried, how long is waited in between.

/// Bounds of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps in flight on one host.
    ///
    /// sshd allows ten sessions on a connection (`MaxSessions`), and a host of two processors is busy with four.
    pub per_host: u32,
    /// Steps in flight that speak to the API: small requests, below the 20 a second that API servers grant one client.
    pub cluster: u32,
    /// Uploads in flight to one host: a second one fills the pause in which the first is flushed to the disk.
    pub uploads_per_host: u32,
    /// Uploads in flight in all: they share one uplink, and a few streams fill it.
    pub uploads: u32,
    /// How often a step is tried when its failure may pass by itself.
    ///
    /// With the pauses below that is 15.5 s in all: an sshd that restarts, a leader's election, an API that rolls. What
    /// lasts longer is better told to a person, who plans again.
    pub tries: u32,
    /// How often a step is judged that is unsafe for the moment.
    ///
    /// With the pauses below that is about two minutes: longer than a member or an apiserver takes to come back.
    pub judgements: u32,
    /// The first pause in milliseconds: what it takes to connect anew.
    pub pause_ms: u64,
    /// The longest pause in milliseconds. Each is twice the one before.
    pub longest_pause_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_host: 4,
            cluster: 16,
            uploads_per_host: 2,
            uploads: 8,
            tries: 6,
            judgements: 20,
            pause_ms: 500,
            longest_pause_ms: 8_000,
        }
    }
}

impl Limits {
    /// Milliseconds to wait after the `tried`th try, counted from 1.
    pub fn pause_after(&self, tried: u32) -> u64 {
        let factor = 1_u64.checked_shl(tried.saturating_sub(1)).unwrap_or(u64::MAX);
        self.pause_ms.saturating_mul(factor).min(self.longest_pause_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        let limits = Limits::default();
        let pauses: Vec<u64> = (1..limits.tries).map(|tried| limits.pause_after(tried)).collect();
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000]);
        assert_eq!(limits.pause_after(200), 8_000);
    }
}
