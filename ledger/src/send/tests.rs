//! The machine against a ledger that is played by a script, and the driver against one with faults.

mod fate;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Mutex,
};

use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{Keypair, accounts::samples::key, instructions::Instruction, program_error::ProgramError};

const SECOND: Duration = Duration::from_secs(1);

/// A ledger in which a transaction lives until its last height, and which carries each out at most once.
#[derive(Default)]
struct World {
    height: u64,
    /// How many blocks each request advances the chain by.
    pace: u64,
    balance: u64,
    hashes: u8,
    /// Blockhashes by their number: the last height that may hold a transaction with it.
    valid_until: BTreeMap<u8, u64>,
    landed: BTreeMap<[u8; 64], TransactionOutcome>,
    /// The transactions that did something: more than one is the fault that must never be.
    executed: Vec<[u8; 64]>,
    /// Whether the network carries broadcasts to a leader.
    deaf: bool,
    err: Option<Value>,
    settled: bool,
    /// The node that answers about fates is behind by this many slots.
    status_lag: u64,
    faults: VecDeque<Fault>,
    log: Vec<String>,
}

#[derive(Clone)]
enum Fault {
    /// The request does not arrive.
    Lost,
    /// The request is carried out, and its answer does not arrive.
    AnswerLost,
    /// The ledger refuses.
    Refused(&'static str),
    /// The same refusal each time.
    Forbidden,
    Fine,
}

impl World {
    fn new() -> Self {
        Self {
            height: 1000,
            pace: 1,
            balance: 1_000_000,
            settled: true,
            ..Self::default()
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Reply, RpcFailure> {
        self.log.push(match request {
            Request::Balance(_) => "balance".into(),
            Request::Blockhash => "blockhash".into(),
            Request::Broadcast(signed) => format!("broadcast {}", signed.bytes[0]),
            Request::Status { history, .. } => if *history { "history" } else { "status" }.into(),
            Request::Height => "height".into(),
        });
        self.height += self.pace;
        let failure = |message: &str, retry, refused| {
            Err(RpcFailure {
                message: message.into(),
                retry,
                refused,
            })
        };
        match self.faults.pop_front().unwrap_or(Fault::Fine) {
            Fault::Lost => failure("connection reset", RetryAdvice::After(None), false),
            Fault::AnswerLost => {
                let _ = self.carry_out(request);
                failure("connection reset", RetryAdvice::After(None), false)
            }
            Fault::Refused(message) => failure(message, RetryAdvice::After(None), true),
            Fault::Forbidden => failure("HTTP status 403", RetryAdvice::No, true),
            Fault::Fine => Ok(self.carry_out(request)),
        }
    }

    fn carry_out(&mut self, request: &Request) -> Reply {
        match request {
            Request::Balance(_) => Reply::Balance(Lamports(self.balance)),
            Request::Blockhash => {
                self.hashes += 1;
                self.valid_until.insert(self.hashes, self.height + 150);
                Reply::Blockhash {
                    blockhash: Blockhash([self.hashes; 32]),
                    last_valid_block_height: self.height + 150,
                }
            }
            Request::Broadcast(signed) => {
                let signature = signed.signature.0;
                // The driver's transactions are real and their signatures say nothing: those never expire here.
                let last = self
                    .valid_until
                    .get(&signature[0])
                    .filter(|_| signature == [signature[0]; 64]);
                if !self.deaf
                    && last.is_none_or(|last| self.height <= *last)
                    && !self.landed.contains_key(&signature)
                {
                    self.executed.push(signature);
                    self.landed.insert(
                        signature,
                        TransactionOutcome {
                            slot: Slot(self.height),
                            settled: self.settled,
                            err: self.err.clone(),
                        },
                    );
                }
                Reply::Broadcast
            }
            Request::Status { signature, .. } => {
                let node_slot = Slot(self.height.saturating_sub(self.status_lag));
                let fate = self
                    .landed
                    .get(&signature.0)
                    .filter(|fate| fate.slot <= node_slot)
                    .cloned();
                Reply::Status {
                    node_slot,
                    fate: fate.map(|fate| TransactionOutcome {
                        settled: self.settled,
                        ..fate
                    }),
                }
            }
            Request::Height => Reply::Height {
                block_height: self.height,
                slot: Slot(self.height),
            },
        }
    }

    fn broadcasts(&self) -> BTreeSet<&String> {
        self.log
            .iter()
            .filter(|line| line.starts_with("broadcast"))
            .collect()
    }
}

fn signing(blockhash: Blockhash) -> Result<Signed, MessageError> {
    Ok(Signed {
        signature: Signature([blockhash.0[0]; 64]),
        bytes: vec![blockhash.0[0]; 10],
    })
}

fn submission(seconds: u32) -> Submission<'static> {
    Submission::new(key(1), SendSettings::default(), SECOND * seconds, signing)
}

/// Runs to the end in the machine's own time; every request takes a tenth of a second.
fn run(world: &mut World, mut submission: Submission<'_>) -> (Result<Confirmed, SendError>, Duration) {
    let mut now = Duration::ZERO;
    for _ in 0..100_000 {
        match submission.step(now) {
            Step::Do(request) => {
                now += Duration::from_millis(100);
                let outcome = world.answer(&request);
                submission.on_outcome(now, &request, outcome);
            }
            Step::Wait(until, what) => {
                assert!(until > now, "waiting for {what:?} must move the time on");
                now = until;
            }
            Step::Done(result) => return (result, now),
        }
    }
    panic!("the submission never ends: {:?}", &world.log[..50]);
}

fn signature(number: u8) -> Signature {
    Signature([number; 64])
}

#[test]
fn a_good_day_is_one_transaction_sent_once_and_confirmed() {
    let mut world = World::new();
    let (result, took) = run(&mut world, submission(60));
    assert_eq!(result.unwrap().signature, signature(1));
    assert_eq!(world.log, ["balance", "blockhash", "broadcast 1", "status"]);
    assert!(took < SECOND);
}

#[test]
fn its_fate_is_asked_for_soon_and_ever_more_rarely() {
    let (mut world, mut submission) = (
        World {
            settled: false,
            ..World::new()
        },
        submission(10),
    );
    let (mut now, mut asked) = (Duration::ZERO, Vec::new());
    loop {
        match submission.step(now) {
            Step::Do(request) => {
                if matches!(request, Request::Status { .. }) {
                    asked.push(now.as_millis());
                }
                let outcome = world.answer(&request);
                submission.on_outcome(now, &request, outcome);
            }
            Step::Wait(until, _) => now = until,
            Step::Done(_) => break,
        }
    }
    assert_eq!(
        asked[..8],
        [100, 200, 300, 450, 675, 1012, 1512, 2012],
        "{asked:?}"
    );
    let pauses = asked.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(pauses.skip(6).all(|pause| pause == 500), "{asked:?}");
}

#[test]
fn a_payer_without_a_balance_sends_nothing() {
    let mut world = World {
        balance: 0,
        ..World::new()
    };
    assert_eq!(
        run(&mut world, submission(60)).0,
        Err(SendError::NoBalance { payer: key(1) })
    );
    assert_eq!(world.log, ["balance"]);
}

#[test]
fn a_failure_on_the_ledger_is_the_programs_error_and_is_not_sent_again() {
    let mut world = World {
        err: Some(json!({"InstructionError": [2, {"Custom": 20}]})),
        ..World::new()
    };
    let (result, _) = run(&mut world, submission(60));
    let failure = TransactionFailure::Program {
        instruction: 2,
        error: ProgramError::MaxUsersExceeded,
    };
    let error = result.unwrap_err();
    assert_eq!(
        error,
        SendError::Failed {
            signature: Some(signature(1)),
            failure
        }
    );
    assert_eq!(error.advice(), Some("Choose another device."));
    assert_eq!(world.broadcasts().len(), 1);
}

#[test]
fn a_refusal_ends_it_only_when_no_earlier_broadcast_may_have_arrived() {
    const FULL: &str = "error -32002: Transaction simulation failed: Error processing Instruction 2: custom program error: 0x14";
    let mut world = World::new();
    world
        .faults
        .extend([Fault::Fine, Fault::Fine, Fault::Refused(FULL)]);
    let failure = TransactionFailure::Program {
        instruction: 2,
        error: ProgramError::MaxUsersExceeded,
    };
    assert_eq!(
        run(&mut world, submission(60)).0,
        Err(SendError::Failed {
            signature: None,
            failure
        })
    );
    assert!(world.executed.is_empty());

    // The first broadcast's answer is lost, though it was carried out. That the second one is refused then proves nothing.
    let mut world = World {
        status_lag: 8,
        ..World::new()
    };
    world.faults.extend([Fault::Fine, Fault::Fine, Fault::AnswerLost]);
    world.faults.extend(vec![Fault::Fine; 3]);
    world.faults.push_back(Fault::Refused(FULL));
    assert_eq!(run(&mut world, submission(60)).0.unwrap().signature, signature(1));
    assert_eq!(world.executed.len(), 1);
}

#[test]
fn an_endpoint_that_forbids_us_ends_it_at_once() {
    let mut world = World::new();
    world.faults.push_back(Fault::Forbidden);
    let (result, took) = run(&mut world, submission(60));
    assert!(
        matches!(result, Err(SendError::Rpc(_))) && took < SECOND,
        "{result:?}"
    );
    let mut world = World {
        deaf: true,
        ..World::new()
    };
    world
        .faults
        .extend([Fault::Fine, Fault::Fine, Fault::Fine, Fault::Forbidden]);
    let (result, _) = run(&mut world, submission(60));
    assert!(
        matches!(result, Err(SendError::Unconfirmed { .. })),
        "what is out stays out: {result:?}"
    );
}

/// Whatever goes wrong on the way, at most one transaction is carried out, and the result tells the truth about it.
#[test]
fn under_any_faults_at_most_one_transaction_is_carried_out_and_the_result_is_true() {
    use proptest::prelude::*;
    let fault = prop_oneof![
        3 => Just(0_u8), 2 => Just(1), 2 => Just(2), 1 => Just(3),
    ];
    let inputs = (
        proptest::collection::vec(fault, 0..80),
        0..40_u64,
        0..400_u64,
        any::<bool>(),
        1..200_u32,
    );
    proptest!(ProptestConfig::with_cases(1000), |((faults, pace, status_lag, fails, seconds) in inputs)| {
        let err = fails.then(|| json!({"InstructionError": [2, {"Custom": 53}]}));
        let mut world = World { pace, status_lag, err, ..World::new() };
        world.faults.extend(faults.iter().map(|fault| match fault {
            1 => Fault::Lost,
            2 => Fault::AnswerLost,
            3 => Fault::Refused("error -32005: Node is behind by 42 slots"),
            _ => Fault::Fine,
        }));
        let (result, _) = run(&mut world, submission(seconds));
        prop_assert!(world.executed.len() <= 1, "{:?}", world.log);
        match result {
            Ok(confirmed) => prop_assert_eq!(&world.executed, &vec![confirmed.signature.0]),
            Err(SendError::Failed { signature: Some(signature), .. }) => prop_assert_eq!(&world.executed, &vec![signature.0]),
            Err(SendError::Unconfirmed { .. }) => {}
            Err(SendError::Expired { .. } | SendError::Rpc(_) | SendError::NoBalance { .. } | SendError::Failed { signature: None, .. }) => {
                prop_assert!(world.executed.is_empty(), "it said that nothing was carried out: {:?}", world.log);
            }
            Err(SendError::Unsendable(error)) => prop_assert!(false, "{}", error),
        }
    });
}

struct Shared(Mutex<World>);

#[async_trait::async_trait]
impl TransactionRpc for Shared {
    async fn call(&self, request: &Request) -> Result<Reply, RpcFailure> {
        let hangs = self.0.lock().unwrap().balance == 42;
        if hangs && matches!(request, Request::Status { .. }) {
            std::future::pending::<()>().await;
        }
        self.0.lock().unwrap().answer(request)
    }
}

fn nothing_much() -> Vec<Instruction> {
    vec![Instruction {
        program_id: key(9),
        accounts: vec![],
        data: vec![1, 2, 3],
    }]
}

#[tokio::test]
async fn the_driver_sends_a_real_transaction_and_tells_what_happens() {
    let rpc = Shared(Mutex::new(World::new()));
    let payer = Keypair::from_seed([7; 32]);
    let mut told = vec![];
    let deadline = Instant::now() + SECOND * 60;
    let settings = SendSettings {
        first_status: Duration::from_millis(1),
        status_every: Duration::from_millis(1),
        ..SendSettings::default()
    };
    let confirmed = send(&rpc, &nothing_much(), &payer, settings, deadline, |progress| {
        told.push(progress)
    })
    .await
    .unwrap();
    let expected = sign(&nothing_much(), &payer, Blockhash([1; 32])).unwrap();
    assert_eq!(confirmed.signature, expected.signature);
    assert_eq!(told, [Progress::Sent(expected.signature)]);
}

#[tokio::test]
async fn the_driver_keeps_its_deadline_when_the_ledger_hangs_and_names_what_is_out() {
    let rpc = Shared(Mutex::new(World {
        balance: 42,
        ..World::new()
    }));
    let payer = Keypair::from_seed([7; 32]);
    let settings = SendSettings {
        first_status: Duration::from_millis(1),
        status_every: Duration::from_millis(1),
        ..SendSettings::default()
    };
    let deadline = Instant::now() + Duration::from_millis(200);
    let result = send(&rpc, &nothing_much(), &payer, settings, deadline, |_| {}).await;
    assert!(
        matches!(&result, Err(SendError::Unconfirmed { reason, .. }) if reason.contains("no answer in time")),
        "{result:?}"
    );
}

#[test]
fn amounts_show_all_their_places() {
    assert_eq!(Lamports(1_500_000_001).to_string(), "1.500000001");
    assert_eq!(Lamports(5_000).to_string(), "0.000005000");
}
