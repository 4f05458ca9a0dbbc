//! Options of compiling, beside the packs and the schema.

use crate::time::Ms;
use crate::value::TextKey;
use std::collections::BTreeMap;

/// Values of parameters that replace their defaults, by name, written as in a pack.
pub type Overrides = BTreeMap<String, String>;

/// Options of compiling.
#[derive(Clone, Copy)]
pub struct CompileOptions<'a> {
    /// The key for hashes of texts.
    pub key: TextKey,
    /// Models whose `model.<name>.score` may be read.
    pub models: &'a [&'a str],
    /// Retention of rows, if it is configured.
    pub retention: Option<Ms>,
    /// How far back what is not in the packs reads rows: models, labels. Without a configured retention, rows are held
    /// for at least as long.
    pub lookback: Ms,
    /// The text of a list's file, by its path: as written, from the folder of the pack that names it.
    pub list: &'a dyn Fn(&str) -> Result<String, String>,
}

impl std::fmt::Debug for CompileOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompileOptions")
            .field("models", &self.models)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}
