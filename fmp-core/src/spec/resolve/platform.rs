//! The platform: what the file says of it, compared with the archive and the nodes.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::{
    platform::{Archive, FileBeside, Platform, Server, ServerHost, Tls},
    spec::{
        Beside, Bundled, Role,
        platform::RawPlatform,
        problem::{Code, Problem, Sink},
        raw::{Raw, RawNode},
    },
};

/// What is wanted, `Some(None)` where nothing is, `None` after a problem.
#[expect(clippy::option_option, reason = "the outer one says whether all is right, as everywhere here")]
pub(super) fn resolve(sink: &Sink, raw: &Raw, beside: &Beside) -> Option<Option<Platform>> {
    let Some(wanted) = &raw.platform else { return Some(None) };
    let (path, installation) = wanted.archive.as_ref().zip(wanted.installation.as_ref())?;
    let Some(archive) = beside.archive(path.get_ref()) else {
        sink.note(unread(path, "`spec::platform_path` and `Archive::parse`"));
        return None;
    };
    let licence = wanted.licence.as_ref().map(|path| file(sink, path, beside));
    let tls = wanted.certificate.as_ref().zip(wanted.key.as_ref()).map(|(certificate, key)| {
        Some(Tls { certificate: file(sink, certificate, beside)?, key: file(sink, key, beside)? })
    });
    let external = external(sink, wanted, archive);
    if raw.countable {
        enough_nodes(sink, raw, wanted, archive);
    }
    let domain = wanted.domain.as_ref().map(|domain| domain.get_ref().clone());
    if let (Some(_), None) = (&tls, &domain) {
        let problem = Problem::new(Code::UnusedKey, "a certificate without a domain", wanted.place.clone(), "here");
        sink.note(problem.help("write the name that clients ask for: `domain = \"fmp.example.org\"`"));
    }
    Some(Some(Platform {
        path: path.get_ref().clone(),
        archive: archive.clone(),
        installation: installation.get_ref().clone(),
        domain,
        licence: transposed(licence)?,
        tls: transposed(tls)?,
        external: external?,
    }))
}

/// Notes objects that two bring: the archive and FMP, or the platform and a folder of manifests.
pub(super) fn apart(sink: &Sink, raw: &Raw, platform: Option<&Platform>, brought: &BTreeMap<String, Bundled>) {
    let (Some(platform), Some(wanted)) = (platform, &raw.platform) else { return };
    let objects = platform.objects();
    if let Some([twice, _]) = objects.array_windows().find(|[one, next]| one.key == next.key) {
        let message = format!("the archive {} brings {}, which FMP makes itself", platform.path, twice.key);
        let problem = Problem::new(Code::BadPlatform, message, wanted.place.clone(), "the platform");
        sink.note(problem.help("take the object out of the archive's manifests, and list them again in SHA256SUMS"));
    }
    let keys: BTreeSet<String> = objects.into_iter().map(|object| object.key).collect();
    for (name, bundled) in brought {
        let Some(twice) = bundled.objects.iter().find(|object| keys.contains(&object.key)) else { continue };
        let message = format!("the platform brings {}, and so does {}", twice.key, bundled.path);
        let mut problem = Problem::new(Code::BadManifests, message, wanted.place.clone(), "the platform");
        if let Some(folder) = raw.components.manifests.get(name) {
            problem = problem.also(folder.span(), "this folder");
        }
        sink.note(problem.help("an object has one owner: remove it from the folder"));
    }
}

/// What could not be read, outside of what nobody asked for.
#[expect(clippy::option_option, reason = "the outer one says whether all is right, as everywhere here")]
fn transposed<T>(asked: Option<Option<T>>) -> Option<Option<T>> {
    match asked {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}

fn unread(path: &Spanned<String>, by: &str) -> Problem {
    let message = format!("nobody has read {}", path.get_ref());
    let problem = Problem::new(Code::BadPlatform, message, path.span(), "this");
    problem.help(format!("a program that embeds FMP reads it first: {by}, then `spec::parse_with`"))
}

fn file(sink: &Sink, path: &Spanned<String>, beside: &Beside) -> Option<FileBeside> {
    let digest = beside.file(path.get_ref());
    if digest.is_none() {
        sink.note(unread(path, "`spec::platform_files`"));
    }
    Some(FileBeside { path: path.get_ref().clone(), digest: digest? })
}

fn external(sink: &Sink, wanted: &RawPlatform, archive: &Archive) -> Option<BTreeMap<String, Server>> {
    let mut all = Some(BTreeMap::new());
    for (name, server) in &wanted.external {
        let problem = |message: String, help: String| {
            sink.note(Problem::new(Code::BadPlatform, message, server.span(), "this database").help(help));
        };
        let Some(set) = archive.databases.get(name) else {
            let known: Vec<&str> = archive.databases.keys().map(String::as_str).collect();
            problem(format!("the archive has no database {name}"), format!("it has: {}", known.join(", ")));
            all = None;
            continue;
        };
        match server.get_ref() {
            Some(Server { host: ServerHost::Name(_), port }) if *port != set.port => {
                let help = format!("name the server's address instead, or let it answer at port {}", set.port);
                problem(format!("clients of {name} ask at port {}, and a name can't say another one", set.port), help);
                all = None;
            }
            Some(server) => all.iter_mut().for_each(|all| drop(all.insert(name.clone(), server.clone()))),
            None => all = None,
        }
    }
    all
}

/// One work node more than a database has copies: with one of them gone, each copy has a place again.
fn enough_nodes(sink: &Sink, raw: &Raw, wanted: &RawPlatform, archive: &Archive) {
    let work = |node: &&RawNode| node.role.as_ref().is_some_and(|role| *role.get_ref() == Role::Work);
    let nodes = raw.nodes.values().filter(work).count();
    let own = archive.databases.iter().filter(|(name, _)| !wanted.external.contains_key(*name));
    let Some((name, set)) = own.max_by_key(|(_, set)| set.copies) else { return };
    let needed = usize::try_from(set.copies).unwrap_or(usize::MAX).saturating_add(1);
    if nodes < needed {
        let copies = set.copies;
        let message = format!(
            "database {name} has {copies} copies, which needs {needed} work nodes, one more than copies; there are {nodes}"
        );
        let problem = Problem::new(Code::TooFewWorkers, message, wanted.place.clone(), "this platform");
        let external = format!("`external = \"HOST:PORT\"` under [platform.databases.{name}]");
        sink.note(problem.help(format!("add work nodes, or name a server that somebody else runs with {external}")));
    }
}
