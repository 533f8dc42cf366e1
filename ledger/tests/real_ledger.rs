//! Sending to a real ledger: `WARREN_TEST_RPC=http://127.0.0.1:8899 cargo test -p warren-ledger --test real_ledger -- --ignored`
//! against surfpool or the validator, for instance of `warren-devnet up`. The payer is funded by the ledger's faucet.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use warren_ledger::{
    Endpoint, Environment, Keypair, LedgerClient, ProgramError, RpcSettings,
    instructions::{AccountMeta, Instruction, SYSTEM_PROGRAM},
    send::{Lamports, Progress, SendError, SendSettings, TransactionFailure, send},
};
use warren_state::Pubkey;

const FUNDS: u64 = 1_000_000_000;

fn url() -> String {
    std::env::var("WARREN_TEST_RPC").expect("WARREN_TEST_RPC names the ledger")
}

fn client() -> LedgerClient {
    let endpoint = Endpoint::http(&url()).unwrap();
    LedgerClient::new(RpcSettings::new(vec![endpoint], Environment::Localnet.program_id())).unwrap()
}

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

async fn call(method: &str, params: Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let request = reqwest::Client::new().post(url()).header("content-type", "application/json").body(body);
    serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
}

async fn funded(client: &LedgerClient) -> Keypair {
    let keypair = Keypair::generate().unwrap();
    call("requestAirdrop", json!([keypair.pubkey().to_string(), FUNDS])).await;
    let deadline = in_a_minute();
    while client.balance(&keypair.pubkey(), deadline).await.unwrap() < Lamports(FUNDS) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    keypair
}

fn transfer(from: Pubkey, to: Pubkey, lamports: u64) -> Instruction {
    let accounts = vec![AccountMeta { pubkey: from, signer: true, writable: true }, AccountMeta::writable(to)];
    Instruction { program_id: SYSTEM_PROGRAM, accounts, data: [&[2, 0, 0, 0][..], &lamports.to_le_bytes()].concat() }
}

#[tokio::test]
#[ignore = "needs a ledger: WARREN_TEST_RPC"]
async fn a_transaction_is_carried_out_once_though_it_is_sent_many_times() {
    let client = client();
    let payer = funded(&client).await;
    let to = Keypair::generate().unwrap().pubkey();
    // The same bytes go out again and again until the ledger has settled them.
    let settings = SendSettings { broadcast_every: Duration::from_millis(20), ..SendSettings::default() };
    let mut told = vec![];
    let instruction = transfer(payer.pubkey(), to, 5_000_000);
    let confirmed = send(&client, &[instruction], &payer, settings, in_a_minute(), |progress| told.push(progress)).await.unwrap();
    assert!(told.contains(&Progress::Sent(confirmed.signature)), "{told:?}");
    assert_eq!(client.balance(&to, in_a_minute()).await, Ok(Lamports(5_000_000)));
}

#[tokio::test]
#[ignore = "needs a ledger: WARREN_TEST_RPC"]
async fn a_failure_comes_back_as_the_code_of_the_right_instruction() {
    let client = client();
    let payer = funded(&client).await;
    let instruction = transfer(payer.pubkey(), Keypair::generate().unwrap().pubkey(), FUNDS * 2);
    let error = send(&client, &[instruction], &payer, SendSettings::default(), in_a_minute(), |_| {}).await.unwrap_err();
    let failure = TransactionFailure::Program { instruction: 2, error: ProgramError::from_code(1) };
    assert!(matches!(&error, SendError::Failed { failure: found, .. } if *found == failure), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a ledger: WARREN_TEST_RPC"]
async fn a_payer_that_does_not_exist_is_told_so_before_anything_is_sent() {
    let client = client();
    let payer = Keypair::generate().unwrap();
    let instruction = transfer(payer.pubkey(), Pubkey([9; 32]), 1);
    let error = send(&client, &[instruction], &payer, SendSettings::default(), in_a_minute(), |_| {}).await.unwrap_err();
    assert_eq!(error, SendError::NoBalance { payer: payer.pubkey() });
}

#[tokio::test]
#[ignore = "needs a ledger: WARREN_TEST_RPC"]
async fn the_ledgers_clock_is_read() {
    let first = client().epoch(in_a_minute()).await.unwrap();
    assert!(first.absolute_slot >= first.block_height, "{first:?}");
}
