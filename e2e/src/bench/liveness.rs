//! What route liveness costs the daemon.

use std::{
    io::{IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use ipnet::Ipv4Net;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt::Ipv4PacketInfo,
};
use warren_e2e::{netns::Namespace, observe::bgp_routes};
use warren_ledger::accounts::UserType;

use super::{
    edge::processor_time,
    report::Row,
    stage::{SOON, Stage, process, rest, watch},
};

const SESSIONS: u32 = 2_000;
const SPAN: Duration = Duration::from_secs(30);
const PORT: u16 = 44_880;
/// Percent of one processor.
const BUDGET: f64 = 5.0;

/// The daemon in passive mode, with a host behind each route that answers each packet.
pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    site.daemon_arguments = vec!["--route-liveness-enable-passive=true".to_owned()];
    let connection = site.connect(1, UserType::IBRL)?;
    let daemon = stage.daemon(&site, |config| config.poll_interval = Duration::from_secs(10))?;
    warren_e2e::observe::await_working(&mut site, &daemon, &connection, SOON)?;
    let base = Ipv4Addr::new(20, 0, 0, 0);
    let hosts = (0..SESSIONS).map(|n| Ipv4Addr::from(u32::from(base) + n));
    // All of these addresses are the device's own.
    let device = Arc::clone(&site.device().namespace);
    device.ip(&format!("route add local {base}/16 dev lo\n"))?;
    let answers = Answers::start(&device)?;
    site.device()
        .speaker
        .announce(hosts.map(Ipv4Net::from).collect())?;
    let client = Arc::clone(&site.client().namespace);
    watch("the routes are in the kernel", Instant::now(), || {
        Ok(bgp_routes(&client)?.len() == SESSIONS as usize)
    })?;
    rest("for the sessions to come up and settle", Duration::from_secs(15));
    let host = process(daemon.pid()?)?;
    let (time, packets) = (processor_time(&host)?, answers.up());
    rest("measured", SPAN);
    let (time, packets) = (processor_time(&host)? - time, answers.up() - packets);
    #[allow(clippy::cast_precision_loss)]
    let rate = packets as f64 / SPAN.as_secs_f64();
    ensure!(
        rate > f64::from(SESSIONS) * 0.8,
        "{rate:.0} packets a second of sessions that are up, from {SESSIONS} sessions"
    );
    let percent = time / SPAN.as_secs_f64() * 100.0;
    let how = format!(
        "passive mode; processor time of warrend (the forwarder's is not in it) over {SPAN:?}; {rate:.0} packets a second each way"
    );
    Ok(vec![
        Row::new("2,000 liveness sessions", percent, "% of a processor")
            .at_most(BUDGET)
            .note(how),
    ])
}

/// Answers for every host: what it hears makes it go up.
struct Answers {
    stop: Arc<AtomicBool>,
    up: Arc<AtomicU64>,
}

impl Answers {
    fn start(namespace: &Namespace) -> Result<Self> {
        let socket = namespace.enter(|| {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("cannot answer for the hosts")
        })?;
        setsockopt(&socket, Ipv4PacketInfo, &true)?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let answers = Self {
            stop: Arc::default(),
            up: Arc::default(),
        };
        let (stop, up) = (Arc::clone(&answers.stop), Arc::clone(&answers.up));
        thread::Builder::new().name("answers".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if answer(&socket).unwrap_or(false) {
                    up.fetch_add(1, Ordering::Relaxed);
                }
            }
        })?;
        Ok(answers)
    }

    /// How many packets came from sessions that are up.
    fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Receives one packet and answers it from the address that it went to; whether its sender is up.
fn answer(socket: &UdpSocket) -> Result<bool> {
    const UP: u8 = 3;
    let mut packet = [0_u8; 64];
    let mut space = nix::cmsg_space!(nix::libc::in_pktinfo);
    let (length, from, to) = {
        let mut slices = [IoSliceMut::new(&mut packet)];
        let message = recvmsg::<SockaddrIn>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut space),
            MsgFlags::empty(),
        )?;
        let information = message.cmsgs()?.find_map(|control| {
            if let ControlMessageOwned::Ipv4PacketInfo(information) = control {
                Some(information)
            } else {
                None
            }
        });
        (
            message.bytes,
            message.address.context("no sender")?,
            information.context("no destination")?,
        )
    };
    ensure!(length == 40, "a packet of {length} bytes");
    let state = packet[1] >> 6;
    let theirs: [u8; 4] = [packet[4], packet[5], packet[6], packet[7]];
    let destination = Ipv4Addr::from(u32::from_be(to.ipi_addr.s_addr));
    // Ours: any number that is not zero and always the same for a host. We are up once they have heard of us.
    let mut reply = packet;
    reply[1] = if state >= 2 { UP << 6 } else { 2 << 6 };
    reply[4..8].copy_from_slice(&destination.octets());
    reply[8..12].copy_from_slice(&theirs);
    let source = nix::libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: to.ipi_addr,
        ipi_addr: nix::libc::in_addr { s_addr: 0 },
    };
    let sender = SocketAddrV4::new(from.ip(), from.port());
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(&reply[..40])],
        &[ControlMessage::Ipv4PacketInfo(&source)],
        MsgFlags::empty(),
        Some(&SockaddrIn::from(sender)),
    )?;
    Ok(state == UP)
}
