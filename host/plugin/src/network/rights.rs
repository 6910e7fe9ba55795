//! Servers, and rights to requests to them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// In place of a method or a host: all that the other side names.
const ANY: &str = "*";

/// Longest name of a host.
const MAX_HOST: usize = 253;

/// Why a text is not a right to requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a right to requests: a method and a host, such as `GET api.example.org` or \
     `POST https://api.example.org:8443`, with `*` for any of the one or the other"
)]
pub struct HttpRightError(String);

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Without encryption.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As addresses spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A server: scheme, host and port. Written as an address; without a scheme it is `https`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    scheme: Scheme,
    /// In lower case; an address of version 6 without brackets.
    host: String,
    port: u16,
}

impl Origin {
    /// The server that a request's parts name, where they name one.
    pub fn new(scheme: Scheme, authority: &str) -> Option<Self> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let host = host.to_ascii_lowercase();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        let is_host = !host.is_empty() && host.len() <= MAX_HOST && host.chars().all(is_plain);
        let port = match port {
            Some(port) if port.chars().all(|c| c.is_ascii_digit()) => port.parse().ok()?,
            Some(_) => return None,
            None => scheme.port(),
        };
        is_host.then_some(Self { scheme, host, port })
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as addresses spell them.
    pub fn authority(&self) -> String {
        let Self { scheme, host, port } = self;
        let is_v6 = host.contains(':');
        let (open, close) = if is_v6 { ("[", "]") } else { ("", "") };
        let port = if *port == scheme.port() { String::new() } else { format!(":{port}") };
        format!("{open}{host}{close}{port}")
    }

    /// The address, if it is named by that and not by a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl FromStr for Origin {
    type Err = HttpRightError;

    fn from_str(text: &str) -> Result<Self, HttpRightError> {
        let (scheme, authority) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err(HttpRightError(text.to_owned())),
            None => (Scheme::Https, text),
        };
        Self::new(scheme, authority).ok_or_else(|| HttpRightError(text.to_owned()))
    }
}

impl TryFrom<String> for Origin {
    type Error = HttpRightError;

    fn try_from(text: String) -> Result<Self, HttpRightError> {
        text.parse()
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.to_string()
    }
}

/// A right to requests of one method to one server. Written as `GET api.example.org`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct HttpRight {
    /// None for any.
    method: Option<String>,
    /// None for any that the other side names.
    origin: Option<Origin>,
}

impl HttpRight {
    /// What is allowed of what is asked for by what is granted. An address, which may be one
    /// of the operator's own machines, is the operator's to name.
    fn within(&self, granted: &Self) -> Option<Self> {
        fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.is_none() || other.is_none() || one == other
        }
        let agrees = agree(self.method.as_ref(), granted.method.as_ref())
            && agree(self.origin.as_ref(), granted.origin.as_ref());
        // Somebody must have said which server.
        let origin = self.origin.as_ref().or(granted.origin.as_ref()).filter(|_| agrees)?;
        if granted.origin.is_none() && origin.address().is_some() {
            return None;
        }
        let method = self.method.as_ref().or(granted.method.as_ref());
        Some(Self { method: method.cloned(), origin: Some(origin.clone()) })
    }

    /// Whether it is enough for a request.
    fn allows(&self, method: &str, origin: &Origin) -> bool {
        self.origin.as_ref() == Some(origin)
            && self.method.as_ref().is_none_or(|allowed| allowed == method)
    }
}

/// What is allowed of what is asked for by what is granted.
pub(crate) fn both(
    asked: &BTreeSet<HttpRight>,
    granted: &BTreeSet<HttpRight>,
) -> BTreeSet<HttpRight> {
    let pairs = asked.iter().flat_map(|asked| granted.iter().map(move |granted| (asked, granted)));
    pairs.filter_map(|(asked, granted)| asked.within(granted)).collect()
}

/// Whether rights are enough for a request.
pub fn allows(rights: &BTreeSet<HttpRight>, method: &str, origin: &Origin) -> bool {
    rights.iter().any(|right| right.allows(method, origin))
}

impl fmt::Display for HttpRight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.method, &self.origin) {
            (None, None) => f.write_str(ANY),
            (Some(method), None) => write!(f, "{method} {ANY}"),
            (method, Some(origin)) => {
                write!(f, "{} {origin}", method.as_deref().unwrap_or(ANY))
            }
        }
    }
}

impl TryFrom<String> for HttpRight {
    type Error = HttpRightError;

    fn try_from(text: String) -> Result<Self, HttpRightError> {
        let wrong = || HttpRightError(text.clone());
        if text == ANY {
            return Ok(Self { method: None, origin: None });
        }
        let (method, origin) = text.split_once(' ').ok_or_else(wrong)?;
        let is_method = !method.is_empty() && method.chars().all(|c| c.is_ascii_uppercase());
        let method = match method {
            ANY => None,
            method if is_method => Some(method.to_owned()),
            _ => return Err(wrong()),
        };
        let origin = match origin {
            ANY => None,
            origin => Some(origin.parse().map_err(|_| wrong())?),
        };
        Ok(Self { method, origin })
    }
}

impl From<HttpRight> for String {
    fn from(right: HttpRight) -> Self {
        right.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(texts: &[&str]) -> BTreeSet<HttpRight> {
        texts.iter().map(|text| HttpRight::try_from((*text).to_owned()).unwrap()).collect()
    }

    #[test]
    fn address_is_the_operators_to_name() {
        let of = |one: &[&str], other: &[&str]| both(&rights(one), &rights(other));
        for granted in ["*", "GET *"] {
            assert!(of(&["GET http://169.254.169.254"], &[granted]).is_empty(), "{granted}");
            assert!(of(&["GET http://[::1]"], &[granted]).is_empty(), "{granted}");
        }
        let named = ["GET http://10.0.0.1"];
        assert_eq!(of(&["*"], &named), rights(&named));
    }

    #[test]
    fn right_is_what_both_name_and_somebody_must_name_the_server() {
        let of = |one: &[&str], other: &[&str]| both(&rights(one), &rights(other));
        let get = rights(&["GET api.example.org"]);
        assert_eq!(of(&["* api.example.org"], &["GET *"]), get);
        assert_eq!(of(&["*"], &["GET https://API.example.org:443"]), get);
        for other in [
            "POST api.example.org",
            "GET example.org",
            "GET http://api.example.org",
            "GET api.example.org:8443",
        ] {
            assert!(of(&["GET api.example.org"], &[other]).is_empty(), "{other}");
        }
        assert!(of(&["*"], &["*"]).is_empty() && of(&["GET *"], &["* *"]).is_empty());
        let origin = "https://api.example.org".parse().unwrap();
        assert!(allows(&get, "GET", &origin) && !allows(&get, "get", &origin));
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            "a b",
            "user@host",
            "host/path",
            "host:",
            "host:99999",
            "host:+1",
            "[::1",
            "ftp://host",
            "::1",
            "host?x",
            "h\u{f6}st",
        ] {
            let text = format!("GET {text}");
            assert!(HttpRight::try_from(text.clone()).is_err(), "{text}");
        }
        let origin: Origin = "http://[::1]:8080".parse().unwrap();
        assert_eq!(
            (origin.to_string(), origin.address().is_some()),
            ("http://[::1]:8080".to_owned(), true)
        );
    }
}
