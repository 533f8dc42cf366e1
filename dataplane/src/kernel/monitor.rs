//! Changes made by whomever: the kernel's multicast groups, told as notices about links.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use netlink_sys::{AsyncSocket, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::sync::mpsc;
use warren_state::{Fault, LinkName, Monotonic};

use super::{
    fault::refused,
    notices::Notices,
    numbers::*,
    objects::{AddressEntry, Link, RouteEntry},
    requests,
    socket::{Refusal, RouteSocket},
    wire::{Message, Messages},
};
use crate::contract::Notice;

const GROUPS: u32 = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE;
/// The queue to the subscriber.
const QUEUE: usize = 64;
/// So many links may wait for a slow subscriber.
const WAITING: usize = 4096;

/// Subscribes first, then learns the links' names, so that no change falls in between.
pub fn subscribe(buffer: usize) -> Result<mpsc::Receiver<Notice>, Fault> {
    let open = || -> Result<_, Refusal> { Ok((multicast_socket(buffer)?, Names::learn()?)) };
    let (socket, names) = open().map_err(|refusal| refused("subscribe to notices", &refusal))?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let monitor = Monitor { socket, names, notices: Notices::new(WAITING), started: Instant::now() };
    tokio::spawn(monitor.run(sender));
    Ok(receiver)
}

fn multicast_socket(buffer: usize) -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
    let bytes = buffer;
    if setsockopt(&socket.socket_ref().as_fd(), sockopt::RcvBufForce, &bytes).is_err() {
        // Without CAP_NET_ADMIN in the first user namespace: as much as net.core.rmem_max allows.
        setsockopt(&socket.socket_ref().as_fd(), sockopt::RcvBuf, &bytes)?;
    }
    socket.socket_mut().bind(&SocketAddr::new(0, GROUPS))?;
    Ok(socket)
}

struct Monitor {
    socket: TokioSocket,
    names: Names,
    notices: Notices,
    started: Instant,
}

impl Monitor {
    /// Until the subscriber goes away.
    async fn run(mut self, sender: mpsc::Sender<Notice>) {
        let mut buffer = Vec::with_capacity(64 * 1024);
        loop {
            let wait = self.notices.poll_timeout().map(|due| due.since(self.now()));
            tokio::select! {
                () = sender.closed() => return,
                received = receive(&self.socket, &mut buffer) => match received {
                    Ok(()) => Messages(&buffer).for_each(|message| self.hear(&message)),
                    Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => self.overrun(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        tracing::warn!(%error, "no more notices of changes in the kernel");
                        return;
                    }
                },
                permit = ready(&sender, wait) => {
                    let Some(permit) = permit else { return };
                    let now = self.now();
                    if let Some(notice) = self.notices.take(now) {
                        permit.send(notice);
                    }
                }
            }
        }
    }

    fn now(&self) -> Monotonic {
        Monotonic::from_elapsed(self.started.elapsed())
    }

    fn overrun(&mut self) {
        self.notices.overrun();
        // Names of links may be among what was lost. A dump is short, and overruns are rare.
        match Names::learn() {
            Ok(names) => self.names = names,
            Err(refusal) => tracing::debug!(%refusal, "the names of the links are not known after an overrun"),
        }
    }

    fn hear(&mut self, message: &Message<'_>) {
        match message.kind {
            RTM_NEWLINK | RTM_DELLINK => {
                if let Some(link) = Link::decode(message) {
                    self.hear_link(message.kind, &link);
                }
            }
            RTM_NEWADDR | RTM_DELADDR => {
                if let Some(entry) = AddressEntry::decode(message) {
                    self.notices.changed(self.names.of(entry.index));
                }
            }
            RTM_NEWROUTE | RTM_DELROUTE => {
                if let Some(route) = RouteEntry::decode(message) {
                    self.hear_route(message, &route);
                }
            }
            RTM_NEWRULE | RTM_DELRULE => self.notices.changed(None),
            _ => {}
        }
    }

    fn hear_link(&mut self, kind: u16, link: &Link) {
        let before = match kind {
            RTM_DELLINK => self.names.forget(link.index),
            _ => self.names.remember(link),
        };
        if let Some(before) = before.filter(|before| *before != link.name) {
            self.notices.changed(Some(before));
        }
        self.notices.changed(Some(link.name.clone()));
    }

    /// Routes over links of others matter only where they change what a lookup gives for us: the default route, and a
    /// route that took the place of another, maybe ours, of which the kernel tells nothing more.
    fn hear_route(&mut self, message: &Message<'_>, route: &RouteEntry) {
        let index = route.oif.unwrap_or(0);
        if self.names.is_ours(index) || route.dst.prefix_len() == 0 {
            self.notices.changed(self.names.of(index));
        } else if message.kind == RTM_NEWROUTE && message.flags & NLM_F_REPLACE != 0 {
            self.notices.changed(None);
        }
    }
}

/// Room in the queue, once there is something to tell; `None` when the subscriber is gone.
async fn ready(sender: &mpsc::Sender<Notice>, wait: Option<Duration>) -> Option<mpsc::Permit<'_, Notice>> {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
    sender.reserve().await.ok()
}

async fn receive(socket: &TokioSocket, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    poll_fn(|cx| socket.poll_recv(cx, buffer)).await
}

/// The names of the links by number, and which are ours.
struct Names(BTreeMap<u32, (LinkName, bool)>);

impl Names {
    fn learn() -> Result<Self, Refusal> {
        let links = RouteSocket::open()?.dump(requests::links(), Link::decode)?;
        Ok(Self(links.into_iter().map(|link| (link.index, (link.name.clone(), link.mark().is_some()))).collect()))
    }

    fn of(&self, index: u32) -> Option<LinkName> {
        self.0.get(&index).map(|(name, _)| name.clone())
    }

    fn is_ours(&self, index: u32) -> bool {
        self.0.get(&index).is_some_and(|(_, ours)| *ours)
    }

    fn remember(&mut self, link: &Link) -> Option<LinkName> {
        self.0.insert(link.index, (link.name.clone(), link.mark().is_some())).map(|(name, _)| name)
    }

    fn forget(&mut self, index: u32) -> Option<LinkName> {
        self.0.remove(&index).map(|(name, _)| name)
    }
}
