//! Every code that a fault can carry, and what it means. Codes are stable: one that is no longer used is not given again.

/// Codes and their meaning, one line each.
pub const CODES: &[(&str, &str)] = &[
    ("Y000", "not valid YAML"),
    ("Y001", "an anchor or alias"),
    ("Y002", "a tag"),
    ("Y003", "the same key twice, or the same item of a set"),
    ("Y004", "a bare yes, no, on or off"),
    ("Y005", "a merge key"),
    ("Y006", "a file that is too large or too deep"),
    ("Y007", "more than one document in a file"),
    ("Y008", "a key that is not one word"),
    ("S001", "a setting that does not exist there"),
    ("S002", "a setting that must be there and is not"),
    ("S003", "a mapping, list or text where another is needed"),
    ("S004", "not a number, or not one within its bounds; not a length of time"),
    ("S005", "known in the language and not in this version yet"),
    ("S006", "a word that is none of those possible, or no name"),
    ("S007", "more than a limit allows"),
    ("S008", "a field's kind that does not exist or differs from a built-in one"),
    ("S009", "an entity or kept field that cannot be one"),
    ("S010", "a parameter's default outside its own range"),
    ("S011", "a parameter set outside its range, or one that does not exist"),
    ("S020", "an aggregate without an operation"),
    ("S021", "an aggregate without a window"),
    ("S022", "an aggregate with two operations"),
    ("S030", "a list's file that cannot be read"),
    ("E100", "a sign that means nothing, or is written otherwise here"),
    ("E101", "a text that is never closed"),
    ("E102", "a bracket that is never closed"),
    ("E103", "something that is not expected at its place"),
    ("E104", "nested too deep"),
    ("E105", "an expression or rule that is too large"),
    ("E106", "not a number and not a length of time"),
    ("E201", "a name of nothing"),
    ("E202", "no such parameter"),
    ("E203", "no such list"),
    ("E204", "no such function"),
    ("E205", "no such signal"),
    ("E206", "no such model"),
    ("E207", "a term, aggregate or signal that is part of itself"),
    ("E208", "no such event type"),
    ("E301", "values that cannot be compared"),
    ("E302", "arithmetic on what has none, or an aggregate of what it cannot read"),
    ("E303", "a value that the field never has"),
    ("E304", "a list where a value is needed, or the reverse"),
    ("E305", "wrong arguments of a function"),
    ("E306", "a condition that is not yes/no"),
    ("E307", "an operand of and, or, not that is not yes/no"),
    ("E308", "a feature or signal of a kind that cannot be one"),
    ("E309", "no such time zone"),
    ("E310", "a condition that always or never holds"),
    ("E311", "a format that does not fit its value"),
    ("E312", "no such format"),
    ("E313", "not a pattern, or one that is too large"),
    ("E401", "an aggregate's condition that reads more than rows"),
    ("E402", "an aggregate over a field that rows do not keep"),
    ("E403", "a fact of another key space"),
    ("E404", "a text that is known by its hash alone"),
    ("E405", "an entity without a key space"),
    ("E406", "an aggregate of more than one field"),
    ("E407", "an action on what has already happened"),
    ("E408", "no such typology"),
    ("E409", "a label read as if the event carried it"),
    ("E410", "currencies of different accounts mixed"),
    ("E411", "a look back beyond what is kept"),
    ("E412", "two rules of one id"),
    ("E413", "two declarations of one name"),
    ("E414", "a rank among all over parts of days"),
    ("E415", "among all, and not a rank"),
    ("W401", "an aggregate that nothing reads"),
    ("W402", "a parameter that nothing reads"),
    ("W403", "a list that nothing reads"),
    ("W404", "a term that nothing reads"),
    ("W501", "`not` over a value that may be missing"),
    ("W502", "an average that includes the amount it is compared with"),
];

#[cfg(test)]
mod tests {
    use super::CODES;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Codes in quotes in all sources under a folder.
    fn used(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                used(&path, codes);
            } else if !path.ends_with("diagnostic/codes.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for quoted in text.split('"') {
                    let code = quoted.len() == 4
                        && quoted.starts_with(['Y', 'S', 'E', 'W'])
                        && quoted[1..].bytes().all(|digit| digit.is_ascii_digit());
                    if code {
                        codes.insert(quoted.to_owned());
                    }
                }
            }
        }
    }

    #[test]
    fn the_documented_codes_are_those_in_use() {
        let mut found = BTreeSet::new();
        used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let documented: BTreeSet<String> = CODES.iter().map(|(code, _)| (*code).to_owned()).collect();
        assert_eq!(documented, found);
        assert_eq!(documented.len(), CODES.len());
    }
}
