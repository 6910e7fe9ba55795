//! The process in which a rollout's guests live, and the pipe to it.
