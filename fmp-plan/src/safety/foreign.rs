//! Identity: hosts that belong to somebody else.

use std::collections::BTreeMap;

use fmp_core::{
    NodeName,
    graph::Desired,
    observed::{Fact, Host, Observed},
    resource::{Resource, Scope},
    spec::{Role, Spec},
};

use crate::plan::Waiting;

/// Why each foreign host is foreign. While there is one, nothing is touched anywhere.
pub(crate) fn foreign(spec: &Spec, desired: &Desired, observed: &Observed) -> Vec<Waiting> {
    let ours = our_id(spec, observed);
    let mut unowned = unowned(desired, observed);
    let known = spec.nodes.keys().filter_map(|node| Some((node, observed.host(node)?)));
    known
        .filter(|(node, _)| !spec.consents.contains(&format!("adopt {node}")))
        .filter_map(|(node, host)| {
            let mut found = signs(host, ours.as_deref());
            found.extend(unowned.remove(node).into_iter().flatten());
            (!found.is_empty()).then(|| Waiting {
                what: node.to_string(),
                until: format!(
                    "it is ours: {}; take it out of cluster.toml, clean it, or agree with `consent = [\"adopt {node}\"]`",
                    found.join("; ")
                ),
                node: Some(node.clone()),
            })
        })
        .collect()
}

/// The id that most mains carry; of equals the one that the first main carries.
fn our_id(spec: &Spec, observed: &Observed) -> Option<String> {
    let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut first = None;
    let mut nodes: Vec<(&NodeName, Role)> = spec.nodes.iter().map(|(name, node)| (name, node.role)).collect();
    nodes.sort_by_key(|(_, role)| *role);
    let mains = nodes.iter().filter(|(_, role)| *role == Role::Main);
    for id in mains.filter_map(|(node, _)| observed.host(node)?.cluster_id.known()) {
        first = first.or(Some(id));
        *votes.entry(id).or_default() += 1;
    }
    let most = votes.values().max().copied()?;
    let leading: Vec<_> = votes.iter().filter(|(_, count)| **count == most).map(|(id, _)| *id).collect();
    match leading.as_slice() {
        [only] => Some((*only).to_owned()),
        _ => first.cloned(),
    }
}

/// Files at our paths that a host of ours does not have from us: a ledger's entry is written before its file.
fn unowned(desired: &Desired, observed: &Observed) -> BTreeMap<NodeName, Vec<String>> {
    let mut unowned: BTreeMap<NodeName, Vec<String>> = BTreeMap::new();
    for (_, id, resource) in desired.iter() {
        let Scope::Node(node) = &id.scope else { continue };
        let Some(host) = observed.host(node).filter(|host| host.cluster_id.known().is_some()) else { continue };
        let path = match resource {
            Resource::File(file) => &*file.path,
            Resource::Artifact(artifact) => &*artifact.path,
            Resource::Certificate(certificate) => &*certificate.path,
            Resource::Machine
            | Resource::Trust(_)
            | Resource::Unit(_)
            | Resource::EtcdMember(_)
            | Resource::Image(_)
            | Resource::NodeObject(_)
            | Resource::Object(_) => continue,
        };
        let there = matches!(host.files.get(path), Some(Fact::Known(_)));
        if there && !host.ledger.contains_key(&*id.key) {
            unowned.entry(node.clone()).or_default().push(format!("{path} is there and no ledger owns it"));
        }
    }
    unowned
}

/// What on a host is not ours.
fn signs(host: &Host, ours: Option<&str>) -> Vec<String> {
    let mut signs = Vec::new();
    match (&host.cluster_id, ours) {
        (Fact::Known(id), Some(ours)) if id != ours => {
            signs.push(format!("its ledger names cluster {id}, the mains name {ours}"));
        }
        // A work node alone with an id, and mains without one: the mains are new, the work node is not.
        (Fact::Known(id), None) => signs.push(format!("its ledger names cluster {id}, the mains name none")),
        (Fact::Known(_), Some(_)) | (Fact::Absent | Fact::Unknown(_), _) => {}
    }
    signs.extend(host.strangers.iter().map(|(name, found)| format!("{name} is there: {found}")));
    if matches!(host.cluster_id, Fact::Absent) {
        let there = host.files.iter().filter(|(_, file)| matches!(file, Fact::Known(_)));
        signs.extend(there.take(3).map(|(path, _)| format!("{path} is there and no ledger owns it")));
        let authority = host.certificates.iter().find(|(_, seen)| matches!(seen, Fact::Known(_)));
        signs.extend(authority.map(|(path, _)| format!("{path} is there and no ledger owns it")));
        if host.etcd_data {
            signs.push("/var/lib/etcd/member holds etcd data and no ledger owns it".to_owned());
        }
    }
    signs
}
