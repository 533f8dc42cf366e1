//! Requests as Go's `net/http` and its `ServeMux` take them for the reference: a path is cleaned first, and then its parts are
//! decoded; who speaks HTTP/1.1 has to name a host.

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Uri, Version, header, uri::PathAndQuery},
    response::{IntoResponse, Response},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

/// Serves what the router does, to requests as they are after this.
pub(super) fn as_go(router: Router) -> Router {
    Router::new().fallback(move |request: Request| answer(router.clone(), request))
}

async fn answer(router: Router, mut request: Request) -> Response {
    if request.version() == Version::HTTP_11 && !request.headers().contains_key(header::HOST) {
        return bad_request("400 Bad Request: missing required Host header");
    }
    let path = request.uri().path();
    let clean = cleaned(path);
    if clean != path {
        let query = request
            .uri()
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        return redirect(request.method(), &format!("{clean}{query}"));
    }
    let Some(plain) = decoded(&clean) else {
        return bad_request("400 Bad Request");
    };
    if plain != clean {
        *request.uri_mut() = with_path(request.uri(), &plain);
    }
    match TowerToHyperService::new(router).call(request).await {
        Ok(mut answer) => {
            as_go_lists(&mut answer);
            answer
        }
        Err(never) => match never {},
    }
}

/// Without empty parts and parts that are dots; a slash at the end stays.
fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", parts.join("/"))
}

/// Letters, digits and the like instead of their numbers; nothing where one is malformed. What would split the path
/// stays.
fn decoded(path: &str) -> Option<String> {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, escaped)) = rest.split_once('%') {
        let (number, after) = (escaped.get(..2)?, escaped.get(2..)?);
        let octet = number
            .bytes()
            .all(|digit| digit.is_ascii_hexdigit())
            .then(|| u8::from_str_radix(number, 16).ok())??;
        plain.push_str(before);
        match octet {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' => {
                plain.push(char::from(octet))
            }
            _ => plain.extend(["%", number]),
        }
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

fn with_path(uri: &Uri, path: &str) -> Uri {
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{path}{query}")
        .parse::<PathAndQuery>()
        .ok()
        .or(parts.path_and_query);
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

fn redirect(method: &Method, to: &str) -> Response {
    let shown = to
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;");
    let body = if *method == Method::GET {
        format!("<a href=\"{shown}\">Temporary Redirect</a>.\n\n")
    } else {
        String::new()
    };
    let mut answer = (StatusCode::TEMPORARY_REDIRECT, body).into_response();
    let headers = answer.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if *method == Method::GET || *method == Method::HEAD {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
    }
    match HeaderValue::from_str(to) {
        Ok(to) => drop(headers.insert(header::LOCATION, to)),
        Err(_unspeakable) => return bad_request("400 Bad Request"),
    }
    answer
}

/// Go answers so, and closes, before a handler sees the request.
fn bad_request(text: &'static str) -> Response {
    (StatusCode::BAD_REQUEST, [(header::CONNECTION, "close")], text).into_response()
}

/// Go separates the methods of a list by a comma and a space.
fn as_go_lists(answer: &mut Response) {
    let listed = answer
        .headers()
        .get(header::ALLOW)
        .and_then(|allow| allow.to_str().ok());
    let listed = listed.map(|allow| allow.split(',').map(str::trim).collect::<Vec<_>>().join(", "));
    if let Some(allow) = listed.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
}

#[cfg(test)]
mod tests {
    use warren_actors::Snapshot;

    use super::*;
    use crate::http::testing::{FakeDaemon, raw, serve};

    #[test]
    fn a_path_is_cleaned_as_go_cleans_it() {
        for (path, clean) in [
            ("/", "/"),
            ("//", "/"),
            ("/status", "/status"),
            ("/status/", "/status/"),
            ("//status", "/status"),
            ("/./status", "/status"),
            ("/status/.", "/status"),
            ("/a/../status", "/status"),
            ("/../../status", "/status"),
            ("/v2//status", "/v2/status"),
            ("/v2/status//", "/v2/status/"),
            ("/v2/..", "/"),
            ("/%2e/status", "/%2e/status"),
            ("/..status", "/..status"),
        ] {
            assert_eq!(cleaned(path), clean, "{path}");
        }
    }

    #[test]
    fn parts_are_decoded_and_what_would_part_them_is_not() {
        for (path, plain) in [
            ("/status", Some("/status")),
            ("/%73tatus", Some("/status")),
            ("/%73%74atus%2Fx", Some("/status%2Fx")),
            ("/v3/tunnels/a%20b", Some("/v3/tunnels/a%20b")),
            ("/%2e%2e/status", Some("/../status")),
            ("/%7", None),
            ("/%zz", None),
            ("/%+1", None),
            ("/x%", None),
        ] {
            assert_eq!(decoded(path).as_deref(), plain, "{path}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn heads_of_requests_are_taken_as_go_takes_them() {
        let served = serve(FakeDaemon::new(Snapshot::default())).await;
        let ask = |line: &str, host: &str| {
            let answer = raw(
                &served.path,
                &format!("{line}\r\n{host}Connection: close\r\nContent-Length: 0\r\n\r\n"),
            );
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head.to_owned(), body.to_owned())
        };
        let idle = r#"[{"doublezero_status": {"session_status": "disconnected"}}]"#;
        for (target, to) in [
            ("//status", "/status"),
            ("/./status?x=1", "/status?x=1"),
            ("/v3/../status", "/status"),
            ("/status//", "/status/"),
        ] {
            let (head, body) = ask(&format!("GET {target} HTTP/1.1"), "Host: d\r\n");
            assert!(
                head.starts_with("HTTP/1.1 307 ") && head.contains(&format!("\r\nlocation: {to}")),
                "{head}"
            );
            assert!(
                head.contains("\r\ncontent-type: text/html; charset=utf-8"),
                "{head}"
            );
            assert_eq!(body, format!("<a href=\"{to}\">Temporary Redirect</a>.\n\n"));
        }
        let (head, body) = ask("POST //enable HTTP/1.1", "Host: d\r\n");
        assert!(
            head.starts_with("HTTP/1.1 307 ") && head.contains("\r\nlocation: /enable") && body.is_empty(),
            "{head} {body}"
        );
        for (line, status) in [
            ("GET /%73tatus HTTP/1.1", 200),
            ("GET /status HTTP/1.0", 200),
            ("GET /status/ HTTP/1.1", 404),
            ("GET /status%2f HTTP/1.1", 404),
            ("GET /%2e/status HTTP/1.1", 404),
            ("GET /%zz HTTP/1.1", 400),
        ] {
            let host = if line.ends_with("1.0") { "" } else { "Host: d\r\n" };
            let (head, body) = ask(line, host);
            assert_eq!(
                head.split(' ').nth(1),
                Some(status.to_string().as_str()),
                "{line}: {head}"
            );
            assert!(status != 200 || body == idle, "{line}: {body}");
            assert_eq!(
                head.contains("\r\nx-content-type-options: nosniff"),
                status == 404,
                "{line}: {head}"
            );
        }
        let (head, body) = ask("GET /status HTTP/1.1", "");
        assert!(
            head.starts_with("HTTP/1.1 400 ") && head.contains("\r\nconnection: close"),
            "{head}"
        );
        assert_eq!(body, "400 Bad Request: missing required Host header");
        let (head, body) = ask("POST /status HTTP/1.1", "Host: d\r\n");
        assert!(
            head.contains("\r\nallow: GET, HEAD\r\n") && head.contains("\r\nx-content-type-options: nosniff"),
            "{head}"
        );
        assert_eq!(body, "Method Not Allowed\n");
    }
}
