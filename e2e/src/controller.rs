//! Keeps a device's end of tunnels equal to what the ledger says, as a network's controller does.

use anyhow::Result;
use warren_ledger::accounts::{User, UserStatus};
use warren_state::Pubkey;

use crate::{
    device::{Device, Multicast, TunnelEnd},
    network::Network,
    site::tunnel_end,
};

/// What one pass changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Links made.
    pub added: Vec<String>,
    /// Links taken away.
    pub removed: Vec<String>,
}

/// Reads the device's users and makes the device's tunnels the same. Users that wait for activation have theirs already.
///
/// # Errors
/// When the ledger does not answer, or the device refuses.
pub fn follow(network: &Network, pubkey: Pubkey, device: &mut Device) -> Result<Changes> {
    let users = network.users()?;
    let wanted: Vec<TunnelEnd> = users
        .iter()
        .filter(|(_, user)| user.device_pk == pubkey && has_tunnel(user))
        .map(|(_, user)| tunnel_end(user, device.address))
        .collect();
    let mut changes = Changes::default();
    for tunnel in device.tunnels().to_vec() {
        let same_link = |want: &&TunnelEnd| {
            TunnelEnd {
                multicast: tunnel.multicast,
                dz_ip: tunnel.dz_ip,
                ..(*want).clone()
            } == tunnel
        };
        if let Some(want) = wanted
            .iter()
            .filter(|want| tunnel.multicast != Multicast::None && **want != tunnel)
            .find(same_link)
        {
            device.set_role(&tunnel.name, want.multicast, want.dz_ip)?;
        }
    }
    for gone in device
        .tunnels()
        .iter()
        .filter(|tunnel| !wanted.contains(tunnel))
        .cloned()
        .collect::<Vec<_>>()
    {
        device.remove_tunnel(&gone.name)?;
        changes.removed.push(gone.name);
    }
    for new in wanted {
        if !device.tunnels().contains(&new) {
            changes.added.push(new.name.clone());
            device.add_tunnel(new)?;
        }
    }
    Ok(changes)
}

fn has_tunnel(user: &User) -> bool {
    let expected = [UserStatus::PENDING, UserStatus::ACTIVATED].contains(&user.status);
    expected && user.tunnel_net.prefix_len == 31 && !user.tunnel_net.address.is_unspecified()
}
