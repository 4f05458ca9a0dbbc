//! Currencies and their minor units (ISO 4217).

/// A currency with minor units (ISO 4217 list one, and what left it since 2022, which histories hold), by its number:
/// registers, rows and snapshots hold that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Currency(u16);

impl Currency {
    /// Number of currencies; all numbers are below it.
    pub const COUNT: usize = CURRENCIES.len();

    /// The currency with this ISO 4217 alphabetic code.
    pub fn by_code(code: &str) -> Option<Currency> {
        Currency::all().find(|currency| currency.code() == code)
    }

    /// The currency with this number, as registers and rows hold it.
    #[inline]
    pub fn by_number(number: impl Into<u64>) -> Option<Currency> {
        let number = u16::try_from(number.into()).ok()?;
        (usize::from(number) < Currency::COUNT).then_some(Currency(number))
    }

    /// All currencies in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Currency> {
        (0u16..).zip(CURRENCIES).map(|(number, _)| Currency(number))
    }

    /// The number that registers, rows and snapshots hold.
    #[inline]
    pub fn number(self) -> u16 {
        self.0
    }

    /// ISO 4217 alphabetic code.
    #[inline]
    pub fn code(self) -> &'static str {
        CURRENCIES[usize::from(self.0)].code
    }

    /// Decimal places of the minor unit: 2 for EUR, 0 for JPY, 3 for KWD.
    #[inline]
    pub fn exponent(self) -> u8 {
        CURRENCIES[usize::from(self.0)].exponent
    }
}

struct Entry {
    code: &'static str,
    exponent: u8,
}

/// The highest number of decimal places of a currency.
pub const EXPONENT_MAX: u8 = 4;

macro_rules! currencies {
    ($($exponent:literal: $($code:ident)+;)+) => {
        /// A currency's number is its position: the order is part of the snapshot format.
        const CURRENCIES: &[Entry] = &[$($(Entry { code: stringify!($code), exponent: $exponent },)+)+];
    };
}

currencies! {
    2: AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
       CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
       HRK HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU
       MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG
       SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES
       WST XAD XCD XCG YER ZAR ZMW ZWG ZWL;
    0: BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF;
    3: BHD IQD JOD KWD LYD OMR TND;
    4: CLF UYW;
}

/// An exact decimal number: `mantissa · 10^-scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal {
    /// The digits.
    pub mantissa: i64,
    /// Number of digits after the point.
    pub scale: u32,
}

/// Maximum number of digits after the point: larger powers of ten are not exact in an `f64`.
pub const SCALE_MAX: u32 = 22;

impl Decimal {
    /// Parses digits with an optional sign and fraction; underscores may group digits.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_digit())
                && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_')
        };
        if !numeric(whole) || !numeric(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let scale = u32::try_from(fraction.bytes().filter(u8::is_ascii_digit).count()).ok()?;
        let mantissa: i64 = format!("{whole}{fraction}").replace('_', "").parse().ok()?;
        (scale <= SCALE_MAX)
            .then_some(Decimal { mantissa: if negative { -mantissa } else { mantissa }, scale })
    }

    /// Parses a number or a percentage: `70%` is 0.7.
    pub fn parse_share(text: &str) -> Option<Decimal> {
        match text.strip_suffix('%') {
            Some(number) => Decimal::parse(number)?.shifted(2),
            None => Decimal::parse(text),
        }
    }

    /// A whole number.
    pub fn whole(number: i64) -> Decimal {
        Decimal { mantissa: number, scale: 0 }
    }

    /// The decimal with the shortest representation of this number; `None` when it has too many digits.
    pub fn of(number: f64) -> Option<Decimal> {
        Decimal::parse(&number.to_string())
    }

    /// Whether a text is a number with a decimal comma: `12,50`, `-0,5`, `1.234,56`. `1,234` may as well be a thousand,
    /// and is none.
    pub fn has_comma(text: impl AsRef<[u8]>) -> bool {
        let text = text.as_ref().trim_ascii();
        let text = text.strip_prefix(b"-").unwrap_or(text);
        let mut parts = text.split(|byte| *byte == b',');
        let (Some([first, rest @ ..]), Some(fraction), None) = (parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        // Between thousands: a point, a blank, an apostrophe, or such a character beyond ASCII.
        let is_group = |byte: &u8| matches!(byte, b'.' | b' ' | b'\'' | 0x80..);
        let is_number = first.is_ascii_digit()
            && rest.iter().all(|byte| byte.is_ascii_digit() || is_group(byte))
            && !fraction.is_empty()
            && fraction.iter().all(u8::is_ascii_digit);
        let may_be_thousands =
            fraction.len() == 3 && *first != b'0' && rest.len() < 3 && !rest.iter().any(is_group);
        is_number && !may_be_thousands
    }

    fn shifted(self, places: u32) -> Option<Decimal> {
        let scale = self.scale + places;
        (scale <= SCALE_MAX).then_some(Decimal { scale, ..self })
    }

    /// The nearest `f64` of `self · 10^exponent`.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a mantissa beyond 2^53 is rounded once, as any literal is"
    )]
    pub fn scaled(self, exponent: u8) -> f64 {
        let up = u32::from(exponent);
        if up >= self.scale {
            self.mantissa as f64 * power_of_ten(up - self.scale)
        } else {
            self.mantissa as f64 / power_of_ten(self.scale - up)
        }
    }

    /// The nearest `f64`.
    pub fn number(self) -> f64 {
        self.scaled(0)
    }

    /// Sum, if it is representable.
    pub fn plus(self, other: Decimal) -> Option<Decimal> {
        let scale = self.scale.max(other.scale);
        let align = |one: Decimal| one.mantissa.checked_mul(10i64.checked_pow(scale - one.scale)?);
        Some(Decimal { mantissa: align(self)?.checked_add(align(other)?)?, scale })
    }

    /// Product, if it is representable.
    pub fn times(self, other: Decimal) -> Option<Decimal> {
        Decimal { mantissa: self.mantissa.checked_mul(other.mantissa)?, scale: self.scale }
            .shifted(other.scale)
    }

    /// The negated number.
    pub fn negative(self) -> Option<Decimal> {
        Some(Decimal { mantissa: self.mantissa.checked_neg()?, ..self })
    }

    /// How the two compare.
    pub fn compare(self, other: Decimal) -> std::cmp::Ordering {
        self.number().total_cmp(&other.number())
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// 10^n, exact up to n = 22.
fn power_of_ten(n: u32) -> f64 {
    (0..n).fold(1.0, |power, _| power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_found_by_code_and_by_number() {
        let yen = Currency::by_code("JPY").unwrap();
        assert_eq!((yen.code(), yen.exponent()), ("JPY", 0));
        assert_eq!(Currency::by_number(yen.number()), Some(yen));
        assert!(Currency::all().map(usize_number).eq(0..Currency::COUNT));
        assert!(Currency::all().all(|currency| currency.exponent() <= EXPONENT_MAX));
        assert_eq!(Currency::by_number(Currency::COUNT as u64), None);
        assert_eq!(Currency::by_number(u64::from(u16::MAX) + 1), None);
        assert_eq!(Currency::by_code("jpy"), None);
    }

    /// ISO 4217 list one without metals, units of account, test and no currency, which have no minor unit.
    #[test]
    fn the_table_has_every_currency_of_iso_4217_with_its_decimals() {
        for (code, exponent) in
            [("XCG", 2), ("VED", 2), ("VES", 2), ("CHW", 2), ("UYI", 0), ("UYW", 4), ("CLF", 4), ("TND", 3)]
        {
            assert_eq!(Currency::by_code(code).map(Currency::exponent), Some(exponent), "{code}");
        }
        // Codes of ISO 4217 that are no currency (a metal, drawing rights, tests), and one that is no code.
        for code in ["XAU", "XDR", "XTS", "EUX"] {
            assert_eq!(Currency::by_code(code), None, "{code}");
        }
        let codes: std::collections::BTreeSet<&str> = Currency::all().map(Currency::code).collect();
        assert_eq!(codes.len(), Currency::COUNT, "no code twice");
    }

    fn usize_number(currency: Currency) -> usize {
        usize::from(currency.number())
    }

    #[test]
    fn decimals_reach_minor_units_without_an_error() {
        let minor = |text: &str, exponent| Decimal::parse_share(text).unwrap().scaled(exponent);
        assert_eq!(minor("2.00", 2), 200.0);
        assert_eq!(minor("0.29", 2), 29.0);
        assert_eq!(minor("1.005", 3), 1005.0);
        assert_eq!(minor("0.2%", 0), 0.002);
        assert_eq!(minor("-12.5", 0), -12.5);
        assert_eq!(Decimal::parse("1_000").unwrap(), Decimal::whole(1000));
        for wrong in ["", "-", "1.", ".5", "1e3", "1.2.3", "0x1", "--1"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
        for comma in [
            "12,50",
            "-0,5",
            "0,125",
            "1234,567",
            "1.234,567",
            "1 234,5",
            "1'234,50",
            "1\u{a0}234,50",
            " 7,1 ",
        ] {
            assert!(Decimal::has_comma(comma), "{comma}");
        }
        for other in [
            "12.50",
            "1,234",
            "123,456",
            "1,234,567",
            "1,234.56",
            ",5",
            "5,",
            "a,5",
            "1,5 EUR",
            "",
            "-",
            "1-2,5",
        ] {
            assert!(!Decimal::has_comma(other), "{other}");
        }
        let product = Decimal::parse("1.1").unwrap().times(Decimal::whole(3)).unwrap();
        assert_eq!(product.scaled(2), 330.0);
    }
}
