//! A virtual machine as one work node more: a kernel of its own with the product's own settings, and disks that nobody else
//! has. Volumes on real disks, what is refused of them, and how they grow.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fmp::providers::environment::local::missing_for_vms;

use crate::{
    image::PORT,
    lab::{Lab, SOON, VM, WORKS, cluster, fixture, until},
    runner::say,
    workload,
};

/// How long a run may take that makes everything, the image of virtual machines among it.
const BRING_UP: Duration = Duration::from_mins(25);

/// What every disk is called before its serial number.
const DISK: &str = "/dev/disk/by-id/virtio-vm1-";

/// The disk that is plugged in later. So small that its digest is soon known.
const SPARE: &str = "vm1-c";
const SPARE_BYTES: u64 = 96 << 20;

pub(crate) fn run(lab: &Lab) {
    assert_eq!(missing_for_vms(), Vec::<&str>::new(), "missing here; scripts/full installs it");
    let site = Site::new(lab);
    let began = Instant::now();
    lab.fmp_within(&site.file, &["apply", "--yes"], BRING_UP).exits(0).says(&["in sync after"]);
    say(&format!("  one apply: in sync after {:.1} s", began.elapsed().as_secs_f64()));
    site.is_the_products_own();
    site.pods_answer();
    lab.fmp_for(&site.file, &["check"]).exits(0);
    lab.fmp_for(&site.file, &["plan"]).exits(0);
    lab.fmp_for(&site.file, &["apply", "--yes"]).exits(0).says(&["in sync: nothing to do"]);
    site.plug_in();
    site.refuses();
    site.grows();
    site.boots();
    lab.destroy_for(&site.file);
}

/// The cluster of this check: a main, a work node, and the virtual machine.
struct Site<'a> {
    lab: &'a Lab,
    file: PathBuf,
}

impl<'a> Site<'a> {
    fn new(lab: &'a Lab) -> Self {
        Self { lab, file: file(lab, "vm.toml", &["a", "b"]) }
    }

    fn sh(&self, script: &str) -> String {
        self.lab.sh(VM, script)
    }

    fn kubectl(&self, args: &[&str]) -> String {
        self.lab.fmp_for(&self.file, &[&["kubectl", "--"], args].concat()).exits(0).out
    }

    /// What a kernel of its own allows is used, and the volume lies beneath.
    fn is_the_products_own(&self) {
        let here = fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux says its version");
        let there = self.sh("uname -r");
        assert_ne!(here, there, "a kernel of its own");
        assert_eq!(self.sh("stat -fc %T /sys/fs/cgroup").trim(), "cgroup2fs");
        assert_eq!(self.sh("tail -n +2 /proc/swaps"), "", "no swap");
        self.sh("grep -qx 'cgroupDriver: systemd' /var/lib/kubelet/config.yaml");
        self.sh("grep -qx 'failSwapOn: true' /var/lib/kubelet/config.yaml");
        self.sh("test $(cat /proc/$(pidof containerd)/oom_score_adj) = -999");
        for directory in ["/srv/fmp", "/var/lib/containerd", "/var/lib/kubelet"] {
            let source = self.sh(&format!("findmnt --noheadings --output SOURCE --mountpoint {directory}"));
            assert!(source.starts_with("/dev/mapper/fmp-data"), "{directory}: {source}");
        }
        let members = self.sh("pvs --noheadings --options vg_name,pv_size --units m | sort | uniq -c");
        assert!(members.trim().starts_with("2 ") && members.contains(" fmp "), "two disks are one group: {members}");
        let ready = self.lab.fmp_for(&self.file, &["kubectl", "--", "get", "node", VM, "--no-headers"]).exits(0).out;
        assert!(ready.contains(" Ready "), "{ready}");
        say(&format!("  {VM}: Linux {}, cgroup v2, volume of two disks; {}", there.trim(), ready.trim()));
    }

    /// A pod there and one beside it: each is asked by the other's node and by the other.
    fn pods_answer(&self) {
        for node in [VM, WORKS[0]] {
            workload::bring_image(self.lab, node);
        }
        let command = self.lab.command_for(&self.file, &["kubectl", "--", "apply", "-f", "-"]);
        self.lab.run(command, Some(&fixture("real/vm.yaml"))).exits(0);
        let began = Instant::now();
        self.kubectl(&["wait", "--for=condition=Ready", "--timeout=240s", "pod/who-vm", "pod/who-work"]);
        let address = |pod: &str| self.kubectl(&["get", "pod", pod, "-o", "jsonpath={.status.podIP}"]);
        let (vm, work) = (address("who-vm"), address("who-work"));
        for (from, to, name) in [("who-vm", &work, "who-work"), ("who-work", &vm, "who-vm")] {
            let question = workload::question_of_a_pod(to, PORT);
            let answer = self.kubectl(&["exec", from, "--", "busybox", "sh", "-c", &question]);
            assert!(answer.contains(name), "{from} asked {name}: {answer}");
        }
        for (node, address, name) in [(WORKS[0], &vm, "who-vm"), (VM, &work, "who-work")] {
            let answer = self.lab.sh(node, &workload::question(address, PORT));
            assert!(answer.contains(name), "{node} asked {name}: {answer}");
        }
        let scopes = self.sh("find /sys/fs/cgroup/kubepods.slice -name 'cri-containerd-*.scope' | wc -l");
        assert!(scopes.trim().parse::<u32>().is_ok_and(|scopes| scopes >= 2), "systemd makes pods' groups: {scopes}");
        self.sh("mount -t overlay | grep -q '/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/'");
        say(&format!(
            "  pods answer across nodes after {:.1} s; systemd's groups, overlayfs",
            began.elapsed().as_secs_f64()
        ));
    }

    /// An empty disk more, as a person attaches one. It is there at the next boot, too.
    fn plug_in(&self) {
        let path = machine().join("disks").join(SPARE);
        let made = fs::File::create(&path).and_then(|file| file.set_len(SPARE_BYTES));
        made.expect("the machine's folder can be written");
        let (name, path) = (SPARE, path.display());
        ask_qemu(&[
            format!(
                r#"{{"execute":"blockdev-add","arguments":{{"driver":"raw","node-name":"{name}","file":{{"driver":"file","filename":"{path}"}}}}}}"#
            ),
            format!(
                r#"{{"execute":"device_add","arguments":{{"driver":"virtio-blk-pci","drive":"{name}","serial":"{name}"}}}}"#
            ),
        ]);
        until("the disk is there", SOON, || self.lab.try_sh(VM, &format!("test -b {DISK}c")));
    }

    /// A disk that holds anything, or is used, is not written: neither a plan nor a run changes a byte.
    fn refuses(&self) {
        let with_spare = file(self.lab, "vm-spare.toml", &["a", "b", "c"]);
        for Refused { what, make, says, undo } in REFUSED {
            self.sh(&format!("D={DISK}c; {make}; sync; udevadm settle"));
            let before = self.digest();
            // It plans first, and would go on with what is not refused.
            self.lab.fmp_for(&with_spare, &["apply", "--yes"]).exits(3).says(&[says]);
            let after = self.digest();
            assert_eq!(before, after, "{what}: the disk was changed");
            say(&format!("  refused: {what} ({says}); {} before and after", &before[..16]));
            self.sh(&format!("D={DISK}c; {undo}; blkdiscard --force --zeroout $D; sync; udevadm settle"));
        }
        let system = file(self.lab, "vm-system.toml", &["a", "b", "../system"]);
        self.lab.fmp_for(&system, &["apply", "--yes"]).exits(3).says(&["the system runs from it"]);
        say("  refused: the system's disk");
        let text = fs::read_to_string(&self.file).expect("it was written");
        let unstable = self.lab.place("vm-unstable.toml");
        fs::write(&unstable, text.replace(&format!("{DISK}b"), "/dev/vdb")).expect("the folder can be written");
        self.lab.fmp_for(&unstable, &["plan"]).exits(1).says(&["only names under /dev/disk/by-id stay"]);
        say("  refused: a name that is another disk's at the next boot");
    }

    /// What is on the disk, past all caches.
    fn digest(&self) -> String {
        let words = self.sh(&format!("blockdev --flushbufs {DISK}c; sha256sum {DISK}c"));
        words.split_whitespace().next().expect("a digest").to_owned()
    }

    /// A disk that is named besides and one that grew are taken in while everything runs.
    fn grows(&self) {
        let bytes = || -> u64 {
            self.sh("findmnt --noheadings --bytes --output SIZE --mountpoint /srv/fmp").trim().parse().expect("a size")
        };
        let with_spare = file(self.lab, "vm-spare.toml", &["a", "b", "c"]);
        let first = bytes();
        self.apply(&with_spare, "extend");
        let second = bytes();
        assert!(second > first, "a disk more: {first}, {second}");
        ask_qemu(&[format!(r#"{{"execute":"block_resize","arguments":{{"device":"vm1-b","size":{}}}}}"#, 4_u64 << 30)]);
        until("the disk has grown", SOON, || {
            self.lab.try_sh(VM, &format!("test $(blockdev --getsize64 {DISK}b) = {}", 4_u64 << 30))
        });
        self.apply(&with_spare, "grow");
        let third = bytes();
        assert!(third > second + (900 << 20), "a larger disk: {second}, {third}");
        say(&format!(
            "  the volume grew from {} to {} by a disk more, to {} MiB by a larger one",
            first >> 20,
            second >> 20,
            third >> 20
        ));
    }

    fn apply(&self, file: &Path, what: &str) {
        let planned = self.lab.fmp_for(file, &["plan"]).exits(2);
        say(&format!(
            "  {what}: {}",
            planned.out.lines().find(|line| line.contains("volume")).unwrap_or_default().trim()
        ));
        self.lab.fmp_for(file, &["apply", "--yes"]).exits(0);
        self.lab.fmp_for(file, &["plan"]).exits(0);
    }

    /// Its volume is mounted at a boot before anything is written beneath, and its node comes back by itself.
    fn boots(&self) {
        self.lab.cut_power(&[VM]);
        let began = Instant::now();
        self.lab.switch_on(&[VM]);
        let up = began.elapsed();
        let file = file(self.lab, "vm-spare.toml", &["a", "b", "c"]);
        until("all is in sync again", BRING_UP, || {
            let ran = self.lab.fmp_for(&file, &["plan"]);
            if ran.code == Some(0) { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
        });
        self.kubectl(&["wait", "--for=condition=Ready", "--timeout=240s", &format!("node/{VM}"), "pod/who-vm"]);
        self.is_the_products_own_after_a_boot();
        say(&format!(
            "  power cut: SSH after {:.1} s, in sync after {:.1} s",
            up.as_secs_f64(),
            began.elapsed().as_secs_f64()
        ));
    }

    fn is_the_products_own_after_a_boot(&self) {
        let source = self.sh("findmnt --noheadings --output SOURCE --mountpoint /var/lib/kubelet");
        assert!(source.starts_with("/dev/mapper/fmp-data"), "{source}");
    }
}

/// What can be on a disk, how it comes there and goes away again, and what is said of it.
struct Refused {
    what: &'static str,
    make: &'static str,
    says: &'static str,
    undo: &'static str,
}

const REFUSED: &[Refused] = &[
    Refused {
        what: "a partition table",
        // One partition of type Linux, from sector 2048 on, 4096 of them.
        make: r"printf '\203' | dd of=$D bs=1 seek=450 conv=notrunc status=none;
            printf '\000\010\000\000\000\020\000\000' | dd of=$D bs=1 seek=454 conv=notrunc status=none;
            printf '\125\252' | dd of=$D bs=1 seek=510 conv=notrunc status=none; blockdev --rereadpt $D",
        says: "it has partitions",
        undo: "dd if=/dev/zero of=$D bs=512 count=1 conv=notrunc status=none; blockdev --rereadpt $D",
    },
    Refused { what: "a file system", make: "mkfs.ext4 -q $D", says: "it holds ext4", undo: ":" },
    Refused {
        what: "a disk of another volume group",
        make: "vgcreate --quiet others $D",
        says: "it holds LVM2_member",
        undo: "vgremove --quiet --force others; pvremove --quiet $D",
    },
    Refused {
        what: "a part of a RAID",
        // The superblock's magic, its version, and where it is.
        make: r"printf '\374\116\053\251\001\000\000\000' | dd of=$D bs=1 seek=4096 conv=notrunc status=none;
            printf '\010' | dd of=$D bs=1 seek=4240 conv=notrunc status=none",
        says: "it holds linux_raid_member",
        undo: ":",
    },
    Refused {
        what: "LUKS",
        make: r"printf 'LUKS\272\276\000\001aes' | dd of=$D conv=notrunc status=none",
        says: "it holds crypto_LUKS",
        undo: ":",
    },
    Refused {
        what: "swap in use",
        make: "mkswap --quiet $D >/dev/null; swapon $D",
        says: "it is swapped to",
        undo: "swapoff $D",
    },
    Refused {
        what: "mounted",
        make: "mkfs.ext4 -q $D; mount $D /mnt",
        says: "it is mounted at /mnt",
        undo: "umount /mnt",
    },
    Refused {
        what: "what nobody knows",
        make: "echo something | dd of=$D bs=1 seek=1000000 conv=notrunc status=none",
        says: "its first or last 16 MiB are not empty",
        undo: ":",
    },
];

/// The cluster's file, with these disks of the virtual machine.
fn file(lab: &Lab, name: &str, disks: &[&str]) -> PathBuf {
    let path = |disk: &&str| {
        disk.strip_prefix("../")
            .map_or_else(|| format!("\"{DISK}{disk}\""), |own| format!("\"/dev/disk/by-id/virtio-{own}\""))
    };
    let disks = disks.iter().map(path).collect::<Vec<_>>().join(", ");
    let text =
        fixture("real/vm.toml").replace("\"fmp-local\"", &format!("\"{}\"", cluster())).replace("\"DISKS\"", &disks);
    let file = lab.place(name);
    fs::write(&file, text).expect("the target directory can be written");
    file
}

/// The virtual machine's folder.
fn machine() -> PathBuf {
    Path::new("/var/lib/fmp-local").join(cluster()).join("machines").join(VM)
}

/// Has QEMU carry out commands ([QMP](https://www.qemu.org/docs/master/interop/qmp-spec.html)), each of which must succeed.
fn ask_qemu(commands: &[String]) {
    let mut monitor = UnixStream::connect(machine().join("monitor")).expect("QEMU listens there");
    let answers = BufReader::new(monitor.try_clone().expect("a socket can be had twice")).lines();
    let mut answers = answers.map(|line| line.expect("QEMU answers")).filter(|line| !line.contains("\"event\""));
    answers.next();
    for command in [r#"{"execute":"qmp_capabilities"}"#].into_iter().chain(commands.iter().map(String::as_str)) {
        writeln!(monitor, "{command}").expect("QEMU reads");
        let answer = answers.next().unwrap_or_default();
        assert!(answer.contains("\"return\""), "{command}: {answer}");
    }
}
