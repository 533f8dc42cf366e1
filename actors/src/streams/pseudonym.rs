//! What stands in the place of an address for those who may not see it.

use std::{fmt, net::Ipv4Addr, sync::Arc};

use sha2::{Digest, Sha256};
use warren_state::stream::Mask;

/// Octets of a pseudonym: two hosts of one daemon are not taken for one.
const LENGTH: usize = 6;

/// Names for addresses that stay as long as the secret does, and that nobody can take back to the address without it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Pseudonyms([u8; 32]);

impl Pseudonyms {
    /// By this secret.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The one of an address.
    #[must_use]
    pub fn of(&self, address: Ipv4Addr) -> String {
        let digest = Sha256::new()
            .chain_update(self.0)
            .chain_update(address.octets())
            .finalize();
        let digits: String = digest
            .iter()
            .take(LENGTH)
            .map(|octet| format!("{octet:02x}"))
            .collect();
        format!("host-{digits}")
    }

    pub(super) fn mask(self) -> Mask {
        Arc::new(move |address| self.of(address))
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_stays_differs_for_each_address_and_secret_and_the_secret_is_shown_nowhere() {
        let (one, other) = (Pseudonyms::new([7; 32]), Pseudonyms::new([8; 32]));
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        assert_eq!(one.of(a), Pseudonyms::new([7; 32]).of(a));
        assert!(one.of(a) != one.of(b) && one.of(a) != other.of(a));
        assert!(
            one.of(a).starts_with("host-") && one.of(a).len() == 17,
            "{}",
            one.of(a)
        );
        assert_eq!(format!("{one:?}"), "Pseudonyms(redacted)");
    }
}
