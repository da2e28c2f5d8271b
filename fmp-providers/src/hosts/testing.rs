//! Hosts for tests: a folder in place of a root, and programs of the test in place of systemd.

use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use fmp_core::{Digest, NodeName};
use fmp_exec::{Applied, Context, Failure, Provider as _};
use fmp_plan::{
    Step,
    action::Action,
    step::{StepId, Subject},
};
use tempfile::TempDir;

use crate::{
    hosts::{HostProvider, Managed, Pace},
    transport::{Input, LocalShell, Output, Stream, Traffic, Transport, TransportError},
};

/// A host whose root is a folder, with programs of its own in `/programs`.
#[derive(Debug)]
pub(crate) struct Folder {
    shell: LocalShell,
    root: String,
    arguments: Arc<Mutex<Vec<String>>>,
}

#[async_trait]
impl Transport for Folder {
    async fn run(&self, program: &str, args: &[&str], stdin: Input) -> Result<Output, TransportError> {
        let root = format!("FMP_ROOT={}", self.root);
        let path = format!("PATH={}/programs:{}", self.root, std::env::var("PATH").unwrap_or_default());
        self.arguments.lock().unwrap().extend(args.iter().map(|arg| (*arg).to_owned()));
        // What reads one file of the host does so below its root.
        let moved: Vec<String> = args
            .iter()
            .map(|arg| {
                if program == "cat" && arg.starts_with('/') { format!("{}{arg}", self.root) } else { (*arg).to_owned() }
            })
            .collect();
        let mut words = vec![root.as_str(), &path, program];
        words.extend(moved.iter().map(String::as_str));
        self.shell.run("env", &words, stdin).await
    }

    async fn tunnel(&self, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        self.shell.tunnel(port).await
    }

    fn traffic(&self) -> Traffic {
        self.shell.traffic()
    }
}

/// Hosts `a` and `b`, each in a folder, and a store.
pub(crate) struct Lab {
    folder: TempDir,
    pub(crate) provider: HostProvider,
    pub(crate) cx: Context,
    arguments: Arc<Mutex<Vec<String>>>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let arguments = Arc::new(Mutex::new(Vec::new()));
        let host = |name: &str| {
            let root = folder.path().join(name);
            fs::create_dir_all(root.join("programs")).unwrap();
            let root = root.to_str().unwrap().to_owned();
            let transport = Arc::new(Folder { shell: LocalShell::new(), root, arguments: arguments.clone() });
            (name.parse().unwrap(), Managed { transport, address: [192, 0, 2, 1].into(), main: true, pace: Pace::Own })
        };
        let store = fmp_bundle::Store::open(folder.path().join("store")).unwrap();
        let provider = HostProvider::new([host("a"), host("b")].into(), store);
        Self { folder, provider, cx: Context { epoch: 7, ..Context::default() }, arguments }
    }

    /// The way to a host, for what goes there beside a provider.
    pub(crate) fn transport(&self, host: &str) -> Arc<dyn Transport> {
        self.provider.hosts[host].transport.clone()
    }

    pub(crate) fn path(&self, host: &str, path: &str) -> std::path::PathBuf {
        self.folder.path().join(host).join(path.trim_start_matches('/'))
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path("a", path)).unwrap()
    }

    pub(crate) fn put(&self, path: &str, text: &str) {
        let path = self.path("a", path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A program of the test that notes how it was called.
    pub(crate) fn program(&self, name: &str, text: &str) {
        self.program_of("a", name, text);
    }

    /// The same on another host.
    pub(crate) fn program_of(&self, host: &str, name: &str, text: &str) {
        let (path, draft) = (self.path(host, &format!("programs/{name}")), self.path(host, "draft"));
        fs::write(&draft, format!("#!/bin/sh\necho \"$0 $*\" >>\"$FMP_ROOT/calls\"\n{text}\n")).unwrap();
        // Not written by ourselves: a program that any process has open for writing can't be started, and each process
        // that another test starts in this moment has inherited all that we have open.
        let installed = Command::new("install").args(["-m", "755"]).args([&draft, &path]).status().unwrap();
        assert!(installed.success());
        fs::remove_file(draft).unwrap();
    }

    pub(crate) fn text(&mut self, text: &str) -> Digest {
        let mut texts = (*self.cx.texts).clone();
        texts.insert(Digest::of(text), text.into());
        self.cx.texts = Arc::new(texts);
        Digest::of(text)
    }

    pub(crate) async fn apply_to(&self, host: &str, action: Action) -> Result<Applied, Failure> {
        let node: NodeName = host.parse().unwrap();
        self.carry_out(host, Subject::Host(node), action).await
    }

    /// The same for what is nobody's: any main does it.
    pub(crate) async fn apply_to_cluster(&self, action: Action) -> Result<Applied, Failure> {
        self.carry_out("cluster", Subject::Cluster, action).await
    }

    async fn carry_out(&self, scope: &str, subject: Subject, action: Action) -> Result<Applied, Failure> {
        let step = Step {
            id: StepId::new(format!("{scope}/step")),
            subject,
            action,
            after: Vec::new(),
            unit: None,
            disrupts: std::collections::BTreeSet::new(),
            watch: None,
            reason: String::new(),
        };
        self.provider.apply(&self.cx, &step).await
    }

    pub(crate) async fn apply(&self, action: Action) -> Result<Applied, Failure> {
        self.apply_to("a", action).await
    }

    /// Every argument that any program was started with by us.
    pub(crate) fn arguments(&self) -> String {
        self.arguments.lock().unwrap().join("\n")
    }

    /// Names in a folder of host `a`, without what was to be there.
    pub(crate) fn left(&self, folder: &str) -> Vec<String> {
        let names = fs::read_dir(self.path("a", folder)).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
