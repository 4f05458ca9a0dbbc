//! How thieves go about it: each kind of campaign as a plan of drafts on its victims' accounts.
//!
//! A plan looks at the bank as it is at the start (balances, who was just in a shop, who was at a watched terminal) and
//! never at what will be alerted.

use super::accounts::Account;
use super::campaigns::{CampaignId, CampaignKind, Reports};
use super::draft::{
    CardUse, Device, Draft, Entry, Fate, Outcome, Payee, Sum, ThreeDs, Truth, TruthKind, What,
};
use super::random::{Random, floor, real};
use super::sightings::Sightings;
use super::world::{self, CITIES, Merchant, SHOPS_ON_NET, SHOPS_PER_CITY};
use crate::batch::Timestamp;
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// How often a plan looks for somebody who fits.
const TRIES: u32 = 200;
/// A victim is left in peace that long: alerts of a day are still about the campaign before.
const PEACE_MS: i64 = DAY_MS;
/// Cards of a compromised terminal.
const EXPOSED_MIN: usize = 4;
const EXPOSED_MAX: usize = 24;
/// The same where campaigns follow each other faster than usual: a bank has only so many customers to strike.
const EXPOSED_IN_HASTE_MAX: usize = 10;
/// A copy is used at least this far away.
const CLONE_KM_MIN: f64 = 2_500.0;
/// How many approved frauds are reported.
const REPORTED_SHARE: f64 = 0.9;
/// An account younger than this is young.
const YOUNG_MS: i64 = 90 * DAY_MS;

/// What a plan will do.
pub(super) struct Plan {
    pub victims: Vec<u32>,
    /// Tills: where cards were copied first, then where the copies are used.
    pub tills: Vec<(Merchant, u8)>,
    pub stake_cents: i64,
}

/// A campaign in the making.
pub(super) struct Attack<'a> {
    pub id: CampaignId,
    pub kind: CampaignKind,
    pub at: Timestamp,
    pub pace: f64,
    pub reports: Reports,
    pub random: Random,
    pub accounts: &'a mut [Account],
    pub sightings: &'a mut Sightings,
    pub drafts: &'a mut Vec<Draft>,
}

impl Attack<'_> {
    /// Drafts the campaign; `None` when nobody fits now.
    pub fn plan(&mut self) -> Option<Plan> {
        let plan = match self.kind {
            CampaignKind::CardTesting => self.card_testing(),
            CampaignKind::ClonedCard => self.cloned_card(),
            CampaignKind::TakeoverDrain => self.takeover(),
            CampaignKind::CompromisedTerminal => self.compromised_terminal(),
            CampaignKind::P2pMule => self.mule(),
        }?;
        for victim in &plan.victims {
            self.accounts[*victim as usize].struck_until = Timestamp(self.at.0 + PEACE_MS);
        }
        Some(plan)
    }

    fn card_testing(&mut self) -> Option<Plan> {
        let victim = self.victim(|account| account.balance > account.home_city().minor(150.0))?;
        let city = self.accounts[victim as usize].home_city();
        let card =
            1 + u8::try_from(self.random.below(u32::from(self.accounts[victim as usize].cards))).expect("3");
        let device = self.stranger();
        let mut after = 0;
        for _ in 0..self.random.between(12, 22) {
            let category = self.random.pick(&[0, world::GAMES, world::SUBSCRIPTIONS, world::CHARITIES]);
            let merchant = Merchant::net(category, self.random.below(SHOPS_ON_NET));
            let guessed = self.random.chance(0.55);
            let used = net_use(card, merchant, guessed, ThreeDs::None);
            let dollars = self.random.real(0.30, 1.60);
            let fate = if guessed { Fate::Funds } else { Fate::Declined("82") };
            let draft = Draft::card(self.at_after(after), victim, used, Sum::Fixed(city.minor(dollars)));
            self.fraud(Draft { fate, ..draft.on(device) });
            after += self.random.between(10, 50) * SECOND_MS;
        }
        let mut stake = 0;
        after += self.random.between(10, 40) * MINUTE_MS;
        for _ in 0..self.random.between(2, 3) {
            let category = self.random.pick(&[world::NET_ELECTRONICS, world::QUASI_CASH]);
            let merchant = Merchant::net(category, self.random.below(SHOPS_ON_NET));
            let sum = city.minor(self.random.real(180.0, 900.0));
            let used = net_use(card, merchant, true, ThreeDs::None);
            let draft = Draft::card(self.at_after(after), victim, used, Sum::Fixed(sum));
            self.fraud(Draft { fate: Fate::Funds, ..draft.on(device) });
            stake += city.cents(sum);
            after += self.random.between(2, 9) * MINUTE_MS;
        }
        Some(Plan { victims: vec![victim], tills: Vec::new(), stake_cents: stake })
    }

    fn cloned_card(&mut self) -> Option<Plan> {
        let since = Timestamp(self.at.0 - HOUR_MS);
        let seen = self
            .sightings
            .recent()
            .find(|seen| seen.at >= since && self.accounts[seen.account as usize].struck_until < self.at)?;
        let (victim, card) = (seen.account, seen.card);
        let here = &CITIES[usize::from(seen.city)];
        let far: Vec<u8> = (0u8..)
            .zip(&CITIES)
            .filter(|(_, city)| here.km_to(city) >= CLONE_KM_MIN)
            .map(|(at, _)| at)
            .collect();
        let there = self.random.pick(&far);
        let city = self.accounts[victim as usize].home_city();
        let (mut after, mut stake) = (0, 0);
        for _ in 0..self.random.between(3, 6) {
            let category = self.random.pick(&[world::ELECTRONICS, world::GROCERIES, world::FUEL, 5]);
            let merchant = Merchant::shop(there, category, self.random.below(SHOPS_PER_CITY));
            let entry = self.random.pick(&[Entry::MagStripe, Entry::Fallback, Entry::Contactless]);
            let till = u8::try_from(self.random.below(3)).expect("three tills");
            let used = CardUse { card, merchant, till, entry, net: None };
            let sum = city.minor(self.random.log_normal(160.0, 0.6));
            let draft = Draft::card(self.at_after(after), victim, used, Sum::Fixed(sum));
            self.fraud(Draft { fate: Fate::Funds, ..draft });
            stake += city.cents(sum);
            after += self.random.between(4, 15) * MINUTE_MS;
        }
        Some(Plan { victims: vec![victim], tills: Vec::new(), stake_cents: stake })
    }

    fn takeover(&mut self) -> Option<Plan> {
        let victim = self.victim(|account| account.balance > account.home_city().minor(600.0))?;
        let balance = self.accounts[victim as usize].balance;
        let stake = self.accounts[victim as usize].home_city().cents(balance);
        let device = self.stranger();
        let payees = [self.random.bits(), self.random.bits()].map(Payee::Elsewhere);
        let mut after = 0;
        let mut steps = vec![What::PasswordReset, What::Login, What::DeviceEnrolled, What::PayeeAdded];
        if self.random.chance(0.5) {
            steps.insert(2, What::ContactChange);
        }
        for what in steps {
            let payee = (what == What::PayeeAdded).then_some(payees[0]);
            self.fraud(Draft { payee, ..Draft::new(self.at_after(after), victim, what).on(device) });
            after += self.random.between(40, 240) * SECOND_MS;
        }
        let what = self.random.pick(&[What::P2p, What::Transfer]);
        for part in 0..self.random.between(3, 4) {
            let payee = payees[usize::from(part == 2)];
            let share = Sum::OfBalance(self.random.between(480, 750));
            self.fraud(Draft::payment(self.at_after(after), victim, what, payee, share).on(device));
            after += self.random.between(2, 9) * MINUTE_MS;
        }
        Some(Plan { victims: vec![victim], tills: Vec::new(), stake_cents: stake })
    }

    fn compromised_terminal(&mut self) -> Option<Plan> {
        let can_be_struck = |account: u32| self.accounts[account as usize].struck_until < self.at;
        let watch = self.sightings.best_watch(can_be_struck, EXPOSED_MIN)?;
        let most = if self.pace > 1.0 { EXPOSED_IN_HASTE_MAX } else { EXPOSED_MAX };
        let free: Vec<(u32, u8)> =
            watch.visitors().filter(|(account, _)| can_be_struck(*account)).take(most).collect();
        let (skimmed, city) = (watch.till, watch.city);
        self.sightings.close(skimmed);
        let fences = [world::ELECTRONICS, world::HOME_IMPROVEMENT].map(|category| {
            let shop = Merchant::shop(city, category, self.random.below(SHOPS_PER_CITY));
            (shop, u8::try_from(self.random.below(3)).expect("three tills"))
        });
        let (mut after, mut stake) = (0, 0);
        for (account, card) in &free {
            let (merchant, till) = self.random.pick(&fences);
            let used = CardUse { card: *card, merchant, till, entry: Entry::MagStripe, net: None };
            let home = self.accounts[*account as usize].home_city();
            let sum = home.minor(self.random.log_normal(190.0, 0.5));
            let draft = Draft::card(self.at_after(after), *account, used, Sum::Fixed(sum));
            self.fraud(Draft { fate: Fate::Funds, ..draft });
            stake += home.cents(sum);
            after += self.random.between(30, 140) * SECOND_MS;
        }
        let tills = [skimmed].into_iter().chain(fences).collect();
        Some(Plan {
            victims: free.into_iter().map(|(account, _)| account).collect(),
            tills,
            stake_cents: stake,
        })
    }

    fn mule(&mut self) -> Option<Plan> {
        let young = Timestamp(self.at.0 - YOUNG_MS);
        let mule = self.victim(|account| account.opened > young)?;
        let city = self.accounts[mule as usize].home_city();
        let device = self.accounts[mule as usize].phone();
        let mut total = 0;
        let mut after = 0;
        for _ in 0..self.random.between(2, 5) {
            let sum = city.minor(self.random.real(250.0, 1_400.0));
            let payer = Payee::Elsewhere(self.random.bits());
            let draft = Draft::payment(self.at_after(after), mule, What::P2p, payer, Sum::Fixed(sum));
            self.fraud(Draft { incoming: true, ..draft });
            total += sum;
            after += self.random.between(2, 7) * MINUTE_MS;
        }
        after += self.random.between(1, 6) * MINUTE_MS;
        let out = floor(real(total) * self.random.real(0.84, 1.04));
        let parts = self.random.between(3, 7);
        let mut left = out;
        for part in 0..parts {
            let fair = real(left) / real(parts - part);
            let sum = if part + 1 == parts { left } else { floor(fair * self.random.real(0.75, 1.2)) };
            left -= sum;
            let payee = Payee::Elsewhere(self.random.bits());
            let draft = Draft::payment(self.at_after(after), mule, What::P2p, payee, Sum::Fixed(sum.max(1)));
            self.fraud(draft.on(device));
            after += self.random.between(1, 8) * MINUTE_MS;
        }
        Some(Plan { victims: vec![mule], tills: Vec::new(), stake_cents: city.cents(out) })
    }

    /// Takes a step of the campaign in, and the report that will follow it.
    fn fraud(&mut self, mut draft: Draft) {
        draft.truth = Truth { campaign: Some(self.id), kind: TruthKind::Fraud(self.kind) };
        let moves_money = draft.sum != Sum::None && !draft.incoming;
        if moves_money && self.random.chance(REPORTED_SHARE) {
            let after = match self.reports {
                Reports::ByVictims => floor(self.random.real(1.0, 10.0) * real(DAY_MS)),
                Reports::Together(at) => {
                    (at.0 - draft.at.0).max(MINUTE_MS) + self.random.between(0, 20 * SECOND_MS)
                }
            };
            draft.report = Some((Outcome::Fraud, after));
        }
        self.drafts.push(draft);
    }

    /// A step's time, at the thieves' pace.
    fn at_after(&self, ms: i64) -> Timestamp {
        Timestamp(self.at.0 + floor(real(ms) / self.pace))
    }

    /// A device that the bank never saw, anywhere.
    fn stranger(&mut self) -> Device {
        let city = u8::try_from(self.random.below(40)).expect("40 cities");
        Device { number: self.random.bits(), first_seen: self.at, city }
    }

    /// Somebody who fits, is a customer already and was not struck lately.
    fn victim(&mut self, fits: impl Fn(&Account) -> bool) -> Option<u32> {
        let count = u32::try_from(self.accounts.len()).expect("accounts are numbered by u32");
        (0..TRIES).find_map(|_| {
            let number = self.random.below(count);
            let account = &self.accounts[number as usize];
            let free = account.struck_until < self.at && account.opened.0 + DAY_MS < self.at.0;
            (free && fits(account)).then_some(number)
        })
    }
}

fn net_use(card: u8, merchant: Merchant, cvv_ok: bool, threeds: ThreeDs) -> CardUse {
    CardUse { card, merchant, till: 0, entry: Entry::ManualKey, net: Some((cvv_ok, threeds)) }
}
