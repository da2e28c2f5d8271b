//! What must differ from host to host.

use std::collections::BTreeMap;

use super::{CLUSTER, finding};
use crate::{Finding, NodeName, Severity, observed::HostFacts};

pub(super) fn hostnames(hosts: &BTreeMap<&NodeName, &HostFacts>) -> Vec<Finding> {
    let fix = "`hostnamectl set-hostname NAME` on each of them";
    shared(hosts, |facts| facts.hostname.to_ascii_lowercase(), "unique-hostname", "host name", fix)
}

/// Machines cloned from one image have one machine id, and get one address from DHCP.
pub(super) fn machine_ids(hosts: &BTreeMap<&NodeName, &HostFacts>) -> Vec<Finding> {
    let fix = "on all of them but one: `rm /etc/machine-id`, `systemd-machine-id-setup`, reboot";
    shared(hosts, |facts| facts.machine_id.clone(), "unique-machine-id", "machine id", fix)
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
