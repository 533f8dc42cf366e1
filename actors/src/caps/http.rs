//! The sidecar's HTTP.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{
    Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER},
};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use warren_ledger::connector::Http;
use warren_metering::cap::{
    DeviceId, UnixSeconds,
    remote::{Failure, Record, Reported, Spent, State, Synced, Taken},
};

use super::authority::{Authority, failure};
use crate::errors::root;

const JSON: &str = "application/json";
/// What of a counter an authority that merges totals wants to know; others pass over it.
const COUNTER: &str = "warren-counter";
/// Requests at a time: of each record there is one.
const AT_A_TIME: usize = 10;
/// This much of an answer is read.
const LONGEST_ANSWER: usize = 64 << 10;

/// An authority that speaks as a sidecar does.
#[derive(Clone)]
pub(super) struct Sidecar {
    url: Url,
    http: Arc<Http>,
}

/// As the origin has it, in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage<'a> {
    device_id: &'a str,
    country_code: &'a str,
    platform: &'a str,
    bytes_used: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    throttle: bool,
    cap_limit: i64,
    expiry_time: i64,
}

impl Sidecar {
    pub(super) fn new(url: Url, http: Arc<Http>) -> Self {
        Self { url, http }
    }

    async fn post(&self, record: &Record) -> Result<Taken, Failure> {
        let url = self.at("");
        let (body, counter) = (body(record), counter(record));
        let sent = self.http.send(&url, |client| {
            client
                .post(url.clone())
                .header(ACCEPT, JSON)
                .header(CONTENT_TYPE, JSON)
                .header(COUNTER, &counter)
                .body(body.clone())
        });
        let response = sent.await.map_err(|error| failure(root(&error)))?;
        let status = response.status();
        let wait = response.headers().get(RETRY_AFTER);
        let wait = wait.and_then(|value| value.to_str().ok()?.parse().ok());
        let answer = read(response).await?;
        let taken = Taken {
            device: record.device.to_string(),
            of: Some((record.source.clone(), record.sequence)),
            ..Taken::default()
        };
        let said = || format!("{status}: {}", String::from_utf8_lossy(&answer).trim());
        match status {
            StatusCode::OK | StatusCode::ACCEPTED => Ok(Taken {
                state: state(&answer),
                ..taken
            }),
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Ok(Taken {
                refused: Some(said()),
                ..taken
            }),
            _ => Err(Failure {
                detail: said(),
                wait: wait.map(Duration::from_secs),
            }),
        }
    }

    async fn get(&self, device: &DeviceId) -> Result<State, Failure> {
        let url = self.at(device.as_str());
        let sent = self
            .http
            .send(&url, |client| client.get(url.clone()).header(ACCEPT, JSON));
        let response = sent.await.map_err(|error| failure(root(&error)))?;
        let status = response.status();
        let answer = read(response).await?;
        if status != StatusCode::OK {
            return Err(failure(format!(
                "{status}: {}",
                String::from_utf8_lossy(&answer).trim()
            )));
        }
        state(&answer).ok_or_else(|| failure("the answer is not the state of a cap"))
    }

    fn at(&self, device: &str) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["data-cap", device]);
        }
        url
    }
}

#[async_trait]
impl Authority for Sidecar {
    async fn report(&self, records: &[Record]) -> Reported {
        let (mut answers, mut failed) = (Vec::new(), None);
        for some in records.chunks(AT_A_TIME) {
            let mut posts = JoinSet::new();
            for record in some {
                let (this, record) = (self.clone(), record.clone());
                posts.spawn(async move { this.post(&record).await });
            }
            for done in posts.join_all().await {
                match done {
                    Ok(taken) => answers.push(taken),
                    Err(failure) => failed = Some(failure),
                }
            }
            if failed.is_some() {
                break;
            }
        }
        match failed {
            // What is not in the list was not taken.
            Some(failure) if answers.is_empty() => Reported::Failed(failure),
            Some(_) | None => Reported::Answered(answers),
        }
    }

    async fn sync(&self, device: &DeviceId, _sources: &[String]) -> Synced {
        match self.get(device).await {
            Ok(state) => Synced::Answered(state),
            Err(failure) => Synced::Failed(failure),
        }
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(root(&error)))? {
        answer.extend_from_slice(&chunk);
        if answer.len() > LONGEST_ANSWER {
            return Err(failure("the answer is too long"));
        }
    }
    Ok(answer)
}

fn body(record: &Record) -> Vec<u8> {
    let usage = Usage {
        device_id: record.device.as_str(),
        country_code: &record.country,
        platform: &record.platform,
        bytes_used: i64::try_from(record.delta).unwrap_or(i64::MAX),
    };
    serde_json::to_vec(&usage).unwrap_or_default()
}

fn counter(record: &Record) -> String {
    format!(
        "source={};sequence={};total={};window={}",
        record.source, record.sequence, record.total, record.window.0
    )
}

fn state(answer: &[u8]) -> Option<State> {
    let status: Status = serde_json::from_slice(answer).ok()?;
    Some(State {
        used: Spent::TooMuch(status.throttle),
        limit: status.cap_limit,
        until: UnixSeconds(status.expiry_time.max(0)),
        ..State::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_the_bytes_that_sidecars_know() {
        let record = Record {
            device: DeviceId::new("device/1").unwrap(),
            country: "DE".to_owned(),
            platform: "linux".to_owned(),
            limit: 0,
            source: "node:1".to_owned(),
            window: UnixSeconds(7),
            sequence: 3,
            total: 5000,
            delta: 1500,
        };
        assert_eq!(
            String::from_utf8(body(&record)).unwrap(),
            r#"{"deviceId":"device/1","countryCode":"DE","platform":"linux","bytesUsed":1500}"#
        );
        assert_eq!(counter(&record), "source=node:1;sequence=3;total=5000;window=7");
        let state = state(br#"{"throttle":true,"capLimit":700,"expiryTime":99,"remainingBytes":3}"#).unwrap();
        assert_eq!(
            (state.used, state.limit, state.until, state.seen),
            (Spent::TooMuch(true), 700, UnixSeconds(99), None)
        );
    }
}
