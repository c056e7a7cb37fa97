//! Figures for monitoring programs, in the OpenMetrics text format (RFC draft of the CNCF; Prometheus reads it).
//!
//! The figures are the box's picture of itself at the moment it is asked: nothing is counted here, so that the page, the
//! database and a monitoring program never disagree.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

/// What an answer with [`exposition`] calls itself.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Label names and values of one sample. Values may hold anything: they are escaped.
pub type Labels = Vec<(&'static str, String)>;

/// What sort of figure a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It goes up and down.
    Gauge,
    /// It only grows. Its name gets the ending `_total`.
    Counter,
}

/// Samples of one figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name, without unit and ending.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Which sort.
    pub sort: Sort,
    /// Its unit, which ends the name; none for a count or a ratio.
    pub unit: Option<&'static str>,
    /// One value for each set of labels.
    pub samples: Vec<(Labels, f64)>,
}

impl Family {
    /// A family of gauges without samples.
    pub fn gauge(name: &'static str, unit: Option<&'static str>, help: &'static str) -> Self {
        let (sort, samples) = (Sort::Gauge, Vec::new());
        Self {
            name,
            help,
            sort,
            unit,
            samples,
        }
    }

    /// A family of counters without samples.
    pub fn counter(name: &'static str, unit: Option<&'static str>, help: &'static str) -> Self {
        let sort = Sort::Counter;
        Self {
            sort,
            ..Self::gauge(name, unit, help)
        }
    }

    /// Adds a sample.
    pub fn add(&mut self, labels: Labels, value: f64) {
        self.samples.push((labels, value));
    }
}

#[derive(Debug)]
struct Snapshot(Vec<Family>);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // A family nobody has a sample of is left out: there is nothing to say.
        for family in self.0.iter().filter(|family| !family.samples.is_empty()) {
            let unit = family.unit.map(|unit| Unit::Other(unit.to_owned()));
            let sort = match family.sort {
                Sort::Gauge => MetricType::Gauge,
                Sort::Counter => MetricType::Counter,
            };
            let mut metric =
                encoder.encode_descriptor(family.name, family.help, unit.as_ref(), sort)?;
            for (labels, value) in &family.samples {
                match (family.sort, labels.is_empty()) {
                    (Sort::Gauge, true) => metric.encode_gauge(value)?,
                    (Sort::Gauge, false) => metric.encode_family(labels)?.encode_gauge(value)?,
                    (Sort::Counter, true) => {
                        metric.encode_counter::<NoLabelSet, f64, f64>(value, None)?;
                    }
                    (Sort::Counter, false) => {
                        let mut one = metric.encode_family(labels)?;
                        one.encode_counter::<NoLabelSet, f64, f64>(value, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes the families down.
///
/// # Errors
/// When the text cannot be made: a name or label name that the format does not allow, a fault of ours.
pub fn exposition(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot(families)));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_units_and_endings_are_those_of_the_format() {
        let mut rate = Family::gauge(
            "semoir_upstream",
            Some("bytes_per_second"),
            "What leaves the box",
        );
        rate.add(Vec::new(), 1500.0);
        let mut wire = Family::counter("semoir_release_wire", Some("bytes"), "On the wire, ever");
        wire.add(vec![("release", "1".to_owned())], 10.0);
        wire.add(vec![("release", "2".to_owned())], 0.0);
        let unheard = Family::gauge("semoir_nothing", None, "Nobody has one");
        assert_eq!(
            exposition(vec![rate, wire, unheard]).unwrap(),
            "# HELP semoir_upstream_bytes_per_second What leaves the box\n\
             # TYPE semoir_upstream_bytes_per_second gauge\n\
             # UNIT semoir_upstream_bytes_per_second bytes_per_second\n\
             semoir_upstream_bytes_per_second 1500.0\n\
             # HELP semoir_release_wire_bytes On the wire, ever\n\
             # TYPE semoir_release_wire_bytes counter\n\
             # UNIT semoir_release_wire_bytes bytes\n\
             semoir_release_wire_bytes_total{release=\"1\"} 10.0\n\
             semoir_release_wire_bytes_total{release=\"2\"} 0.0\n\
             # EOF\n"
        );
    }

    #[test]
    fn a_name_cannot_break_out_of_its_label() {
        let mut info = Family::gauge("semoir_release_info", None, "A release");
        let hostile = "a\"} 1\nsemoir_owned 1\n# \\";
        info.add(vec![("name", hostile.to_owned())], 1.0);
        let text = exposition(vec![info]).unwrap();
        assert!(
            text.contains(r#"{name="a\"} 1\nsemoir_owned 1\n# \\"} 1.0"#),
            "{text}"
        );
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
