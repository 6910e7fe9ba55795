//! Sizes and durations as people write them: `64MiB`, `30s`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not a size or a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct UnitError {
    text: String,
    expected: &'static str,
}

/// A number of bytes. Written as a whole number with `B`, `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Bytes of a guest's stack, from 64 KiB to 8 MiB, which is also what there is by default:
/// interpreters recurse deeply. Written as a [`ByteSize`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackSize(u64);

impl StackSize {
    /// The most there is.
    pub const MOST: Self = Self(8 << 20);

    const LEAST: u64 = 64 << 10;

    /// How many there are.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl Default for StackSize {
    fn default() -> Self {
        Self::MOST
    }
}

/// A length of time. Written as a whole number with `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const SPANS: [(&str, u64); 4] = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];

/// Splits `text` into a whole number and one of the units, and multiplies.
fn parse_with(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))?;
    number.trim_end().replace('_', "").parse::<u64>().ok()?.checked_mul(*factor)
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse_with(text, &SIZES).map(Self).ok_or_else(|| UnitError {
            text: text.to_owned(),
            expected: "a size such as `64MiB` (units: B, KiB, MiB, GiB)",
        })
    }
}

impl FromStr for StackSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let size = parse_with(text, &SIZES);
        let fits = size.filter(|size| (Self::LEAST..=Self::MOST.0).contains(size));
        fits.map(Self).ok_or_else(|| UnitError {
            text: text.to_owned(),
            expected: "the size of a stack, which is from `64KiB` to `8MiB`",
        })
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let millis = parse_with(text, &SPANS).ok_or_else(|| UnitError {
            text: text.to_owned(),
            expected: "a duration such as `30s` (units: ms, s, m, h)",
        })?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with(f, self.0, &SIZES)
    }
}

impl fmt::Display for StackSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with(f, self.0, &SIZES)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LARGEST_FIRST: [(&str, u64); 4] =
            [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_with(f, millis, &LARGEST_FIRST)
    }
}

/// Writes `value` in the largest unit that divides it.
fn write_with(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    for (unit, factor) in units {
        if value >= *factor && value.is_multiple_of(*factor) {
            return write!(f, "{}{unit}", value / factor);
        }
    }
    write!(f, "{value}{}", units.last().map_or("", |(unit, _)| unit))
}

macro_rules! text_serde {
    ($name:ident, $pattern:literal) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

text_serde!(ByteSize, "^[0-9_]+ *(B|KiB|MiB|GiB)$");
text_serde!(Span, "^[0-9_]+ *(ms|s|m|h)$");
text_serde!(StackSize, "^[0-9_]+ *(B|KiB|MiB|GiB)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_back_what_they_write() {
        for text in ["64MiB", "1B", "3GiB", "1500KiB"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        for text in ["30s", "250ms", "2h", "90m"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "64", "MiB", "-1s", "1.5s", "99999999999999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err() && text.parse::<Span>().is_err(), "{text}");
        }
        for text in ["64KiB", "1MiB", "8MiB"] {
            assert_eq!(text.parse::<StackSize>().unwrap().to_string(), text);
        }
        for text in ["", "63KiB", "9MiB", "1GiB"] {
            assert!(text.parse::<StackSize>().is_err(), "{text}");
        }
    }
}
