//! The devnet ledger's JSON-RPC, as far as the devnet needs it.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use warren_state::Pubkey;

use crate::{http, wait::scaled};

/// Owner of an account that is no more.
const NOBODY: Pubkey = Pubkey([0; 32]);

/// An account as it lies on the ledger.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawAccount {
    /// Its address.
    pub pubkey: Pubkey,
    /// The program that owns it.
    pub owner: Pubkey,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// A client of one ledger.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rpc {
    /// Where the ledger listens; its websocket is on the next port.
    pub server: SocketAddr,
}

impl Rpc {
    /// The ledger at this address.
    #[must_use]
    pub fn at(address: impl Into<IpAddr>, port: u16) -> Self {
        Self {
            server: SocketAddr::new(address.into(), port),
        }
    }

    /// The URL of JSON-RPC.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server)
    }

    /// The URL of the websocket.
    #[must_use]
    pub fn websocket_url(&self) -> String {
        format!("ws://{}:{}", self.server.ip(), self.server.port() + 1)
    }

    /// The slot that the ledger is at.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn slot(&self) -> Result<u64> {
        self.call("getSlot", json!([{"commitment": "confirmed"}]))?
            .as_u64()
            .context("a slot that is no number")
    }

    /// Puts an account on the ledger, in place of what is there.
    ///
    /// # Errors
    /// When the ledger does not answer or refuses; the real validator knows no such call.
    pub fn set_account(&self, account: &RawAccount) -> Result<()> {
        self.put(account.pubkey, account.owner, &account.data, 1_000_000_000)
    }

    /// Closes an account: it holds nothing and belongs to nobody.
    ///
    /// # Errors
    /// As for [`Rpc::set_account`].
    pub fn close_account(&self, pubkey: Pubkey) -> Result<()> {
        self.put(pubkey, NOBODY, &[], 0)
    }

    /// Reads an account.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn account(&self, pubkey: Pubkey) -> Result<Option<RawAccount>> {
        let answer = self.call(
            "getAccountInfo",
            json!([pubkey, {"encoding": "base64", "commitment": "confirmed"}]),
        )?;
        match &answer["value"] {
            Value::Null => Ok(None),
            value @ (Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => raw_account(pubkey, value).map(Some),
        }
    }

    /// Reads all accounts of a program whose bytes begin like this.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub fn program_accounts(&self, program: Pubkey, beginning: &[u8]) -> Result<Vec<RawAccount>> {
        let filter = json!({"memcmp": {"offset": 0, "bytes": base64(beginning), "encoding": "base64"}});
        let filters = if beginning.is_empty() {
            json!([])
        } else {
            json!([filter])
        };
        let options = json!({"encoding": "base64", "commitment": "confirmed", "filters": filters});
        let answer = self.call("getProgramAccounts", json!([program, options]))?;
        let entries = answer.as_array().context("program accounts that are no list")?;
        let one = |entry: &Value| {
            let pubkey = entry["pubkey"]
                .as_str()
                .context("an account without address")?
                .parse()?;
            raw_account(pubkey, &entry["account"])
        };
        entries.iter().map(one).collect()
    }

    /// Calls any method.
    ///
    /// # Errors
    /// When the ledger does not answer, or answers with an error.
    pub fn call(&self, method: &str, params: Value) -> Result<Value> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let response = http::post(self.server, "/", &request, scaled(Duration::from_secs(10)))?;
        let mut answer = response.json()?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].take())
    }

    fn put(&self, pubkey: Pubkey, owner: Pubkey, data: &[u8], lamports: u64) -> Result<()> {
        let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        let account =
            json!({"lamports": lamports, "owner": owner, "executable": false, "rentEpoch": 0, "data": hex});
        self.call("surfnet_setAccount", json!([pubkey, account]))
            .map(drop)
    }
}

fn raw_account(pubkey: Pubkey, value: &Value) -> Result<RawAccount> {
    let owner = value["owner"]
        .as_str()
        .context("an account without owner")?
        .parse()?;
    let data = unbase64(value["data"][0].as_str().context("an account without data")?)?;
    Ok(RawAccount { pubkey, owner, data })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 base64 with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    let sextet = |group: u32, at: u32| char::from(ALPHABET[((group >> (18 - 6 * at)) & 63) as usize]);
    let encode = |chunk: &[u8]| {
        let group = (0..3).fold(0_u32, |group, at| {
            (group << 8) | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        (0..4)
            .map(move |at| {
                if at as usize > chunk.len() {
                    '='
                } else {
                    sextet(group, at)
                }
            })
            .collect::<String>()
    };
    bytes.chunks(3).map(encode).collect()
}

/// The bytes of RFC 4648 base64, padding optional.
///
/// # Errors
/// When a character is not of the alphabet.
pub fn unbase64(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for character in text.trim_end_matches('=').bytes() {
        let sextet = ALPHABET
            .iter()
            .position(|&letter| letter == character)
            .with_context(|| format!("not base64: {text:?}"))?;
        bits = (bits << 6) | u32::try_from(sextet)?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff)?);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
            assert_eq!(unbase64(encoded).unwrap(), plain.as_bytes());
        }
        assert!(unbase64("a b").is_err());
    }
}
