//! What all holders share: made on one host, copied to the others.

use fmp_core::{Secret, resource::Holding, role::paths::key};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::{TrustItem, TrustSource};
use zeroize::Zeroizing;

use super::{Work, nothing, nothing_because};
use crate::{
    hosts::ledger,
    pki::{self, Made, PkiError},
    transport::Input,
};

const SCRIPT: &str = include_str!("scripts/secrets.sh");

/// One file of keys or certificates on its way to a host.
pub(super) struct Placement<'a> {
    /// The ledger's name and kind.
    pub(super) name: String,
    pub(super) kind: &'a str,
    /// `create`, `copy` or `replace`.
    pub(super) how: &'a str,
    /// Whether only root may read it.
    pub(super) secret: bool,
    pub(super) path: &'a str,
    pub(super) content: Secret,
}

/// Makes or copies each item, in one go.
pub(super) async fn establish(work: Work<'_>, items: &[TrustItem]) -> Result<Applied, Failure> {
    let mut placements = Vec::new();
    for item in items {
        let (how, made) = match &item.from {
            TrustSource::Create => {
                let made = create(item.what, work.now);
                ("create", made.map_err(|error| nothing_because("a key can't be made", error))?)
            }
            TrustSource::Copy(holders) => ("copy", copy(work, item, holders).await?),
        };
        let name = ledger::file_name(&key::trust(item.what));
        let public = item.what.public_path().zip(made.public.map(Secret::new));
        let private = item.what.private_path().zip(made.private.filter(|_| item.private));
        // The key first: a certificate without its key looks like one that somebody may have signed for.
        let parts = [(true, private), (false, public)];
        for (secret, part) in parts {
            let Some((path, content)) = part else { continue };
            placements.push(Placement { name: name.clone(), kind: "trust", how, secret, path, content });
        }
    }
    place(work, 0, &placements).await
}

fn create(what: Holding, now: i64) -> Result<Made, PkiError> {
    match what {
        Holding::ClusterId => pki::cluster_id(),
        Holding::Authority(authority) => pki::Authority::create(authority, now),
        Holding::ServiceAccountKey => pki::service_account_key(),
        Holding::EncryptionConfig => pki::encryption_config(),
    }
}

async fn copy(work: Work<'_>, item: &TrustItem, holders: &[fmp_core::NodeName]) -> Result<Made, Failure> {
    let public = match item.what.public_path() {
        Some(path) => {
            let content = work.read_from_any(holders, path).await?;
            let text = String::from_utf8(content.expose().to_vec());
            Some(text.map_err(|_| nothing(format!("{path} on its holder is no text")))?)
        }
        None => None,
    };
    let private = match item.what.private_path().filter(|_| item.private) {
        Some(path) => Some(work.read_from_any(holders, path).await?),
        None => None,
    };
    Ok(Made { public, private })
}

/// Puts files of keys and certificates on the step's host, unless it is earlier there than `from`, in seconds since 1970.
pub(super) async fn place(work: Work<'_>, from: i64, placements: &[Placement<'_>]) -> Result<Applied, Failure> {
    let mut words: Vec<String> = Vec::with_capacity(2 + placements.len() * 7);
    words.extend([work.cx.run.to_string(), from.to_string()]);
    let length = placements.iter().map(|placement| placement.content.expose().len()).sum();
    // Never grown: a vector that grows leaves a copy behind.
    let mut contents = Zeroizing::new(Vec::with_capacity(length));
    for Placement { name, kind, how, secret, path, content } in placements {
        let (part, mode) = if *secret { ("secret", "600") } else { ("file", "644") };
        let bytes = content.expose().len().to_string();
        words.extend([name, *kind, *how, part, mode, &bytes, *path].map(str::to_owned));
        contents.extend_from_slice(content.expose());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let input = Input::Secret(Secret::new(std::mem::take(&mut *contents)));
    work.run(work.host()?, SCRIPT, &words, input).await
}
