//! What all holders share: made once, on one main, when every main is known to hold nothing; otherwise copied.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    NodeName,
    graph::Desired,
    observed::{Fact, Host, Observed, Pin},
    resource::{Authority, Holding, Resource, Scope, Trust},
    spec::{Role, Spec},
};

use super::{Delta, HostView, Sides, Task, Work};
use crate::{
    action::{TrustItem, TrustSource},
    fact::FactKey,
    plan::Verb,
};

/// Who holds what, over all mains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrustMap {
    by_holding: BTreeMap<Holding, Holders>,
}

/// One shared thing over all mains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holders {
    /// These mains hold the same.
    Held(BTreeSet<NodeName>),
    /// No main holds it whole, all say so, and no host shows a trace of an earlier one: this main makes it. Half of it may
    /// lie there, of a birth that was cut off.
    Nobody { maker: NodeName },
    /// It can't be made and can't be copied before this is known or settled.
    Blocked { until: String },
}

impl TrustMap {
    pub(crate) fn new(spec: &Spec, desired: &Desired, observed: &Observed) -> Self {
        let holders = |what| (what, Holders::new(spec, desired, observed, what));
        Self { by_holding: Holding::ALL.into_iter().map(holders).collect() }
    }

    pub(crate) fn holders(&self, what: Holding) -> &Holders {
        &self.by_holding[&what]
    }

    /// Mains that hold or will hold an authority's key, or what is to be waited for.
    pub(crate) fn lenders(&self, authority: Authority) -> Result<Vec<NodeName>, &str> {
        match self.holders(Holding::Authority(authority)) {
            Holders::Held(mains) => Ok(mains.iter().cloned().collect()),
            Holders::Nobody { maker } => Ok(vec![maker.clone()]),
            Holders::Blocked { until } => Err(until),
        }
    }
}

/// Mains by what marks the thing that they have.
type Marked = BTreeMap<String, BTreeSet<NodeName>>;

impl Holders {
    fn new(spec: &Spec, desired: &Desired, observed: &Observed, what: Holding) -> Self {
        let (mut held, mut shown) = (Marked::new(), Marked::new());
        let mut silent = None;
        for (name, _) in spec.mains() {
            match holding(observed, name, what) {
                Fact::Known(mark) => _ = held.entry(mark).or_default().insert(name.clone()),
                Fact::Absent => {}
                Fact::Unknown(why) => {
                    silent = silent.or(Some(format!("{name} says whether it holds the {what}: {why}")));
                }
            }
            // A certificate without its key was signed for all the same.
            if let Fact::Known(mark) = mark(observed, name, what) {
                shown.entry(mark).or_default().insert(name.clone());
            }
        }
        if shown.len() > 1 {
            return Self::Blocked { until: disagreement(what, &shown) };
        }
        if let Some((_, mains)) = held.pop_first() {
            return Self::Held(mains);
        }
        let Some((maker, _)) = spec.mains().next() else {
            return Self::Blocked { until: "there is a main node".to_owned() };
        };
        let until = silent.or_else(|| trace_of_an_earlier(maker, (spec, desired, observed), what));
        match until {
            None => Self::Nobody { maker: maker.clone() },
            Some(until) => Self::Blocked { until },
        }
    }
}

/// Who has what. Marks of secrets are another at each observation, so they are neither told nor an order.
fn disagreement(what: Holding, shown: &Marked) -> String {
    let is_secret = matches!(what, Holding::ServiceAccountKey | Holding::EncryptionConfig);
    let mut sides: Vec<(String, &str)> = shown.iter().map(|(mark, names)| (joined(names), short(mark))).collect();
    sides.sort();
    let told = |(names, mark): (String, &str)| format!("{} on {names}", if is_secret { "one" } else { mark });
    let told: Vec<String> = sides.into_iter().map(told).collect();
    format!("one {what} is left, now {}; copy the right one over the others by hand", told.join(", "))
}

/// What marks a thing as the same on two hosts: a public key's digest, or a keyed digest of this observation.
fn mark(observed: &Observed, node: &NodeName, what: Holding) -> Fact<String> {
    let host = match observed.hosts.get(node) {
        Some(Fact::Known(host)) => host,
        Some(Fact::Absent) => return Fact::Absent,
        Some(Fact::Unknown(why)) => return Fact::Unknown(why.clone()),
        None => return Fact::Unknown(super::NOT_ASKED.to_owned()),
    };
    match what {
        Holding::ClusterId => host.cluster_id.clone(),
        Holding::Authority(authority) => match host.certificates.get(authority.certificate()) {
            Some(fact) => fact.as_ref().map_known(|seen| seen.key.hex()),
            None => Fact::Unknown(super::NOT_ASKED.to_owned()),
        },
        Holding::ServiceAccountKey | Holding::EncryptionConfig => private_part(host, what),
    }
}

/// The mark of what a main holds whole. Half of a pair is no holding: somebody else has to have it, or nobody ever had.
fn holding(observed: &Observed, node: &NodeName, what: Holding) -> Fact<String> {
    let mark = mark(observed, node, what);
    let (Fact::Known(_), Some(host)) = (&mark, observed.host(node)) else { return mark };
    match what {
        Holding::Authority(_) => private_part(host, what).and_then_known(|_| mark),
        Holding::ServiceAccountKey => match what.public_path().and_then(|path| host.files.get(path)) {
            Some(Fact::Absent) => Fact::Absent,
            Some(Fact::Known(_) | Fact::Unknown(_)) | None => mark,
        },
        Holding::ClusterId | Holding::EncryptionConfig => mark,
    }
}

fn private_part(host: &Host, what: Holding) -> Fact<String> {
    match what.private_path().map(|path| host.secrets.get(path)) {
        Some(Some(fact)) => fact.as_ref().map_known(fmp_core::Digest::hex),
        Some(None) => Fact::Unknown(super::NOT_ASKED.to_owned()),
        None => Fact::Absent,
    }
}

/// A host that carries something signed or encrypted by one that is gone: a new one would lock everybody out. A certificate
/// without its key that lies with its maker alone is none: whoever has it from there got it after the key was there too.
fn trace_of_an_earlier(
    maker: &NodeName,
    (spec, desired, observed): (&Spec, &Desired, &Observed),
    what: Holding,
) -> Option<String> {
    let cluster_lives = |host: &Host| host.etcd_data || host.etcd_born;
    let trace = |name: &NodeName, host: &Host| match what {
        Holding::ClusterId => false,
        Holding::Authority(authority) => {
            let has_it = || matches!(host.certificates.get(authority.certificate()), Some(Fact::Known(_)));
            cluster_lives(host) || name != maker && has_it()
        }
        Holding::ServiceAccountKey | Holding::EncryptionConfig => cluster_lives(host),
    };
    let found = spec.nodes.keys().find(|name| observed.host(name).is_some_and(|host| trace(name, host)));
    let found = found.or_else(|| signed(desired, observed, what))?;
    Some(format!(
        "the {what} is restored on a main: {found} carries traces of an earlier one, and a new one would lock it out"
    ))
}

/// A host with a certificate that an authority signed.
fn signed<'a>(desired: &'a Desired, observed: &Observed, what: Holding) -> Option<&'a NodeName> {
    desired.iter().find_map(|(_, id, resource)| {
        let (Scope::Node(node), Resource::Certificate(wanted)) = (&id.scope, resource) else { return None };
        let is_there =
            || matches!(observed.host(node)?.certificates.get(&*wanted.path)?, Fact::Known(_)).then_some(node);
        if Holding::Authority(wanted.request.signer) == what { is_there() } else { None }
    })
}

pub(super) fn delta(sides: Sides<'_>, host: &HostView<'_>, wanted: Trust) -> Delta {
    let (what, name) = (wanted.what, host.name);
    let is_main = sides.spec.nodes.get(name).is_some_and(|node| node.role == Role::Main);
    let here = present(host, wanted);
    let from = match (sides.trust.holders(what), here) {
        (_, Fact::Unknown(why)) => return Delta::blocked(host.until(&what.to_string(), &why)),
        (Holders::Held(mains), Fact::Known(mark)) if mains.contains(name) || same(sides, mains, what, &mark) => {
            return match unpinned(host, what) {
                None => Delta::InSync,
                Some(why) => pin(host, wanted, why),
            };
        }
        (Holders::Held(mains), _) => {
            let others: Vec<NodeName> = mains.iter().filter(|main| *main != name).cloned().collect();
            if others.is_empty() {
                return Delta::blocked(format!(
                    "the other half of the {what} is restored on {name}, which alone holds it"
                ));
            }
            TrustSource::Copy(others)
        }
        (Holders::Nobody { maker }, _) if is_main && maker == name => TrustSource::Create,
        (Holders::Nobody { maker }, _) => TrustSource::Copy(vec![maker.clone()]),
        (Holders::Blocked { until }, _) => return Delta::blocked(until),
    };
    let item = TrustItem { what, private: wanted.private, from };
    let facts = host.premises(|| FactKey::Trust { node: name.clone(), what });
    Delta::from(Work::new(Verb::Create, Task::Trust(item), facts))
}

/// Why a host that has the cluster's id has to take it once more: it says on which machine it was taken.
fn unpinned(host: &HostView<'_>, what: Holding) -> Option<String> {
    match (what, host.state.known().map(Host::pin)) {
        (Holding::ClusterId, Some(Pin::Missing)) => Some("nothing says on which machine its ledger began".to_owned()),
        (Holding::ClusterId, Some(Pin::Other(pinned))) => Some(format!("its ledger began on the machine {pinned}")),
        (Holding::ClusterId, Some(Pin::Same) | None)
        | (Holding::Authority(_) | Holding::ServiceAccountKey | Holding::EncryptionConfig, _) => None,
    }
}

/// It takes what it has once more from itself, so that nothing else has to be there for it.
fn pin(host: &HostView<'_>, wanted: Trust, why: String) -> Delta {
    let Trust { what, private } = wanted;
    let item = TrustItem { what, private, from: TrustSource::Copy(vec![host.name.clone()]) };
    let facts = host.premises(|| FactKey::Host { node: host.name.clone() });
    Delta::from(Work::new(Verb::Update, Task::Trust(item), facts).because([why]))
}

/// What this host has of it: on a work node the public part alone.
fn present(host: &HostView<'_>, wanted: Trust) -> Fact<String> {
    match wanted.what {
        Holding::ClusterId => host.ask(|host| Some(&host.cluster_id)).map_known(Clone::clone),
        Holding::Authority(authority) => {
            let public = host.ask(|host| host.certificates.get(authority.certificate()));
            let private = if wanted.private {
                host.ask(|host| host.secrets.get(authority.key())).map_known(|_| ())
            } else {
                Fact::Known(())
            };
            public.and_then_known(|seen| private.map_known(|()| seen.key.hex()))
        }
        Holding::ServiceAccountKey | Holding::EncryptionConfig => {
            let path = wanted.what.private_path().unwrap_or_default();
            let private = host.ask(|host| host.secrets.get(path)).map_known(fmp_core::Digest::hex);
            // Where there is a public half, the pair is there only with both.
            match wanted.what.public_path().map(|path| host.ask(|host| host.files.get(path))) {
                Some(Fact::Absent) => private.and_then_known(|_| Fact::Absent),
                Some(Fact::Known(_) | Fact::Unknown(_)) | None => private,
            }
        }
    }
}

fn same(sides: Sides<'_>, mains: &BTreeSet<NodeName>, what: Holding, mark: &str) -> bool {
    mains.iter().any(|main| holding(sides.observed, main, what).known().is_some_and(|held| held == mark))
}

fn joined(names: &BTreeSet<NodeName>) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(" and ")
}

fn short(mark: &str) -> &str {
    mark.get(..12).unwrap_or(mark)
}

#[cfg(test)]
mod tests;
