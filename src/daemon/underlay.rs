//! The host's routes, as whoever sends requests asks for them.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;
use warren_dataplane::{Dataplane, Outlet as Found};
use warren_ledger::connector::{Outlet, Underlay};

/// The kernel answers at once: whoever waits longer than this waits for an answer that was lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the dataplane knows.
pub struct Routes(pub Arc<dyn Dataplane>);

#[async_trait]
impl Underlay for Routes {
    async fn outlet(&self, dst: Ipv4Addr) -> Outlet {
        match timeout(PATIENCE, self.0.outlet(dst)).await {
            Ok(Ok(Found::Usual)) => Outlet::Usual,
            Ok(Ok(Found::Past { link, uplink, .. })) => Outlet::Past {
                tunnel: link.to_string(),
                uplink: uplink.to_string(),
            },
            Ok(Ok(Found::Only { link, .. })) => Outlet::Only {
                tunnel: link.to_string(),
            },
            Ok(Err(fault)) => {
                tracing::debug!(%dst, %fault, "the host's routes are not known");
                Outlet::Usual
            }
            Err(_late) => {
                tracing::debug!(%dst, "the host's routes did not come in time");
                Outlet::Usual
            }
        }
    }
}
