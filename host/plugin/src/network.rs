//! Requests of plugins to the network: which ones a right is for, and what crosses the pipe.
//!
//! Nothing here reaches a network: the host does, in `catena-network`.

mod rights;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::native::NativeBytes;

pub(crate) use rights::both;
pub use rights::{HttpRight, HttpRightError, Origin, Scheme, allows};

/// Most bytes of the body of a request, and of an answer.
pub const MAX_BODY: u64 = 8 << 20;

/// Most bytes of all headers of a request, and of an answer.
pub const MAX_HEADERS: usize = 64 << 10;

/// What a guest has in the place of a secret: in the value of a header, the host puts the
/// secret there.
pub fn placeholder(name: &str) -> String {
    format!("{PLACE_BEGINS}{name}{PLACE_ENDS}")
}

const PLACE_BEGINS: &str = "{secret:";
const PLACE_ENDS: char = '}';

/// The secrets for which there are placeholders in a header's value.
pub fn named_secrets(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    let parts = text.split(PLACE_BEGINS).skip(1);
    parts.filter_map(|part| Some(part.split_once(PLACE_ENDS)?.0.to_owned())).collect()
}

/// A request for the host to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpStart {
    /// The plugin or program that makes it.
    pub plugin: String,
    /// The method, in upper case.
    pub method: String,
    /// To whom.
    pub origin: Origin,
    /// Path and query.
    pub path: String,
    /// Headers, in order.
    pub headers: Vec<(String, NativeBytes)>,
    /// The body.
    pub body: NativeBytes,
    /// How long it may take. Not part of what is compared in a replay.
    pub wall: Duration,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpFault {
    /// The method is none, or asks for a tunnel.
    #[error("its method is no method of a request")]
    Method,
    /// The path does not begin with `/`, or has what no path has.
    #[error("its path is no path")]
    Path,
    /// A header is not one that a guest may set.
    #[error("a header is not well formed, or the connection's own")]
    Header,
    /// Headers and path have more than [`MAX_HEADERS`] bytes, or the body more than
    /// [`MAX_BODY`].
    #[error("it is too large")]
    Size,
}

/// Headers that are the connection's and not the guest's.
const OF_THE_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header is the connection's own.
pub(crate) fn is_of_the_connection(name: &str) -> bool {
    OF_THE_CONNECTION.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a header's name and value are written as such are.
pub(crate) fn is_header(name: &str, value: &[u8]) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let is_name = !name.is_empty() && name.chars().all(is_token);
    is_name && !value.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127))
}

impl HttpStart {
    /// Whether it is a request that a guest may make, whoever it is to. Worker and host both
    /// look.
    pub fn check(&self) -> Result<(), HttpFault> {
        let is_method = (1..=32).contains(&self.method.len())
            && self.method.chars().all(|c| c.is_ascii_uppercase())
            && self.method != "CONNECT";
        if !is_method {
            return Err(HttpFault::Method);
        }
        let is_visible = |c: char| !c.is_control() && !matches!(c, ' ' | '#');
        if !self.path.starts_with('/') || !self.path.chars().all(is_visible) {
            return Err(HttpFault::Path);
        }
        let may_be_set =
            |name: &str, value: &[u8]| is_header(name, value) && !is_of_the_connection(name);
        if !self.headers.iter().all(|(name, value)| may_be_set(name, &value.0)) {
            return Err(HttpFault::Header);
        }
        let sizes = self.headers.iter().map(|(name, value)| name.len() + value.0.len());
        let size = sizes.fold(self.path.len(), usize::saturating_add);
        if size > MAX_HEADERS || self.body.0.len() as u64 > MAX_BODY {
            return Err(HttpFault::Size);
        }
        Ok(())
    }
}

/// What came of a request.
pub type HttpEnd = Result<HttpAnswer, HttpFailure>;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// Headers, in order.
    pub headers: Vec<(String, NativeBytes)>,
    /// The body.
    pub body: NativeBytes,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum HttpFailure {
    /// The host's name stands for addresses that plugins do not reach.
    #[error("`{0}` is at no public address")]
    Prohibited(String),
    /// The host's name stands for nothing.
    #[error("`{0}` has no address")]
    NoAddress(String),
    /// No connection came to be.
    #[error("can't connect: {0}")]
    Unreachable(String),
    /// Nobody vouches for who answered being the server.
    #[error("the server can't be believed: {0}")]
    Untrusted(String),
    /// It took too long.
    #[error("it took longer than {0:?}")]
    TimedOut(Duration),
    /// More bytes came than may.
    #[error("the answer has more than {0} bytes")]
    TooLarge(u64),
    /// The connection broke off, or what came is no HTTP.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// A secret that it has a placeholder for is not for this server.
    #[error("secret `{0}` is not for this server")]
    SecretNotFor(String),
    /// A limit of the host is reached.
    #[error("{0}")]
    LimitReached(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_that_is_more_than_one_is_none() {
        let good = HttpStart {
            plugin: "test".to_owned(),
            method: "GET".to_owned(),
            origin: "http://api.example.org".parse().unwrap(),
            path: "/a?b=c".to_owned(),
            headers: vec![("accept".to_owned(), NativeBytes(b"*/*".to_vec()))],
            body: NativeBytes::default(),
            wall: Duration::ZERO,
        };
        assert_eq!(good.check(), Ok(()));
        for path in
            ["@169.254.169.254/", ":8080/", ".evil.example/", "", "/a b", "/a\r\nx: y", "/#"]
        {
            let start = HttpStart { path: path.to_owned(), ..good.clone() };
            assert_eq!(start.check(), Err(HttpFault::Path), "{path:?}");
        }
        for method in ["CONNECT", "get", "", "GET /"] {
            let start = HttpStart { method: method.to_owned(), ..good.clone() };
            assert_eq!(start.check(), Err(HttpFault::Method), "{method:?}");
        }
        for (name, value) in
            [("Host", "x"), ("content-length", "1"), ("a", "b\r\nc: d"), ("a:", "")]
        {
            let header = (name.to_owned(), NativeBytes(value.as_bytes().to_vec()));
            let start = HttpStart { headers: vec![header], ..good.clone() };
            assert_eq!(start.check(), Err(HttpFault::Header), "{name:?}");
        }
        let body = NativeBytes(vec![0; usize::try_from(MAX_BODY).unwrap() + 1]);
        assert_eq!(HttpStart { body, ..good }.check(), Err(HttpFault::Size));
    }

    #[test]
    fn placeholders_of_secrets_are_found_in_values() {
        let value = format!("Bearer {} {} {{secret:open", placeholder("A"), placeholder("b-1"));
        assert_eq!(named_secrets(value.as_bytes()), ["A", "b-1"]);
        assert!(named_secrets(b"Bearer secret:A").is_empty());
    }
}
