//! The whole stream by hand: what becomes of every record, and what its event is judged to be.

use super::facts::{Amended, Facts, Look, Row, amend};
use super::follow_ups::{asleep, newest_with, said};
use super::looks::{self, FEATURES_ACCOUNT, POPULATIONS, features, is_spend};
use super::record::{self, Fields, Sent};
use super::rules::{self, Action, Rule, decide};
use super::suppress::{About, Decisions};
use super::tally::Tally;
use super::terminal_looks::{self, FEATURES_TERMINAL};
use super::truth::Number;
use super::{DAY, FUTURE_MAX, HOUR};
use std::collections::BTreeMap;

const JUMP_MAX: i64 = 30 * DAY;
/// How long after its event a reported fraud becomes known.
pub(crate) const LABEL_AFTER: i64 = HOUR;
/// The longest window and delay of both packs.
const LOOK_BACK: i64 = 2 * DAY;

/// How the stream is to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub lateness: i64,
    pub retention: Option<i64>,
    pub rows_max: usize,
    pub terminals: bool,
    /// Whether records that tell of a fraud become labels later.
    pub labels: bool,
}

impl Settings {
    /// How long a row is held. An event may be late by the lateness behind a log that is behind a clock that is ahead,
    /// and must still find its whole window.
    fn row_lifetime(&self) -> i64 {
        self.retention.unwrap_or(LOOK_BACK) + self.lateness + FUTURE_MAX
    }
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    DeadLetter,
    Late,
    Duplicate,
    Conflict,
    Row(Taken),
}

/// An event that has its row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    pub id: String,
    pub features: Vec<Number>,
    /// Key spaces in which any rule fired.
    pub judged: Vec<Judged>,
    /// Every known number of every aggregate, money in cents.
    pub facts: BTreeMap<&'static str, f64>,
}

/// The verdict of one key space.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judged {
    pub space: &'static str,
    /// Id of the entity; `None` when the event did not carry it: rows hold hashes, which have no text.
    pub key: Option<String>,
    pub event: String,
    pub kind: String,
    pub rules: Vec<&'static str>,
    pub shadow: Vec<&'static str>,
    pub silenced: Vec<&'static str>,
    pub unknown: u32,
    pub score: f64,
    pub action: &'static str,
    pub alert: bool,
    /// Number in its incident, of alerts.
    pub seq: Option<u32>,
    pub out_of_order: bool,
}

/// One key space: what it looks at and how it judges.
struct Space {
    name: &'static str,
    looks: Vec<Look>,
    rules: Vec<Rule>,
}

/// The state of one partition of a key space.
#[derive(Default)]
struct Shard {
    watermark: Option<i64>,
    ledgers: BTreeMap<String, Vec<Row>>,
    arrivals: usize,
    population: Vec<Row>,
    decisions: Decisions,
    /// Whether it is the account's, which finds out what events say about each other.
    is_account: bool,
}

/// The slow oracle.
pub(crate) struct Oracle {
    settings: Settings,
    account: Space,
    terminal: Space,
    accounts: BTreeMap<u32, Shard>,
    terminals: Shard,
    /// Greatest event time of each partition, the clock of streams without append times.
    clocks: BTreeMap<u32, i64>,
    /// Labels that are not known yet, by partition.
    labels: Vec<(u32, Sent)>,
    /// Labels that became known with the record taken last.
    pub known: Vec<Taken>,
    pub tally: Tally,
}

enum Placed {
    New { own: Box<Row>, out_of_order: bool },
    Duplicate,
    Conflict,
}

impl Oracle {
    pub(crate) fn new(settings: Settings) -> Oracle {
        Oracle {
            settings,
            account: Space { name: "account", looks: looks::account(), rules: rules::account() },
            terminal: Space { name: "terminal", looks: terminal_looks::terminal(), rules: rules::terminal() },
            accounts: BTreeMap::new(),
            terminals: Shard::default(),
            clocks: BTreeMap::new(),
            labels: Vec::new(),
            known: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// Takes the next record of a partition.
    pub(crate) fn take(&mut self, partition: u32, appended: Option<i64>, bytes: &[u8]) -> Outcome {
        self.known.clear();
        let outcome = self.outcome(partition, appended, bytes);
        self.tally.records += 1;
        match &outcome {
            Outcome::DeadLetter => self.tally.dead_letters += 1,
            Outcome::Late => self.tally.late += 1,
            Outcome::Duplicate => self.tally.duplicates += 1,
            Outcome::Conflict => self.tally.conflicts += 1,
            Outcome::Row(_) => self.tally.rows += 1,
        }
        outcome
    }

    fn outcome(&mut self, partition: u32, appended: Option<i64>, bytes: &[u8]) -> Outcome {
        // No event from before this time can follow.
        appended.into_iter().for_each(|at| self.seat_labels(partition, at - self.settings.lateness));
        let Some(sent) = record::read(bytes) else { return Outcome::DeadLetter };
        let Some(clock) = self.clock(partition, appended, sent.at) else { return Outcome::DeadLetter };
        if sent.at - clock > FUTURE_MAX {
            return Outcome::DeadLetter;
        }
        if clock - sent.at > self.settings.lateness {
            return Outcome::Late;
        }
        self.seat_labels(partition, sent.at);
        let outcome = self.insert(partition, &sent);
        if matches!(outcome, Outcome::Row(_)) && sent.reported && self.settings.labels {
            self.labels.push((partition, sent.fraud_label(LABEL_AFTER)));
        }
        outcome
    }

    /// What the records tell of themselves becomes known before the next event of the same or a later time.
    fn seat_labels(&mut self, partition: u32, at: i64) {
        loop {
            let due = |(of, label): &(u32, Sent)| *of == partition && label.at <= at;
            let due: Vec<usize> = (0..self.labels.len()).filter(|label| due(&self.labels[*label])).collect();
            // The earliest first; of equal ones the first that was reported.
            let Some(first) = due.into_iter().min_by_key(|label| self.labels[*label].1.at) else { return };
            let (_, label) = self.labels.remove(first);
            if let Outcome::Row(taken) = self.insert(partition, &label) {
                self.tally.labels += 1;
                self.known.push(taken);
            }
        }
    }

    fn insert(&mut self, partition: u32, sent: &Sent) -> Outcome {
        let new = || Shard { is_account: true, ..Shard::default() };
        let shard = self.accounts.entry(partition).or_insert_with(new);
        let placed = shard.place(&sent.account, sent, &self.settings, &mut self.tally);
        let (own, out_of_order) = match placed {
            Placed::New { own, out_of_order } => (own, out_of_order),
            Placed::Duplicate => return Outcome::Duplicate,
            Placed::Conflict => return Outcome::Conflict,
        };
        let facts = shard.facts(&self.account, &sent.account, &own, &self.settings, &mut self.tally);
        let judged = shard.judge(&self.account, &sent.account, &own, &facts, out_of_order, &mut self.tally);
        let mut taken = Taken {
            id: sent.id.clone(),
            features: features(own.at, &facts, FEATURES_ACCOUNT),
            judged: judged.into_iter().collect(),
            facts: facts.numbers,
        };
        if self.settings.terminals {
            self.at_terminal(sent, *own, &mut taken);
        }
        Outcome::Row(taken)
    }

    /// The trusted time, `None` for a jump that nothing explains.
    fn clock(&mut self, partition: u32, appended: Option<i64>, at: i64) -> Option<i64> {
        if appended.is_some() {
            return appended;
        }
        let clock = self.clocks.entry(partition).or_insert(at);
        if at - *clock > JUMP_MAX {
            return None;
        }
        *clock = at.max(*clock);
        Some(*clock)
    }

    fn at_terminal(&mut self, sent: &Sent, own: Row, taken: &mut Taken) {
        let mut facts = Facts::default();
        if let Some(terminal) = own.fields.terminal.clone() {
            let says = own.says.map(|(_, says)| says);
            let passed_on = Sent { fields: own.fields, says, said_before: own.said_before, ..sent.clone() };
            let shard = &mut self.terminals;
            let placed = shard.place(&terminal, &passed_on, &self.settings, &mut Tally::default());
            if let Placed::New { mut own, out_of_order } = placed {
                own.sent = sent.fields.clone();
                facts = shard.facts(&self.terminal, &terminal, &own, &self.settings, &mut self.tally);
                let judged =
                    shard.judge(&self.terminal, &terminal, &own, &facts, out_of_order, &mut self.tally);
                self.tally.terminal_alerts += u64::from(judged.as_ref().is_some_and(|judged| judged.alert));
                taken.judged.extend(judged);
            }
        }
        taken.features.extend(features(sent.at, &facts, FEATURES_TERMINAL));
        taken.facts.extend(facts.numbers);
    }
}

impl Shard {
    /// Gives an event its place among the rows held, amends the row it refers to.
    fn place(&mut self, key: &str, sent: &Sent, settings: &Settings, tally: &mut Tally) -> Placed {
        let watermark = self.watermark.map_or(sent.at, |mark| mark.max(sent.at));
        self.watermark = Some(watermark);
        let held_after = watermark - settings.row_lifetime();
        let rows = self.ledgers.entry(key.to_owned()).or_default();
        let before = rows.len();
        let asleep: Vec<usize> = asleep(rows, held_after).iter().map(|row| row.arrival).collect();
        rows.retain(|row| row.at > held_after || asleep.contains(&row.arrival));
        tally.expired += (before - rows.len()) as u64;
        // A repeat in time is no older than this, whatever clocks are ahead; an id that comes again later is a new
        // event.
        let repeatable = watermark - settings.lateness - FUTURE_MAX;
        let is_own = |row: &Row| (&row.account, &row.kind, &row.id) == (&sent.account, &sent.kind, &sent.id);
        let is_known = |row: &&Row| is_own(row) && row.at >= repeatable;
        if let Some(known) = rows.iter().filter(is_known).max_by_key(|row| (row.at, row.arrival)) {
            let said = |fields: &Fields| known.amended.unchanged(fields);
            // What a reference fills in is no part of what makes a repeat equal.
            let (mut own, mut theirs) = (sent.fields.clone(), &known.sent);
            if sent.reference.is_some() {
                own.inherit(&known.fields);
                theirs = &known.fields;
            }
            let is_same = known.at == sent.at && said(theirs) == said(&own);
            return if is_same { Placed::Duplicate } else { Placed::Conflict };
        }
        let target =
            |rows: &[Row]| sent.reference.as_ref().and_then(|id| newest_with(rows, id, (sent, held_after)));
        let mut fields = sent.fields.clone();
        if let Some(target) = target(rows) {
            tally.references += 1;
            fields.inherit(&rows[target].fields);
        }
        // The event before may have made a full ledger one too long.
        while rows.len() > settings.rows_max {
            let oldest = (0..rows.len()).min_by_key(|at| (rows[*at].at, rows[*at].arrival));
            rows.remove(oldest.expect("a full ledger has rows"));
            tally.capped += 1;
        }
        let (says, said_before) = said(rows, sent, self.is_account.then_some(repeatable), tally);
        if let (Some(target), Some((_, says))) = (target(rows), &says) {
            tally.amended += u64::from(amend(&mut rows[target], &sent.kind, says));
        }
        tally.equal_times += u64::from(rows.iter().any(|row| row.at == sent.at));
        let out_of_order = rows.iter().any(|row| row.at > sent.at);
        tally.out_of_order += u64::from(out_of_order);
        self.arrivals += 1;
        let own = Box::new(Row {
            arrival: self.arrivals,
            at: sent.at,
            kind: sent.kind.clone(),
            is_follow_up: sent.reference.is_some()
                || ["outcome", "reversal", "clearing", "label"].contains(&sent.kind.as_str()),
            id: sent.id.clone(),
            account: sent.account.clone(),
            sent: sent.fields.clone(),
            fields,
            amended: Amended::default(),
            says,
            said_before: said_before.clone(),
        });
        // The event is judged as it was sent; its row is what is known of it.
        let mut row = (*own).clone();
        for (kind, says) in &said_before {
            amend(&mut row, kind, says);
        }
        rows.push(row);
        Placed::New { own, out_of_order }
    }

    fn facts(
        &mut self,
        space: &Space,
        key: &str,
        own: &Row,
        settings: &Settings,
        tally: &mut Tally,
    ) -> Facts {
        let mut facts = Facts::default();
        let oldest = self.watermark.unwrap_or(own.at) - settings.row_lifetime();
        let held: Vec<&Row> = self.ledgers[key].iter().filter(|row| row.at > oldest).collect();
        let asleep = asleep(&self.ledgers[key], oldest);
        tally.woken += u64::from(!asleep.is_empty());
        let kept: Vec<&Row> = asleep.into_iter().chain(held.iter().copied()).collect();
        let row = held.iter().find(|row| row.arrival == own.arrival).copied().unwrap_or(own);
        for look in &space.looks {
            look.at(row, if look.over.is_some() { &held } else { &kept }, &mut facts);
            let edge = look.over.map(|over| row.at - look.delay - over);
            tally.edges += u64::from(edge.is_some_and(|edge| held.iter().any(|row| row.at == edge)));
        }
        if space.name == "account" {
            self.rank(own, &mut facts);
            self.population.push(own.clone());
        }
        facts
    }

    /// Ranks among the spending of everybody before this event, of the newest whole days.
    fn rank(&self, own: &Row, facts: &mut Facts) {
        // The newest day that the shard has seen, which is another than its own for an event that comes late.
        let days = self.population.iter().chain([own]).map(|row| row.at.div_euclid(DAY));
        let day = days.max().expect("the event itself has a day");
        let Some(amount) = own.fields.amount else { return };
        for rank in &POPULATIONS {
            let group = |row: &Row| rank.group.map(|group| group(row).map(str::to_owned));
            if group(own) == Some(None) {
                continue;
            }
            let others: Vec<i64> = self
                .population
                .iter()
                .filter(|row| (day - rank.days + 1..=day).contains(&row.at.div_euclid(DAY)))
                .filter(|row| is_spend(row) == Some(true) && group(row) == group(own))
                .filter_map(|row| row.fields.amount)
                .collect();
            if others.len() >= rank.at_least.max(1) {
                let smaller = others.iter().filter(|other| **other < amount).count();
                facts.numbers.insert(rank.name, smaller as f64 / others.len() as f64);
            }
        }
    }

    fn judge(
        &mut self,
        space: &Space,
        key: &str,
        own: &Row,
        facts: &Facts,
        out_of_order: bool,
        tally: &mut Tally,
    ) -> Option<Judged> {
        let judging = || space.rules.iter().filter(|rule| rule.events.contains(&own.kind.as_str()));
        let truths: Vec<(&Rule, Option<bool>)> =
            judging().map(|rule| (rule, (rule.when)(own, facts))).collect();
        let fired =
            |live: bool| truths.iter().filter(move |(rule, truth)| *truth == Some(true) && rule.live == live);
        let live: Vec<&Rule> = fired(true).map(|(rule, _)| *rule).collect();
        let shadow: Vec<&'static str> = fired(false).map(|(rule, _)| rule.id).collect();
        if live.is_empty() && shadow.is_empty() {
            return None;
        }
        let score = f64::from(live.iter().map(|rule| rule.score).sum::<i32>().clamp(0, 100));
        let action = live.iter().map(|rule| rule.action).fold(decide(score), Action::max);
        let about = |about| match (about, &own.fields.card) {
            (About::Card, Some(card)) => format!("card {card} of {} {key}", space.name),
            (About::Card, None) | (About::Account, _) => {
                format!("account {} of {} {key}", own.account, space.name)
            }
            (About::Key, _) => format!("{} {key}", space.name),
        };
        let silenced: Vec<&'static str> = live
            .iter()
            .filter_map(|rule| Some((rule.id, rule.cooldown?)))
            .filter(|(id, cooldown)| {
                let about = about(cooldown.about);
                tally.before_cooldown += u64::from(self.decisions.is_about_later(id, &about, own.at));
                self.decisions.is_silent(id, &about, *cooldown, own.at, score)
            })
            .map(|(id, _)| id)
            .collect();
        let unsilenced = live.iter().filter(|rule| !silenced.contains(&rule.id));
        let alert = action > Action::None && unsilenced.clone().count() > 0;
        let suppressed = action > Action::None && !live.is_empty() && !alert;
        let seq = (alert || suppressed).then(|| self.decisions.raise(key, own.at));
        for (rule, cooldown) in unsilenced.filter_map(|rule| Some((rule, rule.cooldown?))).filter(|_| alert) {
            self.decisions.open(rule.id, about(cooldown.about), own.at, own.at + cooldown.length, score);
        }
        live.iter().for_each(|rule| *tally.fired.entry(rule.id).or_default() += 1);
        shadow.iter().for_each(|rule| *tally.fired.entry(rule).or_default() += 1);
        silenced.iter().for_each(|rule| *tally.silenced.entry(rule).or_default() += 1);
        tally.alerts += u64::from(alert);
        tally.suppressed += u64::from(suppressed);
        Some(Judged {
            space: space.name,
            key: (space.name == "account" || own.sent.terminal.is_some()).then(|| key.to_owned()),
            event: own.id.clone(),
            kind: own.kind.clone(),
            rules: live.iter().map(|rule| rule.id).collect(),
            shadow,
            silenced,
            unknown: truths.iter().fold(0, |unknown, (_, truth)| unknown + u32::from(truth.is_none())),
            score,
            action: action.word(),
            alert,
            seq: seq.filter(|_| alert),
            out_of_order,
        })
    }
}
