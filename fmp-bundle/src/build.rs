//! Building: every release of a manifest into the store.
//!
//! Owns the order of work and the comparison with an earlier lock. Knows nothing of single sources. Read [`build`] first.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use fmp_core::bundle::{ArtifactName, Entry, Kind, Lock, SourceKind};

use crate::{
    cache,
    manifest::{Manifest, Release, Source},
    source::{self, Bench, Piece, SourceError},
    store::Store,
    tool::Tools,
};

/// Releases that are made at the same time: a Go build uses every core while it compiles and one while it links, so two
/// fill the gaps of each other; more would only need memory (linking Kubernetes' programs takes 2 GB).
const AT_ONCE: usize = 2;

/// Something that happened to one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The release, as `bundle.toml` names it.
    pub release: ArtifactName,
    /// The source that was chosen for it.
    pub source: SourceKind,
    /// What happened.
    pub stage: Stage,
}

/// How far a release is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is fetched or built now.
    Started,
    /// It lies in the store from an earlier build; nothing was done.
    Cached,
    /// It was made and stored, in this time.
    Done(Duration),
    /// It could not be made; releases that are under way are finished before [`build`] returns the error.
    Failed,
}

/// Why there is no new lock.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BuildError {
    /// A release could not be made. Releases that were finished before stay in the store.
    #[error("release `{release}` ({}) could not be made by source `{kind}`", list(artifacts))]
    Release {
        /// The release.
        release: ArtifactName,
        /// Its artifacts.
        artifacts: Box<[ArtifactName]>,
        /// The source that was chosen for it.
        kind: SourceKind,
        /// What failed.
        #[source]
        #[diagnostic_source]
        source: SourceError,
    },
    /// Artifacts aren't what the lock says.
    #[error("{} of the bundle differ from bundle.lock:\n{}", count(changes), lines(changes))]
    #[diagnostic(help(
        "if bundle.toml, the source or the Go toolchain was changed on purpose, run `fmp bundle build --update`; \
         otherwise upstream's files were replaced: don't deploy them"
    ))]
    Changed {
        /// Each artifact that differs.
        changes: Vec<Change>,
    },
}

/// An artifact that isn't what the lock says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What the lock says of it.
    pub locked: Entry,
    /// What it is now.
    pub built: Entry,
}

/// One release and the source that is chosen for it.
type Job<'a> = (&'a Release, &'a Source);

/// What a worker says.
enum Word {
    Progress(Progress),
    Made(Lock),
    Failed(ArtifactName, BuildError),
}

/// Brings every release of `manifest` into `store`, at most two at a time, and returns the lock.
///
/// With an earlier lock (`locked`) the result is only good if it holds the same content; without one, what is found is
/// trusted. What the manifest leaves out stays in the lock as long as the store has it. A second build with the same inputs
/// does nothing but hash what is there. Blocks, and calls `progress` on this thread.
///
/// # Errors
/// [`BuildError`]: the first release in order of names that failed, or all artifacts that differ from the lock.
pub fn build(
    store: &Store,
    tools: &Tools,
    manifest: &Manifest,
    locked: Option<&Lock>,
    progress: &dyn Fn(Progress),
) -> Result<Lock, BuildError> {
    let jobs = manifest.releases.iter().map(|release| (release, manifest.chosen(release)));
    let (images, others): (VecDeque<_>, VecDeque<_>) =
        jobs.partition(|(_, source)| matches!(source, Source::Compose(_)));
    let mut lock = Lock::default();
    for jobs in [others, images] {
        let bench = Bench { tools, store, folder: &manifest.folder, made: &lock };
        let made = all(bench, jobs, progress)?;
        lock.merge(made);
    }
    let changes = locked.map(|locked| changes(locked, &lock)).unwrap_or_default();
    if !changes.is_empty() {
        return Err(BuildError::Changed { changes });
    }
    let is_left_out = |entry: &&Entry| {
        manifest.left_out.contains(&entry.name) || manifest.packages_left_out && matches!(entry.kind, Kind::Package(_))
    };
    let left_out = locked.into_iter().flat_map(Lock::entries).filter(is_left_out);
    left_out.filter(|entry| store.path(entry.digest).exists()).for_each(|entry| drop(lock.insert(entry.clone())));
    Ok(lock)
}

/// Does independent jobs; after a failure no further one is begun.
fn all(bench: Bench<'_>, jobs: VecDeque<Job<'_>>, progress: &dyn Fn(Progress)) -> Result<Lock, BuildError> {
    let queue = Mutex::new(jobs);
    let (say, words) = mpsc::channel();
    let mut made = Lock::default();
    let mut failures = BTreeMap::new();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let (queue, say) = (&queue, say.clone());
            scope.spawn(move || work(bench, queue, &say));
        }
        drop(say);
        for word in words {
            match word {
                Word::Progress(event) => progress(event),
                Word::Made(entries) => made.merge(entries),
                Word::Failed(release, error) => drop(failures.insert(release, error)),
            }
        }
    });
    failures.into_values().next().map_or(Ok(made), Err)
}

/// Takes jobs until there are none.
fn work(bench: Bench<'_>, queue: &Mutex<VecDeque<Job<'_>>>, say: &mpsc::Sender<Word>) {
    let queue = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    // The listener outlives the workers, so nothing that is said gets lost.
    let say = |word| drop(say.send(word));
    loop {
        let Some((release, source)) = queue().pop_front() else { return };
        let (name, kind) = (&release.name, source.kind());
        let tell = |stage| say(Word::Progress(Progress { release: name.clone(), source: kind, stage }));
        match obtain(bench, release, source, &tell) {
            Ok(made) => say(Word::Made(made)),
            Err(source) => {
                queue().clear();
                tell(Stage::Failed);
                let (release, artifacts) = (name.clone(), release.artifacts.clone().into());
                say(Word::Failed(name.clone(), BuildError::Release { release, artifacts, kind, source }));
            }
        }
    }
}

/// One release: from the cache, or made and stored.
fn obtain(bench: Bench<'_>, release: &Release, source: &Source, tell: &dyn Fn(Stage)) -> Result<Lock, SourceError> {
    let key = cache::key(bench, release, source)?;
    if let Some(made) = cache::recall(bench.store, key) {
        tell(Stage::Cached);
        return Ok(made);
    }
    tell(Stage::Started);
    let begin = Instant::now();
    let scratch = bench.store.scratch()?;
    let mut made = Lock::default();
    for Piece { name, version, kind, path } in source::make(bench, release, source, scratch.path())? {
        let stored = bench.store.put_file(&path)?;
        let manifest = match kind {
            Kind::Image(_) => source::manifest(&path)?,
            Kind::Binary | Kind::Package(_) => None,
        };
        let (digest, size, source) = (stored.digest, stored.size, source.kind());
        made.insert(Entry { name, version, digest, size, kind, source, manifest });
    }
    cache::remember(bench.store, key, &made)?;
    tell(Stage::Done(begin.elapsed()));
    Ok(made)
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { release, source, stage } = self;
        match stage {
            Stage::Started => write!(f, "{release}: getting it by `{source}`"),
            Stage::Cached => write!(f, "{release}: in the store"),
            Stage::Done(time) => write!(f, "{release}: done in {:.1} s", time.as_secs_f64()),
            Stage::Failed => write!(f, "{release}: failed"),
        }
    }
}

fn changes(locked: &Lock, built: &Lock) -> Vec<Change> {
    let change = |built: &Entry| {
        let locked = locked.entry(built.name.as_str()).filter(|locked| locked.digest != built.digest)?;
        Some(Change { locked: locked.clone(), built: built.clone() })
    };
    built.entries().filter_map(change).collect()
}

fn list(names: &[ArtifactName]) -> String {
    names.iter().map(ArtifactName::as_str).collect::<Vec<_>>().join(", ")
}

fn count(changes: &[Change]) -> String {
    format!("{} artifact{}", changes.len(), if changes.len() == 1 { "" } else { "s" })
}

fn lines(changes: &[Change]) -> String {
    let text = |Entry { version, source, digest, .. }: &Entry| format!("{version} by {source}, {digest}");
    let line =
        |Change { locked, built }: &Change| format!("  {}: locked {}; now {}", built.name, text(locked), text(built));
    changes.iter().map(line).collect::<Vec<_>>().join("\n")
}
