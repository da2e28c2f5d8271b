//! Archives that are right, archives that are wrong, and what becomes of them.

use super::{
    testing::{DB, DESCRIBED, WEB, archive, files, spec_with},
    *,
};
use crate::spec::{Code, Problem, Problems};

fn platform(lines: &str) -> Platform {
    let spec = spec_with(archive(DB), 4, lines).unwrap_or_else(|problems| panic!("{problems:?}"));
    spec.platform.expect("it is wanted")
}

fn codes(problems: &Problems) -> Vec<Code> {
    problems.iter().map(Problem::code).collect()
}

const ALL: &str = "domain = 'fmp.example.org'\nlicence = 'fmp.prm'\n\
                   tls = { certificate = 'tls.crt', key = 'tls.key' }\n";

#[test]
fn fmp_adds_what_no_archive_can_know() {
    let objects = platform(ALL).objects();
    let keys: Vec<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    let wanted = [
        "ConfigMap/fmp/fmp-installation",
        "Ingress/fmp/fmp",
        "Namespace//fmp",
        "PodDisruptionBudget/fmp/db",
        "Secret/fmp/db",
        "Secret/fmp/fmp-licence",
        "Secret/fmp/fmp-tls",
        "Service/fmp/web",
        "StatefulSet/fmp/db",
    ];
    assert_eq!(keys, wanted);
    let text = |key: &str| objects.iter().find(|object| object.key == key).unwrap().tree().line();
    assert!(text("ConfigMap/fmp/fmp-installation").contains(r#""identifier":"a-1""#));
    assert!(text("Secret/fmp/db").contains(r#""superuser":"@random superuser@""#));
    assert!(text("Secret/fmp/fmp-tls").contains(&format!(r#""tls.key":"@file {}@""#, Digest::of("tls.key"))));
    let ingress = text("Ingress/fmp/fmp");
    assert!(ingress.contains(r#""host":"fmp.example.org""#) && ingress.contains(r#""secretName":"fmp-tls""#));
}

#[test]
fn a_platform_without_a_domain_has_no_entrance() {
    let keys: Vec<String> = platform("").objects().into_iter().map(|object| object.key).collect();
    assert!(!keys.iter().any(|key| key.starts_with("Ingress") || key.contains("fmp-tls")), "{keys:?}");
}

#[test]
fn a_database_that_somebody_else_runs_is_found_by_its_service() {
    let named = platform("databases.db.external = 'db.example.org:5432'\n").objects();
    assert!(!named.iter().any(|object| object.kind() == "StatefulSet"));
    let service = named.iter().find(|object| object.key == "Service/fmp/db").unwrap();
    assert!(service.tree().line().contains(r#""externalName":"db.example.org""#));
    let addressed = platform("databases.db.external = '192.0.2.9:6432'\n").objects();
    let slice = addressed.iter().find(|object| object.kind() == "EndpointSlice").unwrap().tree().line();
    assert!(slice.contains("192.0.2.9") && slice.contains("6432"), "{slice}");
}

#[test]
fn what_does_not_agree_is_told_at_its_place() {
    let codes_of = |lines| codes(&spec_with(archive(DB), 4, lines).unwrap_err());
    // A name has no port of its own.
    assert_eq!(codes_of("databases.db.external = 'db.example.org:6432'\n"), [Code::BadPlatform]);
    assert_eq!(codes_of("databases.queue.external = 'db.example.org:5432'\n"), [Code::BadPlatform]);
    assert_eq!(codes_of("databases.db.external = 'nowhere'\n"), [Code::BadText]);
    assert_eq!(codes_of("licence = 'other.prm'\n"), [Code::BadPlatform]);
    assert_eq!(codes_of("tls = { certificate = 'tls.crt', key = 'tls.key' }\n"), [Code::UnusedKey]);
    assert_eq!(codes_of("tls = { certificate = 'tls.crt' }\n"), [Code::MissingKey]);
}

#[test]
fn an_archive_that_brings_what_fmp_makes_is_refused() {
    let mine =
        format!("{DB}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {INSTALLATION}, namespace: fmp}}\n");
    let problems = spec_with(archive(&mine), 4, "").unwrap_err();
    assert_eq!(codes(&problems), [Code::BadPlatform]);
    let told = problems.iter().next().unwrap().to_string();
    assert!(told.contains("brings ConfigMap/fmp/fmp-installation, which FMP makes itself"), "{told}");
}

#[test]
fn there_is_one_work_node_more_than_copies() {
    assert_eq!(codes(&spec_with(archive(DB), 3, "").unwrap_err()), [Code::TooFewWorkers]);
    assert!(spec_with(archive(DB), 4, "").is_ok());
    // Somebody else's copies stand elsewhere.
    assert!(spec_with(archive(DB), 3, "databases.db.external = 'db.example.org:5432'\n").is_ok());
}

#[test]
fn other_content_than_listed_is_refused() {
    let refused = |change: fn(&mut ArchiveFiles)| {
        let mut files = files(DESCRIBED, WEB, DB);
        change(&mut files);
        Archive::parse(&files).unwrap_err().to_string()
    };
    assert_eq!(
        refused(|files| files.manifests[0].text.push('\n')),
        "manifests/db/db.yaml has another content than SHA256SUMS says"
    );
    assert_eq!(refused(|files| files.description.push('\n')), "platform.toml has another content than SHA256SUMS says");
    assert_eq!(
        refused(|files| files.manifests[1].name = "manifests/platform/mine.yaml".to_owned()),
        "manifests/platform/mine.yaml is not listed in SHA256SUMS"
    );
    assert_eq!(
        refused(|files| drop(files.manifests.pop())),
        "manifests/platform/web.yaml is listed in SHA256SUMS and is not there"
    );
    assert_eq!(
        refused(|files| files.sums.push_str("0  a\n")),
        "line 5 of SHA256SUMS is no line of sha256sum for a file of this folder"
    );
}

#[test]
fn an_archive_that_contradicts_itself_is_refused() {
    let refused =
        |from: &str, to: &str| Archive::parse(&files(&DESCRIBED.replace(from, to), WEB, DB)).unwrap_err().to_string();
    assert!(refused("voters = 3", "voters = 2").contains("an even number"));
    assert!(refused("copies = 3", "copies = 2").contains("3 voters and only 2 copies"));
    assert!(refused("fmp/db\"", "fmp/other\"").contains("does not bring StatefulSet/fmp/other"));
    assert!(refused("manifests/db", "manifests/none").contains("there are none"));
    assert!(refused("images/db.tar", "db.tar").contains("images/NAME.tar"));
    assert!(refused("schema = 1", "schema = 2").contains("schema 2"));
    assert!(refused("title", "tilte").starts_with("line 2 of platform.toml"));
    assert!(refused("\"superuser\"", "\"super.user\"").contains("`super.user`"));
    assert!(refused("namespace = \"fmp\"", "namespace = \"other\"").contains("the platform's is other"));
}

#[test]
fn a_database_is_looked_at_for_what_keeps_its_copies_apart() {
    let weaknesses = |from: &str, to: &str| {
        let spec = spec_with(archive(&DB.replace(from, to)), 4, "").unwrap();
        let found = spec.platform.unwrap().weaknesses();
        found.into_iter().map(|(what, _)| what).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(weaknesses("", ""), "");
    assert!(weaknesses("kubernetes.io/hostname", "topology.kubernetes.io/zone").contains("may stand on one node"));
    assert!(weaknesses("matchLabels: {app: db}}}", "matchLabels: {app: web}}}").contains("may stand on one node"));
    assert!(weaknesses("maxUnavailable: 1", "maxUnavailable: 2").contains("fewer than 2 of 3"));
    assert!(weaknesses("maxUnavailable: 1", "minAvailable: 1").contains("fewer than 2 of 3"));
    assert_eq!(weaknesses("maxUnavailable: 1", "minAvailable: 2"), "");
    assert!(weaknesses("kind: PodDisruptionBudget", "kind: ResourceQuota").contains("no PodDisruptionBudget"));
    assert!(weaknesses("replicas: 3", "replicas: 2").contains("has 2 replicas"));
}

#[test]
fn the_images_of_an_archive_are_known_by_their_content() {
    let files = files(DESCRIBED, WEB, DB);
    let images = images(&files.description, &files.sums).unwrap();
    let image = &images["images/db.tar"];
    assert_eq!((image.artifact.as_str(), image.reference.as_str()), ("platform-db", "fmp.local/db:1"));
    assert_eq!(image.version(), Digest::of("image").short());
}
