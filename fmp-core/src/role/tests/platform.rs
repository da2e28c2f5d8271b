//! The platform: its images are those of its archive, and its pods come after what they need.

use super::super::{LowerError, lower, testing::*};
use crate::{
    bundle::{Entry, Kind, Lock, SourceKind},
    platform::testing::{DB, archive, spec_with},
    resource::ResourceId,
    role::paths::key,
    spec::Spec,
};

fn wanted() -> Spec {
    spec_with(archive(DB), 4, "").unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A bundle with an image called `platform-db` of this version.
fn bundled(version: &str) -> Lock {
    let mut lock = bundle("1.29.15");
    let image = Entry {
        name: "platform-db".parse().unwrap(),
        version: version.to_owned(),
        digest: crate::Digest::of("image"),
        size: 5,
        manifest: None,
        kind: Kind::Image("fmp.local/db:1".to_owned()),
        source: SourceKind::File,
    };
    lock.insert(image);
    lock
}

#[test]
fn the_bundle_has_the_images_of_this_very_archive() {
    let spec = wanted();
    let lowered = |lock: &Lock| lower(&spec, lock, &nothing(&spec)).map(drop);
    let right = spec.platform.as_ref().unwrap().archive.images["images/db.tar"].version();
    lowered(&bundled(&right)).unwrap();
    assert!(matches!(lowered(&bundle("1.29.15")), Err(LowerError::Missing { name }) if name == "platform-db"));
    assert!(matches!(lowered(&bundled("other")), Err(LowerError::Archive { name, .. }) if name == "platform-db"));
}

#[test]
fn pods_come_after_their_namespace_their_secrets_and_their_images() {
    let spec = wanted();
    let right = spec.platform.as_ref().unwrap().archive.images["images/db.tar"].version();
    let desired = lower(&spec, &bundled(&right), &nothing(&spec)).unwrap().desired;
    let find = |id: ResourceId| desired.find(&id).unwrap_or_else(|| panic!("no {id}"));
    let object = |name: &str| find(ResourceId::cluster(key::object(name)));
    let pods = object("StatefulSet/fmp/db");
    let image = find(ResourceId::node(&node("work-4"), key::image("fmp.local/db:1")));
    for earlier in [object("Namespace//fmp"), object("Secret/fmp/db"), image] {
        assert!(desired.dependencies(pods).contains(&earlier), "{}", desired.id(earlier));
    }
    assert!(desired.dependencies(object("Secret/fmp/db")).contains(&object("Namespace//fmp")));
    // Another installation there blocks the note of who it is, and so all of it.
    for later in ["StatefulSet/fmp/db", "Secret/fmp/db", "Service/fmp/web"] {
        let who = object("ConfigMap/fmp/fmp-installation");
        assert!(desired.dependencies(object(later)).contains(&who), "{later}");
    }
}
