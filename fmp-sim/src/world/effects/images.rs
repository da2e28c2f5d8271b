//! Images.

use fmp_core::{
    Digest, NodeName,
    resource::ImageName,
    role::paths::{self, key, unit::REGISTRY},
};
use fmp_exec::{Applied, Failure, FailureKind};
use fmp_plan::action::Before;

use super::{
    files::{is, words},
    stale,
};
use crate::world::{World, api::CONTAINERD, files::Content, host::Host, later, never};

/// What anybody may read.
const PLAIN: u32 = 0o644;

impl World {
    pub(crate) fn import_image(&mut self, node: &NodeName, reference: &str) -> Result<Applied, Failure> {
        self.take_image(node, reference, |_| Ok(()))
    }

    /// The storage answers this node, and its tag is the manifest that is wanted.
    pub(crate) fn pull_image(
        &mut self,
        node: &NodeName,
        reference: &str,
        manifest: Digest,
    ) -> Result<Applied, Failure> {
        self.take_image(node, reference, |world| {
            let of = |name: ImageName| paths::stored_image(&name.repository(), &name.tag);
            let path = ImageName::parse(reference).map(of).unwrap_or_default();
            let part = world.hosts.get(node).map(|host| host.part);
            let tag = Digest::of(manifest.to_string());
            let gives = |host: &Host| {
                let is_tagged = host.files.get(&path).is_some_and(|file| file.digest() == Some(tag));
                host.answers(REGISTRY) && Some(host.part) == part && is_tagged
            };
            if world.hosts.values().any(gives) {
                return Ok(());
            }
            let what = format!("neither the image storage nor its own registry gives {node} {reference}");
            Err(later(FailureKind::Other(what)))
        })
    }

    fn take_image(
        &mut self,
        node: &NodeName,
        reference: &str,
        comes: impl FnOnce(&Self) -> Result<(), Failure>,
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if !host.runs(CONTAINERD) {
            return Err(later(FailureKind::Other(format!("containerd does not run on {node}"))));
        }
        if host.images.contains(reference) {
            host.note(key::image(reference), "image", |_| "absent".to_owned());
            return Ok(Applied::AlreadyDone);
        }
        if host.full {
            let path = "/var/lib/containerd".to_owned();
            return Err(never(FailureKind::NoRoom { host: node.to_string(), path, needed: 1 << 20 }));
        }
        host.note(key::image(reference), "image", |_| "absent".to_owned());
        comes(self)?;
        self.running(node)?.images.insert(reference.to_owned());
        Ok(Applied::Done)
    }

    pub(crate) fn store_image(
        &mut self,
        node: &NodeName,
        reference: &str,
        manifest: Digest,
        (path, before): (&str, Before),
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let found = host.files.get(path);
        if is(found, Before::Digest(Digest::of(manifest.to_string()))) {
            return Ok(Applied::AlreadyDone);
        }
        if !is(found, before) {
            return Ok(stale(format!("{node}: {path}"), words(before), host.previous(path)));
        }
        if host.full {
            return Err(never(FailureKind::NoRoom { host: node.to_string(), path: path.to_owned(), needed: 1 << 20 }));
        }
        host.note(key::stored_image(reference), "stored-image", |host| host.previous(path));
        self.put(node.as_str(), path, Content::Text(manifest.to_string().into()), PLAIN);
        Ok(Applied::Done)
    }
}
