//! A mapping tried on the first records of a file: what would be refused, as in `replay`, how often each field is
//! missing, and what the event times are like.

use super::times::Times;
use crate::cli::error::CliError;
use crate::cli::feed::take_header;
use crate::config::Config;
use crate::io::file::{FileFormat, FileSource};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tripline_core::batch::{Batch, ShardId};
use tripline_core::decode::{Coverage, Decoder, Reason, Reject};
use tripline_core::event::Event;
use tripline_core::lookahead::Lookahead;
use tripline_rules::value::Slot;

/// Maximum records read from a sample.
const RECORDS_MAX: u64 = 10_000;

/// What a sample shows.
pub struct Sample {
    records: u64,
    coverage: Coverage,
    times: Times,
    /// Records that would be dead letters.
    refused: BTreeMap<Reason, u64>,
    /// Values of fields that nothing reads, which are no value of their field: name of the field and reason.
    unread: BTreeMap<(String, Reason), u64>,
}

impl Sample {
    /// Reads the first records of a file.
    ///
    /// # Errors
    /// When it cannot be read, or its header does not fit the mapping.
    pub fn read(config: &Config, path: &Path) -> Result<Sample, CliError> {
        let format = FileFormat::of(config.installation.format());
        let mut source = FileSource::open(&[path.to_path_buf()], format, 256)?;
        let mapped: Vec<Slot> = config.mapping.fields.iter().map(|field| field.slot).collect();
        let installation = &config.installation;
        // As `replay` decodes, and once more with the fields that nothing reads.
        let mut decoder = Decoder::new(Arc::clone(installation.decode()));
        let mut all = Decoder::new(Arc::new(installation.decode_of(&mapped)));
        if format != FileFormat::JsonLines {
            take_header(path, source.header(), |line| {
                decoder.set_header(line)?;
                all.set_header(line)
            })?;
        }
        let (settings, registers) = (config.settings(), installation.ruleset().registers());
        let mut sample = Sample {
            records: 0,
            coverage: Coverage::new(mapped, config.schema()),
            times: Times::new(settings.lateness_ms, settings.jump_ms),
            refused: BTreeMap::new(),
            unread: BTreeMap::new(),
        };
        let mut batch = Batch::new(ShardId::account(0));
        let mut event = Event::new(registers);
        let mut lookahead = Lookahead::default();
        while sample.records < RECORDS_MAX && source.read(&mut batch)? {
            for (number, record) in batch.records.iter().enumerate() {
                sample.records += 1;
                let value = batch.value(record);
                if let Err(Reject { reason, .. }) = decoder.decode(value, record.offset, &mut event) {
                    *sample.refused.entry(reason).or_default() += 1;
                    continue;
                }
                let at = event.at;
                sample.times.add(at, |clock| {
                    lookahead.contradicts(clock, (&batch, number), at, &mut decoder, registers)
                });
                match all.decode(value, record.offset, &mut event) {
                    Ok(()) => sample.coverage.add(&event),
                    Err(Reject { reason, field, .. }) => {
                        let name =
                            field.map_or(String::new(), |field| config.schema().field(field).name.clone());
                        *sample.unread.entry((name, reason)).or_default() += 1;
                    }
                }
            }
        }
        Ok(sample)
    }

    /// Whether no record would be a dead letter.
    pub fn is_fine(&self) -> bool {
        self.refused.is_empty()
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { records, coverage, times, refused, unread } = self;
        write!(f, "{records} records\n{coverage}\n{times}")?;
        for (reason, count) in refused {
            writeln!(f, "dead letters, {}: {count}", reason.name())?;
        }
        for ((field, reason), count) in unread {
            writeln!(
                f,
                "{field}: {count} values are not valid ({}); no rule reads the field and no row keeps it",
                reason.name().replace('_', " ")
            )?;
        }
        let help = |reason| match reason {
            Reason::CardNumber => Some(
                "an all-digit id can look like a card number by chance: exempt its field with `pan: {exempt: [event.id]}`",
            ),
            Reason::NotUtf8 => Some(
                "records that are not UTF-8 are probably Latin-1 (ISO 8859-1) or Windows-1252: convert the file with \
                 `iconv -f WINDOWS-1252 -t UTF-8`",
            ),
            Reason::AmbiguousTime | Reason::BadTime => Some(
                "a local time that clocks repeat or skip when summer time ends or begins is refused, unless the mapping \
                 says `ambiguous: earlier` or `later`",
            ),
            _ => None,
        };
        refused.keys().filter_map(|reason| help(*reason)).try_for_each(|line| writeln!(f, "{line}"))
    }
}
