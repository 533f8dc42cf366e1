//! `lantern_cloud.api.DataCapService`, over the connections that this host's own requests take.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use http_body_util::BodyExt;
use reqwest::{Body, Url};
use tonic::{
    Code, Status,
    codegen::{Service, StdError, http},
};
use warren_datacap::{
    DataCapSyncRequest, DataCapSyncResponse, DataCapUsage, DataCapUsageBatch, UsageResult,
    data_cap_service_client::DataCapServiceClient,
};
use warren_ledger::connector::Http;
use warren_metering::cap::{
    DeviceId, UnixSeconds,
    remote::{Failure, Record, Reported, Seen, Spent, State, Synced, Taken},
};

use super::authority::{Authority, failure};
use crate::errors::root;

/// An authority that speaks gRPC.
pub(super) struct Grpc(DataCapServiceClient<Channel>);

/// Requests to one place. Each has a deadline.
#[derive(Clone)]
struct Channel {
    url: Url,
    http: Arc<Http>,
}

impl Grpc {
    pub(super) fn new(url: Url, http: Arc<Http>) -> Self {
        Self(DataCapServiceClient::new(Channel { url, http }))
    }
}

#[async_trait]
impl Authority for Grpc {
    async fn report(&self, records: &[Record]) -> Reported {
        let batch = DataCapUsageBatch {
            records: records.iter().map(usage).collect(),
        };
        match self.0.clone().report_usage(batch).await {
            Ok(answer) => Reported::Answered(answer.into_inner().results.into_iter().map(taken).collect()),
            Err(status) => Reported::Failed(failed(&status)),
        }
    }

    async fn sync(&self, device: &DeviceId, sources: &[String]) -> Synced {
        let request = DataCapSyncRequest {
            device_id: device.to_string(),
            sources: sources.to_vec(),
        };
        match self.0.clone().sync_device_state(request).await {
            Ok(answer) => Synced::Answered(state(answer.into_inner())),
            Err(status) => Synced::Failed(failed(&status)),
        }
    }
}

impl Service<http::Request<tonic::body::Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, StdError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let url = this.url.join(parts.uri.path())?;
            let sent = this.http.send(&url, |client| {
                client
                    .post(url.clone())
                    .headers(parts.headers.clone())
                    .body(body.clone())
            });
            Ok(sent.await.map_err(|error| root(&error))?.into())
        })
    }
}

fn usage(record: &Record) -> DataCapUsage {
    DataCapUsage {
        device_id: record.device.to_string(),
        bytes_used: i64::try_from(record.delta).unwrap_or(i64::MAX),
        cap_limit: record.limit,
        country_code: record.country.clone(),
        platform: record.platform.clone(),
        source: record.source.clone(),
        sequence: record.sequence,
        total_bytes: record.total,
        window_start: record.window.0,
    }
}

fn taken(result: UsageResult) -> Taken {
    let refused = (!result.success).then(|| {
        if result.error.is_empty() {
            "refused without a reason".to_owned()
        } else {
            result.error
        }
    });
    Taken {
        device: result.device_id,
        of: (!result.source.is_empty()).then_some((result.source, result.sequence)),
        refused,
        state: None,
    }
}

fn state(answer: DataCapSyncResponse) -> State {
    let seen = answer.seen.into_iter().map(|seen| Seen {
        source: seen.source,
        window: UnixSeconds(seen.window_start),
        total: seen.total_bytes,
    });
    State {
        used: Spent::Octets(u64::try_from(answer.bytes_used).unwrap_or(0)),
        limit: answer.cap_limit,
        from: UnixSeconds(answer.window_start.max(0)),
        until: UnixSeconds(answer.expiry_time.max(0)),
        country: answer.country_code,
        platform: answer.platform,
        seen: answer.merges_totals.then(|| seen.collect()),
    }
}

/// Whatever it says, the batch may have been taken.
fn failed(status: &Status) -> Failure {
    if matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Unavailable) {
        return failure(status.message());
    }
    failure(format!("{:?}: {}", status.code(), status.message()))
}
