//! An image of one static program, made here: the cluster reaches no registry.

use std::{fs, io, path::Path};

use fmp::core::Digest;
use tar::{Builder, EntryType, Header};

/// Its name, which nothing can pull.
pub(crate) const REFERENCE: &str = "fmp.test/who:1";

/// Where it listens.
pub(crate) const PORT: u16 = 8080;

/// Answers with its own host name and the address of whoever asks, as an ingress tells it where there is one between.
const WHO: &str = r#"#!/bin/busybox sh
printf 'Content-Type: text/plain\n\n%s %s\n' "$(busybox hostname)" "${HTTP_X_FORWARDED_FOR:-$REMOTE_ADDR}"
"#;

/// A docker-archive with busybox's web server, as containerd imports it.
pub(crate) fn archive(busybox: &Path) -> Vec<u8> {
    let program = fs::read(busybox).expect("busybox can be read");
    let layer = packed(&[("bin/busybox", &program, 0o755), ("www/cgi-bin/who", WHO.as_bytes(), 0o755)]);
    let layer_digest = Digest::of(&layer);
    let config = serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": ["/bin/busybox", "httpd", "-f", "-vv", "-h", "/www", "-p", format!("0.0.0.0:{PORT}")],
            "Env": ["PATH=/bin"],
        },
        "rootfs": { "type": "layers", "diff_ids": [layer_digest.to_string()] },
    });
    let config = config.to_string().into_bytes();
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let layer_name = format!("{}/layer.tar", layer_digest.hex());
    let manifest = serde_json::json!([{ "Config": config_name, "RepoTags": [REFERENCE], "Layers": [layer_name] }]);
    let manifest = manifest.to_string().into_bytes();
    packed(&[(&config_name, &config, 0o644), (&layer_name, &layer, 0o644), ("manifest.json", &manifest, 0o644)])
}

/// A tar archive of these files and the folders above them.
fn packed(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, content, mode) in files {
        for (end, _) in path.match_indices('/') {
            append(&mut tar, &path[..=end], EntryType::Directory, &[], 0o755);
        }
        append(&mut tar, path, EntryType::Regular, content, *mode);
    }
    tar.into_inner().expect("memory takes what is written")
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, content: &[u8], mode: u32) {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(u64::try_from(content.len()).expect("a program is not that large"));
    header.set_path(path).expect("the path is short");
    header.set_cksum();
    tar.append(&header, io::Cursor::new(content)).expect("memory takes what is written");
}
