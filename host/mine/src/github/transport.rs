//! One request to GitHub's GraphQL API and its answer: octocrab over HTTP/1.1.
//!
//! Takes octocrab's raw answers, as its GraphQL call gives no headers, and those
//! tell GitHub's limits. What an answer means is `reply`'s, trying again
//! `client`'s: nothing is tried again here, and no redirect followed. Keeps the
//! token: it is sent over TLS, or to this machine, and printed nowhere.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::header::{HeaderMap, HeaderValue, USER_AGENT};
use hyper::{StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use octocrab::service::middleware::auth_header::AuthHeaderLayer;
use octocrab::service::middleware::extra_headers::ExtraHeadersLayer;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use serde_json::Value;

use super::error::GitHubError;

/// GitHub ends a query after ten seconds; what takes longer is lost on the way.
pub(super) const TIMEOUT: Duration = Duration::from_mins(1);

/// A token for GitHub's API. It is not printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes a token; spaces and line ends around it are no part of it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The way to one address.
pub(super) struct Transport {
    octocrab: Octocrab,
    uri: Uri,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no whole answer.
pub(super) enum TransportError {
    /// None for [`TIMEOUT`].
    Late,
    /// No connection, or one that broke off.
    Broken(String),
}

impl Transport {
    /// Must be called within the runtime: octocrab starts a task.
    pub(super) fn new(url: &str, token: Option<&Token>) -> Result<Self, GitHubError> {
        let setup = |reason: String| GitHubError::Setup { reason };
        let uri = format!("{}/graphql", base(url, token.is_some())?);
        let uri: Uri = uri.parse().map_err(|_| setup(format!("`{uri}` is no address")))?;
        let authorization = token.map(authorization).transpose()?;
        let connector = connector(&uri).map_err(|err| setup(err.to_string()))?;
        Ok(Self { octocrab: octocrab(connector, authorization, &uri), uri })
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn post(&self, body: &Value) -> Result<Answer, TransportError> {
        let exchange = async {
            let response = self.octocrab._post(self.uri.clone(), Some(body)).await;
            let (head, body) = response.map_err(|err| deepest(&err))?.into_parts();
            let body = body.collect().await.map_err(|err| deepest(&err))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        let answer = tokio::time::timeout(TIMEOUT, exchange).await;
        answer.map_err(|_| TransportError::Late)?.map_err(TransportError::Broken)
    }
}

/// Builds octocrab from its parts. Its ready-made client names itself beside what
/// the user agent is set to, and needs the system's certificates for every address.
fn octocrab(
    connector: HttpsConnector<HttpConnector>,
    authorization: Option<HeaderValue>,
    uri: &Uri,
) -> Octocrab {
    let agent = HeaderValue::from_static(concat!("catena/", env!("CARGO_PKG_VERSION")));
    let headers = Arc::new(vec![(USER_AGENT, agent)]);
    let built = OctocrabBuilder::new_empty()
        .with_service(Client::builder(TokioExecutor::new()).build(connector))
        .with_layer(&ExtraHeadersLayer::new(headers))
        // The addresses of the API and of uploads; no other gets the token.
        .with_layer(&AuthHeaderLayer::new(authorization, uri.clone(), uri.clone()))
        .with_auth(AuthState::None)
        .build();
    let Ok(octocrab) = built;
    octocrab
}

fn authorization(Token(token): &Token) -> Result<HeaderValue, GitHubError> {
    let wrong = |_| GitHubError::Setup { reason: "the token has line ends in it".to_owned() };
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(wrong)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Connects with or without TLS, as the address says. Without, no certificates
/// of the system are needed.
fn connector(uri: &Uri) -> Result<HttpsConnector<HttpConnector>, Box<dyn Error>> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(TIMEOUT));
    connector.enforce_http(false);
    let provider = rustls::crypto::ring::default_provider();
    let builder = HttpsConnectorBuilder::new();
    let builder = if uri.scheme_str() == Some("https") {
        builder.with_provider_and_native_roots(provider)?
    } else {
        let config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder.with_tls_config(config)
    };
    Ok(builder.https_or_http().enable_http1().wrap_connector(connector))
}

/// The first cause of an error: what is around it says that a request failed.
fn deepest(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// The address below which `/graphql` is.
fn base(url: &str, with_token: bool) -> Result<String, GitHubError> {
    // An address may hold a password, and is not repeated then.
    let shown = if url.contains('@') { "…" } else { url }.to_owned();
    let wrong = |reason| GitHubError::Address { url: shown.clone(), reason };
    let trimmed = url.trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/v3").unwrap_or(trimmed);
    let trimmed = trimmed.strip_suffix("/graphql").unwrap_or(trimmed);
    let uri: Uri = trimmed.parse().map_err(|_| wrong("it is none"))?;
    let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(wrong("it does not begin with `https://`"));
    };
    let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("a name and password do not belong into it"));
    }
    match scheme {
        "https" => {}
        "http" if is_here || !with_token => {}
        "http" => return Err(wrong("the token would be readable on the way; use `https://`")),
        _ => return Err(wrong("it does not begin with `https://`")),
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_enterprise_servers_lead_to_their_graphql() {
        let bases = |url| base(url, true).unwrap();
        assert_eq!(bases("https://api.github.com"), "https://api.github.com");
        assert_eq!(bases("https://git.example.org/api/v3/"), "https://git.example.org/api");
        assert_eq!(bases("https://git.example.org/api/graphql"), "https://git.example.org/api");
        assert_eq!(bases("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
    }

    #[test]
    fn addresses_that_would_give_a_token_away_are_refused() {
        let refused = |url, with_token| base(url, with_token).unwrap_err().to_string();
        assert!(refused("http://git.example.org/api/v3", true).contains("readable on the way"));
        assert!(base("http://git.example.org/api/v3", false).is_ok());
        let told = refused("https://name:secret@git.example.org", true);
        assert!(told.contains("password") && !told.contains("secret"), "{told}");
        assert!(refused("ftp://git.example.org", true).contains("https://"));
        assert!(refused("git.example.org", true).contains("https://"));
    }

    #[test]
    fn token_is_not_printed() {
        assert_eq!(format!("{:?}", Token::new("ghp_secret\n")), "Token(…)");
    }
}
