//! The packets: bounded, without panics.

/// Where heartbeats go, and the ports of the datagram inside a Register.
pub const HEARTBEAT_PORT: u16 = 5765;
