//! `[images]`: where nodes get the images from that they run.

use toml::Spanned;

use super::{
    Role,
    decode::Section,
    problem::{Code, Problem, Sink},
    raw::Raw,
    shapes,
};

/// The TCP port at which images are stored: the one that every registry has by itself.
pub const IMAGES_PORT: u16 = 5000;

/// Where nodes get images from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// The bundle's images are brought to every node; nodes pull whatever else from the registry that its name says.
    Bundle,
    /// The bundle's images are brought to the one machine whose role is `images`; nodes pull them from there.
    Storage,
    /// Somebody else has them in a registry of theirs, and nodes pull them from there.
    Registry(Mirror),
}

/// Somebody else's registry that has the bundle's images, each in a repository that begins with the registry that it is
/// from: `docker.io/library/traefik`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Where it answers by TLS: a host, perhaps with a port.
    pub host: String,
    /// Certificates of the authorities that sign its own, as PEM. None: those that each machine trusts anyway.
    pub ca: Option<String>,
}

/// The words of `images.source`.
#[derive(Clone, Copy)]
enum Word {
    Bundle,
    Storage,
    Registry,
}

/// What the section says.
pub(super) fn decode(mut section: Section<'_>) -> Option<Spanned<ImageSource>> {
    let words = [("bundle", Word::Bundle), ("storage", Word::Storage), ("registry", Word::Registry)];
    let word = section.or("source", Word::Bundle, |value| shapes::choice(value, &words, &[]));
    let source = word.and_then(|word| {
        let place = word.span();
        let source = match word.into_inner() {
            Word::Registry => {
                return mirror(&mut section).map(|mirror| Spanned::new(place, ImageSource::Registry(mirror)));
            }
            Word::Bundle => ImageSource::Bundle,
            Word::Storage => ImageSource::Storage,
        };
        for key in ["registry", "ca"] {
            section.unused(key, "no registry is asked", "write `source = \"registry\"`, or remove the key");
        }
        Some(Spanned::new(place, source))
    });
    // A source that can't be read says nothing about the other keys.
    for key in ["registry", "ca"] {
        section.optional(key, |_| Ok(()));
    }
    section.finish();
    source
}

fn mirror(section: &mut Section<'_>) -> Option<Mirror> {
    let host = section.required("registry", "\"registry.example.org:5000\"", shapes::endpoint);
    let ca = section.optional("ca", shapes::certificates);
    Some(Mirror { host: host?.into_inner(), ca: ca.map(Spanned::into_inner) })
}

/// Notes an image storage without its machine, machines without use, and what such a machine has no use for.
pub(super) fn check(sink: &Sink, raw: &Raw) {
    let is_storage = |role: &Spanned<Role>| *role.get_ref() == Role::Images;
    let mut machines: Vec<_> =
        raw.nodes.iter().filter(|(_, node)| node.role.as_ref().is_some_and(is_storage)).collect();
    machines.sort_by_key(|(_, node)| node.place.start);
    for (name, node) in &machines {
        if let Some(key) = &node.labelled {
            let message = format!("{name} stores images and is no node of Kubernetes: labels have no meaning");
            sink.note(Problem::new(Code::UnusedKey, message, key.clone(), "not used").help("remove the table"));
        }
    }
    let Some(source) = &raw.images else { return };
    match (source.get_ref(), machines.as_slice()) {
        (ImageSource::Bundle | ImageSource::Registry(_), []) | (ImageSource::Storage, [_]) => {}
        (ImageSource::Bundle | ImageSource::Registry(_), [(name, node), ..]) => {
            let message = format!("{name} would store images, and nodes get them from elsewhere");
            let problem = Problem::new(Code::UnusedKey, message, node.place.clone(), "not used");
            let help = "write `source = \"storage\"` under [images], or remove the node";
            sink.note(problem.help(help));
        }
        (ImageSource::Storage, []) => {
            if raw.countable {
                let message = "no machine is there to store images".to_owned();
                let problem = Problem::new(Code::NoImageStorage, message, source.span(), "asked for here");
                sink.note(problem.help("add a table `[nodes.NAME]` with `role = \"images\"`, a machine of its own"));
            }
        }
        (ImageSource::Storage, [(first, one), (second, other), ..]) => {
            let message = format!("{first} and {second} would both store images: one machine does");
            let problem = Problem::new(Code::NoImageStorage, message, other.place.clone(), "one too many");
            let help = "remove one: what nodes must have they keep themselves, so its loss stops nothing that runs";
            sink.note(problem.also(one.place.clone(), "the first").help(help));
        }
    }
}
