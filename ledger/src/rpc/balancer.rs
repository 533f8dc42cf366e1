//! Reading through a balancer, as a property: any nodes, any lags, any rotation.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use proptest::prelude::*;
use serde_json::Value;
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client::{
    rpc_client::RpcClientConfig,
    rpc_sender::{RpcSender, RpcTransportStats},
};
use solana_rpc_client_api::{
    client_error::{AnyhowError, Error as ClientError, ErrorKind},
    request::RpcRequest,
};
use warren_state::{
    Monotonic, Pubkey, View,
    guard::{GuardSettings, HoldReason, Verdict, ViewGuard},
};

use super::{
    accounts::Accounts,
    dialect::Dialect,
    failure::Failure,
    read::{Hints, Reading},
    sender::without_nulls,
};
use crate::{
    Query,
    accounts::{Device, User, UserType, encode, samples, samples::key},
    testing::{CLIENT_IP, PROGRAM, Quirks, State, answer, config_key, device, user},
};

const POLL: Duration = Duration::from_secs(10);
const SLOT: Duration = Duration::from_millis(400);
const SPAN: Duration = Duration::from_secs(200);
const FIRST_SLOT: u64 = 100_000;
/// A read takes this long at most, with the waits for a node that lags.
const SLACK: Duration = Duration::from_secs(4);

/// What happens on the ledger, by slots after the first, and who answers.
#[derive(Clone, Debug)]
struct Course {
    /// Users that come and, perhaps, go again.
    users: Vec<(u64, Option<u64>)>,
    /// When the device gets another address.
    moves: Vec<u64>,
    /// How many slots each node is behind.
    lags: Vec<u64>,
    /// Which node answers which request; it starts over at its end.
    rotation: Vec<usize>,
    odd: Quirks,
}

fn course(longest_lag: u64) -> impl Strategy<Value = Course> {
    let slots = u64::try_from(SPAN.as_millis() / SLOT.as_millis()).unwrap();
    let user = (0..slots, proptest::option::of(1..slots))
        .prop_map(|(from, life)| (from, life.map(|life| from + life)));
    let odd = (any::<bool>(), any::<bool>()).prop_map(|(no_min_slot, no_context)| Quirks {
        no_min_slot,
        no_context,
        ..Quirks::default()
    });
    let nodes = proptest::collection::vec(0..=longest_lag, 1..5);
    let parts = (
        proptest::collection::vec(user, 2),
        proptest::collection::vec(0..slots, 0..6),
        nodes,
        proptest::collection::vec(0..5_usize, 1..40),
        odd,
    );
    parts.prop_map(|(users, moves, lags, rotation, odd)| Course {
        users,
        moves,
        lags,
        rotation,
        odd,
    })
}

/// Nodes behind one address.
struct Nodes {
    course: Course,
    /// Milliseconds that have passed: the test's own time.
    time: AtomicU64,
    asked: AtomicUsize,
}

impl Nodes {
    fn now(&self) -> Duration {
        Duration::from_millis(self.time.load(SeqCst))
    }

    fn pass(&self, time: Duration) {
        self.time
            .fetch_add(u64::try_from(time.as_millis()).unwrap(), SeqCst);
    }

    fn head(&self) -> u64 {
        FIRST_SLOT + u64::try_from(self.now().as_millis() / SLOT.as_millis()).unwrap()
    }

    /// The ledger at a slot.
    fn at(&self, slot: u64) -> State {
        let after = slot.saturating_sub(FIRST_SLOT);
        let mut state = State {
            slot,
            odd: self.course.odd,
            ..State::default()
        };
        let mut put = |pubkey: Pubkey, account| state.accounts.insert(pubkey, (PROGRAM, encode(&account)));
        put(config_key(), samples::global_config().into());
        put(device().exchange_pk, samples::exchange().into());
        put(samples::user().tenant_pk, samples::tenant().into());
        let moves = self.course.moves.iter().filter(|at| **at <= after).count();
        put(
            key(50),
            Device {
                public_ip: Ipv4Addr::new(203, 0, 113, u8::try_from(moves).unwrap()),
                ..device()
            }
            .into(),
        );
        // Some that stay, so that losing one does not count as a mass removal.
        for n in 20..24 {
            put(key(n), user(UserType::IBRL).into());
        }
        for (n, (from, to)) in (30..).zip(&self.course.users) {
            if *from <= after && to.is_none_or(|to| after < to) {
                put(
                    key(n),
                    User {
                        client_ip: CLIENT_IP,
                        ..user(UserType::IBRL)
                    }
                    .into(),
                );
            }
        }
        state
    }
}

/// One way to all of them.
struct Balancer(Arc<Nodes>);

#[async_trait]
impl RpcSender for Balancer {
    async fn send(&self, request: RpcRequest, params: Value) -> Result<Value, ClientError> {
        let (nodes, course) = (&self.0, &self.0.course);
        nodes.pass(Duration::from_millis(150));
        let asked = nodes.asked.fetch_add(1, SeqCst);
        let node = course.rotation[asked % course.rotation.len()] % course.lags.len();
        let state = nodes.at(nodes.head() - course.lags[node]);
        let mut answer = answer(&state, &request.build_request_json(1, without_nulls(params)));
        match answer["error"]["code"].as_i64() {
            None => Ok(answer["result"].take()),
            Some(code) => {
                let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
                Err(ErrorKind::Middleware(AnyhowError::new(Failure::Rpc { code, message })).into())
            }
        }
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        String::new()
    }
}

/// Reads by timer, through the guard.
async fn live(course: &Course) -> Result<(), TestCaseError> {
    let nodes = Arc::new(Nodes {
        course: course.clone(),
        time: AtomicU64::new(0),
        asked: AtomicUsize::new(0),
    });
    let client = RpcClient::new_sender(Balancer(Arc::clone(&nodes)), RpcClientConfig::default());
    let (dialect, mut hints) = (Dialect::default(), Hints::default());
    let mut guard = ViewGuard::new(GuardSettings::default(), None);
    let longest = SLOT * u32::try_from(course.lags.iter().copied().max().unwrap_or(0)).unwrap();
    let allowed = longest.max(POLL) + POLL + SLACK;
    while nodes.now() < SPAN {
        let accounts = Accounts {
            client: &client,
            fresh: &client,
            dialect: &dialect,
            program: PROGRAM,
            commitment: Default::default(),
            limit: 1 << 20,
            first_wait: Duration::from_micros(1),
        };
        let reading = Reading {
            accounts,
            endpoint: 0,
            hints: hints.clone(),
        };
        let read = reading
            .view(&Query::Client(CLIENT_IP))
            .await
            .map_err(|failure| TestCaseError::fail(failure.to_string()))?;
        hints.learn(&read.view);
        let before = guard.in_force().map(|accepted| Arc::clone(&accepted.view));
        let now = Monotonic::from_elapsed(nodes.now());
        let verdict = guard.offer(now, Ok(read.view));
        match (&verdict, before) {
            (Verdict::Accept(accepted), Some(before)) => takes_nothing_back(&nodes, &before, &accepted.view)?,
            (Verdict::Accept(_), None)
            | (
                Verdict::Hold(HoldReason::SlotWentBack { .. })
                | Verdict::Confirm(HoldReason::SameSlot { .. }),
                _,
            ) => {}
            (other, _) => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
        let age = guard
            .in_force()
            .map(|accepted| now.since(accepted.read_at))
            .unwrap_or_default();
        prop_assert!(age <= allowed, "the view in force is {age:?} old, of {allowed:?}");
        nodes.pass(POLL);
    }
    Ok(())
}

/// A user that is gone is gone from the ledger, and what was newer is not undone.
fn takes_nothing_back(nodes: &Nodes, before: &View, after: &View) -> Result<(), TestCaseError> {
    let head = nodes.head() - FIRST_SLOT;
    for (n, (_, to)) in (30..).zip(&nodes.course.users) {
        let gone = before.users.contains_key(&key(n)) && !after.users.contains_key(&key(n));
        prop_assert!(
            !gone || to.is_some_and(|to| to <= head),
            "user {n} is there, and was taken away"
        );
        let back = !before.users.contains_key(&key(n)) && after.users.contains_key(&key(n));
        let never_again = to.is_some_and(|to| to + FIRST_SLOT <= before.provenance().users.lowest.0);
        prop_assert!(
            !(back && never_again),
            "user {n} was seen to be gone, and came back"
        );
    }
    let moves = |view: &View| view.devices[&key(50)].public_ip;
    prop_assert!(
        moves(before) <= moves(after),
        "the device went back from {} to {}",
        moves(before),
        moves(after)
    );
    Ok(())
}

fn in_its_own_time(course: &Course) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(live(course))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With lags up to the poll interval, the view in force is never older than two of them.
    #[test]
    fn over_any_nodes_lags_and_rotation_a_view_comes_into_force_within_two_poll_intervals(course in course(25)) {
        in_its_own_time(&course)?;
    }

    #[test]
    fn longer_lags_make_the_view_older_by_as_much_and_take_nothing_away_wrongly(course in course(120)) {
        in_its_own_time(&course)?;
    }
}
