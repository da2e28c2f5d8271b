//! Virtual machines among machines that share a kernel: each has the texts of its own profile.

use crate::{
    graph::Desired,
    role::{
        lower,
        testing::{bundle, cluster, nothing, text},
    },
    spec::{MachineKind, Spec},
};

const CONTAINERD: &str = "/etc/fmp/containerd.toml";
const KUBELET: &str = "/var/lib/kubelet/config.yaml";

/// `work-2` is a virtual machine.
fn mixed() -> Spec {
    let mut spec = cluster("1.29.15", "flannel");
    spec.nodes.get_mut("work-2").unwrap().machine = MachineKind::Vm;
    spec
}

fn lowered(spec: &Spec) -> Desired {
    lower(spec, &bundle("1.29.15"), &nothing(spec)).unwrap().desired
}

#[test]
fn a_virtual_machine_has_the_settings_of_the_product() {
    let desired = lowered(&mixed());
    for (node, driver, systemd, snapshotter, swap) in
        [("work-1", "cgroupfs", "false", "native", "false"), ("work-2", "systemd", "true", "overlayfs", "true")]
    {
        let (runtime, kubelet) = (text(&desired, node, CONTAINERD), text(&desired, node, KUBELET));
        assert!(runtime.contains(&format!("SystemdCgroup = {systemd}\n")), "{node}: {runtime}");
        assert!(runtime.contains(&format!("snapshotter = \"{snapshotter}\"\n")), "{node}: {runtime}");
        assert!(kubelet.contains(&format!("cgroupDriver: {driver}\nfailSwapOn: {swap}\n")), "{node}: {kubelet}");
    }
}

#[test]
fn a_kernel_of_its_own_is_set_as_a_whole() {
    let desired = lowered(&mixed());
    let sysctls = |node: &str| text(&desired, node, "/etc/sysctl.d/90-fmp.conf");
    let modules = |node: &str| text(&desired, node, "/etc/modules-load.d/fmp.conf");
    assert!(sysctls("work-2").contains("kernel.panic = 10\n") && !sysctls("work-1").contains("kernel.panic"));
    assert!(modules("work-2").contains("overlay\n") && !modules("work-1").contains("overlay"));
}

#[test]
fn nothing_changes_for_the_others() {
    let (one, other) = (lowered(&cluster("1.29.15", "flannel")), lowered(&mixed()));
    for node in ["main-1", "work-1"] {
        for path in [CONTAINERD, KUBELET] {
            assert_eq!(text(&one, node, path), text(&other, node, path), "{node} {path}");
        }
    }
}
