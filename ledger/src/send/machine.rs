//! The machine that brings one transaction to the ledger.
//!
//! ```text
//! Funding ──balance──▶ Hashing ──blockhash──▶ Flying ──settled──▶ done
//!                         ▲                     │
//!                         │                     │ finalized height is past the transaction's last
//!                         └──── unknown to ◀─ Expiring ──settled──▶ done
//!                               a node that
//!                               is as far
//! ```

use std::time::Duration;

use warren_state::{
    Pubkey, Slot,
    backoff::{Jitter, Waits},
};

use super::{
    Blockhash, Confirmed, MessageError, Progress, Reply, Request, RetryAdvice, RpcFailure, SendError,
    SendSettings, Signature, Signed, TransactionFailure, TransactionOutcome,
};

/// Makes the signed transaction for a blockhash; the same bytes for the same blockhash.
pub type Signing<'a> = dyn Fn(Blockhash) -> Result<Signed, MessageError> + Send + Sync + 'a;

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Carry this out, and give the outcome to [`Submission::on_outcome`].
    Do(Request),
    /// Nothing until this time; and what is waited for.
    Wait(Duration, Waiting),
    /// The end.
    Done(Result<Confirmed, SendError>),
}

/// What a submission waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Another try after a request that failed.
    Retry,
    /// The next look at the transaction's fate.
    Status,
    /// The next time the same bytes are sent.
    Broadcast,
    /// The next look at the chain's height.
    Height,
}

/// One transaction's way to the ledger. Times are since its beginning.
pub struct Submission<'a> {
    payer: Pubkey,
    sign: Box<Signing<'a>>,
    settings: SendSettings,
    deadline: Duration,
    phase: Phase,
    /// No request before; set by requests that failed.
    not_before: Duration,
    failures: u32,
    expired: u32,
    last_failure: Option<String>,
    progress: Vec<Progress>,
}

enum Phase {
    Funding,
    Hashing,
    Flying(Flight),
    /// Past its last block; dead once a node at this slot or later knows nothing of it.
    Expiring {
        flight: Flight,
        at_least: Slot,
    },
    Done(Result<Confirmed, SendError>),
}

#[derive(Clone)]
struct Flight {
    signed: Signed,
    last_valid_block_height: u64,
    /// Whether a node has the bytes, or may have them. Once true it stays so.
    out: bool,
    seen: bool,
    /// Since when its fate is asked for.
    since: Duration,
    next_status: Duration,
    next_broadcast: Duration,
    next_height: Duration,
}

impl<'a> Submission<'a> {
    /// Begins at time zero; `deadline` is when the caller stops waiting.
    pub fn new(
        payer: Pubkey,
        settings: SendSettings,
        deadline: Duration,
        sign: impl Fn(Blockhash) -> Result<Signed, MessageError> + Send + Sync + 'a,
    ) -> Self {
        Self {
            payer,
            sign: Box::new(sign),
            settings,
            deadline,
            phase: Phase::Funding,
            not_before: Duration::ZERO,
            failures: 0,
            expired: 0,
            last_failure: None,
            progress: vec![],
        }
    }

    /// What to do at this time. Asking again gives the same answer until the outcome of a request is in.
    pub fn step(&mut self, now: Duration) -> Step {
        if let Phase::Done(result) = &self.phase {
            return Step::Done(result.clone());
        }
        if now >= self.deadline {
            return self.end_at_deadline();
        }
        if now < self.not_before {
            return self.wait(self.not_before, Waiting::Retry);
        }
        match &self.phase {
            Phase::Funding => Step::Do(Request::Balance(self.payer)),
            Phase::Hashing => Step::Do(Request::Blockhash),
            Phase::Flying(flight) => {
                let (due, what) = flight.next();
                if now < due {
                    self.wait(due, what)
                } else {
                    Step::Do(flight.request(what))
                }
            }
            Phase::Expiring { flight, .. } if now < flight.next_status => {
                self.wait(flight.next_status, Waiting::Status)
            }
            Phase::Expiring { flight, .. } => Step::Do(Request::Status {
                signature: flight.signed.signature,
                history: true,
            }),
            Phase::Done(result) => Step::Done(result.clone()),
        }
    }

    /// The outcome of the request that [`Self::step`] asked for. An outcome that no longer fits is ignored.
    pub fn on_outcome(&mut self, now: Duration, request: &Request, outcome: Result<Reply, RpcFailure>) {
        match outcome {
            Ok(reply) => {
                self.failures = 0;
                self.on_reply(now, reply);
            }
            Err(failure) => self.on_failure(now, request, failure),
        }
    }

    /// The request was cut off by the deadline: it may have had its effect.
    pub fn on_cut_off(&mut self, now: Duration, request: &Request) {
        let failure = RpcFailure {
            message: "no answer in time".into(),
            retry: RetryAdvice::After(None),
            refused: false,
        };
        self.on_failure(now, request, failure);
    }

    /// What has happened since the last call.
    pub fn take_progress(&mut self) -> Vec<Progress> {
        std::mem::take(&mut self.progress)
    }

    /// When the caller stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    fn wait(&self, until: Duration, what: Waiting) -> Step {
        Step::Wait(until.min(self.deadline), what)
    }

    fn on_reply(&mut self, now: Duration, reply: Reply) {
        let phase = std::mem::replace(&mut self.phase, Phase::Hashing);
        self.phase = match (phase, reply) {
            (Phase::Funding, Reply::Balance(balance)) if balance.0 == 0 => {
                Phase::Done(Err(SendError::NoBalance { payer: self.payer }))
            }
            (Phase::Funding, Reply::Balance(_)) => Phase::Hashing,
            (
                Phase::Hashing,
                Reply::Blockhash {
                    blockhash,
                    last_valid_block_height,
                },
            ) => self.take_off(now, blockhash, last_valid_block_height),
            (Phase::Flying(mut flight), Reply::Broadcast) => {
                if !flight.out {
                    self.progress.push(Progress::Sent(flight.signed.signature));
                }
                flight.out = true;
                flight.next_broadcast = now + self.settings.broadcast_every;
                Phase::Flying(flight)
            }
            (Phase::Flying(mut flight), Reply::Height { block_height, slot }) => {
                flight.next_height = now + self.settings.height_every;
                if block_height > flight.last_valid_block_height {
                    flight.next_status = now;
                    Phase::Expiring {
                        flight,
                        at_least: slot,
                    }
                } else {
                    Phase::Flying(flight)
                }
            }
            (Phase::Flying(flight), Reply::Status { fate, .. }) => match fate {
                Some(fate) => self.landed(now, flight, fate, Phase::Flying),
                None => Phase::Flying(self.ask_later(now, flight)),
            },
            (Phase::Expiring { flight, at_least }, Reply::Status { node_slot, fate }) => match fate {
                Some(fate) => self.landed(now, flight, fate, |flight| Phase::Expiring { flight, at_least }),
                None if node_slot >= at_least => self.proven_dead(&flight),
                None => Phase::Expiring {
                    flight: self.ask_later(now, flight),
                    at_least,
                },
            },
            (
                phase,
                Reply::Balance(_)
                | Reply::Blockhash { .. }
                | Reply::Broadcast
                | Reply::Status { .. }
                | Reply::Height { .. },
            ) => phase,
        };
    }

    fn take_off(&mut self, now: Duration, blockhash: Blockhash, last_valid_block_height: u64) -> Phase {
        match (self.sign)(blockhash) {
            Ok(signed) => Phase::Flying(Flight {
                signed,
                last_valid_block_height,
                out: false,
                seen: false,
                next_broadcast: now,
                since: now,
                next_status: now + self.settings.first_status,
                next_height: now + self.settings.height_every,
            }),
            Err(error) => Phase::Done(Err(error.into())),
        }
    }

    /// Somebody waits: what is over soon is to be known soon, and what takes long is not asked for all the time.
    fn ask_later(&self, now: Duration, flight: Flight) -> Flight {
        let SendSettings {
            first_status,
            status_every,
            ..
        } = self.settings;
        let half = now.saturating_sub(flight.since) / 2;
        Flight {
            next_status: now + half.max(first_status).min(status_every),
            ..flight
        }
    }

    /// The ledger has carried it out: the end once that is settled. Before, even a failure may yet be undone.
    fn landed(
        &mut self,
        now: Duration,
        mut flight: Flight,
        fate: TransactionOutcome,
        again: impl FnOnce(Flight) -> Phase,
    ) -> Phase {
        let signature = flight.signed.signature;
        if !fate.settled {
            if !flight.seen {
                self.progress.push(Progress::Seen(signature));
            }
            (flight.seen, flight.out) = (true, true);
            return again(self.ask_later(now, flight));
        }
        Phase::Done(match fate.err {
            None => Ok(Confirmed {
                signature,
                slot: fate.slot,
            }),
            Some(err) => Err(SendError::Failed {
                signature: Some(signature),
                failure: TransactionFailure::from_json(&err),
            }),
        })
    }

    /// It never was and never will be carried out: another may be sent.
    fn proven_dead(&mut self, flight: &Flight) -> Phase {
        self.expired += 1;
        self.progress.push(Progress::Expired(flight.signed.signature));
        if self.expired > self.settings.renewals {
            Phase::Done(Err(SendError::Expired {
                attempts: self.expired,
            }))
        } else {
            Phase::Hashing
        }
    }

    fn on_failure(&mut self, now: Duration, request: &Request, failure: RpcFailure) {
        let refusal = TransactionFailure::from_message(&failure.message).filter(|_| failure.refused);
        self.last_failure = Some(failure.message.clone());
        match (&mut self.phase, request) {
            (Phase::Flying(flight), Request::Broadcast(_)) => {
                // Whatever went wrong on the way, the bytes may have arrived; only a refusal says that they did not.
                flight.out |= !failure.refused;
                flight.next_broadcast = now + self.settings.broadcast_every.max(failure.retry.named());
                match refusal {
                    Some(TransactionFailure::AlreadyProcessed) => {
                        flight.out = true;
                        return;
                    }
                    // The node is behind, or ahead of our blockhash; the chain's height will tell.
                    Some(TransactionFailure::BlockhashNotFound) => return,
                    Some(failure) if !flight.out => {
                        self.phase = Phase::Done(Err(SendError::Failed {
                            signature: None,
                            failure,
                        }));
                        return;
                    }
                    Some(_) | None => {}
                }
                // Others go on asking for its fate at their own pace.
                if flight.out {
                    self.progress.push(Progress::Retrying(failure.message));
                    return;
                }
            }
            (
                Phase::Funding | Phase::Hashing | Phase::Flying(_) | Phase::Expiring { .. } | Phase::Done(_),
                _,
            ) => {}
        }
        self.back_off(now, failure);
    }

    fn back_off(&mut self, now: Duration, failure: RpcFailure) {
        let named = match failure.retry {
            RetryAdvice::After(named) => named,
            RetryAdvice::No => {
                self.phase = Phase::Done(Err(self.unknown(failure.message)));
                return;
            }
        };
        self.failures = self.failures.saturating_add(1);
        let waits = Waits {
            first: self.settings.first_backoff,
            longest: self.settings.first_backoff * 8,
            jitter: Jitter::NONE,
        };
        self.not_before = now + waits.full(self.failures).max(named.unwrap_or_default());
        self.progress.push(Progress::Retrying(failure.message));
    }

    fn end_at_deadline(&mut self) -> Step {
        let reason = match self.last_failure.take() {
            Some(failure) => format!("timed out; the last failure was: {failure}"),
            None => "timed out".to_owned(),
        };
        let result = Err(self.unknown(reason));
        self.phase = Phase::Done(result.clone());
        Step::Done(result)
    }

    /// The error for an end without a fate.
    fn unknown(&self, reason: String) -> SendError {
        match &self.phase {
            Phase::Flying(flight) | Phase::Expiring { flight, .. } if flight.out => SendError::Unconfirmed {
                signature: flight.signed.signature,
                reason,
            },
            Phase::Funding | Phase::Hashing | Phase::Flying(_) | Phase::Expiring { .. } | Phase::Done(_) => {
                SendError::Rpc(reason)
            }
        }
    }

    /// The transaction in flight, for people.
    #[must_use]
    pub fn signature(&self) -> Option<Signature> {
        match &self.phase {
            Phase::Flying(flight) | Phase::Expiring { flight, .. } => Some(flight.signed.signature),
            Phase::Funding | Phase::Hashing | Phase::Done(_) => None,
        }
    }
}

impl Flight {
    /// What is due first; in doubt the first of broadcast, status, height.
    fn next(&self) -> (Duration, Waiting) {
        let [first, rest @ ..] = [
            (self.next_broadcast, Waiting::Broadcast),
            (self.next_status, Waiting::Status),
            (self.next_height, Waiting::Height),
        ];
        rest.into_iter().fold(
            first,
            |soonest, other| if other.0 < soonest.0 { other } else { soonest },
        )
    }

    fn request(&self, what: Waiting) -> Request {
        match what {
            Waiting::Broadcast => Request::Broadcast(self.signed.clone()),
            Waiting::Height => Request::Height,
            Waiting::Status | Waiting::Retry => Request::Status {
                signature: self.signed.signature,
                history: false,
            },
        }
    }
}
