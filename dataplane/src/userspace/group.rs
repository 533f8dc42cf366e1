//! Puts a fresh link into Warren's link group, before anybody else learns of it: a daemon that dies before it has marked
//! the link leaves one that the next daemon recognises.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkMessage},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use warren_state::LinkName;

use crate::kernel::LINK_GROUP;

/// Sets the group of the link.
///
/// # Errors
/// The kernel's answer.
pub fn mark_as_ours(name: &LinkName) -> io::Result<()> {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.to_string()));
    link.attributes.push(LinkAttribute::Group(LINK_GROUP));
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::SetLink(link));
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map(|message| message.payload) {
        Ok(NetlinkPayload::Error(error)) => match error.code {
            None => Ok(()),
            Some(_) => Err(error.to_io()),
        },
        Ok(_) | Err(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not an acknowledgement",
        )),
    }
}
