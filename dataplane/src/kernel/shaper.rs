//! How much may go through a link: a token bucket on its way out, and one on an IFB device that everything that comes in is led
//! through. The tunnel's own session goes by both: on the way out it has a band of its own, before the bucket's, and what comes in of it
//! is not led anywhere.
//!
//! Ours are known by the handle of the queue, the number of the filter and the mark on the IFB device. A queue of somebody else on a
//! link of ours is a conflict and stays. The kernel removes both with the link, but for the IFB device, which we do.

use warren_state::{Fault, FaultClass, LinkName, Rate, StepOutcome};

use super::{
    connection::{KernelError, Netlink},
    directory::Directory,
    fault::{fault, is_absent, refused},
    mark::LINK_GROUP,
    objects::Link,
    observe,
    requests::{self, LinkSettings, Request},
    traffic::{self, Queue},
};

/// What there is of a shaper that is not whole: a rate that nobody wants, so that it is made anew or taken away.
const BROKEN: Option<u64> = Some(u64::MAX);

/// The numbers of our filters on what comes in.
const OURS: [u16; 2] = [traffic::SESSION_PRIORITY, traffic::PRIORITY];

/// Puts the rate on a link of ours, whatever rate of ours is on it.
pub async fn put(
    netlink: &mut Netlink,
    link: &Link,
    rate: Rate,
    operation: &str,
) -> Result<StepOutcome, Fault> {
    let to_fault = |refusal: KernelError| refused(operation, &refusal);
    if read(netlink, link).await.map_err(to_fault)? == rate {
        return Ok(StepOutcome::AlreadySo);
    }
    refuse_foreign(netlink, link, operation).await?;
    match rate.up {
        Some(up) => put_up(netlink, link, up).await.map_err(to_fault)?,
        None => clear_up(netlink, link).await.map_err(to_fault)?,
    }
    match rate.down {
        Some(down) => put_down(netlink, link, down, operation).await?,
        None => clear_down(netlink, link).await.map_err(to_fault)?,
    }
    Ok(StepOutcome::Done)
}

/// Takes the rate of ours away.
pub async fn clear(netlink: &mut Netlink, link: &Link, operation: &str) -> Result<StepOutcome, Fault> {
    let to_fault = |refusal: KernelError| refused(operation, &refusal);
    if read(netlink, link).await.map_err(to_fault)?.is_unlimited() {
        return Ok(StepOutcome::AlreadySo);
    }
    clear_up(netlink, link).await.map_err(to_fault)?;
    clear_down(netlink, link).await.map_err(to_fault)?;
    Ok(StepOutcome::Done)
}

/// The rate of ours on a link.
pub async fn read(netlink: &mut Netlink, link: &Link) -> Result<Rate, KernelError> {
    let up = if link.has_bucket {
        read_up(netlink, link).await?
    } else {
        None
    };
    Ok(Rate {
        up,
        down: read_down(netlink, link).await?,
    })
}

async fn read_up(netlink: &mut Netlink, link: &Link) -> Result<Option<u64>, KernelError> {
    let root = queue(netlink, requests::root_queue(link.index)).await?;
    let Some(root) = root.filter(Queue::is_ours) else {
        return Ok(None);
    };
    if !root.has_bands() || !has_session_band(netlink, link).await? {
        return Ok(BROKEN);
    }
    let bucket = queue(netlink, requests::queue_beside_session(link.index)).await?;
    Ok(bucket
        .filter(Queue::is_our_bucket)
        .map_or(BROKEN, |queue| queue.rate))
}

async fn has_session_band(netlink: &mut Netlink, link: &Link) -> Result<bool, KernelError> {
    let filters = filters(netlink, link, traffic::MAJOR).await?;
    Ok(filters.contains(&traffic::PRIORITY))
}

async fn read_down(netlink: &mut Netlink, link: &Link) -> Result<Option<u64>, KernelError> {
    let Some(device) = device_of(netlink, link).await? else {
        return Ok(None);
    };
    if !device.up || !leads_to_ours(netlink, link).await? {
        return Ok(BROKEN);
    }
    let root = queue(netlink, requests::root_queue(device.index)).await?;
    Ok(root.filter(Queue::is_ours).map_or(BROKEN, |queue| queue.rate))
}

/// Deletes the device beside a link, when the link is gone or about to go.
pub async fn delete_device(netlink: &mut Netlink, link: &Link) -> Result<bool, KernelError> {
    let Some(device) = device_of(netlink, link).await? else {
        return Ok(false);
    };
    match netlink.change(requests::delete_link(device.index)).await {
        Ok(()) => Ok(true),
        Err(refusal) if is_absent(refusal.errno) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

async fn refuse_foreign(netlink: &mut Netlink, link: &Link, operation: &str) -> Result<(), Fault> {
    let to_fault = |refusal: KernelError| refused(operation, &refusal);
    let conflict = |what: &str| {
        Err(fault(
            FaultClass::Conflict,
            operation,
            format!("{what} on {link} is not ours"),
        ))
    };
    let root = queue(netlink, requests::root_queue(link.index))
        .await
        .map_err(to_fault)?;
    if let Some(root) = root.filter(|root| !root.is_ours() && !root.is_the_kernels()) {
        return conflict(&format!("the queue {} {:x}:", root.kind, root.major));
    }
    let incoming = queue(netlink, requests::incoming_queue(link.index))
        .await
        .map_err(to_fault)?;
    let Some(incoming) = incoming else { return Ok(()) };
    let filters = filters(netlink, link, traffic::INGRESS).await.map_err(to_fault)?;
    let ours = device_of(netlink, link).await.map_err(to_fault)?.is_some()
        && incoming.kind == "ingress"
        && are_ours(&filters);
    if ours {
        Ok(())
    } else {
        conflict(&format!("the queue {} {:x}:", incoming.kind, incoming.major))
    }
}

/// What an earlier release put gives way first: the kernel changes no queue into one of another kind (net/sched/sch_api.c
/// `tc_modify_qdisc`).
async fn put_up(netlink: &mut Netlink, link: &Link, rate: u64) -> Result<(), KernelError> {
    let root = queue(netlink, requests::root_queue(link.index)).await?;
    if root.is_some_and(|root| root.is_ours() && !root.has_bands()) {
        gone(netlink.change(requests::delete_root_queue(link.index)).await)?;
    }
    netlink.change(requests::put_bands(link.index)).await?;
    let bucket = requests::put_bucket_beside_session(link.index, rate, link.mtu);
    netlink.change(bucket).await?;
    if !has_session_band(netlink, link).await? {
        netlink.change(requests::lead_session_first(link.index)).await?;
    }
    Ok(())
}

async fn clear_up(netlink: &mut Netlink, link: &Link) -> Result<(), KernelError> {
    let root = queue(netlink, requests::root_queue(link.index)).await?;
    if root.is_some_and(|root| root.is_ours()) {
        gone(netlink.change(requests::delete_root_queue(link.index)).await)?;
    }
    Ok(())
}

async fn clear_down(netlink: &mut Netlink, link: &Link) -> Result<(), KernelError> {
    if device_of(netlink, link).await?.is_none() {
        return Ok(());
    }
    if queue(netlink, requests::incoming_queue(link.index))
        .await?
        .is_some()
        && are_ours(&filters(netlink, link, traffic::INGRESS).await?)
    {
        gone(netlink.change(requests::delete_incoming_queue(link.index)).await)?;
    }
    delete_device(netlink, link).await.map(drop)
}

async fn put_down(netlink: &mut Netlink, link: &Link, rate: u64, operation: &str) -> Result<(), Fault> {
    let to_fault = |refusal: KernelError| refused(operation, &refusal);
    let device = make_device(netlink, link, operation).await?;
    netlink
        .change(requests::put_bucket(device.index, rate, link.mtu))
        .await
        .map_err(to_fault)?;
    if queue(netlink, requests::incoming_queue(link.index))
        .await
        .map_err(to_fault)?
        .is_none()
    {
        netlink
            .change(requests::add_incoming_queue(link.index))
            .await
            .map_err(to_fault)?;
    }
    let there = filters(netlink, link, traffic::INGRESS).await.map_err(to_fault)?;
    let wanted = [
        (traffic::SESSION_PRIORITY, requests::let_session_by(link.index)),
        (
            traffic::PRIORITY,
            requests::lead_incoming_to(link.index, device.index),
        ),
    ];
    for (_, filter) in wanted
        .into_iter()
        .filter(|(priority, _)| !there.contains(priority))
    {
        netlink.change(filter).await.map_err(to_fault)?;
    }
    Ok(())
}

/// The device beside the link, marked and up.
async fn make_device(netlink: &mut Netlink, link: &Link, operation: &str) -> Result<Link, Fault> {
    let to_fault = |refusal: KernelError| refused(operation, &refusal);
    let name = name_beside(link.index).map_err(|detail| fault(FaultClass::Permanent, operation, detail))?;
    let mut found = observe::find(netlink, &name).await.map_err(to_fault)?;
    if found.is_none() {
        netlink
            .change(requests::create_ifb(&name))
            .await
            .map_err(to_fault)?;
        found = observe::find(netlink, &name).await.map_err(to_fault)?;
    }
    let device = found.ok_or_else(|| {
        fault(
            FaultClass::Transient,
            operation,
            format!("{name} disappeared at once"),
        )
    })?;
    if !device.is_ifb() || !(device.alias == link.alias || device.is_half_made()) {
        return Err(fault(
            FaultClass::Conflict,
            operation,
            format!("{device} is in the way and is not ours"),
        ));
    }
    let settings = LinkSettings {
        mtu: u16::try_from(link.mtu).ok(),
        group: Some(LINK_GROUP),
        alias: Some(&link.alias),
        up: true,
    };
    netlink
        .change(requests::set_link(device.index, &settings))
        .await
        .map_err(to_fault)?;
    Ok(device)
}

/// The device beside this link that carries its mark.
async fn device_of(netlink: &mut Netlink, link: &Link) -> Result<Option<Link>, KernelError> {
    let Ok(name) = name_beside(link.index) else {
        return Ok(None);
    };
    let found = observe::find(netlink, &name).await?;
    Ok(found.filter(|device| device.is_ifb() && device.alias == link.alias))
}

/// Takes note of the device, so that it goes with the tunnel.
pub async fn note_device(netlink: &mut Netlink, directory: &Directory, link: &Link) {
    if let Ok(Some(device)) = device_of(netlink, link).await {
        directory.note(&device);
    }
}

async fn leads_to_ours(netlink: &mut Netlink, link: &Link) -> Result<bool, KernelError> {
    if queue(netlink, requests::incoming_queue(link.index))
        .await?
        .is_none()
    {
        return Ok(false);
    }
    let filters = filters(netlink, link, traffic::INGRESS).await?;
    Ok(OURS.iter().all(|priority| filters.contains(priority)))
}

/// The numbers of the filters on a queue of a link.
async fn filters(netlink: &mut Netlink, link: &Link, queue: u16) -> Result<Vec<u16>, KernelError> {
    netlink
        .dump(requests::filters(link.index, queue), |message| {
            traffic::filter_priority(message, link.index, queue)
        })
        .await
}

fn are_ours(filters: &[u16]) -> bool {
    filters.iter().all(|priority| OURS.contains(priority))
}

async fn queue(netlink: &mut Netlink, request: Request) -> Result<Option<Queue>, KernelError> {
    match netlink.read(request, Queue::decode).await {
        Err(refusal) if is_absent(refusal.errno) || refusal.errno == libc::EINVAL => Ok(None),
        other => other,
    }
}

fn gone(result: Result<(), KernelError>) -> Result<(), KernelError> {
    match result {
        Err(refusal) if is_absent(refusal.errno) || refusal.errno == libc::EINVAL => Ok(()),
        other => other,
    }
}

/// What the device beside a link is called.
pub fn name_beside(index: u32) -> Result<LinkName, String> {
    LinkName::new(format!("wri{index}")).map_err(|error| error.to_string())
}
