//! Reports to an authority and asks it, beside everything else: nobody waits for it, and no packet does.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
    time::{Instant, sleep_until, timeout},
};
use warren_metering::cap::{
    CapSnapshot, DeviceId, UnixSeconds,
    remote::{Batch, Effect, Failure, Input, Remote, Reported, Settings, Status, UsageCounters, Used},
};
use warren_state::random::SplitMix64;
use warren_store::StoreError;

use super::{
    authority::Authority,
    kept::{Kept, Opened},
};
use crate::supervision::clock::Clock;

/// The last report may take this long, whatever the caller has left.
const LAST_REPORT: Duration = Duration::from_secs(5);

/// How an authority is followed.
pub struct LinkSettings {
    /// When what is sent.
    pub settings: Settings,
    /// The way to it.
    pub authority: Arc<dyn Authority>,
    /// Where what it is owed is kept.
    pub directory: PathBuf,
    /// Names our counters: no other start of any installation has it.
    pub source: String,
    /// For jitter.
    pub seed: u64,
    /// What is done when it has said how one stands.
    pub say: Arc<dyn Fn(DeviceId, CapSnapshot) + Send + Sync>,
}

/// Reports to an authority and asks it. Ends when it is dropped, without a last report.
#[derive(Debug)]
pub struct Link {
    inbox: mpsc::UnboundedSender<Message>,
    status: watch::Receiver<Status>,
    damage: Option<String>,
}

#[derive(Debug)]
enum Message {
    Input(Input),
    Stop(oneshot::Sender<()>),
}

/// What has to be done one after the other.
enum Job {
    Keep(Vec<UsageCounters>),
    Report(Batch),
    Stopped(Vec<oneshot::Sender<()>>),
}

/// The machine, and what is around it.
struct Shell {
    remote: Remote,
    clock: Clock,
    random: SplitMix64,
    authority: Arc<dyn Authority>,
    say: Arc<dyn Fn(DeviceId, CapSnapshot) + Send + Sync>,
    inbox: mpsc::WeakUnboundedSender<Message>,
    jobs: mpsc::UnboundedSender<Job>,
    stops: Vec<oneshot::Sender<()>>,
    status: watch::Sender<Status>,
}

impl Link {
    /// Begins; what an earlier start could not report is reported first.
    ///
    /// # Errors
    /// When what is owed cannot be kept.
    pub async fn start(settings: LinkSettings) -> Result<Self, StoreError> {
        let directory = settings.directory.clone();
        let opened = spawn_blocking(move || Kept::open(&directory)).await;
        let Opened {
            kept,
            counters,
            damage,
        } = opened.map_err(|error| StoreError::Database {
            path: settings.directory.clone(),
            reason: error.to_string(),
        })??;
        let clock = Clock::start();
        let (inbox, messages) = mpsc::unbounded_channel();
        let (jobs, waiting) = mpsc::unbounded_channel();
        let (status, shown) = watch::channel(Status::default());
        let shell = Shell {
            remote: Remote::new(settings.settings, settings.source, counters, clock.now()),
            clock,
            random: SplitMix64::new(settings.seed),
            authority: settings.authority.clone(),
            say: settings.say,
            inbox: inbox.downgrade(),
            jobs,
            stops: Vec::new(),
            status,
        };
        tokio::spawn(work(
            waiting,
            Arc::new(kept),
            settings.authority,
            inbox.downgrade(),
        ));
        tokio::spawn(shell.run(messages));
        Ok(Self {
            inbox,
            status: shown,
            damage,
        })
    }

    /// What was used, at this time: of all that is known at the first call, later of those whose tunnels are there. Totals only grow,
    /// and are on disk.
    pub fn used(&self, at: UnixSeconds, used: Vec<Used>) {
        let _ended = self.inbox.send(Message::Input(Input::Usage(at, used)));
    }

    /// What is wrong with a part of what was kept, which was set aside.
    #[must_use]
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self) -> Status {
        let status = self.status.borrow().clone();
        if self.inbox.is_closed() {
            let problem =
                "reporting to the authority has ended: only a restart of the daemon starts it again";
            return Status {
                problem: Some(problem.to_owned()),
                ..status
            };
        }
        status
    }

    /// Reports what is left, within five seconds. What is not acknowledged by then is on disk for the next start. A second call waits
    /// for the same end.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.inbox.send(Message::Stop(done)).is_ok() {
            let _late = timeout(LAST_REPORT, stopped).await;
        }
    }
}

impl Shell {
    async fn run(mut self, mut messages: mpsc::UnboundedReceiver<Message>) {
        loop {
            let due = self
                .remote
                .poll_timeout()
                .map(|deadline| self.clock.instant(deadline.at));
            let input = tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Input(input)) => input,
                    Some(Message::Stop(done)) => {
                        self.stops.push(done);
                        Input::Stop
                    }
                    None => return,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Input::Timeout,
            };
            let effects = self.remote.handle(self.clock.now(), input, &mut self.random);
            effects.into_iter().for_each(|effect| self.carry_out(effect));
            self.status.send_replace(self.remote.status());
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Keep(counters) => self.job(Job::Keep(counters)),
            Effect::Report(batch) => self.job(Job::Report(batch)),
            Effect::Stopped => {
                let stops = std::mem::take(&mut self.stops);
                self.job(Job::Stopped(stops));
            }
            Effect::Say(device, snapshot) => (self.say)(device, snapshot),
            Effect::Sync(device, sources) => {
                let (authority, inbox) = (self.authority.clone(), self.inbox.clone());
                tokio::spawn(async move {
                    let synced = authority.sync(&device, &sources).await;
                    answer(&inbox, Input::Synced(device, synced));
                });
            }
        }
    }

    fn job(&self, job: Job) {
        let _ended = self.jobs.send(job);
    }
}

/// Puts on disk what is to be there before a batch is sent.
async fn work(
    mut jobs: mpsc::UnboundedReceiver<Job>,
    kept: Arc<Kept>,
    authority: Arc<dyn Authority>,
    inbox: mpsc::WeakUnboundedSender<Message>,
) {
    let mut problem = None;
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Keep(counters) => {
                let kept = kept.clone();
                let done = spawn_blocking(move || kept.keep(&counters)).await;
                problem = match done {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(crate::errors::chain(&error)),
                    Err(panic) => Some(panic.to_string()),
                };
            }
            Job::Report(Batch { number, .. }) if problem.is_some() => {
                let failed = Failure {
                    detail: problem.clone().unwrap_or_default(),
                    wait: None,
                };
                answer(&inbox, Input::Reported(number, Reported::Failed(failed)));
            }
            Job::Report(Batch { number, records }) => {
                let (authority, inbox) = (authority.clone(), inbox.clone());
                tokio::spawn(async move {
                    let reported = authority.report(&records).await;
                    answer(&inbox, Input::Reported(number, reported));
                });
            }
            Job::Stopped(stops) => stops.into_iter().for_each(|done| {
                let _nobody_waits = done.send(());
            }),
        }
    }
}

fn answer(inbox: &mpsc::WeakUnboundedSender<Message>, input: Input) {
    if let Some(inbox) = inbox.upgrade() {
        let _ended = inbox.send(Message::Input(input));
    }
}
