use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use warren_state::{
    Pubkey, ServiceKind, Slot, View,
    view::{RawNet, User, UserStatus},
};

use super::*;
use crate::{Devices, InUse};

const HOUR: Duration = Duration::from_secs(3600);
const QUERY: Query = Query::Client(Ipv4Addr::new(192, 0, 2, 10));
const OTHER: Query = Query::Client(Ipv4Addr::new(192, 0, 2, 11));

/// What the ledger does when it is let.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    Answer,
    Fail,
    Panic,
}

/// A ledger that answers when it is let.
struct Gated {
    views: Semaphore,
    lists: Semaphore,
    /// What was asked, in order.
    asked: Mutex<Vec<String>>,
    /// Reads under way.
    under_way: AtomicUsize,
    act: Act,
    in_use: Mutex<InUse>,
}

impl Gated {
    fn new(act: Act) -> Self {
        let (views, lists) = (Semaphore::new(0), Semaphore::new(0));
        Self {
            views,
            lists,
            asked: Mutex::default(),
            under_way: AtomicUsize::new(0),
            act,
            in_use: Mutex::default(),
        }
    }

    /// The number of the read.
    async fn act(&self, question: impl Question, gate: &Semaphore) -> Result<u64, ReadError> {
        let number = {
            let mut asked = lock(&self.asked);
            asked.push(question.to_string());
            asked.len() as u64
        };
        self.under_way.fetch_add(1, SeqCst);
        let _leaves = Leaves(&self.under_way);
        gate.acquire().await.unwrap().forget();
        match self.act {
            Act::Answer => Ok(number),
            Act::Fail => Err(ReadError::Unavailable("down".into())),
            Act::Panic => panic!("as the test asked for"),
        }
    }

    fn reads(&self) -> usize {
        lock(&self.asked).len()
    }
}

struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

#[async_trait]
impl LedgerSource for Gated {
    async fn read(&self, query: &Query, _: Instant) -> Result<View, ReadError> {
        Ok(View {
            slot: Slot(self.act(*query, &self.views).await?),
            users: [(Pubkey([1; 32]), user())].into_iter().collect(),
            ..View::default()
        })
    }
    async fn devices(&self, _: Instant) -> Result<Devices, ReadError> {
        self.act(AllDevices, &self.lists).await.map(|_| Devices::new())
    }
    fn watch(&self, _: Query) -> mpsc::Receiver<()> {
        mpsc::channel(1).1
    }
    fn in_use(&self) -> InUse {
        lock(&self.in_use).clone()
    }
    fn health(&self) -> LedgerHealth {
        LedgerHealth::default()
    }
}

fn user() -> User {
    User {
        owner: Pubkey::default(),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: Pubkey([2; 32]),
        client_ip: Ipv4Addr::new(192, 0, 2, 10),
        dz_ip: Ipv4Addr::new(192, 0, 2, 10),
        tunnel_number: 500,
        tunnel_net: RawNet::default(),
        status: UserStatus::Activated,
        publishers: vec![],
        subscribers: vec![],
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    }
}

/// Nothing that was read grows old.
fn lasting() -> FetcherSettings {
    FetcherSettings {
        view_ttl: HOUR,
        devices_ttl: HOUR,
        failure_ttl: HOUR,
        ..FetcherSettings::default()
    }
}

fn fetcher(act: Act, settings: FetcherSettings) -> (Arc<Gated>, Fetcher) {
    let source = Arc::new(Gated::new(act));
    let fetcher = Fetcher::new(Arc::clone(&source) as Arc<dyn LedgerSource>, settings);
    (source, fetcher)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let late = soon();
    while !condition() {
        assert!(Instant::now() < late, "{what}: never");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_read_and_later_ones_the_cache_within_its_ttl() {
    let (source, fetcher) = fetcher(Act::Answer, lasting());
    source.views.add_permits(10);
    let all = futures_util::future::join_all((0..5).map(|_| fetcher.get(QUERY, soon()))).await;
    assert!(all.iter().all(|fetched| {
        fetched
            .as_ref()
            .is_ok_and(|fetched| fetched.value.slot == Slot(1))
    }));
    let cached = fetcher.clone().get(QUERY, soon()).await.unwrap();
    assert_eq!((cached.value.slot, source.reads()), (Slot(1), 1));
    assert!(cached.asked_at <= cached.read_at && cached.age() < HOUR);
    assert_eq!(
        fetcher.counts()[&Kind::View],
        Counts {
            hits: 5,
            reads: 1,
            failures: 0
        }
    );
}

#[tokio::test]
async fn past_its_ttl_an_answer_is_read_again_each_kind_after_its_own() {
    let settings = FetcherSettings {
        view_ttl: Duration::ZERO,
        ..lasting()
    };
    let (source, fetcher) = fetcher(Act::Answer, settings);
    source.views.add_permits(10);
    source.lists.add_permits(10);
    for slot in [1, 2] {
        assert_eq!(fetcher.get(QUERY, soon()).await.unwrap().value.slot, Slot(slot));
    }
    assert_eq!(fetcher.latest(QUERY).unwrap().value.slot, Slot(2));
    for _ in 0..2 {
        fetcher.get(AllDevices, soon()).await.unwrap();
    }
    assert_eq!(source.reads(), 3);
    assert_eq!(
        fetcher.counts()[&Kind::Devices],
        Counts {
            hits: 1,
            reads: 1,
            failures: 0
        }
    );
}

#[tokio::test]
async fn an_answer_shares_with_the_last_one_to_the_same_question_what_is_the_same() {
    let (source, fetcher) = fetcher(Act::Answer, lasting());
    source.views.add_permits(3);
    let mut answers = Vec::new();
    for query in [QUERY, QUERY, OTHER] {
        answers.push(fetcher.fresh(query, soon()).await.unwrap().value);
    }
    let slots: Vec<u64> = answers.iter().map(|view| view.slot.0).collect();
    assert_eq!(slots, [1, 2, 3]);
    assert!(answers[0].users.ptr_eq(&answers[1].users));
    assert!(!answers[0].users.ptr_eq(&answers[2].users));
}

#[tokio::test]
async fn different_questions_are_read_side_by_side_and_each_has_its_answer() {
    let (source, fetcher) = fetcher(Act::Answer, lasting());
    let spawn = |query: Query| {
        let fetcher = fetcher.clone();
        tokio::spawn(async move { fetcher.get(query, soon()).await.unwrap().value.slot })
    };
    let (one, other) = (spawn(QUERY), spawn(OTHER));
    until("both are read at once", || source.under_way.load(SeqCst) == 2).await;
    source.lists.add_permits(1);
    fetcher
        .get(AllDevices, soon())
        .await
        .expect("it waits for no view");
    source.views.add_permits(2);
    let slots = [one.await.unwrap(), other.await.unwrap()];
    assert_ne!(slots[0], slots[1]);
    assert_eq!(
        [fetcher.latest(QUERY), fetcher.latest(OTHER)].map(|known| known.unwrap().value.slot),
        slots
    );
    let questions: Vec<String> = fetcher.known().into_iter().map(|known| known.question).collect();
    assert_eq!(
        questions,
        [
            "users of the address 192.0.2.10",
            "users of the address 192.0.2.11",
            "all devices"
        ]
    );
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_stop_the_read_and_its_result_is_kept() {
    let (source, fetcher) = fetcher(Act::Answer, lasting());
    let error = fetcher
        .get(QUERY, Instant::now() + Duration::from_millis(50))
        .await
        .unwrap_err();
    assert_eq!(error, ReadError::Deadline);
    assert!(fetcher.latest(QUERY).is_none());
    source.views.add_permits(1);
    assert_eq!(fetcher.get(QUERY, soon()).await.unwrap().value.slot, Slot(1));
    assert_eq!(source.reads(), 1);
}

#[tokio::test]
async fn a_fresh_read_begins_after_the_call_even_while_another_is_under_way() {
    let (source, fetcher) = fetcher(Act::Answer, lasting());
    let spawn = |fresh: bool| {
        let fetcher = fetcher.clone();
        tokio::spawn(async move {
            if fresh {
                fetcher.fresh(QUERY, soon()).await
            } else {
                fetcher.get(QUERY, soon()).await
            }
        })
    };
    let first = spawn(false);
    until("it is read", || source.reads() == 1).await;
    let fresh = [spawn(true), spawn(true), spawn(true)];
    tokio::task::yield_now().await;
    source.views.add_permits(10);
    assert_eq!(first.await.unwrap().unwrap().value.slot, Slot(1));
    for fresh in fresh {
        assert_eq!(fresh.await.unwrap().unwrap().value.slot, Slot(2));
    }
    assert_eq!(source.reads(), 2);
}

#[tokio::test]
async fn a_failure_is_given_to_all_for_a_moment_and_then_tried_again() {
    let (source, during) = fetcher(Act::Fail, lasting());
    source.views.add_permits(10);
    for _ in 0..5 {
        assert_eq!(
            during.get(QUERY, soon()).await.unwrap_err(),
            ReadError::Unavailable("down".into())
        );
    }
    assert_eq!(
        (source.reads(), during.counts()[&Kind::View]),
        (
            1,
            Counts {
                hits: 4,
                reads: 1,
                failures: 1
            }
        )
    );
    let (source, after) = fetcher(
        Act::Fail,
        FetcherSettings {
            failure_ttl: Duration::ZERO,
            ..lasting()
        },
    );
    source.views.add_permits(10);
    assert!(after.get(QUERY, soon()).await.is_err() && after.get(QUERY, soon()).await.is_err());
    assert_eq!(source.reads(), 2);
}

#[tokio::test]
async fn a_read_that_panics_is_an_error_and_the_next_one_runs() {
    let (source, fetcher) = fetcher(Act::Panic, lasting());
    source.views.add_permits(10);
    assert_eq!(fetcher.get(QUERY, soon()).await.unwrap_err(), ReadError::Panicked);
    assert!(fetcher.fresh(QUERY, soon()).await.is_err());
    assert_eq!(source.reads(), 2);
}

#[tokio::test]
async fn a_ledger_that_ignores_its_deadline_holds_up_neither_the_next_read_nor_the_end() {
    let (_source, quick) = fetcher(
        Act::Answer,
        FetcherSettings {
            read_timeout: Duration::from_millis(10),
            ..lasting()
        },
    );
    for _ in 0..2 {
        assert_eq!(quick.fresh(QUERY, soon()).await.unwrap_err(), ReadError::Deadline);
    }
    let (source, patient) = fetcher(
        Act::Answer,
        FetcherSettings {
            read_timeout: HOUR,
            ..lasting()
        },
    );
    let clone = patient.clone();
    assert_eq!(
        patient
            .fresh(QUERY, Instant::now() + Duration::from_millis(10))
            .await
            .unwrap_err(),
        ReadError::Deadline
    );
    drop(patient);
    assert_eq!(
        source.under_way.load(SeqCst),
        1,
        "the read goes on while anybody has the fetcher"
    );
    drop(clone);
    until("the read ends with its fetcher", || {
        source.under_way.load(SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn another_endpoint_is_told_of_once_also_when_its_name_is_the_same() {
    let (source, fetcher) = fetcher(Act::Answer, lasting());
    assert_eq!(fetcher.rotation(), None);
    let endpoint = || "https://rpc.example.com".to_owned();
    for (number, detail) in [(1, Some("HTTP status 503".to_owned())), (0, None)] {
        *lock(&source.in_use) = InUse {
            number,
            endpoint: endpoint(),
            detail: detail.clone(),
        };
        let told = fetcher.rotation().unwrap();
        assert_eq!(
            (told.to, told.detail, fetcher.rotation()),
            (endpoint(), detail, None)
        );
    }
}
