//! Plan, apply, observe, plan again: the second plan is empty. In a world in memory, with the real executor.

use std::{fs, path::Path, sync::Arc};

use fmp::{
    core::{NodeName, bundle::Lock, observed::Observed, profile::Profiles, spec, spec::Spec},
    exec::{Context, Judgement, Outcome, Provider, Questions},
    observe,
    planner::{Plan, Standing, Step},
    providers::{
        driver::{self, Judge, Options},
        memory::{MemoryWorld, Setup},
    },
};
use tokio::sync::mpsc;

/// A cluster's file, its bundle, and a world for it.
struct Lab {
    spec: Spec,
    lock: Lock,
    world: MemoryWorld,
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
    fn new(fixture: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let text = fs::read_to_string(root.join(fixture).join("cluster.toml")).unwrap();
        let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
        let lock = Lock::parse(&fs::read_to_string(root.join("bundle.lock")).unwrap()).unwrap();
        let mains = spec.mains().map(|(name, node)| (name.clone(), node.address)).collect();
        let works = spec.workers().map(|(name, node)| (name.clone(), node.address)).collect();
        let world = MemoryWorld::new(Setup::new(spec.environment, mains, works, &spec.kubernetes.to_string()));
        Self { spec, lock, world }
    }

    fn plan(&self) -> Plan {
        let questions = observe::questions(&self.spec, &self.lock).unwrap();
        fmp::plan(&self.spec, &self.lock, &self.world.observe(&questions)).unwrap()
    }

    async fn apply(&self, plan: &Plan) -> Outcome {
        let providers: [Arc<dyn Provider>; 1] = [Arc::new(self.world.clone())];
        let cx = Context { epoch: 1, texts: Arc::new(plan.texts.clone()) };
        let options = Options::new(mpsc::channel(1).1);
        driver::run(plan, &providers, cx, &AsPlanned, options, &mut |_| {}).await.unwrap().outcome
    }

    /// Plans and applies until nothing is left; how many plans that took.
    async fn converge(&self) -> usize {
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

    async fn settled(fixture: &str) -> Self {
        let lab = Self::new(fixture);
        lab.converge().await;
        lab
    }
}

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

#[tokio::test]
async fn a_cluster_on_bare_hosts_is_one_plan_away() {
    assert_eq!(Lab::new("ssh-7").converge().await, 1);
}

#[tokio::test]
async fn a_local_cluster_converges() {
    assert!(Lab::new("local-7").converge().await <= 2);
}

#[tokio::test]
async fn a_file_edited_by_hand_is_one_plan_away() {
    let lab = Lab::settled("ssh-7").await;
    lab.world.edit_file(&node("work-1"), "/etc/fmp/node.env", "NODE_NAME=work-9\n");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_drop_in_that_nobody_ordered_is_one_plan_away() {
    let lab = Lab::settled("ssh-7").await;
    lab.world.add_drop_in(&node("work-1"), "kubelet.service", "[Service]\nNice=5\n");
    lab.world.restart(&node("work-1"), "kubelet.service");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_disabled_unit_is_one_plan_away() {
    let lab = Lab::settled("ssh-7").await;
    lab.world.disable_unit(&node("main-2"), "kube-apiserver.service");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_power_cut_of_everything_leaves_nothing_to_do() {
    let lab = Lab::settled("ssh-7").await;
    for name in lab.spec.nodes.keys() {
        lab.world.power_off(name);
    }
    for name in lab.spec.nodes.keys() {
        lab.world.power_on(name);
    }
    assert_eq!(lab.converge().await, 0);
}

#[tokio::test]
async fn a_wiped_member_comes_back_as_a_learner() {
    let lab = Lab::settled("ssh-7").await;
    lab.world.wipe_etcd(&node("main-1"));
    assert!(lab.converge().await <= 2);
}
