//! The graph of everything that is wanted.
//!
//! Handles are positions in id order; edges lie in one array. A cluster of 5,000 nodes has 300,000 resources: as maps of
//! text ids that costs a second and a gigabyte, this way a tenth of both.

mod builder;

pub use builder::{Added, Builder, GraphError};

use crate::resource::{Resource, ResourceId};

/// A resource's position in id order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub(crate) u32);

impl Handle {
    /// The position as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Everything that is wanted, in id order, without cycles.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    entries: Vec<(ResourceId, Resource)>,
    /// `targets[offsets[h]..offsets[h + 1]]` are the dependencies of `h`.
    offsets: Vec<u32>,
    targets: Vec<Handle>,
}

impl Desired {
    /// How many resources there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All resources in id order.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &ResourceId, &Resource)> {
        (0..).map(Handle).zip(&self.entries).map(|(handle, (id, resource))| (handle, id, resource))
    }

    /// The id of a resource.
    pub fn id(&self, handle: Handle) -> &ResourceId {
        &self.entries[handle.index()].0
    }

    /// A resource.
    pub fn resource(&self, handle: Handle) -> &Resource {
        &self.entries[handle.index()].1
    }

    /// What a resource needs before it, in id order.
    pub fn dependencies(&self, handle: Handle) -> &[Handle] {
        let (from, to) = (self.offsets[handle.index()], self.offsets[handle.index() + 1]);
        &self.targets[from as usize..to as usize]
    }

    /// Finds a resource by id.
    pub fn find(&self, id: &ResourceId) -> Option<Handle> {
        let at = self.entries.binary_search_by(|(other, _)| other.cmp(id)).ok()?;
        u32::try_from(at).ok().map(Handle)
    }
}
