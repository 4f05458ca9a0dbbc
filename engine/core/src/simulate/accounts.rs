//! Customers: who they are, what they own, and where they are now.
//!
//! An account is made from the seed and its own number alone, so account 17 is the same person in a bank of 100 and of
//! a million.

use super::draft::Device;
use super::random::{Random, Stream, floor, real, scatter, scattered_unit};
use super::world::{CITIES, City, Merchant, SHOPS, SHOPS_PER_CITY};
use crate::batch::Timestamp;
use tripline_rules::time::DAY_MS;

/// Everyday shops of one customer.
const FAVOURITES: u32 = 10;

/// Kind of customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Retail,
    Student,
    Private,
    Business,
    Minor,
}

/// A journey. The customer is away from `arrive` to `leave`, and in between in the air.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trip {
    pub city: u8,
    pub leave: Timestamp,
    /// Whether the customer announced it to the bank.
    pub announced: bool,
}

/// A customer, as it is now.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub number: u32,
    pub home: u8,
    pub segment: Segment,
    pub cards: u8,
    /// Goes to work by train.
    pub commuter: bool,
    /// Plays.
    pub gamer: bool,
    /// Journeys a year.
    pub trips_per_year: f64,
    /// Spending against the median customer's.
    pub level: f64,
    /// Scenes of life a day.
    pub scenes_per_day: f64,
    pub opened: Timestamp,
    /// Minor units a month.
    pub wage: i64,
    /// Day of the month, 1 to 28.
    pub payday: i64,
    /// Minor units.
    pub balance: i64,
    /// Where the account stands in its random stream.
    pub steps: u32,
    /// Events so far.
    pub sequence: u32,
    pub trip: Option<Trip>,
    pub phone: Device,
    /// No second campaign strikes before.
    pub struck_until: Timestamp,
}

/// Mean of the spread that makes some customers busier than others (log-normal, σ = 0.5, mean 1).
const ACTIVITY_SIGMA: f64 = 0.5;

/// Shares of the customers by kind.
const SEGMENTS: [(Segment, f64); 5] = [
    (Segment::Retail, 0.78),
    (Segment::Student, 0.10),
    (Segment::Private, 0.04),
    (Segment::Business, 0.06),
    (Segment::Minor, 0.02),
];

impl Account {
    /// The customer with a number. Some open their account only after `start`.
    pub fn new(seed: u64, number: u32, start: Timestamp, scenes_per_day: f64) -> Account {
        let mut random = Random::new(seed, Stream::Account(number), 0);
        let home = u8::try_from(random.weighted(CITIES.iter().map(|city| city.weight))).expect("40 cities");
        let (segment, _) = SEGMENTS[random.weighted(SEGMENTS.iter().map(|(_, share)| *share))];
        let opened = opening(&mut random, start);
        let busy = random.log_normal(libm::exp(-ACTIVITY_SIGMA * ACTIVITY_SIGMA / 2.0), ACTIVITY_SIGMA);
        let level = random.log_normal(segment_level(segment), 0.45);
        let scenes_per_day = scenes_per_day * busy;
        // What an average scene costs, a month of them, rent and some air.
        let dollars = 1_200.0 * level + scenes_per_day * 30.0 * 38.0 * libm::sqrt(level);
        let wage = CITIES[usize::from(home)].minor(dollars * random.real(1.2, 1.6));
        let before = |random: &mut Random, days: i64| {
            Timestamp(opened.0.min(start.0) - random.between(1, days) * DAY_MS)
        };
        Account {
            number,
            home,
            segment,
            cards: if segment == Segment::Minor {
                1
            } else {
                1 + u8::try_from(random.weighted([0.6, 0.3, 0.1].into_iter())).expect("3")
            },
            commuter: random.chance(0.18) && segment != Segment::Business,
            gamer: random.chance(if segment == Segment::Minor { 0.4 } else { 0.08 }),
            trips_per_year: if segment == Segment::Minor {
                0.0
            } else {
                random.log_normal(1.2, 0.9).min(25.0)
            },
            level,
            scenes_per_day,
            opened,
            wage,
            payday: [1, 15, 25, 27, 28, random.between(1, 28)][random.below(6) as usize],
            balance: floor(real(wage) * random.log_normal(0.9, 0.7)),
            steps: 1,
            sequence: 0,
            trip: None,
            phone: Device { number: random.bits(), first_seen: before(&mut random, 700), city: home },
            struck_until: Timestamp(i64::MIN),
        }
    }

    /// The city of the home.
    pub fn home_city(&self) -> &'static City {
        &CITIES[usize::from(self.home)]
    }

    /// Where the customer is.
    pub fn city(&self) -> u8 {
        self.trip.map_or(self.home, |trip| trip.city)
    }

    /// The phone, as seen from where the customer is.
    pub fn phone(&self) -> Device {
        Device { city: self.city(), ..self.phone }
    }

    /// The next numbers of the account's stream.
    pub fn random(&mut self, seed: u64) -> Random {
        let random = Random::new(seed, Stream::Account(self.number), self.steps);
        self.steps += 1;
        random
    }

    /// Bits that belong to this account and a purpose, the same every time.
    pub fn trait_bits(&self, seed: u64, purpose: u64) -> u64 {
        scatter(seed, u64::from(self.number) + 16, purpose)
    }

    /// One of the customer's everyday shops in the home city; 0 is the dearest to it.
    pub fn favourite(&self, seed: u64, place: u32) -> Merchant {
        let bits = self.trait_bits(seed, u64::from(place));
        let mut left = scattered_unit(bits << 32) * SHOPS.iter().map(|shop| shop.weight).sum::<f64>();
        let chosen = SHOPS.iter().position(|shop| {
            left -= shop.weight;
            left < 0.0
        });
        let category = u8::try_from(chosen.unwrap_or(0)).expect("18 kinds of shop");
        Merchant::shop(self.home, category, popular(scattered_unit(bits), SHOPS_PER_CITY))
    }

    /// A place among the favourites, the first ones more often.
    pub fn favourite_place(random: &mut Random) -> u32 {
        popular(random.unit(), FAVOURITES)
    }

    /// A friend: mostly a neighbour in the bank's list, sometimes beyond its end.
    pub fn friend(&self, seed: u64, place: u64) -> u32 {
        let bits = self.trait_bits(seed, 100 + place);
        let away = u32::try_from(bits % 60).expect("below 60") + 1;
        if bits >> 63 == 1 { self.number.saturating_sub(away) } else { self.number.saturating_add(away) }
    }
}

/// Turns a uniform number into a place in which the low ones are crowded: the busy shops everybody goes to.
pub(super) fn popular(unit: f64, count: u32) -> u32 {
    let place = floor(unit * unit * f64::from(count));
    u32::try_from(place).expect("between 0 and count").min(count - 1)
}

/// Most accounts are years old; one in fourteen opens in the half year around the start.
fn opening(random: &mut Random, start: Timestamp) -> Timestamp {
    let days = if random.chance(0.07) { random.between(-60, 120) } else { -random.between(90, 4_000) };
    let day = start.0.div_euclid(DAY_MS) + days;
    Timestamp(day * DAY_MS)
}

fn segment_level(segment: Segment) -> f64 {
    match segment {
        Segment::Retail => 1.0,
        Segment::Student => 0.55,
        Segment::Private => 3.0,
        Segment::Business => 2.5,
        Segment::Minor => 0.3,
    }
}
