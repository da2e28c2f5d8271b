//! What the operating system has to bring, by role.

use crate::{
    Digest,
    bundle::{Entry, Kind, Lock, PackageOf, SourceKind},
    graph::Desired,
    os::Need,
    profile::Profiles,
    resource::{PackageSource, Resource, ResourceId},
    role::{
        self, LowerError,
        testing::{bundle, with},
    },
    spec::{self, Spec},
};

fn read(rest: &str) -> Spec {
    let text = include_str!("../../../../fixtures/local-7/cluster.toml");
    spec::parse("cluster.toml", &format!("{text}\n{rest}"), &Profiles::shipped()).unwrap()
}

fn lowered(spec: &Spec, lock: &Lock) -> Result<Desired, LowerError> {
    role::questions_graph(spec, lock)
}

/// What is installed on a node.
fn needs(desired: &Desired, node: &str) -> String {
    let of_node = desired.iter().filter_map(|(_, id, resource)| match resource {
        Resource::Package(package) if id.scope.node().is_some_and(|name| name.as_str() == node) => {
            assert_eq!(*id.key, *format!("package/{}", package.need));
            Some(package.need.to_string())
        }
        _ => None,
    });
    of_node.collect::<Vec<_>>().join(" ")
}

const EVERYWHERE: &str = "conntrack haproxy iproute iptables kmod procps runc";

#[test]
fn nobody_installs_anything_unless_told() {
    for rest in ["", "[packages]\nsource = \"none\""] {
        let spec = read(rest);
        assert_eq!(needs(&lowered(&spec, &bundle("1.29.15")).unwrap(), "main-1"), "");
    }
    assert_eq!(read("").digest, read("[packages]\nsource = \"none\"").digest, "older files keep their digest");
    assert_ne!(read("").digest, read("[packages]\nsource = \"bundle\"").digest);
}

#[test]
fn a_node_gets_what_its_role_needs_and_no_more() {
    let disk = "[nodes.work-1.storage]\ndisk = \"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4\"\n";
    let rest = format!("[packages]\nsource = \"repository\"\n[storage]\nkind = \"disk\"\nfilesystem = \"xfs\"\n{disk}");
    let spec = read(&rest);
    let desired = lowered(&spec, &bundle("1.29.15")).unwrap();
    // Its mains share an address.
    assert_eq!(needs(&desired, "main-1"), "bash conntrack haproxy iproute iptables keepalived kmod procps runc");
    let work = ["work-1", "work-2"].map(|name| needs(&desired, name));
    assert_eq!(work, [format!("{EVERYWHERE} xfsprogs"), EVERYWHERE.to_owned()]);
    let needs = |dependent: &str, dependency: &str| {
        let find = |key: &str| desired.find(&ResourceId::node(&"work-1".parse().unwrap(), key)).unwrap();
        assert!(desired.dependencies(find(dependent)).contains(&find(dependency)), "{dependent} on {dependency}");
    };
    needs("unit/fmp-balancer.service", "package/haproxy");
    needs("unit/kube-proxy.service", "package/conntrack");
    needs("unit/fmp-host.service", "package/kmod");
    needs("volume", "package/xfsprogs");
    needs("package/haproxy", "trust/cluster-id");
}

#[test]
fn disks_that_are_joined_need_what_joins_them() {
    let disks = "[nodes.work-1.storage]\ndisks = [\"/dev/disk/by-id/a\", \"/dev/disk/by-id/b\"]\n";
    let rest = format!("[packages]\nsource = \"repository\"\n[storage]\nkind = \"lvm\"\n{disks}");
    let desired = lowered(&read(&rest), &bundle("1.29.15")).unwrap();
    assert_eq!(needs(&desired, "work-1"), "conntrack e2fsprogs haproxy iproute iptables kmod lvm2 procps runc");
    assert_eq!(needs(&desired, "work-2"), EVERYWHERE);
    let find = |key: &str| desired.find(&ResourceId::node(&"work-1".parse().unwrap(), key)).unwrap();
    assert!(desired.dependencies(find("volume")).contains(&find("package/lvm2")));
}

#[test]
fn a_program_of_the_bundle_needs_no_package() {
    let spec = read("[packages]\nsource = \"repository\"");
    let lock = bundle("1.29.15");
    let brings = |lock: &Lock| needs(&lowered(&spec, lock).unwrap(), "work-1").contains("runc");
    assert!(brings(&lock) && !brings(&with(&lock, "runc", "1.2.6")));
}

#[test]
fn packages_of_the_bundle_are_those_that_the_need_takes_system_by_system() {
    let spec = read("[packages]\nsource = \"bundle\"");
    let missing = LowerError::Packages { need: Need::Bash };
    assert_eq!(lowered(&spec, &bundle("1.29.15")).unwrap_err(), missing);
    let mut lock = bundle("1.29.15");
    for (system, package, needs) in [
        ("debian-12", "haproxy", vec![Need::Haproxy]),
        ("debian-12", "liblua", vec![Need::Haproxy, Need::Iptables]),
        ("ubuntu-24.04", "haproxy", vec![Need::Haproxy]),
    ] {
        let of =
            PackageOf { system: system.to_owned(), package: package.to_owned(), needs: needs.into_iter().collect() };
        lock.insert(Entry {
            name: format!("{system}-{package}").replace('.', "-").parse().unwrap(),
            version: "1.0-1".to_owned(),
            digest: Digest::of(package),
            size: 10,
            kind: Kind::Package(of),
            source: SourceKind::Debs,
            manifest: None,
        });
    }
    let desired = lowered(&spec, &lock).unwrap();
    let files = |key: &str| {
        let handle = desired.find(&ResourceId::node(&"work-1".parse().unwrap(), key)).unwrap();
        let Resource::Package(package) = desired.resource(handle) else { panic!("{key}") };
        let PackageSource::Bundle(systems) = &package.from else { panic!("{key}") };
        let of = |files: &Vec<crate::resource::PackageFile>| {
            files.iter().map(|file| file.package.to_string()).collect::<Vec<_>>().join(" ")
        };
        systems.iter().map(|(word, files)| format!("{word}: {}", of(files))).collect::<Vec<_>>()
    };
    assert_eq!(files("package/haproxy"), ["debian-12: haproxy liblua", "ubuntu-24.04: haproxy"]);
    assert_eq!(files("package/iptables"), ["debian-12: liblua"]);
    assert_eq!(files("package/kmod"), [""; 0]);
}
