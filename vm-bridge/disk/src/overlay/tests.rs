use std::{cell::RefCell, rc::Rc};

use super::{BLOCK, File, Files, Opened, Overlay, Trouble};

/// A file in memory, on a machine that can be cut off at any of its operations.
#[derive(Debug, Clone)]
struct Memory {
    machine: Rc<RefCell<Machine>>,
    file: usize,
}

#[derive(Debug, Default)]
struct Machine {
    /// What reads see.
    files: [Vec<u8>; 3],
    /// What was flushed, and what was done since.
    durable: [Vec<u8>; 3],
    since: Vec<(usize, Operation)>,
    operations: usize,
    /// Which operation is the last that is done, in part.
    cut: Option<usize>,
    /// Bytes that all files may have together.
    quota: Option<usize>,
}

#[derive(Debug, Clone)]
enum Operation {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Operation {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                if file.len() < at + bytes.len() {
                    file.resize(at + bytes.len(), 0);
                }
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Truncate(length) => file.resize(*length, 0),
        }
    }
}

const DEAD: Trouble = Trouble::Failed(String::new());

impl Memory {
    fn change(&mut self, mut operation: Operation) -> Result<(), Trouble> {
        let machine = &mut *self.machine.borrow_mut();
        machine.operations += 1;
        let last = machine.cut == Some(machine.operations);
        if machine.cut.is_some_and(|cut| machine.operations > cut) {
            return Err(DEAD);
        }
        let mut full = false;
        if let (Operation::Truncate(length), Some(quota)) = (&operation, machine.quota) {
            let others: usize = machine.files.iter().map(Vec::len).sum();
            let own = machine.files[self.file].len();
            if *length > own && others - own + *length > quota {
                return Err(Trouble::Full);
            }
        }
        if let Operation::Write(at, bytes) = &mut operation {
            if last {
                bytes.truncate(bytes.len() / 2);
            }
            let others: usize = machine.files.iter().map(Vec::len).sum();
            let own = machine.files[self.file].len();
            if let Some(quota) = machine.quota
                && others - own + own.max(*at + bytes.len()) > quota
            {
                full = true;
                bytes.truncate(bytes.len() / 3);
            }
        }
        operation.apply(&mut machine.files[self.file]);
        machine.since.push((self.file, operation));
        match (last, full) {
            (true, _) => Err(DEAD),
            (false, true) => Err(Trouble::Full),
            (false, false) => Ok(()),
        }
    }
}

impl File for Memory {
    fn length(&mut self) -> Result<u64, Trouble> {
        Ok(self.machine.borrow().files[self.file].len() as u64)
    }

    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), Trouble> {
        let at = usize::try_from(at).unwrap();
        let machine = self.machine.borrow();
        let bytes = machine.files[self.file].get(at..at + into.len());
        into.copy_from_slice(bytes.ok_or_else(|| Trouble::Failed("behind the end".to_owned()))?);
        Ok(())
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Trouble> {
        self.change(Operation::Write(
            usize::try_from(at).unwrap(),
            bytes.to_vec(),
        ))
    }

    fn truncate(&mut self, length: u64) -> Result<(), Trouble> {
        self.change(Operation::Truncate(usize::try_from(length).unwrap()))
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        let machine = &mut *self.machine.borrow_mut();
        machine.operations += 1;
        if machine.cut.is_some_and(|cut| machine.operations >= cut) {
            return Err(DEAD);
        }
        machine.durable[self.file] = machine.files[self.file].clone();
        machine.since.retain(|(file, _)| *file != self.file);
        Ok(())
    }
}

/// A generator of numbers, the same ones every time (Numerical Recipes' constants).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

const BLOCKS: usize = 24;
const BYTES: usize = BLOCKS * BLOCK;

fn open(machine: &Rc<RefCell<Machine>>) -> Result<Opened<Memory>, Trouble> {
    let file = |file| Memory {
        machine: Rc::clone(machine),
        file,
    };
    let files = Files {
        data: file(0),
        index: [file(1), file(2)],
    };
    Overlay::open(files, BYTES as u64)
}

fn known(machine: &Rc<RefCell<Machine>>) -> Overlay<Memory> {
    match open(machine).unwrap() {
        Opened::Known(overlay) => overlay,
        Opened::New(_) => panic!("the overlay was forgotten"),
    }
}

fn begun() -> (Rc<RefCell<Machine>>, Overlay<Memory>) {
    let machine = Rc::default();
    let Opened::New(mut overlay) = open(&machine).unwrap() else {
        panic!("there is an overlay in no files")
    };
    overlay.sync().unwrap();
    (machine, overlay)
}

fn all(overlay: &mut Overlay<Memory>) -> Vec<u8> {
    let mut bytes = vec![0; BYTES];
    overlay.read(0, &mut bytes).unwrap();
    bytes
}

/// A write as a guest does it: some sectors, of one value, which may be zero.
fn guess(dice: &mut Dice) -> (usize, Vec<u8>) {
    let (unit, most) = match dice.roll(4) {
        0 => (512, 20),
        _ => (BLOCK, 6),
    };
    let length = unit * (1 + dice.roll(most));
    let at = unit * dice.roll((BYTES - length) / unit);
    let value = u8::try_from(dice.roll(6)).unwrap();
    (at, vec![value; length])
}

#[test]
fn reads_what_was_written_as_a_vec_does() {
    let mut dice = Dice(1);
    let (machine, mut overlay) = begun();
    let mut model = vec![0; BYTES];
    for _ in 0..2_000 {
        match dice.roll(10) {
            0 => overlay.sync().unwrap(),
            1 => {
                // Whatever is killed in order has lost nothing.
                drop(overlay);
                overlay = known(&machine);
            }
            2..5 => {
                let at = dice.roll(BYTES);
                let mut bytes = vec![9; dice.roll(BYTES - at)];
                overlay.read(at as u64, &mut bytes).unwrap();
                assert!(bytes == model[at..at + bytes.len()]);
            }
            _ => {
                let (at, bytes) = guess(&mut dice);
                overlay.write(at as u64, &bytes).unwrap();
                model[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
    assert!(all(&mut overlay) == model);
    assert!(overlay.used() <= BYTES as u64);
    // Slots are used again: no more of them than a disk and what one sync may hold.
    assert!(machine.borrow().files[0].len() < 12 * BYTES);
}

/// What a guest wrote before a machine was cut off.
struct Cut {
    synced: Vec<u8>,
    /// What each block may be.
    may_be: Vec<Vec<Vec<u8>>>,
}

/// Writes until the machine dies, or `steps` are done.
fn run(overlay: &mut Overlay<Memory>, dice: &mut Dice, steps: usize) -> Cut {
    let mut now = all(overlay);
    let blocks = |disk: &[u8]| -> Vec<Vec<Vec<u8>>> {
        disk.chunks(BLOCK)
            .map(|block| vec![block.to_vec()])
            .collect()
    };
    let mut cut = Cut {
        synced: now.clone(),
        may_be: blocks(&now),
    };
    for _ in 0..steps {
        if dice.roll(6) == 0 {
            if overlay.sync().is_err() {
                break;
            }
            cut.synced.clone_from(&now);
            cut.may_be = blocks(&now);
        } else if dice.roll(8) == 0 {
            if overlay.reserve((dice.roll(4) * BLOCK) as u64).is_err() {
                break;
            }
        } else {
            let (at, bytes) = guess(dice);
            let result = overlay.write(at as u64, &bytes);
            now[at..at + bytes.len()].copy_from_slice(&bytes);
            for block in at / BLOCK..(at + bytes.len()).div_ceil(BLOCK) {
                cut.may_be[block].push(now[block * BLOCK..(block + 1) * BLOCK].to_vec());
            }
            if result.is_err() {
                break;
            }
        }
    }
    cut
}

fn check(overlay: &mut Overlay<Memory>, cut: &Cut, place: &str) {
    let found = all(overlay);
    for (block, bytes) in found.chunks(BLOCK).enumerate() {
        let was = cut.may_be[block].iter().any(|was| was == bytes);
        assert!(was, "block {block} was never that: {place}");
    }
}

#[test]
fn a_kill_at_any_operation_leaves_each_block_old_or_new() {
    for cut_at in 1..400 {
        let mut dice = Dice(cut_at as u64);
        let (machine, mut overlay) = begun();
        let before = machine.borrow().operations;
        machine.borrow_mut().cut = Some(before + cut_at);
        let cut = run(&mut overlay, &mut dice, 120);
        drop(overlay);
        machine.borrow_mut().cut = None;
        let mut overlay = known(&machine);
        check(&mut overlay, &cut, &format!("cut at {cut_at}"));
        // And it goes on.
        let cut = run(&mut overlay, &mut dice, 20);
        drop(overlay);
        check(&mut known(&machine), &cut, &format!("after {cut_at}"));
    }
}

#[test]
fn a_kill_while_it_is_opened_again_loses_nothing() {
    for cut_at in 1..12 {
        let mut dice = Dice(77);
        let (machine, mut overlay) = begun();
        machine.borrow_mut().cut = Some(200);
        let cut = run(&mut overlay, &mut dice, 120);
        drop(overlay);
        let before = machine.borrow().operations;
        machine.borrow_mut().cut = Some(before + cut_at);
        let _ = open(&machine);
        machine.borrow_mut().cut = None;
        check(
            &mut known(&machine),
            &cut,
            &format!("opening cut at {cut_at}"),
        );
    }
}

#[test]
fn a_power_cut_keeps_what_was_synced() {
    for seed in 0..600 {
        let mut dice = Dice(seed);
        let (machine, mut overlay) = begun();
        let steps = dice.roll(60);
        let cut = run(&mut overlay, &mut dice, steps);
        drop(overlay);
        // Of what was not flushed, anything may be there, in any order.
        let mut after = Machine::default();
        {
            let machine = &mut *machine.borrow_mut();
            after.durable.clone_from(&machine.durable);
            for (file, operation) in machine.since.drain(..) {
                if dice.roll(2) == 0 {
                    operation.apply(&mut after.durable[file]);
                }
            }
        }
        after.files.clone_from(&after.durable);
        let machine = Rc::new(RefCell::new(after));
        let mut overlay = known(&machine);
        check(&mut overlay, &cut, &format!("seed {seed}"));
        drop(overlay);
        // What was found once is found again, though it was lost in part.
        check(&mut known(&machine), &cut, &format!("again, seed {seed}"));
    }
}

#[test]
fn an_overlay_that_was_never_finished_is_new() {
    for cut_at in 1.. {
        let machine: Rc<RefCell<Machine>> = Rc::default();
        machine.borrow_mut().cut = Some(cut_at);
        let mut finished = false;
        if let Ok(Opened::New(mut overlay)) = open(&machine)
            && overlay.write(0, &[7; 3 * BLOCK]).is_ok()
        {
            finished = overlay.sync().is_ok();
        }
        machine.borrow_mut().cut = None;
        match open(&machine).unwrap() {
            Opened::New(overlay) => {
                assert!(!finished, "forgotten though it was synced");
                assert_eq!(overlay.used(), 0);
            }
            Opened::Known(mut overlay) => {
                let mut bytes = [0; 3 * BLOCK];
                overlay.read(0, &mut bytes).unwrap();
                assert_eq!(bytes, [7; 3 * BLOCK]);
            }
        }
        if finished {
            return;
        }
    }
}

#[test]
fn where_there_is_no_room_nothing_is_lost_and_it_can_be_tried_again() {
    let mut dice = Dice(3);
    let (machine, mut overlay) = begun();
    let mut model = vec![0; BYTES];
    let mut refused = 0;
    for _ in 0..400 {
        let (at, bytes) = guess(&mut dice);
        let room = dice.roll(2 * BYTES);
        machine.borrow_mut().quota = Some(room);
        match overlay.write(at as u64, &bytes) {
            Ok(()) => model[at..at + bytes.len()].copy_from_slice(&bytes),
            Err(trouble) => {
                assert_eq!(trouble, Trouble::Full);
                refused += 1;
                assert!(all(&mut overlay) == model);
                if dice.roll(2) == 0 {
                    machine.borrow_mut().quota = None;
                    overlay.write(at as u64, &bytes).unwrap();
                    model[at..at + bytes.len()].copy_from_slice(&bytes);
                }
            }
        }
        if dice.roll(4) == 0 {
            match overlay.sync() {
                Ok(()) | Err(Trouble::Full) => {}
                Err(trouble) => panic!("{trouble}"),
            }
        }
        if dice.roll(10) == 0 {
            drop(overlay);
            overlay = known(&machine);
            assert!(all(&mut overlay) == model);
        }
    }
    assert!(refused > 50, "{refused}");
    assert!(all(&mut overlay) == model);
}

#[test]
fn a_long_log_is_written_anew() {
    let (machine, mut overlay) = begun();
    let mut longest = 0;
    for round in 0..40_000_u32 {
        let block = u64::from(round % 3) * BLOCK as u64;
        overlay
            .write(block, &[round.to_le_bytes()[0]; BLOCK])
            .unwrap();
        if round % 50 == 0 {
            overlay.sync().unwrap();
            let lengths = &machine.borrow().files;
            longest = longest.max(lengths[1].len()).max(lengths[2].len());
        }
    }
    assert!(longest < 16 * 17_000, "{longest}");
    let before = all(&mut overlay);
    drop(overlay);
    assert!(all(&mut known(&machine)) == before);
}

#[test]
fn what_is_not_on_the_disk_is_refused() {
    let (_machine, mut overlay) = begun();
    let end = BYTES as u64;
    assert_eq!(overlay.write(end - 1, &[1; 2]), Err(Trouble::Outside));
    assert_eq!(overlay.read(u64::MAX, &mut [0; 2]), Err(Trouble::Outside));
    assert_eq!(overlay.write(end, &[]), Ok(()));
}

#[test]
fn damage_is_found() {
    let (machine, mut overlay) = begun();
    overlay.write(0, &[1; BLOCK]).unwrap();
    overlay.sync().unwrap();
    drop(overlay);
    let intact = machine.borrow().files.clone();
    let check = |file: usize, damage: fn(&mut Vec<u8>), expected: bool| {
        machine.borrow_mut().files.clone_from(&intact);
        damage(&mut machine.borrow_mut().files[file]);
        let result = open(&machine).map(|_| ());
        assert_eq!(result.is_err(), expected, "file {file}: {result:?}");
    };
    check(0, Vec::clear, true);
    check(1, |bytes| bytes[3] ^= 1, true);
    check(1, |bytes| bytes[60] ^= 1, false);
}

#[test]
fn room_that_is_reserved_is_there_when_there_is_no_more() {
    let (machine, mut overlay) = begun();
    overlay.write(0, &[1; 2 * BLOCK]).unwrap();
    assert_eq!(overlay.spare(), 0);
    assert_eq!(overlay.reserve(6 * BLOCK as u64), Ok(true));
    assert_eq!(overlay.spare(), 6 * BLOCK as u64);
    let files: usize = machine.borrow().files.iter().map(Vec::len).sum();
    // For what the log says of blocks, and no more.
    machine.borrow_mut().quota = Some(files + 400);
    assert_eq!(overlay.reserve(7 * BLOCK as u64), Ok(false));
    overlay.write(2 * BLOCK as u64, &[2; 4 * BLOCK]).unwrap();
    assert_eq!(overlay.spare(), 2 * BLOCK as u64);
    overlay.sync().unwrap();
    // What is written over is in the way until the next sync.
    overlay.write(0, &[3; 2 * BLOCK]).unwrap();
    assert_eq!(overlay.spare(), 0);
    overlay.sync().unwrap();
    assert_eq!(overlay.spare(), 2 * BLOCK as u64);
    assert_eq!(overlay.reserve(2 * BLOCK as u64), Ok(true));
    drop(overlay);
    machine.borrow_mut().quota = None;
    let mut overlay = known(&machine);
    assert_eq!(overlay.spare(), 2 * BLOCK as u64);
    assert_eq!(overlay.reserve(9 * BLOCK as u64), Ok(true));
    let found = all(&mut overlay);
    let wanted = [[3; 2 * BLOCK].as_slice(), &[2; 4 * BLOCK]].concat();
    assert!(found.starts_with(&wanted));
}
