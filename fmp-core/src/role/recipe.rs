//! Recipes: everything that a role puts on each of its nodes, made once and stamped out per node.
//!
//! Texts, programs and lists of inputs are shared by all nodes; only what names a node is made for each. Keys name
//! parts, so that a role may say what it needs of another before or after that one was written down.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    paths::{self, key},
    pki::{Pair, Subject},
};
use crate::{
    NodeName,
    graph::{Added, Builder},
    net::Cidr,
    resource::{Artifact, Authority, Certificate, File, Holding, Resource, ResourceId, Text, Trust},
    spec::Node,
};

/// What differs between the nodes of a role.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThisNode<'a> {
    pub(super) name: &'a NodeName,
    pub(super) node: &'a Node,
    /// Its part of the pod range.
    pub(super) pods: Option<Cidr>,
}

/// The parts of a role, by key, and what they need of each other.
#[derive(Default)]
pub(super) struct Recipe<'a> {
    parts: BTreeMap<Arc<str>, Make<'a>>,
    needs: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Which part needs which path.
    reads: Vec<(Arc<str>, Arc<str>)>,
    /// Which part brings a path.
    brings: BTreeMap<Arc<str>, Arc<str>>,
}

/// How a part comes to a node.
enum Make<'a> {
    /// The same everywhere.
    Same(Resource),
    /// Different on each node.
    Each(Box<dyn Fn(&ThisNode<'_>) -> Resource + 'a>),
}

impl<'a> Recipe<'a> {
    /// Adds a part that is the same on every node.
    pub(super) fn same(&mut self, key: &str, resource: Resource) -> Arc<str> {
        self.add(key, Make::Same(resource))
    }

    /// Adds a part that differs between nodes.
    pub(super) fn each(&mut self, key: &str, make: impl Fn(&ThisNode<'_>) -> Resource + 'a) -> Arc<str> {
        self.add(key, Make::Each(Box::new(make)))
    }

    /// Adds a file that anybody may read.
    pub(super) fn file(&mut self, path: &str, text: impl Into<Arc<str>>) {
        self.file_with_mode(path, 0o644, text);
    }

    /// Adds a file.
    pub(super) fn file_with_mode(&mut self, path: &str, mode: u32, text: impl Into<Arc<str>>) {
        let file = File { path: path.into(), mode, content: Text::new(text) };
        let key = self.same(&key::file(path), Resource::File(file));
        self.on_the_ground(&key, [path]);
    }

    /// Adds a file whose text differs between nodes.
    pub(super) fn file_of_each(&mut self, path: &str, text: impl Fn(&ThisNode<'_>) -> String + 'a) {
        let shared: Arc<str> = path.into();
        let key = self.each(&key::file(path), move |node| {
            Resource::File(File { path: shared.clone(), mode: 0o644, content: Text::new(text(node)) })
        });
        self.on_the_ground(&key, [path]);
    }

    /// Adds a program.
    pub(super) fn program(&mut self, artifact: &Artifact) {
        let key = self.same(&key::artifact(&artifact.name), Resource::Artifact(artifact.clone()));
        self.on_the_ground(&key, [&*artifact.path]);
    }

    /// Adds something that all holders share.
    pub(super) fn trust(&mut self, trust: Trust) {
        let key = self.same(&key::trust(trust.what), Resource::Trust(trust));
        let private = trust.what.private_path().filter(|_| trust.private);
        let paths: Vec<&str> = trust.what.public_path().into_iter().chain(private).collect();
        self.on_the_ground(&key, paths);
    }

    /// Adds a key pair with a certificate.
    pub(super) fn certificate(
        &mut self,
        pair: &Pair,
        signer: Authority,
        subject: impl Fn(&ThisNode<'_>) -> Subject + 'a,
    ) {
        let shared = pair.clone();
        let key = self.each(&key::certificate(&pair.certificate), move |node| {
            let request = subject(node).signed_by(signer);
            Resource::Certificate(Certificate {
                path: shared.certificate.clone(),
                key_path: shared.key.clone(),
                request,
            })
        });
        self.on_the_ground(&key, [&*pair.certificate, &*pair.key]);
        self.needs(&key, &key::trust(Holding::Authority(signer)));
    }

    /// Says that the part `dependent` needs the part `dependency` before it, on the same node.
    pub(super) fn needs(&mut self, dependent: &str, dependency: &str) {
        self.needs.insert((dependent.into(), dependency.into()));
    }

    /// Says so where there is such a part.
    pub(super) fn needs_if_there(&mut self, dependent: &str, dependency: &str) {
        if self.parts.contains_key(dependent) {
            self.needs(dependent, dependency);
        }
    }

    /// Says that the part `dependent` needs whatever brings `path`.
    pub(super) fn needs_path(&mut self, dependent: &str, path: &str) {
        self.reads.push((dependent.into(), path.into()));
    }

    /// A part that lies on the host's disk: its ledger entry names the cluster, so the cluster's id comes first.
    fn on_the_ground<'p>(&mut self, key: &Arc<str>, paths: impl IntoIterator<Item = &'p str>) {
        let identity = key::trust(Holding::ClusterId);
        if **key != *identity {
            self.needs(key, &identity);
        }
        self.brings.extend(paths.into_iter().map(|path| (path.into(), key.clone())));
    }

    /// Says that the part `key` has an entry in the host's ledger.
    pub(super) fn noted_on_the_ground(&mut self, key: &str) {
        self.on_the_ground(&key.into(), []);
    }

    /// Says that whatever lies in one of `folders` so far needs the part `key` before it.
    pub(super) fn stands_beneath(&mut self, key: &str, folders: &BTreeSet<String>) {
        let lies = |path: &str| folders.iter().any(|folder| paths::is_below(path, folder));
        let above: Vec<Arc<str>> =
            self.brings.iter().filter(|(path, _)| lies(path)).map(|(_, bringer)| bringer.clone()).collect();
        above.iter().for_each(|bringer| self.needs(bringer, key));
    }

    fn add(&mut self, key: &str, make: Make<'a>) -> Arc<str> {
        let key: Arc<str> = key.into();
        let before = self.parts.insert(key.clone(), make);
        assert!(before.is_none(), "`{key}` was written down twice");
        key
    }

    /// The recipe as it is stamped out.
    ///
    /// # Panics
    /// When a part needs a part or a path that is not there, which is a bug of a role.
    pub(super) fn finish(mut self) -> Stamp<'a> {
        for (dependent, path) in std::mem::take(&mut self.reads) {
            let bringer = self.brings.get(&path);
            let bringer = bringer.unwrap_or_else(|| panic!("`{dependent}` reads {path}, which no role brings"));
            self.needs.insert((dependent, bringer.clone()));
        }
        let (keys, makes): (Vec<_>, Vec<_>) = self.parts.into_iter().unzip();
        let at = |key: &Arc<str>| {
            keys.binary_search(key).unwrap_or_else(|_| panic!("a part needs `{key}`, which no role brings"))
        };
        let needs = self.needs.iter().map(|(dependent, dependency)| (at(dependent), at(dependency))).collect();
        Stamp { keys, makes, needs }
    }
}

/// A finished recipe: parts in the order of their keys, edges by position.
pub(super) struct Stamp<'a> {
    keys: Vec<Arc<str>>,
    makes: Vec<Make<'a>>,
    needs: Vec<(usize, usize)>,
}

impl Stamp<'_> {
    /// Adds everything of one node to the graph; the parts in the order of their keys.
    pub(super) fn press(&self, builder: &mut Builder, node: &ThisNode<'_>) -> Vec<Added> {
        let added: Vec<Added> = (self.keys.iter().zip(&self.makes))
            .map(|(key, make)| {
                let resource = match make {
                    Make::Same(resource) => resource.clone(),
                    Make::Each(make) => make(node),
                };
                builder.add(ResourceId::node(node.name, key.clone()), resource)
            })
            .collect();
        for (dependent, dependency) in &self.needs {
            builder.needs(added[*dependent], added[*dependency]);
        }
        added
    }

    /// Where a part stands among those that [`press`](Self::press) adds; `None` where the role has no such part.
    pub(super) fn position(&self, key: &str) -> Option<usize> {
        self.keys.binary_search_by(|other| (**other).cmp(key)).ok()
    }
}
