//! One agent over one chain: stages, carry, refinement, journal.
