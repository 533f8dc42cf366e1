//! Changes made by anybody: the kernel's multicast groups, turned into notices about tunnels.

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
use warren_state::{Fault, Monotonic, TunnelId};

use super::{
    connection::KernelError,
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
/// How many tunnels may wait for a slow subscriber.
const WAITING: usize = 4096;

/// Subscribes first, then learns whose the links are, so that no change falls in between.
pub async fn subscribe(pool: &Pool, buffer: usize) -> Result<mpsc::Receiver<Notice>, Fault> {
    const OPERATION: &str = "subscribe to notices";
    let kernel = Kernel::subscribe(buffer).map_err(|error| refused(OPERATION, &KernelError::from(error)))?;
    let marks = Marks::learn(pool).await?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let monitor = Monitor {
        pool: pool.clone(),
        marks,
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
    marks: Marks,
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
        // Marks of links may be among what was lost. A dump is short, and overruns are rare.
        match Marks::learn(&self.pool).await {
            Ok(marks) => self.marks = marks,
            Err(fault) => tracing::debug!(%fault, "the owners of links are not known after an overrun"),
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
            self.notices.add(self.marks.whose(entry.index));
        } else if let Some(route) = RouteEntry::decode(change) {
            self.hear_route(change.is_new_route() && flags & NLM_F_REPLACE != 0, &route);
        } else if change.is_new_rule() || change.is_del_rule() {
            self.notices.add(Notice::Something);
        }
    }

    /// A link may get a mark, lose it or carry another one: both tunnels hear of it. One of ours that is being made is not
    /// told of until it is marked.
    fn hear_link(&mut self, deleted: bool, link: &Link) {
        if link.is_half_made() && !deleted {
            return;
        }
        let before = self.marks.take(link.index);
        if !deleted {
            self.marks.put(link);
        }
        if let Some(before) = before {
            self.notices.add(before);
        }
        self.notices.add(whose(link));
    }

    /// Routes over links of others matter only where they change what a lookup gives for us: the default route, and a
    /// route that took the place of another, maybe ours, of which the kernel tells nothing more.
    fn hear_route(&mut self, replaced: bool, route: &RouteEntry) {
        let whose = self.marks.whose(route.oif.unwrap_or(0));
        if matches!(whose, Notice::Tunnel(_)) || route.dst.prefix_len() == 0 {
            self.notices.add(whose);
        } else if replaced {
            self.notices.add(Notice::Something);
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

/// Whose the links are, by number.
struct Marks(BTreeMap<u32, Option<TunnelId>>);

impl Marks {
    async fn learn(pool: &Pool) -> Result<Self, Fault> {
        let links = pool
            .run(async |netlink| netlink.dump(requests::links(), Link::decode).await)
            .await?;
        let links = links.map_err(|refusal| refused("read the owners of links", &refusal))?;
        let mut marks = Self(BTreeMap::new());
        links.iter().for_each(|link| marks.put(link));
        Ok(marks)
    }

    fn whose(&self, index: u32) -> Notice {
        self.0
            .get(&index)
            .map_or(Notice::Something, |mark| told_of(*mark))
    }

    fn put(&mut self, link: &Link) {
        self.0.insert(link.index, link.mark().map(|mark| mark.tunnel));
    }

    fn take(&mut self, index: u32) -> Option<Notice> {
        self.0.remove(&index).map(told_of)
    }
}

fn whose(link: &Link) -> Notice {
    told_of(link.mark().map(|mark| mark.tunnel))
}

fn told_of(mark: Option<TunnelId>) -> Notice {
    mark.map_or(Notice::Elsewhere, Notice::Tunnel)
}
