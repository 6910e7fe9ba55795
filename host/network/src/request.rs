//! One request to its end. Redirects are the guest's to follow, as each is a request of
//! its own.

use std::error::Error;
use std::future::Future;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bstr::ByteSlice as _;
use bytes::{Bytes, BytesMut};
use catena_model::tls::disbelief;
use catena_model::{Authorities, Secret};
use catena_plugin::network::{MAX_BODY, MAX_HEADERS, Scheme};
use catena_plugin::{HttpAnswer, HttpEnd, HttpFailure, HttpStart, NativeBytes};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HeaderMap, HeaderValue, TRANSFER_ENCODING,
};
use hyper::{Request, Response, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tower_service::Service;

use crate::address::is_public;
use crate::spellings::Spellings;

/// The longest that any request may take.
const LONGEST: Duration = Duration::from_mins(2);

/// Names that are looked up at one time, by whomever.
static LOOKUPS: Semaphore = Semaphore::const_new(16);

/// How long a connection may take to come to be.
const CONNECT: Duration = Duration::from_secs(20);

/// A secret that is put into the headers of a request, and taken out of what comes back.
#[derive(Debug, Clone)]
pub struct Filling<'a> {
    /// What stands in its place.
    pub placeholder: String,
    /// Its value.
    pub value: &'a Secret,
}

/// Makes requests of a run.
#[derive(Debug, Clone, Default)]
pub struct Requester {
    authorities: Authorities,
    /// Made for the first request that needs it.
    tls: Arc<OnceLock<Result<ClientConfig, String>>>,
}

impl Requester {
    /// One that believes servers for which these vouch, or this machine's own.
    pub fn new(authorities: Authorities) -> Self {
        Self { authorities, tls: Arc::default() }
    }

    /// Makes a request that was granted. What it names by an address was granted by that.
    pub async fn send(&self, start: &HttpStart, secrets: &[Filling<'_>]) -> HttpEnd {
        let wall = start.wall.min(LONGEST);
        let answer = tokio::time::timeout(wall, self.exchange(start, secrets)).await;
        let end = answer.unwrap_or(Err(HttpFailure::TimedOut(wall)));
        if secrets.is_empty() { end } else { without(end, secrets) }
    }

    async fn exchange(&self, start: &HttpStart, secrets: &[Filling<'_>]) -> HttpEnd {
        let request = request(start, secrets)?;
        let mut connector = HttpConnector::new_with_resolver(Public);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT));
        let builder = Client::builder(TokioExecutor::new());
        let response = match start.origin.scheme() {
            Scheme::Http => builder.build(connector).request(request).await,
            Scheme::Https => {
                let over_tls = HttpsConnectorBuilder::new()
                    .with_tls_config(self.tls()?)
                    .https_only()
                    .enable_http1()
                    .wrap_connector(connector);
                builder.build(over_tls).request(request).await
            }
        };
        answer(response.map_err(|err| failure(&err))?).await
    }

    fn tls(&self) -> Result<ClientConfig, HttpFailure> {
        let make = || self.authorities.client_config().map_err(|err| err.to_string());
        self.tls.get_or_init(make).clone().map_err(HttpFailure::Untrusted)
    }
}

/// Takes secrets out of an answer that repeats them.
fn without(end: HttpEnd, secrets: &[Filling<'_>]) -> HttpEnd {
    let spellings = Spellings::of(secrets);
    let hide = |NativeBytes(bytes): NativeBytes| NativeBytes(spellings.hide(bytes));
    let hide_text = |text: String| {
        let NativeBytes(bytes) = hide(NativeBytes(text.into_bytes()));
        String::from_utf8_lossy(&bytes).into_owned()
    };
    match end {
        Ok(HttpAnswer { status, headers, body }) => {
            let is_encoded = |(name, value): &(String, NativeBytes)| {
                name == CONTENT_ENCODING.as_str() && !value.0.eq_ignore_ascii_case(b"identity")
            };
            if headers.iter().any(is_encoded) {
                let what = "an answer to a request with a secret came encoded".to_owned();
                return Err(HttpFailure::Broken(what));
            }
            let headers = headers.into_iter().map(|(name, value)| (hide_text(name), hide(value)));
            Ok(HttpAnswer { status, headers: headers.collect(), body: hide(body) })
        }
        Err(HttpFailure::Broken(why)) => Err(HttpFailure::Broken(hide_text(why))),
        Err(HttpFailure::Unreachable(why)) => Err(HttpFailure::Unreachable(hide_text(why))),
        Err(failure) => Err(failure),
    }
}

fn request(
    start: &HttpStart,
    secrets: &[Filling<'_>],
) -> Result<Request<Full<Bytes>>, HttpFailure> {
    let broken = |err: hyper::http::Error| HttpFailure::Broken(err.to_string());
    // Part by part, so that no part is taken for another.
    let uri = Uri::builder()
        .scheme(start.origin.scheme().as_str())
        .authority(start.origin.authority())
        .path_and_query(start.path.as_str())
        .build()
        .map_err(broken)?;
    let mut request = Request::builder().method(start.method.as_str()).uri(uri);
    for (name, value) in &start.headers {
        // What comes back must be seen through.
        if !secrets.is_empty() && name.eq_ignore_ascii_case(ACCEPT_ENCODING.as_str()) {
            continue;
        }
        let mut filled = value.0.clone();
        for Filling { placeholder, value } in secrets {
            filled = filled.replace(placeholder, value.reveal());
        }
        let mut header = HeaderValue::from_bytes(&filled)
            .map_err(|_| HttpFailure::Broken(format!("header `{name}` has no valid value")))?;
        header.set_sensitive(filled != value.0);
        request = request.header(name.as_str(), header);
    }
    request.body(Full::new(Bytes::from(start.body.0.clone()))).map_err(broken)
}

/// Reads an answer as far as it may go.
async fn answer(response: Response<Incoming>) -> HttpEnd {
    let (head, mut body) = response.into_parts();
    let headers = headers(&head.headers)?;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| HttpFailure::Broken(in_one_line(&err)))?;
        let Ok(data) = frame.into_data() else { continue };
        if (bytes.len() + data.len()) as u64 > MAX_BODY {
            return Err(HttpFailure::TooLarge(MAX_BODY));
        }
        bytes.extend_from_slice(&data);
    }
    let body = NativeBytes(bytes.to_vec());
    Ok(HttpAnswer { status: head.status.as_u16(), headers, body })
}

/// The headers that are not the connection's.
fn headers(all: &HeaderMap) -> Result<Vec<(String, NativeBytes)>, HttpFailure> {
    let kept = all.iter().filter(|(name, _)| **name != CONNECTION && **name != TRANSFER_ENCODING);
    let kept: Vec<_> = kept
        .map(|(name, value)| (name.as_str().to_owned(), NativeBytes(value.as_bytes().to_vec())))
        .collect();
    let size: usize = kept.iter().map(|(name, value)| name.len() + value.0.len()).sum();
    if size > MAX_HEADERS { Err(HttpFailure::TooLarge(MAX_HEADERS as u64)) } else { Ok(kept) }
}

/// Why a name was not resolved.
#[derive(Debug, thiserror::Error)]
enum NotResolved {
    #[error("`{0}` is at no public address")]
    Prohibited(String),
    #[error("`{0}` has no address")]
    NoAddress(String),
}

/// Finds the public addresses of names. Connections go to what it found, and to nothing
/// else.
#[derive(Debug, Clone, Copy)]
struct Public;

impl Service<Name> for Public {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NotResolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NotResolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotResolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let missing = || NotResolved::NoAddress(name.clone());
            // A lookup goes on when nobody waits for it any more, and keeps its permit.
            let permit = LOOKUPS.acquire().await.map_err(|_| missing())?;
            let asked = name.clone();
            let lookup = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                Ok::<_, std::io::Error>((asked.as_str(), 0).to_socket_addrs()?.collect::<Vec<_>>())
            });
            let found = lookup.await.map_err(|_| missing())?.map_err(|_| missing())?;
            if found.is_empty() {
                return Err(NotResolved::NoAddress(name));
            }
            // One that is not public among them is no reason to take another: a name that
            // stands for both is made to be taken for what it is not.
            if !found.iter().all(|address| is_public(address.ip())) {
                return Err(NotResolved::Prohibited(name));
            }
            Ok(found.into_iter())
        })
    }
}

fn failure(err: &hyper_util::client::legacy::Error) -> HttpFailure {
    let mut cause = err.source();
    while let Some(err) = cause {
        match err.downcast_ref::<NotResolved>() {
            Some(NotResolved::Prohibited(name)) => return HttpFailure::Prohibited(name.clone()),
            Some(NotResolved::NoAddress(name)) => return HttpFailure::NoAddress(name.clone()),
            None => cause = err.source(),
        }
    }
    if let Some(why) = disbelief(err) {
        return HttpFailure::Untrusted(why);
    }
    let told = in_one_line(err);
    if err.is_connect() { HttpFailure::Unreachable(told) } else { HttpFailure::Broken(told) }
}

fn in_one_line(err: &dyn Error) -> String {
    let mut line = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        line = format!("{line}: {err}");
        cause = err.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    fn start(origin: &str) -> HttpStart {
        HttpStart {
            plugin: "test".to_owned(),
            method: "GET".to_owned(),
            origin: origin.parse().unwrap(),
            path: "/a?b".to_owned(),
            headers: vec![("x-test".to_owned(), NativeBytes(b"yes".to_vec()))],
            body: NativeBytes::default(),
            wall: Duration::from_secs(20),
        }
    }

    /// Answers one request with this, and returns where, and what was asked.
    async fn serve(said: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 4096];
            let len = stream.read(&mut asked).await.unwrap();
            // Who has read enough hangs up.
            let _ = stream.write_all(&said).await;
            String::from_utf8_lossy(&asked[..len]).into_owned()
        });
        (format!("127.0.0.1:{port}"), asked)
    }

    #[tokio::test]
    async fn answer_comes_whole_and_a_redirect_is_not_followed() {
        let said =
            b"HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 2\r\n\r\nhi";
        let (at, asked) = serve(said.to_vec()).await;
        let answer = Requester::default().send(&start(&format!("http://{at}")), &[]).await.unwrap();
        assert_eq!((answer.status, answer.body.0.as_slice()), (302, &b"hi"[..]));
        assert!(answer.headers.iter().any(|(name, _)| name == "location"));
        let asked = asked.await.unwrap().to_ascii_lowercase();
        assert!(asked.starts_with("get /a?b http/1.1\r\n"), "{asked}");
        assert!(asked.contains("x-test: yes") && asked.contains(&format!("host: {at}")), "{asked}");
    }

    #[tokio::test]
    async fn secret_is_in_the_header_alone_and_not_in_what_comes_back() {
        let said = b"HTTP/1.1 200 OK\r\nx-seen: k-123\r\n\r\nyou said k-123, {secret:K}";
        let (at, asked) = serve(said.to_vec()).await;
        let secret = Secret::new("k-123").unwrap();
        let secrets = [Filling { placeholder: "{secret:K}".to_owned(), value: &secret }];
        let header = |name: &str, value: &str| (name.to_owned(), NativeBytes(value.into()));
        let headers =
            vec![header("authorization", "Bearer {secret:K}"), header("accept-encoding", "gzip")];
        let start = HttpStart { headers, ..start(&format!("http://{at}")) };
        let answer = Requester::default().send(&start, &secrets).await.unwrap();
        assert!(!format!("{answer:?}").contains("k-123"), "{answer:?}");
        assert_eq!(answer.body.0, b"you said {secret:K}, {secret:K}");
        let asked = asked.await.unwrap();
        assert!(asked.contains("Bearer k-123\r\n") && !asked.contains("gzip"), "{asked}");
    }

    #[tokio::test]
    async fn secret_that_comes_back_in_another_spelling_or_in_chunks_is_taken_out() {
        // As of `ada:k-1?2`, whole in a header and cut in the body.
        let said = b"HTTP/1.1 200 OK\r\nx-basic: Basic YWRhOmstMT8y\r\n\
                     location: /?key=k-1%3f2\r\ntransfer-encoding: chunked\r\n\r\n\
                     8\r\nyou: k-1\r\n2\r\n?2\r\n0\r\n\r\n";
        let (at, _) = serve(said.to_vec()).await;
        let secret = Secret::new("k-1?2").unwrap();
        let secrets = [Filling { placeholder: "{secret:K}".to_owned(), value: &secret }];
        let answer = Requester::default().send(&start(&format!("http://{at}")), &secrets).await;
        let HttpAnswer { headers, body, .. } = answer.unwrap();
        assert_eq!(body.0, b"you: {secret:K}");
        let values: Vec<_> = headers.iter().map(|(_, value)| value.0.as_bstr()).collect();
        assert_eq!(values, ["Basic YWRhO{secret:K}", "/?key={secret:K}"]);
    }

    #[tokio::test]
    async fn answer_that_hides_what_it_says_is_none_where_there_is_a_secret() {
        let said = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n...";
        let (at, _) = serve(said.to_vec()).await;
        let secret = Secret::new("k-123").unwrap();
        let secrets = [Filling { placeholder: "{secret:K}".to_owned(), value: &secret }];
        let end = Requester::default().send(&start(&format!("http://{at}")), &secrets).await;
        assert!(matches!(end, Err(HttpFailure::Broken(_))), "{end:?}");
    }

    #[tokio::test]
    async fn name_of_a_machine_nearby_is_not_reached() {
        let (at, _) = serve(Vec::new()).await;
        let port = at.rsplit(':').next().unwrap();
        let end = Requester::default().send(&start(&format!("http://localhost:{port}")), &[]).await;
        assert_eq!(end, Err(HttpFailure::Prohibited("localhost".to_owned())));
    }

    #[tokio::test]
    async fn answer_that_is_too_large_is_none() {
        let mut said = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        said.resize(said.len() + usize::try_from(MAX_BODY).unwrap() + 1, b'x');
        let (at, _) = serve(said).await;
        let end = Requester::default().send(&start(&format!("http://{at}")), &[]).await;
        assert_eq!(end, Err(HttpFailure::TooLarge(MAX_BODY)));
    }

    #[tokio::test]
    async fn server_that_says_nothing_is_not_waited_for_beyond_the_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let wall = Duration::from_millis(50);
        let end = Requester::default()
            .send(&HttpStart { wall, ..start(&format!("http://{at}")) }, &[])
            .await;
        assert_eq!(end, Err(HttpFailure::TimedOut(wall)));
    }
}
