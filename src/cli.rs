//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fmp_core::NodeName;

/// Deploys and keeps the Kubernetes cluster that the Foresight Mobile Platform runs on.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Where everything lies.
    #[command(flatten)]
    pub(crate) places: Places,
}

/// Where everything lies.
#[derive(Debug, Clone, Args)]
pub(crate) struct Places {
    /// The cluster's file
    #[arg(short, long, global = true, value_name = "PATH", default_value = "cluster.toml")]
    pub(crate) file: PathBuf,
    /// The bundle's lock; beside the cluster's file unless told
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) lock: Option<PathBuf>,
    /// The content-addressed store of the bundle; in the user's cache unless told
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a cluster.toml to begin with
    Init(InitArgs),
    /// Compare each host with the requirement profile
    Check,
    /// Show what would be done. Exit code: 0 in sync, 2 steps to do, 3 blocked or stale, 1 error
    Plan(PlanArgs),
    /// Do it: make a plan, ask, carry it out, observe again
    Apply(ApplyArgs),
    /// Show a plan's file, or one of its steps in full
    Show(ShowArgs),
    /// Print what is seen on the hosts, as JSON for `plan --observed`
    Observe(ObserveArgs),
    /// Show how mains, nodes and etcd are
    Status,
    /// Print the graph of everything that is wanted, for Graphviz
    Graph,
    /// Print a kubeconfig for people
    Kubeconfig(KubeconfigArgs),
    /// Run kubectl on a main: `fmp kubectl -- get nodes`
    Kubectl(KubectlArgs),
    /// Take everything off the hosts that FMP put there
    Destroy(DestroyArgs),
    /// What ails the cluster, why, and the way out
    Doctor(DoctorArgs),
    /// Carry the plan out in a simulated copy of the cluster, again and again, while things go wrong
    Rehearse(RehearseArgs),
    /// Let an accident happen in a simulated world (`kind = "sim"`)
    Fault(FaultArgs),
    /// Build, verify or list the bundle
    #[command(subcommand)]
    Bundle(BundleCommand),
    /// Sign a client certificate for some hours; kubeconfigs call this
    #[command(hide = true)]
    Credential,
}

/// `fmp init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Where the machines come from
    #[arg(long, value_enum, default_value_t = Kind::Local)]
    pub(crate) environment: Kind,
}

/// Where machines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// systemd-nspawn machines on this computer
    Local,
    /// Machines that exist, reached by SSH
    Ssh,
    /// No machines: a simulated world, to try plans out
    Sim,
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people, and for review
    Text,
    /// The file of record
    Json,
    /// A picture for Graphviz
    Dot,
}

/// `fmp plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Write the plan as JSON to this file, for `fmp apply`
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// Plan from a stored observation; no host is asked
    #[arg(long, value_name = "PATH")]
    pub(crate) observed: Option<PathBuf>,
    /// Compare with a plan's text that was committed: 0 the same, 2 another
    #[arg(long, value_name = "PATH")]
    pub(crate) check: Option<PathBuf>,
    /// Read every byte of large files, whatever the hosts remember of them
    #[arg(long)]
    pub(crate) deep: bool,
}

/// `fmp apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A plan made by `fmp plan --out`; refused where anything that it rests on has changed
    #[arg(value_name = "PLAN")]
    pub(crate) plan: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Print what happens as one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// `fmp show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A plan made by `fmp plan --out`
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// One step in full
    #[arg(value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// `fmp observe`.
#[derive(Debug, Args)]
pub(crate) struct ObserveArgs {
    /// Read every byte of large files, whatever the hosts remember of them
    #[arg(long)]
    pub(crate) deep: bool,
}

/// `fmp kubeconfig`.
#[derive(Debug, Args)]
pub(crate) struct KubeconfigArgs {
    /// Put a client certificate and its key into it, valid for a day: keep the file secret
    #[arg(long, requires = "out")]
    pub(crate) embed: bool,
    /// Write it to this file, readable by you alone
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
}

/// `fmp kubectl`.
#[derive(Debug, Args)]
pub(crate) struct KubectlArgs {
    /// kubectl's own arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}

/// `fmp destroy`.
#[derive(Debug, Args)]
pub(crate) struct DestroyArgs {
    /// The cluster's name, to show that you mean it
    #[arg(long, value_name = "CLUSTER")]
    pub(crate) name: String,
}

/// `fmp doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print what was found as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Collect all that support asks for into this file (tar, gzip), readable by you alone, without secrets
    #[arg(long, value_name = "PATH")]
    pub(crate) bundle: Option<PathBuf>,
}

/// `fmp rehearse`.
#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    /// How often; each time with other faults
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) runs: u64,
    /// The seed of the first run; equal seeds bring equal faults
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) first_seed: u64,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `fmp fault`.
#[derive(Debug, Args)]
pub(crate) struct FaultArgs {
    /// Where
    #[arg(value_name = "NODE")]
    pub(crate) node: NodeName,
    /// What happens there
    #[command(subcommand)]
    pub(crate) what: Fault,
}

/// What can happen to a simulated machine. The names are those of what a person would type, or see.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Fault {
    /// Its power is cut
    PowerOff,
    /// Its power comes back, and what is enabled starts
    PowerOn,
    /// Power off and on
    Reboot,
    /// Its disk is lost: another machine, bare, has its name and address
    Wipe,
    /// The disk below etcd's data directory is lost
    WipeEtcd,
    /// Somebody writes another text into a file
    Edit {
        /// Which, from the root
        path: String,
    },
    /// Somebody removes a file
    Remove {
        /// Which, from the root
        path: String,
    },
    /// Somebody puts another program in place of ours
    Replace {
        /// Which, from the root
        path: String,
    },
    /// `systemctl edit`: a drop-in for a unit
    DropIn {
        /// Its full name
        unit: String,
    },
    /// `kubectl cordon`
    Cordon,
    /// Its member of etcd raises an alarm
    Alarm {
        /// `NOSPACE` or `CORRUPT`
        #[arg(value_name = "ALARM")]
        alarm: String,
    },
    /// `etcdctl alarm disarm`
    Disarm,
    /// Its clock is off from now on
    Clock {
        /// By how many seconds, with a minus where it is behind
        #[arg(value_name = "SECONDS", allow_negative_numbers = true)]
        seconds: i64,
    },
    /// This computer does not reach it any more
    Unreachable,
    /// This computer reaches it again
    Reachable,
    /// `systemctl stop`
    Stop {
        /// Its full name
        unit: String,
    },
    /// `systemctl restart`
    Restart {
        /// Its full name
        unit: String,
    },
    /// `systemctl disable`
    Disable {
        /// Its full name
        unit: String,
    },
    /// Somebody uses its volume's disk for something else
    DiskHolds {
        /// What lies there now, as `wipefs` calls it: `ext4`, `LVM2_member`
        what: String,
    },
    /// Its volume's disk is emptied
    DiskEmpty,
    /// `apt-get purge`
    PackageGone {
        /// Its name
        package: String,
    },
    /// Its volume's disk is enlarged
    DiskGrows {
        /// By how many GB
        gb: u32,
    },
    /// Its root file system fills up
    DiskFills,
    /// It has room again
    DiskDrains,
    /// Its disk takes so long for each write of etcd
    SlowDisk {
        /// Milliseconds; 0: as long as it should
        ms: u32,
    },
    /// `ip link set mtu`: its link takes smaller or larger packets
    Mtu {
        /// The largest one
        bytes: u32,
    },
    /// `ip route del`: it loses its routes to other nodes' pods
    DropRoutes,
    /// Somebody runs pods with a disruption budget: anywhere, not only there
    Deploy {
        /// How many
        pods: usize,
        /// How many of them must stay, as the budget says
        least: usize,
    },
    /// Nothing but time: everywhere, not only there
    Later {
        /// How much of it
        seconds: u32,
    },
}

/// `fmp bundle`.
#[derive(Debug, Subcommand)]
pub(crate) enum BundleCommand {
    /// Fetch or build all that is missing, and write bundle.lock
    Build(BundleBuildArgs),
    /// Read every blob again and name each that is missing or damaged
    Verify,
    /// List what the lock holds
    List,
}

/// `fmp bundle build`.
#[derive(Debug, Args)]
pub(crate) struct BundleBuildArgs {
    /// What the bundle is made of; bundle.toml beside the cluster's file unless told
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest: Option<PathBuf>,
    /// Prefer this kind of source: url, go, c, deb, debs, packages, file; given several times, the first that a part has
    #[arg(long, value_name = "KIND")]
    pub(crate) from: Vec<String>,
    /// Leave out this release and the images made of it; can be given several times
    #[arg(long, value_name = "RELEASE")]
    pub(crate) without: Vec<String>,
    /// Accept content that differs from the lock
    #[arg(long)]
    pub(crate) update: bool,
}
