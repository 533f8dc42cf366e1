//! One driver for every machine without I/O: it tells the machine the time, arms one timer for the next deadline, and
//! shows the progress watchdog what is due.

use std::sync::Arc;

use warren_state::{Core, Monotonic, random::SplitMix64, recording::MachineNumber};

use crate::supervision::{background::AbortOnDrop, clock::Clock, recorder::Recording, watchdog::Watch};

/// Drives one machine on behalf of one actor.
pub(crate) struct Driver<C: Core> {
    core: C,
    clock: Clock,
    random: SplitMix64,
    recording: Recording,
    watch: Watch,
    alarm: Alarm,
}

/// One timer: goes off by putting a message into the actor's own mailbox.
struct Alarm {
    waker: Arc<dyn Fn() + Send + Sync>,
    armed: Option<(Monotonic, AbortOnDrop)>,
}

impl<C: Core> Driver<C> {
    /// `waker` puts the message into the mailbox on which the actor calls [`Driver::alarm`].
    pub(crate) fn new(
        core: C,
        clock: Clock,
        seed: u64,
        recording: Recording,
        watch: Watch,
        waker: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let alarm = Alarm {
            waker: Arc::new(waker),
            armed: None,
        };
        Self {
            core,
            clock,
            random: SplitMix64::new(seed),
            recording,
            watch,
            alarm,
        }
    }

    /// Gives the machine an input and returns what is to be done.
    pub(crate) fn handle(&mut self, input: C::Input<'_>) -> Vec<C::Effect> {
        let now = self.clock.now();
        self.watch.progress.busy(Some(now));
        self.recording.input(&self.core, &self.random, now, &input);
        let effects = self.core.handle(now, input, &mut self.random);
        self.recording.effects::<C>(&effects);
        self.watch.progress.handled(self.clock.now());
        self.arm(now);
        effects
    }

    /// The timer's message has arrived.
    pub(crate) fn alarm(&mut self) -> Vec<C::Effect> {
        self.alarm.armed = None;
        let now = self.clock.now();
        if self
            .core
            .poll_timeout()
            .is_some_and(|deadline| deadline.at <= now)
        {
            return self.handle((C::TIMEOUT)());
        }
        self.arm(now);
        Vec::new()
    }

    /// Names the machine where the table is told of its effects.
    pub(crate) fn number(&self) -> MachineNumber {
        self.recording.number()
    }

    pub(crate) fn core(&self) -> &C {
        &self.core
    }

    fn arm(&mut self, now: Monotonic) {
        let deadline = self.core.poll_timeout();
        self.watch.progress.due(deadline.map(|deadline| deadline.at));
        // A deadline that has passed already must not keep the actor from its mailbox.
        let at = deadline.map(|deadline| deadline.at.max(now + std::time::Duration::from_millis(1)));
        self.alarm.arm(&self.clock, at);
    }
}

impl Alarm {
    fn arm(&mut self, clock: &Clock, at: Option<Monotonic>) {
        let Some(at) = at else {
            self.armed = None;
            return;
        };
        if self.armed.as_ref().is_some_and(|(armed, _)| *armed <= at) {
            return;
        }
        let (waker, instant) = (self.waker.clone(), clock.instant(at));
        let task = tokio::spawn(async move {
            tokio::time::sleep_until(instant).await;
            waker();
        });
        self.armed = Some((at, AbortOnDrop(task)));
    }
}
