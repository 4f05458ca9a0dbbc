//! The codes of problems and their meaning.

/// The stable code of a problem: `Y` is YAML, `S` structure, `E` expressions, `W` warnings. A code that is no longer
/// used is not assigned again. Configurations have further codes, which start with `C`.
///
/// | code | meaning |
/// |---|---|
/// | `Y000` | not valid YAML |
/// | `Y001` | anchor or alias |
/// | `Y002` | tag |
/// | `Y003` | repeated key, or repeated item of a set |
/// | `Y004` | unquoted yes, no, on or off |
/// | `Y005` | merge key |
/// | `Y006` | file too large or too deep |
/// | `Y007` | more than one document in a file |
/// | `Y008` | key that is not a single word |
/// | `Y009` | card number |
/// | `S001` | unknown setting |
/// | `S002` | required setting is missing |
/// | `S003` | wrong structure: a mapping, a list or a text was expected |
/// | `S004` | not a number, out of range, or not a duration |
/// | `S005` | part of the language that this version does not support yet |
/// | `S006` | unknown word, or not a valid name |
/// | `S007` | limit exceeded |
/// | `S008` | unknown kind of field, or one that differs from the built-in field's |
/// | `S009` | entity or kept field that is not allowed |
/// | `S010` | default of a parameter out of its own range |
/// | `S011` | parameter set out of its range, or unknown |
/// | `S020` | aggregate without an operation |
/// | `S021` | aggregate without a window |
/// | `S022` | aggregate with two operations |
/// | `S023` | setting of an aggregate or signal that has no effect |
/// | `S030` | file of a list cannot be read |
/// | `E100` | unexpected character, or another spelling is required |
/// | `E101` | text without a closing quote |
/// | `E102` | missing closing bracket or brace |
/// | `E103` | unexpected or missing token |
/// | `E104` | nested too deep |
/// | `E105` | expression or rule too large |
/// | `E106` | neither a number nor a duration |
/// | `E201` | unknown name |
/// | `E202` | unknown parameter |
/// | `E203` | unknown list |
/// | `E204` | unknown function |
/// | `E205` | unknown signal |
/// | `E206` | unknown model |
/// | `E207` | term, aggregate or signal that refers to itself |
/// | `E208` | unknown event type |
/// | `E301` | values that cannot be compared |
/// | `E302` | operation that does not fit the kind of its operand |
/// | `E303` | value that the field never has |
/// | `E304` | list where a value is required, or the reverse |
/// | `E305` | wrong arguments of a function |
/// | `E306` | condition that is not yes/no |
/// | `E307` | operand of `and`, `or` or `not` that is not yes/no |
/// | `E308` | feature or signal of a kind that is not allowed |
/// | `E309` | unknown time zone |
/// | `E310` | condition that is always or never true |
/// | `E311` | format that does not fit its value |
/// | `E312` | unknown format |
/// | `E313` | invalid or too large pattern |
/// | `E401` | condition of an aggregate that reads more than rows |
/// | `E402` | aggregate over a field that rows do not keep |
/// | `E403` | fact of another key space |
/// | `E404` | text of which only the hash is known |
/// | `E405` | entity without a key space |
/// | `E406` | aggregate over more than one field |
/// | `E407` | action on the transaction itself |
/// | `E408` | unknown typology |
/// | `E409` | label read for an event that is not a label |
/// | `E410` | amounts in the currencies of different accounts |
/// | `E411` | window longer than the retention |
/// | `E412` | two rules with one id |
/// | `E413` | name declared twice |
/// | `E414` | rank over all accounts without whole days |
/// | `E415` | `by: all` without `rank` |
/// | `W401` | aggregate that nothing reads |
/// | `W402` | parameter that nothing reads |
/// | `W403` | list that nothing reads |
/// | `W404` | term that nothing reads |
/// | `W501` | `not` over a value that may be missing |
/// | `W502` | average that includes the amount it is compared with |
/// | `W503` | part of a condition that never holds |
/// | `W504` | part of a condition that holds whenever its values are known |
/// | `W505` | line of `decide` that an earlier one hides |
/// | `W506` | rule with neither a score nor an action |
/// | `W507` | score without an action, and without `decide` |
/// | `W508` | line of `decide` that no sum of scores reaches |
/// | `W510` | time since an event, compared with more than rows are held for |
/// | `W511` | fact without a window, where only other aggregates say how long rows are held |
/// | `W512` | number beside money whose point may stand between thousands |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

#[cfg(test)]
mod tests {
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
        let rows = include_str!("codes.rs").lines().filter_map(|line| line.strip_prefix("/// | `"));
        let documented: Vec<String> = rows.map(|row| row[..4].to_owned()).collect();
        assert_eq!(documented.iter().cloned().collect::<BTreeSet<_>>(), found);
        assert_eq!(documented.len(), found.len());
    }
}
