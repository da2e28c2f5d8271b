//! What every role renders from, looked up once.

use super::{
    LowerError,
    components::{self, Images},
    images::Storage,
    minor::{self, Minor},
    packages::Installing,
    programs::Programs,
};
use crate::{
    bundle::Lock,
    profile::{Profile, Settings},
    resource::{Image, Object, Resource},
    spec::Spec,
};

/// Everything that texts are made of and that does not differ between nodes.
#[derive(Debug)]
pub(super) struct Common<'a> {
    pub(super) spec: &'a Spec,
    /// What hosts of these nodes are.
    pub(super) profile: &'a Profile,
    pub(super) settings: &'a Settings,
    pub(super) minor: &'static Minor,
    pub(super) programs: Programs,
    pub(super) images: Images,
    /// What a person brings, and the platform.
    pub(super) brought: Vec<Object>,
    /// Where nodes pull images from, where they do.
    pub(super) storage: Option<Storage>,
    pub(super) packages: Installing,
}

/// Forward secrecy and authenticated encryption only: what TLS 1.2 still offers of the strength of 1.3, with names of
/// [Go's list](https://pkg.go.dev/crypto/tls#pkg-constants).
pub(super) const CIPHERS: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// A connection whose other end fell silent is given up after 10 s and 5 s more: well before the 40 s after which the
/// control plane takes a node for lost. client-go's own 30 s and 15 s are not.
pub(super) const HTTP2_HEALTH: &str = "Environment=HTTP2_READ_IDLE_TIMEOUT_SECONDS=10 HTTP2_PING_TIMEOUT_SECONDS=5";

impl<'a> Common<'a> {
    /// Looks up what all roles need, on nodes of this profile.
    ///
    /// # Errors
    /// A version of Kubernetes that FMP can't write for, or a bundle without something that is needed.
    pub(super) fn new(spec: &'a Spec, profile: &'a Profile, lock: &Lock) -> Result<Self, LowerError> {
        let minor = minor::of(spec.kubernetes).ok_or(LowerError::Minor { wanted: spec.kubernetes })?;
        minor.check(spec.kubernetes, lock)?;
        let brought = components::brought(spec);
        let (programs, images) = (Programs::read(spec, lock)?, Images::read(spec, lock, &brought)?);
        let storage = Storage::read(spec, lock)?;
        let packages = Installing::read(spec, lock)?;
        let settings = &profile.settings;
        Ok(Self { spec, profile, settings, minor, programs, images, brought, storage, packages })
    }

    /// An image of the bundle as it comes to a node.
    pub(super) fn on_a_node(&self, image: &Image) -> Resource {
        Resource::Image(self.storage.as_ref().map_or_else(|| image.clone(), |storage| storage.pulled(image)))
    }

    /// `OOMScoreAdjust=` for a unit that must outlive pods, where the host's root may lower scores at all.
    pub(super) fn out_of_memory(&self, score: i16) -> Option<String> {
        (!self.settings.restrict_oom_score_adj).then(|| format!("OOMScoreAdjust={score}"))
    }
}
