//! Bounds of a shard: floods of keys, hot accounts, sums at their bounds, decision state.

use crate::bank::{
    Bank, DAY, HOUR, MINUTE, NOON, Published, batch, engine, mapping, purchase, settings, stepped,
};
use tripline_core::account_shard::AccountShard;
use tripline_core::decode::Format;
use tripline_core::limits::MONEY_MINOR_MAX;
use tripline_core::outputs::Topic;
use tripline_core::settings::Settings;
use tripline_rules::value::Registers;

/// Accounts that nobody has heard of, among two that come again and again.
fn flood(records: usize) -> Vec<(i64, i64, String)> {
    let record = |number: usize| {
        let at = NOON + number as i64 * 1_000;
        let account = match number % 5 {
            0 => "steady".to_owned(),
            // It comes back after a while, sometimes evicted, sometimes not.
            1 => format!("again{}", number * 7 % 90),
            _ => format!("new{number}"),
        };
        (number as i64, at, purchase(&account, &format!("f{number}"), at, r#","amount":100"#))
    };
    (0..records).map(record).collect()
}

fn evicted(engine: &AccountShard) -> u64 {
    engine.shard().ledgers().evicted().keys
}

/// The flood under some caps: the answers are the same however the log is cut, and of a shard that read its log again.
fn assert_flood(settings: Settings, keys_max: usize) {
    let records = flood(3_000);
    let mut one_by_one = engine(&settings);
    let mut steady = Vec::new();
    for record in &records {
        steady.extend(stepped(&mut one_by_one, std::slice::from_ref(record), 1));
        let held = one_by_one.shard().ledgers();
        // The cap is kept before an event takes its place, so one more may be there.
        assert!(held.keys() <= keys_max + 1, "{}", held.keys());
    }
    steady.sort_by_key(|record| (record.topic, record.cause));
    assert!(evicted(&one_by_one) > 500, "only {} evictions", evicted(&one_by_one));
    for at_once in [7, 256, records.len()] {
        let mut other = engine(&settings);
        assert!(stepped(&mut other, &records, at_once) == steady, "in batches of {at_once}");
        assert_eq!(evicted(&other), evicted(&one_by_one));
    }
    for cut in [1, 700, 1_501, 2_999] {
        let mut again = engine(&settings);
        again.restore(&batch(&records[..cut]));
        let (changes, after): (Vec<_>, Vec<_>) = steady.iter().partition(|record| record.cause < cut as i64);
        fold(&mut again, changes);
        let resumed = stepped(&mut again, &records[cut..], 64);
        assert!(resumed.iter().eq(after), "filled again before record {cut}");
        assert_eq!(evicted(&again), evicted(&one_by_one));
    }
}

fn fold(engine: &mut AccountShard, published: Vec<&Published>) {
    for verdict in published.into_iter().filter(|record| record.topic == Topic::Verdicts) {
        let recorded: tripline_core::verdict::Recorded =
            serde_json::from_slice(&verdict.value).expect("a verdict");
        engine.shard_mut().fold(recorded.at, recorded.changes);
    }
}

#[test]
fn a_flood_of_keys_meets_the_cap_on_keys_and_changes_no_answer_by_its_batches() {
    assert_flood(Settings { keys_per_shard: 100, ..settings() }, 100);
}

#[test]
fn a_flood_of_keys_meets_the_cap_on_bytes_the_same_way() {
    let unit = engine(&settings()).shard().ledgers().bytes_of(1, 1);
    let bytes_per_shard = 120 * unit;
    assert_flood(Settings { bytes_per_shard, ..settings() }, 120);
}

#[test]
fn those_go_first_whose_newest_event_is_oldest() {
    let settings = Settings { keys_per_shard: 16, ..settings() };
    let mut shard = engine(&settings);
    let mut step = |number: i64, account: &str, at: i64| {
        let record = (number, NOON + 2 * HOUR, purchase(account, &format!("{number}"), at, ""));
        stepped(&mut shard, &[record], 1);
    };
    // Appended in any order: the event's own time decides.
    for number in 0..17 {
        step(number, &format!("k{number}"), NOON + (number * 5 % 17) * MINUTE);
    }
    step(17, "k0", NOON + HOUR);
    let held = |account: &str| shard.shard().ledgers().holds(settings.key.entity(account.as_bytes()));
    // 17 keys: a sixteenth of them, rounded up, are k0 (oldest) and k7 (5 * 7 mod 17 = 1); k0 has come again.
    let gone: Vec<i64> = (0..17).filter(|number| !held(&format!("k{number}"))).collect();
    assert_eq!(gone, [7], "and k0 began anew");
}

/// Half of all events on one account. Its ledger holds no more rows than the cap, whatever comes; every fact is drawn
/// from these rows alone, so no event looks at more than cap + 1 of them (and facts say that they are approximate).
/// Time is not asserted: it would measure the machine.
#[test]
fn a_hot_account_has_no_more_rows_than_its_cap_and_says_so() {
    let cap: u16 = 64;
    for totals_threshold in [0, 16, usize::MAX] {
        let mut bank = Bank::with(
            mapping(Format::Json),
            Settings { rows_per_ledger: cap, totals_threshold, ..settings() },
        );
        let key = settings().key.entity(b"hot");
        let mut last = Vec::new();
        for number in 0..4_000 {
            let at = NOON + number * 1_000;
            let account = if number % 2 == 0 { "hot".to_owned() } else { format!("cold{number}") };
            // Now and then out of order, which no running total can answer.
            let at = if number % 10 == 0 { at - HOUR } else { at };
            last = bank.take(
                NOON + number * 1_000,
                b"k",
                purchase(&account, &format!("h{number}"), at, r#","amount":3"#).as_bytes(),
            );
            if number % 100 == 0 {
                let mut rows = 0;
                let mut registers = Registers::new(64);
                bank.engine()
                    .shard()
                    .ledgers()
                    .for_each_row(&mut registers, |row| rows += usize::from(row.key == key));
                assert!(rows <= usize::from(cap), "{rows} rows");
            }
            if account == "hot" {
                assert!(bank.feature("events") <= f64::from(cap) + 1.0);
            }
        }
        assert!(bank.engine().shard().ledgers().evicted().capped_rows > 1_900);
        assert_eq!(last[0].json()["account"], "cold3999");
        let hot = bank.take(NOON + 4_000_000, b"k", purchase("hot", "end", NOON + 4_000_000, "").as_bytes());
        let alert = hot.iter().find(|record| record.topic == Topic::Alerts).expect("SEEN fires");
        assert_eq!(alert.json()["approximate"], true);
    }
}

#[test]
fn sums_at_the_bounds_are_exact_or_missing_and_never_wrap() {
    let mut bank = Bank::new();
    let most = i64::try_from(MONEY_MINOR_MAX).expect("below 2^53");
    for number in 1..=200i64 {
        let more = format!(r#","amount":{most},"points":1000000000000"#);
        bank.take(NOON + number, b"a", purchase("a", &number.to_string(), NOON + number, &more).as_bytes());
        // Features are in major units. A register holds whole numbers up to 2^53.
        let sum = bank.feature("spent");
        match number {
            1..=9 => assert_eq!(sum, (most * number) as f64 / 100.0),
            _ => assert!(sum.is_nan(), "{number}: {sum}"),
        }
        assert!(bank.feature("spread") == 0.0 || number == 1 || bank.feature("spread").is_nan());
        assert_eq!(bank.feature("median"), most as f64 / 100.0);
        assert_eq!(bank.feature("points"), 1e12 * number as f64, "a sum of numbers is never missing");
    }
    // Opposite numbers bring the sum back.
    for number in 201..=400i64 {
        let more = r#","points":-1000000000000"#;
        bank.take(NOON + number, b"a", purchase("a", &number.to_string(), NOON + number, more).as_bytes());
    }
    assert_eq!(bank.feature("points"), 0.0);
}

/// A batch is judged after all its events have their rows. Expired cooldowns were once swept by the time of its last
/// event.
#[test]
fn a_gap_at_the_end_of_a_batch_does_not_reopen_the_cooldowns_before_it() {
    let mut records: Vec<(i64, i64, String)> = Vec::new();
    for round in 0..4 {
        // A thousand accounts, each silenced after its third event.
        for account in 0..1_200 {
            let at = NOON + round * MINUTE;
            let login = purchase(&format!("a{account}"), &format!("{round}-{account}"), at, "")
                .replace("purchase", "login");
            records.push((records.len() as i64, at, login));
        }
    }
    records.push((records.len() as i64, NOON + 40 * DAY, purchase("z", "z", NOON + 40 * DAY, "")));
    let settings = settings();
    let one_by_one = stepped(&mut engine(&settings), &records, 1);
    let at_once = stepped(&mut engine(&settings), &records, records.len());
    let alerts = |of: &[Published]| of.iter().filter(|record| record.topic == Topic::Alerts).count();
    assert_eq!((alerts(&one_by_one), alerts(&at_once)), (1_201, 1_201));
    assert!(one_by_one == at_once);
}
