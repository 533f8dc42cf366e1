//! Answers that are rendered once for each state that they show, and handed out as bytes to all who ask: the socket is open to
//! every local user. At most one of a kind is being rendered at a time, beside the runtime where it is long.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use tokio::sync::Mutex;
use warren_actors::Snapshot;

use super::{Api, compat::services::Services, metrics};

/// Up to this many tunnels are rendered where they are asked for.
const FEW: usize = 64;

/// The newest answer of each kind, rendered once for all who ask.
#[derive(Default)]
pub struct Rendered {
    services: Arc<Mutex<Services>>,
    status: Arc<Kept>,
    v2_status: Arc<Kept>,
    metrics: Arc<Kept>,
    counting: Arc<Mutex<()>>,
}

/// The last answer of a kind, and the state that it is of.
type Kept = ArcSwapOption<(Arc<Snapshot>, Bytes)>;

impl Rendered {
    /// The body of `/status`.
    ///
    /// # Errors
    /// When it cannot be rendered, which is a defect.
    pub async fn status(&self, api: &Api) -> Result<Bytes, String> {
        let network = api.config.ledger.env.moniker();
        let render = move |services: &mut Services, snapshot: &Snapshot| {
            services.follow(snapshot, network);
            Ok(services.status())
        };
        latest(api, &self.status, &self.services, render).await
    }

    /// The body of `/v2/status`.
    ///
    /// # Errors
    /// When it cannot be rendered, which is a defect.
    pub async fn v2_status(&self, api: &Api) -> Result<Bytes, String> {
        let network = api.config.ledger.env.moniker();
        let render = move |services: &mut Services, snapshot: &Snapshot| {
            services.follow(snapshot, network);
            Ok(services.v2_status())
        };
        latest(api, &self.v2_status, &self.services, render).await
    }

    /// The body of `/metrics`.
    ///
    /// # Errors
    /// When two metrics contradict each other, which a test rules out.
    pub async fn metrics(&self, api: &Api) -> Result<Bytes, String> {
        let of = api.clone();
        let render = move |(): &mut (), snapshot: &Snapshot| {
            metrics::render(snapshot, &of)
                .map(Bytes::from)
                .map_err(|failure| format!("cannot write metrics: {failure}"))
        };
        latest(api, &self.metrics, &self.counting, render).await
    }
}

/// The answer for the state as it is published now. Who waits for another's turn takes what that one rendered, unless the state
/// was published anew meanwhile: nobody gets an answer that is older than the question.
async fn latest<S, R>(
    api: &Api,
    kept: &Arc<Kept>,
    renderer: &Arc<Mutex<S>>,
    render: R,
) -> Result<Bytes, String>
where
    S: Default + Send + 'static,
    R: FnOnce(&mut S, &Snapshot) -> Result<Bytes, String> + Send + 'static,
{
    if let Some(answer) = of(kept, &api.engine.snapshot()) {
        return Ok(answer);
    }
    let mut renderer = Arc::clone(renderer).lock_owned().await;
    let snapshot = api.engine.snapshot();
    if let Some(answer) = of(kept, &snapshot) {
        return Ok(answer);
    }
    let (kept, is_short) = (Arc::clone(kept), snapshot.tunnels.len() <= FEW);
    let work = move || {
        // What a panic leaves behind is not used again.
        let mut state = std::mem::take(&mut *renderer);
        let answer = render(&mut state, &snapshot)?;
        *renderer = state;
        kept.store(Some(Arc::new((snapshot, answer.clone()))));
        Ok(answer)
    };
    if is_short {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|failure| Err(failure.to_string()))
}

fn of(kept: &Kept, snapshot: &Arc<Snapshot>) -> Option<Bytes> {
    kept.load()
        .as_deref()
        .filter(|(of, _)| Arc::ptr_eq(of, snapshot))
        .map(|(_, answer)| answer.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::http::testing::{FakeDaemon, api, gateway};

    /// The API of a daemon with this many tunnels, and a way to publish another state.
    fn daemon(tunnels: u32) -> (Api, impl Fn(Snapshot)) {
        let engine = Arc::new(FakeDaemon::new(gateway::snapshot(tunnels)));
        let of = Arc::clone(&engine);
        (api(engine), move |snapshot| {
            *of.snapshot.lock().unwrap() = Arc::new(snapshot)
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_who_ask_for_one_state_get_the_same_bytes_and_nobody_an_older_state_than_the_published_one() {
        for tunnels in [3, 300] {
            let (api, publish) = daemon(tunnels);
            let first = api.rendered.v2_status(&api).await.unwrap();
            let ask = || api.rendered.v2_status(&api);
            let (second, third) = tokio::join!(ask(), ask());
            assert_eq!(
                [second.unwrap().as_ptr(), third.unwrap().as_ptr()],
                [first.as_ptr(); 2],
                "rendered once"
            );
            publish(gateway::snapshot(tunnels + 1));
            let services = |body: &Bytes| {
                serde_json::from_slice::<serde_json::Value>(body).unwrap()["services"]
                    .as_array()
                    .unwrap()
                    .len()
            };
            assert_eq!(services(&ask().await.unwrap()), tunnels as usize + 1);
            assert_eq!(
                api.rendered.status(&api).await.unwrap(),
                crate::http::compat::status(&api.engine.snapshot())
            );
            let metrics = api.rendered.metrics(&api).await.unwrap();
            assert_eq!(
                api.rendered.metrics(&api).await.unwrap().as_ptr(),
                metrics.as_ptr()
            );
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn one_is_rendered_at_a_time_and_a_panic_stands_in_nobodys_way() {
        let (api, _publish) = daemon(300);
        let (kept, renderer, times) = (
            Arc::<Kept>::default(),
            Arc::<Mutex<u8>>::default(),
            AtomicU32::new(0),
        );
        let times = Arc::new(times);
        let ask = || {
            let times = Arc::clone(&times);
            latest(&api, &kept, &renderer, move |_, _| {
                times.fetch_add(1, Ordering::SeqCst);
                Ok(Bytes::from_static(b"x"))
            })
        };
        let failing = latest(&api, &kept, &renderer, |_, _| panic!("in a test"));
        assert!(failing.await.is_err());
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        assert!(
            [a, b, c]
                .into_iter()
                .all(|answer| answer.is_ok_and(|answer| answer == "x"))
        );
        assert_eq!(times.load(Ordering::SeqCst), 1);
    }
}
