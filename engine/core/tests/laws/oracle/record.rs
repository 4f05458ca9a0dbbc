//! Records as the stream carries them, read by hand.

use serde_json::Value;

/// What a row remembers of an event. Money in cents, risk points in millionths.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fields {
    pub amount: Option<i64>,
    pub declined: Option<bool>,
    pub reversed: Option<bool>,
    pub channel: Option<String>,
    pub points: Option<i64>,
    pub card: Option<String>,
    pub device: Option<String>,
    pub terminal: Option<String>,
    pub merchant: Option<String>,
    pub mcc: Option<String>,
    pub country: Option<String>,
    pub payee: Option<String>,
    pub label: Option<String>,
}

impl Fields {
    /// Takes what is missing here from another event.
    pub(crate) fn inherit(&mut self, from: &Fields) {
        fn fill<T: Clone>(own: &mut Option<T>, theirs: &Option<T>) {
            if own.is_none() {
                own.clone_from(theirs);
            }
        }
        fill(&mut self.amount, &from.amount);
        fill(&mut self.declined, &from.declined);
        fill(&mut self.reversed, &from.reversed);
        fill(&mut self.channel, &from.channel);
        fill(&mut self.points, &from.points);
        fill(&mut self.card, &from.card);
        fill(&mut self.device, &from.device);
        fill(&mut self.terminal, &from.terminal);
        fill(&mut self.merchant, &from.merchant);
        fill(&mut self.mcc, &from.mcc);
        fill(&mut self.country, &from.country);
        fill(&mut self.payee, &from.payee);
    }
}

/// One event as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub id: String,
    pub kind: String,
    pub at: i64,
    pub account: String,
    pub reference: Option<String>,
    /// Type of the event it refers to, where it says so.
    pub reference_kind: Option<String>,
    pub fields: Fields,
    /// What it says about the event it refers to.
    pub says: Option<Fields>,
    /// What events that came before it say about it, with their types.
    pub said_before: Vec<(String, Fields)>,
    /// Whether the record itself tells that it was a fraud.
    pub reported: bool,
}

/// The event types.
const KINDS: [&str; 9] =
    ["purchase", "cash_withdrawal", "transfer", "p2p", "login", "outcome", "reversal", "clearing", "label"];
const CHANNELS: [&str; 3] = ["pos", "ecom", "atm"];
const LABELS: [&str; 4] = ["fraud", "genuine", "scam", "first_party"];

impl Sent {
    /// The label that tells so, that much later.
    pub(crate) fn fraud_label(&self, after: i64) -> Sent {
        Sent {
            id: format!("{}/{}", self.kind, self.id),
            kind: "label".to_owned(),
            at: self.at + after,
            account: self.account.clone(),
            reference: Some(self.id.clone()),
            reference_kind: Some(self.kind.clone()),
            fields: Fields { label: Some("fraud".to_owned()), ..Fields::default() },
            says: None,
            said_before: Vec::new(),
            reported: false,
        }
    }
}

/// Reads a record; `None`: it cannot be taken.
pub(crate) fn read(bytes: &[u8]) -> Option<Sent> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let record = value.as_object()?;
    let kind = match record.get("kind")?.as_str()? {
        "cash" => "cash_withdrawal",
        other => *KINDS.iter().find(|kind| **kind == other)?,
    };
    let merchant = record.get("merchant").filter(|value| !value.is_null());
    let of_merchant = |key: &str| merchant.map_or(Some(None), |merchant| text(merchant.get(key)));
    let fields = Fields {
        amount: decimal(record.get("amount"), 2)?,
        declined: yes_no(record.get("declined"))?,
        reversed: None,
        channel: code(record.get("channel"), &CHANNELS)?,
        points: decimal(record.get("points"), 6)?,
        card: text(record.get("card"))?,
        device: text(record.get("device"))?,
        terminal: text(record.get("terminal"))?,
        merchant: of_merchant("id")?,
        mcc: of_merchant("mcc")?,
        country: of_merchant("country")?,
        payee: text(record.get("payee"))?,
        label: code(record.get("outcome"), &LABELS)?,
    };
    let reference = text(record.get("ref"))?;
    let is_said = match kind {
        "outcome" => fields.declined.is_some(),
        "clearing" => fields.amount.is_some(),
        _ => kind == "reversal",
    };
    Some(Sent {
        says: (is_said && reference.is_some()).then(|| fields.clone()),
        said_before: Vec::new(),
        id: text(record.get("id"))??,
        kind: kind.to_owned(),
        at: record.get("t")?.as_i64()?,
        account: text(record.get("account"))??,
        reference,
        reference_kind: None,
        fields,
        reported: record.get("reported").is_some_and(|reported| reported == "fraud"),
    })
}

/// Absent and null are missing (inner `None`); what is no text cannot be taken (outer `None`).
fn text(value: Option<&Value>) -> Option<Option<String>> {
    match value {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    }
}

fn code(value: Option<&Value>, codes: &[&str]) -> Option<Option<String>> {
    let text = text(value)?;
    text.as_deref().is_none_or(|text| codes.contains(&text)).then_some(text)
}

fn yes_no(value: Option<&Value>) -> Option<Option<bool>> {
    match value {
        None | Some(Value::Null) => Some(None),
        Some(Value::Bool(value)) => Some(Some(*value)),
        Some(_) => None,
    }
}

/// A decimal number or text with at most so many places, in units of its last place.
fn decimal(value: Option<&Value>, places: usize) -> Option<Option<i64>> {
    let written = match value {
        None | Some(Value::Null) => return Some(None),
        Some(Value::String(text)) => text.clone(),
        // Without an exponent, which the number's own text may have.
        Some(Value::Number(number)) => number.as_f64()?.to_string(),
        Some(_) => return None,
    };
    let (sign, digits) = written.strip_prefix('-').map_or((1, written.as_str()), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > places {
        return None;
    }
    let padded = format!("{whole}{fraction:0<places$}");
    Some(Some(sign * padded.parse::<i64>().ok()?))
}
