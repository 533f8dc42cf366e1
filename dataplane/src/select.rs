//! Which backend.

use std::sync::Arc;

use warren_state::{Backend, BackendChoice, Fault};

use crate::{
    contract::Dataplane,
    kernel::KernelDataplane,
    netlink::{self, GreSupport},
    simulated::Simulated,
    userspace::{self, UserspaceSettings},
};

/// What the backends need to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How the forwarder of the userspace backend is started and reached.
    pub userspace: UserspaceSettings,
}

/// Opens a backend in the network namespace of the calling thread; must be called within a runtime. `auto` asks the
/// kernel, and says in [`warren_state::Capabilities::reason`] what it chose and why.
///
/// # Errors
/// `Permanent` when the process lacks the capabilities, `Unsupported` when the host cannot do what was asked for.
pub fn open(choice: BackendChoice, settings: Settings) -> Result<Arc<dyn Dataplane>, Fault> {
    match choice {
        BackendChoice::Auto => match netlink::probe()? {
            GreSupport::Present => Ok(Arc::new(netlink::open()?.because("auto: the kernel has GRE"))),
            GreSupport::Absent(words) => {
                let reason = format!("auto: the kernel has no GRE: {words}");
                tracing::info!(%reason, "userspace dataplane");
                Ok(Arc::new(open_userspace(settings)?.because(reason)))
            }
        },
        BackendChoice::Only(Backend::Netlink) => match netlink::probe()? {
            GreSupport::Present => Ok(Arc::new(netlink::open()?)),
            GreSupport::Absent(words) => Err(Fault {
                class: warren_state::FaultClass::Unsupported,
                operation: "open the netlink dataplane".to_owned(),
                detail: format!("the kernel has no GRE: {words}; the userspace dataplane needs none"),
            }),
        },
        BackendChoice::Only(Backend::Userspace) => Ok(Arc::new(open_userspace(settings)?)),
        BackendChoice::Only(Backend::Simulated) => Ok(Arc::new(Simulated::default())),
    }
}

fn open_userspace(settings: Settings) -> Result<KernelDataplane<userspace::UserspaceLinks>, Fault> {
    KernelDataplane::new(userspace::open(settings.userspace)?)
}
