//! Units that FMP brought to a node that stays, and that nothing in the file wants there any more: an entrance's.

use std::collections::BTreeSet;

use fmp_core::{
    observed::Fact,
    resource::ResourceId,
    role::paths::{OPTIONAL_UNITS, key},
};

use super::{goes_on, taken_away};
use crate::{
    Action, Plan, basis,
    diff::{NOT_ASKED, Sides},
    fact::FactKey,
    plan::Waiting,
    step::StepId,
};

const REASON: &str = "FMP brought it, and nothing in cluster.toml wants it any more";

/// Adds to a plan that they are stopped for good. Their files stay, which nothing starts any more.
pub(crate) fn all(sides: Sides<'_>, plan: &mut Plan) {
    let mut facts = BTreeSet::new();
    let mut waits = false;
    for unit in OPTIONAL_UNITS {
        let key = key::unit(unit);
        let hosts = sides.spec.nodes.keys().filter_map(|name| Some((name, sides.observed.host(name)?)));
        let holding = hosts.filter(|(_, host)| host.ledger.contains_key(&key));
        let is_wanted = |name| sides.desired.find(&ResourceId::node(name, key.as_str())).is_some();
        for (name, host) in holding.filter(|(name, _)| !is_wanted(*name)) {
            let not_asked = Fact::Unknown(NOT_ASKED.to_owned());
            match goes_on(name, unit, host.units.get(unit).unwrap_or(&not_asked)) {
                Ok(false) => {}
                Ok(true) => {
                    facts.insert(FactKey::Unit { node: name.clone(), unit: unit.into() });
                    let action = Action::StopUnits { units: vec![unit.into()] };
                    let step = taken_away(plan, name, StepId::new(format!("{name}/{key}")), action, REASON);
                    plan.steps.push(step);
                }
                Err(until) => {
                    waits = true;
                    plan.waiting.push(Waiting { what: format!("{name}/{key}"), until, node: Some(name.clone()) });
                }
            }
        }
    }
    if waits || !facts.is_empty() {
        basis::add(&mut plan.basis.facts, sides.observed, facts);
        plan.put_in_order();
    }
}
