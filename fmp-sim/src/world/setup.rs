//! What a world is made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use fmp_core::{
    NodeName,
    observed::{Cgroup, ClockSync, Disk, HostFacts},
    spec::{Environment, Role, Spec},
};

use super::Pace;

/// What a world is made of before anything is done to it.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The time: seconds since 1970. It passes only by [`World::pass_s`](super::World::pass_s).
    pub now: i64,
    /// `Local`: machines are absent until they are created. `Ssh`: they are there, booted and bare.
    pub environment: Environment,
    /// The main nodes, with their addresses.
    pub mains: BTreeMap<NodeName, Ipv4Addr>,
    /// The work nodes, with theirs.
    pub works: BTreeMap<NodeName, Ipv4Addr>,
    /// The machine that stores images, where there is one.
    pub images: BTreeMap<NodeName, Ipv4Addr>,
    /// The disks that a node names for its volume. Its machine has them, empty.
    pub disks: BTreeMap<NodeName, BTreeSet<String>>,
    /// What a machine is like. Host name, machine id and addresses are filled in.
    pub machine: HostFacts,
    /// What a kubelet says that its version is, `v1.29.15`, where the path of its program does not tell.
    pub kubelet_version: String,
    /// How fast machines are.
    pub pace: Pace,
}

impl Setup {
    /// A world for the nodes of a specification, those that leave among them.
    pub fn of(spec: &Spec) -> Self {
        let of_role = |role| {
            let all = spec.everyone().filter(move |(_, node)| node.role == role);
            all.map(|(name, node)| (name.clone(), node.address)).collect()
        };
        let (mains, works, images) = (of_role(Role::Main), of_role(Role::Work), of_role(Role::Images));
        let disks = spec.everyone().filter(|(_, node)| !node.disks.is_empty());
        let disks = disks.map(|(name, node)| (name.clone(), node.disks.clone())).collect();
        Self { images, disks, ..Self::new(spec.environment, mains, works, &spec.kubernetes.to_string()) }
    }

    /// A world of machines that are large enough for anything, in November 2023.
    pub fn new(
        environment: Environment,
        mains: BTreeMap<NodeName, Ipv4Addr>,
        works: BTreeMap<NodeName, Ipv4Addr>,
        kubernetes: &str,
    ) -> Self {
        let kubelet_version = format!("v{kubernetes}");
        Self {
            now: 1_700_000_000,
            environment,
            mains,
            works,
            images: BTreeMap::new(),
            disks: BTreeMap::new(),
            machine: machine(),
            kubelet_version,
            pace: Pace::Instant,
        }
    }
}

/// A machine with Debian 12 and nothing else on it.
pub fn machine() -> HostFacts {
    HostFacts {
        hostname: String::new(),
        machine_id: String::new(),
        architecture: "x86_64".to_owned(),
        os_id: "debian".to_owned(),
        os_version: "12".to_owned(),
        os_name: "Debian GNU/Linux 12 (bookworm)".to_owned(),
        kernel: "6.1.0-18-amd64".to_owned(),
        systemd: 252,
        cpus: 16,
        memory_bytes: 64 << 30,
        root_bytes: 500 << 30,
        root_free_bytes: 490 << 30,
        disks: vec![Disk { name: "vda".to_owned(), bytes: 500 << 30 }],
        cgroup: Cgroup::V2,
        swap_bytes: 0,
        clock_offset_ms: 0,
        clock_sync: ClockSync::Synchronised,
        programs: BTreeMap::new(),
        modules: BTreeSet::new(),
        // As Debian's kernel has them before anybody sets them.
        sysctls: [("net.ipv4.ip_forward", "0"), ("net.ipv4.conf.all.rp_filter", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        listeners: BTreeMap::new(),
        addresses: BTreeSet::new(),
        prefixes: BTreeMap::new(),
    }
}
