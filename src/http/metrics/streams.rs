//! Who follows what happens, and who is behind.

use warren_actors::streams::{StreamTotals, StreamsStanding};

use super::page::{Count, Page};

pub(super) fn write(page: &mut Page, standing: &StreamsStanding) -> Result<(), prometheus::Error> {
    let of = |value: fn(&StreamTotals) -> u64| {
        standing.totals.iter().map(move |((stream, topic), totals)| {
            (vec![(*stream).to_owned(), (*topic).to_owned()], value(totals))
        })
    };
    #[expect(clippy::cast_precision_loss, reason = "there are never that many")]
    let now = |value: fn(&StreamTotals) -> u64| of(value).map(|(labels, value)| (labels, value as f64));
    let labels = ["stream", "topic"];
    page.gauge(
        "warren_stream_readers",
        "Readers of a stream that asked for this topic, or for all.",
        &labels,
        now(|totals| totals.readers),
    )?;
    page.gauge(
        "warren_stream_lag_frames",
        "Frames that wait for the slowest reader.",
        &labels,
        now(|totals| totals.behind),
    )?;
    let counts: [Count<StreamTotals>; 7] = [
        (
            "warren_stream_opened_total",
            "Readers that connected.",
            |totals| totals.opened,
        ),
        (
            "warren_stream_frames_total",
            "Frames given to readers.",
            |totals| totals.frames,
        ),
        (
            "warren_stream_bytes_total",
            "Bytes of frames given to readers.",
            |totals| totals.bytes,
        ),
        (
            "warren_stream_gaps_total",
            "Times that a reader was too slow.",
            |totals| totals.gaps,
        ),
        (
            "warren_stream_dropped_frames_total",
            "Frames dropped for slow readers.",
            |totals| totals.dropped,
        ),
        (
            "warren_stream_resets_total",
            "Times that a reader's position was too old to resume from.",
            |totals| totals.resets,
        ),
        (
            "warren_stream_cut_total",
            "Readers that stopped reading and were disconnected.",
            |totals| totals.cut,
        ),
    ];
    for (name, help, count) in counts {
        page.counter(name, help, &labels, of(count))?;
    }
    Ok(())
}
