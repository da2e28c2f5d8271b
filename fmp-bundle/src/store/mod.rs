//! The store: a folder of content, each file named by its SHA-256.
//!
//! Owns how content gets in (temporary file, fsync, rename); `verify` finds damage. Knows nothing of where content comes
//! from. Read [`Store`] first.
//!
//! ```text
//! blobs/HEX    content, and the gzip twin of each content, which is content too
//! twins/HEX    the digest of the twin of content HEX
//! inputs/HEX   what a build with the inputs HEX gave, as a lock
//! work/        scratch folders of builds that run now
//! ```

mod scratch;
mod verify;

use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use fmp_core::Digest;
use tempfile::NamedTempFile;

pub use verify::{Damage, Fault};

use crate::hash::Hashed;

/// Read and hashed at once: large enough that the number of calls doesn't matter, small enough for a cache.
const CHUNK_BYTES: usize = 256 << 10;

/// Content can be read and, where it is a program, run in place (`kubectl`, `etcdctl`), and is never changed.
const CONTENT_MODE: u32 = 0o555;

/// A folder of content that is found by digest.
///
/// Several processes may use one store at the same time: content only ever appears whole.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum StoreError {
    /// A folder of the store can't be made.
    #[error("creating the folder {path} of the bundle store")]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Content can't be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Content can't be written, most often because the disk is full.
    #[error("writing to {path}")]
    Write {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The store doesn't hold what was asked for.
    #[error("{digest} is not in the bundle store ({path})")]
    #[diagnostic(help("run `fmp bundle build`"))]
    Absent {
        /// The content that was asked for.
        digest: Digest,
        /// Where it would be.
        path: PathBuf,
    },
}

/// Content as it lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The SHA-256 of the content.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Its file.
    pub path: PathBuf,
}

impl Store {
    /// The store at `root`, whose folders are made where they are missing.
    ///
    /// # Errors
    /// [`StoreError::Create`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        for folder in ["blobs", "twins", "inputs", "work"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|source| StoreError::Create { path, source })?;
        }
        Ok(Self { root })
    }

    /// The file of `digest`, whether it exists or not.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.folder("blobs").join(digest.hex())
    }

    /// The content of `digest`, for reading. It is not hashed again: [`verify`](Self::verify) does that.
    ///
    /// # Errors
    /// [`StoreError::Absent`], or [`StoreError::Read`].
    pub fn content(&self, digest: Digest) -> Result<File, StoreError> {
        let path = self.path(digest);
        File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::Absent { digest, path },
            _ => StoreError::Read { path, source },
        })
    }

    /// The gzip twin of `digest`, made when the content was stored: what is sent to hosts.
    ///
    /// # Errors
    /// [`StoreError::Absent`] where the content or its twin is not in the store.
    pub fn compressed(&self, digest: Digest) -> Result<Stored, StoreError> {
        let note = self.folder("twins").join(digest.hex());
        let absent = || StoreError::Absent { digest, path: note.clone() };
        let twin: Digest = fs::read_to_string(&note).ok().and_then(|text| text.parse().ok()).ok_or_else(absent)?;
        let path = self.path(twin);
        let size = fs::metadata(&path).map_err(|_| absent())?.len();
        Ok(Stored { digest: twin, size, path })
    }

    /// Stores what `content` gives, and its gzip twin, in one pass.
    ///
    /// # Errors
    /// [`StoreError::Write`], also where `content` can't be read to its end.
    pub fn put(&self, content: impl Read) -> Result<Stored, StoreError> {
        let path = self.folder("blobs");
        let (plain, twin) = self.copy(content).map_err(|source| StoreError::Write { path, source })?;
        self.write("twins", plain.digest, &twin.digest.to_string())?;
        Ok(plain)
    }

    /// Stores a file's content.
    ///
    /// # Errors
    /// [`StoreError::Read`] or [`StoreError::Write`].
    pub fn put_file(&self, path: &Path) -> Result<Stored, StoreError> {
        let file = File::open(path).map_err(|source| StoreError::Read { path: path.to_owned(), source })?;
        self.put(file)
    }

    /// A small file about `digest` in `folder`.
    pub(crate) fn note(&self, folder: &str, digest: Digest) -> Option<String> {
        fs::read_to_string(self.folder(folder).join(digest.hex())).ok()
    }

    /// Writes a small file about `digest` in `folder`, whole or not at all.
    pub(crate) fn write(&self, folder: &str, digest: Digest, text: &str) -> Result<(), StoreError> {
        let folder = self.folder(folder);
        let path = folder.join(digest.hex());
        let write = || -> io::Result<()> {
            let mut file = NamedTempFile::new_in(&folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            File::open(&folder)?.sync_all()
        };
        write().map_err(|source| StoreError::Write { path: path.clone(), source })
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Copies `content` and its twin.
    fn copy(&self, mut content: impl Read) -> io::Result<(Stored, Stored)> {
        let mut plain = Hashed::new(NamedTempFile::new_in(self.folder("blobs"))?);
        // Level 1: hosts unpack every level alike, and three quarters of the gain cost a fifth of the time.
        let twin = Hashed::new(NamedTempFile::new_in(self.folder("blobs"))?);
        let mut twin = GzEncoder::new(twin, Compression::fast());
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let n = content.read(&mut chunk)?;
            if n == 0 {
                return Ok((self.keep(plain)?, self.keep(twin.finish()?)?));
            }
            plain.write_all(&chunk[..n])?;
            twin.write_all(&chunk[..n])?;
        }
    }

    /// Gives a finished temporary file its name.
    fn keep(&self, file: Hashed<NamedTempFile>) -> io::Result<Stored> {
        let (file, digest, size) = file.finish();
        let path = self.path(digest);
        fs::set_permissions(file.path(), Permissions::from_mode(CONTENT_MODE))?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        File::open(self.folder("blobs"))?.sync_all()?;
        Ok(Stored { digest, size, path })
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use flate2::bufread::GzDecoder;
    use tempfile::TempDir;

    use super::*;

    fn store() -> (TempDir, Store) {
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        (folder, store)
    }

    #[test]
    fn content_is_found_by_its_digest() {
        let (_folder, store) = store();
        let stored = store.put(&b"kubelet"[..]).unwrap();
        assert_eq!((stored.digest, stored.size), (Digest::of("kubelet"), 7));
        assert_eq!(io::read_to_string(store.content(stored.digest).unwrap()).unwrap(), "kubelet");
        assert!(matches!(store.content(Digest::of("else")), Err(StoreError::Absent { .. })));
    }

    #[test]
    fn the_compressed_twin_unpacks_to_the_content() {
        let (_folder, store) = store();
        let stored = store.put(vec![7; 1 << 20].as_slice()).unwrap();
        let twin = store.compressed(stored.digest).unwrap();
        assert!(twin.size < stored.size / 10, "{}", twin.size);
        let mut unpacked = Vec::new();
        GzDecoder::new(BufReader::new(File::open(&twin.path).unwrap())).read_to_end(&mut unpacked).unwrap();
        assert_eq!(Digest::of(unpacked), stored.digest);
    }
}
