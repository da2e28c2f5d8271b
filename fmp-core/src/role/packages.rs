//! Packages: what the operating system of a node has to bring, only as far as its role needs it.
//!
//! Where FMP installs nothing, hosts bring them, and `check` names what is missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    LowerError, Part,
    common::Common,
    entrance,
    node::{BALANCER_UNIT, CONTAINERD_UNIT, FLANNELD_UNIT, HOST_UNIT, PROXY_UNIT},
    paths::{key, unit::KUBELET},
    recipe::Recipe,
};
use crate::{
    bundle::{Kind, Lock},
    os::Need,
    resource::{Package, PackageFile, PackageSource, Resource, programs},
    spec::{Packages, Role, Spec},
};

/// What nodes of any role need. Whoever reaches a host by SSH and runs systemd there has the rest.
const EVERYWHERE: [Need; 7] =
    [Need::Conntrack, Need::Haproxy, Need::Iproute, Need::Iptables, Need::Kmod, Need::Procps, Need::Runc];

/// What machines that share an address need.
const ENTRANCE: [Need; 2] = [Need::Bash, Need::Keepalived];

/// What a node of `role` needs of its operating system.
pub(crate) fn needs(spec: &Spec, role: Role, has_volume: bool) -> BTreeSet<Need> {
    let shares = match role {
        // It runs one static program.
        Role::Images => return BTreeSet::new(),
        Role::Main => spec.api_entrance.shared().is_some(),
        Role::Work => spec.apps_entrance.shared().is_some(),
    };
    let entrance = ENTRANCE.into_iter().filter(|_| shares);
    let storage = spec.storage.as_ref().filter(|_| has_volume);
    let volume = storage.into_iter().flat_map(|storage| programs(storage.filesystem, storage.logical.as_ref()));
    EVERYWHERE.into_iter().chain(entrance).chain(volume.map(|(_, need)| need)).collect()
}

/// Where packages come from; nowhere where FMP installs none.
#[derive(Debug)]
pub(super) struct Installing(BTreeMap<Need, PackageSource>);

impl Installing {
    /// Looks up what the bundle has.
    ///
    /// # Errors
    /// Packages are to come from the bundle, and it has none for something that a role needs.
    pub(super) fn read(spec: &Spec, lock: &Lock) -> Result<Self, LowerError> {
        let of = |role| needs(spec, role, spec.of_role(role).any(|(_, node)| !node.disks.is_empty()));
        let mut all: BTreeSet<Need> = [Role::Main, Role::Work].into_iter().flat_map(of).collect();
        if lock.entry("runc").is_some() {
            all.remove(&Need::Runc);
        }
        let source = |need: Need| match spec.packages {
            Packages::None => Ok(None),
            Packages::Repository => Ok(Some((need, PackageSource::Repository))),
            Packages::Bundle => bundled(lock, need).map(|source| Some((need, source))),
        };
        Ok(Self(all.into_iter().filter_map(|need| source(need).transpose()).collect::<Result<_, _>>()?))
    }
}

/// Everything that `need` takes, system by system.
fn bundled(lock: &Lock, need: Need) -> Result<PackageSource, LowerError> {
    let mut systems: BTreeMap<Arc<str>, Vec<PackageFile>> = BTreeMap::new();
    for entry in lock.entries() {
        let Kind::Package(of) = &entry.kind else { continue };
        if of.needs.contains(&need) {
            let (package, version) = (of.package.as_str().into(), entry.version.as_str().into());
            let file = PackageFile { package, version, digest: entry.digest, bytes: entry.size };
            systems.entry(of.system.as_str().into()).or_default().push(file);
        }
    }
    // A system that has it already, as every Debian has bash, needs no file; one for which nothing was built has none either.
    if lock.entries().any(|entry| matches!(entry.kind, Kind::Package(_))) {
        Ok(PackageSource::Bundle(systems.into()))
    } else {
        Err(LowerError::Packages { need })
    }
}

/// Adds what the nodes of `part` need. It comes after everything else of the recipe: units need it.
pub(super) fn add(recipe: &mut Recipe<'_>, common: &Common<'_>, part: Part) {
    let Installing(sources) = &common.packages;
    let has_volume = matches!(part, Part::WorkWithVolume);
    for need in needs(common.spec, part.role(), has_volume) {
        let Some(from) = sources.get(&need) else { continue };
        let package = key::package(need);
        recipe.same(&package, Resource::Package(Package { need, from: from.clone() }));
        recipe.noted_on_the_ground(&package);
        for user in users(need) {
            recipe.needs_if_there(&user, &package);
        }
    }
}

/// What rests on it.
fn users(need: Need) -> Vec<String> {
    let units = |units: &[&str]| units.iter().map(|unit| key::unit(unit)).collect();
    match need {
        Need::Bash | Need::Keepalived => units(&[entrance::UNIT]),
        Need::Haproxy => units(&[BALANCER_UNIT]),
        Need::Runc => units(&[CONTAINERD_UNIT]),
        Need::Kmod | Need::Procps | Need::Systemd => units(&[HOST_UNIT]),
        Need::Iproute => units(&[HOST_UNIT, FLANNELD_UNIT, entrance::UNIT]),
        Need::Conntrack | Need::Ipset => units(&[PROXY_UNIT]),
        Need::Iptables => units(&[FLANNELD_UNIT, KUBELET, PROXY_UNIT]),
        Need::Mount | Need::UtilLinux | Need::Ethtool | Need::Ebtables | Need::Socat => units(&[KUBELET]),
        Need::E2fsprogs | Need::Lvm2 | Need::Xfsprogs => vec![key::VOLUME.to_owned()],
    }
}
