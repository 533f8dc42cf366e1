//! TCP between a session and its peer: in order, and only while the tunnel carries it. What is sent while it does not
//! waits, as retransmission would have it.

use std::{collections::VecDeque, net::Ipv4Addr, time::Duration};

use warren_protocols::bgp::{ConnectionNumber, Input};
use warren_state::{TunnelId, view::UserStatus};

use crate::{
    ledger::{peer_address, user_key},
    peer::Act,
    script::USERS,
    world::{Direction, Happening, World},
};

pub(crate) struct Flow {
    tunnel: TunnelId,
    number: ConnectionNumber,
    peer: Ipv4Addr,
    local: Ipv4Addr,
    tries: u32,
    connected: bool,
    host_open: bool,
    peer_open: bool,
    to_peer: VecDeque<Segment>,
    to_host: VecDeque<Segment>,
}

enum Segment {
    Bytes(Vec<u8>),
    End,
}

const RETRANSMIT: Duration = Duration::from_millis(400);
/// A kernel gives a connection up some time after nothing is acknowledged any more.
const MOST_TRIES: u32 = 60;

impl World {
    pub(crate) fn flows_of_host(&self) -> Vec<u64> {
        self.flows
            .iter()
            .filter(|(_, flow)| flow.host_open)
            .map(|(id, _)| *id)
            .collect()
    }

    pub(crate) fn connect(&mut self, tunnel: TunnelId, number: ConnectionNumber) {
        let id = self.id();
        let Some(session) = self.provisioner_mut(tunnel).and_then(|one| one.session.as_mut()) else {
            return;
        };
        session.flow = Some(id);
        let flow = Flow {
            tunnel,
            number,
            peer: session.spec.peer_address,
            local: session.spec.local_address,
            tries: 0,
            connected: false,
            host_open: true,
            peer_open: false,
            to_peer: VecDeque::new(),
            to_host: VecDeque::new(),
        };
        self.flows.insert(id, flow);
        let wait = self.chance.millis(1, 60);
        self.after(wait, Happening::Connecting(id));
    }

    pub(crate) fn connecting(&mut self, id: u64) {
        let now = self.now;
        let Some(flow) = self
            .flows
            .get_mut(&id)
            .filter(|flow| flow.host_open && !flow.connected)
        else {
            return;
        };
        flow.tries += 1;
        let (tunnel, number, peer, tries) = (flow.tunnel, flow.number, flow.peer, flow.tries);
        if !self.path(id) {
            if tries > 20 {
                self.end_for_host(id, Input::ConnectFailed(number, "no route to host".into()));
            } else {
                self.after(RETRANSMIT, Happening::Connecting(id));
            }
            return;
        }
        match self.peers.get_mut(&peer).filter(|peer| peer.alive) {
            Some(peer) => {
                peer.accept(now, id);
                if let Some(flow) = self.flows.get_mut(&id) {
                    flow.connected = true;
                    flow.peer_open = true;
                }
                self.tell_session_of(id, tunnel, Input::Connected(number));
            }
            None => self.end_for_host(id, Input::ConnectFailed(number, "connection refused".into())),
        }
    }

    fn end_for_host(&mut self, id: u64, input: Input<'_>) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.host_open = false;
            let tunnel = flow.tunnel;
            self.tell_session_of(id, tunnel, input);
        }
        self.flows.retain(|_, flow| flow.host_open || flow.peer_open);
    }

    /// Only the session that owns the connection hears of it.
    fn tell_session_of(&mut self, id: u64, tunnel: TunnelId, input: Input<'_>) {
        let session = self.provisioner(tunnel).and_then(|one| one.session.as_ref());
        if session.is_some_and(|session| session.flow == Some(id)) {
            self.tell_session(tunnel, input);
        }
    }

    pub(crate) fn host_sends(&mut self, tunnel: TunnelId, bytes: Vec<u8>) {
        let flow = self
            .provisioner(tunnel)
            .and_then(|one| one.session.as_ref()?.flow);
        if let Some(id) = flow {
            self.enqueue(id, Direction::ToPeer, Segment::Bytes(bytes));
        }
    }

    pub(crate) fn host_closes(&mut self, id: u64) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.host_open = false;
            if flow.peer_open {
                self.enqueue(id, Direction::ToPeer, Segment::End);
            } else {
                self.flows.remove(&id);
            }
        }
    }

    pub(crate) fn peer_closes(&mut self, id: u64) {
        if let Some(flow) = self.flows.get_mut(&id) {
            flow.peer_open = false;
            self.enqueue(id, Direction::ToHost, Segment::End);
        }
    }

    pub(crate) fn peer_sends(&mut self, id: u64, bytes: Vec<u8>) {
        self.enqueue(id, Direction::ToHost, Segment::Bytes(bytes));
    }

    pub(crate) fn carry_out_acts(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Send(flow, bytes) => self.peer_sends(flow, bytes),
                Act::Close(flow) => self.peer_closes(flow),
            }
        }
    }

    fn enqueue(&mut self, id: u64, direction: Direction, segment: Segment) {
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        let queue = flow.queue(direction);
        queue.push_back(segment);
        if queue.len() == 1 {
            flow.tries = 0;
            let wait = self.chance.millis(0, 20);
            self.after(wait, Happening::Flow(id, direction));
        }
    }

    /// The first segment arrives, or is sent again later.
    pub(crate) fn flow(&mut self, id: u64, direction: Direction) {
        let path = self.path(id);
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        if !path {
            flow.tries += 1;
            if flow.tries > MOST_TRIES {
                let (number, peer) = (flow.number, flow.peer);
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.gone(id);
                }
                self.end_for_host(id, Input::Disconnected(number, "connection timed out".into()));
                self.flows.remove(&id);
            } else {
                self.after(RETRANSMIT, Happening::Flow(id, direction));
            }
            return;
        }
        flow.tries = 0;
        let Some(segment) = flow.queue(direction).pop_front() else {
            return;
        };
        if !flow.queue(direction).is_empty() {
            let wait = self.chance.millis(0, 20);
            self.after(wait, Happening::Flow(id, direction));
        }
        match direction {
            Direction::ToPeer => self.arrive_at_peer(id, segment),
            Direction::ToHost => self.arrive_at_host(id, segment),
        }
    }

    fn arrive_at_peer(&mut self, id: u64, segment: Segment) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(&id) else {
            return;
        };
        let Some(peer) = self.peers.get_mut(&flow.peer) else {
            return;
        };
        match segment {
            Segment::Bytes(bytes) if flow.peer_open => {
                let acts = peer.receive(now, id, &bytes);
                self.carry_out_acts(acts);
            }
            Segment::Bytes(_) => {}
            Segment::End => {
                flow.peer_open = false;
                peer.gone(id);
                self.flows.retain(|_, flow| flow.host_open || flow.peer_open);
            }
        }
    }

    fn arrive_at_host(&mut self, id: u64, segment: Segment) {
        let Some(flow) = self.flows.get_mut(&id).filter(|flow| flow.host_open) else {
            return;
        };
        let (tunnel, number) = (flow.tunnel, flow.number);
        match segment {
            Segment::Bytes(bytes) => {
                // A stream is cut anywhere.
                let cut = usize::try_from(self.chance.below(bytes.len() as u64 + 1)).unwrap_or(0);
                for part in [&bytes[..cut], &bytes[cut..]] {
                    self.tell_session_of(id, tunnel, Input::Received(number, part.into()));
                }
            }
            Segment::End => self.end_for_host(id, Input::Disconnected(number, "closed by the peer".into())),
        }
    }

    /// Whether packets cross: a link of ours that is up, has the address, and ends where the device expects it; and the
    /// device serves the user.
    fn path(&self, id: u64) -> bool {
        let Some(flow) = self.flows.get(&id) else {
            return false;
        };
        let served = (0..USERS).find(|n| peer_address(*n) == flow.peer).and_then(|n| {
            let user = self
                .ledger
                .truth
                .users
                .get(&user_key(n))
                .filter(|user| user.status == UserStatus::Activated)?;
            let own = Some(user.tunnel_endpoint).filter(|endpoint| !endpoint.is_unspecified());
            own.or_else(|| {
                self.ledger
                    .truth
                    .devices
                    .get(&user.device)
                    .map(|device| device.public_ip)
            })
        });
        let Some(endpoint) = served else { return false };
        self.kernel.observed().ours().any(|(_, have)| {
            have.link.up
                && have.link.remote == Some(endpoint)
                && have.addresses.iter().any(|address| address.address == flow.local)
        })
    }
}

impl Flow {
    fn queue(&mut self, direction: Direction) -> &mut VecDeque<Segment> {
        match direction {
            Direction::ToPeer => &mut self.to_peer,
            Direction::ToHost => &mut self.to_host,
        }
    }
}
