//! What is mounted below a folder, and how it comes off.

use std::{
    cmp::Reverse,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    EnvironmentError,
    error::file,
    tool::{self, QUICK, arg},
};

/// How long mounts of killed processes may linger: the kernel takes their namespaces apart in the background.
const LINGER: Duration = Duration::from_secs(10);

/// Every mount point at or below `folder`, the innermost first.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table).map_err(file("reading", table))?;
    let mut found: Vec<PathBuf> = text.lines().filter_map(mount_point).filter(|at| at.starts_with(folder)).collect();
    found.sort_by_key(|at| Reverse(at.components().count()));
    Ok(found)
}

/// The fifth field of a line of mountinfo (`man 5 proc`), its escapes read.
fn mount_point(line: &str) -> Option<PathBuf> {
    let field = line.split(' ').nth(4)?;
    Some(field.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\134", r"\").into())
}

/// Unmounts everything at or below `folder`.
async fn unmount(folder: &Path) -> Result<(), EnvironmentError> {
    let deadline = Instant::now() + LINGER;
    loop {
        let Some(path) = below(folder)?.into_iter().next() else { return Ok(()) };
        match tool::run("umount", &[arg(&path)], QUICK).await {
            Ok(_) => {}
            Err(_) if Instant::now() > deadline => return Err(EnvironmentError::Mounted { path }),
            // Nothing tells when a namespace is gone; this asks again within the bound.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Removes `folder` and all that is in it, after nothing is mounted there any more.
pub(super) async fn remove(folder: &Path) -> Result<(), EnvironmentError> {
    unmount(folder).await?;
    let owned = folder.to_owned();
    let removed = tokio::task::spawn_blocking(move || fs::remove_dir_all(owned)).await;
    match removed.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file("removing", folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_read_with_its_escapes() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some(PathBuf::from("/mnt 2")));
    }

    #[test]
    fn inner_mounts_come_before_outer_ones() {
        let all = below(Path::new("/")).unwrap();
        assert!(all.len() > 1);
        let deeper = |pair: &[PathBuf]| pair[0].components().count() >= pair[1].components().count();
        assert!(all.windows(2).all(deeper), "{all:?}");
    }
}
