//! What every command begins with: the cluster's file, the lock, the store, the ways to the hosts.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use fmp::core::{
    NodeName,
    bundle::Lock,
    manifest::{self, ManifestFile},
    profile::Profiles,
    resource::Object,
    spec::{self, Environment, MachineKind, Node, Role, Spec},
};
use fmp_bundle::Store;
use fmp_exec::Provider;
use fmp_providers::{
    environment::{Local, LocalLink, MachineProvider},
    hosts::{HostProvider, Managed, Pace, Packing},
    simulated::{SimWorld, state_file},
    transport::{Endpoint, Ssh, Transport},
};
use miette::{IntoDiagnostic, WrapErr, miette};

use crate::{beside, cli::Places};

/// The cluster's file and what goes with it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) spec: Spec,
    pub(crate) lock: Lock,
    pub(crate) store: Store,
    /// Where the world lies, if it is a simulated one.
    world: PathBuf,
    /// Where the paths in the cluster's file begin.
    folder: PathBuf,
}

/// The ways to the hosts, and who carries out what.
pub(crate) struct Reach {
    pub(crate) links: BTreeMap<NodeName, Arc<dyn Transport>>,
    pub(crate) hosts: Arc<HostProvider>,
    /// The simulated world, where there are no hosts.
    pub(crate) world: Option<Arc<SimWorld>>,
    pub(crate) providers: Vec<Arc<dyn Provider>>,
}

/// Reads the cluster's file with all its diagnostics.
pub(crate) fn spec(places: &Places) -> miette::Result<Spec> {
    let name = places.file.display().to_string();
    let text = read(&places.file).wrap_err_with(|| {
        format!("{name} can't be read; `fmp init` writes one to begin with, `--file` names another")
    })?;
    let mut profiles = Profiles::shipped();
    if let Some(path) = spec::profile_path(&text) {
        let beside = places.folder().join(&path);
        let profile = read(&beside).wrap_err_with(|| format!("the profile {path} can't be read"))?;
        profiles = profiles.with(&path, &profile);
    }
    let mut beside = beside::platform(places.folder(), &text)?;
    for path in spec::manifest_paths(&text) {
        let objects = manifests_in(places, &path)?;
        beside.manifests = beside.manifests.with(&path, objects);
    }
    Ok(spec::parse_with(&name, &text, &profiles, &beside)?)
}

/// The objects in a folder beside the cluster's file.
fn manifests_in(places: &Places, path: &str) -> miette::Result<Vec<Object>> {
    let folder = places.folder().join(path);
    let is_manifest = |file: &PathBuf| {
        let kind = file.extension().and_then(|kind| kind.to_str());
        kind.is_some_and(|kind| ["yaml", "yml", "json"].contains(&kind))
    };
    let listed = || fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = listed().into_diagnostic().wrap_err_with(|| format!("the manifests in {path} can't be read"))?;
    paths.retain(is_manifest);
    paths.sort();
    if paths.is_empty() {
        let help = "files whose names end with .yaml, .yml or .json are read; those of folders inside it are not";
        return Err(miette!(help = help, "there are no manifests in {path}"));
    }
    let file = |file: &PathBuf| Ok(ManifestFile { name: file.display().to_string(), text: read(file)? });
    let files = paths.iter().map(file).collect::<miette::Result<Vec<_>>>()?;
    Ok(manifest::parse(&files)?)
}

/// A text file, or what the system says.
pub(crate) fn read(path: &Path) -> miette::Result<String> {
    fs::read_to_string(path).into_diagnostic().wrap_err_with(|| path.display().to_string())
}

impl Places {
    /// Where paths in the cluster's file begin.
    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// Where the bundle's lock lies.
    pub(crate) fn lock_path(&self) -> PathBuf {
        self.lock.clone().unwrap_or_else(|| self.file.with_file_name("bundle.lock"))
    }

    /// The store, opened.
    pub(crate) fn open_store(&self) -> miette::Result<Store> {
        let path = self
            .store
            .clone()
            .or_else(default_store)
            .ok_or_else(|| miette!("no home directory: name a store with `--store`"))?;
        Store::open(path).into_diagnostic()
    }
}

fn default_store() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    cache.or_else(|| Some(std::env::home_dir()?.join(".cache"))).map(|cache| cache.join("fmp/store"))
}

impl Session {
    /// Opens what `places` name.
    pub(crate) fn open(places: &Places) -> miette::Result<Self> {
        let spec = spec(places)?;
        let path = places.lock_path();
        let lock = fmp_bundle::lock::read(&path)?;
        let lock = lock.ok_or_else(|| {
            miette!(help = "`fmp bundle build` makes one", "there is no bundle lock at {}", path.display())
        })?;
        let folder = places.folder().to_owned();
        Ok(Self { spec, lock, store: places.open_store()?, world: state_file(&places.file), folder })
    }

    /// The ways to the hosts. Nothing is connected before it is used.
    pub(crate) fn reach(&self) -> miette::Result<Reach> {
        let machines = match self.spec.environment {
            Environment::Local => Some(Arc::new(Local::new(&self.spec.name))),
            Environment::Ssh => None,
            Environment::Sim => return Ok(self.simulated()),
        };
        let mut links: BTreeMap<NodeName, Arc<dyn Transport>> = BTreeMap::new();
        // What leaves is reached too, until it has left.
        for (name, node) in self.spec.everyone() {
            let link: Arc<dyn Transport> = match &machines {
                Some(machines) => Arc::new(LocalLink::new(machines.clone(), name.clone())),
                None => Arc::new(Ssh::new(
                    Endpoint::of(&node.ssh).into_diagnostic().wrap_err_with(|| format!("node {name}"))?,
                )),
            };
            links.insert(name.clone(), link);
        }
        let managed = |(name, node): (&NodeName, &Node)| {
            let transport = links[name].clone();
            // A main that leaves is asked for nothing that the others do for the cluster.
            let main = node.role == Role::Main && self.spec.nodes.contains_key(name);
            let pace = match node.machine {
                MachineKind::Container => Pace::Own,
                MachineKind::Vm => Pace::Emulated,
            };
            (name.clone(), Managed { transport, address: node.address, main, pace })
        };
        let packing = match self.spec.environment {
            // Between machines of one computer the wire is faster than gzip.
            Environment::Local | Environment::Sim => Packing::Plain,
            Environment::Ssh => Packing::Gzip,
        };
        let managed = self.spec.everyone().map(managed).collect();
        let hosts = HostProvider::new(managed, self.store.clone());
        let files = beside::files(&self.folder, &self.spec);
        let hosts = hosts.packed(packing).keeping(self.spec.profile.settings.directories.clone()).giving(files);
        let hosts = Arc::new(hosts);
        let mut providers: Vec<Arc<dyn Provider>> = Vec::new();
        if let Some(machines) = &machines {
            providers.push(Arc::new(MachineProvider::new(machines.clone())));
        }
        providers.push(hosts.clone());
        Ok(Reach { links, hosts, world: None, providers })
    }

    /// No ways to anywhere: everything is in one world.
    fn simulated(&self) -> Reach {
        let world = self.simulated_world();
        let hosts = Arc::new(HostProvider::new(BTreeMap::new(), self.store.clone()));
        Reach { links: BTreeMap::new(), hosts, world: Some(world.clone()), providers: vec![world] }
    }

    fn simulated_world(&self) -> Arc<SimWorld> {
        Arc::new(SimWorld::new(self.world.clone(), &self.spec))
    }
}
