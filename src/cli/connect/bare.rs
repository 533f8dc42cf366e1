//! `warren connect` without a service: everything that the pass allows.
//!
//! Both legs are tried, whatever becomes of the first. It ends with 0 when something is up and nothing failed.

use serde_json::json;
use warren_ledger::accounts::User;

use super::{
    establish::{RegisteredUser, establish},
    host_state::HostState,
    multicast,
    proof::ProofSource,
    session::LedgerSession,
    unicast,
};
use crate::{command::ConnectOptions, failure::Failure, operator::soon};

/// What became of a leg.
enum Leg {
    /// Its tunnel is there, or on its way where nobody waits.
    Provisioned,
    /// The pass allows nothing of the kind.
    Nothing,
    /// It was not tried.
    Skipped(String),
    Failed(Failure),
}

/// Connects both.
///
/// # Errors
/// That of the leg that failed; when both did, or there was nothing to connect, one that says so.
pub async fn connect(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    prover: &ProofSource<'_>,
    asked: &unicast::Asked,
    how: &ConnectOptions,
) -> Result<(), Failure> {
    let ibrl = match skipped(session, host_state).await? {
        Some(leg) => leg,
        None => {
            leg(
                session,
                unicast::connect(session, host_state, prover, asked, how)
                    .await
                    .map(Some),
                how,
            )
            .await
        }
    };
    // What the first leg made is looked at by the second: its tunnel's end is taken.
    let users = session.users(host_state.client_ip).await?;
    let host_state = HostState {
        client_ip: host_state.client_ip,
        passes: host_state.passes.clone(),
        users,
    };
    let found = multicast::connect(session, &host_state, prover, &multicast::Asked::All, how).await;
    let multicast = leg(session, found, how).await;
    report(
        session,
        [("IBRL", "ibrl", ibrl), ("Multicast", "multicast", multicast)],
    )
}

async fn leg(
    session: &LedgerSession<'_>,
    found: Result<Option<RegisteredUser>, Failure>,
    how: &ConnectOptions,
) -> Leg {
    let standing = match found {
        Ok(Some(standing)) => standing,
        Ok(None) => return Leg::Nothing,
        Err(failure) => return Leg::Failed(failure),
    };
    match establish(session, &standing, how).await {
        Ok(outcome) => {
            session.steps.done("leg", &outcome.text, outcome.fields);
            Leg::Provisioned
        }
        Err(failure) => Leg::Failed(failure),
    }
}

/// Whether the leg without multicast is not tried: the passes allow none now, and no user is there.
async fn skipped(session: &LedgerSession<'_>, host_state: &HostState) -> Result<Option<Leg>, Failure> {
    if let Some((_, User { .. })) = host_state.user(false) {
        return Ok(None);
    }
    if host_state
        .passes
        .0
        .iter()
        .all(|pass| pass.allows.max_unicast == 0)
    {
        return Ok(Some(Leg::Nothing));
    }
    let epoch = session.operator.ledger.epoch(soon()).await?.epoch;
    if host_state
        .passes
        .letting_in(|pass| pass.refuses_unicast(epoch, None))
        .is_ok()
    {
        return Ok(None);
    }
    let Some(pass) = host_state.passes.0.first() else {
        return Ok(Some(Leg::Nothing));
    };
    if pass.has_run_out(epoch).is_some() {
        let last = pass.allows.last_access_epoch;
        let why = format!(
            "the AccessPass expired at epoch {last} (current {epoch}); multicast is not epoch-gated, so it was still attempted"
        );
        return Ok(Some(Leg::Skipped(why)));
    }
    Ok(pass
        .refuses_unicast(epoch, None)
        .filter(|_| pass.has_seats())
        .map(|failure| Leg::Skipped(failure.what)))
}

fn report(session: &LedgerSession<'_>, legs: [(&str, &str, Leg); 2]) -> Result<(), Failure> {
    let failed = legs
        .iter()
        .filter(|(.., leg)| matches!(leg, Leg::Failed(_)))
        .count();
    let landed = legs
        .iter()
        .filter(|(.., leg)| matches!(leg, Leg::Provisioned))
        .count();
    let mut fields = json!({});
    let mut first = None;
    for (label, service, leg) in legs {
        let (text, state) = told(label, service, &leg, failed);
        fields[service] = json!(state);
        session
            .steps
            .done("report", &text, json!({ "leg": service, "state": state }));
        if let Leg::Failed(failure) = leg {
            first = first.or(Some(failure));
        }
    }
    match (first, landed) {
        (Some(failure), _) if failed == 1 => Err(failure),
        (Some(failure), _) => Err(Failure {
            what: format!("both legs failed; rerun the command ({})", failure.what),
            ..failure
        }),
        (None, 0) => Err(Failure::new(
            "nothing to connect: the AccessPass authorizes no unicast connection and no multicast groups or feeds",
            "Ask the network's operators to add something to the pass.",
        )),
        (None, _) => {
            session.steps.finish_like(
                "✅  User Provisioned",
                "Connected to all that the pass allows",
                fields,
            );
            Ok(())
        }
    }
}

/// A leg's line, and its state for programs.
fn told(label: &str, service: &str, leg: &Leg, failed: usize) -> (String, &'static str) {
    match leg {
        Leg::Provisioned => (format!("{label}: provisioned"), "provisioned"),
        Leg::Nothing => (format!("{label}: nothing authorized"), "nothing"),
        Leg::Skipped(why) => (format!("{label} skipped: {why}"), "skipped"),
        Leg::Failed(failure) => {
            let again = if failed == 1 {
                format!("; rerun `connect {service}` to finish")
            } else {
                String::new()
            };
            (format!("{label} failed: {}{again}", failure.what), "failed")
        }
    }
}
