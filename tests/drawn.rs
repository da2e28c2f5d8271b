//! Properties of plans over clusters that seeds draw: one to seven mains, up to fifty work nodes, three minor versions, with
//! and without disks. `properties.rs` has the same on two clusters that can be read.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod support;

use std::{cell::RefCell, collections::BTreeSet};

use fmp::planner::{Plan, Standing, changed, render};
use fmp_sim::{
    random::Stream,
    scenario::{Drawn, Shape},
};
use support::{Lab, about, arrived, node, parsed, reordered, written};

/// How many different clusters each property is tried on.
const CLUSTERS: usize = 40;

/// Different clusters, the same each time: each with a stream for what befalls it.
fn clusters() -> Vec<(Shape, Stream)> {
    let mut shapes = BTreeSet::new();
    for seed in 1.. {
        let shape = Drawn::of(seed).shape;
        if shape.environment == "ssh" {
            shapes.insert(shape);
        }
        if shapes.len() == CLUSTERS {
            break;
        }
    }
    (1..).map(|seed| Stream::new(seed, "what befalls")).zip(shapes).map(|(stream, shape)| (shape, stream)).collect()
}

/// As many places as a list has, each of which may be exchanged for a later one.
fn shuffle<T>(list: &mut [T], stream: &mut Stream) {
    for at in 0..list.len() {
        let to = stream.between(at as u64, list.len() as u64 - 1);
        list.swap(at, usize::try_from(to).unwrap());
    }
}

/// Somebody edits a file of a node by hand.
fn edit(lab: &Lab, stream: &mut Stream) {
    let names: Vec<_> = lab.spec.nodes.keys().collect();
    let path = *stream.pick(&["/etc/fmp/node.env", "/etc/systemd/system/kubelet.service"]).unwrap();
    let name = *stream.pick(&names).unwrap();
    lab.world.lock().edit_file(name, path, format!("by hand: {}\n", stream.below(1 << 32)));
}

/// A plan in every form.
fn shown(plan: &Plan) -> String {
    render::text(plan) + &render::dot(plan) + &written(plan)
}

#[test]
fn what_is_drawn_is_of_many_kinds() {
    let shapes: Vec<Shape> = clusters().into_iter().map(|(shape, _)| shape).collect();
    let mains: BTreeSet<u8> = shapes.iter().map(|shape| shape.mains).collect();
    let versions: BTreeSet<&str> = shapes.iter().map(|shape| shape.kubernetes).collect();
    assert_eq!((mains, versions.len()), ([1, 3, 5, 7].into(), 3));
    assert!(shapes.iter().any(|shape| shape.disks) && shapes.iter().any(|shape| shape.works == 0));
    assert!(shapes.iter().any(|shape| shape.works >= 10));
}

#[tokio::test]
async fn p1_the_order_of_tables_and_of_answers_changes_no_byte() {
    for (shape, mut stream) in clusters() {
        let file = shape.file();
        let lab = Lab::settled(&file).await;
        edit(&lab, &mut stream);
        let stream = RefCell::new(stream);
        for seen in [Lab::of(&file).observed(), lab.observed()] {
            let whole = arrived(&seen, |_| ());
            let plain = shown(&fmp::plan(&lab.spec, &lab.lock, &whole).unwrap());
            for _ in 0..3 {
                let file = reordered(&file, |tables| shuffle(tables, &mut stream.borrow_mut()));
                let seen = arrived(&seen, |parts| shuffle(parts, &mut stream.borrow_mut()));
                assert!(plain == shown(&fmp::plan(&parsed(&file), &lab.lock, &seen).unwrap()), "{shape:?}");
            }
        }
    }
}

#[tokio::test]
async fn p2_what_was_applied_is_not_planned_again() {
    for (shape, mut stream) in clusters() {
        let lab = Lab::settled(&shape.file()).await;
        assert_eq!(lab.plan().standing(), Standing::InSync, "{shape:?}");
        edit(&lab, &mut stream);
        let plan = lab.plan();
        assert_eq!(plan.standing(), Standing::Steps, "{shape:?}: {:?}", plan.waiting);
        assert!(lab.apply(&plan).await.complete(), "{shape:?}");
        assert_eq!(lab.plan().standing(), Standing::InSync, "{shape:?}");
    }
}

#[tokio::test]
async fn p4_a_work_node_that_comes_or_goes_is_all_that_a_plan_is_about() {
    for (shape, _) in clusters() {
        // With fewer, the cluster's own pods are others: two copies, each on a node of its own.
        if shape.works < 3 {
            continue;
        }
        let file = Shape { disks: false, ..shape }.file();
        let lab = Lab::settled(&file).await;
        let before = render::text(&lab.plan());
        let grown = format!("{file}\n[nodes.work-new]\nrole = 'work'\naddress = '198.18.2.250'\n");
        lab.world.lock().add_machine(&node("work-new"), "198.18.2.250".parse().unwrap(), false);
        about(&before, &lab.plan_for(&parsed(&grown)), "work-new", Standing::Steps);
        let last = lab.spec.workers().last().unwrap().0.to_string();
        let shrunk = reordered(&file, |tables| tables.retain(|table| !table.starts_with(&format!("[nodes.{last}]"))));
        about(&before, &lab.plan_for(&parsed(&shrunk)), &last, Standing::InSync);
    }
}

#[tokio::test]
async fn p7_a_plan_is_refused_once_a_newer_one_was_applied() {
    for (shape, mut stream) in clusters() {
        let lab = Lab::settled(&shape.file()).await;
        edit(&lab, &mut stream);
        let older = lab.plan();
        edit(&lab, &mut stream);
        let newer = lab.plan();
        assert!(lab.apply(&newer).await.complete(), "{shape:?}");
        assert!(!changed(&older, &lab.observed()).is_empty(), "{shape:?}");
        assert_eq!(lab.plan().standing(), Standing::InSync, "{shape:?}");
    }
}
