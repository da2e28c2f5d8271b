//! Why a local machine could not be had.

use std::{io, net::Ipv4Addr, path::PathBuf, time::Duration};

use fmp_core::NodeName;

/// Why something could not be done with local machines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// Machines are made with root's rights only.
    #[error("local machines need root")]
    NotRoot,
    /// Programs that this computer lacks.
    #[error("this computer lacks {}", programs.join(", "))]
    Missing {
        /// Their names.
        programs: Vec<&'static str>,
    },
    /// A program could not be started.
    #[error("starting {program}")]
    Start {
        /// Which.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("`{command}` ended with {status}: {said}")]
    Program {
        /// The program and its arguments.
        command: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of what it said.
        said: String,
    },
    /// A program did not end in time.
    #[error("`{command}` did not end within {} s", waited.as_secs())]
    Slow {
        /// The program and its arguments.
        command: String,
        /// How long it was given.
        waited: Duration,
    },
    /// A disk's image could not be written.
    #[error("writing into the file system on {disk}: {said}")]
    Image {
        /// The image.
        disk: PathBuf,
        /// What `debugfs` said.
        said: String,
    },
    /// A file of ours could not be read or written.
    #[error("{doing} {path}")]
    File {
        /// What was being done, such as `writing`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A key could not be made or read.
    #[error("the SSH key {path}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: russh::keys::ssh_key::Error,
    },
    /// A host key that we wrote is none any more.
    #[error("the host key of {node}")]
    HostKey {
        /// Whose.
        node: NodeName,
        /// What is wrong.
        #[source]
        source: crate::transport::BadTarget,
    },
    /// There is no such machine.
    #[error("there is no machine {0}")]
    Absent(NodeName),
    /// The machine exists with another address.
    #[error("{node} exists with the address {has}, wanted is {wanted}")]
    OtherAddress {
        /// Which machine.
        node: NodeName,
        /// Its address.
        has: Ipv4Addr,
        /// The address that was asked for.
        wanted: Ipv4Addr,
    },
    /// The machine was started and does not answer.
    #[error("{node} did not answer within {} s; its console ends with: {console}", waited.as_secs())]
    Silent {
        /// Which machine.
        node: NodeName,
        /// How long it was given.
        waited: Duration,
        /// The end of its console.
        console: String,
    },
    /// Processes of a machine that can't be killed.
    #[error("{} processes of {node} can't be ended", processes.len())]
    Undead {
        /// Which machine.
        node: NodeName,
        /// Their ids.
        processes: Vec<i32>,
    },
    /// Something is still mounted where a folder is to be removed.
    #[error("{path} is still mounted")]
    Mounted {
        /// The mount point.
        path: PathBuf,
    },
}

impl EnvironmentError {
    /// Whether something may have been changed.
    pub fn may_have_happened(&self) -> bool {
        !matches!(self, Self::NotRoot | Self::Missing { .. } | Self::Absent(_) | Self::OtherAddress { .. })
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NotRoot => "run fmp as root (`sudo fmp …`), or use `kind = \"ssh\"` with machines of your own",
            Self::Missing { .. } | Self::Start { .. } => {
                "on Debian and Ubuntu: `apt-get install systemd-container debootstrap iproute2 util-linux`, for virtual \
                 machines `e2fsprogs qemu-system-x86` besides"
            }
            Self::Program { .. } | Self::Slow { .. } | Self::Image { .. } => {
                "the message above is the program's own; `fmp destroy` removes what is half made"
            }
            Self::File { .. } => "check that the folder exists, has room and is on a local disk that is no overlay",
            Self::Key { .. } | Self::HostKey { .. } => "delete the machine (`fmp destroy`) and make it anew",
            Self::Absent(_) => "run `fmp apply`, which makes it",
            Self::OtherAddress { .. } => "delete the machine (`fmp destroy`) first, or go back to its old address",
            Self::Silent { .. } => "read the whole console in console.log in the machine's folder",
            Self::Undead { .. } => {
                "a process that can't be killed waits for a disk: look at `dmesg`, restart this computer"
            }
            Self::Mounted { .. } => "end what uses it (`fuser -vm PATH`), then try again",
        }
    }
}

/// Wraps an error of the file system with what was being done to which file.
pub(super) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> EnvironmentError {
    let path = path.into();
    move |source| EnvironmentError::File { doing, path, source }
}
