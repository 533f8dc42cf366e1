//! What is told of accounts while they are in use, and at a tunnel's end: for whoever bills it.
//!
//! A sample has what survives a power cut, so no later one is lower. What was told is remembered on disk late enough that the event
//! is there before: after a crash a sample may be told again, and a gap twice, but none is passed over.

use warren_state::{TunnelId, event::UsageSample};

use super::{
    account::{Account, Told},
    book::UsageBook,
};

impl UsageBook {
    /// Samples of all accounts of which there is something new since they were asked for last. To be asked for every minute or so.
    pub fn samples(&mut self) -> Vec<UsageSample> {
        if self.is_refused {
            return Vec::new();
        }
        let next = self.sequence + 1;
        let mut samples = Vec::new();
        for account in self.accounts.values_mut() {
            if account.settled != account.sampled {
                account.settled = account.sampled;
                if !account.is_there() {
                    (account.changed, account.rebuilt) = (next, next);
                }
            }
            let known = account.known();
            if known != account.sampled {
                samples.push(account.sample(known, false));
            }
        }
        samples
    }

    /// The sample of a tunnel that is being removed, where there is something new; when it is gone, in any case.
    pub fn sample_of(&mut self, tunnel: TunnelId, is_gone: bool) -> Option<UsageSample> {
        let account = self.accounts.get_mut(self.current.get(&tunnel)?)?;
        let known = if self.is_refused {
            account.sampled
        } else {
            account.known()
        };
        (known != account.sampled || is_gone).then(|| account.sample(known, is_gone))
    }
}

impl Account {
    fn known(&self) -> Told {
        Told {
            carried: self.told,
            gap_ms: self.gap_ms,
        }
    }

    fn sample(&mut self, now: Told, last: bool) -> UsageSample {
        let before = std::mem::replace(&mut self.sampled, now);
        let total = self.base.plus(now.carried);
        UsageSample {
            tunnel: self.tunnel,
            owner: self.payer.owner,
            incarnation: self
                .runs
                .last()
                .map(|counted| counted.run.incarnation)
                .unwrap_or_default(),
            rx_bytes: total.rx_bytes,
            tx_bytes: total.tx_bytes,
            rx_packets: total.rx_packets,
            tx_packets: total.tx_packets,
            gap_seconds: now.gap_ms.saturating_sub(before.gap_ms).div_ceil(1000),
            last,
        }
    }
}
