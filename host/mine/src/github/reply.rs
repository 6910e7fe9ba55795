//! What an answer of GitHub means: data, a wait, too much at once, or the end.
//!
//! Looks at one answer and keeps no state, so that all of GitHub's ways to say
//! no are in one place.

use std::time::Duration;

use hyper::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::error::{GitHubError, Waiting};
use super::wire::{Complaint, Envelope};

/// Wait after a secondary limit that does not say how long: GitHub asks for "at
/// least one minute".
pub(super) const SECONDARY: Duration = Duration::from_mins(1);

/// Most characters of GitHub's own words in an error.
const WORDS: usize = 300;

/// An answer, judged.
#[derive(Debug)]
pub(super) enum Reply<T> {
    /// What was asked for.
    Data(T),
    /// Ask the same again after a while.
    Wait(Duration, Waiting),
    /// Ask for less.
    TooHeavy(String),
    /// Ask the same again after a while, longer each time.
    Down(String),
    /// The place in a list from which it was to go on is none any more.
    LostPlace,
    /// Asking again is of no use.
    Failed(Box<GitHubError>),
}

/// The time that the server wrote on its answer, which is that of its limits.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(text(headers, "date")).ok()?;
    Timestamp::try_from(date).ok()
}

/// Judges an answer that came at `now`, by the server's clock.
pub(super) fn judge<T: DeserializeOwned>(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Reply<T> {
    match status.as_u16() {
        200 => graphql(headers, body, now),
        401 => failed(GitHubError::BadCredentials { words: words(body) }),
        403 | 429 => refused(status, headers, body, now),
        404 => failed(GitHubError::NoApi),
        300..=399 => failed(GitHubError::Moved { to: text(headers, "location").to_owned() }),
        500..=599 if headers.contains_key("retry-after") => {
            Reply::Wait(asked_wait(headers, now), Waiting::Recovery)
        }
        // What a gateway says of an answer that took too long.
        502 | 504 => Reply::TooHeavy(format!("status {}", status.as_u16())),
        500..=599 => Reply::Down(format!("status {}", status.as_u16())),
        _ => failed(GitHubError::Answered { status: status.as_u16(), words: words(body) }),
    }
}

fn failed<T>(error: GitHubError) -> Reply<T> {
    Reply::Failed(Box::new(error))
}

fn graphql<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8], now: Timestamp) -> Reply<T> {
    let envelope: Envelope<T> = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        // Cut off, or a page of a proxy: both come of too much work.
        Err(err) if err.is_eof() || err.is_syntax() => {
            return Reply::TooHeavy("an answer that breaks off".to_owned());
        }
        Err(err) => return failed(GitHubError::Unexpected { reason: err.to_string() }),
    };
    for complaint in &envelope.errors {
        if let Some(reply) = complained(complaint, headers, now) {
            return reply;
        }
    }
    match envelope.data {
        Some(data) => Reply::Data(data),
        None => Reply::TooHeavy("an answer without data".to_owned()),
    }
}

/// What one entry of `errors` means; `None` if the data are good without it.
fn complained<T>(complaint: &Complaint, headers: &HeaderMap, now: Timestamp) -> Option<Reply<T>> {
    let words = shortened(&complaint.message);
    let root = complaint.path.first().and_then(|part| part.as_str());
    let code = complaint.extensions.as_ref().and_then(|extensions| extensions.code.as_deref());
    Some(match complaint.kind.as_deref() {
        Some("RATE_LIMITED" | "RATE_LIMIT") => {
            Reply::Wait(until_reset(headers, now), Waiting::RateLimit)
        }
        _ if is_secondary(&words) => Reply::Wait(asked_wait(headers, now), Waiting::SecondaryLimit),
        Some("INVALID_CURSOR_ARGUMENTS") => Reply::LostPlace,
        Some("INSUFFICIENT_SCOPES") => {
            failed(GitHubError::Scopes { words, had: text(headers, "x-oauth-scopes").to_owned() })
        }
        Some("NOT_FOUND") if root == Some("repository") => failed(GitHubError::NotFound),
        // A whole item that may not be read any more, rather than something in it.
        Some("FORBIDDEN") if root == Some("repository") || complaint.path.len() <= 2 => {
            failed(GitHubError::Forbidden { words, sso: sso(headers) })
        }
        // Something that the token may not see, or that is gone: its place is null.
        Some("NOT_FOUND" | "FORBIDDEN") => return None,
        None if code.is_some() => failed(GitHubError::Unexpected { reason: words }),
        _ => Reply::TooHeavy(words),
    })
}

/// Status 403 and 429: limits, or no right to it.
fn refused<T>(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Reply<T> {
    let words = words(body);
    if headers.contains_key("retry-after") {
        return Reply::Wait(asked_wait(headers, now), Waiting::SecondaryLimit);
    }
    if text(headers, "x-ratelimit-remaining") == "0" {
        return Reply::Wait(until_reset(headers, now), Waiting::RateLimit);
    }
    if status == StatusCode::TOO_MANY_REQUESTS || is_secondary(&words) {
        return Reply::Wait(SECONDARY, Waiting::SecondaryLimit);
    }
    let needed = text(headers, "x-accepted-oauth-scopes");
    if needed.is_empty() {
        return failed(GitHubError::Forbidden { words, sso: sso(headers) });
    }
    let had = text(headers, "x-oauth-scopes").to_owned();
    failed(GitHubError::Scopes { words: format!("{words} (needs one of: {needed})"), had })
}

fn is_secondary(words: &str) -> bool {
    let words = words.to_lowercase();
    words.contains("secondary rate limit") || words.contains("abuse detection")
}

/// What `Retry-After` says, in seconds or as a date.
fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Duration {
    let told = text(headers, "retry-after");
    if let Ok(seconds) = told.parse() {
        return Duration::from_secs(seconds);
    }
    let Ok(date) = httpdate::parse_http_date(told) else { return SECONDARY };
    Timestamp::try_from(date).map_or(SECONDARY, |date| from_now(date, now))
}

/// Until the hour's points are new. A second more, as clocks differ.
fn until_reset(headers: &HeaderMap, now: Timestamp) -> Duration {
    let reset = text(headers, "x-ratelimit-reset").parse().ok();
    let reset = reset.and_then(|second| Timestamp::from_second(second).ok());
    reset.map_or(SECONDARY, |reset| from_now(reset, now) + Duration::from_secs(1))
}

/// From `now` until `then`; nothing if it has passed.
pub(super) fn from_now(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Where the organisation wants the token to be authorised, if it says so.
fn sso(headers: &HeaderMap) -> Option<String> {
    let (_, url) = text(headers, "x-github-sso").split_once("url=")?;
    Some(url.to_owned())
}

/// GitHub's own words: `message` of a JSON body, or the start of another.
fn words(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
    shortened(message.unwrap_or(&String::from_utf8_lossy(body)))
}

fn shortened(words: &str) -> String {
    words.trim().chars().take(WORDS).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &str)], body: &str) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        match judge::<Value>(status, &map, body.as_bytes(), now) {
            Reply::Data(data) => format!("data {data}"),
            Reply::Wait(wait, why) => format!("wait {}s: {why}", wait.as_secs()),
            Reply::TooHeavy(reason) => format!("less: {reason}"),
            Reply::Down(reason) => format!("down: {reason}"),
            Reply::LostPlace => "lost".to_owned(),
            Reply::Failed(error) => error.to_string(),
        }
    }

    fn complaint(kind: &str, path: &Value) -> String {
        json!({"data": {"a": 1}, "errors": [{"type": kind, "message": "so", "path": path}]})
            .to_string()
    }

    #[test]
    fn limits_are_waited_for_as_long_as_github_says() {
        let reset = ("x-ratelimit-reset", "1700000030");
        let none_left = ("x-ratelimit-remaining", "0");
        let secondary = r#"{"message": "You have exceeded a secondary rate limit."}"#;
        insta::assert_snapshot!([
            reply(200, &[reset], &complaint("RATE_LIMITED", &json!([]))),
            reply(403, &[reset, none_left], "{}"),
            reply(429, &[("retry-after", "7")], "{}"),
            reply(403, &[("retry-after", "Tue, 14 Nov 2023 22:13:29 GMT")], "{}"),
            reply(403, &[("x-ratelimit-remaining", "4000")], secondary),
            reply(429, &[], ""),
            reply(403, &[("x-ratelimit-reset", "1600000000"), none_left], "{}"),
        ].join("\n"), @r"
        wait 31s: the hour's rate limit
        wait 31s: the hour's rate limit
        wait 7s: the secondary rate limit
        wait 9s: the secondary rate limit
        wait 60s: the secondary rate limit
        wait 60s: the secondary rate limit
        wait 1s: the hour's rate limit
        ");
    }

    #[test]
    fn what_github_could_not_do_is_asked_for_in_smaller_pieces() {
        let wrong = r#"{"data": null, "errors": [{"message": "Something went wrong while executing your query."}]}"#;
        let limits = r#"{"data": {"a": 1}, "errors": [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Resource limits for this query exceeded."}]}"#;
        insta::assert_snapshot!([
            reply(502, &[], "<html>"),
            reply(200, &[], r#"{"data": {"a""#),
            reply(200, &[], "<html>"),
            reply(200, &[], wrong),
            reply(200, &[], limits),
            reply(200, &[], r#"{"message": "…"}"#),
        ].join("\n"), @r"
        less: status 502
        less: an answer that breaks off
        less: an answer that breaks off
        less: Something went wrong while executing your query.
        less: Resource limits for this query exceeded.
        less: an answer without data
        ");
    }

    #[test]
    fn outages_are_waited_for_and_lost_places_known() {
        let told = complaint("INVALID_CURSOR_ARGUMENTS", &json!(["node", "pullRequests"]));
        insta::assert_snapshot!([
            reply(503, &[("retry-after", "20")], ""),
            reply(503, &[], ""),
            reply(500, &[], ""),
            reply(200, &[], &told),
        ].join("\n"), @r"
        wait 20s: GitHub to recover
        down: status 503
        down: status 500
        lost
        ");
    }

    #[test]
    fn refusals_say_what_is_missing() {
        let scopes = [("x-oauth-scopes", "gist"), ("x-accepted-oauth-scopes", "repo")];
        let sso = [("x-github-sso", "required; url=https://example.org/sso")];
        insta::assert_snapshot!([
            reply(401, &[], r#"{"message": "Bad credentials"}"#),
            reply(403, &scopes, r#"{"message": "Must have admin rights"}"#),
            reply(403, &sso, r#"{"message": "Resource protected by organization SAML"}"#),
            reply(200, &[("x-oauth-scopes", "")], &complaint("INSUFFICIENT_SCOPES", &json!([]))),
            reply(200, &[], &complaint("NOT_FOUND", &json!(["repository"]))),
            reply(404, &[], "{}"),
            reply(301, &[("location", "https://example.org/")], ""),
        ].join("\n"), @r"
        GitHub does not accept the token: Bad credentials
        the token has no scope for it: Must have admin rights (needs one of: repo)
        GitHub refuses it: Resource protected by organization SAML
        the token has no scope for it: so
        there is no such repository, or the token may not see it
        there is no GraphQL API at this address
        the API has moved to `https://example.org/`
        ");
    }

    #[test]
    fn what_the_token_may_not_see_deep_inside_is_left_out() {
        let inside = complaint("FORBIDDEN", &json!(["nodes", 0, "closingIssuesReferences"]));
        assert_eq!(reply(200, &[], &inside), r#"data {"a":1}"#);
    }
}
