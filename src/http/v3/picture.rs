//! What people look at.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use warren_actors::Snapshot;
use warren_api::{
    notes, picture,
    v3::{DEFAULT_LIMIT, Picture, PictureQuery, Problem, Status},
};

use super::{page, status, tunnel};
use crate::http::{Api, error, json};

/// What is wrong first, with what can be done about it, and how far each tunnel's way goes from the ledger to its traffic.
pub async fn picture(State(api): State<Api>, query: Result<Query<PictureQuery>, QueryRejection>) -> Response {
    let asked = match query {
        Ok(Query(asked)) => asked.tunnel,
        Err(rejection) => return error(StatusCode::BAD_REQUEST, rejection.body_text()),
    };
    match made(&api, asked.as_deref()) {
        Some(picture) => json(StatusCode::OK, &picture),
        None => error(StatusCode::NOT_FOUND, "no such tunnel"),
    }
}

/// Tunnels that are looked at for what is wrong with them, at most: of more the sum is told.
const LOOKED_AT: usize = 1000;

fn made(api: &Api, wanted: Option<&str>) -> Option<Picture> {
    let snapshot = api.engine.snapshot();
    let (status, problems) = in_trouble_first(&snapshot, api);
    let picture = Picture {
        problems,
        ..picture::of(&status)
    };
    let Some(wanted) = wanted else {
        return Some(picture);
    };
    let known = |path: &warren_api::v3::Path| path.tunnel == wanted || path.link.as_deref() == Some(wanted);
    let path = match picture.paths.iter().find(|path| known(path)) {
        Some(path) => path.clone(),
        None => picture::path(&status, &tunnel(&snapshot, api, wanted)?.tunnel),
    };
    Some(Picture {
        paths: vec![path],
        ..picture
    })
}

/// Status with a page of tunnels of which those come first that are not as they should be, and what is wrong with all of them.
fn in_trouble_first(snapshot: &Snapshot, api: &Api) -> (Status, Vec<Problem>) {
    let (tunnels, troubled) = page::in_trouble_first(api, snapshot, LOOKED_AT);
    let mut status = Status {
        tunnels,
        ..status(snapshot, api)
    };
    let mut problems = notes::problems(&status);
    if troubled > LOOKED_AT {
        problems.push(Problem {
            tunnel: None,
            text: format!("{troubled} tunnels in all are not in place with their session up"),
            fix: None,
        });
    }
    status.tunnels.truncate(DEFAULT_LIMIT);
    (status, problems)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use warren_state::{Phase, SessionStatus};

    use super::*;
    use crate::http::testing::{FakeDaemon, connected, gateway, serve};

    /// A gateway of 3,000 tunnels, the last ones of which wait for their session.
    async fn with_trouble(at_the_end: u32) -> Picture {
        const TUNNELS: u32 = 3000;
        let mut snapshot = gateway::snapshot(TUNNELS);
        for number in TUNNELS - at_the_end..TUNNELS {
            let mut report = snapshot.tunnels[&gateway::id(number)].as_ref().clone();
            (report.phase, report.session) = (Phase::Peering, SessionStatus::Pending);
            snapshot.tunnels.insert(report.tunnel, Arc::new(report));
        }
        let served = serve(FakeDaemon::new(snapshot)).await;
        let mut picture: Picture = served.client.read("/v3/picture").await.unwrap();
        // It is configured as a client, which has no address here.
        assert!(
            picture
                .problems
                .remove(0)
                .text
                .starts_with("this host's public address"),
            "{picture:?}"
        );
        picture
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_wrong_with_the_last_of_many_tunnels_comes_first_and_all_of_it_is_counted() {
        let well = with_trouble(0).await;
        assert_eq!(
            (well.paths.len(), well.problems.len()),
            (DEFAULT_LIMIT, 0),
            "{:?}",
            well.problems
        );
        let few = with_trouble(2).await;
        assert_eq!((few.paths.len(), few.problems.len()), (DEFAULT_LIMIT, 2));
        let last = gateway::id(2999).to_string();
        assert_eq!(few.problems[1].tunnel.as_ref(), Some(&last));
        assert_eq!(
            (&few.paths[1].tunnel, few.paths[1].trouble().is_some()),
            (&last, true)
        );
        assert!(few.paths[2].trouble().is_none());
        let many = with_trouble(200).await;
        let told: Vec<&str> = many
            .problems
            .iter()
            .map(|problem| problem.text.as_str())
            .collect();
        assert!(
            told.last().unwrap().starts_with("and 195 more tunnels"),
            "{told:?}"
        );
        assert_eq!(many.paths.len(), DEFAULT_LIMIT);
        let most = with_trouble(2500).await;
        let sum = "2500 tunnels in all are not in place with their session up";
        assert_eq!(most.problems.last().unwrap().text, sum);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_picture_has_what_is_wrong_and_each_way_and_one_tunnel_alone_where_it_is_asked_for() {
        let served = serve(FakeDaemon::new(connected())).await;
        let all: Picture = served.client.read("/v3/picture").await.unwrap();
        let path = all.paths.first().unwrap();
        assert_eq!(path.steps.len(), 6);
        let link = path.link.clone().unwrap();
        for name in [&link, &path.tunnel] {
            let one: Picture = served
                .client
                .read(&format!("/v3/picture?tunnel={name}"))
                .await
                .unwrap();
            assert_eq!(
                (one.paths.len(), &one.paths[0].tunnel),
                (1, &path.tunnel),
                "{name}"
            );
        }
        for (target, status) in [
            ("/v3/picture?tunnel=nobody", 404),
            ("/v3/picture?colour=red", 400),
        ] {
            assert_eq!(
                served.client.get(target).await.unwrap().status.as_u16(),
                status,
                "{target}"
            );
        }
        let idle = serve(FakeDaemon::new(Snapshot::default())).await;
        let nothing: Picture = idle.client.read("/v3/picture").await.unwrap();
        assert!(
            nothing.paths.is_empty() && !nothing.problems.is_empty(),
            "{nothing:?}"
        );
    }
}
