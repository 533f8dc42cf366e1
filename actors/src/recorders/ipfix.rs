//! IPFIX over UDP.

use std::net::{ToSocketAddrs, UdpSocket};

use warren_metering::recorder::{Entry, Exporter, Failure};

use super::output::{Batch, Recorder, failure};

/// A transport session with a collector. Another one begins with another socket, whose messages are counted from 0.
pub(super) struct Ipfix {
    socket: UdpSocket,
    exporter: Option<Exporter>,
}

impl Ipfix {
    pub(super) fn new(collector: &str) -> Result<Self, Failure> {
        let open = || -> std::io::Result<UdpSocket> {
            let address = collector
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| std::io::Error::other("it has no address"))?;
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            socket.connect(address)?;
            Ok(socket)
        };
        let socket =
            open().map_err(|error| failure(format!("metering.ipfix.collector {collector:?}: {error}")))?;
        Ok(Self {
            socket,
            exporter: None,
        })
    }
}

impl Recorder for Ipfix {
    fn record(&mut self, batch: &Batch) -> Result<(), Failure> {
        let node = batch.next.node;
        let exporter = self.exporter.get_or_insert_with(|| Exporter::new(node));
        let seconds = u32::try_from(batch.unix_ms / 1_000).unwrap_or(u32::MAX);
        let entries: &[Entry] = &batch.entries;
        for message in exporter.messages(entries, seconds) {
            self.socket
                .send(&message)
                .map_err(|error| failure(format!("the collector cannot be reached: {error}")))?;
        }
        Ok(())
    }
}
