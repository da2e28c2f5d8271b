//! `url`: upstream's release files.
//!
//! Downloads by the program curl, not by a client of our own: it is on every administrator's machine, honours proxies and
//! a company's certificates, and brings no TLS provider into the process. HTTPS only, redirects too. Where `bundle.toml`
//! names no digest, the first build trusts the connection, and the lock holds every later one to the same content.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use flate2::read::GzDecoder;
use fmp_core::bundle::ArtifactName;

use super::{Bench, Files, SourceError};
use crate::{hash::digest_of, manifest::Download, tool};

/// 130 MB, the largest release file, over 0.6 Mbit/s.
const LIMIT: Duration = Duration::from_mins(30);

pub(super) fn make(
    bench: Bench<'_>,
    downloads: &BTreeMap<ArtifactName, Download>,
    scratch: &Path,
) -> Result<Files, SourceError> {
    // Several artifacts may be members of one archive, which is downloaded once.
    let mut archives: BTreeMap<&str, PathBuf> = BTreeMap::new();
    let mut files = Files::new();
    for (name, download) in downloads {
        let archive = match archives.get(download.url.as_str()) {
            Some(archive) => archive.clone(),
            None => fetch(bench, download, scratch.join(format!("download-{}", archives.len())))?,
        };
        archives.insert(&download.url, archive.clone());
        let file = match &download.member {
            None => archive,
            Some(member) => unpack(&download.url, &archive, member, scratch.join(name.as_str()))?,
        };
        files.insert(name.clone(), file);
    }
    Ok(files)
}

/// Downloads to `path`, and checks the digest where one is known.
fn fetch(bench: Bench<'_>, download: &Download, path: PathBuf) -> Result<PathBuf, SourceError> {
    let mut curl = Command::new(&bench.tools.curl);
    curl.args(["--fail", "--location", "--silent", "--show-error", "--proto", "=https", "--tlsv1.2"]);
    curl.args(["--retry", "3", "--connect-timeout", "20", "--output"]).arg(&path).arg("--").arg(&download.url);
    let failed = |error| SourceError::Fetch { url: download.url.clone(), source: Box::new(error) };
    tool::run(&mut curl, LIMIT).map_err(failed)?;
    let found = digest_of(&path).map_err(SourceError::file(&path))?;
    match download.sha256 {
        Some(wanted) if wanted != found => Err(SourceError::Download { url: download.url.clone(), wanted, found }),
        _ => Ok(path),
    }
}

/// Copies `member` of a `tar.gz` to `path`; no other path of the archive is used.
fn unpack(url: &str, archive: &Path, member: &str, path: PathBuf) -> Result<PathBuf, SourceError> {
    let bare = |path: &Path| path.strip_prefix(".").map_or_else(|_| path.to_owned(), Path::to_owned);
    let wanted = bare(Path::new(member));
    let find = || -> io::Result<bool> {
        for entry in tar::Archive::new(GzDecoder::new(File::open(archive)?)).entries()? {
            let mut entry = entry?;
            if entry.header().entry_type().is_file() && bare(&entry.path()?) == wanted {
                io::copy(&mut entry, &mut File::create(&path)?)?;
                return Ok(true);
            }
        }
        Ok(false)
    };
    if find().map_err(SourceError::file(archive))? {
        Ok(path)
    } else {
        Err(SourceError::Member { url: url.to_owned(), member: member.to_owned() })
    }
}
