//! systemd: units by their files, what a start notes, what a boot starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use fmp_core::{
    Digest, KubeVersion, NodeName,
    observed::{Stamp, UnitSeen},
    role::paths::{STAMP, unit_file},
};

use serde::{Deserialize, Serialize};

use super::{
    Pace, World,
    api::{APISERVER, FLANNELD},
    balancer::BALANCER,
    etcd::ETCD,
    files::File,
    host::Host,
};

/// What systemd knows of a unit besides its files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) enabled: bool,
    /// What its files were when systemd last read them. None: it has not read any yet.
    loaded: Option<Vec<u64>>,
    /// A condition kept it from starting the last time.
    held_back: bool,
    pub(crate) running: Option<Running>,
}

/// A unit that runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    /// What its start noted; none where the script that notes it was missing.
    stamp: Option<Stamp>,
    /// Whether it has come so far that it answers.
    pub(crate) answers: bool,
    /// Of etcd: whether its member has once had a leader. Before that it does not tell systemd that it runs.
    #[serde(default)]
    pub(crate) led: bool,
    /// When it will, by the world's milliseconds; none where the world has not looked at it yet.
    due_ms: Option<u64>,
    /// Of a balancer: the servers that it read. None: nobody knows, and it has them all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) backends: Option<Vec<Ipv4Addr>>,
}

impl Unit {
    /// A unit as it was seen, with what systemd has read of it.
    pub(crate) fn mirrored(seen: &UnitSeen, loaded: Vec<u64>) -> Self {
        let runs = !seen.is_down();
        let answers = seen.active == "active";
        let running =
            runs.then(|| Running { stamp: seen.stamp.clone(), answers, led: answers, due_ms: None, backends: None });
        Self { enabled: seen.enabled == "enabled", loaded: Some(loaded), held_back: !seen.condition, running }
    }
}

/// How a start ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// It runs.
    Runs,
    /// There is no such unit.
    NoSuchUnit,
    /// A condition kept it from starting.
    HeldBack,
}

impl Host {
    /// `systemctl daemon-reload`.
    pub(crate) fn reload_units(&mut self) {
        let names: Vec<String> = self.units.keys().cloned().collect();
        for name in names {
            let loaded = self.unit_files(&name);
            if let Some(unit) = self.units.get_mut(&name) {
                unit.loaded = loaded;
            }
        }
    }

    /// `systemctl enable`, which reads units again.
    pub(crate) fn enable(&mut self, name: &str) -> Started {
        if !self.files.contains_key(&unit_file(name)) {
            return Started::NoSuchUnit;
        }
        self.units.entry(name.to_owned()).or_default().enabled = true;
        self.reload_units();
        Started::Runs
    }

    /// `systemctl restart`: of a unit that does not run, a start.
    pub(crate) fn start(&mut self, name: &str) -> Started {
        self.start_if(name, true)
    }

    /// The same; `conditions` says whether systemd heeds the unit's conditions, as it does.
    pub(crate) fn start_if(&mut self, name: &str, conditions: bool) -> Started {
        let Some(text) = self.unit_text(name) else { return Started::NoSuchUnit };
        let held_back = conditions && !self.conditions_hold(&text);
        let stamp = self.stamp(name, &text, "ExecStartPre=");
        let loaded = self.unit_files(name);
        let backends = (name == BALANCER).then(|| self.backends());
        self.ills.without_routes &= held_back || name != FLANNELD;
        self.ills.unready &= held_back || name != APISERVER;
        let unit = self.units.entry(name.to_owned()).or_default();
        unit.loaded = unit.loaded.take().or(loaded);
        unit.held_back = held_back;
        unit.running = (!held_back).then_some(Running { stamp, answers: false, led: false, due_ms: None, backends });
        if held_back { Started::HeldBack } else { Started::Runs }
    }

    /// Its process ends.
    pub(crate) fn end(&mut self, name: &str) {
        if let Some(unit) = self.units.get_mut(name) {
            unit.running = None;
        }
    }

    /// `systemctl reload`: what it names is noted again, the other lines stay.
    pub(crate) fn reload(&mut self, name: &str) {
        let Some(text) = self.unit_text(name) else { return };
        let noted = self.stamp(name, &text, "ExecReload=");
        let backends = (name == BALANCER).then(|| self.backends());
        let Some(running) = self.units.get_mut(name).and_then(|unit| unit.running.as_mut()) else { return };
        // What it can't make use of it does not take up.
        if backends.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        running.backends = backends;
        if let (Some(stamp), Some(Stamp(noted))) = (&mut running.stamp, noted) {
            stamp.0.extend(noted);
        }
    }

    /// What starts by itself after the power came back.
    pub(crate) fn boot(&mut self) {
        self.boot_with(true);
    }

    /// The same; `conditions` says whether systemd heeds the units' conditions.
    pub(crate) fn boot_with(&mut self, conditions: bool) {
        self.reload_units();
        let enabled: Vec<String> =
            self.units.iter().filter(|(_, unit)| unit.enabled).map(|(name, _)| name.clone()).collect();
        for name in enabled {
            self.start_if(&name, conditions);
        }
    }

    /// As `systemctl show` describes it; `None`: there is no such unit.
    pub(crate) fn unit_seen(&self, name: &str) -> Option<UnitSeen> {
        let has_file = self.files.contains_key(&unit_file(name));
        let none = Unit::default();
        let unit = self.units.get(name).unwrap_or(&none);
        if !has_file && unit.running.is_none() {
            return None;
        }
        let oneshot = self.unit_text(name).is_some_and(|text| text.contains("\nType=oneshot"));
        let (active, sub) = match (&unit.running, oneshot) {
            (Some(_), true) => ("active", "exited"),
            (Some(_), false) if !self.has_come_up(name) => ("activating", "start"),
            (Some(_), false) => ("active", "running"),
            (None, _) => ("inactive", "dead"),
        };
        let drop_ins = self.drop_ins(name).map(|(path, file)| (path.clone(), file.digest().unwrap_or(Digest::of(""))));
        Some(UnitSeen {
            active: active.to_owned(),
            sub: sub.to_owned(),
            enabled: if unit.enabled { "enabled" } else { "disabled" }.to_owned(),
            needs_reload: unit.loaded.is_some() && unit.loaded != self.unit_files(name),
            drop_ins: drop_ins.collect(),
            condition: !unit.held_back,
            stamp: unit.running.as_ref().and_then(|running| running.stamp.clone()),
        })
    }

    /// Whether systemd calls a unit active: one that notifies it has said so, etcd as soon as its member has had a leader.
    pub(crate) fn has_come_up(&self, name: &str) -> bool {
        let Some(running) = self.units.get(name).and_then(|unit| unit.running.as_ref()) else { return false };
        let notifies = || self.unit_text(name).is_some_and(|text| text.contains("\nType=notify"));
        (running.answers && (running.led || name != ETCD)) || !notifies()
    }

    /// The version of the program that a unit started, where the program's path tells it.
    pub(crate) fn running_version(&self, name: &str, program: &str) -> Option<KubeVersion> {
        let stamp = self.units.get(name)?.running.as_ref()?.stamp.as_ref()?;
        stamp.version_of(program)
    }

    fn unit_text(&self, name: &str) -> Option<Arc<str>> {
        self.files.get(&unit_file(name))?.shared_text()
    }

    /// Whether there is such a unit.
    pub(crate) fn has_unit(&self, name: &str) -> bool {
        self.files.contains_key(&unit_file(name)) || self.units.get(name).is_some_and(|unit| unit.running.is_some())
    }

    fn drop_ins(&self, name: &str) -> impl Iterator<Item = (&String, &File)> {
        let directory = format!("{}.d/", unit_file(name));
        let below = self.files.range(directory.clone()..).take_while(move |(path, _)| path.starts_with(&directory));
        below.filter(|(path, _)| extension(path) == Some("conf"))
    }

    /// Which writes made the unit's file and its drop-ins: whether systemd has read what lies there.
    pub(crate) fn unit_files(&self, name: &str) -> Option<Vec<u64>> {
        let own = self.files.get(&unit_file(name));
        let files = own.into_iter().chain(self.drop_ins(name).map(|(_, file)| file));
        let written: Vec<u64> = files.map(|file| file.written).collect();
        (!written.is_empty()).then_some(written)
    }

    /// All plain conditions, and one of those with `|` where there are any.
    fn conditions_hold(&self, text: &str) -> bool {
        let conditions: Vec<&str> =
            text.lines().filter_map(|line| line.trim().strip_prefix("ConditionPathExists=")).collect();
        let (any, all): (Vec<&str>, Vec<&str>) = conditions.iter().partition(|path| path.starts_with('|'));
        let one = any.is_empty() || any.iter().any(|path| self.exists(path.trim_start_matches('|')));
        one && all.iter().all(|path| self.exists(path))
    }

    /// What the unit's command that notes its inputs would write now.
    fn stamp(&self, name: &str, text: &str, directive: &str) -> Option<Stamp> {
        if !self.files.contains_key(STAMP) {
            return None;
        }
        let text = text.replace("\\\n", " ");
        let command = text.lines().find(|line| line.trim().starts_with(directive) && line.contains(STAMP))?;
        let named = command.split_whitespace().skip_while(|word| *word != name).skip(1).map(str::to_owned);
        let unit = unit_file(name);
        let mut paths: Vec<String> = named.collect();
        if directive == "ExecStartPre=" {
            paths.extend(self.drop_ins(name).map(|(path, _)| path.clone()));
            paths.push(unit);
        }
        let value = |path: String| {
            let value = self.files.get(&path)?.noted(&path);
            Some((path, value))
        };
        Some(Stamp(paths.into_iter().filter_map(value).collect::<BTreeMap<_, _>>()))
    }
}

fn extension(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(_, extension)| extension)
}

impl File {
    /// As the script notes it: a digest of what is small, `stat` of what is large or secret.
    fn noted(&self, path: &str) -> String {
        let secret = extension(path) == Some("key") || path.ends_with("/encryption.yaml");
        match self.digest() {
            Some(digest) if !secret && self.bytes() <= 1 << 20 => digest.to_string(),
            Some(_) | None => format!("stat:{}", self.stat()),
        }
    }
}

impl World {
    /// Whether a unit's process read something else at a path, when it started, than what lies there now.
    pub(crate) fn read_another(&self, node: &NodeName, unit: &str, path: &str) -> bool {
        let Some(host) = self.hosts.get(node) else { return false };
        let running = host.units.get(unit).and_then(|unit| unit.running.as_ref());
        let read = running.and_then(|running| running.stamp.as_ref()?.0.get(path).cloned());
        running.is_some() && read != host.files.get(path).map(|file| file.noted(path))
    }

    /// What was started answers once it has come so far. When the next one will.
    pub(crate) fn units_come_up(&mut self) -> Option<u64> {
        let (clock, pace) = (self.clock_ms, self.pace);
        let serving = self.serving();
        let mut next = None;
        for host in self.hosts.values_mut().filter(|host| host.power.is_on()) {
            for (name, unit) in &mut host.units {
                let Some(running) = unit.running.as_mut().filter(|running| !running.answers) else { continue };
                let due = *running.due_ms.get_or_insert_with(|| {
                    self.serial += 1;
                    clock + pace.unit(name, serving.contains(name), self.serial)
                });
                running.answers = due <= clock;
                if !running.answers {
                    next = Some(next.map_or(due, |next: u64| next.min(due)));
                }
            }
        }
        next
    }

    /// Units that answer on some host, where it matters for how long others of their name take.
    fn serving(&self) -> BTreeSet<String> {
        if self.pace != Pace::Measured {
            return BTreeSet::new();
        }
        let units = self.hosts.values().flat_map(|host| &host.units);
        let answer = units.filter(|(_, unit)| unit.running.as_ref().is_some_and(|running| running.answers));
        answer.map(|(name, _)| name.clone()).collect()
    }
}
