//! The histogram of scores as text and as an SVG picture.

use std::fmt::Write as _;

use super::{BARS, as_float};

/// Columns of the longest bar.
const COLUMNS: u64 = 40;

/// A line for each bar.
pub fn text(scores: &[u64; BARS]) -> String {
    let most = scores.iter().copied().max().unwrap_or_default().max(1);
    let mut plot = String::new();
    for (index, count) in scores.iter().enumerate() {
        let eighths = (count * COLUMNS * 8).div_ceil(most);
        let mut bar = "█".repeat(usize::try_from(eighths / 8).unwrap_or_default());
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        bar.push_str(rest.get(usize::try_from(eighths % 8).unwrap_or_default()).unwrap_or(&""));
        let _ = writeln!(plot, "{} {bar} {count}", label(index));
    }
    plot
}

/// A picture that follows the reader's light or dark surroundings.
pub fn svg(scores: &[u64; BARS], title: &str) -> String {
    let most = scores.iter().copied().max().unwrap_or_default().max(1);
    let (width, height, left, base) = (560, 260, 40, 210);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n<style>\
         text {{ fill: #222 }} rect {{ fill: #3b6ea5 }} line {{ stroke: #888 }} \
         @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} rect {{ fill: #7fb0e0 }} }}\
         </style>\n<text x=\"{left}\" y=\"20\" font-size=\"14\">{title}</text>\n",
        title = escaped(title),
    );
    for (index, count) in (0_u32..).zip(scores) {
        let bar = as_float(*count) / as_float(most) * 160.0;
        let x = left + 50 * index;
        let _ = write!(
            svg,
            "<rect x=\"{x}\" y=\"{y:.1}\" width=\"46\" height=\"{bar:.1}\"/>\n\
             <text x=\"{middle}\" y=\"{above:.1}\" text-anchor=\"middle\">{count}</text>\n\
             <text x=\"{x}\" y=\"{below}\">0.{index}</text>\n",
            y = f64::from(base) - bar,
            middle = x + 23,
            above = f64::from(base) - bar - 4.0,
            below = base + 16,
        );
    }
    let _ = write!(
        svg,
        "<line x1=\"{left}\" y1=\"{base}\" x2=\"{right}\" y2=\"{base}\"/>\n\
         <text x=\"{left}\" y=\"{below}\">score of a round, from</text>\n</svg>\n",
        right = left + 500,
        below = base + 36,
    );
    svg
}

fn label(index: usize) -> String {
    let end = if index + 1 == BARS { "1.0".to_owned() } else { format!("0.{}", index + 1) };
    format!("0.{index}–{end}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_bar_fills_the_columns_and_none_is_lost() {
        let plot = text(&[0, 0, 0, 1, 0, 0, 0, 0, 80, 40]);
        let bars: Vec<usize> = plot.lines().map(|line| line.matches('█').count()).collect();
        assert_eq!(bars, [0, 0, 0, 0, 0, 0, 0, 0, 40, 20]);
        assert!(plot.contains("0.3–0.4 ▌ 1"), "{plot}");
    }

    #[test]
    fn picture_is_xml_with_a_bar_for_each_tenth() {
        let svg = svg(&[1; BARS], "a & b");
        assert_eq!(svg.matches("<rect").count(), BARS);
        assert!(svg.contains("<title>a &amp; b</title>"), "{svg}");
    }
}
