//! Charts: as lines that the server draws, and as numbers that the script draws again with axes.

use super::numbers::{count, per_second, short_moment};
use serde::Serialize;
use std::fmt::Write;
use tidings_campaign::time::Timestamp;

/// The points of a line and of the area below it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sparkline {
    pub(crate) line: String,
    pub(crate) area: String,
}

/// Draws `samples`, the newest last, right-aligned in a box of `slots` × 10 by 100.
pub(crate) fn sparkline(samples: &[f64], slots: usize) -> Sparkline {
    let top = samples.iter().fold(0.0_f64, |top, sample| top.max(*sample));
    line_below(samples, slots, top)
}

/// The same with `top` at the upper edge.
fn line_below(samples: &[f64], slots: usize, top: f64) -> Sparkline {
    let first = slots.saturating_sub(samples.len());
    let mut line = String::new();
    let (mut from, mut to) = (0, 0);
    for (index, sample) in samples.iter().enumerate() {
        let x = (first + index + 1) * 10;
        let y = if top > 0.0 {
            98.0 - sample / top * 94.0
        } else {
            98.0
        };
        if index == 0 {
            from = x;
        }
        to = x;
        write!(line, "{x},{y:.0} ").expect("writing to a String cannot fail");
    }
    let area = if line.is_empty() {
        String::new()
    } else {
        format!("{from},100 {line}{to},100")
    };
    Sparkline {
        line: line.trim_end().to_owned(),
        area,
    }
}

/// One line of a chart: its colour's name, what it is called, and its values.
pub(crate) struct Series {
    pub(crate) key: &'static str,
    pub(crate) label: &'static str,
    pub(crate) values: Vec<f64>,
}

/// A chart over time.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Chart {
    /// What it shows, for who cannot see it.
    label: String,
    /// The numbers, for the script: JSON.
    data: String,
    lines: Vec<Line>,
    /// How wide the box is: from the first value's place, which is 10, to the last one's.
    slots: usize,
    top: String,
    from: String,
    to: String,
}

#[derive(Clone, Debug, Serialize)]
struct Line {
    key: &'static str,
    drawn: Sparkline,
}

/// What the script reads.
#[derive(Serialize)]
struct Numbers<'a> {
    x: &'a [i64],
    series: Vec<SeriesNumbers<'a>>,
}

#[derive(Serialize)]
struct SeriesNumbers<'a> {
    key: &'static str,
    label: &'static str,
    y: &'a [f64],
}

impl Chart {
    /// `seconds`: the moment of each value, since 1970, rising; as many as each series has values. `slots`: for how many
    /// values there is room.
    pub(crate) fn new(label: impl Into<String>, seconds: &[i64], slots: usize, series: &[Series]) -> Chart {
        let top = series
            .iter()
            .flat_map(|series| &series.values)
            .fold(0.0_f64, |top, value| top.max(*value));
        let lines = series.iter().map(|series| Line {
            key: series.key,
            drawn: line_below(&series.values, slots, top),
        });
        let numbers = Numbers {
            x: seconds,
            series: series
                .iter()
                .map(|series| SeriesNumbers {
                    key: series.key,
                    label: series.label,
                    y: &series.values,
                })
                .collect(),
        };
        let at = |second: Option<&i64>| {
            second.map_or_else(String::new, |second| {
                short_moment(Timestamp::from_seconds(*second))
            })
        };
        Chart {
            label: label.into(),
            data: serde_json::to_string(&numbers).expect("numbers are plain data"),
            lines: lines.collect(),
            slots: slots.saturating_sub(1).max(1) * 10,
            top: if top < 10.0 {
                per_second(top)
            } else {
                count(top.round() as i64)
            },
            from: at(seconds.first()),
            to: at(seconds.last()),
        }
    }

    /// With other words at the ends of its time.
    pub(crate) fn between(mut self, from: &str, to: &str) -> Chart {
        self.from = from.to_owned();
        self.to = to.to_owned();
        self
    }
}

/// A number to one decimal: the others would only make the page longer.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_stays_in_its_box() {
        let drawn = sparkline(&[0.0, 50.0, 100.0], 120);
        assert_eq!(drawn.line, "1180,98 1190,51 1200,4");
        assert_eq!(drawn.area, "1180,100 1180,98 1190,51 1200,4 1200,100");
        assert_eq!(sparkline(&[], 120), Sparkline::default());
    }

    #[test]
    fn all_lines_of_a_chart_have_one_scale() {
        let series = |key, values| Series {
            key,
            label: key,
            values,
        };
        let chart = Chart::new(
            "two",
            &[60, 120],
            2,
            &[
                series("accepted", vec![0.0, 100.0]),
                series("rejected", vec![0.0, 50.0]),
            ],
        );
        assert_eq!(chart.lines[0].drawn.line, "10,98 20,4");
        assert_eq!(chart.lines[1].drawn.line, "10,98 20,51");
        assert!(
            chart
                .data
                .starts_with(r#"{"x":[60,120],"series":[{"key":"accepted""#),
            "{}",
            chart.data
        );
    }
}
