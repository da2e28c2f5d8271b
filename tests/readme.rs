//! README's commands run, its file is a file, its plan is a plan.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use fmp::core::{
    Digest,
    bundle::Lock,
    manifest::Manifests,
    observed::{Fact, Observed},
    platform::{Archive, ArchiveFiles, DESCRIPTION},
    profile::Profiles,
    spec::{self, Beside, Spec},
};

const README: &str = include_str!("../README.md");
const LOCK: &str = include_str!("../fixtures/bundle.lock");
const LOCAL: &str = include_str!("../fixtures/local-7/cluster.toml");

/// What becomes of a command here.
enum Way {
    /// It is run, and ends with this code.
    Runs(i32),
    /// Another one is run in its place, that needs no host.
    Instead(&'static str, i32),
    /// It is not run, for this reason.
    Elsewhere(&'static str),
}

use Way::{Elsewhere, Instead, Runs};

/// Every command of README, in its order.
const COMMANDS: &[(&str, Way)] = &[
    ("./scripts/local-cluster", Elsewhere("scripts/test runs it, and runs it again")),
    ("./scripts/test", Elsewhere("it runs this test")),
    ("fmp --file lab.toml init --environment sim", Runs(0)),
    ("fmp --file lab.toml apply --yes", Runs(0)),
    ("fmp --file lab.toml fault main-1 wipe", Runs(0)),
    ("fmp --file lab.toml fault main-2 edit /etc/kubernetes/audit-policy.yaml", Runs(0)),
    ("fmp --file lab.toml plan", Runs(2)),
    ("fmp --file lab.toml doctor", Runs(1)),
    ("fmp --file lab.toml rehearse --runs 20", Runs(0)),
    ("cargo install --path .", Elsewhere("the program that these tests run is built already")),
    ("fmp init --environment ssh", Runs(0)),
    ("fmp bundle build", Elsewhere("it downloads half a gigabyte")),
    ("fmp check", Elsewhere("it needs hosts")),
    ("fmp plan --out plan.json", Instead("fmp plan --observed observed.json --out plan.json", 2)),
    ("fmp show plan.json main-1/etcd-member/bootstrap", Runs(0)),
    ("fmp apply plan.json", Elsewhere("it needs hosts")),
    ("fmp status", Elsewhere("it needs hosts")),
    ("fmp kubectl -- get nodes -o wide", Elsewhere("it needs hosts")),
    ("fmp kubeconfig --out fmp.conf", Elsewhere("it needs hosts")),
    ("fmp observe > observed.json", Elsewhere("it needs hosts; the observation here is of machines that are not made")),
    ("fmp plan --observed observed.json > plan.txt", Runs(2)),
    ("fmp plan --observed observed.json --check plan.txt", Runs(0)),
    ("fmp destroy --name fmp", Elsewhere("it needs hosts")),
];

/// The texts of README's fenced blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or(rest)).collect()
}

/// What is seen where no machine is made yet.
fn nothing(spec: &Spec) -> Observed {
    let hosts = spec.nodes.keys().map(|name| (name.clone(), Fact::Absent)).collect();
    Observed {
        now: 0,
        machines: Fact::Known([].into()),
        hosts,
        other_keys: [].into(),
        etcd: Fact::Absent,
        api: Fact::Absent,
    }
}

/// An archive of the reader's own.
fn nothing_brought() -> Archive {
    let description = "schema = 1\ntitle = 'nothing'\nversion = '23.12'\nnamespace = 'fmp'\n".to_owned();
    let sums = format!("{}  {DESCRIPTION}\n", Digest::of(&description).hex());
    let files = ArchiveFiles { name: "platform".to_owned(), description, sums, manifests: Vec::new() };
    Archive::parse(&files).expect("it is listed")
}

fn parsed(text: &str) -> Spec {
    // Folders that it names are the reader's own.
    let with = |manifests: Manifests, path: String| manifests.with(&path, Vec::new());
    let manifests = spec::manifest_paths(text).into_iter().fold(Manifests::default(), with);
    let archive = spec::platform_path(text).map(|path| (path, nothing_brought()));
    let files = spec::platform_files(text).into_iter().map(|path| (path, Digest::of(""))).collect();
    let beside = Beside { manifests, archive, files };
    spec::parse_with("cluster.toml", text, &Profiles::shipped(), &beside).expect("the file is right")
}

/// Runs a command line in `folder`, with the program that cargo built and a home of its own.
fn run(folder: &Path, command: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_fmp"));
    let programs = program.parent().expect("a program lies in a folder").display();
    let path = format!("{programs}:/usr/local/bin:/usr/bin:/bin");
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).env_clear().env("PATH", path).env("HOME", folder);
    shell.output().expect("every system has a shell")
}

#[test]
fn every_command_is_known_here() {
    let lines = blocks("console").into_iter().flat_map(str::lines);
    let written: Vec<&str> = lines.filter_map(|line| line.strip_prefix("$ ")).collect();
    let known: Vec<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    assert_eq!(written, known);
}

#[test]
fn commands_that_need_no_host_run() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    fs::write(folder.join("bundle.lock"), LOCK).unwrap();
    for (command, way) in COMMANDS {
        let (command, wanted) = match way {
            Runs(code) => (*command, *code),
            Instead(other, code) => (*other, *code),
            Elsewhere(_) => continue,
        };
        let output = run(folder, command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(wanted), "{command}\n{said}");
        if command.starts_with("fmp init") {
            let spec = parsed(&fs::read_to_string(folder.join("cluster.toml")).unwrap());
            fs::write(folder.join("observed.json"), serde_json::to_string(&nothing(&spec)).unwrap()).unwrap();
        }
    }
}

/// A command that needs a host is at least one that the program understands.
#[test]
fn commands_that_are_not_run_are_understood() {
    let home = tempfile::tempdir().unwrap();
    for (command, way) in COMMANDS {
        let Elsewhere(why) = way else { continue };
        let own = command.split(' ').take_while(|word| *word != "--" && *word != ">").collect::<Vec<_>>().join(" ");
        if own.starts_with("fmp ") {
            let output = run(home.path(), &format!("{own} --help"));
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command} (not run: {why})\n{said}");
        }
    }
}

#[test]
fn the_file_is_right() {
    let blocks = blocks("toml");
    let (file, parts) = blocks.split_first().expect("there is one");
    assert_eq!(parsed(file).nodes.len(), 2, "{file}");
    for part in parts {
        parsed(&format!("{file}\n{part}"));
    }
}

#[test]
fn the_plan_is_what_the_planner_says() {
    let spec = parsed(LOCAL);
    let lock = Lock::parse(LOCK).unwrap();
    let plan = fmp::plan(&spec, &lock, &nothing(&spec)).unwrap();
    let text = fmp::planner::render::text(&plan);
    let lines: Vec<&str> = text.lines().collect();
    let excerpts = blocks("text");
    assert_eq!(excerpts.len(), 1);
    // Sizes and digests of programs are those of a real bundle.
    let told = excerpts[0].lines().filter(|line| !line.contains('…') && !line.contains("bytes,"));
    for line in told {
        assert!(lines.contains(&line), "the plan has no line `{line}`");
    }
}

/// Two places with the same figures are two truths as soon as somebody measures again.
#[test]
fn figures_stand_where_they_are_measured() {
    let section = README.split("\n## Figures\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    assert!(section.contains("`benches/README.md`"), "{section}");
    let words: Vec<&str> = section.split_whitespace().collect();
    let seconds = words.windows(2).filter(|pair| pair[1].trim_end_matches([',', '.', ':', ';']) == "s");
    for pair in seconds {
        assert!(
            include_str!("../benches/README.md").contains(&format!("{} s", pair[0])),
            "nobody measured {} s",
            pair[0]
        );
    }
}
