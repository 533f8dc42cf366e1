//! A gateway's daemon with many tunnels, all alike.

use warren_state::{ServiceKind, lifecycle::TunnelReport, view::User};

use super::{samples, *};

pub fn id(number: u32) -> TunnelId {
    let mut bytes = [1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    TunnelId(Pubkey(bytes))
}

/// A tunnel that is up.
pub fn report(number: u32, kind: ServiceKind) -> TunnelReport {
    let (_, report) = samples::report(0, kind, &format!("dzt{number}"));
    let mut report = TunnelReport::clone(&report);
    report.tunnel = id(number);
    if let Some(spec) = report.spec.as_mut().map(Arc::make_mut) {
        spec.id = report.tunnel;
        spec.link.local = DEVICE;
        spec.link.remote = Ipv4Addr::from(0x1400_0000 + number);
    }
    report
}

pub fn user(number: u32) -> User {
    let address = Ipv4Addr::from(0x1400_0000 + number);
    User {
        client_ip: address,
        ..samples::user(ServiceKind::Ibrl, address)
    }
}

/// This many tunnels, each with its user and an established session.
pub fn snapshot(tunnels: u32) -> Snapshot {
    let snapshot = connected();
    let mut view = View::clone(snapshot.view.as_deref().unwrap());
    view.users = (0..tunnels).map(|number| (id(number).0, user(number))).collect();
    let standing = BgpStanding {
        state: BgpState::Established,
        prefixes: 2,
        ..BgpStanding::default()
    };
    Snapshot {
        role: Some(Role::Gateway { device: key(2) }),
        view: Some(Arc::new(view)),
        tunnels: (0..tunnels)
            .map(|number| (id(number), Arc::new(report(number, ServiceKind::Ibrl))))
            .collect(),
        sessions: (0..tunnels)
            .map(|number| (id(number), Arc::new(standing.clone())))
            .collect(),
        ..snapshot
    }
}
