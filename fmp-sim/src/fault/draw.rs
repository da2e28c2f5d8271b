//! Which faults a seed brings.

use std::collections::BTreeMap;

use fmp_core::{
    NodeName,
    spec::{Node, Role, Spec},
};

use super::{Alarm, Blow, Fault, Hand, Rates, Swarm};
use crate::random::Stream;

/// A kind of fault, for the draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LostBefore,
    LostAfter,
    Torn,
    Slow,
    Crash,
    PowerCut,
    DiskFull,
    Partition,
    Unreachable,
    Edit,
    Clock,
    Wipe,
    ControllerDies,
    ControllerStops,
    Interrupt,
    SecondController,
    Stranger,
    Alarm,
    LearnerLags,
}

const RATES: [Kind; 3] = [Kind::LostBefore, Kind::LostAfter, Kind::Torn];

const BLOWS: [Kind; 16] = [
    Kind::Slow,
    Kind::Crash,
    Kind::PowerCut,
    Kind::DiskFull,
    Kind::Partition,
    Kind::Unreachable,
    Kind::Edit,
    Kind::Clock,
    Kind::Wipe,
    Kind::ControllerDies,
    Kind::ControllerStops,
    Kind::Interrupt,
    Kind::SecondController,
    Kind::Stranger,
    Kind::Alarm,
    Kind::LearnerLags,
];

/// The most faults that begin at a time of their own. More than that and hardly a run comes far enough to be hurt.
const MOST: u64 = 5;

/// What faults can hit.
struct Targets<'a> {
    /// Every node with its role, by name.
    nodes: BTreeMap<&'a NodeName, Role>,
    mains: Vec<&'a NodeName>,
}

impl<'a> Targets<'a> {
    fn new(nodes: impl Iterator<Item = (&'a NodeName, &'a Node)>) -> Self {
        let nodes: BTreeMap<&NodeName, Role> = nodes.map(|(name, node)| (name, node.role)).collect();
        let mains = nodes.iter().filter(|(_, role)| **role == Role::Main).map(|(name, _)| *name).collect();
        Self { nodes, mains }
    }
}

impl Swarm {
    /// The faults of a seed for a cluster, within the first `window_ms`. There is at least one. Nodes that leave are spared.
    pub fn draw(seed: u64, spec: &Spec, window_ms: u64) -> Self {
        Self::of(&mut Stream::new(seed, "faults"), &Targets::new(spec.nodes.iter()), window_ms)
    }

    /// The same, and nodes that leave are hit as well. Other draws than those of [`Swarm::draw`], whose seeds stay what they
    /// are.
    pub fn draw_for_all(seed: u64, spec: &Spec, window_ms: u64) -> Self {
        Self::of(&mut Stream::new(seed, "faults of day two"), &Targets::new(spec.everyone()), window_ms)
    }

    fn of(stream: &mut Stream, targets: &Targets<'_>, window_ms: u64) -> Self {
        let rates = rates(stream);
        let kinds: Vec<Kind> = BLOWS.into_iter().filter(|_| stream.chance(250)).collect();
        let most = if rates == Rates::default() { stream.between(1, MOST) } else { stream.below(MOST + 1) };
        let kinds = if kinds.is_empty() { vec![Kind::PowerCut] } else { kinds };
        let mut blows: Vec<Blow> = (0..most).filter_map(|_| blow(stream, &kinds, targets, window_ms)).collect();
        blows.sort_by_key(|blow| blow.at_ms);
        Self { rates, blows }
    }
}

fn rates(stream: &mut Stream) -> Rates {
    let mut rates = Rates::default();
    for kind in RATES {
        let often = stream.between(3, 60);
        if !stream.chance(250) {
            continue;
        }
        match kind {
            Kind::LostBefore => rates.lost_before = often,
            Kind::LostAfter => rates.lost_after = often,
            _ => rates.torn = often,
        }
    }
    rates
}

fn blow(stream: &mut Stream, kinds: &[Kind], targets: &Targets<'_>, window_ms: u64) -> Option<Blow> {
    let at_ms = stream.below(window_ms);
    let lasts_ms = stream.between(500, 90_000);
    let nodes: Vec<&NodeName> = targets.nodes.keys().copied().collect();
    let (any, main) = ((*stream.pick(&nodes)?).clone(), (*stream.pick(&targets.mains)?).clone());
    // Half of what can hit any node hits a main: there is more to break.
    let node = if stream.chance(500) { main.clone() } else { any };
    let nth = stream.below(1 << 16);
    let fault = match *stream.pick(kinds)? {
        Kind::Slow => Fault::Slow(node, stream.between(3, 100)),
        Kind::Crash => Fault::Crash(node, nth),
        Kind::PowerCut => Fault::PowerCut(node),
        Kind::DiskFull => Fault::DiskFull(node),
        Kind::Partition => partition(stream, targets),
        Kind::Unreachable => Fault::Unreachable(node),
        Kind::Edit => Fault::Edit(node, hand(stream), nth),
        Kind::Clock => Fault::Clock(node, clock(stream)),
        Kind::Wipe => Fault::Wipe(main),
        Kind::ControllerDies => Fault::ControllerDies,
        Kind::ControllerStops => Fault::ControllerStops,
        Kind::Interrupt => Fault::Interrupt,
        Kind::SecondController => Fault::SecondController,
        Kind::Stranger => Fault::Stranger(node),
        Kind::Alarm => Fault::Alarm(main, if stream.chance(500) { Alarm::NoSpace } else { Alarm::Corrupt }),
        Kind::LearnerLags => Fault::LearnerLags(stream.between(1_000, 60_000)),
        Kind::LostBefore | Kind::LostAfter | Kind::Torn => return None,
    };
    Some(Blow { at_ms, lasts_ms, fault })
}

/// A part of the hosts, with one main at least.
fn partition(stream: &mut Stream, targets: &Targets<'_>) -> Fault {
    let cut = |stream: &mut Stream, role: Role| stream.chance(if role == Role::Main { 400 } else { 300 });
    let mut nodes: Vec<NodeName> =
        targets.nodes.iter().filter(|(_, role)| cut(stream, **role)).map(|(name, _)| (*name).clone()).collect();
    if !nodes.iter().any(|name| targets.mains.contains(&name)) {
        nodes.extend(targets.mains.first().map(|name| (*name).clone()));
    }
    Fault::Partition(nodes)
}

fn hand(stream: &mut Stream) -> Hand {
    let hands = [Hand::Write, Hand::Remove, Hand::Stop, Hand::Disable, Hand::DropIn];
    stream.pick(&hands).copied().unwrap_or(Hand::Write)
}

/// Some hours back, before any certificate begins to be valid, or years on, after the last one ends.
fn clock(stream: &mut Stream) -> i64 {
    let hours = i64::try_from(stream.between(2, 48)).unwrap_or(2);
    if stream.chance(500) { -hours * 3_600 } else { hours * 3_600 * 365 * 11 }
}
