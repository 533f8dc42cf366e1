//! Where this host stands with the network.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde_json::json;
use warren_ledger::accounts::{Device, User, UserStatus, UserType};
use warren_state::Pubkey;

use super::{
    device::no_device,
    host,
    passes::{Pass, Passes},
    pin, select,
    session::LedgerSession,
};
use crate::{command::ConnectOptions, failure::Failure};

/// Where this host stands with the network.
pub struct HostState {
    /// Its address.
    pub client_ip: Ipv4Addr,
    /// The passes that may let it in: at least one.
    pub passes: Passes,
    pub users: BTreeMap<Pubkey, User>,
}

impl HostState {
    /// Looks at the daemon, the passes and the users of this host. An address that is named and that the daemon does not go by
    /// is pinned.
    ///
    /// # Errors
    /// When the daemon or the ledger does not answer, the named address cannot be used here, or there is no pass.
    pub async fn look(session: &LedgerSession<'_>, how: &ConnectOptions) -> Result<Self, Failure> {
        let status = host::daemon(session.daemon, &session.operator).await?;
        let client_ip = match how.client_ip {
            Some(named) => pin::settle(session, &status, named).await?,
            None => host::address_of(&status)?,
        };
        let text = format!(
            "warrend {} on {}, this host is {client_ip}",
            status.process.version, status.network
        );
        session.steps.done(
            "daemon",
            &text,
            json!({ "client_ip": client_ip.to_string(), "version": status.process.version }),
        );
        let passes = session.passes(client_ip, &session.payer).await?;
        if passes.0.is_empty() {
            return Err(host::no_pass(&session.payer, client_ip));
        }
        let users = session.users(client_ip).await?;
        Ok(Self {
            client_ip,
            passes,
            users,
        })
    }

    /// This host's user with multicast, or without.
    pub fn user(&self, multicast: bool) -> Option<(&Pubkey, &User)> {
        self.users
            .iter()
            .find(|(_, user)| (user.user_type == UserType::MULTICAST) == multicast)
    }

    /// The pass of a user that is there.
    ///
    /// # Errors
    /// When it cannot be told, or what is written on the user is not on the ledger.
    pub async fn pass_of(
        &self,
        session: &LedgerSession<'_>,
        key: &Pubkey,
        user: &User,
        how: &ConnectOptions,
    ) -> Result<Pass, Failure> {
        session
            .pass_of(&self.passes, key, user, how.wait.access_pass()?)
            .await
    }

    /// Where this host's tunnels end.
    pub fn taken(&self, devices: &BTreeMap<Pubkey, Device>) -> BTreeSet<Ipv4Addr> {
        let end = |user: &User| {
            if user.tunnel_endpoint.is_unspecified() {
                devices.get(&user.device_pk).map(|device| device.public_ip)
            } else {
                Some(user.tunnel_endpoint)
            }
        };
        self.users.values().filter_map(end).collect()
    }
}

/// Tells which pass counts.
pub fn tell_pass(session: &LedgerSession<'_>, pass: &Pass) {
    let text = format!("{} ({})", pass.key, host::pass_name(&pass.allows));
    session.steps.done(
        "access pass",
        &text,
        json!({ "access_pass": pass.key.to_string() }),
    );
}

/// A user that is there already: whether it is what was asked for.
///
/// # Errors
/// When it is another's, not in use, or on another device.
pub async fn resumable(
    session: &LedgerSession<'_>,
    key: &Pubkey,
    user: &User,
    devices: &BTreeMap<Pubkey, Device>,
    how: &ConnectOptions,
) -> Result<(), Failure> {
    if user.owner != session.payer {
        return Err(made_by_another(session, key, user).await);
    }
    if user.status == UserStatus::BANNED {
        return Err(Failure::new(
            format!("the user {key} of this host is banned"),
            "Ask the network's operators why.",
        ));
    }
    if user.status != UserStatus::ACTIVATED {
        let advice = "Wait a little and run the command again, or run `warren disconnect` and start over.";
        return Err(Failure::new(
            format!("the user {key} of this host is {}", user.status.name()),
            advice,
        ));
    }
    if let Some(name) = &how.device {
        let (wanted, device) =
            select::find(devices, name).ok_or_else(|| no_device(&select::NoDevice::Unknown(name.clone())))?;
        if *wanted != user.device_pk {
            let now = devices
                .get(&user.device_pk)
                .map_or_else(|| user.device_pk.to_string(), |device| device.code.clone());
            return Err(Failure::new(
                format!("this host is connected to {now} already, not to {}", device.code),
                "Run `warren disconnect` first, then connect to the other device.",
            ));
        }
    }
    Ok(())
}

/// A user of this host's address that another key made: it is not taken for one's own.
pub async fn made_by_another(session: &LedgerSession<'_>, key: &Pubkey, user: &User) -> Failure {
    let service = host::service_name(user.user_type);
    let what = format!(
        "the user {key} ({service}) at this host's address {} was made by {}, not by the keypair {}",
        user.client_ip, user.owner, session.payer
    );
    let by_oracle = session
        .feed_authority()
        .await
        .is_ok_and(|authority| authority == user.owner);
    let advice = if by_oracle {
        format!("The shred oracle manages it: `{WITHDRAW}` ends it.")
    } else {
        "If that key is yours, use it (--keypair); if the address had another tenant before, ask the network's operators to delete it."
            .to_owned()
    };
    Failure::new(what, advice)
}

/// The command that ends users whom the shred oracle manages.
pub const WITHDRAW: &str = "doublezero-solana shreds withdraw";
