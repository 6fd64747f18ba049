//! The guest's console: bytes in, lines out.

/// Bytes of a line; what is longer is more lines.
const LONGEST: usize = 4096;

/// Makes lines of what a guest writes to its console.
#[derive(Debug, Default)]
pub struct Console {
    line: Vec<u8>,
}

impl Console {
    /// Takes a byte, and gives the line that it ends.
    pub fn handle_byte(&mut self, byte: u8) -> Option<String> {
        match byte {
            b'\n' => {}
            b'\t' | 0x20.. => {
                self.line.push(byte);
                if self.line.len() < LONGEST {
                    return None;
                }
            }
            // Carriage returns, and whatever else moves a cursor.
            _ => return None,
        }
        let line = String::from_utf8_lossy(&self.line).into_owned();
        self.line.clear();
        Some(line)
    }
}

/// Whether a line is a kernel's last.
pub fn is_last(line: &str) -> bool {
    const LAST: [&str; 3] = [
        "Kernel panic - not syncing",
        "reboot: System halted",
        "reboot: Power down",
    ];
    LAST.iter().any(|last| line.contains(last))
}

#[cfg(test)]
mod tests {
    use super::{Console, LONGEST, is_last};

    #[test]
    fn makes_lines() {
        let check = |bytes: &[u8], expected: &[&str]| {
            let mut console = Console::default();
            let lines: Vec<String> = bytes
                .iter()
                .filter_map(|byte| console.handle_byte(*byte))
                .collect();
            assert_eq!(lines, expected);
        };
        check(
            b"Linux\r\n\r\n[0.1] tsc:\tfast\nno end",
            &["Linux", "", "[0.1] tsc:\tfast"],
        );
        check(b"\x1b[1mbold\xff\n", &["[1mbold\u{fffd}"]);
        check(&[b'x'; LONGEST + 1], &[&"x".repeat(LONGEST)]);
    }

    #[test]
    fn knows_a_kernels_last_words() {
        let check = |line, expected| assert_eq!(is_last(line), expected, "{line}");
        check(
            "[    1.2] Kernel panic - not syncing: No working init found.",
            true,
        );
        check("[   99.0] reboot: Power down", true);
        check("kernel: all is well", false);
    }
}
