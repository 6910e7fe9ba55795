//! Bytes to and from a server, within deadlines and a bound on their number.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::{Instant, timeout_at};

use super::OpenAiSettings;
use super::error::{OpenAiError, SettingsError, Waited};
use crate::tls::Authorities;

/// Most bytes of an answer that is only looked at for the server's words.
const MAX_WORDS: usize = 64 << 10;

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the first byte of the answer, from the request on.
    pub first_byte: Duration,
    /// For the next byte of the answer.
    pub silence: Duration,
    /// For all of the answer, from the request on.
    pub request: Duration,
}

enum HttpClient {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// The way to one server.
pub(super) struct Transport {
    client: HttpClient,
    uri: Uri,
    headers: HeaderMap,
    timeouts: Timeouts,
    max_reply_bytes: usize,
}

impl Transport {
    pub(super) fn new(settings: &OpenAiSettings) -> Result<Self, SettingsError> {
        let uri = address(&settings.base_url)?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(settings.timeouts.connect));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let builder = Client::builder(TokioExecutor::new());
        let client = if uri.scheme_str() == Some("https") {
            HttpClient::Tls(builder.build(over_tls(connector, &settings.authorities)?))
        } else {
            HttpClient::Plain(builder.build(connector))
        };
        Ok(Self {
            client,
            uri,
            headers: headers(settings)?,
            timeouts: settings.timeouts,
            max_reply_bytes: settings.max_reply_bytes,
        })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn post(&self, body: Bytes) -> Result<Answer, OpenAiError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let begin = Instant::now();
        let first_byte = self.timeouts.first_byte.min(self.timeouts.request);
        let sent = async {
            match &self.client {
                HttpClient::Plain(client) => client.request(request).await,
                HttpClient::Tls(client) => client.request(request).await,
            }
        };
        let response = timeout_at(begin + first_byte, sent)
            .await
            .map_err(|_| OpenAiError::TimedOut(Waited::FirstByte, first_byte))?
            .map_err(|err| OpenAiError::unreachable(&err))?;
        let (head, body) = response.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
            taken: 0,
            limit: self.max_reply_bytes,
            deadline: begin + self.timeouts.request,
            timeouts: self.timeouts,
        })
    }
}

fn over_tls(
    connector: HttpConnector,
    authorities: &Authorities,
) -> Result<HttpsConnector<HttpConnector>, SettingsError> {
    let builder = HttpsConnectorBuilder::new().with_tls_config(authorities.client_config()?);
    Ok(builder.https_only().enable_http1().wrap_connector(connector))
}

/// Tries whether servers over `https` could be trusted on this machine.
pub fn check_certificates() -> Result<(), SettingsError> {
    over_tls(HttpConnector::new(), &Authorities::default()).map(drop)
}

/// The address of the server's chat completions.
fn address(base_url: &str) -> Result<Uri, SettingsError> {
    let wrong = |reason: &str| SettingsError::BaseUrl {
        reason: reason.to_owned(),
        // An address may hold a password, and is not repeated then.
        base_url: if base_url.contains('@') { "…" } else { base_url }.to_owned(),
    };
    let full = format!("{}/chat/completions", base_url.trim_end_matches('/'));
    let uri: Uri = full.parse().map_err(|_| wrong("it is no address"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("it does not begin with `http://` or `https://`"));
    }
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err(wrong("a name and password do not belong into it"));
    }
    if base_url.contains(['?', '#']) {
        return Err(wrong("it has a query"));
    }
    if base_url.trim_end_matches('/').ends_with("/chat/completions") {
        return Err(wrong("`/chat/completions` is added to it"));
    }
    Ok(uri)
}

fn headers(settings: &OpenAiSettings) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let agent = concat!("catena/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if let Some(key) = &settings.key {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()))
            .map_err(|_| SettingsError::Key)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// An answer that is being read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    taken: usize,
    limit: usize,
    deadline: Instant,
    timeouts: Timeouts,
}

impl Answer {
    /// The type of the body, without its parameters.
    pub(super) fn media_type(&self) -> Option<&str> {
        let value = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        value.split(';').next().map(str::trim)
    }

    /// The next piece of the body.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, OpenAiError> {
        let silent = Instant::now() + self.timeouts.silence;
        loop {
            let next = timeout_at(silent.min(self.deadline), self.body.frame());
            let Ok(frame) = next.await else { return Err(self.late(silent)) };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|err| OpenAiError::broken_off(&err))?;
            let Ok(data) = frame.into_data() else { continue };
            self.taken = self.taken.saturating_add(data.len());
            if self.taken > self.limit {
                return Err(OpenAiError::TooLarge(self.limit));
            }
            return Ok(Some(data));
        }
    }

    /// The deadline that has passed: that of the next byte, at `silent`, or that
    /// of the whole answer.
    fn late(&self, silent: Instant) -> OpenAiError {
        if silent < self.deadline {
            OpenAiError::TimedOut(Waited::NextByte, self.timeouts.silence)
        } else {
            OpenAiError::TimedOut(Waited::WholeReply, self.timeouts.request)
        }
    }

    /// The start of the body, as far as it comes.
    pub(super) async fn start(&mut self) -> Vec<u8> {
        let mut body = BytesMut::new();
        while body.len() < MAX_WORDS {
            // An error page that breaks off still says something.
            let Ok(Some(chunk)) = self.chunk().await else { break };
            body.extend_from_slice(&chunk);
        }
        body.truncate(MAX_WORDS);
        body.to_vec()
    }
}
