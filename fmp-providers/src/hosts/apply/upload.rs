//! Programs.

use std::{error::Error, fmt::Display};

use fmp_bundle::{Fault, Store};
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
    let entry = ledger::file_name(&key::artifact(name));
    let words = [path, &bytes, &hex, &before, &entry, work.packing.unpack()];
    let answer = work.run(work.host()?, SCRIPT, &words, content).await;
    whose_fault(work.store, name, digest, answer).await
}

/// What a host did not get whole is looked at on this computer too: content that rotted here is as rotten when it is sent
/// again.
pub(super) async fn whose_fault(
    store: &Store,
    name: &str,
    digest: Digest,
    answer: Result<Applied, Failure>,
) -> Result<Applied, Failure> {
    match answer {
        Err(Failure { kind: FailureKind::Torn(_), .. }) => {}
        other => return other,
    }
    let (own, content) = (store.clone(), format!("`{name}` ({digest})"));
    // A gigabyte takes seconds to hash, which is nothing for a thread that others wait on.
    let Ok(Some((fault, path))) = tokio::task::spawn_blocking(move || own.fault(digest)).await else { return answer };
    let fault = match fault {
        Fault::Missing => "is missing",
        Fault::Corrupted(_) | Fault::Twin => "is damaged",
    };
    let kind = FailureKind::Bundle(format!(
        "{content} in the bundle's store on this computer {fault}: {}; `fmp bundle verify` names all that is, `fmp bundle \
         build` makes it again",
        path.display()
    ));
    Err(Failure { effect: Effect::None, retry: Retry::Never, kind, source: None })
}

/// The content of `digest` as it goes over the wire.
pub(super) async fn content(store: &Store, packing: Packing, digest: Digest) -> Result<Input, Failure> {
    let path = match packing {
        Packing::Plain => store.path(digest),
        Packing::Gzip => store.compressed(digest).map_err(|error| unread(digest, error))?.path,
    };
    let file = tokio::fs::File::open(path).await.map_err(|error| unread(digest, error))?;
    Ok(Input::Reader(Box::new(file)))
}

/// Something of the bundle that this computer has not, or can't read.
pub(super) fn unread(what: impl Display, source: impl Error + Send + Sync + 'static) -> Failure {
    let kind = FailureKind::Bundle(format!("{what} can't be read from the bundle; run `fmp bundle build`"));
    Failure { effect: Effect::None, retry: Retry::Never, kind, source: Some(Box::new(source)) }
}
