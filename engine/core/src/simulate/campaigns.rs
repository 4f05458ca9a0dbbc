//! Fraud campaigns: which kinds there are, when they start, and what became of those that did.
//!
//! How each kind goes about it is in [`super::attacks`].

use super::random::{Random, Stream, floor, real};
use crate::batch::Timestamp;
use tripline_rules::time::{DAY_MS, SECOND_MS};

/// Number of a campaign, from 1 in the order in which they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CampaignId(pub u32);

/// A way to steal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CampaignKind {
    /// Many tiny amounts at many net shops, half of them declined, then large ones.
    CardTesting,
    /// A copy of the card is used far away, shortly after the card itself at home.
    ClonedCard,
    /// Password reset, new device, new payee, and most of the balance out.
    TakeoverDrain,
    /// Cards that were used at one terminal are used by others, at other shops.
    CompromisedTerminal,
    /// Money into a young account, and out again to several payees within two hours.
    P2pMule,
}

impl CampaignKind {
    /// All kinds.
    pub const ALL: [CampaignKind; 5] = [
        CampaignKind::CardTesting,
        CampaignKind::ClonedCard,
        CampaignKind::TakeoverDrain,
        CampaignKind::CompromisedTerminal,
        CampaignKind::P2pMule,
    ];

    /// Its name in plain words.
    pub fn name(self) -> &'static str {
        match self {
            CampaignKind::CardTesting => "card testing",
            CampaignKind::ClonedCard => "cloned card",
            CampaignKind::TakeoverDrain => "takeover and drain",
            CampaignKind::CompromisedTerminal => "compromised terminal",
            CampaignKind::P2pMule => "P2P mule",
        }
    }
}

/// When campaigns start.
#[derive(Clone, Debug, PartialEq)]
pub enum Starts {
    /// By chance, so many a day on average, each of a kind drawn from `kinds`.
    Poisson {
        /// Mean per day.
        per_day: f64,
        /// Each as likely.
        kinds: Vec<CampaignKind>,
        /// None before.
        from: Timestamp,
        /// None from then on.
        until: Timestamp,
    },
    /// Exactly then (or some minutes later, when nobody fits as a victim yet).
    At(Vec<(Timestamp, CampaignKind)>),
}

/// When victims report their frauds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// Each about one to ten days after the fraud.
    ByVictims,
    /// All together, a few seconds apart, from then on (as a bank that works through a pile of reports).
    Together(Timestamp),
}

/// Campaigns of one style.
#[derive(Clone, Debug, PartialEq)]
pub struct Wave {
    /// When they start.
    pub starts: Starts,
    /// How many times faster than usual their steps follow each other; 1 is people, 30 is machines.
    pub pace: f64,
    /// When they become known.
    pub reports: Reports,
}

/// All fraud of a simulation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Campaigns {
    /// Styles side by side.
    pub waves: Vec<Wave>,
}

impl Campaigns {
    /// An honest world.
    pub fn none() -> Campaigns {
        Campaigns::default()
    }

    /// Campaigns of all kinds by chance, so many a day, always.
    pub fn poisson(per_day: f64) -> Campaigns {
        let starts = Starts::Poisson {
            per_day,
            kinds: CampaignKind::ALL.to_vec(),
            from: Timestamp(i64::MIN),
            until: Timestamp(i64::MAX),
        };
        Campaigns { waves: vec![Wave { starts, pace: 1.0, reports: Reports::ByVictims }] }
    }

    /// For a show that goes live at `live`, with `speed_up` seconds of events a second: a quiet past with some fraud;
    /// all five kinds start within the first 30 s of watching and another every 7 s or so after that; and a terminal
    /// whose frauds of the last days are reported while one watches. Steps follow each other so fast that a fraud takes
    /// about half a minute of watching.
    pub fn demo(live: Timestamp, speed_up: f64) -> Campaigns {
        const PACE_WATCHED: f64 = 45.0;
        const GAP_WATCHED_SECONDS: f64 = 7.0;
        let watched = |seconds: f64| Timestamp(live.0 + floor(seconds * speed_up * real(SECOND_MS)));
        let pace = (PACE_WATCHED / speed_up).max(1.0);
        let kinds = CampaignKind::ALL.to_vec();
        let past = Starts::Poisson {
            per_day: 1.5,
            kinds: kinds.clone(),
            from: Timestamp(i64::MIN),
            until: Timestamp(live.0 - DAY_MS),
        };
        let opening = [
            (2.0, CampaignKind::CardTesting),
            (7.0, CampaignKind::ClonedCard),
            (12.0, CampaignKind::TakeoverDrain),
            (17.0, CampaignKind::P2pMule),
            (22.0, CampaignKind::CompromisedTerminal),
        ];
        let opening = Starts::At(opening.into_iter().map(|(at, kind)| (watched(at), kind)).collect());
        let per_day = real(DAY_MS / SECOND_MS) / (GAP_WATCHED_SECONDS * speed_up);
        let then = Starts::Poisson { per_day, kinds, from: watched(28.0), until: Timestamp(i64::MAX) };
        let reported = Starts::At(vec![(Timestamp(live.0 - 3 * DAY_MS), CampaignKind::CompromisedTerminal)]);
        let wave = |starts, pace| Wave { starts, pace, reports: Reports::ByVictims };
        let reported = Wave { reports: Reports::Together(watched(10.0)), ..wave(reported, 1.0) };
        Campaigns { waves: vec![wave(past, 1.0), reported, wave(opening, pace), wave(then, pace)] }
    }
}

/// A campaign that has started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Its number.
    pub id: CampaignId,
    /// Its way.
    pub kind: CampaignKind,
    /// Ids of the accounts struck (of a mule: the mule's).
    pub accounts: Vec<String>,
    /// For compromised terminals: the one where the cards were copied, then those where the copies are used.
    pub terminals: Vec<String>,
    /// Time of the first fraudulent event.
    pub first_fraud_at: Timestamp,
    /// Time of the last fraudulent event planned.
    pub last_fraud_at: Timestamp,
    /// What the thieves are after, US cents at the simulation's fixed rates.
    pub stake_cents: i64,
    /// What they got so far: approved frauds, US cents.
    pub lost_cents: i64,
}

/// The next start of each wave.
pub(super) struct Schedule {
    waves: Vec<Wave>,
    /// By wave: the next start, if there is one, and what is left of its explicit ones, latest first.
    next: Vec<Option<(Timestamp, CampaignKind)>>,
    left: Vec<Vec<(Timestamp, CampaignKind)>>,
    random: Random,
}

impl Schedule {
    /// The campaigns of a simulation that begins at `start`. Explicit starts before it are left out.
    pub fn new(campaigns: &Campaigns, seed: u64, start: Timestamp) -> Schedule {
        let mut schedule = Schedule {
            waves: campaigns.waves.clone(),
            next: Vec::new(),
            left: Vec::new(),
            random: Random::new(seed, Stream::Schedule, 0),
        };
        for wave in &campaigns.waves {
            let mut explicit = match &wave.starts {
                Starts::At(starts) => starts.clone(),
                Starts::Poisson { .. } => Vec::new(),
            };
            explicit.retain(|(at, _)| *at >= start);
            explicit.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            schedule.left.push(explicit);
            schedule.next.push(None);
        }
        for wave in 0..schedule.waves.len() {
            schedule.draw(wave, start);
        }
        schedule
    }

    /// The next campaign that starts before a time: when, its kind, and its wave's style.
    pub fn next_before(&mut self, until: Timestamp) -> Option<(Timestamp, CampaignKind, f64, Reports)> {
        let due = (0..self.next.len()).filter_map(|wave| self.next[wave].map(|(at, kind)| (at, wave, kind)));
        let (at, wave, kind) = due.min_by_key(|(at, wave, _)| (*at, *wave)).filter(|(at, ..)| *at < until)?;
        self.draw(wave, at);
        Some((at, kind, self.waves[wave].pace, self.waves[wave].reports))
    }

    fn draw(&mut self, wave: usize, after: Timestamp) {
        self.next[wave] = match &self.waves[wave].starts {
            Starts::At(_) => self.left[wave].pop(),
            Starts::Poisson { per_day, kinds, from, until } => {
                let gap = floor(self.random.exponential() / per_day.max(1e-9) * real(DAY_MS)).max(1);
                let at = Timestamp(after.max(*from).0.saturating_add(gap));
                let possible = at < *until && !kinds.is_empty() && *per_day > 0.0;
                possible.then(|| (at, self.random.pick(kinds)))
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(campaigns: &Campaigns, start: Timestamp, until: Timestamp) -> Vec<(i64, CampaignKind)> {
        let mut schedule = Schedule::new(campaigns, 5, start);
        std::iter::from_fn(|| schedule.next_before(until)).map(|(at, kind, ..)| (at.0, kind)).collect()
    }

    #[test]
    fn chance_starts_come_as_often_as_wanted_and_in_order() {
        let found = starts(&Campaigns::poisson(8.0), Timestamp(0), Timestamp(100 * DAY_MS));
        assert!((700..900).contains(&found.len()), "{}", found.len());
        assert!(found.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        for kind in CampaignKind::ALL {
            assert!(found.iter().filter(|(_, of)| *of == kind).count() > 100);
        }
    }

    #[test]
    fn in_the_demo_all_five_kinds_start_within_forty_seconds_of_watching() {
        let live = Timestamp(100 * DAY_MS);
        for speed_up in [1.0, 20.0] {
            let within = Timestamp(live.0 + floor(40.0 * speed_up) * SECOND_MS);
            let found = starts(&Campaigns::demo(live, speed_up), Timestamp(10 * DAY_MS), within);
            for kind in CampaignKind::ALL {
                assert!(found.iter().any(|(at, of)| *of == kind && *at >= live.0), "{kind:?} at {speed_up}");
            }
        }
    }
}
