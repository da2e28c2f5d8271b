//! How a probe's answer is cut into its sections.

use std::collections::BTreeMap;

/// An answer that is not what a probe writes: torn, or mixed with foreign lines.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Garbled {
    /// The last section is missing.
    #[error("the answer broke off")]
    Torn,
    /// A line that no probe writes.
    #[error("the answer holds the foreign line `{line}` in its section `{section}`")]
    Foreign {
        /// Where.
        section: String,
        /// The beginning of the line.
        line: String,
    },
    /// Something that every host answers is not there.
    #[error("the answer lacks `{0}`")]
    Missing(&'static str),
}

/// A probe's answer: lines, by the section that they stand in.
#[derive(Debug)]
pub(crate) struct Sections<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Sections<'a> {
    /// Cuts an answer.
    ///
    /// # Errors
    /// [`Garbled::Torn`] without its last section, [`Garbled::Foreign`] where something stands before the first.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Garbled> {
        let mut sections: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut at: Option<&mut Vec<&str>> = None;
        for line in text.lines() {
            match (line.strip_prefix("== "), &mut at) {
                (Some(name), _) => at = Some(sections.entry(name).or_default()),
                (None, Some(lines)) => lines.push(line),
                (None, None) if line.is_empty() => {}
                (None, None) => return Err(foreign("", line)),
            }
        }
        if sections.contains_key("end") && text.ends_with("== end\n") { Ok(Self(sections)) } else { Err(Garbled::Torn) }
    }

    /// The names of all sections.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.keys().copied()
    }

    /// The lines of a section that are not empty.
    pub(crate) fn lines(&self, section: &str) -> impl Iterator<Item = &'a str> + '_ {
        self.all(section).iter().copied().filter(|line| !line.is_empty())
    }

    /// All lines of a section, empty ones too.
    pub(crate) fn all(&self, section: &str) -> &[&'a str] {
        self.0.get(section).map_or(&[], Vec::as_slice)
    }

    /// Every line of a section, read by `parse`.
    ///
    /// # Errors
    /// [`Garbled::Foreign`] with the first line that `parse` does not understand.
    pub(crate) fn parsed<T>(&self, section: &str, parse: impl Fn(&'a str) -> Option<T>) -> Result<Vec<T>, Garbled> {
        self.lines(section).map(|line| parse(line).ok_or_else(|| foreign(section, line))).collect()
    }
}

/// The error for a line that does not belong where it stands. Only its beginning is kept: it may be of any length.
pub(crate) fn foreign(section: &str, line: &str) -> Garbled {
    Garbled::Foreign { section: section.to_owned(), line: line.chars().take(80).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_its_end_is_torn() {
        assert_eq!(Sections::parse("== stat\na\n").unwrap_err(), Garbled::Torn);
        assert_eq!(Sections::parse("== stat\na\n\n== en").unwrap_err(), Garbled::Torn);
        assert_eq!(Sections::parse("").unwrap_err(), Garbled::Torn);
    }

    #[test]
    fn a_line_before_the_first_section_is_foreign() {
        assert!(matches!(Sections::parse("hello\n== end\n"), Err(Garbled::Foreign { .. })));
    }

    #[test]
    fn lines_stand_in_their_sections() {
        let sections = Sections::parse("\n== a\n1\n\n2\n\n== b\n\n== end\n").unwrap();
        assert_eq!(sections.lines("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(sections.lines("b").count() + sections.lines("c").count(), 0);
    }
}
