//! What scenarios share.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use warren_e2e::{
    bgp::SessionReport,
    daemon::Daemon,
    netns::Namespace,
    observe::{await_working, link_index},
    ping::Stream,
    site::{Connection, LINK, Site, TEST_ADDRESSES},
    wait::scaled,
};
use warren_ledger::accounts::UserType;

/// The deadline of one step.
pub const SOON: Duration = Duration::from_secs(15);

/// A host whose tunnel works.
pub struct Connected {
    pub daemon: Daemon,
    pub connection: Connection,
    pub client: Arc<Namespace>,
}

/// `warrend` runs, is enabled, and the user's tunnel works.
pub fn connected(site: &mut Site<'_>, kind: UserType) -> Result<Connected> {
    let connection = site.connect(0, kind)?;
    let daemon = site.start_daemon()?;
    await_working(site, &daemon, &connection, SOON)?;
    Ok(Connected {
        daemon,
        connection,
        client: Arc::clone(&site.client().namespace),
    })
}

impl Connected {
    /// The tunnel works (again).
    pub fn await_working(&self, site: &mut Site<'_>) -> Result<()> {
        await_working(site, &self.daemon, &self.connection, SOON)
    }

    /// A running ping to a test address.
    pub fn pings(&self) -> Result<Stream> {
        self.pings_to(TEST_ADDRESSES[0])
    }

    /// A running ping.
    pub fn pings_to(&self, address: Ipv4Addr) -> Result<Stream> {
        Stream::start(
            &self.client,
            self.connection.user.dz_ip,
            address,
            scaled(Duration::from_millis(20)),
        )
    }

    /// Checks that the tunnel has not flapped.
    pub fn is_still(&self, site: &mut Site<'_>, before: &(u64, SessionReport)) -> Result<()> {
        let now = self.fingerprint(site)?;
        ensure!(
            now.0 == before.0 && now.1.is_same_session(&before.1),
            "the tunnel flapped: it was {before:?} and is {now:?}; {}",
            self.daemon.log_tail()
        );
        Ok(())
    }

    /// What changes when the tunnel flaps: the link's number, and the session as the device knows it.
    pub fn fingerprint(&self, site: &mut Site<'_>) -> Result<(u64, SessionReport)> {
        Ok((
            link_index(&self.client, LINK)?,
            site.device().session(&self.connection.end)?,
        ))
    }
}

/// Ends the stream; no request may have been lost.
pub fn without_loss(stream: Stream) -> Result<()> {
    let report = stream.finish()?;
    ensure!(report.sent > 0, "no ping was sent");
    ensure!(
        report.lost.is_empty(),
        "{} of {} pings lost: {:?}",
        report.lost.len(),
        report.sent,
        report.lost
    );
    Ok(())
}
