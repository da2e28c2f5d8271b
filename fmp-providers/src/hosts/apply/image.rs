//! Container images.

use fmp_core::{Digest, role::paths::key};
use fmp_exec::{Applied, Failure};

use super::{Work, upload};
use crate::hosts::ledger;

const SCRIPT: &str = include_str!("scripts/image.sh");

/// Loads an image into the runtime and pins it.
pub(super) async fn import(work: Work<'_>, reference: &str, archive: Digest, bytes: u64) -> Result<Applied, Failure> {
    let content = upload::content(work.store, work.packing, archive).await?;
    let (bytes, hex) = (bytes.to_string(), archive.hex());
    let name = ledger::file_name(&key::image(reference));
    let words = [reference, &bytes, &hex, &name, work.packing.unpack()];
    let answer = work.run(work.host()?, SCRIPT, &words, content).await;
    upload::whose_fault(work.store, reference, archive, answer).await
}
