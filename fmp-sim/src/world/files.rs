//! Files, and what may be seen of them.

use std::sync::Arc;

use fmp_core::{
    Digest,
    observed::{Certificate, FileSeen},
};

use serde::{Deserialize, Serialize};

use super::{World, host::Host};

/// What a text may measure to come back with an observation, in bytes.
const TEXT_LIMIT: u64 = 64 << 10;

/// One file, owned by root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) content: Content,
    /// Taken once, when the file is written: observations ask for it again and again.
    digest: Option<Digest>,
    pub(crate) mode: u32,
    /// What `stat` says, where the file is the image of a real one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stat: Option<Arc<str>>,
    /// Another one for each file that was ever written, as a rename gives it: inode and time in one.
    pub(crate) written: u64,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Content {
    Text(Arc<str>),
    Program {
        digest: Digest,
        bytes: u64,
    },
    Certificate(Box<Certificate>),
    /// Two secrets are equal exactly when their numbers are.
    Secret(u64),
}

impl Content {
    fn digest(&self) -> Option<Digest> {
        match self {
            Self::Text(text) => Some(Digest::of(text.as_bytes())),
            Self::Program { digest, .. } => Some(*digest),
            Self::Certificate(certificate) => Some(Digest::of(format!("{certificate:?}"))),
            Self::Secret(_) => None,
        }
    }
}

impl File {
    pub(crate) fn new(content: Content, mode: u32, written: u64) -> Self {
        Self { digest: content.digest(), content, mode, stat: None, written }
    }

    /// The image of a real file: whatever it holds here, it is known by the same digest and the same `stat`.
    pub(crate) fn looking_as(mut self, seen: &FileSeen) -> Self {
        self.digest = seen.digest.filter(|_| !matches!(self.content, Content::Secret(_)));
        self.stat = Some(seen.stat.as_str().into());
        self
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Program { .. } | Content::Certificate(_) | Content::Secret(_) => None,
        }
    }

    /// The same for whoever changes the host meanwhile.
    pub(crate) fn shared_text(&self) -> Option<Arc<str>> {
        match &self.content {
            Content::Text(text) => Some(text.clone()),
            Content::Program { .. } | Content::Certificate(_) | Content::Secret(_) => None,
        }
    }

    /// None for a secret, whose plain digest is never taken.
    pub(crate) const fn digest(&self) -> Option<Digest> {
        self.digest
    }

    pub(crate) fn bytes(&self) -> u64 {
        match &self.content {
            Content::Text(text) => text.len() as u64,
            Content::Program { bytes, .. } => *bytes,
            // About what a certificate and a key on P-256 measure.
            Content::Certificate(_) => 1_024,
            Content::Secret(_) => 241,
        }
    }

    /// Device, inode, size, mtime and ctime.
    pub(crate) fn stat(&self) -> String {
        if let Some(stat) = &self.stat {
            return stat.to_string();
        }
        let written = self.written;
        format!("2049 {written} {} {written}.000000000 {written}.000000000", self.bytes())
    }

    /// As a host describes it to somebody who wants `wanted`.
    pub(crate) fn seen(&self, wanted: Option<&Digest>) -> FileSeen {
        let digest = self.digest();
        let differs = wanted.is_some_and(|wanted| digest != Some(*wanted)) && self.bytes() <= TEXT_LIMIT;
        FileSeen {
            digest,
            mode: self.mode,
            owner: "0:0".to_owned(),
            bytes: self.bytes(),
            stat: self.stat(),
            text: self.text().filter(|_| differs).map(str::to_owned),
        }
    }
}

impl World {
    /// Puts a file onto a host as a rename does: it is a new one, whole.
    pub(crate) fn put(&mut self, node: &str, path: &str, content: Content, mode: u32) {
        if !self.stroke() {
            return;
        }
        let written = self.next();
        if let Some(host) = self.hosts.get_mut(node) {
            host.put(path, File::new(content, mode, written));
        }
    }
}

impl Host {
    /// What stands at a path, as a ledger writes it.
    pub(crate) fn previous(&self, path: &str) -> String {
        let digest = |file: &File| file.digest().map_or_else(|| "a secret".to_owned(), |digest| digest.to_string());
        self.files.get(path).map_or_else(|| "absent".to_owned(), digest)
    }
}
