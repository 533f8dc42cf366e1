//! A ledger that does what the test says.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use warren_ledger::{InUse, LedgerHealth, LedgerSource, Query, ReadError, accounts};
use warren_state::{
    Asn, Pubkey, ServiceKind, Slot, View,
    view::{Device, GlobalConfig, RawIp, RawNet, User, UserStatus},
};

pub const CLIENT_IP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
pub const DEVICE: Pubkey = Pubkey([200; 32]);
pub const DEVICE_IP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// What a read gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    View,
    Failure,
    /// A view, once the test lets it pass.
    Gate,
    Hang,
    Panic,
}

pub struct ScriptedLedger {
    view: Mutex<View>,
    answer: Mutex<Answer>,
    watchers: Mutex<Vec<mpsc::Sender<()>>>,
    /// The list of devices, which no view holds.
    pub devices: Mutex<BTreeMap<Pubkey, accounts::Device>>,
    pub list_answer: Mutex<Answer>,
    pub reads: AtomicU64,
    /// Reads of the list of devices.
    pub lists: AtomicU64,
    /// What may pass.
    pub gate: Semaphore,
    pub in_use: Mutex<InUse>,
    /// What it says of itself, but for how often it was read.
    pub health: Mutex<LedgerHealth>,
}

impl ScriptedLedger {
    /// A ledger with a device and the configuration, and no users.
    pub fn new() -> Self {
        let device = Device {
            code: "dz1".to_owned(),
            exchange: Pubkey::default(),
            public_ip: DEVICE_IP,
            status: 1,
            prefixes: Vec::new(),
        };
        let view = View {
            slot: Slot(100),
            devices: BTreeMap::from([(DEVICE, device)]),
            config: Some(GlobalConfig {
                local_asn: Asn(0),
                remote_asn: Asn(0),
            }),
            ..View::default()
        };
        Self {
            view: Mutex::new(view),
            answer: Mutex::new(Answer::View),
            watchers: Mutex::default(),
            devices: Mutex::default(),
            list_answer: Mutex::new(Answer::View),
            reads: AtomicU64::new(0),
            lists: AtomicU64::new(0),
            gate: Semaphore::new(0),
            in_use: Mutex::default(),
            health: Mutex::default(),
        }
    }

    /// Changes accounts at a new slot, and wakes who watches.
    pub fn edit(&self, edit: impl FnOnce(&mut View)) {
        {
            let mut view = self.view.lock().unwrap();
            edit(&mut view);
            view.slot.0 += 1;
        }
        self.wake();
    }

    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
        self.wake();
    }

    pub fn wake(&self) {
        self.watchers
            .lock()
            .unwrap()
            .retain(|watcher| !matches!(watcher.try_send(()), Err(mpsc::error::TrySendError::Closed(()))));
    }

    async fn answered<T>(&self, answer: Answer, right: impl FnOnce() -> T) -> Result<T, ReadError> {
        match answer {
            Answer::View => Ok(right()),
            Answer::Failure => Err(ReadError::Unavailable("connection refused".to_owned())),
            Answer::Gate => {
                self.gate.acquire().await.expect("it is never closed").forget();
                Ok(right())
            }
            Answer::Hang => std::future::pending().await,
            Answer::Panic => panic!("the test asked for this"),
        }
    }

    pub fn add_user(&self, number: u16) {
        self.edit(|view| {
            view.users.insert(user_key(number), user(number));
        });
    }

    pub fn set_status(&self, number: u16, status: UserStatus) {
        self.edit(|view| {
            view.users
                .get_mut(&user_key(number))
                .expect("there is such a user")
                .status = status
        });
    }
}

#[async_trait]
impl LedgerSource for ScriptedLedger {
    async fn read(&self, query: &Query, _deadline: Instant) -> Result<View, ReadError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let answer = *self.answer.lock().unwrap();
        self.answered(answer, || {
            let mut view = self.view.lock().unwrap().clone();
            view.retain_users(|(_, user)| match query {
                Query::Client(client_ip) => user.client_ip == *client_ip,
                Query::Gateway(device) => user.device == *device,
            });
            view
        })
        .await
    }

    async fn devices(&self, _deadline: Instant) -> Result<BTreeMap<Pubkey, accounts::Device>, ReadError> {
        self.lists.fetch_add(1, Ordering::SeqCst);
        let answer = *self.list_answer.lock().unwrap();
        self.answered(answer, || self.devices.lock().unwrap().clone())
            .await
    }

    fn watch(&self, _query: Query) -> mpsc::Receiver<()> {
        let (watcher, wake_ups) = mpsc::channel(1);
        self.watchers.lock().unwrap().push(watcher);
        wake_ups
    }

    fn in_use(&self) -> InUse {
        self.in_use.lock().unwrap().clone()
    }

    fn health(&self) -> LedgerHealth {
        LedgerHealth {
            reads_ok: self.reads.load(Ordering::SeqCst),
            ..self.health.lock().unwrap().clone()
        }
    }
}

pub fn user_key(number: u16) -> Pubkey {
    let mut key = [1; 32];
    key[..2].copy_from_slice(&number.to_be_bytes());
    Pubkey(key)
}

/// User 0 is this host's; the others are other hosts of the same device.
pub fn user(number: u16) -> User {
    let [high, low] = number.to_be_bytes();
    let client_ip = if number == 0 {
        CLIENT_IP
    } else {
        Ipv4Addr::new(20, 0, high, low)
    };
    let overlay = Ipv4Addr::from(u32::from(Ipv4Addr::new(169, 254, 0, 2)) + u32::from(number) * 2);
    User {
        owner: Pubkey([9; 32]),
        kind: Ok(ServiceKind::Ibrl),
        tenant: Pubkey::default(),
        device: DEVICE,
        client_ip,
        dz_ip: client_ip,
        tunnel_number: 500 + number,
        tunnel_net: RawNet {
            address: RawIp(overlay),
            prefix_len: 31,
        },
        status: UserStatus::Activated,
        publishers: Vec::new(),
        subscribers: Vec::new(),
        tunnel_endpoint: Ipv4Addr::UNSPECIFIED,
    }
}
