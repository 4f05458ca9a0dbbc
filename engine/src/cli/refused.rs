//! What `run` would refuse of a configuration and only its clients and stores can judge. It connects to nothing.

use crate::config::{Kafka, Places};
use crate::io::kafka::{FREQUENT_SETTINGS, SettingError, setting_error};
use crate::io::snapshot::Store;
use crate::settings::owned_key;
use tripline_rules::diagnostic::{Diagnostics, nearest};

/// Adds an error for every such setting.
pub fn refused_by_run(kafka: &Kafka, places: &Places, problems: &mut Diagnostics) {
    client(kafka, places, problems);
    if let Some((store, span)) = &places.store
        && let Some(error) = Store::refusal(store)
    {
        problems.error("C039", error.to_string(), *span).label("refused by `run`");
    }
    problems.sort();
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
