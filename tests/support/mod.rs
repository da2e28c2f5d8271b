//! A cluster's file, its bundle, and a world in memory for it.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::{fmt::Write as _, fs, path::Path, sync::Arc};

use fmp::{
    core::{
        Digest, NodeName,
        bundle::{Entry, Lock},
        observed::{Fact, Host, Observed},
        profile::Profiles,
        spec,
        spec::Spec,
    },
    exec::{Context, Judgement, Outcome, Progress, Provider, Questions, merge, progress::News},
    observe,
    planner::{Plan, Standing, Step, codec, lint::lint, render},
    providers::{
        driver::{self, Judge, Options},
        memory::{MemoryWorld, Setup},
    },
};
use tokio::sync::mpsc;

/// A cluster and its world.
pub(crate) struct Lab {
    pub(crate) spec: Spec,
    pub(crate) lock: Lock,
    pub(crate) world: MemoryWorld,
}

/// Whoever plans has judged already; nothing else touches this world.
struct AsPlanned;

impl Judge for AsPlanned {
    fn questions(&self, _: &[&Step]) -> Questions {
        Questions::default()
    }

    fn judge(&self, _: &Observed, _: &Step, _: &[&Step]) -> Judgement {
        Judgement::Ready
    }
}

impl Lab {
    /// The cluster of a fixture's folder, on bare hosts.
    pub(crate) fn new(fixture: &str) -> Self {
        Self::of(&fs::read_to_string(fixtures().join(fixture).join("cluster.toml")).unwrap())
    }

    /// The cluster that a file describes, on bare hosts.
    pub(crate) fn of(file: &str) -> Self {
        let spec = parsed(file);
        let lock = lock_at(&spec.kubernetes.to_string());
        let world = MemoryWorld::new(Setup::of(&spec));
        Self { spec, lock, world }
    }

    /// The same, after everything was applied.
    pub(crate) async fn settled(file: &str) -> Self {
        let lab = Self::of(file);
        lab.converge().await;
        lab
    }

    /// The same world with another file.
    pub(crate) fn want(&mut self, file: &str) {
        self.spec = parsed(file);
        self.lock = lock_at(&self.spec.kubernetes.to_string());
    }

    /// What a plan of the lab's own file sees.
    pub(crate) fn observed(&self) -> Observed {
        self.world.observe(&observe::questions(&self.spec, &self.lock).unwrap())
    }

    /// The plan of the lab's own file.
    pub(crate) fn plan(&self) -> Plan {
        sound(fmp::plan(&self.spec, &self.lock, &self.observed()).unwrap())
    }

    /// The plan that another file gives in this world.
    pub(crate) fn plan_for(&self, spec: &Spec) -> Plan {
        let seen = self.world.observe(&observe::questions(spec, &self.lock).unwrap());
        sound(fmp::plan(spec, &self.lock, &seen).unwrap())
    }

    /// Carries a plan out with the real executor.
    pub(crate) async fn apply(&self, plan: &Plan) -> Outcome {
        self.driven(plan, &mut |_| {}).await
    }

    /// The same; `see` is shown the world after each change.
    pub(crate) async fn apply_watching(&self, plan: &Plan, see: &mut (dyn FnMut(&Observed) + Send)) -> Outcome {
        let questions = observe::questions(&self.spec, &self.lock).unwrap();
        let mut sink = |progress: &Progress| {
            if matches!(progress.news, News::StepApplied { .. }) {
                see(&self.world.observe(&questions));
            }
        };
        self.driven(plan, &mut sink).await
    }

    async fn driven(&self, plan: &Plan, sink: &mut (dyn FnMut(&Progress) + Send)) -> Outcome {
        let providers: [Arc<dyn Provider>; 1] = [Arc::new(self.world.clone())];
        let cx = Context { epoch: 1, texts: Arc::new(plan.texts.clone()), ..Context::default() };
        let options = Options::new(mpsc::channel(1).1);
        driver::run(plan, &providers, cx, &AsPlanned, options, sink).await.unwrap().outcome
    }

    /// Plans and applies until nothing is left; how many plans that took.
    pub(crate) async fn converge(&self) -> usize {
        for round in 0..4 {
            let plan = self.plan();
            if plan.standing() == Standing::InSync {
                return round;
            }
            assert!(!plan.steps.is_empty(), "nothing can be done: {:#?}", plan.waiting);
            let outcome = self.apply(&plan).await;
            assert!(outcome.complete(), "{:#?}", (outcome.failed, outcome.stale));
        }
        let plan = self.plan();
        panic!("no end: {:#?}", (plan.changes.iter().take(5).collect::<Vec<_>>(), plan.waiting));
    }
}

/// Every plan that is made in a test keeps the rules that every plan keeps.
#[track_caller]
fn sound(plan: Plan) -> Plan {
    assert_eq!(lint(&plan), []);
    plan
}

/// Where the fixtures lie.
pub(crate) fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The lock that tests plan with.
pub(crate) fn lock() -> Lock {
    Lock::parse(&fs::read_to_string(fixtures().join("bundle.lock")).unwrap()).unwrap()
}

/// The same lock with Kubernetes of another version, and so of other contents.
pub(crate) fn lock_at(kubernetes: &str) -> Lock {
    let own = "1.29.15";
    let entry = |entry: &Entry| {
        let mut entry = entry.clone();
        if entry.version == own && kubernetes != own {
            kubernetes.clone_into(&mut entry.version);
            entry.digest = Digest::of(format!("{} {kubernetes}", entry.name));
        }
        entry
    };
    lock().entries().map(entry).collect()
}

/// A file's meaning.
pub(crate) fn parsed(file: &str) -> Spec {
    spec::parse("cluster.toml", file, &Profiles::shipped()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A file with three mains and `works` work nodes, its tables in the order that `order` gives them.
pub(crate) fn generated(works: usize, order: impl Fn(&mut Vec<String>)) -> String {
    let mut tables = vec![
        "[cluster]\nname = 'generated'\nprofile = 'local'\nkubernetes = '1.29.15'\n".to_owned(),
        "[environment]\nkind = 'ssh'\n".to_owned(),
        "[network]\nmode = 'flannel'\npods = '10.0.0.0/8'\nnode-prefix = 24\nservices = '172.20.0.0/16'\n".to_owned(),
    ];
    for at in 0..3 + works {
        let (name, role) = if at < 3 { (format!("main-{at}"), "main") } else { (format!("work-{at:05}"), "work") };
        let (third, fourth) = (at / 250, at % 250 + 1);
        tables.push(format!("[nodes.{name}]\nrole = '{role}'\naddress = '198.18.{third}.{fourth}'\n"));
    }
    order(&mut tables);
    tables.iter().fold(String::new(), |mut file, table| {
        _ = writeln!(file, "{table}");
        file
    })
}

/// A file with its tables in the order that `order` gives them.
pub(crate) fn reordered(file: &str, order: impl Fn(&mut Vec<String>)) -> String {
    let mut tables: Vec<String> = Vec::new();
    for line in file.lines() {
        match tables.last_mut() {
            Some(table) if !line.starts_with('[') => _ = writeln!(table, "{line}"),
            Some(_) | None => tables.push(format!("{line}\n")),
        }
    }
    // What stands before the first table belongs to none, and stays there.
    let head = if file.starts_with('[') { String::new() } else { tables.remove(0) };
    order(&mut tables);
    tables.into_iter().fold(head, |file, table| file + &table)
}

/// What was seen, as if it had come in parts, one a host, that were joined in the order that `order` gives them.
pub(crate) fn arrived(seen: &Observed, order: impl Fn(&mut Vec<Observed>)) -> Observed {
    let nothing = || Observed { now: seen.now, ..merge::nothing() };
    let host =
        |(node, host): (&NodeName, &Fact<Host>)| Observed { hosts: [(node.clone(), host.clone())].into(), ..nothing() };
    let mut parts: Vec<Observed> = seen.hosts.iter().map(host).collect();
    parts.push(Observed { machines: seen.machines.clone(), ..nothing() });
    parts.push(Observed { etcd: seen.etcd.clone(), ..nothing() });
    parts.push(Observed { api: seen.api.clone(), ..nothing() });
    order(&mut parts);
    parts.into_iter().fold(nothing(), merge::merge)
}

/// A node's name.
pub(crate) fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A plan's file.
pub(crate) fn written(plan: &Plan) -> String {
    let mut json = Vec::new();
    codec::write(plan, &mut json).unwrap();
    String::from_utf8(json).unwrap()
}

/// A plan says of `node`, of counts and of digests what the text `before` does not, and nothing else.
#[track_caller]
pub(crate) fn about(before: &str, plan: &Plan, node: &str, standing: Standing) {
    assert_eq!(plan.standing(), standing, "{node}: {:?}", plan.waiting);
    let its = |id: &str| id.starts_with(&format!("{node}/"));
    assert!(plan.changes.iter().all(|change| its(&change.id)), "{:#?}", plan.changes);
    assert!(plan.steps.iter().all(|step| its(step.id.as_str())), "{:#?}", plan.steps);
    let after = render::text(plan);
    let gone: Vec<_> = before.lines().filter(|line| !after.contains(line)).collect();
    let allowed = |line: &&str| line.starts_with("spec ") || *line == "in sync: nothing to do";
    assert!(gone.iter().all(allowed), "{gone:?}");
}
