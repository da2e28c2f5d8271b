//! The planner: difference, order, safety, rendering. Pure.
