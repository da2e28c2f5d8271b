//! From the text of `bundle.toml` to a [`Manifest`]: placeholders are filled in, names are checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, PathBuf},
};

use fmp_core::{
    Digest,
    bundle::{ArtifactName, Kind, SourceKind},
    os::{self, Manager, Need},
};
use serde::Deserialize;

use super::{
    Account, BadRelease, CFile, Cgo, Compose, DebFile, Debs, Download, GoModule, Manifest, ManifestError, Packages,
    Release, Source,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    #[serde(default)]
    prefer: Vec<SourceKind>,
    platform: Option<PathBuf>,
    release: BTreeMap<ArtifactName, RawRelease>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRelease {
    version: Option<String>,
    image: Option<String>,
    #[serde(default)]
    artifacts: Vec<ArtifactName>,
    url: Option<RawUrl>,
    go: Option<RawGo>,
    c: Option<RawC>,
    deb: Option<RawDeb>,
    debs: Option<RawDebs>,
    file: Option<BTreeMap<ArtifactName, PathBuf>>,
    compose: Option<RawCompose>,
    packages: Option<RawPackages>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUrl {
    from: String,
    member: Option<String>,
    /// By the download's file name, as upstream's lists of digests have it.
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGo {
    module: String,
    packages: BTreeMap<ArtifactName, String>,
    #[serde(default)]
    ldflags: Vec<String>,
    cgo: Option<RawCgo>,
    staging: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawCgo {
    Static,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawC {
    module: String,
    version: String,
    file: PathBuf,
    #[serde(default)]
    flags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDeb {
    package: String,
    file: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawDebs {
    systems: BTreeSet<String>,
    needs: BTreeSet<Need>,
    #[serde(default)]
    sources: BTreeMap<String, PathBuf>,
    #[serde(default)]
    as_of: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCompose {
    from: ArtifactName,
    path: String,
    #[serde(default)]
    links: Vec<String>,
    entrypoint: Vec<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawPackages {
    install: Vec<String>,
    #[serde(default)]
    without: Vec<String>,
    #[serde(default)]
    leave_out: Vec<PathBuf>,
    account: RawAccount,
    entrypoint: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccount {
    name: String,
    id: u32,
}

pub(super) fn manifest(text: &str) -> Result<Manifest, ManifestError> {
    let raw: RawManifest = toml::from_str(text).map_err(|source| {
        let at = source.span().map_or(text.len(), |span| span.start.min(text.len()));
        ManifestError::Text { line: 1 + text[..at].matches('\n').count(), source }
    })?;
    let release = |(name, raw): (ArtifactName, RawRelease)| {
        let bad = |source| ManifestError::Release { release: name.clone(), source };
        raw.release(&name).map_err(bad)
    };
    let releases = raw.release.into_iter().map(release).collect::<Result<Vec<_>, _>>()?;
    check_names(&releases)?;
    Ok(Manifest {
        prefer: raw.prefer,
        platform: raw.platform,
        releases,
        left_out: BTreeSet::new(),
        packages_left_out: false,
        folder: PathBuf::new(),
    })
}

/// Every artifact belongs to one release, and images are composed from binaries that exist.
pub(super) fn check_names(releases: &[Release]) -> Result<(), ManifestError> {
    let mut owners = BTreeMap::new();
    for release in releases {
        for artifact in &release.artifacts {
            if let Some(first) = owners.insert(artifact, release) {
                let (first, second) = (first.name.clone(), release.name.clone());
                return Err(ManifestError::Twice { artifact: artifact.clone(), first, second });
            }
        }
    }
    for release in releases {
        for source in &release.sources {
            if let Source::Compose(Compose { from, .. }) = source
                && owners.get(from).is_none_or(|owner| owner.kind != Kind::Binary)
            {
                let source = BadRelease::NoBase(from.clone());
                return Err(ManifestError::Release { release: release.name.clone(), source });
            }
        }
    }
    Ok(())
}

impl RawRelease {
    fn release(self, name: &ArtifactName) -> Result<Release, BadRelease> {
        let Self { version, image, artifacts, url, go, c, deb, debs, file, compose, packages } = self;
        if let Some(debs) = debs {
            // Each package has a version of its own, and its name is known once it is resolved.
            let others = [url.is_some(), go.is_some(), c.is_some(), deb.is_some(), file.is_some(), compose.is_some()];
            let others = others.into_iter().chain([packages.is_some(), version.is_some(), image.is_some()]);
            if others.chain([!artifacts.is_empty()]).any(|other| other) {
                return Err(BadRelease::Debs);
            }
            let (name, sources) = (name.clone(), vec![debs.source()?]);
            return Ok(Release { name, version: String::new(), kind: Kind::Binary, artifacts: Vec::new(), sources });
        }
        let version = version.ok_or(BadRelease::NoVersion)?;
        let artifacts = if artifacts.is_empty() { vec![name.clone()] } else { artifacts };
        let words = Words { version: &version, artifacts: &artifacts };
        let kind = image.map(|image| words.fill(&image, None)).transpose()?.map_or(Kind::Binary, Kind::Image);
        let sources = [
            url.map(|raw| raw.source(&words)),
            go.map(|raw| raw.source(&words)),
            c.map(|raw| raw.source(&words)),
            deb.map(|raw| raw.source(&words)),
            file.map(|files| Ok(Source::File(words.matched(files, "file")?))),
            compose.map(|raw| raw.source(&words, &kind)),
            packages.map(|raw| raw.source(&words, &kind)),
        ];
        let sources = sources.into_iter().flatten().collect::<Result<Vec<_>, _>>()?;
        if sources.is_empty() {
            return Err(BadRelease::NoSource);
        }
        if matches!(kind, Kind::Image(_)) {
            words.one("image")?;
        }
        Ok(Release { name: name.clone(), version, kind, artifacts, sources })
    }
}

impl RawUrl {
    fn source(self, words: &Words<'_>) -> Result<Source, BadRelease> {
        let download = |name: &ArtifactName| {
            let url = words.fill(&self.from, Some(name))?;
            let member = self.member.as_ref().map(|member| words.fill(member, Some(name))).transpose()?;
            let file = url.rsplit('/').next().unwrap_or_default();
            let digest = self.sha256.get(file).map(|hex| Digest::from_hex(hex)).transpose();
            Ok((name.clone(), Download { sha256: digest.map_err(BadRelease::Digest)?, url, member }))
        };
        Ok(Source::Url(words.artifacts.iter().map(download).collect::<Result<_, _>>()?))
    }
}

impl RawGo {
    fn source(self, words: &Words<'_>) -> Result<Source, BadRelease> {
        let fill = |flag: &String| words.fill(flag, None);
        Ok(Source::Go(GoModule {
            version: format!("v{}", words.version),
            packages: words.matched(self.packages, "go.packages")?,
            ldflags: self.ldflags.iter().map(fill).collect::<Result<Vec<_>, _>>()?.join(" "),
            cgo: self.cgo.map_or(Cgo::Off, |RawCgo::Static| Cgo::Static),
            staging: self.staging.as_ref().map(fill).transpose()?,
            module: self.module,
        }))
    }
}

impl RawC {
    fn source(self, words: &Words<'_>) -> Result<Source, BadRelease> {
        words.one("c")?;
        let Self { module, version, file, flags } = self;
        let flags = flags.iter().map(|flag| words.fill(flag, None)).collect::<Result<_, _>>()?;
        Ok(Source::C(CFile { module, version: format!("v{version}"), file, flags }))
    }
}

impl RawDeb {
    fn source(self, words: &Words<'_>) -> Result<Source, BadRelease> {
        words.one("deb")?;
        let Self { package, file } = self;
        Ok(Source::Deb(DebFile { package: package_name(package)?, file: package_path(file)? }))
    }
}

impl RawDebs {
    fn source(self) -> Result<Source, BadRelease> {
        let Self { systems, needs, sources, as_of } = self;
        let is_dpkgs = |word: &str| os::named(word).is_some_and(|system| system.manager == Manager::Dpkg);
        match systems.iter().chain(sources.keys()).find(|word| !is_dpkgs(word)) {
            Some(word) => Err(BadRelease::System(word.clone())),
            None => Ok(Source::Debs(Debs { systems, needs, sources, as_of })),
        }
    }
}

impl RawCompose {
    fn source(self, words: &Words<'_>, kind: &Kind) -> Result<Source, BadRelease> {
        words.one("compose")?;
        let Self { from, path, links, entrypoint, user } = self;
        if *kind == Kind::Binary {
            return Err(BadRelease::NoReference("compose"));
        }
        let plain = |part: &str| !matches!(part, "" | "." | "..");
        let inside = |path: &str| path.strip_prefix('/').is_some_and(|inside| inside.split('/').all(plain));
        let mut seen = BTreeSet::new();
        for name in links.iter().chain([&path]) {
            if !inside(name) {
                return Err(BadRelease::ImagePath(name.clone()));
            }
            if !seen.insert(name) {
                return Err(BadRelease::ImagePathTwice(name.clone()));
            }
        }
        Ok(Source::Compose(Compose { from, path, links, entrypoint, user }))
    }
}

impl RawPackages {
    fn source(self, words: &Words<'_>, kind: &Kind) -> Result<Source, BadRelease> {
        words.one("packages")?;
        let Self { install, without, leave_out, account: RawAccount { name, id }, entrypoint } = self;
        if *kind == Kind::Binary {
            return Err(BadRelease::NoReference("packages"));
        }
        if install.is_empty() {
            return Err(BadRelease::NoPackage);
        }
        let named = !name.is_empty() && name.bytes().all(|c| is_plain(c) || c == b'-');
        if !named || id == 0 {
            return Err(BadRelease::Account { name, id });
        }
        let checked = |all: Vec<String>| all.into_iter().map(package_name).collect::<Result<_, _>>();
        Ok(Source::Packages(Packages {
            install: checked(install)?,
            without: checked(without)?,
            leave_out: leave_out.into_iter().map(package_path).collect::<Result<_, _>>()?,
            account: Account { name, id },
            entrypoint,
        }))
    }
}

const fn is_plain(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// It becomes an argument of apt-get, so it begins as no option does.
fn package_name(name: String) -> Result<String, BadRelease> {
    let named = name.bytes().next().is_some_and(is_plain);
    if named && name.bytes().all(|c| is_plain(c) || b"+-.".contains(&c)) {
        Ok(name)
    } else {
        Err(BadRelease::PackageName(name))
    }
}

/// Below the root, and not the root itself.
fn package_path(path: PathBuf) -> Result<PathBuf, BadRelease> {
    let below = path.components().all(|part| matches!(part, Component::Normal(_)));
    if path.as_os_str().is_empty() || !below { Err(BadRelease::PackagePath(path)) } else { Ok(path) }
}

/// What placeholders stand for in one release.
struct Words<'a> {
    version: &'a str,
    artifacts: &'a [ArtifactName],
}

impl Words<'_> {
    /// `text` with its placeholders filled in; `{name}` only where it is about one artifact.
    fn fill(&self, text: &str, name: Option<&ArtifactName>) -> Result<String, BadRelease> {
        let number = |n| self.version.split('.').nth(n).unwrap_or_default();
        let mut filled = text.replace("{version}", self.version);
        for (n, word) in ["{major}", "{minor}", "{patch}"].into_iter().enumerate() {
            filled = filled.replace(word, number(n));
        }
        if let Some(name) = name {
            filled = filled.replace("{name}", name.as_str());
        }
        if filled.contains(['{', '}']) { Err(BadRelease::Placeholder { text: text.to_owned() }) } else { Ok(filled) }
    }

    /// `table`, if its keys are exactly the release's artifacts.
    fn matched<T>(
        &self,
        entries: BTreeMap<ArtifactName, T>,
        table: &'static str,
    ) -> Result<BTreeMap<ArtifactName, T>, BadRelease> {
        let wanted: BTreeSet<_> = self.artifacts.iter().collect();
        let present: BTreeSet<_> = entries.keys().collect();
        if let Some(&artifact) = wanted.difference(&present).next() {
            return Err(BadRelease::LeftOut { artifact: artifact.clone(), table });
        }
        if let Some(&artifact) = present.difference(&wanted).next() {
            return Err(BadRelease::Unlisted { artifact: artifact.clone(), table });
        }
        Ok(entries)
    }

    fn one(&self, what: &'static str) -> Result<(), BadRelease> {
        if self.artifacts.len() == 1 { Ok(()) } else { Err(BadRelease::One(what)) }
    }
}
