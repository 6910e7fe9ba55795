//! What the operator configured for this plugin.

use std::{error, fmt};

use serde::de::DeserializeOwned;

use crate::bindings::imports::catena::plugin::config;

/// Why the configuration could not be read: it does not fit the plugin's type.
#[derive(Debug)]
pub struct ConfigError(serde_json::Error);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration does not fit: {}", self.0)
    }
}

impl error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Reads the manifest's `[config]` table with the run file's values over it.
///
/// Every error type of this crate that a plugin may return is made from a
/// [`ConfigError`] by `?`.
pub fn read<T: DeserializeOwned>() -> Result<T, ConfigError> {
    parse(&config::read())
}

fn parse<T: DeserializeOwned>(json: &str) -> Result<T, ConfigError> {
    serde_json::from_str(json).map_err(ConfigError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Limits {
        steps: u32,
    }

    impl Default for Limits {
        fn default() -> Self {
            Self { steps: 30 }
        }
    }

    #[test]
    fn absent_keys_take_the_plugins_default() {
        assert_eq!(parse::<Limits>("{}").unwrap().steps, 30);
    }

    #[test]
    fn unknown_key_is_named() {
        let err = parse::<Limits>(r#"{"step": 3}"#).unwrap_err();
        assert!(err.to_string().contains("`step`"), "{err}");
    }
}
