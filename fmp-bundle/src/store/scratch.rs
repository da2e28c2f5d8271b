//! Scratch folders: one for each build that runs, gone when it ends, however it ends.
//!
//! A build that was killed leaves up to half a gigabyte behind. So each folder holds a file that its process keeps locked;
//! the system releases the lock with the process, and the next build removes what nobody claims any more.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use tempfile::TempDir;

use super::{Store, StoreError};

/// The file in a scratch folder that its process keeps locked.
const CLAIM: &str = "claim";

/// A folder for one build, removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    /// Locked as long as the folder is in use.
    _claim: File,
}

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Store {
    /// A new, empty folder for one build, but for the file that claims it.
    pub(crate) fn scratch(&self) -> Result<Scratch, StoreError> {
        let path = self.folder("work");
        claimed(&path).map_err(|source| StoreError::Create { path, source })
    }
}

fn claimed(work: &Path) -> io::Result<Scratch> {
    // Between making a folder and claiming it, another process must not sweep it away.
    let gate = File::create(work.join("gate"))?;
    gate.lock()?;
    sweep(work)?;
    let folder = TempDir::new_in(work)?;
    let claim = File::create(folder.path().join(CLAIM))?;
    claim.lock()?;
    Ok(Scratch { folder, _claim: claim })
}

/// Removes folders that no living process claims.
fn sweep(work: &Path) -> io::Result<()> {
    for folder in fs::read_dir(work)? {
        let folder = folder?.path();
        // A folder that goes away meanwhile was in use until now: its own process removes it.
        let Ok(claim) = File::open(folder.join(CLAIM)) else { continue };
        if claim.try_lock().is_ok() {
            tracing::debug!(folder = %folder.display(), "removing what a killed build left");
            fs::remove_dir_all(folder)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_build_left_is_removed_and_what_is_in_use_stays() {
        let root = TempDir::new().unwrap();
        let store = Store::open(root.path()).unwrap();
        let living = store.scratch().unwrap();
        let left = root.path().join("work/left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(CLAIM), "").unwrap();

        let next = store.scratch().unwrap();
        assert!(!left.exists());
        assert!(living.path().exists() && next.path().exists());
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }
}
