//! What every verb that changes the ledger needs: somebody who signs and pays, and answers of the ledger.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use serde_json::json;
use tokio::time::Instant;
use warren_ledger::{
    Account, Keypair,
    accounts::{AccessPass, AccountType, Device, MulticastGroup, User},
    instructions::{Caller, Instruction, Permission},
    rpc::Listed,
    send::{Confirmed, Progress, SendError, SendSettings, send},
};
use warren_state::Pubkey;

use super::{host, steps::Steps};
use crate::cli::{
    client::Client,
    command::LedgerFlags,
    failure::Failure,
    operator::{Operator, soon},
};

/// For one transaction. An expired one is proven dead after about 90 s, and another is made then.
const SETTLED_WITHIN: Duration = Duration::from_secs(150);

/// Somebody who signs and pays, at a ledger.
pub struct Session<'a> {
    /// The daemon of this host.
    pub daemon: &'a Client,
    /// What is told.
    pub steps: &'a Steps,
    /// The ledger.
    pub operator: Operator,
    /// Who pays.
    pub payer: Pubkey,
    keypair: Keypair,
}

impl<'a> Session<'a> {
    /// Finds the keypair and the ledger, and makes sure that both can be used.
    ///
    /// # Errors
    /// When there is no keypair, no balance, no ledger, or this software is too old for the program.
    pub async fn open(flags: &LedgerFlags, daemon: &'a Client, steps: &'a Steps) -> Result<Self, Failure> {
        let operator = Operator::new(flags, daemon).await?;
        let found = operator.keypair()?;
        let payer = found.keypair.pubkey();
        steps.done("keypair", &format!("{payer} from {}", found.place), json!({ "payer": payer.to_string() }));
        operator.check_version().await?;
        let balance = operator.ledger.balance(&payer, soon()).await?;
        if balance.0 == 0 {
            let what = format!("the keypair {payer} has no balance on {}", operator.network());
            return Err(Failure::new(what, format!("Send some SOL to {payer}: fees and the account's rent are paid from it.")));
        }
        steps.done(
            "ledger",
            &format!("{}, balance {balance} SOL", operator.network()),
            json!({ "network": operator.network(), "lamports": balance.0 }),
        );
        Ok(Self { daemon, steps, operator, payer, keypair: found.keypair })
    }

    /// Who calls the program.
    pub fn caller(&self) -> Caller {
        self.operator.caller(self.payer)
    }

    /// The pass that lets this host in.
    ///
    /// # Errors
    /// When there is none.
    pub async fn pass(&self, client_ip: Ipv4Addr) -> Result<(Pubkey, AccessPass), Failure> {
        let found = self.operator.ledger.access_pass(client_ip, &self.payer, soon()).await?;
        found.ok_or_else(|| host::no_pass(&self.payer, client_ip))
    }

    /// The users of this host.
    ///
    /// # Errors
    /// When the ledger does not answer, or one does not read: what it holds is not known then.
    pub async fn users(&self, client_ip: Ipv4Addr) -> Result<BTreeMap<Pubkey, User>, Failure> {
        let Listed { accounts, unreadable, .. } = self.operator.ledger.users_at(client_ip, soon()).await?;
        if let Some((key, reason)) = unreadable.first_key_value() {
            return Err(Failure::new(format!("the user {key} of this host does not read: {reason}"), "Update this software."));
        }
        let user = |(key, account)| if let Account::User(user) = account { Some((key, user)) } else { None };
        Ok(accounts.into_iter().filter_map(user).collect())
    }

    /// One user, once the ledger shows it.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn user(&self, key: &Pubkey) -> Result<User, Failure> {
        self.poll("user", "the ledger does not show the user yet", || async {
            Ok(match self.operator.ledger.account(key, soon()).await? {
                Some(Account::User(user)) => Some(user),
                _ => None,
            })
        })
        .await
    }

    /// Waits until the ledger shows this account no more.
    ///
    /// # Errors
    /// When it still does when the time is up.
    pub async fn closed(&self, key: &Pubkey) -> Result<(), Failure> {
        self.poll("user", "the ledger still shows the user", || async {
            Ok(self.operator.ledger.account(key, soon()).await?.is_none().then_some(()))
        })
        .await
    }

    async fn poll<T, L>(&self, step: &'static str, hangs: &str, look: impl Fn() -> L) -> Result<T, Failure>
    where
        L: Future<Output = Result<Option<T>, Failure>>,
    {
        const WITHIN: Duration = Duration::from_secs(30);
        let deadline = Instant::now() + WITHIN;
        let mut pause = Duration::from_millis(100);
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            if Instant::now() + pause >= deadline {
                let what = format!("after {}: {hangs}", humantime::format_duration(WITHIN));
                return Err(Failure::not_yet(what, "The endpoint may be behind: run the command again, it resumes."));
            }
            self.steps.waiting(step, hangs);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// All devices.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn devices(&self) -> Result<BTreeMap<Pubkey, Device>, Failure> {
        let listed = self.operator.ledger.list(AccountType::DEVICE, soon()).await?;
        let device = |(key, account)| if let Account::Device(device) = account { Some((key, device)) } else { None };
        Ok(listed.accounts.into_iter().filter_map(device).collect())
    }

    /// All multicast groups.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn groups(&self) -> Result<BTreeMap<Pubkey, MulticastGroup>, Failure> {
        let listed = self.operator.ledger.list(AccountType::MULTICAST_GROUP, soon()).await?;
        let group = |(key, account)| if let Account::MulticastGroup(group) = account { Some((key, group)) } else { None };
        Ok(listed.accounts.into_iter().filter_map(group).collect())
    }

    /// Whether the payer has a permission that instructions name.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn permission(&self) -> Result<Permission, Failure> {
        let address = self.operator.pda().permission(&self.payer).address;
        let found = self.operator.ledger.account(&address, soon()).await?;
        Ok(if found.is_some() { Permission::Present } else { Permission::Absent })
    }

    /// Has the program carry these out, once and all together.
    ///
    /// # Errors
    /// When it refuses, or what became of it is not known.
    pub async fn send(&self, instructions: &[Instruction], what: &str) -> Result<Confirmed, Failure> {
        let before = self.steps.standing();
        self.steps.stands(format!("a transaction may be on its way ({what})"));
        let progress = |progress: Progress| match progress {
            Progress::Sent(signature) | Progress::Seen(signature) => {
                self.steps.stands(format!("transaction {signature} is on its way ({what}) and may still be carried out"));
                self.steps.waiting("transaction", &format!("{signature} to be confirmed"));
            }
            Progress::Expired(signature) => self.steps.waiting("transaction", &format!("{signature} expired, another one is made")),
            Progress::Retrying(reason) => self.steps.waiting("transaction", &reason),
        };
        let deadline = Instant::now() + SETTLED_WITHIN;
        let sent = send(&self.operator.ledger, instructions, &self.keypair, SendSettings::default(), deadline, progress).await;
        let confirmed = sent.map_err(|error| {
            // Only then may it still be carried out.
            if !matches!(error, SendError::Unconfirmed { .. }) {
                self.steps.stands(before.clone());
            }
            Failure::from(error)
        })?;
        self.operator.ledger.not_before(confirmed.slot);
        self.steps.stands(format!("{what} (transaction {})", confirmed.signature));
        Ok(confirmed)
    }
}
