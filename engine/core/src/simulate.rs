//! A simulated bank: accounts with habits, genuine life that looks like fraud, fraud campaigns, and faults of the feed.
//!
//! [`Simulation`] is a pure generator: the same settings give the same bytes on every platform, another seed another
//! story. It does not depend on a clock: a live show asks for the events before a time, and asks again. Memory is
//! proportional to the accounts (and to the campaigns so far). An account's habits depend on the seed and its own
//! number only, not on how many others there are.
//!
//! # The record
//!
//! One flat-ish JSON object, depth 2, keys always in this order, those that do not apply left out:
//!
//! | pointer | on | is |
//! |---|---|---|
//! | `/id` | all | id, unique in the feed |
//! | `/type` | all | one of the types below |
//! | `/time` | all | RFC 3339, UTC, ms |
//! | `/ref` | labels | `/id` of the event it is about |
//! | `/account/id` | all | id, the key of the feed |
//! | `/account/segment` | all but labels | `retail` `student` `private` `business` `minor` |
//! | `/account/home` | all but labels | country, ISO 3166 alpha-2 |
//! | `/account/zone` | all but labels | IANA time zone |
//! | `/account/currency` | all but labels | ISO 4217; all money of the record is in it |
//! | `/account/balance` | all but labels | decimal string, after the event |
//! | `/account/travel` | cards | yes/no: the customer announced a journey |
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
//! Types: `purchase`, `cash_withdrawal`, `refund`, `transfer`, `p2p`, `payee_added`, `login`, `password_reset`,
//! `pin_change`, `contact_change`, `device_enrolled`, `token_provisioned`, `step_up_passed`, `label`.
//!
//! Ids are at most 64 bytes of letters and digits; no record but those of [`Fault::Bad`] holds a card number or a run
//! of 13 digits.

mod accounts;
mod attacks;
mod bank;
mod calendar;
mod campaigns;
mod civil;
mod draft;
mod event;
mod faults;
mod habits;
mod hard_negatives;
mod ids;
mod random;
mod render;
mod rhythm;
mod settings;
mod settled;
mod sightings;
mod world;

pub use campaigns::{Campaign, CampaignId, CampaignKind, Campaigns, Reports, Starts, Wave};
pub use draft::{HardNegative, Truth, TruthKind};
pub use event::{Fault, SimulatedEvent};
pub use faults::Faults;
pub use settings::SimulationSettings;

use crate::batch::Timestamp;
use bank::Bank;
use faults::Way;
use render::Renderer;

/// How long a healthy feed takes from the event to the log, ms.
pub const FEED_DELAY_MS: i64 = 40;

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
        assert!(settings.accounts > 0, "a bank has an account at least");
        Simulation {
            bank: Bank::new(settings),
            renderer: Renderer::new(settings.seed),
            way: Way::new(&settings.faults, settings.seed),
        }
    }

    /// The next event that reaches the log before `until`, written over `into`, whose memory is used again. `false`:
    /// there is none, `into` is as it was, and one may ask again with a later time.
    pub fn next_before(&mut self, until: Timestamp, into: &mut SimulatedEvent) -> bool {
        loop {
            let arrival = self.way.next_arrival();
            let limit = arrival.map_or(until, |arrival| Timestamp(arrival.0.saturating_add(1)).min(until));
            let due = self.bank.due_before(Timestamp(limit.0.saturating_sub(FEED_DELAY_MS)));
            if due.is_some() {
                self.write(into);
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

    /// Days on which accounts were open, summed over the accounts.
    pub fn account_days(&self, from: Timestamp, until: Timestamp) -> f64 {
        self.bank.account_days(from, until)
    }

    fn write(&mut self, into: &mut SimulatedEvent) {
        let event = self.bank.settle_next();
        let draft = &event.draft;
        into.account.clear();
        into.id.clear();
        into.value.clear();
        ids::account_id_into(draft.account, &mut into.account);
        ids::event_id_into(draft.account, event.sequence, &mut into.id);
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
