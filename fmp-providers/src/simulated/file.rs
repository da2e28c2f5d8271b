//! The world's file: read, changed and written under a lock of its own.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use fmp_sim::{World, world::Setup};

/// The world's file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The system says why.
    #[error("the simulated world at {path} can't be {doing}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// `read`, `written`, …
        doing: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// It is none, or another version's.
    #[error("{path} holds no simulated world of this version of fmp: {source}; remove it to begin with a new world")]
    Content {
        /// Which file.
        path: PathBuf,
        /// What it trips over.
        source: serde_json::Error,
    },
    /// A mistake of ours.
    #[error("the simulated world gave up in the middle, which is a mistake in FMP; please report it: {0}")]
    Panicked(String),
}

/// Changes the world.
pub(super) async fn change<T: Send + 'static>(
    path: PathBuf,
    setup: Setup,
    change: impl FnOnce(&mut World) -> T + Send + 'static,
) -> Result<T, SimError> {
    off_the_runtime(move || {
        let _lock = lock(&path)?;
        let mut world = read(&path, setup)?;
        let changed = change(&mut world);
        write(&path, &world)?;
        Ok(changed)
    })
    .await
}

/// Looks at the world.
pub(super) async fn look<T: Send + 'static>(
    path: PathBuf,
    setup: Setup,
    look: impl FnOnce(&World) -> T + Send + 'static,
) -> Result<T, SimError> {
    off_the_runtime(move || Ok(look(&read(&path, setup)?))).await
}

/// Removes the world.
pub(super) async fn forget(path: PathBuf) -> Result<(), SimError> {
    off_the_runtime(move || {
        for path in [lock_path(&path), path] {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(SimError::Io { path, doing: "removed", source });
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    })
    .await
}

async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SimError> + Send + 'static,
) -> Result<T, SimError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(SimError::Panicked(error.to_string())))
}

/// Held until it is dropped; the system drops it where a process is killed.
fn lock(path: &Path) -> Result<fs::File, SimError> {
    let at = lock_path(path);
    let open = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&at);
    open.and_then(|file| file.lock().map(|()| file)).map_err(|source| SimError::Io {
        path: at,
        doing: "locked",
        source,
    })
}

fn lock_path(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// Where there is no file yet, nothing has happened yet. Nodes that came into the cluster's file since get their places.
fn read(path: &Path, setup: Setup) -> Result<World, SimError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(World::new(setup)),
        Err(source) => return Err(SimError::Io { path: path.to_owned(), doing: "read", source }),
    };
    let mut world: World =
        serde_json::from_slice(&text).map_err(|source| SimError::Content { path: path.to_owned(), source })?;
    world.make_room(&setup);
    world.settle();
    Ok(world)
}

fn write(path: &Path, world: &World) -> Result<(), SimError> {
    let io = |source| SimError::Io { path: path.to_owned(), doing: "written", source };
    let text = serde_json::to_vec(world).map_err(|source| SimError::Content { path: path.to_owned(), source })?;
    let new = path.with_extension("json.new");
    fs::write(&new, text).map_err(io)?;
    fs::rename(&new, path).map_err(io)
}
