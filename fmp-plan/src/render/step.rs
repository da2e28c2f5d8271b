//! One step in full, for whoever wants to know.

use fmp_core::resource::PackageFile;

use super::{text::line, words};
use crate::{
    Action, Step,
    action::{DiskBefore, GroupWrite, PackageInstall},
};

/// One step in full.
pub fn step(step: &Step) -> String {
    let mut out = String::new();
    line(&mut out, 0, format_args!("{}", step.id));
    line(&mut out, 1, format_args!("does: {}", words::action(&step.action)));
    line(&mut out, 1, format_args!("because: {}", step.reason));
    for earlier in &step.after {
        line(&mut out, 1, format_args!("after: {earlier}"));
    }
    for capability in &step.disrupts {
        line(&mut out, 1, format_args!("disrupts: {}", words::capability(capability)));
    }
    if let Some(unit) = &step.unit {
        line(&mut out, 1, format_args!("unit of disruption: {}", unit.node));
    }
    if let Some(check) = &step.watch {
        line(&mut out, 1, format_args!("finished when: {}", words::check(check)));
    }
    for detail in details(step) {
        line(&mut out, 1, format_args!("{detail}"));
    }
    out
}

fn details(step: &Step) -> Vec<String> {
    match &step.action {
        Action::WriteFiles { files, remove } => {
            let written = files.iter().map(|file| format!("file: {} {}", file.path, file.content));
            written.chain(remove.iter().map(|file| format!("removes: {}", file.path))).collect()
        }
        Action::IssueCertificates { certificates } => certificates
            .iter()
            .map(|issue| format!("certificate: {} for {}", issue.path, issue.request.common_name))
            .collect(),
        Action::EstablishTrust { items } => items.iter().map(|item| format!("shared: {}", item.what)).collect(),
        Action::StopUnits { units } => units.iter().map(|unit| format!("unit: {unit}")).collect(),
        Action::InstallPackages { manager, packages, from } => {
            let one = |package: &PackageInstall| {
                let quiet = package.quiet.iter().map(|unit| format!(", keep {unit} off"));
                format!("{manager}: {}{}", package.name, quiet.collect::<String>())
            };
            let file = |file: &PackageFile| {
                format!("file: {} {}, {} bytes, {}", file.package, file.version, file.bytes, file.digest)
            };
            packages.iter().map(one).chain(from.files().iter().map(file)).collect()
        }
        Action::MakeVolume { disk, uuid, before, group, .. } => {
            let seen = before.iter().map(seen);
            [format!("disk: {disk}"), format!("file system: {uuid}")]
                .into_iter()
                .chain(seen)
                .chain(members(group.as_ref()))
                .collect()
        }
        Action::MountVolume { uuid, mounts, .. } => {
            let places = mounts.iter().map(|mount| format!("directory: {}", mount.directory));
            [format!("file system: {uuid}")].into_iter().chain(places).collect()
        }
        Action::GrowVolume { disk, uuid, group, .. } => [format!("disk: {disk}"), format!("file system: {uuid}")]
            .into_iter()
            .chain(members(group.as_ref()))
            .collect(),
        Action::ApplyObject { taking, .. } => taking.iter().map(|field| format!("takes: {field}")).collect(),
        Action::DeleteObject { key, before } => vec![format!("object: {key}"), format!("made from: {before}")],
        Action::Upload { path, digest, .. } => vec![format!("path: {path}"), format!("content: {digest}")],
        Action::StoreImage { archive, manifest, path, .. } => {
            vec![format!("archive: {archive}"), format!("manifest: {manifest}"), format!("path: {path}")]
        }
        Action::PullImage { manifest, .. } => vec![format!("manifest: {manifest}")],
        Action::CreateMachine { vm, .. } => {
            vm.iter().flat_map(|vm| &vm.disks).map(|serial| format!("empty disk: {}", serial.disk())).collect()
        }
        Action::StartMachine
        | Action::StartUnit { .. }
        | Action::RestartUnit { .. }
        | Action::ReloadUnit { .. }
        | Action::EnableUnit { .. }
        | Action::BootstrapEtcd { .. }
        | Action::RemoveEtcdMember { .. }
        | Action::AddEtcdLearner { .. }
        | Action::StartEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. }
        | Action::ImportImage { .. }
        | Action::CordonNode { .. }
        | Action::DrainNode { .. }
        | Action::UncordonNode { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. } => Vec::new(),
    }
}

/// A disk as it was when the plan was made.
fn seen(disk: &DiskBefore) -> String {
    format!("size: {} bytes, id: {}", disk.bytes, disk.identity)
}

/// The disks of a volume group.
fn members(group: Option<&GroupWrite>) -> impl Iterator<Item = String> {
    group.into_iter().flat_map(|group| &group.disks).flat_map(|member| {
        let named = format!("physical volume: {} on {}", member.id, member.disk);
        [named].into_iter().chain(member.before.iter().map(seen))
    })
}

#[cfg(test)]
mod tests {
    use fmp_core::{
        observed::Fact,
        spec::{Environment, MachineKind},
    };

    use super::*;
    use crate::{
        codec,
        testing::{Lab, node, step as found},
    };

    #[test]
    fn one_step_in_full_says_why_and_what_it_takes_away() {
        let mut lab = Lab::settled(3, 0);
        lab.outdate("main-2", "kube-scheduler.service");
        let plan = lab.plan();
        let text = step(found(&plan, "main-2/unit/kube-scheduler.service"));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines[..2], ["main-2/unit/kube-scheduler.service", "does: restart"]);
        assert!(lines.contains(&"disrupts: scheduler on main-2") && lines.contains(&"unit of disruption: main-2"));
    }

    #[test]
    fn a_virtual_machine_is_made_with_its_empty_disks() {
        let mut lab = Lab::bare(1, 1);
        lab.spec.environment = Environment::Local;
        lab.seen.machines = Fact::Known([].into());
        let vm = lab.spec.nodes.get_mut(&node("work-1")).unwrap();
        vm.machine = MachineKind::Vm;
        vm.disks = ["a", "b"].map(|serial| format!("/dev/disk/by-id/virtio-{serial}")).into();
        let plan = lab.plan();
        let told = step(found(&plan, "work-1/machine"));
        for words in
            ["make the virtual machine with 2 empty disks", "/dev/disk/by-id/virtio-a", "/dev/disk/by-id/virtio-b"]
        {
            assert!(told.contains(words), "{words}: {told}");
        }
        let mut json = Vec::new();
        codec::write(&plan, &mut json).unwrap();
        let json = String::from_utf8(json).unwrap();
        assert_eq!(json.matches("\"vm\"").count(), 1, "nothing is said of machines that are none");
        assert_eq!(codec::read(&json).unwrap(), plan);
    }
}
