//! Instructions to a signed transaction, in the ledger's first ("legacy") form, with the payer as the only signer.

use std::{collections::BTreeMap, fmt};

use warren_state::Pubkey;

use crate::{
    instructions::{Instruction, compute_budget_prelude},
    keypair::Keypair,
};

/// The largest transaction, in bytes: it must fit one packet.
pub const LARGEST_TRANSACTION: usize = 1232;

/// A hash that a recent block has: a transaction is valid as long as it is recent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Blockhash(pub [u8; 32]);

/// A transaction's first signature: its name on the ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature(pub [u8; 64]);

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        solana_sdk::signature::Signature::from(self.0).fmt(f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a transaction cannot be made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MessageError {
    /// Another account than the payer must sign.
    #[error("account {0} must sign too, and only the payer can")]
    OtherSigner(Pubkey),
    /// It does not fit a packet.
    #[error("the transaction has {0} bytes, and at most {LARGEST_TRANSACTION} fit: name fewer accounts")]
    TooLarge(usize),
}

/// A transaction with its signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// The payer's signature.
    pub signature: Signature,
    /// The whole, as it is sent.
    pub bytes: Vec<u8>,
}

/// Signs the instructions, the compute budget's two before them, for this blockhash. The same arguments give the same bytes.
///
/// # Errors
/// When another account must sign, or the transaction is too large.
pub fn sign(
    instructions: &[Instruction],
    payer: &Keypair,
    blockhash: Blockhash,
) -> Result<Signed, MessageError> {
    let all: Vec<Instruction> = compute_budget_prelude()
        .into_iter()
        .chain(instructions.iter().cloned())
        .collect();
    let message = compile(&all, payer.pubkey(), blockhash)?;
    let signature = payer.sign(&message);
    let bytes = [&[1][..], &signature.0, &message].concat();
    if bytes.len() > LARGEST_TRANSACTION {
        Err(MessageError::TooLarge(bytes.len()))
    } else {
        Ok(Signed { signature, bytes })
    }
}

/// Whether these fit one transaction of this payer, the compute budget's two before them.
#[must_use]
pub fn fits(instructions: &[Instruction], payer: Pubkey) -> bool {
    const SIGNATURE: usize = 1 + 64;
    let all: Vec<Instruction> = compute_budget_prelude()
        .into_iter()
        .chain(instructions.iter().cloned())
        .collect();
    compile(&all, payer, Blockhash([0; 32]))
        .is_ok_and(|message| SIGNATURE + message.len() <= LARGEST_TRANSACTION)
}

/// The message: header, keys (payer first, then written, then read), blockhash, instructions with keys as indices.
fn compile(
    instructions: &[Instruction],
    payer: Pubkey,
    blockhash: Blockhash,
) -> Result<Vec<u8>, MessageError> {
    let mut writable = BTreeMap::new();
    for meta in instructions.iter().flat_map(|instruction| &instruction.accounts) {
        if meta.signer && meta.pubkey != payer {
            return Err(MessageError::OtherSigner(meta.pubkey));
        }
        *writable.entry(meta.pubkey).or_insert(false) |= meta.writable;
    }
    for instruction in instructions {
        writable.entry(instruction.program_id).or_insert(false);
    }
    writable.remove(&payer);
    let of = |wanted: bool| {
        writable
            .iter()
            .filter(move |(_, writable)| **writable == wanted)
            .map(|(key, _)| *key)
    };
    let keys: Vec<Pubkey> = [payer].into_iter().chain(of(true)).chain(of(false)).collect();
    // More than 255 keys cannot fit a packet, so that all counts and indices below are single bytes or refused by size.
    if keys.len() > 255 {
        return Err(MessageError::TooLarge(keys.len() * 32));
    }
    let index: BTreeMap<Pubkey, u8> = keys.iter().copied().zip(0..=255).collect();
    let mut out = vec![1, 0, u8::try_from(of(false).count()).unwrap_or(u8::MAX)];
    short_length(keys.len(), &mut out);
    keys.iter().for_each(|key| out.extend(key.0));
    out.extend(blockhash.0);
    short_length(instructions.len(), &mut out);
    for instruction in instructions {
        out.push(index[&instruction.program_id]);
        short_length(instruction.accounts.len(), &mut out);
        out.extend(instruction.accounts.iter().map(|meta| index[&meta.pubkey]));
        short_length(instruction.data.len(), &mut out);
        out.extend(&instruction.data);
    }
    Ok(out)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn short_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

#[cfg(test)]
mod tests {
    use solana_sdk::{
        instruction::{AccountMeta as TheirMeta, Instruction as TheirInstruction},
        message::Message,
        pubkey::Pubkey as Address,
    };

    use super::*;
    use crate::{
        accounts::samples::key,
        instructions::{AccountMeta, UnsubscribeFeed, samples},
    };

    fn payer() -> Keypair {
        Keypair::from_seed([7; 32])
    }

    fn theirs(instruction: &Instruction) -> TheirInstruction {
        let meta = |meta: &AccountMeta| {
            let pubkey = Address::from(meta.pubkey.0);
            TheirMeta {
                pubkey,
                is_signer: meta.signer,
                is_writable: meta.writable,
            }
        };
        TheirInstruction {
            program_id: Address::from(instruction.program_id.0),
            accounts: instruction.accounts.iter().map(meta).collect(),
            data: instruction.data.clone(),
        }
    }

    /// The bytes that solana's own message has, field by field.
    fn by_theirs(message: &Message) -> Vec<u8> {
        let header = &message.header;
        let mut out = vec![
            header.num_required_signatures,
            header.num_readonly_signed_accounts,
            header.num_readonly_unsigned_accounts,
        ];
        out.push(message.account_keys.len() as u8);
        message
            .account_keys
            .iter()
            .for_each(|key| out.extend(key.to_bytes()));
        out.extend(message.recent_blockhash.to_bytes());
        out.push(message.instructions.len() as u8);
        for instruction in &message.instructions {
            out.extend([instruction.program_id_index, instruction.accounts.len() as u8]);
            out.extend(&instruction.accounts);
            // Two bytes for what seven bits cannot say.
            let length = instruction.data.len();
            if length < 128 {
                out.push(length as u8);
            } else {
                out.extend([(length % 128) as u8 | 128, (length / 128) as u8]);
            }
            out.extend(&instruction.data);
        }
        out
    }

    #[test]
    fn messages_are_those_of_solanas_own_compiler_for_every_sample() {
        for (name, instruction) in samples::all().unwrap() {
            let payer = samples::caller().payer;
            let all: Vec<Instruction> = compute_budget_prelude()
                .into_iter()
                .chain([instruction])
                .collect();
            let mine = compile(&all, payer, Blockhash([9; 32])).unwrap();
            let their: Vec<TheirInstruction> = all.iter().map(theirs).collect();
            let theirs = Message::new_with_blockhash(&their, Some(&Address::from(payer.0)), &[9; 32].into());
            assert_eq!(mine, by_theirs(&theirs), "{name}");
        }
    }

    #[test]
    fn the_signature_is_the_payers_over_the_message_and_the_same_each_time() {
        let (_, mut instruction) = samples::all().unwrap().remove(2);
        let payer = payer();
        for meta in instruction.accounts.iter_mut().filter(|meta| meta.signer) {
            meta.pubkey = payer.pubkey();
        }
        let signed = sign(std::slice::from_ref(&instruction), &payer, Blockhash([9; 32])).unwrap();
        assert_eq!(
            signed,
            sign(&[instruction.clone()], &payer, Blockhash([9; 32])).unwrap()
        );
        assert_ne!(
            signed.signature,
            sign(&[instruction], &payer, Blockhash([8; 32]))
                .unwrap()
                .signature
        );
        assert_eq!(signed.bytes[..65], [&[1][..], &signed.signature.0].concat());
        let signature = solana_sdk::signature::Signature::from(signed.signature.0);
        assert!(signature.verify(&payer.pubkey().0, &signed.bytes[65..]));
        assert_eq!(signed.signature.to_string(), signature.to_string());
    }

    #[test]
    fn another_signer_and_a_transaction_larger_than_a_packet_are_refused() {
        let (_, instruction) = samples::all().unwrap().remove(2);
        assert_eq!(
            sign(&[instruction], &payer(), Blockhash([9; 32])),
            Err(MessageError::OtherSigner(samples::caller().payer))
        );
        let payer = payer();
        let caller = crate::instructions::Caller {
            program_id: key(3),
            payer: payer.pubkey(),
        };
        let keys = |from: u8, count: u8| (from..from + count).map(key).collect::<Vec<_>>();
        let leave = |groups| UnsubscribeFeed {
            access_pass: key(4),
            user: key(5),
            device: key(6),
            feeds: vec![key(7)],
            retained: keys(10, 4),
            groups: keys(20, groups),
        };
        assert!(fits(&[leave(20).build(&caller).unwrap()], payer.pubkey()));
        assert!(!fits(&[leave(40).build(&caller).unwrap()], payer.pubkey()));
        let size = |groups| {
            sign(
                &[leave(groups).build(&caller).unwrap()],
                &payer,
                Blockhash([9; 32]),
            )
            .map(|signed| signed.bytes.len())
        };
        assert!(
            size(20).unwrap() <= LARGEST_TRANSACTION,
            "five feeds with twenty groups, the program's limits, fit"
        );
        assert!(matches!(size(40), Err(MessageError::TooLarge(_))));
    }
}
