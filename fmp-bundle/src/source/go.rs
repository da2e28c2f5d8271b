//! `go`: programs built from a Go module, where only the Go module proxy can be reached.
//!
//! A module of our own requires the wanted one, so its dependencies have the versions that upstream chose, and Go's checksum
//! database vouches for each. With `-trimpath` and without a cgo compiler the result depends on the sources, the flags and
//! the toolchain only; another toolchain gives other bytes, which is why the lock belongs to the site that built it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use fmp_core::bundle::ArtifactName;
use serde::Deserialize;

use super::{Bench, Files, SourceError};
use crate::{
    manifest::{Cgo, GoModule},
    tool,
};

/// Kubernetes takes a quarter of an hour on two cold cores; a small machine may need eight times as long.
const BUILD_LIMIT: Duration = Duration::from_hours(2);

/// The largest module is 40 MB.
const DOWNLOAD_LIMIT: Duration = Duration::from_mins(20);

/// Asking a tool for its version.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// What of a module `go mod download -json` tells us.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Downloaded {
    dir: PathBuf,
    /// Go makes one for a module that has none.
    go_mod: PathBuf,
}

/// The toolchains.
pub(super) fn inputs(bench: Bench<'_>, module: &GoModule) -> Result<String, SourceError> {
    let go = tool::run(command(bench).arg("version"), VERSION_LIMIT)?;
    match module.cgo {
        Cgo::Off => Ok(go),
        Cgo::Static => Ok(go + &compiler(bench)?),
    }
}

/// The version of the C compiler.
pub(super) fn compiler(bench: Bench<'_>) -> Result<String, SourceError> {
    Ok(tool::run(Command::new(&bench.tools.cc).arg("--version"), VERSION_LIMIT)?)
}

/// The folder with the sources of a module.
pub(super) fn download(bench: Bench<'_>, module: &str, version: &str) -> Result<PathBuf, SourceError> {
    Ok(downloaded(bench, module, version)?.dir)
}

fn downloaded(bench: Bench<'_>, module: &str, version: &str) -> Result<Downloaded, SourceError> {
    let mut go = command(bench);
    go.args(["mod", "download", "-json"]).arg(format!("{module}@{version}"));
    let text = tool::run(&mut go, DOWNLOAD_LIMIT)?;
    serde_json::from_str(&text).map_err(SourceError::Module)
}

pub(super) fn make(
    bench: Bench<'_>,
    release: &ArtifactName,
    module: &GoModule,
    scratch: &Path,
) -> Result<Files, SourceError> {
    let path = scratch.join("go.mod");
    fs::write(&path, go_mod(bench, release, module)?).map_err(SourceError::file(&path))?;
    let bin = scratch.join("bin");
    fs::create_dir(&bin).map_err(SourceError::file(&bin))?;
    let mut go = command(bench);
    let (cgo, link) = match module.cgo {
        Cgo::Off => ("0", ""),
        Cgo::Static => ("1", " -extldflags '-static'"),
    };
    go.current_dir(scratch).env("CGO_ENABLED", cgo).env("CC", &bench.tools.cc);
    go.args(["build", "-trimpath", "-ldflags"]).arg(format!("{}{link}", module.ldflags));
    // The trailing slash says that it is a folder, also for a single package.
    go.arg("-o").arg(bin.join("")).args(module.packages.values());
    tool::run(&mut go, BUILD_LIMIT)?;
    Ok(module.packages.iter().map(|(name, package)| (name.clone(), bin.join(program(package)))).collect())
}

/// The go command, with all that could change the bytes it makes. Proxy and checksum database stay the person's.
fn command(bench: Bench<'_>) -> Command {
    let mut go = Command::new(&bench.tools.go);
    go.env("GOFLAGS", "-mod=mod -buildvcs=false").env("GOWORK", "off").env("GO111MODULE", "on");
    go.env("GOOS", "linux").env("GOARCH", "amd64").env("GOAMD64", "v1").env("GOEXPERIMENT", "");
    go
}

/// The `go.mod` of our module. Go raises its language version where a dependency asks for a newer one.
fn go_mod(bench: Bench<'_>, release: &ArtifactName, module: &GoModule) -> Result<String, SourceError> {
    let GoModule { module: path, version, staging, .. } = module;
    let theirs = downloaded(bench, path, version)?.go_mod;
    let theirs = fs::read_to_string(&theirs).map_err(SourceError::file(&theirs))?;
    let staging = staging.iter().flat_map(|staging| staged(&theirs).map(move |name| (name, staging)));
    let staged = staging.map(|(name, staging)| format!("replace {name} => {name} {staging}"));
    let head = format!("module fmp.local/{release}\n\ngo 1.21\n\nrequire {path} {version}\n");
    Ok(carried(&theirs).chain(staged).fold(head, |text, line| text + "\n" + &line + "\n"))
}

/// What Go applies in upstream's own builds and in nobody else's: modules that stand for others, and versions that are left
/// out. A folder that stands for a module is upstream's alone.
fn carried(go_mod: &str) -> impl Iterator<Item = String> {
    directives(go_mod).filter_map(|(directive, what)| match directive {
        "exclude" => Some(format!("exclude {what}")),
        "replace" => {
            let (_, target) = what.split_once(" => ")?;
            (!target.starts_with(['.', '/'])).then(|| format!("replace {what}"))
        }
        _ => None,
    })
}

/// The modules that a `go.mod` replaces by folders under `staging/`, which are missing in the published module.
fn staged(go_mod: &str) -> impl Iterator<Item = &str> {
    directives(go_mod).filter_map(|(directive, what)| {
        let (name, target) = what.split_once(" => ").filter(|_| directive == "replace")?;
        target.starts_with("./staging/").then(|| name.split(' ').next().unwrap_or(name))
    })
}

/// Each directive of a `go.mod` with what it is about; a block is as many as it has lines
/// (<https://go.dev/ref/mod#go-mod-file-lexical>).
fn directives(go_mod: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut block = None;
    go_mod.lines().filter_map(move |line| {
        let line = line.split("//").next().unwrap_or_default().trim();
        if line == ")" {
            block = None;
            return None;
        }
        match (block, line.split_once(' ')) {
            (Some(directive), _) => (!line.is_empty()).then_some((directive, line)),
            (None, Some((directive, "("))) => {
                block = Some(directive);
                None
            }
            (None, directive) => directive,
        }
    })
}

/// The name of the program that Go makes of a package: its last element, or the one before a major version
/// (<https://pkg.go.dev/cmd/go#hdr-Compile_packages_and_dependencies>).
fn program(package: &str) -> &str {
    let mut elements = package.rsplit('/');
    let last = elements.next().unwrap_or(package);
    let major = last.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|c| c.is_ascii_digit()));
    if major { elements.next().unwrap_or(last) } else { last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_after_its_package() {
        assert_eq!(program("k8s.io/kubernetes/cmd/kubelet"), "kubelet");
        assert_eq!(program("go.etcd.io/etcd/server/v3"), "server");
        assert_eq!(program("example.com/vpn"), "vpn");
    }

    const GO_MOD: &str = "module k8s.io/kubernetes // the whole\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\
        \t// of old\n\n\tx.y/z => u.v/w v1.0.0 // a fork\n\tx.y/near => ../near\n)\n\nrequire x.y/z v0.9.0\n\
        replace k8s.io/cri-api v0.1.0 => ./staging/src/k8s.io/cri-api\nexclude x.y/bad v2.0.0+incompatible\n";

    #[test]
    fn staged_modules_are_those_in_the_staging_folder() {
        assert_eq!(staged(GO_MOD).collect::<Vec<_>>(), ["k8s.io/api", "k8s.io/cri-api"]);
    }

    #[test]
    fn what_upstream_replaces_by_other_modules_and_leaves_out_holds_here_too() {
        let carried: Vec<String> = carried(GO_MOD).collect();
        assert_eq!(carried, ["replace x.y/z => u.v/w v1.0.0", "exclude x.y/bad v2.0.0+incompatible"]);
    }
}
