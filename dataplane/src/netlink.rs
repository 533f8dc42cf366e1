//! The production backend: GRE links of the kernel.

use async_trait::async_trait;
use warren_state::{Backend, Capabilities, Fault, FaultClass, LinkName, LinkSpec, outcome::Feature};

use crate::kernel::{
    KernelDataplane, LinkMaker, Pool, change_gre, create_gre, fault, find, once, probe_gre, refused,
};

/// Kernel GRE (`ip link add … type gre`). The links outlive the process.
pub struct NetlinkLinks {
    pool: Pool,
}

/// Whether this kernel makes GRE links.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GreSupport {
    /// It does.
    Present,
    /// It does not; in the kernel's words.
    Absent(String),
}

/// Opens the backend in the network namespace of the calling thread.
///
/// # Errors
/// When the process may not have rtnetlink sockets.
pub fn open() -> Result<KernelDataplane<NetlinkLinks>, Fault> {
    KernelDataplane::new(NetlinkLinks::open()?)
}

impl NetlinkLinks {
    /// Opens the maker's sockets.
    ///
    /// # Errors
    /// When the process may not have rtnetlink sockets.
    pub fn open() -> Result<Self, Fault> {
        Ok(Self { pool: Pool::open()? })
    }
}

/// Asks the kernel for a GRE link that it can only refuse: the error says whether it knows GRE. Loads the kernel's
/// module where there is one, and makes nothing.
///
/// # Errors
/// When the process may not make links at all, or rtnetlink does not work.
pub fn probe() -> Result<GreSupport, Fault> {
    const OPERATION: &str = "probe the kernel for GRE";
    let name = LinkName::new("warren-probe")
        .map_err(|error| fault(FaultClass::Permanent, OPERATION, error.to_string()))?;
    let answer = once(async |netlink| netlink.change(probe_gre(&name)).await)
        .map_err(|refusal| refused(OPERATION, &refusal))?;
    match answer {
        Err(refusal) if refusal.errno == libc::EOPNOTSUPP => Ok(GreSupport::Absent(refusal.to_string())),
        Err(refusal) if matches!(refusal.errno, libc::EINVAL | libc::EEXIST) => Ok(GreSupport::Present),
        Err(refusal) => Err(refused(OPERATION, &refusal)),
        Ok(()) => Err(fault(
            FaultClass::Permanent,
            OPERATION,
            "the kernel made a link that it should have refused",
        )),
    }
}

#[async_trait]
impl LinkMaker for NetlinkLinks {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            backend: Backend::Netlink,
            reason: None,
            features: [
                Feature::Rules,
                Feature::Events,
                Feature::GroupDelete,
                Feature::Counters,
                Feature::Shaping,
                Feature::SurvivesRestart,
            ]
            .into(),
            missing: Vec::new(),
        }
    }

    async fn create(&self, spec: &LinkSpec) -> Result<(), Fault> {
        let request = create_gre(spec);
        let operation = format!("create link {spec}");
        self.pool
            .run(async move |netlink| {
                netlink
                    .change(request)
                    .await
                    .map_err(|refusal| refused(operation, &refusal))
            })
            .await?
    }

    async fn change(&self, spec: &LinkSpec) -> Result<(), Fault> {
        let spec = spec.clone();
        let operation = format!("change link {spec}");
        self.pool
            .run(async move |netlink| match find(netlink, &spec.name).await {
                Ok(Some(link)) => netlink
                    .change(change_gre(link.index, &spec))
                    .await
                    .map_err(|refusal| refused(&operation, &refusal)),
                Ok(None) => Err(fault(
                    FaultClass::Gone,
                    &operation,
                    format!("there is no link {}", spec.name),
                )),
                Err(refusal) => Err(refused(&operation, &refusal)),
            })
            .await?
    }

    async fn release(&self, _link: &LinkName) {}

    fn alias_carries_endpoints(&self) -> bool {
        false
    }
}
