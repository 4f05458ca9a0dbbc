//! Model scores of a shard's events: a matrix `[N, M]`, for N events that are judged together and M models.
//!
//! A registry names the models. Each reads inputs of an event through a reader that the shard holds, because they come
//! from its rows and from everybody's amounts. What a score leads to is the judge's business.

mod registry;
mod wire;

pub(crate) use registry::InputReader;
pub use registry::ModelRegistry;

use crate::event::Event;
use crate::ledger::{Ledgers, RowRef};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1};
use std::sync::Arc;
use tripline_models::model::Model;
use tripline_rules::ruleset::Ruleset;
use tripline_rules::schema::Schema;
use tripline_rules::value::Slot;

/// The models of one shard and the scores of the events in hand.
pub struct Scores {
    models: Vec<ShardModel>,
    /// `[N, M]`, event by event.
    cells: Vec<Cell>,
}

/// A model as one shard runs it.
struct ShardModel {
    model: Arc<dyn Model>,
    /// Where rules read its score.
    slot: Option<Slot>,
    /// `None` when the shard's rows lack what the model reads.
    reader: Option<Box<dyn InputReader>>,
    /// `[N', F]`, of the events that it reads.
    inputs: Vec<f64>,
    /// `[N']`
    scores: Vec<f64>,
}

/// One event and one model.
#[derive(Clone, Copy, Debug)]
struct Cell {
    score: f64,
    /// Row of the model's inputs, if it reads the event.
    input: Option<usize>,
}

/// The scores of one event, `[M]`.
#[derive(Clone, Copy)]
pub struct EventScores<'a> {
    models: &'a [ShardModel],
    cells: &'a [Cell],
}

impl Scores {
    /// The registry's models over these ledgers, nothing scored yet.
    pub fn new(registry: &ModelRegistry, schema: &Schema, ruleset: &Ruleset, ledgers: &Ledgers) -> Scores {
        let models = registry.models().iter().map(|registered| ShardModel {
            slot: ruleset.model_slot(registered.model.name()),
            reader: registered.open(schema, ledgers),
            model: Arc::clone(&registered.model),
            inputs: Vec::new(),
            scores: Vec::new(),
        });
        Scores { models: models.collect(), cells: Vec::new() }
    }

    /// The name of a model of another registry whose state this shard lacks; none before the first event.
    pub(crate) fn lacks_state(&self, registry: &ModelRegistry, has_events: bool) -> Option<&'static str> {
        let names = registry.models().iter().map(|registered| registered.model.name());
        names.into_iter().find(|name| has_events && self.models.iter().all(|held| held.model.name() != *name))
    }

    /// Goes on with the models of another registry: those that ran before keep their state.
    pub(crate) fn install(
        &mut self,
        registry: &ModelRegistry,
        schema: &Schema,
        ruleset: &Ruleset,
        ledgers: &Ledgers,
    ) {
        let mut new = Scores::new(registry, schema, ruleset, ledgers);
        for model in &mut new.models {
            let name = model.model.name();
            if let Some(held) = self.models.iter_mut().find(|held| held.model.name() == name)
                && let Some(mut reader) = held.reader.take()
            {
                reader.rebind(schema, ledgers);
                model.reader = Some(reader);
            }
        }
        *self = new;
    }

    /// Forgets the events in hand.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.models.iter_mut().for_each(|model| model.inputs.clear());
    }

    /// Takes an event that has its row. Of one that is judged the inputs are read; it becomes the next event of the
    /// matrix.
    #[inline]
    pub fn observe(&mut self, ledgers: &Ledgers, row: RowRef, event: &Event, is_judged: bool) {
        for model in &mut self.models {
            let mut input = None;
            if let Some(reader) = &mut model.reader {
                reader.begin_day(event.at);
                if is_judged && reader.reads(event) {
                    let width = model.model.inputs().len();
                    let start = model.inputs.len();
                    model.inputs.resize(start + width, 0.0);
                    reader.read(ledgers, row, event, &mut model.inputs[start..]);
                    input = Some(start / width);
                }
                reader.observe(event);
            }
            if is_judged {
                self.cells.push(Cell { score: f64::NAN, input });
            }
        }
    }

    /// Scores all events in hand.
    ///
    /// # Panics
    /// Never: whole rows of inputs were read.
    pub fn score(&mut self) {
        let width = self.models.len();
        for (column, model) in self.models.iter_mut().enumerate() {
            let x = view(&*model.model, &model.inputs);
            model.scores.clear();
            model.scores.resize(x.nrows(), f64::NAN);
            model.model.score(x, ArrayViewMut1::from(&mut model.scores[..]));
            for cell in self.cells.iter_mut().skip(column).step_by(width) {
                if let Some(input) = cell.input {
                    cell.score = model.scores[input];
                }
            }
        }
    }

    /// The scores of the event with a number among those in hand.
    #[inline]
    pub fn of(&self, event: usize) -> EventScores<'_> {
        let width = self.models.len();
        EventScores { models: &self.models, cells: &self.cells[event * width..(event + 1) * width] }
    }
}

impl<'a> EventScores<'a> {
    /// Puts the scores where rules read them; missing where there is none.
    #[inline]
    pub fn write(&self, event: &mut Event) {
        for (model, cell) in self.models.iter().zip(self.cells) {
            if let Some(slot) = model.slot {
                event.registers.set_number(slot, cell.score);
            }
        }
    }

    /// Score by model, NaN where there is none.
    pub fn all(&self) -> impl Iterator<Item = f64> {
        self.cells.iter().map(|cell| cell.score)
    }

    /// The models that read the event: position in the registry, score, inputs `[F]`.
    pub fn known(&self) -> impl Iterator<Item = (usize, f64, ArrayView1<'a, f64>)> {
        self.models.iter().zip(self.cells).enumerate().filter_map(|(number, (model, cell))| {
            let width = model.model.inputs().len();
            let start = cell.input? * width;
            Some((number, cell.score, ArrayView1::from(&model.inputs[start..start + width])))
        })
    }
}

impl std::fmt::Debug for EventScores<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

fn view<'a>(model: &dyn Model, inputs: &'a [f64]) -> ArrayView2<'a, f64> {
    let width = model.inputs().len();
    ArrayView2::from_shape((inputs.len() / width, width), inputs).expect("whole rows of inputs were read")
}
