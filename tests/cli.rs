//! The program as scripts and CI see it: exit codes, what is printed, what is left alone. No host is asked.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use fmp::{
    core::{Digest, bundle::Lock, observed::Observed},
    planner::{
        Action, Plan, StepId, codec,
        doctor::{Ailment, Fix, Kind},
    },
};
use support::{Lab, fixtures, node};

/// A folder with a cluster's file, a lock, and what was observed of it.
struct Folder {
    path: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = Self { path: tempfile::tempdir().unwrap() };
        fs::copy(fixtures().join("ssh-7/cluster.toml"), folder.file("cluster.toml")).unwrap();
        fs::copy(fixtures().join("bundle.lock"), folder.file("bundle.lock")).unwrap();
        folder.observe(0);
        folder
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.path().join(name)
    }

    /// Notes what bare hosts answer, so many days later.
    fn observe(&self, days: i64) {
        let mut observed = Lab::new("ssh-7").observed();
        observed.now += days * 86_400;
        fs::write(self.file("observed.json"), serde_json::to_string(&observed).unwrap()).unwrap();
    }

    /// Notes what a cluster answers that is in order but for one file, so many days after its certificates were made.
    async fn observe_drift(&self, days: i64) {
        let lab = Lab::settled(&fs::read_to_string(self.file("cluster.toml")).unwrap()).await;
        lab.world.lock().edit_file(&node("main-2"), "/etc/kubernetes/audit-policy.yaml", "by hand\n");
        let mut observed = lab.observed();
        observed.now += days * 86_400;
        fs::write(self.file("observed.json"), serde_json::to_string(&observed).unwrap()).unwrap();
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.file(name), text.replacen(from, to, 1)).unwrap();
    }

    fn fmp(&self, args: &[&str]) -> Output {
        fmp(self.path.path(), args)
    }
}

fn fmp(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fmp")).current_dir(folder).args(["--store", "store"]).args(args).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_committed_plan_that_is_what_the_file_gives_is_confirmed_on_any_day() {
    let folder = Folder::new();
    let plan = folder.fmp(&["plan", "--observed", "observed.json"]);
    assert_eq!(code(&plan), 2, "{}", said(&plan));
    fs::write(folder.file("plan.txt"), &plan.stdout).unwrap();
    for days in [0, 1, 400] {
        folder.observe(days);
        let check = folder.fmp(&["plan", "--observed", "observed.json", "--check", "plan.txt"]);
        assert_eq!(code(&check), 0, "{days}: {}", said(&check));
    }
}

/// Certificates live for a year and are renewed 60 days before their end: until then no day changes a line.
#[tokio::test]
async fn a_committed_plan_is_confirmed_until_a_certificate_is_due() {
    let folder = Folder::new();
    folder.observe_drift(0).await;
    let plan = folder.fmp(&["plan", "--observed", "observed.json"]);
    assert_eq!(code(&plan), 2, "{}", said(&plan));
    fs::write(folder.file("plan.txt"), &plan.stdout).unwrap();
    for (days, expected) in [(1, 0), (200, 0), (320, 2)] {
        folder.observe_drift(days).await;
        let check = folder.fmp(&["plan", "--observed", "observed.json", "--check", "plan.txt"]);
        assert_eq!(code(&check), expected, "{days}: {}", said(&check));
        assert_eq!(said(&check).contains("issue"), expected == 2, "{days}: {}", said(&check));
    }
}

#[test]
fn a_committed_plan_that_is_another_is_shown_with_the_difference() {
    let folder = Folder::new();
    let plan = folder.fmp(&["plan", "--observed", "observed.json"]);
    fs::write(folder.file("plan.txt"), &plan.stdout).unwrap();
    folder.edit("cluster.toml", "10.96.0.0/16", "10.97.0.0/16");
    let check = folder.fmp(&["plan", "--observed", "observed.json", "--check", "plan.txt"]);
    assert_eq!(code(&check), 2);
    assert!(said(&check).contains("\n-spec sha256:") && said(&check).contains("\n+spec sha256:"), "{}", said(&check));
}

#[test]
fn a_word_that_fmp_does_not_know_is_an_error_and_no_difference() {
    let folder = Folder::new();
    assert_eq!(code(&folder.fmp(&["plan", "--smell"])), 1);
    assert_eq!(code(&folder.fmp(&["--help"])), 0);
}

#[test]
fn a_file_with_problems_shows_all_of_them_and_ends_with_1() {
    let folder = Folder::new();
    folder.edit("cluster.toml", "[network]", "[network]\nsmell = 1");
    folder.edit("cluster.toml", "role = \"main\"", "role = \"king\"");
    let plan = folder.fmp(&["plan", "--observed", "observed.json"]);
    assert_eq!(code(&plan), 1);
    assert!(said(&plan).contains("smell") && said(&plan).contains("king"), "{}", said(&plan));
}

#[test]
fn a_lock_that_is_missing_is_named_with_what_to_do() {
    let folder = Folder::new();
    fs::remove_file(folder.file("bundle.lock")).unwrap();
    let plan = folder.fmp(&["plan", "--observed", "observed.json"]);
    assert_eq!(code(&plan), 1);
    assert!(said(&plan).contains("bundle.lock") && said(&plan).contains("fmp bundle build"), "{}", said(&plan));
}

#[test]
fn a_plan_that_was_cut_edited_or_is_of_another_format_is_refused() {
    let folder = Folder::new();
    folder.fmp(&["plan", "--observed", "observed.json", "--out", "plan.json"]);
    let whole = fs::read_to_string(folder.file("plan.json")).unwrap();
    let broken = [
        (whole[..whole.len() / 2].to_owned(), "cut off"),
        (whole.replacen("10.96", "10.97", 1), "edited"),
        (whole.replacen("\"format\": 1", "\"format\": 7", 1), "format 7"),
    ];
    for (text, word) in broken {
        fs::write(folder.file("plan.json"), text).unwrap();
        let show = folder.fmp(&["show", "plan.json"]);
        assert_eq!(code(&show), 1);
        assert!(said(&show).contains(word), "{word}: {}", said(&show));
    }
}

/// A plan that somebody forged, with a seal of its own: steps that wait for themselves, a path that leads elsewhere.
fn forged(folder: &Folder) {
    folder.fmp(&["plan", "--observed", "observed.json", "--out", "plan.json"]);
    let mut plan = codec::read(&fs::read_to_string(folder.file("plan.json")).unwrap()).unwrap();
    let wait = |plan: &mut Plan, of: &str, after: &str| {
        let step = plan.steps.iter_mut().find(|step| step.id.as_str() == of).unwrap();
        step.after = vec![StepId::new(after)];
    };
    wait(&mut plan, "main-1/unit/kubelet.service", "main-1/unit/containerd.service");
    wait(&mut plan, "main-1/unit/containerd.service", "main-1/unit/kubelet.service");
    for step in &mut plan.steps {
        if let Action::WriteFiles { files, .. } = &mut step.action {
            files[0].path = "/etc/../\u{1b}[2J".into();
        }
    }
    codec::write(&plan, fs::File::create(folder.file("plan.json")).unwrap()).unwrap();
}

#[test]
fn a_forged_plan_is_shown_to_its_end_and_not_carried_out() {
    let folder = Folder::new();
    forged(&folder);
    let show = folder.fmp(&["show", "plan.json"]);
    assert_eq!(code(&show), 1);
    let apply = folder.fmp(&["apply", "--yes", "plan.json"]);
    assert_eq!(code(&apply), 1);
    for said in [said(&show), said(&apply)] {
        assert!(said.contains("main-1/unit/kubelet.service: waits for itself"), "{said}");
        assert!(said.contains(r"main-2/files: `/etc/../\u{1b}[2J` leads astray"), "{said}");
        assert!(said.contains("make it again with `fmp plan --out`"), "{said}");
    }
    assert!(String::from_utf8_lossy(&show.stdout).ends_with("waiting\n"), "the whole plan is shown");
}

#[test]
fn a_plan_is_written_as_a_whole_and_a_step_of_it_is_shown() {
    let folder = Folder::new();
    folder.fmp(&["plan", "--observed", "observed.json", "--out", "plan.json"]);
    let left: Vec<_> = fs::read_dir(folder.path.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
    let step = folder.fmp(&["show", "plan.json", "main-1/etcd-member/bootstrap"]);
    assert!(said(&step).contains("finished when: the etcd member is healthy"), "{}", said(&step));
    assert_eq!(code(&folder.fmp(&["show", "plan.json", "main-9/nothing"])), 1);
}

#[test]
fn init_never_writes_over_a_file() {
    let folder = Folder::new();
    let before = fs::read(folder.file("cluster.toml")).unwrap();
    assert_eq!(code(&folder.fmp(&["init"])), 1);
    assert_eq!(fs::read(folder.file("cluster.toml")).unwrap(), before);
    assert_eq!(code(&folder.fmp(&["--file", "new.toml", "init", "--environment", "ssh"])), 0);
}

#[test]
fn a_corrupted_blob_is_found_and_named() {
    let folder = Folder::new();
    let store = fmp::bundle::Store::open(folder.file("store")).unwrap();
    let stored = store.put(&b"kubelet"[..]).unwrap();
    let entry = |line: &str| line.replace("DIGEST", &Digest::of("kubelet").to_string());
    let lock = entry(
        "format = 1\nartifacts = 1\n\n[artifact.kubelet]\nversion = \"1.29.15\"\ndigest = \"DIGEST\"\nsize = 7\nsource = \"go\"\n",
    );
    Lock::parse(&lock).unwrap();
    fs::write(folder.file("bundle.lock"), lock).unwrap();
    assert_eq!(code(&folder.fmp(&["bundle", "verify"])), 0);
    let blob = store.path(stored.digest);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "kubelex").unwrap();
    let verify = folder.fmp(&["bundle", "verify"]);
    assert_eq!(code(&verify), 1);
    assert!(said(&verify).contains("kubelet") && said(&verify).contains("fmp bundle build"), "{}", said(&verify));
}

/// A simulated cluster that was just brought up.
fn simulated() -> Folder {
    let folder = Folder::new();
    fs::copy(fixtures().join("sim-7/cluster.toml"), folder.file("cluster.toml")).unwrap();
    let apply = folder.fmp(&["apply", "--yes"]);
    assert_eq!(code(&apply), 0, "{}", said(&apply));
    folder
}

#[test]
fn what_ails_a_cluster_is_told_to_programs_too() {
    let folder = simulated();
    let read = |output: &Output| serde_json::from_slice::<Vec<Ailment>>(&output.stdout).unwrap();
    let well = folder.fmp(&["doctor", "--json"]);
    assert_eq!((code(&well), read(&well)), (0, Vec::new()));
    assert_eq!(code(&folder.fmp(&["fault", "main-2", "stop", "etcd.service"])), 0);
    let ill = folder.fmp(&["doctor", "--json"]);
    let found = read(&ill);
    let kinds: Vec<(&str, Kind)> = found.iter().map(|ailment| (&*ailment.subject, ailment.kind)).collect();
    assert_eq!(kinds, [Kind::UnitDown, Kind::EtcdMember, Kind::Apiserver].map(|kind| ("main-2", kind)));
    for ailment in &found {
        assert!(!ailment.evidence.is_empty() && !ailment.cause.is_empty(), "{ailment:?}");
        assert!(matches!(&ailment.fix, Fix::Apply(steps) if steps.len() == 1), "{ailment:?}");
    }
    assert_eq!(code(&ill), 1);
}

#[test]
fn what_support_asks_for_is_one_private_file() {
    let folder = simulated();
    let planted = "# token: canary-of-a-token\n# https://me:canary-in-an-address@proxy:3128/\n\
        # client-key-data: canary-in-a-kubeconfig\n# password: \"a canary of two words\"\n[cluster]";
    folder.edit("cluster.toml", "[cluster]", planted);
    let doctor = folder.fmp(&["doctor", "--bundle", "out.tar.gz"]);
    assert_eq!(code(&doctor), 0, "{}", said(&doctor));
    assert!(said(&doctor).contains("nothing is wrong"), "{}", said(&doctor));
    let mode = fs::metadata(folder.file("out.tar.gz")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let unpacked = Command::new("tar").args(["-xzf", "out.tar.gz"]).current_dir(folder.path.path()).status().unwrap();
    assert!(unpacked.success());
    let read = |name: &str| fs::read_to_string(folder.file("fmp-fmp-sim").join(name)).unwrap();
    assert!(read("about.txt").contains("Kubernetes 1.29.15"), "{}", read("about.txt"));
    assert!(read("cluster.toml").contains("token: [removed]"), "{}", read("cluster.toml"));
    assert!(codec::read(&read("plan.json")).unwrap().steps.is_empty());
    let observed: Observed = serde_json::from_str(&read("observed.json")).unwrap();
    assert!(observed.hosts.values().all(|host| host.known().is_some_and(|host| host.health.is_some())));
    assert_eq!(read("doctor.json"), "[]");
    for name in ["plan.txt", "doctor.txt", "status.txt", "bundle.lock"] {
        assert!(!read(name).is_empty(), "{name}");
    }
    for entry in fs::read_dir(folder.file("fmp-fmp-sim")).unwrap() {
        let path = entry.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().contains("canary"), "{} holds a secret", path.display());
    }
}

#[test]
fn a_plan_without_secrets_keeps_its_seal_among_what_support_asks_for() {
    let folder = Folder::new();
    fs::copy(fixtures().join("sim-7/cluster.toml"), folder.file("cluster.toml")).unwrap();
    folder.fmp(&["doctor", "--bundle", "out.tar.gz"]);
    let unpacked = Command::new("tar").args(["-xzf", "out.tar.gz"]).current_dir(folder.path.path()).status().unwrap();
    assert!(unpacked.success());
    let json = fs::read_to_string(folder.file("fmp-fmp-sim/plan.json")).unwrap();
    assert!(codec::read(&json).unwrap().steps.len() > 50, "the plan of a fresh install");
}

#[test]
fn what_support_asks_for_is_there_whole_or_not_at_all() {
    let folder = simulated();
    let refused = folder.fmp(&["doctor", "--bundle", "nowhere/out.tar.gz"]);
    assert_eq!(code(&refused), 1);
    assert!(said(&refused).contains("nowhere/out.tar.gz can't be written"), "{}", said(&refused));
    let left: Vec<_> = fs::read_dir(folder.path.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains(".gz")), "{left:?}");
}
