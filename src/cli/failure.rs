//! A failure with an exit code and with what to do about it.

use std::fmt;

use warren_api::client::ClientError;
use warren_ledger::{ProgramError, rpc::LookupError, send::SendError};

use super::{ERROR, NOT_CONVERGED, UNREACHABLE};

/// Why a verb did not do what it was asked for.
#[derive(Debug)]
pub struct Failure {
    /// The exit code that the process ends with.
    pub code: u8,
    /// What went wrong: half a sentence.
    pub what: String,
    /// What to do about it: a sentence.
    pub advice: Option<String>,
}

impl Failure {
    /// A failure, with a sentence that says what to do.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            code: ERROR,
            what: what.into(),
            advice: Some(advice.into()),
        }
    }

    /// What was waited for did not come about in time.
    pub fn not_yet(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            code: NOT_CONVERGED,
            ..Self::new(what, advice)
        }
    }

    /// The daemon is not there.
    pub fn no_daemon(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            code: UNREACHABLE,
            ..Self::new(what, advice)
        }
    }
}

/// An error with its causes.
pub fn cause(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.advice
            .iter()
            .try_for_each(|advice| write!(f, "\n  {advice}"))
    }
}

impl std::error::Error for Failure {}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        match &error {
            LookupError::Unavailable(_) | LookupError::Deadline => Self::new(
                format!("the ledger cannot be asked: {error}"),
                "Check --url (or DZ_LEDGER_RPC_URL, `warren config get`) and the network, and run the command again: it resumes.",
            ),
            LookupError::NotOurs(_) => Self::new(error.to_string(), "Check --program-id and --env."),
            LookupError::Undecodable { .. } => Self::new(error.to_string(), "Update this software."),
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self {
            code: ERROR,
            what: error.to_string(),
            advice: error.advice().map(str::to_owned),
        }
    }
}

impl From<ProgramError> for Failure {
    fn from(error: ProgramError) -> Self {
        Self::new(error.to_string(), error.advice())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let code = if error.is_unreachable() {
            UNREACHABLE
        } else {
            ERROR
        };
        Self {
            code,
            what: error.to_string(),
            advice: None,
        }
    }
}
