//! Parts of this repository's scripts, run with the programs around them made up.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

/// Runs `script` after the scripts' own parts, with programs of `folder` before the computer's own.
fn run(folder: &Path, script: &str) -> Output {
    let parts =
        ["common", "prerequisites", "room", "leftovers", "parts"].map(|part| format!(". scripts/lib/{part}.sh\n"));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("{}{script}", parts.concat())])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .env("HOME", folder)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn program(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// One disk with `free` GB, and 1 GB in each place that exists.
fn with_disk(free: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let df = format!("case $* in *target*) printf 'Mounted on\\n/\\n' ;; *) printf ' Avail\\n   {free}\\n' ;; esac");
    program(folder.path(), "df", &df);
    program(folder.path(), "du", "printf '1\\t%s\\n' x");
    folder
}

#[test]
fn a_run_that_has_no_room_does_not_begin_and_says_how_much_it_needs() {
    let folder = with_disk(5);
    let refused = run(folder.path(), "target=/nowhere; need_room machines; echo begun");
    assert!(!refused.status.success() && !said(&refused).contains("begun"), "{}", said(&refused));
    assert!(
        said(&refused).contains("GB are still to be written to /, 5 GB are free there: /nowhere"),
        "{}",
        said(&refused)
    );
    let folder = with_disk(40);
    let granted = run(folder.path(), "target=/nowhere; need_room machines; echo begun");
    assert!(granted.status.success() && said(&granted).contains("begun"), "{}", said(&granted));
}

#[test]
fn what_lies_there_already_needs_no_room() {
    let folder = with_disk(9);
    let place = folder.path().join("target");
    assert!(!run(folder.path(), &format!("target={}; need_room", place.display())).status.success());
    fs::create_dir(&place).unwrap();
    let granted = run(folder.path(), &format!("target={}; need_room", place.display()));
    assert!(granted.status.success(), "{}", said(&granted));
}

#[test]
fn what_can_not_be_installed_is_a_reason_and_not_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let script = "can_install() { false; }; echo \"[$(needs sh:dash)][$(needs sh:dash no-such-program:its-package)]\"";
    let output = run(folder.path(), script);
    assert!(output.status.success() && said(&output) == "[][needs its-package]\n", "{}", said(&output));
    let output = run(folder.path(), &script.replace("false", "true"));
    assert_eq!(said(&output), "[][]\n", "it is installed where it can be");
}

/// How a part of a run ends whose command says this.
#[track_caller]
fn check_part(says: &str, result: &str, ends: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("part it 60 printf 'test result: {says}\\n'; conclude || true");
    let script = format!("target={}; logs=$target; {script}", folder.path().display());
    let output = said(&run(folder.path(), &script));
    assert!(output.contains(&format!("it: {result}\n")) && output.trim_end().ends_with(ends), "{output}");
}

#[test]
fn a_part_of_which_no_test_ran_shows_nothing_and_fails() {
    check_part("ok. 3 passed; 0 failed; 2 ignored", "ok", "3 passed, 0 failed");
    for says in ["ok. 0 passed; 0 failed; 3 ignored", "ok. 0 passed; 0 failed; 0 ignored"] {
        check_part(says, "FAILED: no test of it ran", "0 passed, 1 failed");
    }
}

#[test]
fn only_machines_of_the_tests_own_clusters_are_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    for place in ["fmp-real/machines/main-1", "fmp-real-crash/machines", "fmp-local/machines/main-1", "mine/machines/a"]
    {
        fs::create_dir_all(folder.path().join(place)).unwrap();
    }
    let script = format!("local_machines={}; left_behind", folder.path().display());
    assert_eq!(said(&run(folder.path(), &script)), "fmp-real\n");
}

/// The mistakes that `scripts/mutants` makes, by name.
fn mutants() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read_to_string(file.path()).unwrap())).collect()
}

/// What git says of a patch to what lies here. It looks for a repository here and not above: in a folder of another one it
/// would pass over every file, and be content.
fn checked(name: &str) -> Output {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Command::new("git")
        .args(["apply", "--check", "--verbose", &format!("tests/mutants/{name}")])
        .current_dir(here)
        .env("GIT_CEILING_DIRECTORIES", here.parent().unwrap_or(here))
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .unwrap()
}

#[test]
fn every_mutant_applies_to_the_tree() {
    let all = mutants();
    assert!(all.len() >= 12, "{}", all.len());
    for (name, patch) in all {
        let output = checked(&name);
        assert!(output.status.success(), "write {name} anew: {}", said(&output));
        let touched: Vec<&str> = patch.lines().filter_map(|line| line.strip_prefix("+++ b/")).collect();
        assert!(!touched.is_empty(), "{name} changes nothing");
        for file in touched {
            assert!(said(&output).contains(&format!("Checking patch {file}...")), "{name}: {}", said(&output));
        }
    }
}

/// A unit test stands beside the very line that a mutant changes; a property finds the harm, wherever the mistake is made.
#[test]
fn every_mutant_is_found_by_a_property() {
    for (name, patch) in mutants() {
        let kills: Vec<&str> = patch.lines().filter_map(|line| line.strip_prefix("# kills: cargo test ")).collect();
        assert!(kills.iter().any(|tests| tests.starts_with("-p fmp-sim ")), "{name}: {kills:?}");
    }
}
