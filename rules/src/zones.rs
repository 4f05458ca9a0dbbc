//! Names of time zones as people write them. It does not depend on times.

use crate::diagnostic::nearest;
use jiff::tz::TimeZoneDatabase;

/// The time zone that a misspelt name is closest to, ignoring capitals, or the offset that is meant.
pub fn nearest_zone(wrong: &str) -> Option<String> {
    if let Some(offset) = meant_offset(wrong) {
        return Some(offset);
    }
    let names: Vec<String> =
        TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
    let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let wrong = wrong.trim().replace(' ', "_").to_ascii_lowercase();
    // A name is known by its last part as well: `Berlin` is meant to be `Europe/Berlin`.
    let place = |name: &&String| name.rsplit('/').next() == Some(wrong.as_str());
    let near = lower.iter().find(place).map(String::as_str);
    let near = near.or_else(|| nearest(&wrong, lower.iter().map(String::as_str)))?;
    names.iter().find(|name| name.eq_ignore_ascii_case(near)).cloned()
}

/// The offset that `GMT+9` or `UTC-03:30` means. The zones `Etc/GMT+9` have the opposite sign.
fn meant_offset(wrong: &str) -> Option<String> {
    let text = wrong.trim().to_ascii_uppercase();
    let text = text.strip_prefix("ETC/").unwrap_or(&text);
    let rest = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC"))?.trim_start();
    let sign = rest.chars().next().filter(|sign| "+-".contains(*sign))?;
    let (hours, minutes) = rest[1..].split_once(':').unwrap_or((&rest[1..], "00"));
    let number = |text: &str, max: u8| text.parse::<u8>().ok().filter(|number| *number <= max);
    Some(format!("{sign}{:02}:{:02}", number(hours, 14)?, number(minutes, 59)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_zone_is_found_by_its_spelling_or_its_place() {
        for (wrong, meant) in [
            ("Europe/Berln", Some("Europe/Berlin")),
            ("europe/berlin", Some("Europe/Berlin")),
            ("America/New York", Some("America/New_York")),
            ("Oslo", Some("Europe/Oslo")),
            ("Mars/Olympus", None),
        ] {
            assert_eq!(nearest_zone(wrong).as_deref(), meant, "{wrong}");
        }
    }

    #[test]
    fn an_offset_with_a_name_keeps_its_sign() {
        for (wrong, meant) in [
            ("GMT+9", Some("+09:00")),
            ("UTC-3:30", Some("-03:30")),
            ("utc +09", Some("+09:00")),
            ("Etc/GMT+99", None),
            ("Europe/Berlin", None),
        ] {
            assert_eq!(meant_offset(wrong).as_deref(), meant, "{wrong}");
        }
        assert_eq!(nearest_zone("UTC+9").as_deref(), Some("+09:00"));
    }
}
