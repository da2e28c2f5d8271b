//! Which versions run beside each other that must not.
//!
//! Written on its own, from upstream's page (<https://kubernetes.io/releases/version-skew-policy/>), and knows nothing of
//! how an upgrade is planned.

use std::collections::BTreeSet;

use super::World;

/// A program of which the version matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Apiserver,
    ControllerManager,
    Scheduler,
    Kubelet,
    Proxy,
}

const PARTS: [Part; 5] = [Part::Apiserver, Part::ControllerManager, Part::Scheduler, Part::Kubelet, Part::Proxy];

/// How many minor versions a kubelet or a proxy may be older than an apiserver, from 1.25 on.
const NODE_OLDER: u16 = 3;

impl Part {
    const fn program(self) -> &'static str {
        match self {
            Self::Apiserver => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::Proxy => "kube-proxy",
        }
    }

    /// How much older than an apiserver that it talks to it may be, in minor versions; it is never newer. Of apiservers
    /// neither is more than one older than any other one.
    const fn older(self) -> u16 {
        match self {
            Self::Apiserver | Self::ControllerManager | Self::Scheduler => 1,
            Self::Kubelet | Self::Proxy => NODE_OLDER,
        }
    }

    /// Whether it talks to an apiserver: controllers to their own alone.
    fn talks_to(self, is_own: bool) -> bool {
        match self {
            Self::Apiserver => !is_own,
            Self::ControllerManager | Self::Scheduler => is_own,
            Self::Kubelet | Self::Proxy => true,
        }
    }
}

/// A program that runs: which, where, its minor version.
type Running<'a> = (Part, &'a str, u16);

/// Each pair that must not be, in words.
fn broken(running: &[Running<'_>]) -> BTreeSet<String> {
    let apiservers = || running.iter().filter(|(part, ..)| *part == Part::Apiserver);
    let mut found = BTreeSet::new();
    for (part, node, minor) in running {
        for (_, main, api) in apiservers().filter(|(_, main, _)| part.talks_to(node == main)) {
            // Of two apiservers the older one is named once.
            let is_newer = minor > api && *part != Part::Apiserver;
            if is_newer || api.saturating_sub(*minor) > part.older() {
                found.insert(format!("{} 1.{minor} on {node} beside an apiserver 1.{api} on {main}", part.program()));
            }
        }
    }
    found
}

impl World {
    /// Each pair of programs that run and must not run beside each other, in words.
    pub(crate) fn broken_skew(&self) -> BTreeSet<String> {
        let of_host = |(name, host): (&'_ fmp_core::NodeName, &'_ super::host::Host)| {
            PARTS.map(|part| {
                let version = host.running_version(&format!("{}.service", part.program()), part.program());
                version.map(|version| (part, name.to_string(), version.minor))
            })
        };
        let running: Vec<(Part, String, u16)> =
            self.hosts.iter().filter(|(_, host)| host.power.is_on()).flat_map(of_host).flatten().collect();
        let running: Vec<Running<'_>> =
            running.iter().map(|(part, node, minor)| (*part, node.as_str(), *minor)).collect();
        broken(&running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found beside apiservers of these minor versions, on `m1` and so on.
    fn beside(apiservers: &[u16], others: &[Running<'static>]) -> Vec<String> {
        let names = ["m1", "m2", "m3"];
        let mut running: Vec<Running<'_>> =
            names.iter().zip(apiservers).map(|(name, minor)| (Part::Apiserver, *name, *minor)).collect();
        running.extend(others);
        broken(&running).into_iter().collect()
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn apiservers_are_within_one_minor() {
        assert_eq!(beside(&[28, 29, 28], &[]), NONE);
        assert_eq!(beside(&[27, 29, 28], &[]), ["kube-apiserver 1.27 on m1 beside an apiserver 1.29 on m2"]);
    }

    #[test]
    fn controllers_are_no_newer_than_their_own_apiserver_and_at_most_one_older() {
        for (part, program) in
            [(Part::ControllerManager, "kube-controller-manager"), (Part::Scheduler, "kube-scheduler")]
        {
            assert_eq!(beside(&[28, 29], &[(part, "m1", 28), (part, "m2", 28)]), NONE);
            assert_eq!(
                beside(&[28, 29], &[(part, "m1", 29)]),
                [format!("{program} 1.29 on m1 beside an apiserver 1.28 on m1")]
            );
            assert_eq!(beside(&[29], &[(part, "m1", 27)]).len(), 1);
        }
    }

    #[test]
    fn kubelets_and_proxies_are_no_newer_than_any_apiserver_and_at_most_three_older() {
        for part in [Part::Kubelet, Part::Proxy] {
            assert_eq!(beside(&[28, 29], &[(part, "w1", 28), (part, "w2", 26)]), NONE);
            assert_eq!(beside(&[28, 29], &[(part, "w1", 29)]).len(), 1, "one apiserver is older");
            assert_eq!(beside(&[28, 29], &[(part, "w1", 25)]).len(), 1, "one apiserver is four newer");
        }
    }
}
