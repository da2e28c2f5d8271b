//! A plan from strings alone: no host, no file, no clock.

use fmp::{
    core::{
        bundle::Lock,
        observed::{Fact, Observed},
        profile::Profiles,
        spec,
    },
    planner::{Plan, Standing, render},
};

const CLUSTER: &str = include_str!("../fixtures/local-7/cluster.toml");
const LOCK: &str = include_str!("../fixtures/bundle.lock");

/// What would be done if nothing existed yet.
pub(crate) fn plan() -> Result<Plan, Box<dyn std::error::Error>> {
    let spec = spec::parse("cluster.toml", CLUSTER, &Profiles::shipped())?;
    let lock = Lock::parse(LOCK)?;
    let observed = Observed {
        now: 0,
        machines: Fact::Known([].into()),
        hosts: spec.nodes.keys().map(|node| (node.clone(), Fact::Absent)).collect(),
        other_keys: [].into(),
        etcd: Fact::Absent,
        api: Fact::Absent,
    };
    Ok(fmp::plan(&spec, &lock, &observed)?)
}

/// Prints the plan.
#[expect(clippy::print_stdout, reason = "it is what the example shows")]
pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plan = plan()?;
    assert_eq!(plan.standing(), Standing::Steps);
    print!("{}", render::text(&plan));
    Ok(())
}
