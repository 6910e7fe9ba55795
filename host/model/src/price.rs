//! Money, and what tokens cost. All of it is whole numbers: a bill that was
//! added up twice is the same twice.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::usage::Usage;

const MICROS: u64 = 1_000_000;

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an amount of US dollars such as `0.25`, with at most six decimals")]
pub struct UsdError(String);

/// An amount of money in millionths of a US dollar. Written as a number or a
/// text with at most six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(u64);

impl Usd {
    /// So many millionths of a dollar.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// In millionths of a dollar.
    pub const fn micros(self) -> u64 {
        self.0
    }
}

impl FromStr for Usd {
    type Err = UsdError;

    fn from_str(text: &str) -> Result<Self, UsdError> {
        let parse = || {
            let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
            let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            if part.is_empty() || part.len() > 6 || !is_number(whole) || !is_number(part) {
                return None;
            }
            let dollars = whole.parse::<u64>().ok()?;
            let micros = format!("{part:0<6}").parse::<u64>().ok()?;
            dollars.checked_mul(MICROS)?.checked_add(micros).map(Self)
        };
        parse().ok_or_else(|| UsdError(text.to_owned()))
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:06}", self.0 % MICROS);
        match part.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / MICROS),
            part => write!(f, "{}.{part}", self.0 / MICROS),
        }
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;

        impl de::Visitor<'_> for Amount {
            type Value = Usd;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount of US dollars such as 0.25")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Usd, E> {
                text.parse().map_err(E::custom)
            }

            // The shortest text of a float is what was written.
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Usd, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Usd, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Usd, E> {
                self.visit_str(&value.to_string())
            }
        }

        deserializer.deserialize_any(Amount)
    }
}

impl JsonSchema for Usd {
    fn schema_name() -> Cow<'static, str> {
        "Usd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "US dollars, with at most six decimals.",
            "anyOf": [
                { "type": "number", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,6})?$" },
            ],
        })
    }
}

/// Prices per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens that were not cached.
    #[serde(default)]
    pub input: Usd,
    /// Prompt tokens read from the server's cache; as `input` where nothing is
    /// said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<Usd>,
    /// Tokens the model produced.
    #[serde(default)]
    pub output: Usd,
}

impl Price {
    /// What `usage` costs, in millionths of a US dollar, rounded up.
    pub fn cost_microusd(&self, usage: &Usage) -> u64 {
        let fresh = usage.input_tokens.saturating_sub(usage.cached_tokens);
        let cached = self.cached.unwrap_or(self.input);
        let parts = [
            (fresh, self.input),
            (usage.cached_tokens, cached),
            (usage.output_tokens, self.output),
        ];
        let sum: u128 = parts
            .into_iter()
            .map(|(tokens, price)| u128::from(tokens) * u128::from(price.micros()))
            .sum();
        u64::try_from(sum.div_ceil(u128::from(MICROS))).unwrap_or(u64::MAX)
    }

    /// The usage with its cost.
    #[must_use]
    pub fn charge(&self, usage: Usage) -> Usage {
        Usage { cost_microusd: self.cost_microusd(&usage), ..usage }
    }

    /// Whether every token is free, as far as is known.
    pub fn is_nothing(&self) -> bool {
        self.cost_microusd(&Usage {
            input_tokens: MICROS,
            output_tokens: MICROS,
            ..Usage::default()
        }) == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn price(text: &str) -> Price {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn cached_tokens_are_charged_at_their_own_price() {
        let usage = Usage {
            input_tokens: 1_000,
            cached_tokens: 400,
            output_tokens: 10,
            ..Usage::default()
        };
        let own = price(r#"{"input": 2.0, "cached": 0.5, "output": 10}"#);
        assert_eq!(own.cost_microusd(&usage), 600 * 2 + 200 + 100);
        let same = price(r#"{"input": "2", "output": "10.000"}"#);
        assert_eq!(same.cost_microusd(&usage), 1_000 * 2 + 100);
    }

    #[test]
    fn amounts_with_more_than_six_decimals_are_refused() {
        for text in ["0.0000001", "-1", "1e3", "", ".", "1.", "99999999999999999999"] {
            assert!(text.parse::<Usd>().is_err(), "{text}");
        }
        assert_eq!("0.11".parse::<Usd>().unwrap().micros(), 110_000);
    }

    proptest! {
        #[test]
        fn amounts_read_back_what_they_write(micros: u64) {
            let amount = Usd::from_micros(micros);
            prop_assert_eq!(amount.to_string().parse::<Usd>(), Ok(amount));
        }
    }
}
