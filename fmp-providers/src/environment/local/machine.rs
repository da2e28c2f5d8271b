//! One machine: its folder, its files, its start.

use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use fmp_core::{NodeName, resource::VirtualMachine, spec::MachineKind};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::{
    EnvironmentError,
    cgroup::Groups,
    container,
    error::file,
    keys, mounts,
    network::{Network, gateway, machine_name, with_prefix},
    tool::{PATH, arg, tail},
    vm,
};
use crate::transport::{Dialer as _, NamespaceDialer};

/// How long a machine may take from its start until its SSH server answers: 5 to 7 s when seven start at once on two
/// cores, and a computer that compiles at the same time is several times slower.
const BOOT: Duration = Duration::from_secs(90);

/// How long one attempt to reach a machine that boots may take.
const KNOCK: Duration = Duration::from_secs(1);

/// Stays while the machine is switched on and starts it again after a reboot, for which nspawn ends with status 133. QEMU
/// reboots by itself.
const KEEPER: &str = r#"
for group in $KEEPER_GROUPS; do echo $$ > "$group/cgroup.procs" || exit 1; done
while :; do
    sh -c 'for group in $MACHINE_GROUPS; do echo $$ > "$group/cgroup.procs" || exit 1; done
        unset KEEPER_GROUPS MACHINE_GROUPS
        exec nsenter --net="$0" "$@"' "$NAMESPACE" "$@"
    [ $? -eq 133 ] || exit
    nsenter --net="$NAMESPACE" ip link delete "vb-$MACHINE" 2>/dev/null
done
"#;

/// What a machine has of its own: path below its root, mode, content.
pub(super) type Files = Vec<(&'static str, u32, Vec<u8>)>;

/// What a machine is made like.
pub(super) enum Like<'a> {
    /// An overlay on this base.
    Base(&'a Path),
    /// A virtual machine on a copy of this image.
    Vm {
        /// The image's folder.
        image: &'a Path,
        /// What else it has.
        vm: &'a VirtualMachine,
    },
}

/// One machine of a cluster, whether it exists or not.
#[derive(Debug)]
pub(super) struct Machine {
    node: NodeName,
    folder: PathBuf,
    groups: Groups,
    network: Network,
}

impl Machine {
    /// The machine of `node`, whose folder is (to be) `folder`.
    pub(super) fn new(node: &NodeName, folder: PathBuf, network: Network) -> Self {
        let groups = Groups::of(network.name(), node);
        Self { node: node.clone(), folder, groups, network }
    }

    /// The machine's address; None where it does not exist, or is half made.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        fs::read_to_string(self.folder.join("address")).ok()?.trim().parse().ok()
    }

    /// Whether it is switched on.
    pub(super) fn running(&self) -> bool {
        self.groups.running()
    }

    /// What it was made as.
    pub(super) fn kind(&self) -> MachineKind {
        if vm::is(&self.folder) { MachineKind::Vm } else { MachineKind::Container }
    }

    /// Its host key's public half.
    pub(super) fn host_key(&self) -> Result<String, EnvironmentError> {
        keys::public(&self.host_key_path())
    }

    /// Makes it, with what it has of its own. It does not exist before it has answered once ([`Machine::answered`]): one
    /// that was cut off before is half made, and is made anew.
    pub(super) async fn create(
        &self,
        like: Like<'_>,
        address: Ipv4Addr,
        operator: &str,
    ) -> Result<(), EnvironmentError> {
        self.delete().await?;
        fs::create_dir_all(&self.folder).map_err(file("creating", &self.folder))?;
        keys::ensure(&self.host_key_path())?;
        let files = self.files(address, operator)?;
        match like {
            Like::Base(base) => container::create(&self.folder, base, &files).await,
            Like::Vm { image, vm } => vm::create(&self.folder, image, vm, &files).await,
        }
    }

    /// Notes that it is whole: it exists from here on.
    pub(super) fn answered(&self, address: Ipv4Addr) -> Result<(), EnvironmentError> {
        let path = self.folder.join("address");
        fs::write(&path, format!("{address}\n")).map_err(file("writing", path))
    }

    /// Switches it on and returns when its SSH server answers.
    pub(super) async fn start(&self, address: Ipv4Addr) -> Result<(), EnvironmentError> {
        self.groups.kill(&self.node).await?;
        self.network.ensure(address).await?;
        let name = machine_name(&self.node);
        self.network.unplug(&name).await?;
        let (command, boot) = match self.kind() {
            MachineKind::Container => {
                container::mount(&self.folder).await?;
                (container::command(&self.folder, &self.node, &name), BOOT)
            }
            MachineKind::Vm => {
                let cable = self.network.plug(&name).await?;
                (vm::command(&self.folder, &cable, address)?, vm::BOOT)
            }
        };
        self.groups.create()?;
        let mut keeper = self.spawn(&name, command)?;
        self.answers(address, boot, &mut keeper).await
    }

    /// Cuts its power.
    pub(super) async fn cut(&self) -> Result<(), EnvironmentError> {
        self.groups.kill(&self.node).await?;
        self.network.unplug(&machine_name(&self.node)).await
    }

    /// Cuts its power and removes all that it holds.
    pub(super) async fn delete(&self) -> Result<(), EnvironmentError> {
        self.groups.kill(&self.node).await?;
        if self.network.path().exists() {
            self.network.unplug(&machine_name(&self.node)).await?;
        }
        // First what says that it exists: what is half deleted is not there any more.
        let _ = fs::remove_file(self.folder.join("address"));
        mounts::remove(&self.folder).await
    }

    fn host_key_path(&self) -> PathBuf {
        self.folder.join("host_key")
    }

    /// What this machine has of its own.
    fn files(&self, address: Ipv4Addr, operator: &str) -> Result<Files, EnvironmentError> {
        let (node, gateway) = (&self.node, gateway(address));
        let texts = [
            ("etc/hostname", format!("{node}\n")),
            ("etc/hosts", format!("127.0.0.1 localhost\n{address} {node}\n")),
            // Nobody answers there. The computer's own servers must not be reached from an air-gapped machine.
            ("etc/resolv.conf", format!("nameserver {gateway}\n")),
            ("etc/fmp-machine", format!("ADDRESS={}\nGATEWAY={gateway}\n", with_prefix(address))),
            ("root/.ssh/authorized_keys", format!("{operator}\n")),
        ];
        let mut files: Files = texts.into_iter().map(|(path, text)| (path, 0o644, text.into_bytes())).collect();
        let secret = self.host_key_path();
        files.push(("etc/ssh/ssh_host_ed25519_key", 0o600, fs::read(&secret).map_err(file("reading", secret))?));
        files.push(("etc/ssh/ssh_host_ed25519_key.pub", 0o644, format!("{}\n", self.host_key()?).into_bytes()));
        Ok(files)
    }

    /// Starts the keeper in a session of its own, so that it outlives `fmp`.
    fn spawn(&self, name: &str, command: Vec<String>) -> Result<Child, EnvironmentError> {
        let path = self.folder.join("console.log");
        let console = fs::File::create(&path).map_err(file("creating", &path))?;
        let again = console.try_clone().map_err(file("opening", &path))?;
        Command::new("setsid")
            .args(["sh", "-c", KEEPER, &format!("fmp-machine-{}", self.node)])
            .args(command)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", PATH)
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1")
            .env("KEEPER_GROUPS", words(&self.groups.keeper))
            .env("MACHINE_GROUPS", words(&self.groups.machine))
            .env("NAMESPACE", self.network.path())
            .env("MACHINE", name)
            .stdin(Stdio::null())
            .stdout(console)
            .stderr(again)
            .spawn()
            .map_err(|source| EnvironmentError::Start { program: "setsid".to_owned(), source })
    }

    /// Knocks until the SSH server greets, or the machine is dead, or time is up.
    async fn answers(&self, address: Ipv4Addr, boot: Duration, keeper: &mut Child) -> Result<(), EnvironmentError> {
        let dialer = NamespaceDialer::new(self.network.path()).patient(KNOCK);
        let host = address.to_string();
        let started = Instant::now();
        loop {
            if tokio::time::timeout(KNOCK, greeting(&dialer, &host)).await.is_ok_and(|greeted| greeted.is_ok()) {
                return Ok(());
            }
            let dead = !matches!(keeper.try_wait(), Ok(None));
            if dead || started.elapsed() > boot {
                let console = fs::read(self.folder.join("console.log")).unwrap_or_default();
                let console = tail(&String::from_utf8_lossy(&console));
                return Err(EnvironmentError::Silent { node: self.node.clone(), waited: started.elapsed(), console });
            }
            // A machine that boots tells nobody outside; this asks again within the bound.
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Reads the first bytes that an SSH server sends.
async fn greeting(dialer: &NamespaceDialer, host: &str) -> io::Result<()> {
    let mut stream = dialer.dial(host, 22).await?;
    let mut first = [0; 4];
    stream.read_exact(&mut first).await?;
    if &first == b"SSH-" { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Paths as words of a shell: groups are made of DNS labels.
fn words(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| arg(path)).collect::<Vec<_>>().join(" ")
}
