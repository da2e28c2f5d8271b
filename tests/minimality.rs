//! P9, minimality: no step of a plan is superfluous. Without any of them a step fails by something that it names, or what
//! was wanted is not there in the end.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod support;

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use fmp::{
    exec::{Applied, Context},
    observe,
    planner::{Action, Plan, Standing, Step, StepId},
    sim::World,
};
use support::{Lab, node, parsed};

/// How carrying a plan out ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Every step is done, and the next plan is empty.
    InSync,
    /// Every step is done, and something is left.
    SomethingIsLeft,
    /// No step could go on; what one of them said.
    Stuck(String),
}

/// A plan that is being carried out, one step after the other.
struct Run<'a> {
    world: World,
    plan: &'a Plan,
    cx: Context,
    applied: BTreeSet<&'a StepId>,
    done: BTreeSet<&'a StepId>,
    said: Option<String>,
}

impl<'a> Run<'a> {
    fn new(world: World, plan: &'a Plan) -> Self {
        let cx = Context { epoch: 1, texts: Arc::new(plan.texts.clone()), ..Context::default() };
        Self { world, plan, cx, applied: BTreeSet::new(), done: BTreeSet::new(), said: None }
    }

    /// Goes on with whatever waits for nothing more until nothing goes on: what does not hold yet, because others are on
    /// their way, is asked again.
    fn finish(mut self) -> Result<World, String> {
        let plan = self.plan;
        loop {
            let before = self.done.len() + self.applied.len();
            for step in &plan.steps {
                if !self.done.contains(&step.id) && step.after.iter().all(|id| self.done.contains(id)) {
                    self.go_on(step);
                }
            }
            if self.done.len() == plan.steps.len() {
                return Ok(self.world);
            }
            if self.done.len() + self.applied.len() == before {
                return Err(self.said.unwrap_or_else(|| "no step can begin".to_owned()));
            }
        }
    }

    fn go_on(&mut self, step: &'a Step) {
        if !self.applied.contains(&step.id) {
            let said = match self.world.apply(&self.cx, step) {
                Ok(Applied::Done | Applied::AlreadyDone) => None,
                Ok(Applied::Stale(mismatch)) => Some(format!("{}: {mismatch:?}", step.id)),
                Err(failure) => Some(format!("{}: {failure}", step.id)),
            };
            if said.is_some() {
                self.said = said;
                return;
            }
            self.applied.insert(&step.id);
        }
        match step.watch.as_ref().map(|check| self.world.watch(check)) {
            None | Some(Ok(_)) => _ = self.done.insert(&step.id),
            Some(Err(failure)) => self.said = Some(format!("{}: {failure}", step.id)),
        }
    }
}

fn carry_out(lab: &Lab, spec: &fmp::core::spec::Spec, world: World, plan: &Plan) -> End {
    match Run::new(world, plan).finish() {
        Err(said) => End::Stuck(said),
        Ok(world) => {
            let seen = world.observe(&observe::questions(spec, &lab.lock).unwrap());
            match fmp::plan(spec, &lab.lock, &seen).unwrap().standing() {
                Standing::InSync => End::InSync,
                Standing::Steps | Standing::Blocked => End::SomethingIsLeft,
            }
        }
    }
}

/// The plan without one step. Whatever waited for it waits for what it waited for: only the step is missing, no order.
fn without(plan: &Plan, id: &StepId) -> Plan {
    let mut shorter = plan.clone();
    let at = shorter.steps.iter().position(|step| step.id == *id).unwrap();
    let gone = shorter.steps.remove(at);
    for step in shorter.steps.iter_mut().filter(|step| step.after.contains(id)) {
        step.after.retain(|after| after != id);
        step.after.extend(gone.after.iter().cloned());
        step.after.sort();
        step.after.dedup();
    }
    shorter
}

/// Drops each step in turn.
#[track_caller]
fn check(lab: &Lab, file: &str, least: usize) {
    let spec = parsed(file);
    let plan = lab.plan_for(&spec);
    let world = lab.world.lock().clone();
    assert!(plan.steps.len() >= least && plan.waiting.is_empty(), "{}: {:#?}", plan.steps.len(), plan.waiting);
    assert_eq!(carry_out(lab, &spec, world.clone(), &plan), End::InSync, "with all its steps");
    let superfluous = |step: &&Step| carry_out(lab, &spec, world.clone(), &without(&plan, &step.id)) == End::InSync;
    let found: Vec<&Step> = plan.steps.iter().filter(superfluous).collect();
    let told: Vec<(&StepId, &str)> = found
        .iter()
        .filter(|step| !is_caution(step) || plan.basis.spec != lab.spec.digest)
        .map(|step| (&step.id, step.reason.as_str()))
        .collect();
    assert!(told.is_empty(), "superfluous: {told:#?}");
}

/// What runs beside a file that was touched by hand is started again although it never read it: on purpose, so that what
/// runs is known. Nothing could tell afterwards.
fn is_caution(step: &Step) -> bool {
    let touched = |why: &str| {
        (why.starts_with('/') && why.ends_with(" changes")) || why == "systemd holds an older version of its files"
    };
    matches!(step.action, Action::RestartUnit { .. }) && step.reason.split("; ").all(touched)
}

fn file(environment: &str, mains: u8, works: u8, mode: &str) -> String {
    let mut file = format!(
        "consent = ['outage main-1']\n[cluster]\nname = 'small'\nprofile = 'local'\nkubernetes = '1.29.15'\n\
         [environment]\nkind = '{environment}'\n[network]\nmode = '{mode}'\n"
    );
    for (role, count, third) in [("main", mains, 0), ("work", works, 1)] {
        for n in 1..=count {
            _ = writeln!(file, "[nodes.{role}-{n}]\nrole = '{role}'\naddress = '198.18.{third}.{}'", 10 + n);
        }
    }
    file
}

#[test]
fn p9_an_install_has_no_superfluous_step() {
    for (environment, mains, works) in [("ssh", 1, 1), ("local", 1, 1), ("ssh", 3, 1)] {
        let file = file(environment, mains, works, "routed");
        check(&Lab::of(&file), &file, 40);
    }
}

#[tokio::test]
async fn p9_a_change_of_configuration_has_no_superfluous_step() {
    for (mains, works) in [(1, 1), (3, 1)] {
        let lab = Lab::settled(&file("ssh", mains, works, "routed")).await;
        check(&lab, &file("ssh", mains, works, "flannel"), 4);
    }
}

#[tokio::test]
async fn p9_what_was_changed_by_hand_is_set_right_without_a_superfluous_step() {
    let file = file("ssh", 3, 1, "routed");
    let lab = Lab::settled(&file).await;
    {
        let mut world = lab.world.lock();
        world.edit_file(&node("main-2"), "/etc/systemd/system/etcd.service", "[Service]\n");
        world.edit_file(&node("main-1"), "/etc/fmp/node.env", "NODE_NAME=main-9\n");
        world.remove_file(&node("work-1"), "/etc/systemd/system/kube-proxy.service");
        world.add_drop_in(&node("work-1"), "kubelet.service", "[Service]\nNice=5\n");
        // These read what lies there now.
        world.restart(&node("work-1"), "kubelet.service");
        world.restart(&node("main-1"), "flanneld.service");
        world.disable_unit(&node("main-3"), "kube-apiserver.service");
        world.stop(&node("main-3"), "kube-scheduler.service");
    }
    check(&lab, &file, 8);
}

#[tokio::test]
async fn p9_a_wiped_member_joins_again_without_a_superfluous_step() {
    let file = file("ssh", 3, 1, "routed");
    let lab = Lab::settled(&file).await;
    lab.world.lock().wipe_etcd(&node("main-2"));
    check(&lab, &file, 4);
}

#[test]
fn a_superfluous_step_would_be_found() {
    let file = file("ssh", 1, 1, "routed");
    let lab = Lab::of(&file);
    let spec = parsed(&file);
    let mut plan = lab.plan();
    let mut twice = plan.steps.iter().find(|step| step.id.as_str() == "work-1/files").unwrap().clone();
    twice.after.push(twice.id.clone());
    twice.id = StepId::new("work-1/files/again");
    plan.steps.push(twice.clone());
    let world = lab.world.lock().clone();
    assert_eq!(carry_out(&lab, &spec, world, &without(&plan, &twice.id)), End::InSync);
}
