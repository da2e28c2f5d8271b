//! What is to be asked, derived from what is wanted.

use fmp_core::{
    NodeName,
    graph::Desired,
    resource::{Resource, Scope},
    spec::{Role, Spec},
};

use crate::{Questions, provider::HostQuestions};

/// The questions whose answers the difference needs, for each host; the profile's questions are not among them.
pub fn questions(spec: &Spec, desired: &Desired) -> Questions {
    let mut questions = Questions::default();
    for (name, node) in &spec.nodes {
        let host = HostQuestions { main: node.role == Role::Main, ..HostQuestions::default() };
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
    Questions { hosts: hosts.map(|(node, host)| (node.clone(), host.clone())).collect(), deep: questions.deep }
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
        // These are asked of every host, or of none.
        Resource::Machine
        | Resource::EtcdMember(_)
        | Resource::Image(_)
        | Resource::NodeObject(_)
        | Resource::Object(_) => {}
    }
}
