//! What a host answered, put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use fmp_core::{
    Digest,
    observed::{Certificate, Fact, FileSeen, Host, LedgerEntry},
};
use fmp_exec::provider::HostQuestions;

use super::{
    ask::Paths,
    facts::{Named, facts},
    health, packages,
    sections::{Garbled, Sections},
    texts::Texts,
    units::Units,
    volume,
};
use crate::{hosts::ledger, pki};

/// What is known of each path.
type Files = BTreeMap<String, Fact<FileSeen>>;

/// For a path that neither `stat` nor its complaints name.
const UNANSWERED: &str = "the host did not answer about it";

/// Reads a probe's answer. `asked_ms` is the observer's clock from the question to the answer.
///
/// # Errors
/// A torn answer, or foreign lines in it.
pub(super) fn read(answer: &str, ask: &HostQuestions, asked_ms: &RangeInclusive<i64>) -> Result<Host, Garbled> {
    let sections = Sections::parse(answer)?;
    let texts = Texts::read(&sections)?;
    let units = Units::read(&sections)?;
    let named = Named::read(&sections)?;
    let paths = Paths::of(ask);
    let files = files(&sections, &paths)?;
    let line = |path| texts.line(path).map_or(Fact::Absent, |text| Fact::Known(text.to_owned()));
    let cluster_id = line("/var/lib/fmp/cluster-id");
    let pod_cidr = texts.lines("/etc/fmp/node.env").iter().find_map(|line| line.strip_prefix("POD_CIDR="));
    let epoch = texts.line("/var/lib/fmp/epoch").and_then(|text| text.split(' ').next());
    Ok(Host {
        facts: facts(&sections, &texts, &units, ask, asked_ms)?,
        ledger: ledger(&texts, cluster_id.known().map_or("", String::as_str)),
        cluster_id,
        pinned_machine_id: line("/var/lib/fmp/machine-id"),
        units: ask.units.iter().map(|name| (name.to_string(), units.seen(name, &texts))).collect(),
        certificates: certificates(&texts, &paths, &files),
        secrets: secrets(&sections, &paths, &files)?,
        files,
        images: images(&sections),
        etcd_data: named.has("etcd-data"),
        etcd_born: named.has("etcd-born"),
        epoch: epoch.and_then(|newest| newest.parse().ok()).unwrap_or_default(),
        running: running(&sections, &units),
        pod_cidr: pod_cidr.and_then(|range| range.parse().ok()),
        volume: ask.volume.as_ref().map(|_| volume::read(&sections, &texts)).transpose()?,
        packages: (!ask.packages.is_empty()).then(|| packages::read(&sections, &texts)).transpose()?,
        health: ask.health.as_ref().map(|ask| health::read(&sections, ask)).transpose()?,
        strangers: named.pairs("stranger").into_iter().map(|(name, path)| (name, absolute(&path).to_owned())).collect(),
    })
}

/// Commands by their files, `NAME.PROCESS`, and units: one that waits for its own unit is one.
fn running(sections: &Sections<'_>, units: &Units<'_>) -> BTreeSet<String> {
    let commands = sections.lines("running").map(|file| file.rsplit_once('.').map_or(file, |(name, _)| name));
    commands.map(str::to_owned).chain(units.running()).collect()
}

/// Paths come back as they were looked up, below the root.
fn absolute(path: &str) -> &str {
    path.strip_prefix('.').unwrap_or(path)
}

fn ledger(texts: &Texts<'_>, cluster_id: &str) -> BTreeMap<String, LedgerEntry> {
    let entry = |(name, lines): (&str, &[&str])| Some((ledger::key(name)?, ledger::read(lines, cluster_id)));
    texts.below(ledger::DIRECTORY).filter_map(entry).collect()
}

/// What `stat` said of one path.
struct Stat<'a> {
    /// Device, inode, size, mtime, ctime.
    identity: &'a str,
    mode: u32,
    owner: &'a str,
    kind: &'a str,
}

/// `PATH<tab>DEVICE INODE SIZE MTIME CTIME<tab>MODE<tab>OWNER<tab>KIND`, or why there is none.
fn stat_line(line: &str) -> Option<(&str, Result<Stat<'_>, &str>)> {
    if let Some(complaint) = line.strip_prefix("stat: ") {
        let (_, rest) = complaint.split_once('\'')?;
        let (path, why) = rest.rsplit_once("': ")?;
        return Some((absolute(path), Err(why)));
    }
    let mut fields = line.split('\t');
    let path = absolute(fields.next()?);
    let identity = fields.next()?;
    let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
    Some((path, Ok(Stat { identity, mode, owner: fields.next()?, kind: fields.next()? })))
}

/// Every path that was asked about, and every path that the ledger names.
fn files(sections: &Sections<'_>, paths: &Paths) -> Result<Files, Garbled> {
    let stats: BTreeMap<_, _> = sections.parsed("stat", stat_line)?.into_iter().collect();
    let mut digests: BTreeMap<_, _> = sections.parsed("sha256", sum_line)?.into_iter().collect();
    digests.extend(sections.parsed("programs", cached_line)?);
    let texts: BTreeMap<_, _> = sections.parsed("text", text_line)?.into_iter().collect();
    let all: BTreeSet<&str> = paths.all().chain(stats.keys().copied()).collect();
    let fact = |path: &str| match stats.get(path) {
        Some(Ok(seen)) if paths.are_read(path) && !digests.contains_key(path) => {
            Fact::Unknown(format!("it is a {} that can't be read as a file", seen.kind))
        }
        Some(Ok(seen)) => Fact::Known(file(seen, digests.get(path).copied(), texts.get(path).cloned())),
        Some(Err("No such file or directory" | "Not a directory")) => Fact::Absent,
        Some(Err(why)) => Fact::Unknown((*why).to_owned()),
        None => Fact::Unknown(UNANSWERED.to_owned()),
    };
    Ok(all.into_iter().map(|path| (path.to_owned(), fact(path))).collect())
}

fn file(seen: &Stat<'_>, digest: Option<Digest>, text: Option<String>) -> FileSeen {
    let bytes = seen.identity.split(' ').nth(2).and_then(|size| size.parse().ok()).unwrap_or_default();
    FileSeen { digest, mode: seen.mode, owner: seen.owner.to_owned(), bytes, stat: seen.identity.to_owned(), text }
}

/// `HEX  PATH`.
fn sum_line(line: &str) -> Option<(&str, Digest)> {
    let (hex, path) = line.split_once("  ")?;
    Some((absolute(path), Digest::from_hex(hex).ok()?))
}

/// `STAT<tab>PATH<tab>HEX`.
fn cached_line(line: &str) -> Option<(&str, Digest)> {
    let mut fields = line.split('\t').skip(1);
    Some((absolute(fields.next()?), Digest::from_hex(fields.next()?).ok()?))
}

/// `PATH<tab>BASE64`. What is no text is left out: its digest says enough.
fn text_line(line: &str) -> Option<(&str, String)> {
    let (path, encoded) = line.split_once('\t')?;
    let bytes = BASE64_STANDARD.decode(encoded).ok()?;
    Some((absolute(path), String::from_utf8(bytes).unwrap_or_default()))
}

fn certificates(texts: &Texts<'_>, paths: &Paths, files: &Files) -> BTreeMap<String, Fact<Certificate>> {
    let parse = |path: &String| match pki::inspect(&texts.lines(path).join("\n")) {
        Ok(seen) => Fact::Known(seen),
        Err(error) => Fact::Unknown(error.to_string()),
    };
    let fact = |path: &String| answered(files, path).and_then_known(|_| parse(path));
    paths.certificates.iter().map(|path| (path.clone(), fact(path))).collect()
}

fn secrets(sections: &Sections<'_>, paths: &Paths, files: &Files) -> Result<BTreeMap<String, Fact<Digest>>, Garbled> {
    let mac_line = |line| {
        let (path, hex) = str::split_once(line, '\t')?;
        Some((absolute(path), Digest::from_hex(hex).ok()?))
    };
    let macs: BTreeMap<_, _> = sections.parsed("secrets", mac_line)?.into_iter().collect();
    let read = |path: &String| match macs.get(path.as_str()) {
        Some(mac) => Fact::Known(*mac),
        None => Fact::Unknown("it can't be read".to_owned()),
    };
    let fact = |path: &String| answered(files, path).and_then_known(|_| read(path));
    Ok(paths.secrets.iter().map(|path| (path.clone(), fact(path))).collect())
}

fn answered<'a>(files: &'a Files, path: &str) -> Fact<&'a FileSeen> {
    files.get(path).map_or_else(|| Fact::Unknown(UNANSWERED.to_owned()), Fact::as_ref)
}

/// `listed<tab>CACHE KEY`, then a reference a line.
fn images(sections: &Sections<'_>) -> Fact<BTreeSet<String>> {
    let mut lines = sections.lines("images");
    match lines.next().and_then(|line| line.strip_prefix("listed\t")) {
        None => Fact::Unknown("containerd does not run".to_owned()),
        Some("failed") => Fact::Unknown(lines.collect::<Vec<_>>().join(" ")),
        Some(_) => Fact::Known(lines.map(str::to_owned).collect()),
    }
}
