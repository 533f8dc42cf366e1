//! What the command line shows of the ledger.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use warren_state::{
    View,
    view::{Device, MulticastGroup, User, UserStatus},
};

use crate::accounts::{Account, DecodeError, decode};

/// A file that holds no account.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FileError {
    /// The text is neither raw bytes nor base64.
    #[error("the file is not base64: {0}")]
    NotBase64(String),
    /// The bytes decode to no account that we know.
    #[error(transparent)]
    NotAccount(#[from] DecodeError),
}

/// The account in a file: its raw bytes, or those in base64, where white space does not count.
///
/// # Errors
/// When the file holds no account.
pub fn decode_file(content: &[u8], base64: bool) -> Result<Account, FileError> {
    if !base64 {
        return Ok(decode(content)?);
    }
    let text: Vec<u8> = content
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|error| FileError::NotBase64(error.to_string()))?;
    Ok(decode(&bytes)?)
}

/// A view as JSON.
#[must_use]
pub fn show(view: &View) -> Value {
    let map = |entries: Vec<(String, Value)>| entries.into_iter().collect::<serde_json::Map<_, _>>();
    json!({
        "slot": view.slot,
        "config": view.config.as_ref().map(|config| json!({"local_asn": config.local_asn, "remote_asn": config.remote_asn})),
        "users": map(view.users.iter().map(|(pubkey, user)| (pubkey.to_string(), show_user(user))).collect()),
        "devices": map(view.devices.iter().map(|(pubkey, device)| (pubkey.to_string(), show_device(device))).collect()),
        "exchanges": view.exchanges,
        "multicast_groups": map(view.groups.iter().map(|(pubkey, group)| (pubkey.to_string(), show_group(group))).collect()),
        "tenants": view.tenants,
        "device_prefixes": view.device_prefixes,
        "quarantined": view.quarantined,
    })
}

fn show_user(user: &User) -> Value {
    json!({
        "owner": user.owner,
        "user_type": match user.kind {
            Ok(kind) => kind.name().to_owned(),
            Err(number) => format!("unknown ({number})"),
        },
        "tenant_pk": user.tenant,
        "device_pk": user.device,
        "client_ip": user.client_ip,
        "dz_ip": user.dz_ip,
        "tunnel_id": user.tunnel_number,
        "tunnel_net": user.tunnel_net.to_string(),
        "status": match user.status {
            UserStatus::Activated => "activated".to_owned(),
            UserStatus::Deleting => "deleting".to_owned(),
            UserStatus::Banned => "banned".to_owned(),
            UserStatus::OutOfCredits => "out_of_credits".to_owned(),
            UserStatus::Deprecated(number) => format!("deprecated ({number})"),
            UserStatus::Unknown(number) => format!("unknown ({number})"),
        },
        "publishers": user.publishers,
        "subscribers": user.subscribers,
        "tunnel_endpoint": user.tunnel_endpoint,
    })
}

fn show_device(device: &Device) -> Value {
    json!({
        "code": device.code,
        "exchange_pk": device.exchange,
        "public_ip": device.public_ip,
        "status": {"value": device.status, "name": crate::accounts::DeviceStatus(device.status).name()},
        "dz_prefixes": device.prefixes.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn show_group(group: &MulticastGroup) -> Value {
    json!({
        "code": group.code,
        "multicast_ip": group.multicast_ip,
        "max_bandwidth": group.max_bandwidth,
        "status": {"value": group.status, "name": crate::accounts::GroupStatus(group.status).name()},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::{encode, samples},
        project,
    };

    #[test]
    fn a_file_may_be_raw_or_base64_with_line_breaks_and_what_is_neither_is_an_error() {
        let bytes = encode(&samples::user().into());
        let mut text = BASE64_STANDARD.encode(&bytes);
        text.insert(40, '\n');
        text.push('\n');
        assert_eq!(decode_file(&bytes, false), Ok(samples::user().into()));
        assert_eq!(decode_file(text.as_bytes(), true), Ok(samples::user().into()));
        assert!(matches!(decode_file(&bytes, true), Err(FileError::NotBase64(_))));
        assert!(matches!(
            decode_file(b"", true),
            Err(FileError::NotAccount(DecodeError::Empty))
        ));
    }

    #[test]
    fn a_view_is_shown_with_dotted_addresses_and_named_states() {
        let user = project::user(&samples::user());
        let view = View {
            users: [(samples::key(9), user)].into_iter().collect(),
            ..View::default()
        };
        let shown = show(&view);
        let user = &shown["users"][samples::key(9).to_string()];
        assert_eq!(
            (&user["status"], &user["user_type"]),
            (&json!("activated"), &json!("IBRL"))
        );
        assert_eq!(
            (&user["tunnel_net"], &user["client_ip"]),
            (&json!("169.254.0.0/31"), &json!("192.0.2.10"))
        );
        assert_eq!(shown["config"], Value::Null);
    }
}
