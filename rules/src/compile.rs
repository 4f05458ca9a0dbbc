//! From packs to a ruleset: read, resolve names, lint and, without errors, build programs.
//!
//! It does not depend on what a single check looks for.

mod build;
mod by_type;
mod emit;
mod hash;
mod reads;
mod space;

pub use crate::options::{CompileOptions, Overrides};

use crate::diagnostic::{Diagnostics, File, Span};
use crate::lint;
use crate::pack::{self, Pack, RULES_MAX};
use crate::resolve::{
    CheckedRule, Resolver, check_features, check_header, check_rule, check_signals, check_unused,
    override_params,
};
use crate::ruleset::Ruleset;
use crate::schema::Schema;
use crate::value::TextKey;

impl Ruleset {
    /// Compiles packs. The ruleset is `None` exactly when there is an error; the errors and warnings of all files are
    /// reported in one run.
    ///
    /// ```
    /// use tripline_rules::compile::CompileOptions;
    /// use tripline_rules::diagnostic::{File, Paint};
    /// use tripline_rules::ruleset::Ruleset;
    /// use tripline_rules::schema::Schema;
    /// use tripline_rules::value::TextKey;
    ///
    /// let pack = File::new("pack.yaml", "version: 1\nrules:\n  - {id: LARGE, when: tx.amout > 1000}\n");
    /// let no_list = |path: &str| Err(format!("{path} does not exist"));
    /// let options =
    ///     CompileOptions { key: TextKey::default(), models: &[], retention: None, lookback: 0, list: &no_list };
    /// let (ruleset, problems) = Ruleset::compile(&[pack], &Schema::built_in(), &options);
    /// assert!(ruleset.is_none());
    /// assert_eq!(
    ///     problems.render(Paint::Plain),
    ///     "\
    /// error[E201]: nothing is named `tx.amout`
    ///  --> pack.yaml:3:23
    ///   |
    /// 3 |   - {id: LARGE, when: tx.amout > 1000}
    ///   |                       ^^^^^^^^ not a field, aggregate or term
    ///   |
    ///   = help: did you mean the field `tx.amount`?
    ///
    /// "
    /// );
    /// ```
    pub fn compile(
        packs: &[File],
        schema: &Schema,
        options: &CompileOptions<'_>,
    ) -> (Option<Ruleset>, Diagnostics) {
        compile(packs, schema, options, &Overrides::new())
    }

    /// Compiles packs with other values for some parameters.
    pub fn compile_with(
        packs: &[File],
        schema: &Schema,
        options: &CompileOptions<'_>,
        overrides: &Overrides,
    ) -> (Option<Ruleset>, Diagnostics) {
        compile(packs, schema, options, overrides)
    }

    /// A ruleset without rules: events are ingested and nothing is judged.
    ///
    /// # Panics
    /// Never: no packs give no errors.
    pub fn empty(schema: &Schema, key: TextKey) -> Ruleset {
        let no_list = |_: &str| Err(String::new());
        let options = CompileOptions { key, models: &[], retention: None, lookback: 0, list: &no_list };
        Ruleset::compile(&[], schema, &options).0.expect("no pack, no error")
    }
}

fn compile(
    files: &[File],
    schema: &Schema,
    options: &CompileOptions<'_>,
    overrides: &Overrides,
) -> (Option<Ruleset>, Diagnostics) {
    let mut problems = Diagnostics::new(files);
    let packs: Vec<Pack> = (0..files.len()).map(|file| pack::read(file, &mut problems)).collect();
    problems.rules = packs.iter().map(|pack| pack.rules_written).sum();
    problems.nodes = packs.iter().map(|pack| pack.nodes).sum();
    if problems.rules > RULES_MAX {
        problems.error("S007", format!("a ruleset has at most {RULES_MAX} rules"), Span::default());
    }
    lint::duplicate::check(&packs, &mut problems);
    let mut resolver = Resolver::new(&packs, schema, options, &mut problems);
    override_params(&mut resolver, &packs, overrides);
    packs.iter().for_each(|pack| check_header(&mut resolver, pack));
    let rules: Vec<CheckedRule<'_>> = packs
        .iter()
        .flat_map(|pack| pack.rules.iter().map(move |rule| (pack, rule)))
        .map(|(pack, rule)| check_rule(&mut resolver, pack, rule))
        .collect();
    let signals = check_signals(&mut resolver, &packs);
    let features = check_features(&mut resolver, &packs);
    check_unused(&mut resolver, &packs);
    lint::run(&mut resolver, &packs, &rules, &signals, &features);
    let ruleset = (resolver.problems.errors() == 0)
        .then(|| build::build(resolver, &packs, rules, &signals, &features, overrides));
    let ruleset = ruleset.and_then(|built| match built {
        Ok(ruleset) => Some(ruleset),
        Err(build::TooLarge) => {
            problems
                .error("S007", "the packs exceed the number of registers", Span::default())
                .help("split the largest rules, or remove unused features");
            None
        }
    });
    problems.sort();
    (ruleset, problems)
}
