//! How an event is written: the JSON record of the bank's feed. Its form is described in [`super`].
//!
//! It never sees the truth: a settled event's campaign and kind are not read here.

use super::accounts::{Account, Segment};
use super::civil::Date;
use super::draft::{CardUse, Device, Draft, Entry, Outcome, Payee, ThreeDs, TxChannel, What};
use super::random::scatter;
use super::settled::Settled;
use super::world::CITIES;
use crate::batch::Timestamp;
use tripline_rules::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Purchase => "purchase",
            What::CashWithdrawal => "cash_withdrawal",
            What::Refund => "refund",
            What::Transfer => "transfer",
            What::P2p => "p2p",
            What::PayeeAdded => "payee_added",
            What::Login => "login",
            What::PasswordReset => "password_reset",
            What::PinChange => "pin_change",
            What::ContactChange => "contact_change",
            What::DeviceEnrolled => "device_enrolled",
            What::TokenProvisioned => "token_provisioned",
            What::StepUpPassed => "step_up_passed",
            What::Label => "label",
        }
    }
}

impl Entry {
    fn name(self) -> &'static str {
        match self {
            Entry::Chip => "chip",
            Entry::Contactless => "contactless",
            Entry::MagStripe => "mag_stripe",
            Entry::Fallback => "fallback",
            Entry::ManualKey => "manual_key",
            Entry::CredentialOnFile => "credential_on_file",
        }
    }
}

impl TxChannel {
    fn name(self) -> &'static str {
        match self {
            TxChannel::Pos => "pos",
            TxChannel::Ecom => "ecom",
            TxChannel::Atm => "atm",
            TxChannel::Contactless => "contactless",
            TxChannel::Moto => "moto",
            TxChannel::App => "app",
            TxChannel::Web => "web",
        }
    }
}

impl ThreeDs {
    fn name(self) -> &'static str {
        match self {
            ThreeDs::None => "none",
            ThreeDs::Frictionless => "frictionless",
            ThreeDs::Challenge => "challenge",
            ThreeDs::Failed => "failed",
        }
    }
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Outcome::Fraud => "fraud",
            Outcome::Genuine => "genuine",
            Outcome::FirstParty => "first_party",
        }
    }
}

impl Segment {
    fn name(self) -> &'static str {
        match self {
            Segment::Retail => "retail",
            Segment::Student => "student",
            Segment::Private => "private",
            Segment::Business => "business",
            Segment::Minor => "minor",
        }
    }
}

/// Writes records.
pub(super) struct Renderer {
    seed: u64,
    /// The day last written, and how: most events share it.
    day: i64,
    day_text: String,
}

impl Renderer {
    /// A renderer of a seed's shops.
    pub fn new(seed: u64) -> Renderer {
        Renderer { seed, day: i64::MIN, day_text: String::new() }
    }

    /// Appends the record of an event of `account`.
    pub fn render(&mut self, event: &Settled, account: &Account, out: &mut Vec<u8>) {
        let draft = &event.draft;
        out.extend_from_slice(b"{\"id\":\"E");
        number(out, i64::from(draft.account));
        out.push(b'n');
        number(out, i64::from(event.sequence));
        text(out, "\",\"type\":\"", draft.what.name());
        out.extend_from_slice(b"\",\"time\":\"");
        self.time(out, draft.at);
        if let Some((sequence, outcome)) = draft.about {
            out.extend_from_slice(b"\",\"ref\":\"E");
            number(out, i64::from(draft.account));
            out.push(b'n');
            number(out, i64::from(sequence));
            out.extend_from_slice(b"\",\"account\":{\"id\":\"A");
            number(out, i64::from(draft.account));
            text(out, "\"},\"label\":{\"outcome\":\"", outcome.name());
            out.extend_from_slice(b"\",\"source\":\"report\"}}");
            return;
        }
        self.account(out, event, account);
        if let Some(amount) = event.amount {
            self.tx(out, event, amount, account);
        }
        if let Some(used) = &draft.card {
            self.card(out, draft, used, account);
        }
        if let Some(device) = &draft.device {
            self.device(out, device, draft.card.is_none());
        }
        if let Some(payee) = draft.payee {
            out.extend_from_slice(b",\"payee\":\"");
            match payee {
                Payee::Account(account) => {
                    out.push(b'A');
                    number(out, i64::from(account));
                }
                Payee::Elsewhere(bits) => opaque(out, b'P', bits),
            }
            out.push(b'"');
        }
        out.push(b'}');
    }

    fn account(&self, out: &mut Vec<u8>, event: &Settled, account: &Account) {
        let city = account.home_city();
        out.extend_from_slice(b"\",\"account\":{\"id\":\"A");
        number(out, i64::from(account.number));
        text(out, "\",\"segment\":\"", account.segment.name());
        text(out, "\",\"home\":\"", city.country);
        text(out, "\",\"zone\":\"", city.zone);
        text(out, "\",\"currency\":\"", city.currency);
        out.extend_from_slice(b"\",\"balance\":\"");
        money(out, event.balance, city.exponent());
        if event.draft.card.is_some() {
            let announced = account.trip.is_some_and(|trip| trip.announced);
            text(out, "\",\"travel\":", if announced { "true" } else { "false" });
        } else {
            out.extend_from_slice(b"\",\"opened\":\"");
            second(out, account.opened);
            out.push(b'"');
        }
        out.push(b'}');
    }

    fn tx(&self, out: &mut Vec<u8>, event: &Settled, amount: i64, account: &Account) {
        let draft = &event.draft;
        out.extend_from_slice(b",\"tx\":{\"amount\":\"");
        money(out, amount, account.home_city().exponent());
        out.push(b'"');
        if draft.card.is_none() {
            text(out, ",\"direction\":\"", if draft.incoming { "in\"" } else { "out\"" });
        }
        if let Some(channel) = draft.channel {
            text(out, ",\"channel\":\"", channel.name());
            out.push(b'"');
        }
        if let Some(used) = &draft.card {
            text(out, ",\"entry\":\"", used.entry.name());
            text(out, "\",\"present\":", if draft.card_present() { "true" } else { "false" });
            if let Some((cvv_ok, threeds)) = used.net {
                text(out, ",\"cvv_ok\":", if cvv_ok { "true" } else { "false" });
                text(out, ",\"threeds\":\"", threeds.name());
                out.push(b'"');
            }
            if let Some((north, east)) = used.merchant.location(self.seed).filter(|_| draft.card_present()) {
                out.extend_from_slice(b",\"lat\":");
                degrees(out, north);
                out.extend_from_slice(b",\"lon\":");
                degrees(out, east);
            }
        }
        if let Some(link) = draft.link {
            out.extend_from_slice(b",\"link\":\"");
            opaque(out, b'X', link);
            out.push(b'"');
        }
        match event.declined {
            None => out.extend_from_slice(b",\"declined\":false}"),
            Some(code) => {
                text(out, ",\"declined\":true,\"code\":\"", code);
                out.extend_from_slice(b"\"}");
            }
        }
    }

    fn card(&self, out: &mut Vec<u8>, draft: &Draft, used: &CardUse, account: &Account) {
        out.extend_from_slice(b",\"card\":{\"id\":\"C");
        number(out, i64::from(account.number));
        out.push(b'k');
        number(out, i64::from(used.card));
        out.push(b'"');
        if draft.what == What::CashWithdrawal {
            out.extend_from_slice(b",\"atm_limit\":\"");
            let city = account.home_city();
            money(out, city.minor(if account.level > 1.5 { 1_000.0 } else { 500.0 }), city.exponent());
            out.push(b'"');
        }
        let code = i64::from(used.merchant.code(self.seed));
        out.extend_from_slice(b"},\"merchant\":{\"id\":\"M");
        number(out, code);
        text(out, "\",\"mcc\":\"", used.merchant.category().mcc);
        text(out, "\",\"country\":\"", used.merchant.country(self.seed));
        if draft.card_present() {
            out.extend_from_slice(b"\",\"terminal\":\"T");
            number(out, code);
            out.push(b'k');
            number(out, i64::from(used.till));
        }
        out.extend_from_slice(b"\"}");
    }

    fn device(&self, out: &mut Vec<u8>, device: &Device, with_age: bool) {
        out.extend_from_slice(b",\"device\":{\"id\":\"");
        opaque(out, b'D', scatter(self.seed, 4, device.number));
        if with_age {
            out.extend_from_slice(b"\",\"seen\":\"");
            second(out, device.first_seen);
        }
        text(out, "\",\"ip\":\"", CITIES[usize::from(device.city)].country);
        out.extend_from_slice(b"\"}");
    }

    /// `2026-03-01T12:00:00.000Z`: always 24 bytes.
    pub fn time(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        let day = at.0.div_euclid(DAY_MS);
        if day != self.day {
            self.day = day;
            self.day_text = date(day);
        }
        out.extend_from_slice(self.day_text.as_bytes());
        clock(out, at);
        out.push(b'.');
        digits(out, at.0.rem_euclid(SECOND_MS), 3);
        out.push(b'Z');
    }
}

fn date(day: i64) -> String {
    let Date { year, month, day } = Date::of_day(day);
    format!("{year:04}-{month:02}-{day:02}")
}

fn clock(out: &mut Vec<u8>, at: Timestamp) {
    let of_day = at.0.rem_euclid(DAY_MS);
    out.push(b'T');
    digits(out, of_day / HOUR_MS, 2);
    out.push(b':');
    digits(out, of_day % HOUR_MS / MINUTE_MS, 2);
    out.push(b':');
    digits(out, of_day % MINUTE_MS / SECOND_MS, 2);
}

/// `2026-03-01T12:00:00Z`.
fn second(out: &mut Vec<u8>, at: Timestamp) {
    let Date { year, month, day } = Date::of_day(at.0.div_euclid(DAY_MS));
    for (part, width) in [(year, 4), (month, 2), (day, 2)] {
        digits(out, part, width);
        out.push(b'-');
    }
    out.pop();
    clock(out, at);
    out.push(b'Z');
}

fn text(out: &mut Vec<u8>, before: &str, value: &str) {
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(value.as_bytes());
}

fn number(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let mut text = [0; 20];
    let mut from = text.len();
    let mut left = value.unsigned_abs();
    while left > 0 || from == text.len() {
        from -= 1;
        text[from] = b'0' + u8::try_from(left % 10).expect("a digit");
        left /= 10;
    }
    out.extend_from_slice(&text[from..]);
}

/// The last `width` digits.
fn digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + u8::try_from(value / 10i64.pow(place) % 10).expect("a digit"));
    }
}

/// A decimal without an exponent, such as `-12.34`; no point for currencies without decimals.
fn money(out: &mut Vec<u8>, minor: i64, exponent: u8) {
    if minor < 0 {
        out.push(b'-');
    }
    let unit = 10u64.pow(u32::from(exponent));
    let minor = minor.unsigned_abs();
    number(out, i64::try_from(minor / unit).expect("money is far below 2^63"));
    if exponent > 0 {
        out.push(b'.');
        digits(out, i64::try_from(minor % unit).expect("below the unit"), u32::from(exponent));
    }
}

fn degrees(out: &mut Vec<u8>, degrees_1e4: i32) {
    money(out, i64::from(degrees_1e4), 4);
}

/// A letter and ten letters: ids that hold no number at all.
fn opaque(out: &mut Vec<u8>, letter: u8, bits: u64) {
    out.push(letter);
    for place in 0..10 {
        let nibble = u8::try_from(bits >> (place * 5) & 0x0f).expect("four bits");
        out.push(b'a' + nibble);
    }
}
