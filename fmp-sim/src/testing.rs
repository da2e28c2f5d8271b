//! What unit tests begin with.

use crate::{
    World,
    scenario::{Catalog, Shape},
};

/// The lock that tests plan with.
pub(crate) const LOCK: &str = include_str!("../../fixtures/bundle.lock");

/// A cluster of this shape that stands.
pub(crate) fn settled(shape: &Shape) -> World {
    Catalog::new(LOCK).settled(shape).unwrap()
}

/// Everything that comes up by itself is up.
pub(crate) fn wait(world: &mut World) {
    while let Some(due) = world.due_ms() {
        world.advance(due);
    }
}
