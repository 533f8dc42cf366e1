//! What differs between the backends that use the kernel: how a bare link comes to be.

use std::collections::BTreeMap;

use async_trait::async_trait;
use warren_state::{Capabilities, Fault, LinkName, LinkSpec, Rate, StepOutcome};

/// Makes the bare links of one kernel backend. Marks, addresses, routes, rules and notices are rtnetlink and are shared
/// ([`super::KernelDataplane`]).
///
/// The shared code calls one at a time for one link, but for several links at once. It asks for a link only when no link
/// of that name is there, and marks it (alias, group, MTU) before it brings it up.
#[async_trait]
pub trait LinkMaker: Send + Sync + 'static {
    /// What the backend can do. The shared code adds nothing to it.
    fn capabilities(&self) -> Capabilities;

    /// Makes the bare link under `spec.name`; it may be down and without MTU. A maker that can should put it into
    /// [`super::LINK_GROUP`] in the same breath, so that a link left behind by a crash right now is recognised.
    ///
    /// # Errors
    /// `Conflict` when the name or the endpoints are taken; otherwise by the kernel's answer.
    async fn create(&self, spec: &LinkSpec) -> Result<(), Fault>;

    /// Gives the link that is there the endpoints and the TTL of `spec`; what the host has sent before goes the old way. The
    /// shared code sets MTU and the up flag itself.
    ///
    /// # Errors
    /// `Gone` when the link is not there; otherwise by the kernel's answer.
    async fn change(&self, spec: &LinkSpec) -> Result<(), Fault>;

    /// Waits until what the host has sent over these links so far has left them, but not for long: called before they are
    /// deleted, so that last words are heard. The kernel's own tunnels keep nothing back.
    async fn flush(&self, _links: &[LinkName]) {}

    /// Lets go of what the maker holds for the link, after it was deleted or found gone. May be called more than once.
    async fn release(&self, link: &LinkName);

    /// Holds a link to a rate, or no longer; `None` where the shared code does that in the kernel.
    ///
    /// # Errors
    /// `Unsupported` where it cannot be; otherwise by the answer.
    async fn shape(&self, _link: &LinkName, _rate: Rate) -> Option<Result<StepOutcome, Fault>> {
        None
    }

    /// The rates of links that the kernel does not know.
    ///
    /// # Errors
    /// When they are not known right now.
    async fn rates(&self) -> Result<BTreeMap<LinkName, Rate>, Fault> {
        Ok(BTreeMap::new())
    }

    /// What the host has sent over links whose own counters have more than that, as what a rate forbids: packets and bytes. The shared
    /// code asks after it has read those, so that nothing that is told falls.
    ///
    /// # Errors
    /// When it is not known right now.
    async fn sent(&self) -> Result<BTreeMap<LinkName, (u64, u64)>, Fault> {
        Ok(BTreeMap::new())
    }

    /// Whether the mark must carry the endpoints and the TTL, because the kernel does not know them (TUN devices).
    fn alias_carries_endpoints(&self) -> bool;
}
