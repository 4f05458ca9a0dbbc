//! What compiling is given beside the packs and the schema.

use crate::time::Ms;
use crate::value::TextKey;
use std::collections::BTreeMap;

/// Values of parameters in place of their defaults, by name.
pub type Overrides = BTreeMap<String, String>;

/// What compiling needs beside the files.
#[derive(Clone, Copy)]
pub struct CompileOptions<'a> {
    /// Under which texts are hashed.
    pub key: TextKey,
    /// Models whose `model.<name>.score` may be read.
    pub models: &'a [&'a str],
    /// How long rows are kept, where that is configured.
    pub retention: Option<Ms>,
    /// The text of a list's file, by its path as written.
    pub list: &'a dyn Fn(&str) -> Result<String, String>,
    /// Entries of lists that have expired by then are left out.
    pub now: Option<Ms>,
}

impl std::fmt::Debug for CompileOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompileOptions")
            .field("models", &self.models)
            .field("retention", &self.retention)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
