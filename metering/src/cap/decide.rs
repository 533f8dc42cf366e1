//! What follows from how much of a cap is used.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use warren_state::{Pubkey, Rate};

use super::{Calendar, Cap, UnixSeconds};

/// What is left of a tunnel over its cap, where nothing else is said: as the origin has it.
pub const THROTTLED: Rate = Rate {
    up: Some(640 << 10),
    down: Some(16 << 10),
};

/// What one may be used of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Whatever there is.
    #[default]
    Unlimited,
    /// This many octets a second.
    Rate {
        /// That leave this host.
        up: u64,
        /// That come to it.
        down: u64,
    },
    /// Nothing.
    Block,
}

/// What holds for everybody.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// What becomes of who is over the cap.
    pub over: Over,
    /// What becomes of who is not known yet.
    pub unsynced: Unsynced,
    /// What a throttled one may use.
    pub throttled: Rate,
    /// Hysteresis: who is held stays so until the use is this many hundredths of the cap below it.
    pub margin_percent: u8,
    /// When days and months begin.
    pub calendar: Calendar,
    /// Who has no cap.
    pub exempt: Exempt,
}

/// What becomes of who is over the cap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// It goes on slowly.
    #[default]
    Throttle,
    /// Nothing goes through.
    Block,
}

/// What becomes of one of whom the authority has said nothing yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsynced {
    /// It goes on.
    #[default]
    Open,
    /// It goes on slowly.
    Throttle,
    /// Nothing goes through.
    Block,
}

/// Who has no cap.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Exempt {
    /// These keys that pay.
    pub owners: BTreeSet<Pubkey>,
    /// Everybody of these tenants.
    pub tenants: BTreeSet<Pubkey>,
}

/// How much of a cap is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Whether there is no cap for this one whatever is known.
    pub exempt: bool,
    /// What is known; nothing before the authority's first word.
    pub known: Option<Known>,
    /// Whether it is held now.
    pub held: bool,
}

/// What is known of the use of a cap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// The cap.
    pub cap: Cap,
    /// Used in the window: what the authority says, and what it cannot have seen.
    pub used: u64,
    /// Where the window ends.
    pub until: Option<UnixSeconds>,
    /// Used since it ended, if it did.
    pub since_end: u64,
}

/// What follows. The end of a window counts when it is there, whatever the authority has said last.
#[must_use]
pub fn decide(usage: &Usage, policy: &Policy, now: UnixSeconds) -> Decision {
    if usage.exempt {
        return Decision::Unlimited;
    }
    let Some(known) = usage.known else {
        return match policy.unsynced {
            Unsynced::Open => Decision::Unlimited,
            Unsynced::Throttle => policy.throttle(),
            Unsynced::Block => Decision::Block,
        };
    };
    let Some(limit) = known.cap.octets() else {
        return Decision::Unlimited;
    };
    let ended = known.until.is_some_and(|until| until <= now);
    let over = if ended {
        known.since_end >= limit
    } else if usage.held {
        known.used >= policy.stays_held_from(limit)
    } else {
        known.used >= limit
    };
    match (over, policy.over) {
        (false, _) => Decision::Unlimited,
        (true, Over::Throttle) => policy.throttle(),
        (true, Over::Block) => Decision::Block,
    }
}

impl Policy {
    /// The slow way. A direction that is not limited then goes as fast as it can.
    fn throttle(&self) -> Decision {
        Decision::from(self.throttled)
    }

    fn stays_held_from(&self, limit: u64) -> u64 {
        let margin = u128::from(limit) * u128::from(self.margin_percent.min(100)) / 100;
        limit
            .saturating_sub(u64::try_from(margin).unwrap_or(limit))
            .max(1)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            over: Over::default(),
            unsynced: Unsynced::default(),
            throttled: THROTTLED,
            margin_percent: 1,
            calendar: Calendar::default(),
            exempt: Exempt::default(),
        }
    }
}

impl Exempt {
    /// Whether one of this owner and tenant has no cap.
    #[must_use]
    pub fn has(&self, owner: Option<&Pubkey>, tenant: Option<&Pubkey>) -> bool {
        owner.is_some_and(|owner| self.owners.contains(owner))
            || tenant.is_some_and(|tenant| self.tenants.contains(tenant))
    }
}

impl Decision {
    /// As a part of a tunnel.
    #[must_use]
    pub fn rate(self) -> Rate {
        let limit = |octets: u64| (octets < u64::MAX).then_some(octets);
        match self {
            Self::Unlimited => Rate::UNLIMITED,
            Self::Rate { up, down } => Rate {
                up: limit(up),
                down: limit(down),
            },
            Self::Block => Rate::BLOCKED,
        }
    }
}

impl From<Rate> for Decision {
    fn from(rate: Rate) -> Self {
        if rate == Rate::BLOCKED {
            return Self::Block;
        }
        if rate.is_unlimited() {
            return Self::Unlimited;
        }
        Self::Rate {
            up: rate.up.unwrap_or(u64::MAX),
            down: rate.down.unwrap_or(u64::MAX),
        }
    }
}
