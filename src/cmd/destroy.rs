//! `fmp destroy`: takes everything off the hosts that FMP put there.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::Observed,
    spec::{Environment, Role, Spec},
};
use fmp_exec::{Applied, Context};
use fmp_providers::simulated::{SimWorld, state_file};
use miette::{IntoDiagnostic as _, miette};

use crate::{
    cli::{DestroyArgs, Places},
    exit::Exit,
    output, session,
    session::Session,
};

/// Deletes local machines; on other hosts removes what their ledgers name.
pub(crate) async fn run(places: &Places, args: &DestroyArgs) -> miette::Result<Exit> {
    let spec = session::spec(places)?;
    if args.name != spec.name {
        return Err(miette!(
            help = "write `--name` as cluster.toml has it",
            "the cluster's name is {}, not {}: nothing was touched",
            spec.name,
            args.name
        ));
    }
    match spec.environment {
        Environment::Local => delete_machines(&spec).await,
        Environment::Ssh => clean_hosts(&Session::open(places)?).await,
        Environment::Sim => forget_world(places, &spec).await,
    }
}

async fn forget_world(places: &Places, spec: &Spec) -> miette::Result<Exit> {
    let path = state_file(&places.file);
    SimWorld::new(path.clone(), spec).forget().await.into_diagnostic()?;
    output::print(&format!("the simulated world at {} is gone\n", path.display()));
    Ok(Exit::Fine)
}

async fn delete_machines(spec: &Spec) -> miette::Result<Exit> {
    let local = fmp_providers::environment::Local::new(&spec.name);
    let machines = local.machines().map_err(|error| miette!(help = error.remedy(), "{error}"))?;
    // One that is only half made is not among them, and goes too.
    let nodes: BTreeSet<_> = machines.keys().chain(spec.nodes.keys()).collect();
    for node in nodes {
        local.delete(node).await.map_err(|error| miette!(help = error.remedy(), "{node}: {error}"))?;
        if machines.contains_key(node) {
            output::print(&format!("{node}: deleted\n"));
        }
    }
    output::print(&format!("{} machines deleted\n", machines.len()));
    Ok(Exit::Fine)
}

/// Which clusters the mains name; where they are clean already, those that the others still do.
fn ids<'o>(spec: &Spec, observed: &'o Observed) -> BTreeSet<&'o String> {
    let named = |node: &NodeName| observed.host(node)?.cluster_id.known();
    let mains: BTreeSet<_> = spec.mains().filter_map(|(node, _)| named(node)).collect();
    if mains.is_empty() { spec.nodes.keys().chain(spec.retired.keys()).filter_map(named).collect() } else { mains }
}

async fn clean_hosts(session: &Session) -> miette::Result<Exit> {
    let reach = session.reach()?;
    let observed = super::look(session, &reach, super::Depth::Plan).await?;
    let ids = ids(&session.spec, &observed);
    let [id] = ids.iter().copied().collect::<Vec<_>>()[..] else {
        return Err(miette!(
            help = "a host that belongs to another cluster is cleaned by the file of that cluster",
            "the hosts name {} clusters, one is needed to know what is ours: nothing was touched",
            ids.len()
        ));
    };
    let lease = super::apply::lease::acquire(session, &reach, &observed).await?;
    let cx = Context { epoch: lease.record().epoch, ..Context::default() };
    let mut left = 0;
    // Work nodes first: while they stop, the API still answers.
    let leaving = session.spec.retired.iter();
    let others = [Role::Work, Role::Images, Role::Main].into_iter().flat_map(|role| session.spec.of_role(role));
    for (node, _) in leaving.chain(others) {
        match reach.hosts.destroy(&cx, node, id).await {
            Ok(Applied::Done | Applied::AlreadyDone) => output::print(&format!("{node}: cleaned\n")),
            Ok(Applied::Stale(found)) => {
                left += 1;
                output::note(&format!("{node}: left as it is: {found}"));
            }
            Err(failure) => {
                left += 1;
                output::note(&format!("{node}: {failure}"));
            }
        }
    }
    lease.release().await;
    if left == 0 {
        Ok(Exit::Fine)
    } else {
        Err(miette!("{left} hosts were not cleaned; run it again once that is mended"))
    }
}
