//! How an actor declares itself: each in its own file, as `SPEC`.

use std::{pin::Pin, sync::Arc, time::Duration};

use ractor::{Actor, ActorCell, SpawnErr};
use warren_state::restart::RestartPolicy;

use crate::{
    env::Env,
    settings::Settings,
    supervision::{exit::StopMode, policy::RestartPolicies},
};

/// How long an actor that has nothing to lose may take to stop.
const STOP: Duration = Duration::from_secs(2);

/// What is done for an actor, beside others.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An actor that there is one of: a child of the root.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    /// In events, metrics and the log.
    pub(crate) name: &'static str,
    /// When it is started; it is stopped in the reverse order.
    pub(crate) order: Order,
    /// How often it is started again.
    pub(crate) policy: Policy,
    /// Whether it runs under this configuration.
    pub(crate) enabled: fn(&Settings) -> bool,
    /// Starts it, under this supervisor.
    pub(crate) spawn: fn(Arc<Env>, ActorCell) -> Task<Result<ActorCell, SpawnErr>>,
    /// Those that it cannot outlive: when one of them fails it is started afresh too.
    pub(crate) rests_on: &'static [&'static str],
    /// What it has to say before the tree ends, in whichever way.
    pub(crate) last_words: Option<fn(Arc<Env>) -> Task<()>>,
    pub(crate) stop: Stop,
    /// The actors that it starts.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the diagram of the tree is held against it")
    )]
    pub(crate) children: &'static [ChildSpec],
}

/// An actor that there are many of, started by another one.
#[derive(Clone, Copy)]
pub(crate) struct ChildSpec {
    /// In events, metrics and the log.
    pub(crate) name: &'static str,
    /// How often it is started again.
    pub(crate) policy: Policy,
    /// The actors that it starts.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the diagram of the tree is held against it")
    )]
    pub(crate) children: &'static [ChildSpec],
}

/// The order of the start. Within a step the list decides, and nobody needs the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Order {
    /// What is on disk is in force.
    Store,
    /// Follows and tells what happens from here on.
    Reader,
    /// Hears of changes before anybody looks at what there is.
    Listener,
    /// Holds what is decided on.
    Holder,
    /// Decides.
    Decider,
    /// Finds out what there is to decide on.
    Source,
}

/// Which of the policies holds.
pub(crate) type Policy = fn(&RestartPolicies) -> RestartPolicy;

/// Stops it, where it runs, and says whether everything that it had to do is done.
pub(crate) type Stop = fn(Arc<Env>, Option<ActorCell>, StopMode) -> Task<bool>;

impl Spec {
    /// An actor that always runs, rests on nobody and has nothing to lose.
    pub(crate) const fn new(
        name: &'static str,
        order: Order,
        spawn: fn(Arc<Env>, ActorCell) -> Task<Result<ActorCell, SpawnErr>>,
    ) -> Self {
        Self {
            name,
            order,
            policy: |policies| policies.singleton,
            enabled: |_| true,
            spawn,
            rests_on: &[],
            last_words: None,
            stop: ask,
            children: &[],
        }
    }
}

/// Those that run under this configuration, in the order of their start.
pub(crate) fn in_order(actors: &[Spec], settings: &Settings) -> Vec<Spec> {
    let mut enabled: Vec<Spec> = actors
        .iter()
        .filter(|spec| (spec.enabled)(settings))
        .copied()
        .collect();
    enabled.sort_by_key(|spec| spec.order);
    enabled
}

/// Starts an actor under this supervisor.
pub(crate) fn linked<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    supervisor: ActorCell,
) -> Task<Result<ActorCell, SpawnErr>> {
    Box::pin(async move {
        Ok(Actor::spawn_linked(None, actor, arguments, supervisor)
            .await?
            .0
            .get_cell())
    })
}

/// Lets it come to the end of its message.
pub(crate) fn ask(_: Arc<Env>, actor: Option<ActorCell>, _: StopMode) -> Task<bool> {
    Box::pin(async move {
        if let Some(actor) = actor
            && actor.stop_and_wait(None, Some(STOP)).await.is_err()
        {
            actor.kill();
        }
        true
    })
}

/// Whatever it is doing.
pub(crate) fn kill(_: Arc<Env>, actor: Option<ActorCell>, _: StopMode) -> Task<bool> {
    Box::pin(async move {
        if let Some(actor) = actor {
            let _gone = actor.kill_and_wait(Some(STOP)).await;
        }
        true
    })
}
