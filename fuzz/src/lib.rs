//! What the fuzz targets do with their bytes: one module for each, and the tree
//! they start from.
//!
//! A target fails by a panic: its own assertions, those of the library, and
//! overflow and bounds checks. Time and memory are watched by libFuzzer.

pub mod fixture;
pub mod gitignore;
pub mod patch;
pub mod paths;
pub mod tree_merge;
