//! Programs.

use fmp_bundle::Store;
use fmp_core::{Digest, role::paths::key};
use fmp_exec::{Applied, Effect, Failure, FailureKind, Retry};
use fmp_plan::action::Before;

use super::{Work, before_word};
use crate::{
    hosts::{Packing, ledger},
    transport::Input,
};

const SCRIPT: &str = include_str!("scripts/upload.sh");

/// What goes where.
pub(super) struct Program<'a> {
    pub(super) name: &'a str,
    pub(super) digest: Digest,
    pub(super) path: &'a str,
    pub(super) bytes: u64,
    pub(super) before: Before,
}

/// Puts a program into the host's store.
pub(super) async fn upload(work: Work<'_>, program: Program<'_>) -> Result<Applied, Failure> {
    let Program { name, digest, path, bytes, before } = program;
    let content = content(work.store, work.packing, digest).await?;
    let (bytes, hex, before) = (bytes.to_string(), digest.hex(), before_word(before));
    let name = ledger::file_name(&key::artifact(name));
    let words = [path, &bytes, &hex, &before, &name, work.packing.unpack()];
    work.run(work.host()?, SCRIPT, &words, content).await
}

/// The content of `digest` as it goes over the wire.
pub(super) async fn content(store: &Store, packing: Packing, digest: Digest) -> Result<Input, Failure> {
    let bundle = |source: Box<dyn std::error::Error + Send + Sync>| Failure {
        effect: Effect::None,
        retry: Retry::Never,
        kind: FailureKind::Bundle(format!("{digest} can't be read from the bundle; run `fmp bundle build`")),
        source: Some(source),
    };
    let path = match packing {
        Packing::Plain => store.path(digest),
        Packing::Gzip => store.compressed(digest).map_err(|error| bundle(Box::new(error)))?.path,
    };
    let file = tokio::fs::File::open(path).await.map_err(|error| bundle(Box::new(error)))?;
    Ok(Input::Reader(Box::new(file)))
}
