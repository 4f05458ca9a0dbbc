//! Single values that are valid and hardly ever meant: time zones that do not exist, blanks around texts, the location
//! 0, 0. It does not depend on how a value is written in a record.

use super::shown;
use super::suspicious::Suspicion;
use crate::cli::text::grouped;
use crate::config::Config;
use std::collections::BTreeMap;
use tripline_core::event::Event;
use tripline_rules::ruleset::{Described, Zones, describe_field};
use tripline_rules::schema::Kind;
use tripline_rules::value::{Slot, TextKey};
use tripline_rules::zones::nearest_zone;

/// The well-known field of a time zone.
const TIMEZONE: &str = "account.timezone";

/// What is odd about a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Oddity {
    NoZone,
    Blanks,
    NullIsland,
}

/// Records with an odd value, by field.
pub struct Odd<'a> {
    config: &'a Config,
    /// Found as the engine finds them: by the hash of the exact name.
    zones: Zones,
    key: TextKey,
    events: u64,
    /// How many, and the first such text.
    found: BTreeMap<(Slot, Oddity), (u64, String)>,
}

impl<'a> Odd<'a> {
    pub fn new(config: &'a Config) -> Odd<'a> {
        let key = TextKey::default();
        Odd { config, zones: Zones::new(key), key, events: 0, found: BTreeMap::new() }
    }

    /// Looks at the mapped values of an event.
    pub fn add(&mut self, event: &Event) {
        self.events += 1;
        for slot in self.config.mapping.fields.iter().map(|field| field.slot) {
            let field = self.config.schema().field(slot);
            let (oddity, text) = match &field.kind {
                Kind::Text => {
                    let Some(text) = event.texts.get(slot) else { continue };
                    let is_zone = field.name == TIMEZONE || self.config.ruleset().is_zone(slot);
                    if is_zone && self.zones.find(self.key.text(text.as_bytes())).is_none() {
                        (Oddity::NoZone, text)
                    } else if text != text.trim() {
                        (Oddity::Blanks, "")
                    } else {
                        continue;
                    }
                }
                Kind::Geo => match describe_field(&field.kind, slot, &event.registers, &event.texts) {
                    Described::Geo(geo) if geo.latitude == 0.0 && geo.longitude == 0.0 => {
                        (Oddity::NullIsland, "")
                    }
                    _ => continue,
                },
                _ => continue,
            };
            self.found.entry((slot, oddity)).or_insert_with(|| (0, text.to_owned())).0 += 1;
        }
    }

    /// What looks wrong.
    pub fn found(self) -> Vec<Suspicion> {
        let events = grouped(self.events);
        let suspicion = |((slot, oddity), (count, text)): ((Slot, Oddity), (u64, String))| {
            let of = format!("in {} of {events} records", grouped(count));
            let message = match oddity {
                Oddity::NoZone => {
                    let near = nearest_zone(&text).map(|near| format!(" (probably `{near}`)"));
                    format!(
                        "{of} the value is no time zone, such as `{}`{}. Local times of these events are missing: send \
                         names of the tz database (`Europe/Berlin`) or offsets (`+02:00`), or map them with `values:`",
                        shown::cut(&text),
                        near.unwrap_or_default()
                    )
                }
                Oddity::Blanks => format!(
                    "{of} the text begins or ends with a blank. `A1` and `A1 ` are two texts and two entities: remove the \
                     blanks upstream"
                ),
                Oddity::NullIsland => format!(
                    "{of} the location is 0, 0, which usually means that it is not known: send no location then, or \
                     distances and speeds are measured from there"
                ),
            };
            Suspicion { field: self.config.schema().field(slot).name.clone(), message }
        };
        self.found.into_iter().map(suspicion).collect()
    }
}
