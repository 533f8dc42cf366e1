//! Who gets through: a browser on this host that was given the link, and of what it asks what only looks, and the switch.
//!
//! ```text
//! /?token=… ──once──► a cookie ──► /ui/… and /v3/… (GET), /enable and /disable (POST, from the page itself, confirmed)
//! ```
//!
//! Another site in the same browser has neither the cookie (`SameSite=Strict`) nor this place as its `Origin`; a name that is made to
//! point here is not the `Host`; another user of this host does not know the token.

use std::{
    fs::File,
    io::{self, Read as _},
    sync::atomic::{AtomicBool, Ordering},
};

use hyper::{
    Method, StatusCode, Uri,
    header::{self, HeaderMap, HeaderName},
};

/// With this a page says that a person confirmed what it asks for.
const CONFIRMED: HeaderName = HeaderName::from_static("x-warren-confirmed");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is let through from then on.
pub struct Gate {
    port: u16,
    token: String,
    session: String,
    is_used: AtomicBool,
}

/// What becomes of a request.
#[derive(PartialEq, Eq, Debug)]
pub enum Admission {
    /// It goes to the daemon.
    Pass,
    /// Its browser is known from now on by this cookie.
    Admit(String),
    /// It goes nowhere, and this is why.
    Refuse(StatusCode, &'static str),
}

/// 256 bits that nobody can guess, as text.
pub fn secret() -> io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Gate {
    /// At this port, with a token that works once and what the cookie is worth.
    pub fn new(port: u16, token: String, session: String) -> Self {
        Self {
            port,
            token,
            session,
            is_used: AtomicBool::new(false),
        }
    }

    /// What is to be opened.
    pub fn link(&self) -> String {
        format!("http://127.0.0.1:{}/?token={}", self.port, self.token)
    }

    /// What becomes of this request.
    pub fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Admission {
        let Some(host) = self.host(headers) else {
            return Admission::Refuse(
                StatusCode::MISDIRECTED_REQUEST,
                "the request's Host header names another place",
            );
        };
        let origin = text(headers, &header::ORIGIN);
        if origin.is_some_and(|origin| origin != format!("http://{host}")) {
            return Admission::Refuse(StatusCode::FORBIDDEN, "the request comes from another site");
        }
        if uri.path() == "/" && *method == Method::GET {
            return self.admit(uri.query().unwrap_or_default());
        }
        if !self.is_known(headers) {
            let why = "this browser has not been let in: open the link that `warren web` printed, or run it again for a new one";
            return Admission::Refuse(StatusCode::FORBIDDEN, why);
        }
        let looks = *method == Method::GET || *method == Method::HEAD;
        match uri.path() {
            "/enable" | "/disable" if *method == Method::POST => switched(uri, headers, origin.is_some()),
            path if looks && (path == "/ui" || path.starts_with("/ui/")) => Admission::Pass,
            path if looks && path.starts_with("/v3/") => match text(headers, &FETCH_SITE) {
                None | Some("same-origin" | "none") => Admission::Pass,
                Some(_) => Admission::Refuse(StatusCode::FORBIDDEN, "the request comes from another site"),
            },
            _ => Admission::Refuse(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    /// The name that the request has for this place, if it is one of ours.
    fn host<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let host = text(headers, &header::HOST)?;
        let is_ours = ["127.0.0.1", "localhost"]
            .iter()
            .any(|name| host == format!("{name}:{}", self.port));
        is_ours.then_some(host)
    }

    fn admit(&self, query: &str) -> Admission {
        let given = query.split('&').find_map(|pair| pair.strip_prefix("token="));
        if !given.is_some_and(|given| is_same(given, &self.token)) {
            return Admission::Refuse(
                StatusCode::FORBIDDEN,
                "this is not the link that `warren web` printed",
            );
        }
        if self.is_used.swap(true, Ordering::SeqCst) {
            return Admission::Refuse(
                StatusCode::FORBIDDEN,
                "the link has already been used: run `warren web` again for a new one",
            );
        }
        let Self { port, session, .. } = self;
        Admission::Admit(format!(
            "warren-{port}={session}; Path=/; HttpOnly; SameSite=Strict"
        ))
    }

    fn is_known(&self, headers: &HeaderMap) -> bool {
        let name = format!("warren-{}=", self.port);
        let cookies = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|cookies| cookies.to_str().ok());
        cookies
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().strip_prefix(&name))
            .any(|session| is_same(session, &self.session))
    }
}

/// A change comes from the page itself, and a person confirmed it. Whether the caller may make it is the daemon's to say.
fn switched(uri: &Uri, headers: &HeaderMap, is_from_here: bool) -> Admission {
    if !is_from_here {
        return Admission::Refuse(StatusCode::FORBIDDEN, "a change must say where it comes from");
    }
    match text(headers, &CONFIRMED) {
        Some(what) if uri.path().strip_prefix('/') == Some(what) => Admission::Pass,
        Some(_) | None => Admission::Refuse(StatusCode::PRECONDITION_REQUIRED, "it was not confirmed"),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // What is there twice is nothing that a browser says.
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        Some("")
    } else {
        Some(value.to_str().unwrap_or(""))
    }
}

/// In a time that does not tell how much of it is right.
fn is_same(given: &str, secret: &str) -> bool {
    let differing = given
        .bytes()
        .zip(secret.bytes())
        .fold(0, |differing, (one, other)| differing | (one ^ other));
    given.len() == secret.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: u16 = 4711;

    fn gate() -> Gate {
        Gate::new(PORT, "t0ken".into(), "s3ssion".into())
    }

    fn judged(gate: &Gate, method: Method, target: &str, headers: &[(&str, &str)]) -> Admission {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        gate.judge(&method, &target.parse().unwrap(), &map)
    }

    fn status(verdict: &Admission) -> u16 {
        match verdict {
            Admission::Pass => 200,
            Admission::Admit(_) => 303,
            Admission::Refuse(status, _) => status.as_u16(),
        }
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:4711");
    const COOKIE: (&str, &str) = ("cookie", "a=b; warren-4711=s3ssion");
    const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:4711");

    #[test]
    fn the_link_works_once_and_gives_a_cookie_that_no_script_and_no_other_site_has() {
        let gate = gate();
        assert_eq!(gate.link(), "http://127.0.0.1:4711/?token=t0ken");
        let open = |target: &str| judged(&gate, Method::GET, target, &[HOST]);
        for wrong in [
            "/",
            "/?token=",
            "/?token=t0kem",
            "/?token=t0ken1",
            "/?tokens=t0ken",
        ] {
            assert_eq!(status(&open(wrong)), 403, "{wrong}");
        }
        let cookie = "warren-4711=s3ssion; Path=/; HttpOnly; SameSite=Strict";
        assert_eq!(open("/?token=t0ken"), Admission::Admit(cookie.into()));
        assert_eq!(status(&open("/?token=t0ken")), 403, "only once");
    }

    #[test]
    fn a_known_browser_may_look_at_the_page_and_what_it_reads_and_at_nothing_else() {
        let gate = gate();
        for (method, target, expected) in [
            (Method::GET, "/ui/", 200),
            (Method::GET, "/ui/page.js", 200),
            (Method::HEAD, "/v3/status", 200),
            (Method::GET, "/v3/events?since=1.2.3", 200),
            (Method::GET, "/uix", 404),
            (Method::GET, "/metrics", 404),
            (Method::GET, "/status", 404),
            (Method::POST, "/ui/", 404),
            (Method::POST, "/v3/status", 404),
            (Method::POST, "/provision", 404),
            (Method::POST, "/remove", 404),
            (Method::POST, "/v2/disable", 404),
            (Method::GET, "/disable", 404),
        ] {
            let known = judged(&gate, method.clone(), target, &[HOST, COOKIE]);
            assert_eq!(status(&known), expected, "{method} {target}");
            let unknown = judged(&gate, method.clone(), target, &[HOST]);
            assert_eq!(status(&unknown), 403, "{method} {target} of a stranger");
            let wrong = judged(&gate, method, target, &[HOST, ("cookie", "warren-4711=s3ssiom")]);
            assert_eq!(status(&wrong), 403, "{target} with another's cookie");
        }
    }

    #[test]
    fn another_name_of_this_place_and_another_site_are_turned_away_even_with_the_cookie() {
        let gate = gate();
        for host in ["localhost:4711", "127.0.0.1:4711"] {
            assert_eq!(
                judged(&gate, Method::GET, "/ui/", &[("host", host), COOKIE]),
                Admission::Pass,
                "{host}"
            );
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:4712",
            "evil.example:4711",
            "localhost.evil.example:4711",
            "",
        ] {
            let verdict = judged(&gate, Method::GET, "/v3/status", &[("host", host), COOKIE]);
            assert_eq!(status(&verdict), 421, "{host}");
        }
        assert_eq!(
            status(&judged(&gate, Method::GET, "/ui/", &[COOKIE])),
            421,
            "no host"
        );
        assert_eq!(
            status(&judged(&gate, Method::GET, "/ui/", &[HOST, HOST, COOKIE])),
            421,
            "two hosts"
        );
        for origin in [
            "http://evil.example",
            "null",
            "https://127.0.0.1:4711",
            "http://localhost:4711",
        ] {
            let verdict = judged(
                &gate,
                Method::GET,
                "/v3/status",
                &[HOST, COOKIE, ("origin", origin)],
            );
            assert_eq!(status(&verdict), 403, "{origin}");
        }
        for (site, expected) in [
            ("same-origin", 200),
            ("none", 200),
            ("cross-site", 403),
            ("same-site", 403),
        ] {
            let verdict = judged(
                &gate,
                Method::GET,
                "/v3/status",
                &[HOST, COOKIE, ("sec-fetch-site", site)],
            );
            assert_eq!(status(&verdict), expected, "{site}");
        }
    }

    #[test]
    fn the_switch_is_set_from_the_page_itself_and_once_a_person_confirmed_it() {
        let gate = gate();
        let disable = |more: &[(&str, &str)]| {
            let headers = [&[HOST, COOKIE][..], more].concat();
            status(&judged(&gate, Method::POST, "/disable", &headers))
        };
        assert_eq!(disable(&[ORIGIN, ("x-warren-confirmed", "disable")]), 200);
        assert_eq!(
            disable(&[ORIGIN, ("x-warren-confirmed", "enable")]),
            428,
            "something else was confirmed"
        );
        assert_eq!(disable(&[ORIGIN]), 428);
        assert_eq!(disable(&[("x-warren-confirmed", "disable")]), 403, "from nowhere");
        assert_eq!(
            disable(&[
                ("origin", "http://evil.example"),
                ("x-warren-confirmed", "disable")
            ]),
            403
        );
        let stranger = judged(
            &gate,
            Method::POST,
            "/disable",
            &[HOST, ORIGIN, ("x-warren-confirmed", "disable")],
        );
        assert_eq!(status(&stranger), 403);
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert!(one.len() == 64 && one != other);
    }
}
