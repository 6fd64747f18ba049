//! Answers to the guest's questions for names.
//!
//! One question a message, as every resolver asks; A records only, since the guest has no IPv6.
//! Source: RFC 1035, 4.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Where questions are sent.
pub const PORT: u16 = 53;

/// Bytes of a message's header.
const HEADER: usize = 12;

/// Seconds that an answer may be kept. What is allowed may change at any moment.
const KEPT: u32 = 5;

const TYPE_A: u16 = 1;
const CLASS_INTERNET: u16 = 1;

const NO_ERROR: u8 = 0;
const FORMAT_ERROR: u8 = 1;
const NO_SUCH_NAME: u8 = 3;
const NOT_IMPLEMENTED: u8 = 4;

/// The answer to a message; `None` where it is no question.
///
/// A name that leads nowhere does not exist; one that leads somewhere has no records but its
/// address.
pub fn answer(message: &[u8], resolve: &dyn Fn(&str) -> Option<[u8; 4]>) -> Option<Bytes> {
    let (header, rest) = message.split_first_chunk::<HEADER>()?;
    let [id_high, id_low, flags, _, questions_high, questions_low, ..] = *header;
    let is_response = flags & 0x80 != 0;
    if is_response {
        return None;
    }
    let operation = flags >> 3 & 0x0f;
    let questions = u16::from_be_bytes([questions_high, questions_low]);
    let question = (questions == 1).then(|| Question::read(rest)).flatten();
    let (code, address) = match &question {
        _ if operation != 0 => (NOT_IMPLEMENTED, None),
        None => (FORMAT_ERROR, None),
        Some(question) => match resolve(&question.name) {
            None => (NO_SUCH_NAME, None),
            Some(address) => {
                let asked = question.kind == TYPE_A && question.class == CLASS_INTERNET;
                (NO_ERROR, asked.then_some(address))
            }
        },
    };
    let mut answer = BytesMut::with_capacity(message.len() + 16);
    answer.put_slice(&[id_high, id_low]);
    // A response, from who knows, with recursion if it was wanted.
    answer.put_u8(0x84 | flags & 0x79);
    answer.put_u8(0x80 | code);
    answer.put_u16(u16::from(question.is_some()));
    answer.put_u16(u16::from(address.is_some()));
    answer.put_u32(0);
    if let Some(question) = question {
        answer.put_slice(question.bytes);
    }
    if let Some(address) = address {
        // The name of the question, which begins behind the header.
        answer.put_slice(&[0xc0, 0x0c]);
        answer.put_u16(TYPE_A);
        answer.put_u16(CLASS_INTERNET);
        answer.put_u32(KEPT);
        answer.put_u16(4);
        answer.put_slice(&address);
    }
    Some(answer.freeze())
}

struct Question<'message> {
    bytes: &'message [u8],
    /// Lower case, without the last dot.
    name: String,
    kind: u16,
    class: u16,
}

impl<'message> Question<'message> {
    fn read(message: &'message [u8]) -> Option<Self> {
        let mut name = String::new();
        let mut rest = message;
        loop {
            let (&length, after) = rest.split_first()?;
            // Nothing stands before a question that its name could point to.
            if length > 63 {
                return None;
            }
            let (label, after) = after.split_at_checked(usize::from(length))?;
            rest = after;
            if label.is_empty() {
                break;
            }
            if !name.is_empty() {
                name.push('.');
            }
            let label = std::str::from_utf8(label).ok()?;
            name.push_str(&label.to_ascii_lowercase());
            if name.len() > 253 {
                return None;
            }
        }
        let (&[kind_high, kind_low, class_high, class_low], after) = rest.split_first_chunk()?;
        Some(Self {
            bytes: &message[..message.len() - after.len()],
            name,
            kind: u16::from_be_bytes([kind_high, kind_low]),
            class: u16::from_be_bytes([class_high, class_low]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u8) -> Vec<u8> {
        let mut message = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0".to_vec();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, kind, 0, 1]);
        message
    }

    fn resolve(name: &str) -> Option<[u8; 4]> {
        (name == "gateway.internal").then_some([10, 0, 2, 2])
    }

    fn answered(message: &[u8]) -> Option<String> {
        let answer = answer(message, &resolve)?;
        assert_eq!(answer[..2], message[..2], "the question's number");
        Some(answer[2..].escape_ascii().to_string())
    }

    #[test]
    fn names_are_found_or_not() {
        let name = r"\x07gateway\x08internal\x00\x00";
        let upper = r"\x07GATEWAY\x08internal\x00\x00";
        let address = r"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\n\x00\x02\x02";
        let table = [
            (
                question("gateway.internal", 1),
                format!(r"\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00{name}\x01\x00\x01{address}"),
            ),
            (
                question("GATEWAY.internal", 1),
                format!(r"\x85\x80\x00\x01\x00\x01\x00\x00\x00\x00{upper}\x01\x00\x01{address}"),
            ),
            // It has an address, and no other.
            (
                question("gateway.internal", 28),
                format!(r"\x85\x80\x00\x01\x00\x00\x00\x00\x00\x00{name}\x1c\x00\x01"),
            ),
            (
                question("a.b", 1),
                r"\x85\x83\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x01b\x00\x00\x01\x00\x01"
                    .to_owned(),
            ),
            (
                question("", 1),
                r"\x85\x83\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01".to_owned(),
            ),
            // Two questions at once.
            (
                b"\0\x01\x01\0\0\x02\0\0\0\0\0\0\0\0\x01\0\x01".to_vec(),
                r"\x85\x81\x00\x00\x00\x00\x00\x00\x00\x00".to_owned(),
            ),
            // A name that points to another.
            (
                b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01".to_vec(),
                r"\x85\x81\x00\x00\x00\x00\x00\x00\x00\x00".to_owned(),
            ),
            // A notification.
            (
                b"\0\x01\x20\0\0\0\0\0\0\0\0\0".to_vec(),
                r"\xa4\x84\x00\x00\x00\x00\x00\x00\x00\x00".to_owned(),
            ),
        ];
        for (message, expected) in table {
            assert_eq!(answered(&message), Some(expected), "{message:?}");
        }
    }

    #[test]
    fn damage_is_no_question() {
        let whole = question("gateway.internal", 1);
        assert_eq!(answer(&answer(&whole, &resolve).unwrap(), &resolve), None);
        for length in 0..HEADER {
            assert_eq!(answer(&whole[..length], &resolve), None, "cut to {length}");
        }
        for length in HEADER..whole.len() {
            let cut = answer(&whole[..length], &resolve).unwrap();
            assert_eq!(cut[3] & 0x0f, FORMAT_ERROR, "cut to {length}");
        }
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[place] ^= 1 << bit;
                let _ = answer(&damaged, &resolve);
            }
        }
    }
}
