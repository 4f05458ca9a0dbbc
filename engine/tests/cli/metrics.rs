//! What `/metrics` shows while the service judges: alerts, firings, what the ledgers hold, how far back.

use crate::service::Bank;

const SCHEMA: &str = "version: 1
fields:
  event.type: one of purchase
  tx.amount: money in EUR
keep: [tx.amount]
";

const PACK: &str = "version: 1
pack: metrics
owner: a@bank.example
timezone: UTC
aggregates:
  acct_tries_2d: {count: events, by: account, over: 2d}
rules:
  - {id: M-1, title: First, when: acct_tries_2d >= 1, score: 10, severity: low, action: alert, reason: \"one\",
     cooldown: {by: rule+account, for: 1h}}
  - {id: M-2, title: Each, when: tx.amount > 1, score: 10, severity: low, action: alert, reason: \"two\",
     cooldown: {by: rule+account, for: 1h}}
  - {id: M-3, title: Shadow, mode: shadow, when: tx.amount > 1, score: 10, severity: low, action: alert, reason: \"three\"}
";

const CONFIG: &str = "version: 1
stream: metrics
schema: schema.yaml
packs: [pack.yaml]
input:
  clock: create_time
  fields: {event.id: /id, event.type: {const: purchase}, event.time: /time, account.id: /account, tx.amount: /amount}
secret: built_in
kafka: {brokers: BROKERS, prefix: bank, workers: 1, client: {session.timeout.ms: 6000}}
# The broker of these tests has no transactions.
delivery: {guarantee: at_least_once}
http: {listen: 127.0.0.1:0}
";

#[test]
fn an_operator_sees_alerts_firings_ledgers_and_coverage() {
    let bank = Bank::open(&[("schema.yaml", SCHEMA), ("pack.yaml", PACK), ("tripline.yaml", CONFIG)]);
    let now = jiff::Timestamp::now();
    // Five accounts, two events each, the second a day later; the second's alert is silent or not by its cooldown
    // alone.
    let records: Vec<(String, String)> = [30, 20, 10, 10]
        .iter()
        .enumerate()
        .flat_map(|(round, hours)| {
            (0..5).map(move |account| {
                let time = now - jiff::SignedDuration::from_hours(hours - 10);
                let id = if round == 3 { format!("2-{account}") } else { format!("{round}-{account}") };
                let value =
                    format!(r#"{{"id":"{id}","time":"{time}","account":"a{account}","amount":"5.00"}}"#);
                (format!("a{account}"), value)
            })
        })
        .collect();
    bank.write("events", records.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())), &[]);
    let service = bank.run("tripline.yaml");
    service.until("judging", |service| service.metric("tripline_events_total") == Some(20.0));
    service.until("counting", |service| service.metric("tripline_keys{space=\"account\"}") == Some(5.0));
    let expected = [
        ("tripline_alerts_total", 15.0),
        ("tripline_rules_fired_total{rule=\"M-1\"}", 15.0),
        ("tripline_rules_fired_total{rule=\"M-2\"}", 15.0),
        ("tripline_rules_fired_total{rule=\"M-3\"}", 15.0),
        ("tripline_outputs_total{topic=\"alerts\"}", 15.0),
        ("tripline_duplicates_total", 5.0),
        ("tripline_suppressed_total", 0.0),
    ];
    for (series, value) in expected {
        assert_eq!(service.metric(series), Some(value), "{series}\n{}", service.get("/metrics"));
    }
    assert!(service.metric("tripline_ledger_bytes{space=\"account\"}").unwrap() > 500.0);
    // The log begins at its first record, which was appended now: nothing of the two days before is known to be held.
    let coverage = service.metric("tripline_coverage_ratio{partition=\"0\"}").unwrap();
    assert!((0.0..=1.0).contains(&coverage), "{coverage}");
    assert_eq!(service.metric("tripline_open_transaction_records{partition=\"0\"}"), Some(0.0));
    service.stop();
    // Filled again from the log: what is held is known before anything is judged.
    let service = bank.run("tripline.yaml");
    service.until("being ready", |service| service.is_ready());
    assert_eq!(service.metric("tripline_keys{space=\"account\"}"), Some(5.0));
    assert_eq!(service.metric("tripline_alerts_total"), Some(0.0));
    service.stop();
}
