//! Who may change something: decided by the credentials that the kernel reports for the socket's other end.

use std::{collections::BTreeSet, ffi::CString, sync::Arc};

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::net::UnixStream;
use warren_api::GROUPS;

/// The process at the other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its user. `None` when the kernel did not say: such a peer may only read.
    pub uid: Option<u32>,
    /// The group id that the kernel reports for the peer.
    pub gid: Option<u32>,
}

/// Decides who may change things.
#[derive(Debug)]
pub struct Guard {
    own_uid: u32,
}

/// A change that its caller may not make.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "permission denied: changes need root, the daemon's own user, or membership of the group {} or {}; the caller is {}",
    GROUPS[0], GROUPS[1], .uid.map_or_else(|| "unknown".to_owned(), |uid| format!("uid {uid}"))
)]
pub struct PermissionDenied {
    /// The user id of the caller, where the kernel reports one.
    pub uid: Option<u32>,
}

impl Guard {
    /// For a daemon that runs as this user.
    #[must_use]
    pub fn new(own_uid: u32) -> Self {
        Self { own_uid }
    }

    /// Whether the peer may change things. Memberships are looked up at each call, so that a change of them counts at
    /// once.
    ///
    /// # Errors
    /// When it may not.
    pub async fn admit(self: Arc<Self>, peer: Peer) -> Result<(), PermissionDenied> {
        let refusal = PermissionDenied { uid: peer.uid };
        let decision = tokio::task::spawn_blocking(move || {
            decide(peer, self.own_uid, &privileged_groups(), memberships)
        })
        .await;
        if decision.unwrap_or(false) {
            Ok(())
        } else {
            Err(refusal)
        }
    }
}

impl Guard {
    /// Whether the peer may see the addresses of those who are connected: who may change things, and members of this group.
    pub async fn may_see_addresses(self: Arc<Self>, peer: Peer, group: Option<String>) -> bool {
        let decision = tokio::task::spawn_blocking(move || {
            let named = group.and_then(|name| Group::from_name(&name).ok().flatten());
            let mut allowed = privileged_groups();
            allowed.extend(named.map(|group| group.gid.as_raw()));
            decide(peer, self.own_uid, &allowed, memberships)
        });
        decision.await.unwrap_or(false)
    }
}

/// The decision, with everything that the system knows as an argument. `memberships` is only asked when it matters.
fn decide(
    peer: Peer,
    own_uid: u32,
    privileged: &BTreeSet<u32>,
    memberships: impl Fn(u32, u32) -> Vec<u32>,
) -> bool {
    let (Some(uid), Some(gid)) = (peer.uid, peer.gid) else {
        return false;
    };
    uid == 0
        || uid == own_uid
        || privileged.contains(&gid)
        || memberships(uid, gid)
            .iter()
            .any(|group| privileged.contains(group))
}

fn privileged_groups() -> BTreeSet<u32> {
    GROUPS
        .iter()
        .filter_map(|name| Group::from_name(name).ok().flatten())
        .map(|group| group.gid.as_raw())
        .collect()
}

fn memberships(uid: u32, gid: u32) -> Vec<u32> {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let name = user.and_then(|user| CString::new(user.name).ok());
    name.and_then(|name| getgrouplist(&name, Gid::from_raw(gid)).ok())
        .unwrap_or_default()
        .into_iter()
        .map(Gid::as_raw)
        .collect()
}

impl Peer {
    /// As the kernel reports it.
    #[must_use]
    pub fn of(stream: &UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self {
            uid: credentials.as_ref().map(|peer| peer.uid()),
            gid: credentials.as_ref().map(|peer| peer.gid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 990;
    const GROUP: u32 = 991;

    #[test]
    fn root_the_daemons_user_and_members_of_the_groups_may_change_things_and_nobody_else() {
        let may = |uid, gid, groups: &[u32]| {
            decide(
                Peer {
                    uid: Some(uid),
                    gid: Some(gid),
                },
                OWN,
                &BTreeSet::from([GROUP]),
                |_, _| groups.to_vec(),
            )
        };
        assert!(may(0, 0, &[]));
        assert!(may(OWN, 5, &[]));
        assert!(may(1000, GROUP, &[]), "by primary group");
        assert!(may(1000, 1000, &[1000, GROUP]), "by supplementary group");
        assert!(!may(1000, 1000, &[1000, 27]));
        assert!(!may(1000, 0, &[0]), "the group root is not root");
    }

    #[test]
    fn a_peer_that_the_kernel_does_not_name_may_only_read() {
        assert!(!decide(
            Peer { uid: None, gid: None },
            OWN,
            &BTreeSet::from([GROUP]),
            |_, _| vec![GROUP]
        ));
    }

    #[test]
    fn without_the_groups_on_the_system_only_root_and_the_daemons_user_are_left() {
        assert!(!decide(
            Peer {
                uid: Some(1000),
                gid: Some(1000)
            },
            OWN,
            &BTreeSet::new(),
            |_, _| vec![1000]
        ));
    }
}
