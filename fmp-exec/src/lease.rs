//! The lease: one run at a time.
//!
//! It is held on a majority of the mains, so two runs never hold it at once. Its epoch grows with each run; every host
//! refuses a change of an epoch older than the newest it has seen, so a run that lost its lease and does not know it yet
//! can do no harm. Owns the decisions; asking the mains is the driver's part.

use std::collections::BTreeMap;

use fmp_core::NodeName;
use serde::{Deserialize, Serialize};

/// Milliseconds that a lease lives without renewal: a run that was cut off blocks the next for no longer than this.
pub const EXPIRY_MS: u64 = 30_000;

/// Milliseconds before a lease's end from which its holder begins nothing: what it sends is on its way that long at most.
pub const MARGIN_MS: u64 = 5_000;

/// Whether a lease that was asked for at `granted_ms`, and granted, still covers what begins at `now_ms`. Both are read from
/// a clock that goes on while a process, or its computer, stands still.
pub const fn covers(granted_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(granted_ms) + MARGIN_MS < EXPIRY_MS
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRecord {
    /// The person: a login name.
    pub holder: String,
    /// The computer that `fmp` runs on.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// The run's epoch.
    pub epoch: u64,
    /// When the run began: seconds since 1970 by the holder's clock. For people; nothing is decided by it.
    pub since: i64,
    /// Which life of a process, on which boot of which computer, as one word: no two processes ever share it. Whoever runs
    /// on the same computer can tell by it that the holder is dead.
    pub instance: String,
}

/// What one main knows before a lease is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Glance {
    /// Nobody holds it here.
    Free {
        /// The newest epoch that this main has seen, 0 for none.
        newest: u64,
    },
    /// Somebody does, by this main's monotonic clock.
    Held(Holding),
    /// The main did not answer, and why.
    Silent(String),
}

/// A lease that has not run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Whose it is.
    pub record: LeaseRecord,
    /// Seconds since it was taken, by the main's monotonic clock.
    pub age_s: u64,
}

/// What one main answers to whoever takes or renews a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is noted.
    Granted,
    /// Somebody else holds it.
    Held(Holding),
    /// A run with this newer epoch has been seen.
    Overtaken(u64),
    /// The main did not answer, and why.
    Silent(String),
}

/// Why a run may not begin, or not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Another run goes on.
    #[error(
        "{} runs fmp on {} (process {}, epoch {}) since {} s; wait for it, or end that process: its lease runs out by itself",
        .0.record.holder, .0.record.host, .0.record.pid, .0.record.epoch, .0.age_s
    )]
    Held(Holding),
    /// A newer run has taken over.
    #[error("a newer run of fmp (epoch {0}) has taken over; plan again")]
    Overtaken(u64),
    /// Too few mains answer to be sure that no other run goes on.
    #[error("{answered} of {mains} mains answer, {needed} must ({})", reasons(.silent))]
    NoMajority {
        /// How many answered.
        answered: usize,
        /// How many were asked.
        mains: usize,
        /// How many must answer.
        needed: usize,
        /// Who did not, and why.
        silent: BTreeMap<NodeName, String>,
    },
}

impl Refused {
    /// Whether a majority will answer once the mains are switched on that `is_off`: then the lease can be taken later, and
    /// machines may be switched on without it.
    pub fn ends_with_power(&self, is_off: impl Fn(&NodeName) -> bool) -> bool {
        match self {
            Self::NoMajority { answered, needed, silent, .. } => {
                answered + silent.keys().filter(|main| is_off(main)).count() >= *needed
            }
            Self::Held(_) | Self::Overtaken(_) => false,
        }
    }
}

fn reasons(silent: &BTreeMap<NodeName, String>) -> String {
    silent.iter().map(|(main, why)| format!("{main}: {why}")).collect::<Vec<_>>().join("; ")
}

/// How many of `mains` are a majority.
pub const fn majority(mains: usize) -> usize {
    mains / 2 + 1
}

/// The epoch to ask for: one more than the newest that any main has seen.
///
/// A majority has to be free. Every earlier run was granted by a majority, so one of these mains knows its epoch; unless they
/// were made anew, or cleaned. `heard` is the newest epoch that any host was seen with, mains or not: what has heard of one
/// refuses those before it for ever. Where no host has heard of any there is nothing to protect yet, and the epoch is 1.
///
/// # Errors
/// [`Refused`], naming the holder where one is seen.
pub fn next_epoch(glances: &BTreeMap<NodeName, Glance>, heard: u64) -> Result<u64, Refused> {
    let (mut free, mut newest) = (0, heard);
    let mut tally = Tally::new(glances.len());
    for (main, glance) in glances {
        match glance {
            Glance::Free { newest: seen } => {
                free += 1;
                newest = newest.max(*seen);
            }
            Glance::Held(holding) => {
                newest = newest.max(holding.record.epoch);
                tally.held(holding);
            }
            Glance::Silent(why) => tally.silent(main, why),
        }
    }
    if glances.is_empty() || free >= majority(glances.len()) {
        Ok(newest.saturating_add(1))
    } else {
        Err(tally.refusal())
    }
}

/// Whether a lease is held: a majority granted it, or no main exists.
///
/// # Errors
/// [`Refused`], naming the holder where one is seen.
pub fn decide(answers: &BTreeMap<NodeName, Answer>) -> Result<(), Refused> {
    let mut granted = 0;
    let mut tally = Tally::new(answers.len());
    for (main, answer) in answers {
        match answer {
            Answer::Granted => granted += 1,
            Answer::Held(holding) => tally.held(holding),
            Answer::Overtaken(epoch) => tally.overtaken = tally.overtaken.max(Some(*epoch)),
            Answer::Silent(why) => tally.silent(main, why),
        }
    }
    if answers.is_empty() || granted >= majority(answers.len()) { Ok(()) } else { Err(tally.refusal()) }
}

/// What speaks against a lease.
struct Tally {
    mains: usize,
    holder: Option<Holding>,
    overtaken: Option<u64>,
    silent: BTreeMap<NodeName, String>,
}

impl Tally {
    const fn new(mains: usize) -> Self {
        Self { mains, holder: None, overtaken: None, silent: BTreeMap::new() }
    }

    /// Of several holders the newest is named.
    fn held(&mut self, holding: &Holding) {
        if self.holder.as_ref().is_none_or(|other| other.record.epoch < holding.record.epoch) {
            self.holder = Some(holding.clone());
        }
    }

    fn silent(&mut self, main: &NodeName, why: &str) {
        self.silent.insert(main.clone(), why.to_owned());
    }

    fn refusal(self) -> Refused {
        let (mains, needed) = (self.mains, majority(self.mains));
        let answered = mains - self.silent.len();
        match (self.holder, self.overtaken) {
            (Some(holding), _) => Refused::Held(holding),
            (None, Some(epoch)) => Refused::Overtaken(epoch),
            (None, None) => Refused::NoMajority { answered, mains, needed, silent: self.silent },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mains<T: Clone>(answers: &[T]) -> BTreeMap<NodeName, T> {
        (1..).zip(answers).map(|(n, answer)| (format!("main-{n}").parse().unwrap(), answer.clone())).collect()
    }

    fn held(epoch: u64) -> Holding {
        let (holder, host) = ("ada".to_owned(), "desk".to_owned());
        let record = LeaseRecord { holder, host, pid: 4711, epoch, since: 1_700_000_000, instance: "boot.1".into() };
        Holding { record, age_s: 90 }
    }

    fn silent<T>(of: fn(String) -> T) -> T {
        of("no connection".into())
    }

    #[test]
    fn the_next_epoch_is_above_the_newest_seen_anywhere() {
        let glances = [Glance::Free { newest: 3 }, Glance::Free { newest: 7 }, silent(Glance::Silent)];
        assert_eq!(next_epoch(&mains(&glances), 0), Ok(8));
    }

    #[test]
    fn mains_that_know_of_no_run_begin_after_what_another_host_has_heard_of() {
        let glances = [Glance::Free { newest: 0 }, Glance::Free { newest: 0 }];
        assert_eq!([30, 0].map(|heard| next_epoch(&mains(&glances), heard)), [Ok(31), Ok(1)]);
    }

    #[test]
    fn a_lease_held_on_a_minority_is_in_nobodys_way_but_counts_for_the_epoch() {
        let glances = [Glance::Free { newest: 3 }, Glance::Held(held(9)), Glance::Free { newest: 3 }];
        assert_eq!(next_epoch(&mains(&glances), 0), Ok(10));
    }

    #[test]
    fn a_held_lease_names_its_holder_and_its_age() {
        let glances = [Glance::Held(held(9)), Glance::Held(held(9)), Glance::Free { newest: 8 }];
        let refused = next_epoch(&mains(&glances), 0).unwrap_err();
        assert_eq!(refused, Refused::Held(held(9)));
        let text = refused.to_string();
        assert!(["ada", "desk", "4711", "90 s"].iter().all(|part| text.contains(part)), "{text}");
    }

    #[test]
    fn without_a_majority_of_answers_nothing_begins() {
        let glances = [Glance::Free { newest: 3 }, silent(Glance::Silent), silent(Glance::Silent)];
        let refused = next_epoch(&mains(&glances), 0).unwrap_err();
        assert!(matches!(refused, Refused::NoMajority { answered: 1, mains: 3, needed: 2, .. }), "{refused}");
    }

    #[test]
    fn a_majority_of_grants_is_a_lease() {
        assert_eq!(decide(&mains(&[Answer::Granted, Answer::Granted, Answer::Held(held(2))])), Ok(()));
        assert_eq!(decide(&mains(&[Answer::Granted])), Ok(()));
    }

    #[test]
    fn half_of_the_grants_is_none() {
        let answers = [Answer::Granted, Answer::Overtaken(12)];
        assert_eq!(decide(&mains(&answers)), Err(Refused::Overtaken(12)));
        let answers = [Answer::Granted, Answer::Held(held(2)), silent(Answer::Silent)];
        assert_eq!(decide(&mains(&answers)), Err(Refused::Held(held(2))));
    }

    #[test]
    fn a_lease_covers_nothing_that_begins_shortly_before_its_end_or_later() {
        let covered = [0, EXPIRY_MS - MARGIN_MS - 1, EXPIRY_MS - MARGIN_MS, EXPIRY_MS, u64::MAX - MARGIN_MS];
        assert_eq!(covered.map(|age| covers(7, 7_u64.saturating_add(age))), [true, true, false, false, false]);
    }

    #[test]
    fn where_no_main_exists_the_first_run_begins() {
        assert_eq!((next_epoch(&BTreeMap::new(), 0), decide(&BTreeMap::new())), (Ok(1), Ok(())));
    }
}
