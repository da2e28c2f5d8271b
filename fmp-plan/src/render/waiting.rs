//! What is wanted and can't be planned, each reason told once.

use std::{collections::BTreeMap, fmt::Write as _};

use super::text::line;
use crate::plan::Waiting;

/// One line for what waits alone. What waits for the same stands below its reason, the same of several nodes on one line.
pub(super) fn write(out: &mut String, waiting: &[Waiting]) {
    if waiting.is_empty() {
        return;
    }
    line(out, 0, format_args!("\nwaiting"));
    for (until, items) in by_reason(waiting) {
        if let [item] = items[..] {
            line(out, 1, format_args!("{item} waits until {until}"));
        } else {
            line(out, 1, format_args!("until {until}"));
            named(&items).iter().for_each(|name| line(out, 2, format_args!("{name}")));
        }
    }
}

/// In the order in which reasons, and what waits for each, come first.
fn by_reason(waiting: &[Waiting]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for item in waiting {
        match groups.iter_mut().find(|(until, _)| *until == item.until) {
            Some((_, items)) => items.push(&item.what),
            None => groups.push((&item.until, vec![&item.what])),
        }
    }
    groups
}

fn named(items: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        let on_node = item.split_once('/').filter(|(scope, _)| *scope != "cluster");
        match on_node.map(|(node, rest)| (node, rest, places.get(rest))) {
            Some((node, _, Some(&place))) => _ = write!(names[place], " {node}"),
            Some((node, rest, None)) => {
                places.insert(rest, names.len());
                names.push(format!("{rest} of {node}"));
            }
            None => names.push((*item).to_owned()),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(items: &[(&str, &str)]) -> String {
        let item = |(what, until): &(&str, &str)| Waiting { what: (*what).into(), until: (*until).into(), node: None };
        let mut out = String::new();
        write(&mut out, &items.iter().map(item).collect::<Vec<_>>());
        out
    }

    #[test]
    fn nothing_waits() {
        assert_eq!(shown(&[]), "");
    }

    #[test]
    fn a_reason_is_told_once() {
        let api = "the API answers";
        let text = shown(&[
            ("cluster/object/Service/kube-system/kube-dns", api),
            ("main-1", "it answers: off"),
            ("main-1/node-object", api),
            ("work-1/node-object", api),
        ]);
        assert_eq!(
            text,
            "\nwaiting\n  until the API answers\n    cluster/object/Service/kube-system/kube-dns\n    \
             node-object of main-1 work-1\n  main-1 waits until it answers: off\n"
        );
    }
}
