//! The book as lines of text: what changed since the last batch that is on disk, and everything.
//!
//! Records are cumulative: what is read twice counts once, and a batch that was lost is in the next one. A line is JSON. It has the
//! start of the daemon and the number of the batch, which grows over all starts; with the node's number no two batches have the same
//! position.

use serde::{Deserialize, Serialize};
use warren_state::{Epoch, Traffic, TunnelId};

use super::{
    account::{Account, Number, Payer},
    book::{BegunHour, UsageBook},
};

/// Accounts in a line of [`UsageBook::everything`].
const IN_A_LINE: usize = 1024;

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("not a line of usage")]
pub struct NotALine(#[from] serde_json::Error);

/// `A` is an account, or a reference to one.
#[derive(Serialize, Deserialize)]
struct Line<A> {
    /// The batch, or the one that everything is as of.
    usage: u64,
    epoch: Epoch,
    /// When all tunnels were looked at last.
    read_ms: u64,
    /// An hour begins here: what the accounts before this line have is of earlier ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hour: Option<BegunHour>,
    /// Everything begins here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begin: Option<Begin>,
    #[serde(default, skip_serializing_if = "is_zero")]
    unseen_ms: u64,
    /// The daemon ended, and this is all that it knew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
    /// Accounts whose newest run went on, and how far: bytes and packets received, and sent.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    read: Vec<(Number, u64, u64, u64, u64)>,
    /// Accounts of which more changed.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<A>,
}

#[derive(Serialize, Deserialize)]
struct Begin {
    next: Number,
    hour: BegunHour,
    closed: Vec<(Payer, Traffic, u64)>,
    #[serde(default)]
    bases: Vec<(TunnelId, Traffic)>,
}

/// A batch for the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Its number, for [`UsageBook::written`].
    pub sequence: u64,
    /// Its lines, without their ends.
    pub lines: Vec<Vec<u8>>,
}

impl UsageBook {
    /// What changed since the last batch that is on disk, in one line. `ended`: the daemon ends, and this is all that it knows.
    pub fn changes(&mut self, ended: bool) -> Batch {
        let mut line = self.line(ended);
        line.hour = Some(self.hour).filter(|hour| hour.1 > self.on_disk);
        for account in self
            .accounts
            .values()
            .filter(|account| account.changed > self.on_disk)
        {
            if account.rebuilt > self.on_disk {
                line.accounts.push(account);
            } else {
                let Traffic {
                    rx_bytes,
                    rx_packets,
                    tx_bytes,
                    tx_packets,
                } = account.newest();
                line.read
                    .push((account.number, rx_bytes, rx_packets, tx_bytes, tx_packets));
            }
        }
        let lines = vec![text(&line)];
        self.batch(lines)
    }

    /// Everything, in lines that belong together.
    pub fn everything(&mut self, ended: bool) -> Batch {
        let mut first = self.line(ended);
        first.begin = Some(Begin {
            next: self.next,
            hour: self.hour,
            closed: self
                .closed
                .iter()
                .map(|(payer, (total, gap))| (*payer, *total, *gap))
                .collect(),
            bases: self.bases.iter().map(|(tunnel, base)| (*tunnel, *base)).collect(),
        });
        let mut lines = vec![text(&first)];
        let accounts: Vec<&Account> = self.accounts.values().map(Box::as_ref).collect();
        for some in accounts.chunks(IN_A_LINE) {
            let mut line = self.line(ended);
            line.accounts = some.to_vec();
            lines.push(text(&line));
        }
        self.batch(lines)
    }

    /// Takes a line that was written before.
    ///
    /// # Errors
    /// When it says nothing that can be understood; the book is as before then.
    pub fn read_back(&mut self, line: &[u8]) -> Result<(), NotALine> {
        let line: Line<Account> = serde_json::from_slice(line)?;
        if let Some(begin) = line.begin {
            *self = Self {
                next: begin.next,
                hour: begin.hour,
                closed: begin
                    .closed
                    .into_iter()
                    .map(|(payer, total, gap)| (payer, (total, gap)))
                    .collect(),
                bases: begin.bases.into_iter().collect(),
                ..Self::default()
            };
        }
        if let Some(hour) = line.hour {
            self.roll(hour);
        }
        (self.sequence, self.on_disk, self.epoch) = (line.usage, line.usage, line.epoch);
        (self.read_ms, self.batch_ms, self.told_ms) = (line.read_ms, line.read_ms, line.read_ms);
        (self.unseen_ms, self.is_unsure) = (line.unseen_ms, !line.ended);
        for (number, rx_bytes, rx_packets, tx_bytes, tx_packets) in line.read {
            let carried = Traffic {
                rx_bytes,
                rx_packets,
                tx_bytes,
                tx_packets,
            };
            if let Some(account) = self.accounts.get_mut(&number) {
                account.advance(carried);
                account.told = account.total;
            }
        }
        for mut account in line.accounts {
            (account.told, account.sampled) = (account.total, account.settled);
            self.bases.remove(&account.tunnel);
            self.next = self.next.max(account.number);
            let (number, tunnel): (Number, TunnelId) = (account.number, account.tunnel);
            let newest = self.current.entry(tunnel).or_insert(number);
            *newest = number.max(*newest);
            self.accounts.insert(number, Box::new(account));
        }
        Ok(())
    }

    fn line<'a>(&self, ended: bool) -> Line<&'a Account> {
        Line {
            usage: self.sequence + 1,
            epoch: self.epoch,
            read_ms: self.read_ms,
            hour: None,
            begin: None,
            unseen_ms: self.unseen_ms,
            ended,
            read: Vec::new(),
            accounts: Vec::new(),
        }
    }

    fn batch(&mut self, lines: Vec<Vec<u8>>) -> Batch {
        (self.sequence, self.batch_ms) = (self.sequence + 1, self.read_ms);
        Batch {
            sequence: self.sequence,
            lines,
        }
    }
}

fn text(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
