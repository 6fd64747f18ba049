//! What an answer says about the session it came from.

/// Read off one answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// The last `ReadyForQuery`: `I` idle, `T` in a transaction, `E` in a failed one. None if the
    /// answer does not end in one: then the session is broken.
    pub status: Option<u8>,
    /// Channel and payload of every notification, in order.
    pub notifications: Vec<(String, String)>,
    /// Whether a command ran that may have left something in the session which `RESET ALL` does not
    /// take back: a prepared statement, a LISTEN, a temporary table.
    pub lasting: bool,
    /// The first error's SQLSTATE and message.
    pub error: Option<(String, String)>,
}

/// One backend message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'bytes> {
    pub kind: u8,
    pub contents: &'bytes [u8],
}

/// The messages of an answer; ends early at one that is cut short.
pub fn messages(mut answer: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (&kind, rest) = answer.split_first()?;
        let (&length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let (contents, rest) = rest.split_at_checked(length.checked_sub(4)?)?;
        answer = rest;
        Some(Message { kind, contents })
    })
}

/// Reads an answer over.
pub fn summarize(answer: &[u8]) -> Summary {
    let mut summary = Summary::default();
    let mut read = 0;
    for message in messages(answer) {
        read += message.contents.len() + 5;
        summary.status = None;
        match message.kind {
            b'Z' => summary.status = message.contents.first().copied(),
            b'A' => summary.notifications.extend(notification(message.contents)),
            b'C' => summary.lasting |= lasts(message.contents),
            b'E' if summary.error.is_none() => summary.error = Some(error(message.contents)),
            _ => {}
        }
    }
    if read != answer.len() {
        summary.status = None;
    }
    summary
}

/// The columns of a `DataRow` whose values are texts.
pub fn row(mut contents: &[u8]) -> Option<Vec<Option<String>>> {
    let (&count, rest) = contents.split_first_chunk()?;
    contents = rest;
    let mut columns = Vec::new();
    for _ in 0..u16::from_be_bytes(count) {
        let (&length, rest) = contents.split_first_chunk()?;
        contents = rest;
        if let Ok(length) = usize::try_from(i32::from_be_bytes(length)) {
            let (value, rest) = contents.split_at_checked(length)?;
            contents = rest;
            columns.push(Some(String::from_utf8_lossy(value).into_owned()));
        } else {
            columns.push(None);
        }
    }
    Some(columns)
}

/// Whether the command with this tag may leave something in the session. The tags listed are those
/// of REST; whatever else, the session is cleaned behind it.
fn lasts(contents: &[u8]) -> bool {
    let tag = contents.split(|&byte| byte == 0).next().unwrap_or_default();
    let word = tag.split(|&byte| byte == b' ').next().unwrap_or_default();
    !matches!(
        word,
        b"SELECT"
            | b"INSERT"
            | b"UPDATE"
            | b"DELETE"
            | b"MERGE"
            | b"BEGIN"
            | b"COMMIT"
            | b"ROLLBACK"
            | b"SAVEPOINT"
            | b"RELEASE"
            | b"EXPLAIN"
            | b"SHOW"
            | b"NOTIFY"
    ) || tag == b"SELECT INTO"
}

fn notification(contents: &[u8]) -> Option<(String, String)> {
    let mut texts = contents.get(4..)?.split(|&byte| byte == 0);
    let channel = String::from_utf8_lossy(texts.next()?).into_owned();
    let payload = String::from_utf8_lossy(texts.next()?).into_owned();
    Some((channel, payload))
}

fn error(contents: &[u8]) -> (String, String) {
    let field = |wanted: u8| {
        contents
            .split(|&byte| byte == 0)
            .find_map(|field| match field.split_first() {
                Some((&code, text)) if code == wanted => {
                    Some(String::from_utf8_lossy(text).into_owned())
                }
                Some(_) | None => None,
            })
            .unwrap_or_default()
    };
    (field(b'C'), field(b'M'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len() + 4).unwrap();
        [&[kind], &length.to_be_bytes()[..], contents].concat()
    }

    #[test]
    fn summaries() {
        let ready = |status: &[u8; 1]| message(b'Z', status);
        let notification = message(b'A', b"\0\0\0\x01pgrst\0reload schema\0");
        let error = message(b'E', b"SERROR\0C22012\0Mdivision by zero\0\0");
        let table = [
            (
                vec![message(b'C', b"SELECT 1\0"), ready(b"I")],
                Some(b'I'),
                false,
                0,
            ),
            (
                vec![message(b'C', b"SET\0"), ready(b"T")],
                Some(b'T'),
                true,
                0,
            ),
            (
                vec![message(b'C', b"CREATE TABLE\0"), ready(b"I")],
                Some(b'I'),
                true,
                0,
            ),
            (vec![error.clone(), ready(b"E")], Some(b'E'), false, 0),
            (
                vec![
                    error,
                    ready(b"E"),
                    message(b'C', b"ROLLBACK\0"),
                    ready(b"I"),
                ],
                Some(b'I'),
                false,
                0,
            ),
            (
                vec![
                    notification.clone(),
                    ready(b"I"),
                    notification.clone(),
                    ready(b"I"),
                ],
                Some(b'I'),
                false,
                2,
            ),
            (
                vec![ready(b"I"), message(b'C', b"SELECT 1\0")],
                None,
                false,
                0,
            ),
            (vec![], None, false, 0),
        ];
        for (messages, status, lasting, notifications) in table {
            let answer = messages.concat();
            let summary = summarize(&answer);
            assert_eq!(summary.status, status, "{messages:?}");
            assert_eq!(summary.lasting, lasting, "{messages:?}");
            assert_eq!(summary.notifications.len(), notifications, "{messages:?}");
            for length in 0..answer.len() {
                let _ = summarize(&answer[..length]);
            }
        }
        let cut = [ready(b"I"), vec![b'C', 0, 0]].concat();
        assert_eq!(summarize(&cut).status, None);
        assert_eq!(
            summarize(&notification).notifications,
            [("pgrst".to_owned(), "reload schema".to_owned())]
        );
    }

    #[test]
    fn rows() {
        let contents = b"\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(
            row(contents),
            Some(vec![Some("ab".to_owned()), None, Some(String::new())])
        );
        for length in 0..contents.len() {
            assert_eq!(row(&contents[..length]), None);
        }
    }
}
