//! Tunnels that an operator asks for past the ledger.

use serde::Deserialize;
use utoipa::ToSchema;

/// The tunnel that is asked for. Empty texts count as nothing said, other members are ignored.
#[derive(Deserialize, ToSchema, Debug, Default)]
#[serde(default)]
pub struct ProvisionRequest {
    /// `IBRL`, `IBRLWithAllocatedIP`, `EdgeFiltering` or `Multicast`.
    #[schema(value_type = UserType, required = true)]
    pub user_type: Option<String>,
    /// Our outer address; without it the one of the route to `tunnel_dst`.
    #[schema(format = "ipv4")]
    pub tunnel_src: Option<String>,
    /// The device's outer address.
    #[schema(value_type = String, required = true, format = "ipv4")]
    pub tunnel_dst: Option<String>,
    /// The overlay network of the tunnel, a /31.
    #[schema(value_type = String, required = true, pattern = r"^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)/(3[0-2]|[12]?\d)$")]
    pub tunnel_net: Option<String>,
    /// Our address in the overlay.
    #[schema(format = "ipv4")]
    pub doublezero_ip: Option<String>,
    /// Edge filtering: the network's prefixes.
    pub doublezero_prefixes: Option<Vec<String>>,
    /// Groups to subscribe to.
    pub mcast_sub_groups: Option<Vec<String>>,
    /// Groups to publish to.
    pub mcast_pub_groups: Option<Vec<String>>,
    /// The rendezvous point; 10.0.0.0 when nothing is said.
    #[schema(format = "ipv4")]
    pub mcast_rp_address: Option<String>,
    /// Our AS; 0 means 65000.
    pub bgp_local_asn: Option<u32>,
    /// The device's AS; 0 means 65001.
    pub bgp_remote_asn: Option<u32>,
}

/// The services, as the reference names them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it says in the description what is taken as text")]
enum UserType {
    #[schema(rename = "IBRL")]
    Ibrl,
    #[schema(rename = "IBRLWithAllocatedIP")]
    IbrlWithAllocatedIp,
    EdgeFiltering,
    Multicast,
}

/// What `/remove` is asked.
#[derive(Deserialize, ToSchema, Debug, Default)]
#[serde(default)]
pub struct RemoveRequest {
    /// `Multicast`; anything else is the unicast tunnel.
    pub user_type: Option<String>,
}
