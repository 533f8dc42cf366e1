//! Whose certificates are trusted: the system's trust store, as OpenSSL's variables name it where they do, and the
//! operator's own authorities beside it.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// As OpenSSL has them, both taken by `rustls-native-certs`.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// A file of certificate authorities that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("cannot read the certificate authorities in {path}")]
    Unreadable {
        /// The path of the file in question.
        path: PathBuf,
        /// The error of the system below.
        #[source]
        source: std::io::Error,
    },
    /// It holds no certificate, or something that is not one.
    #[error("{path} is not a PEM file of certificate authorities: {reason}")]
    Garbled {
        /// The path of the file in question.
        path: PathBuf,
        /// The reason, in words for people.
        reason: String,
    },
}

/// Trust anchors, ready for use. Clones are the same.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    anchors: usize,
    remarks: Vec<String>,
}

impl Trust {
    /// The system's trust store and what OpenSSL's variables `SSL_CERT_FILE` and `SSL_CERT_DIR` put in its place. See
    /// [`Self::remarks`] for what is wrong with it. Read once in a process.
    #[must_use]
    pub fn system() -> Self {
        static SYSTEM: OnceLock<Trust> = OnceLock::new();
        SYSTEM.get_or_init(|| Self::of(store(), Vec::new())).clone()
    }

    /// The same, and the authorities in this file.
    ///
    /// # Errors
    /// When a file is named that cannot be read, or that does not hold certificates only.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, TrustError> {
        let Some(path) = ca_file else {
            return Ok(Self::system());
        };
        Ok(Self::of(store(), authorities(path)?))
    }

    /// These authorities alone, for an end that asks us for a certificate: ours.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold what it should.
    pub fn mutual(ca_file: &Path, certificate: &Path, key: &Path) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let (anchors, _) = roots.add_parsable_certificates(authorities(ca_file)?);
        let garbled = |path: &Path, reason: String| TrustError::Garbled {
            path: path.to_owned(),
            reason,
        };
        let own = authorities(certificate)?;
        let text = std::fs::read(key).map_err(|source| TrustError::Unreadable {
            path: key.to_owned(),
            source,
        })?;
        let secret = PrivateKeyDer::from_pem_slice(&text).map_err(|error| garbled(key, error.to_string()))?;
        let config = versions()
            .with_root_certificates(roots)
            .with_client_auth_cert(own, secret);
        Ok(Self {
            config: Arc::new(config.map_err(|error| garbled(certificate, error.to_string()))?),
            anchors,
            remarks: Vec::new(),
        })
    }

    /// How many authorities are trusted.
    #[must_use]
    pub fn anchors(&self) -> usize {
        self.anchors
    }

    /// What an operator who uses `https` should know: nothing when all is well.
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    pub(super) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    pub(super) fn of(store: Store, own: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        let mut remarks = store.errors;
        let (taken, refused) = roots.add_parsable_certificates(store.certificates);
        if refused > 0 {
            tracing::debug!(
                taken,
                refused,
                "certificates of the system's trust store that cannot be used"
            );
        }
        let (of_own, _) = roots.add_parsable_certificates(own);
        if taken == 0 {
            remarks.push(match (store.named, of_own) {
                (true, _) => format!("{} name no usable certificate authority", VARIABLES.join(" and ")),
                (false, 0) => {
                    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                    "this system has no trust store: the authorities that Mozilla trusts, as they were when this program was built, stand in for it (install ca-certificates, or name a ca-file)".to_owned()
                }
                (false, _) => "this system has no trust store: only the ca-file's authorities are trusted".to_owned(),
            });
        }
        let anchors = roots.len();
        Self {
            config: Arc::new(client(roots)),
            anchors,
            remarks,
        }
    }
}

/// What the system has.
pub(super) struct Store {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) errors: Vec<String>,
    /// Variables say where it is.
    pub(super) named: bool,
}

fn store() -> Store {
    let named = VARIABLES
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    let found = rustls_native_certs::load_native_certs();
    // A distribution's store may hold what is no certificate; that a named one cannot be read is worth a word.
    let errors = if named || found.certs.is_empty() {
        found.errors.iter().map(ToString::to_string).collect()
    } else {
        Vec::new()
    };
    Store {
        certificates: found.certs,
        errors,
        named,
    }
}

fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let text = std::fs::read(path).map_err(|source| TrustError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let garbled = |reason: String| TrustError::Garbled {
        path: path.to_owned(),
        reason,
    };
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| garbled(error.to_string()))?;
    if certificates.is_empty() {
        return Err(garbled("there is no certificate in it".into()));
    }
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        roots
            .add(certificate.clone())
            .map_err(|error| garbled(format!("certificate {}: {error}", index + 1)))?;
    }
    Ok(certificates)
}

fn client(roots: RootCertStore) -> ClientConfig {
    versions().with_root_certificates(roots).with_no_client_auth()
}

#[allow(
    clippy::expect_used,
    reason = "the provider serves the versions that are compiled in"
)]
fn versions() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions that the provider serves")
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("anchors", &self.anchors)
            .finish_non_exhaustive()
    }
}
