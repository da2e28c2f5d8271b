//! The executor as a state machine, and the provider traits. Pure.
