//! Write Catena plugins in Rust.
