//! What is to be asked, derived from what is wanted.

use std::{collections::BTreeSet, sync::Arc};

use fmp_core::{
    NodeName,
    graph::Desired,
    resource::{PackageSource, Resource, Scope, Way, programs},
    role::{self, paths::OPTIONAL_UNITS},
    spec::{Role, Spec},
};

use crate::{
    Questions,
    provider::{GroupQuestion, HostQuestions, VolumeQuestion},
};

/// The questions whose answers the difference needs, for each host; the profile's questions are not among them.
pub fn questions(spec: &Spec, desired: &Desired) -> Questions {
    let wanted = desired.iter().filter_map(|(_, _, resource)| match resource {
        Resource::Object(object) => Some(object.kind().to_owned()),
        Resource::Machine
        | Resource::Artifact(_)
        | Resource::File(_)
        | Resource::Trust(_)
        | Resource::Certificate(_)
        | Resource::Unit(_)
        | Resource::EtcdMember(_)
        | Resource::Image(_)
        | Resource::NodeObject(_)
        | Resource::Volume(_)
        | Resource::Package(_) => None,
    });
    let kinds = wanted.chain(role::kinds().map(str::to_owned)).collect();
    let mut questions = Questions { kinds, ..Questions::default() };
    for (name, node) in &spec.nodes {
        // What the file wanted once is stopped.
        let units = OPTIONAL_UNITS.map(Arc::from).into();
        let host = HostQuestions { main: node.role == Role::Main, units, ..HostQuestions::default() };
        questions.hosts.insert(name.clone(), host);
    }
    // Of a node that leaves: what of ours runs there. A main has every unit that there is.
    let wanted = desired.iter().filter_map(|(_, _, resource)| resource.unit().map(|unit| unit.name.clone()));
    let units: BTreeSet<Arc<str>> = wanted.chain(OPTIONAL_UNITS.map(Arc::from)).collect();
    for name in spec.retired.keys() {
        let host = HostQuestions { units: units.clone(), ..HostQuestions::default() };
        questions.hosts.insert(name.clone(), host);
    }
    for (_, id, resource) in desired.iter() {
        if let Scope::Node(node) = &id.scope
            && let Some(host) = questions.hosts.get_mut(node)
        {
            ask(host, resource);
        }
    }
    questions
}

/// The same questions for some of the hosts.
#[must_use]
pub fn only(questions: &Questions, nodes: impl Fn(&NodeName) -> bool) -> Questions {
    let hosts = questions.hosts.iter().filter(|(node, _)| nodes(node));
    let hosts = hosts.map(|(node, host)| (node.clone(), host.clone())).collect();
    Questions { hosts, kinds: questions.kinds.clone(), ..*questions }
}

fn ask(host: &mut HostQuestions, resource: &Resource) {
    match resource {
        Resource::Artifact(artifact) => _ = host.programs.insert(artifact.path.clone()),
        Resource::File(file) => _ = host.files.insert(file.path.clone(), file.content.digest),
        Resource::Trust(trust) => _ = host.trust.insert(trust.what),
        Resource::Certificate(certificate) => {
            host.certificates.insert(certificate.path.clone());
            host.keys.insert(certificate.key_path.clone());
        }
        Resource::Unit(unit) => _ = host.units.insert(unit.name.clone()),
        Resource::Volume(volume) => {
            for mount in &*volume.mounts {
                host.files.insert(mount.path.clone(), mount.content.digest);
                host.units.insert(mount.unit.clone());
            }
            let logical = volume.group.as_ref().map(|group| &group.logical);
            host.programs_wanted.extend(programs(volume.filesystem, logical).map(|(program, _)| program.to_owned()));
            host.volume = Some(VolumeQuestion {
                disk: volume.disk.clone(),
                group: volume.group.as_ref().map(|group| GroupQuestion {
                    name: group.logical.group.clone(),
                    disks: group.disks.iter().map(|member| member.disk.clone()).collect(),
                }),
                filesystem: volume.filesystem,
                directories: volume.mounts.iter().map(|mount| mount.directory.clone()).collect(),
            });
        }
        Resource::Image(image) => match &image.way {
            Way::Store(stored) => _ = host.files.insert(stored.link.clone(), stored.tagged().digest),
            // Which images its runtime holds every host tells.
            Way::Import | Way::Pull { .. } => {}
        },
        Resource::Package(package) => {
            host.packages.extend(package.need.everywhere());
            if let PackageSource::Bundle(systems) = &package.from {
                host.packages.extend(systems.values().flatten().map(|file| file.package.clone()));
            }
        }
        // These are asked of every host, of none, or of the API.
        Resource::Machine | Resource::EtcdMember(_) | Resource::NodeObject(_) | Resource::Object(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use fmp_core::{bundle::Lock, profile::Profiles, spec};

    use super::*;

    fn asked(mode: &str) -> (Spec, Questions) {
        let text = include_str!("../../fixtures/ssh-7/cluster.toml");
        let text = text.replace("mode = \"flannel\"", &format!("mode = \"{mode}\""));
        let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
        let questions = questions(&spec, &questions_graph(&spec));
        (spec, questions)
    }

    fn questions_graph(spec: &Spec) -> Desired {
        let lock = Lock::parse(include_str!("../../fixtures/bundle.lock")).unwrap();
        role::questions_graph(spec, &lock).unwrap()
    }

    #[test]
    fn the_api_is_asked_for_every_kind_that_is_ever_wanted() {
        for mode in ["routed", "flannel", "external"] {
            let (spec, questions) = asked(mode);
            assert_eq!(spec.network.mode.as_str(), mode);
            let wanted = questions_graph(&spec);
            let kinds = wanted.iter().filter_map(|(_, _, resource)| match resource {
                Resource::Object(object) => Some(object.kind().to_owned()),
                _ => None,
            });
            kinds.for_each(|kind| assert!(questions.kinds.contains(&kind), "{kind}"));
        }
    }

    #[test]
    fn a_part_of_the_questions_asks_the_api_the_same() {
        let (_, all) = asked("routed");
        let mains = only(&all, |node| node.as_str().starts_with("main"));
        assert_eq!((mains.hosts.len(), mains.kinds), (3, all.kinds));
    }
}
