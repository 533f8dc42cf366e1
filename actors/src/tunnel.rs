//! Which tunnels there should be, and everything that one tunnel is made of.

pub(crate) mod connection;
pub(crate) mod multicast;
pub(crate) mod multicast_socket;
pub(crate) mod operations;
pub(crate) mod password;
pub(crate) mod provisioner;
pub(crate) mod reconciler;
pub(crate) mod session;
pub(crate) mod session_queue;
pub(crate) mod tunnels;
