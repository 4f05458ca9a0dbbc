//! The checks on sources made for them: each finds what was planted, and nothing in a tree that is as it should be.

use crate::modules::Tree;
use crate::sources::Sources;
use crate::{cycles, layers, names, sizes, words};

const ROOT: &str = "src/lib.rs";

/// The rings of a crate: of each the line that names its modules.
fn rings(files: &[(&str, &str)]) -> Vec<String> {
    let found = cycles::cycles(&Tree::of(&Sources::of(files), ROOT));
    found.iter().map(|ring| ring.lines().next().unwrap_or_default().to_owned()).collect()
}

/// The rings of a crate of two modules, `a` and `b`.
fn rings_of_two(a: &str, b: &str) -> Vec<String> {
    rings(&[(ROOT, "mod a; mod b;"), ("src/a.rs", a), ("src/b.rs", b)])
}

const A_AND_B: [&str; 1] = ["crate (src/lib.rs): a, b"];

#[test]
fn imports_in_one_direction_are_no_cycle() {
    assert!(rings_of_two("use crate::b::B; use std::fmt;", "pub struct B; fn f() { let a = B; }").is_empty());
}

#[test]
fn a_cycle_is_found_however_it_is_written() {
    let from_b = "use crate::a::A; pub struct B;";
    for from_a in [
        "use crate::b::B;",
        "use super::b::B;",
        "use crate::{b::B};",
        "use crate::{b::{self}, c::C}; fn f() { b::g(); }",
        "use crate::{b as other}; fn f() { other::g(); }",
        "use crate::b::B as Other;",
        "use crate::b::*;",
        "pub use crate::b::B;",
        "fn f() { use crate::b::B; }",
        "fn f() { crate::b::g(); }",
        "fn f(x: Vec<super::b::B>) {}",
        "fn f() { assert!(crate::b::g(), \"{}\", 1); }",
        "macro_rules! m { () => { $crate::b::g() } }",
        "impl crate::b::T for A {}",
        "mod inner { use super::super::b::B; }",
        "mod inner { fn f(b: super::super::b::B) {} }",
    ] {
        assert_eq!(rings_of_two(&format!("{from_a} pub struct A;"), from_b), A_AND_B, "{from_a}");
    }
}

#[test]
fn a_ring_of_three_is_found() {
    let found = rings(&[
        (ROOT, "mod a; mod b; mod c; mod d;"),
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        ("src/b.rs", "fn f() { super::c::f() } pub struct B;"),
        ("src/c.rs", "use crate::a::A; use crate::d;"),
        ("src/d.rs", ""),
    ]);
    assert_eq!(found, ["crate (src/lib.rs): a, b, c"]);
}

#[test]
fn a_cycle_deeper_in_the_crate_is_found() {
    let found = rings(&[
        (ROOT, "mod a;"),
        ("src/a.rs", "mod x; mod y;"),
        ("src/a/x.rs", "use super::y::Y; pub struct X;"),
        ("src/a/y.rs", "mod z; pub struct Y;"),
        ("src/a/y/z.rs", "use crate::a::x::X;"),
    ]);
    assert_eq!(found, ["a (src/a.rs): x, y"]);
}

#[test]
fn a_name_that_is_handed_on_leads_to_where_it_is_defined() {
    let files = |x: &'static str| {
        [
            (ROOT, "mod a;"),
            ("src/a.rs", "mod x; mod y; pub use y::Y; pub use x::*;"),
            ("src/a/x.rs", x),
            ("src/a/y.rs", "use super::X; pub struct Y;"),
        ]
    };
    assert!(rings(&files("pub struct X;")).is_empty());
    assert_eq!(rings(&files("use super::Y; pub struct X;")), ["a (src/a.rs): x, y"]);
}

#[test]
fn a_folder_s_own_file_and_a_child_must_not_import_each_other() {
    let files =
        |a: &'static str| [(ROOT, "mod a;"), ("src/a.rs", a), ("src/a/x.rs", "use super::A; pub struct X;")];
    assert!(rings(&files("mod x; pub use x::X; pub struct A;")).is_empty());
    assert_eq!(rings(&files("mod x; use x::X; pub struct A;")), ["a (src/a.rs): (itself), x"]);
    assert_eq!(rings(&files("mod x; pub struct A; fn f() { x::X; }")), ["a (src/a.rs): (itself), x"]);
}

#[test]
fn unit_tests_may_look_anywhere() {
    assert!(
        rings_of_two("#[cfg(test)] mod tests { use crate::b::B; }", "use crate::a::A; pub struct B;")
            .is_empty()
    );
    assert!(rings_of_two("#[cfg(test)] use crate::b::B;", "use crate::a::A; pub struct B;").is_empty());
    let found = rings(&[
        (ROOT, "mod a; mod b;"),
        ("src/a.rs", "#[cfg(test)] mod tests;"),
        ("src/a/tests.rs", "use crate::b::B;"),
        ("src/b.rs", "use crate::a::A;"),
    ]);
    assert!(found.is_empty());
}

#[test]
fn module_files_are_found_where_the_compiler_finds_them() {
    let sources = Sources::of(&[
        (
            "tests/a/main.rs",
            "mod x; #[path = \"../b/y.rs\"] mod y; mod z { mod w; } #[path = \"../c\"] mod c { mod v; }",
        ),
        ("tests/a/x.rs", ""),
        ("tests/b/y.rs", "mod below;"),
        ("tests/b/below.rs", ""),
        ("tests/c/v.rs", ""),
        ("tests/a/z/w.rs", ""),
    ]);
    let trees = [Tree::of(&sources, "tests/a/main.rs")];
    assert!(layers::unreached(&trees, sources.rust().map(|(path, _)| path)).is_empty());
    let stray = layers::unreached(&trees, ["tests/a/stray.rs"].into_iter());
    assert_eq!(stray, ["tests/a/stray.rs is no module of any crate"]);
    let paths = [
        "src/lib.rs",
        "src/a/tests.rs",
        "src/a/tests/b.rs",
        "src/bin/x.rs",
        "src/bin/y/main.rs",
        "src/bin/y/z.rs",
    ];
    let tests = ["tests/a.rs", "tests/a/b.rs", "tests/c/main.rs"];
    let roots = ["src/lib.rs", "src/bin/x.rs", "src/bin/y/main.rs", "tests/a.rs", "tests/c/main.rs"];
    assert_eq!(layers::roots(paths.into_iter().chain(tests)), roots);
}

/// What layers `low` and `high` of a crate with one file each find.
fn layered(low: &str, root: &str) -> Vec<String> {
    let files =
        [(ROOT, root), ("src/low.rs", low), ("src/high.rs", "use crate::low::L;"), ("src/new.rs", "")];
    layers::problems(&Tree::of(&Sources::of(&files), ROOT), &[&["low"], &["high"]])
}

#[test]
fn an_upward_import_is_found_however_it_is_written() {
    let root = "mod low; mod high;";
    assert!(layered("pub struct L;", root).is_empty());
    for upward in [
        "use crate::high::H;",
        "use crate::{high, low as own};",
        "use crate::{low, high::{self as h}}; fn f() { h::g(); }",
        "use super::high::H;",
        "fn f() { crate::high::g(); }",
    ] {
        let found = layered(upward, root);
        assert_eq!(found.len(), 1, "{upward}: {found:?}");
        assert!(found[0].ends_with("imports from a higher layer (low is below high)"), "{found:?}");
    }
}

#[test]
fn a_module_in_no_layer_is_found_and_so_is_one_that_is_gone() {
    assert_eq!(layered("", "mod low; mod high; mod new;"), ["src/lib.rs: module new is in no layer"]);
    assert_eq!(layered("", "mod low;"), ["src/lib.rs: the layers list module high, which does not exist"]);
}

#[test]
fn a_library_without_layers_is_found() {
    let listed = [layers::Crate { root: ROOT, layers: &[] }];
    let found = layers::unlisted([ROOT, "new/src/lib.rs", "src/new.rs"].into_iter(), &listed);
    assert_eq!(found, ["new/src/lib.rs: its layers are not listed"]);
}

#[test]
fn an_import_from_the_root_is_found() {
    let found = layered("use crate::Root;", "mod low; mod high; pub struct Root;");
    assert_eq!(found, ["src/low.rs:1: crate::Root imports from the root of the crate"]);
}

#[test]
fn long_files_functions_and_lines_are_found() {
    let body = |lines: usize| "    f();\n".repeat(lines - 2);
    for (lines, count) in [(70, 0), (71, 1)] {
        let free = format!("/// Says what.\n#[test]\nfn f() {{\n{}}}\n", body(lines));
        let method = format!("impl A {{\n{}}}\ntrait T {{\n{}}}\n", free, "fn g();\n");
        let in_macro = format!("proptest! {{\n#[test]\nfn f(x in 0..1) {{\n{}}}\n}}\n", body(lines));
        for text in [&free, &method, &in_macro] {
            assert_eq!(sizes::long_functions(&Sources::of(&[("a.rs", text)])).len(), count, "{text}");
        }
    }
    let file = |lines: usize| "//! A\n".repeat(lines);
    assert!(sizes::long_files(&Sources::of(&[("a.rs", &file(450))])).is_empty());
    assert_eq!(sizes::long_files(&Sources::of(&[("a.rs", &file(451))])), ["a.rs: 451 lines"]);
    let (fits, over) = (format!("// {}", "ä".repeat(117)), format!("// {}", "ä".repeat(118)));
    assert!(sizes::long_lines(&Sources::of(&[("a.rs", &fits), ("a.md", &fits)])).is_empty());
    let files = [("a.rs", over.as_str()), ("b.md", over.as_str()), ("c.yaml", &over.replace("//", " #"))];
    assert_eq!(sizes::long_lines(&Sources::of(&files)).len(), 3);
    let fenced = format!("```text\n{over}\n```\n{over}\n");
    assert_eq!(sizes::long_lines(&Sources::of(&[("a.md", &fenced)])), ["a.md:4: 121 characters"]);
    assert_eq!(sizes::mod_files(&Sources::of(&[("a/mod.rs", ""), ("b.rs", "")])), ["a/mod.rs"]);
}

#[test]
fn words_and_exceptions_that_were_given_up_are_found() {
    // Put together here, so that this file is none of those that hold them.
    let given_up = ["Over", "seer"].concat();
    for text in [
        given_up.clone(),
        format!("struct {given_up}Thread;"),
        format!("// the {} waits", given_up.to_lowercase()),
    ] {
        assert_eq!(words::given_up(&Sources::of(&[("a.rs", &text)])).len(), 1, "{text}");
        assert_eq!(words::given_up(&Sources::of(&[("a.md", &text)])).len(), 1, "{text}");
    }
    let wire = format!("#[serde(rename = \"{}\")] A,", given_up.to_lowercase());
    assert!(words::given_up(&Sources::of(&[("a.rs", &wire)])).is_empty());
    let named = format!("src/{}.rs", given_up.to_lowercase());
    assert_eq!(words::given_up(&Sources::of(&[(&named, "")])).len(), 1);
    assert!(words::given_up(&Sources::of(&[("a.rs", "fn seed() { overlap(); }")])).is_empty());
    for text in [
        "#[allow(dead_code)] fn f() {}",
        "#![allow(unused)]",
        "#[expect(clippy::too_many_arguments)] fn f() {}",
    ] {
        assert_eq!(words::lint_exceptions(&Sources::of(&[("a.rs", text)])).len(), 1, "{text}");
    }
    let expected = "#[expect(clippy::float_cmp, reason = \"exact\")] fn f() {}";
    assert!(words::lint_exceptions(&Sources::of(&[("a.rs", expected)])).is_empty());
}

#[test]
fn a_name_on_the_wire_is_found_away_from_its_home() {
    let text =
        "const A: &str = \"tripline_alerts_total\"; fn f() { format!(\"{prefix}.verdicts\"); g(\"ce_id\"); }";
    let spelled = |path| names::spelled_elsewhere(&Sources::of(&[(path, text)])).len();
    assert_eq!(spelled("engine/src/ops/http.rs"), 3);
    assert_eq!(spelled("engine/src/names.rs"), 0);
    for text in [
        r#"f("tripline_shards{phase=\"live\"}")"#,
        r#"format!("tripline_shards{{phase=\"live\"}} {PARTITIONS}\n")"#,
        r#"f("an alert without `ce_id`")"#,
        r#"for topic in ["alerts", "dead-letters"] {}"#,
    ] {
        let text = format!("fn f() {{ {text}; }}");
        assert_eq!(names::spelled_elsewhere(&Sources::of(&[("benches/src/a.rs", &text)])).len(), 1, "{text}");
    }
    let prose = "fn f() { say(\"the topic of .late records\"); }\n#[cfg(test)] mod tests { const A: &str = \"ce_id\"; }";
    assert!(names::spelled_elsewhere(&Sources::of(&[("engine/src/a.rs", prose)])).is_empty());
}
