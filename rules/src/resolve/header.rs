//! Time zone, default cooldown and overridden parameters of packs.

use super::resolver::Resolver;
use crate::diagnostic::Span;
use crate::function;
use crate::options::Overrides;
use crate::pack::{self, CooldownText, Pack, ParamText, ParamValue};
use crate::zones::nearest_zone;

/// Replaces defaults of parameters by overrides, within the range of each parameter.
pub(crate) fn override_params(resolver: &mut Resolver<'_>, packs: &[Pack], overrides: &Overrides) {
    for (name, written) in overrides {
        let text = packs.iter().flat_map(|pack| &pack.params).find(|param| param.name.text == *name);
        let Some((text, value)) = text.zip(pack::parsed_value(written)) else {
            resolver.problems.error(
                "S011",
                format!("`${name}` cannot be set to `{written}`: no such parameter, or not a number"),
                Span::default(),
            );
            continue;
        };
        if let Some(side) = outside(text, value) {
            resolver
                .problems
                .error("S011", format!("`${name}` cannot be set to {written}"), text.name.span)
                .label(format!("{written} is {side}"));
        }
        if let Some(entry) = resolver.params.get_mut(name.as_str()) {
            entry.value = Some(value);
        }
    }
}

fn outside(param: &ParamText, value: ParamValue) -> Option<String> {
    let value = pack::as_decimal(value);
    let below = param.min.filter(|min| value.compare(*min).is_lt()).map(|min| format!("below {min}"));
    below.or_else(|| param.max.filter(|max| value.compare(*max).is_gt()).map(|max| format!("above {max}")))
}

/// Checks the time zone of a pack and the cooldown that its rules inherit.
pub(crate) fn check_header(resolver: &mut Resolver<'_>, pack: &Pack) {
    if let Some(zone) = &pack.timezone
        && function::zone(&zone.text).is_none()
    {
        resolver
            .problems
            .error("E309", format!("no time zone named \"{}\"", zone.text), zone.span)
            .label("not in the tz database")
            .help(zone_help(&zone.text));
    }
    if let Some(cooldown) = &pack.default_cooldown {
        check_cooldown(resolver, cooldown);
    }
}

/// Help for a time zone that does not exist.
pub(super) fn zone_help(wrong: &str) -> String {
    match nearest_zone(wrong) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "for example \"America/New_York\" or \"UTC\"".to_owned(),
    }
}

pub(super) fn check_cooldown(resolver: &mut Resolver<'_>, cooldown: &CooldownText) {
    let field = format!("{}.id", cooldown.entity.text);
    if let Some(entity) = resolver.entity_of(&cooldown.entity.text) {
        let help = format!("an entity is named without `.id`: write `rule+{entity}`");
        let written = &cooldown.entity;
        resolver
            .problems
            .error("E201", format!("`{}` is a field, not an entity", written.text), written.span)
            .label("a field")
            .help(help);
        return;
    }
    if resolver.schema.slot(&field).is_none() {
        resolver
            .problems
            .error("E201", format!("nothing is named `{field}`"), cooldown.entity.span)
            .label("not a field of the schema")
            .about(&field);
    }
}
