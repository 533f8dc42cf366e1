//! All accounts of this host.

use std::collections::BTreeMap;

use warren_state::{Epoch, Monotonic, Reading, Traffic, TunnelId};

use super::account::{Account, Awaited, Number, Payer};

/// An hour in milliseconds.
pub(super) const HOUR_MS: u64 = 3_600_000;
/// A rate is of at least this many milliseconds.
const RATE_MS: u128 = 1000;

/// An hour, in hours since 1970, and the batch that began it.
pub(super) type BegunHour = (u64, u64);

/// One look at the dataplane's counters.
#[derive(Clone, Copy, Debug)]
pub struct CounterReading<'a> {
    /// When it began.
    pub begun: Monotonic,
    /// The same by the wall clock, in milliseconds since 1970.
    pub begun_ms: u64,
    /// When the answer was there.
    pub ended: Monotonic,
    /// Which tunnel was looked at; all when none is named.
    pub of: Option<TunnelId>,
    /// What there was, in the order of tunnels.
    pub readings: &'a [Reading],
}

/// What was carried in this time may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Of this tunnel; of tunnels that were made in that time and were gone at its end, when none is named.
    pub tunnel: Option<TunnelId>,
    /// When it begins, in milliseconds since 1970.
    pub from_ms: u64,
    /// When it ends.
    pub to_ms: u64,
}

/// All accounts of this host: a machine without clock and disk.
///
/// Each input makes changes that [`lines`](super::lines) writes down in the next batch. A book that is read back from the batches on
/// disk goes on from there, and what was carried meanwhile is in the counters of the links that are still there.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct UsageBook {
    /// Apart from the map, whose blocks are half empty: numbers only grow.
    pub(super) accounts: BTreeMap<Number, Box<Account>>,
    /// The account that a tunnel's traffic goes to now.
    pub(super) current: BTreeMap<TunnelId, Number>,
    /// Accounts that were closed, by payer: totals and gaps.
    pub(super) closed: BTreeMap<Payer, (Traffic, u64)>,
    /// What tunnels that no account is open of had carried.
    pub(super) bases: BTreeMap<TunnelId, Traffic>,
    pub(super) next: Number,
    /// The present hour.
    pub(super) hour: BegunHour,
    /// The last batch that was made.
    pub(super) sequence: u64,
    /// The last batch that is on disk.
    pub(super) on_disk: u64,
    /// When all tunnels were looked at last, in milliseconds since 1970; 0 when they never were.
    pub(super) read_ms: u64,
    /// The same of the look that the last batch that was made has.
    pub(super) batch_ms: u64,
    /// The same of the look that is told.
    pub(super) told_ms: u64,
    /// For how long what tunnels carried that nobody ever saw may be missing.
    pub(super) unseen_ms: u64,
    /// An earlier daemon ended without a last batch, and it was not looked at what became of its links yet.
    pub(super) is_unsure: bool,
    /// The start of the daemon that goes on with it, or made the last batch that was read back.
    pub(super) epoch: Epoch,
    /// A figure has changed.
    pub(super) moved: bool,
    /// The disk refused the last batch.
    pub(super) is_refused: bool,
}

impl UsageBook {
    /// A daemon goes on with what was read back. The first batch is to be on disk before it makes anything: whatever ends it, the next
    /// one knows that there was one.
    pub fn begin(&mut self, epoch: Epoch, unix_ms: u64) {
        if self.sequence == 0 {
            self.read_ms = unix_ms;
        } else {
            // One between them never wrote.
            self.is_unsure |= epoch.0 > self.epoch.0 + 1;
        }
        self.epoch = epoch;
    }

    /// Takes what a look has shown. What it cannot know any more it gives as gaps.
    pub fn take(&mut self, look: &CounterReading<'_>, payer: impl Fn(TunnelId) -> Payer) -> Vec<Gap> {
        if self.hour.0 == 0 {
            self.hour = (look.begun_ms / HOUR_MS, self.sequence + 1);
        }
        let mut gaps = Vec::new();
        for of_one in look.readings.chunk_by(|a, b| a.tunnel == b.tunnel) {
            let tunnel = of_one[0].tunnel;
            self.see(look, tunnel, of_one, payer(tunnel), &mut gaps);
        }
        match look.of {
            Some(tunnel) if look.readings.is_empty() => self.miss(look, tunnel, &mut gaps),
            Some(_) => {}
            None => {
                let seen = |tunnel: &TunnelId| {
                    look.readings
                        .binary_search_by_key(tunnel, |reading| reading.tunnel)
                };
                let missing: Vec<TunnelId> = self
                    .current
                    .keys()
                    .copied()
                    .filter(|tunnel| seen(tunnel).is_err())
                    .collect();
                missing
                    .into_iter()
                    .for_each(|tunnel| self.miss(look, tunnel, &mut gaps));
                self.saw_all(look, &mut gaps);
            }
        }
        gaps
    }

    /// A part of the tunnel is about to be made: if it was not seen at the first look after it was, it may have carried something.
    pub fn expect(&mut self, now: Monotonic, tunnel: TunnelId, payer: Payer) {
        let number = self.account_of(tunnel, payer);
        if let Some(account) = self.accounts.get_mut(&number) {
            let awaited = account.awaited.get_or_insert(Awaited {
                since: now,
                until: None,
                parts: 0,
                seen: 0,
            });
            awaited.until = None;
            awaited.parts += 1;
        }
    }

    /// What was expected is made, or is not.
    pub fn made(&mut self, now: Monotonic, tunnel: TunnelId) {
        let number = self.current.get(&tunnel);
        let account = number.and_then(|number| self.accounts.get_mut(number));
        if let Some(awaited) = account.and_then(|account| account.awaited.as_mut()) {
            awaited.until = Some(now);
        }
    }

    /// The hour that this moment is in, when it is another than the present one: then [`hours`](super::hours) has what is to be
    /// written, and [`begin_hour`](Self::begin_hour) goes on. A clock that is put back by less than an hour begins none. Nor does one
    /// begin before all that was seen is on disk: what is read back there is then what it began with.
    #[must_use]
    pub fn is_over(&self, unix_ms: u64) -> Option<u64> {
        let (present, now) = (self.hour.0, unix_ms / HOUR_MS);
        let is_another = now > present || now + 1 < present;
        (is_another
            && self
                .accounts
                .values()
                .all(|account| account.changed <= self.on_disk))
        .then_some(now)
    }

    /// What is on disk now was carried in the hours before this one. Accounts that were idle for so
    /// long, of tunnels that are not there, are closed.
    pub fn begin_hour(&mut self, hour: u64, keep_ms: u64) {
        let next = self.sequence + 1;
        let day = day_of(self.hour.0);
        for account in self.accounts.values_mut() {
            if account.told != account.hour {
                account.named = Some(day);
            }
        }
        self.roll((hour, next));
        let oldest = self.read_ms.saturating_sub(keep_ms);
        let is_idle = |account: &Account| {
            !account.is_there()
                && account.awaited.is_none()
                && account.read_ms < oldest
                && account.changed <= self.on_disk
        };
        let idle: Vec<Number> = self
            .accounts
            .values()
            .filter(|account| is_idle(account))
            .map(|account| account.number)
            .collect();
        idle.into_iter().for_each(|number| self.close(number));
    }

    pub(super) fn roll(&mut self, hour: BegunHour) {
        self.hour = hour;
        for account in self.accounts.values_mut() {
            account.hour = account.told;
        }
    }

    /// The batch up to this one is on disk. What was seen while it was being written is told with the next one.
    pub fn written(&mut self, sequence: u64) {
        (self.on_disk, self.is_refused) = (sequence, false);
        let mut is_all = true;
        for account in self.accounts.values_mut() {
            if account.changed <= sequence {
                account.told = account.total;
            } else {
                is_all = false;
            }
        }
        if is_all {
            self.told_ms = self.batch_ms;
        }
    }

    /// The last batch could not be written. Until one is, what was counted is told although a power cut would take it away.
    pub fn not_written(&mut self) {
        (self.is_refused, self.told_ms) = (true, self.read_ms);
        for account in self.accounts.values_mut() {
            account.told = account.total;
        }
    }

    /// Whether any figure has changed since the last time that this was asked.
    pub fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Whether all that the tunnel carried, as far as it was seen, survives a power cut.
    #[must_use]
    pub fn is_on_disk(&self, tunnel: TunnelId) -> bool {
        self.of(tunnel)
            .is_none_or(|account| account.told == account.total)
    }

    /// Whether the last batch could not be written: what is told is not on disk then.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// When the last look at all tunnels began of which everything is told, and is on disk unless the disk refuses. In milliseconds
    /// since 1970; 0 when there was none.
    #[must_use]
    pub fn told_ms(&self) -> u64 {
        self.told_ms
    }

    /// The last batch that is on disk, and the start of the daemon that made it.
    #[must_use]
    pub fn position(&self) -> (Epoch, u64) {
        (self.epoch, self.on_disk)
    }

    /// For how long what tunnels carried that nobody ever saw may be missing, in milliseconds: after a crash, links that were made
    /// after the last batch and were gone before the next start.
    #[must_use]
    pub fn unseen_ms(&self) -> u64 {
        self.unseen_ms
    }

    /// Every account, by number.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().map(Box::as_ref)
    }

    /// The account that each tunnel's traffic goes to now.
    pub fn current(&self) -> impl Iterator<Item = &Account> {
        self.current
            .values()
            .filter_map(|number| self.accounts.get(number).map(Box::as_ref))
    }

    /// The account that the tunnel's traffic goes to.
    #[must_use]
    pub fn of(&self, tunnel: TunnelId) -> Option<&Account> {
        self.accounts.get(self.current.get(&tunnel)?).map(Box::as_ref)
    }

    fn see(
        &mut self,
        look: &CounterReading<'_>,
        tunnel: TunnelId,
        readings: &[Reading],
        payer: Payer,
        gaps: &mut Vec<Gap>,
    ) {
        let number = self.account_of(tunnel, payer);
        let next = self.sequence + 1;
        let all_ms = self.read_ms;
        let Some(account) = self.accounts.get_mut(&number) else {
            return;
        };
        // What was read later was counted already.
        if account.read_at.is_some_and(|at| at >= look.begun) {
            return;
        }
        let mut counting = account.count(readings);
        let overlooked = account.overlooked(look.begun, counting.fresh);
        if let Some(gap) = declare(account, all_ms, look, counting.lost, overlooked) {
            gaps.push(gap);
            counting.rebuilt = true;
        }
        if counting.rebuilt || !counting.gained.is_zero() {
            account.changed = next;
        }
        if counting.rebuilt {
            account.rebuilt = next;
        }
        let rate_before = account.rate;
        if look.of.is_none() {
            account.rate = match account.read_at.map(|at| look.begun.since(at).as_millis()) {
                // It was looked at by itself a moment ago.
                Some(0..RATE_MS) => account.rate,
                Some(lasted) => rate(counting.gained, lasted),
                None => (0, 0),
            };
        }
        self.moved |= counting.rebuilt || !counting.gained.is_zero() || account.rate != rate_before;
        account.read_at = Some(look.begun);
        if look.of.is_some() {
            (account.read_ms, account.changed, account.rebuilt) = (look.begun_ms, next, next);
        }
    }

    fn miss(&mut self, look: &CounterReading<'_>, tunnel: TunnelId, gaps: &mut Vec<Gap>) {
        let (next, all_ms) = (self.sequence + 1, self.read_ms);
        let number = self.current.get(&tunnel).copied();
        let Some(account) = number.and_then(|number| self.accounts.get_mut(&number)) else {
            return;
        };
        // A look at it alone that began at the same moment may have been the later one.
        let is_older = |at: Monotonic| at > look.begun || at == look.begun && look.of.is_none();
        if account.read_at.is_some_and(is_older) {
            return;
        }
        account.rate = (0, 0);
        let lost = account.count(&[]).lost;
        let overlooked = account.overlooked(look.begun, 0);
        let Some(gap) = declare(account, all_ms, look, lost, overlooked) else {
            return;
        };
        gaps.push(gap);
        self.moved = true;
        account.read_ms = look.begun_ms;
        account.read_at = Some(look.begun);
        (account.changed, account.rebuilt) = (next, next);
    }

    fn saw_all(&mut self, look: &CounterReading<'_>, gaps: &mut Vec<Gap>) {
        if std::mem::take(&mut self.is_unsure) {
            let to_ms = look.begun_ms.max(self.read_ms);
            self.unseen_ms += to_ms - self.read_ms;
            gaps.push(Gap {
                tunnel: None,
                from_ms: self.read_ms,
                to_ms,
            });
        }
        self.read_ms = look.begun_ms;
    }

    /// The account that the tunnel's traffic goes to. One whose payer is not known yet is the payer's when it is; another payer
    /// gets another account, which goes on with the same runs.
    fn account_of(&mut self, tunnel: TunnelId, payer: Payer) -> Number {
        let next = self.sequence + 1;
        let present = self.current.get(&tunnel).copied();
        let Some(number) = present.filter(|number| self.accounts.contains_key(number)) else {
            return self.open(tunnel, payer);
        };
        let Some(account) = self.accounts.get_mut(&number) else {
            return number;
        };
        let before = account.payer;
        if payer == before || payer.owner.is_none() {
            return number;
        }
        (account.changed, account.rebuilt) = (next, next);
        if before.owner.is_none() {
            account.payer = payer;
            return number;
        }
        let moved = (
            std::mem::take(&mut account.runs),
            account.read_ms,
            account.read_at,
            account.awaited.take(),
        );
        let number = self.open(tunnel, payer);
        if let Some(account) = self.accounts.get_mut(&number) {
            (account.runs, account.read_ms, account.read_at, account.awaited) = moved;
        }
        number
    }

    fn open(&mut self, tunnel: TunnelId, payer: Payer) -> Number {
        self.next += 1;
        let before = self
            .current
            .get(&tunnel)
            .and_then(|number| self.accounts.get(number));
        let base = match before {
            Some(before) => before.base.plus(before.total),
            None => self.bases.remove(&tunnel).unwrap_or_default(),
        };
        let mut account = Account::new(self.next, tunnel, payer, base);
        (account.changed, account.rebuilt) = (self.sequence + 1, self.sequence + 1);
        self.accounts.insert(self.next, Box::new(account));
        self.current.insert(tunnel, self.next);
        self.next
    }

    fn close(&mut self, number: Number) {
        let Some(account) = self.accounts.remove(&number) else {
            return;
        };
        if self.current.get(&account.tunnel) == Some(&number) {
            self.current.remove(&account.tunnel);
            self.bases
                .insert(account.tunnel, account.base.plus(account.total));
        }
        let (total, gap_ms) = self.closed.entry(account.payer).or_default();
        (*total, *gap_ms) = (total.plus(account.total), *gap_ms + account.gap_ms);
    }
}

/// The day that an hour is in, in days since 1970.
pub(super) fn day_of(hour: u64) -> u64 {
    hour / 24
}

/// What may be missing, if anything: of runs that ended unseen since the account was read last, and of parts that were overlooked since
/// they began to be made, whichever is longer.
fn declare(
    account: &mut Account,
    all_ms: u64,
    look: &CounterReading<'_>,
    lost: bool,
    overlooked: Option<Monotonic>,
) -> Option<Gap> {
    let ended_ms = look.begun_ms + milliseconds(look.ended.since(look.begun));
    let since = |at: Monotonic| milliseconds(look.ended.since(at));
    let unseen = lost.then(|| match account.read_at {
        Some(at) => since(at),
        None => ended_ms.saturating_sub(account.read_ms.max(all_ms)),
    });
    let lasted = unseen.max(overlooked.map(since))?;
    account.gap_ms += lasted;
    Some(Gap {
        tunnel: Some(account.tunnel),
        from_ms: ended_ms.saturating_sub(lasted),
        to_ms: ended_ms,
    })
}

/// Rounded up: a gap is never shorter than what may be missing.
fn milliseconds(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn rate(gained: Traffic, milliseconds: u128) -> (u64, u64) {
    let of = |bytes: u64| u64::try_from(u128::from(bytes) * 1000 / milliseconds.max(1)).unwrap_or(u64::MAX);
    (of(gained.rx_bytes), of(gained.tx_bytes))
}
