//! Machines on this computer: systemd-nspawn in a network namespace of their own, virtual ones beside them.
//!
//! Owns their folders, their network and their life. A cluster's machines reach each other and nothing else. They stay
//! when `fmp` ends, and everything is found again by the cluster's and the node's name.
//!
//! Each machine is an overlay on one base, or a virtual machine with a copy of one image, a control group and an SSH key
//! that was made here, so its [`Endpoint`] is known before it has ever answered.

use std::{
    collections::BTreeMap,
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
};

use fmp_core::{NodeName, resource::VirtualMachine, spec::MachineKind};

use crate::transport::{Endpoint, HostKeys, NamespaceDialer};

mod base;
mod cgroup;
mod container;
mod error;
mod keys;
mod machine;
mod mounts;
mod network;
mod tool;
mod vm;

pub use error::EnvironmentError;
use error::file;
use machine::{Like, Machine};
use network::Network;
pub use tool::{missing_for_vms, missing_programs};

/// Whether something had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was done now.
    Now,
    /// It had been so before.
    Before,
}

/// What is seen of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineSeen {
    /// Whether it is switched on.
    pub running: bool,
    /// Its address.
    pub address: Ipv4Addr,
    /// What it was made as.
    pub kind: MachineKind,
}

/// The machines of one cluster on this computer.
#[derive(Debug, Clone)]
pub struct Local {
    state: PathBuf,
    cache: PathBuf,
    network: Network,
}

impl Local {
    /// The machines of the cluster of this name, in `/var/lib/fmp-local` and on a base in `/var/cache/fmp`.
    pub fn new(cluster: &str) -> Self {
        Self::within(cluster, Path::new("/var/lib/fmp-local"), Path::new("/var/cache/fmp"))
    }

    /// The same in other folders. `state` must not be on an overlay.
    pub fn within(cluster: &str, state: &Path, cache: &Path) -> Self {
        Self { state: state.join(cluster), cache: cache.to_owned(), network: Network::of(cluster) }
    }

    /// Every machine, by node. What is not among them does not exist.
    ///
    /// # Errors
    /// The folder of machines can't be read.
    pub fn machines(&self) -> Result<BTreeMap<NodeName, MachineSeen>, EnvironmentError> {
        let folder = self.state.join("machines");
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            other => other.map_err(file("reading", &folder))?,
        };
        let mut machines = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(file("reading", &folder))?;
            let Some(node) = entry.file_name().to_str().and_then(|name| name.parse::<NodeName>().ok()) else {
                continue;
            };
            let machine = self.machine(&node);
            if let Some(address) = machine.address() {
                machines.insert(node, MachineSeen { running: machine.running(), address, kind: machine.kind() });
            }
        }
        Ok(machines)
    }

    /// Makes a machine and switches it on; returns when its SSH server answers. One that exists is only switched on.
    ///
    /// # Errors
    /// See [`EnvironmentError`]; what is half made is found and removed by the next call.
    pub async fn create(
        &self,
        node: &NodeName,
        address: Ipv4Addr,
        vm: Option<&VirtualMachine>,
    ) -> Result<Done, EnvironmentError> {
        preflight(if vm.is_some() { missing_for_vms() } else { missing_programs() })?;
        let _one_at_a_time = self.turn_with(node).await?;
        let machine = self.machine(node);
        match machine.address() {
            Some(has) if has != address => {
                return Err(EnvironmentError::OtherAddress { node: node.clone(), has, wanted: address });
            }
            Some(_) => return self.start(&machine, address).await,
            None => {}
        }
        let _others_may_too = self.turn(Turn::Shared).await?;
        let from = if vm.is_some() { vm::ensure(&self.cache).await } else { base::ensure(&self.cache).await }?;
        let like = vm.map_or(Like::Base(&from), |vm| Like::Vm { image: &from, vm });
        let operator = self.operator_key(address).await?;
        machine.create(like, address, &operator).await?;
        machine.start(address).await?;
        machine.answered(address)?;
        Ok(Done::Now)
    }

    /// Switches a machine on; returns when its SSH server answers.
    ///
    /// # Errors
    /// See [`EnvironmentError`].
    pub async fn switch_on(&self, node: &NodeName) -> Result<Done, EnvironmentError> {
        preflight(missing_programs())?;
        let _one_at_a_time = self.turn_with(node).await?;
        let machine = self.existing(node)?;
        let address = machine.address().ok_or_else(|| EnvironmentError::Absent(node.clone()))?;
        self.start(&machine, address).await
    }

    /// Cuts a machine's power: every process is killed in the middle of what it does. What it wrote is kept.
    ///
    /// # Errors
    /// See [`EnvironmentError`].
    pub async fn cut_power(&self, node: &NodeName) -> Result<Done, EnvironmentError> {
        preflight(missing_programs())?;
        let machine = self.existing(node)?;
        let done = if machine.running() { Done::Now } else { Done::Before };
        machine.cut().await?;
        Ok(done)
    }

    /// Deletes a machine and all that it holds, and the network after the last one.
    ///
    /// # Errors
    /// See [`EnvironmentError`].
    pub async fn delete(&self, node: &NodeName) -> Result<Done, EnvironmentError> {
        preflight(missing_programs())?;
        let machine = self.machine(node);
        let done = if machine.address().is_some() { Done::Now } else { Done::Before };
        machine.delete().await?;
        // Waits for machines that are being made: they need the network.
        let _alone = self.turn(Turn::Alone).await?;
        if self.machines()?.is_empty() {
            self.network.remove().await?;
            cgroup::remove_all(self.network.name());
        }
        Ok(done)
    }

    /// How to reach a machine, its host key included.
    ///
    /// # Errors
    /// The machine does not exist, or its folder was damaged.
    pub fn endpoint(&self, node: &NodeName) -> Result<Endpoint, EnvironmentError> {
        let machine = self.existing(node)?;
        let address = machine.address().ok_or_else(|| EnvironmentError::Absent(node.clone()))?;
        let host_keys = HostKeys::pinned(&machine.host_key()?)
            .map_err(|source| EnvironmentError::HostKey { node: node.clone(), source })?;
        Ok(Endpoint {
            dialer: Arc::new(NamespaceDialer::new(self.network.path())),
            host: address.to_string(),
            port: 22,
            user: "root".to_owned(),
            host_keys,
            identity: Some(self.operator_path()),
        })
    }

    /// Starts a machine that exists, unless it runs.
    async fn start(&self, machine: &Machine, address: Ipv4Addr) -> Result<Done, EnvironmentError> {
        if machine.running() {
            return Ok(Done::Before);
        }
        let _others_may_too = self.turn(Turn::Shared).await?;
        machine.start(address).await?;
        Ok(Done::Now)
    }

    fn machine(&self, node: &NodeName) -> Machine {
        Machine::new(node, self.state.join("machines").join(node.as_str()), self.network.clone())
    }

    fn existing(&self, node: &NodeName) -> Result<Machine, EnvironmentError> {
        let machine = self.machine(node);
        machine.address().is_some().then_some(machine).ok_or_else(|| EnvironmentError::Absent(node.clone()))
    }

    /// The operator's public key, made with the first machine; the network comes with it.
    async fn operator_key(&self, address: Ipv4Addr) -> Result<String, EnvironmentError> {
        let _one_at_a_time = locked(&self.state.join("setup.lock"), Turn::Alone).await?;
        self.network.ensure(address).await?;
        keys::ensure(&self.operator_path())?;
        keys::public(&self.operator_path())
    }

    fn operator_path(&self) -> PathBuf {
        self.state.join("operator_key")
    }

    /// Waits until nobody else makes this machine or switches it on. Two runs may want that before there is a main to hold a
    /// lease on.
    async fn turn_with(&self, node: &NodeName) -> Result<fs::File, EnvironmentError> {
        fs::create_dir_all(&self.state).map_err(file("creating", &self.state))?;
        locked(&self.state.join(format!("machine-{node}.lock")), Turn::Alone).await
    }

    /// Waits until machines may be made (together with others), or the network may be removed (alone).
    async fn turn(&self, turn: Turn) -> Result<fs::File, EnvironmentError> {
        fs::create_dir_all(&self.state).map_err(file("creating", &self.state))?;
        locked(&self.state.join("machines.lock"), turn).await
    }
}

/// Whether local machines can be made here at all.
fn preflight(programs: Vec<&'static str>) -> Result<(), EnvironmentError> {
    if !rustix::process::geteuid().is_root() {
        return Err(EnvironmentError::NotRoot);
    }
    if programs.is_empty() { Ok(()) } else { Err(EnvironmentError::Missing { programs }) }
}

/// Who may hold a lock at the same time.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// All others that ask for the same.
    Shared,
    /// Nobody.
    Alone,
}

/// Waits for its turn among all runs of `fmp` on this computer; it ends when the file is dropped.
async fn locked(path: &Path, turn: Turn) -> Result<fs::File, EnvironmentError> {
    let owned = path.to_owned();
    let waited = tokio::task::spawn_blocking(move || {
        let lock = fs::File::create(owned)?;
        match turn {
            Turn::Shared => lock.lock_shared()?,
            Turn::Alone => lock.lock()?,
        }
        Ok(lock)
    });
    waited.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic))).map_err(file("locking", path))
}
