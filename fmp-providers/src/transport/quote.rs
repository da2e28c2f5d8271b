//! The one place where text becomes a word of a shell's command line.

/// `word` as one word for a POSIX shell, which reads back exactly these characters.
///
/// Words of harmless characters stay as they are; all others stand in single quotes.
pub fn quote(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn harmless_words_stay_readable() {
        assert_eq!(quote("/etc/fstab"), "/etc/fstab");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for word in ["", " ", "a b", "'", "''", "\"", "$HOME", "`id`", "*", "~", "a\nb", "\\", "-n", "ёж", "!!", "a=b"]
        {
            let command = format!("printf %s {}", quote(word));
            let output = Command::new("sh").args(["-c", &command]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
