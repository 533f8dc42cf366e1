use super::*;

#[tokio::test]
async fn one_account_that_does_not_decode_is_set_aside_alone_with_its_reason() {
    let ledger = connected().await;
    let mut broken = encode(&user(UserType::MULTICAST).into());
    broken[132..136].copy_from_slice(&u32::MAX.to_le_bytes());
    ledger.put_raw(key(11), PROGRAM, broken);
    ledger.put_raw(samples::user().tenant_pk, PROGRAM, vec![13, 1, 2]);
    let view = read(&source(&ledger)).await.unwrap();
    assert_eq!(view.users.keys().copied().collect::<Vec<_>>(), [key(9)]);
    assert!(
        view.quarantined[&key(11)].reason.contains("publishers"),
        "{:?}",
        view.quarantined
    );
    assert!(
        view.quarantined[&samples::user().tenant_pk]
            .reason
            .contains("ends in owner"),
        "{:?}",
        view.quarantined
    );
    assert_eq!(view.devices.len(), 1);
}

#[tokio::test]
async fn a_user_list_of_another_program_is_refused_as_a_whole() {
    let ledger = connected().await;
    ledger.put_raw(
        key(11),
        Pubkey([1; 32]),
        encode(&user(UserType::MULTICAST).into()),
    );
    match read(&source(&ledger)).await.unwrap_err() {
        ReadError::Malformed(reason) => assert!(reason.contains("wrong program"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(ledger.methods().len(), 1, "not retried");
}

#[tokio::test]
async fn a_named_account_of_another_program_or_type_is_set_aside_alone() {
    let ledger = connected().await;
    ledger.put_raw(key(50), Pubkey([1; 32]), encode(&device().into()));
    let stranger = User {
        client_ip: Ipv4Addr::new(192, 0, 2, 77),
        ..samples::user()
    };
    ledger.put(samples::user().tenant_pk, &stranger.into());
    let view = read(&source(&ledger)).await.unwrap();
    assert_eq!(
        (view.users.len(), view.devices.len(), view.tenants.len()),
        (1, 0, 0)
    );
    assert!(view.quarantined[&key(50)].reason.contains("wrong program"));
    assert!(
        view.quarantined[&samples::user().tenant_pk]
            .reason
            .contains("it is a user")
    );
}

#[tokio::test]
async fn a_ledger_that_knows_nothing_of_the_program_is_no_proof_that_the_users_are_gone() {
    let ledger = FakeLedger::start().await;
    ledger.state().accounts.clear();
    let source = source(&ledger);
    assert!(
        matches!(read(&source).await, Err(ReadError::Malformed(reason)) if reason.contains("wrong program or ledger"))
    );
    assert_eq!(
        source.health().last_problem,
        Some(warren_state::ReadProblem::OtherProgram)
    );
}

#[tokio::test]
async fn a_missing_configuration_or_device_is_no_error_here() {
    let ledger = connected().await;
    ledger.state().accounts.remove(&config_key());
    ledger.state().accounts.remove(&key(50));
    let view = read(&source(&ledger)).await.unwrap();
    assert_eq!((view.users.len(), view.config, view.devices.len()), (1, None, 0));
}

#[tokio::test]
async fn an_answer_that_ignores_the_filters_brings_no_foreign_user_in() {
    let ledger = connected().await;
    ledger.put(
        key(10),
        &User {
            client_ip: Ipv4Addr::new(192, 0, 2, 77),
            ..samples::user()
        }
        .into(),
    );
    ledger.state().ignore_filters = true;
    let view = read(&source(&ledger)).await.unwrap();
    assert_eq!(view.users.keys().copied().collect::<Vec<_>>(), [key(9)]);
}
