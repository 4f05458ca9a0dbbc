//! `deploy/examples/handbook/sample.csv`: payments in the form of the Fraud Detection Handbook's stream, made up here.
//!
//! Twenty customers, twelve terminals, five weeks. Two terminals are compromised for a week each, and one customer's
//! card is used for amounts five times the usual. `TRIPLINE_BLESS=1` writes the file.

use crate::tripline::{HANDBOOK_SAMPLE, root};
use jiff::civil::date;
use std::fmt::Write;
use std::fs;

const CUSTOMERS: u64 = 20;
const TERMINALS: u64 = 12;
const DAYS: i64 = 36;
const SEED: u64 = 2018;

/// Numbers by a linear congruence with Knuth's constants (MMIX); the upper half is used.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) % bound
    }
}

fn payments() -> String {
    let mut dice = Dice(SEED);
    let mut text = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD\n".to_owned();
    let first = date(2018, 7, 11);
    for (number, minute) in
        (0..DAYS).flat_map(|day| (0..12).map(move |slot| day * 1440 + slot * 115)).enumerate()
    {
        let at = first.at(0, 0, 0, 0)
            + jiff::Span::new().minutes(minute + i64::try_from(dice.below(100)).unwrap());
        let (customer, terminal) = (dice.below(CUSTOMERS), dice.below(TERMINALS));
        let day = minute / 1440;
        let is_compromised =
            (terminal == 3 && (8..15).contains(&day)) || (terminal == 7 && (20..33).contains(&day));
        let is_stolen = customer == 5 && (18..32).contains(&day);
        let usual = 1_000 + customer * 300;
        let minor = (usual / 2 + dice.below(usual)) * if is_stolen { 5 } else { 1 };
        let fraud = u8::from(is_compromised || is_stolen);
        let at = at.strftime("%Y-%m-%d %H:%M:%S");
        let (major, cents) = (minor / 100, minor % 100);
        writeln!(text, "{number},{at},{customer},{terminal},{major}.{cents:02},{fraud}").unwrap();
    }
    text
}

#[test]
fn the_sample_is_what_its_recipe_makes() {
    let path = root().join(HANDBOOK_SAMPLE);
    if std::env::var_os("TRIPLINE_BLESS").is_some() {
        fs::write(&path, payments()).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == payments(),
        "{HANDBOOK_SAMPLE} has other rows than its recipe"
    );
}
