//! Secrets of the API: what they hold is seen by nobody on the way.

use fmp_core::{Digest, Secret, platform::RANDOM};
use fmp_exec::Applied;
use fmp_plan::action::Action;

use crate::hosts::testing::Lab;

const KEY: &str = "Secret/fmp/db";

/// An API that has `kept` already and takes what is applied.
const API: &str = r#"case "$*" in
    *' get secret db '*'.data.kept}') printf a2VwdA== ;;
    *' get secret db '*) ;;
    *' apply '*) cat >"$FMP_ROOT/applied" ;;
esac"#;

/// Two mains of a cluster with this API: what one can't do, the other one is asked for.
fn mains(api: &str) -> Lab {
    let lab = Lab::new();
    for host in ["a", "b"] {
        let id = lab.path(host, "/var/lib/fmp/cluster-id");
        std::fs::create_dir_all(id.parent().unwrap()).unwrap();
        std::fs::write(id, "c\n").unwrap();
        lab.program_of(host, "kubectl", api);
    }
    lab
}

fn applies(lab: &mut Lab) -> Action {
    let manifest = format!(
        r#"{{"kind":"Secret","metadata":{{"name":"db"}},"data":{{"kept":"{RANDOM}kept@","new":"{RANDOM}new@","other":"{RANDOM}other@"}}}}"#
    );
    Action::ApplyObject { key: KEY.to_owned(), manifest: lab.text(&manifest), taking: Vec::new() }
}

fn data(lab: &Lab) -> [String; 3] {
    let applied: serde_json::Value = serde_json::from_str(&lab.read("applied")).unwrap();
    ["kept", "new", "other"].map(|key| applied["data"][key].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn random_content_is_made_on_the_host_once() {
    let mut lab = mains(API);
    let action = applies(&mut lab);
    assert_eq!(lab.apply_to_cluster(action.clone()).await.unwrap(), Applied::Done);
    let [kept, new, other] = data(&lab);
    // 64 hexadecimal digits, in base64.
    assert_eq!((kept.as_str(), new.len(), other.len()), ("a2VwdA==", 88, 88));
    assert_ne!(new, other);
    let seen = lab.read("calls") + &lab.arguments();
    assert!(seen.contains(" apply ") && ![&kept, &new, &other].iter().any(|value| seen.contains(*value)), "{seen}");
}

#[tokio::test]
async fn nothing_is_applied_while_the_api_does_not_say_what_it_has() {
    let mut lab = mains(&API.replace("*' get secret db '*) ;;", "*' get secret db '*) exit 1 ;;"));
    let action = applies(&mut lab);
    lab.apply_to_cluster(action).await.unwrap_err();
    assert!(!["a", "b"].iter().any(|host| lab.path(host, "applied").exists()));
}

#[tokio::test]
async fn an_api_that_quotes_what_it_can_not_read_is_not_quoted() {
    let mut lab = mains(&API.replace("cat >", "echo 'illegal base64 data: a2VwdA==' >&2; exit 1; cat >"));
    let action = applies(&mut lab);
    let failure = lab.apply_to_cluster(action).await.unwrap_err().to_string();
    assert!(failure.contains(KEY) && !failure.contains("a2VwdA"), "{failure}");
}

#[tokio::test]
async fn a_file_comes_from_this_computer_by_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tls.key");
    std::fs::write(&path, "key").unwrap();
    let mut lab = mains(API);
    lab.provider.files = [(Digest::of("key"), path.clone())].into();
    let manifest =
        format!(r#"{{"kind":"Secret","metadata":{{"name":"db"}},"data":{{"k":"@file {}@"}}}}"#, Digest::of("key"));
    let manifest = lab.text(&manifest);
    let action = Action::ApplyObject { key: KEY.to_owned(), manifest, taking: Vec::new() };
    assert_eq!(lab.apply_to_cluster(action.clone()).await.unwrap(), Applied::Done);
    let applied = Secret::new(lab.read("applied"));
    assert!(String::from_utf8_lossy(applied.expose()).contains(r#""k":"a2V5""#));
    assert!(!(lab.read("calls") + &lab.arguments()).contains("a2V5"));
    std::fs::write(&path, "another").unwrap();
    assert!(matches!(lab.apply_to_cluster(action).await.unwrap(), Applied::Stale(_)));
}
