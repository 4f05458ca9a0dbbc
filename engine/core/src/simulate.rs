//! A simulated bank: accounts with habits, genuine life that looks like fraud, fraud campaigns, and faults of the feed.
//!
//! [`Simulation`] is a pure generator: the same settings give the same bytes on every platform, another seed another story. It
//! knows no clock; who wants a live show asks for the events before a time, and asks again. Memory is proportional to the
//! accounts (and to the campaigns so far). An account's habits depend on the seed and its own number only, not on how many
//! others there are.
//!
//! # The record
//!
//! One flat-ish JSON object, depth 2, keys always in this order, those that do not apply left out:
//!
//! | pointer | on | is |
//! |---|---|---|
//! | `/id` | all | id, unique in the feed |
//! | `/type` | all | `purchase` `cash_withdrawal` `refund` `transfer` `p2p` `payee_added` `login` `password_reset` `pin_change` `contact_change` `device_enrolled` `token_provisioned` `step_up_passed` `label` |
//! | `/time` | all | RFC 3339, UTC, ms |
//! | `/ref` | labels | `/id` of the event it is about |
//! | `/account/id` | all | id, the key of the feed |
//! | `/account/segment` | all but labels | `retail` `student` `private` `business` `minor` |
//! | `/account/home` | all but labels | country, ISO 3166 alpha-2 |
//! | `/account/zone` | all but labels | IANA time zone |
//! | `/account/currency` | all but labels | ISO 4217; all money of the record is in it |
//! | `/account/balance` | all but labels | decimal string, after the event |
//! | `/account/travel` | cards | yes/no: the bank was told of a journey |
//! | `/account/opened` | without card | RFC 3339, UTC, s |
//! | `/tx/amount` | money | decimal string |
//! | `/tx/direction` | `transfer` `p2p` | `in` `out` |
//! | `/tx/channel` | money | `pos` `ecom` `atm` `contactless` `moto` `app` `web` |
//! | `/tx/entry` | cards | `chip` `contactless` `mag_stripe` `fallback` `manual_key` `credential_on_file` |
//! | `/tx/present` | cards | yes/no |
//! | `/tx/cvv_ok` | cards on the net | yes/no |
//! | `/tx/threeds` | cards on the net | `none` `frictionless` `challenge` `failed` |
//! | `/tx/lat`, `/tx/lon` | card present | degrees, numbers |
//! | `/tx/link` | payments inside the bank | joins the two legs |
//! | `/tx/declined` | money | yes/no |
//! | `/tx/code` | declined | `05` `51` `55` `82` |
//! | `/card/id` | cards | id |
//! | `/card/atm_limit` | `cash_withdrawal` | decimal string, a day |
//! | `/merchant/id`, `/merchant/mcc`, `/merchant/country` | cards | id, ISO 18245, ISO 3166 alpha-2 |
//! | `/merchant/terminal` | card present | id |
//! | `/device/id`, `/device/ip` | app, web, net | id; country of its address, ISO 3166 alpha-2 |
//! | `/device/seen` | app, web | RFC 3339, UTC, s: when the bank first saw it |
//! | `/payee` | payments, `payee_added` | id of the other side |
//! | `/label/outcome` | labels | `fraud` `genuine` `first_party` |
//! | `/label/source` | labels | `report` |
//!
//! Ids are at most 64 bytes of letters and digits; no record but those of [`Fault::Bad`] holds a card number or a run of 13
//! digits.

mod accounts;
mod attacks;
mod bank;
mod calendar;
mod campaigns;
mod civil;
mod draft;
mod faults;
mod habits;
mod hard_negatives;
mod random;
mod render;
mod rhythm;
mod sightings;
mod world;

pub use campaigns::{Campaign, CampaignKind, Campaigns, Reports, Starts, Wave};
pub use draft::{CampaignId, HardNegative, Truth, TruthKind};
pub use faults::{Fault, Faults};

use crate::batch::Timestamp;
use bank::Bank;
use faults::Way;
use render::Renderer;

/// How long a healthy feed takes from the event to the log, ms.
pub const FEED_DELAY_MS: i64 = 40;

/// What to simulate.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationSettings {
    /// Another seed, another story.
    pub seed: u64,
    /// How many accounts the bank has, those included that open only later.
    pub accounts: u32,
    /// Nothing happens before.
    pub start: Timestamp,
    /// Mean events of an account a day, at most about 50: people rest ten minutes between two scenes.
    pub events_per_account_day: f64,
    /// The fraud.
    pub campaigns: Campaigns,
    /// The faults of the feed.
    pub faults: Faults,
}

impl SimulationSettings {
    /// An honest world without faults: three events a day and account.
    pub fn new(seed: u64, accounts: u32, start: Timestamp) -> SimulationSettings {
        let (campaigns, faults) = (Campaigns::none(), Faults::none());
        SimulationSettings { seed, accounts, start, events_per_account_day: 3.0, campaigns, faults }
    }

    /// A show: 90 days of past up to `live`, and from then on [`Campaigns::demo`] at `speed_up` seconds of events a second.
    pub fn demo(seed: u64, accounts: u32, live: Timestamp, speed_up: f64) -> SimulationSettings {
        let start = Timestamp(live.0 - 90 * civil::DAY_MS);
        let campaigns = Campaigns::demo(live, speed_up);
        SimulationSettings { campaigns, ..SimulationSettings::new(seed, accounts, start) }
    }
}

/// A record of the feed and what is known about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulatedEvent {
    /// Account: the record's key.
    pub account: String,
    /// Id of the event, as in the record (before it was spoiled, if it was).
    pub id: String,
    /// The record.
    pub value: Vec<u8>,
    /// When it happened.
    pub at: Timestamp,
    /// When it reached the log. Events come in this order.
    pub appended_at: Timestamp,
    /// What it really is.
    pub truth: Truth,
    /// What is wrong with the record.
    pub fault: Option<Fault>,
    /// What a fraud got by this event, US cents at the simulation's fixed rates; 0 when declined or genuine.
    pub lost_cents: i64,
}

/// The events of a simulated bank, in the order in which they reach the log. It never ends.
pub struct Simulation {
    bank: Bank,
    renderer: Renderer,
    way: Way,
}

impl Simulation {
    /// A simulation from its start.
    ///
    /// # Panics
    /// When there is no account, or the shares of faults are negative or more than 1 together.
    pub fn new(settings: &SimulationSettings) -> Simulation {
        assert!(settings.accounts > 0, "a bank without accounts never tells anything");
        Simulation {
            bank: Bank::new(settings),
            renderer: Renderer::new(settings.seed),
            way: Way::new(&settings.faults, settings.seed),
        }
    }

    /// The next event that reaches the log before `until`, written over `into`, whose memory is used again. `false`: there is
    /// none, `into` is as it was, and one may ask again with a later time.
    pub fn next_before(&mut self, until: Timestamp, into: &mut SimulatedEvent) -> bool {
        loop {
            let arrival = self.way.next_arrival();
            let limit = arrival.map_or(until, |arrival| Timestamp(arrival.0.saturating_add(1)).min(until));
            let due = self.bank.due_before(Timestamp(limit.0.saturating_sub(FEED_DELAY_MS)));
            if due.is_some() {
                self.tell(into);
                if self.way.pass(into) {
                    return true;
                }
            } else if arrival.is_some_and(|arrival| arrival < until) {
                *into = self.way.arrive().expect("an arrival was announced");
                return true;
            } else {
                return false;
            }
        }
    }

    /// The campaigns that have started, by number, as far as events were asked for.
    pub fn campaigns(&self) -> &[Campaign] {
        self.bank.campaigns()
    }

    fn tell(&mut self, into: &mut SimulatedEvent) {
        let event = self.bank.settle_next();
        let draft = &event.draft;
        into.account.clear();
        into.id.clear();
        into.value.clear();
        render::account_id_into(draft.account, &mut into.account);
        render::event_id_into(draft.account, event.sequence, &mut into.id);
        self.renderer.render(&event, self.bank.account(draft.account), &mut into.value);
        into.at = draft.at;
        into.appended_at = Timestamp(draft.at.0 + FEED_DELAY_MS);
        into.truth = draft.truth;
        into.fault = None;
        into.lost_cents = event.lost_cents;
    }
}

impl Iterator for Simulation {
    type Item = SimulatedEvent;

    fn next(&mut self) -> Option<SimulatedEvent> {
        let mut event = SimulatedEvent::default();
        self.next_before(Timestamp(i64::MAX), &mut event).then_some(event)
    }
}
