//! The plan as arrays of numbers: who waits for whom, who shares a host or a unit of disruption.
//!
//! Positions are places in id order. Every unit has a *door*, a point behind its steps in the numbering that waits for all
//! that the unit needs from outside. A node is thus never drained for an upload that fails, and no unit holds its slot
//! while it waits for another unit.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::NodeName;
use fmp_plan::{
    Plan, Step, StepId,
    step::{Budget, Disruption, Subject},
};
use petgraph::{Graph, algo::kosaraju_scc, graph::NodeIndex};

use crate::ActionKind;

/// Why a plan can't be carried out. Each is a mistake of whoever made the plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// Two steps with one id.
    #[error("two steps are called `{0}`")]
    Duplicate(StepId),
    /// Steps are not in id order.
    #[error("step `{0}` is not in id order")]
    Order(StepId),
    /// A step that waits for one that is not there.
    #[error("step `{step}` waits for `{after}`, which the plan does not have")]
    Dangling {
        /// Which.
        step: StepId,
        /// What it waits for.
        after: StepId,
    },
    /// A step that waits for itself, perhaps by way of others.
    #[error("step `{0}` waits for itself")]
    Cycle(StepId),
    /// Two units of disruption of which each waits for the other.
    #[error("what disrupts {one} and what disrupts {other} wait for each other")]
    UnitCycle {
        /// The one node.
        one: NodeName,
        /// The other.
        other: NodeName,
    },
    /// A budget that a step needs and the plan does not grant.
    #[error("step `{step}` needs a slot of the budget {budget:?}, and the plan grants none")]
    NoBudget {
        /// The first such step.
        step: StepId,
        /// Which budget.
        budget: Budget,
    },
}

/// The plan as arrays of numbers.
#[derive(Debug)]
pub(crate) struct Structure {
    /// By step.
    pub(crate) steps: Vec<StepInfo>,
    /// By unit.
    pub(crate) units: Vec<UnitInfo>,
    /// How many hosts there are; the cluster is one more.
    pub(crate) hosts: u32,
    /// Slots of each budget.
    pub(crate) slots: Vec<(Budget, u32)>,
    /// By step, then by door: how many points it waits for.
    pub(crate) waits_for: Vec<u32>,
    /// By step, then by door: who waits for it.
    dependents: Adjacency,
}

/// What the executor asks about a step again and again.
#[derive(Debug)]
pub(crate) struct StepInfo {
    pub(crate) id: StepId,
    pub(crate) kind: ActionKind,
    pub(crate) judged: bool,
    pub(crate) watched: bool,
    pub(crate) unit: Option<u32>,
    /// The host's number; `hosts` for the cluster.
    pub(crate) host: u32,
}

/// One unit of disruption.
#[derive(Debug)]
pub(crate) struct UnitInfo {
    pub(crate) name: Disruption,
    /// Position in [`Structure::slots`].
    pub(crate) budget: u32,
    pub(crate) steps: Vec<u32>,
}

impl Structure {
    /// Reads a plan.
    ///
    /// # Errors
    /// [`PlanError`], at the first mistake.
    pub(crate) fn new(plan: &Plan) -> Result<Self, PlanError> {
        check_order(&plan.steps)?;
        let edges = edges(&plan.steps)?;
        let slots: Vec<(Budget, u32)> = plan.budgets.iter().map(|(budget, slots)| (*budget, *slots)).collect();
        let units = units(&plan.steps, &slots)?;
        let hosts = hosts(&plan.steps);
        let mut steps: Vec<StepInfo> = plan.steps.iter().map(|step| info(step, &hosts)).collect();
        for (unit, info) in (0..).zip(&units) {
            for &step in &info.steps {
                steps[step as usize].unit = Some(unit);
            }
        }
        let forward = Adjacency::new(steps.len(), edges.clone());
        if let Some(step) = on_a_cycle(steps.len(), &edges, &forward) {
            return Err(PlanError::Cycle(plan.steps[step].id.clone()));
        }
        let all = with_doors(&steps, &units, edges)?;
        let points = steps.len() + units.len();
        let waits_for = arriving(points, &all);
        let dependents = Adjacency::new(points, all);
        Ok(Self { steps, units, hosts: number(hosts.len()), slots, waits_for, dependents })
    }

    /// Who waits for a step or a door.
    pub(crate) fn dependents(&self, point: u32) -> &[u32] {
        self.dependents.of(point)
    }

    /// Whether a point is a step; all others are doors.
    pub(crate) const fn is_step(&self, point: u32) -> bool {
        (point as usize) < self.steps.len()
    }
}

/// Edges by where they begin.
#[derive(Debug)]
struct Adjacency {
    offsets: Vec<u32>,
    targets: Vec<u32>,
}

impl Adjacency {
    fn new(points: usize, mut edges: Vec<(u32, u32)>) -> Self {
        edges.sort_unstable();
        let mut offsets = vec![0; points + 1];
        for (from, _) in &edges {
            offsets[*from as usize + 1] += 1;
        }
        for at in 0..points {
            offsets[at + 1] += offsets[at];
        }
        Self { offsets, targets: edges.into_iter().map(|(_, to)| to).collect() }
    }

    fn of(&self, point: u32) -> &[u32] {
        let at = point as usize;
        &self.targets[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }
}

/// By point: how many edges end there.
fn arriving(points: usize, edges: &[(u32, u32)]) -> Vec<u32> {
    let mut arriving = vec![0; points];
    for (_, to) in edges {
        arriving[*to as usize] += 1;
    }
    arriving
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a plan has fewer than 2³² steps")
}

fn check_order(steps: &[Step]) -> Result<(), PlanError> {
    match steps.windows(2).find(|pair| pair[0].id >= pair[1].id) {
        None => Ok(()),
        Some(pair) if pair[0].id == pair[1].id => Err(PlanError::Duplicate(pair[1].id.clone())),
        Some(pair) => Err(PlanError::Order(pair[1].id.clone())),
    }
}

/// (before, after), each once.
fn edges(steps: &[Step]) -> Result<Vec<(u32, u32)>, PlanError> {
    let mut edges = Vec::new();
    for (at, step) in (0..).zip(steps) {
        for after in &step.after {
            let dangling = |_| PlanError::Dangling { step: step.id.clone(), after: after.clone() };
            let before = steps.binary_search_by(|other| other.id.cmp(after)).map_err(dangling)?;
            edges.push((number(before), at));
        }
    }
    edges.sort_unstable();
    edges.dedup();
    Ok(edges)
}

fn units(steps: &[Step], slots: &[(Budget, u32)]) -> Result<Vec<UnitInfo>, PlanError> {
    let mut units: BTreeMap<&Disruption, Vec<u32>> = BTreeMap::new();
    for (at, step) in (0..).zip(steps) {
        if let Some(unit) = &step.unit {
            units.entry(unit).or_default().push(at);
        }
    }
    let info = |(name, members): (&Disruption, Vec<u32>)| {
        let granted = slots.iter().position(|(budget, slots)| *budget == name.budget && *slots > 0);
        let step = || steps[members[0] as usize].id.clone();
        let budget = number(granted.ok_or_else(|| PlanError::NoBudget { step: step(), budget: name.budget })?);
        Ok(UnitInfo { name: name.clone(), budget, steps: members })
    };
    units.into_iter().map(info).collect()
}

fn hosts(steps: &[Step]) -> Vec<&NodeName> {
    let hosts: BTreeSet<&NodeName> = steps.iter().filter_map(|step| step.subject.node()).collect();
    hosts.into_iter().collect()
}

fn info(step: &Step, hosts: &[&NodeName]) -> StepInfo {
    let host = match &step.subject {
        Subject::Machine(node) | Subject::Host(node) => hosts.partition_point(|host| *host < node),
        Subject::Cluster => hosts.len(),
    };
    StepInfo {
        id: step.id.clone(),
        kind: ActionKind::of(&step.action),
        judged: !step.disrupts.is_empty(),
        watched: step.watch.is_some(),
        unit: None,
        host: number(host),
    }
}

/// A step on a cycle, or `None` where Kahn's algorithm reaches all.
fn on_a_cycle(steps: usize, edges: &[(u32, u32)], forward: &Adjacency) -> Option<usize> {
    let mut waits_for = arriving(steps, edges);
    let mut free: Vec<u32> = (0..number(steps)).filter(|&at| waits_for[at as usize] == 0).collect();
    while let Some(done) = free.pop() {
        for &next in forward.of(done) {
            waits_for[next as usize] -= 1;
            if waits_for[next as usize] == 0 {
                free.push(next);
            }
        }
    }
    let before: BTreeMap<u32, u32> =
        edges.iter().filter(|(from, _)| waits_for[*from as usize] > 0).map(|&(from, to)| (to, from)).collect();
    let stuck = (0..number(steps)).find(|&at| waits_for[at as usize] > 0)?;
    // Whoever is stuck waits for somebody stuck: as many steps back as there are steps end on the cycle itself.
    Some((0..steps).fold(stuck, |at, _| before.get(&at).copied().unwrap_or(at)) as usize)
}

/// The edges, and those of the doors: from all that a unit needs from outside to its door, from there to its steps.
fn with_doors(
    steps: &[StepInfo],
    units: &[UnitInfo],
    mut edges: Vec<(u32, u32)>,
) -> Result<Vec<(u32, u32)>, PlanError> {
    let inside = insides(steps, units, &edges)?;
    let door = |unit: u32| number(steps.len()) + unit;
    let enters = |&(from, to): &(u32, u32)| {
        let unit = inside[to as usize]?;
        (inside[from as usize] != Some(unit)).then(|| (from, door(unit)))
    };
    let mut doors: Vec<(u32, u32)> = edges.iter().filter_map(enters).collect();
    doors.sort_unstable();
    doors.dedup();
    edges.append(&mut doors);
    for (unit, info) in (0..).zip(units) {
        edges.extend(info.steps.iter().map(|&step| (door(unit), step)));
    }
    Ok(edges)
}

/// By step: the unit that it is part of, or that can't come to its end without it because it lies between two of its steps.
fn insides(steps: &[StepInfo], units: &[UnitInfo], edges: &[(u32, u32)]) -> Result<Vec<Option<u32>>, PlanError> {
    // Units are contracted to a point each; steps without a unit follow.
    let mut points = number(units.len());
    let mut next = || {
        points += 1;
        points - 1
    };
    let point_of: Vec<u32> = steps.iter().map(|step| step.unit.unwrap_or_else(&mut next)).collect();
    let mut graph: Graph<(), ()> = Graph::with_capacity(points as usize, edges.len());
    for _ in 0..points {
        graph.add_node(());
    }
    for &(from, to) in edges {
        graph.add_edge(NodeIndex::from(point_of[from as usize]), NodeIndex::from(point_of[to as usize]), ());
    }
    let mut unit_of_point: Vec<Option<u32>> = vec![None; points as usize];
    for component in kosaraju_scc(&graph) {
        let mut within: Vec<usize> = component.iter().map(|at| at.index()).filter(|at| *at < units.len()).collect();
        within.sort_unstable();
        if let [one, other, ..] = within[..] {
            let name = |unit: usize| units[unit].name.node.clone();
            return Err(PlanError::UnitCycle { one: name(one), other: name(other) });
        }
        let unit = within.first().map(|&unit| number(unit));
        for at in component {
            unit_of_point[at.index()] = unit;
        }
    }
    Ok(point_of.into_iter().map(|point| unit_of_point[point as usize]).collect())
}
