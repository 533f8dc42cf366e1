//! Prefixes as NLRI fields carry them: a length in bits, and as many octets as that takes.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::reader::Reader;

/// Reads prefixes to the end; host bits are irrelevant (RFC 4271 section 4.3) and cleared. `None` when a length is above
/// 32 or the field ends too early.
pub(super) fn read_all(mut reader: Reader<'_>) -> Option<Vec<Ipv4Net>> {
    let mut prefixes = Vec::new();
    while let Some(length) = reader.u8() {
        let octets = reader.take(usize::from(length).div_ceil(8))?;
        let mut address = [0; 4];
        address.get_mut(..octets.len())?.copy_from_slice(octets);
        prefixes.push(Ipv4Net::new(Ipv4Addr::from(address), length).ok()?.trunc());
    }
    Some(prefixes)
}

pub(super) fn write(prefix: Ipv4Net, out: &mut Vec<u8>) {
    out.push(prefix.prefix_len());
    out.extend_from_slice(&prefix.network().octets()[..encoded_length(prefix) - 1]);
}

pub(super) fn encoded_length(prefix: Ipv4Net) -> usize {
    1 + usize::from(prefix.prefix_len()).div_ceil(8)
}
