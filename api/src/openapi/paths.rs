//! What can be asked, and what the answers are. The functions carry the description and do nothing; the daemon's router has the
//! handlers, and a test holds the two to each other.

#![allow(dead_code, reason = "they carry the description")]

/// What only looks.
pub mod reads {
    use crate::{compat, v3};

    /// Provisioned services, as the reference reports them.
    #[utoipa::path(get, path = "/status", responses((status = 200, description = "one entry without `user_type` when nothing is provisioned", body = Vec<compat::StatusEntry>)))]
    pub fn status() {}

    /// Provisioned services with what the ledger says about them.
    #[utoipa::path(get, path = "/v2/status", responses((status = 200, body = compat::V2Status)))]
    pub fn v2_status() {}

    /// Which ledger and program are watched.
    #[utoipa::path(get, path = "/config", responses((status = 200, body = compat::ConfigReply)))]
    pub fn config() {}

    /// Metrics in Prometheus's text format.
    #[utoipa::path(get, path = "/metrics", responses((status = 200, content_type = "text/plain", body = String)))]
    pub fn metrics() {}

    /// Whether the daemon makes progress.
    #[utoipa::path(get, path = "/healthz", responses((status = 200, body = v3::Health), (status = 503, body = v3::Health)))]
    pub fn healthz() {}

    /// Whether the daemon knows what it should do: its role, and a view that is not stale.
    #[utoipa::path(get, path = "/readyz", responses((status = 200, body = v3::Health), (status = 503, body = v3::Health)))]
    pub fn readyz() {}

    /// Whether this host's tunnels can be relied on, with what is wrong. What is wrong counts once it lasts, and what is well again once that
    /// lasts. The answer is 200 whatever the verdict is.
    #[utoipa::path(get, path = "/v3/health", params(v3::HealthQuery), responses((status = 200, body = v3::HealthReply), (status = 400, description = "health is not asked for that", body = compat::Outcome)))]
    pub fn v3_health() {}

    /// What went through the tunnels, of each or added up, in all or since a time, as far as it would survive a power cut.
    #[utoipa::path(get, path = "/v3/usage", params(v3::UsageQuery), responses(
    (status = 200, body = v3::UsageReply),
    (status = 400, description = "something that makes no sense, or too much, is asked for", body = compat::Outcome),
    (status = 500, description = "hours that are over cannot be read", body = compat::Outcome)))]
    pub fn v3_usage() {}

    /// Caps, what is used of them, and who is held.
    #[utoipa::path(get, path = "/v3/caps", responses((status = 200, body = v3::CapsReply)))]
    pub fn v3_caps() {}

    /// Everything, with the first 100 tunnels; `/v3/tunnels` has them all. Whoever follows a stream names the position of what they were told,
    /// and is shown that or what came after it.
    #[utoipa::path(get, path = "/v3/status", params(v3::StatusQuery), responses((status = 200, body = v3::Status), (status = 400, description = "the query makes no sense", body = compat::Outcome)))]
    pub fn v3_status() {}

    /// What is wrong first, with what can be done about it, and how far each tunnel's way goes from the ledger to its traffic.
    #[utoipa::path(get, path = "/v3/picture", params(v3::PictureQuery), responses((status = 200, body = v3::Picture),
    (status = 400, description = "the query makes no sense", body = compat::Outcome), (status = 404, body = compat::Outcome)))]
    pub fn v3_picture() {}

    /// What would be done now: observes, plans, and changes nothing.
    #[utoipa::path(get, path = "/v3/plan", responses((status = 200, body = v3::PlanReply), (status = 503, body = compat::Outcome)))]
    pub fn v3_plan() {}

    /// One tunnel, by the account that asks for it or by the interface's name, with what happened to it last.
    #[utoipa::path(get, path = "/v3/tunnels/{id}", params(("id" = String, Path, description = "account or interface name")),
    responses((status = 200, body = v3::TunnelReply), (status = 404, body = compat::Outcome)))]
    pub fn v3_tunnel() {}

    /// Tunnels, page by page. A page shows one state of the daemon; the next one may show a later one.
    #[utoipa::path(get, path = "/v3/tunnels", params(v3::TunnelQuery), responses(
    (status = 200, body = v3::TunnelPage), (status = 400, description = "the query makes no sense", body = compat::Outcome)))]
    pub fn tunnels() {}
}

/// The enable switch.
pub mod control {
    use crate::compat;

    /// Turns the daemon on. With an address in the body, status shows it when the answer is there.
    #[utoipa::path(post, path = "/enable", params(compat::Wait), request_body(content = Option<compat::EnableRequest>, content_type = "application/json"), responses(
    (status = 200, description = "on disk, and converged if that was asked for", body = compat::Outcome),
    (status = 400, description = "`wait` or the body makes no sense, or the address cannot be this host's", body = compat::Outcome),
    (status = 403, description = "the caller may not change anything", body = compat::Outcome),
    (status = 408, description = "the body did not come in time", content_type = "text/plain", body = String),
    (status = 409, description = "the daemon was told another address when it started", body = compat::Outcome),
    (status = 413, description = "the body is too large", content_type = "text/plain", body = String),
    (status = 500, description = "not on disk, or the host's addresses cannot be seen: nothing was changed", body = compat::Outcome),
    (status = 504, description = "on disk, but not converged in time", body = compat::NotConverged)))]
    pub fn enable() {}

    /// Turns the daemon off: every tunnel is taken down.
    #[utoipa::path(post, path = "/disable", params(compat::Wait), responses(
    (status = 200, description = "on disk, and converged if that was asked for", body = compat::Outcome),
    (status = 400, description = "`wait` makes no sense", body = compat::Outcome),
    (status = 403, description = "the caller may not change anything", body = compat::Outcome),
    (status = 500, description = "not on disk: nothing was changed", body = compat::Outcome),
    (status = 504, description = "on disk, but not converged in time", body = compat::NotConverged)))]
    pub fn disable() {}

    /// Gives one a cap, or takes it away, where this host keeps them (`source = "local"` in `[caps]`).
    #[utoipa::path(post, path = "/v3/caps", request_body = crate::v3::CapRequest, responses(
    (status = 200, description = "on disk, and decided by", body = compat::Outcome),
    (status = 400, description = "nobody is named, or the cap makes no sense", body = compat::Outcome),
    (status = 403, description = "the caller may not change anything", body = compat::Outcome),
    (status = 404, description = "there is no cap to take away", body = compat::Outcome),
    (status = 408, description = "the body did not come in time", content_type = "text/plain", body = String),
    (status = 409, description = "caps come from elsewhere, or there are none", body = compat::Outcome),
    (status = 413, description = "the body is too large", content_type = "text/plain", body = String),
    (status = 500, description = "it may not be on disk", body = compat::Outcome)))]
    pub fn v3_set_cap() {}
}

/// Tunnels past the ledger.
pub mod manual {
    use crate::compat;

    /// Builds a tunnel past the ledger, and answers when it is there; its session may come up later. The next pass over the ledger
    /// makes it as the ledger says; while the daemon is disabled there is none, and it stays.
    #[utoipa::path(post, path = "/provision", request_body(content = compat::ProvisionRequest, content_type = "application/json"), responses(
    (status = 200, content_type = "text/plain", body = String),
    (status = 400, content_type = "text/plain", body = String),
    (status = 403, description = "the caller may not change anything", body = compat::Outcome),
    (status = 408, content_type = "text/plain", body = String),
    (status = 409, description = "the host is a gateway", content_type = "text/plain", body = String),
    (status = 413, content_type = "text/plain", body = String)))]
    pub fn provision() {}

    /// Takes a tunnel down past the ledger, and answers when it is gone. The next pass over the ledger brings it back if the
    /// ledger asks for it.
    #[utoipa::path(post, path = "/remove", request_body(content = compat::RemoveRequest, content_type = "application/json"), responses(
    (status = 200, content_type = "text/plain", body = String),
    (status = 400, content_type = "text/plain", body = String),
    (status = 403, description = "the caller may not change anything", body = compat::Outcome),
    (status = 408, content_type = "text/plain", body = String),
    (status = 409, description = "the host is a gateway", content_type = "text/plain", body = String),
    (status = 413, content_type = "text/plain", body = String),
    (status = 500, content_type = "text/plain", body = String)))]
    pub fn remove() {}
}

/// The paths that list and resolve routes.
pub mod routes {
    use crate::{compat, v3};

    /// Routes of the sessions that the kernel has, or that route liveness watches.
    #[utoipa::path(get, path = "/routes", responses((status = 200, body = Vec<compat::RouteEntry>), (status = 500, content_type = "text/plain", body = String)))]
    pub fn routes() {}

    /// All routes that the sessions taught us: with their prefix lengths, next hops and interfaces, and whether the kernel has them.
    #[utoipa::path(get, path = "/v3/routes", responses((status = 200, body = v3::Routes), (status = 500, content_type = "text/plain", body = String)))]
    pub fn v3_routes() {}

    /// The source address that this host would use towards a destination.
    #[utoipa::path(post, path = "/resolve-route", request_body = compat::ResolveRequest, responses(
    (status = 200, content_type = "text/plain", body = compat::ResolveReply),
    (status = 400, content_type = "text/plain", body = String),
    (status = 404, content_type = "text/plain", body = String),
    (status = 408, content_type = "text/plain", body = String),
    (status = 413, content_type = "text/plain", body = String),
    (status = 500, content_type = "text/plain", body = String)))]
    pub fn resolve_route() {}
}

/// The paths that list devices.
pub mod devices {
    use crate::{compat, v3};

    /// Every device on the ledger. They are read when somebody asks, and not again for all who ask within the next seconds; what is
    /// known already is told, with the reason, when the ledger does not answer.
    #[utoipa::path(get, path = "/v3/devices", responses((status = 200, body = v3::V3Devices), (status = 503, body = compat::Outcome)))]
    pub fn v3_devices() {}
}

/// The path that reads a recording.
pub mod recording {
    use crate::compat;

    /// What happened last, as JSON lines, to be done again by `sim replay`. For root, the daemon's own user, and who may change
    /// something.
    #[utoipa::path(get, path = "/v3/recording", responses(
    (status = 200, body = String, content_type = "application/x-ndjson"),
    (status = 403, body = compat::Outcome),
))]
    pub fn recording() {}
}

/// The path that reads the journal.
pub mod journal {
    use crate::{compat, v3};

    /// What happened, as the journal on disk keeps it, also over restarts of the daemon: at most this much of it. What happened within the
    /// last moment may not be there yet.
    #[utoipa::path(get, path = "/v3/journal", params(v3::JournalQuery), responses(
    (status = 200, body = v3::JournalPage),
    (status = 400, description = "something that makes no sense is asked for", body = compat::Outcome),
    (status = 500, description = "the journal cannot be read", body = compat::Outcome),
))]
    pub fn journal() {}
}

/// How far devices are; not there at all when nothing is probed.
pub mod latency {
    use crate::{compat, v3};

    /// How far devices are: those that were measured, the nearest first, as JSON that the reference declares to be text. Not found
    /// when nothing is probed.
    #[utoipa::path(get, path = "/latency", responses((status = 200, content_type = "text/plain", body = Vec<compat::LatencyRecord>), (status = 404, content_type = "text/plain", body = String)))]
    pub fn latency() {}

    /// The same, and whether all devices were measured once.
    #[utoipa::path(get, path = "/v2/latency", responses((status = 200, content_type = "text/plain", body = compat::V2Latency), (status = 404, content_type = "text/plain", body = String)))]
    pub fn v2_latency() {}

    /// Everything about latency: loss, history and jitter of each address, and how probing goes.
    #[utoipa::path(get, path = "/v3/latency", responses((status = 200, body = v3::V3Latency), (status = 404, content_type = "text/plain", body = String)))]
    pub fn v3_latency() {}
}

/// The paths that stream what happens.
pub mod streams {
    use crate::{compat, v3};

    /// What is true, and then what changes and what happens, as server-sent events: `snapshot`, then `event` and `change`, with `resumed`,
    /// `reset`, `gap`, `heartbeat` (each 15 s) and, at the end, `shutdown`. The data of each is a JSON object in one line; an `id` is the
    /// position to go on from.
    #[utoipa::path(get, path = "/v3/events", params(v3::EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "as `since`, which it wins over")), responses(
    (status = 200, description = "frames, until the daemon ends or the reader goes", body = String, content_type = "text/event-stream"),
    (status = 400, description = "a topic, a tunnel or a position that makes no sense", body = compat::Outcome),
    (status = 503, description = "no room: `Retry-After` says when to try again", body = compat::Outcome),
))]
    pub fn events() {}

    /// Who is connected, as server-sent events: `snapshot`, the open ones, and then a frame for each that comes (`"state":1`) or goes
    /// (`-1`), and `tunnel.drained` for all of a tunnel that is taken down. Addresses are shown to who may change something and to members
    /// of `address_group`; others see pseudonyms that stay.
    #[utoipa::path(get, path = "/v3/connections/events", params(v3::ConnectionsQuery, ("Last-Event-ID" = Option<String>, Header, description = "as `since`, which it wins over")), responses(
    (status = 200, description = "frames, until the daemon ends or the reader goes", body = String, content_type = "text/event-stream"),
    (status = 400, description = "a position that makes no sense", body = compat::Outcome),
    (status = 503, description = "no room: `Retry-After` says when to try again", body = compat::Outcome),
))]
    pub fn connections() {}

    /// The life of each tunnel, as server-sent events: `snapshot`, and then `status` for each that changed, of which the latest wins. A
    /// reason is there only where it is proven.
    #[utoipa::path(get, path = "/v3/status/stream", responses(
    (status = 200, description = "frames, until the daemon ends or the reader goes", body = String, content_type = "text/event-stream"),
    (status = 400, description = "there is nothing to ask for", body = compat::Outcome),
    (status = 503, description = "no room: `Retry-After` says when to try again", body = compat::Outcome),
))]
    pub fn status() {}
}
