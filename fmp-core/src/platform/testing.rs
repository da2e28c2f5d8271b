//! A small archive, and clusters that have it, for tests.

use std::fmt::Write as _;

use super::{Archive, ArchiveFiles, DESCRIPTION};
use crate::{
    Digest,
    manifest::ManifestFile,
    profile::Profiles,
    spec::{self, Beside, Problems, Spec},
};

pub(crate) const DESCRIBED: &str = r#"schema = 1
title = "stand-in"
version = "23.12"
namespace = "fmp"
manifests = "manifests/platform"
entrance = { service = "web", port = 80 }

[images]
"images/db.tar" = "fmp.local/db:1"

[databases.db]
kind = "postgresql"
workload = "StatefulSet/fmp/db"
manifests = "manifests/db"
service = "db"
port = 5432
copies = 3
voters = 3

[secrets.db]
keys = ["superuser"]
"#;

pub(crate) const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: fmp}
spec: {ports: [{port: 80}]}
";

pub(crate) const DB: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: fmp}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: db}}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: db}}}
      containers: [{name: db, image: 'fmp.local/db:1'}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: db, namespace: fmp}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: db}}}
";

/// An archive of these texts, each listed as it is.
pub(crate) fn files(description: &str, web: &str, db: &str) -> ArchiveFiles {
    let file = |name: &str, text: &str| ManifestFile { name: name.to_owned(), text: text.to_owned() };
    let manifests = vec![file("manifests/db/db.yaml", db), file("manifests/platform/web.yaml", web)];
    let listed = manifests.iter().map(|file| (file.name.as_str(), Digest::of(&file.text)));
    let listed = listed.chain([(DESCRIPTION, Digest::of(description)), ("images/db.tar", Digest::of("image"))]);
    let sums = listed.map(|(name, digest)| format!("{}  ./{name}\n", digest.hex())).collect();
    ArchiveFiles { name: "platform".to_owned(), description: description.to_owned(), sums, manifests }
}

pub(crate) fn archive(db: &str) -> Archive {
    Archive::parse(&files(DESCRIBED, WEB, db)).unwrap_or_else(|error| panic!("{error}"))
}

/// A cluster of four work nodes that has `archive`, and these lines more under `[platform]`.
pub(crate) fn spec_with(archive: Archive, works: u8, lines: &str) -> Result<Spec, Problems> {
    let mut text = "[cluster]\nname = 'lab'\nkubernetes = '1.29.15'\n[environment]\nkind = 'local'\n".to_owned();
    text += "[nodes.main-1]\nrole = 'main'\naddress = '198.18.0.11'\n";
    for at in 1..=works {
        writeln!(text, "[nodes.work-{at}]\nrole = 'work'\naddress = '198.18.0.{}'", 20 + at).unwrap();
    }
    write!(text, "[platform]\narchive = 'platform'\ninstallation = 'a-1'\n{lines}").unwrap();
    let files = ["fmp.prm", "tls.crt", "tls.key"].map(|name| (name.to_owned(), Digest::of(name)));
    let beside = Beside { archive: Some(("platform".to_owned(), archive)), files: files.into(), ..Beside::default() };
    spec::parse_with("cluster.toml", &text, &Profiles::shipped(), &beside)
}
