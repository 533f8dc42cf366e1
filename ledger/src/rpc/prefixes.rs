//! The prefixes of a device, from a slice of its account.

use ipnet::Ipv4Net;

use crate::{
    accounts::{Account, Net, decode},
    project,
};

/// Where a device's code starts: type, owner, index, bump, location, exchange, device type, public address, status.
pub(super) const SLICE_AT: usize = 1 + 32 + 16 + 1 + 32 + 32 + 1 + 4 + 1;
/// Room for a code of 32 bytes and 32 prefixes.
pub(super) const SLICE_LEN: usize = 4 + 32 + 4 + 32 * 5;

/// Why a slice gives no prefixes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unreadable {
    /// The list goes on past the slice: the whole account must be read.
    Cut,
    /// The bytes are no device's.
    Broken,
}

/// The valid prefixes in the slice that starts at the code.
pub(super) fn from_slice(slice: &[u8]) -> Result<Vec<Ipv4Net>, Unreadable> {
    let full = slice.len() >= SLICE_LEN;
    let short = if full { Unreadable::Cut } else { Unreadable::Broken };
    let (code_len, rest) = count(slice).ok_or(Unreadable::Broken)?;
    let rest = rest.get(code_len..).ok_or(short)?;
    if rest.is_empty() && !full {
        return Ok(Vec::new());
    }
    let (nets, rest) = count(rest).ok_or(short)?;
    let bytes = nets.checked_mul(5).and_then(|len| rest.get(..len)).ok_or(short)?;
    Ok(bytes.chunks_exact(5).filter_map(net).collect())
}

/// The valid prefixes of a whole account, if it is a device.
pub(super) fn from_account(data: &[u8]) -> Result<Vec<Ipv4Net>, String> {
    match decode(data) {
        Ok(Account::Device(device)) => Ok(device
            .dz_prefixes
            .iter()
            .filter_map(|net| project::net(*net).network())
            .collect()),
        Ok(other) => Err(format!("it is a {}, not a device", other.account_type().name())),
        Err(error) => Err(error.to_string()),
    }
}

fn count(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*count)).ok()?, rest))
}

fn net(bytes: &[u8]) -> Option<Ipv4Net> {
    let bytes: [u8; 5] = bytes.try_into().ok()?;
    let [a, b, c, d, prefix_len] = bytes;
    project::net(Net::new([a, b, c, d].into(), prefix_len)).network()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Device, encode, samples};

    fn slice_of(device: &Device) -> Vec<u8> {
        let bytes = encode(&device.clone().into());
        bytes[SLICE_AT..bytes.len().min(SLICE_AT + SLICE_LEN)].to_vec()
    }

    #[test]
    fn a_slice_gives_the_same_prefixes_as_the_whole_account() {
        let device = samples::device();
        let whole = from_account(&encode(&device.clone().into())).unwrap();
        assert_eq!(whole.len(), 2);
        assert_eq!(from_slice(&slice_of(&device)), Ok(whole));
    }

    #[test]
    fn a_list_that_goes_on_past_the_slice_asks_for_the_whole_account_and_is_never_cut_short() {
        let many = |count| Device {
            dz_prefixes: vec![Net::new([203, 0, 113, 0].into(), 24); count],
            ..samples::device()
        };
        assert_eq!(from_slice(&slice_of(&many(32))).map(|nets| nets.len()), Ok(32));
        assert_eq!(from_slice(&slice_of(&many(60))), Err(Unreadable::Cut));
        let long_code = Device {
            code: "x".repeat(300),
            ..samples::device()
        };
        assert_eq!(from_slice(&slice_of(&long_code)), Err(Unreadable::Cut));
    }

    #[test]
    fn bytes_that_are_no_devices_are_told_apart_from_a_cut_list() {
        assert_eq!(from_slice(&[]), Err(Unreadable::Broken));
        assert_eq!(from_slice(&[255; 40]), Err(Unreadable::Broken));
        assert_eq!(
            from_slice(&[1, 0, 0, 0, b'x', 9, 0, 0, 0, 1, 2, 3]),
            Err(Unreadable::Broken)
        );
    }

    #[test]
    fn prefixes_with_an_impossible_length_are_left_out() {
        let device = Device {
            dz_prefixes: vec![Net::new([203, 0, 113, 0].into(), 60)],
            ..samples::device()
        };
        assert_eq!(from_slice(&slice_of(&device)), Ok(vec![]));
    }
}
