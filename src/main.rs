//! The `fmp` program.
fn main() {}
