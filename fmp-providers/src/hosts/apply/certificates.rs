//! Certificates: keys made in memory, signed with an authority's key that is lent for this step, sent to their host.

use std::collections::{BTreeMap, btree_map::Entry};

use fmp_core::{Secret, resource, role::paths::key};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::CertificateIssue;

use super::{
    Work, nothing, nothing_because,
    trust::{Placement, place},
};
use crate::{hosts::ledger, pki};

/// Issues all of a host's certificates in one go.
pub(super) async fn issue(work: Work<'_>, certificates: &[CertificateIssue]) -> Result<Applied, Failure> {
    let mut authorities = BTreeMap::new();
    let mut placements = Vec::with_capacity(certificates.len() * 2);
    for wanted in certificates {
        let which = wanted.request.signer;
        let authority = match authorities.entry(which) {
            Entry::Occupied(lent) => lent.into_mut(),
            Entry::Vacant(place) => place.insert(borrow(work, which, wanted).await?),
        };
        let issued = pki::issue(authority, &wanted.request, work.now)
            .map_err(|error| nothing_because(&format!("{} can't be issued", wanted.path), error))?;
        let name = ledger::file_name(&key::certificate(&wanted.path));
        let parts = [(true, &wanted.key_path, issued.key), (false, &wanted.path, Secret::new(issued.certificate))];
        // The key goes first: a certificate without its key would look finished.
        placements.extend(parts.map(|(secret, path, content)| Placement {
            name: name.clone(),
            kind: "certificate",
            how: "replace",
            secret,
            path,
            content,
        }));
    }
    place(work, work.now - resource::BACKDATED_S, &placements).await
}

/// Reads an authority from any of its holders. It is overwritten when the step ends.
async fn borrow(
    work: Work<'_>,
    which: resource::Authority,
    wanted: &CertificateIssue,
) -> Result<pki::Authority, Failure> {
    let mut failure = nothing(format!("nobody lends the key of {}", which.certificate()));
    for node in &wanted.holders {
        let holder =
            work.hosts.get_key_value(node).ok_or_else(|| nothing(format!("there is no way to reach {node}")))?;
        let pair = tokio::try_join!(work.read(holder, which.certificate()), work.read(holder, which.key()));
        match pair {
            Ok((certificate, key)) => {
                let certificate = String::from_utf8_lossy(certificate.expose());
                let unusable = |error| nothing_because(&format!("the authority on {node} can't sign"), error);
                return pki::Authority::load(&certificate, &key).map_err(unusable);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
