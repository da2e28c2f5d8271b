//! The seven machines, the program that is tested, and waiting for what must come.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, LazyLock, Mutex},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fmp::{
    core::NodeName,
    planner::{Plan, codec},
    providers::{
        environment::{Local, LocalLink},
        transport::{Dialer as _, Input, NamespaceDialer, Output, Transport as _},
    },
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Child,
    runtime::Runtime,
    task::JoinHandle,
    time::timeout,
};

/// The cluster's name, which is that of nobody else's machines. With `FMP_LAB=NAME` it is another one, so that two runs
/// have machines of their own.
pub(crate) fn cluster() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| match std::env::var("FMP_LAB") {
        Ok(name) => format!("fmp-real-{name}"),
        Err(_) => "fmp-real".to_owned(),
    });
    &NAME
}

/// The mains of the fixture.
pub(crate) const MAINS: [&str; 3] = ["main-1", "main-2", "main-3"];

/// Its work nodes.
pub(crate) const WORKS: [&str; 4] = ["work-1", "work-2", "work-3", "work-4"];

/// The machine that stores images, where a check asks for one.
pub(crate) const IMAGES: &str = "images-1";

/// The virtual machine, where a check asks for one.
pub(crate) const VM: &str = "vm-1";

/// How long one run of `fmp` may take: a bring-up on two processors that compile beside it takes two minutes.
const RUN: Duration = Duration::from_mins(10);

/// How long one that does not end may take to say what it was about.
const LAST_WORDS: Duration = Duration::from_secs(15);

/// How long a command on a machine may take. The longest restart an apiserver, which takes a quarter of a minute.
const COMMAND: Duration = Duration::from_mins(2);

/// How long something may take that comes by itself: a boot, a leader, a pod.
pub(crate) const SOON: Duration = Duration::from_mins(4);

/// Which processes of ours run on a machine, by name: nothing where there are none.
pub(crate) const OWN_PROCESSES: &str =
    "cat /proc/[0-9]*/comm 2>/dev/null | grep -xE 'etcd|kube-.*|kubelet|containerd.*|flanneld' || true";

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The machines and the program.
pub(crate) struct Lab {
    runtime: Runtime,
    local: Local,
    network: NamespaceDialer,
    links: Mutex<BTreeMap<&'static str, Arc<LocalLink>>>,
    folder: PathBuf,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// What was typed.
    pub(crate) typed: String,
    /// Its exit code; None where a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) out: String,
    /// What it complained.
    pub(crate) err: String,
}

impl Ran {
    /// Insists on an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "`{}` printed\n{}{}", self.typed, self.out, self.err);
        self
    }

    /// The plan that was printed as JSON.
    #[track_caller]
    pub(crate) fn plan(&self) -> Plan {
        codec::read(&self.out)
            .unwrap_or_else(|error| panic!("{} gave no plan: {error}\n{}{}", self.typed, self.out, self.err))
    }

    /// Insists on words, wherever they were printed and however the lines were broken.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let (out, err) = (unbroken(&self.out), unbroken(&self.err));
        for word in words {
            let told = out.contains(word) || err.contains(word);
            assert!(told, "`{}` does not say `{word}` but\n{}{}", self.typed, self.out, self.err);
        }
        self
    }
}

/// A text on one line, without what draws the frame of an error.
fn unbroken(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

/// A Node object, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeSeen {
    /// Whether its kubelet is heard and content.
    pub(crate) ready: bool,
    /// The kubelet's version.
    pub(crate) version: String,
}

/// How one host is reached by SSH.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// Its address.
    pub(crate) host: String,
    /// Where its server listens.
    pub(crate) port: u16,
    /// Who logs in.
    pub(crate) user: String,
    /// The key that the host must show.
    pub(crate) host_key: String,
    /// The private key that opens it.
    pub(crate) identity: PathBuf,
}

/// Where the lock of this computer's bundle lies.
pub(crate) fn lock_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle.lock")
}

/// The key that opens the local machines of a cluster.
pub(crate) fn operator_key(cluster: &str) -> PathBuf {
    Path::new("/var/lib/fmp-local").join(cluster).join("operator_key")
}

/// All seven.
pub(crate) fn everyone() -> impl Iterator<Item = &'static str> {
    MAINS.into_iter().chain(WORKS)
}

impl Lab {
    /// The lab, with no machine yet.
    pub(crate) fn new() -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(cluster());
        fs::create_dir_all(&folder).expect("the target directory can be written");
        let fixture = fixture("local-7/cluster.toml").replace("\"fmp-local\"", &format!("\"{}\"", cluster()));
        fs::write(folder.join("cluster.toml"), fixture).expect("the target directory can be written");
        let local = Local::new(cluster());
        let runtime = Runtime::new().expect("a runtime can be made");
        let network = NamespaceDialer::new(format!("/run/netns/fmp-{}", cluster()));
        Self { runtime, local, network, links: Mutex::new(links()), folder }
    }

    /// A place for a file of a check.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The cluster's own file, as text.
    fn text(&self) -> String {
        fs::read_to_string(self.place("cluster.toml")).expect("it was written")
    }

    /// Another file beside the cluster's own: the same as `edit` leaves it.
    pub(crate) fn variant(&self, name: &str, edit: impl FnOnce(&str) -> String) -> PathBuf {
        let (text, file) = (self.text(), self.place(name));
        let edited = edit(&text);
        assert_ne!(text, edited, "{name} is another file");
        fs::write(&file, edited).expect("the target directory can be written");
        file
    }

    /// Deletes all machines.
    pub(crate) fn destroy(&self) {
        self.destroy_for(&self.place("cluster.toml"));
    }

    /// The same, of another file.
    pub(crate) fn destroy_for(&self, file: &Path) {
        self.fmp_for(file, &["destroy", "--name", cluster()]).exits(0);
        // The next machines of these names show other host keys.
        *self.links.lock().expect("nobody panics meanwhile") = links();
    }

    /// Brings the cluster in order, whatever the check before has left. A lease of a run that was killed runs out in
    /// half a minute.
    pub(crate) fn settle(&self) {
        until("the cluster comes in order", RUN, || {
            let ran = self.fmp(&["apply", "--yes"]);
            if ran.code == Some(0) { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
        });
    }

    /// `fmp` with these arguments, not started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_for(&self.place("cluster.toml"), args)
    }

    /// The same with another file.
    pub(crate) fn command_for(&self, file: &Path, args: &[&str]) -> Command {
        self.command_with(file, &lock_path(), args)
    }

    /// The same with another bundle.
    pub(crate) fn command_with(&self, file: &Path, lock: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmp"));
        command.arg("--file").arg(file).arg("--lock").arg(lock).args(args);
        command.env("XDG_STATE_HOME", self.place("state")).stdin(Stdio::null());
        command
    }

    /// Runs `fmp`.
    pub(crate) fn fmp(&self, args: &[&str]) -> Ran {
        self.run(self.command(args), None)
    }

    /// Runs `fmp` with another file.
    pub(crate) fn fmp_for(&self, file: &Path, args: &[&str]) -> Ran {
        self.fmp_within(file, args, RUN)
    }

    /// The same for a run that may take longer, or must be sooner at its end.
    pub(crate) fn fmp_within(&self, file: &Path, args: &[&str], within: Duration) -> Ran {
        self.run_within(self.command_for(file, args), None, within)
    }

    /// `fmp kubectl -- …`, which must succeed.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.fmp(&[&["kubectl", "--"], args].concat()).exits(0).out
    }

    /// The same with something to read.
    pub(crate) fn kubectl_reading(&self, stdin: &str, args: &[&str]) -> String {
        self.run(self.command(&[&["kubectl", "--"], args].concat()), Some(stdin)).exits(0).out
    }

    /// The plan that `fmp plan` makes now, and its exit code.
    pub(crate) fn plan(&self) -> (Option<i32>, Plan) {
        let ran = self.fmp(&["plan", "--format", "json"]);
        (ran.code, ran.plan())
    }

    /// The plan that `fmp plan` makes now of another file.
    pub(crate) fn plan_for(&self, file: &Path) -> Plan {
        self.fmp_for(file, &["plan", "--format", "json"]).plan()
    }

    /// Connects to a port of a machine from outside, says something, and reads all that is answered.
    pub(crate) fn converse(&self, address: &str, port: u16, words: &str) -> Result<String, String> {
        let conversation = async {
            let mut stream = self.network.dial(address, port).await?;
            stream.write_all(words.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<String, std::io::Error>(answer)
        };
        let answer = self.runtime.block_on(async { timeout(COMMAND, conversation).await });
        answer.map_err(|_| "no end".to_owned())?.map_err(|error| format!("{address}:{port}: {error}"))
    }

    /// Runs a program of this computer in the machines' network.
    pub(crate) fn nearby(&self, program: &str, args: &[&str]) -> Ran {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null());
        self.run(in_their_network(&command), None)
    }

    /// Runs `fmp` with another file in the machines' network, where it reaches them as any hosts.
    pub(crate) fn nearby_fmp(&self, file: &Path, args: &[&str]) -> Ran {
        self.run(in_their_network(&self.command_for(file, args)), None)
    }

    /// Runs a program to its end, or to [`RUN`].
    pub(crate) fn run(&self, command: Command, stdin: Option<&str>) -> Ran {
        self.run_within(command, stdin, RUN)
    }

    fn run_within(&self, command: Command, stdin: Option<&str>, within: Duration) -> Ran {
        let args = command.get_args().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let typed = format!("{} {args}", command.get_program().to_string_lossy());
        let mut command = tokio::process::Command::from(command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        self.runtime.block_on(to_its_end(command, stdin, typed, within))
    }

    /// Runs a script as root on a machine; what it printed, and how it ended. An error where the machine does not answer.
    pub(crate) fn ask(&self, node: &str, script: &str, stdin: Input) -> Result<Output, String> {
        let link = self.links.lock().expect("nobody panics meanwhile").get(node).cloned();
        let link = link.unwrap_or_else(|| panic!("there is no {node}"));
        let run = async { timeout(COMMAND, link.run("sh", &["-euc", script], stdin)).await };
        match self.runtime.block_on(run) {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(format!("{node}: {error}")),
            Err(_) => Err(format!("{node}: no end within {} s: {script}", COMMAND.as_secs())),
        }
    }

    /// The same for a script that must succeed; what it printed.
    #[track_caller]
    pub(crate) fn sh(&self, node: &str, script: &str) -> String {
        match self.try_sh(node, script) {
            Ok(text) => text,
            Err(why) => panic!("{why}"),
        }
    }

    /// The same for a script that may fail while something comes up.
    pub(crate) fn try_sh(&self, node: &str, script: &str) -> Result<String, String> {
        let output = self.ask(node, script, Input::Empty)?;
        if output.success() {
            Ok(output.text().into_owned())
        } else {
            Err(format!("{node}: {script}: {}: {}{}", output.status, output.text(), output.complaint()))
        }
    }

    /// A machine's address.
    pub(crate) fn address(&self, name: &str) -> String {
        let machines = self.local.machines().expect("machines can be listed");
        machines.get(&node(name)).unwrap_or_else(|| panic!("there is no {name}")).address.to_string()
    }

    /// The key that a machine shows.
    pub(crate) fn host_key(&self, node: &str) -> String {
        let line = self.sh(node, "cat /etc/ssh/ssh_host_ed25519_key.pub");
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// The cluster's file for `kind = "ssh"`, with each host's way as `change` leaves it.
    pub(crate) fn by_ssh(&self, name: &str, change: impl Fn(&str, Way) -> Way) -> PathBuf {
        let mut text = self.text().replace("kind = \"local\"", "kind = \"ssh\"");
        for node in everyone() {
            let (host, host_key) = (self.address(node), self.host_key(node));
            let right = Way { host, port: 22, user: "root".to_owned(), host_key, identity: operator_key(cluster()) };
            let Way { host, port, user, host_key, identity } = change(node, right);
            let identity = identity.display();
            _ = write!(
                text,
                "\n[nodes.{node}.ssh]\nhost = \"{host}\"\nport = {port}\nuser = \"{user}\"\n\
                 host-key = \"{host_key}\"\nidentity = \"file:{identity}\"\n"
            );
        }
        let file = self.place(name);
        fs::write(&file, text).expect("the target directory can be written");
        file
    }

    /// Cuts the power of these machines, all at once.
    pub(crate) fn cut_power(&self, names: &[&str]) {
        thread::scope(|scope| {
            for name in names {
                scope.spawn(|| {
                    self.runtime.block_on(self.local.cut_power(&node(name))).expect("its power can be cut");
                });
            }
        });
    }

    /// Deletes a machine with all that is on it.
    pub(crate) fn delete(&self, name: &str) {
        self.runtime.block_on(self.local.delete(&node(name))).expect("it can be deleted");
        *self.links.lock().expect("nobody panics meanwhile") = links();
    }

    /// Switches these machines on, all at once.
    pub(crate) fn switch_on(&self, names: &[&str]) {
        thread::scope(|scope| {
            for name in names {
                scope.spawn(|| {
                    self.runtime.block_on(self.local.switch_on(&node(name))).expect("it can be switched on");
                });
            }
        });
    }

    /// The Node objects, as the balancer of this main finds them.
    pub(crate) fn nodes(&self, main: &str) -> Result<BTreeMap<String, NodeSeen>, String> {
        self.try_sh(main, &format!("kubectl --request-timeout=20s get nodes -o jsonpath='{NODES}'")).map(|t| nodes(&t))
    }

    /// The Node objects through the program.
    pub(crate) fn nodes_by_fmp(&self) -> BTreeMap<String, NodeSeen> {
        nodes(&self.kubectl(&["get", "nodes", "-o", &format!("jsonpath={NODES}")]))
    }

    /// Waits until the kubelets of these nodes have been heard after `since` and are Ready, as `main` sees it.
    pub(crate) fn ready_since(&self, since: &str, names: &[&str], main: &str) {
        until("all nodes are Ready again", SOON, || {
            let heard = self.try_sh(
                main,
                &format!("kubectl --request-timeout=20s -n kube-node-lease get leases -o jsonpath='{LEASES}'"),
            )?;
            let heard: BTreeMap<&str, &str> = heard.lines().filter_map(|line| line.split_once(' ')).collect();
            let seen = self.nodes(main)?;
            let back = |name: &&str| {
                heard.get(*name).is_some_and(|renewed| *renewed > since)
                    && seen.get(*name).is_some_and(|node| node.ready)
            };
            let missing: BTreeSet<&&str> = names.iter().filter(|name| !back(name)).collect();
            if missing.is_empty() { Ok(()) } else { Err(format!("not yet: {missing:?}; {heard:?}, {seen:?}")) }
        });
    }

    /// Waits until `fmp plan` finds nothing to do, without anybody's help.
    pub(crate) fn in_sync_by_itself(&self) {
        until("`fmp plan` finds nothing to do", SOON, || {
            let ran = self.fmp(&["plan"]);
            if ran.code == Some(0) { Ok(()) } else { Err(format!("{:?}\n{}{}", ran.code, ran.out, ran.err)) }
        });
    }
}

const NODES: &str = r#"{range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;

const LEASES: &str = r#"{range .items[*]}{.metadata.name} {.spec.renewTime}{"\n"}{end}"#;

fn nodes(text: &str) -> BTreeMap<String, NodeSeen> {
    let node = |line: &str| {
        let [name, version, ready] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        Some((name.to_owned(), NodeSeen { ready: ready == "True", version: version.to_owned() }))
    };
    text.lines().filter_map(node).collect()
}

/// The ways to machines that may not exist yet.
fn links() -> BTreeMap<&'static str, Arc<LocalLink>> {
    let local = Arc::new(Local::new(cluster()));
    everyone().chain([IMAGES, VM]).map(|name| (name, Arc::new(LocalLink::new(local.clone(), node(name))))).collect()
}

/// A program of this computer, begun in the machines' network.
pub(crate) fn in_their_network(command: &Command) -> Command {
    let mut inside = Command::new("nsenter");
    inside.arg(format!("--net=/run/netns/fmp-{}", cluster())).arg(command.get_program()).args(command.get_args());
    inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    inside
}

/// What it printed, or a panic: one that does not end in time is asked to, and what it said until then is told.
async fn to_its_end(mut command: tokio::process::Command, stdin: Option<&str>, typed: String, within: Duration) -> Ran {
    let mut child = command.spawn().expect("the program is there");
    let out = tokio::spawn(read(child.stdout.take()));
    let err = tokio::spawn(read(child.stderr.take()));
    let ends = async {
        if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
            pipe.write_all(text.as_bytes()).await.expect("it reads what it is given");
        }
        child.wait().await.expect("its end can be seen")
    };
    let ended = timeout(within, ends).await.ok();
    if ended.is_none() {
        end(&mut child).await;
    }
    let (out, err) = (said(out).await, said(err).await);
    match ended {
        Some(status) => Ran { typed, code: status.code(), out, err },
        None => panic!("`{typed}` did not end within {} s, but said\n{out}{err}", within.as_secs()),
    }
}

/// What a program has said; something that it left behind may keep the pipe open.
async fn said(reader: JoinHandle<String>) -> String {
    match timeout(LAST_WORDS, reader).await {
        Ok(text) => text.expect("it is read"),
        Err(_) => "(not to its end)".to_owned(),
    }
}

/// All that a program says.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    pipe.expect("it is a pipe").read_to_end(&mut bytes).await.expect("it can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ends a program: first it may say what it was about.
async fn end(child: &mut Child) {
    for signal in ["-INT", "-INT", "-KILL"] {
        let Some(pid) = child.id() else { return };
        _ = Command::new("kill").args([signal, &pid.to_string()]).status();
        if timeout(LAST_WORDS, child.wait()).await.is_ok() {
            return;
        }
    }
}

fn node(name: &str) -> NodeName {
    name.parse().expect("the fixture's names are names")
}

/// A text of the fixtures.
pub(crate) fn fixture(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The time now, in whole seconds, as Kubernetes writes times: such texts compare as times do.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let seconds = i64::try_from(since).expect("the clock is right");
    let time = OffsetDateTime::from_unix_timestamp(seconds).expect("the clock is right");
    time.format(&Rfc3339).expect("every time of this century can be written")
}

/// Looks again and again until `look` gives something; the last complaint is told where it does not come in time.
#[track_caller]
pub(crate) fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        let began = Instant::now();
        match look() {
            Ok(seen) => return seen,
            Err(why) => assert!(started.elapsed() < within, "{what}: not within {} s: {why}", within.as_secs()),
        }
        // Who looks all the time takes from the machines what they need to get there.
        thread::sleep(began.elapsed().clamp(PAUSE, LONGEST_PAUSE));
    }
}

/// Looks again and again for as long as told: what `look` complains of is a failure.
#[track_caller]
pub(crate) fn throughout(what: &str, long: Duration, mut look: impl FnMut() -> Result<(), String>) {
    let started = Instant::now();
    while started.elapsed() < long {
        if let Err(why) = look() {
            panic!("{what}: after {} s: {why}", started.elapsed().as_secs());
        }
        thread::sleep(PAUSE);
    }
}
