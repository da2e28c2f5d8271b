//! The cache: what a build gave, found by what went into it.

use fmp_core::{
    Digest,
    bundle::{Kind, Lock},
};

use crate::{
    manifest::{Release, Source},
    source::{self, Bench, SourceError},
    store::{Store, StoreError},
};

/// Part of every key: raised when a change of this crate changes what a source makes, so that older results aren't found.
const RECIPE: u32 = 1;

/// The same for images: 2 since they are OCI layouts.
const IMAGE_RECIPE: u32 = 2;

/// The digest of everything that the result of `source` depends on.
pub(crate) fn key(bench: Bench<'_>, release: &Release, source: &Source) -> Result<Digest, SourceError> {
    let Release { name, version, kind, artifacts, sources: _ } = release;
    let inputs = source::inputs(bench, source)?;
    let described = serde_json::to_string(source).expect("tables with text keys are JSON");
    let recipe = match kind {
        Kind::Binary | Kind::Package(_) => RECIPE,
        Kind::Image(_) => IMAGE_RECIPE,
    };
    Ok(Digest::of(format!("{recipe} {name} {version} {kind:?} {artifacts:?}\n{described}\n{inputs}")))
}

/// What was made of `key`, if it is still there, every byte of it.
pub(crate) fn recall(store: &Store, key: Digest) -> Option<Lock> {
    let lock = Lock::parse(&store.note("inputs", key)?)
        .inspect_err(|error| tracing::warn!(%key, %error, "a note of the cache is damaged, building again"))
        .ok()?;
    let damage = store.verify(&lock);
    for damage in &damage {
        tracing::warn!("{damage}");
    }
    damage.is_empty().then_some(lock)
}

/// Notes what was made of `key`.
pub(crate) fn remember(store: &Store, key: Digest, made: &Lock) -> Result<(), StoreError> {
    store.write("inputs", key, &made.render())
}
