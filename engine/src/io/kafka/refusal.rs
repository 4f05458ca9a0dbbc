//! Why a commit does not succeed, in words for an operator: the group, the topic, and what to do.

use super::settings::KafkaSettings;
use crate::runtime::sink::CommitError;
use std::fmt::Display;

/// A retry would be refused as well.
pub(super) fn refused(settings: &KafkaSettings, error: &impl Display) -> CommitError {
    let KafkaSettings { group, topic, .. } = settings;
    let reason = format!(
        "offsets of group {group} on topic {topic}: {error}. Correct that, then start the process again: records \
         without a commit are judged again"
    );
    CommitError::Permanent(reason.into())
}

/// The group has given the partitions to other members.
pub(super) fn lost(settings: &KafkaSettings) -> CommitError {
    CommitError::Again(format!("group {} has assigned the partitions of this worker anew", settings.group))
}

/// The brokers have not acknowledged so many output records in time.
pub(super) fn undelivered(records: i32) -> CommitError {
    CommitError::Again(format!("the brokers have not acknowledged {records} output records yet"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

    #[test]
    fn a_refused_commit_names_the_group_the_topic_and_the_next_step() {
        let settings = KafkaSettings::new("127.0.0.1:9092", "events", "tripline", "bank");
        let error = KafkaError::ConsumerCommit(Code::GroupAuthorizationFailed);
        let text = refused(&settings, &error).to_string();
        assert!(text.starts_with("cannot commit: offsets of group tripline on topic events: "), "{text}");
        assert!(text.contains("authorization failed") && text.contains("start the process again"), "{text}");
        let text = lost(&settings).to_string();
        assert!(text.starts_with("not yet committed, the worker retries: group tripline "), "{text}");
    }
}
