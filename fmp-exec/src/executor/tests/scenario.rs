//! One rule a test.

use fmp_plan::{StepId, step::Budget};

use super::run::{Run, StepExt as _, names, node, plan, step};
use crate::{
    Applied, Event, Executor, Judgement, Limits, Mismatch, PlanError, Retry,
    outcome::{FlightStage, WhyNot},
    progress::News,
};

fn refused(steps: impl IntoIterator<Item = fmp_plan::Step>) -> PlanError {
    Executor::new(&plan(steps), Limits::default()).unwrap_err()
}

fn mismatch() -> Mismatch {
    Mismatch { what: "main-1: file /etc/x".into(), expected: "absent".into(), found: "a file".into() }
}

#[test]
fn refuses_a_step_that_waits_for_nothing_that_is_there() {
    let error = refused([step("a", "n", &["z"])]);
    assert_eq!(error, PlanError::Dangling { step: StepId::new("a"), after: StepId::new("z") });
}

#[test]
fn refuses_an_id_that_is_used_twice() {
    assert_eq!(refused([step("a", "n", &[]), step("a", "n", &[])]), PlanError::Duplicate(StepId::new("a")));
}

#[test]
fn refuses_steps_out_of_order() {
    assert_eq!(refused([step("b", "n", &[]), step("a", "n", &[])]), PlanError::Order(StepId::new("a")));
}

#[test]
fn refuses_a_cycle_of_steps_and_names_one_on_it() {
    let error = refused([step("a", "n", &["b"]), step("b", "n", &["c"]), step("c", "n", &["b"])]);
    assert!(matches!(&error, PlanError::Cycle(id) if id.as_str() != "a"), "{error}");
}

#[test]
fn refuses_units_that_wait_for_each_other() {
    let error = refused([
        step("a1", "a", &[]).unit("a", Budget::Works),
        step("a2", "a", &["b2"]).unit("a", Budget::Works),
        step("b1", "b", &["a1"]).unit("b", Budget::Works),
        step("b2", "b", &[]).unit("b", Budget::Works),
    ]);
    assert_eq!(error, PlanError::UnitCycle { one: node("a"), other: node("b") });
}

#[test]
fn refuses_a_unit_without_a_budget() {
    let mut without = plan([step("a", "n", &[]).unit("n", Budget::Works)]);
    without.budgets.remove(&Budget::Works);
    let error = Executor::new(&without, Limits::default()).unwrap_err();
    assert_eq!(error, PlanError::NoBudget { step: StepId::new("a"), budget: Budget::Works });
}

#[test]
fn a_plan_without_steps_is_done_at_once() {
    assert!(Run::new(&plan([])).outcome().complete());
}

#[test]
fn a_step_waits_for_the_watch_of_its_input() {
    let mut run = Run::new(&plan([step("a", "n", &[]).watched(), step("b", "n", &["a"])]));
    run.good("a");
    assert_eq!(run.open(), ["watch a"]);
    run.good("a");
    run.good("b");
    assert_eq!(names(&run.outcome().done), ["a", "b"]);
}

#[test]
fn nodes_do_not_wait_for_each_other() {
    let mut run = Run::new(&plan([
        step("a/1", "a", &[]),
        step("a/2", "a", &["a/1"]),
        step("b/1", "b", &[]),
        step("b/2", "b", &["b/1"]),
    ]));
    run.good("a/1");
    assert_eq!(run.open(), ["apply b/1", "apply a/2"]);
}

#[test]
fn only_so_many_steps_run_on_one_host() {
    let ids = ["a", "b", "c", "d", "e", "f"];
    let mut run = Run::new(&plan(ids.map(|id| step(id, "n", &[]))));
    assert_eq!(run.open().len(), 4);
    run.good("c");
    assert_eq!(run.open(), ["apply a", "apply b", "apply d", "apply e"]);
}

#[test]
fn only_so_many_uploads_run_on_one_host_and_in_all() {
    let limits = Limits { uploads_per_host: 1, uploads: 2, ..Limits::default() };
    let steps = [("a/1", "a"), ("a/2", "a"), ("b/1", "b"), ("c/1", "c"), ("c/2", "c")];
    let steps = steps.map(|(id, host)| step(id, host, &[]).upload());
    let mut run = Run::limited(&plan(steps.into_iter().chain([step("c/3", "c", &[])])), limits);
    assert_eq!(run.open(), ["apply a/1", "apply b/1", "apply c/3"]);
    run.good("b/1");
    assert_eq!(run.open(), ["apply a/1", "apply c/3", "apply c/1"]);
    run.good("a/1");
    assert_eq!(run.open(), ["apply c/3", "apply c/1", "apply a/2"]);
}

#[test]
fn a_unit_holds_its_slot_until_its_last_watch() {
    let mut run = Run::new(&plan([
        step("main-1/a", "main-1", &[]).unit("main-1", Budget::Mains),
        step("main-1/b", "main-1", &["main-1/a"]).watched().unit("main-1", Budget::Mains),
        step("main-2/a", "main-2", &[]).unit("main-2", Budget::Mains),
    ]));
    run.good("main-1/a");
    run.good("main-1/b");
    assert_eq!(run.open(), ["watch main-1/b"]);
    run.good("main-1/b");
    assert_eq!(run.open(), ["apply main-2/a"]);
}

#[test]
fn a_unit_begins_only_when_all_that_it_needs_from_outside_is_there() {
    let mut run = Run::new(&plan([
        step("n/drain", "n", &[]).unit("n", Budget::Works),
        step("n/restart", "n", &["n/drain", "n/upload"]).unit("n", Budget::Works),
        step("n/upload", "n", &[]).upload(),
    ]));
    assert_eq!(run.open(), ["apply n/upload"]);
    run.fails("n/upload", Retry::Never);
    let why: Vec<_> = run.outcome().not_begun.iter().map(|not| (not.step.as_str(), &not.why)).collect();
    let needs = WhyNot::Needs(StepId::new("n/upload"));
    assert_eq!(why, [("n/drain", &needs), ("n/restart", &needs)]);
}

#[test]
fn a_unit_may_wait_for_a_step_between_two_of_its_own() {
    let mut run = Run::new(&plan([
        step("a", "n", &[]).unit("n", Budget::Works),
        step("b", "n", &["a"]),
        step("c", "n", &["b"]).unit("n", Budget::Works),
    ]));
    run.all_good(["a", "b", "c"]);
    assert!(run.outcome().complete());
}

#[test]
fn units_that_need_each_other_one_way_never_lock_up() {
    // b1 is ready first, and its unit must not take the only slot: b2 waits for a1, which needs it.
    let mut run = Run::new(&plan([
        step("a/1", "a", &["z"]).unit("a", Budget::Mains),
        step("b/1", "b", &[]).unit("b", Budget::Mains),
        step("b/2", "b", &["a/1"]).unit("b", Budget::Mains),
        step("z", "z", &[]),
    ]));
    run.all_good(["z", "a/1", "b/1", "b/2"]);
    assert!(run.outcome().complete());
}

#[test]
fn a_failed_unit_keeps_its_slot_and_blocks_only_what_needs_it() {
    let mut run = Run::new(&plan([
        step("main-1/a", "main-1", &[]).unit("main-1", Budget::Mains),
        step("main-1/b", "main-1", &["main-1/a"]),
        step("main-2/a", "main-2", &[]).unit("main-2", Budget::Mains),
        step("main-2/b", "main-2", &["main-2/a"]),
        step("work-1/a", "work-1", &[]),
    ]));
    run.fails("main-1/a", Retry::Never);
    run.good("work-1/a");
    let outcome = run.outcome();
    assert_eq!(outcome.failed[0].step.as_str(), "main-1/a");
    assert_eq!(names(&outcome.done), ["work-1/a"]);
    let why: Vec<_> = outcome.not_begun.iter().map(|not| (not.step.as_str(), not.why.clone())).collect();
    let no_slot = WhyNot::NoSlot { budget: Budget::Mains, held_by: vec![node("main-1")] };
    let needs = |id| WhyNot::Needs(StepId::new(id));
    assert_eq!(why, [("main-1/b", needs("main-1/a")), ("main-2/a", no_slot), ("main-2/b", needs("main-2/a"))]);
}

#[test]
fn what_may_pass_by_itself_is_tried_again_with_longer_pauses() {
    let limits = Limits::default();
    let mut run = Run::new(&plan([step("a", "n", &[])]));
    for tried in 1..limits.tries {
        let before = run.now;
        run.fails("a", Retry::Later);
        run.sleep();
        assert_eq!(run.now.since(before), limits.pause_after(tried));
    }
    run.fails("a", Retry::Later);
    assert_eq!(run.outcome().failed.len(), 1);
}

#[test]
fn what_can_not_pass_is_never_tried_again() {
    let mut run = Run::new(&plan([step("a", "n", &[])]));
    run.fails("a", Retry::Never);
    assert_eq!(run.outcome().failed.len(), 1);
}

#[test]
fn a_lost_watch_is_watched_again_and_the_change_is_not_repeated() {
    let mut run = Run::new(&plan([step("a", "n", &[]).watched()]));
    run.good("a");
    run.fails("a", Retry::Later);
    run.sleep();
    assert_eq!(run.open(), ["watch a"]);
}

#[test]
fn what_disrupts_is_judged_before_every_try() {
    let mut run = Run::new(&plan([step("a", "n", &[]).disrupts()]));
    run.good("a");
    run.fails("a", Retry::Later);
    run.sleep();
    assert_eq!(run.open(), ["judge a"]);
}

#[test]
fn what_had_been_done_is_still_watched() {
    let mut run = Run::new(&plan([step("a", "n", &[]).disrupts().watched(), step("b", "n", &[]).watched()]));
    run.judges("a", Judgement::AlreadyDone);
    run.applies("b", Applied::AlreadyDone);
    assert_eq!(run.open(), ["watch a", "watch b"]);
    run.all_good(["a", "b"]);
    assert_eq!(names(&run.outcome().already_done), ["a", "b"]);
}

#[test]
fn an_unsafe_unit_lets_the_next_one_go_first() {
    let mut run = Run::new(&plan([
        step("main-1/a", "main-1", &[]).disrupts().unit("main-1", Budget::Mains),
        step("main-2/a", "main-2", &[]).disrupts().unit("main-2", Budget::Mains),
    ]));
    run.judges("main-1/a", Judgement::Unsafe("main-2 does not answer".into()));
    assert_eq!(run.open(), ["judge main-2/a"]);
    run.good("main-2/a");
    run.good("main-2/a");
    run.sleep();
    run.all_good(["main-1/a", "main-1/a"]);
    assert!(run.outcome().complete());
}

#[test]
fn an_unsafe_step_does_not_give_back_the_slot_of_a_unit_in_which_another_failed() {
    let mut run = Run::new(&plan([
        step("main-1/a", "main-1", &[]).disrupts().unit("main-1", Budget::Mains),
        step("main-1/b", "main-1", &[]).disrupts().unit("main-1", Budget::Mains),
        step("main-2/a", "main-2", &[]).disrupts().unit("main-2", Budget::Mains),
    ]));
    run.fails("main-1/a", Retry::Never);
    run.judges("main-1/b", Judgement::Unsafe("main-2 does not answer".into()));
    assert!(run.open().is_empty(), "{:?}", run.open());
}

#[test]
fn what_stays_unsafe_fails_in_the_end_and_gives_its_slot_back() {
    let mut run = Run::new(&plan([step("main-1/a", "main-1", &[]).disrupts().unit("main-1", Budget::Mains)]));
    for _ in 1..Limits::default().judgements {
        run.judges("main-1/a", Judgement::Unsafe("main-2 does not answer".into()));
        run.sleep();
    }
    run.judges("main-1/a", Judgement::Unsafe("main-2 does not answer".into()));
    assert_eq!(run.outcome().failed[0].why.what, "main-2 does not answer");
    let taken = run.news.iter().filter(|news| matches!(news, News::SlotTaken { .. })).count();
    let returned = run.news.iter().filter(|news| matches!(news, News::SlotReturned { .. })).count();
    assert_eq!(taken, returned);
}

#[test]
fn a_stale_step_stops_what_is_new_and_lets_go_on_what_runs() {
    let mut run = Run::new(&plan([step("a", "a", &[]), step("b", "b", &[]).watched(), step("c", "b", &["b"])]));
    run.applies("a", Applied::Stale(mismatch()));
    run.all_good(["b", "b"]);
    let outcome = run.outcome();
    assert_eq!(outcome.stale[0].fact, mismatch());
    assert_eq!(names(&outcome.done), ["b"]);
    assert_eq!(outcome.not_begun[0].why, WhyNot::Stale);
}

#[test]
fn the_first_interrupt_waits_for_what_is_in_flight() {
    let mut run = Run::new(&plan([step("a", "a", &[]), step("b", "a", &["a"]), step("c", "c", &[]).disrupts()]));
    run.send(Event::Interrupt);
    run.good("a");
    let outcome = run.outcome();
    assert!(outcome.interrupted);
    assert_eq!(names(&outcome.done), ["a"]);
    assert!(outcome.not_begun.iter().all(|not| not.why == WhyNot::Interrupted));
    assert_eq!(outcome.not_begun.len(), 2);
}

#[test]
fn the_second_interrupt_names_what_may_go_on() {
    let mut run = Run::new(&plan([step("a", "a", &[]), step("b", "b", &[]).watched()]));
    run.good("b");
    run.send(Event::Interrupt);
    run.send(Event::Interrupt);
    let in_flight = &run.outcome().in_flight;
    assert_eq!((in_flight[0].step.as_str(), in_flight[0].stage), ("a", FlightStage::Applying));
    assert_eq!((in_flight[1].step.as_str(), in_flight[1].stage), ("b", FlightStage::Watching));
}

#[test]
fn an_interrupt_ends_pauses_with_the_last_failure() {
    let mut run = Run::new(&plan([step("a", "a", &[])]));
    run.fails("a", Retry::Later);
    run.send(Event::Interrupt);
    assert_eq!(run.outcome().failed[0].why, super::run::failure(Retry::Later));
}

#[test]
fn seventy_five_thousand_steps_come_to_their_end() {
    let host = |n: usize| format!("n{:04}", n / 15);
    let id = |n: usize| format!("{}/{:02}", host(n), n % 15);
    let steps = (0..75_000).map(|n| {
        let inputs = if n % 15 == 0 { Vec::new() } else { vec![id(n - 1)] };
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let step = step(&id(n), &host(n), &inputs);
        match n % 15 {
            0..5 => step.upload(),
            5..10 => step.watched(),
            _ => step.disrupts().unit(&host(n), Budget::Works),
        }
    });
    let mut run = Run::new(&plan(steps));
    while run.outcome.is_none() {
        run.good_any();
    }
    assert_eq!(run.outcome().done.len(), 75_000);
}
