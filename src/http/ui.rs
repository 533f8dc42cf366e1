//! `/ui`: the live page. Its files are part of the program; they ask for nothing from elsewhere, and may not.

#[cfg(test)]
mod tests;

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use super::Api;

/// Nothing but what is served here, no code that is written in a page, and no page around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A file of the page.
struct File {
    kind: &'static str,
    content: &'static [u8],
    etag: &'static str,
}

macro_rules! file {
    ($kind:literal, $name:literal) => {
        File {
            kind: $kind,
            content: include_bytes!(concat!("../../page/dist/", $name)),
            etag: concat!(
                "\"",
                include_str!(concat!("../../page/dist/", $name, ".sha256")),
                "\""
            ),
        }
    };
}

static PAGE: File = file!("text/html; charset=utf-8", "index.html");
static CODE: File = file!("text/javascript; charset=utf-8", "page.js");
static STYLE: File = file!("text/css; charset=utf-8", "page.css");
static ICON: File = file!("image/svg+xml", "icon.svg");

/// The page's files; they are no part of what is described as the API.
pub fn routes() -> Router<Api> {
    let file = |file: &'static File| get(move |headers: HeaderMap| async move { file.answer(&headers) });
    Router::new()
        .route("/ui", get(|| async { Redirect::permanent("/ui/") }))
        .route("/ui/", file(&PAGE))
        .route("/ui/page.js", file(&CODE))
        .route("/ui/page.css", file(&STYLE))
        .route("/ui/icon.svg", file(&ICON))
}

impl File {
    fn answer(&self, asked: &HeaderMap) -> Response {
        let is_known = asked
            .get(header::IF_NONE_MATCH)
            .is_some_and(|tag| tag == self.etag);
        let mut answer = match is_known {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([(header::CONTENT_TYPE, self.kind)], self.content).into_response(),
        };
        let guards = [
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CACHE_CONTROL, "no-cache"),
            (header::ETAG, self.etag),
        ];
        answer
            .headers_mut()
            .extend(guards.map(|(name, value)| (name, HeaderValue::from_static(value))));
        for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
            answer
                .headers_mut()
                .insert(name, HeaderValue::from_static("same-origin"));
        }
        answer
    }
}
