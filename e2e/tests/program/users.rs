//! Users without multicast: made, found as they should be, deleted.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use warren_ledger::{
    Keypair, ProgramError,
    accounts::{
        BgpStatus, Cyoa, Interface, InterfaceStatus, InterfaceType, InterfaceV2, Net, PassStatus, PassType, Permission, User, UserStatus,
        UserType,
    },
    instructions::{self, CreateUser, DeleteUser},
};
use warren_state::Pubkey;

use crate::{
    Case,
    stand::{FIRST_TUNNEL, HOST, OTHER_HOST, Plan, Run, Stand},
};

pub const ALL: &[Case] = &[
    ("a_user_is_made_activated_with_its_tunnel_and_all_else_at_once", made),
    ("a_user_is_counted_on_its_device_and_its_pass_while_it_lives", counted),
    ("a_second_user_gets_the_next_pair_and_number", second),
    ("a_deleted_user_is_closed_with_its_rent_given_back_and_its_tunnel_free_again", deleted),
    ("addresses_come_from_the_devices_prefixes_after_those_that_are_taken", allocated),
    ("a_user_whose_pass_is_gone_can_still_be_deleted", without_pass),
    ("a_tenant_of_the_pass_is_the_users_and_is_counted", tenant),
    ("a_devices_other_tunnel_endpoint_is_taken", endpoint),
    ("a_pass_for_any_address_lets_any_host_in_and_names_its_validator", any_address),
    ("who_has_a_permission_in_force_deletes_a_user_for_its_owner", permission),
    ("the_foundation_may_use_a_device_that_takes_no_users", foundation),
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
            access_pass: Pubkey::default(),
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
        ensure!((device.refcount, device.users_count, device.unicast_users_count) == (1, 1, 1), "{device:?}");
        ensure!((device.multicast_subscribers_count, device.multicast_publishers_count) == (0, 0), "{device:?}");
        ensure!((pass.connection_count, pass.unicast_user_count, pass.multicast_user_count) == (1, 1, 0), "{pass:?}");
        ensure!(pass.status == PassStatus::CONNECTED, "{pass:?}");
        stand.done(stand.delete(UserType::IBRL).build(&stand.caller()))?;
        let (device, pass) = (stand.device_account()?, stand.pass_account()?);
        ensure!((device.refcount, device.users_count, device.unicast_users_count) == (0, 0, 0), "{device:?}");
        ensure!((pass.connection_count, pass.unicast_user_count, pass.status) == (0, 0, PassStatus::DISCONNECTED), "{pass:?}");
        Ok(())
    }))
}

fn second(plan: &mut Plan) -> Result<Run> {
    let (first, second) = two_hosts(plan)?;
    Ok(Box::new(move || {
        let (one, two) = (first.made(UserType::IBRL)?, second.made(UserType::IBRL)?);
        ensure!((one.tunnel_id, one.tunnel_net.address, one.index) == (FIRST_TUNNEL, Ipv4Addr::new(169, 254, 0, 0), 1), "{one:?}");
        ensure!((two.tunnel_id, two.tunnel_net.address, two.index) == (FIRST_TUNNEL + 1, Ipv4Addr::new(169, 254, 0, 2), 2), "{two:?}");
        // Another service of the same host is another user.
        let third = second.made(UserType::MULTICAST)?;
        ensure!((third.tunnel_id, third.tunnel_net.address) == (FIRST_TUNNEL + 2, Ipv4Addr::new(169, 254, 0, 4)), "{third:?}");
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
        ensure!(first.resources()? == before, "what was allocated was not given back");
        let fee = balance + rent - first.network.rpc.balance(first.payer.pubkey())?.0;
        ensure!(rent > 0 && fee < rent, "of {rent} the payer lost {fee}");
        let next = second.made(UserType::IBRL)?;
        ensure!((next.tunnel_id, next.tunnel_net) == (user.tunnel_id, user.tunnel_net), "{next:?}");
        // The same host again.
        first.made(UserType::IBRL).map(drop)
    }))
}

fn allocated(plan: &mut Plan) -> Result<Run> {
    // Each of four addresses, of which two are taken: the first user's is in the first, the third user's in the second.
    let prefixes = vec![Net::new(Ipv4Addr::new(45, 33, 100, 0), 30), Net::new(Ipv4Addr::new(45, 33, 101, 0), 30)];
    let stand = plan.stand_with(|device| device.dz_prefixes = prefixes, |_| {})?;
    let others = [OTHER_HOST, Ipv4Addr::new(192, 0, 2, 12)].map(|host| another_host(plan, &stand, host));
    let [second, third] = others;
    let (second, third) = (second?, third?);
    Ok(Box::new(move || {
        let before = stand.resources()?;
        let first = stand.made(UserType::IBRL_WITH_ALLOCATED_IP)?;
        ensure!(first.dz_ip == Ipv4Addr::new(45, 33, 100, 2), "{first:?}");
        let user = second.made(UserType::EDGE_FILTERING)?;
        ensure!(user.dz_ip == Ipv4Addr::new(45, 33, 100, 3), "{user:?}");
        let user = third.made(UserType::IBRL_WITH_ALLOCATED_IP)?;
        ensure!(user.dz_ip == Ipv4Addr::new(45, 33, 101, 2), "{user:?}");
        stand.done(stand.delete(UserType::IBRL_WITH_ALLOCATED_IP).build(&stand.caller()))?;
        let again = stand.made(UserType::IBRL_WITH_ALLOCATED_IP)?;
        ensure!((again.dz_ip, again.tunnel_id) == (first.dz_ip, first.tunnel_id), "{again:?}");
        for (host, kind) in
            [(&stand, UserType::IBRL_WITH_ALLOCATED_IP), (&second, UserType::EDGE_FILTERING), (&third, UserType::IBRL_WITH_ALLOCATED_IP)]
        {
            host.done(host.delete(kind).build(&host.caller()))?;
        }
        ensure!(stand.resources()? == before, "what was allocated was not given back");
        Ok(())
    }))
}

fn without_pass(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand()?;
    let (pubkey, mut user) = plan.network.new_user(0, UserType::IBRL, stand.device, HOST, HOST);
    user.owner = stand.payer.pubkey();
    plan.put(pubkey, user);
    plan.forget(stand.pass);
    Ok(Box::new(move || {
        stand.done(stand.delete(UserType::IBRL).build(&stand.caller()))?;
        ensure!(stand.is_closed(UserType::IBRL)?, "the account is still there");
        Ok(())
    }))
}

fn tenant(plan: &mut Plan) -> Result<Run> {
    let tenant = plan.tenant("acme")?;
    let stand = plan.stand_with(|_| {}, |pass| pass.tenant_allowlist = vec![Pubkey([4; 32]), tenant])?;
    Ok(Box::new(move || {
        let create = CreateUser { tenant: Some(tenant), ..stand.create(UserType::IBRL) };
        stand.done(create.build(&stand.caller()))?;
        ensure!(stand.user(UserType::IBRL)?.tenant_pk == tenant, "the user has another tenant");
        ensure!(stand.tenant_account(tenant)?.refcount == 1, "the tenant is not counted");
        let mut delete = stand.delete(UserType::IBRL);
        delete.tenant = Some(tenant);
        stand.done(delete.build(&stand.caller()))?;
        ensure!(stand.tenant_account(tenant)?.refcount == 0, "the tenant is still counted");
        Ok(())
    }))
}

fn endpoint(plan: &mut Plan) -> Result<Run> {
    const OTHER_END: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 77);
    let ends = |name: &str, address: Ipv4Addr| {
        let (status, itype, ip_net) = (InterfaceStatus::ACTIVATED, InterfaceType::LOOPBACK, Net::new(address, 32));
        Interface::new(InterfaceV2 { status, name: name.into(), itype, ip_net, ute: true, ..InterfaceV2::default() }, vec![])
    };
    let interfaces = vec![ends("Loopback7", Ipv4Addr::new(198, 51, 100, 70)), ends("Loopback100", OTHER_END)];
    let stand = plan.stand_with(|device| device.interfaces = interfaces, |_| {})?;
    Ok(Box::new(move || {
        let create = CreateUser { tunnel_endpoint: OTHER_END, ..stand.create(UserType::IBRL) };
        stand.done(create.build(&stand.caller()))?;
        ensure!(stand.user(UserType::IBRL)?.tunnel_endpoint == OTHER_END, "the user has another endpoint");
        Ok(())
    }))
}

fn any_address(plan: &mut Plan) -> Result<Run> {
    let mut stand = plan.stand()?;
    plan.forget(stand.pass);
    let validator = Pubkey([6; 32]);
    stand.pass = plan.pass(Ipv4Addr::UNSPECIFIED, stand.payer.pubkey(), |pass| pass.pass_type = PassType::SolanaValidator(validator));
    Ok(Box::new(move || {
        let user = stand.made(UserType::IBRL)?;
        ensure!(user.validator_pubkey == validator, "{user:?}");
        Ok(())
    }))
}

fn foundation(plan: &mut Plan) -> Result<Run> {
    let stand = plan.stand_with(|device| device.status = warren_ledger::accounts::DeviceStatus::DRAINED, |_| {})?;
    let payer = stand.payer.pubkey();
    plan.state(|state| state.foundation_allowlist.push(payer));
    Ok(Box::new(move || stand.made(UserType::IBRL).map(drop)))
}

fn permission(plan: &mut Plan) -> Result<Run> {
    let (owner, operator) = two_hosts(plan)?;
    let derived = plan.network.pda().permission(&operator.payer.pubkey());
    let mut permission =
        Permission { owner: Pubkey([1; 32]), bump: derived.bump, status: 1, user_payer: operator.payer.pubkey(), permissions: 1 };
    plan.put(derived.address, permission.clone());
    permission.status = 0;
    let not_in_force = plan.network.pda().permission(&owner.payer.pubkey());
    plan.put(not_in_force.address, permission);
    Ok(Box::new(move || {
        owner.made(UserType::IBRL)?;
        let delete = |caller: &Stand| {
            let delete = DeleteUser { permission: instructions::Permission::Present, ..owner.delete(UserType::IBRL) };
            delete.build(&caller.caller())
        };
        owner.refused(delete(&owner), ProgramError::NotAllowed)?;
        let before = owner.network.rpc.balance(owner.payer.pubkey())?;
        operator.done(delete(&operator))?;
        ensure!(owner.is_closed(UserType::IBRL)?, "the account is still there");
        ensure!(owner.network.rpc.balance(owner.payer.pubkey())? > before, "the rent went elsewhere");
        Ok(())
    }))
}

/// Two hosts with payers of their own on one device.
pub fn two_hosts(plan: &mut Plan) -> Result<(Stand, Stand)> {
    let first = plan.stand()?;
    let second = another_host(plan, &first, OTHER_HOST)?;
    Ok((first, second))
}

fn another_host(plan: &mut Plan, like: &Stand, host: Ipv4Addr) -> Result<Stand> {
    let payer = Keypair::generate()?;
    plan.accounts.push(warren_e2e::program::funded(payer.pubkey()));
    let pass = plan.pass(host, payer.pubkey(), |_| {});
    Ok(Stand { network: like.network, payer, pass, device: like.device, prefixes: like.prefixes, host })
}
