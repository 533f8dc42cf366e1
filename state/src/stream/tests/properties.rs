//! What holds of any history.

use super::*;

proptest! {
    #[test]
    fn a_patch_makes_of_each_state_the_next_one(appends in appends()) {
        let mut table = table();
        let mut state = snapshot(table.tables(), None);
        let (mut folded, mut position) = (Tables::default(), Sequence(0));
        for one in &appends {
            append(&mut table, one);
            for entry in table.changes_since(position).unwrap() {
                let before = folded.clone();
                folded.fold(entry);
                let patch = patch(&before, entry, &folded);
                if let Some(patch) = &patch {
                    merge(&mut state, patch);
                }
                prop_assert_eq!(&state, &snapshot(&folded, None), "{:?}", patch);
                position = entry.sequence;
            }
        }
    }

    #[test]
    fn at_any_pace_what_is_made_of_the_frames_is_right_or_its_maker_knows_that_it_is_not(
        appends in appends(), pace in 1_usize..12, bound in 200_usize..9_000, most in 1_usize..5, leap in 1_usize..40,
    ) {
        let mut table = table();
        let mut feed = feed(&table, bound);
        let mut reader = Reader::new(Filter::default(), None, Monotonic::ZERO);
        let (mut replica, mut states) = (Replica::default(), BTreeMap::new());
        states.insert(Sequence(0), snapshot(table.tables(), None));
        for (number, one) in appends.iter().enumerate() {
            append(&mut table, one);
            if number % leap == leap - 1 {
                feed.leap(table.snapshot());
            }
            let from = feed.state().0;
            let entries: Vec<Arc<Entry>> = table.changes_since(from).unwrap().cloned().collect();
            for entry in entries {
                feed.take(&entry, 7);
                states.insert(entry.sequence, snapshot(feed.state().1, None));
            }
            states.insert(feed.state().0, snapshot(feed.state().1, None));
            if number % pace == 0 {
                replica.hear(&serve(&mut reader, &feed, &table, Monotonic::ZERO, None, most));
                if let (Some(state), Some(at)) = (&replica.state, replica.at) {
                    prop_assert_eq!(state, &states[&at.sequence]);
                }
            }
        }
        replica.hear(&serve(&mut reader, &feed, &table, Monotonic::ZERO, Some("the end"), 10_000));
        prop_assert_eq!(replica.names.last().map(String::as_str), Some("shutdown"));
        prop_assert_eq!(replica.state.as_ref(), Some(&snapshot(table.tables(), None)));
        // Each event once, in order, but for those before the first state and in gaps that were told.
        prop_assert!(replica.told.is_sorted_by_key(|position| position.sequence));
        let told: BTreeSet<Sequence> = replica.told.iter().map(|position| position.sequence).collect();
        prop_assert_eq!(told.len(), replica.told.len(), "none twice");
        let missing = |at: &Sequence| {
            !replica.gaps.iter().any(|(from, to)| from.sequence < *at && *at <= to.sequence)
        };
        let began = appends.first().map_or(0, |one| one.0.len().max(usize::from(!one.1.is_empty())));
        let shown: BTreeSet<Sequence> = table.told_since(Sequence(began as u64)).unwrap()
            .filter(|told| !is_of_a_session(&told.event))
            .map(|told| told.sequence).filter(missing).collect();
        let lost: Vec<_> = shown.difference(&told).collect();
        prop_assert!(lost.is_empty(), "lost {:?}, gaps {:?}", lost, replica.gaps);
    }

    #[test]
    fn who_comes_back_is_told_what_came_between_or_that_it_is_not_known(appends in appends(), left in 0_usize..60, bound in 200_usize..9_000) {
        let mut table = table();
        let mut feed = feed(&table, bound);
        let mut replica = Replica::default();
        let mut reader = Reader::new(Filter::default(), None, Monotonic::ZERO);
        for (number, one) in appends.iter().enumerate() {
            append(&mut table, one);
            take_all(&mut feed, &table);
            if number == left {
                replica.hear(&serve(&mut reader, &feed, &table, Monotonic::ZERO, None, 1_000));
            }
        }
        let was = replica.at.unwrap_or(at(0));
        let mut again = Reader::new(Filter::default(), Some(was), Monotonic::ZERO);
        let before = replica.told.len();
        replica.hear(&serve(&mut again, &feed, &table, Monotonic::ZERO, None, 10_000));
        prop_assert_eq!(again.kept.resets, 0, "the table has all of it");
        let after: Vec<Sequence> = replica.told[before..].iter().map(|position| position.sequence).collect();
        let expected: Vec<Sequence> = table.told_since(was.sequence).unwrap().map(|told| told.sequence).collect();
        let is_from_memory = feed.events.number_after(was.sequence).is_some();
        if !is_from_memory {
            prop_assert_eq!(after, expected);
        }
        if replica.state.is_some() {
            prop_assert_eq!(replica.state.as_ref(), Some(&snapshot(table.tables(), None)));
        }
    }

    #[test]
    fn who_draws_who_is_connected_has_the_open_ones_and_no_single_end_of_what_was_summed_up(appends in appends()) {
        let mut table = table();
        let mut feed = feed(&table, usize::MAX);
        for one in &appends {
            append(&mut table, one);
            take_all(&mut feed, &table);
        }
        let (mut open, mut summed) = (BTreeMap::new(), BTreeMap::<String, u64>::new());
        for number in 0..feed.connections.next() {
            let frame = feed.connections.get(number).unwrap();
            let masked = parsed(&feed.masked.get(number).unwrap().text).remove(0).2;
            for (name, _, data) in parsed(&frame.text) {
                let (id, incarnation) = (data["tunnel"].as_str().unwrap().to_owned(), data["incarnation"].as_u64().unwrap());
                let key = (id.clone(), data["sort"].to_string());
                if name == "tunnel.drained" {
                    let before = open.len();
                    open.retain(|(tunnel, _), one| *tunnel != id || *one != incarnation);
                    prop_assert_eq!(data["open_sessions"].as_u64().unwrap(), (before - open.len()) as u64);
                    summed.insert(id, incarnation);
                    continue;
                }
                prop_assert!(masked["source"].as_str().unwrap().starts_with("somebody:"));
                match data["state"].as_i64().unwrap() {
                    1 => prop_assert_eq!(open.insert(key, incarnation), None, "opened twice"),
                    -1 => prop_assert_eq!(open.remove(&key), Some(incarnation), "ended and was not open"),
                    other => prop_assert!(false, "{}", other),
                }
            }
        }
        let drawn: BTreeSet<(String, u64)> = open.into_iter().map(|((id, _), incarnation)| (id, incarnation)).collect();
        let real: BTreeSet<(String, u64)> = feed.open().open().map(|one| (one.tunnel.to_string(), one.incarnation.0)).collect();
        prop_assert_eq!(drawn, real);
    }
}
