//! Scripts that lie on hosts, run here with the programs around them made up.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
    thread,
};

const LINK: &str = include_str!("../fmp-core/src/role/data/entrance-link.sh");
const ANSWERS: &str = include_str!("../fmp-core/src/role/data/entrance-answers.sh");
const READY: &str = include_str!("../fmp-core/src/role/data/entrance-ready.sh");

/// Runs `script` with these arguments; programs of `folder` come before the computer's own.
fn run(shell: &str, script: &str, arguments: &[&str], folder: &Path) -> Output {
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.display());
    let mut command = Command::new(shell);
    command.args(["-c", script, "script"]).args(arguments).env_clear();
    command.env("PATH", path).env("NODE_IP", "198.18.0.11").output().expect("the shell is there")
}

/// What the script that keepalived runs says of a balancer that answers so.
fn is_ready(answer: Option<&'static str>) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port().to_string();
    let server = answer.map(|answer| {
        thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("somebody asks");
            let asked = BufReader::new(peer.try_clone().expect("it can be read")).lines().next();
            assert_eq!(asked.expect("a line").expect("text"), "GET /readyz HTTP/1.0");
            peer.write_all(answer.as_bytes()).expect("it can be told");
        })
    });
    let said = run("bash", READY, &[&port], Path::new("/nonexistent"));
    if let Some(server) = server {
        server.join().expect("it was asked");
    }
    said.status.success()
}

#[test]
fn a_main_lets_go_unless_its_balancer_says_that_an_apiserver_is_ready() {
    assert!(is_ready(Some("HTTP/1.0 200 OK\r\n\r\n")));
    assert!(!is_ready(Some("HTTP/1.0 503 Service Unavailable\r\n\r\n")));
    assert!(!is_ready(Some("")), "it closed the connection");
    assert!(!is_ready(None), "nobody listens");
}

#[test]
fn a_work_node_lets_go_unless_it_answers_at_each_port() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    let ports = listeners.each_ref().map(|listener| listener.local_addr().expect("it has one").port().to_string());
    let answers = |ports: &[&str]| {
        run("bash", ANSWERS, &[&["127.0.0.1"], ports].concat(), Path::new("/nonexistent")).status.success()
    };
    let [first, second] = &ports;
    assert!(answers(&[first, second]) && answers(&[]));
    let [kept, gone] = listeners;
    drop(gone);
    assert!(!answers(&[first, second]) && answers(&[first]));
    drop(kept);
}

/// A folder with an `ip` that knows one link, with the node's own address and these others, and notes what is deleted.
fn with_ip(others: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let ip = format!(
        r#"#!/bin/sh
case "$*" in
"address del "*) echo "$*" >>{folder}/deleted ;;
*"to 198.18.0.11/32") echo "2: eth7    inet 198.18.0.11/24 scope global eth7" ;;
*"show dev eth7") for own in 198.18.0.11/24 {others}; do echo "2: eth7    inet $own scope global eth7"; done ;;
esac
"#,
        folder = folder.path().display(),
        others = others.join(" ")
    );
    let path = folder.path().join("ip");
    fs::write(&path, ip).expect("it can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it can be made a program");
    folder
}

/// The script with its files in `folder`.
fn link(folder: &Path, what: &str) -> Output {
    let at = |name: &str| folder.join(name).display().to_string();
    let script = LINK.replace("/etc/fmp/keepalived.conf", &at("conf")).replace("/run/fmp/keepalived.conf", &at("run"));
    let script = script.replace("/run/fmp/stamp/fmp-entrance.service", &at("stamp"));
    fs::write(folder.join("conf"), "interface @LINK@\n        198.18.0.10/32 dev @LINK@\n").expect("it can be written");
    run("sh", &script, &[what], folder)
}

/// What was deleted, in order of addresses.
fn deleted(folder: &Path) -> Vec<String> {
    let noted = fs::read_to_string(folder.join("deleted")).unwrap_or_default();
    noted.lines().map(|line| line.strip_prefix("address del ").unwrap_or(line).to_owned()).collect()
}

#[test]
fn what_was_killed_leaves_no_address_behind() {
    let folder = with_ip(&["198.18.0.10/32", "198.18.0.30/32", "198.18.0.99/32"]);
    // By what it read last it had two; by what is to be read now it has one of them.
    let earlier = "        198.18.0.30/32 dev eth7\n        198.18.0.10/32 dev eth7\n";
    for what in ["stop", "start"] {
        fs::write(folder.path().join("run"), earlier).expect("it can be written");
        let said = link(folder.path(), what);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        assert_eq!(deleted(folder.path()), ["198.18.0.10/32 dev eth7", "198.18.0.30/32 dev eth7"], "{what}");
        fs::remove_file(folder.path().join("deleted")).expect("it was written");
    }
    assert!(link(folder.path(), "reload").status.success());
    assert_eq!(deleted(folder.path()), [""; 0], "what it has it keeps through a reload");
    let none = with_ip(&[]);
    assert!(link(none.path(), "start").status.success());
    assert!(!none.path().join("deleted").exists());
}

#[test]
fn the_link_is_found_by_the_nodes_own_address() {
    let folder = with_ip(&[]);
    assert!(link(folder.path(), "start").status.success());
    let rendered = fs::read_to_string(folder.path().join("run")).expect("it was written");
    assert_eq!(rendered, "interface eth7\n        198.18.0.10/32 dev eth7\n");
    fs::write(folder.path().join("ip"), "#!/bin/sh\n").expect("it can be written");
    let said = link(folder.path(), "start");
    assert!(!said.status.success());
    assert_eq!(String::from_utf8_lossy(&said.stderr), "no link has the address 198.18.0.11\n");
}

#[test]
fn a_reload_that_fails_takes_back_what_was_noted_of_it() {
    let folder = with_ip(&[]);
    let stamp = folder.path().join("stamp");
    fs::write(&stamp, "invocation 1\n").expect("it can be written");
    assert!(link(folder.path(), "reload").status.success() && stamp.exists());
    fs::write(folder.path().join("ip"), "#!/bin/sh\n").expect("it can be written");
    assert!(!link(folder.path(), "reload").status.success());
    assert!(!stamp.exists());
}
