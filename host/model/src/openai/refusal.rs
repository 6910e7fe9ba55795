//! What a server says where it gives no reply: its status, its headers, and its
//! own words, cut to a line.

use std::time::{Duration, SystemTime};

use hyper::header::{DATE, HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{StatusCode, Uri};
use serde_json::Value;

use super::error::OpenAiError;
use crate::secret::Secret;

/// Most bytes of a server's words.
const MAX_WORDS: usize = 300;

/// The error that an answer with another status than 200 stands for.
pub(super) fn of_answer(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    key: Option<&Secret>,
) -> OpenAiError {
    let mut words = words(body, key);
    if status.is_redirection()
        && let Some(place) = headers.get(LOCATION)
        && let Some(place) = place.to_str().ok().and_then(|place| place.parse::<Uri>().ok())
    {
        words = format!("it has moved to {}", place.host().unwrap_or(place.path()));
    }
    let code = serde_json::from_slice(body).ok().as_ref().and_then(code);
    let after = retry_after(headers);
    let status_number = status.as_u16();
    let insists = headers.get("x-should-retry").is_some_and(|value| value == "false");
    match of_words(code.as_deref(), &words) {
        Some(special) if status.is_client_error() || status.is_server_error() => {
            special.into_error(status_number, words)
        }
        _ => of_status(status_number, after, words, insists),
    }
}

fn of_status(status: u16, after: Option<Duration>, words: String, is_final: bool) -> OpenAiError {
    match status {
        401 | 403 => OpenAiError::Denied { status, words },
        402 => OpenAiError::OutOfQuota { status, words },
        404 => OpenAiError::NotFound { status, words },
        _ if is_final => OpenAiError::Status { status, words },
        429 | 529 => OpenAiError::Overloaded { status, after, words },
        408 | 409 | 425 | 500 | 502..=504 | 506..=599 => {
            OpenAiError::Server { status, after, words }
        }
        400 | 413 | 415 | 422 => OpenAiError::BadRequest { status, words },
        _ => OpenAiError::Status { status, words },
    }
}

/// The error that stands in an answer whose status was good.
pub(super) fn in_reply(error: &Value, key: Option<&Secret>) -> OpenAiError {
    let whole = serde_json::json!({ "error": error });
    let words = words(whole.to_string().as_bytes(), key);
    let status = error.get("code").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    match of_words(code(&whole).as_deref(), &words) {
        Some(special) => special.into_error(status.unwrap_or(200), words),
        None => match status {
            Some(status) if status >= 400 => of_status(status, None, words, false),
            _ => OpenAiError::Server { status: 200, after: None, words },
        },
    }
}

/// Cases that servers tell by their words rather than by a status.
#[derive(Debug, Clone, Copy)]
enum Special {
    Context,
    Filter,
    Quota,
}

impl Special {
    fn into_error(self, status: u16, words: String) -> OpenAiError {
        match self {
            Self::Context => OpenAiError::ContextTooLong(words),
            Self::Filter => OpenAiError::Filtered(words),
            Self::Quota => OpenAiError::OutOfQuota { status, words },
        }
    }
}

fn of_words(code: Option<&str>, words: &str) -> Option<Special> {
    const CONTEXT: [&str; 7] = [
        "maximum context length",
        "context window",
        "context size",
        "context length",
        "prompt is too long",
        "input is too long",
        "too many tokens",
    ];
    match code {
        Some("context_length_exceeded" | "exceed_context_size_error") => {
            return Some(Special::Context);
        }
        Some("content_filter" | "content_policy_violation") => return Some(Special::Filter),
        Some("insufficient_quota" | "billing_hard_limit_reached") => return Some(Special::Quota),
        _ => {}
    }
    let words = words.to_lowercase();
    CONTEXT.iter().any(|sign| words.contains(sign)).then_some(Special::Context)
}

/// The code or type of an error, whichever says something.
fn code(body: &Value) -> Option<String> {
    let error = body.get("error")?;
    let texts = ["code", "type"].into_iter().filter_map(|field| error.get(field)?.as_str());
    let known = |text: &&str| of_words(Some(text), "").is_some();
    let mut texts = texts.peekable();
    let first = texts.peek().copied();
    texts.find(known).or(first).map(str::to_owned)
}

/// What a server says of an error, in one line without control characters.
pub(super) fn words(body: &[u8], key: Option<&Secret>) -> String {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let said = parsed.as_ref().and_then(|body| {
        let error = body.get("error").unwrap_or(body);
        let fields = ["message", "detail", "msg", "error"];
        let field = fields.into_iter().find_map(|field| error.get(field).or(body.get(field)));
        match field.unwrap_or(error) {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    });
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    let said = match key {
        Some(key) => key.hide_in(said),
        None => said,
    };
    let said = said.replace(char::is_control, " ");
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return "it says nothing more".to_owned();
    }
    match line.get(..line.floor_char_boundary(MAX_WORDS)) {
        Some(start) if start.len() < line.len() => format!("{start}…"),
        _ => line,
    }
}

/// When the server wants to be asked again: a number of seconds or a date, the
/// latter by the server's own clock where it tells it (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<u64>().ok()) {
        return Some(Duration::from_millis(millis));
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = text(DATE.as_str()).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = now.unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Retry;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> OpenAiError {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        let key = Secret::new("sk-secret");
        of_answer(StatusCode::from_u16(status).unwrap(), &map, body.as_bytes(), key.as_ref())
    }

    #[test]
    fn servers_that_ask_to_wait_are_understood_in_seconds_and_dates() {
        let after = |headers: &[(&'static str, &str)]| match answer(429, headers, "{}").retry() {
            Retry::Overloaded(after) => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(&[("retry-after", "20")]), Some(Duration::from_secs(20)));
        assert_eq!(after(&[("retry-after", "1.5")]), Some(Duration::from_millis(1500)));
        assert_eq!(after(&[("retry-after-ms", "40")]), Some(Duration::from_millis(40)));
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let until = ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT");
        assert_eq!(after(&[date, until]), Some(Duration::from_mins(1)));
        assert_eq!(after(&[("retry-after", "soon")]), None);
        assert_eq!(after(&[("retry-after", "-1")]), None);
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn what_cannot_succeed_is_not_tried_again() {
        let context = r#"{"error": {"message": "too long", "code": "context_length_exceeded"}}"#;
        assert_eq!(answer(400, &[], context), OpenAiError::ContextTooLong("too long".to_owned()));
        let vllm = r#"{"message": "This model's maximum context length is 10 tokens."}"#;
        assert!(matches!(answer(400, &[], vllm), OpenAiError::ContextTooLong(_)));
        let filter = r#"{"error": {"message": "no", "code": "content_filter"}}"#;
        assert_eq!(answer(400, &[], filter), OpenAiError::Filtered("no".to_owned()));
        let quota = r#"{"error": {"message": "pay", "type": "insufficient_quota", "code": "x"}}"#;
        assert!(matches!(answer(429, &[], quota), OpenAiError::OutOfQuota { .. }));
        for status in [301, 400, 401, 402, 403, 404, 405, 413, 415, 422, 451, 501, 505] {
            assert_eq!(answer(status, &[], "").retry(), Retry::Never, "{status}");
        }
        for status in [408, 500, 502, 503, 504, 520, 599] {
            assert_eq!(answer(status, &[], "").retry(), Retry::Backoff(None), "{status}");
            let headers = [("x-should-retry", "false")];
            assert_eq!(answer(status, &headers, "").retry(), Retry::Never, "{status}");
        }
    }

    #[test]
    fn words_of_a_server_are_one_short_line_without_the_key() {
        let said = |body: &str| answer(500, &[], body).to_string();
        let prefix = "the model server failed (500): ";
        assert_eq!(said(r#"{"error": "boom"}"#), format!("{prefix}boom"));
        assert_eq!(said(r#"{"detail": [{"loc": 1}]}"#), format!("{prefix}[{{\"loc\":1}}]"));
        assert_eq!(said("<h1>\n bad\u{1b}[31m </h1>"), format!("{prefix}<h1> bad [31m </h1>"));
        assert_eq!(said(""), format!("{prefix}it says nothing more"));
        let key = said(r#"{"error": {"message": "wrong key sk-secret"}}"#);
        assert_eq!(key, format!("{prefix}wrong key [hidden]"));
        assert!(said(&"ä".repeat(10_000)).len() < 400);
    }
}
