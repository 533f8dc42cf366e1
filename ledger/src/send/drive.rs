//! The shell around the machine: a clock, a sleep, and one request at a time.

use tokio::time::{Instant, sleep_until, timeout_at};

use warren_state::Pubkey;

use super::{Confirmed, Progress, SendError, SendSettings, Step, Submission, TransactionRpc, sign};
use crate::{
    instructions::{Instruction, compute_budget_prelude},
    keypair::Keypair,
};

/// Sends the instructions as one transaction that the payer signs, and waits until it is settled.
///
/// Cancelling (dropping the future) may leave a transaction in flight: its signature was told to `progress`.
///
/// # Errors
/// See [`SendError`]; which of them mean that nothing was sent, and which that sending anew is safe, stands there.
pub async fn send(
    rpc: &dyn TransactionRpc,
    instructions: &[Instruction],
    payer: &Keypair,
    settings: SendSettings,
    deadline: Instant,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Confirmed, SendError> {
    let start = Instant::now();
    let time_left = deadline.saturating_duration_since(start);
    let mut submission = Submission::new(payer.pubkey(), settings, time_left, |blockhash| {
        sign(instructions, payer, blockhash)
    });
    loop {
        let step = submission.step(start.elapsed());
        submission.take_progress().into_iter().for_each(&mut progress);
        match step {
            Step::Do(request) => match timeout_at(deadline, rpc.call(&request)).await {
                Ok(outcome) => submission.on_outcome(start.elapsed(), &request, outcome),
                Err(_) => submission.on_cut_off(start.elapsed(), &request),
            },
            Step::Wait(until, _) => sleep_until(start + until).await,
            Step::Done(result) => return result.map_err(|error| told_apart(error, instructions)),
        }
    }
}

/// A failure by the program whose instruction failed.
fn told_apart(error: SendError, instructions: &[Instruction]) -> SendError {
    let SendError::Failed { signature, failure } = error else {
        return error;
    };
    let programs: Vec<Pubkey> = compute_budget_prelude()
        .iter()
        .chain(instructions)
        .map(|instruction| instruction.program_id)
        .collect();
    SendError::Failed {
        signature,
        failure: failure.of_programs(&programs),
    }
}
