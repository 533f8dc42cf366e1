//! Removing links. The kernel takes one link down in some 16 ms, waiting for all readers of its tables, but many at once
//! in little more: removals that come together are gathered for a moment and made with one request, by link group. What was
//! sent over the links before leaves first.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;
use warren_state::{Fault, FaultClass, LinkName, TunnelId};

use super::{
    LinkMaker,
    connection::{KernelError, Netlink},
    fault::{fault, is_absent, refused},
    link,
    mark::LINK_GROUP,
    objects::Link,
    observe::{self, LinkDump},
    pool::Pool,
    requests::{self, LinkSettings},
    shaper,
};

/// How long a removal waits for company; while more come, it waits again.
const GATHERING: Duration = Duration::from_millis(3);
/// It waits this often at most.
const GATHERINGS: usize = 10;
/// So few are deleted one by one.
const FEW: usize = 2;
/// The first of the link groups for one-off use: "wa" in the upper half.
const ONE_OFF_GROUPS: u32 = LINK_GROUP << 16;

/// What is to be deleted of a tunnel.
#[derive(Clone)]
pub enum LinkSelector {
    /// The link of this name, which must be the tunnel's.
    Link(LinkName),
    /// Every link that carries its mark; these were seen to.
    All(BTreeMap<u32, LinkName>),
}

/// What was deleted; nothing when all was gone already.
#[derive(Default)]
pub struct Deletions {
    /// Links, and what went with them.
    pub objects: u64,
    /// The links' names.
    pub links: Vec<LinkName>,
}

/// What came of a job.
pub type Removed = Result<Deletions, Fault>;

struct Job {
    tunnel: TunnelId,
    which: LinkSelector,
    reply: oneshot::Sender<Removed>,
}

/// Gathers removals.
#[derive(Default)]
pub struct Remover {
    waiting: Mutex<Vec<Job>>,
    turn: tokio::sync::Mutex<()>,
}

impl LinkSelector {
    /// The names that are known.
    pub fn names(&self) -> Vec<LinkName> {
        match self {
            Self::Link(name) => vec![name.clone()],
            Self::All(seen) => seen.values().cloned().collect(),
        }
    }
}

impl Deletions {
    fn add(&mut self, link: &Link, companions: u64) {
        self.objects += 1 + companions;
        self.links.push(link.name.clone());
    }
}

impl Remover {
    /// Deletes links of the tunnel with all that is on them.
    pub async fn delete(
        &self,
        maker: &impl LinkMaker,
        pool: &Pool,
        tunnel: TunnelId,
        which: LinkSelector,
    ) -> Removed {
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(Job { tunnel, which, reply });
            waiting.len() == 1
        };
        if first {
            self.carry_out(maker, pool).await;
        }
        answer.await.unwrap_or_else(|_| {
            Err(fault(
                FaultClass::Transient,
                format!("remove {tunnel}"),
                "the removal was cut short",
            ))
        })
    }

    /// Whoever finds nobody waiting does the work for all who come until it begins.
    async fn carry_out(&self, maker: &impl LinkMaker, pool: &Pool) {
        let _turn = self.turn.lock().await;
        self.gather().await;
        let jobs = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let links: Vec<LinkName> = jobs.iter().flat_map(|job| job.which.names()).collect();
        maker.flush(&links).await;
        // A fault of the pool drops the jobs, which answers them.
        let _ = pool
            .run(async move |netlink| delete_all(netlink, jobs).await)
            .await;
    }

    async fn gather(&self) {
        let mut gathered = 1;
        for _ in 0..GATHERINGS {
            tokio::time::sleep(GATHERING).await;
            let now = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len();
            if now == gathered {
                return;
            }
            gathered = now;
        }
    }
}

async fn delete_all(netlink: &mut Netlink, mut jobs: Vec<Job>) {
    if jobs.len() > FEW {
        jobs = delete_by_group(netlink, jobs).await;
    }
    for Job { tunnel, which, reply } in jobs {
        let removed = match which {
            LinkSelector::Link(name) => delete_named(netlink, tunnel, &name).await,
            LinkSelector::All(seen) => delete_marked(netlink, tunnel, &seen).await,
        };
        let _ = reply.send(removed);
    }
}

async fn delete_named(netlink: &mut Netlink, tunnel: TunnelId, name: &LinkName) -> Removed {
    let operation = format!("delete link {name}");
    let mut gone = Deletions::default();
    if let Some((link, _)) = link::ours(netlink, tunnel, name, &operation).await? {
        delete_one(netlink, &link, &operation, &mut gone).await?;
    }
    Ok(gone)
}

/// Where nothing of the tunnel is where it was seen, all links are asked for their marks.
async fn delete_marked(netlink: &mut Netlink, tunnel: TunnelId, seen: &BTreeMap<u32, LinkName>) -> Removed {
    let operation = format!("remove {tunnel}");
    let found = observe::links_of(netlink, tunnel, seen.keys().copied()).await;
    let mut links = found.map_err(|refusal| refused(&operation, &refusal))?;
    if links.is_empty() {
        let all = netlink.dump(requests::links(), Link::decode).await;
        links = all.map_err(|refusal| refused(&operation, &refusal))?;
        links.retain(|link| link.is_of(tunnel));
    }
    let mut gone = Deletions::default();
    for link in &links {
        let operation = format!("delete link {}", link.name);
        delete_one(netlink, link, &operation, &mut gone).await?;
    }
    Ok(gone)
}

async fn delete_one(
    netlink: &mut Netlink,
    link: &Link,
    operation: &str,
    gone: &mut Deletions,
) -> Result<(), Fault> {
    let to_fault = |refusal: KernelError| refused(operation, &refusal);
    let addresses = observe::addresses_on(netlink, link.index)
        .await
        .map_err(to_fault)?
        .len();
    let routes = observe::routes_over(netlink, link.index)
        .await
        .map_err(to_fault)?
        .iter()
        .filter_map(|entry| entry.as_ours())
        .count();
    let device = shaper::delete_device(netlink, link).await.map_err(to_fault)?;
    match netlink.change(requests::delete_link(link.index)).await {
        Ok(()) => gone.add(link, (addresses + routes) as u64 + u64::from(device)),
        Err(refusal) if is_absent(refusal.errno) => {}
        Err(refusal) => return Err(to_fault(refusal)),
    }
    Ok(())
}

/// Answers the jobs that it could do by group; gives back the others.
async fn delete_by_group(netlink: &mut Netlink, jobs: Vec<Job>) -> Vec<Job> {
    let Ok(everything) = LinkDump::read(netlink).await else {
        return jobs;
    };
    let Some(group) = unused_group(&everything.links) else {
        return jobs;
    };
    let (mut found, mut moves, mut left) = (Vec::new(), Vec::new(), Vec::new());
    let marked = everything.marked();
    for job in jobs {
        let links: Vec<&Link> = marked.get(&job.tunnel).into_iter().flatten().copied().collect();
        let links: Vec<&Link> = match &job.which {
            LinkSelector::Link(name) => with_device(&links, name),
            LinkSelector::All(_) => links,
        };
        if links.is_empty() {
            left.push(job);
            continue;
        }
        // By number, not by name: a link that took the name since is not touched.
        moves.extend(links.iter().map(|link| {
            let settings = LinkSettings {
                group: Some(group),
                ..LinkSettings::default()
            };
            requests::set_link(link.index, &settings)
        }));
        found.push((job, links));
    }
    let mut answers = netlink.change_all(&moves).await.into_iter();
    let mut moved = Vec::new();
    for (job, links) in found {
        let all = answers.by_ref().take(links.len()).filter(Result::is_ok).count() == links.len();
        if all {
            moved.push((job, links));
        } else {
            left.push(job);
        }
    }
    if moved.is_empty() {
        return left;
    }
    match netlink.change(requests::delete_link_group(group)).await {
        Ok(()) => {
            for (job, links) in moved {
                let mut gone = Deletions::default();
                for link in links {
                    gone.add(link, everything.companions_of(link.index));
                }
                let _ = job.reply.send(Ok(gone));
            }
        }
        Err(refusal) => {
            tracing::debug!(%refusal, links = moved.len(), "no deletion by group, deleting one by one");
            left.extend(moved.into_iter().map(|(job, _)| job));
        }
    }
    left
}

/// The link of this name, and the device beside it.
fn with_device<'a>(links: &[&'a Link], name: &LinkName) -> Vec<&'a Link> {
    let named: Vec<&Link> = links.iter().filter(|link| link.name == *name).copied().collect();
    let beside = links
        .iter()
        .filter(|link| link.is_beside(named.iter().copied()))
        .copied();
    named.iter().copied().chain(beside).collect()
}

fn unused_group(links: &[Link]) -> Option<u32> {
    (ONE_OFF_GROUPS..=ONE_OFF_GROUPS + 0xffff).find(|group| links.iter().all(|link| link.group != *group))
}
