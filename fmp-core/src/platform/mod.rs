//! The platform's archive: what the installation of FMP itself consists of, as objects of the API and images.
//!
//! Owns the shape of an archive, what must be true of it, and the objects that FMP adds to those it brings. An archive is a
//! folder: `platform.toml` describes it, `SHA256SUMS` names every other file by its content, `images/` holds image archives,
//! `manifests/` folders of YAML. Knows nothing of folders on disks, which the caller reads. Read [`Archive::parse`] first.

mod decode;
mod objects;
mod rules;
mod sums;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::Ipv4Addr};

pub use decode::{ArchiveError, images};
pub use objects::{CONTENT_END, FILE, INSTALLATION, RANDOM};
pub use sums::Sums;

use crate::{Digest, bundle::ArtifactName, manifest::ManifestFile, resource::Object};

/// The file that describes an archive.
pub const DESCRIPTION: &str = "platform.toml";

/// The file that names the content of every other one, as `sha256sum` writes it.
pub const SUMS: &str = "SHA256SUMS";

/// The files of an archive that are read whenever a cluster's file is; what is large stays where it is.
#[derive(Debug, Clone)]
pub struct ArchiveFiles {
    /// What people call the archive: its path.
    pub name: String,
    /// The content of [`DESCRIPTION`].
    pub description: String,
    /// The content of [`SUMS`].
    pub sums: String,
    /// Every file below `manifests/`, by its path in the archive.
    pub manifests: Vec<ManifestFile>,
}

/// What an archive brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// What it calls itself.
    pub title: String,
    /// The platform's version.
    pub version: String,
    /// The namespace of everything that it brings.
    pub namespace: String,
    /// What answers requests for the platform's domain.
    pub entrance: Option<WebEntrance>,
    /// Its images, by their file in the archive.
    pub images: BTreeMap<String, ArchivedImage>,
    /// Its databases, each a set of copies, by name.
    pub databases: BTreeMap<String, DatabaseSet>,
    /// Secrets that are made once, with random content: their keys, by name.
    pub secrets: BTreeMap<String, Vec<String>>,
    /// What it brings besides databases, in order of keys.
    pub objects: Vec<Object>,
    /// Digest of everything above.
    pub digest: Digest,
}

/// A Service that requests for the platform's domain go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebEntrance {
    /// Its name.
    pub service: String,
    /// Its port.
    pub port: u16,
}

/// An image in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedImage {
    /// The name that bundles know it by.
    pub artifact: ArtifactName,
    /// The reference that pods ask for.
    pub reference: String,
    /// The SHA-256 of its file, as [`SUMS`] has it.
    pub digest: Digest,
}

impl ArchivedImage {
    /// What a bundle's lock calls its version: its content, in short.
    pub fn version(&self) -> String {
        self.digest.short()
    }
}

/// A database with copies on several nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseSet {
    /// What it is, for people: `postgresql`.
    pub kind: String,
    /// The object that makes its pods, by key.
    pub workload: String,
    /// The Service that its clients ask.
    pub service: String,
    /// That Service's port.
    pub port: u16,
    /// How many copies there are.
    pub copies: u32,
    /// How many of them vote on who leads. Odd.
    pub voters: u32,
    /// What it is made of, in order of keys.
    pub objects: Vec<Object>,
}

/// The platform as a person wants it: an archive, and what it can't know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// The archive's folder, as the file names it.
    pub path: String,
    /// What it brings.
    pub archive: Archive,
    /// The installation identifier: a licence is bound to it.
    pub installation: String,
    /// The host name that clients ask for.
    pub domain: Option<String>,
    /// The licence file.
    pub licence: Option<FileBeside>,
    /// The certificate that the domain is served with, and its key.
    pub tls: Option<Tls>,
    /// Databases that somebody else runs, by the name of the set whose place they take.
    pub external: BTreeMap<String, Server>,
}

/// A file beside the cluster's file whose content is known by its digest only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileBeside {
    /// Its path, as the file names it.
    pub path: String,
    /// The SHA-256 of its content.
    pub digest: Digest,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those between it and its authority, as PEM.
    pub certificate: FileBeside,
    /// Its private key, as PEM.
    pub key: FileBeside,
}

/// Where somebody else's service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its host.
    pub host: ServerHost,
    /// Its port.
    pub port: u16,
}

/// How a server is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerHost {
    /// By a name of DNS.
    Name(String),
    /// By its address.
    Address(Ipv4Addr),
}

impl Platform {
    /// Every object of the installation, in order of keys: the archive's, without the databases that are somebody else's,
    /// and FMP's own.
    pub fn objects(&self) -> Vec<Object> {
        objects::all(self)
    }

    /// The databases that run here.
    pub fn own_databases(&self) -> impl Iterator<Item = (&String, &DatabaseSet)> {
        self.archive.databases.iter().filter(|(name, _)| !self.external.contains_key(*name))
    }

    /// What keeps a database from outliving the loss of a node: one sentence and its remedy each.
    pub fn weaknesses(&self) -> Vec<(String, String)> {
        self.own_databases().flat_map(|(name, set)| rules::weaknesses(name, set)).collect()
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            ServerHost::Name(name) => write!(f, "{name}:{}", self.port),
            ServerHost::Address(address) => write!(f, "{address}:{}", self.port),
        }
    }
}
