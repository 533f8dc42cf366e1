//! Feeds that a user does not get.

use super::*;

pub(super) fn not_to_be_had(plan: &mut Plan) -> Result<Run> {
    let mut stage = Stage::plan(plan)?;
    let [one, two, three] = stage.groups;
    let (not_on_pass, full) = (
        feed(plan, "elsewhere", vec![one])?,
        feed(plan, "full", vec![one])?,
    );
    // The same code in another metro.
    let (_, mut far) = plan.network.new_feed("first", vec![one])?;
    far.exchange = Pubkey([7; 32]);
    let far_key = plan.network.pda().feed("first", &far.exchange)?.address;
    plan.put(far_key, far);
    let mut seats: Vec<_> = stage
        .feeds
        .into_iter()
        .chain([far_key])
        .map(|feed| seat(feed, 1))
        .collect();
    seats.push(FeedSeat {
        current: 2,
        ..seat(full, 2)
    });
    stage.stand.pass = plan.pass(HOST, stage.stand.payer.pubkey(), |pass| {
        pass.pass_type = PassType::EdgeSeat(seats)
    });
    Ok(Box::new(move || {
        let stand = &stage.stand;
        stage.naked()?;
        stand.refused(stage.join(&[far_key], &[one])?, ProgramError::MetroMismatch)?;
        stand.refused(
            stage.join(&[not_on_pass], &[one])?,
            ProgramError::FeedNotOnAccessPass,
        )?;
        stand.refused(
            stage.join(&[stage.feeds[0]], &[one, three])?,
            ProgramError::GroupNotInFeed,
        )?;
        stand.refused(stage.join(&[full], &[one])?, ProgramError::FeedSeatFull)?;
        stand.refused(
            stage.leave(&[stage.feeds[0]], &[], &[one, two])?,
            ProgramError::FeedNotOnAccessPass,
        )?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.feed_pks.is_empty() && user.subscribers.is_empty(),
            "{user:?}"
        );
        Ok(())
    }))
}

pub(super) fn without_seats(plan: &mut Plan) -> Result<Run> {
    let mut stage = Stage::plan(plan)?;
    stage.stand.pass = plan.pass(HOST, stage.stand.payer.pubkey(), |_| {});
    Ok(Box::new(move || {
        stage.naked()?;
        stage.stand.refused(
            stage.join(&stage.feeds, &stage.groups)?,
            ProgramError::EdgeSeatRequired,
        )
    }))
}

pub(super) fn another_device(plan: &mut Plan) -> Result<Run> {
    let mut stage = Stage::plan(plan)?;
    let (other, _) = plan.device(2, |device| device.public_ip = Ipv4Addr::new(9, 128, 1, 2))?;
    Ok(Box::new(move || {
        stage.naked()?;
        stage.stand.device = other;
        stage.stand.refused(
            stage.join(&stage.feeds, &stage.groups)?,
            ProgramError::UserDeviceMismatch,
        )
    }))
}

pub(super) fn too_many(plan: &mut Plan) -> Result<Run> {
    let mut stage = Stage::plan(plan)?;
    let group = stage.groups[0];
    let feeds = ["a", "b", "c", "d", "e", "f"].map(|code| feed(plan, code, vec![group]));
    let feeds = feeds.into_iter().collect::<Result<Vec<_>>>()?;
    let seats = feeds.iter().map(|feed| seat(*feed, 1)).collect();
    stage.stand.pass = plan.pass(HOST, stage.stand.payer.pubkey(), |pass| {
        pass.pass_type = PassType::EdgeSeat(seats)
    });
    Ok(Box::new(move || {
        stage.naked()?;
        stage
            .stand
            .refused(stage.join(&feeds, &[group])?, ProgramError::UserFeedLimitExceeded)?;
        stage.stand.done(stage.join(&feeds[..5], &[group])?)
    }))
}

pub(super) fn not_exact(plan: &mut Plan) -> Result<Run> {
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
        stand.refused(stage.join(&[*first], &[*one])?, ProgramError::InvalidArgument)?;
        stand.done(stage.join(&[*first, *second], &[*one, *two, *three])?)?;
        stand.refused(stage.join(&[*first], &[*one])?, ProgramError::InvalidArgument)?;
        // The second feed carries it too, the first one's own group is left out, a feed that is kept is not named.
        stand.refused(
            stage.leave(&[*first], &[*second], &[*one, *two])?,
            ProgramError::InvalidArgument,
        )?;
        stand.refused(
            stage.leave(&[*first], &[*second], &[])?,
            ProgramError::InvalidArgument,
        )?;
        stand.refused(
            stage.leave(&[*first], &[], &[*one, *two])?,
            ProgramError::InvalidArgument,
        )?;
        stage.is(&[*first, *second], &[*one, *two, *three], [1, 1])
    }))
}

pub(super) fn kept_off_the_pass(plan: &mut Plan) -> Result<Run> {
    let mut stage = Stage::plan(plan)?;
    let (feeds, groups) = (stage.feeds.to_vec(), stage.groups.to_vec());
    let seats = vec![FeedSeat {
        current: 1,
        ..seat(stage.feeds[0], 1)
    }];
    stage.stand.pass = plan.pass(HOST, stage.stand.payer.pubkey(), |pass| {
        pass.pass_type = PassType::EdgeSeat(seats)
    });
    plan.member(&stage.stand, |user| {
        (user.feed_pks, user.subscribers) = (feeds, groups)
    });
    Ok(Box::new(move || {
        let (
            Stage {
                feeds: [first, second],
                groups: [one, two, three],
                ..
            },
            stand,
        ) = (&stage, &stage.stand);
        stand.refused(
            stage.leave(&[*first], &[*second], &[*one])?,
            ProgramError::FeedNotOnAccessPass,
        )?;
        stand.done(stage.leave(&[*first], &[], &[*one, *two])?)?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(
            user.feed_pks.is_empty() && user.subscribers == [*three],
            "{user:?}"
        );
        Ok(())
    }))
}
