//! How much of one file is in another.
