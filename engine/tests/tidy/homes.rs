//! An outside crate has one home: the only files that may name it.

use crate::sources::Sources;

const HOMES: [(&str, &[&str]); 17] = [
    ("rdkafka", &["engine/src/io/kafka", "benches/"]),
    ("tokio", &["engine/src/runtime/", "engine/src/io/", "engine/src/ops/", "engine/src/cli/run.rs"]),
    ("hyper", &["engine/src/ops/http.rs"]),
    ("prometheus", &["engine/src/ops/metrics.rs"]),
    ("dashmap", &["engine/src/ops/status.rs"]),
    ("saphyr_parser", &["rules/src/yaml"]),
    ("annotate_snippets", &["rules/src/diagnostic"]),
    ("strsim", &["rules/src/diagnostic", "rules/src/resolve", "rules/src/yaml"]),
    ("siphasher", &["rules/src/value.rs", "rules/src/pack/rules.rs", "rules/src/compile/hash.rs"]),
    ("hkdf", &["rules/src/value.rs"]),
    ("sha2", &["rules/src/value.rs"]),
    ("regex_automata", &["rules/src/"]),
    ("flate2", &["engine/src/io/file"]),
    ("zstd", &["engine/src/io/file", "engine/core/src/snapshot/"]),
    ("postcard", &["engine/core/src/snapshot/"]),
    ("xxhash_rust", &["engine/core/src/snapshot/"]),
    // Every error has a type.
    ("anyhow", &[]),
];

/// What is shipped, and the benches. Tests may name what they compare with.
const CHECKED: [&str; 5] = ["rules/src/", "models/src/", "engine/core/src/", "engine/src/", "benches/"];

pub fn away_from_home(sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    let checked = |path: &str| CHECKED.iter().any(|folder| path.starts_with(folder));
    for (path, text) in sources.rust().filter(|(path, _)| checked(path)) {
        for (outside, homes) in HOMES {
            let named = text.lines().any(|line| {
                let code = line.trim_start();
                !code.starts_with("//") && code.contains(&format!("{outside}::"))
            });
            if named && !homes.iter().any(|home| path.starts_with(home)) {
                found.push(format!("{path} names {outside}, whose home is {}", homes.join(", ")));
            }
        }
    }
    found
}
