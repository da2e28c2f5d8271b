//! The control groups of one machine: its limits, and the list of its processes.
//!
//! A machine is a group of its own in every hierarchy and sees that group as its root, so several kubelets don't share
//! `/kubepods`. The kernel's list of who is in the group is also the only list of a machine's processes that no reused
//! process id can falsify: whoever is killed is killed because of it.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use fmp_core::NodeName;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::{EnvironmentError, error::file};

/// Where the hierarchies are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// How long killed processes may take to be gone: those that write to a disk finish that first.
const DEATH: Duration = Duration::from_secs(15);

/// The groups of one machine, one in each hierarchy.
#[derive(Debug)]
pub(super) struct Groups {
    /// Both of the groups below.
    all: Vec<PathBuf>,
    /// Where the process is that starts the machine again after a reboot.
    pub(super) keeper: Vec<PathBuf>,
    /// What the machine sees as its root.
    pub(super) machine: Vec<PathBuf>,
}

impl Groups {
    /// The groups of `node` in a cluster's group of this name.
    pub(super) fn of(cluster: &str, node: &NodeName) -> Self {
        let all: Vec<PathBuf> =
            hierarchies(Path::new(ROOT)).into_iter().map(|root| root.join(cluster).join(node.as_str())).collect();
        let each = |name| all.iter().map(|group| group.join(name)).collect();
        Self { keeper: each("keeper"), machine: each("machine"), all }
    }

    /// Makes the groups.
    pub(super) fn create(&self) -> Result<(), EnvironmentError> {
        for group in self.keeper.iter().chain(&self.machine) {
            fs::create_dir_all(group).map_err(file("creating", group))?;
            for inner in inheritance(group) {
                prepare(inner).map_err(file("preparing", inner))?;
            }
        }
        Ok(())
    }

    /// Whether anything runs in the machine.
    pub(super) fn running(&self) -> bool {
        self.machine.iter().any(|group| !processes(group).is_empty())
    }

    /// Kills everything at once, as a power cut does, waits for its end, and removes the groups.
    pub(super) async fn kill(&self, node: &NodeName) -> Result<(), EnvironmentError> {
        let deadline = Instant::now() + DEATH;
        loop {
            let left: BTreeSet<i32> = self.all.iter().flat_map(|group| processes(group)).collect();
            if left.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                return Err(EnvironmentError::Undead { node: node.clone(), processes: left.into_iter().collect() });
            }
            for pid in left.into_iter().filter_map(Pid::from_raw) {
                // One that has just ended needs no signal.
                let _ = kill_process(pid, Signal::KILL);
            }
            // The kernel reports an empty group only in v2; this asks again within the bound.
            sleep(Duration::from_millis(20)).await;
        }
        for group in &self.all {
            remove(group);
        }
        Ok(())
    }
}

/// Removes what is left of a cluster's groups after its last machine.
pub(super) fn remove_all(cluster: &str) {
    for root in hierarchies(Path::new(ROOT)) {
        remove(&root.join(cluster));
    }
}

/// Every hierarchy: `root` itself with pure v2, else one folder for each of v1's controllers and the unified one.
fn hierarchies(root: &Path) -> BTreeSet<PathBuf> {
    if root.join("cgroup.controllers").exists() {
        return BTreeSet::from([root.to_owned()]);
    }
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    // Some are there twice, by a link such as `cpu,cpuacct`.
    entries
        .filter_map(|entry| entry.path().canonicalize().ok())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect()
}

/// The folders between a hierarchy's root and the group, from the outside, the group included.
fn inheritance(group: &Path) -> impl Iterator<Item = &Path> {
    let mut chain: Vec<&Path> = group.ancestors().take(3).collect();
    chain.reverse();
    chain.into_iter()
}

/// Makes a new group usable: v1's cpuset begins empty, v2 hands controllers down only where it is told to.
fn prepare(group: &Path) -> io::Result<()> {
    let Some(parent) = group.parent() else { return Ok(()) };
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let own = group.join(name);
        if own.exists() && parent.join("cgroup.procs").exists() && !parent.join("cgroup.controllers").exists() {
            let inherited = fs::read(parent.join(name))?;
            if fs::read(&own)?.trim_ascii().is_empty() {
                fs::write(&own, inherited)?;
            }
        }
    }
    if let Ok(controllers) = fs::read_to_string(parent.join("cgroup.controllers")) {
        let wanted: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
        if !wanted.is_empty() {
            fs::write(parent.join("cgroup.subtree_control"), wanted.join(" "))?;
        }
    }
    Ok(())
}

/// The ids of all processes in `group` and the groups below it. A group that does not exist has none.
fn processes(group: &Path) -> BTreeSet<i32> {
    let own = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut found: BTreeSet<i32> = own.lines().filter_map(|line| line.parse().ok()).collect();
    for inner in folders(group) {
        found.extend(processes(&inner));
    }
    found
}

/// Removes a group and those below it. One that can't be removed yet is found by the next start.
fn remove(group: &Path) {
    for inner in folders(group) {
        remove(&inner);
    }
    let _ = fs::remove_dir(group);
}

fn folders(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files that looks like a hierarchy.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn pure_v2_is_one_hierarchy_and_v1_is_many() {
        let v2 = tree(&[("cgroup.controllers", "cpu memory"), ("system.slice/cgroup.procs", "")]);
        assert_eq!(hierarchies(v2.path()).len(), 1);
        let v1 = tree(&[("cpu/cgroup.procs", ""), ("pids/cgroup.procs", ""), ("unified/cgroup.procs", "")]);
        assert_eq!(hierarchies(v1.path()).len(), 3);
    }

    #[test]
    fn processes_of_inner_groups_belong_to_the_machine() {
        let group = tree(&[("cgroup.procs", "1\n"), ("a/cgroup.procs", "2\n3\n"), ("a/b/cgroup.procs", "4\n")]);
        assert_eq!(processes(group.path()), BTreeSet::from([1, 2, 3, 4]));
        assert_eq!(processes(&group.path().join("none")), BTreeSet::new());
    }

    #[test]
    fn an_empty_cpuset_takes_its_parents() {
        let group = tree(&[
            ("cgroup.procs", ""),
            ("cpuset.cpus", "0-1\n"),
            ("cpuset.mems", "0\n"),
            ("a/cpuset.cpus", "\n"),
            ("a/cpuset.mems", "\n"),
        ]);
        prepare(&group.path().join("a")).unwrap();
        assert_eq!(fs::read_to_string(group.path().join("a/cpuset.cpus")).unwrap(), "0-1\n");
    }

    #[test]
    fn v2_hands_its_controllers_down() {
        let group = tree(&[("cgroup.controllers", "cpu memory\n"), ("a/cgroup.procs", "")]);
        prepare(&group.path().join("a")).unwrap();
        assert_eq!(fs::read_to_string(group.path().join("cgroup.subtree_control")).unwrap(), "+cpu +memory");
    }
}
