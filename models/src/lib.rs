//! Tripline's models: features in, scores out, and metrics of how well they detect fraud.
//!
//! A [`model`](model::Model) takes rows of features and gives each a score in [0, 1]. It does not depend on rules,
//! ledgers or events. [`profile`] is the first one; it needs no labels and no training. [`metrics`] and [`protocol`]
//! measure a detector on labelled transactions.
//!
//! Scoring a row with the profile, and asking what its parts added:
//!
//! ```
//! use ndarray::{Array1, Array2};
//! use tripline_models::model::Model;
//! use tripline_models::profile::{INPUTS, Profile};
//!
//! let set = |x: &mut Array2<f64>, input: &str, value: f64| {
//!     let column = INPUTS.iter().position(|name| *name == input).unwrap();
//!     x[[0, column]] = value;
//! };
//! // One row: a payment of 50 on an account that usually pays 52, and has done so for 90 days.
//! let mut x = Array2::zeros((1, INPUTS.len()));
//! let usual = [("amount", 50.0), ("usual", 52.0), ("rows", 100.0), ("span_days", 90.0), ("rows_this_hour", 30.0)];
//! usual.into_iter().for_each(|(input, value)| set(&mut x, input, value));
//! let mut scores = Array1::zeros(1);
//! Profile.score(x.view(), scores.view_mut());
//! assert_eq!(scores[0], 0.0);
//!
//! // The same with an amount that only one payment in 10,000 reaches.
//! set(&mut x, "tail", 4.0);
//! Profile.score(x.view(), scores.view_mut());
//! assert_eq!(scores[0], 0.5);
//! let parts = Profile.contributions(x.row(0));
//! assert_eq!((parts.len(), parts[0].part, parts[0].value), (1, "population", 0.5));
//! ```

pub mod metrics;
pub mod model;
pub mod profile;
pub mod protocol;
