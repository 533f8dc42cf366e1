//! Joining and leaving whole feeds, for passes with seats at them.

use warren_state::Pubkey;

use super::{AccountMeta, BuildError, Caller, Instruction, Permission};

const SUBSCRIBE_FEED: u8 = 117;
const UNSUBSCRIBE_FEED: u8 = 118;

/// The instruction by which a user joins feeds and their groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubscribeFeed {
    /// The access pass that has the seats.
    pub access_pass: Pubkey,
    /// The account of the user that it is about.
    pub user: Pubkey,
    /// The device that the user is made on.
    pub device: Pubkey,
    /// The feeds to join.
    pub feeds: Vec<Pubkey>,
    /// Exactly the groups that this adds: the program refuses any other set.
    pub groups: Vec<Pubkey>,
}

impl SubscribeFeed {
    /// The instruction.
    ///
    /// # Errors
    /// When no feed is named, or more than 255.
    pub fn build(&self, caller: &Caller) -> Result<Instruction, BuildError> {
        let data = vec![SUBSCRIBE_FEED, some(self.feeds.len())?];
        let mut accounts = front(caller, self.access_pass, self.user, self.device);
        accounts.extend(self.feeds.iter().copied().map(AccountMeta::readonly));
        accounts.extend(self.groups.iter().copied().map(AccountMeta::writable));
        Ok(caller.call(accounts, Permission::Absent, data))
    }
}

/// The instruction by which a user leaves feeds and their groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnsubscribeFeed {
    /// The access pass that has the seats.
    pub access_pass: Pubkey,
    /// The account of the user that it is about.
    pub user: Pubkey,
    /// The device that the user is made on.
    pub device: Pubkey,
    /// The feeds to leave.
    pub feeds: Vec<Pubkey>,
    /// Every other feed that the user holds: a group that one of them carries too stays.
    pub retained: Vec<Pubkey>,
    /// Exactly the groups that this takes away.
    pub groups: Vec<Pubkey>,
}

impl UnsubscribeFeed {
    /// The instruction.
    ///
    /// # Errors
    /// When no feed is to be left, or more than 255 are named.
    pub fn build(&self, caller: &Caller) -> Result<Instruction, BuildError> {
        let data = vec![
            UNSUBSCRIBE_FEED,
            some(self.feeds.len())?,
            byte(self.retained.len())?,
        ];
        let mut accounts = front(caller, self.access_pass, self.user, self.device);
        accounts.extend(
            self.feeds
                .iter()
                .chain(&self.retained)
                .copied()
                .map(AccountMeta::readonly),
        );
        accounts.extend(self.groups.iter().copied().map(AccountMeta::writable));
        Ok(caller.call(accounts, Permission::Absent, data))
    }
}

fn front(caller: &Caller, access_pass: Pubkey, user: Pubkey, device: Pubkey) -> Vec<AccountMeta> {
    vec![
        AccountMeta::writable(access_pass),
        AccountMeta::writable(user),
        caller.global_state(),
        AccountMeta::readonly(device),
    ]
}

fn some(count: usize) -> Result<u8, BuildError> {
    if count == 0 {
        Err(BuildError::NoFeeds)
    } else {
        byte(count)
    }
}

fn byte(count: usize) -> Result<u8, BuildError> {
    u8::try_from(count).map_err(|_| BuildError::TooManyFeeds(count))
}
