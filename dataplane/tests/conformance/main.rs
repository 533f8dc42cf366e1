//! One suite for all backends of the dataplane: what [`warren_dataplane::Dataplane`] promises, shown on each.
//!
//! The kernel backends run for real, each trial in a network namespace of its own; what this host cannot run is listed as
//! ignored.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs)]

mod companions;
mod groups;
mod links;
mod mtu;
mod notices;
mod ownership;
mod packets;
mod rates;
mod removal;
mod stages;
mod world;

use std::{sync::Arc, thread, time::Duration};

use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use warren_state::Backend;
use world::World;

/// One promise, and the backends that can be asked to keep it.
struct Promise {
    name: &'static str,
    backends: &'static [Backend],
    show: fn(Arc<World>) -> BoxFuture<'static, ()>,
}

const ALL: &[Backend] = &[Backend::Simulated, Backend::Netlink, Backend::Userspace];
const KERNEL: &[Backend] = &[Backend::Netlink, Backend::Userspace];
const NETLINK: &[Backend] = &[Backend::Netlink];

macro_rules! promises {
    ($($backends:ident $module:ident::$name:ident),+ $(,)?) => {
        &[$(Promise { name: stringify!($name), backends: $backends, show: |world| Box::pin($module::$name(world)) }),+]
    };
}

const PROMISES: &[Promise] = promises![
    ALL links::a_tunnel_is_observed_as_it_was_built,
    ALL links::the_same_steps_again_change_nothing,
    ALL links::a_restart_observes_the_same_and_adopts_the_link,
    ALL links::a_link_with_other_endpoints_is_never_adopted,
    ALL links::drift_of_the_link_is_mended_in_place,
    ALL links::a_link_is_moved_to_other_endpoints_and_stays_the_same_link,
    ALL links::a_link_is_not_moved_to_the_endpoints_of_another,
    ALL links::a_change_of_a_link_that_is_gone_is_gone,
    ALL links::one_tunnel_is_observed_as_in_a_full_observation,
    ALL links::who_has_a_tunnels_name_is_observed_with_it,
    ALL links::a_tunnel_whose_link_was_renamed_is_observed_counted_and_removed,
    ALL links::counters_of_all_tunnels_are_read_in_one_call,
    ALL links::a_missing_capability_is_said_with_its_reason,
    KERNEL links::steps_run_to_their_end_when_the_caller_goes_away,
    KERNEL links::a_link_that_cannot_be_finished_leaves_nothing_behind,
    NETLINK links::a_link_whose_making_was_cut_short_gives_way,
    NETLINK links::the_kernel_shows_the_link_that_the_reference_makes,
    ALL ownership::a_foreign_link_of_the_name_is_a_conflict_and_stays_as_it_is,
    NETLINK ownership::a_foreign_link_with_the_endpoints_is_a_conflict_and_is_named,
    ALL ownership::another_tunnels_link_is_not_touched,
    ALL ownership::a_foreign_link_is_never_removed,
    KERNEL ownership::a_link_that_lost_its_mark_is_noticed_for_its_tunnel_and_no_longer_ours,
    KERNEL ownership::foreign_addresses_and_routes_survive_a_whole_life,
    KERNEL ownership::a_foreign_route_to_the_destination_is_a_conflict_and_stays,
    ALL ownership::a_learned_route_whose_place_is_taken_does_not_hold_up_the_others,
    ALL ownership::a_static_route_whose_place_is_taken_ends_the_tunnels_steps,
    KERNEL ownership::a_foreign_route_over_our_link_is_neither_reported_nor_replaced,
    KERNEL ownership::a_foreign_rule_of_the_same_content_stays,
    ALL companions::addresses_are_put_and_deleted,
    ALL companions::the_hosts_own_addresses_are_told_apart_from_those_of_tunnels,
    ALL companions::routes_are_put_replaced_and_withdrawn,
    ALL companions::a_failure_stops_its_tunnel_and_no_other,
    ALL companions::routes_after_one_that_fails_are_not_put,
    ALL companions::companions_of_a_link_that_is_gone,
    ALL companions::rules_are_put_and_deleted,
    ALL companions::ten_thousand_routes_are_put_and_observed,
    KERNEL companions::the_source_towards_a_destination_is_resolved,
    KERNEL companions::the_way_past_a_tunnel_is_found_and_no_other_is_looked_for,
    ALL mtu::the_mtu_of_the_underlay_is_found,
    ALL mtu::another_mtu_of_the_uplink_is_noticed,
    KERNEL mtu::a_packet_that_may_be_cut_crosses_in_pieces_that_fit,
    KERNEL mtu::a_packet_that_must_not_be_cut_is_answered_with_what_fits,
    KERNEL mtu::what_the_path_teaches_counts,
    ALL rates::a_rate_is_put_changed_and_deleted_and_the_link_stays,
    ALL rates::a_rate_that_somebody_took_away_is_seen_and_put_again,
    ALL rates::a_rate_stays_over_a_restart_and_goes_with_its_tunnel,
    ALL rates::a_rate_of_a_link_that_is_gone_is_gone_and_none_is_done,
    ALL rates::what_passes_is_the_rate_and_no_more_and_of_the_neighbours_everything,
    ALL rates::a_blocked_tunnel_carries_nothing_and_what_it_drops_is_counted,
    KERNEL rates::the_own_session_of_a_tunnel_passes_whatever_its_rate_and_loses_nothing,
    ALL rates::a_new_rate_gives_nothing_away,
    NETLINK rates::a_rate_that_holds_the_session_too_as_an_earlier_release_put_it_is_made_anew,
    NETLINK rates::a_queue_of_somebody_else_is_a_conflict_and_stays,
    NETLINK rates::what_is_left_of_a_rate_whose_link_somebody_deleted_is_removed,
    ALL groups::packets_of_groups_are_counted_each_way_and_of_each_tunnel,
    ALL groups::a_count_goes_on_over_another_link_and_ends_when_it_is_not_asked_for,
    ALL groups::groups_of_a_tunnel_that_is_not_there_have_no_packets,
    ALL stages::a_caller_that_is_cancelled_from_inside_apply_skips_neither_the_rest_nor_publishing,
    ALL stages::a_plan_goes_through_all_stages_of_the_backend_that_was_asked_for,
    ALL removal::a_removal_counts_exactly,
    ALL removal::rules_that_lead_into_no_tunnel_are_removed_without_one,
    ALL removal::a_removal_of_what_is_gone_is_done,
    ALL removal::fifty_removals_at_once_leave_the_neighbour_alone,
    ALL notices::a_deleted_link_is_noticed,
    ALL notices::a_deleted_address_is_noticed,
    ALL notices::a_deleted_route_is_noticed,
    KERNEL notices::a_route_that_somebody_replaced_is_noticed,
    ALL notices::a_new_link_of_somebody_is_noticed_as_not_ours,
    KERNEL notices::a_deleted_rule_is_noticed,
    ALL notices::lost_notices_are_an_overrun,
    ALL notices::a_burst_of_changes_is_few_notices,
];

fn main() {
    // The userspace backend starts its forwarder from the program that uses it.
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("forwarder") {
        if let Err(error) = warren_dataplane::userspace::run_forwarder(args) {
            eprintln!("{error}");
            std::process::exit(1);
        }
        return;
    }
    let arguments = Arguments::from_args();
    let obstacles: Vec<_> = Backend::ALL
        .map(|backend| (backend, world::obstacle(backend)))
        .into();
    for (backend, obstacle) in &obstacles {
        if let Some(obstacle) = obstacle {
            eprintln!("ignored: {}: {obstacle}", backend.name());
        }
    }
    let mut trials = Vec::new();
    for (backend, obstacle) in obstacles {
        for promise in PROMISES
            .iter()
            .filter(|promise| promise.backends.contains(&backend))
        {
            let name = format!("{}::{}", backend.name(), promise.name);
            let show = promise.show;
            trials.push(
                Trial::test(name, move || in_its_own_world(backend, show))
                    .with_ignored_flag(obstacle.is_some()),
            );
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// A thread, for the kernel backends in a new network namespace, with a runtime of its own. What the trial leaves behind
/// is taken down even when it fails.
fn in_its_own_world(backend: Backend, show: fn(Arc<World>) -> BoxFuture<'static, ()>) -> Result<(), Failed> {
    let life = thread::spawn(move || {
        world::isolate(backend).map_err(|error| format!("no network namespace: {error}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let shown = runtime.block_on(async {
            let world = Arc::new(World::open(backend));
            let trial = tokio::spawn(show(Arc::clone(&world)));
            let shown = tokio::time::timeout(world::patience() * 6, trial).await;
            world.close().await;
            match shown {
                Ok(Ok(())) => Ok(()),
                Ok(Err(failed)) => Err(reason(failed)),
                Err(_) => Err("the trial did not end".to_owned()),
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        shown
    });
    life.join()
        .unwrap_or_else(|panic| Err(message(panic)))
        .map_err(Failed::from)
}

fn reason(failed: tokio::task::JoinError) -> String {
    if failed.is_panic() {
        message(failed.into_panic())
    } else {
        failed.to_string()
    }
}

fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text.clone(),
        (None, Some(text)) => (*text).to_owned(),
        (None, None) => "panicked".to_owned(),
    }
}
