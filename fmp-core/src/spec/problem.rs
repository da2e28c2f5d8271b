//! What is wrong with a specification: problems with their places, codes and remedies.
//!
//! Owns how problems are collected and shown. Knows nothing of what makes one. Read [`Problems`] first.

use std::{cell::RefCell, error::Error, fmt, ops::Range};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// All problems of one file, in the order of their places.
///
/// Rendered by miette it shows each problem at its characters; its own text only counts them.
#[derive(Debug)]
pub struct Problems {
    source: NamedSource<String>,
    list: Vec<Problem>,
}

/// One problem: what, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    message: String,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
    concealed: Option<Range<usize>>,
}

/// Collects problems while a file is read.
#[derive(Debug, Default)]
pub(super) struct Sink(RefCell<Vec<Problem>>);

macro_rules! codes {
    ($($(#[$doc:meta])+ $code:ident = $word:literal,)+) => {
        /// Kinds of problems, each with a stable code to look it up by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])+ $code,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// The code as text, such as `fmp::spec::unknown_key`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => concat!("fmp::spec::", $word),)+ }
            }
        }
    };
}

codes! {
    /// The text is not TOML.
    Syntax = "syntax",
    /// A key that no version knows.
    UnknownKey = "unknown_key",
    /// A key or value that a later version will know.
    Reserved = "reserved",
    /// A key that must be there is not.
    MissingKey = "missing_key",
    /// A value of another type than wanted, such as a number for a text.
    WrongType = "wrong_type",
    /// A word that is none of those possible.
    BadChoice = "bad_choice",
    /// A key that has no meaning beside another.
    UnusedKey = "unused_key",
    /// A text that the field's rules forbid.
    BadText = "bad_text",
    /// A name of a cluster, node or domain that DNS or FMP forbids.
    BadName = "bad_name",
    /// A number outside its range.
    BadNumber = "bad_number",
    /// Not a version of Kubernetes.
    BadVersion = "bad_version",
    /// Not an address that a node can have.
    BadAddress = "bad_address",
    /// Not a range of addresses.
    BadRange = "bad_range",
    /// IPv6, which is not supported yet.
    Ipv6 = "ipv6",
    /// A label that Kubernetes would refuse.
    BadLabel = "bad_label",
    /// Not the name of a disk that stays the same.
    BadDisk = "bad_disk",
    /// A machine that can't be what the file says.
    BadMachine = "bad_machine",
    /// Not a directory that a volume may be mounted at.
    BadMount = "bad_mount",
    /// One disk for two nodes.
    DuplicateDisk = "duplicate_disk",
    /// Manifests that nobody could read, or that others bring too.
    BadManifests = "bad_manifests",
    /// What the file says of the platform does not agree with its archive, or nobody read that.
    BadPlatform = "bad_platform",
    /// A secret itself, where only a reference may stand.
    InlineSecret = "inline_secret",
    /// A profile that can't be read.
    BadProfile = "bad_profile",
    /// A consent that FMP does not know, or that names nobody.
    BadConsent = "bad_consent",
    /// A version of Kubernetes that the profile does not allow.
    UnsupportedKubernetes = "unsupported_kubernetes",
    /// Two nodes with one address.
    DuplicateAddress = "duplicate_address",
    /// Two nodes that are reached at one host and port.
    DuplicateTarget = "duplicate_target",
    /// Two ranges that share addresses.
    OverlappingRanges = "overlapping_ranges",
    /// A node's or entrance's address inside a range of pods or services.
    AddressInRange = "address_in_range",
    /// An address that names a whole network or everybody on it.
    NetworkAddress = "network_address",
    /// A pod range with fewer parts than nodes.
    PodsTooSmall = "pods_too_small",
    /// A services range that is too small or too large.
    ServicesSize = "services_size",
    /// No main node.
    NoMain = "no_main",
    /// No machine that stores images, or more than one.
    NoImageStorage = "no_image_storage",
    /// An even number of main nodes.
    EvenMains = "even_mains",
    /// A node that stays and leaves.
    RetiredNode = "retired_node",
    /// Retired mains that leave too few behind.
    RetiredQuorum = "retired_quorum",
    /// Fewer main nodes than the profile asks for.
    TooFewMains = "too_few_mains",
    /// Fewer work nodes than the profile asks for.
    TooFewWorkers = "too_few_workers",
}

impl Problem {
    pub(super) fn new(code: Code, message: impl Into<String>, at: Range<usize>, label: &str) -> Self {
        let problem = Self { code, message: message.into(), labels: Vec::new(), help: None, concealed: None };
        problem.also(at, label)
    }

    /// Points at one more place.
    pub(super) fn also(mut self, at: Range<usize>, label: &str) -> Self {
        self.labels.push(LabeledSpan::new_with_span((!label.is_empty()).then(|| label.to_owned()), at));
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Keeps the characters `at` out of everything that is shown.
    pub(super) fn conceal(mut self, at: Range<usize>) -> Self {
        self.concealed = Some(at);
        self
    }

    /// Which kind of problem it is.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Where it is: byte ranges of the file, the first is the main one.
    pub fn places(&self) -> impl Iterator<Item = Range<usize>> {
        self.labels.iter().map(|label| label.offset()..label.offset() + label.len())
    }
}

impl Sink {
    pub(super) fn note(&self, problem: Problem) {
        self.0.borrow_mut().push(problem);
    }

    /// The value, or `None` after its problem was noted.
    pub(super) fn ok<T>(&self, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.note(problem)).ok()
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

impl Problems {
    pub(super) fn new(name: &str, text: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_cached_key(|problem| (problem.places().next().map(|at| at.start), problem.code));
        let noted = list.iter().filter_map(|problem| problem.concealed.clone());
        let secrets: Vec<_> = noted.chain(private_keys(text)).collect();
        Self { source: NamedSource::new(name, concealed(text, &secrets)), list }
    }

    /// The problems, in the order of their places.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.list.iter()
    }
}

/// Private keys anywhere in `text`: another problem's surroundings may show them.
fn private_keys(text: &str) -> impl Iterator<Item = Range<usize>> {
    let end = |start: usize| text[start..].find("-----END").map_or(text.len(), |length| start + length);
    text.match_indices("PRIVATE KEY-----").map(move |(start, _)| start..end(start))
}

/// `text` with the characters of `secrets` replaced one for one, so that every place stays where it is.
fn concealed(text: &str, secrets: &[Range<usize>]) -> String {
    let hidden = |at: usize| secrets.iter().any(|secret| secret.contains(&at));
    let cover = |(at, c): (usize, char)| match c {
        '\n' => "\n".to_owned(),
        c if hidden(at) => "*".repeat(c.len_utf8()),
        c => c.to_string(),
    };
    if secrets.is_empty() { text.to_owned() } else { text.char_indices().map(cover).collect() }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.list.len() == 1 { "" } else { "s" };
        write!(f, "{} problem{plural} in {}", self.list.len(), self.source.name())
    }
}

impl Error for Problems {}

impl Diagnostic for Problems {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.list.iter().map(|problem| problem as &dyn Diagnostic)))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code.as_str()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_concealed_keeps_every_place_where_it_is() {
        let text = "a = 'ключ\nkey'\nb = 1\n";
        let secret = 5..17;
        let shown = concealed(text, std::slice::from_ref(&secret));
        assert_eq!(shown.len(), text.len());
        assert_eq!(shown, "a = '********\n***'\nb = 1\n");
    }

    #[test]
    fn every_code_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
