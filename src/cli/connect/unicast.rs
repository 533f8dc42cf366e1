//! `warren connect ibrl`.

use serde_json::json;
use warren_ledger::{
    Account, ProgramError,
    accounts::{Cyoa, User, UserType},
    instructions::{CreateUser, DzPrefixCount},
};
use warren_state::Pubkey;

use super::{
    device::{self, Candidates},
    establish::{RegisteredUser, enable},
    host,
    host_state::{HostState, resumable, tell_pass},
    proof::ProofSource,
    select::CapacityKind,
    session::LedgerSession,
};
use crate::{command::ConnectOptions, failure::Failure, operator::soon};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The tenant, by its code or account.
    pub tenant: Option<String>,
    /// An address of the device's instead of the host's own.
    pub allocate_addr: bool,
}

impl Asked {
    fn user_type(&self) -> UserType {
        if self.allocate_addr {
            UserType::IBRL_WITH_ALLOCATED_IP
        } else {
            UserType::IBRL
        }
    }
}

/// Makes the user where there is none.
///
/// # Errors
/// When a condition is not met, or the program refuses.
pub async fn connect(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    prover: &ProofSource<'_>,
    asked: &Asked,
    how: &ConnectOptions,
) -> Result<RegisteredUser, Failure> {
    match host_state.user(false) {
        Some((key, user)) => resume(session, host_state, key, user, asked, how).await,
        None => create(session, host_state, prover, asked, how).await,
    }
}

async fn create(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    prover: &ProofSource<'_>,
    asked: &Asked,
    how: &ConnectOptions,
) -> Result<RegisteredUser, Failure> {
    let named = match asked
        .tenant
        .clone()
        .or_else(|| session.operator.config.tenant.clone())
        .filter(|code| !code.is_empty())
    {
        Some(code) => Some(tenant_key(session, &code).await?),
        None => None,
    };
    let epoch = session.operator.ledger.epoch(soon()).await?.epoch;
    let pass = host_state
        .passes
        .letting_in(|pass| pass.refuses_unicast(epoch, named.as_ref()))?;
    tell_pass(session, pass);
    let devices = session.devices().await?;
    let choice = device::choose(
        session,
        host_state,
        &Candidates {
            all: &devices,
            only: None,
        },
        CapacityKind::Unicast,
        how,
    )
    .await?;
    let chosen = devices
        .get(&choice.device)
        .ok_or_else(|| Failure::from(ProgramError::InvalidDevicePubkey))?;
    let user_type = asked.user_type();
    let proven = prover.proof(host_state.client_ip, user_type).await?;
    enable(session).await?;
    let create = CreateUser {
        user_type,
        cyoa: Cyoa::GRE_OVER_DIA,
        client_ip: host_state.client_ip,
        tunnel_endpoint: choice.endpoint,
        device: choice.device,
        dz_prefixes: DzPrefixCount::of(chosen).map_err(|_| Failure::from(ProgramError::NoDzPrefixes))?,
        access_pass: pass.key,
        tenant: named.or_else(|| pass.default_tenant()),
        proof: proven.as_ref().map(|proven| proven.proof),
    };
    let key = session
        .operator
        .pda()
        .user(host_state.client_ip, user_type)
        .address;
    let instructions: Vec<_> = proven
        .map(|proven| proven.check)
        .into_iter()
        .chain([create.build(&session.caller())])
        .collect();
    let confirmed = session
        .send(&instructions, &format!("the user {key} is made"))
        .await?;
    let user = session.user(&key).await?;
    created(session, &key, &user, &confirmed.signature.to_string());
    Ok(RegisteredUser {
        key,
        slot: confirmed.slot.0,
        groups: None,
    })
}

async fn resume(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    key: &Pubkey,
    user: &User,
    asked: &Asked,
    how: &ConnectOptions,
) -> Result<RegisteredUser, Failure> {
    resumable(session, key, user, &session.devices().await?, how).await?;
    tell_pass(session, &host_state.pass_of(session, key, user, how).await?);
    if user.user_type != asked.user_type() {
        let (there, wanted) = (
            host::service_name(user.user_type),
            host::service_name(asked.user_type()),
        );
        return Err(Failure::new(
            format!(
                "this host has a unicast user of another kind: {key} is {there}, and {wanted} was asked for"
            ),
            "Run `warren disconnect ibrl` first, then connect again.",
        ));
    }
    if let Some(code) = &asked.tenant
        && tenant_key(session, code).await? != user.tenant_pk
    {
        return Err(Failure::new(
            format!("this host is connected already, and not as the tenant {code:?}"),
            "Run `warren disconnect ibrl` first, then connect as that tenant.",
        ));
    }
    there_already(session, key);
    Ok(RegisteredUser {
        key: *key,
        slot: 0,
        groups: None,
    })
}

/// Tells of a user that was there.
pub fn there_already(session: &LedgerSession<'_>, key: &Pubkey) {
    session
        .steps
        .set_outcome(format!("the user {key} was there already"));
    session.steps.done(
        "user",
        &format!("{key} is there already"),
        json!({ "user": key.to_string(), "created": false }),
    );
}

/// Tells of a user that was made.
pub fn created(session: &LedgerSession<'_>, key: &Pubkey, user: &User, signature: &str) {
    session.steps.done(
        "user",
        &format!(
            "{key} is made: tunnel {}, network {}, DoubleZero IP {}",
            user.tunnel_id, user.tunnel_net, user.dz_ip
        ),
        json!({
            "user": key.to_string(), "created": true, "transaction": signature, "tunnel_id": user.tunnel_id,
            "tunnel_net": user.tunnel_net.to_string(), "dz_ip": user.dz_ip.to_string(),
        }),
    );
}

/// The tenant with this code or account.
async fn tenant_key(session: &LedgerSession<'_>, code: &str) -> Result<Pubkey, Failure> {
    let unknown = || {
        Failure::new(
            format!("there is no tenant {code:?} on {}", session.operator.network()),
            "Check its code.",
        )
    };
    let derived = session
        .operator
        .pda()
        .tenant(code)
        .ok()
        .map(|derived| derived.address);
    for key in derived.into_iter().chain(code.parse()) {
        if let Some(Account::Tenant(_)) = session.operator.ledger.account(&key, soon()).await? {
            return Ok(key);
        }
    }
    Err(unknown())
}
