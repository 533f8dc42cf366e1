//! `lantern_cloud.api.DataCapService`.

use tonic::{Request, Response, Status};
use warren_datacap::{
    DataCapSyncRequest, DataCapSyncResponse, DataCapUsage, DataCapUsageBatch, ReportUsageResponse, SeenTotal,
    UsageResult, data_cap_service_server::DataCapService,
};
use warren_metering::cap::UnixSeconds;

use crate::{
    account::Report,
    authority::{Authority, Reported},
    faults::{Connection, Fault},
};

/// The service on the one authority.
pub(crate) struct Service(pub(crate) Authority);

#[tonic::async_trait]
impl DataCapService for Service {
    async fn report_usage(
        &self,
        request: Request<DataCapUsageBatch>,
    ) -> Result<Response<ReportUsageResponse>, Status> {
        let connection = request
            .extensions()
            .get::<Connection>()
            .cloned()
            .unwrap_or_default();
        let fault = self.0.faults().next().await;
        if fault == Fault::Refuse {
            return Err(Status::unavailable("not now"));
        }
        let records = request.into_inner().records;
        let reports = records.iter().map(reported).collect();
        let refusals = self.0.take(reports).await.map_err(|error| {
            tracing::error!(error = %format!("{error:#}"), "reports cannot be kept");
            Status::unavailable("the reports cannot be kept")
        })?;
        let results = records
            .into_iter()
            .zip(refusals)
            .map(|(record, refused)| UsageResult {
                device_id: record.device_id,
                success: refused.is_none(),
                error: refused.unwrap_or_default(),
                source: record.source,
                sequence: record.sequence,
            });
        let mut results: Vec<_> = results.collect();
        match fault {
            Fault::Lose => connection.cut().await,
            Fault::Partial => results.truncate(results.len().div_ceil(2)),
            Fault::None | Fault::Refuse => {}
        }
        Ok(Response::new(ReportUsageResponse { results }))
    }

    async fn sync_device_state(
        &self,
        request: Request<DataCapSyncRequest>,
    ) -> Result<Response<DataCapSyncResponse>, Status> {
        let DataCapSyncRequest { device_id, sources } = request.into_inner();
        let (standing, record, known) = self
            .0
            .standing(&device_id, &sources)
            .ok_or_else(|| Status::invalid_argument("the id of a device is empty"))?;
        let seen = known.into_iter().map(|counter| SeenTotal {
            source: counter.source,
            sequence: counter.sequence,
            total_bytes: counter.total,
            window_start: counter.window.0,
        });
        Ok(Response::new(DataCapSyncResponse {
            device_id,
            bytes_used: i64::try_from(standing.used).unwrap_or(i64::MAX),
            cap_limit: standing.limit,
            expiry_time: standing.until.0,
            country_code: record.country,
            platform: record.platform,
            seen: seen.collect(),
            merges_totals: true,
            window_start: standing.from.0,
        }))
    }
}

fn reported(record: &DataCapUsage) -> Reported {
    let report = if record.source.is_empty() {
        Report::More(record.bytes_used)
    } else {
        Report::Counter {
            source: record.source.clone(),
            window: UnixSeconds(record.window_start),
            sequence: record.sequence,
            total: record.total_bytes,
        }
    };
    Reported {
        device: record.device_id.clone(),
        country: record.country_code.clone(),
        platform: record.platform.clone(),
        report,
    }
}
