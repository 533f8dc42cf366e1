//! `warren move`: the unicast user to a device that has been nearer.
//!
//! An address has one place for each kind of user, so the new one cannot be made beside the old one: one transaction takes the old one
//! away and makes the new one, or changes nothing. The daemon sees the same user at another device, moves the link where it stands, and
//! goes back where the new device does not answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use serde_json::json;
use warren_api::v3::V3Latency;
use warren_ledger::{
    ProgramError,
    accounts::{Cyoa, Device, User},
    instructions::{CreateUser, DeleteKind, DeleteUser, DzPrefixCount},
};
use warren_state::Pubkey;

use super::{
    device::no_device,
    establish::{RegisteredUser, enable},
    host_state::{HostState, made_by_another},
    nearer::{self, MoveThreshold, NearerDevice},
    proof::ProofSource,
    select::{self, CapacityKind, Choice, DeviceRequest},
    session::LedgerSession,
    wait::{self, Limit},
};
use crate::{
    command::{ConnectOptions, Move},
    failure::Failure,
    operator::soon,
};

/// Moves, or says why not.
///
/// # Errors
/// When the daemon or the ledger does not answer, the program refuses, or the tunnel does not arrive in time.
pub async fn run(session: &LedgerSession<'_>, asked: &Move, how: &ConnectOptions) -> Result<(), Failure> {
    let prover = ProofSource::new(session, how)?;
    let host_state = HostState::look(session, how).await?;
    let (key, user) = host_state.user(false).ok_or_else(|| {
        Failure::new(
            "this host has no unicast user to move",
            "`warren connect ibrl` makes one on the nearest device.",
        )
    })?;
    if user.owner != session.payer {
        return Err(made_by_another(session, key, user).await);
    }
    let devices = session.devices().await?;
    let worth = MoveThreshold {
        by: asked.if_better_by,
        lasting: asked.lasting,
    };
    let nearer = match look(session, &host_state, &devices, user, worth).await? {
        Ok(nearer) => nearer,
        Err(stay) => {
            let text = format!("Stays on {}: {stay}", code(&devices, &user.device_pk));
            session.steps.finish(
                &text,
                json!({ "moved": false, "device": user.device_pk.to_string() }),
            );
            return Ok(());
        }
    };
    let choice = choose(&host_state, &devices, &nearer.device)?;
    let what = told(&devices, user, &nearer, asked.lasting);
    session.steps.done(
        "device",
        &what,
        json!({ "device": nearer.device, "code": nearer.code, "endpoint": choice.endpoint.to_string() }),
    );
    if asked.dry_run {
        let text = format!(
            "Would move: {what}. In one transaction the user {key} is deleted and created again; the link is moved in place"
        );
        session.steps.finish(
            &text,
            json!({ "moved": false, "would_move": true, "device": nearer.device }),
        );
        return Ok(());
    }
    let slot = carry_out(session, &host_state, &prover, &devices, (key, user), &choice, how).await?;
    arrive(
        session,
        &RegisteredUser {
            key: *key,
            slot,
            groups: None,
        },
        &choice,
        how,
    )
    .await
}

async fn look(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    devices: &BTreeMap<Pubkey, Device>,
    user: &User,
    worth: MoveThreshold,
) -> Result<Result<NearerDevice, nearer::StayReason>, Failure> {
    let latency: V3Latency = session.daemon.read("/v3/latency").await?;
    let usable: BTreeSet<String> = devices
        .keys()
        .map(ToString::to_string)
        .filter(|device| choose(host_state, devices, device).is_ok())
        .collect();
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now = u64::try_from(now.as_millis()).unwrap_or_default();
    Ok(nearer::find(
        &latency,
        &user.device_pk.to_string(),
        &usable,
        worth,
        now,
    ))
}

fn choose(
    host_state: &HostState,
    devices: &BTreeMap<Pubkey, Device>,
    device: &str,
) -> Result<Choice, Failure> {
    let request = DeviceRequest {
        capacity: CapacityKind::Unicast,
        named: Some(device),
        taken: host_state.taken(devices),
    };
    select::choose(devices, &[], &request).map_err(|error| no_device(&error))
}

fn told(devices: &BTreeMap<Pubkey, Device>, user: &User, nearer: &NearerDevice, lasting: Duration) -> String {
    let from = code(devices, &user.device_pk);
    let lasting = humantime::format_duration(lasting);
    match nearer.least {
        Some(least) => {
            let by = Duration::from_micros(u64::try_from(least.as_micros()).unwrap_or_default());
            format!(
                "{from} to {}, nearer by {} at least for {lasting}",
                nearer.code,
                humantime::format_duration(by)
            )
        }
        None => format!("{from} to {}: {from} has not answered for {lasting}", nearer.code),
    }
}

/// All or nothing, in one transaction.
async fn carry_out(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    prover: &ProofSource<'_>,
    devices: &BTreeMap<Pubkey, Device>,
    (key, user): (&Pubkey, &User),
    choice: &Choice,
    how: &ConnectOptions,
) -> Result<u64, Failure> {
    let prefixes = |device: &Pubkey| {
        let device = devices.get(device).ok_or(ProgramError::InvalidDevicePubkey)?;
        DzPrefixCount::of(device).map_err(|_| ProgramError::NoDzPrefixes)
    };
    let tenant = Some(user.tenant_pk).filter(|tenant| !tenant.is_zero());
    let epoch = session.operator.ledger.epoch(soon()).await?.epoch;
    let pass = host_state.pass_of(session, key, user, how).await?;
    let next = host_state.passes.letting_in(|one| match one.key == pass.key {
        true => one
            .without_a_unicast_user()
            .refuses_unicast(epoch, tenant.as_ref()),
        false => one.refuses_unicast(epoch, tenant.as_ref()),
    })?;
    let proven = prover.proof(host_state.client_ip, user.user_type).await?;
    enable(session).await?;
    let delete = DeleteUser {
        kind: DeleteKind::Untyped,
        user: *key,
        owner: user.owner,
        device: user.device_pk,
        dz_prefixes: prefixes(&user.device_pk).map_err(Failure::from)?,
        access_pass: pass.key,
        tenant,
        permission: session.permission().await?,
    };
    let create = CreateUser {
        user_type: user.user_type,
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: host_state.client_ip,
        tunnel_endpoint: choice.endpoint,
        device: choice.device,
        dz_prefixes: prefixes(&choice.device).map_err(Failure::from)?,
        access_pass: next.key,
        tenant,
        proof: proven.as_ref().map(|proven| proven.proof),
    };
    let caller = session.caller();
    let check: Vec<_> = proven.map(|proven| proven.check).into_iter().collect();
    let both = |delete: &DeleteUser| {
        let mut instructions = check.clone();
        instructions.extend([delete.build(&caller), create.build(&caller)]);
        instructions
    };
    let what = format!("the user {key} is moved");
    let untyped = both(&delete);
    let sent = if session.forms.deletes_by_pass_type {
        let typed = both(&DeleteUser {
            kind: DeleteKind::of(&pass.allows.pass_type),
            ..delete
        });
        session.send_either(&typed, &untyped, &what).await
    } else {
        session.send(&untyped, &what).await
    };
    let confirmed = sent.map_err(|failure| refused(failure, &code(devices, &choice.device)))?;
    session.steps.done(
        "user",
        &format!("{key} is on {} now", code(devices, &choice.device)),
        json!({ "user": key.to_string(), "transaction": confirmed.signature.to_string() }),
    );
    Ok(confirmed.slot.0)
}

/// A program that does not take both at once leaves everything as it was; the other way has a gap, which nobody takes unasked.
fn refused(failure: Failure, to: &str) -> Failure {
    let other = format!(
        "A move is one transaction. The alternative interrupts the tunnel: `warren disconnect ibrl`, then `warren connect ibrl --device {to}`."
    );
    let advice = failure
        .advice
        .map_or_else(|| other.clone(), |advice| format!("{advice} {other}"));
    Failure {
        advice: Some(advice),
        ..failure
    }
}

async fn arrive(
    session: &LedgerSession<'_>,
    standing: &RegisteredUser,
    choice: &Choice,
    how: &ConnectOptions,
) -> Result<(), Failure> {
    let fields =
        json!({ "moved": true, "user": standing.key.to_string(), "endpoint": choice.endpoint.to_string() });
    if how.wait.no_wait {
        session
            .steps
            .finish("Moved on the ledger (the daemon moves the tunnel)", fields);
        return Ok(());
    }
    let limit = Limit::of(how.wait.timeout);
    wait::for_move(
        session.daemon,
        session.steps,
        &standing.key,
        standing.slot,
        choice.endpoint,
        limit,
    )
    .await?;
    session.steps.finish(
        &format!("Moved: the tunnel ends at {} now", choice.endpoint),
        fields,
    );
    Ok(())
}

fn code(devices: &BTreeMap<Pubkey, Device>, device: &Pubkey) -> String {
    devices
        .get(device)
        .map_or_else(|| device.to_string(), |device| device.code.clone())
}
