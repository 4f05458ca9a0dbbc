//! Where the simulated bank's customers live and shop: cities, currencies, kinds of shop, and the shops themselves.
//!
//! Shops are not stored: a shop is three numbers, and everything about it follows from them and the seed.

use super::random::{floor, real, scatter, scattered_unit};
use tripline_rules::money::Currency;

/// A city with its money.
pub(super) struct City {
    /// ISO 3166 alpha-2.
    pub country: &'static str,
    /// IANA time zone.
    pub zone: &'static str,
    /// ISO 4217.
    pub currency: &'static str,
    /// 10⁻⁴ degrees north.
    pub latitude: i32,
    /// 10⁻⁴ degrees east.
    pub longitude: i32,
    /// Units of the currency for one US dollar, fixed.
    pub per_usd: f64,
    /// How likely a customer lives here.
    pub weight: f64,
}

const fn city(
    country: &'static str,
    zone: &'static str,
    currency: &'static str,
    (latitude, longitude): (i32, i32),
    per_usd: f64,
    weight: f64,
) -> City {
    City { country, zone, currency, latitude, longitude, per_usd, weight }
}

/// The cities. Coordinates are those of the centres.
pub(super) const CITIES: [City; 40] = [
    city("US", "America/New_York", "USD", (407128, -740060), 1.0, 14.0),
    city("US", "America/New_York", "USD", (423601, -710589), 1.0, 5.0),
    city("US", "America/New_York", "USD", (257617, -801918), 1.0, 4.0),
    city("US", "America/New_York", "USD", (337490, -843880), 1.0, 4.0),
    city("US", "America/Chicago", "USD", (418781, -876298), 1.0, 7.0),
    city("US", "America/Chicago", "USD", (297604, -953698), 1.0, 5.0),
    city("US", "America/Denver", "USD", (397392, -1049903), 1.0, 3.0),
    city("US", "America/Phoenix", "USD", (334484, -1120740), 1.0, 3.0),
    city("US", "America/Los_Angeles", "USD", (340522, -1182437), 1.0, 9.0),
    city("US", "America/Los_Angeles", "USD", (476062, -1223321), 1.0, 4.0),
    city("CA", "America/Toronto", "CAD", (436532, -793832), 1.37, 3.0),
    city("CA", "America/Vancouver", "CAD", (492827, -1231207), 1.37, 1.0),
    city("GB", "Europe/London", "GBP", (515074, -1278), 0.79, 7.0),
    city("GB", "Europe/London", "GBP", (534808, -22426), 0.79, 2.0),
    city("IE", "Europe/Dublin", "EUR", (533498, -62603), 0.92, 1.0),
    city("FR", "Europe/Paris", "EUR", (488566, 23522), 0.92, 4.0),
    city("DE", "Europe/Berlin", "EUR", (525200, 134050), 0.92, 4.0),
    city("DE", "Europe/Berlin", "EUR", (481351, 115820), 0.92, 2.0),
    city("NL", "Europe/Amsterdam", "EUR", (523676, 49041), 0.92, 2.0),
    city("ES", "Europe/Madrid", "EUR", (404168, -37038), 0.92, 2.0),
    city("ES", "Europe/Madrid", "EUR", (413874, 21686), 0.92, 1.0),
    city("IT", "Europe/Rome", "EUR", (419028, 124964), 0.92, 2.0),
    city("PT", "Europe/Lisbon", "EUR", (387223, -91393), 0.92, 0.5),
    city("AT", "Europe/Vienna", "EUR", (482082, 163738), 0.92, 0.5),
    city("CH", "Europe/Zurich", "CHF", (473769, 85417), 0.88, 1.0),
    city("SE", "Europe/Stockholm", "SEK", (593293, 180686), 10.5, 0.5),
    city("PL", "Europe/Warsaw", "PLN", (522297, 210122), 3.95, 0.5),
    city("GR", "Europe/Athens", "EUR", (379838, 237275), 0.92, 0.3),
    city("TR", "Europe/Istanbul", "TRY", (410082, 289784), 34.0, 0.2),
    city("AE", "Asia/Dubai", "AED", (252048, 552708), 3.67, 0.5),
    city("IN", "Asia/Kolkata", "INR", (190760, 728777), 84.0, 0.5),
    city("SG", "Asia/Singapore", "SGD", (13521, 1038198), 1.34, 1.0),
    city("HK", "Asia/Hong_Kong", "HKD", (223193, 1141694), 7.8, 0.3),
    city("JP", "Asia/Tokyo", "JPY", (356762, 1396503), 150.0, 1.0),
    city("KR", "Asia/Seoul", "KRW", (375665, 1269780), 1350.0, 0.3),
    city("AU", "Australia/Sydney", "AUD", (-338688, 1512093), 1.52, 2.0),
    city("NZ", "Pacific/Auckland", "NZD", (-368485, 1747633), 1.64, 0.5),
    city("BR", "America/Sao_Paulo", "BRL", (-235505, -466333), 5.4, 1.0),
    city("MX", "America/Mexico_City", "MXN", (194326, -991332), 18.5, 0.5),
    city("ZA", "Africa/Johannesburg", "ZAR", (-262041, 280473), 18.2, 0.4),
];

impl City {
    /// Decimal places of the city's currency.
    pub fn exponent(&self) -> u8 {
        Currency::by_code(self.currency).expect("the table's currencies are in use").exponent()
    }

    /// US dollars as minor units of the city's currency, at least one.
    pub fn minor(&self, dollars: f64) -> i64 {
        floor(dollars * self.minor_per_usd() + 0.5).max(1)
    }

    /// Minor units of the city's currency in US cents.
    pub fn cents(&self, minor: i64) -> i64 {
        floor(real(minor) * 100.0 / self.minor_per_usd() + 0.5)
    }

    fn minor_per_usd(&self) -> f64 {
        self.per_usd * libm::exp10(f64::from(self.exponent()))
    }

    /// Great-circle distance (haversine), km.
    pub fn km_to(&self, other: &City) -> f64 {
        const EARTH_RADIUS_KM: f64 = 6371.0;
        let radians = |degrees_1e4: i32| (f64::from(degrees_1e4) / 1e4).to_radians();
        let (south, north) = (radians(self.latitude), radians(other.latitude));
        let half = |angle: f64| libm::sin(angle / 2.0) * libm::sin(angle / 2.0);
        let h = half(north - south)
            + libm::cos(south) * libm::cos(north) * half(radians(other.longitude) - radians(self.longitude));
        2.0 * EARTH_RADIUS_KM * libm::asin(libm::sqrt(h))
    }
}

/// A kind of shop.
pub(super) struct Category {
    /// ISO 18245 merchant category code.
    pub mcc: &'static str,
    /// Median basket, US dollars.
    pub dollars: f64,
    /// Spread of the basket's logarithm.
    pub sigma: f64,
    /// Share of everyday visits.
    pub weight: f64,
}

const fn category(mcc: &'static str, dollars: f64, sigma: f64, weight: f64) -> Category {
    Category { mcc, dollars, sigma, weight }
}

/// Shops with a door. The named positions below refer to this table.
pub(super) const SHOPS: [Category; 18] = [
    category("5411", 34.0, 0.6, 24.0), // groceries
    category("5812", 31.0, 0.5, 12.0), // restaurants
    category("5814", 9.0, 0.5, 18.0),  // fast food and coffee
    category("5541", 38.0, 0.4, 10.0), // fuel
    category("5912", 17.0, 0.6, 7.0),  // pharmacies
    category("5651", 58.0, 0.6, 5.0),  // clothing
    category("5732", 140.0, 0.7, 2.0), // electronics
    category("5200", 64.0, 0.7, 3.0),  // home improvement
    category("5813", 24.0, 0.5, 4.0),  // bars
    category("4121", 16.0, 0.5, 4.0),  // taxis
    category("7523", 7.0, 0.4, 4.0),   // parking
    category("5942", 19.0, 0.5, 2.0),  // books
    category("7230", 42.0, 0.4, 2.0),  // hairdressers
    category("8011", 55.0, 0.6, 1.0),  // doctors
    category("7832", 22.0, 0.4, 2.0),  // cinemas
    category("4111", 2.6, 0.2, 0.0),   // local transit
    category("7011", 165.0, 0.4, 0.0), // hotels
    category("6011", 80.0, 0.5, 0.0),  // cash machines
];
/// Position of groceries.
pub(super) const GROCERIES: u8 = 0;
/// Position of fuel.
pub(super) const FUEL: u8 = 3;
/// Position of electronics.
pub(super) const ELECTRONICS: u8 = 6;
/// Position of home improvement.
pub(super) const HOME_IMPROVEMENT: u8 = 7;
/// Position of local transit.
pub(super) const TRANSIT: u8 = 15;
/// Position of hotels.
pub(super) const HOTELS: u8 = 16;
/// Position of cash machines.
pub(super) const CASH: u8 = 17;

/// Shops on the net.
pub(super) const NET: [Category; 11] = [
    category("5964", 37.0, 0.8, 30.0), // marketplaces
    category("5651", 52.0, 0.6, 12.0), // clothing
    category("5812", 26.0, 0.4, 14.0), // food delivery
    category("5732", 120.0, 0.8, 5.0), // electronics
    category("5816", 4.5, 0.6, 8.0),   // games
    category("5968", 12.0, 0.4, 8.0),  // subscriptions
    category("4900", 85.0, 0.4, 0.0),  // utilities
    category("4511", 290.0, 0.5, 3.0), // airlines
    category("8398", 21.0, 0.7, 3.0),  // charities
    category("7995", 40.0, 0.8, 1.0),  // gambling
    category("6051", 180.0, 0.9, 0.6), // quasi cash
];
/// Position of electronics on the net.
pub(super) const NET_ELECTRONICS: u8 = 3;
/// Position of games.
pub(super) const GAMES: u8 = 4;
/// Position of subscriptions.
pub(super) const SUBSCRIPTIONS: u8 = 5;
/// Position of utilities.
pub(super) const UTILITIES: u8 = 6;
/// Position of airlines.
pub(super) const AIRLINES: u8 = 7;
/// Position of charities.
pub(super) const CHARITIES: u8 = 8;
/// Position of quasi cash.
pub(super) const QUASI_CASH: u8 = 10;

/// Shops of one category in one city.
pub(super) const SHOPS_PER_CITY: u32 = 12;
/// Shops of one category on the net.
pub(super) const SHOPS_ON_NET: u32 = 90;
/// In the place of a city: the net.
const ON_NET: u8 = u8::MAX;

/// A shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Merchant {
    city: u8,
    category: u8,
    number: u8,
}

impl Merchant {
    /// A shop with a door; `number` below [`SHOPS_PER_CITY`].
    pub fn shop(city: u8, category: u8, number: u32) -> Merchant {
        Merchant { city, category, number: small(number) }
    }

    /// A shop on the net; `number` below [`SHOPS_ON_NET`].
    pub fn net(category: u8, number: u32) -> Merchant {
        Merchant { city: ON_NET, category, number: small(number) }
    }

    /// What it sells.
    pub fn category(self) -> &'static Category {
        let table: &[Category] = if self.on_net() { &NET } else { &SHOPS };
        &table[usize::from(self.category)]
    }

    /// Whether it is on the net.
    pub fn on_net(self) -> bool {
        self.city == ON_NET
    }

    /// Whether everybody goes there: the first groceries, coffee bar or petrol station of its city.
    pub fn is_busy(self) -> bool {
        !self.on_net() && self.number == 0 && matches!(self.category, GROCERIES | 2 | FUEL)
    }

    /// The city of its door.
    pub fn city(self) -> Option<u8> {
        (!self.on_net()).then_some(self.city)
    }

    /// A number of its own, by which ids are made.
    pub fn code(self, seed: u64) -> u32 {
        // Scrambled within 2^21, so that neither the number nor its size tells city or category.
        let plain = u64::from(self.city) << 13 | u64::from(self.category) << 7 | u64::from(self.number);
        let mask = (1 << 21) - 1;
        let odd = scatter(seed, 1, 0) | 1;
        let mixed = plain.wrapping_mul(odd) & mask;
        u32::try_from((mixed ^ mixed >> 11).wrapping_mul(odd) & mask).expect("21 bits")
    }

    /// Its country.
    pub fn country(self, seed: u64) -> &'static str {
        if !self.on_net() {
            return CITIES[usize::from(self.city)].country;
        }
        let bits = scatter(seed, 2, u64::from(self.code(seed)));
        // Most are in the four largest markets, a few anywhere.
        let abroad = CITIES[usize::try_from(bits % 40).expect("below 40")].country;
        if scattered_unit(bits) < 0.85 {
            CITIES[[0, 0, 12, 15][usize::try_from(bits % 4).expect("below 4")]].country
        } else {
            abroad
        }
    }

    /// Where its door is, 10⁻⁴ degrees north and east, within about 6 km of the centre.
    pub fn location(self, seed: u64) -> Option<(i32, i32)> {
        const SPREAD: i64 = 1001;
        if self.on_net() {
            return None;
        }
        let city = &CITIES[usize::from(self.city)];
        let bits = scatter(seed, 3, u64::from(self.code(seed)));
        let offset = |part: u64| {
            let within = i64::try_from(part & 0xffff_ffff).expect("32 bits") % SPREAD - SPREAD / 2;
            i32::try_from(within).expect("small")
        };
        Some((city.latitude + offset(bits), city.longitude + offset(bits >> 32)))
    }
}

fn small(number: u32) -> u8 {
    u8::try_from(number).expect("at most 128 shops of a category")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_shop_has_an_id_of_its_own() {
        let mut all = Vec::new();
        for category in 0u8..18 {
            for city in 0u8..40 {
                all.extend((0..SHOPS_PER_CITY).map(|number| Merchant::shop(city, category, number)));
            }
        }
        for category in 0u8..11 {
            all.extend((0..SHOPS_ON_NET).map(|number| Merchant::net(category, number)));
        }
        for seed in [0, 1, 99] {
            let codes: BTreeSet<u32> = all.iter().map(|shop| shop.code(seed)).collect();
            assert_eq!(codes.len(), all.len());
        }
    }

    #[test]
    fn london_to_new_york_is_5570_km_and_yen_have_no_decimals() {
        let of = |zone: &str| CITIES.iter().find(|city| city.zone == zone).unwrap();
        assert!((of("Europe/London").km_to(of("America/New_York")) - 5570.0).abs() < 10.0);
        let tokyo = of("Asia/Tokyo");
        assert_eq!((tokyo.minor(2.0), tokyo.cents(300)), (300, 200));
        assert_eq!(of("Europe/Paris").minor(10.0), 920);
    }

    #[test]
    fn every_time_zone_is_in_the_bundled_database() {
        let zones = jiff::tz::TimeZoneDatabase::bundled();
        for city in &CITIES {
            assert!(zones.get(city.zone).is_ok(), "{}", city.zone);
        }
    }
}
