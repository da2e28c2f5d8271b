//! Identity: hosts that belong to somebody else.

use std::collections::BTreeMap;

use fmp_core::{
    NodeName,
    graph::Desired,
    observed::{Api, Fact, Host, Observed, Pin},
    resource::{Image, Resource, Scope, Way},
    role::paths::{IDENTITY, key, unit_file},
    spec::Spec,
};

use crate::plan::Waiting;

/// Which hosts are somebody else's.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    /// Why each is. While there is one, nothing is touched anywhere.
    pub(crate) waiting: Vec<Waiting>,
    /// Consents by which others are ours now.
    pub(crate) adopted: Vec<String>,
}

/// Looks for foreign hosts.
pub(crate) fn foreign(spec: &Spec, desired: &Desired, observed: &Observed) -> Foreign {
    let ours = our_id(spec, observed);
    let mut unowned = unowned(spec, desired, observed);
    let mut foreign = Foreign { waiting: api_of_another(&ours, observed).into_iter().collect(), ..Foreign::default() };
    foreign.waiting.extend(spec.nodes.keys().filter_map(|node| another_key(node, observed)));
    for (node, host) in spec.nodes.keys().filter_map(|node| Some((node, observed.host(node)?))) {
        let mut found = signs(spec, host, &ours);
        found.extend(unowned.remove(node).into_iter().flatten());
        let consent = format!("adopt {node}");
        if found.is_empty() {
            continue;
        }
        if spec.consents.contains(&consent) {
            foreign.adopted.push(consent);
        } else {
            foreign.waiting.push(Waiting {
                what: node.to_string(),
                until: format!(
                    "it is ours: {}; take it out of cluster.toml, clean it, or agree with `consent = [\"{consent}\"]`",
                    found.join("; ")
                ),
                node: Some(node.clone()),
            });
        }
    }
    // The cluster first, then host by host.
    foreign.waiting.sort_by(|one, other| one.node.cmp(&other.node));
    foreign
}

/// Which cluster the mains say that this is.
enum Ours {
    /// They name it.
    Named(String),
    /// All say that there is none yet.
    New,
    /// Nobody names one, and some don't answer.
    Unknown,
}

/// The id that most mains carry; of equals the one that the first main carries.
fn our_id(spec: &Spec, observed: &Observed) -> Ours {
    let mut votes: Vec<(&str, usize)> = Vec::new();
    let mut all_answer = true;
    for (node, _) in spec.mains() {
        match observed.hosts.get(node) {
            Some(Fact::Known(Host { cluster_id: Fact::Known(id), .. })) => {
                match votes.iter_mut().find(|(other, _)| *other == id) {
                    Some((_, count)) => *count += 1,
                    None => votes.push((id, 1)),
                }
            }
            Some(Fact::Absent | Fact::Known(Host { cluster_id: Fact::Absent, .. })) => {}
            Some(Fact::Unknown(_) | Fact::Known(Host { cluster_id: Fact::Unknown(_), .. })) | None => {
                all_answer = false;
            }
        }
    }
    // `max_by_key` takes the last of equals.
    match votes.iter().rev().max_by_key(|(_, count)| *count) {
        Some((id, _)) => Ours::Named((*id).to_owned()),
        None if all_answer => Ours::New,
        None => Ours::Unknown,
    }
}

/// Somebody who answers at a host's address with another key than the host has. Nobody can agree to that: whoever looked
/// corrects the key.
fn another_key(node: &NodeName, observed: &Observed) -> Option<Waiting> {
    let told = observed.other_keys.get(node)?;
    Some(Waiting { what: node.to_string(), until: format!("it is ours: {told}"), node: Some(node.clone()) })
}

/// An API that says that it is another cluster's: whoever answers for it is not whom our file is about. What it names may
/// be changed by nobody but a person who looked.
fn api_of_another(ours: &Ours, observed: &Observed) -> Option<Waiting> {
    let (Ours::Named(ours), Fact::Known(Api { cluster_id: Fact::Known(id), .. })) = (ours, &observed.api) else {
        return None;
    };
    let until = format!(
        "the API is ours: {IDENTITY} names cluster {id}, the mains name {ours}; find out whose data etcd holds, and only \
         where it is this cluster's take the word away: `fmp kubectl -- -n kube-system delete configmap fmp-cluster`"
    );
    (id != ours).then(|| Waiting { what: "cluster".to_owned(), until, node: None })
}

/// What lies at our places on a host of ours and is not from us: a ledger's entry is written before its effect.
fn unowned(spec: &Spec, desired: &Desired, observed: &Observed) -> BTreeMap<NodeName, Vec<String>> {
    let mut unowned: BTreeMap<NodeName, Vec<String>> = BTreeMap::new();
    let mut last: Option<(&NodeName, Option<&Host>)> = None;
    for (_, id, resource) in desired.iter() {
        let Scope::Node(node) = &id.scope else { continue };
        let host = match last {
            Some((at, host)) if at == node => host,
            Some(_) | None => observed.host(node).filter(|host| host.cluster_id.known().is_some()),
        };
        last = Some((node, host));
        let Some(host) = host else { continue };
        let found = strange(spec, host, &id.key, resource);
        if !found.is_empty() {
            unowned.entry(node.clone()).or_default().extend(found);
        }
    }
    unowned
}

/// What is there of one resource that no ledger owns.
fn strange(spec: &Spec, host: &Host, key: &str, resource: &Resource) -> Vec<String> {
    let noted = host.ledger.contains_key(key);
    let file = |path: &str| if !noted && is_there(host, path) { vec![told(path)] } else { Vec::new() };
    match resource {
        Resource::File(wanted) => file(&wanted.path),
        Resource::Artifact(artifact) => file(&artifact.path),
        Resource::Certificate(certificate) => file(&certificate.path),
        Resource::Trust(trust) => {
            let paths = trust.what.public_path().into_iter().chain(trust.what.private_path());
            paths.flat_map(file).collect()
        }
        // A package's unit of the same name. Ours has a file that the ledger knows before the unit is first started.
        Resource::Unit(unit) => {
            let ours = noted || host.ledger.contains_key(&key::file(&unit_file(&unit.name)));
            let there = matches!(host.units.get(&*unit.name), Some(Fact::Known(_)));
            if there && !ours { vec![told(&unit.name)] } else { Vec::new() }
        }
        Resource::EtcdMember(_) if host.etcd_data && !noted => vec![told_of_data(spec)],
        Resource::Volume(volume) => {
            let files = volume.mounts.iter().map(|mount| (&*mount.path, key::file(&mount.path)));
            let theirs = files.filter(|(path, key)| is_there(host, path) && !host.ledger.contains_key(key));
            theirs.map(|(path, _)| told(path)).collect()
        }
        Resource::Image(Image { way: Way::Store(stored), .. }) => file(&stored.link),
        // Whoever may make pods may have let the runtime, which is ours, fetch an image that we want too; a package that is
        // there is left alone.
        Resource::Image(_)
        | Resource::Package(_)
        | Resource::EtcdMember(_)
        | Resource::Machine
        | Resource::NodeObject(_)
        | Resource::Object(_) => Vec::new(),
    }
}

fn is_there(host: &Host, path: &str) -> bool {
    matches!(host.files.get(path), Some(Fact::Known(_)))
}

fn told(path: &str) -> String {
    format!("{path} is there and no ledger owns it")
}

fn told_of_data(spec: &Spec) -> String {
    format!("{}/member holds etcd data and no ledger owns it", spec.profile.settings.directories.etcd)
}

/// What on a host is not ours.
fn signs(spec: &Spec, host: &Host, ours: &Ours) -> Vec<String> {
    let mut signs = Vec::new();
    match (&host.cluster_id, ours) {
        (Fact::Known(id), Ours::Named(ours)) if id != ours => {
            signs.push(format!("its ledger names cluster {id}, the mains name {ours}"));
        }
        // A work node alone with an id, and mains without one: the mains are new, the work node is not.
        (Fact::Known(id), Ours::New) => signs.push(format!("its ledger names cluster {id}, the mains name none")),
        (Fact::Known(_), Ours::Named(_) | Ours::Unknown) | (Fact::Absent | Fact::Unknown(_), _) => {}
    }
    if let Pin::Other(pinned) = host.pin() {
        signs.push(format!("its ledger began on the machine {pinned}, this machine is {}", host.facts.machine_id));
    }
    signs.extend(host.strangers.iter().map(|(name, found)| format!("{name} is there: {found}")));
    if matches!(host.cluster_id, Fact::Absent) {
        signs.extend(unclaimed(spec, host));
    }
    signs
}

/// What lies on a host that belongs to no cluster yet: the first three of each sort are enough to see whose it is.
fn unclaimed(spec: &Spec, host: &Host) -> Vec<String> {
    let files = host.files.iter().filter(|(_, file)| matches!(file, Fact::Known(_))).map(|(path, _)| path);
    let certificates =
        host.certificates.iter().filter(|(_, seen)| matches!(seen, Fact::Known(_))).map(|(path, _)| path);
    let secrets = host.secrets.iter().filter(|(_, secret)| matches!(secret, Fact::Known(_))).map(|(path, _)| path);
    // A package's unit of the same name: ours would push it aside.
    let units = host.units.iter().filter(|(_, unit)| matches!(unit, Fact::Known(_))).map(|(name, _)| name);
    let all = files.take(3).chain(certificates.take(1)).chain(secrets.take(1)).chain(units.take(3));
    let mut signs: Vec<String> = Vec::new();
    for found in all.map(|found| told(found)) {
        if !signs.contains(&found) {
            signs.push(found);
        }
    }
    if host.etcd_data {
        signs.push(told_of_data(spec));
    }
    signs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Plan, Standing,
        lint::lint,
        testing::{Lab, ids, step, waits},
    };

    #[track_caller]
    fn check_foreign(lab: &Lab, name: &str, why: &str) {
        let plan = lab.plan();
        let until = waits(&plan, name).unwrap_or_else(|| panic!("{:#?}", plan.waiting));
        assert!(until.starts_with(&format!("it is ours: {why}")), "{until}");
        assert_eq!((plan.steps.len(), plan.standing()), (0, Standing::Blocked), "nothing is touched anywhere");
    }

    fn nobody_is_foreign(plan: &Plan) {
        assert!(plan.waiting.iter().all(|item| !item.until.starts_with("it is ours")), "{:#?}", plan.waiting);
    }

    #[test]
    fn a_host_of_another_cluster_is_foreign() {
        let mut lab = Lab::settled(3, 1);
        lab.host("work-1").cluster_id = Fact::Known("other".into());
        check_foreign(&lab, "work-1", "its ledger names cluster other, the mains name 0123456789abcdef");
        let mut lab = Lab::settled(3, 1);
        lab.host("main-1").cluster_id = Fact::Known("other".into());
        check_foreign(&lab, "main-1", "its ledger names cluster other, the mains name 0123456789abcdef");
    }

    #[test]
    fn a_host_that_shows_another_key_is_foreign_whatever_is_agreed_to() {
        let mut lab = Lab::agreed(3, 1, &["adopt work-1"]);
        lab.edit("main-2", "/etc/kubernetes/audit-policy.yaml");
        lab.silence("work-1");
        assert_eq!(lab.plan().standing(), Standing::Steps, "one that is only silent holds nothing else up");
        lab.seen.other_keys.insert("work-1".parse().unwrap(), "the host key of w is another one".into());
        check_foreign(&lab, "work-1", "the host key of w is another one");
        lab.host("main-1").cluster_id = Fact::Known("other".into());
        lab.api().cluster_id = Fact::Known("other".into());
        let plan = lab.plan();
        let named: Vec<&str> = plan.waiting.iter().map(|item| item.what.as_str()).collect();
        assert_eq!((named, lint(&plan)), (vec!["cluster", "main-1", "work-1"], Vec::new()), "whatever it is, in order");
    }

    #[test]
    fn an_api_of_another_cluster_is_foreign() {
        let mut lab = Lab::agreed(3, 1, &["adopt main-1"]);
        lab.edit("main-2", "/etc/kubernetes/audit-policy.yaml");
        lab.api().cluster_id = Fact::Known("other".into());
        let plan = lab.plan();
        let until = waits(&plan, "cluster").unwrap();
        let named =
            "the API is ours: ConfigMap/kube-system/fmp-cluster names cluster other, the mains name 0123456789abcdef";
        assert!(until.starts_with(named), "{until}");
        assert_eq!((plan.steps.len(), plan.standing()), (0, Standing::Blocked), "nothing is touched anywhere");
        for says_nothing in [Fact::Absent, Fact::Unknown("nobody asked".into())] {
            lab.api().cluster_id = says_nothing;
            assert_eq!(lab.plan().standing(), Standing::Steps);
        }
    }

    #[test]
    fn an_old_work_node_of_new_mains_is_foreign() {
        let mut lab = Lab::bare(1, 1);
        lab.host("work-1").cluster_id = Fact::Known("other".into());
        check_foreign(&lab, "work-1", "its ledger names cluster other, the mains name none");
    }

    #[test]
    fn mains_that_do_not_answer_make_nobody_foreign() {
        let mut lab = Lab::settled(3, 1);
        ["main-1", "main-2", "main-3"].iter().for_each(|main| lab.silence(main));
        (lab.seen.etcd, lab.seen.api) = (Fact::Unknown("no main".into()), Fact::Unknown("no main".into()));
        nobody_is_foreign(&lab.plan());
    }

    /// The disk of `name` answers from another machine.
    fn move_disk(lab: &mut Lab, name: &str) {
        "f".repeat(32).clone_into(&mut lab.host(name).facts.machine_id);
    }

    #[test]
    fn a_disk_that_was_copied_to_another_machine_is_foreign() {
        let why = format!("its ledger began on the machine {}, this machine is {}", "0".repeat(32), "f".repeat(32));
        for name in ["main-1", "work-1"] {
            let mut lab = Lab::settled(3, 1);
            move_disk(&mut lab, name);
            check_foreign(&lab, name, &why);
        }
    }

    #[test]
    fn a_bare_machine_under_a_known_name_is_a_replacement() {
        let mut lab = Lab::settled(3, 1);
        lab.clear("work-1");
        move_disk(&mut lab, "work-1");
        let plan = lab.plan();
        nobody_is_foreign(&plan);
        assert!(ids(&plan).contains(&"work-1/trust"), "{:?}", ids(&plan));
    }

    #[test]
    fn a_machine_without_an_id_is_nobody_else() {
        let mut lab = Lab::settled(1, 1);
        lab.host("work-1").facts.machine_id.clear();
        assert_eq!(lab.plan().standing(), Standing::InSync);
    }

    #[test]
    fn who_adopts_another_machine_pins_it_anew() {
        for name in ["main-1", "work-1"] {
            let mut lab = Lab::agreed(1, 1, &[&format!("adopt {name}")]);
            move_disk(&mut lab, name);
            let plan = lab.plan();
            assert_eq!((ids(&plan), plan.consents.len()), (vec![format!("{name}/trust").as_str()], 1));
            let pinned = format!("{name}/trust/cluster-id");
            let change = plan.changes.iter().find(|change| change.id == pinned).unwrap();
            assert_eq!(change.why, [format!("its ledger began on the machine {}", "0".repeat(32))]);
            assert!(step(&plan, &format!("{name}/trust")).disrupts.is_empty());
            assert!(lint(&plan).is_empty(), "{:?}", lint(&plan));
            lab.host(name).pinned_machine_id = Fact::Known("f".repeat(32));
            assert_eq!((lab.plan().standing(), lab.plan().consents.len()), (Standing::InSync, 0));
        }
    }

    #[test]
    fn all_machines_may_be_others_at_once() {
        let mut lab = Lab::agreed(3, 1, &["adopt main-1", "adopt main-2", "adopt main-3", "adopt work-1"]);
        ["main-1", "main-2", "main-3", "work-1"].iter().for_each(|name| move_disk(&mut lab, name));
        let plan = lab.plan();
        assert_eq!(ids(&plan), ["main-1/trust", "main-2/trust", "main-3/trust", "work-1/trust"]);
        assert!(plan.steps.iter().all(|step| step.after.is_empty()) && lint(&plan).is_empty(), "{plan:#?}");
    }

    #[test]
    fn what_no_ledger_owns_is_foreign() {
        let mut lab = Lab::settled(1, 1);
        lab.host("work-1").ledger.remove("file/etc/fmp/node.env");
        check_foreign(&lab, "work-1", "/etc/fmp/node.env is there and no ledger owns it");
        let mut lab = Lab::bare(1, 1);
        lab.host("main-1").etcd_data = true;
        check_foreign(&lab, "main-1", "/var/lib/etcd/member holds etcd data and no ledger owns it");
        let mut lab = Lab::bare(1, 1);
        lab.host("main-1").strangers.insert("k3s".into(), "/etc/rancher/k3s".into());
        check_foreign(&lab, "main-1", "k3s is there: /etc/rancher/k3s");
    }

    /// On a host that is ours already: each kind of thing that lies on hosts, its ledger's entry lost or never written.
    #[test]
    fn what_no_ledger_owns_is_foreign_whatever_kind_it_is() {
        for (key, found) in [
            ("trust/ca", "/etc/kubernetes/pki/ca.crt"),
            ("trust/service-account-key", "/etc/kubernetes/pki/sa.pub"),
            ("trust/encryption-config", "/etc/kubernetes/encryption.yaml"),
            ("certificate/etc/kubernetes/pki/apiserver.crt", "/etc/kubernetes/pki/apiserver.crt"),
        ] {
            let mut lab = Lab::settled(3, 1);
            lab.host("main-1").ledger.remove(key).unwrap();
            check_foreign(&lab, "main-1", &format!("{found} is there and no ledger owns it"));
        }
        let mut lab = Lab::settled(3, 1);
        lab.host("main-1").ledger.remove("etcd-member").unwrap();
        check_foreign(&lab, "main-1", "/var/lib/etcd/member holds etcd data and no ledger owns it");
    }

    #[test]
    fn a_packages_unit_beside_files_of_ours_is_foreign_and_one_not_started_yet_is_not() {
        let mut lab = Lab::settled(3, 1);
        lab.host("work-1").ledger.remove("unit/containerd.service").unwrap();
        nobody_is_foreign(&lab.plan());
        lab.host("work-1").ledger.remove("file/etc/systemd/system/containerd.service").unwrap();
        lab.host("work-1").files.insert("/etc/systemd/system/containerd.service".into(), Fact::Absent);
        check_foreign(&lab, "work-1", "containerd.service is there and no ledger owns it");
    }

    /// Anybody who may make pods may have it pulled.
    #[test]
    fn an_image_that_somebody_else_fetched_makes_no_host_foreign() {
        let mut lab = Lab::settled(3, 1);
        let images: Vec<String> =
            lab.host("work-1").ledger.keys().filter(|key| key.starts_with("image/")).cloned().collect();
        assert!(!images.is_empty());
        images.iter().for_each(|key| _ = lab.host("work-1").ledger.remove(key));
        assert_eq!(lab.plan().standing(), Standing::InSync);
    }

    #[test]
    fn a_packages_unit_of_the_same_name_is_foreign() {
        let mut lab = Lab::bare(1, 1);
        let containerd = Lab::settled(1, 1).unit("work-1", "containerd.service").clone();
        lab.host("work-1").units.insert("containerd.service".into(), Fact::Known(containerd));
        check_foreign(&lab, "work-1", "containerd.service is there and no ledger owns it");
    }

    #[test]
    fn who_adopts_a_host_says_so_in_the_plan() {
        let mut lab = Lab::agreed(1, 2, &["adopt work-1", "adopt work-2"]);
        lab.host("work-1").ledger.remove("file/etc/fmp/node.env");
        let plan = lab.plan();
        nobody_is_foreign(&plan);
        assert_eq!(plan.consents.iter().collect::<Vec<_>>(), ["adopt work-1"], "work-2 needed none");
    }
}
