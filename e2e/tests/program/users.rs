//! Users without multicast: made, found as they should be, deleted.

mod refused;

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use warren_ledger::{
    Keypair, ProgramError,
    accounts::{
        BgpStatus, Cyoa, Interface, InterfaceStatus, InterfaceType, InterfaceV2, Net, PassStatus, PassType,
        Permission, User, UserStatus, UserType,
    },
    instructions::{self, AccountMeta, CreateUser, DeleteKind, DeleteUser, Instruction},
};
use warren_state::Pubkey;

use crate::{
    Case,
    stand::{FIRST_TUNNEL, HOST, OTHER_HOST, Plan, Run, Stand},
};
use refused::{endpoint, seats_and_unicast, tenant, without_pass};

pub const ALL: &[Case] = &[
    (
        "a_user_is_made_activated_with_its_tunnel_and_all_else_at_once",
        made,
    ),
    (
        "a_user_is_counted_on_its_device_and_its_pass_while_it_lives",
        counted,
    ),
    ("a_second_user_gets_the_next_pair_and_number", second),
    (
        "a_deleted_user_is_closed_with_its_rent_given_back_and_its_tunnel_free_again",
        deleted,
    ),
    (
        "addresses_come_from_the_devices_prefixes_after_those_that_are_taken",
        allocated,
    ),
    ("a_user_whose_pass_is_gone_can_still_be_deleted", without_pass),
    ("a_tenant_of_the_pass_is_the_users_and_is_counted", tenant),
    ("a_devices_other_tunnel_endpoint_is_taken", endpoint),
    (
        "a_pass_for_any_address_lets_any_host_in_and_names_its_validator",
        any_address,
    ),
    (
        "who_has_a_permission_in_force_deletes_a_user_for_its_owner",
        permission,
    ),
    ("the_foundation_may_use_a_device_that_takes_no_users", foundation),
    (
        "a_user_that_is_made_again_as_it_is_changes_nothing_and_is_no_error",
        again,
    ),
    (
        "either_of_a_hosts_two_passes_is_taken_and_only_that_one_is_charged",
        two_passes,
    ),
    (
        "a_pass_with_seats_lets_in_users_without_multicast_up_to_its_cap",
        seats_and_unicast,
    ),
    (
        "a_user_is_deleted_under_the_pass_that_is_recorded_and_an_older_one_under_either",
        recorded_pass,
    ),
    (
        "a_user_is_deleted_by_the_type_of_its_pass_and_by_no_other",
        by_type,
    ),
    (
        "a_banned_user_has_nothing_left_and_is_not_made_again_before_it_is_deleted",
        banned,
    ),
];

fn made(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    Ok(Box::new(move || {
        let user = stand.made(UserType::IBRL)?;
        let expected = User {
            owner: stand.payer.pubkey(),
            index: 1,
            bump: stand.network.pda().user(HOST, UserType::IBRL).bump,
            user_type: UserType::IBRL,
            tenant_pk: Pubkey::default(),
            device_pk: stand.device,
            cyoa: Cyoa::GRE_OVER_DIA,
            client_ip: HOST,
            dz_ip: HOST,
            tunnel_id: FIRST_TUNNEL,
            tunnel_net: Net::new(Ipv4Addr::new(169, 254, 0, 0), 31),
            status: UserStatus::ACTIVATED,
            publishers: vec![],
            subscribers: vec![],
            validator_pubkey: Pubkey::default(),
            tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
            tunnel_flags: 0,
            bgp_status: BgpStatus::UNKNOWN,
            last_bgp_up_at: 0,
            last_bgp_reported_at: 0,
            bgp_rtt_ns: 0,
            feed_pks: vec![],
            access_pass: stand.pass,
        };
        ensure!(user == expected, "{user:#?}");
        Ok(())
    }))
}

fn counted(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    Ok(Box::new(move || {
        stand.made(UserType::IBRL)?;
        let (device, pass) = (stand.device_account()?, stand.pass_account()?);
        ensure!(
            (device.refcount, device.users_count, device.unicast_users_count) == (1, 1, 1),
            "{device:?}"
        );
        ensure!(
            (
                device.multicast_subscribers_count,
                device.multicast_publishers_count
            ) == (0, 0),
            "{device:?}"
        );
        ensure!(
            (
                pass.connection_count,
                pass.unicast_user_count,
                pass.multicast_user_count
            ) == (1, 1, 0),
            "{pass:?}"
        );
        ensure!(pass.status == PassStatus::CONNECTED, "{pass:?}");
        stand.done(stand.delete(UserType::IBRL).build(&stand.caller()))?;
        let (device, pass) = (stand.device_account()?, stand.pass_account()?);
        ensure!(
            (device.refcount, device.users_count, device.unicast_users_count) == (0, 0, 0),
            "{device:?}"
        );
        ensure!(
            (pass.connection_count, pass.unicast_user_count, pass.status) == (0, 0, PassStatus::DISCONNECTED),
            "{pass:?}"
        );
        Ok(())
    }))
}

fn second(plan: &mut Plan) -> Result<Run> {
    let (first, second) = two_hosts(plan)?;
    Ok(Box::new(move || {
        let (one, two) = (first.made(UserType::IBRL)?, second.made(UserType::IBRL)?);
        ensure!(
            (one.tunnel_id, one.tunnel_net.address, one.index)
                == (FIRST_TUNNEL, Ipv4Addr::new(169, 254, 0, 0), 1),
            "{one:?}"
        );
        ensure!(
            (two.tunnel_id, two.tunnel_net.address, two.index)
                == (FIRST_TUNNEL + 1, Ipv4Addr::new(169, 254, 0, 2), 2),
            "{two:?}"
        );
        // Another service of the same host is another user.
        let third = second.made(UserType::MULTICAST)?;
        ensure!(
            (third.tunnel_id, third.tunnel_net.address) == (FIRST_TUNNEL + 2, Ipv4Addr::new(169, 254, 0, 4)),
            "{third:?}"
        );
        Ok(())
    }))
}

fn deleted(plan: &mut Plan) -> Result<Run> {
    let (first, second) = two_hosts(plan)?;
    Ok(Box::new(move || {
        let before = first.resources()?;
        let user = first.made(UserType::IBRL)?;
        ensure!(first.resources()? != before, "nothing was allocated");
        let rent = first.network.rpc.balance(first.address(UserType::IBRL))?.0;
        let balance = first.network.rpc.balance(first.payer.pubkey())?.0;
        first.done(first.delete(UserType::IBRL).build(&first.caller()))?;
        ensure!(first.is_closed(UserType::IBRL)?, "the account is still there");
        ensure!(
            first.resources()? == before,
            "what was allocated was not given back"
        );
        let fee = balance + rent - first.network.rpc.balance(first.payer.pubkey())?.0;
        ensure!(rent > 0 && fee < rent, "of {rent} the payer lost {fee}");
        let next = second.made(UserType::IBRL)?;
        ensure!(
            (next.tunnel_id, next.tunnel_net) == (user.tunnel_id, user.tunnel_net),
            "{next:?}"
        );
        // The same host again.
        first.made(UserType::IBRL).map(drop)
    }))
}

fn allocated(plan: &mut Plan) -> Result<Run> {
    // The first address of each is the device's: the first user's is in the first, the others' are in the second.
    let prefixes = vec![
        Net::new(Ipv4Addr::new(110, 2, 0, 0), 31),
        Net::new(Ipv4Addr::new(110, 3, 0, 0), 30),
    ];
    let stand = plan.stand_with(|device| device.dz_prefixes = prefixes, |_| {})?;
    let others = [OTHER_HOST, Ipv4Addr::new(9, 128, 0, 12)].map(|host| another_host(plan, &stand, host));
    let [second, third] = others;
    let (second, third) = (second?, third?);
    Ok(Box::new(move || {
        let before = stand.resources()?;
        let first = stand.made(UserType::IBRL_WITH_ALLOCATED_IP)?;
        ensure!(first.dz_ip == Ipv4Addr::new(110, 2, 0, 1), "{first:?}");
        let user = second.made(UserType::EDGE_FILTERING)?;
        ensure!(user.dz_ip == Ipv4Addr::new(110, 3, 0, 1), "{user:?}");
        let user = third.made(UserType::IBRL_WITH_ALLOCATED_IP)?;
        ensure!(user.dz_ip == Ipv4Addr::new(110, 3, 0, 2), "{user:?}");
        stand.done(
            stand
                .delete(UserType::IBRL_WITH_ALLOCATED_IP)
                .build(&stand.caller()),
        )?;
        let again = stand.made(UserType::IBRL_WITH_ALLOCATED_IP)?;
        ensure!(
            (again.dz_ip, again.tunnel_id) == (first.dz_ip, first.tunnel_id),
            "{again:?}"
        );
        for (host, kind) in [
            (&stand, UserType::IBRL_WITH_ALLOCATED_IP),
            (&second, UserType::EDGE_FILTERING),
            (&third, UserType::IBRL_WITH_ALLOCATED_IP),
        ] {
            host.done(host.delete(kind).build(&host.caller()))?;
        }
        ensure!(
            stand.resources()? == before,
            "what was allocated was not given back"
        );
        Ok(())
    }))
}

fn any_address(plan: &mut Plan) -> Result<Run> {
    let mut stand = plan.stand()?;
    plan.forget(stand.pass);
    let validator = Pubkey([6; 32]);
    stand.pass = plan.pass(Ipv4Addr::UNSPECIFIED, stand.payer.pubkey(), |pass| {
        pass.pass_type = PassType::SolanaValidator(validator)
    });
    Ok(Box::new(move || {
        let user = stand.made(UserType::IBRL)?;
        ensure!(user.validator_pubkey == validator, "{user:?}");
        Ok(())
    }))
}

fn foundation(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand_with(
        |device| device.status = warren_ledger::accounts::DeviceStatus::DRAINED,
        |_| {},
    )?;
    let payer = stand.payer.pubkey();
    plan.state(|state| state.foundation_allowlist.push(payer));
    Ok(Box::new(move || stand.made(UserType::IBRL).map(drop)))
}

fn again(plan: &mut Plan) -> Result<Run> {
    // A pass and a device that are full of this one user.
    let stand = plan.stand_with(|device| device.max_users = 1, |_| {})?;
    let (other, _) = plan.device(2, |_| {})?;
    let tenant = plan.tenant("acme")?;
    Ok(Box::new(move || {
        let user = stand.made(UserType::IBRL)?;
        let (pass, device, resources) = (stand.pass_account()?, stand.device_account()?, stand.resources()?);
        ensure!(stand.made(UserType::IBRL)? == user, "the user is another one now");
        ensure!(
            stand.pass_account()? == pass && stand.device_account()? == device,
            "it was counted twice"
        );
        ensure!(stand.resources()? == resources, "something was allocated");
        let elsewhere = CreateUser {
            device: other,
            ..stand.create(UserType::IBRL)
        };
        let of_tenant = CreateUser {
            tenant: Some(tenant),
            ..stand.create(UserType::IBRL)
        };
        for another in [elsewhere, of_tenant] {
            stand.stopped(another.build(&stand.caller()), "AccountAlreadyInitialized")?;
        }
        ensure!(stand.user(UserType::IBRL)? == user, "the user is another one now");
        Ok(())
    }))
}

fn two_passes(plan: &mut Plan) -> Result<Run> {
    let mut stand = plan.stand()?;
    let exact = stand.pass;
    let any = plan.pass(Ipv4Addr::UNSPECIFIED, stand.payer.pubkey(), |_| {});
    Ok(Box::new(move || {
        for (charged, other) in [(exact, any), (any, exact)] {
            stand.pass = other;
            let before = stand.pass_account()?;
            stand.pass = charged;
            stand.made(UserType::IBRL)?;
            ensure!(
                stand.pass_account()?.unicast_user_count == 1,
                "the pass is not charged"
            );
            stand.done(stand.delete(UserType::IBRL).build(&stand.caller()))?;
            ensure!(
                stand.pass_account()?.unicast_user_count == 0,
                "the pass is still charged"
            );
            stand.pass = other;
            ensure!(stand.pass_account()? == before, "the other pass was touched");
        }
        Ok(())
    }))
}

fn recorded_pass(plan: &mut Plan) -> Result<Run> {
    let mut stand = plan.stand()?;
    let exact = stand.pass;
    let any = plan.pass(Ipv4Addr::UNSPECIFIED, stand.payer.pubkey(), |_| {});
    // Made before passes were recorded.
    let (pubkey, mut older) = plan
        .network
        .new_user(9, UserType::EDGE_FILTERING, stand.device, HOST, HOST);
    older.owner = stand.payer.pubkey();
    plan.put(pubkey, older);
    Ok(Box::new(move || {
        let delete = |stand: &Stand, kind| stand.delete(kind).build(&stand.caller());
        ensure!(
            stand.made(UserType::IBRL)?.access_pass == exact,
            "another pass is recorded"
        );
        stand.pass = any;
        stand.refused(
            delete(&stand, UserType::IBRL),
            ProgramError::AccessPassUnauthorized,
        )?;
        stand.done(delete(&stand, UserType::EDGE_FILTERING))?;
        stand.pass = exact;
        stand.done(delete(&stand, UserType::IBRL))
    }))
}

fn by_type(plan: &mut Plan) -> Result<Run> {
    const MISMATCH: ProgramError = ProgramError::Unknown(119);
    let others = PassType::Others {
        type_name: "a".into(),
        key: "bc".into(),
    };
    let node = Pubkey([6; 32]);
    let types = [
        PassType::Prepaid,
        PassType::SolanaValidator(node),
        PassType::SolanaRpc(node),
        others,
        PassType::EdgeSeat(vec![]),
    ];
    let stand = plan.stand_with(|_| {}, |pass| pass.max_multicast = 9)?;
    Ok(Box::new(move || {
        let by = |pass: &PassType| {
            DeleteUser {
                kind: DeleteKind::of(pass),
                ..stand.delete(UserType::IBRL)
            }
            .build(&stand.caller())
        };
        for own in &types {
            stand
                .network
                .edit_pass(stand.pass, |pass| pass.pass_type = own.clone())?;
            stand.made(UserType::IBRL)?;
            for other in types.iter().filter(|other| *other != own) {
                stand.refused(by(other), MISMATCH)?;
            }
            stand.done(by(own))?;
            ensure!(stand.is_closed(UserType::IBRL)?, "the account is still there");
        }
        // Without a pass it has no type.
        stand.made(UserType::IBRL)?;
        stand.network.delete(stand.pass)?;
        stand.refused(by(&types[4]), ProgramError::AccessPassNotFound)?;
        stand.done(stand.delete(UserType::IBRL).build(&stand.caller()))
    }))
}

fn banned(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    let group = plan.group(1);
    let operator = another_host(plan, &stand, OTHER_HOST)?;
    let payer = operator.payer.pubkey();
    plan.state(|state| state.foundation_allowlist.push(payer));
    Ok(Box::new(move || {
        let before = stand.resources()?;
        stand.made(UserType::MULTICAST)?;
        stand.refused(ban(&stand, &stand), ProgramError::NotAllowed)?;
        operator.done(ban(&stand, &operator))?;
        let user = stand.user(UserType::MULTICAST)?;
        let none = (Ipv4Addr::UNSPECIFIED, 0, Net::NONE);
        ensure!(
            user.status == UserStatus::BANNED && (user.dz_ip, user.tunnel_id, user.tunnel_net) == none,
            "{user:?}"
        );
        ensure!(
            stand.resources()? == before,
            "what was allocated was not given back"
        );
        stand.refused(
            stand.create(UserType::MULTICAST).build(&stand.caller()),
            ProgramError::InvalidStatus,
        )?;
        stand.refused(stand.roles(group, false, true), ProgramError::InvalidStatus)?;
        operator.refused(ban(&stand, &operator), ProgramError::InvalidStatus)?;
        stand.done(stand.delete(UserType::MULTICAST).build(&stand.caller()))?;
        ensure!(
            stand.resources()? == before,
            "something was given back that was not taken"
        );
        stand.made(UserType::MULTICAST).map(drop)
    }))
}

/// The ban of a host's multicast user. Nothing of ours sends it.
fn ban(banned: &Stand, by: &Stand) -> Instruction {
    const REQUEST_BAN_USER: u8 = 44;
    const FROM_STATE: usize = 3;
    let like = by.create(UserType::MULTICAST).build(&by.caller());
    let mut accounts = vec![AccountMeta::writable(banned.address(UserType::MULTICAST))];
    accounts.extend_from_slice(&like.accounts[FROM_STATE..]);
    Instruction {
        data: vec![REQUEST_BAN_USER, by.prefixes.get(), 1],
        accounts,
        ..like
    }
}

fn permission(plan: &mut Plan) -> Result<Run> {
    let (owner, operator) = two_hosts(plan)?;
    let derived = plan.network.pda().permission(&operator.payer.pubkey());
    let mut permission = Permission {
        owner: Pubkey([1; 32]),
        bump: derived.bump,
        status: 1,
        user_payer: operator.payer.pubkey(),
        permissions: 1,
    };
    plan.put(derived.address, permission.clone());
    permission.status = 0;
    let not_in_force = plan.network.pda().permission(&owner.payer.pubkey());
    plan.put(not_in_force.address, permission);
    Ok(Box::new(move || {
        owner.made(UserType::IBRL)?;
        let delete = |caller: &Stand| {
            let delete = DeleteUser {
                permission: instructions::Permission::Present,
                ..owner.delete(UserType::IBRL)
            };
            delete.build(&caller.caller())
        };
        owner.refused(delete(&owner), ProgramError::NotAllowed)?;
        let before = owner.network.rpc.balance(owner.payer.pubkey())?;
        operator.done(delete(&operator))?;
        ensure!(owner.is_closed(UserType::IBRL)?, "the account is still there");
        ensure!(
            owner.network.rpc.balance(owner.payer.pubkey())? > before,
            "the rent went elsewhere"
        );
        Ok(())
    }))
}

/// Two hosts with payers of their own on one device.
pub fn two_hosts(plan: &mut Plan) -> Result<(Stand, Stand)> {
    let first = plan.stand()?;
    let second = another_host(plan, &first, OTHER_HOST)?;
    Ok((first, second))
}

pub fn another_host(plan: &mut Plan, like: &Stand, host: Ipv4Addr) -> Result<Stand> {
    let payer = Keypair::generate()?;
    plan.accounts.push(warren_e2e::program::funded(payer.pubkey()));
    let pass = plan.pass(host, payer.pubkey(), |_| {});
    Ok(Stand {
        network: like.network,
        payer,
        pass,
        device: like.device,
        prefixes: like.prefixes,
        host,
    })
}
