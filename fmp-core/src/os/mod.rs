//! Operating systems: what differs between them, as data.
//!
//! Owns which package of a system brings what FMP needs there, and what a package does by itself. A new edition is a new
//! file under `fmp-core/data/os/`. Knows nothing of which systems are allowed, which is a profile's to say. Read
//! [`System`] first.

mod load;
mod release;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, LazyLock},
};

use serde::{Deserialize, Serialize};

pub use load::SystemError;
pub use release::{ASTRA_VERSION, RELEASE, Release};

use crate::observed::{Cgroup, HostFacts};

/// One edition of an operating system.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct System {
    /// The name of its file, by which bundles and plans know it: `debian-12`.
    #[serde(skip_deserializing)]
    pub word: Arc<str>,
    /// `ID` of os-release.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// `VERSION_ID` of os-release, each with its updates: `1.7.5` is `1.7.5.16`, too. Astra Linux says it elsewhere.
    pub versions: Vec<String>,
    /// Whether its names of packages serve for later editions that have no file of their own.
    pub and_later: bool,
    /// What installs packages.
    pub manager: Manager,
    /// How cgroups are mounted unless somebody changed that.
    pub cgroup: Cgroup,
    /// Whether `SELinux` enforces unless somebody changed that.
    pub selinux: bool,
    /// Packages that every machine has besides those of priority `required`, where packages have priorities.
    pub minimal: BTreeSet<String>,
    /// What brings each need.
    pub needs: BTreeMap<Need, Packaged>,
}

/// What installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// Debian's, Ubuntu's and Astra's: dpkg, with apt-get before it.
    Dpkg,
    /// Rocky's: rpm, with dnf before it.
    Rpm,
}

/// The package that brings something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packaged {
    /// The package's name.
    pub package: Arc<str>,
    /// Programs of it that somebody runs.
    pub programs: BTreeSet<String>,
    /// Units that it starts by itself when it is installed, and that nobody asked for: FMP runs these programs by units of
    /// its own.
    #[serde(default)]
    pub starts: BTreeSet<Arc<str>>,
}

/// Something of the operating system that FMP or Kubernetes needs on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A shell that speaks TCP.
    Bash,
    /// The kernel's table of connections, for kube-proxy.
    Conntrack,
    /// What makes ext4.
    E2fsprogs,
    /// Rules for bridges.
    Ebtables,
    /// What looks into network cards.
    Ethtool,
    /// The way to all apiservers.
    Haproxy,
    /// Addresses and routes.
    Iproute,
    /// Sets of addresses.
    Ipset,
    /// Rules for packets.
    Iptables,
    /// What moves a shared address.
    Keepalived,
    /// What loads kernel modules.
    Kmod,
    /// Logical volumes.
    Lvm2,
    /// `mount` itself.
    Mount,
    /// `sysctl`.
    Procps,
    /// What starts containers.
    Runc,
    /// A pipe between two sockets.
    Socat,
    /// systemd itself.
    Systemd,
    /// Locks, and a way into namespaces.
    UtilLinux,
    /// What makes xfs.
    Xfsprogs,
}

/// How well an edition fits a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// It is this very one.
    Same,
    /// It is the last one before the host's, and its names serve.
    Earlier,
}

static SHIPPED: LazyLock<Vec<System>> = LazyLock::new(load::shipped);

/// All editions that FMP knows, in order of their words.
pub fn systems() -> &'static [System] {
    &SHIPPED
}

/// The edition that is called so: `debian-12`.
pub fn named(word: &str) -> Option<&'static System> {
    systems().iter().find(|system| *system.word == *word)
}

/// The edition that a host has, or the one whose names serve there.
pub fn of_host(facts: &HostFacts) -> Option<(&'static System, Fit)> {
    find(&facts.os_id, &facts.os_version)
}

/// The same by `ID` and `VERSION_ID` of os-release.
pub fn find(id: &str, version: &str) -> Option<(&'static System, Fit)> {
    let found = numbers(version);
    let of_id = || systems().iter().filter(|system| system.id == id);
    let is = |system: &&System| system.versions.iter().any(|one| found.starts_with(&numbers(one)));
    let is_before = |system: &&System| system.and_later && system.newest() < found;
    let same = of_id().find(is).map(|system| (system, Fit::Same));
    same.or_else(|| of_id().filter(is_before).max_by_key(|system| system.newest()).map(|system| (system, Fit::Earlier)))
}

/// What a person types on this host to have `program`, where that is known. Of an older edition than any that has a file, the
/// names of the first one are the best guess.
pub fn install(facts: &HostFacts, program: &str) -> Option<String> {
    let first = || systems().iter().find(|system| system.id == facts.os_id);
    let system = of_host(facts).map(|(system, _)| system).or_else(first)?;
    Some(system.manager.install(system.package_of(program)?))
}

/// The numbers at the beginning of a version: 1 and 7 of `1.7_x86-64`.
pub(crate) fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(version.len());
    version[..end].split('.').map_while(|number| number.parse().ok()).collect()
}

impl System {
    fn newest(&self) -> Vec<u32> {
        self.versions.iter().map(|version| numbers(version)).max().unwrap_or_default()
    }

    /// The package that brings `program`.
    pub fn package_of(&self, program: &str) -> Option<&str> {
        self.needs.values().find(|packaged| packaged.programs.contains(program)).map(|packaged| &*packaged.package)
    }
}

impl Manager {
    /// The word in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg",
            Self::Rpm => "rpm",
        }
    }

    /// What a person types to install `package`.
    pub fn install(self, package: &str) -> String {
        match self {
            Self::Dpkg => format!("apt-get install {package}"),
            Self::Rpm => format!("dnf install {package}"),
        }
    }
}

impl Need {
    /// All of them, in order.
    pub const ALL: [Self; 19] = [
        Self::Bash,
        Self::Conntrack,
        Self::E2fsprogs,
        Self::Ebtables,
        Self::Ethtool,
        Self::Haproxy,
        Self::Iproute,
        Self::Ipset,
        Self::Iptables,
        Self::Keepalived,
        Self::Kmod,
        Self::Lvm2,
        Self::Mount,
        Self::Procps,
        Self::Runc,
        Self::Socat,
        Self::Systemd,
        Self::UtilLinux,
        Self::Xfsprogs,
    ];

    /// The word in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Conntrack => "conntrack",
            Self::E2fsprogs => "e2fsprogs",
            Self::Ebtables => "ebtables",
            Self::Ethtool => "ethtool",
            Self::Haproxy => "haproxy",
            Self::Iproute => "iproute",
            Self::Ipset => "ipset",
            Self::Iptables => "iptables",
            Self::Keepalived => "keepalived",
            Self::Kmod => "kmod",
            Self::Lvm2 => "lvm2",
            Self::Mount => "mount",
            Self::Procps => "procps",
            Self::Runc => "runc",
            Self::Socat => "socat",
            Self::Systemd => "systemd",
            Self::UtilLinux => "util-linux",
            Self::Xfsprogs => "xfsprogs",
        }
    }

    /// The names of its package on all systems: what to ask a host for of which nothing is known yet.
    pub fn everywhere(self) -> BTreeSet<Arc<str>> {
        systems().iter().filter_map(|system| system.needs.get(&self)).map(|packaged| packaged.package.clone()).collect()
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
