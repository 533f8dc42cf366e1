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

named! {
    /// The name in the API.
    ReadProblem {
        Unavailable => "unavailable",
        UntrustedCertificate => "untrusted_certificate",
        OtherProgram => "other_program",
        Unusable => "unusable",
    }
}
