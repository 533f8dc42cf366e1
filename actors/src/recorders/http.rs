//! CloudEvents over HTTP.

use std::time::Duration;

use reqwest::{
    Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use tokio::runtime::Handle;
use warren_ledger::connector::{self, HttpSettings};
use warren_metering::recorder::{self, After, Answer, Entry, EntryId, Failure, batches, judge};

use super::{
    output::{Batch, Recorder, failure},
    settings::HttpOutput,
};
use crate::errors::root;

const TIMEOUT: Duration = Duration::from_secs(10);
/// No batch is larger unless a single event is.
const BATCH_BYTES: usize = 256 << 10;
/// This much of an answer is read.
const LONGEST_ANSWER: usize = 256 << 10;

/// A receiver. Events that it took are not sent again, unless the daemon is started anew in between.
pub(super) struct Http {
    url: Url,
    http: connector::Http,
    settings: HttpOutput,
    /// The last entry that it took.
    taken: Option<EntryId>,
}

impl Http {
    pub(super) fn new(settings: HttpOutput) -> Result<Self, Failure> {
        let url = settings
            .url
            .parse()
            .map_err(|_| failure("metering.http.url is not a URL"))?;
        let http = settings.connector.http(HttpSettings {
            timeout: TIMEOUT,
            redirects: 0,
            proxies: true,
            keeps_connections: true,
        });
        Ok(Self {
            url,
            http: http.map_err(failure)?,
            settings,
            taken: None,
        })
    }

    /// Sends them until all are taken: those that the receiver has already are taken out, and the others sent again.
    fn deliver(&mut self, mut entries: Vec<Entry>, unix_ms: u64) -> Result<(), Failure> {
        while !entries.is_empty() {
            let all = batches(&entries, self.settings.batch, BATCH_BYTES);
            let Some((ids, body)) = all.into_iter().next() else {
                return Ok(());
            };
            match self.post(&ids, body, unix_ms)? {
                Answer::Taken => {
                    self.taken = ids.last().copied();
                    entries.retain(|entry| entry.id.is_some_and(|id| !ids.contains(&id)));
                }
                Answer::Known(known) => {
                    entries.retain(|entry| entry.id.is_some_and(|id| !known.contains(&id)));
                }
                Answer::Later(After { wait, detail }) => {
                    return Err(Failure {
                        detail,
                        wait,
                        passes: true,
                    });
                }
            }
        }
        Ok(())
    }

    fn post(&self, ids: &[EntryId], body: Vec<u8>, unix_ms: u64) -> Result<Answer, Failure> {
        let unreachable =
            |error: reqwest::Error| failure(format!("the receiver cannot be reached: {}", root(&error)));
        Handle::current().block_on(async {
            let sent = self.http.send(&self.url, |client| {
                let request = client
                    .post(self.url.clone())
                    .header(CONTENT_TYPE, recorder::CONTENT_TYPE)
                    .body(body.clone());
                match &self.settings.token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                }
            });
            let mut response = sent.await.map_err(unreachable)?;
            let status = response.status().as_u16();
            let wait = response.headers().get(RETRY_AFTER);
            let wait = wait.and_then(|value| value.to_str().ok()).map(str::to_owned);
            let mut answer = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
                answer.extend_from_slice(&chunk);
                if answer.len() > LONGEST_ANSWER {
                    break;
                }
            }
            Ok(judge(status, wait.as_deref(), &answer, ids, unix_ms))
        })
    }
}

impl Recorder for Http {
    fn record(&mut self, batch: &Batch) -> Result<(), Failure> {
        let is_new = |entry: &&Entry| match (entry.id, self.taken) {
            (Some(id), Some(taken)) => id > taken,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let entries = batch.entries.iter().filter(is_new).cloned().collect();
        self.deliver(entries, batch.unix_ms)
    }
}
