//! What every verb that changes the ledger needs: somebody who signs and pays, and answers of the ledger.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use serde_json::json;
use tokio::time::Instant;
use warren_api::client::Client;
use warren_ledger::{
    Account, InstructionForms, Keypair,
    accounts::{AccountType, Device, Feed, MulticastGroup, User},
    instructions::{Caller, Instruction, Permission},
    rpc::AccountListing,
    send::{Confirmed, Progress, SendError, SendSettings, TransactionFailure, send},
};
use warren_state::Pubkey;

use super::{
    passes::{Of, Pass, Passes},
    steps::Steps,
};
use crate::{
    command::LedgerFlags,
    failure::Failure,
    operator::{Operator, soon},
};

/// For one transaction. An expired one is proven dead after about 90 s, and another is made then.
const SETTLED_WITHIN: Duration = Duration::from_secs(150);

/// Somebody who signs and pays, at a ledger.
pub struct LedgerSession<'a> {
    /// The daemon of this host.
    pub daemon: &'a Client,
    /// What is told.
    pub steps: &'a Steps,
    /// The ledger.
    pub operator: Operator,
    /// The key that signs and pays, which owns the users that are made.
    pub payer: Pubkey,
    /// Which forms of transactions the program takes.
    pub forms: InstructionForms,
    keypair: Keypair,
}

impl<'a> LedgerSession<'a> {
    /// Finds the keypair and the ledger, and makes sure that both can be used.
    ///
    /// # Errors
    /// When there is no keypair, no balance, no ledger, or this software is too old for the program.
    pub async fn open(flags: &LedgerFlags, daemon: &'a Client, steps: &'a Steps) -> Result<Self, Failure> {
        let operator = Operator::new(flags, daemon).await?;
        let found = operator.keypair()?;
        let payer = found.keypair.pubkey();
        steps.done(
            "keypair",
            &format!("{payer} from {}", found.place),
            json!({ "payer": payer.to_string() }),
        );
        let forms = operator
            .check_version()
            .await?
            .map(InstructionForms::of)
            .unwrap_or_default();
        let balance = operator.ledger.balance(&payer, soon()).await?;
        if balance.0 == 0 {
            let what = format!("the keypair {payer} has no balance on {}", operator.network());
            return Err(Failure::new(
                what,
                format!("Send some SOL to {payer}: fees and the account's rent are paid from it."),
            ));
        }
        steps.done(
            "ledger",
            &format!("{}, balance {balance} SOL", operator.network()),
            json!({ "network": operator.network(), "lamports": balance.0 }),
        );
        Ok(Self {
            daemon,
            steps,
            operator,
            payer,
            forms,
            keypair: found.keypair,
        })
    }

    /// Who calls the program.
    pub fn caller(&self) -> Caller {
        self.operator.caller(self.payer)
    }

    /// The passes of this payer that may let a host of this address in.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn passes(&self, client_ip: Ipv4Addr, payer: &Pubkey) -> Result<Passes, Failure> {
        let found = self
            .operator
            .ledger
            .access_passes(client_ip, payer, soon())
            .await?;
        Ok(Passes(
            found
                .into_iter()
                .map(|(key, allows)| Pass { key, allows })
                .collect(),
        ))
    }

    /// The pass of a user that is there; `named` is what the operator says that it is.
    ///
    /// # Errors
    /// When it cannot be told, or what is written on the user is not on the ledger.
    pub async fn pass_of(
        &self,
        passes: &Passes,
        key: &Pubkey,
        user: &User,
        named: Option<Pubkey>,
    ) -> Result<Pass, Failure> {
        let recorded = match passes.of_user(key, user, named)? {
            Of::Known(pass) => return Ok(pass.clone()),
            Of::Recorded(recorded) => recorded,
        };
        match self.operator.ledger.account(&recorded, soon()).await? {
            Some(Account::AccessPass(allows)) => Ok(Pass {
                key: recorded,
                allows,
            }),
            found => {
                let why = found.map_or("it is not on the ledger", |_| "it has the wrong account type");
                let what =
                    format!("the access pass {recorded}, which user {key} records, cannot be used: {why}");
                Err(Failure::new(
                    what,
                    "Ask the network's operators, who can delete the user.",
                ))
            }
        }
    }

    /// The users of this host.
    ///
    /// # Errors
    /// When the ledger does not answer, or one does not read: what it holds is not known then.
    pub async fn users(&self, client_ip: Ipv4Addr) -> Result<BTreeMap<Pubkey, User>, Failure> {
        let AccountListing {
            accounts, unreadable, ..
        } = self.operator.ledger.users_at(client_ip, soon()).await?;
        if let Some((key, reason)) = unreadable.first_key_value() {
            return Err(Failure::new(
                format!("the user {key} of this host does not decode: {reason}"),
                "Update this software.",
            ));
        }
        let user = |(key, account)| {
            if let Account::User(user) = account {
                Some((key, user))
            } else {
                None
            }
        };
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

    /// Waits until the ledger no longer shows this account.
    ///
    /// # Errors
    /// When it still does when timed out.
    pub async fn closed(&self, key: &Pubkey) -> Result<(), Failure> {
        self.poll("user", "the ledger still shows the user", || async {
            Ok(self
                .operator
                .ledger
                .account(key, soon())
                .await?
                .is_none()
                .then_some(()))
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
                return Err(Failure::not_yet(
                    what,
                    "The endpoint may be behind: run the command again, it resumes.",
                ));
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
        let device = |(key, account)| {
            if let Account::Device(device) = account {
                Some((key, device))
            } else {
                None
            }
        };
        Ok(listed.accounts.into_iter().filter_map(device).collect())
    }

    /// All multicast groups.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn groups(&self) -> Result<BTreeMap<Pubkey, MulticastGroup>, Failure> {
        let listed = self
            .operator
            .ledger
            .list(AccountType::MULTICAST_GROUP, soon())
            .await?;
        let group = |(key, account)| {
            if let Account::MulticastGroup(group) = account {
                Some((key, group))
            } else {
                None
            }
        };
        Ok(listed.accounts.into_iter().filter_map(group).collect())
    }

    /// All feeds.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn feeds(&self) -> Result<BTreeMap<Pubkey, Feed>, Failure> {
        let listed = self.operator.ledger.list(AccountType::FEED, soon()).await?;
        let feed = |(key, account)| {
            if let Account::Feed(feed) = account {
                Some((key, feed))
            } else {
                None
            }
        };
        Ok(listed.accounts.into_iter().filter_map(feed).collect())
    }

    /// Who manages the users of feeds: the shred oracle.
    ///
    /// # Errors
    /// When the ledger does not answer, or names nobody.
    pub async fn feed_authority(&self) -> Result<Pubkey, Failure> {
        match self
            .operator
            .ledger
            .account(&self.operator.pda().global_state().address, soon())
            .await?
        {
            Some(Account::GlobalState(state)) if !state.feed_authority.is_zero() => Ok(state.feed_authority),
            _ => Err(Failure::new(
                "the ledger names no feed authority",
                "Check --program-id and --env.",
            )),
        }
    }

    /// Whether the payer has a permission that instructions name.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn permission(&self) -> Result<Permission, Failure> {
        let address = self.operator.pda().permission(&self.payer).address;
        let found = self.operator.ledger.account(&address, soon()).await?;
        Ok(if found.is_some() {
            Permission::Present
        } else {
            Permission::Absent
        })
    }

    /// Has the program carry these out, once and all together.
    ///
    /// # Errors
    /// When it refuses, or what became of it is not known.
    pub async fn send(&self, instructions: &[Instruction], what: &str) -> Result<Confirmed, Failure> {
        self.attempt(instructions, what).await.map_err(Failure::from)
    }

    /// The same; where the ledger stops the first because the program does not know it, which changes nothing, the second.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_either(
        &self,
        first: &[Instruction],
        second: &[Instruction],
        what: &str,
    ) -> Result<Confirmed, Failure> {
        match self.attempt(first, what).await {
            Err(SendError::Failed {
                failure: TransactionFailure::Instruction { .. },
                ..
            }) => self.send(second, what).await,
            done => done.map_err(Failure::from),
        }
    }

    async fn attempt(&self, instructions: &[Instruction], what: &str) -> Result<Confirmed, SendError> {
        let before = self.steps.outcome();
        self.steps
            .set_outcome(format!("a transaction may be on its way ({what})"));
        let progress = |progress: Progress| match progress {
            Progress::Sent(signature) | Progress::Seen(signature) => {
                self.steps.set_outcome(format!(
                    "transaction {signature} is on its way ({what}) and may still be carried out"
                ));
                self.steps
                    .waiting("transaction", &format!("{signature} to be confirmed"));
            }
            Progress::Expired(signature) => self.steps.waiting(
                "transaction",
                &format!("{signature} expired: sending another one"),
            ),
            Progress::Retrying(reason) => self.steps.waiting("transaction", &reason),
        };
        let deadline = Instant::now() + SETTLED_WITHIN;
        let sent = send(
            &self.operator.ledger,
            instructions,
            &self.keypair,
            SendSettings::default(),
            deadline,
            progress,
        )
        .await;
        let confirmed = sent.map_err(|error| {
            // Only then may it still be carried out.
            if !matches!(error, SendError::Unconfirmed { .. }) {
                self.steps.set_outcome(before.clone());
            }
            error
        })?;
        self.operator.ledger.not_before(confirmed.slot);
        self.steps
            .set_outcome(format!("{what} (transaction {})", confirmed.signature));
        Ok(confirmed)
    }
}
