//! The well-known fields: name, kind, meaning, and where ISO 8583 and ISO 20022 carry them.
//!
//! It does not depend on which of them an installation has: the schema file declares that.

/// A well-known field. `kind` is written as in a schema file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WellKnown {
    /// Dotted name.
    pub name: &'static str,
    /// Kind, as a schema file writes it.
    pub kind: &'static str,
    /// What it means, one line.
    pub doc: &'static str,
    /// ISO 8583 data element.
    pub iso8583: Option<&'static str>,
    /// ISO 20022 element.
    pub iso20022: Option<&'static str>,
}

/// The event types that every installation has, in the order of their codes.
pub const EVENT_TYPES: [&str; 18] = [
    "purchase",
    "cash_withdrawal",
    "refund",
    "transfer",
    "p2p",
    "login",
    "password_reset",
    "pin_change",
    "contact_change",
    "device_enrolled",
    "token_provisioned",
    "payee_added",
    "balance",
    "step_up_passed",
    "outcome",
    "reversal",
    "clearing",
    "label",
];

macro_rules! fields {
    (@iso) => { None };
    (@iso $element:literal) => { Some($element) };
    ($($name:literal $kind:literal [$($iso8583:literal)?] [$($iso20022:literal)?] $doc:literal,)+) => {
        /// All well-known fields; the built-in ones first, in the order of their slots.
        pub const FIELDS: &[WellKnown] = &[$(WellKnown {
            name: $name,
            kind: $kind,
            doc: $doc,
            iso8583: fields!(@iso $($iso8583)?),
            iso20022: fields!(@iso $($iso20022)?),
        },)+];
    };
}

fields! {
    "event.id" "text" ["DE 11, 37"] ["TxRef"] "id of the event, unique within its type",
    "event.type" "one of" ["DE 3, MTI"] [] "what happened",
    "event.time" "time" ["DE 7, 12, 13"] ["TxDtTm"] "when it happened",
    "event.ref" "text" ["DE 90, 56"] ["OrgnlTx"] "id of the earlier event that this one amends or reports",
    "account.id" "text" ["DE 102"] ["AcctId"] "the account",
    "tx.currency" "currency" ["DE 49"] ["Ccy"] "currency of `tx.amount`",
    "tx.amount" "money in account.currency" ["DE 4, 6"] ["TxAmt"] "amount of the transaction",
    "tx.declined" "yes/no" ["DE 39"] ["Rspn"] "whether it was declined; unknown without an outcome",
    "tx.reversed" "yes/no" ["MTI 0400"] ["RvslInd"] "whether it was reversed",
    "label.outcome" "one of fraud|genuine|scam|first_party" [] [] "what a label says the event turned out to be",
    "account.currency" "currency" ["DE 51"] ["AcctCcy"] "the account's own currency; without it, that of the record's amounts in it",
    "tx.id" "text" ["DE 37, 63"] ["TxId"] "links the legs of one payment; not an identity",
    "tx.direction" "one of in|out" ["DE 3"] ["CdtDbtInd"] "whether money comes or goes",
    "tx.channel" "one of pos|ecom|atm|contactless|moto|app|web" ["DE 22, 25"] ["TxEnvt"] "through what it was made",
    "tx.decline_code" "text" ["DE 39"] ["RspnRsn"] "why it was declined",
    "tx.geo" "location" ["DE 43"] ["Geogc"] "where it happened",
    "tx.entry_mode" "one of chip|contactless|mag_stripe|fallback|manual_key|credential_on_file" ["DE 22"] ["CardDataNtryMd"] "how the card was read",
    "tx.cvv_ok" "yes/no" ["DE 44"] ["CSCRslt"] "whether the security code was right",
    "tx.pin_ok" "yes/no" ["DE 39, 52"] ["PINRslt"] "whether the PIN was right",
    "tx.avs_ok" "yes/no" ["DE 44"] ["AVSRslt"] "whether the address was right",
    "tx.threeds" "one of none|frictionless|challenge|failed" [] ["ThreeDS"] "3-D Secure result",
    "tx.card_present" "yes/no" ["DE 22, 25"] ["CardPres"] "whether the card was there",
    "tx.recurring" "yes/no" ["DE 25"] ["RcrngTx"] "whether it is one of a standing series",
    "tx.fee" "money in account.currency" ["DE 28"] ["Fee"] "fee charged on it",
    "tx.billing_amount" "money in account.currency" ["DE 6"] ["CardhldrBllgAmt"] "amount as billed to the account",
    "tx.original_currency" "text" ["DE 49"] ["OrgnlCcy"] "currency it was made in, where that differs",
    "tx.description" "text" ["DE 104"] ["RmtInf"] "what the payer or merchant wrote",
    "account.home_country" "text" [] ["CtryOfRes"] "ISO 3166 alpha-2 country of the holder",
    "account.timezone" "text" [] [] "IANA time zone of the holder",
    "account.opened" "time" [] ["OpngDt"] "when the account was opened",
    "account.balance" "money in account.currency" ["DE 54"] ["Bal"] "balance after the event",
    "account.limit" "money in account.currency" [] ["CdtLine"] "credit line",
    "account.segment" "text" [] [] "the bank's segment of the holder",
    "account.language" "text" [] [] "language of the holder",
    "account.travel_notice" "yes/no" [] [] "whether the holder announced travel",
    "card.id" "text" ["DE 2"] ["PmtTkn"] "the card, by token or hash; never its number",
    "card.opened" "time" [] [] "when the card was issued",
    "card.expires" "time" ["DE 14"] ["XpryDt"] "when the card expires",
    "card.type" "one of credit|debit|prepaid" [] ["CardPdctTp"] "kind of card",
    "card.atm_limit" "money in account.currency" [] [] "cash limit of the card a day",
    "merchant.id" "text" ["DE 42"] ["MrchntId"] "the merchant",
    "merchant.name" "text" ["DE 43"] ["CmonNm"] "the merchant's name",
    "merchant.mcc" "text" ["DE 18"] ["MrchntCtgyCd"] "merchant category code",
    "merchant.country" "text" ["DE 19, 43"] ["Ctry"] "ISO 3166 alpha-2 country of the merchant",
    "merchant.city" "text" ["DE 43"] ["TwnNm"] "the merchant's city",
    "acquirer.id" "text" ["DE 32"] ["AcqrrId"] "the acquirer",
    "terminal.id" "text" ["DE 41"] ["TermnlId"] "the terminal",
    "terminal.attended" "yes/no" ["DE 22"] ["AttndncCntxt"] "whether somebody stands at the terminal",
    "device.id" "text" [] ["DvcId"] "the device",
    "device.first_seen" "time" [] [] "when the device was first seen on the account",
    "device.type" "one of phone|tablet|computer|other" [] [] "kind of device",
    "device.rooted" "yes/no" [] [] "whether the device's protection is broken",
    "ip.address" "text" [] ["IPAdr"] "the network address",
    "ip.country" "text" [] [] "ISO 3166 alpha-2 country of the address",
    "ip.proxy" "yes/no" [] [] "whether the address hides another one",
    "payee.id" "text" ["DE 103"] ["CdtrAcct"] "who is paid",
    "payee.name" "text" [] ["Cdtr"] "the payee's name",
    "payee.country" "text" [] ["CdtrCtry"] "ISO 3166 alpha-2 country of the payee",
    "payee.added" "time" [] [] "when the payee was added",
    "session.id" "text" [] [] "the session of the app or website",
    "session.failed_logins" "number" [] [] "failed log-ins before this one",
    "label.source" "text" [] [] "who reported the label",
    "label.assurance" "text" [] [] "how sure the label is",
}

/// The well-known field of a name.
pub fn field(name: &str) -> Option<&'static WellKnown> {
    FIELDS.iter().find(|field| field.name == name)
}
