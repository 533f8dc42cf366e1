//! Users that the program does not make.

use super::*;

pub(super) fn without_pass(plan: &mut Plan) -> Result<Run> {
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

pub(super) fn tenant(plan: &mut Plan) -> Result<Run> {
    let tenant = plan.tenant("acme")?;
    let stand = plan.stand_with(
        |_| {},
        |pass| pass.tenant_allowlist = vec![Pubkey([4; 32]), tenant],
    )?;
    Ok(Box::new(move || {
        let create = CreateUser {
            tenant: Some(tenant),
            ..stand.create(UserType::IBRL)
        };
        stand.done(create.build(&stand.caller()))?;
        ensure!(
            stand.user(UserType::IBRL)?.tenant_pk == tenant,
            "the user has another tenant"
        );
        ensure!(
            stand.tenant_account(tenant)?.refcount == 1,
            "the tenant is not counted"
        );
        let mut delete = stand.delete(UserType::IBRL);
        delete.tenant = Some(tenant);
        stand.done(delete.build(&stand.caller()))?;
        ensure!(
            stand.tenant_account(tenant)?.refcount == 0,
            "the tenant is still counted"
        );
        Ok(())
    }))
}

pub(super) fn endpoint(plan: &mut Plan) -> Result<Run> {
    const OTHER_END: Ipv4Addr = Ipv4Addr::new(9, 128, 1, 77);
    let ends = |name: &str, address: Ipv4Addr| {
        let (status, itype, ip_net) = (
            InterfaceStatus::ACTIVATED,
            InterfaceType::LOOPBACK,
            Net::new(address, 32),
        );
        Interface::new(
            InterfaceV2 {
                status,
                name: name.into(),
                itype,
                ip_net,
                ute: true,
                ..InterfaceV2::default()
            },
            vec![],
        )
    };
    let interfaces = vec![
        ends("Loopback7", Ipv4Addr::new(9, 128, 1, 70)),
        ends("Loopback100", OTHER_END),
    ];
    let stand = plan.stand_with(|device| device.interfaces = interfaces, |_| {})?;
    Ok(Box::new(move || {
        let create = CreateUser {
            tunnel_endpoint: OTHER_END,
            ..stand.create(UserType::IBRL)
        };
        stand.done(create.build(&stand.caller()))?;
        ensure!(
            stand.user(UserType::IBRL)?.tunnel_endpoint == OTHER_END,
            "the user has another endpoint"
        );
        Ok(())
    }))
}

pub(super) fn seats_and_unicast(plan: &mut Plan) -> Result<Run> {
    let first = plan.stand()?;
    let mut second = another_host(plan, &first, OTHER_HOST)?;
    let payer = second.payer.pubkey();
    second.pass = plan.pass(Ipv4Addr::UNSPECIFIED, payer, |pass| {
        pass.pass_type = PassType::EdgeSeat(vec![])
    });
    Ok(Box::new(move || {
        second.made(UserType::IBRL)?;
        ensure!(
            second.pass_account()?.unicast_user_count == 1,
            "{:?}",
            second.pass_account()?
        );
        second.host = HOST;
        let more = second.create(UserType::IBRL).build(&second.caller());
        second.refused(more, ProgramError::AccessPassMaxUnicastUsersExceeded)
    }))
}
