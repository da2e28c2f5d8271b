//! Volumes: a file system on a disk or on a volume group, mounted, grown. What is written is looked at again just before, under the lock.

use std::sync::Arc;

use fmp_core::resource::{Filesystem, Uuid};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::{DiskBefore, GROWTH_BYTES, GroupWrite, MemberWrite, MountPoint};

use super::Work;
use crate::{hosts::DISK, transport::Input};

const SHARED: &str = include_str!("scripts/volume.sh");
const MAKE: &str = include_str!("scripts/volume-make.sh");
const MOUNT: &str = include_str!("scripts/volume-mount.sh");
const GROW: &str = include_str!("scripts/volume-grow.sh");
const GROUP: &str = include_str!("scripts/group.sh");
const GROUP_MAKE: &str = include_str!("scripts/group-make.sh");
const GROUP_GROW: &str = include_str!("scripts/group-grow.sh");

/// Which volume.
#[derive(Debug, Clone, Copy)]
pub(super) struct Which<'a> {
    pub(super) disk: &'a str,
    pub(super) filesystem: Filesystem,
    pub(super) uuid: &'a Uuid,
}

/// Makes the file system.
pub(super) async fn make(work: Work<'_>, which: Which<'_>, before: Option<&DiskBefore>) -> Result<Applied, Failure> {
    let [bytes, identity] = as_seen(before);
    run(work, which, &[MAKE], &[&bytes, &identity]).await
}

/// Makes a volume group, its logical volume and the file system on that.
pub(super) async fn make_group(work: Work<'_>, which: Which<'_>, group: &GroupWrite) -> Result<Applied, Failure> {
    let members = members(group);
    let words = names(group).into_iter().chain(members.iter().map(String::as_str));
    run(work, which, &[GROUP, GROUP_MAKE], &words.collect::<Vec<_>>()).await
}

/// Lets a volume take all disks of its group, new ones too.
pub(super) async fn grow_group(
    work: Work<'_>,
    which: Which<'_>,
    directory: &Arc<str>,
    group: &GroupWrite,
) -> Result<Applied, Failure> {
    let (members, slack) = (members(group), GROWTH_BYTES.to_string());
    let words = names(group).into_iter().chain([&**directory, &*slack]).chain(members.iter().map(String::as_str));
    run(work, which, &[GROUP, GROUP_GROW], &words.collect::<Vec<_>>()).await
}

fn names(group: &GroupWrite) -> [&str; 2] {
    [&*group.logical.group, &*group.logical.volume]
}

/// `DISK ID BYTES IDENTITY` of each.
fn members(group: &GroupWrite) -> Vec<String> {
    let words = |member: &MemberWrite| {
        let [bytes, identity] = as_seen(member.before.as_ref());
        [member.disk.to_string(), member.id.to_string(), bytes, identity]
    };
    group.disks.iter().flat_map(words).collect()
}

/// A disk's size and identity; `- -` where nobody saw it.
fn as_seen(before: Option<&DiskBefore>) -> [String; 2] {
    match before {
        Some(DiskBefore { bytes, identity }) => [bytes.to_string(), identity.clone()],
        None => ["-".to_owned(), "-".to_owned()],
    }
}

/// Mounts it at all its places.
pub(super) async fn mount(work: Work<'_>, which: Which<'_>, mounts: &[MountPoint]) -> Result<Applied, Failure> {
    let words: Vec<&str> = mounts.iter().flat_map(|MountPoint { unit, directory }| [&**unit, &**directory]).collect();
    run(work, which, &[MOUNT], &words).await
}

/// Lets it take all of its disk.
pub(super) async fn grow(work: Work<'_>, which: Which<'_>, directory: &Arc<str>) -> Result<Applied, Failure> {
    run(work, which, &[GROW], &[directory, &GROWTH_BYTES.to_string()]).await
}

async fn run(work: Work<'_>, which: Which<'_>, parts: &[&str], rest: &[&str]) -> Result<Applied, Failure> {
    let Which { disk, filesystem, uuid } = which;
    let script = [&[DISK, SHARED], parts].concat().join("\n");
    let words = [&[disk, filesystem.as_str(), uuid.as_str()], rest].concat();
    work.run(work.host()?, &script, &words, Input::Empty).await
}
