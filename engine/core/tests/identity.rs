//! Identities: the same event id under other accounts, types and partitions is another event, in every key space; the
//! same event again is the same one; and no two alerts have one id.
//!
//! The oracle names everything in words and never hashes.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "the numbers of these small streams are far below 2^31"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use tripline_core::batch::{Batch, ShardId, Timestamp};
use tripline_core::decode::{FieldMapping, FieldSource, Format, LabelMapping, Mapping, TimeFormat};
use tripline_core::installation::Installation;
use tripline_core::outputs::{Outputs, Topic};
use tripline_core::results::{Collect, EventResults};
use tripline_core::settings::Settings;
use tripline_core::spaces::Spaces;
use tripline_rules::compile::CompileOptions;
use tripline_rules::diagnostic::{File, Paint};
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::TextKey;

#[path = "shared/seeds.rs"]
mod seeds;

/// 2024-03-01T12:00:00Z.
const NOON: i64 = 1_709_294_400_000;
const SECOND: i64 = 1_000;
/// How long after its event a reported fraud becomes known.
const KNOWN_AFTER: i64 = 4 * SECOND;
const CASES: u64 = 10_000;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase|p2p|label
  terminal.id: text
keep: [terminal.id, label.outcome]
entities: [terminal]
";

const PACK: &str = r#"version: 1
pack: identities
owner: a
timezone: UTC
aggregates:
  own: {count: events, by: account, over: 1d, where: event.type != "label"}
  there: {count: events, by: terminal, over: 1d, where: event.type != "label"}
  frauds: {count: events, by: account, over: 1d, where: event.type == "label"}
features: {f_own: own, f_there: there, f_frauds: frauds}
rules:
  - {id: OWN, title: own, event: [purchase, p2p, label], when: own >= 1, action: alert, cooldown: none, reason: "{own}"}
  - {id: THERE, title: there, by: terminal, event: [purchase, p2p, label], when: there >= 1, action: alert, cooldown: none, reason: "{there}"}
"#;

/// xorshift64*: each stream from its seed.
struct Dice(u64);

impl Dice {
    fn of(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// An event as its record states it.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    partition: u32,
    offset: i64,
    account: &'static str,
    kind: &'static str,
    /// The mapped id, or `<partition>-<offset>` where records carry none.
    id: String,
    terminal: &'static str,
    at: i64,
    is_fraud: bool,
}

/// Account, type and id.
type Identity = (&'static str, String, String);

impl Sent {
    fn identity(&self) -> Identity {
        (self.account, self.kind.to_owned(), self.id.clone())
    }

    fn label(&self) -> Identity {
        (self.account, "label".to_owned(), format!("{}/{}", self.kind, self.id))
    }

    fn json(&self) -> String {
        let Sent { id, kind, at, account, terminal, .. } = self;
        let fraud = if self.is_fraud { "1" } else { "0" };
        format!(
            r#"{{"id":"{id}","type":"{kind}","time":{at},"account":"{account}","terminal":"{terminal}","fraud":"{fraud}"}}"#
        )
    }
}

/// Accounts by partition: ids that are easily mistaken for each other.
const ACCOUNTS: [[&str; 2]; 2] = [["a", "a:1"], ["a-1", "1"]];

fn stream(seed: u64, has_ids: bool) -> Vec<Sent> {
    let mut dice = Dice::of(seed);
    let (mut sent, mut offsets) = (Vec::<Sent>::new(), [0; 2]);
    for second in 0..12 + dice.below(20) as i64 {
        let partition = dice.below(2);
        let offset = offsets[partition];
        offsets[partition] += 1;
        let repeat = (has_ids && dice.below(6) == 0).then(|| {
            let own: Vec<&Sent> = sent.iter().filter(|sent| sent.partition as usize == partition).collect();
            own.get(dice.below(own.len().max(1))).map(|sent| (*sent).clone())
        });
        let mut event = repeat.flatten().unwrap_or_else(|| Sent {
            partition: partition as u32,
            offset,
            account: dice.pick(&ACCOUNTS[partition]),
            kind: dice.pick(&["purchase", "p2p"]),
            id: dice.pick(&["1", "2", "1-1", "a", "a:1", "0-1"]).to_owned(),
            terminal: dice.pick(&["t", "1"]),
            at: NOON + second * SECOND,
            is_fraud: dice.below(3) == 0,
        });
        event.offset = offset;
        if !has_ids {
            event.id = format!("{partition}-{offset}");
        }
        sent.push(event);
    }
    sent
}

fn installation(has_ids: bool) -> Arc<Installation> {
    let (schema, faults) = Schema::load(&File::new("schema.yaml", SCHEMA));
    let schema = schema.unwrap_or_else(|| panic!("{}", faults.render(Paint::Plain)));
    let no_list = |_: &str| Err(String::new());
    let options =
        CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
    let (ruleset, faults) = Ruleset::compile(&[File::new("pack.yaml", PACK)], &schema, &options);
    let ruleset = Arc::new(ruleset.unwrap_or_else(|| panic!("{}", faults.render(Paint::Plain))));
    let places = [("event.type", "/type"), ("event.time", "/time"), ("account.id", "/account")];
    let place = |place: &str| FieldSource::Pointer(place.into());
    let id = if has_ids { place("/id") } else { FieldSource::RowNumber };
    let more = places.iter().chain(&[("terminal.id", "/terminal")]).map(|(name, at)| (*name, place(at)));
    let fields = [("event.id", id)].into_iter().chain(more).map(|(name, source)| {
        let mut field = FieldMapping::new(schema.slot(name).expect("a field"), source);
        field.time = TimeFormat::EpochMillis;
        field
    });
    let labels =
        LabelMapping { source: "/fraud".into(), equals: "1".to_owned(), outcome: 0, after_ms: KNOWN_AFTER };
    let mapping = Mapping { labels: Some(labels), ..Mapping::new(Format::Json, fields.collect()) };
    let settings = Settings { features: true, ..Settings::new("identities") };
    Arc::new(Installation::compile(&Arc::new(schema), &ruleset, &mapping, settings).expect("it fits"))
}

/// How often what these tests are about occurred.
#[derive(Debug, Default)]
struct Seen {
    streams: u64,
    repeats: u64,
    conflicts: u64,
    same_id_other_account: u64,
    same_id_other_account_at_one_terminal: u64,
    same_id_other_type: u64,
    labels_of_one_id_and_two_types: u64,
    alerts: u64,
}

/// What was seen so far, by identity.
#[derive(Default)]
struct Oracle {
    events: BTreeMap<Identity, Sent>,
    /// Labels that are not known yet and those that are.
    labels: Vec<Sent>,
    known: BTreeSet<Identity>,
    repeats: u64,
    conflicts: u64,
}

impl Oracle {
    /// Whether an event is new; a repeat says the same of the same time.
    fn take(&mut self, sent: &Sent, seen: &mut Seen) -> bool {
        for label in self.labels.iter().filter(|label| label.partition == sent.partition) {
            if label.at + KNOWN_AFTER <= sent.at {
                self.known.insert(label.label());
            }
        }
        if let Some(before) = self.events.get(&sent.identity()) {
            let is_same = (before.at, before.terminal) == (sent.at, sent.terminal);
            self.repeats += u64::from(is_same);
            self.conflicts += u64::from(!is_same);
            return false;
        }
        let with_id = || self.events.values().filter(|before| before.id == sent.id);
        let of_other = || with_id().filter(|before| before.account != sent.account);
        seen.same_id_other_account += u64::from(of_other().count() > 0);
        let meets = of_other().any(|before| (before.terminal, before.kind) == (sent.terminal, sent.kind));
        seen.same_id_other_account_at_one_terminal += u64::from(meets);
        let mut twins = with_id().filter(|before| before.account == sent.account);
        let twin = twins.find(|before| before.kind != sent.kind);
        seen.same_id_other_type += u64::from(twin.is_some());
        seen.labels_of_one_id_and_two_types +=
            u64::from(sent.is_fraud && twin.is_some_and(|twin| twin.is_fraud));
        self.events.insert(sent.identity(), sent.clone());
        if sent.is_fraud {
            self.labels.push(sent.clone());
        }
        true
    }

    /// Own events, events at the terminal, known frauds.
    fn features(&self, sent: &Sent) -> Vec<f64> {
        let count = |is_meant: &dyn Fn(&Sent) -> bool| {
            self.events.values().filter(|event| event.at <= sent.at && is_meant(event)).count()
        };
        let frauds = self.known.iter().filter(|(account, ..)| *account == sent.account).count();
        let own = count(&|event| event.account == sent.account);
        let there = count(&|event| event.terminal == sent.terminal);
        [own, there, frauds].map(|count| count as f64).to_vec()
    }
}

/// Ids of alerts, each with all that it stands for.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Ids {
    fn take(&mut self, seed: u64, alert: &serde_json::Value) {
        let mut identity = String::new();
        for part in ["/entity/kind", "/entity/id", "/account", "/event/type", "/event/id", "/kind"] {
            let part = alert.pointer(part).and_then(|part| part.as_str()).expect("an alert names it");
            write!(identity, "{part} ").expect("into memory");
        }
        let id = alert["id"].as_str().expect("an id").to_owned();
        if let Some(other) = self.0.insert(id, identity.clone()) {
            panic!("seed {seed}: one id for `{identity}` and `{other}`");
        }
    }
}

fn check(seed: u64, has_ids: bool, installation: &Arc<Installation>, seen: &mut Seen) {
    let (mut spaces, mut out) = (Spaces::new(installation), Outputs::default());
    let mut results = EventResults::new(Collect::Features);
    let (mut oracle, mut ids) = (Oracle::default(), Ids::default());
    for sent in stream(seed, has_ids) {
        let mut batch = Batch::new(ShardId::account(sent.partition));
        // Appended so late that labels become known with the events, not with the log.
        let appended_at = Timestamp(NOON + 60 * SECOND);
        batch.push(sent.offset, Some(appended_at), sent.account.as_bytes(), sent.json().as_bytes());
        out.clear();
        results.clear();
        spaces.step(&batch, &mut out, &mut results);
        let is_new = oracle.take(&sent, seen);
        assert_eq!(results.rows().len(), usize::from(is_new), "seed {seed}: {sent:?}");
        for row in results.rows() {
            assert_eq!(results.event(row), sent.id, "seed {seed}");
            let found = results.features(row);
            assert_eq!(found, oracle.features(&sent), "seed {seed}: own, there, frauds at {sent:?}");
        }
        for alert in out.records.iter().filter(|output| output.topic == Topic::Alerts) {
            ids.take(seed, &serde_json::from_slice(out.value(alert)).expect("an alert is JSON"));
            seen.alerts += 1;
        }
    }
    let counts = spaces.counts();
    let found = (counts.duplicates, counts.conflicts, counts.labels);
    assert_eq!(found, (oracle.repeats, oracle.conflicts, oracle.known.len() as u64), "seed {seed}");
    seen.streams += 1;
    seen.repeats += oracle.repeats;
    seen.conflicts += oracle.conflicts;
}

#[test]
fn an_event_is_its_account_type_and_id_in_every_key_space() {
    let (installation, mut seen) = (installation(true), Seen::default());
    for seed in seeds::seeds(7_000_000, CASES) {
        check(seed, true, &installation, &mut seen);
    }
    println!("identities: {seen:#?}");
    let Seen { repeats, conflicts, same_id_other_account_at_one_terminal, .. } = seen;
    let cases = [repeats, conflicts, same_id_other_account_at_one_terminal, seen.same_id_other_type];
    assert!(seen.streams < 100 || cases.iter().all(|count| *count > CASES), "{seen:?}");
    assert!(seen.streams < 100 || seen.labels_of_one_id_and_two_types > CASES / 10, "{seen:?}");
}

#[test]
fn records_without_ids_are_events_of_their_own_in_each_partition() {
    let (installation, mut seen) = (installation(false), Seen::default());
    for seed in seeds::seeds(8_000_000, CASES / 10) {
        check(seed, false, &installation, &mut seen);
    }
    println!("row numbers: {seen:#?}");
    assert_eq!((seen.repeats, seen.conflicts, seen.same_id_other_account), (0, 0, 0));
    assert!(seen.alerts > 0);
}
