//! How a graph is put together: in any order, with the same result.

use super::{Desired, Handle};
use crate::resource::{Resource, ResourceId};

/// Collects resources and edges.
#[derive(Debug, Default)]
pub struct Builder {
    entries: Vec<(ResourceId, Resource)>,
    /// (dependent, dependency), by order of insertion.
    edges: Vec<(u32, u32)>,
}

/// A resource that was added and may be named in an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added(u32);

/// Why resources and edges make no graph. Each is a bug of a role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GraphError {
    /// Two resources with one id.
    #[error("`{0}` was added twice")]
    Duplicate(String),
    /// A resource that needs itself, perhaps by way of others.
    #[error("`{0}` needs itself")]
    Cycle(String),
}

impl Builder {
    /// Adds a resource.
    ///
    /// # Panics
    /// With more than 2³² resources.
    pub fn add(&mut self, id: ResourceId, resource: Resource) -> Added {
        let at = u32::try_from(self.entries.len()).expect("fewer than 2³² resources");
        self.entries.push((id, resource));
        Added(at)
    }

    /// Says that `dependent` needs `dependency` before it.
    pub fn needs(&mut self, dependent: Added, dependency: Added) {
        self.edges.push((dependent.0, dependency.0));
    }

    /// Sorts by id and checks.
    ///
    /// # Errors
    /// A duplicate id or a cycle.
    pub fn finish(self) -> Result<Desired, GraphError> {
        let mut slots: Vec<_> = (0_u32..).zip(self.entries).collect();
        slots.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
        if let Some(pair) = slots.windows(2).find(|pair| pair[0].1.0 == pair[1].1.0) {
            return Err(GraphError::Duplicate(pair[0].1.0.to_string()));
        }
        let mut sorted = vec![0_u32; slots.len()];
        for (now, (before, _)) in (0_u32..).zip(&slots) {
            sorted[*before as usize] = now;
        }
        let entries: Vec<_> = slots.into_iter().map(|(_, entry)| entry).collect();
        let mut edges: Vec<_> =
            self.edges.into_iter().map(|(from, to)| (sorted[from as usize], sorted[to as usize])).collect();
        edges.sort_unstable();
        edges.dedup();
        let (offsets, targets) = adjacency(entries.len(), &edges);
        let desired = Desired { entries, offsets, targets };
        match on_a_cycle(&desired) {
            Some(handle) => Err(GraphError::Cycle(desired.id(handle).to_string())),
            None => Ok(desired),
        }
    }
}

fn adjacency(nodes: usize, edges: &[(u32, u32)]) -> (Vec<u32>, Vec<Handle>) {
    let mut offsets = vec![0_u32; nodes + 1];
    for (from, _) in edges {
        offsets[*from as usize + 1] += 1;
    }
    for at in 0..nodes {
        offsets[at + 1] += offsets[at];
    }
    (offsets, edges.iter().map(|(_, to)| Handle(*to)).collect())
}

/// A resource on a cycle, or `None` where Kahn's algorithm reaches all.
fn on_a_cycle(desired: &Desired) -> Option<Handle> {
    let mut waiting_for: Vec<usize> = desired.iter().map(|(handle, ..)| desired.dependencies(handle).len()).collect();
    let mut dependents: Vec<(u32, u32)> = desired
        .iter()
        .flat_map(|(handle, ..)| desired.dependencies(handle).iter().map(move |on| (on.0, handle.0)))
        .collect();
    dependents.sort_unstable();
    let (offsets, targets) = adjacency(desired.len(), &dependents);
    let mut ready: Vec<usize> = (0..desired.len()).filter(|at| waiting_for[*at] == 0).collect();
    while let Some(done) = ready.pop() {
        for dependent in &targets[offsets[done] as usize..offsets[done + 1] as usize] {
            waiting_for[dependent.index()] -= 1;
            if waiting_for[dependent.index()] == 0 {
                ready.push(dependent.index());
            }
        }
    }
    let stuck = |handle: &Handle| waiting_for[handle.index()] > 0;
    let mut at = desired.iter().map(|(handle, ..)| handle).find(stuck)?;
    // Whoever is stuck needs somebody stuck: as many steps as there are resources end on the cycle itself.
    for _ in 0..desired.len() {
        at = desired.dependencies(at).iter().copied().find(stuck)?;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(names: &[&str], edges: &[(usize, usize)]) -> Result<Desired, GraphError> {
        let mut builder = Builder::default();
        let added: Vec<_> =
            names.iter().map(|name| builder.add(ResourceId::cluster(*name), Resource::Machine)).collect();
        for (from, to) in edges {
            builder.needs(added[*from], added[*to]);
        }
        builder.finish()
    }

    #[test]
    fn the_order_of_insertion_does_not_matter() {
        let one = graph(&["a", "b", "c"], &[(2, 0), (1, 0), (2, 1)]).unwrap();
        let two = graph(&["c", "a", "b"], &[(0, 2), (2, 1), (0, 1), (0, 1)]).unwrap();
        assert_eq!(one.entries, two.entries);
        assert_eq!((one.offsets, one.targets), (two.offsets, two.targets));
    }

    #[test]
    fn a_duplicate_is_named() {
        assert_eq!(graph(&["a", "b", "a"], &[]).unwrap_err(), GraphError::Duplicate("cluster/a".into()));
    }

    #[test]
    fn a_cycle_is_named() {
        let error = graph(&["a", "b", "c"], &[(0, 1), (1, 2), (2, 1)]).unwrap_err();
        assert!(matches!(&error, GraphError::Cycle(id) if id != "cluster/a"), "{error}");
    }
}
