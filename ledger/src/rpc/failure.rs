//! Why a request failed, and whether trying again can help.

use std::time::Duration;

use warren_state::ReadProblem;

/// Why a request gave no result. Texts are free of secrets.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection, or one that broke.
    #[error("cannot reach the ledger: {0}")]
    Connection(String),
    /// A server whose certificate no authority of ours vouches for.
    #[error("cannot reach the ledger: {0}")]
    Certificate(String),
    /// No answer in time.
    #[error("the ledger did not answer within {0:?}")]
    Timeout(Duration),
    /// An HTTP status other than success.
    #[error("the ledger answered with HTTP status {status}")]
    Http {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// Nothing was sent: every endpoint has named a time before which it wants no request, and all are past the deadline.
    #[error("the ledger asks to wait {} s before the next request", .0.as_secs())]
    AskedToWait(Duration),
    /// A redirect that is not followed.
    #[error("the ledger redirects to {to}, which is not followed: {why}")]
    Redirect { to: String, why: &'static str },
    /// Answers, but none at the slot that was asked for or a later one.
    #[error("the ledger has not reached the slot that is needed")]
    Behind,
    /// A JSON-RPC error.
    #[error("the ledger answered with error {code}: {message}")]
    Rpc { code: i64, message: String },
    /// A body that is not the JSON that it should be.
    #[error("the ledger's answer is not usable: {0}")]
    Garbled(String),
    /// More than we read.
    #[error("the ledger's answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// An answer that is well-formed but about something else.
    #[error("{0}")]
    Wrong(String),
    /// An answer of a ledger that has another program, or nothing of ours.
    #[error("{0}")]
    OtherProgram(String),
}

/// Whether trying again can help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Retry {
    /// Yes, and not before this time where the ledger named one.
    After(Option<Duration>),
    /// The same request will fail the same way.
    No,
}

impl Failure {
    /// The reference's classes (connection errors, HTTP 429 500 502 503 504, JSON-RPC -32005 -32004 -32429, truncated
    /// bodies, "service unavailable", "rate limited"), and -32016: a node behind a balancer that is not at the slot yet.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Connection(_)
            | Self::Certificate(_)
            | Self::Timeout(_)
            | Self::Garbled(_)
            | Self::Behind => Retry::After(None),
            Self::Http {
                status: 429 | 500 | 502 | 503 | 504,
                retry_after,
            } => Retry::After(*retry_after),
            Self::AskedToWait(time) => Retry::After(Some(*time)),
            Self::Rpc {
                code: 429 | 500 | 502 | 503 | 504 | -32005 | -32004 | -32429 | -32016,
                ..
            } => Retry::After(None),
            Self::Rpc { code: _, message } if is_overload(message) => Retry::After(None),
            Self::Http { .. }
            | Self::Redirect { .. }
            | Self::Rpc { .. }
            | Self::TooLarge { .. }
            | Self::Wrong(_)
            | Self::OtherProgram(_) => Retry::No,
        }
    }

    /// Whether the ledger said so itself.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Rpc { .. })
    }

    /// Whether the node that answered has not reached the slot that was asked for.
    pub(crate) fn is_behind(&self) -> bool {
        let Self::Rpc { code, message } = self else {
            return matches!(self, Self::Behind);
        };
        *code == -32016 || message.to_ascii_lowercase().contains("minimum context slot")
    }

    /// Whether the endpoint does not like how it was asked, so that asking in other words may help.
    pub(crate) fn is_about_parameters(&self) -> bool {
        matches!(
            self,
            Self::Http {
                status: 400 | 422,
                ..
            } | Self::Rpc {
                code: -32602 | -32600,
                ..
            }
        )
    }

    /// Whether the endpoint looks up fewer accounts at once.
    pub(crate) fn is_too_many(&self) -> bool {
        let Self::Rpc { message, .. } = self else {
            return matches!(self, Self::Http { status: 413, .. });
        };
        let message = message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let of_accounts = says(&["input", "account", "pubkey", "address", "key"]);
        !is_overload(&message) && of_accounts && says(&["too many", "max", "limit", "at most", "up to"])
    }

    /// The last number in a refusal's text.
    pub(crate) fn named_limit(&self) -> Option<usize> {
        let Self::Rpc { message, .. } = self else {
            return None;
        };
        message
            .split(|c: char| !c.is_ascii_digit())
            .rfind(|digits| !digits.is_empty())?
            .parse()
            .ok()
    }

    /// Whether the answer, rather than the way to it, is at fault.
    pub(crate) fn is_malformed(&self) -> bool {
        matches!(self.problem(), ReadProblem::OtherProgram | ReadProblem::Unusable)
    }

    /// What an operator should look at.
    pub(crate) fn problem(&self) -> ReadProblem {
        match self {
            Self::OtherProgram(_) => ReadProblem::OtherProgram,
            Self::Certificate(_) => ReadProblem::UntrustedCertificate,
            Self::Garbled(_) | Self::TooLarge { .. } | Self::Wrong(_) => ReadProblem::Unusable,
            Self::Connection(_)
            | Self::Timeout(_)
            | Self::Http { .. }
            | Self::AskedToWait(_)
            | Self::Redirect { .. }
            | Self::Behind
            | Self::Rpc { .. } => ReadProblem::Unavailable,
        }
    }
}

fn is_overload(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["service unavailable", "rate limit", "too many requests"]
        .iter()
        .any(|phrase| message.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16) -> Failure {
        Failure::Http {
            status,
            retry_after: None,
        }
    }

    fn rpc(code: i64, message: &str) -> Failure {
        Failure::Rpc {
            code,
            message: message.into(),
        }
    }

    #[test]
    fn the_classes_of_the_reference_are_retried_and_nothing_else_is() {
        let yes = [429, 500, 502, 503, 504].map(http).into_iter();
        let yes = yes.chain([-32005, -32004, -32429, -32016, 503].map(|code| rpc(code, "")));
        let yes = yes.chain([
            rpc(-32000, "Service Unavailable, please"),
            rpc(1, "you are rate limited"),
        ]);
        let yes = yes.chain([
            Failure::Connection(String::new()),
            Failure::Garbled(String::new()),
            Failure::Timeout(Duration::ZERO),
        ]);
        for failure in yes {
            assert_eq!(failure.retry(), Retry::After(None), "{failure}");
        }
        let no = [400, 401, 403, 404, 405, 413, 501].map(http).into_iter();
        let no = no.chain([-32602, -32601, -32600, -32700, -32010].map(|code| rpc(code, "invalid params")));
        for failure in no.chain([Failure::TooLarge { limit: 1 }, Failure::Wrong(String::new())]) {
            assert_eq!(failure.retry(), Retry::No, "{failure}");
        }
    }

    #[test]
    fn the_time_that_the_ledger_names_is_kept() {
        let failure = Failure::Http {
            status: 429,
            retry_after: Some(Duration::from_secs(7)),
        };
        assert_eq!(failure.retry(), Retry::After(Some(Duration::from_secs(7))));
    }
}
