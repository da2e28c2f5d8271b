//! Plans for people and for machines, the same bytes each time.

mod dot;
mod fold;
mod order;
mod step;
mod text;
mod waiting;
mod words;

pub use dot::dot;
pub use step::step;
pub use text::text;
