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
    /// A host that belongs to another cluster than `cluster_id` is left as it is, and so is one on which something below
    /// the kubelet's or containerd's folders can't be unmounted: both are [`Applied::Stale`].
    ///
    /// # Errors
    /// With what is known of the effect.
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
