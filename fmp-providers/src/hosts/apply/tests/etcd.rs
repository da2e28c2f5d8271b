//! Members of etcd: born, joined, promoted, removed.

use super::*;

#[tokio::test]
async fn a_member_is_born_with_a_permit_for_this_cluster() {
    let lab = Lab::new();
    lab.program("systemctl", "");
    lab.put("/var/lib/fmp/cluster-id", "c0ffee\n");
    let members = [("a".parse().unwrap(), "https://192.0.2.1:2380".to_owned())].into();
    assert_eq!(lab.apply(Action::BootstrapEtcd { members }).await.unwrap(), Applied::Done);
    let permit = lab.read("/run/fmp/etcd-permit.env");
    assert_eq!(
        permit,
        "ETCD_INITIAL_CLUSTER=a=https://192.0.2.1:2380\nETCD_INITIAL_CLUSTER_STATE=new\nETCD_INITIAL_CLUSTER_TOKEN=c0ffee\n"
    );
}

#[tokio::test]
async fn etcd_is_never_born_on_a_folder_that_holds_something() {
    let lab = Lab::new();
    lab.program("systemctl", "");
    lab.put("/var/lib/fmp/cluster-id", "c0ffee\n");
    lab.put("/var/lib/etcd/lost+found", "");
    let born = lab.apply(Action::BootstrapEtcd { members: [].into() }).await.unwrap();
    assert!(matches!(born, Applied::Stale(_)), "{born:?}");
    assert!(!lab.path("a", "/run/fmp/etcd-permit.env").exists());
}

#[tokio::test]
async fn etcds_data_lies_where_the_profile_says() {
    let mut lab = Lab::new();
    let etcd = "/data/etcd".to_owned();
    lab.provider = lab.provider.keeping(Directories { etcd, ..Directories::default() });
    lab.program("systemctl", "");
    lab.put("/var/lib/fmp/cluster-id", "c0ffee\n");
    lab.put("/data/etcd/lost+found", "");
    let born = lab.apply(Action::BootstrapEtcd { members: [].into() }).await.unwrap();
    let Applied::Stale(mismatch) = born else { panic!("{born:?}") };
    assert_eq!(mismatch.what, "a: /data/etcd");
    // What lies elsewhere is nobody's data.
    fs::remove_file(lab.path("a", "/data/etcd/lost+found")).unwrap();
    lab.put("/var/lib/etcd/member/wal", "");
    assert_eq!(lab.apply(Action::BootstrapEtcd { members: [].into() }).await.unwrap(), Applied::Done);
}

const MEMBERS: &str = "echo '1a, started, a, https://192.0.2.1:2380, https://192.0.2.1:2379, false'\n\
    echo '2b, unstarted, , https://192.0.2.2:2380, , true'";

fn etcdctl(change: &str) -> String {
    format!("case \"$*\" in *'member list') {MEMBERS} ;; *) {change} ;; esac")
}

#[tokio::test]
async fn a_member_is_matched_by_its_peer_url_and_its_id() {
    let lab = Lab::new();
    lab.program("etcdctl", &etcdctl("true"));
    let member = |node: u8| format!("https://192.0.2.{node}:2380");
    let remove = |node, id: &str| {
        let before = MemberBefore::Silent;
        Action::RemoveEtcdMember { peer_url: member(node), id: id.to_owned(), before }
    };
    // The member that is changed is asked about it last: host `b` has no etcdctl, and so `a` is asked.
    let cases = [
        (remove(1, "1a"), "done"),
        (remove(1, "ff"), "stale"),
        (remove(3, "1a"), "already-done"),
        (Action::AddEtcdLearner { peer_url: member(3) }, "done"),
        (Action::AddEtcdLearner { peer_url: member(2) }, "already-done"),
        (Action::AddEtcdLearner { peer_url: member(1) }, "stale"),
        (Action::PromoteEtcdLearner { peer_url: member(2) }, "done"),
        (Action::PromoteEtcdLearner { peer_url: member(1) }, "already-done"),
        (Action::PromoteEtcdLearner { peer_url: member(3) }, "stale"),
    ];
    for (action, expected) in cases {
        let found = match lab.apply_to("b", action.clone()).await.unwrap() {
            Applied::Done => "done",
            Applied::AlreadyDone => "already-done",
            Applied::Stale(_) => "stale",
        };
        assert_eq!(found, expected, "{action:?}");
    }
}

#[tokio::test]
async fn a_member_that_is_to_hear_of_its_removal_stays_where_it_does_not_answer() {
    let remove = |id: &str| {
        let (peer_url, before) = ("https://192.0.2.1:2380".to_owned(), MemberBefore::Answering);
        Action::RemoveEtcdMember { peer_url, id: id.to_owned(), before }
    };
    for (health, id, is_removed) in [("true", "1a", true), ("exit 1", "1a", false), ("true", "ff", false)] {
        let lab = Lab::new();
        // As etcdctl: `--endpoints` beside its variable ends it.
        let refuses = "case \"$*\" in *--endpoints*) exit 1 ;; esac";
        let asked = "printf '%s %s\\n' \"${ETCDCTL_ENDPOINTS-}\" \"$*\" >>asked";
        let program = format!(
            "{refuses}; {asked}; case \"$*\" in *'endpoint health') {health} ;; esac; {}",
            etcdctl("case \"$*\" in *move-leader*) exit 1 ;; esac")
        );
        lab.program("etcdctl", &program);
        let applied = lab.apply_to("b", remove(id)).await.unwrap();
        assert_eq!(matches!(applied, Applied::Done), is_removed, "{health} {id}: {applied:?}");
        let calls = lab.read("calls");
        assert_eq!(calls.contains("member remove"), is_removed, "{calls}");
        assert_eq!(calls.contains("endpoint health"), id == "1a", "{calls}");
        assert!(!calls.contains("--endpoints"), "{calls}");
    }
}

#[tokio::test]
async fn a_learner_that_lags_is_promoted_later() {
    let lab = Lab::new();
    let refusal = "echo 'etcdserver: can only promote a learner member which is in sync with leader' >&2; exit 1";
    lab.program("etcdctl", &etcdctl(refusal));
    let action = Action::PromoteEtcdLearner { peer_url: "https://192.0.2.2:2380".to_owned() };
    assert_eq!(lab.apply(action).await.unwrap_err().retry, Retry::Later);
}
