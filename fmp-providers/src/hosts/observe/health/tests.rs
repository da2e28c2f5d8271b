//! Lines as hosts write them, and answers of servers that the tests are.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, UdpSocket},
    thread,
};

use fmp_core::NodeName;
use fmp_exec::{
    Provider as _,
    provider::{HostQuestions, Questions},
};

use super::*;
use crate::hosts::testing::Lab;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

const NAME: &str = "kubernetes.default.svc.cluster.local";

/// The answer to our question with these addresses.
fn answer(addresses: &[[u8; 4]]) -> Vec<u8> {
    let mut bytes = query(NAME);
    bytes[2..4].copy_from_slice(&[0x85, 0x80]);
    bytes[7] = u8::try_from(addresses.len()).unwrap();
    for address in addresses {
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
        bytes.extend(address);
    }
    bytes
}

#[test]
fn an_answer_is_right_where_it_has_the_address() {
    assert_eq!(meaning(&answer(&[[10, 96, 0, 1]]), ADDRESS), NameAnswer::Right);
    assert_eq!(meaning(&answer(&[[10, 96, 0, 2], [10, 96, 0, 1]]), ADDRESS), NameAnswer::Right);
    let wrong = |bytes: &[u8]| match meaning(bytes, ADDRESS) {
        NameAnswer::Wrong(what) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(wrong(&answer(&[[192, 0, 2, 1]])), "192.0.2.1");
    assert_eq!(wrong(&answer(&[])), "no address");
    let mut refusal = answer(&[]);
    refusal[3] = 0x83;
    assert_eq!(wrong(&refusal), "NXDOMAIN");
    let whole = answer(&[[10, 96, 0, 1]]);
    assert_eq!(wrong(&whole[..whole.len() - 2]), "an answer that can't be read");
    assert_eq!(wrong(&[1, 2, 3, 4]), "an answer that can't be read");
    assert_eq!(meaning(&[], ADDRESS), NameAnswer::Silence);
}

#[test]
fn links_and_routes_are_read_as_ip_prints_them() {
    let line = "2: eth0@if5: <BROADCAST,MULTICAST,UP> mtu 1450 qdisc noqueue state UP mode DEFAULT";
    assert_eq!(link(line), Some(("eth0", 1450)));
    let told = |line: &str| route(line).map(|route| (route.to.to_string(), route.via, route.link));
    let seen = |to: &str, via: Option<u8>, link: &str| {
        Some((to.to_owned(), via.map(|last| Ipv4Addr::new(198, 18, 0, last)), link.to_owned()))
    };
    assert_eq!(told("10.244.3.0/24 via 198.18.0.21 dev eth0 "), seen("10.244.3.0/24", Some(21), "eth0"));
    assert_eq!(told("default via 198.18.0.1 dev eth0 onlink"), seen("0.0.0.0/0", Some(1), "eth0"));
    assert_eq!(told("10.244.0.0/24 dev cni0 proto kernel scope link"), seen("10.244.0.0/24", None, "cni0"));
    assert_eq!(told("192.0.2.7 dev eth0 scope link"), seen("192.0.2.7/32", None, "eth0"));
    assert_eq!(told("blackhole 10.1.0.0/16"), None);
}

#[test]
fn buckets_are_read_as_etcd_prints_them() {
    assert_eq!(bucket(r#"bucket{le="0.001"} 17"#), Some((1_000, 17)));
    assert_eq!(bucket(r#"bucket{le="8.192"} 1.234567e+06"#), Some((8_192_000, 1_234_567)));
    assert_eq!(bucket(r#"bucket{le="+Inf"} 17"#), None);
    assert_eq!(bucket("sum 0.5"), None);
    assert_eq!(["17", "1.2e+07", "-1", "NaN"].map(count), [Some(17), Some(12_000_000), None, None]);
}

#[test]
fn what_lies_on_the_root_has_no_room_of_its_own() {
    let told = |path: &str, id: &str| format!("{path}\t{id} 4096 1000 100 50 5");
    let lines = [told(".", "a"), told("./x", "b"), told("./y", "a")];
    let own = FileSystem { bytes: 4_096_000, free_bytes: 409_600, inodes: 50, free_inodes: 5 };
    let lines = lines.iter().map(|value| ("room", value.as_str())).collect();
    assert_eq!(Told(lines).file_systems(), BTreeMap::from([("/x".to_owned(), own)]));
}

#[test]
fn a_host_without_bash_says_so() {
    let fsync = Told(vec![("bash", "missing")]).fsync();
    assert_eq!(fsync, Fact::Unknown("the host has no bash, which would ask".to_owned()));
}

async fn look(lab: &Lab, ask: HealthQuestion) -> HostHealth {
    lab.program("systemctl", "case $1 in --version) echo 'systemd 252 (252.39)' ;; esac");
    let ask = HostQuestions { health: Some(ask), ..HostQuestions::default() };
    let questions = Questions { hosts: [("a".parse().unwrap(), ask)].into(), ..Questions::default() };
    let mut seen = lab.provider.observe(&lab.cx, &questions).await;
    match seen.hosts.remove(&"a".parse::<NodeName>().unwrap()) {
        Some(Fact::Known(host)) => host.health.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn place(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

/// What a host says of the name when it asks at this port.
async fn named(port: u16) -> Fact<NameAnswer> {
    let name = NameQuestion { server: place(port), name: NAME.to_owned(), address: ADDRESS };
    let seen = look(&Lab::new(), HealthQuestion { name: Some(name), ..HealthQuestion::default() }).await;
    assert_eq!(seen.etcd_fsync, Fact::Absent, "nobody asked");
    seen.name
}

#[tokio::test]
async fn a_host_asks_for_a_name_in_one_datagram() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let asked = thread::spawn(move || {
        let mut bytes = [0; 512];
        let (length, peer) = server.recv_from(&mut bytes).unwrap();
        server.send_to(&answer(&[[10, 96, 0, 1]]), peer).unwrap();
        bytes[..length].to_vec()
    });
    assert_eq!(named(port).await, Fact::Known(NameAnswer::Right));
    assert_eq!(asked.join().unwrap(), query(NAME));
}

#[tokio::test]
async fn where_nobody_answers_there_is_silence() {
    // Bound, so that nobody else is; nobody reads what comes.
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(named(server.local_addr().unwrap().port()).await, Fact::Known(NameAnswer::Silence));
}

#[tokio::test]
async fn etcds_figures_are_read_from_loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let first = BufReader::new(peer.try_clone().unwrap()).lines().next().unwrap().unwrap();
        let figures = "# TYPE etcd_disk_wal_fsync_duration_seconds histogram\n\
            etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.001\"} 90\n\
            etcd_disk_wal_fsync_duration_seconds_bucket{le=\"0.002\"} 100\n\
            etcd_disk_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 100\n\
            etcd_disk_wal_fsync_duration_seconds_sum 0.1\n\
            etcd_disk_wal_fsync_duration_seconds_count 100\n";
        write!(peer, "HTTP/1.0 200 OK\r\n\r\n{figures}").unwrap();
        first
    });
    let ask = HealthQuestion { etcd_metrics: Some(place(port)), ..HealthQuestion::default() };
    let seen = look(&Lab::new(), ask.clone()).await;
    assert_eq!(served.join().unwrap(), "GET /metrics HTTP/1.0");
    let expected = Latencies { at_most_us: [(1_000, 90), (2_000, 100)].into(), total: 100 };
    assert_eq!(seen.etcd_fsync, Fact::Known(expected));
    let seen = look(&Lab::new(), ask).await;
    assert_eq!(seen.etcd_fsync, Fact::Unknown("etcd did not tell its figures".to_owned()));
}

#[tokio::test]
async fn a_link_has_its_mtu_and_its_addresses() {
    let lab = Lab::new();
    lab.put("/var/lib/etcd/x", "");
    let ip = "case \"$*\" in *link*) echo '2: eth0: <UP> mtu 1400 qdisc x' ;; \
        *addr*) echo '2: eth0    inet 192.0.2.1/24 scope global eth0' ;; esac";
    lab.program("ip", ip);
    let directories = ["/var/lib/etcd".into(), "/none".into()].into();
    let seen = look(&lab, HealthQuestion { directories, ..HealthQuestion::default() }).await;
    assert_eq!(seen.file_systems, BTreeMap::new(), "both are no file systems of their own");
    assert_eq!(seen.links["eth0"], Link { mtu: 1400, addresses: [Ipv4Addr::new(192, 0, 2, 1)].into() });
}

#[tokio::test]
async fn a_host_says_where_somebody_takes_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    let (open, closed) = (at(&listener), at(&gone));
    drop(gone);
    let entrances = [open.clone(), closed.clone()].into();
    let seen = look(&Lab::new(), HealthQuestion { entrances, ..HealthQuestion::default() }).await;
    assert_eq!(seen.entrances, Fact::Known([(open, true), (closed, false)].into()));
    let seen = look(&Lab::new(), HealthQuestion::default()).await;
    assert_eq!(seen.entrances, Fact::Absent, "nobody asked");
}
