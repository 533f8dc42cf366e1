//! Percentiles of spans.

use std::time::Duration;

/// Spans, in order of length.
#[derive(Clone, Debug)]
pub(super) struct Samples(Vec<Duration>);

impl Samples {
    pub(super) fn new(mut spans: Vec<Duration>) -> Self {
        spans.sort();
        Self(spans)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The least span that this share of all do not exceed (nearest rank), in milliseconds; 0 without spans.
    pub(super) fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).map_or(0.0, ms)
    }

    pub(super) fn max(&self) -> f64 {
        self.0.last().map_or(0.0, ms)
    }
}

/// In milliseconds.
pub(super) fn ms(span: &Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let samples = Samples::new((1..=50).rev().map(Duration::from_millis).collect());
        assert_eq!(
            [50, 99, 100].map(|percent| samples.percentile(percent)),
            [25.0, 50.0, 50.0]
        );
        assert_eq!(samples.max(), 50.0);
        assert_eq!(Samples::new(Vec::new()).percentile(50), 0.0);
    }
}
