//! One exposition in the making.

use prometheus::{
    Counter, Encoder, GaugeVec, IntCounterVec, Opts, Registry, TextEncoder,
    proto::{Bucket, Histogram as Sampled, LabelPair, Metric, MetricFamily, MetricType},
};
use warren_actors::totals::Histogram;

/// Families of metrics, each with its series.
#[derive(Default)]
pub(super) struct Page {
    registry: Registry,
    /// Prometheus's own histograms can only be filled one observation at a time.
    histograms: Vec<MetricFamily>,
}

/// A counter: its name, its help and what it is of `T`.
pub(super) type Count<T> = (&'static str, &'static str, fn(&T) -> u64);

impl Page {
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<String>, f64)>,
    ) -> Result<(), prometheus::Error> {
        let family = GaugeVec::new(Opts::new(name, help), labels)?;
        for (labels, value) in values {
            family.get_metric_with_label_values(&labels)?.set(value);
        }
        self.registry.register(Box::new(family))
    }

    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<String>, u64)>,
    ) -> Result<(), prometheus::Error> {
        let family = IntCounterVec::new(Opts::new(name, help), labels)?;
        for (labels, value) in values {
            family.get_metric_with_label_values(&labels)?.inc_by(value);
        }
        self.registry.register(Box::new(family))
    }

    pub(super) fn number(&mut self, name: &str, help: &str, value: f64) -> Result<(), prometheus::Error> {
        self.gauge(name, help, &[], [(vec![], value)])
    }

    pub(super) fn total(&mut self, name: &str, help: &str, value: u64) -> Result<(), prometheus::Error> {
        self.counter(name, help, &[], [(vec![], value)])
    }

    /// A counter of seconds.
    pub(super) fn seconds_total(
        &mut self,
        name: &str,
        help: &str,
        seconds: f64,
    ) -> Result<(), prometheus::Error> {
        let counter = Counter::with_opts(Opts::new(name, help))?;
        counter.inc_by(seconds.max(0.0));
        self.registry.register(Box::new(counter))
    }

    /// A histogram for each value of the label; without a label there is one at most.
    pub(super) fn histogram<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: Option<&str>,
        values: impl IntoIterator<Item = (String, &'a Histogram)>,
    ) {
        let labels: Vec<&str> = label.into_iter().collect();
        let values = values
            .into_iter()
            .map(|(value, histogram)| (label.map(|_| value).into_iter().collect(), histogram));
        self.histograms(name, help, &labels, values);
    }

    /// A histogram for each set of the labels' values.
    pub(super) fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<String>, &'a Histogram)>,
    ) {
        let series: Vec<Metric> = values
            .into_iter()
            .map(|(values, histogram)| series(labels, values, histogram))
            .collect();
        if series.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(series);
        self.histograms.push(family);
    }

    /// Renders all families in the text format of Prometheus.
    pub(super) fn text(self) -> Result<String, prometheus::Error> {
        let mut families = self.registry.gather();
        families.extend(self.histograms);
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let mut bytes = Vec::new();
        TextEncoder::new().encode(&families, &mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn series(labels: &[&str], values: Vec<String>, histogram: &Histogram) -> Metric {
    let pairs = labels.iter().zip(values).map(|(label, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*label).to_owned());
        pair.set_value(value);
        pair
    });
    let buckets = histogram.cumulative().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut sampled = Sampled::default();
    sampled.set_bucket(buckets.collect());
    sampled.set_sample_count(histogram.count());
    sampled.set_sample_sum(histogram.sum());
    let mut metric = Metric::from_label(pairs.collect());
    metric.set_histogram(sampled);
    metric
}
