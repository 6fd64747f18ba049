use std::fmt::Write as _;

use bytes::Bytes;
use expect_test::{Expect, expect};

use super::{Output, ReadId, Reader};
use crate::manifest::{Chunked, Digest};

/// Bytes of a chunk here.
const CHUNK: usize = 16;

/// A disk of seven chunks; the third is zeros, the last is short.
fn disk() -> Vec<u8> {
    let mut disk: Vec<u8> = (0..7 * CHUNK - 6)
        .map(|at| b'a' + u8::try_from(at / CHUNK).unwrap())
        .collect();
    disk[2 * CHUNK..3 * CHUNK].fill(0);
    disk
}

fn reader(keep: usize) -> Reader {
    let disk = disk();
    let chunks = disk.chunks(CHUNK).map(|chunk| {
        let zeros = chunk.iter().all(|byte| *byte == 0);
        (!zeros).then(|| Digest::of(chunk))
    });
    let chunked = Chunked {
        bytes: disk.len() as u64,
        chunks: chunks.collect(),
    };
    Reader::new(chunked, 16, keep * CHUNK)
}

/// What the reader asks for and has, since the last time.
fn check(reader: &mut Reader, expected: Expect) {
    let mut all = String::new();
    while let Some(output) = reader.poll_output() {
        match output {
            Output::Fetch(fetch) => {
                let anew = if fetch.anew { " anew" } else { "" };
                writeln!(all, "fetch {}{anew}", fetch.chunk).unwrap();
            }
            Output::Read { read, bytes } => {
                let text = String::from_utf8_lossy(&bytes).replace('\0', "0");
                writeln!(all, "read {}: {text}", read.0).unwrap();
            }
            Output::Stuck(stuck) => {
                let text = stuck.to_string();
                let (path, rest) = text.split_once(".gz").unwrap();
                assert!(path.starts_with("chunks/"));
                writeln!(all, "stuck{rest}").unwrap();
            }
        }
    }
    expected.assert_eq(&all);
}

fn give(reader: &mut Reader, chunk: u32) {
    let bytes = disk();
    let bytes = bytes.chunks(CHUNK).nth(chunk as usize).unwrap();
    reader.handle_chunk(chunk, Bytes::copy_from_slice(bytes), Digest::of(bytes));
}

fn give_wrong(reader: &mut Reader, chunk: u32) {
    let bytes = Bytes::from_static(b"something else  ");
    let digest = Digest::of(&bytes);
    reader.handle_chunk(chunk, bytes, digest);
}

#[test]
fn a_read_waits_for_the_chunks_that_it_crosses() {
    let mut reader = reader(8);
    reader.handle_read(ReadId(1), 62, 20);
    check(
        &mut reader,
        expect![[r"
            fetch 3
            fetch 4
            fetch 5
        "]],
    );
    give(&mut reader, 5);
    give(&mut reader, 3);
    check(&mut reader, expect![""]);
    give(&mut reader, 4);
    check(
        &mut reader,
        expect![[r"
            read 1: ddeeeeeeeeeeeeeeeeff
        "]],
    );
    // What is here, and what is zeros, is read at once.
    reader.handle_read(ReadId(2), 46, 4);
    check(
        &mut reader,
        expect![[r"
            read 2: 00dd
        "]],
    );
}

#[test]
fn whoever_reads_in_order_is_awaited() {
    let mut reader = reader(8);
    reader.handle_read(ReadId(1), 0, 8);
    // One, two and three more; the third is zeros.
    check(
        &mut reader,
        expect![[r"
            fetch 0
            fetch 1
            fetch 3
        "]],
    );
    give(&mut reader, 1);
    give(&mut reader, 0);
    reader.handle_read(ReadId(2), 8, 16);
    check(
        &mut reader,
        expect![[r"
            read 1: aaaaaaaa
            fetch 4
            read 2: aaaaaaaabbbbbbbb
        "]],
    );
    // What is fetched ahead and cannot be had is nobody's trouble, until it is needed.
    reader.handle_unreachable(3, "offline");
    check(&mut reader, expect![""]);
    reader.handle_read(ReadId(3), 48, 2);
    check(
        &mut reader,
        expect![[r"
            fetch 3
        "]],
    );
}

#[test]
fn the_end_of_the_disk_is_short_and_zeros_follow() {
    let mut reader = reader(8);
    reader.handle_read(ReadId(1), 100, 20);
    give(&mut reader, 6);
    check(
        &mut reader,
        expect![[r"
            fetch 6
            read 1: gggggg00000000000000
        "]],
    );
}

#[test]
fn a_wrong_chunk_is_fetched_again_once_and_never_believed() {
    let mut reader = reader(8);
    reader.handle_read(ReadId(1), 80, 4);
    give_wrong(&mut reader, 5);
    check(
        &mut reader,
        expect![[r"
            fetch 5
            fetch 5 anew
        "]],
    );
    give_wrong(&mut reader, 5);
    check(
        &mut reader,
        expect![[r"
            stuck has a wrong checksum
        "]],
    );
    reader.retry();
    reader.handle_unreachable(5, "offline");
    check(
        &mut reader,
        expect![[r"
            fetch 5 anew
            stuck: offline
        "]],
    );
    reader.retry();
    give(&mut reader, 5);
    check(
        &mut reader,
        expect![[r"
            fetch 5 anew
            read 1: ffff
        "]],
    );
    // Nobody asked for it.
    give_wrong(&mut reader, 5);
    give_wrong(&mut reader, 2);
    give_wrong(&mut reader, 99);
    check(&mut reader, expect![""]);
}

#[test]
fn few_chunks_are_kept_and_a_read_that_needs_more_gets_them() {
    let mut reader = reader(1);
    reader.handle_read(ReadId(1), 64, 4);
    give(&mut reader, 4);
    reader.handle_read(ReadId(2), 96, 4);
    give(&mut reader, 6);
    reader.handle_read(ReadId(3), 64, 4);
    check(
        &mut reader,
        expect![[r"
            fetch 4
            read 1: eeee
            fetch 6
            read 2: gggg
            fetch 4
        "]],
    );
    reader.cancel(ReadId(3));
    give(&mut reader, 4);
    check(&mut reader, expect![""]);
}
