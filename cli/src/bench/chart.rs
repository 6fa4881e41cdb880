//! A chart with logarithmic axes as SVG text. It brings its own background, and follows the reader's light or dark scheme.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 520.0;
/// Space around the plot for labels.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 132.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 58.0;
/// Closest two labels behind the ends of lines may come.
const LABEL_GAP: f64 = 16.0;

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#333}\
.title{font-size:17px;font-weight:600;fill:#111}.bg{fill:#fff}.grid{stroke:#e2e2e2}.minor{stroke:#f3f3f3}.frame{stroke:#999;fill:none}\
.line{fill:none;stroke-width:2.5}.c0{stroke:#111}.f0{fill:#111}.c1{stroke:#b3530b}.f1{fill:#b3530b}.c2{stroke:#0b62b3}.f2{fill:#0b62b3}\
.c3{stroke:#1a7f37}.f3{fill:#1a7f37}.c4{stroke:#777;stroke-dasharray:6 5;stroke-width:1.5}.f4{fill:#666}\
@media(prefers-color-scheme:dark){text{fill:#ccc}.title{fill:#f0f0f0}.bg{fill:#14181d}.grid{stroke:#333a42}.minor{stroke:#20262c}\
.frame{stroke:#777}.c0{stroke:#f0f0f0}.f0{fill:#f0f0f0}.c1{stroke:#f0883e}.f1{fill:#f0883e}.c2{stroke:#58a6ff}.f2{fill:#58a6ff}\
.c3{stroke:#56d364}.f3{fill:#56d364}.c4{stroke:#999}.f4{fill:#aaa}}";

/// One line of a chart. The fifth is drawn thin and dashed.
#[derive(Clone, Debug)]
pub(crate) struct Series<'a> {
    pub(crate) name: &'a str,
    /// Both coordinates above 0; others are left out.
    pub(crate) points: Vec<(f64, f64)>,
}

impl<'a> Series<'a> {
    /// One point for each of `rows`.
    pub(crate) fn of<T>(name: &'a str, rows: &[T], point: impl Fn(&T) -> (f64, f64)) -> Self {
        Self {
            name,
            points: rows.iter().map(point).collect(),
        }
    }
}

/// What a chart shows.
#[derive(Clone, Debug)]
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x_label: &'a str,
    pub(crate) y_label: &'a str,
    /// At most five.
    pub(crate) series: Vec<Series<'a>>,
}

/// An axis in powers of ten.
#[derive(Clone, Copy, Debug)]
struct Axis {
    low: i32,
    high: i32,
    /// Coordinates of both ends in the drawing.
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if least.is_finite() && most.is_finite() {
            (floor(least.log10()), floor(-(-most.log10()).floor()))
        } else {
            (0, 1)
        };
        Self {
            low,
            high: high.max(low + 1),
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let share = (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        self.from + share * (self.to - self.from)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "exponents of f64 fit")]
fn floor(exponent: f64) -> i32 {
    exponent.floor() as i32
}

impl Chart<'_> {
    /// The drawing.
    pub(crate) fn to_svg(&self) -> String {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let x = Axis::over(self.drawn().map(|(x, _)| x), LEFT, right);
        let y = Axis::over(self.drawn().map(|(_, y)| y), bottom, TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">\n\
             <title>{0}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"bg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"34\">{0}</text>\n",
            escape(self.title)
        );
        grid(&mut svg, &x, &y);
        let _ = write!(
            svg,
            "<rect class=\"frame\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
             <text transform=\"translate(20 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
            right - LEFT,
            bottom - TOP,
            f64::midpoint(LEFT, right),
            HEIGHT - 16.0,
            escape(self.x_label),
            f64::midpoint(TOP, bottom),
            escape(self.y_label),
        );
        self.lines(&mut svg, &x, &y);
        svg + "</svg>\n"
    }

    /// Every point that has a place on the axes.
    fn drawn(&self) -> impl Iterator<Item = (f64, f64)> + Clone + '_ {
        self.series
            .iter()
            .flat_map(|series| series.points.iter().copied())
            .filter(has_place)
    }

    fn lines(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let mut labels = Vec::new();
        for (index, series) in self.series.iter().enumerate() {
            let points: Vec<(f64, f64)> = series.points.iter().copied().filter(has_place).collect();
            let path: Vec<String> = points
                .iter()
                .map(|(a, b)| format!("{:.1},{:.1}", x.at(*a), y.at(*b)))
                .collect();
            let _ = writeln!(
                svg,
                "<polyline class=\"line c{index}\" points=\"{}\"/>",
                path.join(" ")
            );
            if index < 4 {
                for (a, b) in &points {
                    let (a, b) = (x.at(*a), y.at(*b));
                    let _ = writeln!(
                        svg,
                        "<circle class=\"f{index}\" cx=\"{a:.1}\" cy=\"{b:.1}\" r=\"3\"/>"
                    );
                }
            }
            if let Some((a, b)) = points.last() {
                labels.push((x.at(*a), y.at(*b), index, series.name));
            }
        }
        // Labels stand behind the ends of their lines, and make room for each other downwards.
        labels.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut lowest = f64::NEG_INFINITY;
        for (a, b, index, name) in labels {
            lowest = b.max(lowest + LABEL_GAP);
            let (a, b) = (a + 9.0, lowest + 4.0);
            let _ = writeln!(
                svg,
                "<text class=\"f{index}\" x=\"{a:.1}\" y=\"{b:.1}\">{}</text>",
                escape(name)
            );
        }
    }
}

const fn has_place(point: &(f64, f64)) -> bool {
    point.0 > 0.0 && point.1 > 0.0
}

fn grid(svg: &mut String, x: &Axis, y: &Axis) {
    let (right, bottom) = (x.to, y.from);
    for (axis, is_x) in [(x, true), (y, false)] {
        for exponent in axis.low..=axis.high {
            let decade = 10_f64.powi(exponent);
            let last = if exponent == axis.high { 1 } else { 9 };
            for step in 1..=last {
                let class = if step == 1 { "grid" } else { "minor" };
                let at = axis.at(decade * f64::from(step));
                let _ = if is_x {
                    writeln!(
                        svg,
                        "<line class=\"{class}\" x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{bottom}\"/>"
                    )
                } else {
                    writeln!(
                        svg,
                        "<line class=\"{class}\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\"/>"
                    )
                };
            }
            let (at, label) = (axis.at(decade), power_of_ten(exponent));
            let _ = if is_x {
                writeln!(
                    svg,
                    "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                    bottom + 20.0
                )
            } else {
                writeln!(
                    svg,
                    "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                    LEFT - 8.0,
                    at + 4.0
                )
            };
        }
    }
}

/// `0.01`, `1`, `1,000`.
fn power_of_ten(exponent: i32) -> String {
    let Ok(exponent) = usize::try_from(exponent) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
        return format!("0.{}1", "0".repeat(zeros));
    };
    let mut digits = format!("1{}", "0".repeat(exponent));
    let mut at = digits.len();
    while at > 3 {
        at -= 3;
        digits.insert(at, ',');
    }
    digits
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart<'static> {
        Chart {
            title: "A & B < \"C\"",
            x_label: "N",
            y_label: "gwei",
            series: vec![
                Series {
                    name: "total",
                    points: vec![(10.0, 2_500.0), (1e5, 0.5)],
                },
                Series {
                    name: "part <1>",
                    points: vec![(10.0, 0.0), (1e5, 0.49)],
                },
            ],
        }
    }

    /// Fails unless every element is closed in order and no text or attribute holds a bare special character.
    fn check_well_formed(svg: &str) {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(start) = rest.find('<') {
            let text = &rest[..start];
            assert!(!text.contains('>'), "bare `>` in {text}");
            let bare = ["&amp;", "&lt;", "&gt;", "&quot;"]
                .iter()
                .fold(text.to_owned(), |text, entity| text.replace(entity, ""));
            assert!(!bare.contains('&'), "bare `&` in {text}");
            let end = start + rest[start..].find('>').unwrap();
            let tag = &rest[start + 1..end];
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name.to_owned()));
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap().to_owned());
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn the_drawing_is_well_formed_and_text_in_it_is_escaped() {
        let svg = chart().to_svg();
        check_well_formed(&svg);
        assert!(svg.contains("A &amp; B &lt; &quot;C&quot;") && svg.contains("part &lt;1&gt;"));
        assert!(svg.contains("prefers-color-scheme:dark"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn equal_ratios_are_equal_distances_and_points_without_a_logarithm_are_left_out() {
        let axis = Axis::over([10.0, 1e5].into_iter(), 0.0, 400.0);
        assert_eq!((axis.low, axis.high), (1, 5));
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
        near(axis.at(10.0), 0.0);
        near(axis.at(100.0), 100.0);
        near(axis.at(1e5), 400.0);
        let svg = chart().to_svg();
        assert_eq!(svg.matches("<circle").count(), 3);
    }

    #[test]
    fn an_empty_chart_is_a_drawing_too() {
        let svg = Chart {
            series: Vec::new(),
            ..chart()
        }
        .to_svg();
        check_well_formed(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn powers_of_ten_are_written_out() {
        assert_eq!(
            [-3, -1, 0, 3, 6].map(power_of_ten),
            ["0.001", "0.1", "1", "1,000", "1,000,000"]
        );
    }

    #[test]
    fn labels_of_lines_that_end_together_do_not_overlap() {
        let svg = chart().to_svg();
        let at = |name: &str| {
            let line = svg
                .lines()
                .find(|line| line.ends_with(&format!(">{name}</text>")))
                .unwrap();
            let (_, rest) = line.split_once(" y=\"").unwrap();
            rest.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        assert!((at("part &lt;1&gt;") - at("total")).abs() >= LABEL_GAP - 0.1);
    }
}
