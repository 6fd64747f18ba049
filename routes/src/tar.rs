//! A tar of regular files and folders, nothing of it but what they are: how bundles are kept and backups
//! are made. The same files always give the same bytes.
//!
//! Source: POSIX ustar; paths that do not fit in it have GNU's long name before them.

pub const BLOCK: usize = 512;
/// What ends a tar.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

const FILE: u8 = b'0';
const DIRECTORY: u8 = b'5';
const LONG_NAME: u8 = b'L';

const NAME_SIZE: usize = 100;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
    /// A file that may be run.
    Program,
}

/// What stands before the bytes of a file of so many, at a path without a slash at either end.
pub fn header(path: &str, size: u64, kind: Kind) -> Vec<u8> {
    let (flag, mode, slash) = match kind {
        Kind::Directory => (DIRECTORY, 0o755, "/"),
        Kind::Program => (FILE, 0o755, ""),
        Kind::File => (FILE, 0o644, ""),
    };
    let path = [path, slash].concat();
    if path.len() <= NAME_SIZE {
        return block(path.as_bytes(), mode, size, flag).to_vec();
    }
    let long = [path.as_bytes(), &[0]].concat();
    let mut header = block(b"././@LongLink", 0o644, long.len() as u64, LONG_NAME).to_vec();
    header.extend_from_slice(&long);
    header.extend(std::iter::repeat_n(0, padding(long.len() as u64)));
    // Whoever does not know long names sees the beginning of it.
    header.extend(block(&path.as_bytes()[..NAME_SIZE], mode, size, flag));
    header
}

/// How many zeros follow a file of this size.
pub fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

fn block(name: &[u8], mode: u32, size: u64, kind: u8) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, format!("{mode:07o}\0").as_bytes());
    // Owner, group; then the size, and the time: the beginning of 1970.
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// The paths of the files of a tar of ours, as its bytes come.
#[derive(Debug, Default)]
pub struct Paths {
    header: Vec<u8>,
    /// Bytes of the current entry that are still to come, with their padding.
    left: u64,
    /// A long name that is being read, and how long it is.
    long: Option<(Vec<u8>, usize)>,
    pub found: Vec<String>,
}

impl Paths {
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let taken = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                if let Some((name, _)) = &mut self.long {
                    name.extend_from_slice(&bytes[..taken]);
                }
                self.left -= taken as u64;
                bytes = &bytes[taken..];
                continue;
            }
            let taken = (BLOCK - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.header.len() == BLOCK {
                let header = std::mem::take(&mut self.header);
                self.entry(&header);
            }
        }
    }

    fn entry(&mut self, header: &[u8]) {
        let text = |range: std::ops::Range<usize>| {
            let bytes = &header[range];
            let end = bytes.iter().position(|&byte| byte == 0);
            String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
        };
        let size = u64::from_str_radix(&text(124..136), 8).unwrap_or(0);
        self.left = size + padding(size) as u64;
        if header[156] == LONG_NAME {
            let length = usize::try_from(size).unwrap_or(0).saturating_sub(1);
            self.long = Some((Vec::new(), length));
            return;
        }
        let path = match self.long.take() {
            Some((name, length)) => {
                String::from_utf8_lossy(&name[..length.min(name.len())]).into_owned()
            }
            None => text(0..NAME_SIZE),
        };
        if header[156] == FILE {
            self.found.push(path);
        }
    }
}
