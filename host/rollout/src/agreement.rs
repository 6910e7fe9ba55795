//! How far judges agree: Krippendorff's alpha.
//!
//! Krippendorff, K. (2011), *Computing Krippendorff's Alpha-Reliability*. 1 is full
//! agreement, 0 what chance would bring, less than 0 a disagreement that is not by
//! chance. A judge without a value for a unit is passed over there, and so is a unit
//! with fewer than two values.

/// How much two values differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Values are names: they are the same or not.
    Nominal,
    /// Values are figures, and their differences count by their squares.
    Interval,
}

impl Metric {
    fn difference(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Nominal => f64::from(u8::from(one.total_cmp(&other).is_ne())),
            Self::Interval => (one - other).powi(2),
        }
    }
}

/// Alpha over units with a value of each judge, where it has one. `None` where there
/// is nothing to compare, or all values are the same, so that chance has no say.
pub fn alpha(units: &[Vec<Option<f64>>], metric: Metric) -> Option<f64> {
    let units: Vec<Vec<f64>> = units
        .iter()
        .map(|unit| unit.iter().flatten().copied().collect::<Vec<f64>>())
        .filter(|unit| unit.len() > 1)
        .collect();
    let all: Vec<f64> = units.iter().flatten().copied().collect();
    let first = all.first()?;
    if all.iter().all(|value| value.total_cmp(first).is_eq()) {
        return None;
    }
    let within = |unit: &Vec<f64>| pairs(unit, metric) / (count(unit) - 1.0);
    let observed: f64 = units.iter().map(within).sum::<f64>() / count(&all);
    let expected = pairs(&all, metric) / (count(&all) * (count(&all) - 1.0));
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

/// The differences of all ordered pairs of two values, summed.
fn pairs(values: &[f64], metric: Metric) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    if metric == Metric::Interval {
        // Around their mean, so that nothing is lost of small differences.
        let mean = values.iter().sum::<f64>() / count(values);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        return 2.0 * count(values) * squares;
    }
    let same = |one: &f64, other: &f64| metric.difference(*one, *other) == 0.0;
    let groups = sorted.chunk_by(same).map(count);
    count(values).powi(2) - groups.map(|group| group.powi(2)).sum::<f64>()
}

#[expect(clippy::cast_precision_loss, reason = "nobody judges 2^53 submissions")]
fn count(values: &[f64]) -> f64 {
    values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of judges, as the publications print them; a dot is no value.
    fn units(rows: &[&str]) -> Vec<Vec<Option<f64>>> {
        let rows: Vec<Vec<Option<f64>>> = rows
            .iter()
            .map(|row| row.split_whitespace().map(|value| value.parse().ok()).collect())
            .collect();
        (0..rows[0].len()).map(|unit| rows.iter().map(|row| row[unit]).collect()).collect()
    }

    /// Alpha by its definition: every pair of values, one by one.
    fn by_definition(units: &[Vec<Option<f64>>], metric: Metric) -> f64 {
        let pairable: Vec<Vec<f64>> = units
            .iter()
            .map(|unit| unit.iter().flatten().copied().collect::<Vec<f64>>())
            .filter(|unit| unit.len() > 1)
            .collect();
        let all: Vec<f64> = pairable.iter().flatten().copied().collect();
        let sum = |values: &[f64]| {
            let mut sum = 0.0;
            for (i, one) in values.iter().enumerate() {
                for (j, other) in values.iter().enumerate() {
                    sum += if i == j { 0.0 } else { metric.difference(*one, *other) };
                }
            }
            sum
        };
        let n = count(&all);
        let observed: f64 =
            pairable.iter().map(|unit| sum(unit) / (count(unit) - 1.0)).sum::<f64>() / n;
        1.0 - observed / (sum(&all) / (n * (n - 1.0)))
    }

    fn assert_alpha(rows: &[&str], metric: Metric, published: f64) {
        let units = units(rows);
        let alpha = alpha(&units, metric).unwrap();
        assert!((alpha - published).abs() < 0.000_5, "{alpha} is not {published}");
        assert!((alpha - by_definition(&units, metric)).abs() < 1e-12);
    }

    #[test]
    fn worked_examples_of_krippendorff_come_out() {
        // Computing Krippendorff's Alpha-Reliability (2011), sections A and C.
        let binary = ["0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0"];
        assert_alpha(&binary, Metric::Nominal, 0.095);
        let four = [
            "1 2 3 3 2 1 4 1 2 . . .",
            "1 2 3 3 2 2 4 1 2 5 . 3",
            ". 3 3 3 2 3 4 2 2 5 1 .",
            "1 2 3 3 2 4 4 1 2 5 1 .",
        ];
        assert_alpha(&four, Metric::Nominal, 0.743);
        assert_alpha(&four, Metric::Interval, 0.849);
    }

    #[test]
    fn worked_example_with_many_gaps_comes_out() {
        // Of Krippendorff's Content Analysis, as reference works print it: 3 coders, 15 units.
        let three = [
            ". . . . . 3 4 1 2 1 1 3 3 . 3",
            "1 . 2 1 3 3 4 3 . . . . . . .",
            ". . 2 1 3 4 4 . 2 1 1 3 3 . 4",
        ];
        assert_alpha(&three, Metric::Nominal, 0.691);
        assert_alpha(&three, Metric::Interval, 0.811);
    }

    #[test]
    fn values_that_never_differ_have_no_alpha() {
        assert_eq!(alpha(&units(&["1 1 1", "1 1 1"]), Metric::Interval), None);
        assert_eq!(alpha(&units(&["1 0 .", ". . 1"]), Metric::Nominal), None);
        // A mean of these is not quite what each of them is.
        assert_eq!(alpha(&units(&["0.1 0.1 0.1", "0.1 0.1 0.1"]), Metric::Interval), None);
    }

    #[test]
    fn judges_that_agree_everywhere_have_an_alpha_of_1() {
        let same = units(&["0.1 0.9 0.5", "0.1 0.9 0.5"]);
        assert_eq!(alpha(&same, Metric::Interval), Some(1.0));
        assert_eq!(alpha(&same, Metric::Nominal), Some(1.0));
    }
}
