//! Plan, apply, observe, plan again: the second plan is empty. In a world in memory, with the real executor.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod support;

use std::fs;

use support::{Lab, node};

async fn settled(fixture: &str) -> Lab {
    Lab::settled(&fs::read_to_string(support::fixtures().join(fixture).join("cluster.toml")).unwrap()).await
}

#[tokio::test]
async fn a_cluster_on_bare_hosts_is_one_plan_away() {
    assert_eq!(Lab::new("ssh-7").converge().await, 1);
}

#[tokio::test]
async fn a_local_cluster_converges() {
    assert!(Lab::new("local-7").converge().await <= 2);
}

#[tokio::test]
async fn a_file_edited_by_hand_is_one_plan_away() {
    let lab = settled("ssh-7").await;
    lab.world.lock().edit_file(&node("work-1"), "/etc/fmp/node.env", "NODE_NAME=work-9\n");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_drop_in_that_nobody_ordered_is_one_plan_away() {
    let lab = settled("ssh-7").await;
    lab.world.lock().add_drop_in(&node("work-1"), "kubelet.service", "[Service]\nNice=5\n");
    lab.world.lock().restart(&node("work-1"), "kubelet.service");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_disabled_unit_is_one_plan_away() {
    let lab = settled("ssh-7").await;
    lab.world.lock().disable_unit(&node("main-2"), "kube-apiserver.service");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_power_cut_of_everything_leaves_nothing_to_do() {
    let lab = settled("ssh-7").await;
    for name in lab.spec.nodes.keys() {
        lab.world.lock().power_off(name);
    }
    for name in lab.spec.nodes.keys() {
        lab.world.lock().power_on(name);
    }
    assert_eq!(lab.converge().await, 0);
}

#[tokio::test]
async fn a_wiped_member_comes_back_as_a_learner() {
    let lab = settled("ssh-7").await;
    lab.world.lock().wipe_etcd(&node("main-1"));
    assert!(lab.converge().await <= 2);
}
