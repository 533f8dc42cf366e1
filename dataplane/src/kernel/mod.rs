//! What the backends that use the kernel share: everything but the making of the link itself is rtnetlink.

mod maker;
mod mark;

pub use maker::LinkMaker;
pub use mark::{Endpoints, LINK_GROUP, Mark, NotAMark};

use warren_state::Fault;

/// A dataplane over the kernel's network stack, in the network namespace of the thread that made it.
pub struct KernelDataplane<M: LinkMaker> {
    maker: M,
}

impl<M: LinkMaker> KernelDataplane<M> {
    /// Opens the sockets.
    ///
    /// # Errors
    /// When the process may not have them.
    pub fn new(maker: M) -> Result<Self, Fault> {
        Ok(Self { maker })
    }

    /// What makes the links.
    pub fn maker(&self) -> &M {
        &self.maker
    }
}
