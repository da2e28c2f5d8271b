//! Machines of this computer and SSH to them, for real. Every test here is named `real_…`, so that `--skip real_`
//! leaves them out; without root or the programs for it they say so and end.
//!
//! All of them share one machine of the cluster `fmp-test-ssh`, one after another.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]
#![expect(clippy::print_stderr, reason = "whoever runs the tests should know what was skipped")]

use std::{fs, net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

use fmp_bundle::Store;
use fmp_core::{
    NodeName,
    resource::{Check, VirtualMachine},
};
use fmp_exec::{Environment, Provider, Task};
use fmp_plan::step::Subject;
use fmp_providers::{
    conformance::{self as provider_conformance, Bed},
    environment::{
        Local, MachineProvider, conformance as environment_conformance,
        local::{Done, missing_for_vms, missing_programs},
    },
    hosts::{HostProvider, Managed, Pace},
    transport::{Endpoint, HostKeys, Input, Ssh, Transport, TransportError, conformance},
};
use tokio::time::{Instant, sleep, timeout};

const CLUSTER: &str = "fmp-test-ssh";

/// How long a machine may take to come back.
const BACK: Duration = Duration::from_mins(1);

/// A machine that lives as long as the test.
struct Lab {
    local: Local,
    node: NodeName,
    ssh: Ssh,
    runtime: tokio::runtime::Runtime,
    _turn: fs::File,
}

impl Lab {
    /// A new machine; None where this computer can't make one.
    fn new() -> Option<Self> {
        let root = fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        if !root || !missing_programs().is_empty() {
            let why = format!("needs root and {:?}", missing_programs());
            assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "can't be skipped in CI: {why}");
            eprintln!("skipped: {why}");
            return None;
        }
        let turn = fs::File::create("/run/fmp-test-ssh.lock").unwrap();
        turn.lock().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (local, node) = (Local::new(CLUSTER), "h-1".parse::<NodeName>().unwrap());
        let ssh = runtime.block_on(async {
            // What a test that was killed left behind.
            local.delete(&node).await.unwrap();
            local.create(&node, Ipv4Addr::new(198, 18, 7, 11), None).await.unwrap();
            Ssh::new(local.endpoint(&node).unwrap())
        });
        Some(Self { local, node, ssh, runtime, _turn: turn })
    }

    fn endpoint(&self) -> Endpoint {
        self.local.endpoint(&self.node).unwrap()
    }

    /// The machine as another user sees it.
    fn login(&self, user: &str) -> Ssh {
        Ssh::new(Endpoint { user: user.to_owned(), ..self.endpoint() })
    }

    /// Runs a script as root that must succeed.
    async fn sh(&self, script: &str) {
        let output = self.ssh.run("sh", &["-euc", script], Input::Empty).await.unwrap();
        assert!(output.success(), "{script}: {}", output.complaint());
    }

    /// Adds a user with our key.
    async fn add_user(&self, user: &str, shell: &str) {
        self.sh(&format!(
            "useradd -m -s {shell} {user}; cp -r /root/.ssh /home/{user}/; chown -R {user}: /home/{user}/.ssh"
        ))
        .await;
    }

    /// Runs `script` until it prints `wanted`, connecting anew where needed.
    async fn until(&self, script: &str, wanted: &str) {
        let started = Instant::now();
        loop {
            let output = self.ssh.run("sh", &["-c", script], Input::Empty).await;
            if output.as_ref().is_ok_and(|output| output.text().trim() == wanted) {
                return;
            }
            assert!(started.elapsed() < BACK, "{script}: {output:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let deleted = self.runtime.block_on(self.local.delete(&self.node));
        assert!(std::thread::panicking() || deleted.is_ok(), "{deleted:?}");
    }
}

/// Runs a test with a machine, where there can be one.
fn with_machine(test: impl AsyncFnOnce(&Lab)) {
    if let Some(lab) = Lab::new() {
        lab.runtime.block_on(test(&lab));
    }
}

#[test]
fn real_ssh_conforms() {
    with_machine(async |lab| {
        conformance::programs(&lab.ssh).await;
        conformance::tunnel(&lab.ssh, 22, b"SSH-2.0-").await;
    });
}

/// The provider of hosts on the machine.
struct HostBed<'a> {
    lab: &'a Lab,
    provider: HostProvider,
    _store: tempfile::TempDir,
}

impl<'a> HostBed<'a> {
    fn new(lab: &'a Lab) -> Self {
        let managed = |transport: Ssh| Managed {
            transport: Arc::new(transport),
            address: Ipv4Addr::new(198, 18, 7, 11),
            main: false,
            pace: Pace::Own,
        };
        // Nobody listens on the port of those who discard everything.
        let silent = Ssh::new(Endpoint { port: 9, ..lab.endpoint() });
        let hosts =
            [(lab.node.clone(), managed(Ssh::new(lab.endpoint()))), ("h-2".parse().unwrap(), managed(silent))].into();
        let store = tempfile::tempdir().unwrap();
        let provider = HostProvider::new(hosts, Store::open(store.path().to_owned()).unwrap());
        Self { lab, provider, _store: store }
    }
}

impl Bed for HostBed<'_> {
    fn provider(&self) -> &dyn Provider {
        &self.provider
    }

    fn node(&self) -> NodeName {
        self.lab.node.clone()
    }

    fn silent(&self) -> NodeName {
        "h-2".parse().unwrap()
    }

    fn holds(&self) -> Check {
        Check::UnitActive { node: self.node(), unit: "ssh.service".into() }
    }

    /// A unit is waited for minutes long: another host's step may come first.
    fn never_holds(&self) -> Option<Check> {
        None
    }

    /// Every file of ours, but for the caches of what was read.
    fn state(&self) -> Task<'_, String> {
        Box::pin(async {
            let script = "find /etc/fmp-conformance /var/lib/fmp -type f ! -name digests ! -name images \
                -printf '%p %i %s %m %T@\\n' 2>/dev/null | sort";
            self.lab.ssh.run("sh", &["-c", script], Input::Empty).await.unwrap().text().into_owned()
        })
    }
}

#[test]
fn real_host_provider_conforms() {
    with_machine(async |lab| {
        let bed = HostBed::new(lab);
        let machines = MachineProvider::new(Arc::new(Local::new(CLUSTER)));
        let node = || lab.node.clone();
        let subjects = [Subject::Machine(node()), Subject::Host(node()), Subject::Cluster];
        provider_conformance::claims_are_exclusive(&[&machines, bed.provider()], &subjects);
        provider_conformance::all(&bed).await;
    });
}

/// A machine beside the one that all tests share: the environment keeps its network and its key.
struct MachineBed<'a> {
    lab: &'a Lab,
    vm: Option<VirtualMachine>,
}

impl MachineBed<'_> {
    async fn sh(&self, script: &str) -> Result<String, String> {
        let endpoint =
            self.lab.local.endpoint(&environment_conformance::Bed::node(self)).map_err(|error| error.to_string())?;
        let run = async { Ssh::new(endpoint).run("sh", &["-c", script], Input::Empty).await };
        let output = timeout(BACK, run).await.map_err(|_| "it hangs".to_owned())?.map_err(|error| error.to_string())?;
        if output.success() { Ok(output.text().into_owned()) } else { Err(output.complaint().into_owned()) }
    }
}

impl environment_conformance::Bed for MachineBed<'_> {
    fn environment(&self) -> &dyn Environment {
        &self.lab.local
    }

    fn node(&self) -> NodeName {
        "h-9".parse().unwrap()
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 7, 19)
    }

    fn vm(&self) -> Option<VirtualMachine> {
        self.vm.clone()
    }

    fn other_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, 7, 20)
    }

    fn answers(&self) -> Task<'_, Result<(), String>> {
        Box::pin(async { self.sh("true").await.map(drop) })
    }

    fn write<'a>(&'a self, words: &'a str) -> Task<'a, ()> {
        Box::pin(async move { self.sh(&format!("printf '{words}' >/root/words; sync")).await.map(drop).unwrap() })
    }

    fn read(&self) -> Task<'_, Option<String>> {
        Box::pin(async { self.sh("cat /root/words").await.ok() })
    }
}

#[test]
fn real_environment_of_this_computer_conforms() {
    with_machine(async |lab| environment_conformance::all(&MachineBed { lab, vm: None }).await);
}

#[test]
fn real_full_virtual_machines_of_this_computer_conform() {
    assert_eq!(missing_for_vms(), Vec::<&str>::new(), "missing here; scripts/full installs it");
    with_machine(async |lab| {
        let vm = VirtualMachine { disks: ["a", "b"].map(|serial| serial.parse().unwrap()).into() };
        environment_conformance::all(&MachineBed { lab, vm: Some(vm) }).await;
    });
}

#[test]
fn real_ssh_survives_what_a_shell_prints() {
    with_machine(async |lab| {
        lab.sh("printf '%s\\n' 'echo Welcome; echo careful >&2; LC_ALL=xx PATH=/nowhere:$PATH' > /root/.bashrc").await;
        conformance::programs(&lab.ssh).await;
    });
}

#[test]
fn real_ssh_lives_with_one_session() {
    with_machine(async |lab| {
        lab.sh("echo MaxSessions 1 > /etc/ssh/sshd_config.d/few.conf; systemctl restart ssh").await;
        let fresh = Ssh::new(lab.endpoint());
        conformance::programs(&fresh).await;
    });
}

#[test]
fn real_ssh_uses_sudo_and_tells_its_refusal() {
    with_machine(async |lab| {
        lab.add_user("tom", "/bin/bash").await;
        let tom = lab.login("tom");
        let refused = tom.run("id", &["-u"], Input::Empty).await.err();
        let Some(TransportError::SudoRefused { said, .. }) = &refused else { panic!("{refused:?}") };
        assert!(said.contains("password"), "{said}");
        lab.sh("echo 'tom ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/tom").await;
        assert_eq!(tom.run("id", &["-u"], Input::Empty).await.unwrap().text().trim(), "0");
        conformance::programs(&tom).await;
    });
}

#[test]
fn real_ssh_tells_a_missing_shell() {
    with_machine(async |lab| {
        lab.add_user("nemo", "/usr/sbin/nologin").await;
        let error = lab.login("nemo").run("true", &[], Input::Empty).await.err();
        assert!(matches!(error, Some(TransportError::NoShell { .. })), "{error:?}");
    });
}

#[test]
fn real_ssh_trusts_no_other_host_key() {
    with_machine(async |lab| {
        let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOZ0eKKPVXLxKlMfDhGwCRT8g0BDBAWJrNaRNL8DBVS";
        let changed = Ssh::new(Endpoint { host_keys: HostKeys::pinned(other).unwrap(), ..lab.endpoint() });
        let error = changed.run("true", &[], Input::Empty).await.err();
        assert!(matches!(error, Some(TransportError::HostKeyChanged { .. })), "{error:?}");
        let unknown = Ssh::new(Endpoint { host_keys: HostKeys::Known, ..lab.endpoint() });
        let error = unknown.run("true", &[], Input::Empty).await.err();
        assert!(matches!(error, Some(TransportError::HostKeyUnknown { .. })), "{error:?}");
    });
}

#[test]
fn real_ssh_tells_a_key_that_is_not_accepted() {
    with_machine(async |lab| {
        let folder = tempfile::tempdir().unwrap();
        let stranger = Local::within("stranger", folder.path(), folder.path());
        let error = stranger.endpoint(&lab.node).err();
        assert!(error.is_some_and(|error| error.to_string().contains("no machine")), "of another cluster");
        let missing = Some(PathBuf::from("/nonexistent/key"));
        let error =
            Ssh::new(Endpoint { identity: missing, ..lab.endpoint() }).run("true", &[], Input::Empty).await.err();
        assert!(matches!(error, Some(TransportError::Identity { .. })), "{error:?}");
        lab.sh("sed -i s/^ssh-ed25519.*//w/dev/stdout /root/.ssh/authorized_keys").await;
        let error = Ssh::new(lab.endpoint()).run("true", &[], Input::Empty).await.err();
        assert!(matches!(error, Some(TransportError::Authentication { .. })), "{error:?}");
    });
}

#[test]
fn real_ssh_reaches_one_host_through_another() {
    with_machine(async |lab| {
        let through = std::sync::Arc::new(Ssh::new(lab.endpoint()));
        let inner = Ssh::new(Endpoint { dialer: through, host: "127.0.0.1".to_owned(), ..lab.endpoint() });
        conformance::programs(&inner).await;
    });
}

/// More than a gigabyte: the keys are exchanged again on the way.
#[test]
fn real_ssh_sends_more_than_one_key_may_cover() {
    with_machine(async |lab| {
        const BYTES: u64 = 1_500_000_000;
        let zeros = Box::new(tokio::io::AsyncReadExt::take(tokio::io::repeat(0), BYTES));
        let output = lab.ssh.run("sh", &["-c", "wc -c"], Input::Reader(zeros)).await.unwrap();
        assert_eq!(output.text().trim(), BYTES.to_string());
    });
}

#[test]
fn real_power_cut_is_a_lost_connection_and_the_next_call_connects_anew() {
    with_machine(async |lab| {
        lab.sh("echo kept > /root/kept; sync").await;
        let waiting = lab.ssh.run("sleep", &["600"], Input::Empty);
        let cutting = async {
            sleep(Duration::from_millis(300)).await;
            lab.local.cut_power(&lab.node).await.unwrap();
        };
        let (lost, ()) = timeout(BACK, async { tokio::join!(waiting, cutting) }).await.unwrap();
        let lost = lost.unwrap_err();
        assert!(matches!(lost, TransportError::Lost { .. }) && lost.may_have_happened(), "{lost:?}");
        assert!(!lab.local.machines().unwrap()[&lab.node].running);
        // Two that ask at once: one does it, the other waits for it.
        let (one, other) = tokio::join!(lab.local.switch_on(&lab.node), lab.local.switch_on(&lab.node));
        let done = [one.unwrap(), other.unwrap()];
        assert!(done.contains(&Done::Now) && done.contains(&Done::Before), "{done:?}");
        assert_eq!(lab.local.switch_on(&lab.node).await.unwrap(), Done::Before);
        assert_eq!(lab.ssh.run("cat", &["/root/kept"], Input::Empty).await.unwrap().text(), "kept\n");
    });
}

#[test]
fn real_machine_comes_back_after_a_reboot_from_inside() {
    with_machine(async |lab| {
        lab.sh("touch /run/before").await;
        lab.sh("systemctl --no-block reboot").await;
        lab.until("test -e /run/before || echo rebooted", "rebooted").await;
        assert!(lab.local.machines().unwrap()[&lab.node].running);
    });
}

#[test]
fn real_machine_has_control_groups_of_its_own() {
    with_machine(async |lab| {
        lab.until(
            "grep -Ev ':/(|init.scope|(system|user).slice(/.*)?)$' /proc/self/cgroup; systemctl is-system-running",
            "running",
        )
        .await;
        lab.sh("for c in /sys/fs/cgroup/*/; do mkdir -p $c/fmp-try && rmdir $c/fmp-try; done").await;
    });
}

#[test]
fn real_machine_is_made_once_and_deleted_whole() {
    with_machine(async |lab| {
        let address = Ipv4Addr::new(198, 18, 7, 11);
        assert_eq!(lab.local.create(&lab.node, address, None).await.unwrap(), Done::Before);
        let error = lab.local.create(&lab.node, Ipv4Addr::new(198, 18, 7, 12), None).await.unwrap_err();
        assert!(!error.may_have_happened(), "{error}");
        assert_eq!(lab.local.delete(&lab.node).await.unwrap(), Done::Now);
        assert_eq!(lab.local.delete(&lab.node).await.unwrap(), Done::Before);
        assert!(lab.local.machines().unwrap().is_empty());
        assert!(!PathBuf::from("/run/netns/fmp-fmp-test-ssh").exists());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains("/fmp-local/fmp-test-ssh/"), "{mounts}");
    });
}
