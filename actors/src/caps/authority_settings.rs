//! Which authority, and how it is known.

use std::{path::PathBuf, sync::Arc, time::Duration};

use reqwest::Url;
use warren_ledger::connector::{Connector, HttpSettings, Trust, TrustError};

use super::{authority::Authority, grpc::Grpc, http::Sidecar};

/// A call is given up after this long; what became of it is not known then.
const CALL: Duration = Duration::from_secs(10);

/// Which authority, and how it is known.
#[derive(Clone, Debug)]
pub struct AuthoritySettings {
    /// What it speaks.
    pub protocol: Protocol,
    /// Where it is: a host and a port, or a URL. Without a scheme it is https.
    pub url: String,
    /// The certificates of its authority, ours, and its key: all three, or none.
    pub ca_cert: Option<PathBuf>,
    /// Ours.
    pub client_cert: Option<PathBuf>,
    /// Its key.
    pub client_key: Option<PathBuf>,
    /// That it asks us for no certificate has to be said.
    pub insecure_dev: bool,
}

/// What an authority speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// The sidecar's HTTP.
    Http,
    /// `lantern_cloud.api.DataCapService`.
    Grpc,
}

/// Settings that make no way to an authority.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAuthority {
    /// It is nowhere.
    #[error("not the URL of an authority: {0}")]
    Url(&'static str),
    /// Some of the three are missing.
    #[error("TLS with a client certificate needs all of ca-cert, client-cert and client-key")]
    Partial,
    /// Nothing says who we are.
    #[error(
        "an authority over gRPC needs a certificate of this host: give ca-cert, client-cert and client-key, or set insecure_dev = true"
    )]
    Open,
    /// A file cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] reqwest::Error),
}

impl AuthoritySettings {
    /// Makes the way to it; connects to nothing yet. Requests go as this host's own requests go.
    ///
    /// # Errors
    /// When the settings make none.
    pub fn open(&self, connector: &Connector) -> Result<Arc<dyn Authority>, InvalidAuthority> {
        let url = self.url()?;
        let connector = match (&self.ca_cert, &self.client_cert, &self.client_key) {
            (Some(ca), Some(cert), Some(key)) => connector.with_trust(Trust::mutual(ca, cert, key)?),
            (None, None, None) if self.protocol == Protocol::Http || self.insecure_dev => connector.clone(),
            (None, None, None) => return Err(InvalidAuthority::Open),
            _ => return Err(InvalidAuthority::Partial),
        };
        let http = connector.http(HttpSettings {
            timeout: CALL,
            redirects: 0,
            proxies: true,
            keeps_connections: true,
        });
        let http = Arc::new(http.map_err(InvalidAuthority::Tls)?);
        Ok(match self.protocol {
            Protocol::Http => Arc::new(Sidecar::new(url, http)),
            Protocol::Grpc => Arc::new(Grpc::new(url, http)),
        })
    }

    fn url(&self) -> Result<Url, InvalidAuthority> {
        let text = self.url.trim().trim_end_matches('/');
        let text = if text.contains("://") {
            text.to_owned()
        } else {
            format!("https://{text}")
        };
        let url: Url = text
            .parse()
            .map_err(|_| InvalidAuthority::Url("it cannot be read"))?;
        match (url.scheme(), self.protocol) {
            _ if url.host_str().is_none() => Err(InvalidAuthority::Url("it has no host")),
            ("https", _) | ("http", Protocol::Http) => Ok(url),
            ("http", Protocol::Grpc) => Err(InvalidAuthority::Url("gRPC goes over https")),
            _ => Err(InvalidAuthority::Url("it is neither http nor https")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(protocol: Protocol, url: &str) -> AuthoritySettings {
        AuthoritySettings {
            protocol,
            url: url.to_owned(),
            ca_cert: None,
            client_cert: None,
            client_key: None,
            insecure_dev: false,
        }
    }

    #[test]
    fn without_a_scheme_it_is_https_and_grpc_never_goes_without_tls() {
        let url = |protocol, text| settings(protocol, text).url().map(String::from);
        assert_eq!(
            url(Protocol::Http, "127.0.0.1:7480").unwrap(),
            "https://127.0.0.1:7480/"
        );
        assert_eq!(
            url(Protocol::Http, "http://localhost:1/a/").unwrap(),
            "http://localhost:1/a"
        );
        assert!(url(Protocol::Grpc, "http://localhost:1").is_err());
        assert!(url(Protocol::Http, "ftp://localhost").is_err());
    }

    #[test]
    fn a_certificate_of_our_own_is_whole_or_said_to_be_missing() {
        let connector = Connector::new(Trust::system(), None);
        let mut settings = settings(Protocol::Grpc, "caps.example:7443");
        assert!(matches!(
            settings.open(&connector).err(),
            Some(InvalidAuthority::Open)
        ));
        settings.insecure_dev = true;
        assert!(settings.open(&connector).is_ok());
        for part in 0..3 {
            let mut partial = settings.clone();
            let path = Some(PathBuf::from("/nowhere"));
            match part {
                0 => partial.ca_cert = path,
                1 => partial.client_cert = path,
                _ => partial.client_key = path,
            }
            assert!(matches!(
                partial.open(&connector).err(),
                Some(InvalidAuthority::Partial)
            ));
        }
    }
}
