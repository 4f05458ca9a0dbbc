//! The bank: opens one minute after the other, lets accounts live and thieves start, and settles drafts in the order of
//! time.
//!
//! Settling is where a draft becomes an event: a sequence number, approved or declined, and the balance after it.

use super::accounts::Account;
use super::attacks::Attack;
use super::calendar::{AHEAD_MS_MAX, Calendar, Reason, Wake};
use super::campaigns::{Campaign, CampaignId, CampaignKind, Reports, Schedule};
use super::civil::Zones;
use super::draft::{Draft, Fate, Payee, Sum, Truth, TruthKind, What};
use super::habits::{EVENTS_PER_SCENE, Scene};
use super::ids::{account_id, terminal_id};
use super::random::{Random, Stream, floor, real, scatter};
use super::rhythm::{Rhythm, Season, next_duty};
use super::settings::SimulationSettings;
use super::settled::Settled;
use super::sightings::{Sighting, Sightings};
use crate::batch::Timestamp;
use tripline_rules::time::{DAY_MS, MINUTE_MS, SECOND_MS};

/// Nobody does two things within ten minutes, the steps of one scene aside.
const REST_MS: i64 = 10 * MINUTE_MS;
/// A campaign that found nobody tries again so much later, so often.
const AGAIN_MS: i64 = 3 * MINUTE_MS;
const TRIES_MAX: u32 = 400;
/// The receiving leg of a payment inside the bank follows so much later.
const LEG_MS: i64 = 1_500;

/// A campaign whose time has come.
struct Due {
    at: Timestamp,
    kind: CampaignKind,
    pace: f64,
    reports: Reports,
    tries: u32,
}

/// Everything that lives.
pub(super) struct Bank {
    seed: u64,
    accounts: Vec<Account>,
    rhythms: [Rhythm; 2],
    zones: Zones,
    calendar: Calendar,
    schedule: Schedule,
    waiting: Vec<Due>,
    campaigns: Vec<Campaign>,
    attempts: u32,
    sightings: Sightings,
    /// Drafts of the opened minute, in order, and how many of them are settled.
    now: Vec<Draft>,
    settled: usize,
    scratch: Vec<Draft>,
}

impl Bank {
    /// The bank at the start of a simulation.
    pub fn new(settings: &SimulationSettings) -> Bank {
        let start = settings.start;
        let scenes = settings.events_per_account_day / EVENTS_PER_SCENE;
        let mut bank = Bank {
            seed: settings.seed,
            accounts: (0..settings.accounts)
                .map(|number| Account::new(settings.seed, number, start, scenes))
                .collect(),
            rhythms: Rhythm::both(),
            zones: Zones::new(),
            calendar: Calendar::new(start),
            schedule: Schedule::new(&settings.campaigns, settings.seed, start),
            waiting: Vec::new(),
            campaigns: Vec::new(),
            attempts: 0,
            sightings: Sightings::default(),
            now: Vec::new(),
            settled: 0,
            scratch: Vec::new(),
        };
        bank.zones.advance(start);
        for number in 0..settings.accounts {
            let from = start.max(bank.accounts[number as usize].opened);
            bank.sleep(number, from);
            bank.await_duty(number, from);
        }
        bank
    }

    /// Accounts.
    pub fn account(&self, number: u32) -> &Account {
        &self.accounts[number as usize]
    }

    /// Days on which accounts were open, summed over the accounts.
    pub fn account_days(&self, from: Timestamp, until: Timestamp) -> f64 {
        let open_ms = |account: &Account| (until.0 - from.max(account.opened).0).max(0);
        self.accounts.iter().map(|account| real(open_ms(account)) / real(DAY_MS)).sum()
    }

    /// Campaigns so far, by number.
    pub fn campaigns(&self) -> &[Campaign] {
        &self.campaigns
    }

    /// When the next draft falls due, if that is before a time.
    pub fn due_before(&mut self, until: Timestamp) -> Option<Timestamp> {
        while self.settled == self.now.len() {
            if self.calendar.opened_until() >= until {
                return None;
            }
            self.open_minute();
        }
        Some(self.now[self.settled].at).filter(|at| *at < until)
    }

    /// Settles the next draft, which [`Bank::due_before`] has found.
    pub fn settle_next(&mut self) -> Settled {
        let draft = self.now[self.settled];
        self.settled += 1;
        self.settle(draft)
    }

    fn open_minute(&mut self) {
        let from = self.calendar.opened_until();
        let mut minute = self.calendar.open();
        self.zones.advance(from);
        self.now.clear();
        self.settled = 0;
        self.now.append(&mut minute.drafts);
        self.start_campaigns();
        // A wake drawn into this same minute moves to the next one.
        for wake in &minute.wakes {
            self.wake(*wake);
        }
        self.calendar.recycle(minute);
        self.now.sort_by_key(|draft| (draft.at, draft.account));
    }

    /// Puts drafts where they fall due.
    fn distribute(&mut self) {
        let end = self.calendar.opened_until();
        for draft in self.scratch.drain(..) {
            if draft.at < end { self.now.push(draft) } else { self.calendar.draft(draft) }
        }
    }

    fn wake(&mut self, wake: Wake) {
        match wake.reason {
            Reason::Sleep => self.sleep(wake.account, wake.at),
            Reason::Live => {
                let (rested, gap) = self.scene(wake.account, wake.at, |scene| scene.live());
                self.sleep_for(wake.account, rested, gap);
            }
            Reason::Do(duty) => {
                self.scene(wake.account, wake.at, |scene| {
                    scene.duty(duty);
                    None
                });
                self.await_duty(wake.account, wake.at);
            }
        }
    }

    /// Plays a scene. Gives back when the account has rested from it, and how long it sleeps then (exponential, mean
    /// 1).
    fn scene(
        &mut self,
        number: u32,
        at: Timestamp,
        play: impl FnOnce(&mut Scene) -> Option<Timestamp>,
    ) -> (Timestamp, f64) {
        let account = &mut self.accounts[number as usize];
        let local_ms = at.0 + self.zones.offset_ms(account.city());
        let random = account.random(self.seed);
        let season = Season::of(account, local_ms);
        let mut scene =
            Scene { seed: self.seed, account, at, local_ms, season, random, drafts: &mut self.scratch };
        let busy_until = play(&mut scene).unwrap_or(at);
        let gap = scene.random.exponential();
        let last = self.scratch.iter().map(|draft| draft.at).fold(busy_until, Timestamp::max);
        self.distribute();
        (Timestamp(last.0 + REST_MS), gap)
    }

    /// Draws when an account that has rested wakes to its next scene.
    fn sleep(&mut self, number: u32, from: Timestamp) {
        let gap = self.accounts[number as usize].random(self.seed).exponential();
        self.sleep_for(number, from, gap);
    }

    /// Puts the next scene `gap` mean gaps later.
    fn sleep_for(&mut self, number: u32, from: Timestamp, gap: f64) {
        let account = &self.accounts[number as usize];
        let local_ms = from.0 + self.zones.offset_ms(account.city());
        let pace = account.scenes_per_day * Season::of(account, local_ms).factor();
        let days = gap / pace.max(1e-6);
        let ahead = self.rhythms[Rhythm::of(account)].after(local_ms, days.min(400.0));
        let now = self.calendar.opened_until().0;
        let wake = if from.0 + ahead > now + AHEAD_MS_MAX {
            Wake { at: Timestamp(from.0.max(now + AHEAD_MS_MAX)), account: number, reason: Reason::Sleep }
        } else {
            Wake { at: Timestamp(from.0 + ahead), account: number, reason: Reason::Live }
        };
        self.calendar.wake(Wake { at: Timestamp(wake.at.0.max(now)), ..wake });
    }

    fn await_duty(&mut self, number: u32, after: Timestamp) {
        let account = &self.accounts[number as usize];
        let (at, duty) = next_duty(account, self.seed, after, self.zones.offset_ms(account.home));
        self.calendar.wake(Wake { at, account: number, reason: Reason::Do(duty) });
    }

    fn start_campaigns(&mut self) {
        let until = self.calendar.opened_until();
        while let Some((at, kind, pace, reports)) = self.schedule.next_before(until) {
            self.waiting.push(Due { at, kind, pace, reports, tries: 0 });
        }
        for mut due in std::mem::take(&mut self.waiting) {
            if due.at >= until {
                self.waiting.push(due);
            } else if !self.start_campaign(&due) && due.tries < TRIES_MAX {
                due.at.0 += AGAIN_MS;
                due.tries += 1;
                self.waiting.push(due);
            }
        }
    }

    fn start_campaign(&mut self, due: &Due) -> bool {
        let id = CampaignId(u32::try_from(self.campaigns.len() + 1).expect("fewer than 2^32 campaigns"));
        self.attempts += 1;
        let mut attack = Attack {
            id,
            kind: due.kind,
            at: due.at,
            pace: due.pace,
            reports: due.reports,
            random: Random::new(self.seed, Stream::Campaign(self.attempts), 0),
            accounts: &mut self.accounts,
            sightings: &mut self.sightings,
            drafts: &mut self.scratch,
        };
        let Some(plan) = attack.plan() else {
            self.scratch.clear();
            return false;
        };
        let last = self.scratch.iter().map(|draft| draft.at).fold(due.at, Timestamp::max);
        self.campaigns.push(Campaign {
            id,
            kind: due.kind,
            accounts: plan.victims.into_iter().map(account_id).collect(),
            terminals: plan
                .tills
                .into_iter()
                .map(|(shop, till)| terminal_id(self.seed, shop, till))
                .collect(),
            first_fraud_at: due.at,
            last_fraud_at: last,
            stake_cents: plan.stake_cents,
            lost_cents: 0,
        });
        self.distribute();
        true
    }

    fn settle(&mut self, mut draft: Draft) -> Settled {
        let account = &mut self.accounts[draft.account as usize];
        account.sequence += 1;
        let sequence = account.sequence;
        let asked = match draft.sum {
            Sum::None => None,
            Sum::Fixed(minor) => Some(minor.max(1)),
            Sum::OfBalance(parts) => Some((account.balance / 1_000 * parts).max(1)),
        };
        let (amount, declined) = if draft.incoming { (asked, None) } else { decide(account, &draft, asked) };
        if let Some(amount) = amount.filter(|_| declined.is_none()) {
            account.balance += if draft.incoming { amount } else { -amount };
        }
        let balance = account.balance;
        let moved = amount.filter(|_| declined.is_none() && !draft.incoming);
        let lost_cents = match (draft.truth.kind, moved) {
            (TruthKind::Fraud(_), Some(amount)) => account.home_city().cents(amount),
            _ => 0,
        };
        if moved.is_some() {
            self.follow_up(&mut draft, sequence, amount);
        }
        self.account_for(&draft, lost_cents);
        Settled { draft, sequence, amount, balance, declined, lost_cents }
    }

    /// What an approved movement of money leads to: a report, the other leg, being seen.
    fn follow_up(&mut self, draft: &mut Draft, sequence: u32, amount: Option<i64>) {
        if let Some((outcome, after)) = draft.report {
            let truth = Truth { campaign: draft.truth.campaign, kind: TruthKind::Genuine };
            let label = Draft::new(Timestamp(draft.at.0 + after), draft.account, What::Label);
            self.insert(Draft { truth, about: Some((sequence, outcome)), ..label });
        }
        if let (Some(Payee::Account(payee)), Some(amount)) = (draft.payee, amount) {
            let link = scatter(self.seed, u64::from(draft.account) + 16, 1 << 32 | u64::from(sequence));
            draft.link = Some(link);
            let open = self.accounts.get(payee as usize).is_some_and(|account| account.opened <= draft.at);
            if open && payee != draft.account {
                // Both sides keep their own currency.
                let dollars = self.accounts[draft.account as usize].home_city().cents(amount);
                let minor = self.accounts[payee as usize].home_city().minor(real(dollars) / 100.0);
                let sender = Payee::Account(draft.account);
                let leg = Draft::payment(
                    Timestamp(draft.at.0 + LEG_MS),
                    payee,
                    draft.what,
                    sender,
                    Sum::Fixed(minor),
                );
                self.insert(Draft { incoming: true, link: Some(link), ..leg });
            }
        }
        let Some(used) = draft.card.filter(|_| draft.card_present() && !draft.truth.is_fraud()) else {
            return;
        };
        if let Some(city) = used.merchant.city() {
            let seen = Sighting { at: draft.at, account: draft.account, card: used.card, city };
            self.sightings.see(seen, (used.merchant, used.till), used.merchant.is_busy() && used.till == 0);
        }
    }

    /// Takes in a draft that may still fall into the opened minute.
    fn insert(&mut self, draft: Draft) {
        if draft.at >= self.calendar.opened_until() {
            return self.calendar.draft(draft);
        }
        let rest = &self.now[self.settled..];
        let place = rest.partition_point(|other| (other.at, other.account) <= (draft.at, draft.account));
        self.now.insert(self.settled + place, draft);
    }

    fn account_for(&mut self, draft: &Draft, lost_cents: i64) {
        if let Some(CampaignId(number)) = draft.truth.campaign {
            self.campaigns[number as usize - 1].lost_cents += lost_cents;
        }
    }
}

/// The amount that moves, and why not, if it does not.
fn decide(account: &Account, draft: &Draft, asked: Option<i64>) -> (Option<i64>, Option<&'static str>) {
    let Some(asked) = asked else { return (None, None) };
    let overdraft = floor(real(account.wage) * 0.1);
    match draft.fate {
        Fate::Declined(code) => (Some(asked), Some(code)),
        _ if asked <= account.balance + overdraft => (Some(asked), None),
        Fate::Careful if account.balance > 0 => (Some((account.balance / 8).max(1)), None),
        Fate::Careful | Fate::Funds => (Some(asked), Some("51")),
    }
}

const _: () = assert!(LEG_MS > SECOND_MS, "a leg never falls before the payment it belongs to");
