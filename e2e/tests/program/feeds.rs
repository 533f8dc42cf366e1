//! Feeds: seats taken and given back, and the groups that come and go with them.

mod refused;

use std::net::Ipv4Addr;

use anyhow::{Result, bail, ensure};
use warren_e2e::program::seat;
use warren_ledger::{
    ProgramError,
    accounts::{Feed, FeedSeat, FeedStatus, PassType, UserType},
    instructions::{CreateSubscribeUser, Instruction, SubscribeFeed, UnsubscribeFeed},
};
use warren_state::Pubkey;

use crate::{
    Case,
    stand::{HOST, Plan, Run, Stand},
};
use refused::{another_device, kept_off_the_pass, not_exact, not_to_be_had, too_many, without_seats};

pub const ALL: &[Case] = &[
    (
        "joining_feeds_takes_a_seat_at_each_and_joins_all_their_groups",
        joined,
    ),
    ("leaving_a_feed_keeps_the_groups_that_another_one_carries", left),
    ("a_deleted_user_gives_its_seats_back", deleted),
    (
        "a_user_made_with_one_group_of_a_feed_joins_the_rest_on_the_same_seat",
        with_first_group,
    ),
    ("refused_91_to_95_a_feed_that_is_not_to_be_had", not_to_be_had),
    ("refused_101_a_pass_without_seats", without_seats),
    ("refused_102_another_device_than_the_users", another_device),
    ("refused_103_more_feeds_than_a_user_may_hold", too_many),
    ("refused_65_a_set_of_groups_that_is_not_exact", not_exact),
    (
        "refused_93_a_feed_is_kept_that_is_no_longer_on_the_pass_and_without_it_that_one_goes",
        kept_off_the_pass,
    ),
    (
        "a_group_that_came_with_a_feed_gets_a_role_beside_it_and_no_subscription_of_its_own",
        role_beside_a_feed,
    ),
    (
        "refused_104_a_feed_for_a_user_without_multicast",
        without_multicast,
    ),
    (
        "a_leave_under_the_hosts_other_pass_leaves_the_seats_charged_where_none_is_recorded",
        under_the_other_pass,
    ),
    (
        "refused_25_feeds_change_under_the_pass_that_is_recorded_only",
        recorded_pass,
    ),
    (
        "a_feed_takes_new_subscribers_only_while_it_publishes",
        not_publishing,
    ),
    (
        "a_user_made_with_several_groups_of_a_feed_takes_one_seat",
        with_all_groups,
    ),
    (
        "a_held_feed_that_grew_is_joined_again_without_another_seat",
        grown,
    ),
];

/// Two feeds, of groups 1 and 2 and of groups 2 and 3, and a host whose pass has seats at both.
pub struct Stage {
    pub stand: Stand,
    pub feeds: [Pubkey; 2],
    pub groups: [Pubkey; 3],
}

impl Stage {
    pub fn plan(plan: &mut Plan) -> Result<Self> {
        let groups = [1, 2, 3].map(|index| plan.group(index));
        let [one, two, three] = groups;
        let feeds = [
            feed(plan, "first", vec![one, two])?,
            feed(plan, "second", vec![two, three])?,
        ];
        let seats = feeds.map(|feed| seat(feed, 1)).to_vec();
        let stand = plan.stand_with(|_| {}, |pass| pass.pass_type = PassType::EdgeSeat(seats))?;
        Ok(Self { stand, feeds, groups })
    }

    /// A multicast user without groups.
    pub fn naked(&self) -> Result<()> {
        self.stand.made(UserType::MULTICAST).map(drop)
    }

    pub fn join(&self, feeds: &[Pubkey], groups: &[Pubkey]) -> Result<Instruction> {
        let (user, stand) = (self.stand.address(UserType::MULTICAST), &self.stand);
        let join = SubscribeFeed {
            access_pass: stand.pass,
            user,
            device: stand.device,
            feeds: feeds.to_vec(),
            groups: groups.to_vec(),
        };
        Ok(join.build(&stand.caller())?)
    }

    pub fn leave(&self, feeds: &[Pubkey], retained: &[Pubkey], groups: &[Pubkey]) -> Result<Instruction> {
        let (user, stand) = (self.stand.address(UserType::MULTICAST), &self.stand);
        let (feeds, retained, groups) = (feeds.to_vec(), retained.to_vec(), groups.to_vec());
        let leave = UnsubscribeFeed {
            access_pass: stand.pass,
            user,
            device: stand.device,
            feeds,
            retained,
            groups,
        };
        Ok(leave.build(&stand.caller())?)
    }

    /// The user has these feeds and groups, and each seat of the pass this many users.
    pub fn is(&self, feeds: &[Pubkey], groups: &[Pubkey], occupied: [u8; 2]) -> Result<()> {
        let user = self.stand.user(UserType::MULTICAST)?;
        ensure!(
            (user.feed_pks.as_slice(), user.subscribers.as_slice()) == (feeds, groups),
            "{user:?}"
        );
        ensure!(user.dz_ip == HOST && user.publishers.is_empty(), "{user:?}");
        self.seats_are(occupied)
    }

    pub fn seats_are(&self, occupied: [u8; 2]) -> Result<()> {
        let PassType::EdgeSeat(seats) = self.stand.pass_account()?.pass_type else {
            bail!("the pass has no seats")
        };
        ensure!(seats.iter().map(|seat| seat.current).eq(occupied), "{seats:?}");
        Ok(())
    }

    fn subscribers(&self) -> Result<Vec<u32>> {
        self.groups
            .iter()
            .map(|group| Ok(self.stand.group_account(*group)?.subscriber_count))
            .collect()
    }
}

fn feed(plan: &mut Plan, code: &str, groups: Vec<Pubkey>) -> Result<Pubkey> {
    let (pubkey, feed) = plan.network.new_feed(code, groups)?;
    plan.put(pubkey, feed);
    Ok(pubkey)
}

fn joined(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        stage.naked()?;
        stage.is(&[], &[], [0, 0])?;
        stage.stand.done(stage.join(&stage.feeds, &stage.groups)?)?;
        stage.is(&stage.feeds, &stage.groups, [1, 1])?;
        ensure!(stage.subscribers()? == [1, 1, 1], "{:?}", stage.subscribers()?);
        Ok(())
    }))
}

fn left(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, second],
                groups: [one, two, three],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        stage.naked()?;
        stand.done(stage.join(&[*first], &[*one, *two])?)?;
        stand.done(stage.join(&[*second], &[*three])?)?;
        stage.is(&[*first, *second], &[*one, *two, *three], [1, 1])?;
        stand.done(stage.leave(&[*first], &[*second], &[*one])?)?;
        stage.is(&[*second], &[*two, *three], [0, 1])?;
        stand.done(stage.leave(&[*second], &[], &[*two, *three])?)?;
        stage.is(&[], &[], [0, 0])?;
        ensure!(stage.subscribers()? == [0, 0, 0], "{:?}", stage.subscribers()?);
        Ok(())
    }))
}

fn deleted(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        stage.naked()?;
        stage.stand.done(stage.join(&stage.feeds, &stage.groups)?)?;
        for group in stage.groups {
            stage.stand.done(stage.stand.roles(group, false, false))?;
        }
        stage.is(&stage.feeds, &[], [1, 1])?;
        stage.stand.done(
            stage
                .stand
                .delete(UserType::MULTICAST)
                .build(&stage.stand.caller()),
        )?;
        stage.seats_are([0, 0])
    }))
}

fn with_first_group(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, second],
                groups: [one, two, three],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        let with = |feed| {
            stand.built(CreateSubscribeUser {
                feed,
                ..stand.subscription(*one, false, true)
            })
        };
        stand.refused(with(None), ProgramError::FeedAccountRequired)?;
        stand.refused(with(Some(*second)), ProgramError::GroupNotInFeed)?;
        stand.done(with(Some(*first)))?;
        stage.is(&[*first], &[*one], [1, 0])?;
        stand.done(stage.join(&[*first], &[*two])?)?;
        stage.is(&[*first], &[*one, *two], [1, 0])?;
        stand.done(stage.join(&[*second], &[*three])?)?;
        stage.is(&[*first, *second], &[*one, *two, *three], [1, 1])
    }))
}

fn role_beside_a_feed(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    publishing(plan, &stage);
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, _],
                groups: [one, two, _],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        stage.naked()?;
        stand.done(stage.join(&[*first], &[*one, *two])?)?;
        stand.done(stand.roles(*one, true, true))?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.publishers == [*one] && user.subscribers == [*one, *two],
            "{user:?}"
        );
        stand.done(stand.roles(*one, false, true))?;
        // Once given up it comes back with the feed only.
        stand.done(stand.roles(*one, true, false))?;
        stand.refused(stand.roles(*one, true, true), ProgramError::FeedAccountRequired)?;
        stand.done(stage.join(&[*first], &[*one])?)?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.publishers == [*one] && user.subscribers == [*two, *one],
            "{user:?}"
        );
        stage.seats_are([1, 0])
    }))
}

/// The stage's pass, which lets the host send to the feeds' groups, too.
pub fn publishing(plan: &mut Plan, stage: &Stage) {
    let (groups, seats) = (
        stage.groups.to_vec(),
        stage.feeds.map(|feed| seat(feed, 1)).to_vec(),
    );
    plan.pass(HOST, stage.stand.payer.pubkey(), |pass| {
        (pass.pass_type, pass.mgroup_pub_allowlist) = (PassType::EdgeSeat(seats), groups);
    });
}

fn without_multicast(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let (stand, [first, _], [one, two, _]) = (&stage.stand, stage.feeds, stage.groups);
        stand.made(UserType::IBRL)?;
        let (access_pass, user, device) = (stand.pass, stand.address(UserType::IBRL), stand.device);
        let join = SubscribeFeed {
            access_pass,
            user,
            device,
            feeds: vec![first],
            groups: vec![one, two],
        };
        stand.refused(
            join.build(&stand.caller())?,
            ProgramError::EdgeSeatIsMulticastOnly,
        )
    }))
}

fn under_the_other_pass(plan: &mut Plan) -> Result<Run> {
    let mut stage = Stage::plan(plan)?;
    let any = plan.pass(Ipv4Addr::UNSPECIFIED, stage.stand.payer.pubkey(), |_| {});
    plan.member(&stage.stand, |_| {});
    Ok(Box::new(move || {
        let ([first, _], [one, two, _], exact) = (stage.feeds, stage.groups, stage.stand.pass);
        stage.stand.done(stage.join(&[first], &[one, two])?)?;
        stage.stand.pass = any;
        stage.stand.done(stage.leave(&[first], &[], &[one, two])?)?;
        stage.stand.pass = exact;
        stage.is(&[], &[], [1, 0])
    }))
}

fn recorded_pass(plan: &mut Plan) -> Result<Run> {
    let mut stage = Stage::plan(plan)?;
    let any = plan.pass(Ipv4Addr::UNSPECIFIED, stage.stand.payer.pubkey(), |_| {});
    Ok(Box::new(move || {
        let ([first, second], [one, two, three], exact) = (stage.feeds, stage.groups, stage.stand.pass);
        stage.naked()?;
        stage.stand.done(stage.join(&[first], &[one, two])?)?;
        stage.stand.pass = any;
        stage.stand.refused(
            stage.leave(&[first], &[], &[one, two])?,
            ProgramError::AccessPassUnauthorized,
        )?;
        stage.stand.refused(
            stage.join(&[second], &[three])?,
            ProgramError::AccessPassUnauthorized,
        )?;
        stage.stand.pass = exact;
        stage.stand.done(stage.leave(&[first], &[], &[one, two])?)?;
        let user = stage.stand.user(UserType::MULTICAST)?;
        ensure!(user.access_pass == exact, "{user:?}");
        stage.is(&[], &[], [0, 0])
    }))
}

fn not_publishing(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    let without_state = plan
        .network
        .new_feed("second", vec![stage.groups[1], stage.groups[2]])?
        .1;
    cut_state(plan, stage.feeds[1], without_state);
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, second],
                groups: [one, two, three],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        let of = |status, groups: &[Pubkey]| {
            let (pubkey, feed) = stand.network.new_feed("first", groups.to_vec())?;
            stand.network.put(
                pubkey,
                Feed {
                    status,
                    spec_id: "spec".into(),
                    ..feed
                },
            )
        };
        for status in [
            FeedStatus::PENDING,
            FeedStatus::HALTED,
            FeedStatus::RETIRED,
            FeedStatus::RETIRING,
        ] {
            of(status, &[*one, *two])?;
            let made = CreateSubscribeUser {
                feed: Some(*first),
                ..stand.subscription(*one, false, true)
            };
            stand.refused(stand.built(made), ProgramError::InvalidStatus)?;
        }
        stage.naked()?;
        stand.refused(stage.join(&[*first], &[*one, *two])?, ProgramError::InvalidStatus)?;
        // One that ends before its state publishes.
        stand.done(stage.join(&[*second], &[*two, *three])?)?;
        of(FeedStatus::ACTIVE, &[*two])?;
        stand.done(stage.join(&[*first], &[])?)?;
        // Who has a seat goes on, and may leave.
        of(FeedStatus::HALTED, &[*one, *two])?;
        stand.done(stage.join(&[*first], &[*one])?)?;
        stand.done(stage.leave(&[*first], &[*second], &[*one])?)?;
        stage.is(&[*second], &[*two, *three], [0, 1])
    }))
}

/// Puts a feed as it was written before feeds had a state: it ends with its groups.
fn cut_state(plan: &mut Plan, pubkey: Pubkey, feed: Feed) {
    const STATE: usize = 32 + 32 + 4 + 32 + 8 + 1 + 32 + 8 + 1;
    let mut raw = plan.network.raw(pubkey, feed.into());
    raw.data.truncate(raw.data.len() - STATE);
    plan.forget(pubkey);
    plan.accounts.push(raw);
}

fn with_all_groups(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, _],
                groups: [one, two, three],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        let with = |extra_groups| CreateSubscribeUser {
            feed: Some(*first),
            extra_groups,
            ..stand.subscription(*one, false, true)
        };
        stand.refused(
            stand.built(with(vec![*two, *three])),
            ProgramError::GroupNotInFeed,
        )?;
        stand.done(stand.built(with(vec![*two])))?;
        stage.is(&[*first], &[*one, *two], [1, 0])
    }))
}

fn grown(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    let ([first, _], [one, two, _]) = (stage.feeds, stage.groups);
    plan.member(&stage.stand, |user| {
        (user.feed_pks, user.subscribers) = (vec![first], vec![one, two])
    });
    feed(plan, "first", stage.groups.to_vec())?;
    let seats = vec![
        FeedSeat {
            current: 1,
            ..seat(first, 1)
        },
        seat(stage.feeds[1], 1),
    ];
    plan.pass(HOST, stage.stand.payer.pubkey(), |pass| {
        pass.pass_type = PassType::EdgeSeat(seats)
    });
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, _],
                groups: [one, two, three],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        stand.done(stage.join(&[*first], &[*three])?)?;
        stage.is(&[*first], &[*one, *two, *three], [1, 0])
    }))
}
