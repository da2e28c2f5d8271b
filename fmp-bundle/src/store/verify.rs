//! Damage: what of a lock the store can't give any more.

use std::{fmt, path::PathBuf};

use fmp_core::{
    Digest,
    bundle::{ArtifactName, Entry, Lock},
};

use super::Store;
use crate::hash::digest_of;

/// An artifact of a lock that the store can't give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The artifact.
    pub artifact: ArtifactName,
    /// The content that should be there.
    pub digest: Digest,
    /// The file that holds it, or should.
    pub path: PathBuf,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no such file.
    Missing,
    /// The file holds something else.
    Corrupted(Digest),
    /// The content is whole, the compressed twin that is uploaded is not.
    Twin,
}

impl Store {
    /// Hashes the content and the twin of every artifact of `lock` again, and names each that is damaged.
    pub fn verify(&self, lock: &Lock) -> Vec<Damage> {
        let damage = |entry: &Entry| {
            let (artifact, digest) = (entry.name.clone(), entry.digest);
            self.fault(digest).map(|(fault, path)| Damage { artifact, digest, path, fault })
        };
        lock.entries().filter_map(damage).collect()
    }

    /// What is wrong with the content or the twin of `digest`, and with which file. Both are hashed.
    pub fn fault(&self, digest: Digest) -> Option<(Fault, PathBuf)> {
        let path = self.path(digest);
        match digest_of(&path) {
            Err(_) => return Some((Fault::Missing, path)),
            Ok(found) if found != digest => return Some((Fault::Corrupted(found), path)),
            Ok(_) => {}
        }
        match self.compressed(digest) {
            Ok(twin) if digest_of(&twin.path).ok() == Some(twin.digest) => None,
            Ok(twin) => Some((Fault::Twin, twin.path)),
            Err(_) => Some((Fault::Twin, self.folder("twins").join(digest.hex()))),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { artifact, digest, path, fault } = self;
        let path = path.display();
        match fault {
            Fault::Missing => write!(f, "{artifact}: {digest} is missing ({path})"),
            Fault::Corrupted(found) => write!(f, "{artifact}: {digest} is corrupted: {path} holds {found}"),
            Fault::Twin => write!(f, "{artifact}: the compressed twin of {digest} is missing or corrupted ({path})"),
        }?;
        f.write_str("; run `fmp bundle build` to make it again")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use fmp_core::bundle::{Kind, SourceKind};
    use tempfile::TempDir;

    use super::*;
    use crate::store::Stored;

    fn store() -> (TempDir, Store) {
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    fn lock(name: &str, stored: &Stored) -> Lock {
        let (name, version) = (name.parse().unwrap(), "1".to_owned());
        let (kind, source) = (Kind::Binary, SourceKind::File);
        Lock::from_iter([Entry {
            name,
            version,
            digest: stored.digest,
            size: stored.size,
            kind,
            source,
            manifest: None,
        }])
    }

    /// Overwrites a file of the store as a bad disk would.
    fn corrupt(path: &Path) {
        fs::remove_file(path).unwrap();
        fs::write(path, "rot").unwrap();
    }

    #[test]
    fn a_corrupted_blob_is_found_and_named() {
        let (_folder, store) = store();
        let stored = store.put(&b"kubelet"[..]).unwrap();
        let lock = lock("kubelet", &stored);
        assert_eq!(store.verify(&lock), []);

        corrupt(&stored.path);
        let damage = store.verify(&lock);
        assert_eq!(damage[0].fault, Fault::Corrupted(Digest::of("rot")));
        let text = damage[0].to_string();
        for part in ["kubelet: ", &stored.digest.to_string(), stored.path.to_str().unwrap(), "fmp bundle build"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_missing_blob_and_a_rotten_twin_are_found() {
        let (_folder, store) = store();
        let stored = store.put(&b"kubelet"[..]).unwrap();
        corrupt(&store.compressed(stored.digest).unwrap().path);
        assert_eq!(store.verify(&lock("kubelet", &stored))[0].fault, Fault::Twin);
        fs::remove_file(&stored.path).unwrap();
        assert_eq!(store.verify(&lock("kubelet", &stored))[0].fault, Fault::Missing);
    }

    #[test]
    fn storing_again_mends_what_was_corrupted() {
        let (_folder, store) = store();
        let stored = store.put(&b"kubelet"[..]).unwrap();
        corrupt(&stored.path);
        store.put(&b"kubelet"[..]).unwrap();
        assert_eq!(store.verify(&lock("kubelet", &stored)), []);
    }
}
