//! Manifests that a person brings: what needs what among them, and which images their pods need.

use std::collections::{BTreeMap, BTreeSet};

use super::super::objects::CONTROL_PLANE;
use crate::{
    manifest::{self, CRD, SECRET},
    resource::Object,
    tree::Tree,
};

/// Pairs of positions, the later one first: an object needs its namespace, and its kind; pods need their Secrets.
pub(super) fn order(objects: &[Object]) -> Vec<(usize, usize)> {
    let trees: Vec<Tree> = objects.iter().map(Object::tree).collect();
    let spaces: BTreeMap<&str, usize> = positions(objects, "Namespace");
    let kinds: BTreeMap<String, usize> =
        positions(objects, CRD).into_values().filter_map(|at| Some((brings(&trees[at])?, at))).collect();
    let is_pods: Vec<bool> = trees.iter().map(|tree| !pods_of(tree).images.is_empty()).collect();
    let secrets = |space: Option<&str>| {
        let is_secret = |at: &usize| objects[*at].kind() == SECRET && objects[*at].namespace() == space;
        (0..objects.len()).filter(is_secret).collect::<Vec<_>>()
    };
    let needs = |at: usize| {
        let space = objects[at].namespace().and_then(|name| spaces.get(name));
        let kind = kinds.get(objects[at].kind());
        let secrets = if is_pods[at] { secrets(objects[at].namespace()) } else { Vec::new() };
        let earlier = space.into_iter().chain(kind).copied().chain(secrets);
        earlier.map(move |earlier| (at, earlier)).collect::<Vec<_>>()
    };
    (0..objects.len()).flat_map(needs).collect()
}

/// Which objects are of kinds that the API may lack, by kind.
pub(super) fn foreign(objects: &[Object]) -> BTreeMap<String, Vec<usize>> {
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, object) in objects.iter().enumerate().filter(|(_, object)| manifest::is_foreign(object.kind())) {
        kinds.entry(object.kind().to_owned()).or_default().push(at);
    }
    kinds
}

/// The objects of one kind, by name.
fn positions<'a>(objects: &'a [Object], kind: &str) -> BTreeMap<&'a str, usize> {
    let of_kind = objects.iter().enumerate().filter(|(_, object)| object.kind() == kind);
    of_kind.map(|(at, object)| (object.name(), at)).collect()
}

/// The kind that a `CustomResourceDefinition` brings, as keys name it.
fn brings(definition: &Tree) -> Option<String> {
    let group = definition.at(["spec", "group"]).and_then(Tree::text)?;
    let kind = definition.at(["spec", "names", "kind"]).and_then(Tree::text)?;
    Some(manifest::word(&format!("{group}/v1"), kind))
}

/// What an object's pods need.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pods {
    /// References of images.
    pub(super) images: BTreeSet<String>,
    /// Whether they tolerate the taint of mains: then they may run there, too.
    pub(super) tolerant: bool,
}

/// What the pods need that an object makes, at whatever depth it describes them.
pub(super) fn pods(object: &Object) -> Pods {
    pods_of(&object.tree())
}

fn pods_of(tree: &Tree) -> Pods {
    let mut pods = Pods::default();
    look(tree, &mut pods);
    pods
}

fn look(tree: &Tree, pods: &mut Pods) {
    match tree {
        Tree::Map(map) => {
            for containers in ["containers", "initContainers"] {
                let list = map.get(containers).and_then(Tree::list).unwrap_or_default();
                pods.images.extend(list.iter().filter_map(|each| Some(each.get("image")?.text()?.to_owned())));
            }
            let tolerations = map.get("tolerations").and_then(Tree::list).unwrap_or_default();
            pods.tolerant |= tolerations.iter().any(tolerates_mains);
            map.values().for_each(|value| look(value, pods));
        }
        Tree::List(list) => list.iter().for_each(|value| look(value, pods)),
        Tree::Null | Tree::Bool(_) | Tree::Whole(_) | Tree::Fraction(_) | Tree::Text(_) => {}
    }
}

/// A toleration without a key tolerates every taint; most with one say how long a pod may stay on a node that is lost.
fn tolerates_mains(toleration: &Tree) -> bool {
    toleration.get("key").and_then(Tree::text).is_none_or(|key| key.is_empty() || key == CONTROL_PLANE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{ManifestFile, parse};

    fn objects(text: &str) -> Vec<Object> {
        parse(&[ManifestFile { name: "a.yaml".to_owned(), text: text.to_owned() }]).unwrap()
    }

    const ALL: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.example.com}
spec: {group: example.com, names: {kind: Backup}}
---
apiVersion: v1
kind: Namespace
metadata: {name: data}
---
apiVersion: example.com/v1
kind: Backup
metadata: {name: nightly, namespace: data}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: data}
spec:
  template:
    spec:
      tolerations: [{operator: Exists}]
      initContainers: [{name: a, image: 'example.com/a:1'}]
      containers: [{name: b, image: 'example.com/b:1'}, {name: c, image: 'example.com/a:1'}]
";

    #[test]
    fn an_object_comes_after_its_namespace_and_its_kind() {
        let objects = objects(ALL);
        let key = |at: usize| objects[at].key.as_str();
        let order: BTreeSet<_> =
            order(&objects).into_iter().map(|(later, earlier)| (key(later), key(earlier))).collect();
        let (backup, space) = ("Backup.example.com/data/nightly", "Namespace//data");
        let kind = "CustomResourceDefinition//backups.example.com";
        assert_eq!(order, [(backup, kind), (backup, space), ("DaemonSet/data/agent", space)].into());
    }

    #[test]
    fn images_of_all_containers_are_needed() {
        let pods: Vec<Pods> = objects(ALL).iter().map(pods).collect();
        let needed: Vec<&Pods> = pods.iter().filter(|pods| **pods != Pods::default()).collect();
        let images = ["example.com/a:1", "example.com/b:1"].map(str::to_owned).into();
        assert_eq!(needed, [&Pods { images, tolerant: true }]);
    }

    #[test]
    fn who_only_says_how_long_it_stays_on_a_lost_node_needs_nothing_on_mains() {
        let tolerant = |toleration: &str| {
            let text = ALL.replace("{operator: Exists}", toleration);
            objects(&text).iter().map(pods).any(|pods| pods.tolerant)
        };
        assert!(!tolerant("{key: node.kubernetes.io/unreachable, operator: Exists, tolerationSeconds: 20}"));
        assert!(tolerant("{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}"));
        assert!(tolerant("{key: a, operator: Exists}, {operator: Exists}"));
    }
}
