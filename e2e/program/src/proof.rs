//! Proofs of address: that a host sends from the address for which a user is made for it, told by a verifier that the state
//! names. The ledger checks the signature, in an instruction of its own beside the one that carries the proof.

use crate::{
    accounts::GlobalState,
    bytes::{ip, key, long, put, same, short},
    create::{Order, Places},
    pass::Pass,
    refusal::{Refusal, Result, require},
    sys::{Account, Key, epoch},
};

/// How long a proof is: the version, who will own the user, the host's address, the epoch, the user's type, the signature.
pub const LENGTH: usize = 110;
const VERSION: u8 = 1;

/// `Ed25519SigVerify111111111111111111111111111`
const ED25519: Key = Key([
    3, 125, 70, 214, 124, 147, 251, 190, 18, 249, 66, 143, 131, 141, 64, 255, 5, 112, 116, 73, 39, 244, 138, 100, 252, 202, 112, 68, 128,
    0, 0, 0,
]);

/// `Sysvar1nstructions1111111111111111111111111`: the transaction's instructions.
pub const INSTRUCTIONS: Key = Key([
    6, 167, 213, 23, 24, 123, 209, 102, 53, 218, 212, 4, 85, 253, 194, 192, 193, 36, 198, 143, 33, 86, 117, 165, 219, 186, 203, 95, 8, 0,
    0, 0,
]);

mod at {
    pub const PAYER: usize = 1;
    pub const CLIENT_IP: usize = 33;
    pub const EPOCH: usize = 37;
    pub const USER_TYPE: usize = 45;
    pub const SIGNATURE: usize = 46;
}

/// Refuses an order without a proof where one is needed, and one whose proof is of something else or of nobody. One that is
/// not needed is looked at just as closely.
#[inline(never)]
pub fn expect(program: &Key, state: &GlobalState, places: &Places<'_>, order: &Order<'_>) -> Result<()> {
    let Some(proof) = order.proof else {
        let is_missing = state.requires_proof() && !is_waived(program, state, places, order);
        return require(!is_missing, Refusal::IP_PROOF_REQUIRED);
    };
    let verifier = state.verifier().ok_or(Refusal::IP_VERIFIER_NOT_CONFIGURED)?;
    expect_fields(proof, order)?;
    let instructions = places.instructions.as_ref().ok_or(Refusal::IP_PROOF_INSTRUCTIONS_MISSING)?;
    expect_signed(instructions, proof, verifier)
}

/// The sentinel needs none, and neither does a host whose pass is for its address and no other.
fn is_waived(program: &Key, state: &GlobalState, places: &Places<'_>, order: &Order<'_>) -> bool {
    let pass = Pass::of(&places.pass, program, order.client_ip, order.owner);
    state.is_sentinel(places.payer.key()) || pass.is_ok_and(|pass| pass.is_for_one_address)
}

fn expect_fields(proof: &[u8], order: &Order<'_>) -> Result<()> {
    require(proof.first() == Some(&VERSION), Refusal::IP_PROOF_VERSION_UNSUPPORTED)?;
    require(key(proof, at::PAYER)? == order.owner, Refusal::IP_PROOF_PAYER_MISMATCH)?;
    require(ip(proof, at::CLIENT_IP)? == u32::from_be_bytes(*order.client_ip), Refusal::IP_PROOF_CLIENT_IP_MISMATCH)?;
    require(proof.get(at::USER_TYPE) == Some(&order.user_type), Refusal::IP_PROOF_USER_TYPE_MISMATCH)?;
    let (proven, now) = (long(proof, at::EPOCH)?, epoch());
    require(proven == now || proven.wrapping_add(1) == now, Refusal::IP_PROOF_EPOCH_OUT_OF_WINDOW)
}

/// Refuses unless one of the transaction's instructions has this proof's signature checked. Of several that do not, the first
/// one's refusal is told.
#[inline(never)]
fn expect_signed(instructions: &Account, proof: &[u8], verifier: &Key) -> Result<()> {
    /// Before each account of an instruction, a byte of flags.
    const META: usize = 1 + 32;
    let data = instructions.data();
    let mut refusal = None;
    for number in 0..short(data, 0)? as usize {
        let at = short(data, 2 + 2 * number)? as usize;
        let at = at + 2 + META * short(data, at)? as usize;
        if *key(data, at)? != ED25519 {
            continue;
        }
        let (len, at) = (short(data, at + 32)? as usize, at + 34);
        let call = data.get(at..at + len).ok_or(Refusal::INVALID_ACCOUNT_DATA)?;
        match expect_call(call, proof, verifier) {
            Ok(()) => return Ok(()),
            Err(first) => refusal = refusal.or(Some(first)),
        }
    }
    Err(refusal.unwrap_or(Refusal::IP_PROOF_ED25519_MISSING))
}

/// Refuses an instruction that checks anything but this proof's signature. The order of the checks is a guess.
#[inline(never)]
fn expect_call(call: &[u8], proof: &[u8], verifier: &Key) -> Result<()> {
    const KEY: usize = 16;
    const SIGNATURE: usize = 48;
    const MESSAGE: usize = 112;
    const END: usize = 169;
    require(call.first() == Some(&1), Refusal::IP_PROOF_SIGNATURE_COUNT)?;
    // One signature of this instruction's own bytes: where it is, the key, the message and its length.
    let mut offsets = [0xff; 14];
    put(&mut offsets, 0, &(SIGNATURE as u16).to_le_bytes())?;
    put(&mut offsets, 4, &(KEY as u16).to_le_bytes())?;
    put(&mut offsets, 8, &(MESSAGE as u16).to_le_bytes())?;
    put(&mut offsets, 10, &((END - MESSAGE) as u16).to_le_bytes())?;
    let part = |from: usize, to: usize| call.get(from..to).unwrap_or_default();
    require(call.len() == END && same(part(2, KEY), &offsets), Refusal::IP_PROOF_ED25519_OFFSETS)?;
    require(key(call, KEY)? == verifier, Refusal::IP_PROOF_VERIFIER_MISMATCH)?;
    let signature = proof.get(at::SIGNATURE..).unwrap_or_default();
    require(same(part(SIGNATURE, MESSAGE), signature), Refusal::IP_PROOF_SIGNATURE_MISMATCH)?;
    // The message is a name and then the proof up to its signature.
    let name = b"DZ_IP_PROOF";
    let said = proof.get(..at::SIGNATURE).unwrap_or_default();
    let is_this = same(part(MESSAGE, MESSAGE + name.len()), name) && same(part(MESSAGE + name.len(), END), said);
    require(is_this, Refusal::IP_PROOF_MESSAGE_MISMATCH)
}
