//! P8: an oracle that tries every order of safe actions finds a way exactly where the planner does.
//!
//! For every cluster of up to three nodes and every way in which its parts may be stopped, wiped, outdated or half-way
//! through a change of membership, all of it seen. The planner plans, its steps are carried out in the oracle's world,
//! and it plans again, until nothing is left or nothing can be done.

mod model;

use std::collections::BTreeSet;

use fmp_core::observed::Fact;

use self::model::{Act, Member, Service, State, hopeful};
use crate::{
    Action, Plan, Standing, Step,
    lint::lint,
    testing::{Lab, node, url},
};

const ETCD: &str = "etcd.service";
const APISERVER: &str = "kube-apiserver.service";
const KUBELET: &str = "kubelet.service";

/// More plans than any of these clusters needs.
const ROUNDS: usize = 8;

fn names(state: &State) -> Vec<String> {
    let mains = state.members.len();
    let name = |at: usize| if at < mains { format!("main-{}", at + 1) } else { format!("work-{}", at - mains + 1) };
    (0..state.kubelets.len()).map(name).collect()
}

/// What would be seen of a state.
fn seen(state: &State, settled: &Lab) -> Lab {
    let mut lab = Lab { spec: settled.spec.clone(), lock: settled.lock.clone(), seen: settled.seen.clone() };
    for (at, name) in names(state).iter().enumerate() {
        if let Some(member) = state.members.get(at) {
            see_member(&mut lab, at, *member);
            see_service(&mut lab, name, APISERVER, state.apiservers[at]);
            lab.api().ready.insert(node(name), Fact::Known(state.serves(at)));
        }
        see_service(&mut lab, name, KUBELET, state.kubelets[at]);
        lab.api().nodes.get_mut(name.as_str()).unwrap().ready = state.kubelets[at] != Service::Stopped;
    }
    if !state.has_quorum() {
        lab.seen.etcd = Fact::Unknown("no leader".into());
    }
    if !state.any_serves() {
        lab.seen.api = Fact::Unknown("no apiserver answers".into());
    }
    lab
}

fn see_service(lab: &mut Lab, name: &str, unit: &str, service: Service) {
    match service {
        Service::Healthy => {}
        Service::Outdated => lab.outdate(name, unit),
        Service::Stopped => lab.stop(name, unit, "failed"),
    }
}

fn see_member(lab: &mut Lab, at: usize, member: Member) {
    let (main, name) = (u8::try_from(at + 1).unwrap(), format!("main-{}", at + 1));
    match member {
        Member::Healthy => {}
        Member::Outdated => lab.outdate(&name, ETCD),
        Member::Stopped => {
            lab.stop(&name, ETCD, "failed");
            lab.member(main).healthy = Fact::Known(false);
        }
        Member::Wiped => lab.wipe(main),
        Member::Removed => {
            lab.wipe(main);
            lab.etcd().remove(&url(main));
        }
        Member::Announced => {
            lab.wipe(main);
            (lab.member(main).learner, lab.member(main).started) = (true, false);
        }
        Member::Learner => lab.member(main).learner = true,
    }
}

/// What a step is in the oracle's world.
fn act(step: &Step, names: &[String]) -> Act {
    let of = step.subject.node().map(|node| names.iter().position(|name| name == node.as_str()).unwrap());
    let at = of.unwrap_or_else(|| panic!("the oracle knows no such step: {step:#?}"));
    match &step.action {
        Action::StartUnit { unit } if **unit == *ETCD => Act::StartMember(at),
        Action::RestartUnit { unit, .. } if **unit == *ETCD => Act::RestartMember(at),
        Action::StartUnit { unit } if **unit == *APISERVER => Act::StartApiserver(at),
        Action::RestartUnit { unit, .. } if **unit == *APISERVER => Act::RestartApiserver(at),
        Action::StartUnit { unit } if **unit == *KUBELET => Act::StartKubelet(at),
        Action::RestartUnit { unit, .. } if **unit == *KUBELET => Act::RestartKubelet(at),
        Action::RemoveEtcdMember { .. } => Act::Remove(at),
        Action::AddEtcdLearner { .. } => Act::Add(at),
        Action::StartEtcdLearner { .. } => Act::StartLearner(at),
        Action::PromoteEtcdLearner { .. } => Act::Promote(at),
        other => panic!("the oracle knows no such step: {other:#?}"),
    }
}

/// Steps one after the other: whatever waits for nothing more, the smallest id first.
fn in_order(plan: &Plan) -> Vec<&Step> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut order = Vec::new();
    while let Some(step) = plan
        .steps
        .iter()
        .find(|step| !done.contains(step.id.as_str()) && step.after.iter().all(|id| done.contains(id.as_str())))
    {
        done.insert(step.id.as_str());
        order.push(step);
    }
    assert_eq!(order.len(), plan.steps.len());
    order
}

/// Where planning and carrying out ends: in what is wanted, or in a state where nothing can be done, and why. The error is
/// a step that the oracle would not have made.
fn carried_out(start: &State, settled: &Lab) -> Result<(State, Plan), String> {
    let mut state = start.clone();
    for _ in 0..ROUNDS {
        let plan = seen(&state, settled).plan();
        assert_eq!(lint(&plan), [], "{state:?}");
        if plan.standing() != Standing::Steps {
            return Ok((state, plan));
        }
        let names = names(&state);
        for step in in_order(&plan) {
            let act = act(step, &names);
            state = state.after(act).ok_or_else(|| format!("{} in {state:?}", step.id))?;
        }
    }
    panic!("no end: {start:?}")
}

/// Where the planner is stricter on purpose.
struct Policy {
    why: &'static str,
    is_it: fn(&State) -> bool,
}

const POLICIES: [Policy; 1] = [Policy {
    why: "the only apiserver is not restarted because its etcd happens to be down: while nobody answers it can't be seen \
          that nobody is served, and a restart that nobody agreed to does not hide in an outage",
    is_it: |end| end.members.len() == 1 && end.apiservers[0] == Service::Outdated && !end.agreed,
}];

/// Compares the oracle and the planner at each of these.
fn check(works: u16, starts: &[State], used: &mut BTreeSet<&'static str>) -> Vec<String> {
    let mains = u8::try_from(starts[0].members.len()).unwrap();
    let hopeful = hopeful(starts);
    let consents: Vec<String> = names(&starts[0]).iter().map(|name| format!("outage {name}")).collect();
    let consents: Vec<&str> = consents.iter().map(String::as_str).collect();
    let labs = [Lab::settled(mains, works), Lab::agreed(mains, works, &consents)];
    let mut wrong = Vec::new();
    for start in starts {
        let found = carried_out(start, &labs[usize::from(start.agreed)]);
        if let Ok((end, plan)) = &found
            && end.something_is_down()
        {
            wrong.push(format!("from {start:?} the planner leaves something down: {end:?}: {:?}", plan.waiting));
        }
        match (found, hopeful.contains(start)) {
            (Err(step), _) => wrong.push(format!("the planner is not safe: {step}, from {start:?}")),
            (Ok((end, _)), true) if end.is_wanted() => {}
            (Ok((end, plan)), true) => match POLICIES.iter().find(|policy| (policy.is_it)(&end)) {
                Some(policy) => _ = used.insert(policy.why),
                None => wrong
                    .push(format!("there is a way from {start:?}, the planner ends at {end:?}: {:?}", plan.waiting)),
            },
            (Ok((end, plan)), false) => {
                let told =
                    plan.standing() == Standing::Blocked && plan.waiting.iter().all(|item| !item.until.is_empty());
                if end.is_wanted() || !told {
                    wrong.push(format!("there is no way from {start:?}, the planner ends at {end:?}"));
                }
            }
        }
    }
    wrong
}

const SERVICES: [Service; 3] = [Service::Healthy, Service::Outdated, Service::Stopped];

const AT_REST: [Member; 4] = [Member::Healthy, Member::Outdated, Member::Stopped, Member::Wiped];

const UNDER_WAY: [Member; 3] = [Member::Removed, Member::Announced, Member::Learner];

/// Every choice of one of `each` for each of so many.
fn choices<T: Copy>(count: usize, each: &[T]) -> Vec<Vec<T>> {
    (0..count).fold(vec![Vec::new()], |all, _| {
        let longer =
            |one: &Vec<T>| each.iter().map(|next| one.iter().copied().chain([*next]).collect()).collect::<Vec<_>>();
        all.iter().flat_map(longer).collect()
    })
}

fn all(members: &[Vec<Member>], works: usize, kubelets: &[Vec<Service>]) -> Vec<State> {
    let mut all = Vec::new();
    for members in members {
        for apiservers in choices(members.len(), &SERVICES) {
            for kubelets in kubelets {
                for agreed in [false, true] {
                    assert_eq!(kubelets.len(), members.len() + works);
                    let (members, apiservers, kubelets) = (members.clone(), apiservers.clone(), kubelets.clone());
                    all.push(State { members, apiservers, kubelets, agreed });
                }
            }
        }
    }
    all
}

/// Mains are alike: of states that differ only in the names of mains one is enough.
fn is_first_of_its_like(state: &State) -> bool {
    let mains: Vec<_> =
        (0..state.members.len()).map(|at| (state.members[at], state.apiservers[at], state.kubelets[at])).collect();
    mains.is_sorted()
}

#[test]
fn p8_one_main_and_its_work_nodes() {
    let mut used = BTreeSet::new();
    for works in 0..=2 {
        let members = choices(1, &AT_REST);
        let starts = all(&members, works, &choices(1 + works, &SERVICES));
        let wrong = check(u16::try_from(works).unwrap(), &starts, &mut used);
        assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), starts.len(), wrong[..wrong.len().min(5)].join("\n"));
    }
    assert_eq!(used, POLICIES.iter().map(|policy| policy.why).collect(), "a policy that nothing needs is none");
}

#[test]
fn p8_three_mains() {
    let mut members = choices(3, &AT_REST);
    for change in UNDER_WAY {
        members.extend(choices(2, &AT_REST).into_iter().map(|others| [others, vec![change]].concat()));
    }
    // What kubelets do does not depend on members one by one: all as they should be, one stopped, one outdated.
    let mut kubelets = vec![vec![Service::Healthy; 3]];
    kubelets.extend([Service::Outdated, Service::Stopped].map(|last| vec![Service::Healthy, Service::Healthy, last]));
    kubelets.push(vec![Service::Healthy, Service::Outdated, Service::Stopped]);
    let mut starts = all(&members, 0, &kubelets);
    // A consent and a kubelet have nothing to do with each other where three mains stand for each other.
    starts.retain(|start| !start.agreed || start.kubelets == [Service::Healthy; 3]);
    starts.retain(is_first_of_its_like);
    let mut used = BTreeSet::new();
    let wrong = check(0, &starts, &mut used);
    assert_eq!(used, BTreeSet::new(), "with three mains nobody has to be stricter");
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), starts.len(), wrong[..wrong.len().min(5)].join("\n"));
}

#[test]
fn the_oracle_finds_ways_and_their_ends() {
    let three = |members: [Member; 3]| State {
        members: members.to_vec(),
        apiservers: vec![Service::Healthy; 3],
        kubelets: vec![Service::Healthy; 3],
        agreed: false,
    };
    let outdated = three([Member::Outdated; 3]);
    let wiped = three([Member::Wiped, Member::Outdated, Member::Healthy]);
    let lost = three([Member::Wiped, Member::Wiped, Member::Healthy]);
    let hopeful = hopeful(&[outdated.clone(), wiped.clone(), lost.clone()]);
    assert!(hopeful.contains(&outdated) && hopeful.contains(&wiped));
    assert!(!hopeful.contains(&lost), "only a backup helps");
    assert_eq!(wiped.after(Act::RestartMember(1)), None, "two of three voters would be gone");
    assert!(wiped.after(Act::Remove(0)).is_some_and(|next| next.after(Act::Add(0)).is_some()));
}
