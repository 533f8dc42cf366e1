//! Every family of `/metrics`.

use super::{code, head, table, words};
use crate::surface::{everything, shapes};

pub fn page() -> String {
    let text = head(
        "Metrics",
        "What `/metrics` has, on the socket and, with `metrics_enable`, on TCP. A family is there while it has a series: series about a tunnel go with the tunnel. Names that begin with `doublezero_` are the reference's.",
    );
    let page = everything();
    let shapes = shapes(&page);
    let rows = shapes.iter().map(|shape| {
        let (series, kind) = shape.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels
            .trim_end_matches('}')
            .split(',')
            .filter(|label| !label.is_empty());
        let labels: Vec<String> = labels.map(code).collect();
        [
            code(name),
            kind.to_owned(),
            labels.join(", "),
            words(help(&page, name)),
        ]
    });
    text + &table(["name", "type", "labels", "what it says"], rows)
}

fn help<'a>(page: &'a str, name: &str) -> &'a str {
    let before = format!("# HELP {name} ");
    page.lines().find_map(|line| line.strip_prefix(&before)).unwrap()
}
