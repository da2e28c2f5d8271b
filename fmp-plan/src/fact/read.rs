//! How a fact is read from an observation.

use std::{collections::BTreeSet, fmt::Write as _};

use fmp_core::{
    Digest, NodeName,
    observed::{
        Certificate, DirectorySeen, DiskSeen, Fact, FileSeen, GroupSeen, Host, NodeSeen, ObjectSeen, Observed,
        PackageSeen, PackagesSeen, Pin, UnitSeen, VolumeGroupSeen, VolumeSeen,
    },
    resource::Holding,
};

use super::FactKey;

/// The value of a fact, in words that stay the same while the fact does.
///
/// Every answer is total: a fact that can't be seen reads `unknown`, whatever the reason, so that a host that stops
/// answering makes a plan stale and the wording of its silence does not.
pub fn read(observed: &Observed, key: &FactKey) -> String {
    match key {
        FactKey::Machine { node } => machine(observed, node),
        FactKey::Host { node } => on_host(observed, node, |host| Fact::Known(identity(host))),
        FactKey::File { node, path } => on_host(observed, node, |host| asked(host.files.get(&**path)).map_known(file)),
        FactKey::Unit { node, unit } => {
            on_host(observed, node, |host| asked(host.units.get(&**unit)).map_known(unit_state))
        }
        FactKey::Certificate { node, path } => {
            on_host(observed, node, |host| asked(host.certificates.get(&**path)).map_known(certificate))
        }
        FactKey::Trust { node, what } => on_host(observed, node, |host| Fact::Known(trust(host, *what))),
        FactKey::EtcdData { node } => on_host(observed, node, |host| Fact::Known(etcd_data(host))),
        FactKey::Image { node, reference } => on_host(observed, node, |host| match &host.images {
            Fact::Known(images) if images.contains(&**reference) => Fact::Known("present".to_owned()),
            Fact::Known(_) | Fact::Absent => Fact::Absent,
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
        }),
        FactKey::Volume { node } => {
            on_host(observed, node, |host| asked_or_absent(host.volume.as_ref()).map_known(volume))
        }
        FactKey::Package { node, package: name } => on_host(observed, node, |host| {
            asked_or_absent(host.packages.as_ref()).and_then_known(|seen| package(host, seen, name))
        }),
        FactKey::EtcdMember { peer_url } => member(observed, peer_url),
        FactKey::Node { node, labels, taints } => in_words(observed.api.as_ref().and_then_known(|api| {
            asked_or_absent(api.nodes.get(node.as_str())).map_known(|seen| node_object(seen, labels, taints))
        })),
        FactKey::Object { key } => in_words(observed.api.as_ref().and_then_known(|api| match api.objects.get(key) {
            Some(fact) => fact.as_ref().map_known(ObjectSeen::value),
            None => Fact::Absent,
        })),
    }
}

/// What every answer ends as.
fn in_words(fact: Fact<String>) -> String {
    match fact {
        Fact::Known(value) => value,
        Fact::Absent => "absent".to_owned(),
        Fact::Unknown(_) => "unknown".to_owned(),
    }
}

fn on_host(observed: &Observed, node: &NodeName, ask: impl FnOnce(&Host) -> Fact<String>) -> String {
    in_words(match observed.hosts.get(node) {
        Some(Fact::Known(host)) => ask(host),
        Some(Fact::Absent) => Fact::Absent,
        Some(Fact::Unknown(why)) => Fact::Unknown(why.clone()),
        None => Fact::Unknown("not asked".to_owned()),
    })
}

fn asked<T>(fact: Option<&Fact<T>>) -> Fact<&T> {
    fact.map_or_else(|| Fact::Unknown("not asked".to_owned()), Fact::as_ref)
}

fn asked_or_absent<T>(value: Option<&T>) -> Fact<&T> {
    value.map_or(Fact::Absent, Fact::Known)
}

fn machine(observed: &Observed, node: &NodeName) -> String {
    in_words(observed.machines.as_ref().and_then_known(|machines| match machines.get(node) {
        Some(machine) if machine.running => Fact::Known("running".to_owned()),
        Some(_) => Fact::Known("off".to_owned()),
        None => Fact::Absent,
    }))
}

/// Which machine it is, whose it is, and whether anything of ours or of others lies on it.
fn identity(host: &Host) -> String {
    let facts = &host.facts;
    let mut words = format!("machine-id {}, {}, {}", facts.machine_id, facts.hostname, facts.architecture);
    match &host.cluster_id {
        Fact::Known(id) => _ = write!(words, ", cluster {id}"),
        Fact::Absent => words.push_str(", no cluster"),
        Fact::Unknown(_) => words.push_str(", cluster unknown"),
    }
    match host.pin() {
        Pin::Same => {}
        Pin::Missing => words.push_str(", on no machine yet"),
        Pin::Other(pinned) => _ = write!(words, " of the machine {pinned}"),
    }
    if is_bare(host) {
        words.push_str(", bare");
    }
    for (name, found) in &host.strangers {
        _ = write!(words, ", {name}: {found}");
    }
    words
}

/// Whether nothing that was asked for lies on the host: one short fact in place of a hundred.
pub(crate) fn is_bare(host: &Host) -> bool {
    let absent_files = host.files.values().all(|file| matches!(file, Fact::Absent));
    let absent_units = host.units.values().all(|unit| matches!(unit, Fact::Absent));
    let absent_secrets = host.secrets.values().all(|secret| matches!(secret, Fact::Absent));
    let absent_certificates = host.certificates.values().all(|seen| matches!(seen, Fact::Absent));
    let unclaimed = matches!(host.cluster_id, Fact::Absent) && host.ledger.is_empty();
    absent_files
        && absent_units
        && absent_secrets
        && absent_certificates
        && unclaimed
        && !host.etcd_data
        && !host.etcd_born
}

fn file(seen: &FileSeen) -> String {
    match seen.digest {
        Some(digest) => format!("{digest} mode {:04o}", seen.mode),
        None => format!("there, mode {:04o}", seen.mode),
    }
}

fn unit_state(seen: &UnitSeen) -> String {
    let running = if seen.active == "active" { "active" } else { "not active" };
    let mut words = format!("{running} {}", seen.enabled);
    if seen.needs_reload {
        words.push_str(" needs-daemon-reload");
    }
    for (path, digest) in &seen.drop_ins {
        _ = write!(words, " drop-in {path} {digest}");
    }
    match &seen.stamp {
        Some(stamp) => {
            let mut lines = String::new();
            for (path, value) in &stamp.0 {
                _ = writeln!(lines, "{path} {value}");
            }
            _ = write!(words, " started with {}", Digest::of(lines));
        }
        None => words.push_str(" no stamp"),
    }
    words
}

fn certificate(seen: &Certificate) -> String {
    format!("{} key {} signed by {} until {}", seen.common_name, seen.key, seen.signer, seen.not_after)
}

fn trust(host: &Host, what: Holding) -> String {
    let public = match what {
        Holding::ClusterId => return in_words(host.cluster_id.clone()),
        Holding::Authority(authority) => {
            in_words(asked(host.certificates.get(authority.certificate())).map_known(|seen| seen.key.to_string()))
        }
        Holding::ServiceAccountKey | Holding::EncryptionConfig => String::new(),
    };
    let private = what.private_path().and_then(|path| host.secrets.get(path));
    // A keyed digest differs from observation to observation: only its being there is a fact that lasts.
    let private = in_words(private.map_or(Fact::Absent, Fact::as_ref).map_known(|_| "held".to_owned()));
    format!("{public} private part {private}").trim_start().to_owned()
}

fn etcd_data(host: &Host) -> String {
    let data = if host.etcd_data { "holds a member" } else { "empty" };
    let born = if host.etcd_born { ", was a voter" } else { "" };
    format!("{data}{born}")
}

/// What the kernel calls a disk may differ after each boot.
fn volume(seen: &VolumeSeen) -> String {
    let mut words = in_words(seen.disk.as_ref().map_known(disk));
    match &seen.note {
        Some(note) => {
            let made = if note.made { "made" } else { "begun" };
            _ = write!(words, ", {made} as {} on {}", note.uuid, note.disk);
            note.members.iter().for_each(|(disk, id)| _ = write!(words, ", {id} on {disk}"));
        }
        None => words.push_str(", not ours"),
    }
    seen.group.iter().for_each(|beneath| group(&mut words, beneath));
    for (directory, state) in &seen.directories {
        _ = match state {
            DirectorySeen::Free => write!(words, ", {directory} free"),
            DirectorySeen::Holds(name) => write!(words, ", {directory} holds {name}"),
            DirectorySeen::Ours(folder) => write!(words, ", {directory} mounted from its {folder}"),
            DirectorySeen::Others(from) => write!(words, ", {directory} mounted from {from}"),
        };
    }
    words
}

/// Which version is there makes no difference, as long as one is; of which system it is, does.
fn package(host: &Host, seen: &PackagesSeen, name: &str) -> Fact<String> {
    let system = || format!("{} {}", host.facts.os_id, host.facts.os_version);
    seen.there.as_ref().and_then_known(|there| {
        Fact::Known(match there.get(name) {
            None => format!("missing in {}", system()),
            Some(PackageSeen::Partly(how)) => format!("{how} in {}", system()),
            Some(PackageSeen::Installed(_)) if seen.begun.contains(name) => format!("begun in {}", system()),
            Some(PackageSeen::Installed(_)) => format!("installed in {}", system()),
        })
    })
}

fn group(words: &mut String, seen: &GroupSeen) {
    for (name, fact) in &seen.disks {
        _ = write!(words, ", {name}: {}", in_words(fact.as_ref().map_known(disk)));
    }
    _ = write!(words, ", volume group: {}", in_words(seen.group.as_ref().map_known(volume_group)));
}

/// Where LVM finds a disk may differ after each boot, as long as it finds it.
fn volume_group(seen: &VolumeGroupSeen) -> String {
    let mut words = format!("{} bytes free", seen.free_bytes);
    for (id, member) in &seen.members {
        let missing = if member.is_missing() { " missing" } else { "" };
        _ = write!(words, ", {id} of {} bytes{missing}", member.bytes);
    }
    seen.volumes.iter().for_each(|(name, bytes)| _ = write!(words, ", {name} of {bytes} bytes"));
    words
}

fn disk(seen: &DiskSeen) -> String {
    let mut words = format!("{} bytes, id {:?}", seen.bytes, seen.identity);
    if let Some(filesystem) = seen.filesystem_bytes {
        _ = write!(words, ", file system of {filesystem} bytes");
    }
    let blank = seen.blank.map(|blank| if blank { "blank" } else { "not blank" });
    blank.into_iter().for_each(|word| _ = write!(words, ", {word}"));
    seen.signatures.iter().for_each(|found| _ = write!(words, ", {found}"));
    seen.traits.iter().for_each(|found| _ = write!(words, ", {found:?}"));
    seen.mounted.iter().for_each(|place| _ = write!(words, ", mounted at {place}"));
    words
}

fn member(observed: &Observed, peer_url: &str) -> String {
    in_words(observed.etcd.as_ref().and_then_known(|etcd| match etcd.members.get(peer_url) {
        Some(member) => {
            let vote = if member.learner { "learner" } else { "voter" };
            let started = if member.started { "started" } else { "never started" };
            Fact::Known(format!("{} {vote} {started}", member.id))
        }
        None => Fact::Absent,
    }))
}

/// Labels and taints of others come and go as they like.
fn node_object(seen: &NodeSeen, labels: &BTreeSet<String>, taints: &BTreeSet<String>) -> String {
    let range = seen.pod_cidr.map_or_else(|| "none".to_owned(), |range| range.to_string());
    let labels: Vec<String> =
        labels.iter().filter_map(|key| Some(format!("{key}={}", seen.labels.get(key)?))).collect();
    let taints: Vec<&str> = taints.intersection(&seen.taints).map(String::as_str).collect();
    format!("pods {range}, labels [{}], taints [{}]", labels.join(" "), taints.join(" "))
}
