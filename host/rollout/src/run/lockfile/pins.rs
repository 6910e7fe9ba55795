//! What is approved of a run file, and how one state of it differs from another: its plugins,
//! what they are given, what models they ask, and what holds for all of them together.
//!
//! Where it is kept is the parent's. No value of a secret and no text of a configuration is
//! here, as the file is for everybody to read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use catena_plugin::{Digest, Effective, LimitsRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ledger::digest;
use crate::secrets::SecretUse;

use super::bounds::PinnedBounds;
use super::models::PinnedModel;

/// What was approved for one run file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// Digests of what `[native]` says of commands outside the sandbox, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub native: BTreeMap<String, Digest>,
    /// Where granted secrets come from and go to, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretUse>,
    /// Digest of the certificates that `[http]` names; none where it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<Digest>,
    /// What bounds all plugins together; none where no rollout is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<PinnedBounds>,
    /// Where models that the run file describes are, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, PinnedModel>,
    /// Plugins and programs, by name.
    #[serde(default)]
    pub plugins: BTreeMap<String, Pinned>,
}

/// A table of the run file.
const HTTP: &str = "[http]";

/// What was approved of one plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Digest of its component.
    pub component: Digest,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Digest of what the component imports and exports, with all types.
    pub world: Digest,
    /// Digest of the `config` that the run file gives it; none where it gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Digest>,
    /// What each of its calls may use; what is left out has the bound of its caller. Files
    /// of version 1 say nothing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: LimitsRequest,
    /// What it may do: asked for and granted. Of a program, what it asks for, of which
    /// it has what its caller has.
    pub rights: Effective,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Something that is not as it was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The plugin, the name of a secret, of a model or of commands outside the sandbox, or
    /// a table of the run file such as `[budget]`.
    pub plugin: String,
    /// `component`, `manifest`, `world`, `config`, `commands`, `plugin`, `secret`, `model`,
    /// `limits`, `bounds`, or the right, the limit or the key.
    pub part: String,
    /// What was approved; none where nothing was.
    pub was: Option<String>,
    /// What it is; none where the run file does not use it any more.
    pub is: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, part, .. } = self;
        match (&self.was, &self.is) {
            (Some(was), Some(is)) => write!(f, "`{plugin}`: {part} was {was}, is {is}"),
            (None, Some(is)) => write!(f, "`{plugin}`: never approved ({part}: {is})"),
            (Some(_), None) => write!(f, "`{plugin}`: not used any more ({part})"),
            (None, None) => write!(f, "`{plugin}`: {part}"),
        }
    }
}

impl Difference {
    pub(super) fn changed(name: &str, part: &str, was: String, is: String) -> Self {
        Self { was: Some(was), ..Self::new(name, part, is) }
    }

    /// Of what was never approved.
    pub(super) fn new(name: &str, part: &str, is: String) -> Self {
        Self { plugin: name.to_owned(), part: part.to_owned(), was: None, is: Some(is) }
    }

    /// Of what was approved and is not in use.
    pub(super) fn gone(name: &str, part: &str) -> Self {
        let was = Some("approved".to_owned());
        Self { was, is: None, ..Self::new(name, part, String::new()) }
    }
}

/// All that differs, as one line each.
pub(in crate::run) fn in_lines(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Pinned {
    /// What it may do, in a line.
    pub fn rights_in_a_line(&self) -> String {
        let held = self.rights.describe().into_iter().filter(|(_, value)| value != NOTHING);
        let held = held.map(|(right, value)| format!("{right} {value}"));
        let held = held.collect::<Vec<_>>().join(", ");
        if held.is_empty() { "none".to_owned() } else { held }
    }

    /// How `self` differs from what it was.
    pub(in crate::run) fn differences(&self, name: &str, was: &Self) -> Vec<Difference> {
        let digests = [
            ("component", Some(&was.component), Some(&self.component)),
            ("manifest", Some(&was.manifest), Some(&self.manifest)),
            ("world", Some(&was.world), Some(&self.world)),
            ("config", was.config.as_ref(), self.config.as_ref()),
        ];
        let was_complete = !is_default(&was.limits);
        let changed = digests.into_iter().filter(|(_, was, is)| was != is);
        // Files of version 1 have the three that every plugin has.
        let changed = changed.filter(|(_, was, _)| was_complete || was.is_some());
        let mut all: Vec<Difference> = changed
            .map(|(part, was, is)| Difference::changed(name, part, short(was), short(is)))
            .collect();
        let rights = was.rights.describe().into_iter().zip(self.rights.describe());
        let rights = rights.filter(|((_, was), (_, is))| was != is);
        all.extend(rights.map(|((right, was), (_, is))| Difference::changed(name, right, was, is)));
        let limits = lines(&self.limits);
        if was_complete {
            all.extend(compare(name, &lines(&was.limits), &limits));
        } else {
            let limits = format!("{}; config {}", in_a_line(&limits), short(self.config.as_ref()));
            all.push(Difference::new(name, "limits", limits));
        }
        all
    }
}

impl Approved {
    /// How what is in use differs from what was approved, with what never was at the end.
    pub(super) fn differences(&self, was: &Self) -> Vec<Difference> {
        let (mut changed, mut new) = (Vec::new(), Vec::new());
        for (name, pinned) in &self.plugins {
            match was.plugins.get(name) {
                Some(was) => changed.extend(pinned.differences(name, was)),
                None => new.push(Difference::new(name, "rights", pinned.rights_in_a_line())),
            }
        }
        for (name, is) in &self.native {
            match was.native.get(name) {
                Some(was) if was == is => {}
                Some(was) => {
                    let (was, is) = (short(Some(was)), short(Some(is)));
                    changed.push(Difference::changed(name, "commands", was, is));
                }
                None => new.push(Difference::new(name, "commands", short(Some(is)))),
            }
        }
        for (name, is) in &self.secrets {
            let is = lines(is);
            match was.secrets.get(name) {
                Some(was) => changed.extend(compare(name, &lines(was), &is)),
                None => new.push(Difference::new(name, "secret", in_a_line(&is))),
            }
        }
        for (name, is) in &self.models {
            let is = lines(is);
            match was.models.get(name) {
                Some(was) => changed.extend(compare(name, &lines(was), &is)),
                None => new.push(Difference::new(name, "model", in_a_line(&is))),
            }
        }
        match (self.authorities.as_ref(), was.authorities.as_ref()) {
            (Some(is), Some(was)) if is != was => {
                changed.push(Difference::changed(HTTP, "ca", short(Some(was)), short(Some(is))));
            }
            (Some(is), None) => new.push(Difference::new(HTTP, "ca", short(Some(is)))),
            _ => {}
        }
        match (&self.bounds, &was.bounds) {
            (Some(is), Some(was)) => changed.extend(is.differences(was)),
            (Some(is), None) => new.extend(is.all_new()),
            (None, _) => {}
        }
        changed.extend(new);
        changed
    }

    /// What was approved and is not in use.
    pub(super) fn gone(&self, was: &Self) -> Vec<Difference> {
        let plugins = was.plugins.keys().filter(|name| !self.plugins.contains_key(*name));
        let native = was.native.keys().filter(|name| !self.native.contains_key(*name));
        let secrets = was.secrets.keys().filter(|name| !self.secrets.contains_key(*name));
        let models = was.models.keys().filter(|name| !self.models.contains_key(*name));
        let plugins = plugins.map(|name| Difference::gone(name, "plugin"));
        let native = native.map(|name| Difference::gone(name, "commands"));
        let secrets = secrets.map(|name| Difference::gone(name, "secret"));
        let models = models.map(|name| Difference::gone(name, "model"));
        let is_gone = was.authorities.is_some() && self.authorities.is_none();
        let authorities = is_gone.then(|| Difference::gone(HTTP, "ca"));
        plugins.chain(native).chain(secrets).chain(models).chain(authorities).collect()
    }

    pub(super) fn digest(&self) -> Digest {
        digest(self)
    }
}

/// Digits of a digest that people are shown.
const SHORT: usize = 12;

fn short(digest: Option<&Digest>) -> String {
    digest.map_or("none".to_owned(), |digest| digest.to_string().chars().take(SHORT).collect())
}

/// Where nothing is said.
const NOTHING: &str = "-";

/// What differs between two tables.
pub(super) fn compare(
    name: &str,
    was: &BTreeMap<String, String>,
    is: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let keys: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let changed = keys.into_iter().filter(|key| was.get(*key) != is.get(*key));
    let told = |table: &BTreeMap<String, String>, key: &str| {
        table.get(key).map_or(NOTHING, String::as_str).to_owned()
    };
    changed.map(|key| Difference::changed(name, key, told(was, key), told(is, key))).collect()
}

pub(super) fn in_a_line(lines: &BTreeMap<String, String>) -> String {
    lines.iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join(", ")
}

/// The keys and values of a table, those of tables in it by their path.
pub(super) fn lines<T: Serialize>(table: &T) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    // Our own types always have a JSON form.
    collect(String::new(), serde_json::to_value(table).unwrap_or_default(), &mut all);
    all
}

fn collect(path: String, value: Value, all: &mut BTreeMap<String, String>) {
    let Value::Object(table) = value else {
        all.insert(path, text(&value));
        return;
    };
    for (key, value) in table {
        let path = if path.is_empty() { key } else { format!("{path}.{key}") };
        collect(path, value, all);
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), grouped),
        other => other.to_string(),
    }
}

/// A number as a run file may have it, in groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(fuel: u64) -> LimitsRequest {
        LimitsRequest { fuel: Some(fuel), processes: Some(7), ..LimitsRequest::default() }
    }

    fn pinned() -> Pinned {
        let digest = Digest::of(b"");
        let (component, manifest, world) = (digest, digest, digest);
        let rights = Effective::default();
        Pinned { component, manifest, world, config: None, limits: limits(1_000_000_000), rights }
    }

    #[test]
    fn differences_are_told_key_by_key() {
        let was = pinned();
        let config = Some(Digest::of(b"{}"));
        let is = Pinned { limits: limits(20_000), config, ..pinned() };
        let told = in_lines(&is.differences("tool", &was));
        let expected = "`tool`: config was none, is 44136fa355b3\n\
                        `tool`: fuel was 1_000_000_000, is 20_000";
        assert_eq!(told, expected);
        assert_eq!(was.differences("tool", &was), []);
    }

    #[test]
    fn what_a_file_of_version_1_lacks_was_never_approved() {
        let was = Pinned { limits: LimitsRequest::default(), ..pinned() };
        let told = in_lines(&pinned().differences("tool", &was));
        let limits = "fuel 1_000_000_000, processes 7; config none";
        assert_eq!(told, format!("`tool`: never approved (limits: {limits})"));
    }
}
