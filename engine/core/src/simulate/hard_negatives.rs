//! Genuine life that looks like fraud: journeys, sprees, turnstiles, new phones, one big purchase, games, pay runs.
//!
//! Each is drawn as real customers do it (a traveller needs the hours of the flight), so that a rule which fires on it
//! is wrong for the reason it would be wrong in a bank.

use super::accounts::{Segment, Trip, popular};
use super::draft::{Draft, Entry, Fate, HardNegative, Payee, Sum, Truth, TruthKind, TxChannel, What};
use super::habits::Scene;
use super::random::{floor, real, scattered_unit};
use super::rhythm::{Season, is_workday, local_hour};
use super::world::{self, CITIES, Merchant, SHOPS_ON_NET, SHOPS_PER_CITY};
use crate::batch::Timestamp;
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Door to door: an airliner's speed, and hours at both airports.
const FLIGHT_KMH: f64 = 750.0;
const AIRPORTS_HOURS: f64 = 3.0;

/// Journeys shorter than this are not worth a flight.
const TRIP_KM_MIN: f64 = 250.0;

fn odd(kind: HardNegative) -> Truth {
    Truth { campaign: None, kind: TruthKind::HardNegative(kind) }
}

impl Scene<'_> {
    /// Tells one scene of life; a flight home has no drafts and gives the time of arrival.
    pub fn live(&mut self) -> Option<Timestamp> {
        if self.account.trip.is_some_and(|trip| self.at >= trip.leave) {
            return Some(self.go_home());
        }
        let year = 365.0 * self.account.scenes_per_day;
        let travels = self.account.trip.is_none();
        let choices = [
            (if travels { self.account.trips_per_year / year } else { 0.0 }, Self::travel as fn(&mut Self)),
            (0.6 / year, Self::new_phone),
            (if travels { 1.5 / year } else { 0.0 }, Self::big_purchase),
            (1.6 / year, Self::new_payee),
            (0.3 / year, Self::change_pin),
            (0.4 / year, Self::change_contact),
            (self.spree_chance(), Self::spree),
            (if self.account.gamer { 0.06 } else { 0.0 }, Self::play),
            (self.transit_chance(), Self::ride),
        ];
        let mut chance = self.random.unit();
        for (probability, scene) in choices {
            chance -= probability;
            if chance < 0.0 {
                scene(self);
                return None;
            }
        }
        let first = self.drafts.len();
        self.everyday();
        if self.account.trip.is_some() {
            for draft in &mut self.drafts[first..] {
                draft.truth = odd(HardNegative::Traveller);
            }
        }
        None
    }

    /// Leaves for another city. Nothing happens before the arrival.
    fn travel(&mut self) {
        let city = u8::try_from(self.random.weighted(CITIES.iter().map(|city| libm::sqrt(city.weight))))
            .expect("40");
        if self.km_to(city) < TRIP_KM_MIN {
            return self.everyday();
        }
        let arrive = Timestamp(self.at.0 + self.flight_ms(city));
        let stay = floor(self.random.log_normal(4.0, 0.6).clamp(1.0, 21.0) * real(DAY_MS));
        let announced = self.random.chance(0.55);
        self.account.trip = Some(Trip { city, leave: Timestamp(arrive.0 + stay), announced });
        self.hotel_on(arrive, city);
    }

    /// The hotel's charge when the traveller checks in.
    fn hotel_on(&mut self, arrive: Timestamp, city: u8) {
        let hotel = Merchant::shop(city, world::HOTELS, self.random.below(SHOPS_PER_CITY));
        let draft = self.visit(arrive.0 - self.at.0, hotel, 1.0);
        self.push(Draft { truth: odd(HardNegative::Traveller), ..draft });
    }

    fn go_home(&mut self) -> Timestamp {
        let home = self.account.home;
        let arrive = Timestamp(self.at.0 + self.flight_ms(home));
        self.account.trip = None;
        arrive
    }

    fn flight_ms(&self, city: u8) -> i64 {
        floor((self.km_to(city) / FLIGHT_KMH + AIRPORTS_HOURS) * real(HOUR_MS))
    }

    /// Probability that this scene is a spree: on paydays and before the holidays, rarely otherwise.
    fn spree_chance(&self) -> f64 {
        let spends = self.account.segment != Segment::Business && self.account.trip.is_none();
        match self.season {
            _ if !spends => 0.0,
            Season::JustPaid => 0.05,
            Season::Holidays => 0.03,
            Season::Everyday => 0.003,
        }
    }

    /// Four to nine shops within a few hours.
    fn spree(&mut self) {
        let mut after = 0;
        for _ in 0..self.random.between(4, 9) {
            let merchant = self.some_shop();
            let draft = self.visit(after, merchant, 1.6);
            self.push(Draft { truth: odd(HardNegative::ShoppingSpree), ..draft });
            after += self.random.between(11, 35) * MINUTE_MS;
        }
    }

    fn transit_chance(&self) -> f64 {
        let rush = matches!(local_hour(self.local_ms), 6..=9 | 16..=19) && is_workday(self.local_ms);
        if self.account.commuter && rush { 0.35 } else { 0.0 }
    }

    /// Three to eight taps of a fare within minutes, at stops a few hundred metres apart.
    fn ride(&mut self) {
        let city = self.account.city();
        let carrier = Merchant::shop(city, world::TRANSIT, 0);
        let mut after = 0;
        for _ in 0..self.random.between(3, 8) {
            let mut draft = self.visit(after, carrier, 1.0);
            draft.truth = odd(HardNegative::Transit);
            if let Some(used) = &mut draft.card {
                used.entry = Entry::Contactless;
                used.till = u8::try_from(self.random.below(40)).expect("forty gates");
            }
            draft.channel = Some(TxChannel::Contactless);
            self.push(draft);
            after += self.random.between(40, 240) * SECOND_MS;
        }
    }

    /// A new phone: enrolled, cards put on it, and then used as the old one.
    fn new_phone(&mut self) {
        let first = self.drafts.len();
        self.account.phone.number = self.random.bits();
        self.account.phone.first_seen = self.at;
        self.push_device_event(0, What::DeviceEnrolled);
        self.push_device_event(50 * SECOND_MS, What::StepUpPassed);
        self.push_device_event(3 * MINUTE_MS, What::TokenProvisioned);
        self.push_device_event(6 * MINUTE_MS, What::Login);
        let merchant = Merchant::net(0, popular(self.random.unit(), SHOPS_ON_NET));
        let after = self.random.between(10, 90) * MINUTE_MS;
        let order = self.order(after, merchant, Entry::ManualKey, 1.0);
        self.push(order);
        for draft in &mut self.drafts[first..] {
            draft.truth = odd(HardNegative::NewPhone);
        }
    }

    /// A sofa, a laptop, a holiday: many times the usual amount.
    fn big_purchase(&mut self) {
        let scale = self.random.real(6.0, 16.0);
        let draft = if self.random.chance(0.5) {
            let category = self.random.pick(&[world::ELECTRONICS, world::HOME_IMPROVEMENT]);
            let merchant = Merchant::shop(self.account.city(), category, self.random.below(SHOPS_PER_CITY));
            self.visit(0, merchant, scale)
        } else {
            let category = self.random.pick(&[world::NET_ELECTRONICS, world::AIRLINES]);
            let merchant = Merchant::net(category, self.random.below(SHOPS_ON_NET));
            self.order(0, merchant, Entry::ManualKey, scale)
        };
        self.push(Draft { truth: odd(HardNegative::BigPurchase), ..draft });
    }

    /// A forgotten password or a new payee, a challenge passed, and a large payment.
    fn new_payee(&mut self) {
        let first = self.drafts.len();
        if self.random.chance(0.35) {
            self.push_device_event(0, What::PasswordReset);
        }
        self.push_device_event(MINUTE_MS, What::Login);
        let payee = Payee::Elsewhere(self.random.bits());
        let added = Draft::new(self.after(3 * MINUTE_MS), self.account.number, What::PayeeAdded);
        self.push(Draft { payee: Some(payee), ..added.on(self.account.phone()) });
        if self.random.chance(0.85) {
            self.push_device_event(4 * MINUTE_MS, What::StepUpPassed);
        }
        let share = Sum::OfBalance(self.random.between(50, 450));
        let draft =
            Draft::payment(self.after(6 * MINUTE_MS), self.account.number, What::Transfer, payee, share);
        self.push(draft.on(self.account.phone()));
        for draft in &mut self.drafts[first..] {
            draft.truth = odd(HardNegative::NewPayee);
        }
    }

    fn change_pin(&mut self) {
        self.push_device_event(0, What::Login);
        self.push_device_event(40 * SECOND_MS, What::PinChange);
    }

    fn change_contact(&mut self) {
        self.push_device_event(0, What::Login);
        self.push_device_event(50 * SECOND_MS, What::ContactChange);
        self.push_device_event(90 * SECOND_MS, What::StepUpPassed);
    }

    /// Four to fifteen small purchases in the customer's game.
    fn play(&mut self) {
        let bits = self.account.trait_bits(self.seed, 230);
        let game = Merchant::net(world::GAMES, popular(scattered_unit(bits), SHOPS_ON_NET));
        let mut after = 0;
        for _ in 0..self.random.between(4, 15) {
            let price = self.random.pick(&[0.99, 0.99, 1.99, 4.99, 9.99]);
            let mut draft = self.order(after, game, Entry::CredentialOnFile, 1.0);
            draft.sum = Sum::Fixed(self.account.home_city().minor(price));
            draft.truth = odd(HardNegative::GamePurchases);
            self.push(draft);
            after += self.random.between(20, 200) * SECOND_MS;
        }
    }

    /// A firm pays its people: the same payees every month, within minutes.
    pub fn pay_run(&mut self) {
        let bits = self.account.trait_bits(self.seed, 231);
        let people = 4 + bits % 9;
        let each = self.account.wage / i64::try_from(2 * people).expect("few people");
        self.push_device_event(0, What::Login);
        for place in 0..people {
            let payee = Payee::Elsewhere(self.account.trait_bits(self.seed, 240 + place));
            let pay = Sum::Fixed(floor(
                real(each) * (0.7 + 0.6 * scattered_unit(self.account.trait_bits(self.seed, 240 + place))),
            ));
            let seconds = 60 + 9 * i64::try_from(place).expect("few people");
            let draft = Draft::payment(
                self.after(seconds * SECOND_MS),
                self.account.number,
                What::Transfer,
                payee,
                pay,
            );
            let truth = odd(HardNegative::PayRun);
            self.push(Draft { truth, fate: Fate::Funds, ..draft.on(self.account.phone()) });
        }
    }
}
