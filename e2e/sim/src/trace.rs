//! What a trace says, in short.

use warren_state::{TunnelId, guard::Verdict, lifecycle, reconcile};

pub(crate) fn short(tunnel: TunnelId) -> String {
    format!("tunnel {}", tunnel.0.0[0].wrapping_sub(1))
}

pub(crate) fn to_provisioner(input: &lifecycle::Input) -> String {
    use lifecycle::Input;
    match input {
        Input::Assign(lifecycle::Assignment {
            spec,
            incarnation,
            generation,
        }) => {
            format!(
                "Assign({} {} incarnation {incarnation} generation {generation})",
                spec.kind, spec.link
            )
        }
        Input::Observed(Ok(observed)) => {
            format!("Observed({:?})", observed.tunnels.keys().collect::<Vec<_>>())
        }
        Input::Applied(report) => match report.failure() {
            Some((step, fault)) => format!("Applied({} steps, then {step}: {fault})", report.steps.len()),
            None => format!("Applied({} steps)", report.steps.len()),
        },
        Input::Observed(Err(_))
        | Input::Removed(_)
        | Input::Session(..)
        | Input::Liveness(..)
        | Input::Recheck
        | Input::Sighted(_)
        | Input::Retire { .. }
        | Input::Detach
        | Input::Timeout => format!("{input:?}"),
    }
}

pub(crate) fn of_provisioner(effect: &lifecycle::Effect) -> String {
    use lifecycle::Effect;
    match effect {
        Effect::Apply { steps, .. } => {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            format!("Apply({})", steps.join("; "))
        }
        Effect::Observe { .. }
        | Effect::Remove { .. }
        | Effect::StartSession { .. }
        | Effect::Advertise { .. }
        | Effect::StopSession { .. }
        | Effect::Multicast(_)
        | Effect::WatchRoutes { .. }
        | Effect::Record(_)
        | Effect::Finished => format!("{effect:?}"),
    }
}

pub(crate) fn judged(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept(accepted) | Verdict::Rebase(accepted, _) => {
            format!(
                "slot {} with {} users in force",
                accepted.view.slot,
                accepted.view.users.len()
            )
        }
        Verdict::Hold(reason) | Verdict::Confirm(reason) => format!("held, {reason}"),
    }
}

pub(crate) fn to_reconciler(input: &reconcile::Input) -> String {
    use reconcile::Input;
    if let Input::View(accepted) = input {
        return format!("View(slot {})", accepted.view.slot);
    }
    if let Input::Observed(Ok(observed)) = input {
        return format!("Observed({:?})", observed.tunnels.keys().collect::<Vec<_>>());
    }
    if let Input::Tunnel(report) = input {
        return format!(
            "Tunnel({} {} {:?})",
            report.tunnel, report.phase, report.incarnation
        );
    }
    format!("{input:?}")
}
