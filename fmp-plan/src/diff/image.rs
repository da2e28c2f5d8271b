//! Images: in runtimes, and in the storage that runtimes pull from.

use fmp_core::{
    observed::{Fact, FileSeen},
    resource::{Image, Stored, Way},
};

use super::{Delta, HostView, NOT_ASKED, Sides, Task, Work};
use crate::{
    action::{Action, Before},
    fact::FactKey,
    plan::Verb,
};

pub(super) fn image(sides: Sides<'_>, host: &HostView<'_>, wanted: &Image) -> Delta {
    let (reference, archive, bytes) = (wanted.reference.clone(), wanted.archive, wanted.bytes);
    match &wanted.way {
        Way::Store(stored) => self::stored(host, wanted, stored),
        Way::Import => in_runtime(host, wanted, || Ok(Action::ImportImage { reference, archive, bytes })),
        Way::Pull { manifest } => in_runtime(host, wanted, || {
            silent_storage(sides).map_or(Ok(()), Err)?;
            Ok(Action::PullImage { reference, manifest: *manifest })
        }),
    }
}

/// What is done where the runtime lacks it, or what that waits for.
fn in_runtime(host: &HostView<'_>, wanted: &Image, action: impl FnOnce() -> Result<Action, String>) -> Delta {
    let why = match host.ask(|host| Some(&host.images)) {
        Fact::Known(images) if images.contains(&*wanted.reference) => return Delta::InSync,
        Fact::Known(_) | Fact::Absent => Vec::new(),
        // Importing what is there changes nothing, so a runtime that is down does not hold anything up.
        Fact::Unknown(why) => vec![format!("which images there are is not known: {why}")],
    };
    let action = match action() {
        Ok(action) => action,
        Err(until) => return Delta::Blocked { until },
    };
    let facts = host.premises(|| FactKey::Image { node: host.name.clone(), reference: wanted.reference.clone() });
    Delta::from(Work::new(Verb::Create, Task::One(action), facts).because(why))
}

/// Why nothing can be pulled from the storage, where that is known. One that is yet to be made, or that lacks the image,
/// gets it in this plan.
fn silent_storage(sides: Sides<'_>) -> Option<String> {
    let (name, _) = sides.spec.image_storage()?;
    match sides.observed.hosts.get(name) {
        Some(Fact::Known(_) | Fact::Absent) => None,
        Some(Fact::Unknown(why)) => Some(format!("the image storage {name} answers: {why}")),
        None => Some(format!("the image storage {name} answers: {NOT_ASKED}")),
    }
}

/// Content lies under its own digest and is compared when it is served: only the tag can say something else.
fn stored(host: &HostView<'_>, wanted: &Image, stored: &Stored) -> Delta {
    let (before, why) = match host.ask(|host| host.files.get(&*stored.link)) {
        Fact::Unknown(why) => return Delta::blocked(host.until(&stored.link, &why)),
        Fact::Known(FileSeen { digest: None, .. }) => {
            return Delta::blocked(host.until(&stored.link, "its content can't be read"));
        }
        Fact::Known(FileSeen { digest: Some(found), .. }) if *found == stored.tagged().digest => return Delta::InSync,
        Fact::Known(FileSeen { digest: Some(found), .. }) => {
            (Before::Digest(*found), vec![format!("the tag is another manifest than {}", stored.manifest.short())])
        }
        Fact::Absent => (Before::Absent, Vec::new()),
    };
    let action = Action::StoreImage {
        reference: wanted.reference.clone(),
        archive: wanted.archive,
        bytes: wanted.bytes,
        manifest: stored.manifest,
        path: stored.link.clone(),
        before,
    };
    let verb = if before == Before::Absent { Verb::Create } else { Verb::Update };
    let facts = host.premises(|| FactKey::File { node: host.name.clone(), path: stored.link.clone() });
    Delta::from(Work::new(verb, Task::One(action), facts).because(why))
}

#[cfg(test)]
mod tests {
    use fmp_core::{
        Digest,
        observed::{Fact, Machine},
        spec::Environment,
    };

    use crate::{
        action::{Action, Before},
        testing::{Lab, comes_after, ids, step, waits},
    };

    const PAUSE: &str = "registry.k8s.io/pause:3.9";
    const LINK: &str = "/var/lib/fmp-registry/docker/registry/v2/repositories/registry.k8s.io/pause/_manifests/tags/3.9/\
                        current/link";

    fn without_pause() -> Lab {
        let mut lab = Lab::pulling(1, 1);
        match &mut lab.host("work-1").images {
            Fact::Known(images) => assert!(images.remove(PAUSE)),
            other => panic!("{other:?}"),
        }
        lab
    }

    #[test]
    fn a_cluster_with_a_storage_is_in_sync_and_what_a_node_lacks_is_pulled_by_digest() {
        assert_eq!(Lab::pulling(1, 1).plan().steps, []);
        let plan = without_pause().plan();
        assert_eq!(ids(&plan), ["work-1/image/registry.k8s.io/pause:3.9"]);
        let Action::PullImage { manifest, .. } = &step(&plan, ids(&plan)[0]).action else { panic!() };
        assert_eq!(*manifest, Digest::of("manifest of pause-image"));
    }

    #[test]
    fn what_the_storage_lacks_is_stored_before_a_node_pulls_it() {
        let mut lab = without_pause();
        lab.host("images-1").files.insert(LINK.to_owned(), Fact::Absent);
        let plan = lab.plan();
        let stored = format!("images-1/stored-image/{PAUSE}");
        assert!(comes_after(&plan, &format!("work-1/image/{PAUSE}"), &stored));
        assert!(matches!(&step(&plan, &stored).action, Action::StoreImage { before: Before::Absent, .. }));
    }

    #[test]
    fn a_tag_that_is_another_manifest_is_put_right() {
        let mut lab = Lab::pulling(1, 1);
        lab.edit_beneath("images-1", LINK);
        let plan = lab.plan();
        assert!(plan.changes[0].why[0].starts_with("the tag is another manifest than "), "{:?}", plan.changes);
        let stored = format!("images-1/stored-image/{PAUSE}");
        assert!(matches!(&step(&plan, &stored).action, Action::StoreImage { before: Before::Digest(_), .. }));
    }

    #[test]
    fn nothing_is_pulled_from_a_storage_that_does_not_answer() {
        let mut lab = without_pause();
        lab.seen.hosts.insert("images-1".parse().unwrap(), Fact::Unknown("no route to host".into()));
        let plan = lab.plan();
        assert_eq!(ids(&plan), Vec::<&str>::new());
        let until = "the image storage images-1 answers: no route to host";
        assert_eq!(waits(&plan, &format!("work-1/image/{PAUSE}")), Some(until));
        assert_eq!(waits(&plan, "images-1"), Some("it answers: no route to host"));
    }

    #[test]
    fn a_storage_that_is_off_is_started_where_fmp_made_its_machine() {
        let mut lab = Lab::pulling(1, 1);
        lab.spec.environment = Environment::Local;
        let machines = lab
            .spec
            .nodes
            .keys()
            .map(|name| (name.clone(), Machine { running: name.as_str() != "images-1", kind: None }));
        lab.seen.machines = Fact::Known(machines.collect());
        lab.seen.hosts.insert("images-1".parse().unwrap(), Fact::Unknown("no route to host".into()));
        assert_eq!(ids(&lab.plan()), ["images-1/machine"]);
    }
}
