//! Secrets of a run: which servers they are for, and their values, which are read once and
//! put into headers on the way out. A guest has a placeholder in their place.

use std::collections::{BTreeMap, BTreeSet};

use catena_model::Secret;
use catena_network::Filling;
use catena_network::address::is_public;
use catena_plugin::network::Scheme;
use catena_plugin::session::PluginSpec;
use catena_plugin::{HttpFailure, HttpStart, Origin, network};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::models::ModelAccess;
use crate::serve::Trespass;

/// A secret, by the name under which plugins are granted it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretUse {
    /// The variable of the environment that holds it.
    pub env: String,
    /// The servers it may be sent to: by `https`, or at an address that is not public.
    pub hosts: Vec<Origin>,
}

impl SecretUse {
    /// A server of it to which others could read it on the way.
    pub(crate) fn exposed(&self) -> Option<&Origin> {
        self.hosts.iter().find(|host| !is_confidential(host))
    }
}

/// Whether what goes to a server is encrypted, or stays on machines and networks of the
/// operator's.
fn is_confidential(origin: &Origin) -> bool {
    origin.scheme() == Scheme::Https || origin.address().is_some_and(|address| !is_public(address))
}

/// Why a secret can't be had.
#[derive(Debug, thiserror::Error)]
#[error("secret `{name}`: the environment variable `{env}` {reason}")]
pub struct SecretError {
    /// The secret.
    pub name: String,
    /// Where it was looked for.
    pub env: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// The secrets that plugins of a run are granted. Values are not printed and not written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(BTreeMap<String, Held>);

#[derive(Debug, Clone)]
struct Held {
    hosts: Vec<Origin>,
    value: Secret,
}

impl Secrets {
    /// Those of a run file that are granted to any of these. Who asks nobody needs none.
    pub(crate) fn open<'a>(
        uses: &BTreeMap<String, SecretUse>,
        plugins: impl Iterator<Item = &'a PluginSpec>,
        access: &ModelAccess,
    ) -> Result<Self, SecretError> {
        let ModelAccess::Live(environment) = access else { return Ok(Self::default()) };
        let granted: BTreeSet<&String> =
            plugins.flat_map(|plugin| &plugin.rights.secrets).collect();
        let mut held = BTreeMap::new();
        for (name, used) in uses.iter().filter(|(name, _)| granted.contains(name)) {
            let wrong = |reason| SecretError { name: name.clone(), env: used.env.clone(), reason };
            let text = environment(&used.env).ok_or_else(|| wrong("is not set"))?;
            let value = Secret::new(&text).ok_or_else(|| wrong("is empty"))?;
            if value.reveal().chars().any(char::is_control) {
                return Err(wrong("has line ends or other control characters"));
            }
            held.insert(name.clone(), Held { hosts: used.hosts.clone(), value });
        }
        Ok(Self(held))
    }

    /// What is to be put into a request; the inner error is the guest's. The worker checked
    /// that the plugin is granted what it names, and is not believed.
    pub(crate) fn for_request(
        &self,
        askers: &[&PluginSpec],
        start: &HttpStart,
    ) -> Result<Result<Vec<Filling<'_>>, HttpFailure>, Trespass> {
        let mut fillings = Vec::new();
        let names = start.headers.iter().flat_map(|(_, value)| network::named_secrets(&value.0));
        for name in names.collect::<BTreeSet<String>>() {
            if !askers.iter().any(|asker| asker.rights.secrets.contains(&name)) {
                return Err(Trespass(format!("secret `{name}`")));
            }
            let is_for = |held: &&Held| held.hosts.contains(&start.origin);
            match self.0.get(&name).filter(|held| is_for(held) && is_confidential(&start.origin)) {
                Some(held) => fillings
                    .push(Filling { placeholder: network::placeholder(&name), value: &held.value }),
                None => return Ok(Err(HttpFailure::SecretNotFor(name))),
            }
        }
        Ok(Ok(fillings))
    }
}
