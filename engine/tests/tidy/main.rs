//! The house rules that a compiler does not check: how modules may import each other, how long files and functions may
//! be, where outside crates and names on the wire appear, which words are gone. Each check reads the sources; how each
//! finds what it must find is tested on sources made for it (`planted`).

mod cycles;
mod homes;
mod layers;
mod modules;
mod names;
mod planted;
mod resolve;
mod sizes;
mod sources;
mod words;

use crate::modules::Tree;
use crate::sources::Sources;

fn report(rule: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{rule}: {}\n  {}", problems.len(), problems.join("\n  "));
}

#[test]
fn no_file_is_longer_than_one_noun_needs() {
    report("files over 450 lines", &sizes::long_files(Sources::of_the_workspace()));
}

#[test]
fn no_function_is_longer_than_a_page() {
    report("functions over 70 lines", &sizes::long_functions(Sources::of_the_workspace()));
}

#[test]
fn no_line_that_people_read_is_too_long() {
    report("lines over 120 characters", &sizes::long_lines(Sources::of_the_workspace()));
}

#[test]
fn module_files_have_one_style() {
    report("mod.rs", &sizes::mod_files(Sources::of_the_workspace()));
}

#[test]
fn every_file_says_what_it_is_for() {
    report("files that do not open with //!", &words::without_opening(Sources::of_the_workspace()));
}

#[test]
fn every_outside_crate_stays_in_its_home() {
    report("outside crates away from home", &homes::away_from_home(Sources::of_the_workspace()));
}

#[test]
fn nothing_is_left_for_later() {
    report("unfinished work", &words::unfinished(Sources::of_the_workspace()));
}

#[test]
fn no_lint_is_switched_off() {
    report("exceptions from lints", &words::lint_exceptions(Sources::of_the_workspace()));
}

#[test]
fn words_that_were_given_up_stay_away() {
    report("words that were given up", &words::given_up(Sources::of_the_workspace()));
}

#[test]
fn names_on_the_wire_are_spelled_once() {
    report("names spelled away from their home", &names::spelled_elsewhere(Sources::of_the_workspace()));
}

#[test]
fn no_module_imports_from_a_higher_layer() {
    let sources = Sources::of_the_workspace();
    let problems: Vec<String> = layers::CRATES
        .iter()
        .flat_map(|known| layers::problems(&Tree::of(sources, known.root), known.layers))
        .collect();
    report("layers", &problems);
    let libraries = sources.rust().map(|(path, _)| path);
    report("libraries without layers", &layers::unlisted(libraries, &layers::CRATES));
}

#[test]
fn no_modules_import_each_other() {
    let sources = Sources::of_the_workspace();
    let roots = layers::roots(sources.rust().map(|(path, _)| path));
    let trees: Vec<Tree> = roots.into_iter().map(|root| Tree::of(sources, root)).collect();
    let problems: Vec<String> = trees.iter().flat_map(cycles::cycles).collect();
    report("import cycles", &problems);
    report("files outside every crate", &layers::unreached(&trees, sources.rust().map(|(path, _)| path)));
}
