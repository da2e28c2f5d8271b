//! Worlds in files.

use std::fmt::Write as _;

use fmp_core::{profile::Profiles, spec};
use fmp_exec::provider::HostQuestions;

use super::*;

fn spec(works: u8) -> Spec {
    let mut text = "[cluster]\nname = 'sim'\nkubernetes = '1.29.15'\n[environment]\nkind = 'sim'\n\
                    [nodes.main-1]\nrole = 'main'\naddress = '198.18.0.11'\n"
        .to_owned();
    for at in 1..=works {
        write!(text, "[nodes.work-{at}]\nrole = 'work'\naddress = '198.18.0.2{at}'\n").unwrap();
    }
    spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

#[tokio::test]
async fn a_world_outlives_whoever_changed_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = state_file(&folder.path().join("cluster.toml"));
    let world = || SimWorld::new(path.clone(), &spec(1));
    let there = |world: SimWorld| async move { world.look(|world| world.has(&node("work-1"))).await.unwrap() };
    assert!(!there(world()).await);
    world().change(|world| world.replace_machine(&node("work-1"))).await.unwrap();
    assert!(there(world()).await);
    world().forget().await.unwrap();
    assert!(!there(world()).await);
}

#[tokio::test]
async fn a_node_that_comes_into_the_file_gets_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    SimWorld::new(path.clone(), &spec(1)).change(|_| ()).await.unwrap();
    let later = SimWorld::new(path, &spec(2));
    later.change(|world| world.replace_machine(&node("work-2"))).await.unwrap();
    assert!(later.look(|world| world.has(&node("work-2"))).await.unwrap());
}

#[tokio::test]
async fn a_file_that_holds_no_world_is_named_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    std::fs::write(&path, "{}").unwrap();
    let world = SimWorld::new(path.clone(), &spec(1));
    let error = world.change(|_| ()).await.unwrap_err().to_string();
    assert!(error.contains("world.json") && error.contains("remove it"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
    let ask = Questions { hosts: [(node("main-1"), HostQuestions::default())].into(), ..Questions::default() };
    let seen = Provider::observe(&world, &Context::default(), &ask).await;
    assert!(matches!(&seen.hosts["main-1"], Fact::Unknown(why) if why.contains("world.json")));
}
