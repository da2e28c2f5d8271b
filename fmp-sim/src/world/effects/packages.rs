//! Packages: one after the other, each in the package manager's own steps, which a power cut may come between.

use std::collections::BTreeMap;

use fmp_core::{NodeName, observed::PackageSeen, role::paths::key};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::{PackageInstall, PackagesFrom};

use crate::world::{World, host::Host};

impl World {
    pub(crate) fn install_packages(
        &mut self,
        node: &NodeName,
        packages: &[PackageInstall],
        from: &PackagesFrom,
    ) -> Result<Applied, Failure> {
        // What a repository has, it has in a version of its own.
        let mut all: BTreeMap<String, String> =
            packages.iter().map(|package| (package.name.to_string(), "1".to_owned())).collect();
        all.extend(from.files().iter().map(|file| (file.package.to_string(), file.version.to_string())));
        let bytes = from.files().iter().map(|file| file.bytes).sum();
        let host = self.with_room(node, "/var/lib/fmp/packages", bytes)?;
        let is_whole = |host: &Host, name: &str| {
            matches!(host.packages.get(name), Some(PackageSeen::Installed(_))) && !host.begun.contains(name)
        };
        let missing = packages.iter().filter(|package| !is_whole(host, &package.name));
        let missing: Vec<String> = missing.map(|package| package.name.to_string()).collect();
        if missing.is_empty() {
            return Ok(Applied::AlreadyDone);
        }
        host.note(key::PACKAGES.to_owned(), "packages", |_| "absent".to_owned());
        self.stroke_on(node, |host| host.begun.extend(missing.iter().cloned()))?;
        for (name, version) in all {
            if matches!(self.running(node)?.packages.get(&name), Some(PackageSeen::Installed(_))) {
                continue;
            }
            for seen in [PackageSeen::Partly("unpacked".to_owned()), PackageSeen::Installed(version)] {
                self.stroke_on(node, |host| _ = host.packages.insert(name.clone(), seen))?;
            }
        }
        self.stroke_on(node, |host| missing.iter().for_each(|name| _ = host.begun.remove(name)))?;
        Ok(Applied::Done)
    }
}
