//! `[platform]`: the installation of FMP itself.
//!
//! Owns the keys of that section and what they mean. Knows nothing of what an archive holds: that is `crate::platform`'s.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    decode::{Section, Value},
    problem::{Code, Problem, Sink},
    shapes,
};
use crate::platform::{Server, ServerHost};

/// The section as written.
pub(super) struct RawPlatform {
    /// Where the section begins.
    pub(super) place: Range<usize>,
    pub(super) archive: Option<Spanned<String>>,
    pub(super) installation: Option<Spanned<String>>,
    pub(super) domain: Option<Spanned<String>>,
    pub(super) licence: Option<Spanned<String>>,
    pub(super) certificate: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    /// Somebody else's servers, by the database whose place they take, each at the place of that name.
    pub(super) external: BTreeMap<String, Spanned<Option<Server>>>,
}

/// The platform's archive that `text` names, if it names one.
pub fn platform_path(text: &str) -> Option<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    at(&table, &["platform", "archive"])
}

/// The files beside the cluster's file whose content the platform gets, as `text` names them: the licence, the certificate
/// of its domain, that certificate's key.
pub fn platform_files(text: &str) -> Vec<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let paths: [&[&str]; 3] =
        [&["platform", "licence"], &["platform", "tls", "certificate"], &["platform", "tls", "key"]];
    paths.into_iter().filter_map(|path| at(&table, path)).collect()
}

fn at(table: &Spanned<DeTable<'_>>, path: &[&str]) -> Option<String> {
    let (last, tables) = path.split_last()?;
    let mut inner = table.get_ref();
    for key in tables {
        inner = inner.get(*key)?.get_ref().as_table()?;
    }
    inner.get(*last).map(Spanned::get_ref).and_then(DeValue::as_str).map(str::to_owned)
}

/// What `[platform]` says, if it is written.
pub(super) fn decode(sink: &Sink, mut section: Section<'_>) -> Option<RawPlatform> {
    let place = section.written()?;
    let mut tls = section.section("tls");
    let (certificate, key) = if tls.written().is_some() {
        let certificate = tls.required("certificate", "\"tls.crt\"", shapes::path);
        (certificate, tls.required("key", "\"tls.key\"", shapes::path))
    } else {
        (None, None)
    };
    tls.finish();
    let platform = RawPlatform {
        place,
        archive: section.required("archive", "\"platform\"", shapes::path),
        installation: section.required("installation", "\"0f4c9f4e-5d7c-4c0e-9a55-3f2b8c1d6e70\"", identifier),
        domain: section.optional("domain", shapes::domain),
        licence: section.optional("licence", shapes::path),
        certificate,
        key,
        external: external(sink, section.section("databases")),
    };
    section.finish();
    Some(platform)
}

/// Databases by name; each says where somebody else runs it.
fn external(sink: &Sink, section: Section<'_>) -> BTreeMap<String, Spanned<Option<Server>>> {
    let read = |(key, value): (Spanned<&str>, &Value<'_>)| {
        let mut database = Section::named(sink, format!("platform.databases.{}", key.get_ref()), value);
        let server = database.required("external", "\"db.example.org:5432\"", server);
        database.finish();
        ((*key.get_ref()).to_owned(), Spanned::new(key.span(), server.map(Spanned::into_inner)))
    };
    section.entries().map(read).collect()
}

/// `HOST:PORT`.
fn server(value: &Value<'_>) -> Result<Server, Problem> {
    let text = shapes::text(value)?;
    let parts = text.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
        let host = match host.parse() {
            Ok(address) => ServerHost::Address(address),
            Err(_) if shapes::is_domain(host) => ServerHost::Name(host.to_owned()),
            Err(_) => return None,
        };
        Some(Server { host, port })
    });
    parts.ok_or_else(|| {
        let problem = Problem::new(Code::BadText, format!("`{text}` is no server"), value.span(), "not a server");
        problem.help("write its name or IPv4 address and its port, as in `db.example.org:5432`")
    })
}

/// An installation identifier: whatever the vendor's licence names, as long as a `ConfigMap` and a person can hold it.
fn identifier(value: &Value<'_>) -> Result<String, Problem> {
    let text = shapes::text(value)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    if (1..=128).contains(&text.len()) && text.chars().all(is_plain) {
        return Ok(text);
    }
    let message = format!("`{text}` is no installation identifier");
    let problem = Problem::new(Code::BadText, message, value.span(), "letters, digits, `-`, `_` and `.`, up to 128");
    Err(problem
        .help("write the one that the licence is bound to; for a first installation a new UUID will do (`uuidgen`)"))
}
