//! Everyday life: shopping, the net, cash, friends, bills; one scene at a time.
//!
//! A scene is a few drafts at and after one moment. What only looks like fraud is in [`super::hard_negatives`].

use super::accounts::{Account, Segment, popular};
use super::draft::{CardUse, Draft, Entry, Fate, Outcome, Payee, Sum, ThreeDs, TxChannel, What};
use super::random::{Random, floor, real};
use super::rhythm::{Duty, Season};
use super::world::{self, CITIES, Merchant, NET, SHOPS, SHOPS_ON_NET, SHOPS_PER_CITY};
use crate::batch::Timestamp;
use tripline_rules::time::{DAY_MS, MINUTE_MS, SECOND_MS};

/// Mean events of a scene, measured; the wanted events a day are divided by it.
pub(super) const EVENTS_PER_SCENE: f64 = 1.3;

/// One moment of an account's life.
pub(super) struct Scene<'a> {
    pub seed: u64,
    pub account: &'a mut Account,
    pub at: Timestamp,
    /// Local time where the customer is.
    pub local_ms: i64,
    pub season: Season,
    pub random: Random,
    pub drafts: &'a mut Vec<Draft>,
}

impl Scene<'_> {
    /// Takes a draft in.
    pub fn push(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    /// Something without money on the customer's phone.
    pub fn push_device_event(&mut self, after_ms: i64, what: What) {
        let draft = Draft::new(self.after(after_ms), self.account.number, what).on(self.account.phone());
        self.push(draft);
    }

    /// A time after this moment.
    pub fn after(&self, ms: i64) -> Timestamp {
        Timestamp(self.at.0 + ms)
    }

    /// Everyday life.
    pub fn everyday(&mut self) {
        let weights: [f64; 6] = match self.account.segment {
            Segment::Business => [30.0, 25.0, 2.0, 25.0, 12.0, 2.0],
            Segment::Minor => [70.0, 12.0, 3.0, 8.0, 7.0, 1.0],
            Segment::Retail | Segment::Student | Segment::Private => [58.0, 18.0, 4.0, 7.0, 10.0, 1.0],
        };
        match self.random.weighted(weights.into_iter()) {
            0 => self.shop(),
            1 => self.shop_on_net(),
            2 => self.draw_cash(),
            3 => self.pay_a_friend(),
            4 => self.push_device_event(0, What::Login),
            _ => self.refund(),
        }
    }

    /// A visit to a shop of the city.
    pub fn shop(&mut self) {
        let merchant = self.some_shop();
        let draft = self.visit(0, merchant, 1.0);
        self.push(draft);
        // Now and then a coffee on the way.
        if self.random.chance(0.12) {
            let coffee = Merchant::shop(self.account.city(), 2, popular(self.random.unit(), SHOPS_PER_CITY));
            let after = self.random.between(12, 40) * MINUTE_MS;
            let draft = self.visit(after, coffee, 1.0);
            self.push(draft);
        }
    }

    /// A shop: at home mostly a favourite one, away any.
    pub fn some_shop(&mut self) -> Merchant {
        if self.account.trip.is_none() && self.random.chance(0.75) {
            return self.account.favourite(self.seed, Account::favourite_place(&mut self.random));
        }
        let kind = self.random.weighted(SHOPS.iter().map(|shop| shop.weight));
        let category = u8::try_from(kind).expect("18 kinds of shop");
        Merchant::shop(self.account.city(), category, popular(self.random.unit(), SHOPS_PER_CITY))
    }

    /// A card-present purchase, `scale` times the usual basket.
    pub fn visit(&mut self, after_ms: i64, merchant: Merchant, scale: f64) -> Draft {
        let entry = match self.random.unit() {
            u if u < 0.60 => Entry::Contactless,
            u if u < 0.97 => Entry::Chip,
            u if u < 0.985 => Entry::MagStripe,
            u if u < 0.993 => Entry::Fallback,
            _ => Entry::ManualKey,
        };
        let till = u8::try_from(self.random.below(3)).expect("three tills");
        let used = CardUse { card: self.some_card(), merchant, till, entry, net: None };
        let sum = self.basket(merchant, scale);
        let mut draft = Draft::card(self.after(after_ms), self.account.number, used, sum);
        self.blemish(&mut draft);
        draft
    }

    /// A purchase on the net.
    pub fn order(&mut self, after_ms: i64, merchant: Merchant, entry: Entry, scale: f64) -> Draft {
        let secure = match self.random.unit() {
            u if u < 0.5 => ThreeDs::None,
            u if u < 0.88 => ThreeDs::Frictionless,
            u if u < 0.985 => ThreeDs::Challenge,
            _ => ThreeDs::Failed,
        };
        let net = Some((self.random.chance(0.985), secure));
        let used = CardUse { card: self.some_card(), merchant, till: 0, entry, net };
        let sum = self.basket(merchant, scale);
        let mut draft =
            Draft::card(self.after(after_ms), self.account.number, used, sum).on(self.account.phone());
        self.blemish(&mut draft);
        draft
    }

    fn shop_on_net(&mut self) {
        let kind = self.random.weighted(NET.iter().map(|shop| shop.weight));
        let category = u8::try_from(kind).expect("11 kinds of shop");
        // Half of the orders go to the one or two shops where the customer has an account.
        let number = if self.random.chance(0.5) {
            let bits = self
                .account
                .trait_bits(self.seed, 300 + u64::from(category) * 2 + u64::from(self.random.below(2)));
            u32::try_from(bits % u64::from(SHOPS_ON_NET)).expect("few shops")
        } else {
            popular(self.random.unit(), SHOPS_ON_NET)
        };
        let entry = if self.random.chance(0.6) { Entry::CredentialOnFile } else { Entry::ManualKey };
        let draft = self.order(0, Merchant::net(category, number), entry, 1.0);
        self.push(draft);
    }

    fn draw_cash(&mut self) {
        let machine =
            Merchant::shop(self.account.city(), world::CASH, popular(self.random.unit(), SHOPS_PER_CITY));
        let used =
            CardUse { card: self.some_card(), merchant: machine, till: 0, entry: Entry::Chip, net: None };
        let notes = 1.0 + f64::from(self.random.below(10));
        let city = self.account.home_city();
        let sum = Sum::Fixed(city.minor(20.0) * floor(notes * self.account.level.max(0.3)).max(1));
        let mut draft = Draft::cash(self.at, self.account.number, used, sum);
        self.blemish(&mut draft);
        self.push(draft);
    }

    fn pay_a_friend(&mut self) {
        let place = u64::from(popular(self.random.unit(), 6));
        let bits = self.account.trait_bits(self.seed, 120 + place);
        let payee = if bits.is_multiple_of(3) {
            Payee::Elsewhere(bits)
        } else {
            Payee::Account(self.account.friend(self.seed, place))
        };
        let firm = self.account.segment == Segment::Business;
        let what = if firm { What::Transfer } else { What::P2p };
        let median = if firm { 260.0 } else { 24.0 * self.account.level };
        let dollars = self.random.log_normal(median, 0.8);
        // Friends elsewhere pay back.
        if matches!(payee, Payee::Elsewhere(_)) && self.random.chance(0.5) {
            let sum = Sum::Fixed(self.account.home_city().minor(dollars));
            let draft = Draft::payment(self.at, self.account.number, what, payee, sum);
            return self.push(Draft { incoming: true, ..draft });
        }
        // People round what they give to friends.
        let sum = Sum::Fixed(self.account.home_city().minor(libm::ceil(dollars / 5.0) * 5.0));
        let mut after = 0;
        if self.random.chance(0.6) {
            self.push_device_event(0, What::Login);
            after = self.random.between(15, 120) * SECOND_MS;
        }
        let draft = Draft::payment(self.after(after), self.account.number, what, payee, sum);
        let draft = Draft { fate: Fate::Careful, ..draft.on(self.account.phone()) };
        self.push(draft);
    }

    fn refund(&mut self) {
        let merchant = self.some_shop();
        let draft = self.visit(0, merchant, 0.8);
        self.push(Draft { what: What::Refund, incoming: true, report: None, ..draft });
    }

    fn some_card(&mut self) -> u8 {
        1 + u8::try_from(popular(self.random.unit(), u32::from(self.account.cards))).expect("three cards")
    }

    /// What a visit costs.
    pub fn basket(&mut self, merchant: Merchant, scale: f64) -> Sum {
        let category = merchant.category();
        let level = libm::sqrt(self.account.level);
        let dollars = self.random.log_normal(category.dollars * level * scale, category.sigma);
        Sum::Fixed(self.account.home_city().minor(dollars))
    }

    /// What goes wrong in everyday life: a wrong PIN, an issuer's no, a customer who does not recognise a purchase.
    fn blemish(&mut self, draft: &mut Draft) {
        let chance = self.random.unit();
        if chance < 0.009 {
            draft.fate = Fate::Declined(if chance < 0.004 { "55" } else { "05" });
        } else if chance < 0.0096 {
            let outcome = if chance < 0.0094 { Outcome::Genuine } else { Outcome::FirstParty };
            draft.report = Some((outcome, floor(self.random.real(1.0, 10.0) * real(DAY_MS))));
        } else if chance < 0.06 {
            draft.fate = Fate::Funds;
        }
    }

    /// A duty of the month.
    pub fn duty(&mut self, duty: Duty) {
        let number = self.account.number;
        let own = |account: &Account, seed, purpose| Payee::Elsewhere(account.trait_bits(seed, purpose));
        match duty {
            Duty::Wage => {
                let employer = own(self.account, self.seed, 210);
                let wage = Sum::Fixed(self.account.wage);
                let draft = Draft::payment(self.at, number, What::Transfer, employer, wage);
                self.push(Draft { incoming: true, channel: Some(TxChannel::Web), ..draft });
                if self.account.balance > 4 * self.account.wage {
                    let savings = own(self.account, self.seed, 211);
                    let draft = Draft::payment(
                        self.after(7 * MINUTE_MS),
                        number,
                        What::Transfer,
                        savings,
                        Sum::Fixed(2 * self.account.wage),
                    );
                    self.push(draft.on(self.account.phone()));
                }
            }
            Duty::Rent => {
                let landlord = own(self.account, self.seed, 212);
                let rent = Sum::Fixed(self.account.home_city().minor(1_000.0 * self.account.level));
                let draft = Draft::payment(self.at, number, What::Transfer, landlord, rent);
                self.push(draft.on(self.account.phone()));
            }
            Duty::Utilities => self.bill(world::UTILITIES, 220),
            Duty::Subscription(which) => self.bill(world::SUBSCRIPTIONS, 221 + u64::from(which)),
            Duty::PayRun => self.pay_run(),
        }
    }

    /// The same merchant and nearly the same amount each month.
    fn bill(&mut self, category: u8, purpose: u64) {
        let bits = self.account.trait_bits(self.seed, purpose);
        let number = u32::try_from(bits % u64::from(SHOPS_ON_NET)).expect("few shops");
        let merchant = Merchant::net(category, number);
        let dollars = merchant.category().dollars * (0.6 + super::random::scattered_unit(bits));
        let used = CardUse {
            card: 1,
            merchant,
            till: 0,
            entry: Entry::CredentialOnFile,
            net: Some((true, ThreeDs::None)),
        };
        let drift = if category == world::UTILITIES { self.random.real(0.85, 1.15) } else { 1.0 };
        let sum = Sum::Fixed(self.account.home_city().minor(dollars * drift));
        let draft = Draft::card(self.at, self.account.number, used, sum);
        self.push(Draft { fate: Fate::Funds, ..draft });
    }

    /// Km from here to another city.
    pub fn km_to(&self, city: u8) -> f64 {
        CITIES[usize::from(self.account.city())].km_to(&CITIES[usize::from(city)])
    }
}
