//! Endpoints: their URLs, and keeping the secrets in them out of everything that can be read.

use reqwest::Url;

/// Why a URL cannot be used. Never holds the URL itself: it may carry a token.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidEndpoint {
    /// The text does not parse as a URL.
    #[error("not a valid URL: {0}")]
    NotUrl(String),
    /// A scheme that we do not speak.
    #[error("{scheme}:// is not supported here: expected {expected}")]
    Scheme {
        /// The scheme that the URL has.
        scheme: String,
        /// The schemes that would be accepted.
        expected: &'static str,
    },
    /// The URL names no host to connect to.
    #[error("the URL names no host")]
    NoHost,
}

/// A URL whose secrets are known, so that they can be taken out of texts.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
    secrets: Vec<String>,
}

impl Endpoint {
    /// An `http` or `https` URL.
    ///
    /// # Errors
    /// When it is not one.
    pub fn http(text: &str) -> Result<Self, InvalidEndpoint> {
        Self::parse(text, &["http", "https"], "http:// or https://")
    }

    /// A `ws` or `wss` URL.
    ///
    /// # Errors
    /// When it is not one.
    pub fn websocket(text: &str) -> Result<Self, InvalidEndpoint> {
        Self::parse(text, &["ws", "wss"], "ws:// or wss://")
    }

    /// Where a node with this RPC endpoint serves publish-subscribe: `ws` for `http`, `wss` for `https`, and the port
    /// after the RPC port where the URL names one (8899 becomes 8900).
    #[must_use]
    pub fn derived_websocket(&self) -> Self {
        let mut url = self.url.clone();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        let port = url.port().map(|port| port.saturating_add(1));
        // Both can fail only for schemes and hosts that the constructor has refused.
        let _ = url.set_scheme(scheme);
        let _ = url.set_port(port);
        Self {
            url,
            secrets: self.secrets.clone(),
        }
    }

    /// Where a redirect from here to this leads. User and password go along within the same host and port only.
    #[must_use]
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        let mut url = self.url.join(location).ok()?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return None;
        }
        url.set_fragment(None);
        if url.origin() == self.url.origin() && url.username().is_empty() && url.password().is_none() {
            // Both can fail only without a host.
            let _ = url.set_username(self.url.username());
            let _ = url.set_password(self.url.password());
        }
        let secrets = secrets(&url);
        Some(Self { url, secrets })
    }

    /// The URL, secrets and all: for the connection only.
    #[must_use]
    pub fn secret_url(&self) -> &Url {
        &self.url
    }

    /// The URL for people: scheme, host and port; `***` where there is more.
    #[must_use]
    pub fn shown(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let more = if self.secrets.is_empty() { "" } else { "/***" };
        format!(
            "{}://{}{port}{more}",
            self.url.scheme(),
            self.url.host_str().unwrap_or_default()
        )
    }

    /// A text without this URL's secrets, whoever wrote it.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.as_str(), "***")
        })
    }

    /// Whether the host is this machine: no proxy is asked for it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.url.host_str() {
            Some("localhost" | "[::1]") => true,
            Some(host) => host
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|ip| ip.is_loopback()),
            None => false,
        }
    }

    fn parse(text: &str, schemes: &[&str], expected: &'static str) -> Result<Self, InvalidEndpoint> {
        let url = Url::parse(text.trim()).map_err(|error| InvalidEndpoint::NotUrl(error.to_string()))?;
        if !schemes.contains(&url.scheme()) {
            return Err(InvalidEndpoint::Scheme {
                scheme: url.scheme().chars().take(16).collect(),
                expected,
            });
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidEndpoint::NoHost);
        }
        let secrets = secrets(&url);
        Ok(Self { url, secrets })
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

/// User, password, query, and every part of the path: longest first, so that none is left in halves.
fn secrets(url: &Url) -> Vec<String> {
    let mut secrets = vec![
        url.username().to_owned(),
        url.password().unwrap_or_default().to_owned(),
    ];
    secrets.extend(url.query().map(str::to_owned));
    secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    secrets.extend(url.fragment().map(str::to_owned));
    secrets.push(url.path().trim_matches('/').to_owned());
    secrets.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_a_url_are_never_shown() {
        let endpoint =
            Endpoint::http("https://bob:hunter2@rpc.example.net/v1/0ddba11?api-key=s3cret").unwrap();
        assert_eq!(endpoint.shown(), "https://rpc.example.net/***");
        let text = endpoint
            .redact("error for https://bob:hunter2@rpc.example.net/v1/0ddba11?api-key=s3cret, token 0ddba11");
        for secret in ["hunter2", "0ddba11", "s3cret", "bob"] {
            assert!(
                !text.contains(secret) && !format!("{endpoint:?}").contains(secret),
                "{secret} in {text}"
            );
        }
        assert_eq!(
            Endpoint::http("http://localhost:8899").unwrap().shown(),
            "http://localhost:8899"
        );
        assert_eq!(
            Endpoint::http("http://localhost:8899/").unwrap().shown(),
            "http://localhost:8899"
        );
    }

    #[test]
    fn the_websocket_of_an_endpoint_is_on_the_next_port_where_the_port_is_given() {
        let derived = |url: &str| {
            Endpoint::http(url)
                .unwrap()
                .derived_websocket()
                .secret_url()
                .to_string()
        };
        assert_eq!(derived("http://localhost:8899"), "ws://localhost:8900/");
        assert_eq!(
            derived("https://rpc.example.net/token"),
            "wss://rpc.example.net/token"
        );
        assert_eq!(derived("http://127.0.0.1:65535"), "ws://127.0.0.1:65535/");
    }

    #[test]
    fn a_redirect_takes_secrets_along_only_where_it_names_them_or_stays_on_the_host() {
        let from = Endpoint::http("https://bob:hunter2@rpc.example.net/tok3n?api-key=s3cret#part").unwrap();
        let to = |location: &str| from.join(location).map(|to| to.secret_url().to_string());
        assert_eq!(to("/r").as_deref(), Some("https://bob:hunter2@rpc.example.net/r"));
        assert_eq!(
            to("https://rpc.example.net/r").as_deref(),
            Some("https://bob:hunter2@rpc.example.net/r")
        );
        assert_eq!(
            to("https://rpc.example.net:444/r").as_deref(),
            Some("https://rpc.example.net:444/r")
        );
        assert_eq!(
            to("https://other.example.net/r?k=new").as_deref(),
            Some("https://other.example.net/r?k=new")
        );
        assert_eq!(
            to("//other.example.net/r").as_deref(),
            Some("https://other.example.net/r")
        );
        assert_eq!((to("ftp://x/"), to("https://")), (None, None));
        let other = from.join("https://other.example.net/n3w").unwrap();
        assert_eq!(other.redact("no n3w here"), "no *** here");
    }

    #[test]
    fn what_is_no_url_is_an_error_that_does_not_repeat_it() {
        for text in [
            "",
            "localhost:8899",
            "ftp://h/tok3n",
            "http://",
            "not a url tok3n",
        ] {
            let error = Endpoint::http(text).unwrap_err().to_string();
            assert!(!error.contains("tok3n"), "{error}");
        }
        assert!(Endpoint::websocket("http://h").is_err());
    }
}
