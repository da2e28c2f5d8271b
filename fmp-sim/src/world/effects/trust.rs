//! Shared things: made, or copied from any holder.

use std::collections::BTreeSet;

use fmp_core::{
    Digest, NodeName,
    observed::Certificate,
    resource::{Authority, Holding},
    role::paths::{MACHINE_ID, key},
};
use fmp_exec::{Applied, Failure, FailureKind};
use fmp_plan::action::{TrustItem, TrustSource};

use super::stale;
use crate::world::{Deed, World, files::Content, host::Host, later};

/// How long an authority lasts, as kubeadm has it: ten years.
const AUTHORITY_S: i64 = 10 * 365 * 24 * 60 * 60;

/// A path, what belongs there, and its mode.
type Part = (&'static str, Content, u32);

impl World {
    pub(crate) fn establish_trust(&mut self, node: &NodeName, items: &[TrustItem]) -> Result<Applied, Failure> {
        self.running(node)?;
        let (mut parts, mut made) = (Vec::new(), Vec::new());
        for item in items {
            let mut these = match &item.from {
                TrustSource::Create if self.holds(node, item.what) => continue,
                TrustSource::Create => {
                    made.push(item.what);
                    self.make(item.what)
                }
                TrustSource::Copy(holders) => self.copy(item.what, holders)?,
            };
            if item.what == Holding::ClusterId {
                these.push((
                    MACHINE_ID,
                    Content::Text(format!("{}\n", self.hosts[node].facts.machine_id).into()),
                    0o644,
                ));
            }
            these.retain(|(path, ..)| item.private || item.what.private_path() != Some(path));
            let host = &self.hosts[node];
            these.retain(|(path, content, _)| host.files.get(*path).is_none_or(|file| file.content != *content));
            // A key that is there is never overwritten, unless it is half of a pair that was begun here.
            let begun = || host.ledger.contains_key(&key::trust(item.what));
            let is_half = item.from == TrustSource::Create && begun();
            if self.guards.keys
                && !is_half
                && let Some((path, ..)) = these
                    .iter()
                    .find(|(path, ..)| host.files.contains_key(*path) && item.what.private_path() == Some(path))
            {
                return Ok(stale(format!("{node}: {path}"), "absent", "another one"));
            }
            parts.extend(these.into_iter().map(|part| (item.what, part)));
        }
        if parts.is_empty() {
            return Ok(Applied::AlreadyDone);
        }
        self.with_room(node, "/etc/kubernetes/pki", 1_024)?;
        for what in made {
            let again = self.is_in_use(node, what);
            self.tell(Deed::Made { what, node: node.clone(), again });
        }
        for (what, (path, content, mode)) in parts {
            if let Some(host) = self.hosts.get_mut(node) {
                host.note(key::trust(what), "trust", |host| host.previous(path));
            }
            self.put(node.as_str(), path, content, mode);
        }
        Ok(Applied::Done)
    }

    fn holds(&self, node: &NodeName, what: Holding) -> bool {
        let host = &self.hosts[node];
        let paths = [what.public_path(), what.private_path()];
        paths.into_iter().flatten().all(|path| host.files.contains_key(path))
    }

    /// Whether another one is in use: another host holds it, or one that it signed.
    fn is_in_use(&self, maker: &NodeName, what: Holding) -> bool {
        let held = |host: &Host| what.private_path().is_some_and(|path| host.files.contains_key(path));
        let others = || self.hosts.iter().filter(|(node, _)| *node != maker);
        let own = |path: &str| match self.hosts[maker].files.get(path).map(|file| &file.content) {
            Some(Content::Certificate(certificate)) => Some(certificate.subject_key.clone()),
            Some(Content::Text(_) | Content::Program { .. } | Content::Secret(_)) | None => None,
        };
        let signed = |signer: &String| {
            let files = self.hosts.values().flat_map(|host| host.files.values());
            let mut certificates = files.filter_map(|file| match &file.content {
                Content::Certificate(certificate) => Some(certificate),
                Content::Text(_) | Content::Program { .. } | Content::Secret(_) => None,
            });
            certificates.any(|found| !found.authority && found.signer == *signer)
        };
        let before = match what {
            Holding::Authority(authority) => own(authority.certificate()),
            Holding::ClusterId | Holding::ServiceAccountKey | Holding::EncryptionConfig => None,
        };
        others().any(|(_, host)| held(host)) || before.is_some_and(|key| signed(&key))
    }

    fn copy(&self, what: Holding, holders: &[NodeName]) -> Result<Vec<Part>, Failure> {
        let answers = |node: &&NodeName| self.way_to(node).is_ok();
        let holder = holders.iter().filter(answers).find(|node| self.holds(node, what));
        let nobody = || later(FailureKind::Other(format!("no holder of the {what} answers")));
        let host = &self.hosts[holder.ok_or_else(nobody)?];
        let part = |path: &'static str| Some((path, host.files.get(path)?.content.clone(), host.files.get(path)?.mode));
        Ok([what.public_path(), what.private_path()].into_iter().flatten().filter_map(part).collect())
    }

    fn make(&mut self, what: Holding) -> Vec<Part> {
        let serial = self.next();
        let public = match what {
            Holding::ClusterId => {
                Some(Content::Text(format!("{}\n", Digest::of(format!("cluster {serial}")).short()).into()))
            }
            Holding::Authority(authority) => Some(Content::Certificate(Box::new(self.authority(authority, serial)))),
            Holding::ServiceAccountKey => Some(Content::Text(format!("public key {serial}\n").into())),
            Holding::EncryptionConfig => None,
        };
        let public = what.public_path().zip(public).map(|(path, content)| (path, content, 0o644));
        let private = what.private_path().map(|path| (path, Content::Secret(serial), 0o600));
        private.into_iter().chain(public).collect()
    }

    fn authority(&self, which: Authority, serial: u64) -> Certificate {
        let key = Digest::of(format!("key {serial}"));
        Certificate {
            common_name: which.common_name().to_owned(),
            organizations: BTreeSet::new(),
            names: BTreeSet::new(),
            usages: BTreeSet::new(),
            authority: true,
            not_before: self.now() - 3_600,
            not_after: self.now() + AUTHORITY_S,
            key,
            signer: key_id(&key),
            subject_key: key_id(&key),
        }
    }
}

/// A key's identifier: 20 bytes.
pub(crate) fn key_id(key: &Digest) -> String {
    let mut id = key.hex();
    id.truncate(40);
    id
}
