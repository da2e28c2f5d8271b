//! Hosts, SSH, machines and the cluster: everything of FMP that does I/O.

mod cluster;
pub mod conformance;
pub mod driver;
pub mod environment;
pub mod hosts;
pub mod memory;
pub mod pki;
pub mod simulated;
pub mod transport;
