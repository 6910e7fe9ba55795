//! Parts of the data that share no repository, such as `train` and `val`.

use std::collections::BTreeMap;

use catena_plugin::Digest;
use serde::Serialize;

/// Why a split can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// It is not of the form `NAME=SHARE` or `OWNER/NAME=NAME`.
    #[error("`{0}` is neither `NAME=SHARE` nor `OWNER/NAME=NAME`")]
    Form(String),
    /// It says something a second time.
    #[error("`{0}` stands in it twice")]
    Twice(String),
    /// The shares are more than 1.
    #[error("the shares add up to more than 1")]
    Shares,
}

/// Which part each repository goes to. One that is not named goes by a digest
/// of its name, so it goes to the same part whenever the shares are the same.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Split {
    /// Parts with their shares of the repositories, in order.
    pub shares: Vec<(String, f64)>,
    /// Repositories, in lower case, with the part each is in.
    pub named: BTreeMap<String, String>,
}

impl Split {
    /// Reads `train=0.9,val=0.1,owner/name=test`. What the shares leave over is
    /// left out.
    pub fn parse(text: &str) -> Result<Self, SplitError> {
        let mut split = Self::default();
        for item in text.split(',').map(str::trim) {
            let form = || SplitError::Form(item.to_owned());
            let (name, value) = item.split_once('=').ok_or_else(form)?;
            if name.contains('/') {
                let part = part(value).ok_or_else(form)?;
                if split.named.insert(name.to_ascii_lowercase(), part).is_some() {
                    return Err(SplitError::Twice(name.to_owned()));
                }
                continue;
            }
            let share: f64 = value.parse().map_err(|_| form())?;
            if !(0.0..=1.0).contains(&share) {
                return Err(form());
            }
            if split.shares.iter().any(|(part, _)| part == name) {
                return Err(SplitError::Twice(name.to_owned()));
            }
            split.shares.push((part(name).ok_or_else(form)?, share));
        }
        let sum: f64 = split.shares.iter().map(|(_, share)| share).sum();
        if sum > 1.0 + 1e-9 { Err(SplitError::Shares) } else { Ok(split) }
    }

    /// The part that a repository is in.
    pub fn of(&self, repository: &str) -> Option<&str> {
        if let Some(part) = self.named.get(&repository.to_ascii_lowercase()) {
            return Some(part);
        }
        let at = place(repository);
        let mut end = 0.0;
        let mut parts = self.shares.iter();
        let found = parts.find(|(_, share)| {
            end += share;
            at < end
        });
        found.map(|(part, _)| part.as_str())
    }

    /// The repositories that it names.
    pub fn named(&self) -> Vec<String> {
        self.named.keys().cloned().collect()
    }

    /// The names of the parts.
    pub fn parts(&self) -> Vec<&str> {
        let mut parts: Vec<&str> = self.shares.iter().map(|(part, _)| part.as_str()).collect();
        for part in self.named.values() {
            if !parts.contains(&part.as_str()) {
                parts.push(part);
            }
        }
        parts
    }
}

/// A name that can be a part of a file's.
fn part(name: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!name.is_empty() && name.chars().all(is_plain)).then(|| name.to_owned())
}

/// Where from 0 to 1 a name stands.
fn place(name: &str) -> f64 {
    let digest = Digest::of(name.to_ascii_lowercase().as_bytes()).to_string();
    let first = digest.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    f64::from(first.unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_go_to_one_part_each() {
        let split = Split::parse("train=0.8,val=0.2,ada/notes=test").unwrap();
        assert_eq!(split.of("ada/notes"), Some("test"));
        assert_eq!(split.of("Ada/Notes"), Some("test"));
        assert_eq!(split.parts(), ["train", "val", "test"]);
        let names: Vec<String> = (0..1000).map(|number| format!("owner/name-{number}")).collect();
        let count = |part| names.iter().filter(|name| split.of(name) == Some(part)).count();
        assert_eq!(count("train") + count("val"), 1000);
        assert!((750..850).contains(&count("train")), "{}", count("train"));
        assert_eq!(split.of("Owner/Name-1"), split.of("owner/name-1"));
    }

    #[test]
    fn shares_must_be_shares() {
        for text in [
            "train",
            "train=2",
            "a b=0.5",
            "train=0.9,val=0.2",
            "ada/notes=a/b",
            "a=0.1,a=0.2",
            "A/b=c,a/B=d",
        ] {
            assert!(Split::parse(text).is_err(), "{text}");
        }
    }
}
