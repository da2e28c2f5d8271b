//! Volumes on a file in place of a disk, with the system's own programs: what is refused stays as it was, to the byte.

use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    process::Command,
};

use fmp_core::{
    Digest,
    resource::{Filesystem, Uuid},
};
use fmp_exec::Applied;
use fmp_plan::action::{Action, DiskBefore, MountPoint};

use crate::hosts::testing::Lab;

const DISK: &str = "/dev/disk/by-id/wwn-0x5";
const BYTES: u64 = 96 << 20;
const ENTRY: &str = "/var/lib/fmp/ledger/volume";
/// One partition of Linux in the table of a master boot record, and its signature.
const PARTITION_TABLE: [u8; 66] = {
    let mut table = [0; 66];
    (table[4], table[9], table[13]) = (0x83, 8, 1);
    (table[64], table[65]) = (0x55, 0xaa);
    table
};
const ROOT_MOUNT: &str = "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n";

/// What is said of a disk, and how it comes to be so.
type Held = (&'static str, fn(&Lab));

fn uuid() -> Uuid {
    Uuid::of_volume("lab", &"a".parse().unwrap(), DISK)
}

/// A host with an empty disk.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.put("/dev/sdb", "");
    let disk = lab.path("a", "/dev/sdb");
    fs::File::options().write(true).open(&disk).unwrap().set_len(BYTES).unwrap();
    lab.put("/dev/disk/by-id/x", "");
    std::os::unix::fs::symlink("../../sdb", lab.path("a", DISK)).unwrap();
    for (file, text) in [("size", format!("{}\n", BYTES / 512)), ("dev", "8:16\n".into()), ("ro", "0\n".into())] {
        lab.put(&format!("/sys/class/block/sdb/{file}"), &text);
    }
    lab.put("/sys/class/block/sdb/device/wwid", "naa.5000c500a1b2c3d4\n");
    lab.put("/proc/self/mountinfo", ROOT_MOUNT);
    lab.put("/proc/swaps", "Filename Type Size Used Priority\n");
    lab
}

fn made(identity: &str) -> Action {
    let before = Some(DiskBefore { bytes: BYTES, identity: identity.to_owned() });
    Action::MakeVolume { disk: DISK.into(), filesystem: Filesystem::Ext4, uuid: uuid(), before, group: None }
}

fn make() -> Action {
    made("naa.5000c500a1b2c3d4")
}

fn content(lab: &Lab) -> Digest {
    Digest::of(fs::read(lab.path("a", "/dev/sdb")).unwrap())
}

/// Runs one of this computer's programs on the disk.
fn program(lab: &Lab, program: &str, args: &[&str], stdin: &str) -> String {
    let (path, disk) = (std::env::var("PATH").unwrap_or_default(), lab.path("a", "/dev/sdb"));
    let mut child = Command::new("env")
        .arg(format!("PATH={path}:/usr/sbin:/sbin"))
        .arg(program)
        .args(args)
        .arg(disk)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    String::from_utf8(output.stdout).unwrap()
}

fn probed(lab: &Lab, tag: &str) -> String {
    program(lab, "blkid", &["-p", "-o", "value", "-s", tag], "").trim().to_owned()
}

fn poke(lab: &Lab, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(lab.path("a", "/dev/sdb")).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

fn begun(lab: &Lab) {
    lab.put(ENTRY, &format!("kind volume\ncluster -\nprevious absent\nepoch 7\ndisk {DISK}\nuuid {}\n", uuid()));
}

/// What is said of a disk that is left alone.
async fn stale(lab: &Lab, action: Action) -> String {
    let before = content(lab);
    let applied = lab.apply(action).await.unwrap();
    let Applied::Stale(mismatch) = applied else { panic!("{applied:?}") };
    assert_eq!(content(lab), before, "it was touched: {mismatch}");
    mismatch.to_string()
}

#[tokio::test]
async fn an_empty_disk_gets_its_file_system_and_the_ledger_says_so() {
    let lab = lab();
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done);
    assert_eq!((probed(&lab, "TYPE"), probed(&lab, "UUID")), ("ext4".to_owned(), uuid().to_string()));
    let entry = lab.read(ENTRY);
    assert!(entry.ends_with(&format!("disk {DISK}\nuuid {}\nmade\n", uuid())), "{entry}");
    let before = content(&lab);
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::AlreadyDone);
    assert_eq!(content(&lab), before);
}

#[tokio::test]
async fn a_disk_that_holds_anything_is_left_to_the_byte() {
    const HELD: &[Held] = &[
        ("ext4", |lab| _ = program(lab, "mkfs.ext4", &["-q", "-F"], "")),
        ("swap", |lab| _ = program(lab, "mkswap", &[], "")),
        ("dos", |lab| poke(lab, 446, &PARTITION_TABLE)),
        ("crypto_LUKS", |lab| poke(lab, 0, b"LUKS\xba\xbe\0\x01aes\0")),
        ("first or last", |lab| poke(lab, 12_345_678, b"\n")),
        ("first or last", |lab| poke(lab, BYTES - 1, b"x")),
        ("bytes", |lab| lab.put("/sys/class/block/sdb/size", "4096\n")),
        ("the id", |lab| lab.put("/sys/class/block/sdb/device/wwid", "naa.6\n")),
        ("trait: partition", |lab| lab.put("/sys/class/block/sdb/partition", "1\n")),
        ("trait: partitioned", |lab| lab.put("/sys/class/block/sdb/sdb1/partition", "1\n")),
        ("trait: held", |lab| lab.put("/sys/class/block/sdb/holders/dm-0/dev", "253:0\n")),
        ("trait: read_only", |lab| lab.put("/sys/class/block/sdb/ro", "1\n")),
        ("trait: swap", |lab| lab.put("/proc/swaps", "Filename Type\n/dev/sdb partition 1 0 -2\n")),
        ("trait: system", |lab| lab.put("/proc/self/mountinfo", "22 1 8:16 / / rw - ext4 /dev/sdb rw\n")),
        ("trait: system", |lab| lab.put("/proc/self/mountinfo", "22 1 0:30 / / rw - btrfs /dev/sdb rw\n")),
        ("mounted: /mnt", |lab| lab.put("/proc/self/mountinfo", "30 1 8:16 / /mnt rw - ext4 /dev/sdb rw\n")),
        ("twin: sdc", |lab| lab.put("/sys/block/sdc/device/wwid", "naa.5000c500a1b2c3d4\n")),
        ("none", |lab| fs::remove_file(lab.path("a", DISK)).unwrap()),
    ];
    for (word, prepare) in HELD {
        let lab = lab();
        prepare(&lab);
        let told = stale(&lab, make()).await;
        assert!(told.contains(word), "{word}: {told}");
        assert!(!lab.path("a", ENTRY).exists(), "{word}: the ledger says that it was begun");
    }
}

#[tokio::test]
async fn what_can_t_be_read_is_not_empty() {
    for program in ["wipefs", "blkid", "dd"] {
        let lab = lab();
        lab.program(program, "exit 1");
        let told = stale(&lab, make()).await;
        assert!(told.contains("unreadable") || told.contains("first or last"), "{program}: {told}");
    }
}

#[tokio::test]
async fn half_a_file_system_of_ours_is_made_again() {
    let lab = lab();
    begun(&lab);
    poke(&lab, 4096, b"the beginning of something");
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done);
    assert_eq!(probed(&lab, "UUID"), uuid().to_string());
    assert!(lab.read(ENTRY).ends_with("\nmade\n"));
}

#[tokio::test]
async fn a_file_system_of_ours_that_is_whole_is_kept() {
    let lab = lab();
    begun(&lab);
    program(&lab, "mkfs.ext4", &["-q", "-F", "-L", "whole", "-U", uuid().as_str()], "");
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done);
    assert_eq!(probed(&lab, "LABEL"), "whole", "it was made again");
    assert!(lab.read(ENTRY).ends_with("\nmade\n"));
}

#[tokio::test]
async fn what_somebody_else_put_on_a_disk_that_we_began_is_theirs() {
    let lab = lab();
    begun(&lab);
    program(&lab, "mkfs.ext4", &["-q", "-F"], "");
    assert!(stale(&lab, make()).await.contains("ext4"));
    let lab = self::lab();
    begun(&lab);
    program(&lab, "mkswap", &["-U", uuid().as_str()], "");
    assert!(stale(&lab, make()).await.contains("swap"), "also under the very id");
}

#[tokio::test]
async fn a_volume_that_the_ledger_has_elsewhere_is_not_made_again() {
    let lab = lab();
    lab.put(ENTRY, "kind volume\ndisk /dev/disk/by-id/other\nuuid x\nmade\n");
    assert!(stale(&lab, make()).await.contains("/dev/disk/by-id/other"));
    let lab = self::lab();
    begun(&lab);
    lab.put(ENTRY, &(lab.read(ENTRY) + "made\n"));
    assert!(stale(&lab, make()).await.contains(uuid().as_str()), "it was made, and is gone");
}

/// systemctl as it mounts: `start` adds the line that the kernel would show.
const SYSTEMCTL: &str = r#"
state=$FMP_ROOT/enabled
for unit; do :; done
case $1 in
    is-enabled) grep -qxF "$unit" "$state" 2>/dev/null && echo enabled ;;
    --quiet)
        case $2 in
            enable) printf '%s\n' "$unit" >>"$state" ;;
            is-active) grep -qxF "$unit" "$state" 2>/dev/null ;;
        esac ;;
    start)
        case $unit in
            srv-fmp.mount) echo '40 22 8:16 / /srv/fmp rw - ext4 /dev/sdb rw' ;;
            *) echo '41 22 8:16 /var/lib/kubelet /var/lib/kubelet rw - ext4 /dev/sdb rw' ;;
        esac >>"$FMP_ROOT/proc/self/mountinfo" ;;
esac"#;

fn mount() -> Action {
    let point = |unit: &str, directory: &str| MountPoint { unit: unit.into(), directory: directory.into() };
    Action::MountVolume {
        disk: DISK.into(),
        filesystem: Filesystem::Ext4,
        uuid: uuid(),
        mounts: vec![point("srv-fmp.mount", "/srv/fmp"), point("var-lib-kubelet.mount", "/var/lib/kubelet")],
    }
}

fn starts(lab: &Lab) -> usize {
    fs::read_to_string(lab.path("a", "calls")).unwrap_or_default().matches("systemctl start").count()
}

#[tokio::test]
async fn a_volume_is_mounted_at_each_place_once() {
    let lab = lab();
    lab.program("systemctl", SYSTEMCTL);
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done);
    assert_eq!(lab.apply(mount()).await.unwrap(), Applied::Done);
    assert!(lab.path("a", "/srv/fmp/var/lib/kubelet").is_dir(), "a folder of the volume for each directory");
    let entry = lab.read(ENTRY);
    assert!(entry.contains("\nmount srv-fmp.mount\nmount var-lib-kubelet.mount\n"), "{entry}");
    assert_eq!((lab.apply(mount()).await.unwrap(), starts(&lab)), (Applied::AlreadyDone, 2));
}

#[tokio::test]
async fn a_directory_that_holds_something_is_not_hidden() {
    let lab = lab();
    lab.program("systemctl", SYSTEMCTL);
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done);
    lab.put("/var/lib/kubelet/pki/key", "precious");
    let told = stale(&lab, mount()).await;
    assert!(told.contains("/var/lib/kubelet") && told.contains("holds pki"), "{told}");
    assert_eq!(starts(&lab), 0);
}

#[tokio::test]
async fn what_was_not_made_is_not_mounted() {
    let lab = lab();
    lab.program("systemctl", SYSTEMCTL);
    stale(&lab, mount()).await;
    program(&lab, "mkfs.ext4", &["-q", "-F", "-U", uuid().as_str()], "");
    begun(&lab);
    stale(&lab, mount()).await;
    assert_eq!(starts(&lab), 0);
}

fn grow(bytes: u64) -> Action {
    let (disk, directory) = (DISK.into(), "/srv/fmp".into());
    Action::GrowVolume { disk, filesystem: Filesystem::Ext4, uuid: uuid(), directory, bytes, group: None }
}

#[tokio::test]
async fn a_file_system_grows_with_its_disk() {
    let lab = lab();
    lab.program("systemctl", SYSTEMCTL);
    lab.program("resize2fs", "");
    assert_eq!(lab.apply(make()).await.unwrap(), Applied::Done);
    assert!(stale(&lab, grow(BYTES)).await.contains("/srv/fmp"), "it is not mounted");
    assert_eq!(lab.apply(mount()).await.unwrap(), Applied::Done);
    assert_eq!(lab.apply(grow(BYTES)).await.unwrap(), Applied::AlreadyDone);
    lab.put("/sys/class/block/sdb/size", &format!("{}\n", (BYTES + (64 << 20)) / 512));
    assert_eq!(lab.apply(grow(BYTES + (64 << 20))).await.unwrap(), Applied::Done);
    let calls = lab.read("calls");
    assert_eq!(calls.matches("/programs/resize2fs ").count(), 1, "{calls}");
}
