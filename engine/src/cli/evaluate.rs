//! `tripline evaluate`: detection metrics of scores over a labelled history.
//!
//! Labels come from `labels:` of the mapping or from events with `event.ref` and `label.outcome`. The engine reads each
//! label only when it becomes known; the metrics use all of them.

mod columns;

use super::configured::configured;
use super::error::{CliError, SetupError};
use super::feed::{Feed, Order, Progress};
use super::report::{Exit, Report, note, without_row};
use crate::config::Config;
use clap::Args;
use jiff::civil::Date;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;
use std::path::PathBuf;
use tripline_core::batch::Timestamp;
use tripline_core::outputs::Outputs;
use tripline_core::results::{Collect, EventResult, EventResults};
use tripline_models::metrics::{Scored, auc, average_precision, card_precision_at, recall_at};
use tripline_models::protocol::{WEEK_DAYS, in_stream, test_week, threshold_at};
use tripline_rules::money::Currency;
use tripline_rules::schema::{EVENT_REF, Kind, LABEL_OUTCOME};
use tripline_rules::time::DAY_MS;

/// Accounts inspected per day.
const CARDS_A_DAY: usize = 100;
/// Alert budget: share of events with an alert.
const ALERT_BUDGET: f64 = 0.005;
/// Share of the highest scores for which recall is reported.
const RECALL_SHARE: f64 = 0.01;

/// Compare the profile score and the score of the rules with delayed labels.
///
/// With `--fold`, each fold is split as in the Fraud Detection Handbook: a training week from that day, a week of label
/// delay, then a test week without the accounts known to be compromised. Without `--fold`, all events from `--from` to
/// `--until` are tested.
#[derive(Debug, Args)]
#[command(after_help = columns::HELP)]
pub struct Evaluate {
    /// Configuration file; its mapping has `labels:`, or `event.ref` and `label.outcome`.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Files of records, read in the given order.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    input: Vec<PathBuf>,
    /// Process the records in the order of their event times, not of the files: an external merge sort in a temporary
    /// file, in bounded memory.
    #[arg(long)]
    sort: bool,
    /// First day of a training week; repeat it for several folds.
    #[arg(long, value_name = "DATE", conflicts_with_all = ["from", "until"])]
    fold: Vec<Date>,
    /// First day of the test.
    #[arg(long, value_name = "DATE")]
    from: Option<Date>,
    /// First day after the test.
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Print the result as JSON, one object per line.
    #[arg(long)]
    json: bool,
}

/// Metrics of one score on one test set.
#[derive(Clone, Debug, Serialize)]
struct Figures {
    score: &'static str,
    test: String,
    events: usize,
    frauds: usize,
    auc: Option<f64>,
    average_precision: Option<f64>,
    card_precision_at_100: Option<f64>,
    recall_at_1_percent: Option<f64>,
    value_recall_at_1_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_stream: Option<Stream>,
}

/// Metrics of decisions in the stream, at the alert budget.
#[derive(Clone, Copy, Debug, Serialize)]
struct Stream {
    threshold: Option<f64>,
    recall: f64,
    precision: f64,
    account_detection_rate: f64,
    false_per_true_account: Option<f64>,
    value_detected: Option<f64>,
    value_saved: Option<f64>,
    alerts_per_10k_accounts_day: f64,
}

/// The outcome of an event that was what it seemed.
const GENUINE: &str = "genuine";

/// The model that is evaluated.
const PROFILE: &str = "profile";

/// Scores of all records.
#[derive(Default)]
struct Scores {
    profile: Vec<Scored>,
    rules: Vec<Scored>,
    /// Outcomes that were found, of whatever kind.
    outcomes: u64,
    /// The currencies of the events' amounts, by their codes.
    currencies: BTreeSet<&'static str>,
}

impl Scores {
    /// Whether amounts add up to a value: they are in one currency.
    fn have_value(&self) -> bool {
        self.currencies.len() <= 1
    }
}

/// One number for each account. Ties between accounts are broken by it.
#[derive(Default)]
struct AccountNumbers {
    by_account: HashMap<u128, u64>,
    /// The numbers that are an account's own id.
    own: HashSet<u64>,
}

/// Accounts without a number of their own are numbered from here on, so that they share none with another.
const UNNUMBERED_FROM: u64 = 1 << 63;

impl AccountNumbers {
    /// The number of an account: its id, if that is a number which no other account has.
    fn number(&mut self, account: u128, id: &str) -> u64 {
        let next = UNNUMBERED_FROM + self.by_account.len() as u64;
        *self.by_account.entry(account).or_insert_with(|| {
            let own = id.parse().ok().filter(|own| *own < UNNUMBERED_FROM && self.own.insert(*own));
            own.unwrap_or(next)
        })
    }
}

/// What label events say of earlier events.
struct LabelEvents {
    /// The outcome of events that were not fraud.
    genuine: Option<u16>,
    /// By account and event id, while label events can follow.
    events: HashMap<(u128, u64), LabelledEvent>,
    is_mapped: bool,
}

/// An event that label events may be about.
struct LabelledEvent {
    /// Its positions in the scores.
    places: [Option<usize>; 2],
    /// Event time of the newest label so far.
    labelled_at: Timestamp,
}

impl LabelEvents {
    fn of(config: &Config) -> LabelEvents {
        let genuine = match &config.schema().field(LABEL_OUTCOME).kind {
            Kind::OneOf(outcomes) => outcomes.code(GENUINE),
            _ => None,
        };
        let is_mapped = config.mapping.fields.iter().any(|field| field.slot == LABEL_OUTCOME);
        LabelEvents { genuine, events: HashMap::new(), is_mapped }
    }

    /// Whether an outcome means that the event was unwanted: fraud, a scam, first-party fraud.
    fn is_fraud(&self, outcome: Option<u16>) -> bool {
        outcome.is_some() && outcome != self.genuine
    }

    /// Writes what a label event says into the scores of its event, unless a label of a later time did.
    fn apply(&mut self, line: &EventResult, scores: &mut Scores) {
        let fraud = self.is_fraud(line.outcome);
        let event = line.reference.and_then(|id| self.events.get_mut(&(line.account_key, id)));
        let Some(event) = event.filter(|event| event.labelled_at <= line.at) else { return };
        event.labelled_at = line.at;
        let [profile, rules] = &event.places;
        profile.iter().for_each(|at| scores.profile[*at].fraud = fraud);
        rules.iter().for_each(|at| scores.rules[*at].fraud = fraud);
    }
}

impl Evaluate {
    /// Runs the command.
    ///
    /// # Errors
    /// When a file cannot be read, the configuration has errors, or its mapping has no labels.
    pub fn run(self) -> Result<Exit, CliError> {
        let config = configured(&self.config)?;
        let maps = |slot| config.mapping.fields.iter().any(|field| field.slot == slot);
        if config.mapping.labels.is_none() && !(maps(EVENT_REF) && maps(LABEL_OUTCOME)) {
            return Err(SetupError::NoLabels.into());
        }
        let scores = score(&config, &self.input, Order::of(self.sort))?;
        if scores.outcomes == 0 {
            note("warning: no record of the input has a label: every event counts as genuine");
        }
        let has_value = scores.have_value();
        if !has_value {
            let codes: Vec<&str> = scores.currencies.iter().copied().collect();
            note(&format!("amounts are in several currencies ({}): no figures of value", codes.join(", ")));
        }
        let mut report = Report::new(self.json);
        let all = [(PROFILE, &scores.profile), ("rules", &scores.rules)];
        for (name, scored) in all.into_iter().filter(|(_, scored)| !scored.is_empty()) {
            let mut folds = Vec::new();
            for (number, first) in self.fold.iter().enumerate() {
                let fold = fold(name, *first, scored, has_value);
                report.json(&fold)?;
                report.text(|| table(&fold, number == 0))?;
                folds.push(fold);
            }
            if folds.len() > 1 {
                let mean = mean(&folds);
                report.json(&mean)?;
                report.text(|| table(&mean, false))?;
            }
            if folds.is_empty() {
                let whole = self.span(name, scored, has_value);
                report.json(&whole)?;
                report.text(|| table(&whole, true))?;
            }
        }
        Ok(Exit::Success)
    }

    fn span(&self, name: &'static str, scored: &[Scored], has_value: bool) -> Figures {
        let from = self.from.map_or(i64::MIN, day_of);
        let until = self.until.map_or(i64::MAX, day_of);
        let test: Vec<Scored> =
            scored.iter().filter(|row| (from..until).contains(&row.day)).copied().collect();
        let shown = |date: Option<Date>, open: &str| date.map_or(open.to_owned(), |date| date.to_string());
        figures(
            name,
            format!("{} to {}", shown(self.from, "the first"), shown(self.until, "the last")),
            &test,
            has_value,
        )
    }
}

/// Runs the engine over the history and collects the scores of every record.
fn score(config: &Config, input: &[PathBuf], order: Order) -> Result<Scores, CliError> {
    let profile = config.installation.models().position(PROFILE);
    let has_rules = !config.ruleset().rules().is_empty();
    let mut feed = Feed::open(config, config.settings().clone(), input, order)?;
    let mut out = Outputs::default();
    let mut results = EventResults::new(Collect::Verdicts);
    let mut accounts = AccountNumbers::default();
    let mut scores = Scores::default();
    let mut labels = LabelEvents::of(config);
    let progress = Progress::begin();
    while feed.step(&mut out, &mut results)? {
        for line in results.rows() {
            scores.outcomes += u64::from(line.labelled.or(line.outcome).is_some());
            // A follow-up is no event to be found, unless its own record says what it was.
            if line.reference.is_some() && line.labelled.is_none() {
                if line.outcome.is_some() {
                    labels.apply(line, &mut scores);
                }
                continue;
            }
            let account = accounts.number(line.account_key, results.account(line));
            scores.currencies.extend(line.currency.map(Currency::code));
            let row = Scored {
                day: line.at.0.div_euclid(DAY_MS),
                account,
                score: f64::from(line.score),
                fraud: labels.is_fraud(line.labelled.or(line.outcome)),
                amount: if line.amount.is_nan() { 0.0 } else { line.amount / minor_units(line.currency) },
            };
            let mut places = [None, None];
            let score = profile.map(|model| results.scores(line)[model]);
            if let Some(score) = score.filter(|score| !score.is_nan()) {
                places[0] = Some(scores.profile.len());
                scores.profile.push(Scored { score, ..row });
            }
            if has_rules {
                places[1] = Some(scores.rules.len());
                scores.rules.push(row);
            }
            if labels.is_mapped {
                let event = LabelledEvent { places, labelled_at: Timestamp(i64::MIN) };
                labels.events.insert((line.account_key, line.id), event);
            }
        }
        out.clear();
        results.clear();
        progress.at(feed.counts().records);
    }
    progress.end();
    feed.warn_of_keys();
    let refused = without_row(&feed.counts());
    let refused = refused.trim_end();
    if !refused.is_empty() && scores.profile.is_empty() && scores.rules.is_empty() {
        return Err(SetupError::NoEvents(refused.to_owned()).into());
    }
    if !refused.is_empty() {
        note(&format!("warning: {refused}"));
    }
    Ok(scores)
}

/// Minor units of a currency in a major one.
fn minor_units(currency: Option<Currency>) -> f64 {
    10f64.powi(currency.map_or(2, Currency::exponent).into())
}

fn day_of(date: Date) -> i64 {
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).expect("every date has a UTC midnight");
    midnight.timestamp().as_millisecond().div_euclid(DAY_MS)
}

fn fold(name: &'static str, first: Date, scored: &[Scored], has_value: bool) -> Figures {
    let day = day_of(first);
    let test = test_week(day, scored);
    // The last week whose labels are all known when the test begins.
    let matured: Vec<Scored> =
        scored.iter().filter(|row| (day..day + WEEK_DAYS).contains(&row.day)).copied().collect();
    let threshold = threshold_at(ALERT_BUDGET, &matured);
    let stream = in_stream(threshold, &test).map(|figures| Stream {
        threshold: figures.threshold.is_finite().then_some(figures.threshold),
        recall: figures.recall,
        precision: figures.precision,
        account_detection_rate: figures.account_detection,
        false_per_true_account: Some(figures.false_per_true_account).filter(|ratio| ratio.is_finite()),
        value_detected: Some(figures.value_detected).filter(|_| has_value),
        value_saved: Some(figures.value_saved).filter(|_| has_value),
        alerts_per_10k_accounts_day: figures.alerts_per_10k_accounts_day,
    });
    Figures { in_stream: stream, ..figures(name, first.to_string(), &test, has_value) }
}

fn figures(name: &'static str, test: String, scored: &[Scored], has_value: bool) -> Figures {
    let recall = recall_at(RECALL_SHARE, scored);
    Figures {
        score: name,
        test,
        events: scored.len(),
        frauds: scored.iter().filter(|row| row.fraud).count(),
        auc: auc(scored),
        average_precision: average_precision(scored),
        card_precision_at_100: card_precision_at(CARDS_A_DAY, scored),
        recall_at_1_percent: recall.map(|(count, _)| count),
        value_recall_at_1_percent: recall.map(|(_, value)| value).filter(|_| has_value),
        in_stream: None,
    }
}

/// The mean of the folds, for each metric.
fn mean(folds: &[Figures]) -> Figures {
    #[expect(clippy::cast_precision_loss, reason = "a handful of folds")]
    let n = folds.len() as f64;
    let of = |figure: fn(&Figures) -> Option<f64>| {
        let values: Option<Vec<f64>> = folds.iter().map(figure).collect();
        values.map(|values| values.iter().sum::<f64>() / n)
    };
    let stream = |figure: fn(&Stream) -> f64| {
        folds.iter().filter_map(|fold| fold.in_stream.as_ref()).map(figure).sum::<f64>() / n
    };
    let value = |figure: fn(&Stream) -> Option<f64>| {
        let values: Option<Vec<f64>> =
            folds.iter().map(|fold| fold.in_stream.as_ref().and_then(figure)).collect();
        values.map(|values| values.iter().sum::<f64>() / n)
    };
    let has_stream = folds.iter().all(|fold| fold.in_stream.is_some());
    Figures {
        score: folds[0].score,
        test: format!("mean of {}", folds.len()),
        events: folds.iter().map(|fold| fold.events).sum(),
        frauds: folds.iter().map(|fold| fold.frauds).sum(),
        auc: of(|fold| fold.auc),
        average_precision: of(|fold| fold.average_precision),
        card_precision_at_100: of(|fold| fold.card_precision_at_100),
        recall_at_1_percent: of(|fold| fold.recall_at_1_percent),
        value_recall_at_1_percent: of(|fold| fold.value_recall_at_1_percent),
        in_stream: has_stream.then(|| Stream {
            threshold: None,
            recall: stream(|figures| figures.recall),
            precision: stream(|figures| figures.precision),
            account_detection_rate: stream(|figures| figures.account_detection_rate),
            false_per_true_account: None,
            value_detected: value(|figures| figures.value_detected),
            value_saved: value(|figures| figures.value_saved),
            alerts_per_10k_accounts_day: stream(|figures| figures.alerts_per_10k_accounts_day),
        }),
    }
}

fn table(figures: &Figures, header: bool) -> String {
    let number = |value: Option<f64>| value.map_or("      –".to_owned(), |value| format!("{value:>7.4}"));
    let share = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    let mut text = String::new();
    if header {
        let _ = writeln!(
            text,
            "{:<8}{:<24}{:>9}{:>8}  {:>7} {:>7} {:>7} {:>7} {:>7}   in the stream at {} % alerts",
            "score",
            "test",
            "events",
            "frauds",
            "AUC",
            "AP",
            "CP@100",
            "rec@1%",
            "val@1%",
            ALERT_BUDGET * 100.0,
        );
    }
    let _ = write!(
        text,
        "{:<8}{:<24}{:>9}{:>8}  {} {} {} {} {}",
        figures.score,
        figures.test,
        figures.events,
        figures.frauds,
        number(figures.auc),
        number(figures.average_precision),
        number(figures.card_precision_at_100),
        number(figures.recall_at_1_percent),
        number(figures.value_recall_at_1_percent),
    );
    if let Some(stream) = &figures.in_stream {
        let _ = write!(
            text,
            "   recall {:.3}, precision {:.3}, accounts {:.3}, value detected {}, saved {}, {:.1} alerts per 10,000 accounts and day",
            stream.recall,
            stream.precision,
            stream.account_detection_rate,
            share(stream.value_detected),
            share(stream.value_saved),
            stream.alerts_per_10k_accounts_day,
        );
    }
    text.push('\n');
    text
}
