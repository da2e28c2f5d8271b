//! Stories about simulated clusters: a folder of fixtures/scenarios each. Its README says how one is written.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// A cluster's file, its world, and what was printed last.
struct Stage {
    folder: TempDir,
    story: PathBuf,
    said: String,
    /// Whether what was printed is written down instead of compared.
    accepts: bool,
}

impl Stage {
    fn new(story: &Path) -> Self {
        let stage =
            Self { folder: tempfile::tempdir().unwrap(), story: story.to_owned(), said: String::new(), accepts: false };
        fs::copy(fixtures().join("sim-7/cluster.toml"), stage.place("cluster.toml")).unwrap();
        fs::copy(fixtures().join("bundle.lock"), stage.place("bundle.lock")).unwrap();
        stage
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `fmp`; its exit code and what it printed for people to keep.
    fn fmp(&mut self, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fmp"));
        command.arg("--file").arg("cluster.toml").args(["--lock", "bundle.lock"]);
        command.arg("--store").arg(self.place("store")).args(words).current_dir(self.folder.path());
        let output = command.env("XDG_STATE_HOME", self.place("state")).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.said = text(&output.stdout) + &text(&output.stderr);
        (output.status.code().unwrap_or(-1), text(&output.stdout))
    }

    /// One line of the story; what is wrong with how it went.
    fn play(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            [first, ..] if first.starts_with('#') => {}
            ["settled"] => _ = fs::copy(settled(), self.place("cluster.sim.json")).unwrap(),
            ["file", name] => _ = fs::copy(self.story.join(name), self.place("cluster.toml")).unwrap(),
            ["beside", name] => copy(&self.story.join(name), &self.place(name)),
            ["bundle", name] => {
                _ = fs::copy(fixtures().join(format!("bundle-{name}.lock")), self.place("bundle.lock")).unwrap();
            }
            ["kubernetes", from, "becomes", to] => {
                for file in ["cluster.toml", "bundle.lock"] {
                    let text = fs::read_to_string(self.place(file)).unwrap();
                    fs::write(self.place(file), text.replace(from, to)).unwrap();
                }
            }
            ["says", "not", ..] => return self.says(&words[2..]).map_or(Ok(()), |()| Err(self.said.clone())),
            ["says", ..] => return self.says(&words[1..]),
            [ref command @ .., "->", code] => return self.ends(command, code).map(drop),
            [ref command @ .., "->", code, name] => {
                let printed = self.ends(command, code)?;
                return self.is_as_written(name, &printed);
            }
            _ => return Err("no such line: see fixtures/scenarios/README.md".to_owned()),
        }
        Ok(())
    }

    fn ends(&mut self, command: &[&str], code: &str) -> Result<String, String> {
        let (ended, printed) = self.fmp(command);
        if ended.to_string() == code { Ok(printed) } else { Err(format!("it ended with {ended}:\n{}", self.said)) }
    }

    fn says(&self, words: &[&str]) -> Result<(), String> {
        let said = self.said.split_whitespace().collect::<Vec<_>>().join(" ");
        if said.contains(&words.join(" ")) { Ok(()) } else { Err(self.said.clone()) }
    }

    /// Pages after the first one are files of their own, so that each is short enough to be read: `plan-2.txt`.
    fn is_as_written(&self, name: &str, printed: &str) -> Result<(), String> {
        let stem = name.strip_suffix(".txt").ok_or("what was printed is kept as text")?;
        let pages = pages(printed);
        let surplus = format!("{stem}-{}.txt", pages.len() + 1);
        if self.story.join(&surplus).exists() {
            return Err(format!("{surplus} is a page that nobody printed"));
        }
        for (at, page) in (1..).zip(pages) {
            let name = if at == 1 { name.to_owned() } else { format!("{stem}-{at}.txt") };
            self.is_page(&name, &page)?;
        }
        Ok(())
    }

    fn is_page(&self, name: &str, printed: &str) -> Result<(), String> {
        let path = self.story.join(name);
        if self.accepts {
            fs::write(&path, printed).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        if written == printed {
            return Ok(());
        }
        let diff = similar::TextDiff::from_lines(written.as_str(), printed);
        Err(diff.unified_diff().header(name, "printed").to_string())
    }
}

/// Copies a file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        _ = fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}

/// The most lines of a page.
const PAGE: usize = 200;

/// A text in pages, cut where a plan comes to other nodes.
fn pages(text: &str) -> Vec<String> {
    let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        if line.contains(" nodes alike: ") {
            parts.push(Vec::new());
        }
        parts.last_mut().unwrap().push(line);
    }
    let mut pages: Vec<Vec<&str>> = vec![Vec::new()];
    for part in parts {
        let page = pages.last_mut().unwrap();
        if page.len() + part.len() > PAGE && !page.is_empty() {
            pages.push(part);
        } else {
            page.extend(part);
        }
    }
    pages.into_iter().map(|lines| lines.into_iter().map(|line| format!("{line}\n")).collect()).collect()
}

#[test]
fn a_long_text_is_cut_where_other_nodes_begin() {
    let group = |name: &str, lines: usize| format!("  2 nodes alike: {name}\n{}", "line\n".repeat(lines));
    let text = format!("head\n{}{}{}", group("a", 100), group("b", 90), group("c", 50));
    let pages = pages(&text);
    assert_eq!(pages.concat(), text);
    assert_eq!(pages.iter().map(|page| page.lines().count()).collect::<Vec<_>>(), [193, 51]);
}

/// The world of seven nodes in sync: made once, copied by each story.
fn settled() -> &'static Path {
    static WORLD: OnceLock<(Stage, PathBuf)> = OnceLock::new();
    let (_, world) = WORLD.get_or_init(|| {
        let mut stage = Stage::new(Path::new(""));
        let (code, _) = stage.fmp(&["apply", "--yes"]);
        assert_eq!(code, 0, "{}", stage.said);
        let world = stage.place("cluster.sim.json");
        (stage, world)
    });
    world
}

fn told(story: &Path) -> Vec<String> {
    let mut stage = Stage::new(story);
    stage.accepts = env::var_os("FMP_ACCEPT").is_some();
    let text = fs::read_to_string(story.join("story")).unwrap();
    for (at, line) in (1..).zip(text.lines()) {
        if let Err(why) = stage.play(line) {
            let name = story.file_name().unwrap_or_default().display();
            return vec![format!("{name}, line {at}: {line}\n{why}")];
        }
    }
    Vec::new()
}

#[test]
fn every_story_goes_as_it_is_told() {
    let folders = fs::read_dir(fixtures().join("scenarios")).unwrap();
    let mut stories: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    stories.sort();
    assert!(stories.len() >= 10, "{stories:?}");
    let complaints: Vec<String> = stories.iter().flat_map(|story| told(story)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// What tells of a row of the table in the README.
fn told_by(readme: &str) -> impl Iterator<Item = &str> {
    let rows = readme.lines().filter(|line| line.starts_with('|') && line.matches('|').count() == 4);
    rows.filter_map(|row| row.split('|').nth(3)).flat_map(|cell| cell.split('`').skip(1).step_by(2))
}

#[test]
fn what_went_wrong_elsewhere_is_told_where_the_readme_says() {
    let folder = fixtures().join("scenarios");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let places: Vec<&str> = told_by(&readme).collect();
    assert!(places.len() >= 20, "{places:?}");
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = |place: &str| if place.contains('/') { project.join(place) } else { folder.join(place).join("story") };
    let is_there = |place: &&&str| path(place).exists();
    assert_eq!(places.iter().filter(|place| !is_there(place)).collect::<Vec<_>>(), Vec::<&&str>::new());
    assert_eq!(told_by("| a | b | `c`, `d/e` |").collect::<Vec<_>>(), ["c", "d/e"]);
}

#[test]
fn a_story_that_goes_otherwise_is_noticed() {
    let mut stage = Stage::new(&fixtures().join("scenarios"));
    assert!(stage.play("graph -> 0").is_ok());
    assert!(stage.play("says digraph").is_ok());
    assert!(stage.play("says not digraph").is_err());
    assert!(stage.play("graph -> 2").is_err());
    assert!(stage.play("graph -> 0 README.md").is_err());
    assert!(stage.play("dance").is_err());
}
