//! Names that are declared twice, in one pack or in two.

use crate::diagnostic::Diagnostics;
use crate::pack::{Name, Pack};
use std::collections::BTreeMap;

pub(crate) fn check(packs: &[Pack], problems: &mut Diagnostics) {
    twice("E412", "rule", packs.iter().flat_map(|pack| pack.rules.iter().map(|rule| &rule.id)), problems);
    twice("E413", "list", packs.iter().flat_map(|pack| pack.lists.iter().map(|list| &list.name)), problems);
    twice(
        "E413",
        "parameter",
        packs.iter().flat_map(|pack| pack.params.iter().map(|param| &param.name)),
        problems,
    );
    twice(
        "E413",
        "signal",
        packs.iter().flat_map(|pack| pack.signals.iter().map(|signal| &signal.name)),
        problems,
    );
    twice(
        "E413",
        "feature",
        packs.iter().flat_map(|pack| pack.features.iter().map(|feature| &feature.name)),
        problems,
    );
    // Terms and aggregates share one name space.
    let terms = packs.iter().flat_map(|pack| pack.terms.iter().map(|term| &term.name));
    let aggregates = packs.iter().flat_map(|pack| pack.aggregates.iter().map(|aggregate| &aggregate.name));
    twice("E413", "term or aggregate", terms.chain(aggregates), problems);
}

fn twice<'a>(
    code: &'static str,
    what: &str,
    names: impl Iterator<Item = &'a Name>,
    problems: &mut Diagnostics,
) {
    let mut first: BTreeMap<&str, &Name> = BTreeMap::new();
    for name in names {
        match first.get(name.text.as_str()) {
            None => {
                first.insert(&name.text, name);
            }
            // Repeated keys of one mapping have been reported by the YAML reader.
            Some(_)
                if problems
                    .list()
                    .iter()
                    .any(|problem| problem.code.0 == "Y003" && problem.span == name.span) => {}
            Some(held) => {
                problems
                    .error(code, format!("a {what} named `{}` is declared twice", name.text), name.span)
                    .label("repeated here")
                    .context(held.span, "first here");
            }
        }
    }
}
