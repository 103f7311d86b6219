//! Time as an argument: instants, and the calendar dates that billing thinks in.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::json::Json;

/// The instant at which something happens, told by the caller. The library reads no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub Timestamp);

impl Now {
    /// From milliseconds since 1970.
    #[must_use]
    pub fn from_millis(ms: i64) -> Self {
        Self(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The same instant, shifted.
    #[must_use]
    pub fn plus_millis(self, ms: i64) -> Self {
        Self::from_millis(self.millis().saturating_add(ms))
    }

    /// The calendar date in a time zone.
    #[must_use]
    pub fn date(self, zone: &TimeZone) -> Date {
        self.0.to_zoned(zone.clone()).date()
    }

    /// As the interface writes it: whole seconds, UTC.
    #[must_use]
    pub fn wire(self) -> String {
        stamp(self.0)
    }
}

/// `2026-01-31T00:00:00Z`.
#[must_use]
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Midnight UTC of a date, as the interface writes dates without a time.
#[must_use]
pub fn midnight(date: Date) -> String {
    date.strftime("%Y-%m-%dT00:00:00Z").to_string()
}

/// Reads what clients send as a date: with zone or offset, without a zone (taken as UTC), or only the date.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    civil
        .to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// The calendar date that a stored date field names.
#[must_use]
pub fn date_of(value: &Json) -> Option<Date> {
    let text = value.as_str()?;
    text.get(..10)?.parse().ok()
}
