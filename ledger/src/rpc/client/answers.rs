//! What is read out of the answers to single questions.

use serde_json::Value;
use warren_state::{Pubkey, Slot};

use super::EpochInfo;
use crate::{
    rpc::{Commitment, failure::Failure},
    send::{Blockhash, Lamports, Reply, TransactionOutcome},
};

fn garbled(what: &str) -> Failure {
    Failure::Garbled(format!("no {what} in it"))
}

pub(super) fn balance(answer: &Value) -> Result<Lamports, Failure> {
    answer["value"]
        .as_u64()
        .map(Lamports)
        .ok_or_else(|| garbled("balance"))
}

pub(super) fn epoch(answer: Value) -> Result<EpochInfo, Failure> {
    serde_json::from_value(answer).map_err(|error| Failure::Garbled(error.to_string()))
}

pub(super) fn blockhash(answer: &Value) -> Result<Reply, Failure> {
    let value = &answer["value"];
    let text = value["blockhash"].as_str().ok_or_else(|| garbled("blockhash"))?;
    // A hash is 32 bytes in base58, as an address is.
    let Pubkey(hash) = text.parse().map_err(|_| garbled("blockhash"))?;
    let last_valid_block_height = value["lastValidBlockHeight"]
        .as_u64()
        .ok_or_else(|| garbled("height"))?;
    Ok(Reply::Blockhash {
        blockhash: Blockhash(hash),
        last_valid_block_height,
    })
}

pub(super) fn status(answer: &Value, wanted: Commitment) -> Result<Reply, Failure> {
    let node_slot = answer["context"]["slot"]
        .as_u64()
        .map(Slot)
        .ok_or_else(|| garbled("slot"))?;
    let status = answer["value"].get(0).ok_or_else(|| garbled("status"))?;
    if status.is_null() {
        return Ok(Reply::Status {
            node_slot,
            fate: None,
        });
    }
    let slot = status["slot"].as_u64().map(Slot).ok_or_else(|| garbled("slot"))?;
    let err = Some(&status["err"]).filter(|err| !err.is_null()).cloned();
    Ok(Reply::Status {
        node_slot,
        fate: Some(TransactionOutcome {
            slot,
            settled: is_settled(status, wanted)?,
            err,
        }),
    })
}

/// Old nodes leave `confirmationStatus` out: there, no number of confirmations means that the block is finalized.
pub(super) fn is_settled(status: &Value, wanted: Commitment) -> Result<bool, Failure> {
    let reached = match status["confirmationStatus"].as_str() {
        Some(text) => text.parse().map_err(|_| garbled("known status"))?,
        None if status["confirmations"].is_null() => Commitment::Finalized,
        None if status["confirmations"].as_u64() > Some(1) => Commitment::Confirmed,
        None => Commitment::Processed,
    };
    let rank = |commitment| match commitment {
        Commitment::Processed => 0,
        Commitment::Confirmed => 1,
        Commitment::Finalized => 2,
    };
    Ok(rank(reached) >= rank(wanted))
}
