//! What must differ from host to host, and what must be the same.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{CLUSTER, finding};
use crate::{
    Finding, NodeName, Severity,
    net::Cidr,
    observed::HostFacts,
    spec::{NetworkMode, Spec},
};

pub(super) fn hostnames(hosts: &BTreeMap<&NodeName, &HostFacts>) -> Vec<Finding> {
    let fix = "`hostnamectl set-hostname NAME` on each of them";
    shared(hosts, |facts| facts.hostname.to_ascii_lowercase(), "unique-hostname", "host name", fix)
}

/// Machines cloned from one image have one machine id, and get one address from DHCP.
pub(super) fn machine_ids(hosts: &BTreeMap<&NodeName, &HostFacts>) -> Vec<Finding> {
    let fix = "on all of them but one: `rm /etc/machine-id`, `systemd-machine-id-setup`, reboot";
    shared(hosts, |facts| facts.machine_id.clone(), "unique-machine-id", "machine id", fix)
}

/// Nodes that are not on the link of most, where each node is the next hop to the pods of every other. What has no prefix
/// says nothing of its link.
pub(super) fn links(spec: &Spec, hosts: &BTreeMap<&NodeName, &HostFacts>) -> Vec<Finding> {
    match spec.network.mode {
        NetworkMode::Routed => {}
        NetworkMode::Flannel | NetworkMode::External => return Vec::new(),
    }
    let link = |(name, facts): (&&'_ NodeName, &&HostFacts)| -> Option<(NodeName, Ipv4Addr, Cidr)> {
        let address = spec.nodes.get(*name).filter(|node| node.role.is_of_kubernetes())?.address;
        let prefix = *facts.prefixes.get(&address)?;
        Some(((*name).clone(), address, Cidr::containing(address, prefix)))
    };
    let links: Vec<_> = hosts.iter().filter_map(link).collect();
    let mut nodes: BTreeMap<Cidr, usize> = BTreeMap::new();
    links.iter().for_each(|(_, _, link)| *nodes.entry(*link).or_default() += 1);
    // `max_by_key` takes the last of equals.
    let Some((most, count)) = nodes.into_iter().rev().max_by_key(|(_, count)| *count) else { return Vec::new() };
    let others = links.iter().filter(|(_, _, link)| *link != most);
    let told = |(name, address, link): &(NodeName, Ipv4Addr, Cidr)| {
        let message = format!(
            "{address}/{} is not on the link {most}, as {count} of {} nodes are: `mode = \"routed\"` sends what is for \
             pods straight to their node",
            link.prefix(),
            links.len()
        );
        let fix = "`mode = \"flannel\"` under [network], or addresses of one link for all nodes";
        finding(name, "link", Severity::Error, message, fix.to_owned())
    };
    others.map(told).collect()
}

fn shared(
    hosts: &BTreeMap<&NodeName, &HostFacts>,
    key: impl Fn(&HostFacts) -> String,
    check: &str,
    what: &str,
    fix: &str,
) -> Vec<Finding> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, facts) in hosts {
        groups.entry(key(facts)).or_default().push(name.as_str());
    }
    let several = groups.into_iter().filter(|(_, names)| names.len() > 1);
    let message = |(value, names): (String, Vec<&str>)| format!("{} have the same {what} {value}", names.join(", "));
    several.map(|group| finding(CLUSTER, check, Severity::Error, message(group), fix.to_owned())).collect()
}
