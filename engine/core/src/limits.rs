//! Every bound of the core, named. Each is enforced, and tested, where it is read.

pub use tripline_rules::card_number::{CARD_DIGITS_MAX, CARD_DIGITS_MIN};
use tripline_rules::time::{DAY_MS, MINUTE_MS};

/// Bytes of one event, checked before anything is parsed.
pub const EVENT_BYTES_MAX: usize = 16 * 1024;
/// Nested objects and arrays of one event, the outermost included, unless a mapping sets another limit.
pub const DEPTH: usize = 16;
/// The greatest limit that a mapping may set: the walk through a record uses the stack.
pub const DEPTH_MAX: usize = 64;
/// Magnitude of an amount of money, minor units. Nine such amounts still sum exactly in a register.
pub const MONEY_MINOR_MAX: u64 = 1_000_000_000_000_000;
/// Magnitude of a number field.
pub const NUMBER_MAX: u64 = 1_000_000_000_000;
/// Decimal places that a number field keeps.
pub const NUMBER_PLACES: u8 = 6;
/// Bytes of an id.
pub const ID_BYTES_MAX: usize = 64;
/// Characters of a free text, after hidden characters were stripped.
pub const TEXT_CHARS_MAX: usize = 128;
/// Earliest time a field may hold: 1900-01-01, milliseconds since 1970.
pub const TIME_MS_MIN: i64 = -2_208_988_800_000;
/// Latest time a field may hold: the last millisecond of 2199.
pub const TIME_MS_MAX: i64 = 7_258_118_399_999;
/// Keys of one object whose place the JSON decoder remembers; further keys are only looked up more slowly.
pub const LEARNED_KEYS_MAX: usize = 64;
/// Objects whose keys the JSON decoder remembers, beside those of the mapping.
pub const LEARNED_OBJECTS_MAX: usize = 32;
/// Bytes of a key that the JSON decoder remembers.
pub const LEARNED_KEY_BYTES_MAX: usize = 64;
/// Places in a record that one mapping may read.
pub const SOURCES_MAX: usize = 1024;
/// How far an event's clock may run ahead of the log's, ms.
pub const FUTURE_MS_MAX: i64 = 5 * MINUTE_MS;
/// In a log without append times that is not read ahead: how far an event may lie ahead of all before it, ms.
pub const TIME_JUMP_MS_MAX: i64 = 30 * DAY_MS;
/// Where a log has its producers' times: how far two records in a row may be apart at its beginning, ms. Otherwise the
/// time of one of them is wrong.
pub const BEGIN_APART_MS_MAX: i64 = 30 * DAY_MS;
