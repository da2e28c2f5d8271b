//! The network that a cluster's machines share: a namespace with a bridge in it and no way out.

use std::{net::Ipv4Addr, path::PathBuf};

use fmp_core::{Digest, NodeName, net::Cidr};

use super::{
    EnvironmentError,
    tool::{self, QUICK},
};

/// The bridge that every machine is plugged into.
pub(super) const BRIDGE: &str = "br0";

/// Machines of one cluster are on one link of this prefix length: 253 of them are more than one computer holds.
const PREFIX: u8 = 24;

/// The longest machine name: nspawn calls the outer end of its cable `vb-NAME`, and Linux allows 15 characters.
const NAME_LIMIT: usize = 12;

/// The network of one cluster.
#[derive(Debug, Clone)]
pub(super) struct Network {
    name: String,
}

impl Network {
    /// The network of the cluster of this name.
    pub(super) fn of(cluster: &str) -> Self {
        Self { name: format!("fmp-{cluster}") }
    }

    /// The namespace's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for the namespace.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// Makes the namespace and the bridge, and gives the bridge the link's first address. Doing it again is harmless.
    pub(super) async fn ensure(&self, address: Ipv4Addr) -> Result<(), EnvironmentError> {
        if !self.path().exists() {
            ip(&["netns", "add", &self.name]).await?;
        }
        self.ip(&["link", "set", "lo", "up"]).await?;
        if self.ip(&["link", "show", BRIDGE]).await.is_err() {
            self.ip(&["link", "add", BRIDGE, "type", "bridge"]).await?;
        }
        let gateway = format!("{}/{PREFIX}", gateway(address));
        self.ip(&["addr", "replace", &gateway, "dev", BRIDGE]).await?;
        self.ip(&["link", "set", BRIDGE, "up"]).await
    }

    /// Removes the cable of a machine that was killed, if the kernel has not done so yet: nspawn refuses to start
    /// beside it.
    pub(super) async fn unplug(&self, machine: &str) -> Result<(), EnvironmentError> {
        let cable = cable(machine);
        match self.ip(&["link", "delete", &cable]).await {
            Err(EnvironmentError::Program { said, .. }) if is_gone(&said) => Ok(()),
            other => other,
        }
    }

    /// Makes the outer end of a virtual machine's cable, which `unplug` removes, and plugs it in.
    pub(super) async fn plug(&self, machine: &str) -> Result<String, EnvironmentError> {
        let cable = cable(machine);
        self.ip(&["tuntap", "add", "dev", &cable, "mode", "tap"]).await?;
        self.ip(&["link", "set", &cable, "master", BRIDGE, "up"]).await?;
        Ok(cable)
    }

    /// Removes the namespace and all that is in it.
    pub(super) async fn remove(&self) -> Result<(), EnvironmentError> {
        if self.path().exists() {
            ip(&["netns", "delete", &self.name]).await?;
        }
        Ok(())
    }

    async fn ip(&self, args: &[&str]) -> Result<(), EnvironmentError> {
        ip(&[&["-n", &self.name], args].concat()).await
    }
}

/// What the outer end of a machine's cable is called: nspawn's own name for it.
fn cable(machine: &str) -> String {
    format!("vb-{machine}")
}

async fn ip(args: &[&str]) -> Result<(), EnvironmentError> {
    tool::run("ip", args, QUICK).await.map(drop)
}

/// Whether `ip` says that a link is not there: it does not find it, or the kernel, which takes a machine's cables away in
/// its own time, was quicker once it had found it.
fn is_gone(said: &str) -> bool {
    ["Cannot find device", "No such device"].iter().any(|words| said.contains(words))
}

/// The bridge's own address on the link of `address`.
pub(super) fn gateway(address: Ipv4Addr) -> Ipv4Addr {
    Cidr::containing(address, PREFIX).nth(1)
}

/// `address` with the link's prefix length.
pub(super) fn with_prefix(address: Ipv4Addr) -> String {
    format!("{address}/{PREFIX}")
}

/// What nspawn calls the machine: its node's name, or some digits of its digest where that is too long.
pub(super) fn machine_name(node: &NodeName) -> String {
    let name = node.as_str();
    if name.len() <= NAME_LIMIT {
        return name.to_owned();
    }
    let mut hex = Digest::of(name).hex();
    hex.truncate(NAME_LIMIT);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cable_that_goes_while_it_is_taken_away_is_gone() {
        assert!(is_gone("Cannot find device \"vb-main-1\""));
        assert!(is_gone("RTNETLINK answers: No such device"));
        assert!(!is_gone("RTNETLINK answers: Operation not permitted"));
    }

    #[test]
    fn a_machines_name_leaves_room_for_its_cables() {
        for name in ["main-1", "a-name-of-12", "a-node-with-a-long-name"] {
            assert!(machine_name(&name.parse().unwrap()).len() <= NAME_LIMIT, "{name}");
        }
        let other = |name: &str| machine_name(&name.parse().unwrap());
        assert_ne!(other("a-node-with-a-long-name-1"), other("a-node-with-a-long-name-2"));
    }

    #[test]
    fn the_bridge_has_the_first_address_of_the_link() {
        assert_eq!(gateway(Ipv4Addr::new(198, 18, 7, 21)), Ipv4Addr::new(198, 18, 7, 1));
    }
}
