//! From the ledger's accounts to the records that the rest of Warren works with.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde::Serialize;
use warren_state::{
    Asn, Pubkey, ServiceKind,
    view::{self, RawIp, RawNet},
};

use crate::accounts::{
    Account, Device, Exchange, GlobalConfig, GlobalState, MulticastGroup, Net, Tenant, User, UserType, decode,
};

/// A user as the planner sees it.
#[must_use]
pub fn user(account: &User) -> view::User {
    view::User {
        owner: account.owner,
        kind: kind(account.user_type),
        tenant: account.tenant_pk,
        device: account.device_pk,
        client_ip: account.client_ip,
        dz_ip: account.dz_ip,
        tunnel_number: account.tunnel_id,
        tunnel_net: net(account.tunnel_net),
        status: view::UserStatus::from_number(account.status.0),
        publishers: account.publishers.clone(),
        subscribers: account.subscribers.clone(),
        tunnel_endpoint: account.tunnel_endpoint,
    }
}

/// A device as the planner sees it.
#[must_use]
pub fn device(account: &Device) -> view::Device {
    view::Device {
        code: account.code.clone(),
        exchange: account.exchange_pk,
        public_ip: account.public_ip,
        status: account.status.0,
        prefixes: account.dz_prefixes.iter().copied().map(net).collect(),
    }
}

/// An exchange as status shows it.
#[must_use]
pub fn exchange(account: &Exchange) -> view::Exchange {
    view::Exchange {
        code: account.code.clone(),
        name: account.name.clone(),
    }
}

/// A multicast group as the planner sees it.
#[must_use]
pub fn group(account: &MulticastGroup) -> view::MulticastGroup {
    view::MulticastGroup {
        code: account.code.clone(),
        multicast_ip: account.multicast_ip,
        max_bandwidth: account.max_bandwidth,
        status: account.status.0,
    }
}

/// A tenant as status shows it.
#[must_use]
pub fn tenant(account: &Tenant) -> view::Tenant {
    view::Tenant {
        code: account.code.clone(),
    }
}

/// The network's configuration as the planner sees it.
#[must_use]
pub fn config(account: &GlobalConfig) -> view::GlobalConfig {
    view::GlobalConfig {
        local_asn: Asn(account.local_asn),
        remote_asn: Asn(account.remote_asn),
    }
}

/// The keys of the network itself that make users for others: the feed authority, and the oracle.
#[must_use]
pub fn authorities(account: &GlobalState) -> BTreeSet<Pubkey> {
    [account.feed_authority, account.health_oracle]
        .into_iter()
        .filter(|key| !key.is_zero())
        .collect()
}

/// A network as the view holds it.
#[must_use]
pub fn net(net: Net) -> RawNet {
    RawNet {
        address: RawIp(net.address),
        prefix_len: net.prefix_len,
    }
}

/// The service that a user type asks for; an unknown number stays one.
///
/// # Errors
/// The number, when it names no service.
pub fn kind(user_type: UserType) -> Result<ServiceKind, u8> {
    ServiceKind::ALL
        .get(usize::from(user_type.0))
        .copied()
        .ok_or(user_type.0)
}

/// A digest of what a tunnel could be affected by: two accounts that differ only in telemetry and counters have the same.
#[must_use]
pub fn relevant_digest(data: &[u8]) -> u64 {
    match decode(data) {
        Ok(Account::User(account)) => digest_record(&user(&account)),
        Ok(Account::Device(account)) => digest_record(&device(&account)),
        Ok(Account::Exchange(account)) => digest_record(&exchange(&account)),
        Ok(Account::MulticastGroup(account)) => digest_record(&group(&account)),
        Ok(Account::Tenant(account)) => digest_record(&tenant(&account)),
        Ok(Account::GlobalConfig(account)) => digest_record(&config(&account)),
        Ok(Account::GlobalState(account)) => digest_record(&authorities(&account)),
        Ok(
            Account::Location(_)
            | Account::Link(_)
            | Account::ProgramConfig(_)
            | Account::Contributor(_)
            | Account::AccessPass(_)
            | Account::ResourceExtension(_)
            | Account::Permission(_)
            | Account::Index(_)
            | Account::Topology(_)
            | Account::Feed(_),
        )
        | Err(_) => digest_bytes(data),
    }
}

fn digest_record(record: &impl Serialize) -> u64 {
    digest_bytes(&serde_json::to_vec(record).unwrap_or_default())
}

fn digest_bytes(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use warren_state::view::UserStatus;

    use super::*;
    use crate::accounts::{BgpStatus, encode, samples};

    #[test]
    fn an_unknown_status_and_an_unknown_type_stay_unknown() {
        let account = User {
            status: crate::accounts::UserStatus(99),
            user_type: UserType(42),
            ..samples::user()
        };
        assert_eq!(user(&account).status, UserStatus::Unknown(99));
        assert_eq!(user(&account).kind, Err(42));
        assert_eq!(kind(UserType::EDGE_FILTERING), Ok(ServiceKind::EdgeFiltering));
    }

    #[test]
    fn telemetry_and_counters_do_not_change_the_digest_and_what_tunnels_need_does() {
        let digest = |user: &User| relevant_digest(&encode(&user.clone().into()));
        let before = samples::user_multicast();
        let telemetry = User {
            bgp_status: BgpStatus::DOWN,
            last_bgp_up_at: 1,
            last_bgp_reported_at: 2,
            bgp_rtt_ns: 3,
            ..before.clone()
        };
        assert_eq!(digest(&telemetry), digest(&before));
        let endpoint = User {
            tunnel_endpoint: std::net::Ipv4Addr::new(192, 0, 2, 99),
            ..before.clone()
        };
        assert_ne!(digest(&endpoint), digest(&before));
        let banned = User {
            status: crate::accounts::UserStatus::BANNED,
            ..before.clone()
        };
        assert_ne!(digest(&banned), digest(&before));

        let device_before = samples::device();
        let digest = |device: &Device| relevant_digest(&encode(&device.clone().into()));
        assert_eq!(
            digest(&Device {
                users_count: 99,
                ..device_before.clone()
            }),
            digest(&device_before)
        );
        let moved = Device {
            public_ip: std::net::Ipv4Addr::new(198, 51, 100, 77),
            ..device_before.clone()
        };
        assert_ne!(digest(&moved), digest(&device_before));
    }
}
