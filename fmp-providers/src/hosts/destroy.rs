//! Taking everything of ours off a host.

use fmp_core::{NodeName, profile::Directories};
use fmp_exec::{Applied, Context, Failure};
use fmp_plan::{
    Step,
    action::Action,
    step::{StepId, Subject},
};

use super::HostProvider;
use crate::transport::Input;

const SCRIPT: &str = include_str!("destroy.sh");

impl HostProvider {
    /// Stops and removes everything that the ledger of `node` names, data included.
    ///
    /// A host that belongs to another cluster than `cluster_id` is left as it is: [`Applied::Stale`].
    ///
    /// # Errors
    /// With what is known of the effect. Where something below the kubelet's or containerd's folders can't be unmounted, the
    /// units are stopped by then, and all files and the ledger stay, so that it can be done again.
    pub async fn destroy(&self, cx: &Context, node: &NodeName, cluster_id: &str) -> Result<Applied, Failure> {
        // A step only in name: destroying is no part of any plan.
        let step = Step {
            id: StepId::new(format!("{node}/destroy")),
            subject: Subject::Host(node.clone()),
            action: Action::StartMachine,
            after: Vec::new(),
            unit: None,
            disrupts: std::collections::BTreeSet::new(),
            watch: None,
            reason: String::new(),
        };
        let work = self.work(cx, &step);
        let Directories { containerd, etcd, kubelet } = &self.directories;
        work.run(work.host()?, SCRIPT, &[cluster_id, etcd, kubelet, containerd], Input::Empty).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::testing::Lab;

    async fn destroy(lab: &Lab) -> Applied {
        lab.provider.destroy(&lab.cx, &"a".parse().unwrap(), "ours").await.unwrap()
    }

    #[tokio::test]
    async fn a_host_of_another_cluster_is_left_as_it_is() {
        let lab = Lab::new();
        lab.put("/var/lib/fmp/cluster-id", "theirs\n");
        lab.put("/var/lib/fmp/ledger/file%2Fetc%2Fx", "kind file\nfile /etc/x\n");
        lab.put("/etc/x", "x");
        match destroy(&lab).await {
            Applied::Stale(found) => assert_eq!((found.expected.as_str(), found.found.as_str()), ("ours", "theirs")),
            other => panic!("{other:?}"),
        }
        assert_eq!(lab.read("/etc/x"), "x");
        assert_eq!(lab.left("/var/lib/fmp"), ["cluster-id", "ledger"], "not even this run's epoch is noted");
    }

    #[tokio::test]
    async fn a_ledger_of_nobody_is_left_as_it_is_and_a_bare_host_is_done() {
        let lab = Lab::new();
        assert_eq!(destroy(&lab).await, Applied::AlreadyDone);
        lab.put("/var/lib/fmp/ledger/file%2Fetc%2Fx", "kind file\nfile /etc/x\n");
        assert!(matches!(destroy(&lab).await, Applied::Stale(_)));
    }
}
