//! `warren disconnect`.

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde_json::json;
use warren_api::{
    client::{Client, ClientError},
    open_enum::OpenEnum,
    v3::{Status, Tunnel, TunnelSource},
};
use warren_ledger::{
    ProgramError,
    accounts::{Device, User, UserType},
    instructions::{DeleteKind, DeleteUser, DzPrefixCount},
};
use warren_state::{Pubkey, ServiceKind};

use super::{
    catalogue::Groups,
    change::Change,
    device::no_device,
    host,
    host_state::WITHDRAW,
    roles::{self, ByGroup},
    select::{self, NoDevice},
    session::LedgerSession,
    steps::Steps,
    wait::{self, Limit},
};
use crate::{
    command::{Disconnect, LedgerFlags, ServiceName},
    failure::Failure,
    output,
};

/// What only they can do.
const OPERATORS: &str = "Ask the network's operators: only they can delete it.";

/// Deletes this host's users that are meant, and waits until the daemon has taken their tunnels down.
///
/// # Errors
/// When the program refuses, or a tunnel is still there when timed out. A daemon that does not answer is an error too
/// where somebody waits for it: the users are gone then, and whether the tunnels are, nobody knows.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    steps: &Steps,
    asked: Disconnect,
) -> Result<(), Failure> {
    let status = daemon.status().await;
    if let (Err(error), None) = (&status, asked.client_ip) {
        return Err(Failure {
            code: if error.is_unreachable() {
                crate::UNREACHABLE
            } else {
                crate::ERROR
            },
            what: error.to_string(),
            advice: Some("Without the daemon name this host's public address with --client-ip.".to_owned()),
        });
    }
    let session = LedgerSession::open(flags, daemon, steps).await?;
    let status = match status {
        Ok(_) => Ok(host::daemon(daemon, &session.operator).await?),
        Err(error) => Err(error),
    };
    let client_ip = match (&status, asked.client_ip) {
        (status, Some(named)) => {
            tell_of_another(status.as_ref().ok(), named);
            named
        }
        (Ok(status), None) => host::address_of(status)?,
        (Err(error), None) => {
            return Err(Failure::new(
                error.to_string(),
                "Name this host's address with --client-ip.",
            ));
        }
    };
    let ledger = Ledger {
        devices: session.devices().await?,
        groups: session.groups().await?,
        client_ip,
    };
    let meant = meant(&session, &ledger, &asked).await?;
    let mut gone = Gone {
        users: leftovers(&session, &status, client_ip, &asked).await?,
        slot: 0,
    };
    let mut failure = None;
    for (key, user) in &meant {
        match delete(&session, &ledger, &asked, key, user).await {
            Ok(slot) => {
                gone.slot = gone.slot.max(slot);
                gone.users.push(key.to_string());
            }
            // The others are unaffected.
            Err(error) if failure.is_none() && meant.len() > 1 => {
                steps.done(
                    "user",
                    &format!("{key} stays: {}", error.what),
                    json!({ "user": key.to_string(), "error": error.what }),
                );
                failure = Some(error);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(failure) => Err(failure),
        None => finish(&session, &status, gone, &asked).await,
    }
}

/// Another address than the daemon's is meant only by who says so.
fn tell_of_another(status: Option<&Status>, named: Ipv4Addr) {
    if let Some(known) = status
        .and_then(|status| host::address_of(status).ok())
        .filter(|known| *known != named)
    {
        output::note(&format!(
            "--client-ip {named} selects the users of this address, but the daemon uses {known}"
        ));
    }
}

/// What a user is deleted with.
struct Ledger {
    devices: BTreeMap<Pubkey, Device>,
    groups: Groups,
    client_ip: Ipv4Addr,
}

/// The users that are meant and belong to the keypair. Others are told of, and left alone.
async fn meant(
    session: &LedgerSession<'_>,
    ledger: &Ledger,
    asked: &Disconnect,
) -> Result<BTreeMap<Pubkey, User>, Failure> {
    let device = match &asked.device {
        Some(name) => Some(
            *select::find(&ledger.devices, name)
                .ok_or_else(|| no_device(&NoDevice::Unknown(name.clone())))?
                .0,
        ),
        None => None,
    };
    let of_service = |user: &User| match asked.service {
        None => true,
        Some(ServiceName::Multicast) => user.user_type == UserType::MULTICAST,
        Some(ServiceName::Ibrl) => user.user_type != UserType::MULTICAST,
    };
    let mut users = session.users(ledger.client_ip).await?;
    users.retain(|_, user| of_service(user) && device.is_none_or(|device| user.device_pk == device));
    let (own, others): (BTreeMap<_, _>, BTreeMap<_, _>) = users
        .into_iter()
        .partition(|(_, user)| user.owner == session.payer);
    if !others.is_empty() {
        let oracle = session.feed_authority().await.ok();
        for (key, user) in &others {
            let text = left_alone(key, &user.owner, oracle.as_ref());
            session.steps.warn("user", &text, &[]);
        }
    }
    Ok(own)
}

/// Why another's user stays, and how it ends.
fn left_alone(key: &Pubkey, owner: &Pubkey, oracle: Option<&Pubkey>) -> String {
    if oracle == Some(owner) {
        format!("User {key} is managed by the shred oracle (owner: {owner}). Use `{WITHDRAW}` to disconnect.")
    } else {
        format!(
            "User {key} is managed by an external service (owner: {owner}). It will be cleaned up automatically. If that key is yours, use it \
             (--keypair)."
        )
    }
}

/// Users that are gone from the ledger, and the slot since when.
struct Gone {
    users: Vec<String>,
    slot: u64,
}

/// Tunnels that the daemon still has although their users are gone: an earlier disconnect did not wait for them.
async fn leftovers(
    session: &LedgerSession<'_>,
    status: &Result<Status, ClientError>,
    client_ip: Ipv4Addr,
    asked: &Disconnect,
) -> Result<Vec<String>, Failure> {
    let (Ok(status), None) = (status, &asked.device) else {
        return Ok(vec![]);
    };
    if host::address_of(status).ok() != Some(client_ip) {
        return Ok(vec![]);
    }
    let users: Vec<String> = session
        .users(client_ip)
        .await?
        .into_keys()
        .map(|key| key.to_string())
        .collect();
    let of_service = |tunnel: &&Tunnel| match asked.service {
        None => true,
        Some(ServiceName::Multicast) => is_multicast(tunnel),
        Some(ServiceName::Ibrl) => !is_multicast(tunnel),
    };
    let left = status
        .tunnels
        .iter()
        .filter(of_service)
        .filter(|tunnel| tunnel.source == TunnelSource::Ledger && !users.contains(&tunnel.id));
    Ok(left.map(|tunnel| tunnel.id.clone()).collect())
}

fn is_multicast(tunnel: &Tunnel) -> bool {
    let kind = tunnel.user_type.as_ref().and_then(OpenEnum::known);
    kind == Some(ServiceKind::Multicast)
}

async fn delete(
    session: &LedgerSession<'_>,
    ledger: &Ledger,
    asked: &Disconnect,
    key: &Pubkey,
    user: &User,
) -> Result<u64, Failure> {
    let device = ledger.devices.get(&user.device_pk).ok_or_else(|| {
        let what =
            format!("the device {} of the user {key} is not on the ledger, and without it the program does not delete the user", user.device_pk);
        Failure::new(what, OPERATORS)
    })?;
    if let Some(group) = roles::of(user)
        .keys()
        .find(|group| !ledger.groups.contains_key(group))
    {
        let what = format!(
            "the user {key} is in the multicast group {group}, whose account is gone, and the program does not delete a user that is in a group"
        );
        return Err(Failure::new(what, OPERATORS));
    }
    let passes = session.passes(ledger.client_ip, &user.owner).await?;
    let pass = &session
        .pass_of(&passes, key, user, asked.wait.access_pass()?)
        .await?;
    // The program deletes only a user that is in no group.
    let (groups, feeds, client_ip) = (&ledger.groups, &BTreeMap::new(), ledger.client_ip);
    let leaving = Change {
        session,
        client_ip,
        key,
        pass,
        groups,
        feeds,
    };
    leaving.to(user, &ByGroup::new()).await?;
    let delete = DeleteUser {
        kind: DeleteKind::Untyped,
        user: *key,
        owner: user.owner,
        device: user.device_pk,
        dz_prefixes: DzPrefixCount::of(device).map_err(|_| Failure::from(ProgramError::NoDzPrefixes))?,
        access_pass: pass.key,
        tenant: Some(user.tenant_pk).filter(|tenant| !tenant.is_zero()),
        permission: session.permission().await?,
    };
    let what = format!("the user {key} is deleted");
    let untyped = [delete.build(&session.caller())];
    let confirmed = if session.forms.deletes_by_pass_type {
        let typed = [DeleteUser {
            kind: DeleteKind::of(&pass.allows.pass_type),
            ..delete
        }
        .build(&session.caller())];
        session.send_either(&typed, &untyped, &what).await?
    } else {
        session.send(&untyped, &what).await?
    };
    session.closed(key).await?;
    let text = format!("{key} ({}) is deleted", host::service_name(user.user_type));
    session.steps.done(
        "user",
        &text,
        json!({ "user": key.to_string(), "transaction": confirmed.signature.to_string() }),
    );
    Ok(confirmed.slot.0)
}

async fn finish(
    session: &LedgerSession<'_>,
    status: &Result<Status, ClientError>,
    Gone { users, slot }: Gone,
    asked: &Disconnect,
) -> Result<(), Failure> {
    let fields = json!({ "users": users });
    if users.is_empty() {
        session
            .steps
            .finish("Nothing to disconnect: this host has no such user", fields);
        return Ok(());
    }
    session
        .steps
        .set_outcome("the users are gone from the ledger, and the daemon takes their tunnels down by itself");
    if asked.wait.no_wait {
        session.steps.finish(
            "Disconnected on the ledger (the daemon takes the tunnels down)",
            fields,
        );
        return Ok(());
    }
    if let Err(error) = status {
        return Err(Failure::no_daemon(
            format!(
                "the users are gone from the ledger, but whether their tunnels are is not known: {error}"
            ),
            "Start the daemon: it takes the tunnels down once it has read the ledger.",
        ));
    }
    wait::for_removal(
        session.daemon,
        session.steps,
        &users,
        slot,
        Limit::of(asked.wait.timeout),
    )
    .await?;
    session.steps.finish_like(
        "✅  Deprovisioning Complete",
        "Disconnected: the users and their tunnels are gone",
        fields,
    );
    Ok(())
}
