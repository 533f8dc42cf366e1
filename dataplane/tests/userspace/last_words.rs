//! What a host has sent before its tunnel goes, or goes elsewhere, still arrives.

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use libtest_mimic::Trial;
use nix::{
    net::if_::if_nametoindex,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use warren_dataplane::{
    Dataplane, Removal,
    kernel::{KernelDataplane, LinkMaker},
    userspace::{self, UserspaceLinks},
};
use warren_state::{
    Action, Address, AddressScope, Incarnation, LinkAction, LinkSpec, PlannedStep, Pubkey, Route,
    RouteProtocol, TableId, TunnelId,
};

use crate::{
    lab::{A, B, Host, INNER_A, INNER_B, Lab, PATIENCE, eventually, spec, within},
    trial,
};

const TUNNEL: TunnelId = TunnelId(Pubkey([7; 32]));
const PORT: u16 = 5_765;
const WORDS: u8 = 5;

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "what_was_sent_before_a_removal_arrives_however_late_the_forwarder_is",
            removal,
        ),
        trial(
            "what_was_sent_before_a_tunnel_is_moved_goes_to_the_peer_that_it_had",
            move_away,
        ),
        trial("a_forwarder_that_hangs_keeps_no_link", hung),
    ]
}

/// A process that does not run. Dropping it lets it go on.
struct Stopped(Pid);

impl Stopped {
    fn forwarder_of(host: &Host) -> Self {
        let pid = Pid::from_raw(host.forwarder().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGCONT);
    }
}

fn removal() {
    let lab = Lab::routed();
    let (a, b) = (lab.host("a"), lab.host("b"));
    b.tunnel(B, A, INNER_B, INNER_A);
    let listener = listen(&b);
    let report = a.run(async {
        let dataplane = built(&a).await;
        let stopped = Stopped::forwarder_of(&a);
        speak();
        let removal = remove(&dataplane);
        for _ in 0..30 {
            assert!(exists(), "the link went with what the forwarder has not read");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(stopped);
        removal.await.unwrap()
    });
    assert_eq!(
        (report.removed, report.failed.len()),
        (3, 0),
        "the link, its address and its route: {report:?}"
    );
    assert_eq!(heard(&listener), (0..WORDS).collect::<Vec<_>>());
    eventually("the link is gone", || !within(&a.namespace, exists));
}

fn move_away() {
    let lab = Lab::routed();
    let (a, b) = lab.connected();
    let listener = listen(&b);
    let elsewhere = LinkSpec {
        remote: Ipv4Addr::new(10, 9, 9, 9),
        ..spec("gt0", A, B)
    };
    a.run(async {
        let stopped = Stopped::forwarder_of(&a);
        speak();
        let change = a.links.change(&elsewhere);
        let (outcome, ()) = tokio::join!(change, async { drop(stopped) });
        outcome.unwrap();
    });
    assert_eq!(heard(&listener), (0..WORDS).collect::<Vec<_>>());
}

fn hung() {
    let lab = Lab::routed();
    let a = lab.host("a");
    a.run(async {
        let dataplane = built(&a).await;
        let stopped = Stopped::forwarder_of(&a);
        speak();
        let removal = remove(&dataplane);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while exists() {
            assert!(
                tokio::time::Instant::now() < deadline,
                "a forwarder that hangs keeps the link"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drop(stopped);
        assert_eq!(removal.await.unwrap().failed, []);
    });
}

type Userspace = Arc<KernelDataplane<UserspaceLinks>>;

/// The daemon's dataplane on the host, with the tunnel `gt0`.
async fn built(host: &Host) -> Userspace {
    let dataplane = Arc::new(KernelDataplane::new(userspace::open(host.settings.clone()).unwrap()).unwrap());
    let spec = spec("gt0", A, B);
    let address = Address {
        address: INNER_A,
        prefix_len: 31,
        scope: AddressScope::Universe,
    };
    let via = Ipv4Addr::new(192, 168, 9, 0);
    let route = Route {
        table: TableId::MAIN,
        dst: INNER_B.into(),
        via,
        source: Some(INNER_A),
        protocol: RouteProtocol::Bgp,
    };
    let actions = [
        Action::Link(LinkAction::Create {
            spec: spec.clone(),
            incarnation: Incarnation(1),
        }),
        Action::put(address),
        Action::put(route),
    ];
    let steps: Vec<_> = actions
        .map(|action| PlannedStep {
            tunnel: TUNNEL,
            link: spec.name.clone(),
            action,
        })
        .into();
    for (step, outcome) in steps.iter().zip(dataplane.apply(steps.clone()).await) {
        assert!(!outcome.stops(step), "{step}: {outcome:?}");
    }
    dataplane
}

fn remove(dataplane: &Userspace) -> tokio::task::JoinHandle<warren_state::RemovalReport> {
    let dataplane = Arc::clone(dataplane);
    let removal = Removal::Tunnel {
        tunnel: TUNNEL,
        rules: Default::default(),
    };
    tokio::spawn(async move { dataplane.remove(removal).await })
}

fn listen(host: &Host) -> UdpSocket {
    let listener = within(&host.namespace, || UdpSocket::bind((INNER_B, PORT)).unwrap());
    listener.set_read_timeout(Some(PATIENCE)).unwrap();
    listener
}

/// Sends some datagrams from the namespace of the calling thread.
fn speak() {
    let socket = UdpSocket::bind((INNER_A, 0)).unwrap();
    for word in 0..WORDS {
        assert_eq!(socket.send_to(&[word], (INNER_B, PORT)).unwrap(), 1);
    }
}

fn heard(listener: &UdpSocket) -> Vec<u8> {
    let one = || {
        let mut word = [0];
        listener
            .recv(&mut word)
            .expect("every word that was sent before arrives");
        word[0]
    };
    (0..WORDS).map(|_| one()).collect()
}

/// Whether the namespace of the calling thread has the link.
fn exists() -> bool {
    if_nametoindex("gt0").is_ok()
}
