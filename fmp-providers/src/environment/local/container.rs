//! A machine that shares the computer's kernel: systemd-nspawn over an overlay on the base.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use fmp_core::NodeName;

use super::{
    EnvironmentError,
    error::file,
    machine::Files,
    mounts,
    network::BRIDGE,
    tool::{self, QUICK, arg},
};

/// Makes its file system on `base` in `folder`, with `files` in it.
pub(super) async fn create(folder: &Path, base: &Path, files: &Files) -> Result<(), EnvironmentError> {
    for part in ["up", "work", "root"] {
        let path = folder.join(part);
        fs::create_dir_all(&path).map_err(file("creating", path))?;
    }
    let base_link = folder.join("base");
    std::os::unix::fs::symlink(base, &base_link).map_err(file("linking", base_link))?;
    mount(folder).await?;
    write(&root(folder), files)
}

/// Mounts its file system over the base, if it is not mounted already.
pub(super) async fn mount(folder: &Path) -> Result<(), EnvironmentError> {
    let root = root(folder);
    if mounts::below(&root)?.contains(&root) {
        return Ok(());
    }
    let base_link = folder.join("base");
    let base = fs::read_link(&base_link).map_err(file("reading", base_link))?;
    let [up, work] = ["up", "work"].map(|part| folder.join(part));
    let options = format!("lowerdir={},upperdir={},workdir={}", arg(&base), arg(&up), arg(&work));
    tool::run("mount", &["-t", "overlay", "overlay", "-o", &options, arg(&root)], QUICK).await.map(drop)
}

/// The command that is the machine.
///
/// Without the system-call filter runc fails at "unable to create session key"; without /dev/kmsg kubelet does not start.
pub(super) fn command(folder: &Path, node: &NodeName, name: &str) -> Vec<String> {
    let plain = [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--capability=all",
        "--system-call-filter=@keyring bpf perf_event_open",
        "--bind=/dev/kmsg",
        "--boot",
    ];
    let own = [
        format!("--directory={}", arg(&root(folder))),
        format!("--machine={name}"),
        format!("--hostname={node}"),
        format!("--network-bridge={BRIDGE}"),
    ];
    plain.into_iter().map(str::to_owned).chain(own).collect()
}

fn root(folder: &Path) -> PathBuf {
    folder.join("root")
}

fn write(root: &Path, files: &Files) -> Result<(), EnvironmentError> {
    let ssh = root.join("root/.ssh");
    fs::create_dir_all(&ssh).map_err(file("creating", &ssh))?;
    for (path, mode, content) in files {
        let path = root.join(path);
        // One of the base has a mode of its own.
        let _ = fs::remove_file(&path);
        let created = fs::OpenOptions::new().write(true).create_new(true).mode(*mode).open(&path);
        created.and_then(|mut to| std::io::Write::write_all(&mut to, content)).map_err(file("writing", &path))?;
    }
    Ok(())
}
