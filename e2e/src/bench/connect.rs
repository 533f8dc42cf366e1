//! What `warren connect` and `warren disconnect` wait for.

use anyhow::Result;
use warren_e2e::{operator::Operator, site::Site};

use super::{
    report::Row,
    samples::Samples,
    stage::{SOON, Stage},
};

/// From the start of the command to its end: both wait until the daemon has done it.
pub(super) fn measure(stage: &Stage) -> Result<Vec<Row>> {
    let world = stage.world()?;
    let mut site = world.site()?;
    let daemon = stage.daemon(&site, |config| config.poll_interval = SOON)?;
    let operator = Operator::with_pass(&site, &daemon, |_| {})?.with_program(stage.program("warren")?);
    let (mut connects, mut disconnects) = (Vec::new(), Vec::new());
    for _ in 0..stage.runs {
        connects.push(typed(
            &mut site,
            &operator,
            &["connect", "ibrl", "--device=ams-dz01"],
        )?);
        disconnects.push(typed(&mut site, &operator, &["disconnect"])?);
    }
    let rows = [
        ("warren connect, start to end", connects),
        ("warren disconnect, start to end", disconnects),
    ];
    Ok(rows
        .into_iter()
        .flat_map(|(what, spans)| rows_of(what, Samples::new(spans)))
        .collect())
}

fn typed(site: &mut Site<'_>, operator: &Operator, words: &[&str]) -> Result<std::time::Duration> {
    Ok(operator.succeeds(site, words)?.took)
}

fn rows_of(what: &str, samples: Samples) -> [Row; 2] {
    let how = format!(
        "{} runs, userspace dataplane, BIRD; the device is made ready meanwhile",
        samples.count()
    );
    [50, 90].map(|percent| {
        Row::new(format!("{what}, p{percent}"), samples.percentile(percent), "ms").note(how.clone())
    })
}
