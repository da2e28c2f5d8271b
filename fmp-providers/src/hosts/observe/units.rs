//! systemd's units, as `systemctl show` prints them.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    Digest,
    observed::{Fact, Stamp, UnitSeen},
};

use super::{
    sections::{Garbled, Sections, foreign},
    texts::Texts,
};

/// Where a unit's start notes what it read.
const STAMPS: &str = "/run/fmp/stamp";

/// The properties of each unit, by its name.
pub(super) struct Units<'a> {
    properties: BTreeMap<&'a str, BTreeMap<&'a str, &'a str>>,
    enabled: BTreeMap<&'a str, &'a str>,
    drop_ins: BTreeMap<&'a str, Digest>,
}

impl<'a> Units<'a> {
    /// Reads the sections `units`, `enabled` and `drop-ins`.
    ///
    /// # Errors
    /// A line that is no property, a block without a name.
    pub(super) fn read(sections: &Sections<'a>) -> Result<Self, Garbled> {
        let mut units = BTreeMap::new();
        for block in sections.all("units").split(|line| line.is_empty()).filter(|block| !block.is_empty()) {
            let property = |line: &&'a str| line.split_once('=').ok_or_else(|| foreign("units", line));
            let properties: BTreeMap<_, _> = block.iter().map(property).collect::<Result<_, _>>()?;
            let id = *properties.get("Id").ok_or_else(|| foreign("units", block[0]))?;
            units.insert(id, properties);
        }
        let drop_in = |line: &'a str| {
            let (hex, path) = line.split_once("  ")?;
            Some((path, Digest::from_hex(hex).ok()?))
        };
        let enabled = sections.parsed("enabled", |line: &'a str| line.split_once('\t'))?.into_iter().collect();
        Ok(Self { properties: units, enabled, drop_ins: sections.parsed("drop-ins", drop_in)?.into_iter().collect() })
    }

    /// Whether a unit is active.
    pub(super) fn is_active(&self, name: &str) -> bool {
        self.property(name, "ActiveState") == "active"
    }

    /// Transient units of an earlier run that have not ended.
    pub(super) fn running(&self) -> BTreeSet<String> {
        let ended = |name: &str| matches!(self.property(name, "ActiveState"), "inactive" | "failed");
        // `fmp-EPOCH-STEP`; units of ours that stay, such as fmp-host, have no number there.
        let numbered =
            |name: &str| name.strip_prefix("fmp-").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let ours = self.properties.keys().filter(|name| numbered(name) && !ended(name));
        ours.map(|name| name.trim_end_matches(".service").to_owned()).collect()
    }

    /// One unit.
    pub(super) fn seen(&self, name: &str, texts: &Texts<'_>) -> Fact<UnitSeen> {
        if !self.properties.contains_key(name) {
            return Fact::Unknown("systemd did not answer about it".to_owned());
        }
        let active = self.property(name, "ActiveState").to_owned();
        // One that failed stays: what it left behind, as pods of a containerd, may go on.
        if self.property(name, "LoadState") == "not-found" && active == "inactive" {
            return Fact::Absent;
        }
        let mut drop_ins = BTreeMap::new();
        for path in self.property(name, "DropInPaths").split(' ').filter(|path| is_local(path)) {
            let Some(digest) = self.drop_ins.get(path) else {
                return Fact::Unknown(format!("its drop-in {path} can't be read"));
            };
            drop_ins.insert(path.to_owned(), *digest);
        }
        Fact::Known(UnitSeen {
            active,
            sub: self.property(name, "SubState").to_owned(),
            enabled: self.enabled.get(name).copied().unwrap_or("not enabled").to_owned(),
            needs_reload: self.property(name, "NeedDaemonReload") == "yes",
            drop_ins,
            condition: self.property(name, "ConditionResult") == "yes",
            stamp: stamp(texts.lines(&format!("{STAMPS}/{name}")), self.property(name, "InvocationID")),
        })
    }

    fn property(&self, unit: &str, name: &str) -> &'a str {
        self.properties.get(unit).and_then(|unit| unit.get(name)).copied().unwrap_or_default()
    }
}

/// Whether an administrator or a running program put it there. What a distribution ships for all units is none of ours.
fn is_local(drop_in: &str) -> bool {
    drop_in.starts_with("/etc/") || drop_in.starts_with("/run/")
}

/// The stamp of the start that runs now. One of an earlier start says nothing about it.
fn stamp(lines: &[&str], invocation: &str) -> Option<Stamp> {
    let mut words = lines.iter().filter_map(|line| line.split_once([' ', '\t']));
    let first = words.next().filter(|first| !invocation.is_empty() && *first == ("invocation", invocation));
    first.map(|_| Stamp(words.map(|(path, value)| (path.to_owned(), value.to_owned())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_counts_for_its_own_start_only() {
        let lines = ["invocation abc", "/etc/x sha256:1", "/opt/y stat:1 2 3 4.0 5.0"];
        let stamp_of = |invocation| stamp(&lines, invocation);
        assert_eq!(stamp_of("abc").unwrap().0["/opt/y"], "stat:1 2 3 4.0 5.0");
        assert_eq!((stamp_of("def"), stamp_of("")), (None, None));
    }
}
