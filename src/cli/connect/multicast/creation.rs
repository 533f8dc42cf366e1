//! The user that is made for multicast, and what an operator is told when it cannot be.

use std::collections::BTreeMap;

use warren_ledger::{
    ProgramError,
    accounts::{Cyoa, Device, UserType},
    instructions::{
        Caller, CreateSubscribeUser, CreateUser, DzPrefixCount, Instruction, MOST_GROUPS_OF_CREATION,
    },
    send::fits,
};
use warren_state::Pubkey;

use super::{
    super::{
        catalogue, change,
        feeds::plan,
        host_state::HostState,
        passes::Pass,
        proof::CheckedProof,
        roles::{self, ByGroup, Roles},
        select::{self, Choice},
        session::LedgerSession,
    },
    Asked, Offer,
};
use crate::{command::ConnectOptions, failure::Failure};

/// The devices where the feeds that are asked for are: all of those that are named, any that was bought otherwise.
pub(super) fn covered(
    pass: &Pass,
    offer: &Offer,
    asked: &Asked,
    how: &ConnectOptions,
) -> Result<BTreeMap<Pubkey, Device>, Failure> {
    let mut devices = offer.devices.clone();
    if let Some((_, device)) = how
        .device
        .as_deref()
        .and_then(|name| select::find(&offer.devices, name))
    {
        let exchange = device.exchange_pk;
        devices.retain(|_, device| device.exchange_pk == exchange);
    }
    match asked {
        Asked::Feeds(feeds) => plan::covering(pass, &offer.feeds, &feeds.join, &devices),
        Asked::All | Asked::Groups(_) => {
            let metros = plan::metros(pass, &offer.feeds)?;
            if how.device.is_none() {
                devices.retain(|_, device| metros.contains(&device.exchange_pk));
            }
            Ok(devices)
        }
    }
}

/// Makes the user with its first groups where there are some; feeds are joined by a user that is there.
pub(super) fn creation(
    session: &LedgerSession<'_>,
    host_state: &HostState,
    offer: &Offer,
    pass: &Pass,
    wanted: &ByGroup,
    choice: &Choice,
    proven: Option<&CheckedProof>,
) -> Result<Instruction, Failure> {
    let chosen = offer
        .devices
        .get(&choice.device)
        .ok_or_else(|| Failure::from(ProgramError::InvalidDevicePubkey))?;
    let dz_prefixes = DzPrefixCount::of(chosen).map_err(|_| Failure::from(ProgramError::NoDzPrefixes))?;
    let (user_type, cyoa, client_ip, tunnel_endpoint) = (
        UserType::MULTICAST,
        Cyoa::GRE_OVER_DIA,
        host_state.client_ip,
        choice.endpoint,
    );
    let (device, access_pass, proof) = (choice.device, pass.key, proven.map(|proven| proven.proof));
    let at_once = if session.forms.folds_groups {
        MOST_GROUPS_OF_CREATION
    } else {
        1
    };
    let changes = catalogue::in_order(roles::changes(&ByGroup::new(), wanted), &offer.groups);
    let first = roles::batches(&changes, at_once).into_iter().next();
    let Some((
        Roles {
            publisher,
            subscriber,
        },
        groups,
    )) = first
    else {
        let tenant = None;
        let create = CreateUser {
            user_type,
            cyoa,
            client_ip,
            tunnel_endpoint,
            device,
            dz_prefixes,
            access_pass,
            tenant,
            proof,
        };
        return Ok(create.build(&session.caller()));
    };
    let (group, extra_groups) = (groups[0], groups[1..].to_vec());
    let (owner, feed) = (None, None);
    let create = CreateSubscribeUser {
        user_type,
        cyoa,
        client_ip,
        group,
        extra_groups,
        publisher,
        subscriber,
        tunnel_endpoint,
        device,
        dz_prefixes,
        access_pass,
        owner,
        feed,
        proof,
    };
    fitting(create, proven.map(|proven| &proven.check), &session.caller())
}

/// As many of the groups as fit a transaction beside the check of the proof: the others come with the roles that follow.
pub(super) fn fitting(
    mut create: CreateSubscribeUser,
    check: Option<&Instruction>,
    caller: &Caller,
) -> Result<Instruction, Failure> {
    loop {
        let instruction = create
            .build(caller)
            .map_err(|error| change::unbuildable(&error))?;
        let all: Vec<_> = check.cloned().into_iter().chain([instruction.clone()]).collect();
        if fits(&all, caller.payer) || create.extra_groups.pop().is_none() {
            return Ok(instruction);
        }
    }
}
