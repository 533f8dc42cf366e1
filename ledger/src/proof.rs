//! Proofs of address: a verification service that the network names says, with its signature, at which address it saw a host.
//!
//! [`IpProof`] is what it signs and what the program reads. A transaction carries it twice: in the arguments of the instruction
//! that makes the user, and as [`IpProof::ed25519_instruction`], which has the ledger check the signature.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use solana_sdk::signature::Signature as Inner;
use warren_state::{Pubkey, ServiceKind};

use crate::{
    Keypair,
    accounts::UserType,
    instructions::{ED25519_PROGRAM, Instruction},
    send::Signature,
};

/// The only form of a proof that there is.
pub const VERSION: u8 = 1;
/// The bit of [`GlobalState::feature_flags`](crate::accounts::GlobalState) with which a network asks for a proof.
pub const REQUIRED: u128 = 1 << 2;
/// What every signed message begins with.
const DOMAIN: &[u8; 11] = b"DZ_IP_PROOF";
/// Where things are in the instruction that checks the signature: two octets of counts and fourteen of offsets come first.
const KEY_AT: u16 = 16;
const SIGNATURE_AT: u16 = KEY_AT + 32;
const MESSAGE_AT: u16 = SIGNATURE_AT + 64;
const MESSAGE_LENGTH: u16 = 57;
/// Instead of an instruction's index: this very one.
const THIS_INSTRUCTION: u16 = u16::MAX;

/// A proof that a host had an address in an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpProof {
    /// Who will own the user.
    pub payer: Pubkey,
    /// The address at which the service saw the host.
    pub client_ip: Ipv4Addr,
    /// The ledger's epoch then. The program takes it in this one and the next.
    pub epoch: u64,
    /// For which kind of service.
    pub user_type: UserType,
    /// The service's, over [`message`].
    pub signature: [u8; 64],
}

/// The service's answer is not a proof of what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// Why a proof cannot be attached: the program would refuse it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unattachable {
    /// The proof is for a user of another owner.
    #[error("IP ownership proof was issued for {proven} but this user is created for {wanted}")]
    Payer {
        /// What the proof is of.
        proven: Pubkey,
        /// What the user is to have.
        wanted: Pubkey,
    },
    /// The proof is of another address.
    #[error("IP ownership proof was issued for {proven} but this user is created for {wanted}")]
    ClientIp {
        /// What the proof is of.
        proven: Ipv4Addr,
        /// What the user is to have.
        wanted: Ipv4Addr,
    },
    /// Another kind of service.
    #[error("IP ownership proof was issued for user type {} but this user is created as {}", kind(*proven), kind(*wanted))]
    UserType {
        /// What the proof is of.
        proven: UserType,
        /// What the user is to have.
        wanted: UserType,
    },
    /// The ledger names no verifier.
    #[error("No IP verifier authority is configured onchain; cannot attach an IP ownership proof")]
    NoVerifier,
    /// Somebody else's signature.
    #[error(
        "IP ownership proof does not verify against the onchain verifier {0}: the signature is not that key's"
    )]
    Signature(Pubkey),
}

impl Unattachable {
    /// What to do about it: one sentence.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Payer { .. } | Self::UserType { .. } => "Run the command again: it asks for a new proof.",
            Self::ClientIp { .. } => {
                "Let the host reach the verification service from the address that its tunnel will use."
            }
            Self::NoVerifier => "Ask the network's operators which verification service counts.",
            Self::Signature(_) => {
                "Name the network's own verification service with --ip-verifier-url, or tell the network's operators."
            }
        }
    }
}

/// What the verifier signs.
#[must_use]
pub fn message(payer: &Pubkey, client_ip: Ipv4Addr, epoch: u64, user_type: UserType) -> [u8; 57] {
    joined([
        DOMAIN,
        &[VERSION],
        &payer.0,
        &client_ip.octets(),
        &epoch.to_le_bytes(),
        &[user_type.0],
    ])
}

impl IpProof {
    /// The proof that a verifier gives.
    #[must_use]
    pub fn sign(
        payer: Pubkey,
        client_ip: Ipv4Addr,
        epoch: u64,
        user_type: UserType,
        verifier: &Keypair,
    ) -> Self {
        let signature = verifier.sign(&message(&payer, client_ip, epoch, user_type)).0;
        Self {
            payer,
            client_ip,
            epoch,
            user_type,
            signature,
        }
    }

    /// What was signed.
    #[must_use]
    pub fn message(&self) -> [u8; 57] {
        message(&self.payer, self.client_ip, self.epoch, self.user_type)
    }

    /// As an instruction's argument.
    #[must_use]
    pub fn borsh(&self) -> [u8; 110] {
        let (ip, epoch) = (self.client_ip.octets(), self.epoch.to_le_bytes());
        joined([
            &[VERSION],
            &self.payer.0,
            &ip,
            &epoch,
            &[self.user_type.0],
            &self.signature,
        ])
    }

    /// Has the ledger check the signature. It stands before the instruction that carries the proof.
    #[must_use]
    pub fn ed25519_instruction(&self, verifier: &Pubkey) -> Instruction {
        let offsets = [
            SIGNATURE_AT,
            THIS_INSTRUCTION,
            KEY_AT,
            THIS_INSTRUCTION,
            MESSAGE_AT,
            MESSAGE_LENGTH,
            THIS_INSTRUCTION,
        ];
        // One signature, and a padding octet.
        let mut data = vec![1, 0];
        data.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
        data.extend(verifier.0);
        data.extend(self.signature);
        data.extend(self.message());
        Instruction {
            program_id: ED25519_PROGRAM,
            accounts: vec![],
            data,
        }
    }

    /// Reads the service's answer to a request for this owner and this kind of service.
    ///
    /// # Errors
    /// When it is not a proof, or is a proof of something else. Its address is whatever the service saw.
    pub fn from_json(answer: &[u8], payer: &Pubkey, user_type: UserType) -> Result<Self, Malformed> {
        // A form that is not known may have other fields, so its number is looked at alone.
        let Form { version } =
            serde_json::from_slice(answer).map_err(|error| Malformed(error.to_string()))?;
        if version != u64::from(VERSION) {
            return Err(Malformed(format!(
                "IP ownership proof version {version} is not supported by this client"
            )));
        }
        let answer: Answer = serde_json::from_slice(answer).map_err(|error| Malformed(error.to_string()))?;
        if answer.payer != *payer {
            return Err(Malformed(format!(
                "it is for {} and not for {payer}",
                answer.payer
            )));
        }
        if answer.user_type != user_type.0 {
            let answered = UserType(answer.user_type);
            return Err(Malformed(format!(
                "it is for user type {} and not for {}",
                kind(answered),
                kind(user_type)
            )));
        }
        let signature: Inner = answer
            .signature
            .parse()
            .map_err(|_| Malformed("its signature is not 64 octets in base58".to_owned()))?;
        let Answer {
            payer,
            client_ip,
            epoch,
            ..
        } = answer;
        Ok(Self {
            payer,
            client_ip,
            epoch,
            user_type,
            signature: signature.into(),
        })
    }

    /// The service's answer.
    #[must_use]
    pub fn to_json(&self) -> String {
        let signature = Signature(self.signature).to_string();
        let answer = Answer {
            version: VERSION,
            payer: self.payer,
            client_ip: self.client_ip,
            epoch: self.epoch,
            user_type: self.user_type.0,
            signature,
        };
        serde_json::to_string(&answer).unwrap_or_default()
    }

    /// Whether the program would take it for this user, as far as can be known here: everything but the epoch. Without
    /// this check a signature by somebody else would only ever show as a transaction that never arrives.
    ///
    /// # Errors
    /// When it would not; in the order in which the program looks.
    pub fn check(
        &self,
        owner: &Pubkey,
        client_ip: Ipv4Addr,
        user_type: UserType,
        verifier: &Pubkey,
    ) -> Result<(), Unattachable> {
        if self.payer != *owner {
            return Err(Unattachable::Payer {
                proven: self.payer,
                wanted: *owner,
            });
        }
        if self.client_ip != client_ip {
            return Err(Unattachable::ClientIp {
                proven: self.client_ip,
                wanted: client_ip,
            });
        }
        if self.user_type != user_type {
            return Err(Unattachable::UserType {
                proven: self.user_type,
                wanted: user_type,
            });
        }
        if verifier.is_zero() {
            return Err(Unattachable::NoVerifier);
        }
        if Inner::from(self.signature).verify(&verifier.0, &self.message()) {
            Ok(())
        } else {
            Err(Unattachable::Signature(*verifier))
        }
    }
}

#[derive(Deserialize)]
struct Form {
    version: u64,
}

/// The service's answer, as it is on the wire.
#[derive(Serialize, Deserialize)]
struct Answer {
    version: u8,
    payer: Pubkey,
    client_ip: Ipv4Addr,
    epoch: u64,
    user_type: u8,
    signature: String,
}

/// The parts one after another. Their lengths are fixed, and add up to the whole.
fn joined<const LENGTH: usize, const PARTS: usize>(parts: [&[u8]; PARTS]) -> [u8; LENGTH] {
    let mut whole = [0; LENGTH];
    let mut at = 0;
    for part in parts {
        whole[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    debug_assert_eq!(at, LENGTH);
    whole
}

fn kind(user_type: UserType) -> String {
    ServiceKind::ALL
        .get(usize::from(user_type.0))
        .map_or_else(|| user_type.0.to_string(), |kind| kind.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYER: Pubkey = Pubkey([1; 32]);
    const IP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 7);
    const EPOCH: u64 = 0x0102_0304_0506_0708;

    fn verifier() -> Keypair {
        Keypair::from_seed([7; 32])
    }

    fn proof() -> IpProof {
        IpProof::sign(PAYER, IP, EPOCH, UserType::MULTICAST, &verifier())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const MESSAGE: &str = concat!(
        "445a5f49505f50524f4f46",
        "01",
        "0101010101010101010101010101010101010101010101010101010101010101",
        "cb007107",
        "0807060504030201",
        "03"
    );

    #[test]
    fn the_signed_message_is_the_networks_own_vector() {
        assert_eq!(hex(&proof().message()), MESSAGE);
        assert_eq!(message(&PAYER, IP, EPOCH, UserType::MULTICAST), proof().message());
    }

    #[test]
    fn the_argument_holds_every_field_at_its_place() {
        let bytes = proof().borsh();
        let front = concat!(
            "01",
            "0101010101010101010101010101010101010101010101010101010101010101",
            "cb007107",
            "0807060504030201",
            "03"
        );
        assert_eq!(hex(&bytes[..46]), front);
        assert_eq!(bytes[46..], proof().signature);
    }

    #[test]
    fn the_instruction_names_no_account_and_points_at_its_own_bytes() {
        let instruction = proof().ed25519_instruction(&verifier().pubkey());
        assert_eq!(
            instruction.program_id.to_string(),
            "Ed25519SigVerify111111111111111111111111111"
        );
        assert!(instruction.accounts.is_empty());
        let data = &instruction.data;
        assert_eq!(data.len(), 169);
        assert_eq!(hex(&data[..16]), "01003000ffff1000ffff70003900ffff");
        assert_eq!(data[16..48], verifier().pubkey().0);
        assert_eq!(data[48..112], proof().signature);
        assert_eq!(hex(&data[112..]), MESSAGE);
    }

    #[test]
    fn an_answer_survives_and_is_the_services_form() {
        let text = proof().to_json();
        let fields: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (fields["version"].as_u64(), fields["client_ip"].as_str()),
            (Some(1), Some("203.0.113.7"))
        );
        assert_eq!(
            (fields["user_type"].as_u64(), fields["epoch"].as_u64()),
            (Some(3), Some(EPOCH))
        );
        assert_eq!(fields["payer"].as_str(), Some(PAYER.to_string().as_str()));
        assert_eq!(
            IpProof::from_json(text.as_bytes(), &PAYER, UserType::MULTICAST),
            Ok(proof())
        );
    }

    #[test]
    fn an_answer_of_another_form_owner_or_kind_or_without_a_signature_is_malformed() {
        let read = |text: &str| {
            IpProof::from_json(text.as_bytes(), &PAYER, UserType::MULTICAST)
                .map_err(|error| error.to_string())
        };
        let text = proof().to_json();
        let second = read(&text.replace("\"version\":1", "\"version\":2")).unwrap_err();
        assert_eq!(
            second,
            "IP ownership proof version 2 is not supported by this client"
        );
        assert_eq!(
            read("{\"version\":300}").unwrap_err(),
            "IP ownership proof version 300 is not supported by this client"
        );
        assert!(
            read(&text.replace(&PAYER.to_string(), &Pubkey([2; 32]).to_string()))
                .unwrap_err()
                .contains("it is for")
        );
        assert!(
            read(&text.replace("\"user_type\":3", "\"user_type\":0"))
                .unwrap_err()
                .contains("IBRL and not for Multicast")
        );
        let signature = Signature(proof().signature).to_string();
        for wrong in ["", "1111", "0OIl", &signature[..80]] {
            assert!(
                read(&text.replace(&signature, wrong))
                    .unwrap_err()
                    .contains("64 octets"),
                "{wrong}"
            );
        }
        for broken in [
            "",
            "null",
            "[]",
            "{}",
            "<html>",
            "{\"version\":1}",
            &text.replace("203.0.113.7", "2001:db8::1"),
        ] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_proof_is_attached_only_where_the_program_would_take_it() {
        let (key, other, nobody) = (verifier().pubkey(), Pubkey([9; 32]), Pubkey::default());
        let multicast = UserType::MULTICAST;
        let check = |owner, ip, user_type, verifier| {
            proof()
                .check(owner, ip, user_type, verifier)
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(&PAYER, IP, multicast, &key), Ok(()));
        assert_eq!(
            check(&other, IP, multicast, &key).unwrap_err(),
            format!("IP ownership proof was issued for {PAYER} but this user is created for {other}")
        );
        assert_eq!(
            check(&PAYER, Ipv4Addr::new(203, 0, 113, 8), multicast, &key).unwrap_err(),
            "IP ownership proof was issued for 203.0.113.7 but this user is created for 203.0.113.8"
        );
        assert_eq!(
            check(&PAYER, IP, UserType::IBRL, &key).unwrap_err(),
            "IP ownership proof was issued for user type Multicast but this user is created as IBRL"
        );
        assert_eq!(
            check(&PAYER, IP, multicast, &nobody).unwrap_err(),
            "No IP verifier authority is configured onchain; cannot attach an IP ownership proof"
        );
        let foreign = Keypair::from_seed([8; 32]).pubkey();
        let refused = check(&PAYER, IP, multicast, &foreign).unwrap_err();
        assert!(
            refused.starts_with(&format!(
                "IP ownership proof does not verify against the onchain verifier {foreign}: "
            )),
            "{refused}"
        );
        let changed = IpProof {
            epoch: EPOCH + 1,
            ..proof()
        };
        assert_eq!(
            changed.check(&PAYER, IP, multicast, &key),
            Err(Unattachable::Signature(key))
        );
    }
}
