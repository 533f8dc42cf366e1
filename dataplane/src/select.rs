//! Which backend.

use std::{fmt, str::FromStr, sync::Arc};

use warren_state::Fault;

use crate::{
    contract::Dataplane,
    kernel::KernelDataplane,
    netlink::{self, GreSupport},
    simulated::Simulated,
    userspace::{self, UserspaceSettings},
};

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Choice {
    /// The kernel's GRE where it has it, else userspace.
    #[default]
    Auto,
    /// GRE links of the kernel's own, made by rtnetlink.
    Netlink,
    /// TUN devices and raw sockets.
    Userspace,
    /// In memory; changes nothing on the host.
    Simulated,
}

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
pub fn open(choice: Choice, settings: Settings) -> Result<Arc<dyn Dataplane>, Fault> {
    match choice {
        Choice::Auto => match netlink::probe()? {
            GreSupport::Present => Ok(Arc::new(netlink::open()?.because("auto: the kernel has GRE"))),
            GreSupport::Absent(words) => {
                let reason = format!("auto: the kernel has no GRE: {words}");
                tracing::info!(%reason, "userspace dataplane");
                Ok(Arc::new(open_userspace(settings)?.because(reason)))
            }
        },
        Choice::Netlink => match netlink::probe()? {
            GreSupport::Present => Ok(Arc::new(netlink::open()?)),
            GreSupport::Absent(words) => Err(Fault {
                class: warren_state::FaultClass::Unsupported,
                operation: "open the netlink dataplane".to_owned(),
                detail: format!("the kernel has no GRE: {words}; the userspace dataplane needs none"),
            }),
        },
        Choice::Userspace => Ok(Arc::new(open_userspace(settings)?)),
        Choice::Simulated => Ok(Arc::new(Simulated::default())),
    }
}

fn open_userspace(settings: Settings) -> Result<KernelDataplane<userspace::UserspaceLinks>, Fault> {
    KernelDataplane::new(userspace::open(settings.userspace)?)
}

impl Choice {
    /// Every choice, in the order in which help lists them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Netlink, Self::Userspace, Self::Simulated];

    /// As it is written in flags and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Netlink => "netlink",
            Self::Userspace => "userspace",
            Self::Simulated => "simulated",
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no backend.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown dataplane {0:?}: expected auto, netlink, userspace or simulated")]
pub struct UnknownChoice(pub String);

impl FromStr for Choice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.name() == text)
            .ok_or_else(|| UnknownChoice(text.to_owned()))
    }
}
