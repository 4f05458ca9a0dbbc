//! Records, rhythm, habits, determinism.

use crate::{DAY, Read, START, days, hours, km, share, simulated};
use std::collections::{BTreeMap, BTreeSet};
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{
    Campaigns, Faults, HardNegative, SimulatedEvent, Simulation, SimulationSettings, TruthKind,
};

fn busy(seed: u64, accounts: u32) -> SimulationSettings {
    let (campaigns, faults) = (Campaigns::poisson(6.0), Faults::rough());
    SimulationSettings { campaigns, faults, ..SimulationSettings::new(seed, accounts, START) }
}

#[test]
fn the_same_seed_tells_the_same_story_byte_for_byte_and_another_seed_another_one() {
    let first = simulated(&busy(11, 120), days(12));
    assert!(first.len() > 2_000);
    assert_eq!(first, simulated(&busy(11, 120), days(12)));
    let other = simulated(&busy(12, 120), days(12));
    let records: BTreeSet<&[u8]> = first.iter().map(|event| event.value.as_slice()).collect();
    assert!(other.iter().all(|event| !records.contains(event.value.as_slice())));
}

#[test]
fn asking_in_pieces_or_by_iterator_tells_the_same_story() {
    let whole = simulated(&busy(3, 60), days(5));
    let mut simulation = Simulation::new(&busy(3, 60));
    let mut event = SimulatedEvent::default();
    let mut pieces = Vec::new();
    for step in 1..=(5 * DAY / 777_777) + 1 {
        while simulation.next_before(Timestamp((START.0 + step * 777_777).min(days(5).0)), &mut event) {
            pieces.push(event.clone());
        }
    }
    assert_eq!(whole, pieces);
    assert_eq!(whole, Simulation::new(&busy(3, 60)).take(whole.len()).collect::<Vec<_>>());
}

#[test]
fn an_account_lives_its_life_whatever_the_size_of_the_bank() {
    let life = |accounts| -> Vec<Vec<u8>> {
        let events = simulated(&SimulationSettings::new(5, accounts, START), days(10));
        let own = |event: &&SimulatedEvent| ["A0", "A1", "A2"].contains(&event.account.as_str());
        // Money from friends depends on who is there, and the balance with it.
        let spent = events.iter().filter(own).filter(|event| {
            let read = Read::new(event);
            read.text("/tx/direction") != Some("in")
        });
        spent.map(|event| event.at.0.to_be_bytes().to_vec()).collect()
    };
    assert!(life(400).len() > 60);
    assert_eq!(life(100), life(400));
}

#[test]
fn every_true_record_keeps_the_bounds_of_the_feed() {
    let mut bytes = 0;
    let mut seen = BTreeSet::new();
    let events = simulated(&SimulationSettings { faults: Faults::none(), ..busy(7, 300) }, days(25));
    for event in &events {
        let read = Read::new(event);
        assert!(event.value.len() < 600, "{}", String::from_utf8_lossy(&event.value));
        assert!(seen.insert(event.id.clone()), "{} twice", event.id);
        assert_eq!(read.text("/id"), Some(event.id.as_str()));
        assert_eq!(read.text("/account/id"), Some(event.account.as_str()));
        for pointer in
            ["/id", "/account/id", "/card/id", "/merchant/id", "/merchant/terminal", "/device/id", "/payee"]
        {
            let Some(id) = read.text(pointer) else { continue };
            assert!(!id.is_empty() && id.len() <= 64);
            assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)), "{id}");
        }
        let text = std::str::from_utf8(&event.value).unwrap();
        // No run of 13 digits, even with the separators with which card numbers are written.
        let runs = text.split(|c: char| !c.is_ascii_digit() && !matches!(c, ' ' | '-'));
        assert!(runs.into_iter().all(|run| run.bytes().filter(u8::is_ascii_digit).count() < 13), "{text}");
        let at: jiff::Timestamp = read.text("/time").unwrap().parse().unwrap();
        assert_eq!(at.as_millisecond(), event.at.0);
        if let Some(amount) = read.amount() {
            assert!(amount > 0.0 && amount < 1e9, "{text}");
        }
        bytes += event.value.len();
    }
    let mean = bytes / events.len();
    assert!((350..=410).contains(&mean), "mean record {mean} bytes");
    assert!(events.windows(2).all(|pair| pair[0].appended_at <= pair[1].appended_at));
}

#[test]
fn a_fraudulent_record_has_the_form_of_a_genuine_one() {
    let events = simulated(&SimulationSettings { faults: Faults::none(), ..busy(8, 300) }, days(30));
    let form = |event: &SimulatedEvent| {
        let read = Read::new(event);
        (read.text("/type").unwrap().to_owned(), read.text("/tx/channel").map(str::to_owned), read.keys())
    };
    let genuine: BTreeSet<_> = events.iter().filter(|event| !event.truth.is_fraud()).map(form).collect();
    let frauds: Vec<_> = events.iter().filter(|event| event.truth.is_fraud()).collect();
    assert!(frauds.len() > 500);
    for fraud in frauds {
        assert!(genuine.contains(&form(fraud)), "{}", String::from_utf8_lossy(&fraud.value));
        let text = String::from_utf8_lossy(&fraud.value).to_lowercase();
        assert!(
            !["fraud", "campaign", "genuine", "mule", "clone"].iter().any(|word| text.contains(word)),
            "{text}"
        );
    }
}

#[test]
fn life_has_its_rate_its_nights_and_its_approvals() {
    let settings = SimulationSettings::new(9, 1_500, START);
    let events = simulated(&settings, days(28));
    let rate = share(events.len(), 1_500 * 28);
    assert!((2.4..3.6).contains(&rate), "{rate} events a day");
    let (mut spent, mut night, mut declined) = (0, 0, 0);
    for event in &events {
        let read = Read::new(event);
        if read.text("/type") != Some("purchase") || read.text("/account/segment") == Some("business") {
            continue;
        }
        let zone = jiff::tz::TimeZone::get(read.text("/account/zone").unwrap()).unwrap();
        let local = jiff::Timestamp::from_millisecond(event.at.0).unwrap().to_zoned(zone);
        spent += 1;
        night += usize::from(local.hour() < 6);
        declined += usize::from(read.yes("/tx/declined"));
    }
    let (night, declined) = (share(night, spent), share(declined, spent));
    assert!((0.005..0.06).contains(&night), "night share {night}");
    assert!((0.003..0.05).contains(&declined), "declined share {declined}");
}

#[test]
fn every_hard_negative_occurs_and_travellers_never_outrun_an_airliner() {
    let events = simulated(&SimulationSettings::new(10, 800, START), days(60));
    let mut kinds: BTreeMap<HardNegative, usize> = BTreeMap::new();
    let mut last: BTreeMap<&str, (i64, (f64, f64))> = BTreeMap::new();
    let mut journeys = 0;
    for event in &events {
        if let TruthKind::HardNegative(kind) = event.truth.kind {
            *kinds.entry(kind).or_default() += 1;
        }
        let Some(place) = Read::new(event).place() else { continue };
        if let Some((at, before)) = last.insert(&event.account, (event.at.0, place)) {
            let (km, hours) = (km(before, place), hours(at, event.at.0));
            journeys += usize::from(km > 150.0);
            assert!(km <= 30.0 || km < 900.0 * hours, "{km} km in {hours} h: {}", event.account);
        }
    }
    assert!(journeys > 200, "{journeys}");
    assert_eq!(kinds.len(), 8, "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 20), "{kinds:?}");
}
