//! The ledger: what FMP made on a host, one small file a resource, written before the effect.
//!
//! A file is named by the resource's key, escaped, and holds a word and its value a line: `kind`, `cluster`, `previous`,
//! then what the resource consists of: `file PATH` (anybody may read its digest), `program PATH` (its digest is cached),
//! `secret PATH` (only that it is there), `unit NAME`.

use std::fmt::Write as _;

use fmp_core::observed::LedgerEntry;

/// Where it lies.
pub(crate) const DIRECTORY: &str = "/var/lib/fmp/ledger";

/// What an entry says as the cluster's id while the host has none yet.
const NO_CLUSTER: &str = "-";

/// The name of the file for a resource's key.
pub(crate) fn file_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        // `/` ends a name, `:` the name in a probe's answer, `.` would hide a file; `%` marks what was escaped.
        if matches!(c, '/' | ':' | '%') || c.is_ascii_control() || (c == '.' && name.is_empty()) {
            // Writing to a String can't fail.
            let _ = write!(name, "%{:02X}", u32::from(c));
        } else {
            name.push(c);
        }
    }
    name
}

/// The key for the name of a file, or `None` where nobody of ours wrote that name.
pub(crate) fn key(file_name: &str) -> Option<String> {
    let mut parts = file_name.split('%');
    let mut key = parts.next()?.to_owned();
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        key.push(char::from(code));
        key.push_str(part.get(2..)?);
    }
    Some(key)
}

/// Reads an entry. One that a power cut left empty says nothing but its name: its effect had not begun.
pub(crate) fn read(lines: &[&str], cluster_id: &str) -> LedgerEntry {
    let value = |word: &str| {
        let found = lines.iter().filter_map(|line| line.split_once(' ')).find(|(key, _)| *key == word);
        found.map(|(_, value)| value.to_owned())
    };
    let cluster = value("cluster").filter(|id| id != NO_CLUSTER);
    LedgerEntry {
        kind: value("kind").unwrap_or_default(),
        cluster_id: cluster.unwrap_or_else(|| cluster_id.to_owned()),
        previous: value("previous").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_as_the_name_of_a_file() {
        for key in ["file/etc/x.conf", "image/registry.k8s.io/pause:3.9", "unit/etcd.service", "a%2Fb", ".hidden"] {
            let name = file_name(key);
            assert!(!name.contains(['/', ':']) && !name.starts_with('.'), "{name}");
            assert_eq!(super::key(&name).as_deref(), Some(key));
        }
    }

    #[test]
    fn an_entry_without_a_cluster_belongs_to_its_host() {
        let entry = read(&["kind file", "cluster -", "previous absent", "file /etc/x"], "c1");
        let expected = ("file", "c1", "absent");
        assert_eq!((entry.kind.as_str(), entry.cluster_id.as_str(), entry.previous.as_str()), expected);
    }
}
