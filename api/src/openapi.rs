//! The API's own description, generated from the types and what is written beside the paths.

mod paths;

use utoipa::OpenApi;

use paths::{control, devices, journal, latency, manual, reads, recording, routes, streams};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "warrend",
        description = "The API on warrend's Unix socket.",
        license(name = "Apache-2.0")
    ),
    paths(
        reads::status,
        reads::v2_status,
        control::enable,
        control::disable,
        manual::provision,
        manual::remove,
        reads::config,
        routes::routes,
        routes::resolve_route,
        reads::metrics,
        reads::healthz,
        reads::readyz,
        serve,
        reads::v3_status,
        reads::v3_plan,
        reads::v3_picture,
        routes::v3_routes,
        reads::tunnels,
        reads::v3_tunnel,
        devices::v3_devices,
        recording::recording,
        journal::journal,
        reads::v3_health,
        reads::v3_usage,
        reads::v3_caps,
        control::v3_set_cap,
        streams::events,
        streams::connections,
        streams::status,
        latency::latency,
        latency::v2_latency,
        latency::v3_latency,
    )
)]
struct Description;

/// Other names: the path, what it stands for, and what it is called.
const ALIASES: [(&str, &str, &str); 2] = [
    ("/v2/enable", "/enable", "v2_enable"),
    ("/v2/disable", "/disable", "v2_disable"),
];

/// The description of the API itself, as JSON.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, body = Object)))]
pub fn serve() {}

/// The description as JSON. `openapi.json` is a copy; a test holds it to this.
#[must_use]
pub fn document() -> String {
    let mut description = Description::openapi();
    for (alias, path, operation) in ALIASES {
        let mut item = description.paths.paths.get(path).cloned().unwrap_or_default();
        item.post = item.post.map(|mut post| {
            post.operation_id = Some(operation.to_owned());
            post.summary = Some(format!("As `{path}`."));
            post
        });
        description.paths.paths.insert(alias.to_owned(), item);
    }
    description.to_pretty_json().unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_description_is_what_the_code_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("WARREN_WRITE_OPENAPI").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap();
        assert!(
            committed == document(),
            "{path} is not what the code says: run the test with WARREN_WRITE_OPENAPI=1 to write it anew"
        );
    }
}
