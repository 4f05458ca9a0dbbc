//! Records and expressions that would stop a careless engine.

use crate::bank::{Bank, NOON, purchase};
use crate::mutation::mutate;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::collections::BTreeMap;
use tripline_core::decode::Reason;
use tripline_core::outputs::Topic;

/// Mutated events of few accounts through the whole engine; `TRIPLINE_MUTATIONS` says how many. Whatever they are, no
/// panic; the counts add up; and what became no row is published exactly once, with its reason.
#[test]
fn mutated_events_are_rows_or_dead_letters_and_never_a_panic() {
    let cases =
        std::env::var("TRIPLINE_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000u64);
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    let mut bank = Bank::new();
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let (mut record, mut good) = (Vec::new(), Vec::new());
    for case in 0..cases {
        let at = NOON + case as i64 * 250;
        let more = format!(
            r#","amount":{},"points":0.25,"device":"d{}","merchant":"m{}","name":"Café","balance":100,"x":{{"y":[1,"z"]}}"#,
            case % 977,
            case % 5,
            case % 7
        );
        record.clear();
        record.extend_from_slice(
            purchase(&format!("p{}", case % 50), &format!("p{}", case % 90_000), at, &more).as_bytes(),
        );
        match case % 20 {
            0 => good.clone_from(&record),
            1 => record.clone_from(&good),
            _ => mutate(&mut record, &mut rng, 3),
        }
        let before = bank.counts();
        let published = bank.take(at, b"p", &record);
        let after = bank.counts();
        let refused: Vec<_> = published.iter().filter(|record| record.topic == Topic::DeadLetters).collect();
        let late = published.iter().filter(|record| record.topic == Topic::Late).count() as u64;
        let moved = |count: fn(&tripline_core::counts::Counts) -> u64| count(&after) - count(&before);
        let is_row = moved(|counts| counts.rows) + moved(|counts| counts.duplicates);
        assert_eq!(is_row + refused.len() as u64 + late, 1, "each record is one thing");
        for letter in refused {
            assert_eq!(letter.cause, case as i64);
            let reason = letter.reason().expect("a dead letter has its reason").to_owned();
            assert!(letter.value.is_empty() || letter.value == record);
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let counts = bank.counts();
    assert!(counts.add_up());
    assert_eq!(counts.records, cases);
    let counted: BTreeMap<String, u64> =
        counts.reasons.iter().map(|(reason, count)| (reason.name().to_owned(), *count)).collect();
    assert_eq!(counted, reasons);
    println!(
        "{cases} mutated events: {} rows, {} duplicates, {} late, {reasons:?}",
        counts.rows, counts.duplicates, counts.late
    );
    let met = |reason: Reason| reasons.contains_key(reason.name());
    assert!(counts.rows > cases / 20 && counts.alerts > 0 && counts.duplicates > 0 && counts.late > 0);
    assert!(
        met(Reason::BadJson)
            && met(Reason::CardNumber)
            && met(Reason::IdConflict)
            && met(Reason::DuplicateKey)
    );
}

#[test]
fn overflow_and_division_by_nothing_are_missing_and_no_rule_fires_on_them() {
    let mut bank = Bank::new();
    for (number, more) in [
        "",
        r#","points":0"#,
        r#","points":1000000000000,"amount":999999999999999"#,
        r#","points":-1000000000000,"amount":5"#,
    ]
    .iter()
    .enumerate()
    {
        let published = bank.take(NOON, b"a", purchase("a", &number.to_string(), NOON, more).as_bytes());
        for name in ["divided", "rooted"] {
            assert!(bank.feature(name).is_nan(), "{name} of {more} is {}", bank.feature(name));
        }
        assert!(
            bank.feature("undone").is_nan(),
            "nothing by nothing and endless by endless are missing: {more}"
        );
        assert!(!bank.feature("overflowing").is_infinite(), "{more}");
        for record in published {
            assert!(!String::from_utf8_lossy(&record.value).contains("POISON"));
        }
    }
    assert!(bank.counts().unknown >= 3, "POISON is unknown, not false: {}", bank.counts().unknown);
}
