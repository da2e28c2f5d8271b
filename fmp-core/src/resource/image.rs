//! Container images that must be there before any registry is reached.

use std::sync::Arc;

use super::Text;
use crate::Digest;

/// An image in a node's runtime, pinned so that it is never collected; or in the storage that nodes pull from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Full reference: `registry.k8s.io/pause:3.9`.
    pub reference: Arc<str>,
    /// Digest of the archive in the bundle.
    pub archive: Digest,
    /// Size of the archive in bytes.
    pub bytes: u64,
    /// How it comes to be there.
    pub way: Way,
}

/// How an image comes to be where it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Its archive is brought to the node, and its runtime imports it.
    Import,
    /// The node's runtime pulls the manifest with this digest.
    Pull {
        /// The manifest.
        manifest: Digest,
    },
    /// Its archive is brought to the machine that stores images.
    Store(Stored),
}

/// An image in the storage, as its registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What its registry calls it.
    pub name: ImageName,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The file that is written last: it says which manifest the tag is.
    pub link: Arc<str>,
}

impl Stored {
    /// What [`link`](Self::link) holds.
    pub fn tagged(&self) -> Text {
        Text::new(self.manifest.to_string())
    }
}

/// A full reference in its parts: a registry's domain, a path there, and a tag
/// ([grammar](https://pkg.go.dev/github.com/distribution/reference)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageName {
    /// The registry, perhaps with a port: `registry.k8s.io`.
    pub domain: Arc<str>,
    /// What follows it: `coredns/coredns`.
    pub path: Arc<str>,
    /// `latest` where none is written.
    pub tag: Arc<str>,
}

impl ImageName {
    /// Reads a full reference. None: it lacks its registry, is by digest, or holds what no registry takes.
    pub fn parse(reference: &str) -> Option<Self> {
        let (domain, rest) = reference.split_once('/')?;
        let (path, tag) = rest.split_once(':').unwrap_or((rest, "latest"));
        let (host, port) = domain.split_once(':').unwrap_or((domain, "1"));
        let of_domain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-');
        let of_path = |c: u8| of_domain(c) || c == b'_';
        let of_tag = |c: u8| of_path(c) || c.is_ascii_uppercase();
        let edges = |text: &str| {
            let plain = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
            plain(text.as_bytes().first()) && plain(text.as_bytes().last())
        };
        let good = host.bytes().all(of_domain)
            && edges(host)
            && (host.contains('.') || domain.contains(':') || host == "localhost")
            && port.parse::<u16>().is_ok_and(|port| port > 0)
            && path.split('/').all(|part| part.bytes().all(of_path) && edges(part))
            && tag.bytes().all(of_tag)
            && tag.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_')
            && tag.len() <= 128;
        good.then(|| Self { domain: domain.into(), path: path.into(), tag: tag.into() })
    }

    /// The repository in our own storage: images of two registries never meet there.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.folder(), self.path)
    }

    /// The domain as a part of a repository's name, which takes no colon. No domain has an underscore.
    pub fn folder(&self) -> String {
        self.domain.replace(':', "_")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_reference_has_a_registry_a_path_and_a_tag() {
        for (reference, repository, tag) in [
            ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause", "3.9"),
            ("docker.io/library/traefik:v3.6.12", "docker.io/library/traefik", "v3.6.12"),
            ("registry.example.org:5000/a/b_c", "registry.example.org_5000/a/b_c", "latest"),
            ("localhost/a:X_1", "localhost/a", "X_1"),
        ] {
            let name = ImageName::parse(reference).unwrap_or_else(|| panic!("{reference}"));
            assert_eq!((name.repository().as_str(), &*name.tag), (repository, tag));
        }
    }

    #[test]
    fn what_names_no_registry_or_leads_astray_is_no_full_reference() {
        for reference in [
            "pause:3.9",
            "library/traefik:v3",
            "docker.io/a@sha256:00",
            "docker.io/../a:1",
            "docker.io/A:1",
            "docker.io//a:1",
            "docker.io/a:",
            "docker.io:x/a:1",
            "docker.io/a/:1",
            "docker.io/a:../b",
            "x.y_5/a:1",
        ] {
            assert_eq!(ImageName::parse(reference), None, "{reference}");
        }
    }
}
