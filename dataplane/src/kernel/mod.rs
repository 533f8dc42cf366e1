//! What the backends that use the kernel share: everything but the making of the link itself is rtnetlink.
//!
//! Ownership is written on the objects: an alias and a group on links ([`Mark`]), protocol 4 or 186 on routes over links
//! that are ours, protocol 2 and priority 100–101 on rules. What does not carry a mark is never changed.

mod apply;
mod companion;
mod connection;
mod directory;
mod fault;
mod groups;
mod link;
mod maker;
mod mark;
mod monitor;
pub(crate) mod notices;
mod objects;
mod observe;
mod outlet;
mod pool;
mod remove;
mod requests;
mod session;
mod shaper;
mod sys;
mod traffic;
mod ways;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use async_trait::async_trait;
use tokio::sync::mpsc;
use warren_state::{
    Capabilities, Fault, FaultClass, GroupFlow, Incarnation, LinkName, LinkSpec, Observed, PlannedStep,
    Reading, RemovalReport, Rule, StepOutcome, TunnelId, reconcile::UnderlayPath,
};

pub(crate) use fault::{fault, refused};
pub use maker::LinkMaker;
pub use mark::{Endpoints, InvalidMark, LINK_GROUP, Mark};
pub(crate) use observe::find;
pub(crate) use pool::{Pool, once};
pub(crate) use requests::{change_gre, create_gre, probe_gre};

use crate::contract::{Dataplane, Notice, Outlet, Removal, Scope};
use remove::{Deletions, LinkSelector};

/// A dataplane over the kernel's network stack, in the network namespace of the thread that made it.
pub struct KernelDataplane<M: LinkMaker> {
    core: Arc<Core<M>>,
    settings: KernelSettings,
    reason: Option<String>,
}

/// How the shared part behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelSettings {
    /// The receive buffer of a subscription to notices, in bytes. What does not fit is lost, which is noticed.
    pub notice_buffer: usize,
}

impl Default for KernelSettings {
    fn default() -> Self {
        Self {
            notice_buffer: 16 << 20,
        }
    }
}

/// What calls share that may outlive their callers.
pub(crate) struct Core<M> {
    maker: M,
    pool: Pool,
    directory: directory::Directory,
    remover: remove::Remover,
    groups: groups::GroupCounters,
}

impl<M: LinkMaker> KernelDataplane<M> {
    /// Opens the sockets.
    ///
    /// # Errors
    /// When the process may not have them.
    pub fn new(maker: M) -> Result<Self, Fault> {
        Self::with_settings(maker, KernelSettings::default())
    }

    /// As [`Self::new`], with settings other than the default.
    ///
    /// # Errors
    /// When the process may not have the sockets.
    pub fn with_settings(maker: M, settings: KernelSettings) -> Result<Self, Fault> {
        let core = Core {
            maker,
            pool: Pool::open()?,
            directory: directory::Directory::default(),
            remover: remove::Remover::default(),
            groups: groups::GroupCounters::default(),
        };
        Ok(Self {
            core: Arc::new(core),
            settings,
            reason: None,
        })
    }

    /// Says why this backend was chosen, when it was chosen for us.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }

    /// What makes the links.
    #[must_use]
    pub fn maker(&self) -> &M {
        &self.core.maker
    }
}

impl<M: LinkMaker> Core<M> {
    /// What the alias of this link should be.
    fn mark(&self, tunnel: TunnelId, incarnation: Incarnation, spec: &LinkSpec) -> Mark {
        let endpoints = self
            .maker
            .alias_carries_endpoints()
            .then(|| Endpoints::from(spec));
        Mark {
            tunnel,
            incarnation,
            endpoints,
        }
    }

    /// Deletes links of the tunnel, and has the maker let go of them, also of those that were gone already.
    async fn delete(&self, tunnel: TunnelId, which: LinkSelector) -> Result<Deletions, Fault> {
        let mut names: BTreeSet<_> = which.names().into_iter().collect();
        let gone = self
            .remover
            .delete(&self.maker, &self.pool, tunnel, which)
            .await?;
        names.extend(gone.links.iter().cloned());
        for link in &names {
            self.maker.release(link).await;
        }
        Ok(gone)
    }

    async fn remove(&self, removal: Removal) -> RemovalReport {
        match removal {
            Removal::Rules(rules) => self.remove_rules(rules).await,
            Removal::Tunnel { tunnel, rules } => {
                let mut report = self.remove_rules(rules).await;
                let all = LinkSelector::All(self.directory.of(tunnel));
                match self.delete(tunnel, all).await {
                    Ok(gone) => {
                        self.directory.forget(tunnel);
                        report.removed += gone.objects;
                        report.already_gone += u64::from(gone.objects == 0);
                    }
                    Err(fault) => report.failed.push(fault),
                }
                report
            }
        }
    }

    async fn remove_rules(&self, rules: BTreeSet<Rule>) -> RemovalReport {
        let mut report = RemovalReport::default();
        for rule in rules.into_iter().rev() {
            let outcome = self
                .pool
                .run(async move |netlink| companion::delete_rule(netlink, &rule).await)
                .await;
            match outcome.and_then(|outcome| outcome) {
                Ok(StepOutcome::Done) => report.removed += 1,
                Ok(StepOutcome::AlreadySo) => report.already_gone += 1,
                Ok(StepOutcome::Failed(fault)) | Err(fault) => report.failed.push(fault),
            }
        }
        report
    }
}

#[async_trait]
impl<M: LinkMaker> Dataplane for KernelDataplane<M> {
    fn capabilities(&self) -> Capabilities {
        let capabilities = self.core.maker.capabilities();
        Capabilities {
            reason: self.reason.clone().or(capabilities.reason),
            ..capabilities
        }
    }

    async fn observe(&self, scope: Scope) -> Result<Observed, Fault> {
        let core = self.core.clone();
        let observed = self
            .core
            .pool
            .run(async move |netlink| observe::observe(netlink, &core.directory, &scope).await)
            .await?;
        let mut observed = observed?;
        for (name, rate) in self.core.maker.rates().await? {
            for have in observed.tunnels.values_mut() {
                if have.link.name == name {
                    have.rate = rate;
                }
            }
        }
        Ok(observed)
    }

    async fn apply(&self, steps: Vec<PlannedStep>) -> Vec<StepOutcome> {
        let first = steps.first().map(ToString::to_string).unwrap_or_default();
        let work = tokio::spawn(apply::apply(Arc::clone(&self.core), steps));
        work.await.unwrap_or_else(|error| {
            vec![StepOutcome::Failed(fault(
                FaultClass::Transient,
                first,
                cut_short(&error),
            ))]
        })
    }

    async fn remove(&self, removal: Removal) -> RemovalReport {
        let operation = removal.to_string();
        let core = Arc::clone(&self.core);
        let work = tokio::spawn(async move { core.remove(removal).await });
        work.await.unwrap_or_else(|error| RemovalReport {
            failed: vec![fault(FaultClass::Transient, operation, cut_short(&error))],
            ..RemovalReport::default()
        })
    }

    async fn counters(&self, scope: Scope) -> Result<Vec<Reading>, Fault> {
        let core = self.core.clone();
        let counted = self
            .core
            .pool
            .run(async move |netlink| observe::counters(netlink, &core.directory, &scope).await)
            .await??;
        let sent = self.core.maker.sent().await?;
        let carried = |(link, mut reading): (LinkName, Reading)| {
            if let Some((packets, bytes)) = sent.get(&link) {
                (reading.carried.tx_packets, reading.carried.tx_bytes) = (*packets, *bytes);
            }
            reading
        };
        Ok(counted.into_iter().map(carried).collect())
    }

    async fn groups(&self, flows: BTreeSet<GroupFlow>) -> Result<BTreeMap<GroupFlow, u64>, Fault> {
        let core = self.core.clone();
        self.core
            .pool
            .run(async move |netlink| core.groups.read(netlink, &core.directory, flows).await)
            .await?
    }

    async fn events(&self) -> Result<mpsc::Receiver<Notice>, Fault> {
        monitor::subscribe(&self.core.pool, self.settings.notice_buffer).await
    }

    async fn resolve_sources(
        &self,
        destinations: BTreeSet<Ipv4Addr>,
    ) -> Result<BTreeMap<Ipv4Addr, Option<Ipv4Addr>>, Fault> {
        self.core
            .pool
            .run(async move |netlink| ways::resolve_sources(netlink, &destinations).await)
            .await?
    }

    async fn outlet(&self, dst: Ipv4Addr) -> Result<Outlet, Fault> {
        self.core
            .pool
            .run(async move |netlink| outlet::outlet(netlink, dst).await)
            .await?
    }

    async fn underlay_mtus(
        &self,
        paths: BTreeSet<UnderlayPath>,
    ) -> Result<BTreeMap<UnderlayPath, Option<u32>>, Fault> {
        self.core
            .pool
            .run(async move |netlink| ways::underlay_mtus(netlink, paths).await)
            .await?
    }
}

fn cut_short(error: &tokio::task::JoinError) -> String {
    format!("the work was cut short: {error}")
}
