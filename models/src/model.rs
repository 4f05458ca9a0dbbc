//! What a model is: rows of features in, scores in [0, 1] out, and for one row what each part of the model added.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1};

/// What one part of a model added to a score.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The part, a stable name.
    pub part: &'static str,
    /// What it added to the score; the sum over all parts is the score.
    pub value: f64,
    /// The same in plain words.
    pub words: String,
}

/// A model.
pub trait Model: Send + Sync {
    /// Its name, as in `model.<name>.score`.
    fn name(&self) -> &'static str;

    /// Changes whenever the same features could give another score.
    fn version(&self) -> &'static str;

    /// Names of its inputs: the columns of `x`.
    fn inputs(&self) -> &'static [&'static str];

    /// Scores `x`: `[N, F]`, NaN is missing, into `out`: `[N]`, a column of the matrix of all models' scores; NaN where
    /// no score can be given. Rows are scored independently of each other: how they are batched changes no bit.
    ///
    /// # Panics
    /// When the shapes do not fit.
    fn score(&self, x: ArrayView2<'_, f64>, out: ArrayViewMut1<'_, f64>);

    /// What each part added to the score of one row, `x`: `[F]`, the largest first, parts that added nothing left out.
    fn contributions(&self, x: ArrayView1<'_, f64>) -> Vec<Contribution>;
}
