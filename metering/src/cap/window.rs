//! The time in which a cap may be used up.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday},
    tz::{Offset, TimeZone},
};
use serde::{Deserialize, Serialize};

/// Seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

/// The time in which a cap may be used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// It is used up once and for all.
    #[default]
    Endless,
    /// From midnight to midnight.
    Day,
    /// From the midnight before Monday.
    Week,
    /// From the billing day of one month to that of the next.
    Month,
    /// Any stretch of this length, in seconds.
    Rolling(u32),
    /// Up to this moment, as an authority says. What comes after it is another window, of which nothing is known yet but that it is
    /// not this one.
    Until(UnixSeconds),
}

/// A stretch of time, without its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Span {
    /// Its beginning, where it has one.
    pub from: Option<UnixSeconds>,
    /// Where the next one begins, if it ends.
    pub until: Option<UnixSeconds>,
}

/// When days and months begin.
#[derive(Clone, PartialEq, Debug)]
pub struct Calendar {
    /// Where.
    pub zone: Zone,
    /// The first day of a billing month, from 1 to 28.
    pub billing_day: u8,
}

/// A time zone, with all its changes of the clocks.
#[derive(Clone, PartialEq, Debug)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// The text names no time zone, or what was read is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a time zone: {0:?}; write UTC, an offset as +02:00, or a name as Europe/Berlin")]
pub struct InvalidZone(pub String);

impl Window {
    /// The window that this moment is in.
    #[must_use]
    pub fn span(self, calendar: &Calendar, now: UnixSeconds) -> Span {
        match self {
            Self::Endless => Span::default(),
            Self::Rolling(seconds) => Span {
                from: Some(UnixSeconds(now.0.saturating_sub(i64::from(seconds)))),
                until: None,
            },
            Self::Until(end) if now < end => Span {
                from: None,
                until: Some(end),
            },
            Self::Until(end) => Span {
                from: Some(end),
                until: None,
            },
            Self::Day | Self::Week | Self::Month => calendar.span(self, now).unwrap_or_default(),
        }
    }

    /// Its end, where an authority has said it.
    #[must_use]
    pub fn ends(self) -> Option<UnixSeconds> {
        match self {
            Self::Until(end) => Some(end),
            Self::Endless | Self::Day | Self::Week | Self::Month | Self::Rolling(_) => None,
        }
    }

    /// Whether an authority has said that it ends, and it has.
    #[must_use]
    pub fn ended(self, now: UnixSeconds) -> bool {
        self.ends().is_some_and(|end| end <= now)
    }

    /// The stretch of a rolling window.
    #[must_use]
    pub fn rolling(self) -> Option<Duration> {
        match self {
            Self::Rolling(seconds) => Some(Duration::from_secs(u64::from(seconds))),
            Self::Endless | Self::Day | Self::Week | Self::Month | Self::Until(_) => None,
        }
    }
}

impl Calendar {
    /// `None` for moments that no calendar has.
    fn span(&self, window: Window, now: UnixSeconds) -> Option<Span> {
        let today = Timestamp::from_second(now.0)
            .ok()?
            .to_zoned(self.zone.zone.clone())
            .date();
        let (from, until) = match window {
            Window::Week => {
                let since_monday = today.weekday().since(Weekday::Monday);
                let from = today.checked_sub(i64::from(since_monday).days()).ok()?;
                (from, from.checked_add(7.days()).ok()?)
            }
            Window::Month => {
                let day = i8::try_from(self.billing_day.clamp(1, 28)).ok()?;
                let this = Date::new(today.year(), today.month(), day).ok()?;
                if this <= today {
                    (this, this.checked_add(1.month()).ok()?)
                } else {
                    (this.checked_sub(1.month()).ok()?, this)
                }
            }
            Window::Day | Window::Endless | Window::Rolling(_) | Window::Until(_) => {
                (today, today.checked_add(1.day()).ok()?)
            }
        };
        Some(Span {
            from: Some(self.midnight(from)?),
            until: Some(self.midnight(until)?),
        })
    }

    fn midnight(&self, date: Date) -> Option<UnixSeconds> {
        let zoned = date.to_zoned(self.zone.zone.clone()).ok()?;
        Some(UnixSeconds(zoned.timestamp().as_second()))
    }
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            zone: Zone::utc(),
            billing_day: 1,
        }
    }
}

impl Zone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    /// `UTC`, or an offset as `+02:00`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn fixed(name: &str) -> Result<Self, InvalidZone> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        let invalid = || InvalidZone(name.to_owned());
        let (sign, rest) = match name.split_at_checked(1) {
            Some(("+", rest)) => (1, rest),
            Some(("-", rest)) => (-1, rest),
            Some(_) | None => return Err(invalid()),
        };
        let (hours, minutes) = rest.split_once(':').ok_or_else(invalid)?;
        let number = |text: &str| text.parse::<u8>().ok().filter(|_| text.len() == 2);
        let hours = number(hours).filter(|hours| *hours <= 25).ok_or_else(invalid)?;
        let minutes = number(minutes)
            .filter(|minutes| *minutes < 60)
            .ok_or_else(invalid)?;
        let seconds = sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60);
        let offset = Offset::from_seconds(seconds).map_err(|_| invalid())?;
        Ok(Self {
            name: name.to_owned(),
            zone: TimeZone::fixed(offset),
        })
    }

    /// A zone from what the zone database says of it (RFC 9636).
    ///
    /// # Errors
    /// When it says something else.
    pub fn from_tzif(name: &str, data: &[u8]) -> Result<Self, InvalidZone> {
        let zone = TimeZone::tzif(name, data).map_err(|_| InvalidZone(name.to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            zone,
        })
    }

    /// Its name, as it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Window {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.trim().to_ascii_lowercase().as_str() {
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            other => {
                let length = humantime::parse_duration(other).map_err(|_| ())?;
                let seconds = u32::try_from(length.as_secs()).map_err(|_| ())?;
                if seconds == 0 {
                    Err(())
                } else {
                    Ok(Self::Rolling(seconds))
                }
            }
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endless => Ok(()),
            Self::Day => f.write_str("/day"),
            Self::Week => f.write_str("/week"),
            Self::Month => f.write_str("/month"),
            Self::Rolling(seconds) if seconds % 86_400 == 0 => write!(f, "/{}d", seconds / 86_400),
            Self::Rolling(seconds) if seconds % 3600 == 0 => write!(f, "/{}h", seconds / 3600),
            Self::Rolling(seconds) => write!(f, "/{seconds}s"),
            Self::Until(end) => match Timestamp::from_second(end.0) {
                Ok(end) => write!(f, " until {end}"),
                Err(_) => write!(f, " until {}", end.0),
            },
        }
    }
}
