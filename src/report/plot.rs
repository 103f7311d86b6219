//! Plots as plain rectangles with their places computed: the page only writes them down. Whole per mille of the height are
//! exact enough for a bar, and need no floating point.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::Serialize;

/// The height of a full bar.
const FULL: u32 = 120;
/// From one group of bars to the next.
const STEP: usize = 90;
/// The width of one bar.
const BAR: usize = 22;

/// A plot of groups of bars.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) width: usize,
    pub(super) bars: Vec<Bar>,
    pub(super) labels: Vec<Label>,
}

/// One bar.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) y: u32,
    pub(super) width: usize,
    pub(super) height: u32,
    /// What it stands for: the class of its colour.
    pub(super) kind: &'static str,
    /// What is shown when one points at it.
    pub(super) says: String,
}

/// A word below a group.
#[derive(Debug, Serialize)]
pub(super) struct Label {
    pub(super) x: usize,
    pub(super) text: String,
}

/// A group of bars: its label, and what each bar is and how much.
pub(super) type Group = (String, Vec<(&'static str, Decimal)>);

/// Places the bars of all groups; the greatest of them is full.
pub(super) fn plot(title: String, groups: Vec<Group>) -> Plot {
    let all = groups.iter().flat_map(|(_, bars)| bars);
    let greatest = all.map(|(_, value)| *value).max().unwrap_or_default();
    let mut plot = Plot {
        title,
        width: groups.len().max(1) * STEP + 20,
        bars: Vec::new(),
        labels: Vec::new(),
    };
    for (nth, (label, bars)) in groups.into_iter().enumerate() {
        let left = nth * STEP + 10;
        for (place, (kind, value)) in bars.into_iter().enumerate() {
            let height = height(value, greatest);
            plot.bars.push(Bar {
                x: left + place * (BAR + 2),
                y: FULL - height,
                width: BAR,
                height,
                kind,
                says: format!("{label}, {kind}: {}", value.normalize()),
            });
        }
        plot.labels.push(Label {
            x: left,
            text: label,
        });
    }
    plot
}

fn height(value: Decimal, greatest: Decimal) -> u32 {
    let share = value.checked_div(greatest).unwrap_or_default();
    let pixels = share.checked_mul(Decimal::from(FULL)).unwrap_or_default();
    pixels.round().to_u32().unwrap_or_default().min(FULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_bar_is_full_and_none_is_higher() {
        let bars = vec![
            ("expected", Decimal::from(50)),
            ("found", Decimal::from(200)),
        ];
        let plot = plot("x".to_owned(), vec![("a".to_owned(), bars)]);
        let heights: Vec<_> = plot.bars.iter().map(|bar| (bar.y, bar.height)).collect();
        assert_eq!(heights, [(90, 30), (0, 120)]);
        let none = super::plot(
            "x".to_owned(),
            vec![("a".to_owned(), vec![("found", Decimal::ZERO)])],
        );
        assert_eq!(none.bars[0].height, 0);
    }
}
