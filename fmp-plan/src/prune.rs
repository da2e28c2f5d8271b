//! Objects of the API that FMP applied and nothing wants any more.
//!
//! Owns which of them are deleted. They are known by FMP's label, the digest that FMP noted, and fields that FMP owns: a copy
//! that somebody made has the first two at most. What holds others' things (a namespace, a kind, data) goes only when a person
//! names it.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    manifest::{CRD, SECRET, is_foreign},
    observed::{Fact, ObjectSeen},
    resource::ResourceId,
    role::paths::{INVENTORY, inventory, key},
    tree::Tree,
};

use crate::{
    Action, Plan, basis,
    diff::{self, Sides},
    fact::FactKey,
    plan::{Change, Note, Verb},
    step::{Step, StepId, Subject},
};

/// Kinds whose objects hold more than themselves.
const HOLDING: [&str; 6] = ["Namespace", CRD, "PersistentVolume", "PersistentVolumeClaim", SECRET, "StatefulSet"];

const REASON: &str = "FMP applied it, and nothing in cluster.toml wants it any more";

/// Adds to a plan the deletion of what nothing wants any more; what stays is told.
pub(crate) fn all(sides: Sides<'_>, plan: &mut Plan) {
    let Ok(Some(api)) = diff::known_api(sides.observed) else { return };
    let is_wanted = |object: &str| sides.desired.find(&ResourceId::cluster(key::object(object))).is_some();
    let mut going = BTreeMap::new();
    for (object, seen) in api.objects.iter().filter(|(object, _)| !is_wanted(object)) {
        match may_go(sides, object, seen) {
            Ok(leave) => _ = going.insert(object.as_str(), leave),
            Err(what) => plan.notes.push(Note { about: object.clone(), what }),
        }
    }
    // While anything stays, so does what holds it; that the API remembers its kind is no news.
    let stay: Vec<&str> = api.objects.keys().map(String::as_str).filter(|object| !going.contains_key(object)).collect();
    going.retain(|one, _| {
        let Some(held) = stay.iter().find(|other| contains(one, other)) else { return true };
        if !one.starts_with(INVENTORY) {
            let what = format!("nothing in cluster.toml wants it any more, and it stays as long as {held} does");
            plan.notes.push(Note { about: (*one).to_owned(), what });
        }
        false
    });
    if going.is_empty() {
        return;
    }
    plan.consents.extend(going.values_mut().filter_map(|(_, consent)| consent.take()));
    let facts = going.keys().map(|object| FactKey::Object { key: (*object).to_owned() }).collect();
    going.iter().for_each(|(object, (before, _))| add(plan, object, before, going.keys()));
    basis::add(&mut plan.basis.facts, sides.observed, facts);
    plan.put_in_order();
}

/// Whether `note` is what remembers the kind of `object`.
fn notes(note: &str, object: &str) -> bool {
    note.starts_with(INVENTORY) && note == inventory(kind(object))
}

/// Whether `one` goes after `other`. What others defined goes before anything of Kubernetes' own: a program among that may
/// have to let it go.
fn is_later(one: &str, other: &str) -> bool {
    contains(one, other) || is_foreign(kind(other)) && !is_foreign(kind(one))
}

/// Whether `one` is the namespace of `other`, its kind, or what remembers its kind.
fn contains(one: &str, other: &str) -> bool {
    let (name, own) = (one.rsplit('/').next().unwrap_or(one), kind(one));
    match own {
        "Namespace" => other.split('/').nth(1) == Some(name),
        // `orders.example.com` brings `Order.example.com`, and what else there is in that group.
        CRD => name.split_once('.').map(|(_, group)| group) == kind(other).split_once('.').map(|(_, group)| group),
        _ => notes(one, other),
    }
}

/// The kind that a key names.
fn kind(object: &str) -> &str {
    object.split('/').next().unwrap_or(object)
}

/// The digest that it must still have and the consent that was used, or why it stays.
fn may_go(sides: Sides<'_>, object: &str, seen: &Fact<ObjectSeen>) -> Result<(String, Option<String>), String> {
    if let (true, Fact::Unknown(why)) = (object.starts_with(INVENTORY), seen) {
        return Err(format!("{why}; whether anything of that kind is left is not known, and it stays"));
    }
    let Fact::Known(seen) = seen else {
        return Err(
            "it carries FMP's label, and not the digest of what FMP applied: it is somebody's copy, and stays".into()
        );
    };
    match &seen.fields {
        Some(fields) if is_empty(&fields.owned) => {
            return Err("it carries FMP's marks, and FMP owns nothing of it: it is somebody's copy, and stays".into());
        }
        Some(fields) if !fields.others.is_empty() => {
            let others = fields.others.iter().cloned().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "nothing in cluster.toml wants it any more, and {others} wrote a part of it: it stays until somebody deletes it \
                 with `fmp kubectl`"
            ));
        }
        Some(_) | None => {}
    }
    if !HOLDING.contains(&kind(object)) {
        return Ok((seen.digest.clone(), None));
    }
    let consent = format!("delete {object}");
    if sides.spec.consents.contains(&consent) {
        return Ok((seen.digest.clone(), Some(consent)));
    }
    Err(format!(
        "nothing in cluster.toml wants it any more; it may hold what others need, so it stays unless cluster.toml agrees with \
         `consent = [\"{consent}\"]`"
    ))
}

fn is_empty(owned: &Tree) -> bool {
    owned.map().is_none_or(BTreeMap::is_empty)
}

fn add<'a>(plan: &mut Plan, object: &str, before: &str, going: impl Iterator<Item = &'a &'a str>) {
    let id = |object: &str| format!("cluster/{}", key::object(object));
    let resource = id(object);
    let action = Action::DeleteObject { key: object.to_owned(), before: before.to_owned() };
    let earlier = going.filter(|other| is_later(object, other));
    plan.changes.push(Change { id: resource.clone(), verb: Verb::Remove, why: vec![REASON.to_owned()], diff: None });
    plan.steps.push(Step {
        id: StepId::new(resource),
        subject: Subject::Cluster,
        action,
        after: earlier.map(|other| StepId::new(id(other))).collect(),
        unit: None,
        disrupts: BTreeSet::new(),
        watch: None,
        reason: REASON.to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use fmp_core::observed::FieldsSeen;

    use super::*;
    use crate::{
        Standing,
        testing::{Lab, ids},
    };

    const OLD: &str = "ConfigMap/kube-system/old";
    const SPACE: &str = "Namespace//old";

    fn lab(object: &str, seen: Fact<ObjectSeen>) -> Lab {
        let mut lab = Lab::settled(1, 1);
        assert_eq!(lab.plan().standing(), Standing::InSync);
        lab.api().objects.insert(object.to_owned(), seen);
        lab
    }

    fn applied() -> Fact<ObjectSeen> {
        Fact::Known(ObjectSeen::of("sha256:0"))
    }

    /// An object as the API shows it, with what FMP owns and who else wrote a part of it.
    fn shown(owned: Tree, other: &str) -> Fact<ObjectSeen> {
        let others = [other].into_iter().filter(|other| !other.is_empty()).map(str::to_owned).collect();
        let fields = FieldsSeen { live: Tree::Null, owned, others };
        Fact::Known(ObjectSeen { digest: "sha256:0".to_owned(), fields: Some(fields) })
    }

    #[test]
    fn what_somebody_else_made_his_own_stays_and_is_told() {
        let owned = Tree::Map([("f:data".to_owned(), Tree::Map([].into()))].into());
        assert_eq!(lab(OLD, shown(owned.clone(), "")).plan().steps.len(), 1);
        let plan = lab(OLD, shown(owned, "kubectl-client-side-apply")).plan();
        assert_eq!(plan.standing(), Standing::InSync);
        assert!(plan.notes[0].what.contains("kubectl-client-side-apply wrote a part of it"), "{}", plan.notes[0].what);
    }

    #[test]
    fn what_nothing_wants_any_more_is_deleted() {
        let plan = lab(OLD, applied()).plan();
        assert_eq!(ids(&plan), [format!("cluster/object/{OLD}")]);
        assert_eq!(plan.changes[0].verb, Verb::Remove);
        assert_eq!(plan.basis.facts.len(), 1);
    }

    #[test]
    fn a_copy_that_somebody_made_stays_and_is_told() {
        let unmarked = Fact::Unknown("it lacks the annotation".to_owned());
        let copied = shown(Tree::Map([].into()), "");
        for seen in [unmarked, copied] {
            let plan = lab(OLD, seen).plan();
            assert_eq!((plan.standing(), plan.notes.len()), (Standing::InSync, 1));
            assert!(plan.notes[0].what.contains("copy"), "{}", plan.notes[0].what);
        }
    }

    #[test]
    fn what_holds_others_goes_after_them() {
        let mut lab = lab(SPACE, applied());
        let (definition, inside) = ("CustomResourceDefinition//orders.example.com", "Order.example.com/old/first");
        let note = inventory("Order.example.com");
        for object in [definition, inside, OLD, &note] {
            lab.api().objects.insert(object.to_owned(), applied());
        }
        lab.agree(&format!("delete {SPACE}"));
        lab.agree(&format!("delete {definition}"));
        let plan = lab.plan();
        let inside = format!("cluster/object/{inside}");
        for step in &plan.steps {
            let object = step.id.as_str().trim_start_matches("cluster/object/");
            let after: Vec<&str> = step.after.iter().map(StepId::as_str).collect();
            // A program of Kubernetes' own kinds may have to let the order go.
            let is_first = step.id.as_str() == inside;
            assert_eq!(after, if is_first { vec![] } else { vec![inside.as_str()] }, "{object}");
        }
        assert_eq!(plan.steps.len(), 5);
    }

    #[test]
    fn what_holds_something_that_stays_stays_and_is_told() {
        let mut lab = lab(SPACE, applied());
        let owned = Tree::Map([("f:data".to_owned(), Tree::Map([].into()))].into());
        let inside = "ConfigMap/old/theirs";
        lab.api().objects.insert(inside.to_owned(), shown(owned, "kubectl-edit"));
        lab.agree(&format!("delete {SPACE}"));
        let plan = lab.plan();
        assert_eq!(plan.standing(), Standing::InSync);
        assert!(plan.consents.is_empty(), "nothing was done by it: {:?}", plan.consents);
        let about: Vec<&str> = plan.notes.iter().map(|note| note.about.as_str()).collect();
        assert_eq!(about, [inside, SPACE]);
        assert!(plan.notes[1].what.ends_with("it stays as long as ConfigMap/old/theirs does"), "{:?}", plan.notes);
    }

    #[test]
    fn a_kind_that_cant_be_listed_is_remembered() {
        let note = inventory("Order.example.com");
        let plan = lab(&note, Fact::Unknown("orders can't be listed".to_owned())).plan();
        assert_eq!((plan.standing(), plan.notes.len()), (Standing::InSync, 1));
        assert!(plan.notes[0].what.starts_with("orders can't be listed; "), "{:?}", plan.notes);
    }

    #[test]
    fn a_kind_is_remembered_while_anything_of_it_stays() {
        let note = inventory("Order.example.com");
        let mut lab = lab(&note, applied());
        lab.api().objects.insert("Order.example.com/shop/first".to_owned(), shown(Tree::Map([].into()), ""));
        let plan = lab.plan();
        assert_eq!((plan.standing(), plan.notes.len()), (Standing::InSync, 1), "{:?}", plan.steps);
        lab.api().objects.remove("Order.example.com/shop/first");
        assert_eq!(ids(&lab.plan()), [format!("cluster/object/{note}")]);
    }

    #[test]
    fn what_holds_more_than_itself_goes_only_by_name() {
        let mut lab = lab(SPACE, applied());
        let plan = lab.plan();
        assert_eq!(plan.standing(), Standing::InSync);
        assert!(plan.notes[0].what.contains("`consent = [\"delete Namespace//old\"]`"), "{}", plan.notes[0].what);
        lab.agree("delete Namespace//old");
        let plan = lab.plan();
        assert_eq!(ids(&plan), [format!("cluster/object/{SPACE}")]);
        assert!(plan.consents.contains("delete Namespace//old"));
    }
}
