//! Changes to links: create and mark, change, compensate.

use std::sync::Arc;

use warren_state::{Fault, FaultClass, Incarnation, LinkName, LinkSpec, StepOutcome, TunnelId};

use super::{
    Core, LinkMaker,
    connection::Netlink,
    directory::Directory,
    fault::{fault, refused},
    mark::{Endpoints, LINK_GROUP, Mark},
    objects::{Link, LinkKind},
    observe,
    requests::{self, LinkSettings},
};

/// Makes the link, marks it, then brings it up. What is there already is taken over only when it is this tunnel's with
/// these endpoints; a failure leaves nothing behind.
pub async fn create<M: LinkMaker>(
    core: &Arc<Core<M>>,
    tunnel: TunnelId,
    incarnation: Incarnation,
    spec: &LinkSpec,
) -> Result<StepOutcome, Fault> {
    let operation = format!("create link {spec}");
    let mark = core.mark(tunnel, incarnation, spec);
    let adopted = {
        let (core, spec, mark, operation) = (core.clone(), spec.clone(), mark.clone(), operation.clone());
        core.pool
            .clone()
            .run(async move |netlink| adopt(netlink, &core.directory, &spec, &mark, &operation).await)
            .await??
    };
    if let Some(outcome) = adopted {
        return Ok(outcome);
    }
    if let Err(fault) = core.maker.create(spec).await {
        return Err(explain(core, spec, fault).await);
    }
    let finished = {
        let (core, spec) = (core.clone(), spec.clone());
        core.pool
            .clone()
            .run(async move |netlink| finish(netlink, &core.directory, &spec, &mark, &operation).await)
            .await
            .and_then(|finished| finished)
    };
    if finished.is_err() {
        core.maker.release(&spec.name).await;
    }
    finished.map(|()| StepOutcome::Done)
}

/// `None` when the name is free, or has been made free of a link whose making was cut short.
async fn adopt(
    netlink: &mut Netlink,
    directory: &Directory,
    spec: &LinkSpec,
    mark: &Mark,
    operation: &str,
) -> Result<Option<StepOutcome>, Fault> {
    let Some(link) = observe::find(netlink, &spec.name)
        .await
        .map_err(|refusal| refused(operation, &refusal))?
    else {
        return Ok(None);
    };
    let Some(found) = link.mark() else {
        if link.is_half_made() {
            netlink
                .change(requests::delete_link(link.index))
                .await
                .map_err(|refusal| refused(operation, &refusal))?;
            return Ok(None);
        }
        return Err(fault(
            FaultClass::Conflict,
            operation,
            format!("{link} is in the way and is not ours"),
        ));
    };
    directory.note(&link);
    if found.tunnel != mark.tunnel {
        return Err(fault(
            FaultClass::Transient,
            operation,
            format!("{link} of the tunnel {} must go first", found.tunnel),
        ));
    }
    if link.endpoints() != Some(Endpoints::from(spec)) {
        return Err(fault(
            FaultClass::Transient,
            operation,
            format!("{link} of this tunnel has other endpoints and must go first"),
        ));
    }
    settle(netlink, &link, spec, mark, operation).await.map(Some)
}

/// Gives a link of ours the MTU, the mark and the up flag where they differ.
async fn settle(
    netlink: &mut Netlink,
    link: &Link,
    spec: &LinkSpec,
    mark: &Mark,
    operation: &str,
) -> Result<StepOutcome, Fault> {
    let alias = mark.to_string();
    if link.up && link.mtu == u32::from(spec.mtu) && link.alias == alias {
        return Ok(StepOutcome::AlreadySo);
    }
    let settings = LinkSettings {
        mtu: Some(spec.mtu),
        group: None,
        alias: Some(&alias),
        up: true,
    };
    netlink
        .change(requests::set_link(link.index, &settings))
        .await
        .map_err(|refusal| refused(operation, &refusal))?;
    Ok(StepOutcome::Done)
}

/// Marks the new link before it brings it up; deletes it when that fails.
async fn finish(
    netlink: &mut Netlink,
    directory: &Directory,
    spec: &LinkSpec,
    mark: &Mark,
    operation: &str,
) -> Result<(), Fault> {
    let link = observe::find(netlink, &spec.name)
        .await
        .map_err(|refusal| refused(operation, &refusal))?;
    let Some(link) = link else {
        return Err(fault(
            FaultClass::Transient,
            operation,
            "the new link disappeared at once",
        ));
    };
    if !link.alias.is_empty() || link.up {
        return Err(fault(
            FaultClass::Conflict,
            operation,
            format!("{link} took the place of the new link and is not ours"),
        ));
    }
    let alias = mark.to_string();
    directory.note(&Link {
        alias: alias.clone(),
        ..link.clone()
    });
    let settings = LinkSettings {
        mtu: Some(spec.mtu),
        group: Some(LINK_GROUP),
        alias: Some(&alias),
        up: true,
    };
    let Err(refusal) = netlink.change(requests::set_link(link.index, &settings)).await else {
        return Ok(());
    };
    let mut fault = refused(operation, &refusal);
    if let Err(refusal) = netlink.change(requests::delete_link(link.index)).await {
        fault
            .detail
            .push_str(&format!("; the new link could not be deleted again: {refusal}"));
    }
    Err(fault)
}

/// Says what is in the way, when the maker met something.
async fn explain<M: LinkMaker>(core: &Core<M>, spec: &LinkSpec, mut fault: Fault) -> Fault {
    if fault.class != FaultClass::Conflict {
        return fault;
    }
    let wanted = spec.clone();
    let in_the_way = core
        .pool
        .run(async move |netlink| in_the_way(netlink, &wanted).await)
        .await
        .ok()
        .flatten();
    if let Some(link) = in_the_way {
        match link.mark() {
            Some(mark) => {
                fault.class = FaultClass::Transient;
                fault.detail = format!("{link} of the tunnel {} must go first", mark.tunnel);
            }
            None => fault.detail = format!("{link} is in the way and is not ours"),
        }
    }
    fault
}

/// The kernel allows one GRE link for each name, and one for each pair of endpoints without a key.
async fn in_the_way(netlink: &mut Netlink, spec: &LinkSpec) -> Option<Link> {
    let links = netlink.dump(requests::links(), Link::decode).await.ok()?;
    let same_ends = |link: &Link| {
        link.kind == LinkKind::Gre
            && link
                .endpoints()
                .is_some_and(|ends| ends.local == spec.local && ends.remote == spec.remote)
    };
    let (same_name, other): (Vec<Link>, Vec<Link>) =
        links.into_iter().partition(|link| link.name == spec.name);
    other.into_iter().find(same_ends).or(same_name.into_iter().next())
}

/// Sets endpoints, TTL, MTU and the up flag of the tunnel's link. Its index, and what is on it, stay.
pub async fn change<M: LinkMaker>(
    core: &Core<M>,
    tunnel: TunnelId,
    spec: &LinkSpec,
) -> Result<StepOutcome, Fault> {
    let operation = format!("change link {spec}");
    let link = {
        let (name, operation) = (spec.name.clone(), operation.clone());
        core.pool
            .run(async move |netlink| ours(netlink, tunnel, &name, &operation).await)
            .await??
    };
    let Some((link, found)) = link else {
        return Err(fault(
            FaultClass::Gone,
            operation,
            format!("there is no link {}", spec.name),
        ));
    };
    let differs = link.endpoints() != Some(Endpoints::from(spec));
    if differs && let Err(fault) = core.maker.change(spec).await {
        return Err(explain(core, spec, fault).await);
    }
    let mark = core.mark(tunnel, found.incarnation, spec);
    let spec = spec.clone();
    let settled = core
        .pool
        .run(async move |netlink| settle(netlink, &link, &spec, &mark, &operation).await)
        .await??;
    Ok(if differs { StepOutcome::Done } else { settled })
}

/// The tunnel's link with its mark; `None` when there is no link of that name.
///
/// # Errors
/// When the link is another tunnel's, or not ours.
pub async fn ours(
    netlink: &mut Netlink,
    tunnel: TunnelId,
    name: &LinkName,
    operation: &str,
) -> Result<Option<(Link, Mark)>, Fault> {
    let Some(link) = observe::find(netlink, name)
        .await
        .map_err(|refusal| refused(operation, &refusal))?
    else {
        return Ok(None);
    };
    match link.mark() {
        Some(mark) if mark.tunnel == tunnel => Ok(Some((link, mark))),
        Some(mark) => Err(fault(
            FaultClass::Conflict,
            operation,
            format!("{link} belongs to the tunnel {}", mark.tunnel),
        )),
        None => Err(fault(
            FaultClass::Conflict,
            operation,
            format!("{link} is not ours"),
        )),
    }
}
