//! Machines of different kinds: who makes them, and what they can be.

use toml::Spanned;

use crate::{
    NodeName,
    resource::Serial,
    spec::{
        Environment, MachineKind, Role,
        problem::{Code, Problem, Sink},
        raw::{Raw, RawNode},
    },
};

/// Notes machines that nobody makes so.
pub(super) fn check(sink: &Sink, raw: &Raw, environment: Option<Environment>) {
    for (name, node) in raw.nodes.iter().chain(&raw.retired) {
        let (Some(kind), Some(environment)) = (&node.machine, environment) else { continue };
        match environment {
            Environment::Ssh | Environment::Sim => sink.note(unused(kind, environment)),
            Environment::Local if *kind.get_ref() == MachineKind::Vm => virtual_machine(sink, name, node, kind),
            Environment::Local => {}
        }
    }
}

fn unused(kind: &Spanned<MachineKind>, environment: Environment) -> Problem {
    let message = format!(
        "`machine` has no meaning: only `kind = \"local\"` makes machines of several kinds, this is `{}`",
        environment.as_str()
    );
    Problem::new(Code::UnusedKey, message, kind.span(), "not used").help("remove the key")
}

/// A virtual machine runs pods and has the disks that its node names.
fn virtual_machine(sink: &Sink, name: &NodeName, node: &RawNode, kind: &Spanned<MachineKind>) {
    if let Some(role) = node.role.as_ref().filter(|role| *role.get_ref() != Role::Work) {
        let message =
            format!("{name} is of the role `{}`, and only work nodes can be virtual machines", role.get_ref());
        let problem = Problem::new(Code::BadMachine, message, kind.span(), "not of this role");
        sink.note(problem.also(role.span(), "its role").help("remove `machine`, or make it a work node"));
    }
    for disk in node.disks.iter().filter(|disk| Serial::of_disk(disk.get_ref()).is_none()) {
        let message = format!("`{}` can't be a disk of the virtual machine {name}", disk.get_ref());
        let problem = Problem::new(Code::BadDisk, message, disk.span(), "not a virtual disk's name");
        sink.note(problem.also(kind.span(), "a virtual machine").help(
            "its disks are made with it, and called `/dev/disk/by-id/virtio-NAME`: NAME is at most 20 letters, digits, `-` \
             and `_`, and no other node's",
        ));
    }
}
