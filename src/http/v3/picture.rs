//! What people look at.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use warren_api::{
    picture,
    v3::{Picture, PictureQuery},
};

use super::{status, tunnel};
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

fn made(api: &Api, wanted: Option<&str>) -> Option<Picture> {
    let snapshot = api.engine.snapshot();
    let status = status(&snapshot, api);
    let picture = picture::of(&status);
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

#[cfg(test)]
mod tests {
    use warren_actors::Snapshot;

    use super::*;
    use crate::http::testing::{FakeDaemon, connected, serve};

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
