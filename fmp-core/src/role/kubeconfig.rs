//! kubeconfigs: who a client is and where it finds the API. Keys are referred to, never held.

use super::{
    common::Common,
    pki::{Pair, Subject},
    recipe::{Recipe, ThisNode},
    service::{reread, restart},
};
use crate::resource::{Authority, Input};

/// A client of the API.
pub(super) struct Client {
    /// Path of its kubeconfig.
    pub(super) path: &'static str,
    /// Its name in the file.
    pub(super) user: &'static str,
    /// Its certificate.
    pub(super) pair: Pair,
    /// Where it finds the API.
    pub(super) server: &'static str,
}

impl Client {
    /// Adds the client's certificate and kubeconfig to a recipe. Returns what its program reads.
    ///
    /// client-go looks at certificate and key again at each handshake, and drops connections with the old ones; the
    /// authority it reads once, as of 1.29
    /// ([`transport`](https://github.com/kubernetes/kubernetes/blob/v1.29.15/staging/src/k8s.io/client-go/transport/transport.go)).
    pub(super) fn add<'a>(
        &self,
        recipe: &mut Recipe<'a>,
        common: &Common<'_>,
        subject: impl Fn(&ThisNode<'_>) -> Subject + 'a,
    ) -> Vec<Input> {
        recipe.certificate(&self.pair, Authority::Cluster, subject);
        recipe.file_with_mode(self.path, 0o600, self.text(&common.spec.name));
        vec![
            restart(self.path),
            restart(Authority::Cluster.certificate()),
            reread(self.pair.certificate.clone()),
            reread(self.pair.key.clone()),
        ]
    }

    fn text(&self, cluster: &str) -> String {
        let Self { user, pair: Pair { certificate, key }, server, .. } = self;
        let authority = Authority::Cluster.certificate();
        format!(
            "\
apiVersion: v1
kind: Config
clusters:
  - name: {cluster}
    cluster:
      certificate-authority: {authority}
      server: {server}
users:
  - name: {user}
    user:
      client-certificate: {certificate}
      client-key: {key}
contexts:
  - name: {user}@{cluster}
    context:
      cluster: {cluster}
      user: {user}
current-context: {user}@{cluster}
"
        )
    }
}
