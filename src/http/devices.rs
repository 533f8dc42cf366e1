//! `/v3/devices`: the devices that there are, as the ledger told of them a moment ago.

use axum::{extract::State, http::StatusCode, response::Response};
use tokio::time::Instant;
use warren_api::v3::{DeviceRecord, SCHEMA, V3Devices};
use warren_ledger::{AllDevices, Devices, Fetched, ReadError, accounts};
use warren_state::Pubkey;

use super::{Api, error, json, reads::PATIENCE};

/// Every device on the ledger. They are read when somebody asks, and not again for all who ask within the next seconds; what is
/// known already is told, with the reason, when the ledger does not answer.
pub async fn v3_devices(State(api): State<Api>) -> Response {
    let ledger = api.engine.ledger();
    match ledger.get(AllDevices, Instant::now() + PATIENCE).await {
        Ok(list) => json(StatusCode::OK, &document(&list, None)),
        Err(failure) => match ledger.latest(AllDevices) {
            Some(list) => json(StatusCode::OK, &document(&list, Some(&failure))),
            None => error(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the list of devices cannot be read: {failure}"),
            ),
        },
    }
}

fn document(list: &Fetched<Devices>, error: Option<&ReadError>) -> V3Devices {
    V3Devices {
        schema: SCHEMA,
        age_seconds: list.age().as_secs_f64(),
        error: error.map(ToString::to_string),
        devices: list
            .value
            .iter()
            .map(|(key, device)| record(key, device))
            .collect(),
    }
}

fn record(key: &Pubkey, device: &accounts::Device) -> DeviceRecord {
    DeviceRecord {
        pubkey: key.to_string(),
        code: device.code.clone(),
        exchange: device.exchange_pk.to_string(),
        public_ip: device.public_ip.to_string(),
        status: device.status.name().to_owned(),
        users: device.users_count,
        max_users: device.max_users,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    };

    use async_trait::async_trait;
    use tokio::sync::mpsc;
    use warren_actors::Snapshot;
    use warren_ledger::{Fetcher, FetcherSettings, LedgerHealth, LedgerSource, Query, accounts::samples};
    use warren_state::View;

    use super::*;
    use crate::http::testing::{FakeDaemon, key, raw, serve};

    /// A ledger with one device, which counts who asks.
    #[derive(Default)]
    struct Counted {
        reads: AtomicUsize,
        is_down: AtomicBool,
    }

    #[async_trait]
    impl LedgerSource for Counted {
        async fn read(&self, _: &Query, _: Instant) -> Result<View, ReadError> {
            Err(ReadError::Unavailable("nobody asks for views here".to_owned()))
        }
        async fn devices(&self, _: Instant) -> Result<Devices, ReadError> {
            self.reads.fetch_add(1, SeqCst);
            if self.is_down.load(SeqCst) {
                return Err(ReadError::Unavailable("connection refused".to_owned()));
            }
            Ok([(
                key(2),
                accounts::Device {
                    code: "ams1".into(),
                    max_users: 128,
                    ..samples::device()
                },
            )]
            .into())
        }
        fn watch(&self, _: Query) -> mpsc::Receiver<()> {
            mpsc::channel(1).1
        }
        fn health(&self) -> LedgerHealth {
            LedgerHealth::default()
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn devices_are_read_once_for_all_who_ask_and_told_with_their_age_also_when_the_ledger_is_gone() {
        let ledger = Arc::new(Counted {
            is_down: true.into(),
            ..Counted::default()
        });
        let none = std::time::Duration::ZERO;
        let settings = FetcherSettings {
            failure_ttl: none,
            ..FetcherSettings::default()
        };
        let fetcher = Fetcher::new(ledger.clone(), settings);
        let served = serve(FakeDaemon {
            ledger: fetcher.clone(),
            ..FakeDaemon::new(Snapshot::default())
        })
        .await;
        let ask = || {
            raw(
                &served.path,
                "GET /v3/devices HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n",
            )
        };
        let refused = ask();
        assert!(
            refused.starts_with("HTTP/1.1 503 ") && refused.contains("cannot be read: connection refused"),
            "{refused}"
        );
        ledger.is_down.store(false, SeqCst);
        let list = |answer: &str| {
            serde_json::from_str::<V3Devices>(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
        };
        for _ in 0..3 {
            let told = list(&ask());
            assert_eq!(
                (told.error, told.devices.len(), told.devices[0].code.as_str()),
                (None, 1, "ams1")
            );
            assert_eq!(
                (told.devices[0].pubkey.as_str(), told.devices[0].max_users),
                (key(2).to_string().as_str(), 128)
            );
        }
        assert_eq!(
            ledger.reads.load(SeqCst),
            2,
            "the failure, and one read for all three"
        );
        ledger.is_down.store(true, SeqCst);
        fetcher
            .fresh(AllDevices, Instant::now() + PATIENCE)
            .await
            .unwrap_err();
        let told = list(&ask());
        assert_eq!(
            (told.error.as_deref(), told.devices.len()),
            (Some("connection refused"), 1)
        );
        assert!(told.age_seconds >= 0.0);
    }
}
