//! An event before it happens: what somebody means to do, without id, balance and outcome. The bank adds them when its
//! time comes.

use super::campaigns::{CampaignId, CampaignKind};
use super::world::Merchant;
use crate::batch::Timestamp;

/// What an event really is. It is never in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The campaign it belongs to: its frauds, and the labels about them.
    pub campaign: Option<CampaignId>,
    /// What it is.
    pub kind: TruthKind,
}

/// Genuine, genuine but odd, or fraud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruthKind {
    /// The account holder's everyday life. Labels are genuine events too.
    Genuine,
    /// The account holder, in a way that looks like fraud.
    HardNegative(HardNegative),
    /// A step of a fraud.
    Fraud(CampaignKind),
}

impl Default for Truth {
    fn default() -> Truth {
        Truth::GENUINE
    }
}

impl Truth {
    /// Everyday life.
    pub const GENUINE: Truth = Truth { campaign: None, kind: TruthKind::Genuine };

    /// Whether it is a step of a fraud.
    pub fn is_fraud(self) -> bool {
        matches!(self.kind, TruthKind::Fraud(_))
    }
}

/// Genuine behaviour that careless rules take for fraud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HardNegative {
    /// Abroad or far from home, after a flight that took its time.
    Traveller,
    /// Many shops within hours, with the wage just paid or before a holiday.
    ShoppingSpree,
    /// Many taps of a few coins within minutes.
    Transit,
    /// A new phone is enrolled, then used as the old one was.
    NewPhone,
    /// One purchase far above the usual.
    BigPurchase,
    /// Many small purchases in one game.
    GamePurchases,
    /// A password forgotten, or a payee added, and then a large payment to it.
    NewPayee,
    /// A firm pays many people at once.
    PayRun,
}

/// Event types of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Purchase,
    CashWithdrawal,
    Refund,
    Transfer,
    P2p,
    PayeeAdded,
    Login,
    PasswordReset,
    PinChange,
    ContactChange,
    DeviceEnrolled,
    TokenProvisioned,
    StepUpPassed,
    Label,
}

/// How the card was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Chip,
    Contactless,
    MagStripe,
    Fallback,
    ManualKey,
    CredentialOnFile,
}

/// How the payment or the visit came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TxChannel {
    Pos,
    Ecom,
    Atm,
    Contactless,
    Moto,
    App,
    Web,
}

/// Whether 3-D Secure was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreeDs {
    None,
    Frictionless,
    Challenge,
    Failed,
}

/// A card's use at a shop.
#[derive(Clone, Copy, Debug)]
pub(super) struct CardUse {
    /// 1 to 3.
    pub card: u8,
    pub merchant: Merchant,
    /// Till of the shop, from 0.
    pub till: u8,
    pub entry: Entry,
    /// On the net: whether the security code was right, and 3-D Secure.
    pub net: Option<(bool, ThreeDs)>,
}

/// A phone or a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// What its id is made of.
    pub number: u64,
    pub first_seen: Timestamp,
    /// City whose country its address is in.
    pub city: u8,
}

/// The other side of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payee {
    /// A customer of this bank.
    Account(u32),
    /// Somebody elsewhere; the number is what the id is made of.
    Elsewhere(u64),
}

/// How much money moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// No money.
    None,
    /// Minor units.
    Fixed(i64),
    /// Parts in a thousand of the balance at that time.
    OfBalance(i64),
}

/// Whether it will be approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Declined when the balance does not reach.
    Funds,
    /// The spender looks at the balance first and buys less.
    Careful,
    /// Declined with a code of ISO 8583 data element 39.
    Declined(&'static str),
}

/// What a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Fraud,
    Genuine,
    FirstParty,
}

/// A report that will follow: what it says and how long after the event, ms.
pub(super) type Report = (Outcome, i64);

/// What somebody means to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub at: Timestamp,
    pub account: u32,
    pub what: What,
    pub truth: Truth,
    pub sum: Sum,
    /// Whether the money comes in.
    pub incoming: bool,
    pub channel: Option<TxChannel>,
    pub card: Option<CardUse>,
    pub device: Option<Device>,
    pub payee: Option<Payee>,
    /// Joins the legs of a payment between two accounts.
    pub link: Option<u64>,
    pub fate: Fate,
    pub report: Option<Report>,
    /// For labels: sequence number of the event they are about, and what they say.
    pub about: Option<(u32, Outcome)>,
}

impl Draft {
    /// Something without money, card or device.
    pub fn new(at: Timestamp, account: u32, what: What) -> Draft {
        Draft {
            at,
            account,
            what,
            truth: Truth::GENUINE,
            sum: Sum::None,
            incoming: false,
            channel: None,
            card: None,
            device: None,
            payee: None,
            link: None,
            fate: Fate::Funds,
            report: None,
            about: None,
        }
    }

    /// A card's use; the channel follows from how and where.
    pub fn card(at: Timestamp, account: u32, card: CardUse, sum: Sum) -> Draft {
        let channel = match card.entry {
            _ if card.net.is_some() => TxChannel::Ecom,
            Entry::ManualKey => TxChannel::Moto,
            Entry::Contactless => TxChannel::Contactless,
            Entry::Chip | Entry::MagStripe | Entry::Fallback | Entry::CredentialOnFile => TxChannel::Pos,
        };
        Draft {
            sum,
            channel: Some(channel),
            card: Some(card),
            fate: Fate::Careful,
            ..Draft::new(at, account, What::Purchase)
        }
    }

    /// Cash from a machine.
    pub fn cash(at: Timestamp, account: u32, card: CardUse, sum: Sum) -> Draft {
        Draft {
            what: What::CashWithdrawal,
            channel: Some(TxChannel::Atm),
            ..Draft::card(at, account, card, sum)
        }
    }

    /// A payment between accounts.
    pub fn payment(at: Timestamp, account: u32, what: What, payee: Payee, sum: Sum) -> Draft {
        Draft { sum, channel: Some(TxChannel::App), payee: Some(payee), ..Draft::new(at, account, what) }
    }

    /// The same with a device.
    pub fn on(self, device: Device) -> Draft {
        Draft { device: Some(device), ..self }
    }

    /// Whether the card was at the till.
    pub fn card_present(&self) -> bool {
        self.card.is_some_and(|used| !used.merchant.on_net() && used.entry != Entry::ManualKey)
    }
}
