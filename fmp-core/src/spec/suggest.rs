//! Did you mean: the known word that is nearest to an unknown one.

/// The candidate that can be made from `word` with the fewest changes of letters, if so few that it is likely meant.
pub(super) fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // A third of the letters: `klabels` finds `labels`, `size` does not find `kind`.
    let bound = (word.chars().count() / 3).max(1);
    let near = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    near.filter(|(far, _)| *far <= bound).min().map(|(_, candidate)| candidate)
}

/// Letters to insert, remove or replace, counted along the shortest way (Levenshtein); `_` for `-` is free.
fn distance(from: &str, to: &str) -> usize {
    let letters = |text: &str| text.to_lowercase().replace('_', "-").chars().collect::<Vec<_>>();
    let (from, to) = (letters(from), letters(to));
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let known = ["address", "host-key", "kind", "labels", "role"];
        for (written, meant) in [
            ("adress", Some("address")),
            ("host_key", Some("host-key")),
            ("Role", Some("role")),
            ("lables", Some("labels")),
            ("size", None),
            ("", None),
        ] {
            assert_eq!(closest(written, known), meant, "{written}");
        }
    }
}
