//! What is known of a transaction that was sent.

use super::*;

#[test]
fn neither_success_nor_failure_is_told_before_it_is_settled() {
    for err in [None, Some(json!("AccountInUse"))] {
        let mut world = World {
            settled: false,
            err,
            ..World::new()
        };
        let (result, took) = run(&mut world, submission(20));
        assert!(matches!(result, Err(SendError::Unconfirmed { .. })), "{result:?}");
        assert_eq!(took, SECOND * 20);
    }
}

#[test]
fn an_answer_that_is_lost_makes_the_same_bytes_go_out_again_and_never_others() {
    let mut world = World::new();
    world
        .faults
        .extend([Fault::Fine, Fault::Fine, Fault::AnswerLost, Fault::Lost]);
    assert_eq!(run(&mut world, submission(60)).0.unwrap().signature, signature(1));
    assert_eq!((world.executed.len(), world.hashes), (1, 1));
}

#[test]
fn a_broadcast_that_is_lost_is_repeated_with_the_same_bytes() {
    let mut world = World {
        deaf: true,
        pace: 0,
        ..World::new()
    };
    let mut machine = submission(60);
    let mut now = Duration::ZERO;
    while world
        .log
        .iter()
        .filter(|line| line.starts_with("broadcast"))
        .count()
        < 3
    {
        match machine.step(now) {
            Step::Do(request) => {
                let outcome = world.answer(&request);
                machine.on_outcome(now, &request, outcome);
            }
            Step::Wait(until, _) => now = until,
            Step::Done(result) => panic!("{result:?}"),
        }
    }
    assert_eq!(now, SECOND * 4, "every two seconds");
    assert_eq!(world.broadcasts().len(), 1);
}

#[test]
fn another_transaction_is_made_only_when_the_first_is_proven_dead() {
    let mut world = World {
        deaf: true,
        pace: 20,
        ..World::new()
    };
    let (result, _) = run(&mut world, submission(600));
    assert_eq!(result, Err(SendError::Expired { attempts: 4 }));
    assert_eq!((world.broadcasts().len(), world.hashes), (4, 4));
    let positions = |line: &str| {
        world
            .log
            .iter()
            .enumerate()
            .filter(|(_, found)| *found == line)
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    for renewal in &positions("blockhash")[1..] {
        assert_eq!(world.log[renewal - 1], "history", "the proof comes right before");
    }
}

#[test]
fn a_node_that_is_behind_proves_nothing() {
    let mut world = World {
        deaf: true,
        pace: 20,
        status_lag: 1_000_000,
        ..World::new()
    };
    let (result, _) = run(&mut world, submission(300));
    assert!(matches!(result, Err(SendError::Unconfirmed { .. })), "{result:?}");
    assert_eq!(
        world.hashes, 1,
        "no second transaction while the first may have been carried out"
    );
}

#[test]
fn one_that_landed_in_its_last_block_is_found_by_the_proof_and_not_sent_again() {
    let mut world = World {
        pace: 20,
        status_lag: 300,
        ..World::new()
    };
    let (result, _) = run(&mut world, submission(300));
    assert_eq!(result.unwrap().signature, signature(1));
    assert_eq!((world.executed.len(), world.hashes), (1, 1));
    assert!(
        world.log.contains(&"history".to_owned()),
        "it was found only by the last look: {:?}",
        world.log
    );
}

#[test]
fn at_the_deadline_an_unknown_fate_is_said_to_be_unknown_and_nothing_sent_is_said_to_be_nothing() {
    let mut world = World {
        deaf: true,
        pace: 0,
        ..World::new()
    };
    let (result, took) = run(&mut world, submission(10));
    assert!(
        matches!(&result, Err(SendError::Unconfirmed { signature: found, .. }) if *found == signature(1)),
        "{result:?}"
    );
    assert_eq!(took, SECOND * 10);
    let mut world = World::new();
    world.faults.extend(vec![Fault::Lost; 100]);
    let (result, took) = run(&mut world, submission(10));
    assert!(
        matches!(&result, Err(SendError::Rpc(reason)) if reason.contains("connection reset")),
        "{result:?}"
    );
    assert!(took <= SECOND * 10 + Duration::from_millis(100));
    assert!(
        world.log.len() < 12,
        "requests that fail are spaced out: {:?}",
        world.log
    );
}
