//! What was carried in each hour that is over: lines of a file for each day.
//!
//! A line has one hour: the names that the day's file does not have yet, and a row for each account that carried something. A line
//! that is written again after a crash stands next to the one before, begins with the same hour and batch, and replaces it; until it
//! is, the book has that hour.

use serde::{Deserialize, Serialize};
use warren_state::{Traffic, TunnelId};

use super::{
    account::{Number, Payer},
    book::{BegunHour, HOUR_MS, UsageBook, day_of},
    lines::NotALine,
};

/// One hour of a day's file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HourLine {
    /// Which, in hours since 1970.
    pub hour: u64,
    /// The batch that began it.
    began: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) names: Vec<Name>,
    pub(super) rows: Vec<(Number, u64, u64, u64, u64)>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Name {
    pub(super) number: Number,
    pub(super) tunnel: TunnelId,
    #[serde(flatten)]
    pub(super) payer: Payer,
}

impl UsageBook {
    /// The present hour's line, of what is on disk, and the day whose file it is for, in days since 1970; none when nothing was
    /// carried in it.
    #[must_use]
    pub fn hour_line(&self) -> Option<(u64, Vec<u8>)> {
        let (hour, began) = self.hour;
        let day = day_of(hour);
        let (mut names, mut rows) = (Vec::new(), Vec::new());
        for account in self
            .accounts
            .values()
            .filter(|account| account.told != account.hour)
        {
            let Traffic {
                rx_bytes,
                rx_packets,
                tx_bytes,
                tx_packets,
            } = account.told.since(account.hour).unwrap_or_default();
            rows.push((account.number, rx_bytes, rx_packets, tx_bytes, tx_packets));
            if account.named != Some(day) {
                names.push(Name {
                    number: account.number,
                    tunnel: account.tunnel,
                    payer: account.payer,
                });
            }
        }
        let line = HourLine {
            hour,
            began,
            names,
            rows,
        };
        (!line.rows.is_empty()).then(|| (day, serde_json::to_vec(&line).unwrap_or_default()))
    }

    /// When the present hour began, in milliseconds since 1970.
    #[must_use]
    pub fn hour_ms(&self) -> u64 {
        self.hour.0 * HOUR_MS
    }
}

impl HourLine {
    /// Takes a line that was written before.
    ///
    /// # Errors
    /// When it says nothing that can be understood.
    pub fn read_back(line: &[u8]) -> Result<Self, NotALine> {
        Ok(serde_json::from_slice(line)?)
    }

    /// Which hour it is of. A later line of the same hour replaces it.
    pub(super) fn begun(&self) -> BegunHour {
        (self.hour, self.began)
    }
}
