//! End-to-end tests of Catena.
