//! Services of type `LoadBalancer`: each has an address, one that the entrance carries, and a pod wherever that is.

use std::net::Ipv4Addr;

use fmp_core::{
    Severity, check,
    observed::{Fact, LoadBalancerSeen},
};

use super::{Ailment, Fix, Kind, Patient, first};

pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let health = patient.observed.api.known().and_then(|api| api.health.as_ref());
    let Some(Fact::Known(all)) = health.map(|health| &health.load_balancers) else { return Vec::new() };
    let ranges = patient.spec.apps_entrance.services();
    let is_carried = |address: &Ipv4Addr| ranges.iter().any(|range| range.contains(*address));
    let of = |chosen: &dyn Fn(&LoadBalancerSeen) -> bool| all.iter().filter(|one| chosen(one)).collect::<Vec<_>>();
    let waiting = of(&|one| one.addresses.is_empty());
    // Without addresses of ours, those that there are come from somebody else, who knows what becomes of them.
    let astray = of(&|one| !ranges.is_empty() && !one.addresses.is_empty() && !one.addresses.iter().all(is_carried));
    let local = of(&|one| one.is_local && one.addresses.iter().any(is_carried));
    [
        (waiting, Trouble::Waiting { count: ranges.iter().map(|range| range.count()).sum() }),
        (astray, Trouble::Astray),
        (local, Trouble::Local),
    ]
    .into_iter()
    .filter(|(services, _)| !services.is_empty())
    .map(|(services, trouble)| ailment(patient, &services, trouble))
    .collect()
}

/// What is wrong with Services.
#[derive(Clone, Copy)]
enum Trouble {
    /// They have no address; so many there are for all Services.
    Waiting { count: u64 },
    /// Theirs is none that the entrance has.
    Astray,
    /// They are reached only by way of a node with a pod of theirs.
    Local,
}

fn ailment(patient: &Patient<'_>, services: &[&LoadBalancerSeen], trouble: Trouble) -> Ailment {
    let told = |one: &&LoadBalancerSeen| {
        let LoadBalancerSeen { namespace, name, addresses, .. } = one;
        let addresses: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
        let at = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(" and ") };
        format!("{namespace}/{name}: {at}")
    };
    let evidence = first(services, told);
    let (one, several) = match trouble {
        Trouble::Waiting { .. } => ("has no address", "have no address"),
        Trouble::Astray => ("has an address that no entrance has", "have addresses that no entrance has"),
        Trouble::Local => ("is reached only by some work nodes", "are reached only by some work nodes"),
    };
    let what = match services.len() {
        1 => format!("1 Service of type LoadBalancer {one}"),
        count => format!("{count} Services of type LoadBalancer {several}"),
    };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::LoadBalancer,
        severity: Severity::Warning,
        what,
        evidence,
        cause: cause(trouble),
        fix: fix(patient, trouble),
    }
}

fn cause(trouble: Trouble) -> String {
    match trouble {
        Trouble::Waiting { count: 0 } => {
            "nobody gives addresses: [entrance.apps] has no `services`, or whoever else does it does not".to_owned()
        }
        Trouble::Waiting { count } => format!(
            "all {count} addresses of `services` are given away, they ask for one that is not among these or that another \
             one has, or what gives them does not run"
        ),
        Trouble::Astray => {
            "they got it before `services` under [entrance.apps] was changed, or from somebody else".to_owned()
        }
        Trouble::Local => {
            "`externalTrafficPolicy: Local`: the work node that holds the entrance answers for its own pods alone, and may have \
             none of theirs"
                .to_owned()
        }
    }
}

fn fix(patient: &Patient<'_>, trouble: Trouble) -> Fix {
    const GIVES: &str = "kube-system/metallb-controller";
    match trouble {
        Trouble::Waiting { .. } => patient.fix(
            |step| step.id.as_str().contains(GIVES),
            |what| what.contains(GIVES),
            || {
                "`fmp kubectl -- describe service NAME` says why under Events; write more addresses into `services` under \
                 [entrance.apps]"
                    .to_owned()
            },
        ),
        Trouble::Astray => Fix::Hand(
            "put the address back into `services` under [entrance.apps], or make the Service anew, which gives it another one"
                .to_owned(),
        ),
        Trouble::Local => Fix::Hand(
            "`externalTrafficPolicy: Cluster`, by which pods see a node's address for the client's; or a DaemonSet, with a pod \
             on every work node"
                .to_owned(),
        ),
    }
}
