//! Which rows a ledger still has of a sleeping key, which row a reference means, and what events say about each other.

use super::facts::Row;
use super::record::{Fields, Sent};
use super::tally::Tally;
use super::{DAY, FUTURE_MAX};

/// The event it says something about, and what.
type Says = Option<(String, Fields)>;

/// What an event says about the one it refers to, and what events that came before it say about it. The account's
/// ledger finds it out, from rows since a time; others are given it.
pub(super) fn said(
    rows: &[Row],
    sent: &Sent,
    since: Option<i64>,
    tally: &mut Tally,
) -> (Says, Vec<(String, Fields)>) {
    let about = sent.reference.clone().unwrap_or_default();
    let mut says = sent.says.clone().map(|says| (about, says));
    let Some(since) = since else { return (says, sent.said_before.clone()) };
    let is_newer = |row: &Row| row.at > sent.at && row.kind == sent.kind;
    let about = says.as_ref().map(|says| &says.0);
    let has_newer = rows.iter().any(|row| is_newer(row) && row.says.as_ref().map(|said| &said.0) == about);
    if has_newer && says.take().is_some() {
        tally.superseded += 1;
    }
    let said_before = about_it(rows, sent, since);
    tally.amended_before += said_before.len() as u64;
    (says, said_before)
}

/// What events that came before an event say about it: of each type the newest, if it means this event.
fn about_it(rows: &[Row], sent: &Sent, since: i64) -> Vec<(String, Fields)> {
    let kinds = ["outcome", "reversal", "clearing"];
    let follows_up = sent.reference.is_some() || sent.kind == "label" || kinds.contains(&sent.kind.as_str());
    let with_id = |by: &Row| -> Vec<&Row> {
        rows.iter()
            .filter(|row| row.id == sent.id && row.kind != "label" && row.arrival != by.arrival)
            .collect()
    };
    let means_it = |by: &Row| {
        let others = with_id(by);
        let events = others.iter().filter(|row| !row.is_follow_up).count();
        let rivals = others.iter().filter(|row| follows_up || !row.is_follow_up);
        let is_newest = rivals.clone().all(|row| row.at <= sent.at);
        let is_meant = sent.kind != "label" && is_newest && !(follows_up && events > 0);
        // Events happen before what follows up on them, but for clocks; an id that is used again is a new event's.
        is_meant && (sent.at <= by.at || sent.at - by.at <= FUTURE_MAX && events == 0)
    };
    let newest = |kind: &str| {
        let said = rows.iter().filter(|row| row.kind == kind && row.at >= since);
        let said = said.filter(|row| row.says.as_ref().is_some_and(|(about, _)| *about == sent.id));
        let newest = said.max_by_key(|row| (row.at, row.arrival))?;
        newest.says.clone().filter(|_| means_it(newest))
    };
    kinds.iter().filter_map(|kind| Some(((*kind).to_owned(), newest(kind)?.1))).collect()
}

/// The row of the account with this id after a time that a reference means: the newest of the type that is named;
/// without one the newest that follows up no other, or else the newest that is no label.
pub(super) fn newest_with(rows: &[Row], id: &str, (by, after): (&Sent, i64)) -> Option<usize> {
    let is_kind =
        |row: &Row| by.reference_kind.as_ref().map_or(row.kind != "label", |kind| row.kind == *kind);
    let is_meant = |row: &Row| row.account == by.account && row.id == id && is_kind(row) && row.at > after;
    let with_id = (0..rows.len()).filter(|at| is_meant(&rows[*at]));
    let is_first = |row: &Row| by.reference_kind.is_none() && !row.is_follow_up;
    with_id.max_by_key(|at| (is_first(&rows[*at]), rows[*at].at, rows[*at].arrival))
}

/// Rows at or before a time that are kept beyond it: those of the newest such time, if the ledger's next row came no
/// sooner than two days after, or not yet.
pub(super) fn asleep(rows: &[Row], held_after: i64) -> Vec<&Row> {
    let Some(newest) = rows.iter().map(|row| row.at).filter(|at| *at <= held_after).max() else {
        return Vec::new();
    };
    let next = rows.iter().map(|row| row.at).filter(|at| *at > newest).min();
    if next.is_some_and(|next| next - newest < 2 * DAY) {
        return Vec::new();
    }
    rows.iter().filter(|row| row.at == newest).collect()
}
