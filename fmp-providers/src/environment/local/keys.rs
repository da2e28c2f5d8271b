//! SSH keys that the environment makes itself, so that nothing is learned from the network.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use russh::keys::{Algorithm, PrivateKey, key::safe_rng, ssh_key::LineEnding};

use super::{EnvironmentError, error::file};

/// Makes an Ed25519 key at `path`, readable by root only, and its public half beside it. One that exists is kept.
pub(super) fn ensure(path: &Path) -> Result<(), EnvironmentError> {
    if public_path(path).exists() {
        return Ok(());
    }
    let bad = |source| EnvironmentError::Key { path: path.to_owned(), source };
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(bad)?;
    let private = key.to_openssh(LineEnding::LF).map_err(bad)?;
    let public = key.public_key().to_openssh().map_err(bad)?;
    // A run that was killed may have left the private half.
    let _ = fs::remove_file(path);
    let mut secret =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(file("creating", path))?;
    secret.write_all(private.as_bytes()).map_err(file("writing", path))?;
    let public_path = public_path(path);
    fs::write(&public_path, format!("{public}\n")).map_err(file("writing", public_path))
}

/// The public half of the key at `path`, as one line of OpenSSH.
pub(super) fn public(path: &Path) -> Result<String, EnvironmentError> {
    let path = public_path(path);
    let text = fs::read_to_string(&path).map_err(file("reading", &path))?;
    Ok(text.trim_end().to_owned())
}

fn public_path(path: &Path) -> PathBuf {
    path.with_extension("pub")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator");
        ensure(&path).unwrap();
        let first = public(&path).unwrap();
        ensure(&path).unwrap();
        assert_eq!(public(&path).unwrap(), first);
        assert!(first.starts_with("ssh-ed25519 "));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
