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
    connection::{Netlink, Refusal},
    fault::{fault, is_absent, refused},
    link,
    mark::LINK_GROUP,
    objects::Link,
    observe::{self, Everything},
    pool::Pool,
    requests::{self, LinkSettings},
};

/// How long a removal waits for company; while more come, it waits again.
const GATHERING: Duration = Duration::from_millis(3);
/// It waits this often at most.
const GATHERINGS: usize = 10;
/// So few are deleted one by one.
const FEW: usize = 2;
/// The first of the link groups for one-off use: "wa" in the upper half.
const ONE_OFF_GROUPS: u32 = LINK_GROUP << 16;

/// What came of one: the number of companions that went with the link, `None` when the link was gone already.
pub type Removed = Result<Option<u64>, Fault>;

struct Job {
    tunnel: TunnelId,
    link: LinkName,
    reply: oneshot::Sender<Removed>,
}

/// Gathers removals.
#[derive(Default)]
pub struct Remover {
    waiting: Mutex<Vec<Job>>,
    turn: tokio::sync::Mutex<()>,
}

impl Remover {
    /// Deletes the tunnel's link with all that is on it.
    pub async fn delete(
        &self,
        maker: &impl LinkMaker,
        pool: &Pool,
        tunnel: TunnelId,
        link: LinkName,
    ) -> Removed {
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(Job {
                tunnel,
                link: link.clone(),
                reply,
            });
            waiting.len() == 1
        };
        if first {
            self.carry_out(maker, pool).await;
        }
        answer.await.unwrap_or_else(|_| {
            Err(fault(
                FaultClass::Transient,
                format!("delete link {link}"),
                "the removal was cut short",
            ))
        })
    }

    /// Whoever finds nobody waiting does the work for all who come until it begins.
    async fn carry_out(&self, maker: &impl LinkMaker, pool: &Pool) {
        let _turn = self.turn.lock().await;
        self.gather().await;
        let jobs = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let links: Vec<LinkName> = jobs.iter().map(|job| job.link.clone()).collect();
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
    for job in jobs {
        let removed = delete_one(netlink, job.tunnel, &job.link).await;
        let _ = job.reply.send(removed);
    }
}

async fn delete_one(netlink: &mut Netlink, tunnel: TunnelId, name: &LinkName) -> Removed {
    let operation = format!("delete link {name}");
    let to_fault = |refusal: Refusal| refused(&operation, &refusal);
    let Some((link, _)) = link::ours(netlink, tunnel, name, &operation).await? else {
        return Ok(None);
    };
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
    match netlink.change(requests::delete_link(link.index)).await {
        Ok(()) => Ok(Some((addresses + routes) as u64)),
        Err(refusal) if is_absent(refusal.errno) => Ok(None),
        Err(refusal) => Err(to_fault(refusal)),
    }
}

/// Answers the jobs that it could do by group; gives back the others.
async fn delete_by_group(netlink: &mut Netlink, jobs: Vec<Job>) -> Vec<Job> {
    let Ok(everything) = Everything::read(netlink).await else {
        return jobs;
    };
    let Some(group) = unused_group(&everything.links) else {
        return jobs;
    };
    let links: BTreeMap<&LinkName, &Link> = everything.links.iter().map(|link| (&link.name, link)).collect();
    let (mut found, mut moves, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for job in jobs {
        match links
            .get(&job.link)
            .filter(|link| link.mark().is_some_and(|mark| mark.tunnel == job.tunnel))
        {
            Some(link) => {
                // By number, not by name: a link that took the name since is not touched.
                moves.push(requests::set_link(
                    link.index,
                    &LinkSettings {
                        group: Some(group),
                        ..LinkSettings::default()
                    },
                ));
                found.push((job, everything.companions_of(link.index)));
            }
            None => left.push(job),
        }
    }
    let mut moved = Vec::new();
    for ((job, companions), answer) in found.into_iter().zip(netlink.change_all(&moves).await) {
        match answer {
            Ok(()) => moved.push((job, companions)),
            Err(_) => left.push(job),
        }
    }
    if moved.is_empty() {
        return left;
    }
    match netlink.change(requests::delete_link_group(group)).await {
        Ok(()) => {
            for (job, companions) in moved {
                let _ = job.reply.send(Ok(Some(companions)));
            }
        }
        Err(refusal) => {
            tracing::debug!(%refusal, links = moved.len(), "no deletion by group, deleting one by one");
            left.extend(moved.into_iter().map(|(job, _)| job));
        }
    }
    left
}

fn unused_group(links: &[Link]) -> Option<u32> {
    (ONE_OFF_GROUPS..=ONE_OFF_GROUPS + 0xffff).find(|group| links.iter().all(|link| link.group != *group))
}
