//! The backend's side of the daemon: makes links through the forwarder.

use std::{collections::BTreeMap, fs::OpenOptions, io, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;
use warren_state::{
    Backend, Capabilities, Fault, FaultClass, Feature, LinkName, LinkSpec, Rate, StepOutcome,
};

use super::{
    client::{Client, UserspaceSettings, WithoutForwarder},
    protocol::{CounterReport, Rejection, Request, Response},
    receive,
};
use crate::kernel::LinkMaker;

/// A forwarder that is alive answers a flush within a second; for one that is not, no link stays longer than this.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Links of TUN devices that a forwarder holds.
///
/// Tunnels of an earlier daemon are adopted by nothing more than that they are there: the forwarder goes on carrying
/// their packets, and takes orders from whoever of the right user connects.
pub struct UserspaceLinks {
    client: Client,
}

/// Prepares the backend. Starts nothing: a forwarder is started with the first link, unless one runs.
///
/// # Errors
/// `Unsupported` without TUN devices, `Permanent` without the right to use them or raw sockets.
pub fn open(settings: UserspaceSettings) -> Result<UserspaceLinks, Fault> {
    let tun = OpenOptions::new().read(true).write(true).open("/dev/net/tun");
    tun.map_err(|error| not_possible("open /dev/net/tun", &error, tun_remedy(&error)))?;
    receive::open_socket()
        .map_err(|error| not_possible("open a raw GRE socket", &error, raw_remedy(&error)))?;
    Ok(UserspaceLinks {
        client: Client::new(settings),
    })
}

impl UserspaceLinks {
    /// The tunnels that the forwarder holds; none when there is no forwarder.
    ///
    /// # Errors
    /// `Transient` when it does not answer.
    pub async fn list(&self) -> Result<Vec<LinkSpec>, Fault> {
        match self
            .ask(&Request::List, WithoutForwarder::Fine, "list tunnels")
            .await?
        {
            Some(Response::Tunnels(tunnels)) => Ok(tunnels),
            None => Ok(Vec::new()),
            Some(other) => Err(unexpected("list tunnels", &other)),
        }
    }

    /// What the forwarder has carried and dropped; nothing when there is no forwarder.
    ///
    /// # Errors
    /// `Transient` when it does not answer.
    pub async fn forwarder_counters(&self) -> Result<CounterReport, Fault> {
        match self
            .ask(&Request::Counters, WithoutForwarder::Fine, "read counters")
            .await?
        {
            Some(Response::Counters(report)) => Ok(report),
            None => Ok(CounterReport::default()),
            Some(other) => Err(unexpected("read counters", &other)),
        }
    }

    /// Closes the tunnel's device, which deletes its link; it may be gone already.
    ///
    /// # Errors
    /// `Transient` when the forwarder does not answer.
    pub async fn remove(&self, link: &LinkName) -> Result<(), Fault> {
        let operation = format!("remove link {link}");
        self.ask(
            &Request::Remove { name: link.clone() },
            WithoutForwarder::Fine,
            &operation,
        )
        .await
        .map(drop)
    }

    /// Ends the forwarder and all its tunnels, if there is one.
    ///
    /// # Errors
    /// `Transient` when it does not answer.
    pub async fn shutdown(&self) -> Result<(), Fault> {
        self.ask(&Request::Shutdown, WithoutForwarder::Fine, "end the forwarder")
            .await
            .map(drop)
    }

    async fn ask(
        &self,
        request: &Request,
        absent: WithoutForwarder,
        operation: &str,
    ) -> Result<Option<Response>, Fault> {
        self.client
            .ask(request, absent)
            .await
            .map_err(|refusal| refusal.during(operation))
    }
}

#[async_trait]
impl LinkMaker for UserspaceLinks {
    fn capabilities(&self) -> Capabilities {
        let features = [
            Feature::Rules,
            Feature::Events,
            Feature::GroupDelete,
            Feature::Counters,
            Feature::Offload,
            Feature::Shaping,
            Feature::SurvivesRestart,
        ];
        Capabilities {
            backend: Backend::Userspace,
            reason: None,
            features: features.into(),
            missing: Vec::new(),
        }
    }

    async fn create(&self, spec: &LinkSpec) -> Result<(), Fault> {
        let operation = format!("create link {}", spec.name);
        self.ask(&Request::Add(spec.clone()), WithoutForwarder::Start, &operation)
            .await
            .map(drop)
    }

    async fn change(&self, spec: &LinkSpec) -> Result<(), Fault> {
        let operation = format!("change link {}", spec.name);
        match self
            .ask(&Request::Change(spec.clone()), WithoutForwarder::Fine, &operation)
            .await?
        {
            Some(_) => Ok(()),
            None => Err(Rejection::new(FaultClass::Gone, "there is no forwarder").during(operation)),
        }
    }

    async fn flush(&self, links: &[LinkName]) {
        let request = Request::Flush {
            names: links.to_vec(),
        };
        match timeout(
            FLUSH_TIMEOUT,
            self.ask(&request, WithoutForwarder::Fine, "flush links"),
        )
        .await
        {
            Ok(Ok(_)) => {}
            Ok(Err(fault)) => tracing::debug!(%fault, "links not flushed"),
            Err(_late) => tracing::debug!("the forwarder does not confirm that the links are flushed"),
        }
    }

    async fn release(&self, link: &LinkName) {
        let request = Request::Release { name: link.clone() };
        if let Err(fault) = self.ask(&request, WithoutForwarder::Fine, "release link").await {
            // The forwarder notices by itself that a device was deleted.
            tracing::debug!(%link, %fault, "forwarder not told");
        }
    }

    async fn shape(&self, link: &LinkName, rate: Rate) -> Option<Result<StepOutcome, Fault>> {
        match self.rates().await {
            Ok(rates) if rates.get(link).copied().unwrap_or_default() == rate => {
                return Some(Ok(StepOutcome::AlreadySo));
            }
            Ok(_) => {}
            Err(fault) => return Some(Err(fault)),
        }
        let request = Request::Shape {
            name: link.clone(),
            rate,
        };
        let asked = self
            .ask(
                &request,
                WithoutForwarder::Fine,
                &format!("hold {link} to {rate}"),
            )
            .await;
        Some(match asked {
            Ok(Some(_)) => Ok(StepOutcome::Done),
            Ok(None) => Err(Rejection::new(FaultClass::Gone, "there is no forwarder").during(format!("hold {link}"))),
            Err(fault) if is_of_an_earlier_release(&fault) => Err(Fault {
                class: FaultClass::Unsupported,
                detail: "forwarder_of_an_earlier_release: it goes with its tunnels, as `warren disable` and `warren enable` take them down and up"
                    .to_owned(),
                ..fault
            }),
            Err(fault) => Err(fault),
        })
    }

    async fn rates(&self) -> Result<BTreeMap<LinkName, Rate>, Fault> {
        match self
            .ask(&Request::Rates, WithoutForwarder::Fine, "read rates")
            .await
        {
            Ok(Some(Response::Rates(rates))) => Ok(rates),
            Ok(None) => Ok(BTreeMap::new()),
            Ok(Some(other)) => Err(unexpected("read rates", &other)),
            // It holds nobody to anything.
            Err(fault) if is_of_an_earlier_release(&fault) => Ok(BTreeMap::new()),
            Err(fault) => Err(fault),
        }
    }

    async fn sent(&self) -> Result<BTreeMap<LinkName, (u64, u64)>, Fault> {
        match self
            .ask(&Request::Sent, WithoutForwarder::Fine, "read what was sent")
            .await
        {
            Ok(Some(Response::Sent(sent))) => Ok(sent),
            Ok(None) => Ok(BTreeMap::new()),
            Ok(Some(other)) => Err(unexpected("read what was sent", &other)),
            Err(fault) if is_of_an_earlier_release(&fault) => Ok(BTreeMap::new()),
            Err(fault) => Err(fault),
        }
    }

    fn alias_carries_endpoints(&self) -> bool {
        true
    }
}

fn is_of_an_earlier_release(fault: &Fault) -> bool {
    fault.class == FaultClass::Permanent && fault.detail.starts_with("not a request")
}

/// What gives the process TUN devices.
pub(super) fn tun_remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            ": TUN devices are not there: `modprobe tun`, or start the container with --device /dev/net/tun; or use a kernel that has GRE \
             (`modprobe ip_gre`, -dataplane netlink), which needs none"
        }
        Some(libc::EPERM | libc::EACCES) => {
            ": the process may not use TUN devices: start it by its unit (DeviceAllow=/dev/net/tun rw, \
             AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW) or as root, a container with --device /dev/net/tun --cap-add NET_ADMIN"
        }
        Some(_) | None => "",
    }
}

fn raw_remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            ": the process lacks CAP_NET_RAW: start it by its unit (AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW) or as root, a container \
             with --cap-add NET_RAW"
        }
        Some(_) | None => "",
    }
}

fn not_possible(operation: &str, error: &io::Error, remedy: &str) -> Fault {
    let class = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => FaultClass::Permanent,
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => {
            FaultClass::Unsupported
        }
        Some(_) | None => FaultClass::Transient,
    };
    Rejection::new(class, format!("{error}{remedy}")).during(operation)
}

fn unexpected(operation: &str, response: &Response) -> Fault {
    Rejection::new(
        FaultClass::Transient,
        format!("the forwarder answered something else: {response:?}"),
    )
    .during(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(errno: i32, remedy: fn(&io::Error) -> &'static str) -> Fault {
        let error = io::Error::from_raw_os_error(errno);
        not_possible("open", &error, remedy(&error))
    }

    #[test]
    fn what_is_missing_is_named_with_what_gives_it() {
        let absent = said(libc::ENOENT, tun_remedy);
        assert_eq!(absent.class, FaultClass::Unsupported);
        assert!(
            absent.detail.contains("modprobe tun") && absent.detail.contains("--device /dev/net/tun"),
            "{absent}"
        );
        let forbidden = said(libc::EACCES, tun_remedy);
        assert_eq!(forbidden.class, FaultClass::Permanent);
        assert!(
            forbidden.detail.contains("DeviceAllow=/dev/net/tun rw"),
            "{forbidden}"
        );
        let raw = said(libc::EPERM, raw_remedy);
        assert!(
            raw.detail.contains("lacks CAP_NET_RAW")
                && raw
                    .detail
                    .contains("AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW"),
            "{raw}"
        );
        assert!(!said(libc::ENOMEM, raw_remedy).detail.contains("CAP_NET_RAW"));
    }
}
