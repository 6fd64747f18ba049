//! The outbox's statements.

use uuid::Uuid;

use super::Page;
use crate::{database::Statement, wire::Parameter};

/// How many messages are kept: the newest.
pub const KEPT: u32 = 1000;

/// The way that a message takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    Email,
    Sms,
    WhatsApp,
}

impl Channel {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::WhatsApp => "whatsapp",
        }
    }
}

/// A message that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: Uuid,
    pub channel: Channel,
    /// What it is about, as GoTrue names its templates.
    pub kind: &'static str,
    pub sender: String,
    pub recipient: String,
    pub subject: String,
    pub html: Option<String>,
    pub text: String,
    pub link: Option<String>,
    pub code: Option<String>,
    pub user_id: Option<Uuid>,
}

/// What became of a message that was to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    Sent,
    Failed(String),
}

/// Keeps a message, and lets go of those that are too many. It runs as Auth's role, in the
/// transaction that makes the message's token.
pub fn insert(message: &Message) -> Statement {
    let text = |text: &str| Parameter::from(text);
    let optional = |text: &Option<String>| Parameter::from(text.as_deref());
    Statement::new(
        format!(
            "with surplus as (delete from gateway.outbox where id in \
             (select id from gateway.outbox order by created_at desc, id desc offset {KEPT} - 1)) \
             insert into gateway.outbox \
             (id, created_at, channel, kind, sender, recipient, subject, html, body, link, code, user_id) \
             values ($1::uuid, clock_timestamp(), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::uuid)"
        ),
        [
            message.id.to_string().into(),
            text(message.channel.as_str()),
            text(message.kind),
            text(&message.sender),
            text(&message.recipient),
            text(&message.subject),
            optional(&message.html),
            text(&message.text),
            optional(&message.link),
            optional(&message.code),
            Parameter::from(message.user_id.map(|id| id.to_string()).as_deref()),
        ],
    )
}

/// Writes down what became of a message.
pub fn deliver(id: Uuid, delivery: &Delivery) -> Statement {
    let failure = match delivery {
        Delivery::Sent => None,
        Delivery::Failed(reason) => Some(reason.as_str()),
    };
    Statement::new(
        "update gateway.outbox \
         set delivered_at = case when $2::text is null then clock_timestamp() end, failure = $2 \
         where id = $1::uuid",
        [id.to_string().into(), Parameter::from(failure)],
    )
}

/// A message as JSON.
macro_rules! message {
    () => {
        "json_build_object('id', id, 'created_at', created_at, 'channel', channel, 'kind', kind, \
         'sender', sender, 'recipient', recipient, 'subject', subject, 'html', html, 'text', body, \
         'link', link, 'code', code, 'user_id', user_id, \
         'delivery', case when failure is not null then 'failed' \
         when delivered_at is not null then 'sent' else 'kept' end, \
         'delivered_at', delivered_at, 'failure', failure)"
    };
}

/// Rows that have every word: `$1` is an array of them.
macro_rules! having {
    () => {
        "not exists (select from unnest($1::text[]) as word where strpos(lower(concat_ws(' ', \
         recipient, subject, kind, code, body)), lower(word)) = 0)"
    };
}

/// A page of messages, as the list's whole answer.
pub(super) fn list(page: &Page) -> Statement {
    Statement::new(
        concat!(
            "with page as (select * from gateway.outbox where ",
            having!(),
            " order by created_at desc, id desc limit $2 offset $3) \
             select json_build_object(\
             'total', (select count(*) from gateway.outbox where ",
            having!(),
            "), 'start', $3::bigint, 'messages', coalesce((select json_agg(",
            message!(),
            " order by created_at desc, id desc) from page), '[]'))"
        ),
        [
            words(page),
            page.limit.to_string().into(),
            page.start.to_string().into(),
        ],
    )
}

/// One message; no row where there is none.
pub(super) fn one(id: &str) -> Statement {
    Statement::new(
        concat!(
            "select ",
            message!(),
            " from gateway.outbox where id = $1::uuid"
        ),
        [id.into()],
    )
}

/// Deletes one message; a row where there was one.
pub(super) fn delete(id: &str) -> Statement {
    Statement::new(
        "delete from gateway.outbox where id = $1::uuid returning id",
        [id.into()],
    )
}

/// Deletes what the words of a page find: all, where there are none.
pub(super) fn delete_all(page: &Page) -> Statement {
    Statement::new(
        concat!("delete from gateway.outbox where ", having!()),
        [words(page)],
    )
}

/// Words as an array's text.
fn words(page: &Page) -> Parameter {
    let quoted = page.words.iter().map(|word| {
        let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{escaped}\"")
    });
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(",")).into()
}
