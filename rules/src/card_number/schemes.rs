//! Prefixes and lengths of the card schemes, and the Luhn digit.

/// A set of lengths: the bit of a length less 13.
type Lengths = u8;

const ALL: Lengths = 0b111_1111;
const FROM_14: Lengths = 0b111_1110;
const FROM_16: Lengths = 0b111_1000;

const fn of(lengths: &[u8]) -> Lengths {
    let (mut set, mut at) = (0, 0);
    while at < lengths.len() {
        set |= 1 << (lengths[at] - 13);
        at += 1;
    }
    set
}

/// The lengths of card numbers that begin with four digits, given as four bits each. Ranges of several schemes are
/// united.
///
/// Sources: ISO/IEC 7812-1 and the ranges that the schemes publish, as collected in Wikipedia's article "Payment card
/// number" and in the library `credit-card-type` of Braintree.
fn lengths(prefix: u128) -> Lengths {
    match prefix {
        // Visa, also Electron and Dankort.
        0x4000..=0x4999 => of(&[13, 16, 18, 19]),
        // Mastercard.
        0x5100..=0x5599 | 0x2221..=0x2720 => of(&[16]),
        // American Express.
        0x3400..=0x3499 | 0x3700..=0x3799 => of(&[15]),
        // Diners Club.
        0x3000..=0x3059 | 0x3095 | 0x3600..=0x3699 | 0x3800..=0x3999 => FROM_14,
        // JCB; RuPay and LankaPay within it.
        0x3528..=0x3589 => FROM_16,
        // Maestro; Elo, Verve and RuPay within it.
        0x5000..=0x5099 | 0x5600..=0x5999 | 0x6300..=0x6399 | 0x6700..=0x6799 => ALL,
        // UnionPay; RuPay within it.
        0x6200..=0x6299 | 0x8100..=0x8171 => FROM_14,
        // Discover; RuPay and Troy within it.
        0x6011 | 0x6440..=0x6599 => FROM_16,
        // RuPay, GPN.
        0x6000..=0x6199 => of(&[16]),
        // Mir, Borica.
        0x2200..=0x2205 => FROM_16,
        // RuPay, GPN, Uzcard, Humo, Troy.
        0x8172..=0x8299 | 0x1946 | 0x8600 | 0x9860 | 0x9792 => of(&[16]),
        _ => 0,
    }
}

/// Whether the newest `length` digits, four bits each, are a card number.
pub(super) fn is_card_number(digits: u128, length: usize) -> bool {
    let prefix = digits >> (4 * (length - 4)) & 0xffff;
    lengths(prefix) >> (length - 13) & 1 == 1 && luhn(digits, length)
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
