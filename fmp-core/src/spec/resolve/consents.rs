//! Consents: what a person agrees to, each a word and the node that it is about.
//!
//! Owns which words there are. One that nobody knows would be agreed to by nobody, and nobody would say so.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::{
    NodeName,
    spec::{
        problem::{Code, Problem, Sink},
        raw::RawNode,
        suggest::closest,
    },
};

/// What a person can agree to about an object of the API, which nobody can look up before there is one.
const OF_OBJECTS: &str = "delete";

/// What a person can agree to about a node, each with what it lets happen.
const WORDS: [(&str, &str); 4] = [
    ("adopt", "a host that holds something no ledger of ours owns is taken over"),
    ("destroyed", "its machine is gone for good"),
    ("evict", "pods that nobody makes again go, and what pods keep in an `emptyDir`"),
    ("outage", "what only this node gives is missing for a while"),
];

/// Notes consents that say nothing: another word, or a node that the file does not have.
pub(super) fn check(
    sink: &Sink,
    consents: &[Spanned<String>],
    nodes: &BTreeMap<NodeName, RawNode>,
    retired: &BTreeMap<NodeName, RawNode>,
) {
    let names: Vec<&str> = nodes.keys().chain(retired.keys()).map(NodeName::as_str).collect();
    consents.iter().filter_map(|consent| problem(consent, &names)).for_each(|problem| sink.note(problem));
}

fn problem(consent: &Spanned<String>, names: &[&str]) -> Option<Problem> {
    let text = consent.get_ref();
    let (word, node) = text.split_once(' ').unwrap_or((text, ""));
    let bad = |message: String, meant: Option<&str>| {
        let label = meant.map_or_else(|| "unknown".to_owned(), |meant| format!("did you mean `{meant}`?"));
        Problem::new(Code::BadConsent, message, consent.span(), &label)
    };
    if word == OF_OBJECTS {
        let help = "write `delete KIND/NAMESPACE/NAME`, as the plan names it: `delete Namespace//shop`";
        let names_one = node.split('/').count() == 3 && !node.starts_with('/') && !node.ends_with('/');
        return (!names_one).then(|| bad(format!("`{text}` names no object"), None).help(help));
    }
    if !WORDS.iter().any(|(known, _)| *known == word) {
        let meant = closest(word, WORDS.iter().map(|(known, _)| *known).chain([OF_OBJECTS]));
        let of_nodes = WORDS.iter().map(|(word, lets)| format!("`{word} NODE`: {lets}"));
        let of_objects = "`delete KIND/NAMESPACE/NAME`: an object that nothing wants any more goes, with what it holds";
        let known: Vec<String> = of_nodes.chain([of_objects.to_owned()]).collect();
        return Some(bad(format!("nobody can agree to `{text}`"), meant).help(known.join("; ")));
    }
    if names.contains(&node) {
        return None;
    }
    let meant = closest(node, names.iter().copied());
    let help = format!("write `{word} NODE` with one of the file's nodes, or remove it: {}", names.join(", "));
    Some(bad(format!("`{text}` names no node of this file"), meant).help(help))
}
