//! Quantities: `0.1`, `100m` and `1Ki` as Kubernetes counts.
//!
//! The API writes them anew ([its rules](https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/)),
//! so two texts can be one amount.

use fmp_core::tree::Tree;

/// Suffixes and the power of ten, or of 1024, that each stands for.
const TENS: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const TWOS: [(&str, u32); 6] = [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];

/// Whether two values are one amount, written in two ways.
pub(super) fn same(one: &Tree, other: &Tree) -> bool {
    matches!((amount(one), amount(other)), (Some(one), Some(other)) if one == other)
}

/// In billionths, of which the API counts no fraction.
fn amount(value: &Tree) -> Option<i128> {
    match value {
        Tree::Whole(number) => decimal(&number.to_string(), 0),
        Tree::Fraction(number) => decimal(&number.to_string(), 0),
        Tree::Text(text) => {
            let digits = text.find(|c: char| !(c.is_ascii_digit() || ".+-".contains(c))).unwrap_or(text.len());
            let (number, suffix) = text.split_at(digits);
            if let Some((_, power)) = TENS.iter().find(|(name, _)| *name == suffix) {
                return decimal(number, *power);
            }
            let (_, power) = TWOS.iter().find(|(name, _)| *name == suffix)?;
            decimal(number, 0)?.checked_mul(1024_i128.pow(*power))
        }
        Tree::Null | Tree::Bool(_) | Tree::List(_) | Tree::Map(_) => None,
    }
}

/// `1.5` with so many zeros more, in billionths.
fn decimal(text: &str, power: i32) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = power + 9 - i32::try_from(fraction.len()).ok()?;
    if let Ok(exponent) = u32::try_from(exponent) {
        return digits.checked_mul(10_i128.checked_pow(exponent)?);
    }
    let divisor = 10_i128.checked_pow(exponent.unsigned_abs())?;
    (digits % divisor == 0).then(|| digits / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Tree {
        Tree::Text(text.to_owned())
    }

    #[test]
    fn one_amount_in_two_ways_is_the_same() {
        for (one, other) in [("0.1", "100m"), ("1024Mi", "1Gi"), ("2000m", "2"), ("1e", "1e")] {
            let expected = one != "1e";
            assert_eq!(same(&text(one), &text(other)), expected, "{one} {other}");
        }
        assert!(same(&Tree::Whole(1), &text("1")) && same(&Tree::Fraction(0.5), &text("500m")));
    }

    #[test]
    fn other_amounts_and_other_texts_differ() {
        assert!(
            !same(&text("1Gi"), &text("1G")) && !same(&text("a"), &text("b")) && !same(&Tree::Null, &Tree::Whole(0))
        );
    }
}
