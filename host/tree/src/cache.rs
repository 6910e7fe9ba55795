//! Objects kept in memory, with an upper bound on their bytes and with figures.
//!
//! An [`ObjectCache`] lies before anything that is slow to ask: a repository,
//! or a pipe to another process. Ids name contents, so what it holds is never
//! out of date. It leaves to its owner who may ask for what.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ids::{BlobId, TreeId};
use crate::objects::TreeEntry;

/// Bytes that each part of an [`ObjectCache`] may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheBudget {
    /// Contents of blobs.
    pub blobs: usize,
    /// Entries of trees.
    pub trees: usize,
    /// Sizes of blobs whose content may not be held.
    pub sizes: usize,
}

/// What became of the questions to a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CacheUse {
    /// Blobs and trees that were there.
    pub hits: u64,
    /// Those that were not.
    pub misses: u64,
    /// Those that had to go for others.
    pub evictions: u64,
    /// Most bytes held at any time.
    pub peak_bytes: u64,
}

impl CacheUse {
    /// Adds the use of another cache; the peak is the higher one.
    pub fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.evictions += other.evictions;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
    }
}

/// Blobs, trees and sizes of blobs that were asked for of late.
pub struct ObjectCache {
    blobs: Bounded<BlobId, Bytes>,
    trees: Bounded<TreeId, Arc<[TreeEntry]>>,
    sizes: Bounded<BlobId, Option<u64>>,
}

impl ObjectCache {
    /// An empty cache.
    pub fn new(budget: CacheBudget) -> Self {
        Self {
            blobs: Bounded::new(budget.blobs),
            trees: Bounded::new(budget.trees),
            sizes: Bounded::new(budget.sizes),
        }
    }

    /// The content of a blob, if it is held.
    pub fn blob(&self, id: BlobId) -> Option<Bytes> {
        self.blobs.find(&id)
    }

    /// Keeps the content of a blob, unless it alone takes an eighth of the budget.
    pub fn keep_blob(&self, id: BlobId, content: Bytes) {
        let cost = content.len() + size_of::<(BlobId, Bytes)>();
        self.blobs.keep(id, content, cost);
    }

    /// The entries of a tree, if they are held.
    pub fn tree(&self, id: TreeId) -> Option<Arc<[TreeEntry]>> {
        self.trees.find(&id)
    }

    /// Keeps the entries of a tree, likewise.
    pub fn keep_tree(&self, id: TreeId, entries: Arc<[TreeEntry]>) {
        let names: usize = entries.iter().map(|entry| entry.name.len()).sum();
        let cost = names + entries.len() * size_of::<TreeEntry>() + size_of::<TreeId>();
        self.trees.keep(id, entries, cost);
    }

    /// The size of a blob, if it is held; within, none for a blob that is
    /// known to be missing.
    pub fn size(&self, id: BlobId) -> Option<Option<u64>> {
        self.sizes.find(&id)
    }

    /// Keeps the size of a blob, or that it is missing.
    pub fn keep_size(&self, id: BlobId, size: Option<u64>) {
        self.sizes.keep(id, size, size_of::<(BlobId, Option<u64>)>());
    }

    /// How blobs and trees were found so far. Sizes do not count.
    pub fn usage(&self) -> CacheUse {
        let (mut usage, trees) = (self.blobs.usage(), self.trees.usage());
        let peak_bytes = usage.peak_bytes + trees.peak_bytes;
        usage.add(&trees);
        CacheUse { peak_bytes, ..usage }
    }
}

/// Keeps what was used of late, within a budget. Values are cheap to clone.
///
/// Two generations: what is used moves to the young one; when that has used up
/// half of the budget, it becomes the old one and the former old one goes.
pub(crate) struct Bounded<K, V> {
    budget: usize,
    generations: Mutex<Generations<K, V>>,
}

struct Generations<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    young_cost: usize,
    old_cost: usize,
    usage: CacheUse,
}

impl<K: Eq + Hash + Copy, V: Clone> Bounded<K, V> {
    /// An empty cache for values that cost `budget` together.
    pub(crate) fn new(budget: usize) -> Self {
        let generations = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
            young_cost: 0,
            old_cost: 0,
            usage: CacheUse::default(),
        };
        Self { budget, generations: Mutex::new(generations) }
    }

    /// The value of `key`, if it is still there.
    pub(crate) fn find(&self, key: &K) -> Option<V> {
        let mut held = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, _)) = held.young.get(key) {
            let value = value.clone();
            held.usage.hits += 1;
            return Some(value);
        }
        let Some((value, cost)) = held.old.remove(key) else {
            held.usage.misses += 1;
            return None;
        };
        held.usage.hits += 1;
        held.old_cost -= cost;
        held.insert(*key, value.clone(), cost, self.budget);
        Some(value)
    }

    /// Keeps `value`, unless it alone costs an eighth of the budget.
    pub(crate) fn keep(&self, key: K, value: V, cost: usize) {
        if cost > self.budget / 8 {
            return;
        }
        let mut held = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(key, value, cost, self.budget);
    }

    fn usage(&self) -> CacheUse {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner).usage
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn insert(&mut self, key: K, value: V, cost: usize, budget: usize) {
        if self.young_cost + cost > budget / 2 {
            self.usage.evictions += self.old.len() as u64;
            self.old = std::mem::take(&mut self.young);
            self.old_cost = std::mem::take(&mut self.young_cost);
        }
        if let Some((_, replaced)) = self.old.remove(&key) {
            self.old_cost -= replaced;
        }
        self.young_cost += cost;
        if let Some((_, replaced)) = self.young.insert(key, (value, cost)) {
            self.young_cost -= replaced;
        }
        let held = (self.young_cost + self.old_cost) as u64;
        self.usage.peak_bytes = self.usage.peak_bytes.max(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_stays_within_the_budget_and_used_values_survive() {
        let cache = Bounded::new(80);
        for key in 0..1000_u32 {
            cache.keep(key, key, 1);
            assert_eq!(cache.find(&0), Some(0), "after {key}");
            let held = cache.generations.lock().unwrap();
            assert!(held.young.len() + held.old.len() <= 80);
            assert_eq!(held.young_cost + held.old_cost, held.young.len() + held.old.len());
        }
        assert_eq!(cache.find(&1), None);
        let usage = cache.usage();
        assert_eq!((usage.hits, usage.misses), (1000, 1));
        let held = cache.generations.lock().unwrap();
        let held = (held.young.len() + held.old.len()) as u64;
        assert_eq!(usage.evictions, 1000 - held);
        assert!(usage.peak_bytes <= 80);
    }

    #[test]
    fn large_values_are_not_kept() {
        let cache = Bounded::new(80);
        cache.keep(1, "large", 11);
        assert_eq!(cache.find(&1), None);
    }

    #[test]
    fn value_kept_again_counts_once() {
        let cache = Bounded::new(80);
        for _ in 0..100 {
            cache.keep(1, "same", 10);
        }
        assert_eq!(cache.usage().peak_bytes, 10);
        assert_eq!(cache.usage().evictions, 0);
    }
}
