//! What `etcdctl` says of etcd.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::observed::{Etcd, EtcdMember, Fact};
use serde::Deserialize;

use super::{Answers, Unanswered};

/// Lines for the probe.
pub(super) const QUESTIONS: &str = "etcd members member list\n\
    etcd status endpoint status --cluster\n\
    etcd health endpoint health --cluster\n";

#[derive(Debug, Deserialize)]
struct MemberList {
    header: Header,
    members: Vec<Member>,
}

#[derive(Debug, Deserialize)]
struct Header {
    cluster_id: u64,
    #[serde(default)]
    member_id: u64,
}

#[derive(Debug, Deserialize)]
struct Member {
    #[serde(rename = "ID")]
    id: u64,
    #[serde(default)]
    name: String,
    #[serde(rename = "peerURLs")]
    peer_urls: Vec<String>,
    #[serde(rename = "clientURLs", default)]
    client_urls: Vec<String>,
    #[serde(rename = "isLearner", default)]
    learner: bool,
}

#[derive(Debug, Deserialize)]
struct EndpointStatus {
    #[serde(rename = "Status")]
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Status {
    header: Header,
    #[serde(default)]
    leader: u64,
    #[serde(rename = "dbSize")]
    db_size: Option<u64>,
    #[serde(rename = "raftIndex", default)]
    raft_index: u64,
    #[serde(rename = "raftAppliedIndex", default)]
    applied_index: u64,
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct EndpointHealth {
    endpoint: String,
    health: bool,
}

/// Reads the three answers. Members that don't answer leave gaps in the latter two, never in the first.
pub(super) fn read(answers: &Answers) -> Fact<Etcd> {
    let list = match answers.get("members") {
        Ok(text) => serde_json::from_str::<MemberList>(text),
        Err(Unanswered { why, .. }) => return Fact::Unknown(why),
    };
    let list = match list {
        Ok(list) => list,
        Err(error) => return Fact::Unknown(format!("etcdctl's list of members can't be read: {error}")),
    };
    // Both end with an error where one member does not answer, and print all that did.
    let statuses: Vec<EndpointStatus> = parse(answers, "status");
    let health: Vec<EndpointHealth> = parse(answers, "health");
    let statuses: BTreeMap<u64, Status> =
        statuses.into_iter().map(|endpoint| (endpoint.status.header.member_id, endpoint.status)).collect();
    let health: BTreeMap<String, bool> = health.into_iter().map(|seen| (seen.endpoint, seen.health)).collect();
    let members = list.members.into_iter().filter_map(|member| {
        let peer_url = member.peer_urls.first()?.clone();
        Some((peer_url, seen(&member, &statuses, &health)))
    });
    Fact::Known(Etcd { cluster_id: format!("{:x}", list.header.cluster_id), members: members.collect() })
}

fn parse<T: for<'de> Deserialize<'de>>(answers: &Answers, question: &str) -> Vec<T> {
    answers.printed(question).and_then(|(_, text)| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn seen(member: &Member, statuses: &BTreeMap<u64, Status>, health: &BTreeMap<String, bool>) -> EtcdMember {
    let head = statuses.values().map(|status| status.raft_index).max();
    let status = statuses.get(&member.id);
    let healthy = member.client_urls.iter().find_map(|url| health.get(url));
    EtcdMember {
        id: format!("{:x}", member.id),
        name: member.name.clone(),
        learner: member.learner,
        started: !member.client_urls.is_empty(),
        healthy: healthy.map_or_else(|| Fact::Unknown("it could not be asked".to_owned()), |ok| Fact::Known(*ok)),
        alarms: alarms(statuses, member.id),
        lag: head.zip(status).map(|(head, status)| head.saturating_sub(status.applied_index)),
        leader: statuses.values().any(|status| status.leader == member.id),
        database_bytes: status.and_then(|status| status.db_size),
    }
}

/// Every member tells of every alarm: `memberID:10276657743932975437 alarm:NOSPACE `.
fn alarms(statuses: &BTreeMap<u64, Status>, member: u64) -> BTreeSet<String> {
    let alarm = |text: &String| {
        let (id, alarm) = text.strip_prefix("memberID:")?.split_once(" alarm:")?;
        (id.parse() == Ok(member)).then(|| alarm.trim().to_owned())
    };
    statuses.values().flat_map(|status| &status.errors).filter_map(alarm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(pairs: &[(&str, i32, &str)]) -> Answers {
        let owned = |(name, status, text): &(&str, i32, &str)| ((*name).to_owned(), (*status, (*text).to_owned()));
        Answers(
            pairs.iter().map(owned).collect(),
            "members: retrying\nmembers: Error: context deadline exceeded\nstatus: x".to_owned(),
        )
    }

    const MEMBERS: &str = r#"{"header":{"cluster_id":17237436991929493444,"member_id":1,"raft_term":2},"members":[
        {"ID":9372538179322589801,"name":"main-1","peerURLs":["https://198.18.0.11:2380"],"clientURLs":["https://198.18.0.11:2379"]},
        {"ID":2,"peerURLs":["https://198.18.0.12:2380"],"isLearner":true}]}"#;

    #[test]
    fn members_are_known_by_peer_url_and_hexadecimal_id() {
        let status = r#"[{"Endpoint":"https://198.18.0.11:2379","Status":{"header":{"cluster_id":1,"member_id":9372538179322589801},
            "leader":9372538179322589801,"raftIndex":40,"raftAppliedIndex":38,"errors":["memberID:2 alarm:NOSPACE "]}}]"#;
        let health = r#"[{"endpoint":"https://198.18.0.11:2379","health":true,"took":"2ms"}]"#;
        let seen = read(&answers(&[("members", 0, MEMBERS), ("status", 1, status), ("health", 1, health)]));
        let etcd = seen.known().unwrap();
        assert_eq!(etcd.cluster_id, "ef37ad9dc622a7c4");
        let (one, two) = (&etcd.members["https://198.18.0.11:2380"], &etcd.members["https://198.18.0.12:2380"]);
        assert_eq!((one.id.as_str(), one.started, one.leader, one.lag), ("8211f1d0f64f3269", true, true, Some(2)));
        assert_eq!(one.healthy, Fact::Known(true));
        assert_eq!((two.started, two.learner, two.name.as_str()), (false, true, ""));
        assert!(two.healthy.known().is_none() && two.alarms.contains("NOSPACE"));
    }

    #[test]
    fn no_list_of_members_is_unknown_and_says_why() {
        let seen = read(&answers(&[("members", 1, "")]));
        assert_eq!(seen, Fact::Unknown("Error: context deadline exceeded".to_owned()));
    }
}
