//! Why a program could not be run on a host.

use std::{io, path::PathBuf, sync::Arc};

/// Why a program could not be run, or a port not reached. Cloning is cheap.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No TCP connection.
    #[error("no connection to {host}:{port}")]
    Unreachable {
        /// The host as it was named.
        host: String,
        /// Its SSH port.
        port: u16,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A TCP connection, but no SSH on it.
    #[error("no agreement with the SSH server at {host}:{port}")]
    Handshake {
        /// The host as it was named.
        host: String,
        /// Its SSH port.
        port: u16,
        /// Where the protocol broke off.
        #[source]
        source: Arc<russh::Error>,
    },
    /// No host key is pinned, and `known_hosts` has none for this host.
    #[error("the host key of {host} is not known; the server shows {seen}")]
    HostKeyUnknown {
        /// The host as it was named.
        host: String,
        /// The fingerprint that the server shows.
        seen: String,
    },
    /// The server shows a key other than the expected one.
    #[error("the host key of {host} is another one: expected {expected}, the server shows {seen}")]
    HostKeyChanged {
        /// The host as it was named.
        host: String,
        /// The fingerprints of the expected keys.
        expected: String,
        /// The fingerprint that the server shows.
        seen: String,
    },
    /// `known_hosts` marks the server's key as revoked.
    #[error("the host key {seen} of {host} is revoked")]
    HostKeyRevoked {
        /// The host as it was named.
        host: String,
        /// The fingerprint that the server shows.
        seen: String,
    },
    /// `known_hosts` can't be understood.
    #[error("reading {path}")]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Arc<russh::keys::Error>,
    },
    /// The private key that the cluster's file names can't be used.
    #[error("reading the private key {path}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Arc<russh::keys::Error>,
    },
    /// None of our keys was accepted.
    #[error("{host} does not let {user} in ({tried})")]
    Authentication {
        /// The user that wanted to log in.
        user: String,
        /// The host as it was named.
        host: String,
        /// The keys that were offered.
        tried: String,
    },
    /// The user may log in, but runs no programs.
    #[error("{user} has no usable shell on {host}: {said}")]
    NoShell {
        /// The user that logged in.
        user: String,
        /// The host as it was named.
        host: String,
        /// What came instead of our marker.
        said: String,
    },
    /// `sudo` did not start the program.
    #[error("sudo refused {user} on {host}: {said}")]
    SudoRefused {
        /// The user that logged in.
        user: String,
        /// The host as it was named.
        host: String,
        /// What `sudo` said.
        said: String,
    },
    /// The server opens no session beside those that are open.
    #[error("{host} opens no further session")]
    NoSession {
        /// The host as it was named.
        host: String,
    },
    /// The host does not connect to its own port.
    #[error("{host} does not connect to its port {port}")]
    TunnelRefused {
        /// The host as it was named.
        host: String,
        /// The port on the host's loopback.
        port: u16,
    },
    /// The connection ended before the program was started, twice.
    #[error("the connection to {host} breaks off as soon as it is made")]
    Broken {
        /// The host as it was named.
        host: String,
    },
    /// The connection ended while the program ran: nobody knows how far it got.
    #[error("the connection to {host} was lost while a program ran")]
    Lost {
        /// The host as it was named.
        host: String,
    },
    /// The program wrote more than we are ready to hold.
    #[error("the program wrote more than {limit_bytes} bytes")]
    OutputTooLong {
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// What was to be fed to the program can't be read on this computer.
    #[error("reading what is to be sent")]
    Input {
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// An argument holds a NUL character, which no program can be given.
    #[error("an argument holds a NUL character")]
    NulInArgument,
    /// The arguments don't fit on one command line.
    #[error("the arguments are longer than {limit_bytes} bytes")]
    ArgumentsTooLong {
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// The shell of this computer could not be started.
    #[error("starting a shell on this computer")]
    Spawn {
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
}

impl TransportError {
    /// Whether the program may have run, wholly or in part.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Lost { .. } | Self::OutputTooLong { .. } | Self::Input { .. } => true,
            Self::Unreachable { .. }
            | Self::Handshake { .. }
            | Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyRevoked { .. }
            | Self::KnownHosts { .. }
            | Self::Identity { .. }
            | Self::Authentication { .. }
            | Self::NoShell { .. }
            | Self::SudoRefused { .. }
            | Self::NoSession { .. }
            | Self::Broken { .. }
            | Self::TunnelRefused { .. }
            | Self::NulInArgument
            | Self::ArgumentsTooLong { .. }
            | Self::Spawn { .. } => false,
        }
    }

    /// Whether the server showed a key that is not its: it may be anybody. One of which no key is known is nobody's yet.
    pub fn is_another_key(&self) -> bool {
        matches!(self, Self::HostKeyChanged { .. } | Self::HostKeyRevoked { .. })
    }

    /// Whether the same call can succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Handshake { .. }
                | Self::Lost { .. }
                | Self::Broken { .. }
                | Self::NoSession { .. }
        )
    }

    /// What a person can do about it, as one sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "check that the machine runs, that `host` and `port` under its [nodes.NAME.ssh] are right, and that no \
                 firewall is between"
            }
            Self::Handshake { .. } => {
                "check that the port is that of an SSH server and that the server allows a modern key exchange and \
                 cipher; its log names the reason"
            }
            Self::HostKeyUnknown { .. } => {
                "compare the fingerprint on the machine's console (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`), \
                 then pin the key as `host-key` under [nodes.NAME.ssh] or add it to ~/.ssh/known_hosts"
            }
            Self::HostKeyChanged { .. } => {
                "find out why: a machine that was installed anew has a new key, and so has an impostor; only then \
                 correct `host-key` or ~/.ssh/known_hosts"
            }
            Self::HostKeyRevoked { .. } => "give the machine a new host key; the revoked one is not to be trusted",
            Self::KnownHosts { .. } => {
                "correct the line in the file, or pin the key as `host-key` under [nodes.NAME.ssh]"
            }
            Self::Identity { .. } => {
                "check the path and the permissions of the key file; one with a passphrase is first loaded with \
                 `ssh-add`"
            }
            Self::Authentication { .. } => {
                "add one of these keys to the user's ~/.ssh/authorized_keys on the machine, or name the right key as \
                 `identity` under [nodes.NAME.ssh], or load it with `ssh-add`"
            }
            Self::NoShell { .. } => "give the user a POSIX login shell on the machine (`usermod -s /bin/bash USER`)",
            Self::SudoRefused { .. } => {
                "allow it without a password: `USER ALL=(ALL) NOPASSWD: ALL` in a file under /etc/sudoers.d, or log in \
                 as root"
            }
            Self::Broken { .. } => "look into the log of the machine's SSH server (`journalctl -u ssh`)",
            Self::NoSession { .. } => "raise `MaxSessions` in the machine's sshd_config",
            Self::TunnelRefused { .. } => {
                "check that the service listens on the machine's loopback and that sshd_config has \
                 `AllowTcpForwarding` on"
            }
            Self::Lost { .. } => "plan again: what the program did is observed anew",
            Self::OutputTooLong { .. } | Self::NulInArgument | Self::ArgumentsTooLong { .. } => {
                "this is a mistake in FMP; please report it"
            }
            Self::Input { .. } => "check the file on this computer, then plan again",
            Self::Spawn { .. } => "check that /bin/sh exists and that this computer has processes and memory to spare",
        }
    }
}
