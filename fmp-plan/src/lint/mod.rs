//! The linter: whether a plan is one that may be carried out, whoever made it.
//!
//! Owns what is true of every plan. Knows a plan's data alone: not what was wanted, not what was seen, and nothing of how
//! a plan is made, so that a mistake there is not made here once more. Its tables are its own. Read [`Rule`] first.

mod content;
mod day_two;
mod fit;
mod form;
mod graph;
mod membership;
mod order;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use self::graph::Graph;
use crate::Plan;

/// What every plan keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The format is the one that this version writes.
    Format,
    /// Steps are in id order, each id once.
    StepOrder,
    /// What a step waits for is in order, each once.
    AfterOrder,
    /// What a step waits for is a step of the plan.
    Dangling,
    /// No step waits for itself, not by way of others either.
    Cycle,
    /// No two units of disruption wait for each other: each would hold its slot for ever.
    UnitCycle,
    /// An action is done to whom it can be done to, and the step is called after that one.
    Subject,
    /// A step says what it takes away: what its action takes away, no more and no less.
    Disrupts,
    /// A step that takes something away belongs to the unit of its own node and the budget of what it takes away; nothing
    /// else belongs to a unit but what the unit's restarts take up.
    Unit,
    /// Every unit's budget is granted, with at least one slot; of mains exactly one is disrupted at once.
    Budget,
    /// Every text that a step writes is there, under its own digest, and no other.
    Text,
    /// Paths are absolute and lead where they say; each is written by one step of its host.
    Path,
    /// Files are readable for root, writable for nobody else, and run as nobody else.
    Mode,
    /// Members are known by `https://` with an address and a port.
    PeerUrl,
    /// Units, images, objects and member ids have the form that their programs ask for.
    Name,
    /// A certificate is asked for in somebody's name, and is renewed before it ends.
    Certificate,
    /// Whoever lends a key or a shared thing has it before.
    Lender,
    /// Membership of etcd changes one member at a time: removed, added, started, promoted.
    Membership,
    /// First members are born with one list.
    Birth,
    /// A node is cordoned, drained, then restarted, then given back.
    Emptying,
    /// What leaves is drained, stopped, taken out of etcd and deleted, in this order but for a member that answers.
    Leaving,
    /// A volume is made, mounted, grown, and in place before anything that keeps its data there starts.
    Volume,
    /// A unit starts after everything that it reads was written.
    StartOrder,
    /// What starts something is watched, on its own host.
    Watch,
    /// A step says why.
    Reason,
    /// Changes are in id order, each once.
    Changes,
    /// What waits is in id order, each once, whole hosts first.
    Waiting,
    /// Facts are in order, each once.
    Basis,
    /// Nothing holds a secret.
    Secret,
}

/// Something that a plan must not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Which rule it breaks.
    pub rule: Rule,
    /// Where: a step's id, a resource's, a digest.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

/// On one line. A plan from somewhere may hold anything: what is not printable ASCII is written out.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tell = |c: char| {
            if c == ' ' || c.is_ascii_graphic() { write!(f, "{c}") } else { write!(f, "{}", c.escape_default()) }
        };
        self.at.chars().chain(": ".chars()).chain(self.what.chars()).try_for_each(&mut tell)
    }
}

/// Everything that is wrong with a plan, by rule; of a sound plan nothing.
pub fn lint(plan: &Plan) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    let graph = Graph::new(plan);
    form::check(plan, &mut findings);
    graph.check(&mut findings);
    for step in &plan.steps {
        fit::check(plan, step, &mut findings);
        content::check_step(step, &mut findings);
    }
    fit::check_gathered(plan, &mut findings);
    content::check_texts(plan, &mut findings);
    content::check_secrets(plan, &mut findings);
    order::check(&graph, &mut findings);
    membership::check(&graph, &mut findings);
    day_two::check(&graph, &mut findings);
    findings.0.sort();
    findings.0.dedup();
    findings.0
}

/// What was found so far.
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: Rule, at: impl fmt::Display, what: impl Into<String>) {
        self.0.push(Finding { rule, at: at.to_string(), what: what.into() });
    }
}
