//! Signals that ask the service to end: each is answered with a commit of everything judged.

use crate::service::Bank;

const SCHEMA: &str = "version: 1
fields: {event.type: one of purchase}
";

const CONFIG: &str = "version: 1
stream: signals
schema: schema.yaml
packs: []
input:
  clock: create_time
  fields: {event.id: /id, event.type: {const: purchase}, event.time: /time, account.id: /account}
secret: built_in
kafka: {brokers: BROKERS, prefix: bank, workers: 1, client: {session.timeout.ms: 6000}}
# No commit before the end. The broker of these tests has no transactions.
delivery: {guarantee: at_least_once, commit: {interval: 1h}}
http: {listen: 127.0.0.1:0}
";

#[test]
fn sighup_and_sigint_end_the_service_as_sigterm_does() {
    let bank = Bank::open(&[("schema.yaml", SCHEMA), ("tripline.yaml", CONFIG)]);
    for signal in ["-TERM", "-HUP", "-INT"] {
        let value = format!(r#"{{"id":"{signal}","time":"{}","account":"a"}}"#, jiff::Timestamp::now());
        bank.write("events", [(&b"a"[..], value.as_bytes())], &[]);
        let service = bank.run("tripline.yaml");
        // A record that the process before has judged is committed, and not judged again.
        service.until("judging", |service| {
            service.metric("tripline_events_total").is_some_and(|count| count >= 1.0)
        });
        service.until("being ready", |service| service.is_ready());
        assert_eq!(service.metric("tripline_events_total"), Some(1.0), "{signal}\n{}", service.log());
        service.stop_by(signal);
    }
}
