//! Code as content: git trees, overlay worktrees, patches and three-way merges.
