//! The probe against folders in place of roots. The machine's own facts are this computer's.

use std::{collections::BTreeMap, sync::Arc};

use fmp_core::{
    Digest, NodeName,
    observed::{DirectorySeen, Fact, Host, Observed, PackageSeen, PackagesSeen, VolumeNote},
    profile::Directories,
    resource::{Authority, Filesystem, Holding},
};
use fmp_exec::{
    Provider as _,
    provider::{GroupQuestion, HostQuestions, Questions, VolumeQuestion},
};
use fmp_plan::action::{Action, TrustItem, TrustSource};

use crate::{
    hosts::{Managed, Pace, testing::Lab},
    transport::{Input, Output, Stream, Traffic, Transport, TransportError},
};

const SYSTEMCTL: &str = "case $1 in --version) echo 'systemd 252 (252.39)' ;; *) \
    printf 'Id=x.service\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\nUnitFileState=enabled\\nNeedDaemonReload=no\\nDropInPaths=\\nConditionResult=yes\\nInvocationID=abc\\nMainPID=0\\n\\n'; \
    printf 'Id=y.service\\nLoadState=not-found\\nActiveState=inactive\\nMainPID=0\\n\\n'; \
    printf 'Id=w.service\\nLoadState=not-found\\nActiveState=failed\\nMainPID=0\\n' ;; esac";

async fn look(lab: &Lab, ask: HostQuestions) -> Observed {
    for name in ["a", "b"] {
        lab.program_of(name, "systemctl", SYSTEMCTL);
    }
    let hosts = ["a", "b"].map(|name| (name.parse().unwrap(), ask.clone())).into();
    lab.provider.observe(&lab.cx, &Questions { hosts, ..Questions::default() }).await
}

async fn look_at_one(lab: &Lab, ask: HostQuestions) -> Host {
    let mut seen = look(lab, ask).await;
    let name: NodeName = "a".parse().unwrap();
    match seen.hosts.remove(&name) {
        Some(Fact::Known(host)) => host,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_text_comes_back_only_where_it_differs() {
    let lab = Lab::new();
    lab.put("/etc/same", "same\n");
    lab.put("/etc/other", "by hand\n\n");
    let files = ["/etc/same", "/etc/other", "/etc/none"].map(|path| (path.into(), Digest::of("same\n"))).into();
    let host = look_at_one(&lab, HostQuestions { files, ..HostQuestions::default() }).await;
    let same = host.files["/etc/same"].known().unwrap();
    assert_eq!((same.digest, same.text.as_deref()), (Some(Digest::of("same\n")), None));
    assert_eq!(host.files["/etc/other"].known().unwrap().text.as_deref(), Some("by hand\n\n"));
    assert_eq!(host.files["/etc/none"], Fact::Absent);
}

#[tokio::test]
async fn what_can_t_be_read_as_a_file_is_unknown() {
    let lab = Lab::new();
    lab.put("/etc/folder/x", "");
    let files = [("/etc/folder".into(), Digest::of(""))].into();
    let host = look_at_one(&lab, HostQuestions { files, ..HostQuestions::default() }).await;
    assert!(matches!(host.files["/etc/folder"], Fact::Unknown(_)));
}

#[tokio::test]
async fn the_ledger_adds_its_own_paths_and_a_secret_has_no_digest() {
    let lab = Lab::new();
    lab.put("/etc/ours", "ours");
    lab.put("/etc/ours.key", "canary");
    lab.put("/var/lib/fmp/cluster-id", "c1\n");
    lab.put(
        "/var/lib/fmp/ledger/certificate%2Fetc%2Fours",
        "kind certificate\ncluster -\nprevious absent\nfile /etc/ours\nsecret /etc/ours.key\n",
    );
    let host = look_at_one(&lab, HostQuestions::default()).await;
    assert_eq!(host.ledger["certificate/etc/ours"].cluster_id, "c1");
    assert_eq!(host.files["/etc/ours"].known().unwrap().digest, Some(Digest::of("ours")));
    assert_eq!(host.files["/etc/ours.key"].known().unwrap().digest, None);
}

#[tokio::test]
async fn a_program_is_read_again_when_it_changes() {
    let lab = Lab::new();
    lab.put("/var/lib/fmp/cluster-id", "c1\n");
    let ask = HostQuestions { programs: ["/opt/tool".into()].into(), ..HostQuestions::default() };
    for content in ["one", "two!"] {
        lab.put("/opt/tool", content);
        // The second look answers from the cache that the first one left.
        for _ in 0..2 {
            let host = look_at_one(&lab, ask.clone()).await;
            assert_eq!(host.files["/opt/tool"].known().unwrap().digest, Some(Digest::of(content)));
        }
    }
    assert_eq!(lab.read("/var/lib/fmp/digests").lines().filter(|line| !line.is_empty()).count(), 1);
}

#[tokio::test]
async fn secrets_are_equal_on_two_hosts_exactly_when_their_bytes_are() {
    let lab = Lab::new();
    let item = |from: TrustSource| Action::EstablishTrust {
        items: Holding::ALL.map(|what| TrustItem { what, private: true, from: from.clone() }).to_vec(),
    };
    lab.apply(item(TrustSource::Create)).await.unwrap();
    lab.apply_to("b", item(TrustSource::Copy(vec!["a".parse().unwrap()]))).await.unwrap();
    std::fs::write(lab.path("b", "/etc/kubernetes/encryption.yaml"), "another").unwrap();
    let ask = HostQuestions { trust: Holding::ALL.into(), ..HostQuestions::default() };
    let seen = look(&lab, ask.clone()).await;
    let [one, two] = ["a", "b"].map(|name| seen.host(&name.parse().unwrap()).unwrap());
    let mac = |host: &Host, path: &str| *host.secrets[path].known().unwrap();
    assert_eq!(mac(one, Authority::Cluster.key()), mac(two, Authority::Cluster.key()));
    assert_ne!(mac(one, "/etc/kubernetes/encryption.yaml"), mac(two, "/etc/kubernetes/encryption.yaml"));
    let certificate = |host: &Host| host.certificates[Authority::Etcd.certificate()].known().unwrap().key;
    assert_eq!(certificate(one), certificate(two));
    // Another observation has another nonce: nothing that is written down can be compared with a stored guess.
    let later = look(&lab, ask).await;
    assert_ne!(
        mac(one, Authority::Cluster.key()),
        mac(later.host(&"a".parse().unwrap()).unwrap(), Authority::Cluster.key())
    );
}

#[tokio::test]
async fn units_are_known_absent_or_stamped() {
    let lab = Lab::new();
    lab.put("/run/fmp/stamp/x.service", "invocation abc\n/etc/x\tsha256:1\n");
    let units = ["x.service".into(), "y.service".into(), "w.service".into(), "z.service".into()].into();
    let host = look_at_one(&lab, HostQuestions { units, ..HostQuestions::default() }).await;
    assert_eq!(host.units["x.service"].known().unwrap().stamp.as_ref().unwrap().0["/etc/x"], "sha256:1");
    assert_eq!(host.units["y.service"], Fact::Absent);
    // It has no file any more; what it started may still run.
    assert_eq!(host.units["w.service"].known().unwrap().active, "failed");
    assert!(matches!(host.units["z.service"], Fact::Unknown(_)));
}

#[tokio::test]
async fn packages_are_there_partly_there_or_not_and_what_can_t_tell_is_unknown() {
    let lab = Lab::new();
    let ask =
        HostQuestions { packages: ["haproxy", "kmod", "runc"].map(Into::into).into(), ..HostQuestions::default() };
    let line = |name: &str, status: &str| format!("printf 'package\\t{name}\\t{status}\\t2.6-1\\n'");
    let all = [line("haproxy", "half-configured"), line("kmod", "installed"), line("runc", "config-files")].join("; ");
    lab.program("dpkg-query", &format!("{all}; exit 1"));
    lab.put("/var/lib/fmp/ledger/packages", "kind packages\nbegun kmod\ninstalled kmod\nbegun haproxy\n");
    let seen = look_at_one(&lab, ask.clone()).await.packages.unwrap();
    let there = [
        ("haproxy".to_owned(), PackageSeen::Partly("half-configured".to_owned())),
        ("kmod".to_owned(), PackageSeen::Installed("2.6-1".to_owned())),
    ];
    assert_eq!(seen, PackagesSeen { there: Fact::Known(there.into()), begun: ["haproxy".to_owned()].into() });
    lab.program("dpkg-query", "exit 2");
    let seen = look_at_one(&lab, ask).await.packages.unwrap();
    assert!(matches!(&seen.there, Fact::Unknown(why) if why.contains("ended with 2")), "{seen:?}");
    assert_eq!(look_at_one(&lab, HostQuestions::default()).await.packages, None, "nobody asked");
}

#[tokio::test]
async fn astra_says_elsewhere_which_update_it_is() {
    let lab = Lab::new();
    let version = async || look_at_one(&lab, HostQuestions::default()).await.facts.os_version;
    lab.put("/etc/os-release", "ID=astra\nVERSION_ID=1.7_x86-64\n");
    assert_eq!(version().await, "1.7_x86-64");
    lab.put("/etc/astra/build_version", "1.7.5.16\n");
    assert_eq!(version().await, "1.7.5.16");
    lab.put("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    assert_eq!(version().await, "12");
}

#[tokio::test]
async fn an_answer_that_broke_off_makes_the_host_unknown() {
    let lab = Lab::new();
    lab.program("ip", "kill -9 $PPID");
    let seen = look(&lab, HostQuestions::default()).await;
    assert!(matches!(seen.hosts[&"a".parse::<NodeName>().unwrap()], Fact::Unknown(_)));
    assert!(matches!(seen.hosts[&"b".parse::<NodeName>().unwrap()], Fact::Known(_)));
}

/// A host at whose address somebody else answers, or nobody.
#[derive(Debug)]
struct Refuses(TransportError);

#[async_trait::async_trait]
impl Transport for Refuses {
    async fn run(&self, _: &str, _: &[&str], _: Input) -> Result<Output, TransportError> {
        Err(self.0.clone())
    }

    async fn tunnel(&self, _: u16) -> Result<Box<dyn Stream>, TransportError> {
        Err(self.0.clone())
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }
}

#[tokio::test]
async fn another_key_than_the_known_one_is_a_fact_and_not_just_silence() {
    let (host, expected, seen) = (|| "h".to_owned(), "SHA256:one".to_owned(), || "SHA256:two".to_owned());
    let refusals = [
        ("changed", TransportError::HostKeyChanged { host: host(), expected, seen: seen() }),
        ("revoked", TransportError::HostKeyRevoked { host: host(), seen: seen() }),
        ("unknown", TransportError::HostKeyUnknown { host: host(), seen: seen() }),
        ("broken", TransportError::Broken { host: host() }),
    ];
    let names: Vec<NodeName> = refusals.iter().map(|(name, _)| name.parse().unwrap()).collect();
    let hosts = names.iter().zip(refusals).map(|(name, (_, error))| {
        (
            name.clone(),
            Managed {
                transport: Arc::new(Refuses(error)),
                address: [192, 0, 2, 1].into(),
                main: false,
                pace: Pace::Own,
            },
        )
    });
    let ask = Questions {
        hosts: names.iter().map(|name| (name.clone(), HostQuestions::default())).collect(),
        ..Questions::default()
    };
    let seen = super::observe(&hosts.collect(), &Directories::default(), &ask).await;
    assert!(seen.hosts.values().all(|host| matches!(host, Fact::Unknown(_))), "{:?}", seen.hosts);
    let told: Vec<_> = seen.other_keys.iter().map(|(name, told)| (name.as_str(), told.as_str())).collect();
    let names: Vec<_> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["changed", "revoked"]);
    assert!(told[0].1.contains("expected SHA256:one, the server shows SHA256:two"), "{told:?}");
}

/// What a unit's start notes of each path.
fn stamped(lab: &Lab, paths: &[&str]) -> BTreeMap<String, String> {
    let (root, notes) = (lab.path("a", ""), lab.path("a", "run/fmp/stamp"));
    let root = root.to_str().unwrap().trim_end_matches('/');
    let script = include_str!("../../../../fmp-core/src/role/data/stamp.sh");
    let moved = script.replace("/run/fmp/stamp", notes.to_str().unwrap());
    assert_ne!(moved, script, "the notes lie elsewhere now");
    let mut stamp = std::process::Command::new("sh");
    stamp.args(["-c", &moved, "stamp", "x.service"]).args(paths.iter().map(|path| format!("{root}{path}")));
    assert!(stamp.env("INVOCATION_ID", "abc").status().unwrap().success());
    let stamp = std::fs::read_to_string(notes.join("x.service")).unwrap();
    let pair = |line: &str| {
        let (path, value) = line.split_once('\t').unwrap();
        (path.strip_prefix(root).unwrap().to_owned(), value.to_owned())
    };
    stamp.lines().skip(1).map(pair).collect()
}

#[tokio::test]
async fn the_planner_reads_files_as_a_units_start_notes_them() {
    const MIB: usize = 1 << 20;
    let lab = Lab::new();
    let texts = ["/etc/empty", "/etc/small", "/etc/with space", "/etc/limit", "/etc/above"];
    let secrets = ["/etc/kubernetes/pki/sa.key", "/etc/kubernetes/encryption.yaml"];
    for (path, bytes) in texts.into_iter().zip([0, 1, 2, MIB, MIB + 1]) {
        lab.put(path, &"x".repeat(bytes));
    }
    secrets.iter().for_each(|path| lab.put(path, "canary"));
    lab.put("/opt/tool", &"x".repeat(2 * MIB));
    let all: Vec<&str> = texts.into_iter().chain(secrets).chain(["/opt/tool", "/etc/gone"]).collect();
    let noted = stamped(&lab, &all);
    let ask = HostQuestions {
        files: texts.into_iter().chain(["/etc/gone"]).map(|path| (path.into(), Digest::of(""))).collect(),
        keys: secrets.map(Into::into).into(),
        programs: ["/opt/tool".into()].into(),
        ..HostQuestions::default()
    };
    let host = look_at_one(&lab, ask).await;
    let seen = |path: &&str| Some((String::from(*path), host.files[*path].known()?.as_stamped(path)));
    assert_eq!(all.iter().filter_map(seen).collect::<BTreeMap<_, _>>(), noted);
    let by_digest = noted.iter().filter(|(_, value)| value.starts_with("sha256:")).map(|(path, _)| path.as_str());
    assert_eq!(by_digest.collect::<Vec<_>>(), ["/etc/empty", "/etc/limit", "/etc/small", "/etc/with space"]);
}

#[tokio::test]
async fn a_command_is_seen_as_long_as_it_runs() {
    let lab = Lab::new();
    for left in ["fmp-6-a-files.1", "fmp-7-a-upload-x.2"] {
        lab.put(&format!("/run/fmp/running/{left}"), "");
    }
    let file = lab.path("a", "/run/fmp/running/fmp-7-a-upload-x.2");
    let mut runs = std::process::Command::new("flock");
    // Its own end of the pipe is closed once it holds the lock.
    let mut runs = runs.arg(file).args(["sh", "-c", "echo; exec cat >/dev/null"]);
    runs = runs.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut runs = runs.spawn().unwrap();
    std::io::Read::read_exact(&mut runs.stdout.take().unwrap(), &mut [0]).unwrap();
    assert_eq!(look_at_one(&lab, HostQuestions::default()).await.running, ["fmp-7-a-upload-x".to_owned()].into());
    drop(runs.stdin.take());
    runs.wait().unwrap();
    assert!(look_at_one(&lab, HostQuestions::default()).await.running.is_empty());
}

#[tokio::test]
async fn the_newest_epoch_is_seen() {
    let lab = Lab::new();
    assert_eq!(look_at_one(&lab, HostQuestions::default()).await.epoch, 0);
    for (noted, newest) in [("30\n", 30), ("31 4711 desk\n", 31)] {
        lab.put("/var/lib/fmp/epoch", noted);
        assert_eq!(look_at_one(&lab, HostQuestions::default()).await.epoch, newest);
    }
}

#[tokio::test]
async fn etcds_data_is_looked_for_where_the_profile_says() {
    let mut lab = Lab::new();
    lab.put("/data/etcd/member/wal", "");
    assert!(!look_at_one(&lab, HostQuestions::default()).await.etcd_data);
    let etcd = "/data/etcd".to_owned();
    lab.provider = lab.provider.keeping(Directories { etcd, ..Directories::default() });
    assert!(look_at_one(&lab, HostQuestions::default()).await.etcd_data);
}

#[tokio::test]
async fn a_volume_is_looked_at_where_it_is_asked_for() {
    let lab = Lab::new();
    lab.put("/dev/sdb", "x");
    lab.put("/dev/disk/by-id/wwn-0x5", "");
    std::fs::remove_file(lab.path("a", "/dev/disk/by-id/wwn-0x5")).unwrap();
    std::os::unix::fs::symlink("../../sdb", lab.path("a", "/dev/disk/by-id/wwn-0x5")).unwrap();
    for (file, text) in [("size", "8\n"), ("dev", "8:16\n"), ("ro", "0\n"), ("serial", "S 1\n")] {
        lab.put(&format!("/sys/class/block/sdb/{file}"), text);
    }
    lab.put("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    lab.put("/proc/swaps", "Filename Type\n");
    lab.put("/var/lib/kubelet/pki/x", "");
    lab.put("/var/lib/fmp/ledger/volume", "kind volume\ndisk /dev/disk/by-id/wwn-0x5\nuuid u\n");
    let ask = VolumeQuestion {
        disk: "/dev/disk/by-id/wwn-0x5".into(),
        group: None,
        filesystem: Filesystem::Ext4,
        directories: ["/srv/fmp", "/var/lib/kubelet"].map(Into::into).into(),
    };
    let host = look_at_one(&lab, HostQuestions { volume: Some(ask), ..HostQuestions::default() }).await;
    let volume = host.volume.unwrap();
    let disk = volume.disk.known().unwrap();
    assert_eq!((disk.device.as_str(), disk.bytes, disk.identity.as_str()), ("sdb", 4096, "S 1"));
    assert_eq!(disk.blank, Some(false), "a disk that is shorter than it says can't be read whole");
    let note =
        VolumeNote { disk: "/dev/disk/by-id/wwn-0x5".into(), uuid: "u".into(), members: BTreeMap::new(), made: false };
    assert_eq!(volume.note, Some(note));
    let directories: Vec<_> = volume.directories.into_iter().collect();
    let expected = [
        ("/srv/fmp".to_owned(), DirectorySeen::Free),
        ("/var/lib/kubelet".to_owned(), DirectorySeen::Holds("pki".into())),
    ];
    assert_eq!(directories, expected);
    let host = look_at_one(&lab, HostQuestions::default()).await;
    assert_eq!(host.volume, None, "nobody asked");
}

#[tokio::test]
async fn a_volume_group_is_looked_at_with_each_of_its_disks() {
    let lab = Lab::new();
    for (disk, numbers) in [("sdb", "8:16"), ("sdc", "8:32"), ("dm-0", "253:0")] {
        lab.put(&format!("/dev/{disk}"), "");
        std::fs::File::options()
            .write(true)
            .open(lab.path("a", &format!("/dev/{disk}")))
            .unwrap()
            .set_len(4096)
            .unwrap();
        for (file, text) in [("size", "8\n"), ("dev", &format!("{numbers}\n")), ("ro", "0\n")] {
            lab.put(&format!("/sys/class/block/{disk}/{file}"), text);
        }
    }
    for (name, target) in
        [("/dev/disk/by-id/b", "../../sdb"), ("/dev/disk/by-id/c", "../../sdc"), ("/dev/fmp/data", "../dm-0")]
    {
        lab.put(name, "");
        std::fs::remove_file(lab.path("a", name)).unwrap();
        std::os::unix::fs::symlink(target, lab.path("a", name)).unwrap();
    }
    lab.put(
        "/proc/self/mountinfo",
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n40 22 253:0 / /srv/fmp rw - xfs /dev/dm-0 rw\n",
    );
    lab.put("/proc/swaps", "Filename Type\n");
    lab.put(
        "/var/lib/fmp/ledger/volume",
        "kind volume\ndisk /dev/fmp/data\nuuid u\nmember /dev/disk/by-id/b i\nmade\n",
    );
    lab.program("vgs", "[ $# -eq 0 ] || echo '  100'");
    lab.program("pvs", r"printf '  i\t/dev/sdb\t900\n'");
    lab.program("lvs", r"printf '  data\t800\n'");
    let disks = ["b", "c", "d"].map(|disk| format!("/dev/disk/by-id/{disk}").into()).into();
    let ask = VolumeQuestion {
        disk: "/dev/fmp/data".into(),
        group: Some(GroupQuestion { name: "fmp".into(), disks }),
        filesystem: Filesystem::Xfs,
        directories: vec!["/srv/fmp".into()],
    };
    let host = look_at_one(&lab, HostQuestions { volume: Some(ask.clone()), ..HostQuestions::default() }).await;
    let volume = host.volume.unwrap();
    assert_eq!(volume.disk.known().unwrap().device, "dm-0");
    assert_eq!(volume.directories["/srv/fmp"], DirectorySeen::Ours("/".into()));
    assert_eq!(volume.note.unwrap().members, [("/dev/disk/by-id/b".to_owned(), "i".to_owned())].into());
    let beneath = volume.group.unwrap();
    let blank = |name: &str| beneath.disks[name].as_ref().map_known(|disk| disk.blank);
    assert_eq!(blank("/dev/disk/by-id/c"), Fact::Known(Some(true)), "also after the volume was finished");
    assert_eq!(blank("/dev/disk/by-id/d"), Fact::Absent);
    let group = beneath.group.known().unwrap();
    assert_eq!((group.members["i"].bytes, group.volumes["data"], group.free_bytes), (900, 800, 100));
    lab.program("vgs", "exit 5");
    let host = look_at_one(&lab, HostQuestions { volume: Some(ask), ..HostQuestions::default() }).await;
    assert!(matches!(host.volume.unwrap().group.unwrap().group, Fact::Unknown(_)));
}
