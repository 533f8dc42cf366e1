//! The sender on a real ledger: nothing is carried out twice, and what fails is told as it is.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use warren_e2e::program::{COIN, transfer};
use warren_ledger::{
    Keypair, ProgramError,
    accounts::UserType,
    send::{Lamports, Progress, SendError, SendSettings, TransactionFailure, send},
};

use crate::{
    Case,
    stand::{Plan, Run, Stand},
};

const IN_TIME: Duration = Duration::from_secs(60);

pub const ALL: &[Case] = &[
    (
        "a_transaction_is_carried_out_once_though_it_is_sent_many_times",
        once,
    ),
    (
        "a_user_is_made_once_though_its_making_is_sent_many_times",
        user_once,
    ),
    (
        "a_failure_comes_back_as_that_of_the_right_instruction_and_program",
        right_instruction,
    ),
    (
        "a_payer_without_balance_is_told_so_before_anything_is_sent",
        no_balance,
    ),
    (
        "a_payer_that_cannot_pay_the_accounts_rent_is_refused_by_the_ledger",
        no_rent,
    ),
    ("the_ledgers_clock_is_read", clock),
];

/// Sends the same bytes again and again until the ledger has settled them; gives how often something was told.
fn many_times(stand: &Stand, instruction: warren_ledger::instructions::Instruction) -> Result<Vec<Progress>> {
    let client = stand.network.client()?;
    let settings = SendSettings {
        broadcast_every: Duration::from_millis(20),
        ..SendSettings::default()
    };
    let mut told = Vec::new();
    let deadline = tokio::time::Instant::from_std(Instant::now() + IN_TIME);
    let confirmed = runtime()?.block_on(send(
        &client,
        &[instruction],
        &stand.payer,
        settings,
        deadline,
        |progress| told.push(progress),
    ))?;
    ensure!(told.contains(&Progress::Sent(confirmed.signature)), "{told:?}");
    Ok(told)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")
}

fn once(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    Ok(Box::new(move || {
        let to = Keypair::generate()?.pubkey();
        many_times(&stand, transfer(stand.payer.pubkey(), to, Lamports(5_000_000)))?;
        ensure!(
            stand.network.rpc.balance(to)? == Lamports(5_000_000),
            "{}",
            stand.network.rpc.balance(to)?
        );
        Ok(())
    }))
}

fn user_once(plan: &mut Plan) -> Result<Run> {
    // The pass would let more in, so that a second making would show in its counters or fail.
    let stand = plan.stand_with(|_| {}, |pass| pass.max_unicast = 100)?;
    Ok(Box::new(move || {
        many_times(&stand, stand.create(UserType::IBRL).build(&stand.caller()))?;
        ensure!(
            stand.pass_account()?.connection_count == 1,
            "{:?}",
            stand.pass_account()?
        );
        Ok(())
    }))
}

fn right_instruction(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    Ok(Box::new(move || {
        let to = Keypair::generate()?.pubkey();
        let small = transfer(stand.payer.pubkey(), to, Lamports(5_000_000));
        let large = transfer(stand.payer.pubkey(), to, Lamports(1000 * COIN.0));
        let error = stand
            .network
            .send(&[small, large], &stand.payer)?
            .err()
            .context("more was paid than there is")?;
        // A number of the system program, and none of ours.
        let failure = TransactionFailure::Instruction {
            instruction: 3,
            reason: "the system program refused (error 1)".into(),
        };
        ensure!(
            matches!(&error, SendError::Failed { failure: found, .. } if *found == failure),
            "{error:?}"
        );
        ensure!(
            stand.network.rpc.balance(to)? == Lamports(0),
            "half of it was carried out"
        );
        Ok(())
    }))
}

fn no_balance(plan: &mut Plan) -> Result<Run> {
    let mut stand = plan.stand()?;
    stand.payer = Keypair::generate()?;
    Ok(Box::new(move || {
        let error = stand
            .send(stand.create(UserType::IBRL).build(&stand.caller()))?
            .err()
            .context("nobody paid")?;
        ensure!(
            error
                == SendError::NoBalance {
                    payer: stand.payer.pubkey()
                },
            "{error:?}"
        );
        Ok(())
    }))
}

fn no_rent(plan: &mut Plan) -> Result<Run> {
    let (rich, mut poor) = (plan.stand()?, plan.stand()?);
    poor.payer = Keypair::generate()?;
    poor.pass = plan.pass(poor.host, poor.payer.pubkey(), |_| {});
    Ok(Box::new(move || {
        // Enough to exist and for the fee, and less than a user's account needs.
        rich.done(transfer(
            rich.payer.pubkey(),
            poor.payer.pubkey(),
            Lamports(1_500_000),
        ))?;
        poor.refused(
            poor.create(UserType::IBRL).build(&poor.caller()),
            ProgramError::InvalidOwnerPubkey,
        )?;
        ensure!(poor.is_closed(UserType::IBRL)?, "there is a user");
        Ok(())
    }))
}

fn clock(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    Ok(Box::new(move || {
        let client = stand.network.client()?;
        let deadline = tokio::time::Instant::from_std(Instant::now() + IN_TIME);
        let clock = runtime()?.block_on(client.epoch(deadline))?;
        ensure!(clock.absolute_slot >= clock.block_height, "{clock:?}");
        Ok(())
    }))
}
