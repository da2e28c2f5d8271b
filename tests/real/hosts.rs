//! Hosts that can't be used as they are, each named with what is wrong and what to do; nothing half-written.

use std::fs;

use crate::{
    lab::{Lab, MAINS, SOON, everyone, fixture, until},
    runner::say,
};

/// A program that no unit runs, on a host that has it.
const PROGRAM: (&str, &str) = ("main-3", "kubectl");

pub(crate) fn run(lab: &Lab) {
    too_little_memory_and_another_system(lab);
    say("  a profile that asks for more: found");
    silent_strange_and_closed_hosts(lab);
    say("  no answer, another host key, no sudo: named");
    a_disk_that_fills_up(lab);
    say("  a disk that fills up: told, and nothing half-written");
}

fn too_little_memory_and_another_system(lab: &Lab) {
    fs::write(lab.place("demanding.toml"), fixture("real/demanding.toml")).expect("it can be written");
    let demand = |text: &str| text.replace("profile = \"local\"", "profile = \"demanding.toml\"");
    let file = lab.variant("demanding-cluster.toml", demand);
    lab.fmp(&["check"]).exits(0);
    let found = lab.fmp_for(&file, &["check"]).exits(1);
    for main in MAINS {
        assert!(found.out.contains(&format!("{main}: error: memory: ")), "{}", found.out);
    }
    for node in everyone() {
        assert!(found.out.contains(&format!("{node}: error: system: ")), "{}", found.out);
    }
    found.says(&["4096", "Rocky Linux", "fix: "]);
}

/// The same machines by SSH as any host is reached, three of them wrongly: nobody listens at the port of one, another's
/// user may not become root, and the third shows another key than the file says.
fn silent_strange_and_closed_hosts(lab: &Lab) {
    lab.sh("work-3", "id tom >/dev/null 2>&1 || useradd -m tom; cp -r ~/.ssh /home/tom/; chown -R tom: /home/tom/.ssh");
    let file = lab.by_ssh("ssh.toml", |node, mut way| {
        match node {
            "work-2" => way.port = 2222,
            "work-3" => "tom".clone_into(&mut way.user),
            "work-4" => way.host_key = lab.host_key("work-1"),
            _ => {}
        }
        way
    });
    let told = ["work-2", "2222", "work-3", "sudo", "work-4", "host key"];
    lab.nearby_fmp(&file, &["check"]).exits(1).says(&told);
    // Whoever shows another key may be anybody: nothing is touched anywhere, although there is something to do.
    let (node, path) = ("work-1", "/etc/crictl.yaml");
    lab.sh(node, &format!("echo '# by hand' >> {path}"));
    let state = || lab.sh(node, &format!("sha256sum {path}"));
    let before = state();
    lab.nearby_fmp(&file, &["plan"]).exits(3).says(&["work-4", "it is ours", "host key"]);
    lab.nearby_fmp(&file, &["apply", "--yes"]).exits(3).says(&["work-4", "host key"]);
    assert_eq!(state(), before, "something was touched");
    lab.fmp(&["apply", "--yes"]).exits(0);
}

/// The disk is full once the upload has begun, although there was room for it before.
fn a_disk_that_fills_up(lab: &Lab) {
    let (node, program) = PROGRAM;
    let folder = lab.sh(node, &format!("dirname /opt/fmp/store/*/{program}")).trim().to_owned();
    let path = format!("{folder}/{program}");
    lab.sh(node, &format!("mount -t tmpfs -o size=100m,mode=755 tmpfs {folder}; echo old >{path}; chmod 755 {path}"));
    // Fills it as soon as something new lies there; ends by itself when nothing comes.
    let filler = format!(
        "end=$(($(date +%s) + 120)); while [ $(date +%s) -lt $end ]; do \
         for t in {folder}/.fmp-tmp-*; do [ -e $t ] && {{ dd if=/dev/zero of={folder}/fill bs=1M 2>/dev/null; exit; }}; done; done"
    );
    lab.sh(node, &format!("systemd-run --quiet --unit=fill-the-disk sh -c '{}'", filler.replace('\'', "'\\''")));
    until("the filler runs", SOON, || lab.try_sh(node, "systemctl is-active fill-the-disk").map(drop));
    let failed = lab.fmp(&["apply", "--yes"]).exits(1);
    failed.says(&[node, &path, "room"]);
    assert_eq!(lab.sh(node, &format!("cat {path}")), "old\n", "the old content is whole");
    assert_eq!(lab.sh(node, &format!("ls -A {folder}")), format!("fill\n{program}\n"), "nothing half-written is left");
    lab.sh(node, &format!("rm {folder}/fill"));
    lab.fmp(&["apply", "--yes"]).exits(0);
    lab.sh(node, &format!("umount {folder}"));
    lab.fmp(&["plan"]).exits(0);
}
