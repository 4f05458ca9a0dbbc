//! Names of time zones as people write them. It does not depend on times.

use crate::diagnostic::nearest;
use jiff::tz::TimeZoneDatabase;

/// The time zone that a misspelt name is closest to, ignoring capitals.
pub fn nearest_zone(wrong: &str) -> Option<String> {
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
}
