//! Settings that are passed through to librdkafka: whether it has them. It needs no broker, and shows no value.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// Why librdkafka refuses a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingError {
    /// It has no setting of this name.
    Unknown,
    /// The value is none of this setting, or the setting is not part of this build.
    Value,
}

/// Settings for TLS and SASL, which configurations pass through most often.
pub const FREQUENT_SETTINGS: [&str; 24] = [
    "client.rack",
    "enable.ssl.certificate.verification",
    "sasl.kerberos.keytab",
    "sasl.kerberos.principal",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.id",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.method",
    "sasl.oauthbearer.token.endpoint.url",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.keystore.location",
];

/// What librdkafka refuses about a setting by itself.
pub fn setting_error(name: &str, value: &str) -> Option<SettingError> {
    match ClientConfig::new().set(name, value).create_native_config() {
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Some(SettingError::Unknown)
        }
        Err(_) => Some(SettingError::Value),
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn librdkafka_knows_its_settings_without_a_broker() {
        assert_eq!(setting_error("sasl.passwrod", "x"), Some(SettingError::Unknown));
        assert_eq!(setting_error("security.protocol", "tls"), Some(SettingError::Value));
        assert_eq!(setting_error("session.timeout.ms", "6000"), None);
        for name in FREQUENT_SETTINGS {
            assert_ne!(setting_error(name, ""), Some(SettingError::Unknown), "{name}");
        }
    }
}
