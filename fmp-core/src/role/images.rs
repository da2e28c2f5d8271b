//! Where nodes pull images from: the image storage, a registry on a machine of its own, that only FMP fills and nodes only
//! read; or somebody else's registry that has the same.
//!
//! Images get there as files that the registry then serves, so nobody needs a right to write over the network, and the
//! registry has that switched off. A repository's name begins with the registry that its images are from. Each node's
//! runtime asks this storage first and then that registry. Read [`add`] first.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    LowerError,
    common::Common,
    node,
    paths::{self, key},
    pki::{Pair, Subject, local_names},
    programs::{self, REGISTRY},
    recipe::{Recipe, ThisNode},
    service::{Ready, Service, ServiceKind, restart},
};
use crate::{
    bundle::{Kind, Lock},
    resource::{Authority, Holding, Image, ImageName, Resource, Stored, Way},
    spec::{IMAGES_PORT, ImageSource, Mirror, Role, Spec},
};

/// Full name of the unit.
pub(super) const UNIT: &str = paths::unit::REGISTRY;

const CONFIG: &str = "/etc/fmp/registry.yaml";

/// What the storage holds, by reference: every image of the bundle.
#[derive(Debug)]
pub(super) struct Storage {
    stored: BTreeMap<Arc<str>, (Image, Stored)>,
    /// How nodes reach it: `ADDRESS:PORT`.
    endpoint: String,
    /// Who signs its certificate.
    trust: Signer,
}

/// Who signs the certificate of what nodes pull from.
#[derive(Debug)]
enum Signer {
    /// The cluster's own authority.
    Ours,
    /// These.
    Theirs(Arc<str>),
    /// Whom each machine trusts anyway.
    Anybody,
}

/// Where the authorities of somebody else's registry lie.
const THEIR_AUTHORITIES: &str = "/etc/fmp/registry-ca.crt";

impl Storage {
    /// What a cluster's storage holds, where it has one.
    ///
    /// # Errors
    /// An image of the bundle can't be stored: its name is not whole, or nobody noted the digest of its manifest.
    pub(super) fn read(spec: &Spec, lock: &Lock) -> Result<Option<Self>, LowerError> {
        let (endpoint, trust) = match (&spec.images, spec.image_storage()) {
            (ImageSource::Bundle, _) | (ImageSource::Storage, None) => return Ok(None),
            (ImageSource::Storage, Some((_, node))) => (format!("{}:{IMAGES_PORT}", node.address), Signer::Ours),
            (ImageSource::Registry(Mirror { host, ca }), _) => {
                let trust = ca.as_ref().map_or(Signer::Anybody, |ca| Signer::Theirs(ca.as_str().into()));
                (host.clone(), trust)
            }
        };
        let mut stored = BTreeMap::new();
        for entry in lock.entries() {
            let Kind::Image(reference) = &entry.kind else { continue };
            let unfit = |why| LowerError::Image { name: entry.name.to_string(), reference: reference.clone(), why };
            let name = ImageName::parse(reference).ok_or_else(|| unfit("its reference names no registry and tag"))?;
            let manifest =
                entry.manifest.ok_or_else(|| unfit("bundle.lock does not say the digest of its manifest"))?;
            let link = paths::stored_image(&name.repository(), &name.tag).into();
            let image = programs::image(lock, entry.name.as_str())?;
            stored.insert(image.reference.clone(), (image, Stored { name, manifest, link }));
        }
        Ok(Some(Self { stored, endpoint, trust }))
    }

    /// An image as a node's runtime gets it from here.
    pub(super) fn pulled(&self, image: &Image) -> Image {
        let stored = self.stored.get(&image.reference);
        let way = stored.map_or(Way::Import, |(_, stored)| Way::Pull { manifest: stored.manifest });
        Image { way, ..image.clone() }
    }

    /// Every reference.
    pub(super) fn references(&self) -> impl Iterator<Item = &str> {
        self.stored.keys().map(|reference| &**reference)
    }

    fn names(&self) -> impl Iterator<Item = &ImageName> {
        self.stored.values().map(|(_, stored)| &stored.name)
    }
}

/// Adds everything that the machine which stores images has.
pub(super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>) {
    let Some(storage) = &common.storage else { return };
    node::ground(recipe, common, Role::Images);
    let program = common.programs.path(REGISTRY);
    let pair = Pair::at("/etc/fmp/registry");
    recipe.certificate(&pair, Authority::Cluster, |node| Subject::server(node.name.as_str(), local_names(node)));
    let (certificate, secret) = (pair.certificate.clone(), pair.key.clone());
    recipe.file_of_each(CONFIG, move |node| config(&certificate, &secret, node));
    let inputs = [program, CONFIG, &pair.certificate, &pair.key].map(restart).into();
    Service {
        name: UNIT,
        about: "The images of the cluster, for its nodes to pull",
        documentation: "https://distribution.github.io/distribution/",
        after: "",
        mounts: paths::IMAGE_STORAGE,
        conditions: Vec::new(),
        kind: ServiceKind::Simple,
        options: hardening(),
        command: vec![program.to_owned(), "serve".to_owned(), CONFIG.to_owned()],
        inputs,
        ready: Ready::Listening(IMAGES_PORT),
    }
    .add(recipe);
    for (image, stored) in storage.stored.values() {
        let image = Image { way: Way::Store(stored.clone()), ..image.clone() };
        let key = recipe.same(&key::stored_image(&image.reference), Resource::Image(image));
        recipe.noted_on_the_ground(&key);
    }
}

/// It reads files and answers on one port. All of this is understood by systemd 239.
fn hardening() -> Vec<String> {
    [
        // It would send traces of what it does to whoever listens here.
        "Environment=OTEL_TRACES_EXPORTER=none",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "PrivateDevices=yes",
        "PrivateTmp=yes",
        "ProtectHome=yes",
        "ProtectSystem=full",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "RestrictNamespaces=yes",
        "RestrictRealtime=yes",
        "LimitNOFILE=1048576",
    ]
    .map(str::to_owned)
    .into()
}

/// Nobody writes over the network: what is not there is brought by FMP.
fn config(certificate: &str, secret: &str, node: &ThisNode<'_>) -> String {
    format!(
        "\
# The images of the cluster. Only FMP adds some, and not over the network.
version: 0.1
log:
  accesslog:
    disabled: true
  level: warn
storage:
  filesystem:
    rootdirectory: {root}
  maintenance:
    readonly:
      enabled: true
    uploadpurging:
      enabled: false
http:
  addr: {address}:{IMAGES_PORT}
  tls:
    certificate: {certificate}
    key: {secret}
    minimumtls: tls1.2
",
        root = paths::IMAGE_STORAGE,
        address = node.node.address,
    )
}

/// Adds to a node's recipe where its runtime looks for images: one file for each registry that images of ours are from. The
/// runtime reads them at each pull, so whatever is pulled, `images` by their keys, needs them.
pub(super) fn add_hosts<'k>(
    recipe: &mut Recipe<'_>,
    storage: &Storage,
    images: impl Iterator<Item = &'k Arc<str>> + Clone,
) {
    let folders: BTreeMap<String, &ImageName> = storage.names().map(|name| (directory(&name.domain), name)).collect();
    for (directory, name) in folders {
        let path = format!("{}/{directory}/hosts.toml", paths::REGISTRY_HOSTS);
        recipe.file(&path, hosts(storage, name));
        images.clone().for_each(|image| recipe.needs(image, &key::file(&path)));
    }
    let trusted = match &storage.trust {
        Signer::Ours => key::trust(Holding::Authority(Authority::Cluster)),
        Signer::Theirs(certificates) => {
            recipe.file(THEIR_AUTHORITIES, certificates.clone());
            key::file(THEIR_AUTHORITIES)
        }
        Signer::Anybody => return,
    };
    images.for_each(|image| recipe.needs(image, &trusted));
}

/// The folder in which containerd looks for a registry: one of two names where it has a port, and this one holds no colon.
fn directory(domain: &str) -> String {
    match domain.split_once(':') {
        Some((host, port)) => format!("{host}_{port}_"),
        None => domain.to_owned(),
    }
}

/// The storage comes first; then, because no `server` is named, the registry itself
/// (<https://github.com/containerd/containerd/blob/v1.7.27/docs/hosts.md>).
fn hosts(storage: &Storage, name: &ImageName) -> String {
    let ca = match storage.trust {
        Signer::Ours => Some(Authority::Cluster.certificate()),
        Signer::Theirs(_) => Some(THEIR_AUTHORITIES),
        Signer::Anybody => None,
    };
    let ca = ca.map_or_else(String::new, |path| format!("  ca = \"{path}\"\n"));
    format!(
        "# Images of {} are stored here. After it that registry itself is asked.\n\
         [host.\"https://{}/v2/{}\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true\n{ca}",
        name.domain,
        storage.endpoint,
        name.folder()
    )
}
