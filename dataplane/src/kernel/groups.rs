//! Packets of multicast groups, counted by the kernel where they pass a tunnel's link.
//!
//! For each group and way a packet socket with a filter that lets nothing else through, and with room for next to nothing. The
//! kernel counts what the filter lets through whether there is room for it or not (packet(7), `PACKET_STATISTICS`); nobody is
//! woken, and nothing stays behind when the process ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read as _},
    net::Ipv4Addr,
};

use socket2::{Domain, SockFilter, Socket, Type};
use tokio::sync::Mutex;
use warren_state::{Direction, Fault, GroupFlow, TunnelId};

use super::{
    connection::{KernelError, Netlink},
    directory::Directory,
    fault::{is_absent, refused},
    observe, sys,
};

/// What is counted.
#[derive(Default)]
pub struct GroupCounters(Mutex<BTreeMap<GroupFlow, Counted>>);

#[derive(Default)]
struct Counted {
    packets: u64,
    /// By the number of the link.
    taps: BTreeMap<u32, Tap>,
}

struct Tap(Socket);

impl GroupCounters {
    /// The numbers of packets so far. What is not asked for is counted no longer.
    pub async fn read(
        &self,
        netlink: &mut Netlink,
        directory: &Directory,
        flows: BTreeSet<GroupFlow>,
    ) -> Result<BTreeMap<GroupFlow, u64>, Fault> {
        let mut counters = self.0.lock().await;
        counters.retain(|flow, _| flows.contains(flow));
        let tunnels: BTreeSet<TunnelId> = flows.iter().map(|flow| flow.tunnel).collect();
        let mut links = BTreeMap::new();
        for tunnel in tunnels {
            let of_it = observe::links_in_use(netlink, directory, tunnel).await;
            links.insert(tunnel, of_it.map_err(|refusal| refused(OPERATION, &refusal))?);
        }
        let nowhere = BTreeSet::new();
        let mut all = BTreeMap::new();
        for flow in flows {
            let counted = counters.entry(flow).or_default();
            let links = links.get(&flow.tunnel).unwrap_or(&nowhere);
            counted
                .follow(flow, links)
                .map_err(|error| refused(OPERATION, &KernelError::from(error)))?;
            all.insert(flow, counted.packets);
        }
        Ok(all)
    }
}

const OPERATION: &str = "count packets of groups";
/// More packets than fit.
const FOUND_ROOM: usize = 8;

impl Counted {
    /// Counts over these links from now on.
    fn follow(&mut self, flow: GroupFlow, links: &BTreeSet<u32>) -> io::Result<()> {
        for tap in self.taps.values() {
            self.packets += u64::from(tap.take()?);
        }
        self.taps.retain(|link, _| links.contains(link));
        for link in links {
            if self.taps.contains_key(link) {
                continue;
            }
            match Tap::open(flow, *link) {
                Ok(tap) => drop(self.taps.insert(*link, tap)),
                // It went away meanwhile.
                Err(error) if error.raw_os_error().is_some_and(is_absent) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Tap {
    /// What comes in is seen once, where the host takes it; what goes out is seen by those alone who ask for everything.
    fn open(flow: GroupFlow, link: u32) -> io::Result<Self> {
        let protocol = match flow.direction {
            Direction::In => libc::ETH_P_IP,
            Direction::Out => libc::ETH_P_ALL,
        };
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
        socket.attach_filter(&filter(flow.group, flow.direction))?;
        // The least that the kernel gives.
        socket.set_recv_buffer_size(0)?;
        socket.set_nonblocking(true)?;
        sys::bind_to_link(&socket, protocol, link)?;
        Ok(Self(socket))
    }

    /// How many packets there were since the last time.
    fn take(&self) -> io::Result<u32> {
        // The few that found room would hold on to memory of the driver.
        for _ in 0..FOUND_ROOM {
            if (&self.0).read(&mut [0; 1]).is_err() {
                break;
            }
        }
        sys::packets_since(&self.0)
    }
}

/// linux/filter.h, and offsets that do not depend on where the packet's data begin.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const OF_THE_NETWORK_HEADER: u32 = 0xfff0_0000;
const THE_PROTOCOL: u32 = 0xffff_f000;
const THE_KIND: u32 = 0xffff_f004;
/// linux/if_packet.h `PACKET_OUTGOING`.
const OUTGOING: u32 = 4;
/// Of the destination, in an IPv4 header.
const DESTINATION: u32 = OF_THE_NETWORK_HEADER + 16;

fn filter(group: Ipv4Addr, direction: Direction) -> Vec<SockFilter> {
    let goes_out = match direction {
        Direction::In => vec![],
        Direction::Out => vec![
            SockFilter::new(LOAD_HALF, 0, 0, THE_PROTOCOL),
            SockFilter::new(JUMP_IF_EQUAL, 0, 5, libc::ETH_P_IP as u32),
            SockFilter::new(LOAD_WORD, 0, 0, THE_KIND),
            SockFilter::new(JUMP_IF_EQUAL, 0, 3, OUTGOING),
        ],
    };
    let is_of_the_group = [
        SockFilter::new(LOAD_WORD, 0, 0, DESTINATION),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(group)),
        SockFilter::new(RETURN, 0, 0, 1),
        SockFilter::new(RETURN, 0, 0, 0),
    ];
    goes_out.into_iter().chain(is_of_the_group).collect()
}
