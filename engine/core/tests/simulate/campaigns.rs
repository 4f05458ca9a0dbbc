//! Each kind of campaign shows its signature in the records, by checks written from its description.

use crate::{DAY, Read, START, days, hours, km, simulated};
use std::collections::{BTreeMap, BTreeSet};
use tripline_core::batch::Timestamp;
use tripline_core::simulate::{
    Campaign, CampaignKind, Campaigns, Reports, SimulatedEvent, Simulation, SimulationSettings, Starts,
    TruthKind, Wave,
};

/// A month with campaigns of one kind from the tenth day on: all events, and the campaigns.
fn month_of(kind: CampaignKind) -> (Vec<SimulatedEvent>, Vec<Campaign>) {
    let starts = Starts::Poisson { per_day: 1.0, kinds: vec![kind], from: days(10), until: days(29) };
    let wave = Wave { starts, pace: 1.0, reports: Reports::ByVictims };
    let campaigns = Campaigns { waves: vec![wave] };
    let settings = SimulationSettings { campaigns, ..SimulationSettings::new(21, 1_000, START) };
    let mut simulation = Simulation::new(&settings);
    let mut event = SimulatedEvent::default();
    let mut events = Vec::new();
    while simulation.next_before(days(31), &mut event) {
        events.push(event.clone());
    }
    (events, simulation.campaigns().to_vec())
}

/// The steps of a campaign, as read.
fn steps<'a>(events: &'a [SimulatedEvent], campaign: &Campaign) -> Vec<(&'a SimulatedEvent, Read)> {
    let own = |event: &&SimulatedEvent| event.truth.is_fraud() && event.truth.campaign == Some(campaign.id);
    events.iter().filter(own).map(|event| (event, Read::new(event))).collect()
}

/// What holds for all: listed, in time, and worth something.
fn checked(kind: CampaignKind) -> (Vec<SimulatedEvent>, Vec<Campaign>) {
    let (events, campaigns) = month_of(kind);
    assert!(campaigns.len() >= 8, "{} campaigns of {kind:?}", campaigns.len());
    for (number, campaign) in campaigns.iter().enumerate() {
        let steps = steps(&events, campaign);
        assert_eq!(campaign.id.0 as usize, number + 1);
        assert_eq!(steps[0].0.at, campaign.first_fraud_at);
        assert!(steps.iter().all(|(event, _)| event.at <= campaign.last_fraud_at));
        assert!(campaign.stake_cents > 10_000);
        assert_eq!(campaign.lost_cents, steps.iter().map(|(event, _)| event.lost_cents).sum::<i64>());
        let struck: BTreeSet<&str> = steps.iter().map(|(event, _)| event.account.as_str()).collect();
        assert_eq!(struck, campaign.accounts.iter().map(String::as_str).collect());
    }
    (events, campaigns)
}

#[test]
fn card_testing_is_many_tiny_amounts_at_many_shops_with_declines_then_a_large_one() {
    let (events, campaigns) = checked(CampaignKind::CardTesting);
    for campaign in &campaigns {
        let steps = steps(&events, campaign);
        let first = steps[0].0.at.0;
        let burst: Vec<_> = steps.iter().filter(|(event, _)| event.at.0 < first + 20 * 60_000).collect();
        let shops: BTreeSet<_> = burst.iter().filter_map(|(_, read)| read.text("/merchant/id")).collect();
        let declined = burst.iter().filter(|(_, read)| read.yes("/tx/declined")).count();
        assert!(burst.len() >= 12 && shops.len() >= 8 && declined >= 1, "{} {declined}", burst.len());
        assert!(steps.iter().all(|(_, read)| read.text("/tx/channel") == Some("ecom")));
        let amounts = |part: &[(&SimulatedEvent, Read)]| -> Vec<f64> {
            part.iter().filter_map(|(_, read)| read.amount()).collect()
        };
        let all = amounts(&steps);
        let largest = all.iter().copied().fold(0.0, f64::max);
        assert!(largest > 50.0 * all[0], "{all:?}");
    }
}

#[test]
fn a_cloned_card_is_used_at_impossible_speed_after_its_owner() {
    let (events, campaigns) = checked(CampaignKind::ClonedCard);
    let mut last: BTreeMap<String, (i64, (f64, f64))> = BTreeMap::new();
    let mut impossible = BTreeSet::new();
    for event in &events {
        let read = Read::new(event);
        let (Some(place), Some(card)) = (read.place(), read.text("/card/id")) else { continue };
        if let Some((at, before)) = last.insert(card.to_owned(), (event.at.0, place)) {
            let (km, hours) = (km(before, place), hours(at, event.at.0));
            if km > 150.0 && km / hours > 900.0 {
                impossible.insert((event.account.clone(), event.truth.campaign));
            }
        }
    }
    for campaign in &campaigns {
        assert!(impossible.contains(&(campaign.accounts[0].clone(), Some(campaign.id))), "{campaign:?}");
    }
}

#[test]
fn a_takeover_resets_enrols_adds_and_drains_most_of_the_balance_within_two_hours() {
    let (events, campaigns) = checked(CampaignKind::TakeoverDrain);
    for campaign in &campaigns {
        let steps = steps(&events, campaign);
        let kinds: Vec<&str> = steps.iter().filter_map(|(_, read)| read.text("/type")).collect();
        let place = |kind| kinds.iter().position(|found| *found == kind).unwrap();
        assert_eq!(place("password_reset"), 0);
        assert!(place("device_enrolled") < place("payee_added"));
        let money: Vec<_> = steps.iter().filter(|(_, read)| read.amount().is_some()).collect();
        let balance: f64 = steps[0].1.text("/account/balance").unwrap().parse().unwrap();
        let approved = money.iter().filter(|(_, read)| !read.yes("/tx/declined"));
        let out: f64 = approved.filter_map(|(_, read)| read.amount()).sum();
        assert!(out > 0.75 * balance, "{out} of {balance}");
        assert!(money.iter().all(|(_, read)| matches!(read.text("/type"), Some("p2p" | "transfer"))));
        assert!(campaign.last_fraud_at.0 - campaign.first_fraud_at.0 < 2 * 3_600_000);
        let device = steps[0].1.text("/device/id");
        let before = events.iter().take_while(|event| event.at < campaign.first_fraud_at);
        assert!(before.into_iter().all(|event| Read::new(event).text("/device/id") != device));
    }
}

#[test]
fn cards_of_a_compromised_terminal_were_all_there_before_they_are_misused_elsewhere() {
    let (events, campaigns) = checked(CampaignKind::CompromisedTerminal);
    let mut labelled = 0;
    for campaign in &campaigns {
        let skimmed = campaign.terminals[0].as_str();
        let was_there: BTreeSet<String> = events
            .iter()
            .take_while(|event| event.at < campaign.first_fraud_at)
            .filter_map(|event| {
                let read = Read::new(event);
                let there = read.text("/merchant/terminal") == Some(skimmed);
                there.then(|| read.text("/card/id").unwrap().to_owned())
            })
            .collect();
        let steps = steps(&events, campaign);
        assert!(steps.len() >= 4);
        for (_, read) in &steps {
            assert!(was_there.contains(read.text("/card/id").unwrap()));
            let terminal = read.text("/merchant/terminal").unwrap();
            assert!(terminal != skimmed && campaign.terminals.iter().any(|known| known == terminal));
        }
        let frauds: BTreeMap<&str, i64> =
            steps.iter().map(|(event, _)| (event.id.as_str(), event.at.0)).collect();
        for event in events.iter().filter(|event| event.truth.campaign == Some(campaign.id)) {
            let read = Read::new(event);
            if let Some(about) = read.text("/ref") {
                assert_eq!(read.text("/label/outcome"), Some("fraud"));
                assert!((DAY..=10 * DAY).contains(&(event.at.0 - frauds[about])));
                labelled += 1;
            }
        }
    }
    assert!(labelled >= 20, "{labelled}");
}

#[test]
fn a_mule_is_young_and_passes_on_what_came_in_within_two_hours() {
    let (events, campaigns) = checked(CampaignKind::P2pMule);
    for campaign in &campaigns {
        let steps = steps(&events, campaign);
        let opened: jiff::Timestamp = steps[0].1.text("/account/opened").unwrap().parse().unwrap();
        assert!(campaign.first_fraud_at.0 - opened.as_millisecond() < 90 * DAY);
        let sum = |direction| -> f64 {
            let own = steps.iter().filter(|(_, read)| read.text("/tx/direction") == Some(direction));
            own.filter_map(|(_, read)| read.amount()).sum()
        };
        let passed = sum("out") / sum("in");
        assert!((0.80..=1.05).contains(&passed), "{passed}");
        let payees: BTreeSet<_> = steps
            .iter()
            .filter(|(_, read)| read.text("/tx/direction") == Some("out"))
            .filter_map(|(_, read)| read.text("/payee"))
            .collect();
        assert!(payees.len() >= 3);
        assert!(campaign.last_fraud_at.0 - campaign.first_fraud_at.0 <= 2 * 3_600_000);
    }
}

#[test]
fn the_demo_strikes_with_all_kinds_within_forty_seconds_of_going_live() {
    let live = days(90);
    let settings = SimulationSettings::demo(4, 2_000, live, 1.0);
    assert_eq!(settings.start, START);
    let mut simulation = Simulation::new(&settings);
    let mut event = SimulatedEvent::default();
    let mut past = 0;
    while simulation.next_before(live, &mut event) {
        past += 1;
    }
    assert!(past > 300_000, "{past}");
    let before = simulation.campaigns().len();
    let mut labels = 0;
    let mut kinds = BTreeMap::new();
    while simulation.next_before(Timestamp(live.0 + 40_000), &mut event) {
        if let TruthKind::Fraud(kind) = event.truth.kind {
            *kinds.entry(kind).or_insert(0) += 1;
        }
        labels += usize::from(Read::new(&event).text("/type") == Some("label"));
    }
    assert_eq!(kinds.len(), 5, "{kinds:?} of {:?}", &simulation.campaigns()[before..]);
    assert!(labels >= 3, "{labels} labels");
}

#[test]
fn an_honest_world_has_no_fraud() {
    let events = simulated(&SimulationSettings::new(2, 200, START), days(20));
    assert!(events.iter().all(|event| !event.truth.is_fraud() && event.lost_cents == 0));
}

/// One second of watching is a minute: for four hours of it, ten days pass at the bank.
#[test]
fn campaigns_of_every_kind_begin_for_as_long_as_the_demo_is_watched() {
    let live = days(90);
    let watched = |minutes: i64| Timestamp(live.0 + minutes * 60 * 60_000);
    let mut simulation = Simulation::new(&SimulationSettings::demo(4, 2_000, live, 60.0));
    let mut event = SimulatedEvent::default();
    while simulation.next_before(watched(240), &mut event) {}
    for from in (0..240).step_by(40) {
        let during = watched(from)..watched(from + 40);
        let begun =
            simulation.campaigns().iter().filter(|campaign| during.contains(&campaign.first_fraud_at));
        let mut kinds = BTreeMap::new();
        begun.for_each(|campaign| *kinds.entry(campaign.kind).or_insert(0) += 1);
        println!("from minute {from}: {kinds:?}");
        // Planned is one every seven seconds, 343 in 40 minutes. Terminals where enough cards were used are fewer.
        assert!(kinds.values().sum::<i32>() >= 280, "from minute {from}: {kinds:?}");
        assert_eq!(kinds.len(), 5, "from minute {from}: {kinds:?}");
        assert!(kinds.values().all(|begun| *begun >= 20), "from minute {from}: {kinds:?}");
    }
}
