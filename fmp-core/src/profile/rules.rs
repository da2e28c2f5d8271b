//! Rules for one host: figures, systems, programs, modules, sysctls and ports, each as a type of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::RangeInclusive,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{observed::Cgroup, os::Manager, spec::Role};

/// What every host must bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HostRules {
    /// As `uname -m` says it.
    pub architectures: BTreeSet<String>,
    /// The oldest kernel.
    pub kernel: KernelVersion,
    /// Whose kernel it is.
    #[serde(default)]
    pub kernel_is: KernelIs,
    /// The oldest systemd.
    pub systemd: u32,
    /// How cgroups may be mounted.
    pub cgroups: Vec<Cgroup>,
    /// Whether swap may be on.
    pub swap: Swap,
    /// Whether a time service must keep the clock.
    pub time_service: TimeService,
    /// How far clocks may be apart, in milliseconds.
    pub clock_skew_ms: u32,
    /// What the kernel may keep of the memory asked for, in percent.
    pub memory_reserved_percent: u32,
    /// What partition tables and file systems may take of a disk's size, in percent.
    pub disk_overhead_percent: u32,
    /// How much of the root file system should be free, in percent.
    pub root_free_percent: u32,
    /// Kernel modules that must be loaded or loadable: see [`modules_to_load`](Self::modules_to_load).
    pub modules: BTreeSet<String>,
    /// Programs that must be found, with the package of each.
    pub programs: BTreeMap<String, BTreeMap<PackageManager, String>>,
    /// Sysctls that FMP sets: see [`sysctls_to_set`](Self::sysctls_to_set).
    pub sysctls: BTreeMap<String, SysctlRule>,
    /// TCP ports that the cluster uses.
    pub ports: Vec<PortsRule>,
}

impl HostRules {
    /// Kernel modules that a machine loads itself: none where the kernel is its computer's.
    pub fn modules_to_load(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(String::as_str).filter(|_| self.kernel_is == KernelIs::Own)
    }

    /// Sysctls that a machine sets itself: where the kernel is its computer's, only those of its own network.
    pub fn sysctls_to_set(&self) -> impl Iterator<Item = (&str, &SysctlRule)> {
        let own = |name: &str| self.kernel_is == KernelIs::Own || name.starts_with("net.");
        self.sysctls.iter().map(|(name, rule)| (name.as_str(), rule)).filter(move |(name, _)| own(name))
    }
}

/// Whose kernel a machine has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelIs {
    /// Its own.
    #[default]
    Own,
    /// Its computer's, together with other machines.
    Shared,
}

/// Whether swap may be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Swap {
    /// It must be off.
    Forbidden,
    /// It may be on.
    Tolerated,
}

/// Whether a time service must keep the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeService {
    /// It must.
    Required,
    /// Something else keeps it.
    Optional,
}

/// An operating system that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct System {
    /// `ID` of os-release.
    pub id: String,
    /// Its name in words.
    pub name: String,
    /// How packages are installed.
    pub packages: PackageManager,
    /// Which versions.
    pub versions: VersionRule,
}

/// How packages are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    /// Debian's, Ubuntu's and Astra's.
    Apt,
    /// Rocky's.
    Dnf,
}

impl PackageManager {
    /// What it calls.
    pub const fn manager(self) -> Manager {
        match self {
            Self::Apt => Manager::Dpkg,
            Self::Dnf => Manager::Rpm,
        }
    }
}

/// Which versions of an operating system are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionRule {
    /// This one and all later ones.
    From(String),
    /// These alone, each with its updates: `1.7.5` allows `1.7.5.16`.
    Only(Vec<String>),
}

/// A sysctl that FMP sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SysctlRule {
    /// Its value.
    pub value: String,
    /// The kernel module that brings it.
    #[serde(default)]
    pub module: Option<String>,
}

/// TCP ports that the cluster uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortsRule {
    /// Which.
    pub ports: Ports,
    /// What for, in words.
    #[serde(rename = "use")]
    pub purpose: String,
    /// On which nodes; on all where it isn't said.
    #[serde(default)]
    pub role: Option<Role>,
}

/// Neighbouring ports: `6443`, `30000-32767`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ports(pub RangeInclusive<u16>);

/// A version of the kernel without its patch level: `4.18`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KernelVersion {
    /// 4 in `4.18`.
    pub major: u32,
    /// 18 in `4.18`.
    pub minor: u32,
}

/// A minor version of Kubernetes: `1.29`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubeMinor(pub u16);

/// Why a text in a profile is no value of its kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not {wanted}")]
pub struct BadText {
    text: String,
    wanted: &'static str,
}

impl FromStr for KernelVersion {
    type Err = BadText;

    /// Reads `4.18` as well as what `uname -r` says: `4.18.0-372.9.1.el8.x86_64`.
    fn from_str(text: &str) -> Result<Self, BadText> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { major, minor }),
            _ => Err(BadText { text: text.to_owned(), wanted: "a kernel's version such as 4.18" }),
        }
    }
}

impl FromStr for KubeMinor {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let minor = text.strip_prefix("1.").and_then(|minor| minor.parse().ok());
        minor.map(Self).ok_or_else(|| BadText { text: text.to_owned(), wanted: "a minor version such as 1.29" })
    }
}

impl FromStr for Ports {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self(first..=last)),
            _ => Err(BadText { text: text.to_owned(), wanted: "a port or two joined by `-`" }),
        }
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Display for KubeMinor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.start(), self.0.end()) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// Lets serde read and write a type by its text.
macro_rules! as_text {
    ($($kind:ty),+) => { $(
        impl TryFrom<String> for $kind {
            type Error = BadText;

            fn try_from(text: String) -> Result<Self, BadText> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(value: $kind) -> Self {
                value.to_string()
            }
        }
    )+ };
}

as_text!(KernelVersion, KubeMinor, Ports);
