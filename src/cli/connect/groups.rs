//! `warren multicast publish`, `unpublish`, `subscribe` and `unsubscribe`.

use serde_json::json;
use warren_api::client::Client;
use warren_ledger::accounts::UserType;

use super::{
    catalogue, change, host, host_state, reachable,
    roles::{self, ByGroup, Roles},
    session::LedgerSession,
    steps::Steps,
    wait::{self, Limit},
};
use crate::{
    command::{Groups, LedgerFlags, MulticastCommand},
    failure::Failure,
};

/// What to do with the groups that are named.
#[derive(Clone, Copy)]
pub enum Change {
    /// Take these roles up.
    Add(Roles),
    /// Give these roles up.
    Remove(Roles),
}

impl Change {
    /// From the command line.
    pub fn of(command: MulticastCommand) -> (Self, Groups) {
        match command {
            MulticastCommand::Publish(groups) => (Self::Add(Roles::PUBLISHER), groups),
            MulticastCommand::Subscribe(groups) => (Self::Add(Roles::SUBSCRIBER), groups),
            MulticastCommand::Unpublish(groups) => (Self::Remove(Roles::PUBLISHER), groups),
            MulticastCommand::Unsubscribe(groups) => (Self::Remove(Roles::SUBSCRIBER), groups),
        }
    }
}

/// Changes what this host does with groups, and waits until the daemon has applied it. The tunnel stays up.
///
/// # Errors
/// When this host has no multicast user, a group is not known, the program refuses, or the daemon does not follow in time.
pub async fn run(
    flags: &LedgerFlags,
    daemon: &Client,
    steps: &Steps,
    change: Change,
    named: Groups,
) -> Result<(), Failure> {
    let watched = if named.wait.no_wait && named.client_ip.is_some() {
        None
    } else {
        Some(reachable(daemon).await?)
    };
    let session = LedgerSession::open(flags, daemon, steps).await?;
    let client_ip = match (&watched, named.client_ip) {
        (Some(_), named) => host::own_address(&host::daemon(daemon, &session.operator).await?, named)?,
        (None, Some(named)) => named,
        (None, None) => host::client_ip(daemon, None).await?,
    };
    let users = session.users(client_ip).await?;
    let Some((key, user)) = users
        .iter()
        .find(|(_, user)| user.user_type == UserType::MULTICAST)
    else {
        return Err(Failure::new(
            format!("this host ({client_ip}) has no multicast user"),
            "Run `warren connect multicast` first.",
        ));
    };
    if user.owner != session.payer {
        return Err(host_state::made_by_another(&session, key, user).await);
    }
    let groups = session.groups().await?;
    let mut asked = ByGroup::new();
    let (Change::Add(roles) | Change::Remove(roles)) = change;
    for code in &named.groups {
        let found = catalogue::find(&groups, code)?;
        let (key, _) = match change {
            Change::Add(_) => catalogue::in_use(found)?,
            Change::Remove(_) => found,
        };
        roles::add(&mut asked, &[*key], roles);
    }
    let now = roles::of(user);
    let wanted = match change {
        Change::Add(_) => roles::with(&now, &asked),
        Change::Remove(_) => roles::less(&now, &asked),
    };
    let passes = session.passes(client_ip, &session.payer).await?;
    let pass = &session
        .pass_of(&passes, key, user, named.wait.access_pass()?)
        .await?;
    let feeds = &session.feeds().await?;
    let changing = change::Change {
        session: &session,
        client_ip,
        key,
        pass,
        groups: &groups,
        feeds,
    };
    let slot = changing.to(user, &wanted).await?;
    let fields = json!({ "user": key.to_string(), "changed": roles::changes(&now, &wanted).len() });
    let wait = !named.wait.no_wait && watched.is_some_and(|status| status.enabled);
    if wait {
        wait::for_groups(
            daemon,
            steps,
            &catalogue::visible(&wanted, &groups),
            slot,
            Limit::of(named.wait.timeout),
        )
        .await?;
    }
    let text = if wait {
        "the daemon has applied it"
    } else {
        "the daemon will apply it"
    };
    let text = if now == wanted {
        "It is so already".to_owned()
    } else {
        format!("Changed, and {text}")
    };
    steps.finish(&text, fields);
    Ok(())
}
