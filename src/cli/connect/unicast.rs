//! `warren connect ibrl`.

use serde_json::json;
use warren_ledger::{
    Account, ProgramError,
    accounts::{Cyoa, User, UserType},
    instructions::{CreateUser, DzPrefixCount},
};
use warren_state::Pubkey;

use super::{Place, device, enable, establish, host, resumable, select::Room, session::Session};
use crate::cli::{command::How, failure::Failure, operator::soon};

/// Connects: makes the user where there is none, and waits for its tunnel.
///
/// # Errors
/// When a condition is not met, the program refuses, or the tunnel does not come up in time.
pub async fn connect(session: &Session<'_>, tenant: Option<String>, allocate: bool, how: &How) -> Result<(), Failure> {
    let user_type = if allocate { UserType::IBRL_WITH_ALLOCATED_IP } else { UserType::IBRL };
    let place = Place::look(session, how).await?;
    let there = place.users.iter().find(|(_, user)| user.user_type != UserType::MULTICAST);
    if let Some((key, user)) = there {
        return resume(session, key, user, user_type, tenant.as_deref(), how).await;
    }
    has_not_run_out(session, &place).await?;
    let tenant = tenant_of(session, &place, tenant).await?;
    let devices = session.devices().await?;
    let choice = device(session, &place, &devices, Room::Unicast, how).await?;
    let prefixes = devices.get(&choice.device).ok_or(()).and_then(|device| DzPrefixCount::of(device).map_err(|_| ()));
    let create = CreateUser {
        user_type,
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: place.client_ip,
        tunnel_endpoint: choice.endpoint,
        device: choice.device,
        dz_prefixes: prefixes.map_err(|()| Failure::from(ProgramError::NoDzPrefixes))?,
        access_pass: place.pass_key,
        tenant,
        proof: None,
    };
    let key = session.operator.pda().user(place.client_ip, user_type).address;
    enable(session).await?;
    let confirmed = session.send(&[create.build(&session.caller())], &format!("the user {key} is made")).await?;
    let user = session.user(&key).await?;
    created(session, &key, &user, &confirmed.signature.to_string());
    establish(session, &key, confirmed.slot.0, how, None).await
}

async fn resume(
    session: &Session<'_>,
    key: &Pubkey,
    user: &User,
    wanted: UserType,
    tenant: Option<&str>,
    how: &How,
) -> Result<(), Failure> {
    if user.user_type != wanted {
        let (there, asked) = (host::service_name(user.user_type), host::service_name(wanted));
        return Err(Failure::new(
            format!("this host has a unicast user of another kind: {key} is {there}, asked for is {asked}"),
            "`warren disconnect ibrl` first, then connect anew.",
        ));
    }
    resumable(session, key, user, &session.devices().await?, how)?;
    if let Some(code) = tenant {
        let named = tenant_key(session, code).await?;
        if named != user.tenant_pk {
            return Err(Failure::new(
                format!("this host is connected already, and not as the tenant {code:?}"),
                "`warren disconnect ibrl` first, then connect as that tenant.",
            ));
        }
    }
    there_already(session, key);
    establish(session, key, 0, how, None).await
}

/// Tells of a user that was there.
pub fn there_already(session: &Session<'_>, key: &Pubkey) {
    session.steps.stands(format!("the user {key} was there already"));
    session.steps.done("user", &format!("{key} is there already"), json!({ "user": key.to_string(), "created": false }));
}

/// Tells of a user that was made.
pub fn created(session: &Session<'_>, key: &Pubkey, user: &User, signature: &str) {
    session.steps.done(
        "user",
        &format!("{key} is made: tunnel {}, network {}, DoubleZero IP {}", user.tunnel_id, user.tunnel_net, user.dz_ip),
        json!({
            "user": key.to_string(), "created": true, "transaction": signature, "tunnel_id": user.tunnel_id,
            "tunnel_net": user.tunnel_net.to_string(), "dz_ip": user.dz_ip.to_string(),
        }),
    );
}

/// A pass lets in up to its last epoch. Only unicast users are held to it.
async fn has_not_run_out(session: &Session<'_>, place: &Place) -> Result<(), Failure> {
    let now = session.operator.ledger.epoch(soon()).await?.epoch;
    let last = place.pass.last_access_epoch;
    if last >= now {
        return Ok(());
    }
    let advice = ProgramError::InvalidLastAccessEpoch.advice();
    Err(Failure::new(format!("the access pass {} ran out with epoch {last}; it is epoch {now}", place.pass_key), advice))
}

/// The tenant that was named, else the configuration's, else the first that the pass allows.
async fn tenant_of(session: &Session<'_>, place: &Place, named: Option<String>) -> Result<Option<Pubkey>, Failure> {
    let allowed = &place.pass.tenant_allowlist;
    let Some(code) = named.or_else(|| session.operator.config.tenant.clone()).filter(|code| !code.is_empty()) else {
        return Ok(allowed.iter().find(|key| !key.is_zero()).copied());
    };
    let key = tenant_key(session, &code).await?;
    if !allowed.contains(&key) {
        let error = ProgramError::TenantNotInAccessPassAllowlist;
        return Err(Failure::new(format!("the access pass {} does not allow the tenant {code:?}", place.pass_key), error.advice()));
    }
    Ok(Some(key))
}

/// The tenant with this code or account.
async fn tenant_key(session: &Session<'_>, code: &str) -> Result<Pubkey, Failure> {
    let unknown = || Failure::new(format!("there is no tenant {code:?} on {}", session.operator.network()), "Check its code.");
    let derived = session.operator.pda().tenant(code).ok().map(|derived| derived.address);
    for key in derived.into_iter().chain(code.parse()) {
        if let Some(Account::Tenant(_)) = session.operator.ledger.account(&key, soon()).await? {
            return Ok(key);
        }
    }
    Err(unknown())
}
