//! A host's disks: how much room is left for data, and how soon etcd's writes are on theirs.

use fmp_core::{
    NodeName, Severity,
    observed::{FileSystem, Latencies},
    spec::Environment,
};

use super::{Ailment, Fix, Kind, Patient};

/// Of how many writes in a hundred the slowest is looked at
/// ([etcd's advice](https://etcd.io/docs/v3.5/faq/#what-does-the-etcd-warning-failed-to-send-out-heartbeat-on-time-mean)).
const PERCENT: u8 = 99;

/// They should be on the disk within this, the same page says.
const SLOW_US: u64 = 10_000;

/// A leader whose writes take as long as etcd's heartbeat (100 ms unless told) is late for its followers.
const LATE_US: u64 = 100_000;

/// Of fewer writes the slowest one alone would decide. A cluster makes as many in a few minutes.
const FEW: u64 = 1_000;

/// Where a profile does not say when the kubelet begins to evict pods.
const LITTLE_PERCENT: u64 = 10;

/// Files that a file system must still hold, of a hundred: the kubelet evicts below five.
const FEW_FILES_PERCENT: u64 = 5;

pub(super) fn ailments(patient: &Patient<'_>, name: &NodeName) -> Vec<Ailment> {
    let Some(health) = patient.observed.host(name).and_then(|host| host.health.as_ref()) else { return Vec::new() };
    let full = health.file_systems.iter().filter_map(|(path, room)| full(patient, name, path, room));
    // The machines of one computer share its disk: how soon that is done says nothing of theirs.
    let is_theirs = patient.spec.environment != Environment::Local;
    let slow = health.etcd_fsync.known().filter(|_| is_theirs).and_then(|fsync| slow(name, fsync));
    full.chain(slow).collect()
}

fn full(patient: &Patient<'_>, name: &NodeName, path: &str, room: &FileSystem) -> Option<Ailment> {
    let profile = patient.spec.nodes.get(name).map_or(&patient.spec.profile, |node| patient.spec.profile_of(node));
    let evicts = profile.settings.eviction_hard.get("nodefs.available");
    let least = evicts.and_then(|text| text.strip_suffix('%')?.parse().ok()).unwrap_or(LITTLE_PERCENT);
    let lacks_room = room.free_bytes < room.bytes / 100 * least;
    let lacks_files = room.inodes > 0 && room.free_inodes < room.inodes / 100 * FEW_FILES_PERCENT;
    let evidence = [
        lacks_room.then(|| format!("{} of {} MB are free, below {least} %", room.free_bytes >> 20, room.bytes >> 20)),
        lacks_files.then(|| {
            format!("{} of {} files can still be made, below {FEW_FILES_PERCENT} %", room.free_inodes, room.inodes)
        }),
    ];
    (lacks_room || lacks_files).then(|| Ailment {
        subject: name.to_string(),
        kind: Kind::DiskFull,
        severity: Severity::Error,
        what: format!("the file system at {path} is nearly full"),
        evidence: evidence.into_iter().flatten().collect(),
        cause: "logs, images or somebody's files fill it; the kubelet evicts pods when it is full".to_owned(),
        fix: Fix::Hand(format!("see what lies below {path}; give it room, or enlarge its disk")),
    })
}

fn slow(name: &NodeName, fsync: &Latencies) -> Option<Ailment> {
    let took_us = fsync.within_us(PERCENT).filter(|took_us| *took_us > SLOW_US && fsync.total >= FEW)?;
    let ms = |us: u64| format!("{}.{} ms", us / 1_000, us % 1_000 / 100);
    Some(Ailment {
        subject: name.to_string(),
        kind: Kind::EtcdFsync,
        severity: if took_us > LATE_US { Severity::Error } else { Severity::Warning },
        what: format!("one write in a hundred of its etcd takes {} or longer to be on the disk", ms(took_us)),
        evidence: vec![format!("{} writes since it started; at most {} are advised", fsync.total, ms(SLOW_US))],
        cause: "its disk is slow, or shared with something that writes much".to_owned(),
        fix: Fix::Hand(
            "give etcd's data directory a disk of its own, an SSD; `fio --fdatasync=1` measures one; see what else \
             writes there"
                .to_owned(),
        ),
    })
}
