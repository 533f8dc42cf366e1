use super::*;

#[test]
fn only_the_reply_to_an_echo_of_ours_from_its_target_counts_and_only_once() {
    let mut random = SplitMix64::new(7);
    let mut prober = Prober::new(settings());
    prober.handle(at(0), Input::Identifier(IDENTIFIER), &mut random);
    prober.handle(at(0), Input::Targets(vec![target(1)]), &mut random);
    let due = prober.poll_timeout().unwrap().at;
    let Some(Output::Send { message, .. }) =
        prober.handle(due, Input::Timeout, &mut random).into_iter().next()
    else {
        panic!()
    };
    let sent = Echo::from_request(&message).unwrap();
    let mut hear = |source: u16, bytes: &[u8]| {
        let before = prober.counters().clone();
        prober.handle(
            due + ms(10),
            Input::Received {
                source: address(source),
                at: due + ms(10),
                bytes: bytes.into(),
            },
            &mut random,
        );
        let after = prober.counters();
        let reason = Drop::ALL
            .into_iter()
            .find(|reason| after.dropped.get(reason) != before.dropped.get(reason));
        assert_eq!(after.received - before.received, u64::from(reason.is_none()));
        reason
    };
    let mut damaged = sent.reply();
    damaged[40] ^= 1;
    let mut nonce = sent.nonce;
    nonce[15] ^= 1;
    for (source, bytes, reason) in [
        (1, sent.request().to_vec(), Drop::NotOurs),
        (1, sent.reply()[..63].to_vec(), Drop::NotOurs),
        (1, vec![], Drop::NotOurs),
        (1, damaged.to_vec(), Drop::Damaged),
        (
            1,
            Echo {
                identifier: IDENTIFIER + 1,
                ..sent
            }
            .reply()
            .to_vec(),
            Drop::OtherIdentifier,
        ),
        (
            1,
            Echo {
                sequence: sent.sequence + 1,
                ..sent
            }
            .reply()
            .to_vec(),
            Drop::NotUnderWay,
        ),
        (2, sent.reply().to_vec(), Drop::OtherSource),
        (1, Echo { nonce, ..sent }.reply().to_vec(), Drop::OtherPayload),
    ] {
        assert_eq!(hear(source, &bytes), Some(reason));
    }
    assert_eq!(hear(1, &sent.reply()), None);
    assert_eq!(hear(1, &sent.reply()), Some(Drop::NotUnderWay), "a duplicate");
}

#[test]
fn a_reply_that_comes_too_late_is_a_loss_whenever_we_hear_of_it() {
    let mut world = World::new(settings()).answers(1, 1_501);
    world.list([1]);
    world.run_for(ms(10_000));
    let latest = *world.report(1).latest().unwrap();
    assert_eq!((latest.sent, latest.received), (3, 0));
    assert_eq!(world.prober.counters().dropped.get(&Drop::NotUnderWay), Some(&3));
}

#[test]
fn the_time_of_a_reply_is_that_of_its_arrival_and_not_that_of_our_reading() {
    let mut random = SplitMix64::new(1);
    let mut prober = Prober::new(LatencySettings {
        echoes: 1,
        ..settings()
    });
    prober.handle(at(0), Input::Targets(vec![target(1)]), &mut random);
    let due = prober.poll_timeout().unwrap().at;
    let Some(Output::Send { message, .. }) =
        prober.handle(due, Input::Timeout, &mut random).into_iter().next()
    else {
        panic!()
    };
    let reply = Echo::from_request(&message).unwrap().reply();
    prober.handle(
        due + ms(900),
        Input::Received {
            source: address(1),
            at: due + ms(3),
            bytes: (&reply).into(),
        },
        &mut random,
    );
    assert_eq!(prober.reports().next().unwrap().latest().unwrap().avg, ms(3));
}

#[test]
fn an_echo_that_cannot_be_sent_is_lost_at_once() {
    let mut random = SplitMix64::new(1);
    let mut prober = Prober::new(LatencySettings {
        echoes: 1,
        ..settings()
    });
    prober.handle(at(0), Input::Targets(vec![target(1)]), &mut random);
    let due = prober.poll_timeout().unwrap().at;
    let Some(Output::Send { sequence, .. }) =
        prober.handle(due, Input::Timeout, &mut random).into_iter().next()
    else {
        panic!()
    };
    let outputs = prober.handle(due, Input::NotSent { sequence }, &mut random);
    assert_eq!(outputs, [Output::Measured, Output::PassEnded]);
    assert_eq!(
        (prober.counters().not_sent, prober.last_pass().unwrap().reachable),
        (1, 0)
    );
}
