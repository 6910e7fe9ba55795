//! The catena binary.
fn main() {}
