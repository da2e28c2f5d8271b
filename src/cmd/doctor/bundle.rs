//! `fmp doctor --bundle`: what support asks for, in one file, without secrets.
//!
//! Everything is text, and every text goes through [`scrubbed`] on its only way in.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use fmp_core::observed::Observed;
use fmp_plan::{Plan, doctor::Ailment};
use miette::IntoDiagnostic as _;

use super::{journals, scrub::scrubbed};
use crate::{
    cli::{Format, Places},
    cmd::{apply, plan, status},
    output,
    session::{Reach, Session},
};

/// Only whoever collected it reads it: it names hosts, addresses and versions.
const PRIVATE: u32 = 0o600;

/// What was found before.
pub(super) struct Seen<'a> {
    pub(super) observed: &'a Observed,
    pub(super) plan: &'a Plan,
    pub(super) ailments: &'a [Ailment],
}

/// Collects everything and writes it to `path`, whole or not at all.
pub(super) async fn collect(
    places: &Places,
    session: &Session,
    reach: &Reach,
    seen: &Seen<'_>,
    path: &Path,
) -> miette::Result<()> {
    let mut bundle = Bundle::default();
    bundle.add("about.txt", &about(session));
    bundle.add("cluster.toml", &crate::session::read(&places.file)?);
    bundle.add("bundle.lock", &crate::session::read(&places.lock_path())?);
    seen.add_to(&mut bundle, session)?;
    if let Some(Ok(journal)) = apply::journal_path(session).map(std::fs::read) {
        bundle.add("apply.jsonl", &String::from_utf8_lossy(&journal));
    }
    for (node, text) in journals::read(session, reach).await? {
        bundle.add_parts(&format!("hosts/{node}.log"), journals::units(&text));
    }
    let (folder, now) = (format!("fmp-{}", session.spec.name), seen.observed.now);
    output::whole(path, Some(PRIVATE), |out| bundle.write(&folder, now, out))?;
    output::note(&format!("{} holds {} files; read it before it leaves the house", path.display(), bundle.0.len()));
    Ok(())
}

impl Seen<'_> {
    fn add_to(&self, bundle: &mut Bundle, session: &Session) -> miette::Result<()> {
        let Self { observed, plan, ailments } = self;
        bundle.add("observed.json", &serde_json::to_string_pretty(observed).into_diagnostic()?);
        bundle.add("plan.txt", &plan::shown(plan, Format::Text)?);
        bundle.add("plan.json", &plan::shown(plan, Format::Json)?);
        bundle.add("doctor.txt", &super::told(ailments));
        bundle.add("doctor.json", &serde_json::to_string_pretty(ailments).into_diagnostic()?);
        bundle.add("status.txt", &status::told(&session.spec, observed).0);
        Ok(())
    }
}

fn about(session: &Session) -> String {
    let mut text = format!(
        "Collected by `fmp doctor --bundle`, version {}. Secrets were taken out: each left the word [removed].\n\n\
         cluster {}, Kubernetes {}\nbundle {}\n",
        env!("CARGO_PKG_VERSION"),
        session.spec.name,
        session.spec.kubernetes,
        session.lock.digest()
    );
    for entry in session.lock.entries() {
        _ = writeln!(text, "{} {}", entry.name, entry.version);
    }
    text
}

/// Texts, by the name of their file.
#[derive(Debug, Default)]
struct Bundle(BTreeMap<String, String>);

impl Bundle {
    fn add(&mut self, name: &str, text: &str) {
        self.0.insert(name.to_owned(), scrubbed(text));
    }

    /// Parts that have nothing to do with each other: half a key in one takes nothing out of another.
    fn add_parts<'a>(&mut self, name: &str, parts: impl Iterator<Item = &'a str>) {
        self.0.insert(name.to_owned(), parts.map(scrubbed).collect());
    }

    /// As a tar in gzip, all in one folder, of the moment `now`.
    fn write(&self, folder: &str, now: i64, out: &mut dyn Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
        for (name, text) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(PRIVATE);
            header.set_mtime(u64::try_from(now).unwrap_or_default());
            archive.append_data(&mut header, format!("{folder}/{name}"), text.as_bytes())?;
        }
        archive.into_inner()?.finish().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// Words that are secret, each in the dress in which it could come in.
    const CANARIES: [&str; 11] = [
        "canary-in-a-private-key",
        "canary-of-the-encryption",
        "abcdef.canary0123456789",
        "canary-of-a-password",
        "eyJjYW5hcnkiOiJpbi1hLXRva2VuIn0.canarycanarycanary.c",
        "canary-in-an-address",
        "LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCmNhbmFyeQ",
        "Y2FuYXJ5LWluLWEtU2VjcmV0",
        "canary-in-a-string",
        "canary-of-two words",
        "Y2FuYXJ5OnJlZ2lzdHJ5",
    ];

    fn dirty() -> String {
        let [key, encryption, bootstrap, password, token, address, kubeconfig, data, string, words, registry] =
            CANARIES;
        let begin = concat!("-----BEG", "IN EC PRIVATE KEY-----");
        format!(
            "before\n{begin}\n{key}\n-----END EC PRIVATE KEY-----\nsecretbox:\n  keys:\n  - name: key1\n    secret: \
             {encryption}\njoin with {bootstrap} now\npassword={password}\nAuthorization: Bearer {token}\n\
             HTTPS_PROXY=http://me:{address}@proxy:3128\n    client-key-data: {kubeconfig}\n\
             {{\"kind\":\"Secret\",\"data\":{{\"a\":\"{data}\"}}}}\n---\nkind: Secret\nstringData:\n  a: {string}\n---\n\
             passphrase: \"{words}\"\n{{\"auths\":{{\"here\":{{\"auth\":\"{registry}\"}}}}}}\nafter\n"
        )
    }

    /// Name and text of every file in an archive.
    fn unpacked(bytes: &[u8]) -> Vec<(String, String)> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
        let read = |entry: io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            assert_eq!(entry.header().mode().unwrap(), PRIVATE);
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (name, text)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn no_secret_gets_into_any_file_of_it() {
        let mut bundle = Bundle::default();
        bundle.add("plain.txt", &dirty());
        bundle.add("text.json", &serde_json::to_string(&[dirty()]).unwrap());
        let twice = serde_json::to_string(&[serde_json::to_string(&[dirty()]).unwrap()]).unwrap();
        bundle.add("text-in-text.json", &twice);
        let mut bytes = Vec::new();
        bundle.write("fmp-lab", 0, &mut bytes).unwrap();
        let files = unpacked(&bytes);
        assert_eq!(files.len(), 3);
        for (name, text) in files {
            assert!(name.starts_with("fmp-lab/"), "{name}");
            for canary in CANARIES {
                assert!(!text.contains(canary), "{name} holds {canary}:\n{text}");
            }
            assert!(text.contains("before") && text.contains("after") && text.contains("proxy:3128"), "{text}");
            assert!(!name.ends_with("json") || serde_json::from_str::<Vec<String>>(&text).is_ok(), "{name}: {text}");
        }
    }
}
