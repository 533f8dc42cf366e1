//! The committed code is what the `.proto` says.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{fs, path::Path};

/// Set, the file is written instead of compared (`make generated`).
const WRITE: &str = "WARREN_WRITE_GENERATED";

#[test]
fn the_committed_code_is_what_the_proto_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = here.join("src/generated.rs");
    let made = generate(here);
    if std::env::var_os(WRITE).is_some() {
        fs::write(&committed, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&committed).unwrap() == made,
        "fleet/proto/src/generated.rs is not what datacap.proto says: run make generated"
    );
}

#[test]
fn the_origins_numbers_stay_theirs() {
    let set = protox::compile(["datacap.proto"], [env!("CARGO_MANIFEST_DIR")]).unwrap();
    let numbers: Vec<String> = set.file[0]
        .message_type
        .iter()
        .flat_map(|message| {
            let reserved = message
                .reserved_range
                .iter()
                .map(|range| format!("{} !{}", message.name(), range.start()));
            let fields = message
                .field
                .iter()
                .filter(|field| field.number() < 16)
                .map(|field| format!("{} {}={}", message.name(), field.name(), field.number()));
            reserved.chain(fields).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        numbers,
        [
            "DataCapUsageBatch records=1",
            "DataCapUsage !4",
            "DataCapUsage deviceId=1",
            "DataCapUsage bytesUsed=2",
            "DataCapUsage capLimit=3",
            "DataCapUsage countryCode=5",
            "DataCapUsage platform=6",
            "ReportUsageResponse results=1",
            "UsageResult deviceId=1",
            "UsageResult success=2",
            "UsageResult error=3",
            "DataCapSyncRequest deviceId=1",
            "DataCapSyncResponse !4",
            "DataCapSyncResponse deviceId=1",
            "DataCapSyncResponse bytesUsed=2",
            "DataCapSyncResponse capLimit=3",
            "DataCapSyncResponse expiryTime=5",
            "DataCapSyncResponse countryCode=6",
            "DataCapSyncResponse platform=7",
        ]
    );
}

/// As `make generated` writes it.
fn generate(here: &Path) -> String {
    let set = protox::compile(["datacap.proto"], [here]).unwrap();
    let folder = std::env::temp_dir().join(format!("warren-datacap-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let made = tonic_prost_build::configure()
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .out_dir(&folder)
        .compile_fds(set);
    let text = made.map(|()| fs::read_to_string(folder.join("lantern_cloud.api.rs")).unwrap());
    fs::remove_dir_all(&folder).unwrap();
    text.unwrap()
}
