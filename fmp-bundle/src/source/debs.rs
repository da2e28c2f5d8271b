//! `debs`: packages of a system whole, with everything that they need beyond what each machine of that system has.
//!
//! This computer's apt resolves and verifies them, with lists and a list of what is installed of its own: a machine that has
//! packages of priority `required` and what the system's data calls minimal, and nothing else. Nothing is installed, and
//! nobody needs to be root.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use fmp_core::{
    bundle::{ArtifactName, Kind, PackageOf},
    os::{self, Fit, Need, Release, System},
};

use super::{Bench, Piece, SourceError, deb};
use crate::{manifest::Debs, tool};

/// Lists of 15 MB, or packages of 100, over 0.6 Mbit/s.
const DOWNLOAD_LIMIT: Duration = Duration::from_mins(30);

/// What needs no network.
const LOCAL_LIMIT: Duration = Duration::from_mins(5);

/// A package in one version.
type Package = (String, String);

/// Every system's packages.
pub(super) fn make(bench: Bench<'_>, debs: &Debs, scratch: &Path) -> Result<Vec<Piece>, SourceError> {
    let mut pieces = Vec::new();
    for word in &debs.systems {
        let system = os::named(word).ok_or_else(|| SourceError::System(word.clone()))?;
        let apt = Apt::new(bench, debs, system, &scratch.join(word))?;
        apt.install_the_minimum()?;
        let mut needed: BTreeMap<Package, BTreeSet<Need>> = BTreeMap::new();
        for need in &debs.needs {
            for package in apt.resolve([&*system.needs[need].package])? {
                needed.entry(package).or_default().insert(*need);
            }
        }
        pieces.extend(apt.download(needed)?);
    }
    Ok(pieces)
}

/// apt for a machine that there is not.
struct Apt<'a> {
    bench: Bench<'a>,
    system: &'static System,
    folder: PathBuf,
    options: Vec<String>,
}

impl<'a> Apt<'a> {
    fn new(bench: Bench<'a>, debs: &Debs, system: &'static System, folder: &Path) -> Result<Self, SourceError> {
        let make = |path: PathBuf| fs::create_dir_all(&path).map_err(SourceError::file(&path));
        for part in ["state/lists/partial", "cache/archives/partial", "packages"] {
            make(folder.join(part))?;
        }
        let text = |path: &Path| path.display().to_string();
        let mut options = vec![
            format!("Dir::State={}", text(&folder.join("state"))),
            format!("Dir::State::status={}", text(&folder.join("status"))),
            format!("Dir::Cache={}", text(&folder.join("cache"))),
            // Whoever apt changes to can't read our folders.
            "APT::Sandbox::User=".to_owned(),
            "Debug::NoLocking=1".to_owned(),
            // Programs of a bundle are for Linux on amd64, whatever this computer is.
            "APT::Architecture=amd64".to_owned(),
            "APT::Architectures=amd64".to_owned(),
        ];
        match debs.sources.get(&*system.word) {
            Some(list) => {
                let list = bench.folder.join(list);
                fs::metadata(&list).map_err(SourceError::file(&list))?;
                let list = list.canonicalize().map_err(SourceError::file(&list))?;
                options.push(format!("Dir::Etc::sourcelist={}", text(&list)));
                options.push("Dir::Etc::sourceparts=/dev/null".to_owned());
            }
            None if is_here(system) => {}
            None => return Err(SourceError::Repository(system.word.to_string())),
        }
        let apt = Self { bench, system, folder: folder.to_owned(), options };
        apt.write_status("")?;
        apt.get(&["update"], DOWNLOAD_LIMIT)?;
        Ok(apt)
    }

    fn write_status(&self, text: &str) -> Result<(), SourceError> {
        let path = self.folder.join("status");
        fs::write(&path, text).map_err(SourceError::file(&path))
    }

    fn get(&self, words: &[&str], limit: Duration) -> Result<String, SourceError> {
        let mut command = Command::new(&self.bench.tools.apt_get);
        command.arg("--quiet=2").args(self.options.iter().flat_map(|option| ["-o", option])).args(words);
        // Words that are read come in no other language.
        command.env("LC_ALL", "C").current_dir(self.folder.join("packages"));
        Ok(tool::run(&mut command, limit)?)
    }

    /// Says of what every machine has that it is installed.
    fn install_the_minimum(&self) -> Result<(), SourceError> {
        let mut command = Command::new(&self.bench.tools.apt_cache);
        command.args(self.options.iter().flat_map(|option| ["-o", option])).arg("dumpavail").env("LC_ALL", "C");
        let available = tool::run(&mut command, LOCAL_LIMIT)?;
        let stanzas = stanzas(&available);
        let is_required =
            |stanza: &&str| field(stanza, "Priority") == Some("required") || field(stanza, "Essential") == Some("yes");
        let required = stanzas.values().copied().filter(is_required).filter_map(|stanza| field(stanza, "Package"));
        let minimum: BTreeSet<&str> = required.chain(self.system.minimal.iter().map(String::as_str)).collect();
        let mut status = String::new();
        for (name, version) in self.resolve(minimum)? {
            let stanza = stanzas.get(&(name.as_str(), version.as_str()));
            let stanza = stanza.ok_or_else(|| SourceError::Resolved(format!("{name} {version}")))?;
            status.push_str(stanza.trim_end());
            status.push_str("\nStatus: install ok installed\n\n");
        }
        self.write_status(&status)
    }

    /// What has to be installed so that `packages` are, of what is not installed.
    fn resolve<'p>(&self, packages: impl IntoIterator<Item = &'p str>) -> Result<Vec<Package>, SourceError> {
        let mut words = vec!["--simulate", "--no-install-recommends", "install"];
        words.extend(packages);
        let told = self.get(&words, LOCAL_LIMIT)?;
        let installs = told.lines().filter_map(|line| line.strip_prefix("Inst "));
        installs.map(|line| installed(line).ok_or_else(|| SourceError::Resolved(line.to_owned()))).collect()
    }

    /// Downloads every package, in the very version that was resolved; apt compares each with the lists.
    fn download(&self, needed: BTreeMap<Package, BTreeSet<Need>>) -> Result<Vec<Piece>, SourceError> {
        let wanted: Vec<String> = needed.keys().map(|(name, version)| format!("{name}={version}")).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut words = vec!["download"];
        words.extend(wanted.iter().map(String::as_str));
        self.get(&words, DOWNLOAD_LIMIT)?;
        let mut files = self.files()?;
        let piece = |((name, version), needs): (Package, BTreeSet<Need>)| {
            let path = files.remove(&(name.clone(), version.clone()));
            let path = path.ok_or_else(|| SourceError::Resolved(format!("{name} {version}")))?;
            let artifact = artifact(&self.system.word, &name)?;
            let kind = Kind::Package(PackageOf { system: self.system.word.to_string(), package: name, needs });
            Ok(Piece { name: artifact, version, kind, path })
        };
        needed.into_iter().map(piece).collect()
    }

    /// What was downloaded, by what each file says of itself.
    fn files(&self) -> Result<BTreeMap<Package, PathBuf>, SourceError> {
        let folder = self.folder.join("packages");
        let mut files = BTreeMap::new();
        for path in deb::archives(&folder).map_err(SourceError::file(&folder))? {
            let mut show = Command::new(&self.bench.tools.dpkg_deb);
            let told = tool::run(show.arg("--field").arg(&path).args(["Package", "Version"]), LOCAL_LIMIT)?;
            let field = |name| field(&told, name).map(str::to_owned);
            let package = field("Package").zip(field("Version"));
            let package = package.ok_or_else(|| SourceError::Resolved(path.display().to_string()))?;
            files.insert(package, path);
        }
        Ok(files)
    }
}

/// Whether this computer is of that system: its own repositories serve then.
fn is_here(system: &System) -> bool {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (release, astra) = (read(os::RELEASE), read(os::ASTRA_VERSION));
    let Release { id, version, .. } = Release::read(&release.lines(), astra.lines().next());
    let here = os::find(&id, &version);
    here.is_some_and(|(found, fit)| found.word == system.word && fit == Fit::Same)
}

/// The name of a package's artifact: what no name of an artifact may have is written otherwise.
fn artifact(system: &str, package: &str) -> Result<ArtifactName, SourceError> {
    let name = format!("{system}-{package}").replace('.', "-").replace('+', "plus");
    name.parse().map_err(|_| SourceError::Resolved(name))
}

/// `haproxy (2.6.12-1 Debian:12/stable [amd64])`, where `[2.6.11-1]` may stand before the bracket.
fn installed(line: &str) -> Option<Package> {
    let (name, rest) = line.split_once(' ')?;
    let (_, version) = rest.split_once('(')?;
    let name = name.split(':').next().unwrap_or(name);
    Some((name.to_owned(), version.split(' ').next()?.to_owned()))
}

/// Paragraphs about packages, by name and version.
fn stanzas(text: &str) -> BTreeMap<(&str, &str), &str> {
    text.split("\n\n")
        .filter_map(|stanza| Some(((field(stanza, "Package")?, field(stanza, "Version")?), stanza)))
        .collect()
}

/// The value of a field of one line.
fn field<'t>(stanza: &'t str, name: &str) -> Option<&'t str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_simulation_names_a_package_and_its_version() {
        let of = |line| installed(line).unwrap();
        let wanted = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(of("haproxy (2.6.12-1+deb12u1 Debian:12.9/stable [amd64])"), wanted("haproxy", "2.6.12-1+deb12u1"));
        assert_eq!(of("libc6 [2.36-8] (2.36-9 Debian:12.9/stable [amd64]) []"), wanted("libc6", "2.36-9"));
        assert_eq!(of("libc6:amd64 (2.36-9 Debian:12.9/stable [amd64])"), wanted("libc6", "2.36-9"));
        assert_eq!(installed("haproxy"), None);
    }

    #[test]
    fn a_paragraph_is_found_by_name_and_version() {
        let text =
            "Package: a\nVersion: 1\nPriority: required\n\nPackage: a\nVersion: 2\nDescription: b\n Version: 3\n";
        let stanzas = stanzas(text);
        assert_eq!(stanzas.keys().collect::<Vec<_>>(), [&("a", "1"), &("a", "2")]);
        assert_eq!(field(stanzas[&("a", "1")], "Priority"), Some("required"));
    }

    #[test]
    fn an_artifact_is_named_after_its_system_and_package() {
        let name = |package| artifact("rocky-8.6", package).unwrap().to_string();
        assert_eq!(
            (name("libstdc++6"), name("lua5.3")),
            ("rocky-8-6-libstdcplusplus6".into(), "rocky-8-6-lua5-3".into())
        );
    }
}
