//! Packages of the operating system.

use fmp_bundle::Store;
use fmp_core::{os::Manager, resource::PackageFile};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::{PackageInstall, PackagesFrom};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{Work, upload};
use crate::transport::{Input, quote};

const SCRIPT: &str = include_str!("scripts/packages.sh");

/// What runs as a unit of its own.
const INSTALL: &str = include_str!("scripts/packages-install.sh");

/// Installs what is not there.
pub(super) async fn install(
    work: Work<'_>,
    manager: Manager,
    packages: &[PackageInstall],
    from: &PackagesFrom,
) -> Result<Applied, Failure> {
    let files = from.files();
    let mut words = vec![manager.as_str().to_owned(), from.as_str().to_owned()];
    for PackageInstall { name, quiet } in packages {
        let units = if quiet.is_empty() { "-".to_owned() } else { quiet.join(",") };
        words.extend([name.to_string(), units]);
    }
    words.push("--".to_owned());
    for PackageFile { package, digest, bytes, .. } in files {
        words.extend([package.to_string(), bytes.to_string(), digest.hex()]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let script = format!("install={}\n{SCRIPT}", quote(INSTALL));
    let content = contents(work.store, files).await?;
    let mut answer = work.run(work.host()?, &script, &words, content).await;
    for file in files {
        answer = upload::whose_fault(work.store, &file.package, file.digest, answer).await;
    }
    answer
}

/// One file after the other, as they are: a package is packed already.
async fn contents(store: &Store, files: &[PackageFile]) -> Result<Input, Failure> {
    let mut all: Option<Box<dyn AsyncRead + Send + Unpin>> = None;
    for file in files {
        let opened = tokio::fs::File::open(store.path(file.digest)).await;
        let what = || format!("the package {} ({})", file.package, file.digest);
        let opened = opened.map_err(|error| upload::unread(what(), error))?;
        all = Some(match all {
            None => Box::new(opened),
            Some(before) => Box::new(before.chain(opened)),
        });
    }
    Ok(all.map_or(Input::Empty, Input::Reader))
}
