//! Prefixes and lengths of the card schemes, and the Luhn digit.

/// Digits of the shortest card number.
pub const CARD_DIGITS_MIN: usize = 12;
/// Digits of the longest card number.
pub const CARD_DIGITS_MAX: usize = 19;

/// A set of lengths: the bit of a length less 12.
type Lengths = u8;

const FROM_12: Lengths = 0b1111_1111;
const FROM_13: Lengths = 0b1111_1110;
const FROM_14: Lengths = 0b1111_1100;
const FROM_15: Lengths = 0b1111_1000;
const FROM_16: Lengths = 0b1111_0000;

const fn of(lengths: &[usize]) -> Lengths {
    let (mut set, mut at) = (0, 0);
    while at < lengths.len() {
        set |= 1 << (lengths[at] - CARD_DIGITS_MIN);
        at += 1;
    }
    set
}

/// The lengths of card numbers that begin with four digits, given as four bits each. Ranges of several schemes are
/// united.
///
/// Sources: ISO/IEC 7812-1; the table of issuer identification numbers in Wikipedia's article "Payment card number";
/// the patterns of Braintree's library `credit-card-type` (JCB 1800 and 2131, all of Maestro's 50, 56 to 59, 63, 67).
/// Twelve digits are a card number with the prefixes that Wikipedia names for Maestro only: telephone numbers with the
/// country codes 57, 58 and 63 have twelve digits too.
fn lengths(prefix: u128) -> Lengths {
    match prefix {
        // Visa, also Electron and Dankort.
        0x4000..=0x4999 => of(&[13, 16, 18, 19]),
        // Mastercard.
        0x5100..=0x5599 | 0x2221..=0x2720 => of(&[16]),
        // American Express.
        0x3400..=0x3499 | 0x3700..=0x3799 => of(&[15]),
        // Diners Club.
        0x3000..=0x3099 | 0x3600..=0x3699 | 0x3800..=0x3999 => FROM_14,
        // JCB; RuPay and LankaPay within it.
        0x3528..=0x3589 => FROM_16,
        // JCB, and UATP within it.
        0x1800 | 0x2131 => FROM_15,
        // Maestro.
        0x5018 | 0x5020 | 0x5038 | 0x5893 | 0x6304 | 0x6759 | 0x6761..=0x6763 | 0x6767 => FROM_12,
        // Maestro; Elo, Verve, GPN, Meeza and RuPay within it.
        0x5000..=0x5099 | 0x5600..=0x5999 | 0x6300..=0x6399 | 0x6700..=0x6799 => FROM_13,
        // UnionPay; RuPay within it.
        0x6200..=0x6299 | 0x8100..=0x8171 => FROM_14,
        // Discover; RuPay and Troy within it. UkrCard.
        0x6011 | 0x6440..=0x6599 | 0x6040..=0x6042 => FROM_16,
        // RuPay, GPN.
        0x6000..=0x6199 => of(&[16, 18, 19]),
        // Mir, Borica.
        0x2200..=0x2205 => FROM_16,
        // GPN, UATP.
        0x1946 => of(&[15, 16, 18, 19]),
        // UATP.
        0x1000..=0x1999 => of(&[15]),
        // T-Union.
        0x3100..=0x3199 => of(&[19]),
        // Napas.
        0x9704 => of(&[16, 19]),
        // RuPay, Uzcard, Humo, Troy, mada.
        0x8172..=0x8299 | 0x8600 | 0x9860 | 0x9792 | 0x9682 => of(&[16]),
        _ => 0,
    }
}

/// Whether the newest `length` digits, four bits each, are a card number.
pub(super) fn is_card_number(digits: u128, length: usize) -> bool {
    let prefix = digits >> (4 * (length - 4)) & 0xffff;
    lengths(prefix) >> (length - CARD_DIGITS_MIN) & 1 == 1 && luhn(digits, length)
}

fn luhn(digits: u128, length: usize) -> bool {
    let sum: u128 = (0..length)
        .map(|at| {
            let digit = digits >> (4 * at) & 15;
            let doubled = digit * 2;
            match at % 2 {
                0 => digit,
                _ if doubled > 9 => doubled - 9,
                _ => doubled,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}
