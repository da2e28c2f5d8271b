//! The house's rules, as far as a program can check them. `docs/ARCHITECTURE.md` says which invariants these hold.
//!
//! A check takes one file and says what is wrong with it; it runs over every file of the repository, and has a test that
//! it fails where it should: a check that can't fail is a defect. Exceptions stand at the top, each with its reason, and
//! one that is no longer needed is a failure too.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Crates without I/O, clock, randomness and runtime.
const PURE: &[&str] = &["fmp-core", "fmp-plan", "fmp-exec", "fmp-sim"];

/// What no manifest of a pure crate may name, not even for its tests.
const IMPURE: &[&str] = &["tokio", "russh", "reqwest", "rand"];

/// Which crates of ours a crate may name: those that stand below it.
const BELOW: &[(&str, &[&str])] = &[
    ("fmp-core", &[]),
    ("fmp-plan", &["fmp-core"]),
    ("fmp-exec", &["fmp-core", "fmp-plan"]),
    ("fmp-sim", &["fmp-core", "fmp-exec", "fmp-plan"]),
    ("fmp-bundle", &["fmp-core"]),
    ("fmp-providers", &["fmp-bundle", "fmp-core", "fmp-exec", "fmp-plan", "fmp-sim"]),
];

/// The most lines of a source file.
const SOURCE_LINES: usize = 600;

/// The most lines of an expected output: more than that nobody reads in a review.
const EXPECTED_LINES: usize = 200;

/// Where something that is forbidden elsewhere is right.
struct Exception {
    path: &'static str,
    what: &'static str,
    why: &'static str,
}

const fn exception(path: &'static str, what: &'static str, why: &'static str) -> Exception {
    Exception { path, what, why }
}

// Written in two parts, so that this file does not hold what it looks for.
const ROOT: &str = concat!("/ro", "ot/");
const HOME: &str = concat!("/ho", "me/");
const WORK: &str = concat!("/wo", "rk/");
const UNFINISHED: &[&str] =
    &[concat!("#[ign", "ore"), concat!("should_", "panic"), concat!("to", "do!"), concat!("unimple", "mented!")];
const REGISTRIES: &[&str] = &[
    concat!("proxy.golang", ".org"),
    concat!("sum.golang", ".org"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
    concat!("archive.ubuntu", ".com"),
    concat!("pypi", ".org"),
    concat!("registry.npmjs", ".org"),
];

const LOCAL_CGROUP: &str = "fmp-providers/src/environment/local/cgroup.rs";
const LOCAL_MACHINE: &str = "fmp-providers/src/environment/local/machine.rs";
const LOCAL_MOUNTS: &str = "fmp-providers/src/environment/local/mounts.rs";
const REAL_MACHINES: &str = "fmp-providers/tests/real_machines.rs";
const REAL_LAB: &str = "tests/real/lab.rs";
const FENCE: &str = "fmp-providers/src/hosts/fence.sh";
const READY: &str = "fmp-providers/src/hosts/ready.sh";
const PACKAGES: &str = "fmp-providers/src/hosts/apply/scripts/packages-install.sh";
const STOP: &str = "fmp-providers/src/hosts/apply/scripts/stop.sh";
const WATCH: &str = "fmp-providers/src/hosts/watch.sh";
const REAL_HOSTS: &str = "tests/real/hosts.rs";

/// Waits that are no fixed waits.
const SLEEPS: &[Exception] = &[
    exception("fmp-providers/src/driver/drive.rs", "sleep", "the executor's own clock, which says when to wake it"),
    exception("fmp-providers/src/driver/tests.rs", "sleep", "steps that take a while, in time that is made up"),
    exception("fmp-providers/src/hosts/watch.rs", "sleep", "a wait that was cut off begins again; bounded"),
    exception(LOCAL_CGROUP, "sleep", "the kernel tells nobody when a group is empty; bounded"),
    exception(LOCAL_MACHINE, "sleep", "a machine that boots tells nobody outside; bounded"),
    exception(LOCAL_MOUNTS, "sleep", "a mount tells nobody when it is free; bounded"),
    exception(REAL_MACHINES, "sleep", "a machine that reboots is asked again; bounded"),
    exception(REAL_LAB, "sleep", "what comes by itself is looked at again; bounded"),
    exception(FENCE, "sleep", "commands of other runs tell nobody when they end; bounded"),
    exception(READY, "sleep", "a server that comes up tells nobody who has not connected; bounded"),
    exception(PACKAGES, "sleep", "nothing in a shell waits for a lock of this kind; bounded"),
    exception(STOP, "sleep", "the kernel tells a shell nothing of the end of somebody else's processes; bounded"),
    exception(WATCH, "sleep", "systemd tells a shell nothing of a unit's state; bounded"),
];

/// Paths that look like somebody's computer and are not.
const PATHS: &[Exception] = &[
    exception("fixtures/ssh-7/cluster.toml", HOME, "an example of a key's path"),
    exception(REAL_MACHINES, HOME, "on a machine that the test makes"),
    exception(REAL_MACHINES, ROOT, "on a machine that the test makes"),
    exception(REAL_HOSTS, HOME, "on a machine that the test makes"),
];

/// A file of the repository.
struct File {
    path: String,
    text: String,
    executable: bool,
}

type Check = fn(&File) -> Vec<String>;

/// Everything that is committed or about to be: what git knows and what it does not ignore.
fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let listed = git.output().expect("git lists the repository's files");
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let paths: BTreeSet<String> =
            listed.stdout.split(|byte| *byte == 0).map(|path| String::from_utf8_lossy(path).into_owned()).collect();
        // A file that was deleted and not committed yet is not there any more.
        paths.into_iter().filter_map(|path| read(root, path)).collect()
    })
}

fn read(root: &Path, path: String) -> Option<File> {
    let place = root.join(&path);
    let metadata = fs::metadata(&place).ok().filter(fs::Metadata::is_file)?;
    let text = String::from_utf8_lossy(&fs::read(&place).ok()?).into_owned();
    Some(File { path, text, executable: metadata.permissions().mode() & 0o111 == 0o111 })
}

/// What a check finds in the whole repository, a line each.
fn found(check: Check) -> Vec<String> {
    let tell = |file: &File| -> Vec<String> {
        check(file).into_iter().map(|problem| format!("{}: {problem}\n", file.path)).collect()
    };
    files().iter().flat_map(tell).collect()
}

/// Runs a check over one file that does not exist.
fn judge(check: Check, path: &str, text: &str) -> Vec<String> {
    check(&File { path: path.to_owned(), text: text.to_owned(), executable: false })
}

#[track_caller]
fn fails(check: Check, path: &str, text: &str) {
    assert!(!judge(check, path, text).is_empty(), "{path} passes:\n{text}");
}

#[track_caller]
fn passes(check: Check, path: &str, text: &str) {
    assert_eq!(judge(check, path, text), Vec::<String>::new(), "{path}:\n{text}");
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// A script by its name, or one of those that people call.
    fn is_shell(&self) -> bool {
        self.path.ends_with(".sh") || (self.path.starts_with("scripts/") && self.text.starts_with("#!"))
    }

    fn krate(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The lines that contain `what`, as problems.
    fn lines_with(&self, what: &str, meets: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.text.lines().zip(1..).filter(|(line, _)| meets(line));
        lines.map(|(_, number)| format!("line {number} has `{what}`")).collect()
    }

    fn excepted(&self, list: &[Exception], what: &str) -> bool {
        list.iter().any(|entry| entry.path == self.path && entry.what == what)
    }
}

/// Whether `word` stands in `text` as a word of its own.
fn has_word(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

/// The names on the left of `=` in the tables of dependencies.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.contains("dependencies]");
        } else if inside && let Some(name) = line.split(['.', '=', ' ']).next().filter(|name| !name.is_empty()) {
            names.insert(name);
        }
    }
    names
}

fn pure_crates_name_nothing_impure(file: &File) -> Vec<String> {
    if !PURE.contains(&file.krate()) || !file.path.ends_with("/Cargo.toml") {
        return Vec::new();
    }
    IMPURE.iter().filter(|name| has_word(&file.text, name)).map(|name| format!("names `{name}`")).collect()
}

fn crates_name_only_what_stands_below(file: &File) -> Vec<String> {
    let Some((_, below)) = BELOW.iter().find(|(name, _)| file.path == format!("{name}/Cargo.toml")) else {
        return Vec::new();
    };
    let named = dependencies(&file.text);
    let above = named.into_iter().filter(|name| name.starts_with("fmp") && !below.contains(name));
    above.map(|name| format!("names `{name}`, which does not stand below it")).collect()
}

fn crates_describe_themselves(file: &File) -> Vec<String> {
    let is_crate = file.path == "Cargo.toml" || (file.path.ends_with("/Cargo.toml") && file.path.starts_with("fmp-"));
    let needed = if is_crate { &["\ndescription = \"", "\n[lints]\nworkspace = true"][..] } else { &[] };
    needed.iter().filter(|text| !file.text.contains(*text)).map(|text| format!("has no `{}`", text.trim())).collect()
}

fn pure_crates_keep_the_lints_of_the_root(file: &File) -> Vec<String> {
    let Some(root) = files().iter().find(|file| file.path == "clippy.toml") else {
        return vec!["there is no clippy.toml at the root".to_owned()];
    };
    if !PURE.iter().any(|name| file.path == format!("{name}/clippy.toml")) {
        return Vec::new();
    }
    let own: BTreeSet<&str> = file.text.lines().collect();
    let needed = root.text.lines().chain(["disallowed-types = [", "disallowed-methods = ["]);
    needed.filter(|line| !own.contains(line)).map(|line| format!("lacks `{line}`")).collect()
}

/// What may be taken away is judged kind by kind: clippy fails where a match leaves kinds to a wildcard.
fn safety_leaves_nothing_to_a_wildcard(file: &File) -> Vec<String> {
    let lint = "#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]";
    let lacks = file.path == "fmp-plan/src/safety/mod.rs" && !file.text.lines().any(|line| line == lint);
    if lacks { vec![format!("lacks `{lint}`")] } else { Vec::new() }
}

fn sources_are_short(file: &File) -> Vec<String> {
    too_long(file, file.is_rust(), SOURCE_LINES)
}

fn expected_outputs_are_short(file: &File) -> Vec<String> {
    let is_expected =
        file.path.ends_with(".snap") || (file.path.starts_with("fixtures/") && file.path.ends_with(".txt"));
    too_long(file, is_expected, EXPECTED_LINES)
}

fn too_long(file: &File, concerned: bool, most: usize) -> Vec<String> {
    let lines = file.text.lines().count();
    if concerned && lines > most { vec![format!("{lines} lines, {most} are allowed")] } else { Vec::new() }
}

fn sources_say_what_they_own(file: &File) -> Vec<String> {
    if file.is_rust() && !file.text.starts_with("//! ") {
        vec!["does not begin with `//! `".to_owned()]
    } else {
        Vec::new()
    }
}

fn nothing_waits_for_a_fixed_time(file: &File) -> Vec<String> {
    if file.excepted(SLEEPS, "sleep") {
        return Vec::new();
    }
    let advice = "watch what you wait for, or give a reason in tests/tidy.rs";
    let told = |problems: Vec<String>| problems.into_iter().map(|problem| format!("{problem}: {advice}")).collect();
    if file.is_shell() {
        let waits = |line: &str| has_word(line, "sleep") && !line.trim_start().starts_with('#');
        return told(file.lines_with("sleep", waits));
    }
    if !file.is_rust() {
        return Vec::new();
    }
    let calls = |line: &str| {
        let called = line.match_indices("sleep").any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + "sleep".len()..]);
            let call = after.starts_with('(') || after.starts_with("_until(");
            let own = before.ends_with("fn ") || before.ends_with('.') || before.ends_with('_');
            (call && !own) || before.ends_with("thread::") || before.ends_with("time::")
        });
        called && !line.trim_start().starts_with("//")
    };
    told(file.lines_with("sleep", calls))
}

fn nothing_is_left_for_later(file: &File) -> Vec<String> {
    let needles = UNFINISHED.iter().filter(|_| file.is_rust());
    needles.flat_map(|needle| file.lines_with(needle, |line| line.contains(needle))).collect()
}

fn nothing_names_somebodys_computer(file: &File) -> Vec<String> {
    let names = |line: &str, needle: &str| {
        line.match_indices(needle).any(|(at, _)| {
            let inside = line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "-_.~}".contains(c));
            !inside && !line[at + needle.len()..].starts_with(".ssh")
        })
    };
    let needles = [ROOT, HOME, WORK].into_iter().filter(|needle| !file.excepted(PATHS, needle));
    needles.flat_map(|needle| file.lines_with(needle, |line| names(line, needle))).collect()
}

fn nothing_names_a_registrys_host(file: &File) -> Vec<String> {
    let needles = REGISTRIES.iter().filter(|_| file.path != "Cargo.lock");
    needles.flat_map(|needle| file.lines_with(needle, |line| line.contains(needle))).collect()
}

fn nothing_holds_a_private_key(file: &File) -> Vec<String> {
    let begins = |line: &str| line.contains("-----BEGIN") && line.contains("PRIVATE KEY-----");
    let base64 =
        |line: &str| line.len() >= 40 && line.bytes().all(|c| c.is_ascii_alphanumeric() || b"+/=".contains(&c));
    let pairs = file.text.lines().zip(file.text.lines().skip(1)).zip(1..);
    let keys = pairs.filter(|((first, second), _)| begins(first) && base64(second.trim()));
    keys.map(|(_, number)| format!("line {number} begins a private key")).collect()
}

fn cryptography_comes_from_ring_alone(file: &File) -> Vec<String> {
    if file.path != "Cargo.lock" {
        return Vec::new();
    }
    ["aws-lc-rs", "aws-lc-sys", "openssl-sys"]
        .iter()
        .flat_map(|name| file.lines_with(name, |line| line == format!("name = \"{name}\"")))
        .collect()
}

fn scripts_can_be_run(file: &File) -> Vec<String> {
    let command = file.path == ".ci/run" || (file.path.starts_with("scripts/") && !file.path.ends_with(".sh"));
    let mut problems = Vec::new();
    if command {
        if !file.executable {
            problems.push("is not executable".to_owned());
        }
        if !file.text.starts_with("#!/usr/bin/env bash\n") || !file.text.contains("\nset -euo pipefail\n") {
            problems.push("does not begin as bash with `set -euo pipefail`".to_owned());
        }
    }
    let shell = if command || file.path.starts_with("scripts/") { "bash" } else { "sh" };
    if command || file.path.ends_with(".sh") {
        problems.extend(syntax(shell, &file.text));
    }
    problems
}

/// What a shell says of a script that it only reads.
fn syntax(shell: &str, text: &str) -> Option<String> {
    let mut reader = Command::new(shell)
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("every system has a shell");
    // A shell that stops reading at an error closes the pipe; what it says counts.
    let _ = reader.stdin.take().expect("stdin is a pipe").write_all(text.as_bytes());
    let said = reader.wait_with_output().expect("a shell that reads a text ends");
    (!said.status.success()).then(|| String::from_utf8_lossy(&said.stderr).into_owned())
}

/// Tests on real machines, and only those, are called `real_…` and stand in files called `real_…`. `scripts/test` chooses
/// by these names, wherever in a test's name the word stands.
fn tests_on_real_machines_are_called_so(file: &File) -> Vec<String> {
    let is_real = file.path.rsplit('/').next().is_some_and(|name| name.starts_with("real_"));
    let mut names = Vec::new();
    let mut expected = false;
    for line in file.text.lines().map(str::trim).filter(|_| file.is_rust()) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            expected = true;
        } else if expected && let Some((_, name)) = line.split_once("fn ") {
            names.push(name.split('(').next().unwrap_or_default().to_owned());
            expected = false;
        }
    }
    names.retain(|name| if is_real { !name.starts_with("real_") } else { name.contains("real_") });
    names.into_iter().map(|name| format!("the test `{name}` is in the wrong file, or wrongly called")).collect()
}

/// What documents name in backticks exists.
fn documents_name_what_exists(file: &File) -> Vec<String> {
    let ours = ["fmp-", "src/", "tests/", "scripts/", "docs/", "fixtures/", "benches/", "examples/", ".ci/"];
    let path = |word: &&str| {
        let plain = !word.contains(|c: char| c.is_whitespace() || "*{<…:".contains(c));
        plain && word.contains('/') && ours.iter().any(|begin| word.starts_with(begin))
    };
    let words = file.text.split('`').skip(1).step_by(2).filter(|_| file.path.ends_with(".md")).filter(path);
    let absent = words.filter(|word| {
        let inside = format!("{}/", word.trim_end_matches('/'));
        !files().iter().any(|file| file.path == **word || file.path.starts_with(&inside))
    });
    absent.map(|word| format!("names `{word}`, which does not exist")).collect()
}

#[test]
fn the_repository_keeps_every_rule() {
    assert!(files().len() > 100, "git lists only {} files", files().len());
    let checks: &[Check] = &[
        pure_crates_name_nothing_impure,
        crates_name_only_what_stands_below,
        crates_describe_themselves,
        pure_crates_keep_the_lints_of_the_root,
        safety_leaves_nothing_to_a_wildcard,
        sources_are_short,
        expected_outputs_are_short,
        sources_say_what_they_own,
        nothing_waits_for_a_fixed_time,
        nothing_is_left_for_later,
        nothing_names_somebodys_computer,
        nothing_names_a_registrys_host,
        nothing_holds_a_private_key,
        cryptography_comes_from_ring_alone,
        scripts_can_be_run,
        tests_on_real_machines_are_called_so,
        documents_name_what_exists,
    ];
    let problems: String = checks.iter().flat_map(|check| found(*check)).collect();
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn every_exception_is_needed_and_has_a_reason() {
    let texts: BTreeMap<&str, &str> = files().iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    for Exception { path, what, why } in SLEEPS.iter().chain(PATHS) {
        assert!(texts.get(path).is_some_and(|text| text.contains(what)), "{path} has no `{what}` any more");
        assert!(why.len() > 10, "{path}: {why}");
    }
}

#[test]
fn an_impure_dependency_is_found() {
    let check = pure_crates_name_nothing_impure;
    fails(check, "fmp-core/Cargo.toml", "[dependencies]\ntokio.workspace = true\n");
    fails(check, "fmp-plan/Cargo.toml", "[dev-dependencies]\ndice = { package = \"rand\", version = \"0.9\" }\n");
    passes(check, "fmp-exec/Cargo.toml", "[dependencies]\nrandom-streams = \"1\"\n");
    passes(check, "fmp-providers/Cargo.toml", "[dependencies]\ntokio.workspace = true\n");
}

#[test]
fn a_dependency_on_a_crate_above_is_found() {
    let check = crates_name_only_what_stands_below;
    fails(check, "fmp-plan/Cargo.toml", "[dependencies]\nfmp-exec = { path = \"../fmp-exec\" }\n");
    fails(check, "fmp-core/Cargo.toml", "[dev-dependencies]\nfmp-plan.workspace = true\n");
    passes(check, "fmp-plan/Cargo.toml", "[package]\nname = \"fmp-plan\"\n[dependencies]\nfmp-core.workspace = true\n");
}

#[test]
fn a_crate_without_description_or_lints_is_found() {
    let check = crates_describe_themselves;
    fails(check, "fmp-core/Cargo.toml", "[package]\nname = \"fmp-core\"\n\n[lints]\nworkspace = true\n");
    fails(check, "Cargo.toml", "[package]\ndescription = \"Words.\"\n");
    passes(check, "fmp-core/Cargo.toml", "[package]\ndescription = \"Words.\"\n\n[lints]\nworkspace = true\n");
}

#[test]
fn a_lint_that_a_pure_crate_lost_is_found() {
    fails(pure_crates_keep_the_lints_of_the_root, "fmp-core/clippy.toml", "too-many-lines-threshold = 70\n");
}

#[test]
fn a_lint_that_safety_lost_is_found() {
    fails(safety_leaves_nothing_to_a_wildcard, "fmp-plan/src/safety/mod.rs", "//! Words.\nmod disk;\n");
}

#[test]
fn a_long_file_is_found() {
    let line = "//! Words.\n";
    fails(sources_are_short, "src/main.rs", &line.repeat(SOURCE_LINES + 1));
    passes(sources_are_short, "src/main.rs", &line.repeat(SOURCE_LINES));
    passes(sources_are_short, "Cargo.lock", &line.repeat(SOURCE_LINES + 1));
    fails(expected_outputs_are_short, "tests/snapshots/plan.snap", &line.repeat(EXPECTED_LINES + 1));
    fails(expected_outputs_are_short, "fixtures/local-7/plan.txt", &line.repeat(EXPECTED_LINES + 1));
    passes(expected_outputs_are_short, "fixtures/local-7/plan.txt", &line.repeat(EXPECTED_LINES));
}

#[test]
fn a_source_without_a_first_sentence_is_found() {
    fails(sources_say_what_they_own, "src/main.rs", "fn main() {}\n");
    fails(sources_say_what_they_own, "src/main.rs", "// Words.\nfn main() {}\n");
    passes(sources_say_what_they_own, "src/main.rs", "//! Words.\n");
}

#[test]
fn a_sleep_is_found() {
    let check = nothing_waits_for_a_fixed_time;
    fails(check, "src/main.rs", concat!("    std::thread::sle", "ep(Duration::from_secs(1));\n"));
    fails(check, "src/main.rs", concat!("use tokio::time::sle", "ep;\n"));
    fails(check, "src/main.rs", concat!("    sle", "ep(PAUSE).await;\n"));
    fails(check, "src/main.rs", concat!("    sle", "ep_until(then).await;\n"));
    fails(check, "fmp-providers/src/hosts/wait.sh", concat!("    sle", "ep 0.2\n"));
    fails(check, "scripts/test", concat!("#!/usr/bin/env bash\nready || sle", "ep 5\n"));
    passes(check, "fmp-providers/src/hosts/wait.sh", concat!("# Nobody may sle", "ep here.\n"));
    passes(check, "src/main.rs", concat!("    run.sleep();\n    fn sle", "ep(&mut self) {}\n"));
}

#[test]
fn unfinished_work_is_found() {
    for needle in UNFINISHED {
        fails(nothing_is_left_for_later, "src/main.rs", &format!("//! Words.\n{needle}"));
    }
    passes(nothing_is_left_for_later, "src/main.rs", "//! What is to be done is done.\n");
}

#[test]
fn a_path_of_somebodys_computer_is_found() {
    let check = nothing_names_somebodys_computer;
    for needle in [ROOT, HOME, WORK] {
        fails(check, "README.md", &format!("cd {needle}fmp\n"));
    }
    passes(check, "src/main.rs", concat!("\"/ro", "ot/.ssh/authorized_keys\"\n"));
    passes(check, "src/main.rs", concat!("folder/wo", "rk/part\n"));
}

#[test]
fn a_registrys_host_is_found() {
    for needle in REGISTRIES {
        fails(nothing_names_a_registrys_host, "scripts/test", &format!("curl https://{needle}/\n"));
    }
}

#[test]
fn a_private_key_is_found() {
    let key = |body: &str| format!("-----BEGIN {} KEY-----\n{body}\n", "EC PRIVATE");
    fails(nothing_holds_a_private_key, "fixtures/key.pem", &key(&"MHcCAQEE".repeat(8)));
    passes(nothing_holds_a_private_key, "src/main.rs", &key("not a key"));
}

#[test]
fn a_second_library_of_cryptography_is_found() {
    fails(cryptography_comes_from_ring_alone, "Cargo.lock", concat!("[[package]]\nname = \"aws-lc", "-rs\"\n"));
    passes(cryptography_comes_from_ring_alone, "Cargo.lock", "[[package]]\nname = \"ring\"\n");
}

#[test]
fn a_script_that_can_not_be_run_is_found() {
    let text = "#!/usr/bin/env bash\n# Words.\nset -euo pipefail\n";
    fails(scripts_can_be_run, "scripts/test", text);
    let executable = |text: &str| {
        let path = ".ci/run".to_owned();
        scripts_can_be_run(&File { path, text: text.to_owned(), executable: true })
    };
    assert_eq!(executable(text), Vec::<String>::new());
    assert_eq!(executable("#!/bin/sh\n").len(), 1);
    fails(scripts_can_be_run, "fmp-providers/src/probe.sh", "if true; then\n");
    passes(scripts_can_be_run, "fmp-providers/src/probe.sh", "if true; then :; fi\n");
}

#[test]
fn a_test_on_machines_among_others_is_found() {
    let check = tests_on_real_machines_are_called_so;
    fails(check, "tests/plan.rs", "#[test]\nfn real_cluster_lives() {}\n");
    fails(check, "tests/plan.rs", "#[tokio::test]\nasync fn a_real_cluster_lives() {}\n");
    fails(check, "tests/real_cluster.rs", "#[test]\nfn cluster_lives() {}\n");
    passes(check, "tests/real_cluster.rs", "#[test]\nfn real_cluster_lives() {}\nfn helper() {}\n");
}

#[test]
fn a_document_that_names_what_is_gone_is_found() {
    fails(documents_name_what_exists, "README.md", "Read `fmp-core/src/nowhere.rs` first.\n");
    passes(
        documents_name_what_exists,
        "README.md",
        "Read `fmp-core/src/lib.rs` in `fmp-core/` first, then `fmp plan`.\n",
    );
}
