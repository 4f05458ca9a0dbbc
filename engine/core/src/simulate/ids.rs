//! How ids of the bank's feed are written.

use super::world::Merchant;
use std::fmt::Write as _;

/// The id of an account.
pub(super) fn account_id(number: u32) -> String {
    let mut id = String::new();
    account_id_into(number, &mut id);
    id
}

/// Appends the id of an account.
pub(super) fn account_id_into(number: u32, out: &mut String) {
    write!(out, "A{number}").expect("a string takes all");
}

/// Appends the id of an event.
pub(super) fn event_id_into(account: u32, sequence: u32, out: &mut String) {
    write!(out, "E{account}n{sequence}").expect("a string takes all");
}

/// The id of a till.
pub(super) fn terminal_id(seed: u64, shop: Merchant, till: u8) -> String {
    format!("T{}k{till}", shop.code(seed))
}
