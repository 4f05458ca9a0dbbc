//! The installations of the bank: the pack of the core's law tests, which has every kind of aggregate, cooldown and
//! mode, and two later versions of it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use tripline::config::{Config, load_from};
use tripline_core::installation::Lookback;

const PACK: &str = include_str!("../../core/tests/laws/pack.yaml");
const SCHEMA: &str = include_str!("../../core/tests/laws/schema.yaml");
const RISKY_MCC: &str = include_str!("../../core/tests/laws/risky_mcc.csv");
const CONFIGURATION: &str = "
version: 1
stream: simulated
schema: schema.yaml
packs: [pack.yaml]
input:
  topic: events
  fields:
    event.id: /id
    event.type: {from: /kind, values: {cash: cash_withdrawal}}
    event.time: {from: /t, format: epoch_ms}
    event.ref: /ref
    account.id: /account
    tx.amount: {from: /amount, unit: major, currency: EUR}
    tx.declined: /declined
    tx.channel: /channel
    tx.risk_points: /points
    card.id: /card
    device.id: /device
    merchant.id: /merchant/id
    merchant.mcc: /merchant/mcc
    merchant.country: /merchant/country
    payee.id: /payee
    label.outcome: /outcome
time: {lateness: 1h}
";

/// What a version of the pack says differently.
type Change = (&'static str, &'static str);

/// Other cooldowns and thresholds.
const SECOND: [Change; 4] = [
    ("defaults: {cooldown: {by: rule+card, for: 30m}", "defaults: {cooldown: {by: rule+card, for: 4h}"),
    ("when: card_tries_10m >= 3", "when: card_tries_10m >= 2"),
    (
        "cooldown: {by: rule+account, for: 2h, unless: score_increases}",
        "cooldown: {by: rule+account, for: 5m}",
    ),
    ("cooldown: {by: rule+account, for: 6h}", "cooldown: none"),
];
/// It looks back further than the first.
const THIRD: [Change; 3] = [
    (
        "card_tries_10m:          {count: events, by: card, over: 10m",
        "card_tries_10m:          {count: events, by: card, over: 40m",
    ),
    (
        "acct_payees_1d:          {distinct: payee.id, by: account, over: 1d}",
        "acct_payees_1d:          {distinct: payee.id, by: account, over: 3d}",
    ),
    ("defaults: {cooldown: {by: rule+card, for: 30m}", "defaults: {cooldown: {by: rule+card, for: 10m}"),
];

/// The installations, oldest pack first, and how far back a shard must be filled under each.
pub struct Installed {
    pub configs: Vec<Arc<Config>>,
    pub lookbacks: Vec<Lookback>,
}

impl Installed {
    pub fn new() -> Installed {
        let configs: Vec<Arc<Config>> =
            [&[][..], &SECOND, &THIRD].into_iter().map(|changes| Arc::new(config(changes))).collect();
        Installed {
            lookbacks: configs.iter().map(|config| config.installation.lookback()).collect(),
            configs,
        }
    }
}

fn config(changes: &[Change]) -> Config {
    let mut pack = PACK.to_owned();
    for (before, after) in changes {
        assert!(pack.contains(before), "the pack does not say {before}");
        pack = pack.replacen(before, after, 1);
    }
    let files = |path: &Path| match path.to_str() {
        Some("tripline.yaml") => Ok(CONFIGURATION.as_bytes().to_vec()),
        Some("schema.yaml") => Ok(SCHEMA.as_bytes().to_vec()),
        Some("pack.yaml") => Ok(pack.as_bytes().to_vec()),
        Some("risky_mcc.csv") => Ok(RISKY_MCC.as_bytes().to_vec()),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let loaded = load_from(Path::new("tripline.yaml"), &files).unwrap();
    loaded.config.unwrap_or_else(|| panic!("{:?}", loaded.problems))
}
