//! Packages of the operating system: whether one is there, and what brings it.

use fmp_core::{
    observed::{Fact, HostFacts, PackageSeen, PackagesSeen},
    os::{self, Fit, Packaged, System},
    resource::{Package, PackageFile, PackageSource},
};

use super::{Delta, HostView, NOT_ASKED, Sides, Task, Work};
use crate::{action::PackageInstall, fact::FactKey, plan::Verb};

/// A package to install, and where from: a part of its host's one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installing {
    pub(crate) system: &'static System,
    pub(crate) package: PackageInstall,
    /// Files of the bundle that are not there yet. None: the host's repository.
    pub(crate) files: Option<Vec<PackageFile>>,
}

pub(super) fn delta(sides: Sides<'_>, host: &HostView<'_>, wanted: &Package) -> Delta {
    let what = format!("its package of {}", wanted.need);
    match host.state {
        Fact::Unknown(why) => Delta::blocked(host.until(&what, why)),
        // Whoever makes the machine says what it is; what it has already is left alone there.
        Fact::Absent => match sides.spec.environment.system().and_then(os::named) {
            Some(system) => of_system(host, wanted, (system, Fit::Same), None),
            None => Delta::blocked(host.until("its system", NOT_ASKED)),
        },
        Fact::Known(seen) => match (&seen.packages, os::of_host(&seen.facts)) {
            (None, _) => Delta::blocked(host.until(&what, NOT_ASKED)),
            (Some(_), None) => Delta::blocked(untaught(host, wanted, &seen.facts)),
            (Some(PackagesSeen { there: Fact::Unknown(why), .. }), _) => Delta::blocked(host.until(&what, why)),
            (Some(packages), Some(system)) => of_system(host, wanted, system, Some(packages)),
        },
    }
}

fn untaught(host: &HostView<'_>, wanted: &Package, facts: &HostFacts) -> String {
    format!(
        "somebody says what the package of {} is called in {} {}: install it on {} by hand, with `source = \"none\"` under \
         [packages]",
        wanted.need, facts.os_id, facts.os_version, host.name
    )
}

fn of_system(
    host: &HostView<'_>,
    wanted: &Package,
    (system, fit): (&'static System, Fit),
    seen: Option<&PackagesSeen>,
) -> Delta {
    let Some(Packaged { package, starts, .. }) = system.needs.get(&wanted.need) else {
        return Delta::blocked(format!(
            "somebody says what the package of {} is called in {}",
            wanted.need, system.name
        ));
    };
    let state = seen.and_then(|seen| seen.there.known()).and_then(|there| there.get(&**package));
    let begun = seen.is_some_and(|seen| seen.begun.contains(&**package));
    let (verb, why) = match state {
        Some(PackageSeen::Installed(_)) if !begun => return Delta::InSync,
        Some(PackageSeen::Installed(_)) => (Verb::Update, "its installation was cut off".to_owned()),
        Some(PackageSeen::Partly(how)) => (Verb::Update, format!("it is {how}: its installation was cut off")),
        None => (Verb::Create, format!("{} needs {package}", wanted.need)),
    };
    let is_there = |name: &str| seen.is_some_and(|seen| seen.has(name));
    let files = match &wanted.from {
        PackageSource::Repository => None,
        PackageSource::Bundle(_) if fit == Fit::Earlier => {
            return Delta::blocked(format!(
                "{} has {}: the bundle's packages are for that very edition",
                host.name, system.name
            ));
        }
        PackageSource::Bundle(systems) => {
            let all = systems.get(&system.word).map_or(&[][..], Vec::as_slice);
            if !is_there(package) && !all.iter().any(|file| file.package == *package) {
                return Delta::blocked(format!(
                    "the bundle has the package `{package}` of {}: name {} and {} under [release.packages.debs] in bundle.toml, \
                     then `fmp bundle build`",
                    system.word, wanted.need, system.word
                ));
            }
            Some(all.iter().filter(|file| !is_there(&file.package)).cloned().collect::<Vec<_>>())
        }
    };
    // What a bare host has of its system, its being bare does not say.
    let fact = |name: &str| FactKey::Package { node: host.name.clone(), package: name.into() };
    let rests = files.iter().flatten().map(|file| fact(&file.package));
    let facts = [fact(package)].into_iter().chain(rests).collect();
    let package = PackageInstall { name: package.clone(), quiet: starts.iter().cloned().collect() };
    let work = Work::new(verb, Task::Install(Installing { system, package, files }), facts);
    Delta::from(match verb {
        Verb::Create => work,
        _ => work.because([why]),
    })
}

#[cfg(test)]
mod tests;
