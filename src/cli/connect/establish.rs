//! From a user on the ledger to a tunnel that carries traffic.

use serde_json::{Value, json};
use warren_state::Pubkey;

use super::{
    host,
    roles::ByGroup,
    session::LedgerSession,
    wait::{self, Limit},
};
use crate::{command::ConnectOptions, failure::Failure};

/// A user that stands on the ledger as it was asked for.
pub struct RegisteredUser {
    /// Its account.
    pub key: Pubkey,
    /// The slot of the last change; 0 when there was none.
    pub slot: u64,
    /// What it does with its groups, as far as the daemon shows them, for one with multicast.
    pub groups: Option<ByGroup>,
}

/// How far it came.
pub struct Outcome {
    /// A sentence.
    pub text: String,
    /// For programs.
    pub fields: Value,
    /// Whether the tunnel is known to be up.
    pub is_up: bool,
}

/// Waits for the user's tunnel, unless nobody wants to.
///
/// # Errors
/// When it does not come up in time.
pub async fn establish(
    session: &LedgerSession<'_>,
    standing: &RegisteredUser,
    how: &ConnectOptions,
) -> Result<Outcome, Failure> {
    let RegisteredUser { key, slot, groups } = standing;
    enable(session).await?;
    let limit = Limit::of(how.wait.timeout);
    session.steps.set_outcome(format!(
        "the user {key} is on the ledger, and the daemon brings its tunnel up by itself"
    ));
    if how.wait.no_wait {
        let text = "Tunnel provisioning in progress (daemon will handle it)".to_owned();
        return Ok(Outcome {
            text,
            fields: json!({ "user": key.to_string(), "up": false }),
            is_up: false,
        });
    }
    // First the groups: the first one to send to changes the tunnel's address.
    if let Some(groups) = groups {
        wait::for_groups(session.daemon, session.steps, groups, *slot, limit).await?;
    }
    let tunnel = wait::for_tunnel(session.daemon, session.steps, key, *slot, limit).await?;
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    let name = of(&tunnel.name);
    session.steps.done(
        "tunnel",
        &format!("{name} is up, {}", tunnel.session),
        json!({ "tunnel": name, "session": tunnel.session }),
    );
    let overlay = tunnel
        .doublezero_ip
        .as_ref()
        .map_or_else(String::new, |ip| format!(", DoubleZero IP {ip}"));
    let text = format!(
        "Connected: {name} from {} to {}{overlay}, {}",
        of(&tunnel.local),
        of(&tunnel.remote),
        tunnel.session
    );
    let fields = json!({ "user": key.to_string(), "up": true, "tunnel": serde_json::to_value(&tunnel).unwrap_or_default() });
    Ok(Outcome {
        text,
        fields,
        is_up: true,
    })
}

/// Turns the daemon on where it is off, or does not know, and tells it whose users are this host's. Before anything is paid:
/// without the permission nothing would come of a user.
///
/// # Errors
/// When the daemon refuses.
pub async fn enable(session: &LedgerSession<'_>) -> Result<(), Failure> {
    let status = host::daemon(session.daemon, &session.operator).await?;
    let was_on = status.enabled && status.switch_unknown.is_none();
    let knows_us = status.owner.last.as_deref() == Some(session.payer.to_string().as_str());
    if was_on && knows_us {
        session.steps.detail("daemon", "enabled already");
        return Ok(());
    }
    session.daemon.enable(None, Some(session.payer)).await.map_err(|error| {
        let advice = "Run this as root or as a member of the group warren, or have one of them run `warren enable`.";
        Failure { advice: Some(advice.to_owned()), ..Failure::from(error) }
    })?;
    if !was_on {
        session
            .steps
            .done("daemon", "enabled", json!({ "enabled": true }));
    }
    Ok(())
}
