//! The machine itself, as its kernel and its programs describe it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    ops::RangeInclusive,
};

use fmp_core::{
    observed::{Cgroup, ClockSync, Disk, HostFacts},
    os::{self, Release},
};
use fmp_exec::provider::HostQuestions;

use super::{
    ask::sysctl_path,
    listeners::listeners,
    sections::{Garbled, Sections},
    texts::Texts,
    units::Units,
};

/// A line `NAME<tab>VALUE` of the section `facts`.
pub(super) struct Named<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Named<'a> {
    /// Reads the section.
    ///
    /// # Errors
    /// A line of another form.
    pub(super) fn read(sections: &Sections<'a>) -> Result<Self, Garbled> {
        Ok(Self(sections.parsed("facts", |line| line.split_once('\t'))?))
    }

    /// The first value of that name.
    pub(super) fn value(&self, name: &'static str) -> Option<&'a str> {
        self.values(name).next()
    }

    /// Whether the name stands there.
    pub(super) fn has(&self, name: &'static str) -> bool {
        self.value(name).is_some()
    }

    /// All values of that name, each of the form `KEY<tab>VALUE`.
    pub(super) fn pairs(&self, name: &'static str) -> BTreeMap<String, String> {
        let pair = |value: &'a str| value.split_once('\t').map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.values(name).filter_map(pair).collect()
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value)
    }

    fn required(&self, name: &'static str) -> Result<&'a str, Garbled> {
        self.value(name).ok_or(Garbled::Missing(name))
    }
}

/// Reads what describes the machine. `asked_ms` is the observer's clock from the question to the answer.
pub(super) fn facts(
    sections: &Sections<'_>,
    texts: &Texts<'_>,
    units: &Units<'_>,
    ask: &HostQuestions,
    asked_ms: &RangeInclusive<i64>,
) -> Result<HostFacts, Garbled> {
    let named = Named::read(sections)?;
    let os = Release::read(&texts.lines(os::RELEASE).iter().copied(), texts.line(os::ASTRA_VERSION));
    let number = |name, text: Option<&str>| text.and_then(|text| text.parse().ok()).ok_or(Garbled::Missing(name));
    let root: Vec<u64> = named.required("root")?.split(' ').filter_map(|word| word.parse().ok()).collect();
    let &[block, total, free] = root.as_slice() else { return Err(Garbled::Missing("root")) };
    let clock: i64 = number("clock", named.value("clock"))?;
    Ok(HostFacts {
        hostname: texts.line("/proc/sys/kernel/hostname").ok_or(Garbled::Missing("hostname"))?.to_owned(),
        machine_id: texts.line("/etc/machine-id").unwrap_or_default().to_owned(),
        architecture: named.required("architecture")?.to_owned(),
        os_id: os.id,
        os_version: os.version,
        os_name: os.name,
        kernel: texts.line("/proc/sys/kernel/osrelease").ok_or(Garbled::Missing("kernel"))?.to_owned(),
        systemd: u32::try_from(number("systemd", named.required("systemd")?.split(' ').nth(1))?).unwrap_or_default(),
        cpus: texts.line("/sys/devices/system/cpu/online").map_or(0, cpus),
        memory_bytes: texts.field("/proc/meminfo", "MemTotal:").map_or(0, |kib| kib << 10),
        root_bytes: block * total,
        root_free_bytes: block * free,
        disks: disks(texts),
        cgroup: if named.has("cgroup2") { Cgroup::V2 } else { Cgroup::V1 },
        swap_bytes: swap_bytes(texts),
        clock_offset_ms: clock_offset(clock, asked_ms),
        clock_sync: clock_sync(&named, units),
        programs: named.pairs("program"),
        modules: modules(&named, texts, &ask.modules),
        sysctls: sysctls(texts, &ask.sysctls),
        listeners: listeners(sections)?,
        addresses: addresses(sections).map(|(address, _)| address).collect(),
        prefixes: addresses(sections).filter_map(|(address, prefix)| Some((address, prefix?))).collect(),
    })
}

/// The number of processors in a list such as `0-3,6`.
fn cpus(online: &str) -> u32 {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(to.parse::<u32>().ok()?.checked_sub(from.parse().ok()?)? + 1)
    };
    online.split(',').filter_map(range).sum()
}

/// Block devices that hold data: what the kernel makes of files and memory is none.
fn disks(texts: &Texts<'_>) -> Vec<Disk> {
    let made = |name: &str| ["loop", "ram", "zram", "sr", "fd", "dm-", "md"].iter().any(|kind| name.starts_with(kind));
    let disk = |(path, lines): (&str, &[&str])| {
        let name = path.strip_prefix("/sys/block/")?.strip_suffix("/size")?;
        let sectors: u64 = lines.first()?.parse().ok()?;
        (sectors > 0 && !made(name)).then(|| Disk { name: name.to_owned(), bytes: sectors * 512 })
    };
    texts.iter().filter_map(disk).collect()
}

/// The sizes in `/proc/swaps`, which come in KiB after a headline.
fn swap_bytes(texts: &Texts<'_>) -> u64 {
    let kib = |line: &&str| line.split_whitespace().nth(2)?.parse::<u64>().ok();
    texts.lines("/proc/swaps").iter().skip(1).filter_map(kib).map(|kib| kib << 10).sum()
}

/// How far a clock is off for certain: the host looked at it at some moment between question and answer, which may be
/// seconds on a busy computer and must not accuse a clock that is right.
fn clock_offset(clock_ms: i64, asked_ms: &RangeInclusive<i64>) -> i64 {
    clock_ms - clock_ms.clamp(*asked_ms.start(), *asked_ms.end())
}

/// What the time service says of itself. Asking the kernel takes a program that hosts don't have.
fn clock_sync(named: &Named<'_>, units: &Units<'_>) -> ClockSync {
    let runs = |names: &[&str]| names.iter().any(|name| units.is_active(name));
    if runs(&["systemd-timesyncd.service"]) {
        return if named.has("synchronised") { ClockSync::Synchronised } else { ClockSync::Unsynchronised };
    }
    if runs(&["chrony.service", "chronyd.service"]) {
        // The last field of `chronyc -c tracking` is the leap status.
        return match named.value("chrony").and_then(|line| line.rsplit(',').next()) {
            Some("Normal" | "Insert second" | "Delete second") => ClockSync::Synchronised,
            Some("Not synchronised") => ClockSync::Unsynchronised,
            Some(_) | None => ClockSync::Unknown,
        };
    }
    if runs(&["ntpd.service"]) { ClockSync::Unknown } else { ClockSync::Unsynchronised }
}

/// Modules that are loaded or built in. A file system that the kernel offers is there, whoever brought it.
fn modules(named: &Named<'_>, texts: &Texts<'_>, asked: &BTreeSet<String>) -> BTreeSet<String> {
    let loaded = texts.lines("/proc/modules").iter().filter_map(|line| line.split(' ').next());
    let file_systems = texts.lines("/proc/filesystems").iter().filter_map(|line| line.split('\t').next_back());
    let there: BTreeSet<&str> = loaded.chain(file_systems).chain(named.values("module")).collect();
    asked.iter().filter(|module| there.contains(module.as_str())).cloned().collect()
}

fn sysctls(texts: &Texts<'_>, asked: &BTreeSet<String>) -> BTreeMap<String, String> {
    let value = |name: &String| Some((name.clone(), texts.line(&sysctl_path(name))?.replace('\t', " ")));
    asked.iter().filter_map(value).collect()
}

/// The addresses in `ip -o -4 addr show`, each with the length of its prefix.
fn addresses<'a>(sections: &'a Sections<'_>) -> impl Iterator<Item = (Ipv4Addr, Option<u8>)> + 'a {
    sections.lines("addresses").filter_map(address)
}

/// The addresses of each link, by its name.
pub(super) fn addresses_by_link<'a>(sections: &Sections<'a>) -> BTreeMap<&'a str, BTreeSet<Ipv4Addr>> {
    let mut links: BTreeMap<&str, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    for line in sections.lines("addresses") {
        let link = line.split_whitespace().nth(1).and_then(|name| name.split('@').next());
        if let (Some(link), Some((address, _))) = (link, address(line)) {
            links.entry(link).or_default().insert(address);
        }
    }
    links
}

/// `2: eth0    inet 192.0.2.1/24 …`; one end of a line between two has none of its own: `inet 192.0.2.1 peer 192.0.2.2/32`.
fn address(line: &str) -> Option<(Ipv4Addr, Option<u8>)> {
    let word = line.split_whitespace().skip_while(|word| *word != "inet").nth(1)?;
    let (address, prefix) = word.split_once('/').map_or((word, None), |(address, prefix)| (address, Some(prefix)));
    Some((address.parse().ok()?, prefix.and_then(|prefix| prefix.parse().ok()).filter(|prefix| *prefix <= 32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_length_of_its_prefix() {
        let seen = |rest: &str| address(&format!("2: eth0    inet {rest} scope global eth0"));
        let host = Ipv4Addr::new(192, 0, 2, 1);
        assert_eq!(seen("192.0.2.1/24 brd 192.0.2.255"), Some((host, Some(24))));
        assert_eq!(seen("192.0.2.1 peer 192.0.2.2/32"), Some((host, None)));
        assert_eq!(seen("192.0.2.1/99"), Some((host, None)));
        assert_eq!(address("2: eth0    inet6 fe80::1/64"), None);
    }

    #[test]
    fn processors_are_counted_in_ranges() {
        assert_eq!((cpus("0"), cpus("0-3"), cpus("0-3,6,8-9"), cpus("")), (1, 4, 7, 0));
    }

    #[test]
    fn a_slow_answer_accuses_no_clock() {
        let asked_ms = 1_000..=4_000;
        let offsets = [400, 1_000, 3_999, 4_600].map(|clock_ms| clock_offset(clock_ms, &asked_ms));
        assert_eq!(offsets, [-600, 0, 0, 600]);
    }
}
