//! What goes wrong in a seed's life, drawn by its dice.

use crate::bank;
use crate::disk::Mood;
use crate::memory::Doubt;
use crate::process::Process;
use crate::world::{INSTANCES, SESSION_MAX, World};

impl World<'_> {
    /// What the dice bring at this round.
    pub(crate) fn mishap(&mut self) -> Result<(), String> {
        let place = self.dice.below(INSTANCES.len());
        if self.slots[place].process.is_none() {
            if self.dice.chance(250) {
                self.start(place);
            }
            return Ok(());
        }
        match self.dice.below(100) {
            0..4 => {
                self.happened("crash: between two turns", INSTANCES[place]);
                self.crash(place);
            }
            4..12 => {
                let steps = self.dice.below(14);
                self.process(place, |process| process.controls.arm(steps));
            }
            12..14 => self.stop(place)?,
            14..18 => {
                self.happened("fault: process stands still", INSTANCES[place]);
                self.slots[place].stalled = 1 + self.dice.below(2 * SESSION_MAX);
            }
            18..20 => {
                self.happened("fault: replaced while it stands still", INSTANCES[place]);
                let process = self.slots[place].process.take();
                self.ghosts.extend(process);
                self.start(place);
            }
            20..24 => self.process(place, |process| process.controls.refuse()),
            24..32 => {
                let doubt = self.dice.pick(&[Doubt::Done, Doubt::Lost, Doubt::Late, Doubt::Late]);
                self.process(place, |process| process.controls.doubt(doubt));
            }
            32..35 => self.process(place, |process| process.controls.delay()),
            35..37 => self.process(place, |process| process.controls.sleep()),
            37..40 => {
                let room = self.dice.below(3);
                self.process(place, |process| process.controls.fill_queue(room));
            }
            40..44 => {
                let deaf = self.dice.chance(500);
                self.process(place, |process| process.controls.deafen(deaf));
            }
            44..48 => self.change_disk(),
            48..51 => self.tear(place),
            51..54 => self.rot(),
            54..57 => self.retain(),
            57..60 => {
                self.happened("fault: disk hangs", INSTANCES[place]);
                let rounds = self.dice.below(30);
                self.process(place, |process| process.hang(rounds));
            }
            60..62 => {
                self.happened("fault: a host's clock jumps", INSTANCES[place]);
                let ms = self.dice.pick(&[0, 1_000, bank::HOUR, -bank::HOUR, bank::DAY]);
                self.process(place, |process| process.skew(ms));
            }
            _ => {}
        }
        Ok(())
    }

    /// The disk is full, cannot be reached, or has room again.
    fn change_disk(&mut self) {
        let (mood, what) = self.dice.pick(&[
            (Mood::Full, "fault: disk full"),
            (Mood::Full, "fault: disk full"),
            (Mood::Away, "fault: disk cannot be reached"),
            (Mood::Well, "disk has room again"),
            (Mood::Well, "disk has room again"),
        ]);
        self.disk.set(mood);
        self.happened(what, "disk");
    }

    pub(crate) fn process(&mut self, place: usize, act: impl FnOnce(&mut Process)) {
        if let Some(process) = &mut self.slots[place].process {
            act(process);
        }
    }

    pub(crate) fn stop(&mut self, place: usize) -> Result<(), String> {
        let Some(process) = self.slots[place].process.take() else { return Ok(()) };
        self.happened("fault: asked to stop", INSTANCES[place]);
        let (member, producer, died) =
            (process.member.clone(), process.producer.clone(), process.controls.clone());
        let (ended, tally) = process.stop();
        self.end(&tally);
        if let Err(fault) = ended {
            let is_known = died.died().is_some() || fault.to_string().contains("uncommitted");
            if !is_known && !fault.to_string().contains("another process") {
                return Err(format!("a stop failed: {fault}"));
            }
            self.slots[place].missed = Some((member.member(), producer));
        }
        self.look()
    }

    /// The process dies while it writes a snapshot.
    fn tear(&mut self, place: usize) {
        let share = self.dice.pick(&[None, Some(0), Some(500), Some(999)]);
        self.disk.set(Mood::Tears(share));
        let mut is_torn = false;
        self.process(place, |process| is_torn = process.write());
        self.disk.set(Mood::Well);
        if is_torn {
            self.happened("crash: while a snapshot is written", INSTANCES[place]);
            self.crash(place);
        }
    }

    /// A bit of something that was written changes.
    fn rot(&mut self) {
        let written = self.disk.written();
        if written.is_empty() {
            return;
        }
        let name = &written[self.dice.below(written.len())];
        let Ok(mut bytes) = self.store.get(name) else { return };
        if bytes.is_empty() {
            return;
        }
        let place = self.dice.below(bytes.len());
        bytes[place] ^= 1 << self.dice.below(8);
        if self.dice.chance(200) {
            bytes.truncate(place);
        }
        let mood = self.disk.set(Mood::Well);
        self.store.put(name, bytes).expect("memory takes it");
        self.disk.set(mood);
        let name = name.clone();
        self.happened("fault: a snapshot rots", name);
    }

    /// Retention removes what no shard can want any more.
    fn retain(&mut self) {
        let reach = self.installed.lookbacks.iter().map(|lookback| lookback.input_ms).max().unwrap_or(0);
        for partition in 0..self.setup.partitions {
            let Some((next, _)) = self.log.committed(partition) else { continue };
            let own: Vec<i64> = self.records[..self.appended]
                .iter()
                .filter(|r| r.partition == partition)
                .map(|r| r.at)
                .collect();
            let place = |offset: i64| usize::try_from(offset).expect("offsets begin at 0");
            let Some(newest) = (next > 0).then(|| own[place(next - 1)]) else { continue };
            let older = own[..place(next)].iter().filter(|at| **at < newest - reach).count();
            if older > 1 {
                self.log.remove_before(partition, i64::try_from(older - 1).expect("few"));
                self.happened("fault: retention removes the log's head", partition);
            }
        }
    }
}
