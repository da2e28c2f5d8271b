//! A host's packages, as its package manager tells of them and as the ledger has them.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    observed::{Fact, PackageSeen, PackagesSeen},
    role::paths::key,
};

use super::{
    sections::{Garbled, Sections, foreign},
    texts::Texts,
};
use crate::hosts::ledger;

/// Where its lines stand.
const SECTION: &str = "packages";

/// Reads what was told.
///
/// # Errors
/// A line that the probe does not write.
pub(super) fn read(sections: &Sections<'_>, texts: &Texts<'_>) -> Result<PackagesSeen, Garbled> {
    let (mut there, mut whole, mut why) = (BTreeMap::new(), false, None);
    for line in sections.lines(SECTION) {
        match line.split('\t').collect::<Vec<_>>().as_slice() {
            // A package may be there for several architectures: one that is whole is enough.
            ["package", name, status, version] => match seen(status, version) {
                Some(found @ PackageSeen::Installed(_)) => _ = there.insert((*name).to_owned(), found),
                Some(found @ PackageSeen::Partly(_)) => _ = there.entry((*name).to_owned()).or_insert(found),
                None => {}
            },
            ["known"] => whole = true,
            ["failed", status] => why = Some(format!("its package manager ended with {status}, or there is none")),
            _ => return Err(foreign(SECTION, line)),
        }
    }
    let there = match why {
        Some(why) => Fact::Unknown(why),
        None if whole => Fact::Known(there),
        None => return Err(Garbled::Missing(SECTION)),
    };
    Ok(PackagesSeen { there, begun: begun(texts) })
}

/// dpkg's words ([dpkg-query](https://manpages.debian.org/bookworm/dpkg/dpkg-query.1.en.html)). Nothing of a package is there
/// where only its configuration was left behind.
fn seen(status: &str, version: &str) -> Option<PackageSeen> {
    match status {
        "installed" | "triggers-awaited" | "triggers-pending" => Some(PackageSeen::Installed(version.to_owned())),
        "not-installed" | "config-files" => None,
        other => Some(PackageSeen::Partly(other.to_owned())),
    }
}

/// What the ledger says was begun; of two lines about one package the later counts.
fn begun(texts: &Texts<'_>) -> BTreeSet<String> {
    let lines = texts.lines_below(ledger::DIRECTORY, &ledger::file_name(key::PACKAGES)).unwrap_or_default();
    let mut begun = BTreeSet::new();
    for line in lines {
        match line.split_once(' ') {
            Some(("begun", name)) => _ = begun.insert(name.to_owned()),
            Some(("installed", name)) => _ = begun.remove(name),
            _ => {}
        }
    }
    begun
}
