//! Every refusal of the program, by the number on the wire, as the sender tells it. Nothing changes when it refuses.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use warren_e2e::ledger::FIRST_EPOCH;
use warren_ledger::{
    ProgramError,
    accounts::{AccessPass, Device, DeviceStatus, DeviceType, GroupStatus, Net, UserType},
    instructions::{CreateSubscribeUser, CreateUser, DeleteUser, Instruction, Permission},
    pda::Resource,
};
use warren_state::Pubkey;

use crate::{
    Case,
    multicast::member,
    stand::{HOST, OTHER_HOST, Plan, Run, Stand},
    users::two_hosts,
};

pub const ALL: &[Case] = &[
    (
        "refused_1_a_user_is_deleted_in_favour_of_its_owner_only",
        |plan| {
            let stand = with_user(plan)?;
            let delete = DeleteUser {
                owner: Pubkey([8; 32]),
                ..stand.delete(UserType::IBRL)
            };
            refused(
                stand,
                move |stand| delete.build(&stand.caller()),
                ProgramError::InvalidOwnerPubkey,
            )
        },
    ),
    ("refused_6_a_device_that_is_none", |plan| {
        let stand = plan.stand()?;
        refused(
            stand,
            |stand| swapped(create(stand), 1, stand.pass),
            ProgramError::InvalidDevicePubkey,
        )
    }),
    ("refused_6_a_user_is_deleted_from_its_own_device_only", |plan| {
        let stand = with_user(plan)?;
        let (device, _) = plan.device(2, |_| {})?;
        let delete = DeleteUser {
            device,
            ..stand.delete(UserType::IBRL)
        };
        refused(
            stand,
            move |stand| delete.build(&stand.caller()),
            ProgramError::InvalidDevicePubkey,
        )
    }),
    ("refused_7_a_device_that_takes_no_users", |plan| {
        let stand = plan.stand_with(|device| device.status = DeviceStatus::DRAINED, |_| {})?;
        refused(stand, create, ProgramError::InvalidStatus)
    }),
    ("refused_7_a_group_that_is_not_activated", |plan| {
        let group = plan.group(1);
        let stand = member(plan, &[group])?;
        let (_, mut account) = plan.network.new_group(1, "mg01", Ipv4Addr::new(233, 84, 178, 1));
        account.status = GroupStatus::SUSPENDED;
        plan.put(group, account);
        refused(
            stand,
            move |stand| stand.subscribe(group, false, true),
            ProgramError::InvalidStatus,
        )
    }),
    ("refused_7_a_device_in_transit", |plan| {
        let stand = plan.stand_with(|device| device.device_type = DeviceType::TRANSIT, |_| {})?;
        refused(stand, create, ProgramError::InvalidStatus)
    }),
    ("refused_8_somebody_elses_user_is_not_deleted", |plan| {
        let (first, second) = two_hosts(plan)?;
        Ok(Box::new(move || {
            second.made(UserType::IBRL)?;
            let delete = second.delete(UserType::IBRL).build(&first.caller());
            first.refused(delete, ProgramError::NotAllowed)
        }))
    }),
    ("refused_8_a_group_that_the_pass_does_not_allow", |plan| {
        let (one, two) = (plan.group(1), plan.group(2));
        let stand = plan.stand_with(|_| {}, |pass| pass.mgroup_sub_allowlist = vec![one])?;
        Ok(Box::new(move || {
            let subscribe = |group, publisher| stand.subscribe(group, publisher, true);
            stand.refused(subscribe(two, false), ProgramError::NotAllowed)?;
            stand.refused(subscribe(one, true), ProgramError::NotAllowed)?;
            stand.done(subscribe(one, false))?;
            stand.refused(stand.roles(two, false, true), ProgramError::NotAllowed)?;
            stand.refused(stand.roles(one, true, true), ProgramError::NotAllowed)
        }))
    }),
    ("refused_8_a_user_for_somebody_else", |plan| {
        let group = plan.group(1);
        let stand = member(plan, &[group])?;
        let make = move |stand: &Stand| {
            stand.built(CreateSubscribeUser {
                owner: Some(Pubkey([8; 32])),
                ..stand.subscription(group, false, true)
            })
        };
        refused(stand, make, ProgramError::NotAllowed)
    }),
    ("refused_8_a_permission_that_does_not_exist", |plan| {
        let stand = with_user(plan)?;
        let delete = DeleteUser {
            permission: Permission::Present,
            ..stand.delete(UserType::IBRL)
        };
        refused(
            stand,
            move |stand| delete.build(&stand.caller()),
            ProgramError::NotAllowed,
        )
    }),
    ("refused_20_a_full_device", |plan| {
        refused_on(
            plan,
            |device| (device.max_users, device.users_count, device.reserved_seats) = (5, 3, 2),
            ProgramError::MaxUsersExceeded,
        )
    }),
    (
        "refused_25_a_pass_that_has_run_out_except_for_multicast",
        |plan| {
            // The validator starts in epoch 0, where no pass can have run out yet.
            let stand = plan.stand_with(|_| {}, |pass| pass.last_access_epoch = 0)?;
            Ok(Box::new(move || {
                let epoch = stand.network.rpc.call("getEpochInfo", serde_json::json!([]))?["epoch"].as_u64();
                if epoch == Some(0) {
                    return stand.made(UserType::IBRL).map(drop);
                }
                ensure!(epoch == Some(FIRST_EPOCH), "the ledger is in epoch {epoch:?}");
                stand.refused(create(&stand), ProgramError::AccessPassUnauthorized)?;
                stand.made(UserType::MULTICAST).map(drop)
            }))
        },
    ),
    (
        "refused_25_somebody_elses_pass_and_one_for_another_address",
        |plan| {
            let (mut first, second) = two_hosts(plan)?;
            let other = plan.pass(OTHER_HOST, first.payer.pubkey(), |_| {});
            Ok(Box::new(move || {
                for pass in [second.pass, other] {
                    first.pass = pass;
                    first.refused(create(&first), ProgramError::AccessPassUnauthorized)?;
                }
                Ok(())
            }))
        },
    ),
    ("refused_26_an_address_that_no_host_has_on_the_internet", |plan| {
        let mut stand = plan.stand()?;
        Ok(Box::new(move || {
            let special = [
                [10, 0, 0, 1],
                [127, 0, 0, 1],
                [192, 168, 1, 1],
                [172, 20, 0, 1],
                [224, 0, 0, 1],
                [0, 0, 0, 0],
            ];
            let more = [
                [100, 64, 0, 1],
                [192, 0, 0, 1],
                [192, 0, 2, 1],
                [198, 51, 100, 1],
                [203, 0, 113, 1],
                [240, 0, 0, 1],
            ];
            for host in special.into_iter().chain(more) {
                stand.host = Ipv4Addr::from(host);
                stand.refused(create(&stand), ProgramError::InvalidClientIp)?;
            }
            Ok(())
        }))
    }),
    ("refused_35_a_device_without_prefixes", |plan| {
        let stand = plan.stand_with(|device| device.dz_prefixes = vec![], |_| {})?;
        let without = |stand: &Stand| {
            const PREFIX_COUNT: usize = 11;
            const PREFIX: usize = 7;
            let mut instruction = create(stand);
            instruction.data[PREFIX_COUNT] = 0;
            instruction.accounts.remove(PREFIX);
            instruction
        };
        Ok(Box::new(move || {
            stand.refused(without(&stand), ProgramError::NoDzPrefixes)
        }))
    }),
    ("refused_53_no_pass", |plan| {
        let stand = plan.stand()?;
        plan.forget(stand.pass);
        refused(stand, create, ProgramError::AccessPassNotFound)
    }),
    ("refused_54_no_user", |plan| {
        let group = plan.group(1);
        let stand = member(plan, &[group])?;
        Ok(Box::new(move || {
            stand.refused(
                stand.delete(UserType::IBRL).build(&stand.caller()),
                ProgramError::UserAccountNotFound,
            )?;
            stand.refused(stand.roles(group, false, true), ProgramError::UserAccountNotFound)
        }))
    }),
    ("refused_63_no_address_left_in_the_devices_prefixes", |plan| {
        refused_type_on(
            plan,
            UserType::IBRL_WITH_ALLOCATED_IP,
            |device| device.dz_prefixes = vec![Net::new(Ipv4Addr::new(45, 33, 100, 0), 32)],
            ProgramError::AllocationFailed,
        )
    }),
    ("refused_63_no_tunnel_number_left", |plan| {
        let stand = plan.stand()?;
        let ids = plan
            .network
            .pda()
            .resource(&Resource::TunnelIds(stand.device, 0))
            .address;
        let account = plan
            .accounts
            .iter_mut()
            .find(|account| account.pubkey == ids)
            .expect("the device has numbers");
        account.data[88..].fill(0xff);
        refused(stand, create, ProgramError::AllocationFailed)
    }),
    ("refused_67_an_instruction_of_old", |plan| {
        let stand = plan.stand()?;
        let old = |stand: &Stand| Instruction {
            data: vec![37],
            ..create(stand)
        };
        refused(stand, old, ProgramError::Deprecated)
    }),
    (
        "refused_79_a_tenant_that_the_pass_does_not_allow_and_none_where_it_names_some",
        |plan| {
            let (ours, other) = (plan.tenant("ours")?, plan.tenant("other")?);
            let stand = plan.stand_with(|_| {}, |pass| pass.tenant_allowlist = vec![ours])?;
            Ok(Box::new(move || {
                let with = |tenant| {
                    CreateUser {
                        tenant,
                        ..stand.create(UserType::IBRL)
                    }
                    .build(&stand.caller())
                };
                stand.refused(with(Some(other)), ProgramError::TenantNotInAccessPassAllowlist)?;
                stand.refused(with(None), ProgramError::TenantNotInAccessPassAllowlist)
            }))
        },
    ),
    ("refused_80_an_endpoint_that_is_no_global_address", |plan| {
        let stand = plan.stand()?;
        let elsewhere = |stand: &Stand| {
            CreateUser {
                tunnel_endpoint: Ipv4Addr::new(100, 64, 0, 9),
                ..stand.create(UserType::IBRL)
            }
            .build(&stand.caller())
        };
        refused(stand, elsewhere, ProgramError::InvalidTunnelEndpoint)
    }),
    ("refused_81_the_devices_unicast_users", |plan| {
        let full = |device: &mut Device| (device.max_unicast_users, device.unicast_users_count) = (2, 2);
        refused_on(plan, full, ProgramError::MaxUnicastUsersExceeded)
    }),
    ("refused_82_the_devices_multicast_subscribers", |plan| {
        let full = |device: &mut Device| {
            (
                device.max_multicast_subscribers,
                device.multicast_subscribers_count,
            ) = (2, 2)
        };
        refused_type_on(
            plan,
            UserType::MULTICAST,
            full,
            ProgramError::MaxMulticastSubscribersExceeded,
        )
    }),
    ("refused_84_a_program_that_does_not_allocate", |plan| {
        let stand = plan.stand()?;
        plan.state(|state| state.feature_flags = 0);
        refused(stand, create, ProgramError::FeatureNotEnabled)
    }),
    ("refused_85_the_devices_multicast_publishers", |plan| {
        let group = plan.group(1);
        let full = |device: &mut Device| {
            (device.max_multicast_publishers, device.multicast_publishers_count) = (1, 1)
        };
        let stand = plan.stand_with(full, |pass| pass.mgroup_pub_allowlist = vec![group])?;
        let publish = move |stand: &Stand| stand.subscribe(group, true, false);
        refused(stand, publish, ProgramError::MaxMulticastPublishersExceeded)
    }),
    ("refused_89_the_passs_unicast_users", |plan| {
        let full = |pass: &mut AccessPass| (pass.max_unicast, pass.unicast_user_count) = (1, 1);
        let stand = plan.stand_with(|_| {}, full)?;
        refused(stand, create, ProgramError::AccessPassMaxUnicastUsersExceeded)
    }),
    ("refused_90_the_passs_multicast_users", |plan| {
        let full = |pass: &mut AccessPass| (pass.max_multicast, pass.multicast_user_count) = (1, 1);
        let stand = plan.stand_with(|_| {}, full)?;
        let make = |stand: &Stand| stand.create(UserType::MULTICAST).build(&stand.caller());
        refused(stand, make, ProgramError::AccessPassMaxMulticastUsersExceeded)
    }),
    ("a_user_that_exists_is_not_made_again_with_a_group", |plan| {
        let group = plan.group(1);
        let stand = member(plan, &[group])?;
        Ok(Box::new(move || {
            let subscribe = || stand.subscribe(group, false, true);
            stand.done(subscribe())?;
            stand.stopped(subscribe(), "AccountAlreadyInitialized")
        }))
    }),
    (
        "the_program_breaks_off_at_accounts_of_other_addresses_than_derived_ones",
        |plan| {
            let stand = plan.stand()?;
            let elsewhere = plan.network.pda().user(OTHER_HOST, UserType::IBRL).address;
            Ok(Box::new(move || {
                const USER: usize = 0;
                const STATE: usize = 3;
                const TUNNELS: usize = 4;
                stand.broken_off(swapped(create(&stand), USER, elsewhere))?;
                stand.stopped(swapped(create(&stand), STATE, stand.pass), "InvalidAccountData")?;
                stand.broken_off(swapped(create(&stand), TUNNELS, stand.device))?;
                ensure!(stand.is_closed(UserType::IBRL)?, "there is a user");
                Ok(())
            }))
        },
    ),
    ("what_the_payer_did_not_sign_is_stopped", |plan| {
        let group = plan.group(1);
        let (owner, stranger) = two_hosts(plan)?;
        plan.put(
            owner.pass,
            AccessPass {
                mgroup_sub_allowlist: vec![group],
                ..plan.network.new_pass(HOST, owner.payer.pubkey()).1
            },
        );
        Ok(Box::new(move || {
            let by_stranger = |mut instruction: Instruction| {
                instruction
                    .accounts
                    .iter_mut()
                    .for_each(|account| account.signer = false);
                stranger.stopped(instruction, "MissingRequiredSignature")
            };
            owner.done(owner.subscribe(group, false, true))?;
            by_stranger(create(&owner))?;
            by_stranger(owner.roles(group, false, false))?;
            by_stranger(owner.delete(UserType::MULTICAST).build(&owner.caller()))?;
            ensure!(
                owner.user(UserType::MULTICAST)?.subscribers == [group],
                "the user has changed"
            );
            Ok(())
        }))
    }),
    ("an_instruction_that_is_cut_or_unknown_is_stopped", |plan| {
        let stand = plan.stand()?;
        Ok(Box::new(move || {
            let with = |data: Vec<u8>| Instruction {
                data,
                ..create(&stand)
            };
            stand.stopped(with(vec![200, 1, 2]), "InvalidInstructionData")?;
            stand.stopped(with(vec![]), "InvalidInstructionData")?;
            let whole = create(&stand).data;
            for len in 1..whole.len() {
                let outcome = stand.send(with(whole[..len].to_vec()))?;
                ensure!(outcome.is_err(), "an instruction of {len} bytes was carried out");
            }
            Ok(())
        }))
    }),
];

fn create(stand: &Stand) -> Instruction {
    stand.create(UserType::IBRL).build(&stand.caller())
}

fn refused(
    stand: Stand,
    instruction: impl FnOnce(&Stand) -> Instruction + Send + 'static,
    error: ProgramError,
) -> Result<Run> {
    Ok(Box::new(move || {
        let before = stand.resources()?;
        stand.refused(instruction(&stand), error)?;
        ensure!(stand.resources()? == before, "something was allocated");
        Ok(())
    }))
}

fn refused_on(plan: &mut Plan, device: impl FnOnce(&mut Device), error: ProgramError) -> Result<Run> {
    refused_type_on(plan, UserType::IBRL, device, error)
}

fn refused_type_on(
    plan: &mut Plan,
    kind: UserType,
    device: impl FnOnce(&mut Device),
    error: ProgramError,
) -> Result<Run> {
    let stand = plan.stand_with(device, |_| {})?;
    refused(
        stand,
        move |stand| stand.create(kind).build(&stand.caller()),
        error,
    )
}

fn swapped(mut instruction: Instruction, number: usize, by: Pubkey) -> Instruction {
    instruction.accounts[number].pubkey = by;
    instruction
}

/// A stand whose host has a user already, of its payer.
fn with_user(plan: &mut Plan) -> Result<Stand> {
    let stand = plan.stand()?;
    let (pubkey, mut user) = plan.network.new_user(0, UserType::IBRL, stand.device, HOST, HOST);
    user.owner = stand.payer.pubkey();
    plan.put(pubkey, user);
    Ok(stand)
}
