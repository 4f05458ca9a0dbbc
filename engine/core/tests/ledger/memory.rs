//! What a ledger costs in memory, counted.

use std::sync::Arc;
use tripline_core::batch::Timestamp;
use tripline_core::ledger::{Arrival, LedgerLimits, Ledgers};
use tripline_rules::aggregate::Tags;
use tripline_rules::schema::{Codes, Kind, Schema, TX_AMOUNT, TX_DECLINED};
use tripline_rules::time::{DAY_MS, HOUR_MS};
use tripline_rules::value::{Registers, Slot};

use crate::world::{DEVICE, limits, plan, schema};

/// In a debug build fewer accounts; the bytes of one do not depend on it.
const ACCOUNTS: u64 = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };

/// Kept: amount, declined, currency, two text ids.
fn kept_schema() -> Schema {
    let mut fields = schema().fields().to_vec();
    fields.push(tripline_rules::schema::Field {
        name: "card.id".to_owned(),
        kind: Kind::Text,
        doc: String::new(),
        iso8583: None,
    });
    let card = Slot(u16::try_from(fields.len() - 1).unwrap());
    fields[11].kind = Kind::OneOf(Arc::new(Codes::new((0..300).map(|code| format!("{code}")))));
    Schema::new(fields, vec![TX_AMOUNT, TX_DECLINED, Slot(11), DEVICE, card], Vec::new())
}

#[test]
fn a_million_accounts_with_three_events_a_day_take_at_most_250_bytes_each() {
    let limits = LedgerLimits { retention: DAY_MS + HOUR_MS, lateness: HOUR_MS, ..limits() };
    let schema = kept_schema();
    let mut ledgers = Ledgers::new(&plan(Vec::new(), 30), &schema, limits);
    let mut registers = Registers::new(40);
    registers.set(TX_AMOUNT, 1234.0f64.to_bits());
    registers.set(DEVICE, 0x1234_5678_9abc_def0);
    registers.set(Slot(14), 0x0fed_cba9_8765_4321);
    let mut random = 7u64;
    let mut peak = 0;
    // Two days and a half: the first fills the ledgers, in the others rows come and go.
    let events = ACCOUNTS * 15 / 2;
    for number in 0..events {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = Timestamp(i64::try_from(number * (DAY_MS as u64) / (3 * ACCOUNTS)).unwrap());
        let key =
            u128::from((random >> 33) % ACCOUNTS).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let arrival = Arrival { key, at, event_type: 0, id: number, is_follow_up: false, inherited: &[] };
        ledgers.insert(&arrival, &registers, Tags::default(), at);
        if number % 100_000 == 0 {
            peak = peak.max(ledgers.counted_bytes());
        }
    }
    let accounts = usize::try_from(ACCOUNTS).unwrap();
    let (bytes, rows) = (ledgers.counted_bytes(), ledgers.rows_held());
    println!(
        "{} keys, {rows} rows held, {bytes} bytes, peak {peak}: {} bytes an account",
        ledgers.keys(),
        bytes / accounts
    );
    assert!(rows > accounts * 3, "three events a day and an hour more");
    assert!(peak.max(bytes) <= 250 * accounts, "{} bytes an account", peak.max(bytes) / accounts);
}
