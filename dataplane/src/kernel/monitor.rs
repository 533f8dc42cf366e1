//! Changes made by anybody: the kernel's multicast groups, turned into notices.

use std::{
    collections::BTreeMap,
    io,
    os::fd::AsFd,
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::{Stream, StreamExt};
use netlink_packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{AsyncSocket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::MulticastGroup;
use tokio::sync::mpsc;
use warren_state::{Fault, LinkName, Monotonic};

use super::{
    connection::Refusal,
    fault::refused,
    notices::Notices,
    objects::{AddressEntry, Link, RouteEntry},
    pool::Pool,
    requests,
};
use crate::contract::Notice;

const GROUPS: [MulticastGroup; 4] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv4Rule,
];
/// The queue to the subscriber.
const QUEUE: usize = 64;
/// How many links may wait for a slow subscriber.
const WAITING: usize = 4096;

/// Subscribes first, then learns the links' names, so that no change falls in between.
pub async fn subscribe(pool: &Pool, buffer: usize) -> Result<mpsc::Receiver<Notice>, Fault> {
    const OPERATION: &str = "subscribe to notices";
    let kernel = Kernel::subscribe(buffer).map_err(|error| refused(OPERATION, &Refusal::from(error)))?;
    let names = Names::learn(pool).await?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let monitor = Monitor {
        pool: pool.clone(),
        names,
        notices: Notices::new(WAITING),
        started: Instant::now(),
    };
    tokio::spawn(monitor.run(kernel, sender));
    Ok(receiver)
}

type Message = NetlinkMessage<RouteNetlinkMessage>;

/// The kernel's multicast groups.
struct Kernel {
    connection: Pin<Box<dyn Future<Output = ()> + Send>>,
    messages: Pin<Box<dyn Stream<Item = (Message, SocketAddr)> + Send>>,
}

impl Kernel {
    fn subscribe(buffer: usize) -> io::Result<Self> {
        let (mut connection, _handle, messages) = rtnetlink::new_multicast_connection(&GROUPS)?;
        let socket = connection.socket_mut().socket_ref().as_fd();
        if setsockopt(&socket, sockopt::RcvBufForce, &buffer).is_err() {
            // Without CAP_NET_ADMIN in the first user namespace: as much as net.core.rmem_max allows.
            setsockopt(&socket, sockopt::RcvBuf, &buffer)?;
        }
        Ok(Self {
            connection: Box::pin(connection),
            messages: Box::pin(messages),
        })
    }

    /// The next message; `None` when there will be none. The queue between connection and us has no bound of its own:
    /// the connection reads on only when the queue is empty, so that an excess is dropped by the kernel, which reports
    /// it.
    async fn next(&mut self) -> Option<Message> {
        tokio::select! {
            biased;
            message = self.messages.next() => message.map(|(message, _)| message),
            () = &mut self.connection => None,
        }
    }
}

struct Monitor {
    pool: Pool,
    names: Names,
    notices: Notices,
    started: Instant,
}

impl Monitor {
    /// Until the subscriber goes away.
    async fn run(mut self, mut kernel: Kernel, sender: mpsc::Sender<Notice>) {
        loop {
            let wait = self.notices.poll_timeout().map(|due| due.since(self.now()));
            tokio::select! {
                () = sender.closed() => return,
                message = kernel.next() => match message {
                    Some(message) => self.hear(message).await,
                    None => {
                        tracing::warn!("the kernel's notices of changes have stopped");
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

    async fn overrun(&mut self) {
        self.notices.overrun();
        // Names of links may be among what was lost. A dump is short, and overruns are rare.
        match Names::learn(&self.pool).await {
            Ok(names) => self.names = names,
            Err(fault) => tracing::debug!(%fault, "the names of the links are not known after an overrun"),
        }
    }

    async fn hear(&mut self, message: Message) {
        match message.payload {
            NetlinkPayload::InnerMessage(change) => self.hear_change(&change, message.header.flags),
            NetlinkPayload::Overrun(_) => self.overrun().await,
            NetlinkPayload::Noop | NetlinkPayload::Done(_) | NetlinkPayload::Error(_) | _ => {}
        }
    }

    fn hear_change(&mut self, change: &RouteNetlinkMessage, flags: u16) {
        if let Some(link) = Link::decode(change) {
            self.hear_link(change.is_del_link(), &link);
        } else if let Some(entry) = AddressEntry::decode(change) {
            self.notices.changed(self.names.of(entry.index));
        } else if let Some(route) = RouteEntry::decode(change) {
            self.hear_route(change.is_new_route() && flags & NLM_F_REPLACE != 0, &route);
        } else if change.is_new_rule() || change.is_del_rule() {
            self.notices.changed(None);
        }
    }

    fn hear_link(&mut self, deleted: bool, link: &Link) {
        let before = if deleted {
            self.names.forget(link.index)
        } else {
            self.names.remember(link)
        };
        if let Some(before) = before.filter(|before| *before != link.name) {
            self.notices.changed(Some(before));
        }
        self.notices.changed(Some(link.name.clone()));
    }

    /// Routes over links of others matter only where they change what a lookup gives for us: the default route, and a
    /// route that took the place of another, maybe ours, of which the kernel tells nothing more.
    fn hear_route(&mut self, replaced: bool, route: &RouteEntry) {
        let index = route.oif.unwrap_or(0);
        if self.names.is_ours(index) || route.dst.prefix_len() == 0 {
            self.notices.changed(self.names.of(index));
        } else if replaced {
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

/// The names of the links by number, and which are ours.
struct Names(BTreeMap<u32, (LinkName, bool)>);

impl Names {
    async fn learn(pool: &Pool) -> Result<Self, Fault> {
        let links = pool
            .run(async |netlink| netlink.dump(requests::links(), Link::decode).await)
            .await?;
        let links = links.map_err(|refusal| refused("read the names of the links", &refusal))?;
        Ok(Self(
            links
                .into_iter()
                .map(|link| (link.index, (link.name.clone(), link.mark().is_some())))
                .collect(),
        ))
    }

    fn of(&self, index: u32) -> Option<LinkName> {
        self.0.get(&index).map(|(name, _)| name.clone())
    }

    fn is_ours(&self, index: u32) -> bool {
        self.0.get(&index).is_some_and(|(_, ours)| *ours)
    }

    fn remember(&mut self, link: &Link) -> Option<LinkName> {
        self.0
            .insert(link.index, (link.name.clone(), link.mark().is_some()))
            .map(|(name, _)| name)
    }

    fn forget(&mut self, index: u32) -> Option<LinkName> {
        self.0.remove(&index).map(|(name, _)| name)
    }
}
