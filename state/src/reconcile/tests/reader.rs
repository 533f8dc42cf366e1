//! The reconciler as a reader of the table.

use super::*;
use crate::{
    Epoch, NodeId, Sequence,
    address::{Chosen, Seen},
    guard::HoldReason,
    lifecycle::{Lifecycle, LifecycleSettings},
    table::{Bounds, Change, HostAddress, InForce, Step, Table, Tables},
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
    let mut reader = Reader::new(0, None, &Tables::default());
    assert_eq!(
        kinds(&reader.read(&table.since(reader.position()), None)),
        ["switch", "exclude", "owners", "tunnel"]
    );
    assert!(reader.read(&table.since(reader.position()), None).is_empty());
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
        kinds(&reader.read(&table.since(reader.position()), ROLE)),
        ["address", "view", "failed", "notice"]
    );
    assert!(reader.read(&table.since(reader.position()), ROLE).is_empty());
    table.append(
        10,
        vec![],
        vec![Change::Switch(Switch::Off), Change::Switch(Switch::On)],
    );
    assert!(
        reader.read(&table.since(reader.position()), ROLE).is_empty(),
        "it is a level"
    );
}

#[test]
fn a_provisioner_that_came_and_went_between_two_reads_has_ended_for_the_reader() {
    let mut table = table(vec![]);
    let mut reader = Reader::new(0, ROLE, &Tables::default());
    reader.read(&table.since(reader.position()), ROLE);
    table.append(8, vec![], vec![idle(1)]);
    table.append(8, vec![], vec![Change::TunnelGone(id(1))]);
    assert_eq!(
        kinds(&reader.read(&table.since(reader.position()), ROLE)),
        ["finished"]
    );
}

#[test]
fn a_view_of_another_client_is_not_read() {
    let table = table(vec![in_force(Role::Client {
        client_ip: Ipv4Addr::LOCALHOST,
    })]);
    let mut reader = Reader::new(0, ROLE, &Tables::default());
    assert!(!kinds(&reader.read(&table.since(reader.position()), ROLE)).contains(&"view"));
}

#[test]
fn what_the_reconciler_says_is_said_once_and_again_when_it_has_read_more() {
    let mut bench = Bench::client().running([]);
    let mut table = table(vec![Change::Switch(Switch::On)]);
    let mut reader = Reader::new(0, ROLE, &Tables::default());
    reader.read(&table.since(reader.position()), ROLE);
    let (told, said) = reader.part(&bench.machine, vec![]).beside;
    let [Change::Reconciler(reconciler)] = &said[..] else {
        panic!("{said:?}")
    };
    assert!(matches!(told[..], [Event::Converged { converged: true, .. }]));
    assert!(reconciler.converged && reconciler.inputs == table.tables().inputs);
    assert!(reader.part(&bench.machine, vec![]).beside == (vec![], vec![]));
    table.append(8, vec![], vec![Change::Noticed(Notice::Something)]);
    for input in reader.read(&table.since(reader.position()), ROLE) {
        bench.give(input);
    }
    let (_, said) = reader.part(&bench.machine, vec![]).beside;
    assert!(
        matches!(&said[..], [Change::Reconciler(reconciler)] if reconciler.inputs == table.tables().inputs)
    );
}

#[test]
fn a_reconciler_that_was_started_again_lets_idle_provisioners_go_that_it_has_no_use_for() {
    let bench = Bench::client().running([]);
    let table = table(vec![idle(1)]);
    let mut first = Reader::new(0, ROLE, &Tables::default());
    first.read(&table.since(first.position()), ROLE);
    assert!(
        first.orphans(&bench.machine).is_empty(),
        "nobody was here before it"
    );
    let mut second = Reader::new(1, ROLE, &Tables::default());
    second.read(&table.since(second.position()), ROLE);
    assert_eq!(second.orphans(&bench.machine), [id(1)]);
    assert!(second.orphans(&bench.machine).is_empty());
}

#[test]
fn a_read_that_is_held_is_nothing_to_the_reconciler() {
    let mut table = table(vec![Change::Switch(Switch::On)]);
    let mut reader = Reader::new(0, ROLE, &Tables::default());
    reader.read(&table.since(reader.position()), ROLE);
    let held = Change::Held(HoldReason::Emptied { before: 1 });
    assert!(!Reader::wants(&held));
    table.append(8, vec![], vec![held]);
    assert!(reader.read(&table.since(reader.position()), ROLE).is_empty());
}

/// A reconciler of a gateway, and the table that it reads and that it tells.
struct Daemon {
    machine: Reconciler,
    reader: Reader,
    table: Table,
    random: SplitMix64,
}

const MANY: u32 = 5_000;

fn key(number: u32) -> Pubkey {
    let mut key = [7; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    Pubkey(key)
}

/// All of these are refused, but for the activated ones.
fn out_of_credits(activated: &[u32]) -> AcceptedView {
    let status = |number| {
        if activated.contains(&number) {
            UserStatus::Activated
        } else {
            UserStatus::OutOfCredits
        }
    };
    let users = (0..MANY).map(|number| {
        let user = User {
            status: status(number),
            client_ip: Ipv4Addr::from(0x0a00_0000 + number),
            ..user(1)
        };
        (key(number), user)
    });
    let view = View {
        users: users.collect(),
        ..view([])
    };
    AcceptedView::new(Arc::new(view), Monotonic::ZERO)
}

impl Daemon {
    const ROLE: Role = Role::Gateway { device: DEVICE };

    fn start(start: u64, table: Table) -> Self {
        let role = Some(Self::ROLE);
        Self {
            machine: Reconciler::new(role, ReconcilerSettings::default(), Incarnation(1 << 32))
                .with_refused(&table.tables().refused),
            reader: Reader::new(start, role, table.tables()),
            table,
            random: SplitMix64::new(1),
        }
    }

    /// Appends these, and whatever else is to be read, tells what comes of it, and gives that.
    fn tell(&mut self, changes: Vec<Change>, others: Vec<Input>) -> Vec<Step> {
        self.table.append(7, vec![], changes);
        let read = self
            .reader
            .read(&self.table.since(self.reader.position()), Some(Self::ROLE));
        let effects = read.into_iter().chain(others).flat_map(|input| {
            let now = Monotonic::ZERO + Duration::from_secs(1);
            self.machine.handle(now, input, &mut self.random)
        });
        let effects = effects.collect();
        let Told { steps, beside, .. } = self.reader.part(&self.machine, effects);
        let steps: Vec<Step> = steps.into_iter().chain([beside]).collect();
        for (events, changes) in steps.clone() {
            self.table.append(8, events.clone(), changes);
            assert_eq!(self.table.tables().belied(&events), None);
        }
        let told = &self.table.tables().refused;
        assert!(told.iter().eq(self.machine.refused()), "all of them are told");
        steps
    }

    fn view(&mut self, activated: &[u32]) -> Vec<Step> {
        let in_force = InForce {
            role: Self::ROLE,
            accepted: out_of_credits(activated),
        };
        self.tell(vec![Change::View(Some(in_force))], vec![])
    }

    fn looks(&mut self) -> Vec<Step> {
        self.tell(vec![], vec![Input::Observed(Ok(Arc::default()))])
    }
}

/// Whose refusals these steps change, each with its event.
fn refusals(steps: &[Step]) -> Vec<Pubkey> {
    let mut users = vec![];
    for (events, changes) in steps {
        for change in changes {
            if let Change::Refused(user, refusal) = change {
                let told = refusal.is_some();
                let is_it = match &events[0] {
                    Event::Refused { user: told_of, .. } => told && told_of == user,
                    Event::RefusalOver { user: told_of, .. } => !told && told_of == user,
                    other => panic!("{other:?} tells of {user}"),
                };
                assert!(is_it, "{:?} tells of {user}", events[0]);
                users.push(*user);
            }
        }
    }
    users
}

#[test]
fn thousands_of_refusals_are_told_once_each_with_its_event_and_no_other_input_costs_their_number() {
    let table = Table::new(NodeId(1), Epoch(1), Bounds::of_events(20_000));
    let mut daemon = Daemon::start(0, table);
    daemon.tell(vec![Change::Switch(Switch::On)], vec![]);
    daemon.view(&[]);
    let first = daemon.looks();
    assert_eq!(refusals(&first).len(), MANY as usize);
    assert!(first.len() >= MANY as usize, "each is a step of its own");
    daemon.machine.entries.take_looked_at();
    for _ in 0..3 {
        let steps = daemon.tell(vec![Change::Noticed(Notice::Elsewhere)], vec![]);
        assert!(refusals(&steps).is_empty(), "{steps:?}");
        let weight: usize = daemon
            .table
            .changes_since(Sequence(daemon.table.position().sequence.0 - 1))
            .unwrap()
            .map(|entry| entry.weight())
            .sum();
        assert!(weight < 1_024, "a step of {weight} octets");
    }
    assert_eq!(daemon.machine.entries.take_looked_at(), 0);
    assert_eq!(refusals(&daemon.view(&[17])), [key(17)]);
    assert_eq!(refusals(&daemon.view(&[])), [key(17)], "and back");
}

#[test]
fn a_reconciler_that_was_started_again_tells_of_refusals_what_differs_and_nothing_else() {
    let table = Table::new(NodeId(1), Epoch(1), Bounds::of_events(20_000));
    let mut daemon = Daemon::start(0, table);
    daemon.tell(vec![Change::Switch(Switch::On)], vec![]);
    daemon.view(&[]);
    daemon.looks();
    let mut daemon = Daemon::start(1, daemon.table);
    let steps = daemon.tell(vec![], vec![]);
    assert!(refusals(&steps).is_empty(), "what it will find is not known yet");
    assert_eq!(daemon.table.tables().refused.len(), MANY as usize);
    daemon.view(&[17]);
    assert_eq!(refusals(&daemon.looks()), [key(17)]);
}
