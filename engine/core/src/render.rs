//! Renders a decision as records: its verdict and, if it raises one, its alert. It decides nothing.

use crate::alert::{
    ALERT_VALID_MS, ActionPart, Alert, ContributionPart, Entity, EventPart, ModelPart, Money, RulePart,
    SourcePart,
};
use crate::batch::{SourceRecord, Timestamp};
use crate::decision::{Decision, Evidence, FiredRule, ModelResult, RaisedAlert};
use crate::installation::Installation;
use crate::outputs::{Outputs, Topic, header};
use crate::verdict::{ModelScores, VERDICT_VERSION, Verdict};
use tripline_rules::action::{Target, Verb};

/// Adds the records of a decision under this installation to the outputs: the alert, then the verdict.
pub fn render(decision: &Decision, installation: &Installation, source: SourceRecord, out: &mut Outputs) {
    let rendering = Rendering { decision, installation, source };
    if let Some(alert) = &decision.alert {
        rendering.alert(alert, out);
    }
    rendering.verdict(out);
}

struct Rendering<'a> {
    decision: &'a Decision,
    installation: &'a Installation,
    source: SourceRecord,
}

impl<'a> Rendering<'a> {
    fn alert(&self, alert: &RaisedAlert, out: &mut Outputs) {
        let Decision { at, account, score, .. } = self.decision;
        let id = alert_id(alert);
        let headers = vec![
            (header::CE_SPECVERSION, "1.0".to_owned()),
            (header::CE_ID, id.clone()),
            (header::CE_TYPE, format!("{}.{}", header::ALERT_TYPE, alert.kind.name())),
            (header::CE_SOURCE, format!("/tripline/{}", self.installation.settings().stream)),
            (header::CE_TIME, at.to_string()),
            (header::CONTENT_TYPE, "application/json".to_owned()),
        ];
        let rendered = Alert {
            id: &id,
            kind: alert.kind,
            incident: alert.incident.id,
            seq: alert.incident.seq,
            at: *at,
            expires_at: Timestamp(at.0 + ALERT_VALID_MS),
            account,
            entity: self.entity(),
            event: self.event(),
            action: self.action(),
            severity: alert.severity.name(),
            score: *score,
            rules: self.rules(alert),
            models: self.models(),
            coverage: alert.coverage,
            approximate: alert.approximate,
            out_of_order: alert.out_of_order,
            pack: self.installation.ruleset().hash(),
            source: self.source(),
            test: false,
        };
        out.push_json(Topic::Alerts, self.source.offset, rendered.entity.id.as_bytes(), &rendered, headers);
    }

    fn verdict(&self, out: &mut Outputs) {
        let decision = self.decision;
        let id = |rule: usize| self.installation.ruleset().rules()[rule].id.as_str();
        let silenced = decision.live.iter().filter(|fired| fired.silenced);
        let alert = decision.alert.as_ref().map(alert_id);
        let scores = decision.models.iter().map(|result| (result.model, result.score));
        let verdict = Verdict {
            version: VERDICT_VERSION,
            event: self.event(),
            at: decision.at,
            account: &decision.account,
            entity: self.entity(),
            score: decision.score,
            action: self.action(),
            rules: decision.live.iter().map(|fired| id(fired.rule)).collect(),
            shadow: decision.shadow.iter().map(|rule| id(*rule)).collect(),
            silenced: silenced.map(|fired| id(fired.rule)).collect(),
            unknown: decision.unknown,
            models: ModelScores::of(scores, self.installation),
            alert: alert.as_deref(),
            changes: &decision.changes,
            pack: self.installation.ruleset().hash(),
            source: self.source(),
        };
        out.push_json(Topic::Verdicts, self.source.offset, verdict.account.as_bytes(), &verdict, Vec::new());
    }

    fn rules<'b>(&'b self, alert: &'b RaisedAlert) -> Vec<RulePart<'b>> {
        let fired = self.decision.live.iter().zip(&alert.evidence);
        let part = |(fired, evidence): (&FiredRule, &'b Evidence)| {
            let rule = &self.installation.ruleset().rules()[fired.rule];
            RulePart {
                id: &rule.id,
                version: &rule.version,
                title: &rule.title,
                score: rule.score,
                reason: &evidence.reason,
                typology: &rule.typology,
                values: &evidence.values,
            }
        };
        fired.map(part).collect()
    }

    fn models(&self) -> Vec<ModelPart<'a>> {
        let part = |result: &'a ModelResult| {
            let model = self.installation.models().model(result.model);
            ModelPart {
                name: model.name(),
                version: model.version(),
                score: result.score,
                contributions: result.contributions.iter().map(ContributionPart::of).collect(),
            }
        };
        self.decision.models.iter().map(part).collect()
    }

    fn event(&self) -> EventPart<'a> {
        let event = &self.decision.event;
        let money = event.amount.map(|(minor, currency)| Money { minor, currency: currency.code() });
        EventPart {
            id: &event.id,
            event_type: self.installation.schema().event_types().value(event.event_type).unwrap_or_default(),
            amount: money,
        }
    }

    fn action(&self) -> ActionPart<'a> {
        let action = self.decision.action.as_ref();
        ActionPart {
            verb: action.map_or(Verb::None, |action| action.verb).name(),
            target: action.and_then(|action| action.target).map(Target::name),
            id: self.decision.target.as_deref(),
            for_ms: action.and_then(|action| action.length),
        }
    }

    fn entity(&self) -> Entity<'a> {
        let program = &self.installation.ruleset().programs()[self.decision.program_number];
        Entity { kind: &program.plan().space.entity, id: &self.decision.entity }
    }

    fn source(&self) -> SourcePart<'a> {
        SourcePart {
            topic: &self.installation.settings().topic,
            partition: self.source.partition,
            offset: self.source.offset,
        }
    }
}

/// An alert's id as records contain it.
fn alert_id(alert: &RaisedAlert) -> String {
    format!("{:032x}", alert.id)
}
