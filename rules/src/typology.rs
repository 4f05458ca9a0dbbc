//! The catalogue of fraud types that rules name in `typology:`.
//!
//! It does not depend on which rules detect them.

use crate::diagnostic::nearest;

/// A kind of fraud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Typology {
    /// Stable id.
    pub id: &'static str,
    /// Its meaning, one line.
    pub doc: &'static str,
}

macro_rules! typologies {
    ($($id:literal $doc:literal,)+) => {
        /// All known types, by id.
        pub const TYPOLOGIES: &[Typology] = &[$(Typology { id: $id, doc: $doc },)+];
    };
}

typologies! {
    "AML.LAYERING" "money moved through several accounts to hide where it came from",
    "AML.PASS_THROUGH" "money in and out again at once",
    "AML.STRUCTURING" "amounts kept just under a reporting or limit threshold",
    "FRD.ACCT.DORMANT" "an account that wakes up after a long rest",
    "FRD.ACCT.NEW" "abuse of a newly opened account",
    "FRD.APP.SCAM" "the account holder is talked into paying the fraudster",
    "FRD.ATO.CREDENTIAL" "log-in with stolen or guessed credentials",
    "FRD.ATO.DEVICE" "a new device takes an account over",
    "FRD.ATO.DRAIN" "an account is taken over and emptied",
    "FRD.ATO.PIN" "cash-out after a change of PIN",
    "FRD.ATO.TOKEN" "a card enrolled in a stranger's wallet",
    "FRD.CARD.AMOUNT" "an amount far outside the card's habit",
    "FRD.CARD.ATM" "cash-out with a stolen or copied card",
    "FRD.CARD.CLONE" "a copied card used where its holder is not",
    "FRD.CARD.CNP" "card details used without the card",
    "FRD.CARD.FALLBACK" "magnetic stripe used to avoid the chip",
    "FRD.CARD.LOST" "a lost or stolen card",
    "FRD.CARD.MCC" "spending in a category that is new and risky",
    "FRD.CARD.TESTING" "small charges that try out stolen card numbers",
    "FRD.CARD.VELOCITY" "too many uses in a short time",
    "FRD.CARD.XBORDER" "use abroad against the holder's habit",
    "FRD.FIRST_PARTY" "the account holder disputes payments of their own",
    "FRD.MERCH.BUST_OUT" "a merchant that charges and vanishes",
    "FRD.MERCH.COMPROMISE" "a terminal or merchant where card details leak",
    "FRD.P2P.MULE" "an account that receives and forwards stolen money",
    "FRD.P2P.NEW_PAYEE" "a large payment to somebody new",
    "FRD.REFUND" "refunds without a purchase, or to another card",
}

/// Whether a type of this id is known.
pub fn is_known(id: &str) -> bool {
    TYPOLOGIES.iter().any(|typology| typology.id == id)
}

/// The type that a misspelt id means: by its spelling, in whatever letters, or by its last part: `card_testing`.
pub fn nearest_to(wrong: &str) -> Option<&'static str> {
    let upper = wrong.trim().to_ascii_uppercase();
    let dotted = upper.replace(['-', '_', ' ', '/'], ".");
    let ids = || TYPOLOGIES.iter().map(|typology| typology.id);
    let plain = |id: &str| id.replace('_', ".");
    let is_meant = |id: &&str| plain(id) == dotted || plain(id).ends_with(&format!(".{dotted}"));
    ids().find(is_meant).or_else(|| nearest(&upper, ids()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typology_is_found_by_its_spelling_or_its_last_part() {
        for (wrong, meant) in [
            ("FRD.CARD.TESTIN", Some("FRD.CARD.TESTING")),
            ("frd.card.testing", Some("FRD.CARD.TESTING")),
            ("card_testing", Some("FRD.CARD.TESTING")),
            ("FRD_P2P_NEW_PAYEE", Some("FRD.P2P.NEW_PAYEE")),
            ("mule", Some("FRD.P2P.MULE")),
            ("phishing", None),
            ("", None),
        ] {
            assert_eq!(nearest_to(wrong), meant, "{wrong}");
        }
    }
}
