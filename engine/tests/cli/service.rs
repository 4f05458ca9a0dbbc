//! `tripline run` on an in-process broker, as an operator sees it: its log, its endpoints, its topics.

use crate::tripline::{BINARY, root};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tripline::io::kafka::KafkaSettings;
use tripline::io::kafka::mock::MockBroker;
use tripline::io::kafka::transfer::TopicWriter;
use tripline_core::batch::Timestamp;

/// A broker with all topics, and a configuration that names it.
pub struct Bank {
    /// The broker.
    pub broker: MockBroker,
    folder: tempfile::TempDir,
}

/// A record of a topic: key, headers and value, one text after the other.
#[derive(Debug)]
pub struct Published {
    /// Its key.
    pub key: Vec<u8>,
    /// Names and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value.
    pub value: Vec<u8>,
}

impl Bank {
    /// A bank with one partition. `configuration` says everything beside the broker and the address of HTTP.
    pub fn open(files: &[(&str, &str)]) -> Bank {
        let broker = MockBroker::start().unwrap();
        broker.topics("events", "bank", 1).unwrap();
        let bank = Bank { broker, folder: tempfile::tempdir().unwrap() };
        for (name, text) in files {
            let text = text.replace("BROKERS", &bank.broker.brokers());
            fs::write(bank.path(name), text).unwrap();
        }
        bank
    }

    /// A file in the bank's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes records to a topic, each now, and waits until they lie there.
    pub fn write<'r>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
        headers: &[(&str, &str)],
    ) {
        let settings = KafkaSettings::new(&self.broker.brokers(), topic, "outside", "bank");
        let writer = TopicWriter::new(&settings, topic).unwrap();
        for (key, value) in records {
            let now = jiff::Timestamp::now().as_millisecond();
            writer.send(Timestamp(now), key, value, headers).unwrap();
        }
        writer.finish().unwrap();
    }

    /// Everything in a topic.
    pub fn read(&self, topic: &str) -> Vec<Published> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.broker.brokers())
            .set("group.id", "outsider")
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut found = Vec::new();
        loop {
            match consumer.poll(Duration::from_secs(30)).expect("a record or the end within 30 s") {
                Ok(message) => {
                    let headers = message.headers().into_iter().flat_map(Headers::iter);
                    found.push(Published {
                        key: message.key().unwrap_or_default().to_vec(),
                        headers: headers
                            .map(|one| (one.key.to_owned(), one.value.unwrap_or_default().to_vec()))
                            .collect(),
                        value: message.payload().unwrap_or_default().to_vec(),
                    });
                }
                Err(KafkaError::PartitionEOF(_)) => return found,
                Err(error) => panic!("{topic}: {error}"),
            }
        }
    }

    /// Starts the service with a configuration of this bank.
    pub fn run(&self, configuration: &str) -> Service {
        let mut command = Command::new(BINARY);
        command.args(["run", "--config"]).arg(self.path(configuration)).current_dir(root());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let lines = BufReader::new(child.stderr.take().unwrap());
        let reader = {
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                for line in lines.lines() {
                    let mut log = log.lock().unwrap();
                    log.push_str(&line.unwrap());
                    log.push('\n');
                }
            })
        };
        Service { child, log, reader: Some(reader) }
    }
}

/// The running service; killed when a test fails half-way.
pub struct Service {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Service {
    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until something holds of it.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Service) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            let log = self.log();
            let last = log.get(log.len().saturating_sub(2_000)..).unwrap_or(&log);
            let has_ended = log.contains("\ntripline: ") || log.starts_with("tripline: ");
            assert!(
                !has_ended && began.elapsed() < Duration::from_secs(60),
                "{what} takes too long:\n{last}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where HTTP is served, once it is.
    pub fn address(&self) -> Option<String> {
        let log = self.log();
        let line = log.lines().find(|line| line.contains("HTTP server started"))?;
        let at = line.find("127.0.0.1:")?;
        let address = line[at..].split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).next()?;
        Some(address.to_owned())
    }

    /// The answer to a GET, head and body; empty while nobody listens.
    pub fn get(&self, path: &str) -> String {
        let Some(mut stream) = self.address().and_then(|address| TcpStream::connect(address).ok()) else {
            return String::new();
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Whether it says of itself that it is ready.
    pub fn is_ready(&self) -> bool {
        self.get("/readyz").starts_with("HTTP/1.1 200")
    }

    /// A series of `/metrics`, such as `tripline_alerts_total` or `tripline_lag_records{partition="0"}`.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let page = self.get("/metrics");
        let line =
            page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Asks it to end, as an orchestrator does, and gives everything it logged. It must end with 0.
    pub fn stop(self) -> String {
        self.stop_by("-TERM")
    }

    /// The same by another signal.
    pub fn stop_by(mut self, signal: &str) -> String {
        Command::new("kill").arg(signal).arg(self.child.id().to_string()).status().unwrap();
        let ended = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        let log = self.log();
        assert!(ended.success(), "{ended}:\n{log}");
        log
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
