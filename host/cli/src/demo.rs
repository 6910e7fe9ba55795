//! What the demo consists of.

pub(crate) mod repository;
