//! Volumes: a file system on a disk, mounted, grown. What is written is looked at again just before, under the lock.

use std::sync::Arc;

use fmp_core::resource::{Filesystem, Uuid};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::{DiskBefore, GROWTH_BYTES, MountPoint};

use super::Work;
use crate::{hosts::DISK, transport::Input};

const SHARED: &str = include_str!("scripts/volume.sh");
const MAKE: &str = include_str!("scripts/volume-make.sh");
const MOUNT: &str = include_str!("scripts/volume-mount.sh");
const GROW: &str = include_str!("scripts/volume-grow.sh");

/// Which volume.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which<'a> {
    pub(super) disk: &'a str,
    pub(super) filesystem: Filesystem,
    pub(super) uuid: &'a Uuid,
}

/// Makes the file system.
pub(super) async fn make(work: Work<'_>, which: Which<'_>, before: Option<&DiskBefore>) -> Result<Applied, Failure> {
    let (bytes, identity) = match before {
        Some(DiskBefore { bytes, identity }) => (bytes.to_string(), identity.as_str()),
        None => ("-".to_owned(), "-"),
    };
    run(work, which, MAKE, &[&bytes, identity]).await
}

/// Mounts it at all its places.
pub(super) async fn mount(work: Work<'_>, which: Which<'_>, mounts: &[MountPoint]) -> Result<Applied, Failure> {
    let words: Vec<&str> = mounts.iter().flat_map(|MountPoint { unit, directory }| [&**unit, &**directory]).collect();
    run(work, which, MOUNT, &words).await
}

/// Lets it take all of its disk.
pub(super) async fn grow(work: Work<'_>, which: Which<'_>, directory: &Arc<str>) -> Result<Applied, Failure> {
    run(work, which, GROW, &[directory, &GROWTH_BYTES.to_string()]).await
}

async fn run(work: Work<'_>, which: Which<'_>, script: &str, rest: &[&str]) -> Result<Applied, Failure> {
    let Which { disk, filesystem, uuid } = which;
    let script = [DISK, SHARED, script].join("\n");
    let words = [&[disk, filesystem.as_str(), uuid.as_str()], rest].concat();
    work.run(work.host()?, &script, &words, Input::Empty).await
}
