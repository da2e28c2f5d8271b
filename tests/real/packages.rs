//! Hosts that lack what FMP needs of their system and reach no repository: package files of the bundle are installed, what
//! they would start stays off, and an installation that was cut off is ended by the next run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fmp::core::bundle::{Kind, Lock};

use crate::{
    lab::{Lab, Ran, SOON, cluster, everyone, fixture, lock_path, until},
    runner::say,
};

/// What every one of the machines gets, and what only mains and those with a shared address get.
const PURGED: &str = "haproxy keepalived conntrack xfsprogs";

/// Where the installation is cut off.
const CUT: &str = "work-2";

pub(crate) fn run(lab: &Lab) {
    let site = Site::new(lab);
    let by_ssh = lab.by_ssh("packages.toml", |_, way| way);
    site.fmp(lab, &by_ssh, &["destroy", "--name", cluster()]).exits(0);
    for node in everyone() {
        lab.sh(node, &format!("DEBIAN_FRONTEND=noninteractive dpkg --purge --force-depends {PURGED} 2>&1"));
        lab.sh(node, "! command -v haproxy && ! command -v conntrack && ! ping -c 1 -W 1 192.0.2.1 >/dev/null 2>&1");
    }
    let file = lab.place("packages-bundle.toml");
    let text = fs::read_to_string(&by_ssh).expect("it was written");
    fs::write(&file, format!("{text}\n[packages]\nsource = \"bundle\"\n")).expect("the folder can be written");
    site.fmp(lab, &file, &["plan"]).exits(2).says(&["+ packages: install conntrack, haproxy, keepalived"]);
    site.fmp(lab, &file, &["apply", "--yes"]).exits(0);
    site.fmp(lab, &file, &["plan"]).exits(0);
    everyone().for_each(|node| quiet(lab, node));
    until("every node is Ready", SOON, || {
        let nodes = site.fmp(lab, &file, &["kubectl", "--", "get", "nodes", "--no-headers"]).out;
        let ready = nodes.lines().filter(|line| line.contains(" Ready ")).count();
        if ready == 7 { Ok(()) } else { Err(nodes) }
    });
    say("  seven hosts without packages and without a repository: all nodes are Ready");
    cut_off(lab, &site, &file);
    // The next check begins with the cluster that the lab's own file asks for.
    lab.destroy();
}

/// What a package starts by itself neither runs nor will; ours does.
fn quiet(lab: &Lab, node: &str) {
    for unit in ["haproxy.service", "keepalived.service"] {
        let state = lab
            .sh(node, &format!("systemctl is-active {unit} || true; systemctl is-enabled {unit} 2>/dev/null || true"));
        assert!(
            !state.lines().any(|line| matches!(line, "active" | "enabled" | "masked-runtime")),
            "{node} {unit}: {state}"
        );
    }
    let state = lab.sh(node, "systemctl is-active fmp-balancer.service");
    assert_eq!(state.trim(), "active", "{node}");
    assert_eq!(lab.sh(node, "dpkg --audit"), "", "{node}");
    assert_eq!(lab.sh(node, "ls -d /var/lib/fmp/.fmp-tmp-* 2>/dev/null || true"), "", "{node}");
}

/// dpkg is killed between unpacking and setting up: the run fails, the next one ends what was begun.
fn cut_off(lab: &Lab, site: &Site, file: &Path) {
    // It looks as often as it can: a package is set up within a tenth of a second.
    let watches = "until dpkg-query --show --showformat='${db:Status-Status}' haproxy 2>/dev/null | grep -qE 'unpacked|half'; \
                   do :; done; kill -9 $(pidof dpkg)";
    let cut = (1..=5).find_map(|_| {
        lab.sh(CUT, "systemctl stop fmp-balancer; dpkg --purge --force-depends haproxy liblua5.3-0 2>&1");
        lab.sh(CUT, &format!("systemd-run --quiet --collect --unit=cut sh -c {}", quoted(watches)));
        let ran = site.fmp(lab, file, &["apply", "--yes"]);
        let state = lab.sh(CUT, "dpkg-query --show --showformat='${db:Status-Status}' haproxy 2>/dev/null || true");
        lab.sh(CUT, "systemctl stop cut.service 2>/dev/null || true");
        (ran.code != Some(0)).then_some((ran.code, state))
    });
    let (code, state) = cut.expect("dpkg is killed in the middle once in five times");
    say(&format!("  dpkg killed: the run ended with {code:?}, haproxy is {state}"));
    site.fmp(lab, file, &["plan"]).exits(2).says(&["its installation was cut off"]);
    site.fmp(lab, file, &["apply", "--yes"]).exits(0);
    site.fmp(lab, file, &["plan"]).exits(0);
    quiet(lab, CUT);
}

/// As one word of a shell.
fn quoted(script: &str) -> String {
    format!("'{}'", script.replace('\'', "'\\''"))
}

/// A bundle with packages.
struct Site {
    lock: PathBuf,
}

impl Site {
    /// Resolves and downloads them, beside all that is in the store.
    fn new(lab: &Lab) -> Self {
        let (manifest, lock) = (lab.place("packages-manifest.toml"), lab.place("packages.lock"));
        let text = fixture("../bundle.toml");
        let from = text.find("[release.packages.debs]").expect("it is the last release");
        let only = text[from..].replace("systems = []", "systems = [\"debian-12\"]");
        fs::write(&manifest, only).expect("the folder can be written");
        _ = fs::remove_file(&lock);
        let site = Self { lock };
        let mut command = site.command(lab, &lab.place("cluster.toml"));
        command.args(["bundle", "build", "--manifest"]).arg(&manifest);
        lab.run(command, None).exits(0);
        let read = |path: &Path| Lock::parse(&fs::read_to_string(path).expect("it is there")).expect("it is a lock");
        let packages = read(&site.lock);
        let is_package = |kind: &Kind| matches!(kind, Kind::Package(_));
        assert!(packages.entries().all(|entry| is_package(&entry.kind)), "{packages:?}");
        let bytes: u64 = packages.entries().map(|entry| entry.size).sum();
        say(&format!("  {} packages of {bytes} bytes", packages.entries().len()));
        let mut all = read(&lock_path());
        all.merge(packages);
        fs::write(&site.lock, all.render()).expect("the folder can be written");
        site
    }

    fn command(&self, lab: &Lab, file: &Path) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fmp"));
        command.arg("--file").arg(file).arg("--lock").arg(&self.lock);
        command.env("XDG_STATE_HOME", lab.place("state")).stdin(std::process::Stdio::null());
        command
    }

    /// Runs `fmp` with these packages, where the machines are reached.
    fn fmp(&self, lab: &Lab, file: &Path, args: &[&str]) -> Ran {
        let mut command = self.command(lab, file);
        command.args(args);
        lab.run(crate::lab::in_their_network(&command), None)
    }
}
