//! Files as people write them, right and wrong.

use super::*;

fn file(text: &str) -> ManifestFile {
    ManifestFile { name: "manifests/a.yaml".to_owned(), text: text.to_owned() }
}

fn keys(text: &str) -> Vec<String> {
    parse(&[file(text)]).unwrap().into_iter().map(|object| object.key).collect()
}

/// The message, and the text that it points at.
fn refusal(text: &str) -> (String, String) {
    let bad = parse(&[file(text)]).unwrap_err();
    let first = bad.iter().next().unwrap();
    (first.fault.message.clone(), text[first.fault.place.clone()].to_owned())
}

const CLASS: &str = "apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: high}\nvalue: 7\n";

#[test]
fn documents_lists_and_json_are_read_in_order_of_keys() {
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"a\"}}";
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n";
    let text = format!("{CLASS}---\n# nothing\n---\n{json}\n---\n{list}");
    assert_eq!(keys(&text), ["Namespace//a", "Namespace//b", "PriorityClass//high"]);
}

#[test]
fn one_object_is_one_text_however_it_was_written() {
    let yaml =
        "kind: ConfigMap\napiVersion: v1\ndata:\n  b: '2'\n  a: |\n    x\nmetadata:\n  namespace: data\n  name: m\n";
    let json = "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"x\\n\",\"b\":\"2\"},\"kind\":\"ConfigMap\",\
        \"metadata\":{\"name\":\"m\",\"namespace\":\"data\"}}";
    let objects = parse(&[file(yaml)]).unwrap();
    assert_eq!(objects, parse(&[file(json)]).unwrap());
    assert_eq!(objects[0].key, "ConfigMap/data/m");
}

#[test]
fn what_an_object_lacks_is_told_at_its_place() {
    let refused = |text: &str| refusal(text).0;
    assert_eq!(refused("kind: Namespace\n"), "`apiVersion` is missing");
    assert_eq!(refused("apiVersion: v1\nkind: Namespace\nmetadata: {generateName: a}\n"), "`metadata.name` is missing");
    let lost = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    let (message, place) = refusal(&format!("{CLASS}---\n{lost}"));
    assert_eq!(message, "ConfigMap a says no `metadata.namespace`");
    assert_eq!(place, "apiVersion: v1");
    let inside = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n";
    assert_eq!(refused(inside), "Namespace a can't be in a namespace");
}

#[test]
fn a_secret_is_refused_without_a_word_of_it() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\nstringData: {c: canary}\n";
    let bad = parse(&[file(text)]).unwrap_err();
    let (message, place) = refusal(text);
    assert!(message.starts_with("Secret a would stand in the plan"), "{message}");
    assert!(!place.contains("canary") && !bad.to_string().contains("canary"));
}

#[test]
fn words_that_readers_disagree_about_are_refused() {
    let with = |value: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: b}}\ndata:\n  c: {value}\n")
    };
    for word in ["yes", "Off", "n"] {
        let (message, place) = refusal(&with(word));
        assert!(message.contains("true or false"), "{message}");
        assert_eq!(place, word);
    }
    for fine in ["\"yes\"", "'off'", "true", "nothing"] {
        assert_eq!(keys(&with(fine)), ["ConfigMap/b/a"], "{fine}");
    }
}

#[test]
fn what_is_written_twice_is_told_with_both_places() {
    let second = ManifestFile { name: "manifests/b.yaml".to_owned(), text: CLASS.to_owned() };
    let bad = parse(&[file(&format!("---\n{CLASS}")), second]).unwrap_err();
    let only = bad.iter().next().unwrap();
    assert_eq!(only.to_string(), "PriorityClass//high is written twice");
    assert_eq!(only.fault.help, "the first one stands in manifests/a.yaml at line 2: keep one");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let broken = ManifestFile { name: "manifests/b.yaml".to_owned(), text: "a: [\n".to_owned() };
    let bad = parse(&[file("kind: Namespace\n---\napiVersion: v1\n"), broken]).unwrap_err();
    assert_eq!(bad.iter().len(), 3);
    assert_eq!(bad.to_string(), "3 problems in the manifests");
}
