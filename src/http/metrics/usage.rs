//! What tunnels carry. A series goes with its tunnel.

use warren_actors::{Snapshot, usage::TunnelUsage};

use super::{
    Api, flag,
    page::{Count, Page},
};

pub(super) fn write(page: &mut Page, snapshot: &Snapshot, api: &Api) -> Result<(), prometheus::Error> {
    let links = snapshot.tunnels.values().filter_map(|report| {
        let name = report.spec.as_ref()?.link.name.to_string();
        Some((vec![name], api.engine.carried(report.tunnel)?))
    });
    let of: Vec<(Vec<String>, TunnelUsage)> = links.collect();
    let counts: [Count<TunnelUsage>; 4] = [
        (
            "warren_tunnel_rx_bytes_total",
            "Octets received over the tunnel.",
            |usage| usage.carried.rx_bytes,
        ),
        (
            "warren_tunnel_tx_bytes_total",
            "Octets sent over the tunnel.",
            |usage| usage.carried.tx_bytes,
        ),
        (
            "warren_tunnel_rx_packets_total",
            "Packets received over the tunnel.",
            |usage| usage.carried.rx_packets,
        ),
        (
            "warren_tunnel_tx_packets_total",
            "Packets sent over the tunnel.",
            |usage| usage.carried.tx_packets,
        ),
    ];
    for (name, help, count) in counts {
        let values = of.iter().map(|(labels, usage)| (labels.clone(), count(usage)));
        page.counter(name, help, &["tunnel"], values)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
    let gaps = of
        .iter()
        .map(|(labels, usage)| (labels.clone(), usage.gap_ms as f64 / 1000.0));
    page.gauge(
        "warren_tunnel_usage_gap_seconds",
        "For how long what the tunnel carried may be missing.",
        &["tunnel"],
        gaps,
    )?;
    page.number(
        "warren_usage_failing",
        "Whether what tunnels carry cannot be written to the disk.",
        flag(snapshot.usage.problem.is_some()),
    )
}
