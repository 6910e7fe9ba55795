//! Moments as commands show them, in UTC.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// About half a year: `ls` shows the year of what is older.
const RECENT: u64 = 31_556_952 / 2;

/// A day, and the time on it.
struct Moment {
    weekday: &'static str,
    month: &'static str,
    month_number: u64,
    day: u64,
    year: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    /// Of seconds since 1970.
    fn of(seconds: u64) -> Self {
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        // Days since the first of March of the year 0, in eras of 400 years.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let month = (month_from_march + 2) % 12;
        let name = |names: &[&'static str], at: u64| {
            names.get(usize::try_from(at).unwrap_or_default()).copied().unwrap_or_default()
        };
        Self {
            weekday: name(&DAYS, days % 7),
            month: name(&MONTHS, month),
            month_number: month + 1,
            day: of_year - (153 * month_from_march + 2) / 5 + 1,
            year: era * 400 + year_of_era + u64::from(month < 2),
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

/// As `git log` shows it.
pub(crate) fn git_date(seconds: u64) -> String {
    let Moment { weekday, month, day, year, hour, minute, second, .. } = Moment::of(seconds);
    format!("{weekday} {month} {day} {hour:02}:{minute:02}:{second:02} {year} +0000")
}

/// With all its digits, as `diff` and `stat` show it.
pub(crate) fn full(seconds: u64, nanoseconds: u32) -> String {
    let Moment { month_number, day, year, hour, minute, second, .. } = Moment::of(seconds);
    format!(
        "{year:04}-{month_number:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanoseconds:09} +0000"
    )
}

/// As `ls -l` shows it at the moment `now`.
pub(crate) fn ls_date(seconds: u64, now: u64) -> String {
    let Moment { month, day, year, hour, minute, .. } = Moment::of(seconds);
    if seconds <= now && now - seconds < RECENT {
        format!("{month} {day:2} {hour:02}:{minute:02}")
    } else {
        format!("{month} {day:2}  {year}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_as_git_shows_them() {
        assert_eq!(git_date(0), "Thu Jan 1 00:00:00 1970 +0000");
        assert_eq!(git_date(1_700_000_000), "Tue Nov 14 22:13:20 2023 +0000");
        assert_eq!(git_date(1_709_164_800), "Thu Feb 29 00:00:00 2024 +0000");
    }

    #[test]
    fn full_moment_has_all_digits() {
        assert_eq!(full(1_709_164_800, 5), "2024-02-29 00:00:00.000000005 +0000");
    }

    #[test]
    fn old_moments_are_listed_with_their_year() {
        assert_eq!(ls_date(1_700_000_000, 1_700_000_100), "Nov 14 22:13");
        assert_eq!(ls_date(1_700_000_000, 1_800_000_000), "Nov 14  2023");
    }
}
