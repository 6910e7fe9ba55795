//! A cache with an upper bound on what it holds.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// Keeps what was used of late, within a budget. Values are cheap to clone.
///
/// Two generations: what is used moves to the young one; when that has used up
/// half of the budget, it becomes the old one and the former old one goes.
pub(super) struct Bounded<K, V> {
    budget: usize,
    generations: Mutex<Generations<K, V>>,
}

struct Generations<K, V> {
    young: HashMap<K, (V, usize)>,
    old: HashMap<K, (V, usize)>,
    young_cost: usize,
}

impl<K: Eq + Hash + Copy, V: Clone> Bounded<K, V> {
    /// An empty cache for values that cost `budget` together.
    pub(super) fn new(budget: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new(), young_cost: 0 };
        Self { budget, generations: Mutex::new(generations) }
    }

    /// The value of `key`, if it is still there.
    pub(super) fn find(&self, key: &K) -> Option<V> {
        let mut held = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, _)) = held.young.get(key) {
            return Some(value.clone());
        }
        let (value, cost) = held.old.remove(key)?;
        held.insert(*key, value.clone(), cost, self.budget);
        Some(value)
    }

    /// Keeps `value`, unless it alone costs an eighth of the budget.
    pub(super) fn keep(&self, key: K, value: V, cost: usize) {
        if cost > self.budget / 8 {
            return;
        }
        let mut held = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(key, value, cost, self.budget);
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    fn insert(&mut self, key: K, value: V, cost: usize, budget: usize) {
        if self.young_cost + cost > budget / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_cost = 0;
        }
        self.young_cost += cost;
        if let Some((_, replaced)) = self.young.insert(key, (value, cost)) {
            self.young_cost -= replaced;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;

    #[test]
    fn cost_stays_within_the_budget_and_used_values_survive() {
        let cache = Bounded::new(80);
        for key in 0..1000_u32 {
            cache.keep(key, key, 1);
            assert_eq!(cache.find(&0), Some(0), "after {key}");
            let held = cache.generations.lock().unwrap();
            assert!(held.young.len() + held.old.len() <= 81);
        }
        assert_eq!(cache.find(&1), None);
    }

    #[test]
    fn large_values_are_not_kept() {
        let cache = Bounded::new(80);
        cache.keep(1, "large", 11);
        assert_eq!(cache.find(&1), None);
    }
}
