//! Hosts, SSH, machines and the cluster: everything of FMP that does I/O.

pub mod environment;
pub mod transport;
