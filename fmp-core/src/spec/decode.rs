//! TOML tables read key by key: every problem is noted, none ends the reading.
//!
//! Owns presence, types and unknown keys. Knows nothing of the file's format, which `raw` spells out with it.
//! Read [`Section`] first.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    problem::{Code, Problem, Sink},
    suggest::closest,
};

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// What a reader makes of a value.
pub(super) type Read<T> = Result<T, Problem>;

/// A table while it is read. What was asked for is known, and [`finish`](Section::finish) notes the rest as unknown.
pub(super) struct Section<'t> {
    sink: &'t Sink,
    /// `nodes.main-1`; empty for the file itself.
    path: String,
    place: Range<usize>,
    body: Body<'t>,
    known: Vec<&'static str>,
}

enum Body<'t> {
    Table(&'t DeTable<'t>),
    /// It isn't written: keys have their defaults, or are missing.
    Absent,
    /// Something else stands there, and was noted: nothing is said about its keys.
    Broken,
}

/// A key's value, or why there is none.
enum Found<'t> {
    Value(&'t Value<'t>),
    Absent,
    Broken,
}

impl<'t> Section<'t> {
    /// The file itself.
    pub(super) fn root(sink: &'t Sink, table: &'t Spanned<DeTable<'t>>) -> Self {
        Self { sink, path: String::new(), place: 0..0, body: Body::Table(table.get_ref()), known: Vec::new() }
    }

    /// The table that `value` should be, called `path`.
    pub(super) fn named(sink: &'t Sink, path: String, value: &'t Value<'t>) -> Self {
        let body = sink.ok(table(value)).map_or(Body::Broken, Body::Table);
        Self { sink, path, place: value.span(), body, known: Vec::new() }
    }

    /// The table under `key`, which may be absent.
    pub(super) fn section(&mut self, key: &'static str) -> Self {
        let (sink, path, place) = (self.sink, self.path_of(key), self.place.clone());
        let body = match self.find(key) {
            Found::Value(value) => return Self::named(sink, path, value),
            Found::Absent => Body::Absent,
            Found::Broken => Body::Broken,
        };
        Self { sink, path, place, body, known: Vec::new() }
    }

    /// Where it is written, if it is.
    pub(super) fn written(&self) -> Option<Range<usize>> {
        match self.body {
            Body::Table(_) | Body::Broken => Some(self.place.clone()),
            Body::Absent => None,
        }
    }

    /// The value under `key`, where it is written and right.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'t Value<'t>) -> Read<T>,
    ) -> Option<Spanned<T>> {
        match self.find(key) {
            Found::Value(value) => self.sink.ok(read(value)).map(|read| Spanned::new(value.span(), read)),
            Found::Absent | Found::Broken => None,
        }
    }

    /// The value under `key`, `default` at the section's place where it isn't written, `None` where it is wrong.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&'t Value<'t>) -> Read<T>,
    ) -> Option<Spanned<T>> {
        match self.find(key) {
            Found::Absent => Some(Spanned::new(self.place.clone(), default)),
            Found::Value(_) | Found::Broken => self.optional(key, read),
        }
    }

    /// The value under `key`, whose absence is a problem.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&'t Value<'t>) -> Read<T>,
    ) -> Option<Spanned<T>> {
        if let Found::Absent = self.find(key) {
            let message = format!("`{}` is missing", self.path_of(key));
            let problem = Problem::new(Code::MissingKey, message, self.place.clone(), "it belongs here");
            self.sink.note(problem.help(format!("write under [{}], for example, `{key} = {example}`", self.path)));
        }
        self.optional(key, read)
    }

    /// Notes keys that have no meaning yet, each with what it is for.
    pub(super) fn reserved(&mut self, keys: &[(&'static str, &'static str)]) {
        for (key, purpose) in keys {
            if let (Found::Value(_), Some(place)) = (self.find(key), self.key_place(key)) {
                self.sink.note(reserved(&self.path_of(key), purpose, place));
            }
        }
    }

    /// Notes that `key` is of no use here, if it is written.
    pub(super) fn unused(&mut self, key: &'static str, because: &str, help: &str) {
        if let (Found::Value(_), Some(place)) = (self.find(key), self.key_place(key)) {
            let message = format!("`{}` has no meaning: {because}", self.path_of(key));
            self.sink.note(Problem::new(Code::UnusedKey, message, place, "not used").help(help));
        }
    }

    /// Every key with its place and value: for tables whose keys are names. None of them is unknown.
    pub(super) fn entries(self) -> impl Iterator<Item = (Spanned<&'t str>, &'t Value<'t>)> {
        let table = match self.body {
            Body::Table(table) => Some(table),
            Body::Absent | Body::Broken => None,
        };
        table.into_iter().flatten().map(|(key, value)| (Spanned::new(key.span(), key.get_ref().as_ref()), value))
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        let Body::Table(table) = self.body else { return };
        for key in table.keys().filter(|key| !self.known.contains(&key.get_ref().as_ref())) {
            let meant = closest(key.get_ref(), self.known.iter().copied());
            let place = if self.path.is_empty() { "the file".to_owned() } else { format!("[{}]", self.path) };
            let message = format!("unknown key `{}` in {place}", key.get_ref());
            let label = meant.map_or_else(|| "unknown".to_owned(), |meant| format!("did you mean `{meant}`?"));
            let mut known = self.known.clone();
            known.sort_unstable();
            let help = format!("known here: {}", known.join(", "));
            self.sink.note(Problem::new(Code::UnknownKey, message, key.span(), &label).help(help));
        }
    }

    fn find(&mut self, key: &'static str) -> Found<'t> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        match self.body {
            Body::Table(table) => table.get(key).map_or(Found::Absent, Found::Value),
            Body::Absent => Found::Absent,
            Body::Broken => Found::Broken,
        }
    }

    fn key_place(&self, key: &str) -> Option<Range<usize>> {
        match self.body {
            Body::Table(table) => table.get_key_value(key).map(|(key, _)| key.span()),
            Body::Absent | Body::Broken => None,
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// Says that something will get its meaning in a later version.
pub(super) fn reserved(what: &str, purpose: &str, place: Range<usize>) -> Problem {
    Problem::new(Code::Reserved, format!("`{what}` is reserved for a later version"), place, "not available yet")
        .help(format!("it is meant for {purpose}; remove it until a version of FMP knows it"))
}

/// Says that a value of another type stands where `wanted` should.
pub(super) fn wrong_type(value: &Value<'_>, wanted: &str) -> Problem {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let problem = Problem::new(Code::WrongType, format!("{found} where {wanted} is wanted"), value.span(), found);
    match value.get_ref() {
        DeValue::Integer(_) | DeValue::Float(_) if wanted == "a text" => problem.help("put it in quotation marks"),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => problem.help(format!("write {wanted} in its place")),
    }
}

fn table<'t>(value: &'t Value<'t>) -> Read<&'t DeTable<'t>> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err(wrong_type(value, "a table")),
    }
}
