//! Container images.

use fmp_core::{Digest, resource::ImageName, role::paths::key};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::Before;

use super::{Work, before_word, nothing, upload};
use crate::{hosts::ledger, transport::Input};

/// What the steps of a node's image share.
const RUNTIME: &str = include_str!("scripts/image-runtime.sh");
const IMPORT: &str = include_str!("scripts/image.sh");
const STORE: &str = include_str!("scripts/image-store.sh");
const PULL: &str = include_str!("scripts/image-pull.sh");

/// Loads an image into the runtime and pins it.
pub(super) async fn import(work: Work<'_>, reference: &str, archive: Digest, bytes: u64) -> Result<Applied, Failure> {
    let content = upload::content(work.store, work.packing, archive).await?;
    let (bytes, hex) = (bytes.to_string(), archive.hex());
    let name = ledger::file_name(&key::image(reference));
    let words = [reference, &bytes, &hex, &name, work.packing.unpack()];
    let answer = work.run(work.host()?, &[RUNTIME, IMPORT].join("\n"), &words, content).await;
    upload::whose_fault(work.store, reference, archive, answer).await
}

/// An image for the storage that nodes pull from.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a> {
    pub(super) reference: &'a str,
    pub(super) archive: Digest,
    pub(super) bytes: u64,
    pub(super) manifest: Digest,
    /// The file that says which manifest the tag is.
    pub(super) path: &'a str,
}

/// Puts an image where the registry on its machine serves it.
pub(super) async fn store(work: Work<'_>, image: Stored<'_>, before: Before) -> Result<Applied, Failure> {
    let Stored { reference, archive, bytes, manifest, path } = image;
    let content = upload::content(work.store, work.packing, archive).await?;
    let (bytes, hex, manifest) = (bytes.to_string(), archive.hex(), manifest.hex());
    let (before, name) = (before_word(before), ledger::file_name(&key::stored_image(reference)));
    let words = [&bytes, &hex, &manifest, path, &before, &name, work.packing.unpack()];
    let answer = work.run(work.host()?, STORE, &words, content).await;
    upload::whose_fault(work.store, reference, archive, answer).await
}

/// Has the runtime pull an image by its manifest, and pins it.
pub(super) async fn pull(work: Work<'_>, reference: &str, manifest: Digest) -> Result<Applied, Failure> {
    let whole = || nothing(format!("`{reference}` does not say which registry it is from"));
    let ImageName { domain, path, .. } = ImageName::parse(reference).ok_or_else(whole)?;
    let by_digest = format!("{domain}/{path}@{manifest}");
    let name = ledger::file_name(&key::image(reference));
    let words = [reference, &by_digest, &manifest.hex(), &name];
    work.run(work.host()?, &[RUNTIME, PULL].join("\n"), &words, Input::Empty).await
}
