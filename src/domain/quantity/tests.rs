//! Quantities: exact, bounded, rounded, and told step by step.
use super::*;

fn measure(unit: Unit) -> Measure {
    Measure::plain(unit)
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn gib_and_gb_are_different_units() {
    let reading = Reading::Bytes(8 << 30);
    assert_eq!(
        measure(Unit::Gib).apply(reading).unwrap().quantity,
        decimal("8")
    );
    assert_eq!(
        measure(Unit::Gb).apply(reading).unwrap().quantity,
        decimal("8.589934592")
    );
}

#[test]
fn any_whole_number_of_mib_is_exact_in_gib() {
    let reading = Reading::Bytes(1025 << 20);
    assert_eq!(
        measure(Unit::Gib).apply(reading).unwrap().quantity,
        decimal("1.0009765625")
    );
}

#[test]
fn vcpus_are_not_bytes() {
    assert!(measure(Unit::Gib).apply(Reading::Vcpu(4)).is_err());
    assert!(measure(Unit::Vcpu).apply(Reading::Bytes(4)).is_err());
}

#[test]
fn bounds_come_before_rounding_and_each_step_is_told() {
    let rounding = Some(Rounding {
        mode: RoundingMode::Up,
        step: decimal("4"),
    });
    let measure = Measure {
        minimum: Some(decimal("2.5")),
        rounding,
        ..measure(Unit::Gib)
    };
    let explained = measure.apply(Reading::Bytes(1 << 30)).unwrap();
    assert_eq!(explained.quantity, decimal("4"));
    assert_eq!(
        explained
            .steps
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        [
            "1073741824 bytes / 1073741824 = 1 GiB",
            "minimum 2.5",
            "rounded up by steps of 4 to 4"
        ]
    );
}

#[test]
fn rounding_modes() {
    let at = |mode, quantity: &str| {
        Rounding {
            mode,
            step: decimal("0.5"),
        }
        .apply(decimal(quantity))
        .unwrap()
    };
    assert_eq!(at(RoundingMode::Up, "1.01"), decimal("1.5"));
    assert_eq!(at(RoundingMode::Down, "1.49"), decimal("1"));
    assert_eq!(at(RoundingMode::Nearest, "1.25"), decimal("1.5"));
}

#[test]
fn the_largest_reading_still_fits() {
    assert!(measure(Unit::Tib).apply(Reading::Bytes(u64::MAX)).is_ok());
    assert!(measure(Unit::Mb).apply(Reading::Bytes(u64::MAX)).is_ok());
}

#[test]
fn begun_blocks_are_counted_last() {
    let blocks = Measure {
        block: Some(decimal("100")),
        ..measure(Unit::Gib)
    };
    let count = |bytes: u64| blocks.apply(Reading::Bytes(bytes)).unwrap().quantity;
    assert_eq!(count(0), decimal("0"));
    assert_eq!(count(1), decimal("1"));
    assert_eq!(count(100 << 30), decimal("1"));
    assert_eq!(count((100 << 30) + 1), decimal("2"));
}
