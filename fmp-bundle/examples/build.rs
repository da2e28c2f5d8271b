//! Builds a bundle: `cargo run -p fmp-bundle --example build -- bundle.toml STORE [SOURCE…] [without RELEASE…]`.
//!
//! Writes `bundle.lock` beside `bundle.toml`; of the SOURCEs (`url`, `go`, …) the first that a release has is chosen for it.

use std::{
    env,
    error::Error,
    io::{Write as _, stderr, stdout},
    iter::successors,
    path::PathBuf,
    process::ExitCode,
};

use fmp_bundle::{
    Manifest, Store, Tools,
    lock::{self, SourceKind},
};

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    let causes = successors(error.source(), |&cause| cause.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    let _ = writeln!(stderr(), "{text}");
    ExitCode::FAILURE
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(file), Some(store)) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        return Err("usage: build bundle.toml STORE [SOURCE…] [without RELEASE…]".into());
    };
    let mut manifest = Manifest::read(&file)?;
    let arguments: Vec<String> = arguments.collect();
    let mut parts = arguments.splitn(2, |word| word == "without");
    for kind in parts.next().unwrap_or_default().iter().rev() {
        manifest = manifest.preferring(kind.parse::<SourceKind>()?);
    }
    manifest = manifest.without(parts.next().unwrap_or_default())?;
    let lock_file = file.with_extension("lock");
    let locked = lock::read(&lock_file)?;
    let store = Store::open(store)?;
    let built = fmp_bundle::build(&store, &Tools::default(), &manifest, locked.as_ref(), &|progress| {
        // A closed pipe must not end the build.
        let _ = writeln!(stderr(), "{progress}");
    })?;
    lock::write(&lock_file, &built)?;
    write!(stdout(), "{}", built.render())?;
    Ok(())
}
