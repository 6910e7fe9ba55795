//! What a chain of dependent pull requests is.
