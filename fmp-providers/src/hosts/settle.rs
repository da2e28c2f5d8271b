//! The end of a run: what was written is on the disk.

use fmp_core::NodeName;
use fmp_exec::{Effect, Failure, FailureKind, Retry};

use super::HostProvider;
use crate::transport::Input;

/// Waits for the file systems that we write to. Programs are written in the background while a run goes on.
const SCRIPT: &str =
    r#"for folder in /opt/fmp /etc /var/lib "$@"; do [ ! -d "$folder" ] || sync -f "$folder" || exit 1; done"#;

impl HostProvider {
    /// Returns when everything that was written on these hosts survives a power cut.
    ///
    /// # Errors
    /// For each host that could not say so, the reason. Nothing is lost by it unless the power fails soon.
    pub async fn settle(&self, nodes: impl IntoIterator<Item = &NodeName>) -> Result<(), Vec<Failure>> {
        let mut waiting = tokio::task::JoinSet::new();
        for (node, host) in nodes.into_iter().filter_map(|node| Some((node.clone(), self.hosts.get(node)?))) {
            let (transport, directories) = (host.transport.clone(), self.directories.clone());
            waiting.spawn(async move {
                let words = ["-c", SCRIPT, "fmp", &directories.etcd, &directories.containerd];
                let output = transport.run("sh", &words, Input::Empty).await;
                match output {
                    Ok(output) if output.success() => Ok(()),
                    Ok(output) => Err(unsettled(&node, &output.complaint())),
                    Err(error) => Err(unsettled(&node, &super::unreachable(&error))),
                }
            });
        }
        let failures: Vec<_> = waiting.join_all().await.into_iter().filter_map(Result::err).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}

fn unsettled(node: &NodeName, why: &str) -> Failure {
    let kind = FailureKind::Other(format!("{node} does not say that all is on its disk: {why}"));
    Failure { effect: Effect::None, retry: Retry::Later, kind, source: None }
}
