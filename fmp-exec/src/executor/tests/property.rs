//! Random plans, random answers in random order.

use std::collections::{BTreeMap, BTreeSet};

use fmp_plan::{Plan, Step, step::Budget};
use proptest::prelude::*;

use super::run::{StepExt as _, failure, plan, step};
use crate::{Applied, Command, Event, Executor, Judgement, Limits, Millis, Outcome, Retry, StepAt, progress::News};

/// What decides a run: numbers that are used up one by one.
#[derive(Debug, Clone)]
struct Dice {
    rolls: Vec<u8>,
    at: usize,
}

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.at += 1;
        usize::from(self.rolls[self.at % self.rolls.len()]) % sides
    }
}

/// Steps on five nodes; a third of the nodes' steps belong to its unit, in an order that leads from lower to higher ids
/// and so to no cycle between units: a step waits only for steps of its own or of a lower node.
fn plans() -> impl Strategy<Value = Plan> {
    let shape = (0_usize..5, any::<[bool; 4]>(), prop::collection::vec(any::<prop::sample::Index>(), 0..3));
    prop::collection::vec(shape, 1..40).prop_map(|mut shapes| {
        shapes.sort_by_key(|(node, ..)| *node);
        let mut steps: Vec<Step> = Vec::new();
        for (at, (node, [in_unit, disrupts, watched, upload], after)) in shapes.into_iter().enumerate() {
            let after = after.iter().filter(|_| at > 0).map(|index| steps[index.index(at)].id.as_str().to_owned());
            let after: BTreeSet<String> = after.collect();
            let after: Vec<&str> = after.iter().map(String::as_str).collect();
            let name = format!("n{node}");
            let mut step = step(&format!("{name}/{at:02}"), &name, &after);
            let budget = if node < 3 { Budget::Mains } else { Budget::Works };
            step = if in_unit { step.unit(&name, budget) } else { step };
            step = if disrupts { step.disrupts() } else { step };
            step = if watched { step.watched() } else { step };
            steps.push(if upload { step.upload() } else { step });
        }
        plan(steps)
    })
}

fn dice() -> impl Strategy<Value = Dice> {
    prop::collection::vec(any::<u8>(), 1..200).prop_map(|rolls| Dice { rolls, at: 0 })
}

const UNSAFE: &str = "not now";

/// How a world answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum World {
    Faultless,
    Faulty,
}

/// One run to its end: every event with the commands that came of it.
struct Trace {
    events: Vec<(Millis, Event)>,
    commands: Vec<Vec<Command>>,
    outcome: Outcome,
}

fn run(plan: &Plan, world: World, dice: &mut Dice) -> Trace {
    let mut executor = Executor::new(plan, Limits::default()).unwrap();
    let (mut now, mut event, mut wake) = (Millis(0), Event::Started, None);
    let (mut events, mut commands, mut open) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        events.push((now, event.clone()));
        let given = executor.on(now, event);
        commands.push(given.clone());
        for command in given {
            match command {
                Command::Judge(_) | Command::Apply(_) | Command::Watch(_) => open.push(command),
                Command::Wake(at) => wake = Some(at),
                Command::Tell(_) => {}
                Command::Finish(outcome) => return Trace { events, commands, outcome },
            }
        }
        now = now + dice.roll(3) as u64;
        event = if open.is_empty() {
            now = now.max(wake.take().expect("open work or a time to wait for"));
            Event::Wake
        } else {
            let next = open.remove(dice.roll(open.len()));
            answer(&next, world, dice)
        };
    }
}

fn answer(command: &Command, world: World, dice: &mut Dice) -> Event {
    let luck = if world == World::Faultless { 9 } else { dice.roll(10) };
    match (command, luck) {
        (Command::Judge(at), 0) => Event::Judged(*at, Judgement::Unsafe(UNSAFE.into())),
        (Command::Judge(at) | Command::Apply(at) | Command::Watch(at), 1) => Event::Failed(*at, failure(Retry::Never)),
        (Command::Judge(at) | Command::Apply(at) | Command::Watch(at), 2) => Event::Failed(*at, failure(Retry::Later)),
        (Command::Judge(at), _) => Event::Judged(*at, Judgement::Ready),
        (Command::Apply(at), _) => Event::Applied(*at, Applied::Done),
        (Command::Watch(at), _) => Event::Watched(*at),
        (other, _) => panic!("{other:?} has no answer"),
    }
}

impl Trace {
    fn news(&self) -> impl Iterator<Item = &News> {
        self.commands.iter().flatten().filter_map(|command| match command {
            Command::Tell(progress) => Some(&progress.news),
            _ => None,
        })
    }
}

fn starts_only_after_its_inputs(plan: &Plan, trace: &Trace) {
    let mut finished = BTreeSet::new();
    for news in trace.news() {
        match news {
            News::StepStarted { step, .. } => {
                let at = plan.steps.binary_search_by(|other| other.id.cmp(step)).unwrap();
                assert!(plan.steps[at].after.iter().all(|input| finished.contains(input)), "{step}");
            }
            News::StepFinished { step, .. } => assert!(finished.insert(step.clone()), "{step} twice"),
            _ => {}
        }
    }
}

fn keeps_its_budgets(plan: &Plan, trace: &Trace) {
    let mut held: BTreeMap<Budget, u32> = BTreeMap::new();
    let mut failed = BTreeSet::new();
    for news in trace.news() {
        match news {
            News::SlotTaken { unit } => {
                let held = held.entry(unit.budget).or_default();
                *held += 1;
                assert!(*held <= plan.budgets[&unit.budget], "{unit:?}");
            }
            News::SlotReturned { unit } => {
                *held.get_mut(&unit.budget).unwrap() -= 1;
                assert!(!failed.contains(unit), "{unit:?} failed and gave its slot back");
            }
            // What stayed unsafe touched nothing.
            News::StepFailed { step, why, .. } if why.what != UNSAFE => {
                let at = plan.steps.binary_search_by(|other| other.id.cmp(step)).unwrap();
                failed.extend(plan.steps[at].unit.clone());
            }
            _ => {}
        }
    }
}

fn applies_only_inside_a_slot(plan: &Plan, trace: &Trace) {
    let mut held = BTreeSet::new();
    for command in trace.commands.iter().flatten() {
        match command {
            Command::Tell(progress) => match &progress.news {
                News::SlotTaken { unit } => assert!(held.insert(unit.clone())),
                News::SlotReturned { unit } => assert!(held.remove(unit)),
                _ => {}
            },
            Command::Apply(StepAt(at)) | Command::Judge(StepAt(at)) => {
                let unit = &plan.steps[*at as usize].unit;
                assert!(unit.as_ref().is_none_or(|unit| held.contains(unit)), "{unit:?} holds no slot");
            }
            Command::Watch(_) | Command::Wake(_) | Command::Finish(_) => {}
        }
    }
}

/// Of two steps that need the same places, the one with the smaller id begins first, once its inputs are finished.
fn begins_in_order(plan: &Plan, trace: &Trace) {
    let (mut finished, mut begun) = (BTreeSet::new(), BTreeSet::new());
    for commands in &trace.commands {
        let news = |command: &Command| match command {
            Command::Tell(progress) => Some(progress.news.clone()),
            _ => None,
        };
        let news: Vec<News> = commands.iter().filter_map(news).collect();
        finished.extend(news.iter().filter_map(|news| match news {
            News::StepFinished { step, .. } => Some(step.clone()),
            _ => None,
        }));
        for news in &news {
            let News::StepStarted { step, .. } = news else { continue };
            let at = plan.steps.binary_search_by(|other| other.id.cmp(step)).unwrap();
            let same = |other: &&Step| {
                let needs = |step: &Step| (step.subject.clone(), crate::ActionKind::of(&step.action).is_upload());
                other.unit.is_none() && plan.steps[at].unit.is_none() && needs(other) == needs(&plan.steps[at])
            };
            for smaller in plan.steps[..at].iter().filter(same) {
                let ready = smaller.after.iter().all(|input| finished.contains(input));
                assert!(!ready || begun.contains(&smaller.id), "{step} began before {}", smaller.id);
            }
            begun.insert(step.clone());
        }
    }
}

fn keeps_its_limits(plan: &Plan, trace: &Trace) {
    let limits = Limits::default();
    let mut running: BTreeSet<usize> = BTreeSet::new();
    for ((_, event), commands) in trace.events.iter().zip(&trace.commands) {
        if let Event::Judged(at, _) | Event::Applied(at, _) | Event::Failed(at, _) | Event::Watched(at) = event {
            running.remove(&at.index());
        }
        running.extend(commands.iter().filter_map(|command| match command {
            Command::Judge(at) | Command::Apply(at) | Command::Watch(at) => Some(at.index()),
            _ => None,
        }));
        let mut per_host: BTreeMap<_, u32> = BTreeMap::new();
        for at in &running {
            *per_host.entry(&plan.steps[*at].subject).or_default() += 1;
        }
        assert!(per_host.values().all(|running| *running <= limits.per_host), "{per_host:?}");
        let uploads = running.iter().filter(|at| crate::ActionKind::of(&plan.steps[**at].action).is_upload()).count();
        assert!(uploads <= limits.uploads as usize);
    }
}

fn names_every_step_once(plan: &Plan, outcome: &Outcome) {
    let failed = outcome.failed.iter().map(|failed| &failed.step);
    let not_begun = outcome.not_begun.iter().map(|not| &not.step);
    let mut all: Vec<_> = outcome.done.iter().chain(&outcome.already_done).chain(failed).chain(not_begun).collect();
    all.extend(outcome.stale.iter().map(|stale| &stale.step));
    all.sort();
    assert_eq!(all, plan.steps.iter().map(|step| &step.id).collect::<Vec<_>>());
}

/// Steps that were not begun need one that failed, or wait for a slot that a failed unit holds.
fn blocks_only_what_needs_it(plan: &Plan, outcome: &Outcome) {
    if outcome.failed.is_empty() {
        assert!(outcome.complete(), "{outcome:?}");
    }
    let unfinished: BTreeSet<_> =
        outcome.failed.iter().map(|failed| &failed.step).chain(outcome.not_begun.iter().map(|not| &not.step)).collect();
    for step in &plan.steps {
        let needs_nothing = step.unit.is_none() && !step.after.iter().any(|input| unfinished.contains(input));
        let failed = outcome.failed.iter().any(|failed| failed.step == step.id);
        assert!(!needs_nothing || failed || !unfinished.contains(&step.id), "{} was not begun for nothing", step.id);
    }
}

proptest! {
    #[test]
    fn without_failures_all_is_done(plan in plans(), mut dice in dice()) {
        let trace = run(&plan, World::Faultless, &mut dice);
        prop_assert_eq!(trace.outcome.done.len(), plan.steps.len());
    }

    #[test]
    fn every_rule_holds_whatever_fails_and_in_whatever_order(plan in plans(), mut dice in dice()) {
        let trace = run(&plan, World::Faulty, &mut dice);
        starts_only_after_its_inputs(&plan, &trace);
        keeps_its_budgets(&plan, &trace);
        applies_only_inside_a_slot(&plan, &trace);
        keeps_its_limits(&plan, &trace);
        begins_in_order(&plan, &trace);
        names_every_step_once(&plan, &trace.outcome);
        blocks_only_what_needs_it(&plan, &trace.outcome);
    }

    #[test]
    fn the_same_events_give_the_same_commands(plan in plans(), mut dice in dice()) {
        let trace = run(&plan, World::Faulty, &mut dice);
        let mut again = Executor::new(&plan, Limits::default()).unwrap();
        for ((now, event), commands) in trace.events.into_iter().zip(trace.commands) {
            prop_assert_eq!(again.on(now, event), commands);
        }
    }

    #[test]
    fn an_interrupt_at_any_time_leaves_nothing_unnamed(plan in plans(), mut dice in dice(), cut in 0_usize..60) {
        let trace = run(&plan, World::Faulty, &mut dice);
        let mut executor = Executor::new(&plan, Limits::default()).unwrap();
        let (mut now, mut last) = (Millis(0), Vec::new());
        for (at, event) in trace.events.into_iter().take(cut) {
            now = at;
            last = executor.on(at, event);
        }
        if !matches!(last.last(), Some(Command::Finish(_))) {
            let mut commands = executor.on(now, Event::Interrupt);
            commands.extend(executor.on(now, Event::Interrupt));
            let Some(Command::Finish(mut outcome)) = commands.pop() else { panic!("{commands:?}") };
            outcome.done.extend(outcome.in_flight.drain(..).map(|flight| flight.step));
            names_every_step_once(&plan, &outcome);
        }
    }
}
