//! Card numbers in every disguise, IBANs of every country, and the rate of false alarms. The tables here are written
//! apart from those of the crate.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "test code: what cannot be unwrapped has failed"
)]

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use tripline_rules::card_number::{is_in, masked};
use tripline_rules::diagnostic::{Diagnostics, File, Paint, Span};
use tripline_rules::yaml;

/// Name, ranges of prefixes, lengths.
type Scheme = (&'static str, &'static [(u32, u32)], &'static [usize]);

/// Prefixes and lengths of the schemes, one line a scheme.
const SCHEMES: &[Scheme] = &[
    ("Visa", &[(4, 4)], &[13, 16, 18, 19]),
    ("Mastercard", &[(51, 55), (2221, 2720)], &[16]),
    ("American Express", &[(34, 34), (37, 37)], &[15]),
    ("Diners Club", &[(30, 30), (36, 36), (38, 39)], &[14, 15, 16, 17, 18, 19]),
    ("JCB", &[(3528, 3589), (1800, 1800), (2131, 2131)], &[16, 17, 18, 19]),
    ("JCB of 15 digits", &[(1800, 1800), (2131, 2131)], &[15]),
    ("Maestro", &[(50, 50), (56, 59), (63, 63), (67, 67)], &[13, 14, 15, 16, 17, 18, 19]),
    ("Maestro of 12 digits", &[(5018, 5018), (5020, 5020), (5038, 5038), (5893, 5893), (6304, 6304)], &[12]),
    ("Maestro of 12 digits, 67", &[(6759, 6759), (6761, 6763), (6767, 6767)], &[12]),
    ("UATP", &[(1, 1)], &[15]),
    ("UnionPay", &[(62, 62), (8100, 8171)], &[14, 15, 16, 17, 18, 19]),
    ("T-Union", &[(31, 31)], &[19]),
    ("Discover", &[(6011, 6011), (644, 649), (65, 65)], &[16, 17, 18, 19]),
    ("RuPay", &[(60, 60), (65, 65), (8172, 8199), (82, 82), (508, 508), (353, 353), (356, 356)], &[16]),
    ("Mir", &[(2200, 2204)], &[16, 17, 18, 19]),
    ("Borica", &[(2205, 2205)], &[16, 17, 18, 19]),
    ("Troy", &[(9792, 9792), (65, 65)], &[16]),
    ("Uzcard, Humo", &[(8600, 8600), (9860, 9860)], &[16]),
    ("GPN", &[(1946, 1946), (60, 61)], &[16, 18, 19]),
    ("UkrCard", &[(6040, 6042)], &[16, 17, 18, 19]),
    ("Napas", &[(9704, 9704)], &[16, 19]),
    ("mada", &[(9682, 9682)], &[16]),
];

/// The Luhn digit as the standard defines it.
fn luhn_holds(number: &str) -> bool {
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let digits = number.chars().rev().map(|c| c.to_digit(10).unwrap());
    digits.enumerate().map(|(at, digit)| if at % 2 == 1 { doubled(digit) } else { digit }).sum::<u32>() % 10
        == 0
}

/// A number of a scheme: the prefix, digits, and the Luhn digit.
fn number(prefix: u32, length: usize, seed: u64) -> String {
    let mut text = prefix.to_string();
    let mut state = seed;
    while text.len() < length - 1 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&(state >> 33).rem_euclid(10).to_string());
    }
    (0..10).map(|digit| format!("{text}{digit}")).find(|text| luhn_holds(text)).unwrap()
}

fn grouped(number: &str, sizes: &[usize], between: &str) -> String {
    let (mut text, mut at) = (String::new(), 0);
    for size in sizes.iter().cycle() {
        let end = (at + size).min(number.len());
        text.push_str(&number[at..end]);
        at = end;
        if at == number.len() {
            return text;
        }
        text.push_str(between);
    }
    text
}

fn in_digits(text: &str, zero: char) -> String {
    let digit = |c: char| c.to_digit(10).map(|digit| char::from_u32(u32::from(zero) + digit).unwrap());
    text.chars().map(|c| digit(c).unwrap_or(c)).collect()
}

/// What may stand between two digits.
const BETWEEN: &[&str] = &[
    " ",
    "-",
    ".",
    "_",
    "/",
    ",",
    ":",
    ";",
    "|",
    "*",
    "#",
    "+",
    "=",
    "~",
    "'",
    "\"",
    "\\",
    "·",
    "•",
    "–",
    "—",
    "‐",
    "\u{a0}",
    "\u{202f}",
    "\u{3000}",
    "\t",
    "\n",
    "  ",
    "   ",
    " - ",
    " / ",
    "...",
    "--",
    ", ",
    ") (",
    "¤",
    "😀",
    "\u{200b}",
    "\u{200c}",
    "\u{200d}",
    "\u{2060}",
    "\u{feff}",
    "\u{ad}",
    "\u{202e}",
    "\u{34f}",
    "\u{fe0f}\u{20e3}",
    "\u{0}",
    "\u{2}",
    " \u{200b}\u{200b}\u{200b}\u{200b}- ",
];

/// Every way of writing a number that the documentation promises to find.
fn disguises(number: &str) -> Vec<String> {
    let sizes: [&[usize]; 5] = [&[4], &[4, 6, 5], &[1], &[2], &[6, 7]];
    let mut all = vec![
        number.to_owned(),
        format!("card {number}, thanks"),
        format!("PAN{number}x"),
        format!("No.{number}"),
        format!("-{number}"),
        format!("2024-01-15 {number}"),
        format!("{number} 12/27"),
        format!("{number} 12/27 10:30:00"),
        format!("10:30:00 {number}"),
        format!("192.0.2.17 {number}"),
        format!("card{}", grouped(number, &[4], " ")),
        format!("{}exp", grouped(number, &[4], "-")),
        format!("pay {} 12/27 123", grouped(number, &[4], " ")),
    ];
    // Two groups with a point are a decimal number.
    all.extend(BETWEEN.iter().flat_map(|between| {
        sizes
            .iter()
            .map(|sizes| grouped(number, sizes, between))
            .filter(|text| text.matches('.').count() != 1)
    }));
    for zero in ['０', '٠', '۰', '०', '๐', '𝟎', '𝟶'] {
        all.push(in_digits(number, zero));
        all.push(in_digits(&grouped(number, &[4], " "), zero));
    }
    all.push(format!("{}{}", in_digits(&number[..4], '０'), &number[4..]));
    all
}

#[test]
fn every_scheme_is_found_in_every_disguise() {
    let (mut tried, mut seed) = (0, 7);
    for (scheme, prefixes, lengths) in SCHEMES {
        for (low, high) in *prefixes {
            for length in *lengths {
                seed += 1;
                for prefix in [*low, low + (high - low) / 2, *high] {
                    let number = number(prefix, *length, seed);
                    for text in disguises(&number) {
                        assert!(is_in(&text), "{scheme}: {text:?}");
                        let (hidden, digits) =
                            (masked(&text), |text: &str| text.matches(char::is_numeric).count());
                        assert!(!is_in(&hidden) && digits(&hidden) + 12 <= digits(&text), "{text:?}");
                        tried += 1;
                    }
                }
            }
        }
    }
    println!("{tried} disguises found");
}

/// A prefix alone is no card number: the lengths of one scheme are none with the prefix of another.
#[test]
fn other_lengths_and_other_prefixes_are_no_card_number() {
    let mut refused = 0;
    for prefix in 1_000..10_000 {
        for length in 11..=20 {
            let begins = |(_, ranges, lengths): &Scheme| {
                let fits = |(low, high): &(u32, u32)| {
                    let shift = 10u32.pow(3 - low.ilog10());
                    (*low..=*high).contains(&(prefix / shift))
                };
                lengths.contains(&length) && ranges.iter().any(fits)
            };
            let number = number(prefix, length, u64::from(prefix));
            let expected = SCHEMES.iter().any(begins);
            assert_eq!(is_in(&number), expected, "{prefix}… of {length} digits");
            refused += usize::from(!expected);
        }
    }
    println!("{refused} pairs of a prefix and a length are none");
    assert!(!is_in("573001234566") && !is_in("639171234567"), "telephone numbers");
}

/// Countries, the length of their IBANs and how many letters the bank's code begins with (registry of SWIFT).
const COUNTRIES: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 \
    DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 \
    KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 \
    PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 \
    YE30";

/// The IBAN of a country and account number: check digits by long division of the number that the standard forms.
fn iban(country: &str, account: &str) -> String {
    let rest = format!("{account}{country}00").chars().fold(0u32, |rest, c| {
        let value = c.to_digit(36).unwrap();
        value.to_string().chars().fold(rest, |rest, digit| (rest * 10 + digit.to_digit(10).unwrap()) % 97)
    });
    format!("{country}{:02}{account}", 98 - rest)
}

#[test]
fn no_valid_iban_of_any_country_is_taken_for_a_card_number() {
    let mut runner = TestRunner::deterministic();
    let (mut tried, mut would_be) = (0, 0);
    for entry in COUNTRIES.split_whitespace() {
        let (country, length) = (&entry[..2], entry[2..].parse::<usize>().unwrap());
        for round in 0..2000 {
            // All digits is the hardest account number; many begin with a bank's letters.
            let pattern = if round % 4 == 0 { "[A-Z]{4}[0-9]{40}" } else { "[0-9]{44}" };
            let account =
                proptest::string::string_regex(pattern).unwrap().new_tree(&mut runner).unwrap().current();
            let iban = iban(country, &account[..length - 4]);
            // Without its country it is digits like any others.
            would_be += usize::from(is_in(&iban[2..]));
            for text in
                [iban.clone(), iban.to_lowercase(), grouped(&iban, &[4], " "), format!("to {iban}, rent")]
            {
                assert!(!is_in(&text), "{text}");
            }
            tried += 1;
        }
    }
    println!("{tried} IBANs pass, {would_be} of them would not without their form");
    assert!(would_be > 1_000);
}

/// A title or a reason would carry the number into alerts, a constant into messages.
#[test]
fn a_card_number_in_a_pack_is_an_error_that_does_not_show_it() {
    let pack = |title: &str, when: &str, reason: &str| {
        format!("rules:\n  - id: A\n    title: {title}\n    when: '{when}'\n    reason: \"{reason}\"\n")
    };
    let number = "4111 1111 1111 1111";
    let fine =
        pack("Gambling", "merchant.mcc in [4829, 6051, 6211, 7995] and tx.amount >= 4000000", "{tx.amount}");
    for (text, places) in [
        (pack(number, "tx.amount > 1", "x"), vec![3]),
        (pack("x", "card.id == \"4111111111111111\"", "x"), vec![4]),
        (pack("x", "tx.amount > 1", "like 4111-1111-1111-1111"), vec![5]),
        (pack("x", "tx.amount == 4111111111111111", "x"), vec![4]),
        (fine, vec![]),
    ] {
        let mut problems = Diagnostics::new(&[File::new("pack.yaml", text.as_str())]);
        yaml::parse(0, &mut problems);
        let found: Vec<usize> =
            problems.list().iter().map(|problem| problems.position(problem.span).0).collect();
        assert_eq!(found, places, "{text}");
        assert!(problems.list().iter().all(|problem| problem.code.0 == "Y009"));
        for shown in [problems.render(Paint::Plain), problems.json()] {
            assert!(!shown.replace(['-', ' '], "").contains("41111111"), "{shown}");
        }
    }
}

#[test]
fn a_line_is_shown_without_its_secret_and_without_card_numbers() {
    let text = "client: {sasl.password: hunter2-é, x: 4111 1111 1111 1111}\n";
    let at = |word: &str| {
        let start = text.find(word).unwrap();
        Span { file: 0, start, end: start + word.len() }
    };
    let mut problems = Diagnostics::default();
    let mut of_file = Diagnostics::new(&[File::new("a.yaml", text)]);
    of_file.hide(at("hunter2-é"));
    of_file
        .error("C030", "`4111-1111-1111-1111` cannot be set\u{202e}", at("x:"))
        .label("here")
        .help("4111111111111111");
    problems.extend(of_file);
    let rendered = problems.render(Paint::Plain);
    assert!(rendered.contains("{sasl.password: **********, x: **** **** **** ****}"), "{rendered}");
    for shown in [rendered, problems.json()] {
        assert!(
            !shown.contains("hunter2") && !shown.contains("4111") && !shown.contains('\u{202e}'),
            "{shown}"
        );
    }
}

/// Random digits are a card number as often as the share of prefixes of their length, divided by ten, says.
#[test]
fn false_alarms_on_random_digits_are_as_rare_as_luhn_and_prefixes_say() {
    let cases = 60_000;
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let mut found = BTreeMap::new();
    for length in 11..=20 {
        let begins = |prefix: &str| {
            SCHEMES.iter().filter(|(.., lengths)| lengths.contains(&length)).any(|(_, ranges, _)| {
                ranges.iter().any(|(low, high)| {
                    let digits = low.to_string().len();
                    (*low..=*high).contains(&prefix[..digits].parse().unwrap())
                })
            })
        };
        let prefixes = (0..10_000).filter(|prefix| begins(&format!("{prefix:04}"))).count();
        let expected = prefixes as f64 / 10_000.0 / 10.0;
        let strategy = proptest::string::string_regex(&format!("[0-9]{{{length}}}")).unwrap();
        let texts = (0..cases).map(|_| strategy.new_tree(&mut runner).unwrap().current());
        let rate = texts.filter(|text| is_in(text)).count() as f64 / f64::from(cases);
        // Four standard deviations of a binomial share.
        let allowed = 4.0 * (expected * (1.0 - expected) / f64::from(cases)).sqrt();
        assert!((rate - expected).abs() <= allowed, "{length} digits: {rate} found, {expected} expected");
        found.insert(length, (expected, rate));
    }
    for (length, (expected, rate)) in found {
        println!("{length} digits: expected {:.3} %, found {:.3} %", expected * 100.0, rate * 100.0);
    }
}
