//! Reading the data of operating systems: texts by name, inheritance, and what a file must not say.

use toml::{Table, Value};

use super::{Need, System};

/// The one schema that this version reads.
const SCHEMA: i64 = 1;

/// The files, by name.
const FILES: [(&str, &str); 7] = [
    ("astra-1.7.5", include_str!("../../data/os/astra-1.7.5.toml")),
    ("astra-1.7.6", include_str!("../../data/os/astra-1.7.6.toml")),
    ("astra-1.8.1", include_str!("../../data/os/astra-1.8.1.toml")),
    ("debian-12", include_str!("../../data/os/debian-12.toml")),
    ("rocky-8.6", include_str!("../../data/os/rocky-8.6.toml")),
    ("ubuntu-22.04", include_str!("../../data/os/ubuntu-22.04.toml")),
    ("ubuntu-24.04", include_str!("../../data/os/ubuntu-24.04.toml")),
];

/// Why the data of a system can't be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the data of `{word}` can't be read: {message}")]
pub struct SystemError {
    word: String,
    message: String,
}

/// Every file.
///
/// # Panics
/// Never: a test reads each.
pub(super) fn shipped() -> Vec<System> {
    let read = |(word, text): &(&str, &str)| read(word, text).unwrap_or_else(|error| panic!("{error}"));
    FILES.iter().map(read).collect()
}

/// Reads one file, and what it inherits from a shipped one.
pub(super) fn read(word: &str, text: &str) -> Result<System, SystemError> {
    let error = |message: &str| SystemError {
        word: word.to_owned(),
        message: message.lines().map(str::trim).collect::<Vec<_>>().join(" "),
    };
    let mut table: Table = text.parse().map_err(|source: toml::de::Error| error(&source.to_string()))?;
    if table.remove("schema") != Some(Value::Integer(SCHEMA)) {
        return Err(error("it does not say `schema = 1`, which this version of fmp reads"));
    }
    if let Some(parent) = table.remove("inherits") {
        // One generation: a circle can't be written.
        let text = FILES.iter().find(|(other, _)| Some(*other) == parent.as_str() && *other != word);
        let (_, text) = text.ok_or_else(|| error(&format!("it inherits from {parent}, which there is not")))?;
        let mut whole: Table = text.parse().map_err(|source: toml::de::Error| error(&source.to_string()))?;
        whole.remove("schema");
        for (key, value) in table {
            match (whole.get_mut(&key), value) {
                (Some(Value::Table(old)), Value::Table(new)) => old.extend(new),
                (_, value) => _ = whole.insert(key, value),
            }
        }
        table = whole;
    }
    let system: System = table.try_into().map_err(|source: toml::de::Error| error(&source.to_string()))?;
    let missing = Need::ALL.into_iter().find(|need| !system.needs.contains_key(need));
    match missing {
        Some(need) => Err(error(&format!("it does not say which package brings {need}"))),
        None if system.versions.is_empty() => Err(error("it names no version")),
        None => Ok(System { word: word.into(), ..system }),
    }
}
