//! `fmp bundle`: what a cluster is made of.

use fmp_bundle::{Manifest, Tools, lock};
use miette::{IntoDiagnostic, miette};

use crate::{
    cli::{BundleBuildArgs, BundleCommand, Places},
    exit::Exit,
    output,
};

/// Builds, verifies or lists.
pub(crate) fn run(places: &Places, command: BundleCommand) -> miette::Result<Exit> {
    match command {
        BundleCommand::Build(args) => build(places, &args),
        BundleCommand::Verify => verify(places),
        BundleCommand::List => list(places),
    }
}

fn build(places: &Places, args: &BundleBuildArgs) -> miette::Result<Exit> {
    let path = args.manifest.clone().unwrap_or_else(|| places.file.with_file_name("bundle.toml"));
    let mut manifest = Manifest::read(&path)?;
    for kind in args.from.iter().rev() {
        manifest = manifest.preferring(kind.parse().into_diagnostic()?);
    }
    manifest = manifest.without(&args.without)?;
    let lock_path = places.lock_path();
    let locked = if args.update { None } else { lock::read(&lock_path)? };
    let store = places.open_store()?;
    let built = fmp_bundle::build(&store, &Tools::default(), &manifest, locked.as_ref(), &|progress| {
        output::note(&progress.to_string());
    })?;
    lock::write(&lock_path, &built)?;
    output::print(&format!("{} artifacts in {}\n", built.entries().len(), lock_path.display()));
    Ok(Exit::Fine)
}

fn verify(places: &Places) -> miette::Result<Exit> {
    let lock = locked(places)?;
    let damages = places.open_store()?.verify(&lock);
    if damages.is_empty() {
        output::print(&format!("{} artifacts are whole\n", lock.entries().len()));
        return Ok(Exit::Fine);
    }
    for damage in &damages {
        output::note(&damage.to_string());
    }
    Err(miette!(help = "`fmp bundle build` makes them again", "{} artifacts are missing or damaged", damages.len()))
}

fn list(places: &Places) -> miette::Result<Exit> {
    for entry in locked(places)?.entries() {
        output::print(&format!(
            "{} {} {} {} bytes, from {}\n",
            entry.name, entry.version, entry.digest, entry.size, entry.source
        ));
    }
    Ok(Exit::Fine)
}

fn locked(places: &Places) -> miette::Result<lock::Lock> {
    let path = places.lock_path();
    lock::read(&path)?
        .ok_or_else(|| miette!(help = "`fmp bundle build` makes one", "there is no bundle lock at {}", path.display()))
}
