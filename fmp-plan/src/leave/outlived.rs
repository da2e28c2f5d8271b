//! Units that FMP brought to a node that stays, and that nothing in the file wants there any more: an entrance's.

use std::{collections::BTreeSet, sync::Arc};

use fmp_core::{
    NodeName,
    observed::{Fact, Host},
    resource::ResourceId,
    role::paths::{OPTIONAL_UNITS, key},
};

use crate::{
    Action, Plan, basis,
    diff::{NOT_ASKED, Sides},
    fact::FactKey,
    plan::{Change, Verb, Waiting},
    safety,
    step::{Budget, Disruption, Step, StepId, Subject},
};

const REASON: &str = "FMP brought it, and nothing in cluster.toml wants it any more";

/// Adds to a plan that they are stopped for good. Their files stay, which nothing starts any more.
pub(crate) fn all(sides: Sides<'_>, plan: &mut Plan) {
    let mut facts = BTreeSet::new();
    for name in sides.spec.nodes.keys() {
        let Some(host) = sides.observed.host(name) else { continue };
        let units = OPTIONAL_UNITS.into_iter().filter(|unit| {
            let is_wanted = sides.desired.find(&ResourceId::node(name, key::unit(unit))).is_some();
            !is_wanted && host.ledger.contains_key(&key::unit(unit))
        });
        for unit in units {
            match goes_on(host, unit) {
                Ok(false) => {}
                Ok(true) => {
                    facts.insert(FactKey::Unit { node: name.clone(), unit: unit.into() });
                    add(plan, name, unit.into());
                }
                Err(why) => {
                    let what = format!("{name}/{}", key::unit(unit));
                    let until = format!("{name} says whether {unit} runs: {why}");
                    plan.waiting.push(Waiting { what, until, node: Some(name.clone()) });
                }
            }
        }
    }
    if !facts.is_empty() {
        basis::add(&mut plan.basis.facts, sides.observed, facts);
        plan.put_in_order();
    }
}

/// Whether a unit runs, or would after a boot.
fn goes_on(host: &Host, unit: &str) -> Result<bool, String> {
    match host.units.get(unit) {
        Some(Fact::Known(seen)) => Ok(seen.enabled == "enabled" || !seen.is_down()),
        Some(Fact::Absent) => Ok(false),
        Some(Fact::Unknown(why)) => Err(why.clone()),
        None => Err(NOT_ASKED.to_owned()),
    }
}

fn add(plan: &mut Plan, name: &NodeName, unit: Arc<str>) {
    let id = StepId::new(format!("{name}/{}", key::unit(&unit)));
    let action = Action::StopUnits { units: vec![unit] };
    let disrupts = safety::disrupted(name, &action);
    let unit = Budget::of(&disrupts).map(|budget| Disruption { node: name.clone(), budget });
    let subject = Subject::of(Some(name), &action);
    let why = vec![REASON.to_owned()];
    plan.changes.push(Change { id: id.to_string(), verb: Verb::Remove, why, diff: None });
    let reason = REASON.to_owned();
    plan.steps.push(Step { id, subject, action, after: Vec::new(), unit, disrupts, watch: None, reason });
}
