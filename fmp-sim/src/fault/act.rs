//! How faults begin and end.

use fmp_core::NodeName;

use super::{Alarm, Fault, Hand};
use crate::{Simulation, World};

/// A fault begins.
pub(crate) fn begin(sim: &mut Simulation, at: usize, fault: &Fault) {
    let world = &mut sim.world;
    match fault {
        Fault::Slow(node, times) => _ = sim.slow.insert(node.clone(), *times),
        Fault::Crash(node, nth) => {
            if let Some(unit) = nth_of(&world.running_units(node), *nth) {
                world.crash(node, &unit);
            }
        }
        Fault::PowerCut(node) => world.power_off(node),
        Fault::DiskFull(node) => world.set_full(node, true),
        Fault::Partition(nodes) => nodes.iter().for_each(|node| world.set_part(node, 1)),
        Fault::Unreachable(node) => world.set_reachable(node, false),
        Fault::Edit(node, hand, nth) => edit(world, node, *hand, *nth),
        Fault::Clock(node, seconds) => world.set_clock_off(node, *seconds),
        Fault::Wipe(node) => world.wipe_and_restart(node),
        Fault::ControllerDies => {
            if let Some(who) = sim.at_work().last() {
                sim.kill(*who);
            }
        }
        Fault::ControllerStops => {
            let lasts_ms = sim.swarm.blows[at].lasts_ms;
            if let Some(who) = sim.at_work().last() {
                sim.pause(*who, lasts_ms);
                // Somebody wonders why nothing happens, and starts another one.
                sim.begin_in(lasts_ms / 2);
            }
        }
        Fault::Interrupt => {
            if let Some(who) = sim.at_work().last() {
                sim.interrupt(*who);
            }
        }
        Fault::SecondController => sim.begin_in(0),
        Fault::Stranger(node) => {
            if sim.set_aside.is_empty()
                && let Some(aside) = world.put_stranger(node)
            {
                sim.set_aside.insert(at, Box::new(aside));
            }
        }
        Fault::Alarm(node, alarm) => world.raise_alarm(node, name(*alarm)),
        Fault::LearnerLags(ms) => world.set_back(*ms),
    }
}

/// A fault ends. What it did stays done.
pub(crate) fn end(sim: &mut Simulation, at: usize, fault: &Fault) {
    let world = &mut sim.world;
    match fault {
        Fault::Slow(node, _) => _ = sim.slow.remove(node),
        Fault::Crash(node, _) => world.start_crashed(node),
        Fault::PowerCut(node) => world.boot_if_off(node),
        Fault::DiskFull(node) => world.set_full(node, false),
        Fault::Partition(nodes) => nodes.iter().for_each(|node| world.set_part(node, 0)),
        Fault::Unreachable(node) => world.set_reachable(node, true),
        Fault::Clock(node, _) => world.set_clock_off(node, 0),
        Fault::Stranger(node) => {
            if let Some(aside) = sim.set_aside.remove(&at) {
                world.bring_back(node, *aside);
            }
        }
        Fault::Alarm(..) => world.end_alarms(),
        Fault::Edit(..)
        | Fault::Wipe(_)
        | Fault::ControllerDies
        | Fault::ControllerStops
        | Fault::Interrupt
        | Fault::SecondController
        | Fault::LearnerLags(_) => {}
    }
}

const fn name(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::NoSpace => "NOSPACE",
        Alarm::Corrupt => "CORRUPT",
    }
}

fn nth_of(names: &[String], nth: u64) -> Option<String> {
    let at = nth.checked_rem(names.len() as u64)?;
    names.get(usize::try_from(at).ok()?).cloned()
}

fn edit(world: &mut World, node: &NodeName, hand: Hand, nth: u64) {
    let file = nth_of(&world.own_files(node), nth);
    let unit = nth_of(&world.running_units(node), nth);
    match (hand, file, unit) {
        (Hand::Write, Some(path), _) => world.edit_file(node, &path, "by hand\n"),
        (Hand::Remove, Some(path), _) => world.remove_file(node, &path),
        (Hand::Stop, _, Some(unit)) => world.stop(node, &unit),
        (Hand::Disable, _, Some(unit)) => world.disable_unit(node, &unit),
        (Hand::DropIn, _, Some(unit)) => world.add_drop_in(node, &unit, "[Service]\nNice=5\n"),
        // There is nothing of ours yet.
        (Hand::Write | Hand::Remove, None, _) | (Hand::Stop | Hand::Disable | Hand::DropIn, _, None) => {}
    }
}
