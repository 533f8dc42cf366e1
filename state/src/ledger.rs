//! What may be wrong with a ledger's endpoint.

use serde::{Deserialize, Serialize};

/// Why a read of the ledger failed, as far as it decides what an operator should do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadProblem {
    /// No connection, no answer in time, or an answer that says no.
    Unavailable,
    /// Its certificate is of an authority that this host does not trust.
    UntrustedCertificate,
    /// It answers, but for another program or another network.
    OtherProgram,
    /// It answers with something that cannot be used.
    Unusable,
}

impl ReadProblem {
    /// Every variant, in the order of declaration.
    pub const ALL: [Self; 4] = [
        Self::Unavailable,
        Self::UntrustedCertificate,
        Self::OtherProgram,
        Self::Unusable,
    ];

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::UntrustedCertificate => "untrusted_certificate",
            Self::OtherProgram => "other_program",
            Self::Unusable => "unusable",
        }
    }
}
