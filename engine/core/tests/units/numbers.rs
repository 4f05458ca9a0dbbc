//! A number is the same live, in its row, and recovered: its range and precision are decided when it is decoded.

use crate::dice::{Dice, streams};
use crate::engine::{Record, Setup, Way};
use std::collections::BTreeMap;
use tripline_core::decode::Reason;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|outcome
  basket.value: number
keep: [basket.value, tx.declined]
";
const PACK: &str = "version: 1
pack: p
owner: a
timezone: UTC
params:
  limit: {default: 8589934592.5}
aggregates:
  last: {last: basket.value}
  most: {max: basket.value, over: 1d}
  sum: {sum: basket.value, over: 1d}
  mean: {avg: basket.value, over: 1d}
  spread: {stddev: basket.value, over: 1d}
  values: {distinct: basket.value, over: 1d}
  over: {count: events, over: 1d, where: event.type == \"purchase\" and basket.value > $limit}
features: {own: basket.value, f1: last, f2: most, f3: sum, f4: mean, f5: spread, f6: values, f7: over}
";
const LIMIT: f64 = 8_589_934_592.5;
const NOON: i64 = 1_709_294_400_000;
const MILLION: i128 = 1_000_000;

#[derive(Debug, Default)]
struct Seen {
    streams: u64,
    numbers: u64,
    beyond_exact: u64,
    refused: u64,
    rounded: u64,
    amended: u64,
}

/// A number of up to 13 digits and nine decimals, and the same in billionths.
fn written(dice: &mut Dice) -> (String, i128) {
    let digits = 1 + u32::try_from(dice.below(13)).unwrap();
    let whole = match dice.below(10) {
        0 => dice.pick(&[
            0,
            1,
            8_589_934_592,
            9_007_199_254,
            50_000_000_000,
            999_999_999_999,
            1_000_000_000_000,
        ]),
        _ => dice.below(10u64.pow(digits)),
    };
    let places = usize::try_from(dice.pick(&[0, 0, 2, 6, 7, 9])).unwrap();
    let fraction = dice.below(1_000_000_000) / 10u64.pow(u32::try_from(9 - places).unwrap());
    let sign = if dice.percent(20) { "-" } else { "" };
    let text =
        if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction:0>places$}") };
    let billionths = i128::from(whole) * 1_000 * MILLION
        + i128::from(fraction) * 10i128.pow(u32::try_from(9 - places).unwrap()) * i128::from(places > 0);
    (text, if sign.is_empty() { billionths } else { -billionths })
}

/// What the decoder makes of it: half away from zero to millionths, the nearest `f64`; `None` beyond 10¹².
fn decoded(billionths: i128) -> Option<f64> {
    let millionths = (billionths.abs() + 500) / 1_000;
    if millionths > MILLION * MILLION * MILLION {
        return None;
    }
    let sign = if billionths < 0 { "-" } else { "" };
    let number: f64 = format!("{sign}{}.{:06}", millionths / MILLION, millionths % MILLION).parse().unwrap();
    Some(number + 0.0)
}

fn check(setup: &Setup, seed: u64, seen: &mut Seen) {
    let mut dice = Dice::new(seed);
    let mut records: Vec<Record> = Vec::new();
    let mut own: BTreeMap<String, f64> = BTreeMap::new();
    let mut refused = 0;
    let mut over: BTreeMap<String, f64> = BTreeMap::new();
    for number in 0..4 + dice.below(20) {
        let at = NOON + i64::try_from(number).unwrap() * 1_000;
        let id = format!("e{number}");
        let rest = if number > 0 && dice.percent(20) {
            seen.amended += 1;
            format!(r#""event_type":"outcome","event_ref":"e{}","tx_declined":true"#, dice.below(number))
        } else {
            let (text, billionths) = written(&mut dice);
            match decoded(billionths) {
                Some(value) => own.insert(id.clone(), value),
                None => {
                    refused += 1;
                    None
                }
            };
            seen.numbers += 1;
            seen.rounded += u64::from(billionths % 1_000 != 0);
            seen.beyond_exact += u64::from(billionths.abs() / 1_000 > 1 << 53);
            format!(r#""event_type":"purchase","basket_value":{text}"#)
        };
        over.insert(id.clone(), own.values().filter(|value| **value > LIMIT).count() as f64);
        records.push((at, format!(r#"{{"event_id":"{id}","event_time":{at},"account_id":"A",{rest}}}"#)));
    }
    let cut = usize::try_from(dice.below(records.len() as u64)).unwrap();
    let live = setup.run(&records, cut, Way::Live);
    assert_eq!(live.reasons.get(&Reason::BadNumber).copied().unwrap_or_default(), refused, "stream {seed}");
    for (id, found) in &live.features {
        assert_eq!(found[7], over[id], "stream {seed}, {id}: a count does not depend on amendments");
        let Some(value) = own.get(id) else { continue };
        assert_eq!(found[0].to_bits(), value.to_bits(), "stream {seed}, {id}: {value}");
        assert_eq!(found[1].to_bits(), value.to_bits(), "stream {seed}, {id}: its row holds another number");
        let until: Vec<f64> = own
            .iter()
            .filter(|(other, _)| number_of(other) <= number_of(id))
            .map(|(_, value)| *value)
            .collect();
        let (most, sum) = (until.iter().copied().fold(f64::MIN, f64::max), until.iter().sum::<f64>());
        assert_eq!(found[2], most, "stream {seed}, {id}");
        let near = |a: f64, b: f64| {
            (a - b).abs()
                <= 1e-6 * until.len() as f64 + 1e-14 * until.iter().map(|value| value.abs()).sum::<f64>()
        };
        assert!(
            near(found[3], sum) && near(found[4] * until.len() as f64, sum),
            "stream {seed}, {id}: {found:?}"
        );
        assert!(until.len() < 2 || found[5].is_finite(), "stream {seed}, {id}: a spread is known");
    }
    for way in [Way::Restored, Way::Snapshot] {
        for (id, found) in setup.run(&records, cut, way).features {
            let bits =
                |features: &[f64]| features.iter().map(|feature| feature.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&live.features[&id]), "stream {seed}, {way:?} from {cut}, {id}");
        }
    }
    (seen.streams, seen.refused) = (seen.streams + 1, seen.refused + refused);
}

fn number_of(id: &str) -> u64 {
    id[1..].parse().unwrap()
}

#[test]
fn a_number_is_the_same_live_in_its_row_and_recovered() {
    let fields =
        ["event.id", "event.type", "event.time", "event.ref", "account.id", "basket.value", "tx.declined"];
    let setup = Setup::new(SCHEMA, PACK, &fields, |_, _| {});
    let mut seen = Seen::default();
    streams(10_000).into_iter().for_each(|seed| check(&setup, seed, &mut seen));
    println!("{seen:?}");
    for (what, count) in [
        ("numbers of which an f64 does not hold every millionth", seen.beyond_exact),
        ("refused", seen.refused),
        ("rounded", seen.rounded),
        ("amended", seen.amended),
    ] {
        assert!(count >= seen.streams / 4, "only {count} {what}");
    }
}
