//! The reconciler as a reader of the table.

use super::*;
use crate::{
    Epoch, NodeId,
    address::{Chosen, Seen},
    guard::HoldReason,
    lifecycle::{Lifecycle, LifecycleSettings},
    table::{Bounds, Change, HostAddress, InForce, Table},
};

const ROLE: Option<Role> = Some(Role::Client { client_ip: CLIENT });

fn table(changes: Vec<Change>) -> Table {
    let mut table = Table::new(NodeId(1), Epoch(1), Bounds::of_events(10));
    table.append(7, vec![], changes);
    table
}

fn idle(n: u8) -> Change {
    Change::Tunnel(
        Lifecycle::new(id(n), LifecycleSettings::default())
            .report()
            .into(),
    )
}

fn in_force(role: Role) -> Change {
    let accepted = AcceptedView::new(Arc::new(view([])), Monotonic::ZERO);
    Change::View(Some(InForce { role, accepted }))
}

fn kinds(inputs: &[Input]) -> Vec<&'static str> {
    inputs.iter().map(kind).collect()
}

fn kind(input: &Input) -> &'static str {
    match input {
        Input::Tunnel(_) => "tunnel",
        Input::ProvisionerEnded { finished: true, .. } => "finished",
        Input::ProvisionerEnded { finished: false, .. } => "failed",
        Input::Exclude(_) => "exclude",
        Input::Owners(_) => "owners",
        Input::Switch(_) => "switch",
        Input::ClientIp(_) => "address",
        Input::View(_) => "view",
        Input::Notice(_) => "notice",
        other => panic!("{other:?} is not read in the table"),
    }
}

#[test]
fn a_new_reader_learns_of_all_there_is_and_then_of_what_is_new() {
    let mut table = table(vec![
        idle(1),
        idle(2),
        Change::TunnelGone(id(2)),
        Change::Switch(Switch::On),
    ]);
    let mut reader = Reader::new(0, None, Arc::default());
    assert_eq!(
        kinds(&reader.read(table.tables().clone(), None)),
        ["tunnel", "exclude", "owners", "switch"]
    );
    assert!(reader.read(table.tables().clone(), None).is_empty());
    let found = HostAddress {
        in_force: Some(Chosen {
            address: CLIENT,
            seen: Seen::Host,
        }),
        ..HostAddress::default()
    };
    table.append(
        8,
        vec![],
        vec![Change::Address(Arc::new(found)), in_force(ROLE.unwrap())],
    );
    table.append(
        9,
        vec![],
        vec![Change::Noticed(Notice::Something), Change::TunnelDown(id(1))],
    );
    assert_eq!(
        kinds(&reader.read(table.tables().clone(), ROLE)),
        ["failed", "address", "view", "notice"]
    );
    assert!(reader.read(table.tables().clone(), ROLE).is_empty());
    table.append(
        10,
        vec![],
        vec![Change::Switch(Switch::Off), Change::Switch(Switch::On)],
    );
    assert!(
        reader.read(table.tables().clone(), ROLE).is_empty(),
        "it is a level"
    );
}

#[test]
fn a_provisioner_that_came_and_went_between_two_reads_has_ended_for_the_reader() {
    let mut table = table(vec![]);
    let mut reader = Reader::new(0, ROLE, Arc::default());
    reader.read(table.tables().clone(), ROLE);
    table.append(8, vec![], vec![idle(1)]);
    table.append(8, vec![], vec![Change::TunnelGone(id(1))]);
    assert_eq!(kinds(&reader.read(table.tables().clone(), ROLE)), ["finished"]);
}

#[test]
fn a_view_of_another_client_is_not_read() {
    let table = table(vec![in_force(Role::Client {
        client_ip: Ipv4Addr::LOCALHOST,
    })]);
    let mut reader = Reader::new(0, ROLE, Arc::default());
    assert!(!kinds(&reader.read(table.tables().clone(), ROLE)).contains(&"view"));
}

#[test]
fn what_the_reconciler_says_is_said_once_and_again_when_it_has_read_more() {
    let mut bench = Bench::client().running([]);
    let mut table = table(vec![Change::Switch(Switch::On)]);
    let mut reader = Reader::new(0, ROLE, Arc::default());
    reader.read(table.tables().clone(), ROLE);
    let (_, said) = reader.say(&bench.machine);
    let [Change::Reconciled(reconciled)] = &said[..] else {
        panic!("{said:?}")
    };
    assert!(reconciled.converged && reconciled.inputs == table.tables().inputs);
    assert!(reader.say(&bench.machine) == (vec![], vec![]));
    table.append(8, vec![], vec![Change::Noticed(Notice::Something)]);
    for input in reader.read(table.tables().clone(), ROLE) {
        bench.give(input);
    }
    let (_, said) = reader.say(&bench.machine);
    assert!(
        matches!(&said[..], [Change::Reconciled(reconciled)] if reconciled.inputs == table.tables().inputs)
    );
}

#[test]
fn a_reconciler_that_was_started_again_lets_idle_provisioners_go_that_it_has_no_use_for() {
    let bench = Bench::client().running([]);
    let table = table(vec![idle(1)]);
    let mut first = Reader::new(0, ROLE, Arc::default());
    first.read(table.tables().clone(), ROLE);
    assert!(
        first.orphans(&bench.machine).is_empty(),
        "nobody was here before it"
    );
    let mut second = Reader::new(1, ROLE, Arc::default());
    second.read(table.tables().clone(), ROLE);
    assert_eq!(second.orphans(&bench.machine), [id(1)]);
    assert!(second.orphans(&bench.machine).is_empty());
}

#[test]
fn a_read_that_is_held_is_nothing_to_the_reconciler() {
    let mut table = table(vec![Change::Switch(Switch::On)]);
    let mut reader = Reader::new(0, ROLE, Arc::default());
    reader.read(table.tables().clone(), ROLE);
    let held = Change::Held(HoldReason::Emptied { before: 1 });
    assert!(!Reader::wants(&held));
    table.append(8, vec![], vec![held]);
    assert!(reader.read(table.tables().clone(), ROLE).is_empty());
}
