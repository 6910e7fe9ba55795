//! `wasi:http/outgoing-handler`: requests that the host makes, over whole bodies in memory.
//!
//! A request goes out when its body has ended and the guest asks for the answer. Whether it
//! may is checked when it is handed over, by the method and the server that it names.
//! [`messages`] serves headers, requests and answers as resources.

mod messages;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use wasmtime::component::Resource;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use crate::bindings::http::wasi::http::outgoing_handler;
use crate::bindings::http::wasi::http::types as wit;
use crate::native::NativeBytes;
use crate::network::{self, HttpAnswer, HttpFailure, HttpFault, HttpStart, Origin, Scheme};
use crate::refusals::Refusal;
use crate::session::lock;
use crate::state::State;

/// Names and values of headers, in order.
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// A guest's `fields`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
#[derive(Debug, Clone, Default)]
pub struct Fields {
    entries: Headers,
    is_fixed: bool,
}

/// A guest's `outgoing-request`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub struct OutgoingRequest {
    method: wit::Method,
    path: Option<String>,
    scheme: Option<wit::Scheme>,
    authority: Option<String>,
    headers: Headers,
    /// Once the guest took it.
    body: Option<SentBody>,
}

/// The body of a request, which a guest may write after it has handed the request over.
#[derive(Clone)]
struct SentBody {
    bytes: MemoryOutputPipe,
    /// Whether the guest came to its end; none while it may write.
    is_whole: Arc<Mutex<Option<bool>>>,
}

/// A guest's `outgoing-body`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub struct OutgoingBody {
    sent: SentBody,
    is_taken: bool,
}

/// A guest's `request-options`: how long it waits, in nanoseconds.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
#[derive(Default)]
pub struct RequestOptions {
    connect: Option<u64>,
    first_byte: Option<u64>,
    between_bytes: Option<u64>,
}

/// A guest's `future-incoming-response`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub enum FutureResponse {
    /// It was not sent yet.
    Waiting(Box<HttpStart>, Option<SentBodyHandle>),
    /// The guest has what came of it.
    Taken,
}

/// Keeps [`SentBody`] out of the names that the bindings see.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub struct SentBodyHandle(SentBody);

/// A guest's `incoming-response`.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub struct IncomingResponse {
    status: u16,
    headers: Headers,
    body: Option<Vec<u8>>,
}

/// A guest's `incoming-body`, until its stream is taken.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub struct IncomingBody(Option<Vec<u8>>);

/// A guest's `future-trailers`: there are none.
#[expect(unreachable_pub, reason = "the generated bindings re-export it inside this crate")]
pub struct FutureTrailers {
    is_taken: bool,
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureResponse {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl Pollable for FutureTrailers {
    async fn ready(&mut self) {}
}

impl outgoing_handler::Host for State {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Resource<FutureResponse>, wit::ErrorCode>> {
        let request = self.table.delete(request)?;
        let options = options.map(|options| self.table.delete(options)).transpose()?;
        let wait = options.unwrap_or_default().first_byte.map(Duration::from_nanos);
        let (start, body) = match self.checked(request, wait) {
            Ok(checked) => checked,
            Err(err) => return Ok(Err(err)),
        };
        let future = FutureResponse::Waiting(Box::new(start), body.map(SentBodyHandle));
        Ok(Ok(self.table.push(future)?))
    }
}

impl wit::HostFutureIncomingResponse for State {
    fn subscribe(
        &mut self,
        future: Resource<FutureResponse>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.table, future)
    }

    fn get(
        &mut self,
        future: Resource<FutureResponse>,
    ) -> wasmtime::Result<Option<Result<Result<Resource<IncomingResponse>, wit::ErrorCode>, ()>>>
    {
        let waiting = self.table.get_mut(&future)?;
        if let FutureResponse::Waiting(_, Some(SentBodyHandle(body))) = waiting
            && lock(&body.is_whole).is_none()
        {
            return Ok(None);
        }
        let (start, body) = match std::mem::replace(waiting, FutureResponse::Taken) {
            FutureResponse::Waiting(start, body) => (start, body),
            FutureResponse::Taken => return Ok(Some(Err(()))),
        };
        let answer = match self.send(*start, body.map(|handle| handle.0))? {
            Ok(answer) => answer,
            Err(err) => return Ok(Some(Ok(Err(err)))),
        };
        let headers = answer.headers.into_iter().map(|(name, value)| (name, value.0));
        let response = IncomingResponse {
            status: answer.status,
            headers: headers.collect(),
            body: Some(answer.body.0),
        };
        Ok(Some(Ok(Ok(self.table.push(response)?))))
    }

    fn drop(&mut self, future: Resource<FutureResponse>) -> wasmtime::Result<()> {
        self.table.delete(future)?;
        Ok(())
    }
}

impl State {
    /// A request as the host is asked to make it, if the plugin may.
    fn checked(
        &mut self,
        request: OutgoingRequest,
        wait: Option<Duration>,
    ) -> Result<(HttpStart, Option<SentBody>), wit::ErrorCode> {
        let method = method_name(request.method).ok_or(wit::ErrorCode::HttpRequestMethodInvalid)?;
        let scheme = match request.scheme {
            Some(wit::Scheme::Http) => Scheme::Http,
            Some(wit::Scheme::Https) | None => Scheme::Https,
            Some(wit::Scheme::Other(_)) => return Err(wit::ErrorCode::HttpRequestUriInvalid),
        };
        let authority = request.authority.unwrap_or_default();
        let origin =
            Origin::new(scheme, &authority).ok_or(wit::ErrorCode::HttpRequestUriInvalid)?;
        let path = request.path.unwrap_or_else(|| "/".to_owned());
        if !network::allows(&self.rights.http, &method, &origin) {
            self.refuse(Refusal::Http(origin.host()));
            return Err(wit::ErrorCode::HttpRequestDenied);
        }
        let values = request.headers.iter().map(|(_, value)| value);
        let mut named = values.flat_map(|value| network::named_secrets(value));
        let missing = named.find(|name| !self.rights.secrets.contains(name));
        if let Some(name) = missing {
            self.refuse(Refusal::Secret(&name));
            return Err(wit::ErrorCode::HttpRequestDenied);
        }
        let headers = request.headers.into_iter();
        let start = HttpStart {
            plugin: self.plugin.clone(),
            method,
            origin,
            path,
            headers: headers.map(|(name, value)| (name, NativeBytes(value))).collect(),
            body: NativeBytes::default(),
            wall: wait.unwrap_or(Duration::MAX),
        };
        start.check().map_err(|fault| match fault {
            HttpFault::Method => wit::ErrorCode::HttpRequestMethodInvalid,
            HttpFault::Path => wit::ErrorCode::HttpRequestUriInvalid,
            HttpFault::Header | HttpFault::Size => {
                wit::ErrorCode::HttpRequestHeaderSectionSize(None)
            }
        })?;
        Ok((start, request.body))
    }

    /// Has the host make a request.
    fn send(
        &mut self,
        mut start: HttpStart,
        body: Option<SentBody>,
    ) -> wasmtime::Result<Result<HttpAnswer, wit::ErrorCode>> {
        if let Some(body) = body {
            if *lock(&body.is_whole) != Some(true) {
                return Ok(Err(wit::ErrorCode::HttpRequestBodySize(None)));
            }
            start.body = NativeBytes(body.bytes.contents().to_vec());
        }
        let left = self.time_left();
        if left.is_zero() {
            return Err(wasmtime::Trap::Interrupt.into());
        }
        start.wall = start.wall.min(left);
        let end = self.session.outside.http(start);
        let end = end.map_err(|err| wasmtime::Error::msg(err.to_string()))?;
        if let Err(HttpFailure::SecretNotFor(name)) = &end {
            self.refuse(Refusal::Secret(name));
        }
        Ok(end.map_err(|failure| error_code(&failure)))
    }
}

/// A method as requests spell it.
fn method_name(method: wit::Method) -> Option<String> {
    let known = match method {
        wit::Method::Get => "GET",
        wit::Method::Head => "HEAD",
        wit::Method::Post => "POST",
        wit::Method::Put => "PUT",
        wit::Method::Delete => "DELETE",
        wit::Method::Options => "OPTIONS",
        wit::Method::Trace => "TRACE",
        wit::Method::Patch => "PATCH",
        // A tunnel is no request.
        wit::Method::Connect => return None,
        wit::Method::Other(name) => return Some(name),
    };
    Some(known.to_owned())
}

fn error_code(failure: &HttpFailure) -> wit::ErrorCode {
    match failure {
        HttpFailure::Prohibited(_) => wit::ErrorCode::DestinationIpProhibited,
        HttpFailure::NoAddress(_) => {
            wit::ErrorCode::DnsError(wit::DnsErrorPayload { rcode: None, info_code: None })
        }
        HttpFailure::Unreachable(_) => wit::ErrorCode::ConnectionRefused,
        HttpFailure::Untrusted(_) => wit::ErrorCode::TlsCertificateError,
        HttpFailure::TimedOut(_) => wit::ErrorCode::HttpResponseTimeout,
        HttpFailure::TooLarge(limit) => wit::ErrorCode::HttpResponseBodySize(Some(*limit)),
        HttpFailure::Broken(_) => wit::ErrorCode::HttpProtocolError,
        HttpFailure::SecretNotFor(_) => wit::ErrorCode::HttpRequestDenied,
        HttpFailure::LimitReached(_) => wit::ErrorCode::ConnectionLimitReached,
    }
}
