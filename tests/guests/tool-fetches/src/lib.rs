//! Makes requests by `wasi:http`, as any client does: `METHOD SCHEME://AUTHORITY/PATH`, with
//! a body where the method is `POST`, and tells what came of each.

use catena_sdk::tools::{ToolError, ToolOutput};
use catena_sdk::{Tool, export_tool, serde, serde_json};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};

#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Arguments {}

/// What it is to do.
#[derive(serde::Deserialize)]
#[serde(crate = "catena_sdk::serde")]
struct Config {
    requests: Vec<String>,
    /// Names and values, alternately.
    headers: Vec<String>,
}

struct Fetch;

impl Tool for Fetch {
    type Arguments = Arguments;

    const NAME: &'static str = "fetch";

    const DESCRIPTION: &'static str = "Makes requests.";

    fn parameters() -> serde_json::Value {
        serde_json::json!({"type": "object", "properties": {}})
    }

    fn call(_arguments: Arguments) -> Result<ToolOutput, ToolError> {
        let config: Config = catena_sdk::config::read()?;
        let told = config.requests.iter().map(|request| match fetch(request, &config.headers) {
            Ok((status, body)) => format!("{request}: {status} {body}"),
            Err(err) => format!("{request}: {err:?}"),
        });
        Ok(ToolOutput::success(told.collect::<Vec<_>>().join("; ")))
    }
}

fn fetch(request: &str, headers: &[String]) -> Result<(u16, String), ErrorCode> {
    let outgoing = OutgoingRequest::new(fields(headers));
    let (method, address) = request.split_once(' ').expect("a method and an address");
    let (scheme, rest) = address.split_once("://").expect("an address with a scheme");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    outgoing.set_method(&self::method(method)).expect("a method");
    outgoing.set_scheme(Some(&scheme)).expect("a scheme");
    outgoing.set_authority(Some(authority)).expect("an authority");
    outgoing.set_path_with_query(Some(path)).expect("a path");
    let body = outgoing.body().expect("it has one body");
    let waiting = handle(outgoing, Some(RequestOptions::new()))?;
    // A body may be written when the request is under way.
    if method == "POST" {
        let stream = body.write().expect("it is taken once");
        stream.blocking_write_and_flush(b"posted").expect("it fits");
    }
    OutgoingBody::finish(body, None)?;
    waiting.subscribe().block();
    let answer = waiting.get().expect("it is there").expect("it is taken once")?;
    let incoming = answer.consume().expect("it is taken once");
    let stream = incoming.stream().expect("it is taken once");
    let mut bytes = Vec::new();
    while let Ok(piece) = stream.blocking_read(4096) {
        bytes.extend(piece);
    }
    drop(stream);
    let trailers = IncomingBody::finish(incoming);
    trailers.subscribe().block();
    Ok((answer.status(), String::from_utf8_lossy(&bytes).into_owned()))
}

fn fields(headers: &[String]) -> Fields {
    let fields = Fields::new();
    for pair in headers.chunks_exact(2) {
        if let [name, value] = pair {
            fields.append(name, value.as_bytes()).expect("a header");
        }
    }
    fields
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    }
}

export_tool!(Fetch);
