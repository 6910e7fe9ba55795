//! Keys of model servers, which nothing prints.

use std::fmt;

/// What stands in the place of a key.
const HIDDEN: &str = "[hidden]";

/// A key. It can be sent to the server it is for and nowhere else: it has no
/// serialized form, and `Debug` and `Display` hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a key as a person stored it: spaces and line ends around it are
    /// not part of it. `None` if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The key itself, for the header of a request to the server it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The text without the key, should a server have repeated it.
    pub(crate) fn hide_in(&self, text: String) -> String {
        if text.contains(&self.0) { text.replace(&self.0, HIDDEN) } else { text }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_not_printed_and_is_taken_out_of_texts() {
        let key = Secret::new(" sk-very-secret\n").unwrap();
        assert_eq!(format!("{key} {key:?}"), "[hidden] [hidden]");
        let words = key.hide_in("wrong key sk-very-secret given".to_owned());
        assert_eq!(words, "wrong key [hidden] given");
        assert_eq!(Secret::new(" \n"), None);
    }
}
