//! Values of JSON, with maps in the order of their keys whoever wrote them.
//!
//! Owns the shape of manifests and of what the API says of objects. A library's own value could change the order of its keys
//! by a feature that somebody else switches on; this one can't.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

/// A value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Tree {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Whole(i64),
    /// A number with a fraction, or one that is too large for the others. JSON has no NaN.
    Fraction(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Tree>),
    /// Values by name.
    Map(BTreeMap<String, Tree>),
}

// JSON has no NaN, so every value equals itself.
impl Eq for Tree {}

impl Tree {
    /// The value of a key, in a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.map()?.get(key)
    }

    /// The value at the end of several keys.
    pub fn at<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Option<&Self> {
        keys.into_iter().try_fold(self, |tree, key| tree.get(key))
    }

    /// The map that it is.
    pub const fn map(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Map(map) => Some(map),
            Self::Null | Self::Bool(_) | Self::Whole(_) | Self::Fraction(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The list that it is.
    pub fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            Self::Null | Self::Bool(_) | Self::Whole(_) | Self::Fraction(_) | Self::Text(_) | Self::Map(_) => None,
        }
    }

    /// The text that it is.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Whole(_) | Self::Fraction(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// Whether it says no more than nothing: the API leaves such values out.
    pub fn is_void(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) | Self::Whole(0) => true,
            Self::Bool(true) | Self::Whole(_) => false,
            Self::Fraction(number) => *number == 0.0,
            Self::Text(text) => text.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Map(map) => map.values().all(Self::is_void),
        }
    }

    /// It as JSON on one line: the same value, the same bytes.
    pub fn line(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, None);
        out
    }

    /// It as JSON for people, a key a line, with a line break at its end.
    pub fn lines(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, Some(0));
        out.push('\n');
        out
    }

    fn write(&self, out: &mut String, depth: Option<usize>) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => _ = write!(out, "{value}"),
            Self::Whole(value) => _ = write!(out, "{value}"),
            Self::Fraction(value) => _ = write!(out, "{value}"),
            Self::Text(text) => quote(out, text),
            Self::List(list) => braced(out, depth, "[", "]", list.iter(), |out, depth, item| item.write(out, depth)),
            Self::Map(map) => braced(out, depth, "{", "}", map.iter(), |out, depth, (key, value)| {
                quote(out, key);
                out.push_str(if depth.is_some() { ": " } else { ":" });
                value.write(out, depth);
            }),
        }
    }
}

/// The parts of a list or map: beside each other, or a line each where `depth` counts how far in they stand.
fn braced<T>(
    out: &mut String,
    depth: Option<usize>,
    open: &str,
    close: &str,
    parts: impl ExactSizeIterator<Item = T>,
    each: impl Fn(&mut String, Option<usize>, T),
) {
    let (inner, count) = (depth.map(|depth| depth + 1), parts.len());
    let line = |out: &mut String, depth: Option<usize>| {
        if let Some(depth) = depth.filter(|_| count > 0) {
            out.push('\n');
            out.extend(std::iter::repeat_n("  ", depth));
        }
    };
    out.push_str(open);
    for (at, part) in parts.enumerate() {
        if at > 0 {
            out.push(',');
        }
        line(out, inner);
        each(out, inner, part);
    }
    line(out, depth);
    out.push_str(close);
}

/// A text as JSON writes it ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259#section-7)).
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_written_is_what_was_read_in_order_of_keys() {
        let text = "{\"b\":[1,-2,0.5,\"a\\\"\\n\\u0001\"],\"a\":{\"x\":null,\"y\":true},\"c\":{},\"d\":[]}";
        let sorted = "{\"a\":{\"x\":null,\"y\":true},\"b\":[1,-2,0.5,\"a\\\"\\n\\u0001\"],\"c\":{},\"d\":[]}";
        assert_eq!(tree(text).line(), sorted);
        assert_eq!(tree(&tree(text).lines()), tree(text));
        assert_eq!(serde_json::to_string(&tree(text)).unwrap(), sorted);
        let lines = "{\n  \"a\": {\n    \"x\": [\n      1\n    ]\n  },\n  \"b\": {}\n}\n";
        assert_eq!(tree("{\"b\":{},\"a\":{\"x\":[1]}}").lines(), lines);
    }

    #[test]
    fn what_says_nothing_is_void() {
        for void in ["null", "false", "0", "\"\"", "[]", "{}", "{\"a\":{\"b\":null}}"] {
            assert!(tree(void).is_void(), "{void}");
        }
        for said in ["true", "1", "\"a\"", "[null]", "{\"a\":1}"] {
            assert!(!tree(said).is_void(), "{said}");
        }
    }
}
