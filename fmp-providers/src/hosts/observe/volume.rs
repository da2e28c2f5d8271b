//! A host's volume, as `disk.sh` tells of it and as the ledger has it.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    observed::{
        DirectorySeen, DiskSeen, DiskTrait, Fact, GroupSeen, MemberSeen, VolumeGroupSeen, VolumeNote, VolumeSeen,
    },
    role::paths::key,
};

use super::{
    sections::{Garbled, Sections, foreign},
    texts::Texts,
};
use crate::hosts::ledger;

/// Words by their names, or what could not be read.
type Pairs<'a> = Result<Vec<(&'a str, &'a str)>, Garbled>;

/// Where its lines stand.
const SECTION: &str = "volume";

/// Reads what was told.
///
/// # Errors
/// A line that `disk.sh` does not write.
pub(super) fn read(sections: &Sections<'_>, texts: &Texts<'_>) -> Result<VolumeSeen, Garbled> {
    let lines: Vec<(&str, &str)> = sections.parsed(SECTION, |line| line.split_once('\t'))?;
    let told = Told(&lines);
    let directories = told.all("directory").map(|line| directory(line).ok_or_else(|| foreign(SECTION, line)));
    Ok(VolumeSeen {
        disk: told.disk()?,
        group: group(&told)?,
        note: note(texts),
        directories: directories.collect::<Result<_, _>>()?,
    })
}

/// The volume group and its disks, where they were asked for: `disk` begins one, `disk of` tells of it.
fn group(told: &Told<'_>) -> Result<Option<GroupSeen>, Garbled> {
    let Some(state) = told.first("group") else { return Ok(None) };
    let mut disks = BTreeMap::new();
    for (name, lines) in told.disks() {
        disks.insert(name.to_owned(), Told(&lines?).disk()?);
    }
    let group = match state {
        "present" => Fact::Known(volume_group(told).ok_or_else(|| foreign(SECTION, state))?),
        "absent" => Fact::Absent,
        "unreadable" => Fact::Unknown("`vgs` fails there".to_owned()),
        _ => return Err(foreign(SECTION, state)),
    };
    Ok(Some(GroupSeen { disks, group }))
}

/// `pv<tab>ID<tab>DEVICE<tab>BYTES`, `lv<tab>NAME<tab>BYTES`, `free<tab>BYTES`.
fn volume_group(told: &Told<'_>) -> Option<VolumeGroupSeen> {
    let mut group = VolumeGroupSeen { free_bytes: told.first("free")?.parse().ok()?, ..VolumeGroupSeen::default() };
    for line in told.all("pv") {
        let [id, device, bytes] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
        group.members.insert(id.to_owned(), MemberSeen { device: device.to_owned(), bytes: bytes.parse().ok()? });
    }
    for line in told.all("lv") {
        let (name, bytes) = line.split_once('\t')?;
        group.volumes.insert(name.to_owned(), bytes.parse().ok()?);
    }
    Some(group)
}

/// Lines `WORD<tab>VALUE`.
struct Told<'a>(&'a [(&'a str, &'a str)]);

impl<'a> Told<'a> {
    fn all(&self, word: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| *key == word).map(|(_, value)| *value)
    }

    fn first(&self, word: &'static str) -> Option<&'a str> {
        self.all(word).next()
    }

    fn set(&self, word: &'static str) -> BTreeSet<String> {
        self.all(word).map(str::to_owned).collect()
    }

    /// What was told of each disk beneath a group, by its name.
    fn disks(&self) -> impl Iterator<Item = (&'a str, Pairs<'a>)> {
        let begins = |(word, _): &(&str, &str)| *word == "disk";
        self.0.iter().enumerate().filter(move |(_, line)| begins(line)).map(|(at, (_, name))| {
            let lines = self.0[at + 1..].iter().take_while(|(word, _)| *word == "disk of");
            (*name, lines.map(|(_, line)| line.split_once('\t').ok_or_else(|| foreign(SECTION, line))).collect())
        })
    }

    fn disk(&self) -> Result<Fact<DiskSeen>, Garbled> {
        let Some(device) = self.first("device") else { return Ok(Fact::Absent) };
        let traits = self.all("trait").map(|word| trait_of(word).ok_or_else(|| foreign(SECTION, word)));
        Ok(Fact::Known(DiskSeen {
            device: device.to_owned(),
            bytes: self.first("bytes").and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
            identity: self.first("identity").unwrap_or_default().to_owned(),
            twins: self.set("twin"),
            traits: traits.collect::<Result<_, _>>()?,
            signatures: self.set("signature"),
            uuid: self.first("uuid").unwrap_or_default().to_owned(),
            mounted: self.set("mounted"),
            blank: self.first("blank").map(|word| word == "1"),
            filesystem_bytes: self.first("filesystem").and_then(|bytes| bytes.parse().ok()),
        }))
    }
}

fn trait_of(word: &str) -> Option<DiskTrait> {
    Some(match word {
        "no_device" => DiskTrait::NoDevice,
        "partition" => DiskTrait::Partition,
        "layer" => DiskTrait::Layer,
        "read_only" => DiskTrait::ReadOnly,
        "system" => DiskTrait::System,
        "swap" => DiskTrait::Swap,
        "partitioned" => DiskTrait::Partitioned,
        "held" => DiskTrait::Held,
        "unreadable" => DiskTrait::Unreadable,
        _ => return None,
    })
}

/// `PATH<tab>WORD<tab>VALUE`.
fn directory(line: &str) -> Option<(String, DirectorySeen)> {
    let [path, word, value] = line.split('\t').collect::<Vec<_>>()[..] else { return None };
    let seen = match word {
        "free" => DirectorySeen::Free,
        "holds" => DirectorySeen::Holds(value.to_owned()),
        "ours" => DirectorySeen::Ours(value.to_owned()),
        "others" => DirectorySeen::Others(value.to_owned()),
        _ => return None,
    };
    Some((path.to_owned(), seen))
}

/// What the ledger says. One that a power cut left empty says nothing: nothing had begun.
fn note(texts: &Texts<'_>) -> Option<VolumeNote> {
    let lines = texts.lines_below(ledger::DIRECTORY, key::VOLUME)?;
    let value =
        |word: &str| lines.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).map(str::to_owned);
    let members = lines.iter().filter_map(|line| line.strip_prefix("member ")?.split_once(' '));
    let members = members.map(|(disk, id)| (disk.to_owned(), id.to_owned())).collect();
    Some(VolumeNote { disk: value("disk")?, uuid: value("uuid")?, members, made: lines.contains(&"made") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(lines: &str) -> Result<VolumeSeen, Garbled> {
        let text = format!("== volume\n{lines}\n== end\n");
        let sections = Sections::parse(&text).unwrap();
        let texts = Texts::read(&sections).unwrap();
        read(&sections, &texts)
    }

    #[test]
    fn a_disk_that_is_not_there_is_absent() {
        let volume = seen("directory\t/var/lib/kubelet\tholds\tpki").unwrap();
        assert_eq!(volume.disk, Fact::Absent);
        assert_eq!(volume.directories["/var/lib/kubelet"], DirectorySeen::Holds("pki".into()));
    }

    #[test]
    fn what_nobody_writes_is_foreign() {
        assert!(seen("device\tsdb\ntrait\tinvisible").is_err());
        assert!(seen("directory\t/a\tgone\t").is_err());
    }

    #[test]
    fn a_disk_has_what_was_told_of_it() {
        let volume = seen("device\tsdb\nbytes\t1000\nidentity\tnaa.5\nsignature\text4\nuuid\tu\nblank\t0\ntrait\theld");
        let Fact::Known(disk) = volume.unwrap().disk else { panic!() };
        assert_eq!((disk.bytes, disk.identity.as_str(), disk.blank), (1000, "naa.5", Some(false)));
        assert_eq!((disk.signatures, disk.traits), (["ext4".to_owned()].into(), [DiskTrait::Held].into()));
    }

    #[test]
    fn a_group_has_its_disks_and_what_lvm_says_of_it() {
        let volume = seen(
            "device\tdm-0\nbytes\t4000\ndisk\t/dev/disk/by-id/a\ndisk of\tdevice\tsdb\ndisk of\tbytes\t1000\n\
             disk\t/dev/disk/by-id/b\ngroup\tpresent\npv\tid\t/dev/sdb\t900\nlv\tdata\t800\nfree\t100",
        )
        .unwrap();
        assert_eq!(volume.disk.known().map(|disk| disk.bytes), Some(4000));
        let beneath = volume.group.unwrap();
        let bytes = |name: &str| beneath.disks[name].as_ref().map_known(|disk| disk.bytes);
        assert_eq!((bytes("/dev/disk/by-id/a"), bytes("/dev/disk/by-id/b")), (Fact::Known(1000), Fact::Absent));
        let Fact::Known(group) = &beneath.group else { panic!("{beneath:?}") };
        assert_eq!((group.members["id"].bytes, group.volumes["data"], group.free_bytes), (900, 800, 100));
        assert_eq!(seen("group\tabsent").unwrap().group.unwrap().group, Fact::Absent);
        assert!(matches!(seen("group\tunreadable").unwrap().group.unwrap().group, Fact::Unknown(_)));
        assert_eq!(seen("device\tsdb").unwrap().group, None);
        assert!(seen("group\tpresent\npv\tid\t/dev/sdb\nfree\t1").is_err());
    }
}
