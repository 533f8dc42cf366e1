//! Prepare, commit, publish.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, yield_now},
    time::{sleep, timeout},
};
use warren_dataplane::{Dataplane, Notice, Prepared, Publisher, Removal, Scope, select};
use warren_state::{
    ApplyReport, BackendChoice, Capabilities, Fault, Generation, GroupFlow, Observed, PlannedStep, Reading,
    RemovalReport, StepOutcome, reconcile::UnderlayPath,
};

use crate::world::*;

#[derive(Default)]
struct Told(Mutex<Vec<ApplyReport>>);

#[async_trait]
impl Publisher for Told {
    async fn publish(&self, report: &ApplyReport) -> Result<(), Fault> {
        self.0.lock().unwrap().push(report.clone());
        Ok(())
    }
}

/// A backend that, half-way through the steps, cancels whoever has them taken.
struct CancelsItsCaller {
    real: Arc<dyn Dataplane>,
    caller: Mutex<Option<AbortHandle>>,
}

#[async_trait]
impl Dataplane for CancelsItsCaller {
    fn capabilities(&self) -> Capabilities {
        self.real.capabilities()
    }

    async fn observe(&self, scope: Scope) -> Result<Observed, Fault> {
        self.real.observe(scope).await
    }

    async fn apply(&self, mut steps: Vec<PlannedStep>) -> Vec<StepOutcome> {
        let later = steps.split_off(steps.len() / 2);
        let mut outcomes = self.real.apply(steps).await;
        let caller = loop {
            let known = self.caller.lock().unwrap().take();
            match known {
                Some(caller) => break caller,
                None => yield_now().await,
            }
        };
        caller.abort();
        while !caller.is_finished() {
            yield_now().await;
        }
        outcomes.extend(self.real.apply(later).await);
        outcomes
    }

    async fn remove(&self, removal: Removal) -> RemovalReport {
        self.real.remove(removal).await
    }

    async fn counters(&self, scope: Scope) -> Result<Vec<Reading>, Fault> {
        self.real.counters(scope).await
    }

    async fn groups(&self, flows: BTreeSet<GroupFlow>) -> Result<BTreeMap<GroupFlow, u64>, Fault> {
        self.real.groups(flows).await
    }

    async fn events(&self) -> Result<mpsc::Receiver<Notice>, Fault> {
        self.real.events().await
    }

    async fn resolve_sources(
        &self,
        destinations: BTreeSet<Ipv4Addr>,
    ) -> Result<BTreeMap<Ipv4Addr, Option<Ipv4Addr>>, Fault> {
        self.real.resolve_sources(destinations).await
    }

    async fn underlay_mtus(
        &self,
        paths: BTreeSet<UnderlayPath>,
    ) -> Result<BTreeMap<UnderlayPath, Option<u32>>, Fault> {
        self.real.underlay_mtus(paths).await
    }
}

pub async fn a_caller_that_is_cancelled_from_inside_apply_skips_neither_the_rest_nor_publishing(
    world: Arc<World>,
) {
    let dataplane = Arc::new(CancelsItsCaller {
        real: world.dataplane(),
        caller: Mutex::default(),
    });
    let told = Arc::new(Told::default());
    let prepared = Prepared::new(dataplane.clone(), whole(1), Generation(7)).unwrap();
    let caller = tokio::spawn(prepared.commit(told.clone()));
    *dataplane.caller.lock().unwrap() = Some(caller.abort_handle());
    assert!(caller.await.unwrap_err().is_cancelled(), "the caller is gone");
    let published = async {
        while told.0.lock().unwrap().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(patience(), published)
        .await
        .expect("it is published all the same");
    let report = told.0.lock().unwrap()[0].clone();
    let outcomes: Vec<_> = report.steps.iter().map(|(_, outcome)| outcome.clone()).collect();
    assert_eq!(outcomes, vec![StepOutcome::Done; 4]);
    assert_eq!(
        (report.generation, report.managed),
        (Generation(7), [tunnel(1)].into())
    );
    assert_eq!(world.link(1).await.unwrap().routes.len(), 1);
}

/// As the program opens it, by the name in its configuration.
pub async fn a_plan_goes_through_all_stages_of_the_backend_that_was_asked_for(world: Arc<World>) {
    let choice: BackendChoice = world.backend.name().parse().unwrap();
    let dataplane = select::open(choice, world.settings()).unwrap();
    let told = Arc::new(Told::default());
    let report = Prepared::new(dataplane.clone(), whole(1), Generation(3))
        .unwrap()
        .commit(told.clone())
        .await;
    assert_eq!(*told.0.lock().unwrap(), [report.clone()]);
    assert_eq!(report.capabilities, dataplane.capabilities());
    assert_eq!(report.capabilities.backend, world.backend);
    assert!(
        dataplane
            .observe(Scope::All)
            .await
            .unwrap()
            .tunnels
            .contains_key(&tunnel(1))
    );
}
