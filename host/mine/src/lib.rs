//! Where chains come from: a local clone.
