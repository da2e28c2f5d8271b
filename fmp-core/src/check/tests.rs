//! A good host has no findings; each thing that can be wrong has a row that makes it wrong.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::*;
use crate::{
    observed::{Cgroup, ClockSync, Disk, Listener},
    profile::Profiles,
    resource::lvm::LogicalVolume,
    spec::{self, Ingress, MachineKind, Role},
};

const GB: u64 = 1_000_000_000;

/// Changes a good host.
type Change = fn(&mut HostFacts);

fn example(file: &str) -> Spec {
    let text = match file {
        "local-7" => include_str!("../../../fixtures/local-7/cluster.toml"),
        _ => include_str!("../../../fixtures/ssh-7/cluster.toml"),
    };
    spec::parse(file, text, &Profiles::shipped()).unwrap()
}

/// A host that has what `spec` asks of `name`, and no more.
fn good(spec: &Spec, name: &str) -> HostFacts {
    let node = &spec.nodes[name];
    let size = spec.profile.size(spec.machines, node.role);
    let asked = questions(spec, &spec.profile, node.role);
    let system = &spec.profile.systems[0];
    let version = if system.id == "debian" { "12" } else { "22.04" };
    HostFacts {
        hostname: name.to_owned(),
        machine_id: format!("{:032x}", node.address.to_bits()),
        architecture: "x86_64".to_owned(),
        os_id: system.id.clone(),
        os_version: version.to_owned(),
        os_name: format!("{} {version}", system.name),
        kernel: "5.15.0-105-generic".to_owned(),
        systemd: 249,
        cpus: size.cpus,
        memory_bytes: u64::from(size.memory_gb) * (1 << 30) / 100 * 97,
        root_bytes: if node.role == Role::Work { 343 * GB } else { 39 * GB },
        root_free_bytes: if node.role == Role::Work { 300 * GB } else { 30 * GB },
        disks: vec![Disk { name: "vda".to_owned(), bytes: u64::from(size.disk_gb) * GB }],
        cgroup: Cgroup::V2,
        swap_bytes: 0,
        clock_offset_ms: 20,
        clock_sync: ClockSync::Synchronised,
        programs: asked.programs.into_iter().map(|name| (name.clone(), format!("/usr/sbin/{name}"))).collect(),
        modules: asked.modules,
        sysctls: asked.sysctls.into_iter().map(|name| (name, "0".to_owned())).collect(),
        listeners: BTreeMap::from([
            (22, Listener { owner: "ssh.service".to_owned() }),
            (2379, Listener { owner: "etcd.service".to_owned() }),
            (6443, Listener { owner: "kube-apiserver".to_owned() }),
            (10250, Listener { owner: "kubelet.service".to_owned() }),
        ]),
        addresses: BTreeSet::from([Ipv4Addr::LOCALHOST, node.address]),
        prefixes: BTreeMap::from([(Ipv4Addr::LOCALHOST, 8), (node.address, 24)]),
    }
}

/// The findings of a good `name` after `change`, as `check: message; fix`.
fn found(spec: &Spec, name: &str, change: Change) -> Vec<String> {
    let mut facts = good(spec, name);
    change(&mut facts);
    let told = host(spec, &name.parse().unwrap(), &facts);
    // Rows below often name only the beginning: a finding without a way out must not pass for that.
    assert!(told.iter().all(|finding| finding.fix.len() > 5), "nobody says what to do: {told:#?}");
    told.into_iter().map(|finding| format!("{}: {}; {}", finding.check, finding.message, finding.fix)).collect()
}

#[test]
fn a_good_host_has_no_findings() {
    for file in ["local-7", "ssh-7"] {
        let spec = example(file);
        for name in spec.nodes.keys() {
            assert_eq!(found(&spec, name.as_str(), |_| {}), [""; 0], "{name} of {file}");
        }
    }
}

const WRONG: &[(&str, Change, &str)] = &[
    ("main-1", |f| f.cpus = 2, "cpu: 2 processors, profile fmp-23.12 asks for 4; give the machine 4 processors"),
    (
        "main-1",
        |f| f.memory_bytes = 16_300_000_000,
        "memory: 15.1 GiB of memory, profile fmp-23.12 asks for 16 GB (15.2 GiB usable); \
         give the machine 16 GB of memory",
    ),
    (
        "work-1",
        |f| f.disks[0].bytes = 240 * GB,
        "disk: 240.0 GB of disks, profile fmp-23.12 asks for 250 GB; add disks",
    ),
    ("work-1", |f| f.disks[0].name = "loop0".into(), "disk: 0.0 GB of disks, profile fmp-23.12 asks for 250 GB"),
    (
        "main-1",
        |f| f.root_bytes = 35 * GB,
        "root: the root file system has 35.0 GB, profile fmp-23.12 asks for 36.0 GB",
    ),
    (
        "work-1",
        |f| f.root_bytes = 314 * GB,
        "storage: the root file system has 314.0 GB and no disk is named for data, profile fmp-23.12 asks for 350 GB or a \
         disk; name an empty disk under [nodes.work-1.storage]",
    ),
    ("main-1", |f| f.root_free_bytes = 5 * GB, "root-free: 5.0 GB free in the root file system; below 5.8 GB (15 %)"),
    (
        "main-1",
        |f| f.architecture = "aarch64".into(),
        "architecture: the processor is aarch64, profile fmp-23.12 allows",
    ),
    ("main-1", |f| f.os_id = "debian".into(), "system: Ubuntu 22.04 (debian 22.04) is not allowed; profile fmp-23.12"),
    ("main-1", |f| f.os_version = "20.04".into(), "system: Ubuntu 22.04 (ubuntu 20.04) is not allowed"),
    ("main-1", |f| f.kernel = "4.15.0-20-generic".into(), "kernel: the kernel is 4.15.0-20-generic, profile fmp-23.12"),
    ("main-1", |f| f.kernel = "new".into(), "kernel: the kernel is new, profile fmp-23.12 asks for 4.18 or later"),
    ("main-1", |f| f.systemd = 237, "systemd: systemd is 237, profile fmp-23.12 asks for 239 or later; update"),
    ("main-1", |f| f.swap_bytes = 1 << 30, "swap: 1024 MiB of swap, profile fmp-23.12 allows none; `swapoff -a`"),
    ("main-1", |f| f.addresses.clear(), "address: no interface has the node's address 192.0.2.11; the host has"),
    ("main-1", |f| f.hostname = "db-7".into(), "hostname: the host calls itself db-7, the file main-1; `hostnamectl"),
    ("main-1", |f| f.clock_sync = ClockSync::Unsynchronised, "time-service: no time service keeps the clock"),
    ("main-1", |f| f.clock_sync = ClockSync::Unknown, "time-service: whether a time service keeps the clock"),
    (
        "main-1",
        |f| _ = f.programs.remove("conntrack"),
        "program: `conntrack` is not installed, profile fmp-23.12 asks for it; `apt-get install conntrack`",
    ),
    ("main-1", |f| _ = f.modules.remove("overlay"), "module: kernel module overlay is neither built in nor found"),
    ("main-1", |f| _ = f.sysctls.remove("net.ipv4.ip_forward"), "sysctl: sysctl net.ipv4.ip_forward can't be set to 1"),
    (
        "main-1",
        |f| listen(f, 6443, "nginx.service"),
        "port: nginx.service listens on port 6443, which is for kube-apis",
    ),
    (
        "work-1",
        |f| listen(f, 80, "apache2.service"),
        "port: apache2.service listens on port 80, which is for the entra",
    ),
    (
        "work-1",
        |f| listen(f, 30080, "java"),
        "port: java listens on port 30080, which is for NodePort services; stop j",
    ),
];

fn listen(facts: &mut HostFacts, port: u16, owner: &str) {
    facts.listeners.insert(port, Listener { owner: owner.to_owned() });
}

#[test]
fn everything_that_can_be_wrong_is_found_with_figures_and_a_way_out() {
    let spec = example("ssh-7");
    for (name, change, wanted) in WRONG {
        let found = found(&spec, name, *change);
        assert!(found.len() == 1 && found[0].starts_with(wanted), "wanted {wanted}\nfound {found:#?}");
    }
}

#[test]
fn every_check_has_a_row() {
    // No shipped profile refuses a version of cgroups, no shipped file shares an address; tests of their own do.
    let tested: BTreeSet<&str> = WRONG.iter().filter_map(|(_, _, wanted)| wanted.split(':').next()).collect();
    let untested: Vec<&str> = CHECKS.iter().map(|(word, _)| *word).filter(|word| !tested.contains(word)).collect();
    assert_eq!(untested, ["cgroup", "entrance"]);
}

#[test]
fn a_version_of_cgroups_that_the_profile_does_not_allow_is_found() {
    let mut spec = example("ssh-7");
    spec.profile.host.cgroups = vec![Cgroup::V2];
    let told = found(&spec, "main-1", |f| f.cgroup = Cgroup::V1);
    assert!(told.len() == 1 && told[0].starts_with("cgroup: cgroups are mounted as version 1, which"), "{told:#?}");
    assert!(told[0].ends_with("`systemd.unified_cgroup_hierarchy=1` on the kernel's command line"), "{told:#?}");
}

#[test]
fn systems_are_allowed_as_the_vendor_lists_them() {
    let spec = example("ssh-7");
    for (id, version, words) in [
        ("ubuntu", "24.04", ""),
        ("astra", "1.7.5.16", ""),
        ("astra", "1.7.4", "is not allowed"),
        ("astra", "1.7_x86-64", "does not say which update it is"),
        ("rocky", "8.6", ""),
        ("rocky", "8.10", "is not allowed"),
        ("rocky", "9.4", "is not allowed"),
    ] {
        let name = "main-1".parse().unwrap();
        let facts = HostFacts { os_id: id.into(), os_version: version.into(), ..good(&spec, "main-1") };
        let told: Vec<String> = host(&spec, &name, &facts).into_iter().map(|finding| finding.message).collect();
        let right = if words.is_empty() { told.is_empty() } else { told.len() == 1 && told[0].contains(words) };
        assert!(right, "{id} {version}: {told:?}");
    }
}

#[test]
fn the_local_profile_lets_machines_share_a_computer() {
    let spec = example("local-7");
    let change: Change = |f| {
        f.cgroup = Cgroup::V1;
        f.swap_bytes = 1 << 30;
        f.clock_sync = ClockSync::Unknown;
        f.modules.clear();
        f.disks.clear();
        f.root_free_bytes = GB;
    };
    assert_eq!(found(&spec, "work-1", change), [""; 0]);
}

#[test]
fn a_virtual_machine_is_compared_with_its_own_profile() {
    let mut spec = example("local-7");
    spec.nodes.get_mut("work-1").unwrap().machine = MachineKind::Vm;
    for (name, asks) in [("work-1", true), ("work-2", false)] {
        let told = found(&spec, name, |facts| {
            (facts.swap_bytes, facts.memory_bytes) = (1 << 30, 1 << 30);
        });
        let refused = |check: &str| told.iter().any(|line| line.contains(check) && line.contains("profile local-vm"));
        assert_eq!((refused("swap: "), refused("memory: ")), (asks, asks), "{name}: {told:?}");
    }
}

/// Findings about all hosts of the example together, after `change` of some.
fn together(change: fn(&str, &mut HostFacts)) -> Vec<String> {
    let spec = example("ssh-7");
    let changed = |name: &NodeName| {
        let mut facts = good(&spec, name.as_str());
        change(name.as_str(), &mut facts);
        facts
    };
    let facts: BTreeMap<&NodeName, HostFacts> = spec.nodes.keys().map(|name| (name, changed(name))).collect();
    let hosts = facts.iter().map(|(name, facts)| (*name, facts)).collect();
    let told = cluster(&spec, &hosts);
    assert!(told.iter().all(|finding| finding.fix.len() > 5), "nobody says what to do: {told:#?}");
    told.into_iter().map(|f| format!("{} {}: {}", f.subject, f.check, f.message)).collect()
}

#[test]
fn what_must_differ_between_hosts_is_compared() {
    assert_eq!(together(|_, _| {}), [""; 0]);
    assert_eq!(
        together(|name, facts| {
            if name.starts_with("main") {
                facts.machine_id = "cafe".to_owned();
            }
            if name == "work-2" || name == "work-3" {
                facts.hostname = "Ubuntu".to_owned();
            }
        }),
        [
            "cluster unique-hostname: work-2, work-3 have the same host name ubuntu",
            "cluster unique-machine-id: main-1, main-2, main-3 have the same machine id cafe",
        ]
    );
}

/// What is found about the links of the local example's nodes under this `mode`, after `change` of some.
fn about_links(mode: &str, change: fn(&str, &mut HostFacts)) -> Vec<String> {
    let text = include_str!("../../../fixtures/local-7/cluster.toml");
    about_links_of(&text.replace("mode = \"routed\"", &format!("mode = \"{mode}\"")), change)
}

fn about_links_of(text: &str, change: fn(&str, &mut HostFacts)) -> Vec<String> {
    let spec = spec::parse("cluster.toml", text, &Profiles::shipped()).unwrap();
    let changed = |name: &NodeName| {
        let mut facts = good(&spec, name.as_str());
        change(name.as_str(), &mut facts);
        facts
    };
    let facts: BTreeMap<&NodeName, HostFacts> = spec.nodes.keys().map(|name| (name, changed(name))).collect();
    let found = cluster(&spec, &facts.iter().map(|(name, facts)| (*name, facts)).collect());
    found.into_iter().map(|f| format!("{} {}: {}; {}", f.subject, f.check, f.message, f.fix)).collect()
}

#[test]
fn nodes_that_are_not_on_one_link_are_found_where_pods_are_reached_straight() {
    assert_eq!(about_links("routed", |_, _| {}), [""; 0]);
    let elsewhere = |name: &str, facts: &mut HostFacts| {
        if name == "work-2" {
            facts.prefixes.values_mut().for_each(|prefix| *prefix = 28);
        }
    };
    let told = "work-2 link: 198.18.0.22/28 is not on the link 198.18.0.0/24, as 6 of 7 nodes are: `mode = \"routed\"` sends \
                what is for pods straight to their node; `mode = \"flannel\"` under [network], or addresses of one link \
                for all nodes";
    assert_eq!(about_links("routed", elsewhere), [told]);
    assert_eq!(about_links("flannel", elsewhere), [""; 0]);
    assert_eq!(about_links("external", elsewhere), [""; 0]);
    // What stores images has no pods.
    let stored = "images.source = 'storage'\n[cluster]";
    let machine = "[nodes.images-1]\nrole = 'images'\naddress = '198.18.0.31'\n[nodes.main-1]";
    let text = include_str!("../../../fixtures/local-7/cluster.toml");
    let text = text.replacen("[cluster]", stored, 1).replacen("[nodes.main-1]", machine, 1);
    let elsewhere = |name: &str, facts: &mut HostFacts| {
        if name == "images-1" {
            facts.prefixes.values_mut().for_each(|prefix| *prefix = 28);
        }
    };
    assert_eq!(about_links_of(&text, elsewhere), [""; 0]);
    // An end of a line between two hosts has no prefix, and a host that did not tell none either.
    assert_eq!(about_links("routed", |_, facts| facts.prefixes.clear()), [""; 0]);
}

#[test]
fn one_wrong_clock_does_not_accuse_the_right_ones() {
    let one = |name: &str, facts: &mut HostFacts| {
        if name == "main-1" {
            facts.clock_offset_ms = -3000;
        }
    };
    assert_eq!(together(one), ["main-1 clock: the clock is 3020 ms behind most others, at most 500 ms are allowed"]);
    let all = |_: &str, facts: &mut HostFacts| facts.clock_offset_ms = 9000;
    assert_eq!(together(all), ["cluster clock: the hosts' clocks are 9000 ms ahead of this computer's"]);
}

#[test]
fn questions_depend_on_the_role() {
    let spec = example("ssh-7");
    let asks = |role, port| questions(&spec, &spec.profile, role).ports.iter().any(|ports| ports.0.contains(&port));
    assert!(asks(spec::Role::Main, 2380) && !asks(spec::Role::Work, 2380));
    assert!(asks(spec::Role::Work, 31000) && asks(spec::Role::Main, 10250));
}

#[test]
fn machines_that_share_an_address_need_what_moves_it() {
    let text = include_str!("../../../fixtures/ssh-7/cluster.toml");
    let external = "kind = \"external\"\nhost = \"api.fmp.example.org\"";
    let text = text.replace(external, "kind = \"keepalived\"\naddress = \"192.0.2.10\"");
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let found = |name: &str, change: Change| {
        let mut facts = good(&spec, name);
        change(&mut facts);
        let findings = host(&spec, &name.parse().unwrap(), &facts);
        findings.into_iter().map(|found| format!("{}: {}", found.check, found.message)).collect::<Vec<_>>()
    };
    let bare: Change = |facts| _ = facts.programs.remove("keepalived");
    let no_bash: Change = |facts| _ = facts.programs.remove("bash");
    let asks = "`kind = \"keepalived\"` under [entrance.api] asks for it";
    assert_eq!(found("main-1", |_| ()), [""; 0]);
    assert_eq!(found("main-1", bare), [format!("entrance: `keepalived` is not installed, {asks}")]);
    assert_eq!(found("main-1", no_bash), [format!("entrance: `bash` is not installed, {asks}")]);
    assert_eq!(found("work-1", bare), [""; 0]);
    let busy: Change = |facts| _ = facts.listeners.insert(8443, Listener { owner: "tomcat.service".to_owned() });
    let taken = "entrance: tomcat.service listens on port 8443, which is for the API's entrance";
    assert_eq!(found("main-1", busy), [taken]);
    let own: Change = |facts| _ = facts.listeners.insert(8443, Listener { owner: "fmp-balancer.service".to_owned() });
    assert_eq!(found("main-1", own), [""; 0]);
}

#[test]
fn a_missing_program_is_named_with_the_package_of_that_very_system() {
    let text = include_str!("../../../fixtures/ssh-7/cluster.toml");
    let disk = "[nodes.work-1.storage]\ndisk = \"/dev/disk/by-id/wwn-0x5000c500a1b2c3d4\"\n";
    let text = format!("{text}\n[storage]\nkind = \"disk\"\nfilesystem = \"xfs\"\n{disk}");
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let fix = |(id, version): (&str, &str), program: &str| {
        let mut facts = good(&spec, "work-1");
        facts.programs.insert("mkfs.xfs".to_owned(), "/usr/sbin/mkfs.xfs".to_owned());
        facts.programs.extend(["xfs_repair", "xfs_info", "xfs_growfs"].map(|name| (name.to_owned(), name.to_owned())));
        facts.programs.remove(program);
        (facts.os_id, facts.os_version) = (id.to_owned(), version.to_owned());
        let found = host(&spec, &"work-1".parse().unwrap(), &facts);
        let of_programs = found.into_iter().filter(|found| ["program", "storage"].contains(&found.check.as_str()));
        of_programs.map(|found| found.fix).collect::<Vec<_>>().join("; ")
    };
    for (system, program, wanted) in [
        (("ubuntu", "22.04"), "conntrack", "`apt-get install conntrack`"),
        (("rocky", "8.6"), "conntrack", "`dnf install conntrack-tools`"),
        (("astra", "1.7.5.16"), "ip", "`apt-get install iproute2`"),
        (("rocky", "8.6"), "ip", "`dnf install iproute`"),
        (("rocky", "8.6"), "xfs_growfs", "`dnf install xfsprogs`"),
        // An older edition than any that has a file.
        (("ubuntu", "20.04"), "ip", "`apt-get install iproute2`"),
        (("arch", ""), "ip", "install the package that brings `ip`"),
    ] {
        assert_eq!(fix(system, program), wanted, "{system:?} {program}");
    }
}

#[test]
fn a_profile_names_a_package_as_the_system_does() {
    for name in Profiles::shipped().names() {
        let profile = Profiles::shipped().load(name).unwrap();
        for (program, packages) in &profile.host.programs {
            let of = |manager| os::systems().iter().filter(move |system| system.manager == manager);
            for (by, package) in packages {
                let other = of(by.manager()).find(|system| system.package_of(program) != Some(package));
                assert_eq!(other.map(|system| &*system.word), None, "{program} of {name}");
            }
        }
    }
}

#[test]
fn a_program_of_a_persons_own_profile_is_in_the_package_that_it_says() {
    let own = "schema = 1\ninherits = 'local'\n[host.programs]\nemacs = { apt = 'emacs-nox' }";
    let text = include_str!("../../../fixtures/local-7/cluster.toml");
    let text = text.replace("profile = \"local\"", "profile = \"own.toml\"");
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped().with("own.toml", own)).unwrap();
    let told = found(&spec, "work-1", |facts| _ = facts.programs.remove("emacs"));
    assert_eq!(told, ["program: `emacs` is not installed, profile own.toml asks for it; `apt-get install emacs-nox`"]);
}

#[test]
fn work_nodes_that_share_an_address_need_what_moves_it() {
    let text = include_str!("../../../fixtures/ssh-7/cluster.toml");
    let text = format!("{text}\n[entrance.apps]\nkind = \"keepalived\"\naddress = \"192.0.2.20\"\n");
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let without = |name: &str| {
        let mut facts = good(&spec, name);
        facts.programs.remove("keepalived");
        let findings = host(&spec, &name.parse().unwrap(), &facts);
        findings.into_iter().map(|found| format!("{}: {}", found.check, found.message)).collect::<Vec<_>>()
    };
    let asks = "`kind = \"keepalived\"` under [entrance.apps] asks for it";
    assert_eq!(without("work-1"), [format!("entrance: `keepalived` is not installed, {asks}")]);
    assert_eq!(without("main-1"), [""; 0]);
    let asked = |name: &str| questions(&spec, &spec.profile, spec.nodes[name].role).programs.contains("keepalived");
    assert!(asked("work-1") && !asked("main-1"));
}

#[test]
fn addresses_that_move_are_on_the_link_of_who_shares_them() {
    let text = include_str!("../../../fixtures/ssh-7/cluster.toml");
    let services = "services = [\"192.0.2.30\", \"192.0.2.250-192.0.3.5\"]";
    let text = format!("{text}\n[entrance.apps]\nkind = \"keepalived\"\naddress = \"198.18.7.7\"\n{services}\n");
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let found = |name: &str, change: Change| {
        let mut facts = good(&spec, name);
        change(&mut facts);
        host(&spec, &name.parse().unwrap(), &facts).into_iter().map(|found| found.message).collect::<Vec<_>>()
    };
    let told = |range: &str| {
        format!(
            "{range} under [entrance.apps] is not on this machine's link 192.0.2.0/24: whoever is there won't find it"
        )
    };
    assert_eq!(found("work-1", |_| ()), [told("198.18.7.7"), told("192.0.2.250-192.0.3.5")]);
    assert_eq!(found("work-1", |facts| facts.prefixes.clear()), [""; 0], "what has no prefix says nothing");
    assert_eq!(found("main-1", |_| ()), [""; 0]);
}

#[test]
fn nobody_else_answers_where_the_ingress_does() {
    let text = include_str!("../../../fixtures/local-7/cluster.toml");
    let text = format!("{text}\n[components.ingress]\nkind = \"traefik\"\n");
    let found = |spec: &Spec| {
        let mut facts = good(spec, "main-1");
        facts.listeners.insert(443, Listener { owner: "nginx.service".to_owned() });
        let asked = questions(spec, &spec.profile, Role::Main).ports.iter().any(|ports| ports.0.contains(&443));
        let findings = host(spec, &"main-1".parse().unwrap(), &facts);
        (asked, findings.into_iter().map(|found| format!("{}: {}", found.check, found.message)).collect::<Vec<_>>())
    };
    let mut spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    assert_eq!(found(&spec), (false, Vec::new()), "it runs on the work nodes, whose ports the profile names");
    spec.nodes.retain(|_, node| node.role == Role::Main);
    let taken = "port: nginx.service listens on port 443, which is for the ingress".to_owned();
    assert_eq!(found(&spec), (true, vec![taken]));
    spec.components.ingress = Ingress::None;
    assert_eq!(found(&spec), (false, Vec::new()));
}

/// What only stores images needs room, an archiver and its port, and nothing that pods need.
#[test]
fn a_machine_that_stores_images_is_asked_for_what_it_needs() {
    let text = include_str!("../../../fixtures/ssh-7/cluster.toml");
    let own = "[images]\nsource = \"storage\"\n[nodes.images-1]\nrole = \"images\"\naddress = \"192.0.2.31\"\n";
    let spec = spec::parse("cluster.toml", &format!("{text}\n{own}"), &Profiles::shipped()).unwrap();
    let asked = questions(&spec, &spec.profile, Role::Images);
    assert_eq!(asked.programs, ["flock", "tar"].map(str::to_owned).into());
    assert!(asked.ports.iter().all(|ports| ports.0 == (5000..=5000)), "{:?}", asked.ports);
    let found = |change: Change| {
        let mut facts = good(&spec, "images-1");
        (facts.swap_bytes, facts.modules) = (1, BTreeSet::new());
        change(&mut facts);
        let findings = host(&spec, &"images-1".parse().unwrap(), &facts);
        findings.into_iter().map(|found| format!("{}: {}", found.check, found.message)).collect::<Vec<_>>()
    };
    assert_eq!(found(|_| ()), Vec::<String>::new());
    let port: Change = |facts| _ = facts.listeners.insert(5000, Listener { owner: "other.service".to_owned() });
    assert_eq!(found(port), ["port: other.service listens on port 5000, which is for the image storage"]);
    let root: Change = |facts| facts.root_bytes = 10 * GB;
    assert!(found(root)[0].starts_with("root: the root file system has 10.0 GB"), "{:?}", found(root));
    let archiver: Change = |facts| _ = facts.programs.remove("tar");
    assert_eq!(found(archiver), ["program: `tar` is not installed, profile fmp-23.12 asks for it"]);
}

#[test]
fn a_host_that_does_not_answer_is_no_reason_to_be_silent_about_it() {
    let spec = example("ssh-7");
    let hosts = BTreeMap::from([
        ("main-1".parse().unwrap(), Fact::Unknown("no route to host".to_owned())),
        ("main-2".parse().unwrap(), Fact::Absent),
    ]);
    let nothing = Observed {
        now: 0,
        machines: Fact::Absent,
        hosts,
        other_keys: BTreeMap::new(),
        etcd: Fact::Absent,
        api: Fact::Absent,
    };
    let told = all(&spec, &nothing);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].subject.as_str(), told[0].check.as_str()), ("main-1", "reach"));
    assert!(told[0].message.contains("no route to host") && told[0].fix.contains("[nodes.main-1.ssh]"), "{told:?}");
}

/// What is found about policies with these names, in the example with this network.
fn about_policies(mode: &str, names: &[&str]) -> Vec<String> {
    let text = include_str!("../../../fixtures/ssh-7/cluster.toml");
    let text = text.replace("mode = \"flannel\"", &format!("mode = \"{mode}\""));
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let network_policies = Fact::Known(names.iter().map(|name| (*name).to_owned()).collect());
    let (ready, nodes, objects) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let api = Fact::Known(crate::observed::Api {
        ready,
        cluster_id: Fact::Absent,
        nodes,
        objects,
        network_policies,
        pods: Fact::Absent,
        workloads: None,
        health: None,
    });
    let seen = Observed {
        now: 0,
        machines: Fact::Absent,
        hosts: BTreeMap::new(),
        other_keys: BTreeMap::new(),
        etcd: Fact::Absent,
        api,
    };
    all(&spec, &seen).into_iter().map(|f| format!("{} {}: {}", f.subject, f.check, f.message)).collect()
}

#[test]
fn policies_that_nobody_enforces_are_named() {
    let told = "the network mode `routed` enforces none, what they forbid is let through";
    let named = format!("cluster network-policy: NetworkPolicy shop/deny: {told}");
    assert_eq!(about_policies("routed", &["shop/deny"]), [named]);
    let many = about_policies("routed", &["a/1", "a/2", "a/3", "a/4"]);
    assert_eq!(many, [format!("cluster network-policy: NetworkPolicy a/1, a/2, a/3 and others: {told}")]);
    assert_eq!(about_policies("flannel", &["a/1"]).len(), 1);
    assert_eq!(about_policies("routed", &[]), [""; 0]);
    assert_eq!(about_policies("external", &["a/1"]), [""; 0], "whoever brings that network knows");
}

#[test]
fn a_node_whose_disks_lvm_joins_needs_its_programs() {
    let text = include_str!("../../../fixtures/ssh-7/cluster.toml");
    let text = format!(
        "{text}\n[storage]\nkind = \"lvm\"\n[nodes.work-1.storage]\ndisks = [\"/dev/disk/by-id/a\", \"/dev/disk/by-id/b\"]\n"
    );
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let about = |told: Vec<String>| told.into_iter().filter(|told| told.starts_with("storage: ")).collect::<Vec<_>>();
    let told = about(found(&spec, "work-1", |f| f.root_bytes = 60 * GB));
    let expected = [
        "storage: `mkfs.ext4` is not installed, ext4 on its disk asks for it; `apt-get install e2fsprogs`",
        "storage: `lvchange` is not installed, LVM on its disk asks for it; `apt-get install lvm2`",
    ];
    assert_eq!(told, expected, "one program of each package");
    let told = found(&spec, "work-1", |f| {
        let logical = LogicalVolume { group: "fmp".into(), volume: "data".into() };
        let programs = crate::resource::programs(crate::resource::Filesystem::Ext4, Some(&logical));
        f.programs.extend(programs.map(|(name, _)| (name.to_owned(), format!("/usr/sbin/{name}"))));
    });
    assert_eq!(about(told), [""; 0]);
}

#[test]
fn a_node_with_a_disk_needs_the_programs_for_it_and_no_large_root() {
    let text = include_str!("../../../fixtures/ssh-7/cluster.toml");
    let text = format!(
        "{text}\n[storage]\nkind = \"disk\"\nfilesystem = \"xfs\"\n[nodes.work-1.storage]\ndisk = \"/dev/disk/by-id/wwn-0x5\"\n"
    );
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let told = found(&spec, "work-1", |f| f.root_bytes = 60 * GB);
    assert!(
        told.iter().any(|told| told.starts_with("storage: `mkfs.xfs` is not installed, xfs on its disk")),
        "{told:?}"
    );
    let told = found(&spec, "work-1", |f| {
        f.root_bytes = 60 * GB;
        let programs = crate::resource::Filesystem::Xfs.programs();
        f.programs.extend(programs.map(|name| (name.to_owned(), format!("/usr/sbin/{name}"))));
    });
    assert!(told.iter().all(|told| !told.starts_with("storage: ")), "{told:?}");
}
