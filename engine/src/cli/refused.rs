//! What `run` would refuse of a configuration and only its clients and stores can judge. It connects to nothing.

use super::broker;
use crate::config::{Config, Kafka, Loaded, Places};
use crate::io::kafka::{FREQUENT_SETTINGS, SettingError, setting_error};
use crate::io::snapshot::Store;
use crate::ops::log;
use crate::settings::owned_key;
use tripline_core::decode::Format;
use tripline_rules::diagnostic::{Diagnostics, Span, nearest};

/// Adds an error for every such setting.
pub fn refused_by_run(loaded: &mut Loaded) {
    let Loaded { config, kafka, places, problems, .. } = loaded;
    if let Some(config) = config {
        settings(config, places, problems);
    }
    client(kafka, places, problems);
    if let Some((store, span)) = &places.store
        && let Some(refusal) = Store::refusal(store)
    {
        let message = refusal.error.to_string();
        match refusal.is_denied {
            // The service may run as another user, or on another host.
            true => problems.warning("C039", message, *span).label("this user cannot create it"),
            false => problems.error("C039", message, *span).label("refused by `run`"),
        };
    }
    problems.sort();
}

/// Settings that are valid, but with which the service could not work.
fn settings(config: &Config, places: &Places, problems: &mut Diagnostics) {
    let mut refuse = |place: &str, reason: String| {
        let span = places.settings.get(place).copied().unwrap_or(Span { file: 0, start: 0, end: 0 });
        problems.error("C046", format!("`{place}` {reason}"), span).label("refused by `run`");
    };
    if let Some(reason) = log::refusal(&config.log.level) {
        refuse("log.level", format!("cannot be used: {reason}"));
    }
    let Some(settings) = broker::unchecked(config) else { return };
    settings.unusable().into_iter().for_each(|(place, reason)| refuse(place, reason));
    if let Format::Csv { .. } = config.mapping.format {
        refuse(
            "input.format",
            "is `csv`, and records of a topic have no header line: `run` reads JSON".to_owned(),
        );
    }
}

/// Settings under `client` that `run` would refuse: librdkafka knows its own without a broker. Values are not shown.
fn client(kafka: &Kafka, places: &Places, problems: &mut Diagnostics) {
    for (name, value) in kafka.client.values().filter(|(name, _)| owned_key(name).is_none()) {
        let (Some(error), Some(span)) = (setting_error(name, value), places.client.get(name)) else {
            continue;
        };
        let near = nearest(name, FREQUENT_SETTINGS).map(|near| format!("did you mean `{near}`?"));
        match error {
            SettingError::Unknown => problems
                .error("C040", format!("the Kafka client has no setting `{name}`"), *span)
                .label("unknown to librdkafka")
                .help_maybe(near),
            SettingError::Value => problems
                .error("C040", format!("the Kafka client refuses the value of `{name}`"), *span)
                .label("refused by librdkafka"),
        };
    }
}
