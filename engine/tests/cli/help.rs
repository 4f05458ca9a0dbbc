//! Every command's help shows an example, and every example works as written from the repository's root.

use crate::tripline::{BINARY, copy, ended, root, tripline};
use std::path::Path;
use std::process::Command;

/// What reads a Kafka topic, or asks a running service, cannot run here; tests of their own run it.
const NEED_A_BROKER: [&str; 5] = ["run", "dump", "topics", "status", "bootstrap"];
/// What takes its time by design has a test of its own, beside which the others run.
const SHOW: &str = "demo";

/// The commands that `tripline --help` lists.
fn commands() -> Vec<String> {
    listed(&tripline(["--help"]).fine()).into_iter().filter(|command| command != "help").collect()
}

/// The indented first words below `Commands:`.
fn listed(help: &str) -> Vec<String> {
    let below = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let entries = below.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    entries.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// What stands below `Example:` in a command's help, a shell script.
pub fn example(path: &[&str]) -> Option<String> {
    let help = tripline(path.iter().copied().chain(["--help"])).fine();
    let (_, example) = help.split_once("\nExample:\n")?;
    Some(example.to_owned())
}

#[test]
fn every_command_shows_an_example_of_itself() {
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in &commands {
        let example = example(&[command]).unwrap_or_else(|| panic!("`{command} --help` shows no example"));
        assert!(example.contains(&format!("tripline {command} ")), "the example of `{command}`:\n{example}");
    }
}

#[test]
fn every_example_runs_as_written() {
    let mut skipped = Vec::new();
    for command in commands().into_iter().filter(|command| command != SHOW) {
        if NEED_A_BROKER.contains(&command.as_str()) {
            skipped.push(command);
            continue;
        }
        run(&command, &example(&[&command]).unwrap());
    }
    skipped.sort();
    let mut expected = NEED_A_BROKER;
    expected.sort_unstable();
    assert_eq!(skipped, expected);
}

/// The commands below a command that has some, each with its command.
fn nested() -> Vec<(String, String)> {
    let below = |command: String| {
        let help = tripline([&command, "--help"]).fine();
        let nested = listed(&help).into_iter().filter(|nested| nested != "help");
        nested.map(|nested| (command.clone(), nested)).collect::<Vec<_>>()
    };
    commands().into_iter().flat_map(below).collect()
}

#[test]
fn every_nested_command_shows_an_example_of_itself_that_runs() {
    let nested = nested();
    assert!(
        nested.iter().any(|(command, nested)| (command.as_str(), nested.as_str()) == ("schema", "alert"))
    );
    for (command, nested) in &nested {
        let example = example(&[command, nested])
            .unwrap_or_else(|| panic!("`{command} {nested} --help` shows no example"));
        assert!(example.contains(&format!("tripline {command} {nested}")), "{command} {nested}:\n{example}");
        run(&format!("{command} {nested}"), &example);
    }
}

#[test]
fn the_demos_example_runs_as_written() {
    run(SHOW, &example(&[SHOW]).unwrap());
}

/// Runs an example in a copy of what the repository has, with the binary on the path.
fn run(command: &str, example: &str) {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("deploy"), &folder.path().join("deploy"));
    let binaries = Path::new(BINARY).parent().unwrap().display().to_string();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", example]).current_dir(folder.path()).env("PATH", format!("{binaries}:{path}"));
    let ended = ended(&mut shell);
    assert_eq!(ended.code, 0, "the example of `{command}`:\n{example}\n{}{}", ended.stdout, ended.stderr);
}

#[test]
fn what_the_configurations_examples_name_exists() {
    let mut named = 0;
    for command in commands() {
        for word in
            example(&[&command]).unwrap().split_whitespace().filter(|word| word.starts_with("deploy/"))
        {
            assert!(root().join(word).exists(), "the example of `{command}` names {word}");
            named += 1;
        }
    }
    assert!(named >= 6, "only {named} files are named");
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = tripline(["completions", shell]).fine();
        for command in commands() {
            assert!(script.contains(&command), "{shell} does not complete `{command}`");
        }
    }
    tripline(["completions", "abacus"]).with(2);
}
