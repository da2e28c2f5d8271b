//! `docs/DOCTOR.md` has a row for every ailment, in the doctor's own words, and names tests that exist.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::{collections::BTreeSet, fs, path::Path};

use fmp::planner::doctor::Kind;

const PAGE: &str = include_str!("../docs/DOCTOR.md");
const README: &str = include_str!("../README.md");

/// Where tests of one ailment stand.
const TESTS: [&str; 3] = ["fmp-plan/src/doctor/tests.rs", "fmp-plan/src/doctor/tests/health.rs", "tests/real/main.rs"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The texts of a folder's sources.
fn sources(folder: &str) -> String {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The cells of each row of the table of ailments.
fn rows() -> Vec<Vec<&'static str>> {
    let lines = PAGE.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 5), "{rows:?}");
    rows
}

/// The words in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_ailment_has_its_row() {
    let told: BTreeSet<&str> = rows().into_iter().flat_map(|row| quoted(row[0])).collect();
    let source = read("fmp-plan/src/doctor/mod.rs");
    let words = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1));
    assert_eq!(told, words.collect());
    assert!(told.contains(Kind::EvictionBlocked.as_str()), "the list was read");
}

#[test]
fn it_says_what_the_doctor_says() {
    let source = sources("fmp-plan/src/doctor") + &sources("fmp-core/src/check");
    for row in rows() {
        for part in row[2].split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(source.contains(part), "the doctor never says `{part}`");
        }
    }
}

#[test]
fn what_shows_it_is_there() {
    let tests: String = TESTS.map(read).concat();
    for row in rows() {
        assert!(quoted(row[4]).count() > 0, "{row:?}");
        for name in quoted(row[4]) {
            let is_test = tests.contains(&format!("fn {name}()")) || tests.contains(&format!("\"{name}\""));
            let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios").join(name).join("story");
            assert!(is_test || scenario.exists(), "nothing is called `{name}`");
        }
    }
}

#[test]
fn the_readme_leads_here() {
    assert!(README.contains("`docs/DOCTOR.md`"));
}
