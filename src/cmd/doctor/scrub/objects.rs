//! Objects of the kind Secret, whose values are secret whatever they look like: as JSON and as YAML, also where they are a
//! text within another text.
//!
//! What is no such object but stands in a text with one loses its `data` too.

use super::{REMOVED, quoted, runs};

/// Where an object of that kind keeps its values.
const FIELDS: [&str; 2] = ["stringData", "data"];

/// What stands around a word in JSON or YAML.
const DRESS: [char; 4] = ['"', '\'', '\\', ' '];

/// The text without values of such objects.
pub(super) fn without_values(text: &str) -> String {
    if holds_secret(text) { without_blocks(&without_braces(text)) } else { text.to_owned() }
}

/// `kind: Secret`, `"kind":"Secret"`, also in a list of them.
fn holds_secret(text: &str) -> bool {
    let kinds = text.match_indices("kind").map(|(at, word)| text[at + word.len()..].trim_start_matches(DRESS));
    let mut kinds = kinds.filter_map(|rest| rest.strip_prefix(':'));
    kinds.any(|rest| rest.trim_start_matches(DRESS).starts_with("Secret"))
}

/// Fields in braces: `"data": {"a": "eA=="}`.
fn without_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((begin, quote)) = braces(rest) {
        out.push_str(&rest[..begin]);
        out.extend([quote, REMOVED, quote]);
        rest = &rest[begin + closed(&rest[begin..], quote.len().saturating_sub(1))..];
    }
    out + rest
}

/// The brace behind the first such field, and the quotes of that text.
fn braces(text: &str) -> Option<(usize, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let before = text[..at].trim_end().strip_suffix(':')?.trim_end();
        let plain = before.strip_suffix('"').map_or(before, |plain| plain.trim_end_matches('\\'));
        let is_field = FIELDS.iter().any(|field| plain.ends_with(field));
        is_field.then_some((at, &before[plain.len()..]))
    })
}

/// Behind the brace that closes the first one. Where a text ends that this one is within, it ends too.
fn closed(text: &str, backslashes: usize) -> usize {
    let (mut depth, mut is_inside, mut from) = (0_usize, false, 0);
    while let Some(at) = text[from..].find(['{', '}', '"']).map(|at| from + at) {
        from = at + 1;
        let run = runs(&text[..at]);
        match text.as_bytes()[at] {
            b'"' if run < backslashes => return at - run,
            b'"' if quoted(run, backslashes) => is_inside = !is_inside,
            b'{' if !is_inside => depth += 1,
            b'}' if !is_inside && depth == 1 => return from,
            b'}' if !is_inside => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Fields of YAML: whatever is further to the right in the lines below `data:`.
fn without_blocks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut block: Option<Block> = None;
    for (line, end) in lines(text) {
        if let Some(emptied) = block.as_ref().and_then(|block| block.emptied(line)) {
            out.push_str(&emptied);
        } else {
            out.push_str(line);
            block = Block::of(line, end);
        }
        out.push_str(end);
    }
    out
}

/// A field that began.
struct Block {
    /// What stands before each line, as in a journal.
    prefix: usize,
    /// Spaces before the field's word.
    spaces: usize,
    /// Backslashes by which its lines end.
    backslashes: usize,
}

impl Block {
    fn of(line: &str, end: &str) -> Option<Self> {
        let word = line.trim_end().strip_suffix(':')?;
        let before = FIELDS.iter().find_map(|field| word.strip_suffix(field))?;
        let plain = before.trim_end_matches(' ');
        Some(Self { prefix: plain.len(), spaces: before.len() - plain.len(), backslashes: end.len() - 1 })
    }

    /// A line of the field without what it says; None where the field is over.
    fn emptied(&self, line: &str) -> Option<String> {
        let indented = |from: usize| {
            let rest = line.get(from..)?;
            let spaces = rest.len() - rest.trim_start_matches(' ').len();
            (spaces > self.spaces || rest.is_empty()).then_some(from + spaces)
        };
        let begin = indented(0).or_else(|| indented(self.prefix))?;
        let said = &line[begin..];
        // Where the text ends that these lines are within.
        let mut quotes = said.match_indices('"').map(|(at, _)| (at, runs(&said[..at])));
        let end = quotes.find(|(_, run)| *run < self.backslashes).map_or(said.len(), |(at, run)| at - run);
        let removed = if said[..end].is_empty() { "" } else { REMOVED };
        Some(format!("{}{removed}{}", &line[..begin], &said[end..]))
    }
}

/// Lines and how each ends: by the byte that ends lines, or as that is written within other texts.
fn lines(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = ending(rest);
        found.push((&rest[..line], &rest[line..after]));
        rest = &rest[after..];
    }
    found
}

/// Where the first line ends, and where the next one begins.
fn ending(text: &str) -> (usize, usize) {
    let mut from = 0;
    while let Some(at) = text[from..].find(['\n', '\\']).map(|at| from + at) {
        let plain = text[at..].trim_start_matches('\\');
        let after = text.len() - plain.len();
        let is_escaped = after > at && plain.starts_with('n');
        if is_escaped || after == at {
            return (at, after + 1);
        }
        from = after;
    }
    (text.len(), text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        assert_eq!(without_values(text), wanted);
        let within = |text: &str| serde_json::to_string(text).unwrap();
        assert_eq!(without_values(&within(text)), within(wanted), "as a text within a text");
        assert_eq!(without_values(&within(&within(text))), within(&within(wanted)), "and within another one");
    }

    #[test]
    fn values_of_secrets_go_from_json() {
        check(r#"{"data":{"a":"eA==","b":"}"},"kind":"Secret"} x"#, r#"{"data":"[removed]","kind":"Secret"} x"#);
        check(
            r#"{"kind": "Secret", "stringData": {"a": "x \" } \\", "b": ""}, "type": "Opaque"}"#,
            r#"{"kind": "Secret", "stringData": "[removed]", "type": "Opaque"}"#,
        );
        check(r#"{"kind":"ConfigMap","data":{"a":"b"}}"#, r#"{"kind":"ConfigMap","data":{"a":"b"}}"#);
    }

    #[test]
    fn values_of_secrets_go_from_yaml() {
        check(
            "apiVersion: v1\ndata:\n  a: eA==\n\n  b: \"x\"\n  c: |\n    more\nkind: Secret\nend",
            "apiVersion: v1\ndata:\n  [removed]\n\n  [removed]\n  [removed]\n    [removed]\nkind: Secret\nend",
        );
        check("- kind: Secret\n  stringData:\n    a: b", "- kind: Secret\n  stringData:\n    [removed]");
        check("kind: Secret\ndata: {a: eA==}\nend", "kind: Secret\ndata: [removed]\nend");
        check("kind: Role\ndata:\n  a: b\n", "kind: Role\ndata:\n  a: b\n");
    }

    #[test]
    fn values_of_secrets_go_from_a_journal() {
        let lines = |words: [&str; 4]| words.map(|line| format!("2026-01-01T00:00:00 main-1 x[7]: {line}\n")).concat();
        check(
            &lines(["kind: Secret", "data:", "  a: eA==", "end"]),
            &lines(["kind: Secret", "data:", "  [removed]", "end"]),
        );
    }
}
