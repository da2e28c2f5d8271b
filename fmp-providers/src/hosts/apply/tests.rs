//! Our scripts against a folder in place of a host's root, and programs of the test in place of systemd.

mod epoch;
mod etcd;
mod groups;
mod images;
mod packages;
mod secrets;
mod volumes;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use fmp_core::{
    Digest,
    profile::Directories,
    resource::{Authority, CertificateRequest, Holding, Usage},
};
use fmp_exec::{Applied, Effect, FailureKind, Retry, failure::Holdup};
use fmp_plan::action::{
    Action, Before, CertificateIssue, Evict, FileRemoval, FileWrite, MemberBefore, TrustItem, TrustSource, UnitBefore,
};

use crate::{
    hosts::{Packing, testing::Lab},
    pki,
};

fn write(path: &str, content: Digest, before: Before) -> FileWrite {
    FileWrite { path: path.into(), mode: 0o640, content, before }
}

fn writes(files: Vec<FileWrite>) -> Action {
    Action::WriteFiles { files, remove: Vec::new() }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn files_are_written_whole_with_their_mode_and_their_entry_in_the_ledger() {
    let mut lab = Lab::new();
    let (one, two) = (lab.text("one\n"), lab.text("two 'quoted' \\ $HOME\n\n"));
    let action = writes(vec![write("/etc/b/two", two, Before::Absent), write("/etc/a/one", one, Before::Absent)]);
    assert_eq!(lab.apply(action.clone()).await.unwrap(), Applied::Done);
    assert_eq!(
        (lab.read("/etc/a/one").as_str(), lab.read("/etc/b/two").as_str()),
        ("one\n", "two 'quoted' \\ $HOME\n\n")
    );
    assert_eq!(mode(&lab.path("a", "/etc/a/one")), 0o640);
    assert_eq!((lab.left("/etc/a"), lab.left("/etc/b")), (vec!["one".to_owned()], vec!["two".to_owned()]));
    let entry = lab.read("/var/lib/fmp/ledger/file%2Fetc%2Fa%2Fone");
    assert_eq!(entry, "kind file\ncluster -\nprevious absent\nepoch 7\nfile /etc/a/one\n");
    assert_eq!(lab.apply(action).await.unwrap(), Applied::AlreadyDone);
}

#[tokio::test]
async fn only_the_mode_is_mended_where_only_the_mode_differs() {
    let mut lab = Lab::new();
    let one = lab.text("one\n");
    lab.put("/etc/one", "one\n");
    let action = writes(vec![write("/etc/one", one, Before::Digest(one))]);
    assert_eq!(lab.apply(action).await.unwrap(), Applied::Done);
    assert_eq!(mode(&lab.path("a", "/etc/one")), 0o640);
}

#[tokio::test]
async fn nothing_is_touched_where_one_file_is_stale() {
    let mut lab = Lab::new();
    let one = lab.text("one\n");
    lab.put("/etc/two", "by hand\n");
    let action = writes(vec![write("/etc/one", one, Before::Absent), write("/etc/two", one, Before::Absent)]);
    let Applied::Stale(mismatch) = lab.apply(action).await.unwrap() else { panic!("it was not stale") };
    assert_eq!((mismatch.what.as_str(), mismatch.expected.as_str()), ("a: /etc/two", "absent"));
    assert_eq!(mismatch.found, Digest::of("by hand\n").to_string());
    assert_eq!((lab.left("/etc"), lab.read("/etc/two").as_str()), (vec!["two".to_owned()], "by hand\n"));
    assert!(lab.left("/var/lib/fmp/ledger").is_empty());
}

#[tokio::test]
async fn a_drop_in_goes_with_its_folder_and_systemd_reads_its_units_once() {
    let mut lab = Lab::new();
    lab.program("systemctl", "");
    let unit = lab.text("[Unit]\n");
    lab.put("/etc/systemd/system/x.service.d/override.conf", "x\n");
    let path = "/etc/systemd/system/x.service.d/override.conf";
    let remove = vec![FileRemoval { path: path.into(), before: Digest::of("x\n") }];
    let files = vec![write("/etc/systemd/system/x.service", unit, Before::Absent)];
    assert_eq!(lab.apply(Action::WriteFiles { files, remove }).await.unwrap(), Applied::Done);
    assert_eq!(lab.left("/etc/systemd/system"), ["x.service"]);
    assert_eq!(lab.read("calls").lines().filter(|line| line.ends_with("systemctl daemon-reload")).count(), 1);
}

#[tokio::test]
async fn an_older_epoch_is_refused_and_a_newer_one_is_kept() {
    let mut lab = Lab::new();
    let one = lab.text("one\n");
    let action = writes(vec![write("/etc/one", one, Before::Absent)]);
    lab.put("/var/lib/fmp/epoch", "8\n");
    let failure = lab.apply(action.clone()).await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Fenced { newer: 8, .. }), "{failure}");
    assert_eq!(failure.effect, Effect::None);
    assert!(!lab.path("a", "/etc/one").exists());
    lab.cx.epoch = 9;
    assert_eq!(lab.apply(action).await.unwrap(), Applied::Done);
    assert_eq!(lab.read("/var/lib/fmp/epoch"), "9\n");
}

#[tokio::test]
async fn what_a_killed_run_left_is_swept() {
    let mut lab = Lab::new();
    let one = lab.text("one\n");
    lab.put("/etc/.fmp-tmp-3", "half");
    assert_eq!(lab.apply(writes(vec![write("/etc/one", one, Before::Absent)])).await.unwrap(), Applied::Done);
    assert_eq!(lab.left("/etc"), ["one"]);
}

fn upload(digest: Digest, bytes: u64, before: Before) -> Action {
    let path = format!("/opt/fmp/store/{}/tool", digest.short());
    Action::Upload { name: "tool".into(), digest, path: path.into(), bytes, before }
}

#[tokio::test]
async fn a_program_is_uploaded_packed_or_plain() {
    for packing in [Packing::Plain, Packing::Gzip] {
        let mut lab = Lab::new();
        lab.provider = lab.provider.packed(packing);
        let stored = lab.provider.store.put(&vec![7_u8; 3 << 20][..]).unwrap();
        let action = upload(stored.digest, stored.size, Before::Absent);
        assert_eq!(lab.apply(action.clone()).await.unwrap(), Applied::Done);
        let path = lab.path("a", &format!("/opt/fmp/store/{}/tool", stored.digest.short()));
        assert_eq!((Digest::of(fs::read(&path).unwrap()), mode(&path)), (stored.digest, 0o755));
        assert!(lab.read("/var/lib/fmp/digests").contains(&stored.digest.hex()));
        assert_eq!(lab.apply(action).await.unwrap(), Applied::AlreadyDone);
    }
}

#[tokio::test]
async fn an_upload_beside_another_leaves_what_that_has_written() {
    let lab = Lab::new();
    let stored = lab.provider.store.put(&b"tool"[..]).unwrap();
    let folder = format!("/opt/fmp/store/{}", stored.digest.short());
    let alive = format!(".fmp-tmp-upload-{}", std::process::id());
    lab.put(&format!("{folder}/{alive}"), "half");
    // No process has a number beyond 2²².
    lab.put(&format!("{folder}/.fmp-tmp-upload-4194305"), "left");
    assert_eq!(lab.apply(upload(stored.digest, stored.size, Before::Absent)).await.unwrap(), Applied::Done);
    assert_eq!(lab.left(&folder), [alive.as_str(), "tool"]);
}

#[tokio::test]
async fn an_upload_that_is_not_the_program_leaves_nothing() {
    let lab = Lab::new();
    let stored = lab.provider.store.put(&b"tool"[..]).unwrap();
    // All is well here, and half of it comes out there.
    lab.program("gzip", "cat >/dev/null; printf to");
    let failure = lab.apply(upload(stored.digest, stored.size, Before::Absent)).await.unwrap_err();
    assert!(failure.to_string().contains("whole"), "{failure}");
    assert_eq!((failure.effect, failure.retry), (Effect::None, Retry::Later));
    assert!(lab.left(&format!("/opt/fmp/store/{}", stored.digest.short())).is_empty());
}

/// A disk that rots: whatever is sent again is as rotten, so nobody tries.
#[tokio::test]
async fn content_that_rotted_on_this_computer_is_named_and_not_sent_again() {
    for packing in [Packing::Plain, Packing::Gzip] {
        let mut lab = Lab::new();
        lab.provider = lab.provider.packed(packing);
        let stored = lab.provider.store.put(&b"tool"[..]).unwrap();
        let blob = match packing {
            Packing::Plain => stored.path.clone(),
            Packing::Gzip => lab.provider.store.compressed(stored.digest).unwrap().path,
        };
        fs::remove_file(&blob).unwrap();
        fs::write(&blob, "rot").unwrap();
        let failure = lab.apply(upload(stored.digest, stored.size, Before::Absent)).await.unwrap_err();
        assert_eq!((failure.effect, failure.retry), (Effect::None, Retry::Never), "{failure}");
        assert!(matches!(failure.kind, FailureKind::Bundle(_)), "{failure}");
        let told = failure.to_string();
        let parts =
            ["`tool`", &stored.digest.to_string(), blob.to_str().unwrap(), "fmp bundle verify", "fmp bundle build"];
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
        assert!(lab.left(&format!("/opt/fmp/store/{}", stored.digest.short())).is_empty());
    }
}

#[tokio::test]
async fn a_file_system_without_room_is_found_before_anything_is_sent() {
    let lab = Lab::new();
    let stored = lab.provider.store.put(&b"tool"[..]).unwrap();
    let failure = lab.apply(upload(stored.digest, 1 << 60, Before::Absent)).await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::NoRoom { .. }), "{failure}");
}

fn trust(from: &TrustSource) -> Action {
    let item = |what| TrustItem { what, private: true, from: from.clone() };
    Action::EstablishTrust { items: Holding::ALL.map(item).to_vec() }
}

#[tokio::test]
async fn trust_is_made_once_and_copied_as_it_is() {
    let mut lab = Lab::new();
    assert_eq!(lab.apply(trust(&TrustSource::Create)).await.unwrap(), Applied::Done);
    let copy = trust(&TrustSource::Copy(vec!["a".parse().unwrap()]));
    assert_eq!(lab.apply_to("b", copy.clone()).await.unwrap(), Applied::Done);
    for path in Holding::ALL.iter().flat_map(|what| [what.public_path(), what.private_path()]).flatten() {
        let (one, two) = (lab.path("a", path), lab.path("b", path));
        assert!(fs::read(&one).unwrap() == fs::read(&two).unwrap(), "{path}");
        let secret = Holding::ALL.iter().any(|what| what.private_path() == Some(path));
        assert_eq!(mode(&two), if secret { 0o600 } else { 0o644 }, "{path}");
    }
    assert_eq!(lab.apply_to("b", copy).await.unwrap(), Applied::AlreadyDone);
    // A later run never makes it again, nor does one that began before there was a main to hold a lease on.
    let made = lab.path("a", Authority::Cluster.key());
    let key = fs::read(&made).unwrap();
    for (epoch, run) in [(lab.cx.epoch, "another"), (lab.cx.epoch + 1, "")] {
        (lab.cx.epoch, lab.cx.run) = (epoch, run.into());
        let again = lab.apply(trust(&TrustSource::Create)).await.unwrap();
        assert!(matches!(again, Applied::Stale(_)), "{again:?}");
    }
    assert!(fs::read(&made).unwrap() == key);
}

#[tokio::test]
async fn half_of_a_pair_that_a_power_cut_left_is_made_again_and_a_strangers_half_is_not() {
    let mut lab = Lab::new();
    lab.apply(trust(&TrustSource::Create)).await.unwrap();
    lab.cx.epoch += 1;
    let item = |what| TrustItem { what, private: true, from: TrustSource::Create };
    let again = |what| Action::EstablishTrust { items: vec![item(what)] };
    for what in [Holding::Authority(Authority::Cluster), Holding::ServiceAccountKey] {
        for (lost, stays) in [(what.public_path(), what.private_path()), (what.private_path(), what.public_path())] {
            let (lost, stays) = (lab.path("a", lost.unwrap()), lab.path("a", stays.unwrap()));
            let before = fs::read(&stays).unwrap();
            fs::remove_file(lost).unwrap();
            assert_eq!(lab.apply(again(what)).await.unwrap(), Applied::Done, "{}", stays.display());
            assert!(fs::read(&stays).unwrap() != before, "they belong together");
            lab.cx.epoch += 1;
        }
        let whole = lab.apply(again(what)).await.unwrap();
        assert!(matches!(whole, Applied::Stale(_)), "{whole:?}");
    }
    let strangers = Lab::new();
    strangers.put(Authority::Cluster.key(), "theirs\n");
    let made = strangers.apply(again(Holding::Authority(Authority::Cluster))).await.unwrap();
    assert!(matches!(made, Applied::Stale(_)), "{made:?}");
    assert_eq!(strangers.read(Authority::Cluster.key()), "theirs\n");
}

#[tokio::test]
async fn an_authoritys_key_is_placed_before_its_certificate() {
    let lab = Lab::new();
    // The power is cut at the second file of a pair.
    lab.program("mv", "case \"$*\" in *ca.crt) kill -9 $PPID; exit 1 ;; esac; exec /bin/mv \"$@\"");
    lab.apply(trust(&TrustSource::Create)).await.unwrap_err();
    assert!(lab.path("a", Authority::Cluster.key()).exists());
    assert!(!lab.path("a", Authority::Cluster.certificate()).exists());
}

#[tokio::test]
async fn whoever_takes_the_clusters_id_notes_its_machine() {
    let lab = Lab::new();
    lab.put("/etc/machine-id", "11\n");
    lab.apply(trust(&TrustSource::Create)).await.unwrap();
    assert_eq!(lab.read("/var/lib/fmp/machine-id"), "11\n");
    // The same disk in another machine: taken once more, nothing else is new.
    lab.put("/etc/machine-id", "22\n");
    let id = lab.read("/var/lib/fmp/cluster-id");
    let from = TrustSource::Copy(vec!["a".parse().unwrap()]);
    let item = TrustItem { what: Holding::ClusterId, private: false, from };
    let again = Action::EstablishTrust { items: vec![item] };
    assert_eq!(lab.apply(again.clone()).await.unwrap(), Applied::Done);
    assert_eq!((lab.read("/var/lib/fmp/machine-id").as_str(), lab.read("/var/lib/fmp/cluster-id")), ("22\n", id));
    assert_eq!(lab.apply(again).await.unwrap(), Applied::AlreadyDone);
}

#[tokio::test]
async fn another_content_is_never_copied_over() {
    let lab = Lab::new();
    lab.apply(trust(&TrustSource::Create)).await.unwrap();
    let path = lab.path("b", Authority::Cluster.key());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "another").unwrap();
    let copied = lab.apply_to("b", trust(&TrustSource::Copy(vec!["a".parse().unwrap()]))).await.unwrap();
    assert!(matches!(copied, Applied::Stale(_)), "{copied:?}");
    assert_eq!(fs::read_to_string(path).unwrap(), "another");
}

#[tokio::test]
async fn a_certificate_is_signed_with_a_lent_key() {
    let lab = Lab::new();
    lab.apply(trust(&TrustSource::Create)).await.unwrap();
    let request = CertificateRequest {
        signer: Authority::Etcd,
        common_name: "b".to_owned(),
        organizations: std::collections::BTreeSet::new(),
        names: ["DNS:b".to_owned()].into(),
        usage: Usage::Server,
        days: 365,
        renew_days: 60,
    };
    let (path, key_path) = ("/etc/kubernetes/pki/etcd/server.crt", "/etc/kubernetes/pki/etcd/server.key");
    let holders = vec!["a".parse().unwrap()];
    let issue = CertificateIssue { path: path.into(), key_path: key_path.into(), request, holders };
    let issue = Action::IssueCertificates { certificates: vec![issue] };
    lab.program_of("b", "date", "echo 1000000000");
    let Applied::Stale(found) = lab.apply_to("b", issue.clone()).await.unwrap() else {
        panic!("it is not valid there")
    };
    assert_eq!(found.what, "b: the clock");
    assert!(!lab.path("b", key_path).exists());
    lab.program_of("b", "date", "echo 9000000000");
    assert_eq!(lab.apply_to("b", issue).await.unwrap(), Applied::Done);
    let inspect = |host, path| pki::inspect(&fs::read_to_string(lab.path(host, path)).unwrap()).unwrap();
    assert_eq!(inspect("b", path).signer, inspect("a", Authority::Etcd.certificate()).subject_key);
    assert_eq!(mode(&lab.path("b", key_path)), 0o600);
}

const LOADED: &str = "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\nNeedDaemonReload=no";

#[tokio::test]
async fn a_unit_is_enabled_and_started_without_waiting() {
    let lab = Lab::new();
    lab.program("systemctl", &format!("[ \"$1\" != show ] || echo '{LOADED}'"));
    assert_eq!(lab.apply(Action::StartUnit { unit: "x.service".into() }).await.unwrap(), Applied::Done);
    let calls = lab.read("calls");
    assert!(calls.contains("--quiet enable --no-reload -- x.service"), "{calls}");
    assert!(calls.contains("--no-block start -- x.service"), "{calls}");
    assert!(lab.read("/var/lib/fmp/ledger/unit%2Fx.service").ends_with("unit x.service\n"));
}

#[tokio::test]
async fn a_unit_that_runs_is_left_alone() {
    let lab = Lab::new();
    let running = LOADED.replace("inactive", "active").replace("disabled", "enabled");
    lab.program("systemctl", &format!("case $1 in show) echo '{running}' ;; is-enabled) echo enabled ;; esac"));
    assert_eq!(lab.apply(Action::StartUnit { unit: "x.service".into() }).await.unwrap(), Applied::AlreadyDone);
    assert!(!lab.read("calls").contains("start"));
}

/// That it is due was judged before: on the host there is nothing to compare with.
#[tokio::test]
async fn a_restart_is_made_whenever_its_step_is() {
    let lab = Lab::new();
    let running = LOADED.replace("inactive", "active").replace("disabled", "enabled");
    lab.program("systemctl", &format!("case $1 in show) echo '{running}' ;; is-enabled) echo enabled ;; esac"));
    for _ in 0..2 {
        assert_eq!(
            lab.apply(Action::RestartUnit { unit: "x.service".into(), before: UnitBefore::Active }).await.unwrap(),
            Applied::Done
        );
    }
    assert_eq!(lab.read("calls").matches("--no-block restart -- x.service").count(), 2);
}

#[tokio::test]
async fn a_unit_that_came_up_since_nobody_judged_its_restart_is_left_alone() {
    let restart = |before| Action::RestartUnit { unit: "x.service".into(), before };
    for (state, starting, active) in
        [("activating", true, true), ("failed", true, true), ("active", false, true), ("reloading", false, true)]
    {
        let lab = Lab::new();
        let seen = LOADED.replace("inactive", state);
        lab.program("systemctl", &format!("case $1 in show) echo '{seen}' ;; is-enabled) echo enabled ;; esac"));
        let applied = lab.apply(restart(UnitBefore::Starting)).await.unwrap();
        assert_eq!(matches!(applied, Applied::Stale(_)), !starting, "{state}: {applied:?}");
        assert_eq!(lab.read("calls").contains("--no-block restart -- x.service"), starting, "{state}");
        assert_eq!(lab.apply(restart(UnitBefore::Active)).await.unwrap() == Applied::Done, active, "{state}");
    }
}

/// A cluster of one Node whose state is `UNSCHEDULABLE/LABEL`; its drain ends as `drain` does.
fn kubectl(state: &str, drain: &str) -> String {
    format!("case \"$*\" in *' get node '*) printf '%s' '{state}' ;; *' drain '*) {drain} ;; esac")
}

fn of_node(how: &str) -> Action {
    let node = "work-1".parse().unwrap();
    match how {
        "cordon" => Action::CordonNode { node },
        "uncordon" => Action::UncordonNode { node },
        "drain" => Action::DrainNode { node, evict: Evict::Replaceable },
        "drain-all" => Action::DrainNode { node, evict: Evict::All },
        _ => Action::DeleteNode { node },
    }
}

#[tokio::test]
async fn a_node_is_compared_before_it_is_cordoned_drained_or_given_back() {
    let cases = [
        ("cordon", "/", "done", " patch node work-1 "),
        ("cordon", "true/", "already-done", ""),
        ("cordon", "", "stale", ""),
        ("uncordon", "true/true", "done", " patch node work-1 "),
        ("uncordon", "true/", "already-done", ""),
        ("uncordon", "", "already-done", ""),
        ("drain", "true/true", "done", " drain work-1 --ignore-daemonsets --timeout=120s\n"),
        ("drain-all", "true/", "done", " --delete-emptydir-data --force"),
        ("drain", "/", "stale", ""),
        ("drain", "", "stale", ""),
        ("delete", "true/true", "done", " delete node work-1 "),
        ("delete", "", "already-done", ""),
    ];
    for (how, state, expected, called) in cases {
        let lab = Lab::new();
        lab.program("kubectl", &kubectl(state, "true"));
        let found = match lab.apply(of_node(how)).await.unwrap() {
            Applied::Done => "done",
            Applied::AlreadyDone => "already-done",
            Applied::Stale(_) => "stale",
        };
        assert_eq!(found, expected, "{how} {state}");
        let calls = lab.read("calls");
        // Once to look, once to change; that a drain succeeded is noted where the cordon is ours.
        let more = usize::from(expected == "done") + usize::from(how == "drain" && expected == "done");
        assert_eq!(calls.lines().count(), 1 + more, "{how} {state}: {calls}");
        assert!(calls.contains(called), "{how} {state}: {calls}");
    }
}

#[tokio::test]
async fn a_cordon_of_ours_is_marked_and_the_mark_goes_with_it() {
    for (how, state, patch) in [
        ("cordon", "/", r#"{"spec":{"unschedulable":true},"metadata":{"labels":{"fmp.io/cordoned":"true"}}}"#),
        ("drain", "true/true", r#"{"metadata":{"labels":{"fmp.io/cordoned":"drained"}}}"#),
        (
            "uncordon",
            "true/drained",
            r#"{"spec":{"unschedulable":null},"metadata":{"labels":{"fmp.io/cordoned":null}}}"#,
        ),
    ] {
        let lab = Lab::new();
        lab.program("kubectl", &kubectl(state, "true"));
        lab.apply(of_node(how)).await.unwrap();
        let calls = lab.read("calls");
        assert!(calls.contains(patch) && calls.contains(r"{.metadata.labels.fmp\.io/cordoned}"), "{calls}");
    }
}

#[tokio::test]
async fn a_drain_that_failed_or_was_overtaken_says_nowhere_that_the_node_is_empty() {
    for drain in ["exit 1", "echo 8 >\"$FMP_ROOT/var/lib/fmp/epoch\""] {
        let lab = Lab::new();
        lab.program("kubectl", &kubectl("true/true", drain));
        let failure = lab.apply(of_node("drain")).await.unwrap_err();
        assert!(!lab.read("calls").contains("patch"), "{failure}");
    }
}

#[tokio::test]
async fn pods_that_stay_are_told_by_what_keeps_them() {
    let budget = r#"error when evicting pods/"db-0" -n "prod" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget."#;
    let cases = [
        (
            "error: unable to drain node: cannot delete Pods with local storage (use --delete-emptydir-data to override): a/b, c/d",
            Holdup::LocalData,
            "a/b, c/d",
            Retry::Never,
        ),
        (
            "error: cannot delete cannot delete Pods that declare no controller (use --force to override): a/b",
            Holdup::Unmanaged,
            "a/b",
            Retry::Never,
        ),
        (budget, Holdup::Budget, r#"pods/"db-0" -n "prod""#, Retry::Later),
        ("error when waiting for pod: global timeout reached: 2m0s", Holdup::Slow, "", Retry::Later),
    ];
    for (says, keeps, named, again) in cases {
        let lab = Lab::new();
        lab.put("says", says);
        lab.program("kubectl", &kubectl("true/true", "cat \"$FMP_ROOT/says\" >&2; exit 1"));
        let failure = lab.apply(of_node("drain")).await.unwrap_err();
        let FailureKind::Undrained { node, by, pods } = &failure.kind else { panic!("{failure}") };
        assert_eq!((node.as_str(), *by, failure.retry), ("work-1", keeps, again));
        assert!(pods.contains(named), "{pods}");
    }
}

#[tokio::test]
async fn with_the_runtime_all_pods_end_and_after_the_kubelet() {
    let lab = Lab::new();
    lab.program(
        "systemctl",
        "case \"$1\" in show) echo LoadState=loaded; echo ActiveState=active ;; is-enabled) echo enabled ;; esac",
    );
    let started = Command::new("sh").args(["-c", "sleep 300 >/dev/null 2>&1 & echo $!"]).output().unwrap();
    let pid = String::from_utf8(started.stdout).unwrap();
    lab.put("sys/fs/cgroup/pids/kubepods/burstable/pod1/c1/cgroup.procs", &pid);
    let runs = || std::path::Path::new("/proc").join(pid.trim()).exists();
    assert!(runs());
    let stop = |units: &[&str]| Action::StopUnits { units: units.iter().map(|unit| (*unit).into()).collect() };
    lab.apply(stop(&["kube-proxy.service"])).await.unwrap();
    assert!(runs(), "a proxy has no pods");
    lab.apply(stop(&["containerd.service", "kubelet.service"])).await.unwrap();
    assert!(!runs());
    let calls = lab.read("calls");
    let at = |call: &str| calls.find(call).unwrap_or_else(|| panic!("no {call} in {calls}"));
    assert!(at("stop -- kubelet.service\n") < at("stop -- containerd.service kubelet.service"));
}

#[tokio::test]
async fn units_are_stopped_for_good_and_only_those_that_are_there() {
    let lab = Lab::new();
    let show = "case \"$1 $5\" in 'show a.service') echo LoadState=loaded; echo ActiveState=active ;; \
        'show b.service') echo LoadState=loaded; echo ActiveState=inactive ;; show*) echo LoadState=not-found ;; \
        *) [ \"$1\" != is-enabled ] || echo disabled ;; esac";
    lab.program("systemctl", show);
    let stop = |units: &[&str]| Action::StopUnits { units: units.iter().map(|unit| (*unit).into()).collect() };
    assert_eq!(lab.apply(stop(&["a.service", "b.service", "c.service"])).await.unwrap(), Applied::Done);
    let calls = lab.read("calls");
    assert!(calls.contains("--quiet disable -- a.service\n") && calls.contains("stop -- a.service\n"), "{calls}");
    assert_eq!(lab.apply(stop(&["b.service", "c.service"])).await.unwrap(), Applied::AlreadyDone);
}

#[tokio::test]
async fn a_unit_whose_file_was_deleted_while_it_ran_is_stopped() {
    let lab = Lab::new();
    // Nothing can be disabled that has no file.
    let show = "case \"$1 $5\" in 'show a.service') echo LoadState=not-found; echo ActiveState=active ;; \
        'show b.service') echo LoadState=loaded; echo ActiveState=active ;; is-enabled*) echo disabled ;; esac; \
        case \"$*\" in *disable*a.service*) exit 1 ;; esac";
    lab.program("systemctl", show);
    let units = ["a.service", "b.service"].map(Into::into).into();
    assert_eq!(lab.apply(Action::StopUnits { units }).await.unwrap(), Applied::Done);
    let calls = lab.read("calls");
    assert!(calls.contains("disable -- b.service\n") && calls.contains("stop -- a.service b.service\n"), "{calls}");
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_file_whole() {
    let mut lab = Lab::new();
    let one = lab.text("new\n");
    lab.put("/etc/one", "old\n");
    lab.program("head", "exit 1");
    let old = Before::Digest(Digest::of("old\n"));
    let failure = lab.apply(writes(vec![write("/etc/one", one, old)])).await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::NoRoom { .. }), "{failure}");
    assert_eq!((lab.read("/etc/one").as_str(), lab.left("/etc")), ("old\n", vec!["one".to_owned()]));
}

#[tokio::test]
async fn no_secret_is_an_argument_or_a_part_of_a_failure() {
    let lab = Lab::new();
    lab.apply(trust(&TrustSource::Create)).await.unwrap();
    let copy = trust(&TrustSource::Copy(vec!["a".parse().unwrap()]));
    lab.apply_to("b", copy.clone()).await.unwrap();
    // Where something else lies, the answer tells of a difference and not of what differs.
    fs::write(lab.path("b", Authority::Cluster.key()), "another").unwrap();
    let shown = format!("{:?}\n{}", lab.apply_to("b", copy).await, lab.arguments());
    for path in Holding::ALL.iter().filter_map(|what| what.private_path()) {
        let secret = lab.read(path);
        let canary =
            secret.lines().find(|line| line.trim_start().starts_with("secret: ") || !line.contains(['-', ':', ' ']));
        assert!(!shown.contains(canary.unwrap()), "{path}");
    }
}
