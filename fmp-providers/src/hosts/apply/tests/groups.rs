//! Volume groups on files in place of disks, with programs in place of LVM's that write its label, and the system's own for the
//! rest: what is refused stays as it was, to the byte, and what was cut off goes on.

use std::{fs, io::Write as _, os::unix::fs::symlink};

use fmp_core::{
    Digest,
    resource::{
        Filesystem, Uuid,
        lvm::{LogicalVolume, LvmId},
    },
};
use fmp_exec::Applied;
use fmp_plan::action::{Action, DiskBefore, GroupWrite, MemberWrite};

use crate::hosts::testing::Lab;

const DEVICE: &str = "/dev/fmp/data";
const BYTES: u64 = 96 << 20;
const ENTRY: &str = "/var/lib/fmp/ledger/volume";
const DISKS: [&str; 3] = ["sdb", "sdc", "sdd"];

/// What programs of LVM share here: the group's disks and its volume, a line each, and where one of them is to break off.
const LVM: &str = r#"
state=$FMP_ROOT/lvm
me=${0##*/}
break_off() { [ "$(cat "$FMP_ROOT/break" 2>/dev/null)" != "$1 $me" ] || { rm "$FMP_ROOT/break"; exit 1; }; }
sum() { awk -F '\t' -v field="$2" '{ all += $field } END { printf "%.0f", all }' "$state/$1"; }
id_of() { tail -c +545 "$1" | head -c 32 | sed 's/^\(.\{6\}\)\(....\)\(....\)\(....\)\(....\)\(....\)/\1-\2-\3-\4-\5-\6-/'; }
bytes_of() { echo $(($(cat "$FMP_ROOT/sys/class/block/${1##*/}/size") * 512 - 4194304)); }
add() { for device; do printf '%s\t%s\t%s\n' "$(id_of "$device")" "$device" "$(bytes_of "$device")" >>"$state/pvs"; done; }
fill() {
    bytes=$(sum pvs 3)
    truncate -s "$bytes" "$FMP_ROOT/dev/dm-0"
    mkdir -p "$FMP_ROOT/sys/class/block/dm-0" "$FMP_ROOT/dev/fmp"
    echo $((bytes / 512)) >"$FMP_ROOT/sys/class/block/dm-0/size"
    echo 253:0 >"$FMP_ROOT/sys/class/block/dm-0/dev"
    ln -sf ../dm-0 "$FMP_ROOT/dev/fmp/data"
    printf 'data\t%s\n' "$bytes" >"$state/lvs"
}
break_off before
case $me in
    vgs) [ $# -eq 0 ] || [ ! -s "$state/pvs" ] || echo "  $(($(sum pvs 3) - $(sum lvs 2)))" ;;
    pvs) sed 's/^/  /' "$state/pvs" ;;
    lvs) sed 's/^/  /' "$state/lvs" ;;
    pvcreate) dd if="$FMP_ROOT/labels/$4" of="$5" bs=512 seek=1 conv=notrunc 2>/dev/null ;;
    vgcreate | vgextend) shift 2 && add "$@" ;;
    lvcreate | lvextend) fill ;;
    pvresize) id=$(id_of "$2") && grep -v "^$id" "$state/pvs" >"$state/new"; mv "$state/new" "$state/pvs" && add "$2" ;;
    mkfs.ext4) PATH="${PATH#*:}:/usr/sbin:/sbin" mkfs.ext4 "$@" ;;
esac || exit 1
break_off after
"#;

fn id(disk: &str) -> LvmId {
    LvmId::of_disk("lab", &"a".parse().unwrap(), disk)
}

fn uuid() -> Uuid {
    Uuid::of_volume("lab", &"a".parse().unwrap(), DEVICE)
}

fn name(disk: &str) -> String {
    format!("/dev/disk/by-id/{disk}")
}

/// A physical volume's label, as LVM writes it into the second sector: its check sum is the usual one with a start of its own.
fn label(id: &LvmId) -> Vec<u8> {
    let mut sector = [0; 512];
    sector[..8].copy_from_slice(b"LABELONE");
    sector[8] = 1;
    sector[20] = 32;
    sector[24..32].copy_from_slice(b"LVM2 001");
    sector[32..64].copy_from_slice(id.as_str().replace('-', "").as_bytes());
    let bit = |sum: u32| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    let byte = |sum: u32, byte: &u8| (0..8).fold(sum ^ u32::from(*byte), |sum, _| bit(sum));
    let sum = sector[20..].iter().fold(0xf597_a6cf, byte);
    sector[16..20].copy_from_slice(&sum.to_le_bytes());
    sector.to_vec()
}

/// A host with three empty disks.
fn lab() -> Lab {
    let lab = Lab::new();
    for (at, disk) in DISKS.into_iter().enumerate() {
        lab.put(&format!("/dev/{disk}"), "");
        let file = fs::File::options().write(true).open(lab.path("a", &format!("/dev/{disk}"))).unwrap();
        file.set_len(BYTES).unwrap();
        lab.put("/dev/disk/by-id/x", "");
        symlink(format!("../../{disk}"), lab.path("a", &name(disk))).unwrap();
        let sizes = [("size", format!("{}\n", BYTES / 512)), ("dev", format!("8:{}\n", 16 * (at + 1)))];
        for (file, text) in sizes.into_iter().chain([("ro", "0\n".to_owned()), ("serial", format!("S-{disk}\n"))]) {
            lab.put(&format!("/sys/class/block/{disk}/{file}"), &text);
        }
        let labels = lab.path("a", "/labels");
        fs::create_dir_all(&labels).unwrap();
        fs::write(labels.join(id(&name(disk)).as_str()), label(&id(&name(disk)))).unwrap();
    }
    lab.put("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n");
    lab.put("/proc/swaps", "Filename Type Size Used Priority\n");
    lab.put("/lvm/pvs", "");
    lab.put("/lvm/lvs", "");
    for program in fmp_core::resource::lvm::PROGRAMS.into_iter().chain(["mkfs.ext4"]) {
        lab.program(program, LVM);
    }
    lab
}

/// The first of the disks, so many, as they are seen before the step, or not.
fn group(seen: &[bool]) -> GroupWrite {
    let member = |(disk, seen): (&str, &bool)| MemberWrite {
        disk: name(disk).into(),
        id: id(&name(disk)),
        before: seen.then(|| DiskBefore { bytes: BYTES, identity: format!("S-{disk}") }),
    };
    let logical = LogicalVolume { group: "fmp".into(), volume: "data".into() };
    GroupWrite { logical, disks: DISKS.into_iter().zip(seen).map(member).collect() }
}

fn make() -> Action {
    let (filesystem, group) = (Filesystem::Ext4, Some(group(&[true, true])));
    Action::MakeVolume { disk: DEVICE.into(), filesystem, uuid: uuid(), before: None, group }
}

fn content(lab: &Lab) -> Vec<Digest> {
    DISKS.into_iter().map(|disk| Digest::of(fs::read(lab.path("a", &format!("/dev/{disk}"))).unwrap())).collect()
}

/// What is said of disks that are left alone.
async fn stale(lab: &Lab, action: Action) -> String {
    let before = content(lab);
    let applied = lab.apply(action).await.unwrap();
    let Applied::Stale(mismatch) = applied else { panic!("{applied:?}") };
    assert_eq!(content(lab), before, "one was touched: {mismatch}");
    mismatch.to_string()
}

/// How often programs ran that change something.
fn changes(lab: &Lab) -> Vec<String> {
    let calls = fs::read_to_string(lab.path("a", "calls")).unwrap_or_default();
    let names = calls.lines().filter_map(|line| line.split(' ').next()?.rsplit('/').next());
    names.filter(|name| !["vgs", "pvs", "lvs"].contains(name)).map(str::to_owned).collect()
}

#[tokio::test]
async fn empty_disks_are_joined_once_and_the_ledger_says_so() {
    let lab = lab();
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done);
    assert_eq!(changes(&lab), ["pvcreate", "pvcreate", "vgcreate", "lvcreate", "mkfs.ext4"]);
    let members: String = ["sdb", "sdc"].map(|disk| format!("member {} {}\n", name(disk), id(&name(disk)))).concat();
    let entry = lab.read(ENTRY);
    assert!(entry.ends_with(&format!("disk {DEVICE}\nuuid {}\n{members}made\n", uuid())), "{entry}");
    let before = content(&lab);
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::AlreadyDone);
    assert_eq!((content(&lab), changes(&lab).len()), (before, 5));
}

#[tokio::test]
async fn what_was_cut_off_at_any_program_goes_on() {
    for program in ["pvcreate", "vgcreate", "lvcreate", "mkfs.ext4"] {
        for when in ["before", "after"] {
            let lab = lab();
            lab.put("/break", &format!("{when} {program}"));
            assert!(lab.apply(make()).await.is_err(), "{when} {program}");
            assert!(!lab.read(ENTRY).contains("made"), "{when} {program}");
            assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done, "{when} {program}");
            assert!(lab.read(ENTRY).ends_with("\nmade\n"), "{when} {program}");
            assert_eq!(lab.read("/lvm/pvs").lines().count(), 2, "{when} {program}");
        }
    }
}

/// What somebody does to a host.
type Change = fn(&Lab);

#[tokio::test]
async fn a_disk_that_holds_anything_is_not_joined() {
    const HELD: &[(&str, Change)] = &[
        ("crypto_LUKS", |lab| poke(lab, 0, b"LUKS\xba\xbe\0\x01aes\0")),
        ("LVM2_member", |lab| poke(lab, 512, &label(&id("another")))),
        ("first or last", |lab| poke(lab, BYTES - 1, b"x")),
        ("bytes", |lab| lab.put("/sys/class/block/sdc/size", "4096\n")),
        ("the id", |lab| lab.put("/sys/class/block/sdc/serial", "other\n")),
        ("trait: partition", |lab| lab.put("/sys/class/block/sdc/partition", "1\n")),
        ("trait: held", |lab| lab.put("/sys/class/block/sdc/holders/dm-7/dev", "253:7\n")),
        ("trait: system", |lab| lab.put("/proc/self/mountinfo", "22 1 8:32 / / rw - ext4 /dev/sdc rw\n")),
        ("mounted: /mnt", |lab| lab.put("/proc/self/mountinfo", "30 1 8:32 / /mnt rw - ext4 /dev/sdc rw\n")),
        ("none", |lab| fs::remove_file(lab.path("a", &name("sdc"))).unwrap()),
    ];
    for (word, prepare) in HELD {
        let lab = lab();
        prepare(&lab);
        let told = stale(&lab, make()).await;
        assert!(told.contains(word), "{word}: {told}");
        assert!(!lab.path("a", ENTRY).exists(), "{word}: the ledger says that it was begun");
        assert_eq!(changes(&lab), [""; 0], "{word}");
    }
}

/// Writes into the second disk.
fn poke(lab: &Lab, at: u64, bytes: &[u8]) {
    use std::io::Seek as _;
    let mut file = fs::File::options().write(true).open(lab.path("a", "/dev/sdc")).unwrap();
    file.seek(std::io::SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_group_of_somebody_else_is_left_to_them() {
    let lab = lab();
    lab.put("/lvm/pvs", "abcdef-0123-4567-89ab-cdef-0123-456789\t/dev/sdx\t1000\n");
    assert!(stale(&lab, make()).await.contains("the volume group fmp"));
    // The very id, and no ledger that says that it is ours.
    lab.put("/lvm/pvs", &format!("{}\t/dev/sdb\t1000\n", id(&name("sdb"))));
    assert!(stale(&lab, make()).await.contains("the volume group fmp"));
    assert_eq!(changes(&lab), [""; 0]);
    lab.program("vgs", "exit 5");
    assert!(lab.apply(make()).await.is_err(), "what can't be read is not empty");
}

#[tokio::test]
async fn what_somebody_else_made_of_disks_that_we_began_is_theirs() {
    let lab = lab();
    lab.put("/break", "before vgcreate");
    assert!(lab.apply(make()).await.is_err());
    poke(&lab, 512, &label(&id("another")));
    assert!(stale(&lab, make()).await.contains("LVM2_member"));
}

fn grow(seen: &[bool]) -> Action {
    let (filesystem, group, directory) = (Filesystem::Ext4, Some(group(seen)), "/srv/fmp".into());
    Action::GrowVolume { disk: DEVICE.into(), filesystem, uuid: uuid(), directory, bytes: 0, group }
}

/// A host whose group is made and mounted.
async fn mounted() -> Lab {
    let lab = lab();
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done);
    lab.program("resize2fs", "");
    let mounts = lab.read("/proc/self/mountinfo") + "40 22 253:0 / /srv/fmp rw - ext4 /dev/mapper/fmp-data rw\n";
    lab.put("/proc/self/mountinfo", &mounts);
    fs::remove_file(lab.path("a", "calls")).unwrap();
    lab
}

#[tokio::test]
async fn a_group_grows_by_a_disk_that_grew_and_by_a_new_one() {
    let lab = mounted().await;
    assert_eq!(lab.apply(grow(&[false, false])).await.unwrap(), Applied::AlreadyDone);
    assert_eq!(changes(&lab), [""; 0]);
    lab.put("/sys/class/block/sdb/size", &format!("{}\n", 2 * BYTES / 512));
    assert_eq!(lab.apply(grow(&[false, false])).await.unwrap(), Applied::Done);
    assert_eq!(changes(&lab), ["pvresize", "lvextend", "resize2fs"]);
    let lab = mounted().await;
    assert_eq!(lab.apply(grow(&[false, false, true])).await.unwrap(), Applied::Done);
    assert_eq!(changes(&lab), ["pvcreate", "vgextend", "lvextend", "resize2fs"]);
    assert!(lab.read(ENTRY).contains(&format!("\nmember {} {}\n", name("sdd"), id(&name("sdd")))));
}

#[tokio::test]
async fn growth_that_was_cut_off_at_any_program_goes_on() {
    for program in ["pvcreate", "vgextend", "lvextend"] {
        for when in ["before", "after"] {
            let lab = mounted().await;
            lab.put("/break", &format!("{when} {program}"));
            assert!(lab.apply(grow(&[false, false, true])).await.is_err(), "{when} {program}");
            assert_eq!(lab.apply(grow(&[false, false, true])).await.unwrap(), Applied::Done, "{when} {program}");
            assert_eq!(lab.read("/lvm/pvs").lines().count(), 3, "{when} {program}");
        }
    }
}

#[tokio::test]
async fn a_disk_that_holds_anything_does_not_join_later_either() {
    let lab = mounted().await;
    let sdd = lab.path("a", "/dev/sdd");
    fs::File::options().write(true).open(&sdd).unwrap().write_all(b"LUKS\xba\xbe\0\x01aes\0").unwrap();
    assert!(stale(&lab, grow(&[false, false, true])).await.contains("crypto_LUKS"));
    assert!(!lab.read(ENTRY).contains("sdd"));
}
