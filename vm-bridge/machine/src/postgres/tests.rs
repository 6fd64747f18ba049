//! Clients of a database that is one session, and is played by the test.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use bytes::{BufMut as _, BytesMut};
use futures::{StreamExt as _, stream};

use super::{
    message::{Report, put, put_query, put_ready, put_sync, text},
    *,
};
use crate::{
    network::{ByteStream, Network as _},
    testing::{Pipes, Stage},
};

/// One session. A query is answered with who asked, and what.
///
/// `begin`, `commit` and `rollback` do what they say; what begins with `fail` fails; `wait` is not
/// answered.
#[derive(Default)]
struct Fake(RefCell<State>);

#[derive(Default)]
struct State {
    role: String,
    prepared: BTreeSet<String>,
    /// `I`, `T` or `E`.
    status: u8,
    conversations: u32,
    held: Option<u32>,
    /// What was run, by whom.
    ran: Vec<String>,
    lost: Option<Lost>,
    /// Exchanges that were to be held.
    holds: usize,
}

impl State {
    fn query(&mut self, sql: &str, out: &mut BytesMut) -> bool {
        let lower = sql.to_lowercase();
        if let Some(role) = lower.strip_prefix("set session authorization ") {
            if role.contains("gone") {
                Report::error("22023", "role \"gone\" does not exist").put(out);
                return false;
            }
            role.trim_matches('"').clone_into(&mut self.role);
            put(out, b'C', b"SET\0");
            return true;
        }
        if lower.contains("pg_db_role_setting") {
            let about = [
                "18.0",
                "UTC",
                "ISO",
                "postgres",
                r#"["search_path=x, public"]"#,
            ];
            let mut row = BytesMut::new();
            row.put_u16(5);
            for value in about {
                row.put_u32(u32::try_from(value.len()).unwrap());
                row.put_slice(value.as_bytes());
            }
            put(out, b'D', &row);
            put(out, b'C', b"SELECT 1\0");
            return true;
        }
        self.ran.push(format!("{}: {sql}", self.role));
        if lower.starts_with("fail")
            || self.status == b'E' && lower != "rollback" && lower != "commit"
        {
            Report::error("22012", "it fails").put(out);
            if self.status == b'T' {
                self.status = b'E';
            }
            return false;
        }
        match lower.as_str() {
            "begin" => self.status = b'T',
            "commit" | "rollback" => self.status = b'I',
            _ => {
                let mut row = BytesMut::new();
                row.put_u16(1);
                let text = format!("{}: {sql}", self.role);
                row.put_u32(u32::try_from(text.len()).unwrap());
                row.put_slice(text.as_bytes());
                put(out, b'D', &row);
            }
        }
        put(out, b'C', b"DONE\0");
        true
    }

    /// As the database's queue does, it runs nothing of what is malformed somewhere.
    fn run(&mut self, messages: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        if !is_well_formed(messages) {
            Report::error("08P01", "invalid contents").put(&mut out);
            put_ready(&mut out, self.status);
            return out;
        }
        let mut messages = BytesMut::from(messages);
        let mut portal = String::new();
        let mut skips = false;
        while let Some(message) = message::message(&mut messages).unwrap() {
            let mut contents = message.contents();
            if skips && message.kind != b'S' {
                continue;
            }
            let ok = match message.kind {
                b'Q' => {
                    self.query(text(&mut contents).unwrap(), &mut out);
                    put_ready(&mut out, self.status);
                    true
                }
                b'S' => {
                    skips = false;
                    put_ready(&mut out, self.status);
                    true
                }
                b'P' => {
                    let name = text(&mut contents).unwrap().to_owned();
                    if !name.is_empty() && !self.prepared.insert(name) {
                        Report::error("42P05", "it is there already").put(&mut out);
                        false
                    } else {
                        put(&mut out, b'1', b"");
                        true
                    }
                }
                b'B' => {
                    text(&mut contents).unwrap();
                    let name = text(&mut contents).unwrap();
                    let is_there = name.is_empty() || self.prepared.contains(name);
                    name.clone_into(&mut portal);
                    if is_there {
                        put(&mut out, b'2', b"");
                    } else {
                        Report::error("26000", "there is no such statement").put(&mut out);
                    }
                    is_there
                }
                b'D' => {
                    put(&mut out, b'n', b"");
                    true
                }
                b'E' => self.query(&format!("execute {portal}"), &mut out),
                b'C' => {
                    contents = &contents[1..];
                    self.prepared.remove(text(&mut contents).unwrap());
                    put(&mut out, b'3', b"");
                    true
                }
                other => panic!("{other}"),
            };
            skips |= !ok;
        }
        out
    }
}

fn is_well_formed(messages: &[u8]) -> bool {
    let mut messages = BytesMut::from(messages);
    let mut is_well_formed = true;
    while let Some(message) = message::message(&mut messages).unwrap() {
        let mut contents = message.contents();
        is_well_formed &= match message.kind {
            b'Q' | b'E' => text(&mut contents).is_some(),
            b'P' | b'B' => text(&mut contents).is_some() && text(&mut contents).is_some(),
            b'C' | b'D' => contents.split_off_first().is_some() && text(&mut contents).is_some(),
            b'S' => true,
            _ => false,
        };
    }
    is_well_formed
}

impl Database for Fake {
    fn exchange(&self, exchange: Exchange) -> (Conversation, Answer) {
        let mut state = self.0.borrow_mut();
        if let Some(lost) = state.lost.clone() {
            let conversation = exchange.continues.unwrap_or(Conversation(0));
            return (conversation, Box::pin(stream::iter([Err(lost)])));
        }
        let conversation = if let Some(conversation) = exchange.continues {
            assert_eq!(state.held, Some(conversation.0), "it is the holder's turn");
            conversation
        } else {
            assert_eq!(state.held, None, "a transaction is open");
            state.conversations += 1;
            "postgres".clone_into(&mut state.role);
            state.prepared.clear();
            state.status = b'I';
            Conversation(state.conversations)
        };
        let answer = state.run(&exchange.messages);
        state.holds += usize::from(exchange.hold);
        assert!(exchange.hold || state.status == b'I', "it is not lost");
        let holds = exchange.hold && state.status != b'I';
        state.held = holds.then_some(conversation.0);
        let text = String::from_utf8_lossy(&exchange.messages).into_owned();
        if text.contains("wait") {
            return (conversation, Box::pin(stream::pending()));
        }
        let chunks: Vec<_> = answer
            .chunks(50)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        (conversation, Box::pin(stream::iter(chunks)))
    }
}

struct Scene {
    stage: Stage,
    guest: Pipes,
    database: Rc<Fake>,
    roles: Rc<Roles>,
    _listening: Listening,
}

impl Scene {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let stage = Stage::new();
        let (near, guest) = Pipes::joined(64 * 1024);
        let database = Rc::<Fake>::default();
        let roles = Rc::<Roles>::default();
        roles.know("app_a", "secret");
        roles.know("app_b", "other");
        roles.know("gone", "secret");
        let (world, listener) = (stage.world(), near.listen(PORT));
        let shared: Rc<dyn Database> = Rc::<Fake>::clone(&database);
        let listening = Listening::start(&world, limits, listener, shared, Rc::clone(&roles));
        Self {
            stage,
            guest,
            database,
            roles,
            _listening: listening,
        }
    }

    fn client(&mut self) -> Client {
        self.try_client("app_a", "secret").0
    }

    /// Signs in; what was said to it up to then.
    fn try_client(&mut self, role: &str, password: &str) -> (Client, String) {
        let guest = self.guest.clone();
        let (role, password) = (role.to_owned(), password.to_owned());
        self.stage.run(async move {
            let stream = guest.dial(PORT).await.unwrap();
            let mut client = Client {
                stream,
                buffer: BytesMut::new(),
            };
            client
                .say(&opening(&[("user", &role), ("application_name", "test")]))
                .await;
            let mut said = client.hear(b"R").await;
            let mut bytes = BytesMut::new();
            put(&mut bytes, b'p', format!("{password}\0").as_bytes());
            client.say(&bytes).await;
            said.push_str(&client.hear(b"Z").await);
            (client, said)
        })
    }

    /// Says this, and hears what comes back up to so many times that all is ready, or the end.
    fn talk(&mut self, client: Client, bytes: BytesMut, times: usize) -> (Client, String) {
        let mut client = client;
        self.stage.run(async move {
            client.say(&bytes).await;
            let mut heard = String::new();
            for _ in 0..times {
                heard.push_str(&client.hear(b"Z").await);
            }
            (client, heard)
        })
    }

    fn query(&mut self, client: Client, sql: &str) -> (Client, String) {
        let mut bytes = BytesMut::new();
        put_query(&mut bytes, sql);
        self.talk(client, bytes, 1)
    }

    fn ran(&self) -> Vec<String> {
        std::mem::take(&mut self.database.0.borrow_mut().ran)
    }
}

struct Client {
    stream: ByteStream,
    buffer: BytesMut,
}

impl Client {
    async fn say(&self, bytes: &[u8]) {
        self.stream
            .write(Bytes::copy_from_slice(bytes))
            .await
            .unwrap();
    }

    /// What comes up to a message of one of these kinds, or to the end: kinds, and what errors, rows
    /// and statuses say.
    async fn hear(&mut self, last: &[u8]) -> String {
        let mut heard = String::new();
        loop {
            while let Some(message) = message::message(&mut self.buffer).unwrap() {
                let kind = char::from(message.kind);
                heard.push(kind);
                match kind {
                    'E' => {
                        let contents = String::from_utf8_lossy(message.contents()).into_owned();
                        let field = |of: char| {
                            let field = contents.split('\0').find(|field| field.starts_with(of));
                            field.unwrap_or_default()[1..].to_owned()
                        };
                        heard = format!("{heard}[{} {}: {}]", field('S'), field('C'), field('M'));
                    }
                    'D' => {
                        let value = String::from_utf8_lossy(&message.contents()[6..]).into_owned();
                        heard = format!("{heard}[{value}]");
                    }
                    'Z' => heard = format!("{heard}({}) ", char::from(message.contents()[0])),
                    _ => {}
                }
                if last.contains(&message.kind) {
                    return heard;
                }
            }
            match self.stream.read().await {
                Ok(Some(bytes)) => self.buffer.extend_from_slice(&bytes),
                Ok(None) => return format!("{heard}|end"),
                Err(_) => return format!("{heard}|reset"),
            }
        }
    }
}

fn opening(parameters: &[(&str, &str)]) -> BytesMut {
    let mut contents = BytesMut::new();
    contents.put_u32(3 << 16);
    for (name, value) in parameters {
        contents.put_slice(format!("{name}\0{value}\0").as_bytes());
    }
    contents.put_u8(0);
    let mut bytes = BytesMut::new();
    bytes.put_u32(u32::try_from(contents.len() + 4).unwrap());
    bytes.put_slice(&contents);
    bytes
}

/// Extended messages: `P name sql`, `B name`, `E`, `C name`, `S`, `H`.
fn extended(script: &[&str]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for line in script {
        let mut words = line.splitn(3, ' ');
        let kind = words.next().unwrap();
        let name = words.next().unwrap_or_default();
        let rest = words.next().unwrap_or_default();
        match kind {
            "P" => put(&mut bytes, b'P', format!("{name}\0{rest}\0\0\0").as_bytes()),
            "B" => put(
                &mut bytes,
                b'B',
                format!("\0{name}\0\0\0\0\0\0\0").as_bytes(),
            ),
            "E" => put(&mut bytes, b'E', b"\0\0\0\0\0"),
            "C" => put(&mut bytes, b'C', format!("S{name}\0").as_bytes()),
            "S" => put_sync(&mut bytes),
            "H" => put(&mut bytes, b'H', b""),
            other => panic!("{other}"),
        }
    }
    bytes
}

#[test]
fn clients_sign_in() {
    let mut scene = Scene::new();
    let (_, said) = scene.try_client("app_a", "secret");
    assert_eq!(said, "RRSSSSSSSSSSSSKZ(I) ");
    let wrong =
        |role| format!("RE[FATAL 28P01: password authentication failed for user \"{role}\"]|end");
    assert_eq!(scene.try_client("app_a", "other").1, wrong("app_a"));
    assert_eq!(scene.try_client("nobody", "").1, wrong("nobody"));
    assert_eq!(
        scene.try_client("gone", "secret").1,
        "RE[FATAL 28000: role \"gone\" does not exist]|end"
    );
    scene.roles.forget("app_a");
    assert_eq!(scene.try_client("app_a", "secret").1, wrong("app_a"));
}

#[test]
fn odd_openings() {
    let mut scene = Scene::new();
    let encrypted = [0, 0, 0, 8, 4, 210, 22, 47];
    let nobody = opening(&[("database", "x")]);
    let replication = opening(&[("user", "app_a"), ("replication", "true")]);
    let mut newer = opening(&[("user", "app_a")]);
    newer[7] = 2;
    let table: [(&[u8], &str); 5] = [
        (
            &[&encrypted[..], &nobody].concat(),
            "N|E[FATAL 28000: no PostgreSQL user name specified in startup packet]|end",
        ),
        (
            &nobody,
            "E[FATAL 28000: no PostgreSQL user name specified in startup packet]|end",
        ),
        (
            &replication,
            "E[FATAL 0A000: replication is not supported]|end",
        ),
        (&newer, "vR"),
        (
            b"GET / HTTP/1.1\r\n\r\n",
            "E[FATAL 08P01: invalid frontend message]|end",
        ),
    ];
    for (bytes, expected) in table {
        let guest = scene.guest.clone();
        let bytes = bytes.to_vec();
        let heard = scene.stage.run(async move {
            let stream = guest.dial(PORT).await.unwrap();
            let mut client = Client {
                stream,
                buffer: BytesMut::new(),
            };
            client.say(&bytes).await;
            let mut heard = String::new();
            if bytes.starts_with(&encrypted) {
                let first = client.stream.read().await.unwrap().unwrap();
                client.buffer.extend_from_slice(&first[1..]);
                heard.push_str("N|");
            }
            heard + &client.hear(b"R").await
        });
        assert_eq!(heard, expected);
    }
}

#[test]
fn whoever_does_not_sign_in_is_let_go() {
    let mut scene = Scene::new();
    let guest = scene.guest.clone();
    let begun = scene.stage.now();
    let end = scene.stage.run(async move {
        let stream = guest.dial(PORT).await.unwrap();
        stream.read().await
    });
    assert!(end.is_err());
    assert_eq!(scene.stage.now() - begun, 60_000);
}

#[test]
fn queries_run_as_the_role() {
    let mut scene = Scene::new();
    let client = scene.client();
    let (client, heard) = scene.query(client, "select 1");
    assert_eq!(heard, "D[app_a: select 1]CZ(I) ");
    let (client, heard) = scene.query(client, "fail");
    assert_eq!(heard, "E[ERROR 22012: it fails]Z(I) ");
    let (_, heard) = scene.talk(client, extended(&["P  select 2", "B", "E", "S"]), 1);
    assert_eq!(heard, "12D[app_a: execute ]CZ(I) ");
    let settings = "app_a: select set_config(E'search_path', E'x, public', false), \
        set_config(E'application_name', E'test', false)";
    assert_eq!(
        scene.ran(),
        [
            "app_a: select set_config(E'application_name', E'test', false)",
            settings,
            "app_a: select 1",
            settings,
            "app_a: fail",
            settings,
            "app_a: execute ",
        ]
    );
}

#[test]
fn a_transaction_is_held() {
    let mut scene = Scene::new();
    let client = scene.client();
    let other = scene.try_client("app_b", "other").0;
    let (client, heard) = scene.query(client, "begin");
    assert_eq!(heard, "CZ(T) ");
    scene.ran();
    let (client, heard) = scene.query(client, "select 1");
    assert_eq!(heard, "D[app_a: select 1]CZ(T) ");
    let (client, heard) = scene.query(client, "fail");
    assert_eq!(heard, "E[ERROR 22012: it fails]Z(E) ");
    let (client, heard) = scene.query(client, "rollback");
    assert_eq!(heard, "CZ(I) ");
    // Nothing was set again within it.
    assert_eq!(
        scene.ran(),
        ["app_a: select 1", "app_a: fail", "app_a: rollback"]
    );
    let (_, heard) = scene.query(other, "select 2");
    assert_eq!(heard, "D[app_b: select 2]CZ(I) ");
    assert_eq!(
        scene.database.0.borrow().holds,
        4,
        "what needs no holding is not held"
    );
    // It may be begun otherwise.
    let (client, heard) = scene.query(client, "START\n transaction");
    assert_eq!(heard, "D[app_a: START\n transaction]CZ(I) ");
    assert_eq!(scene.database.0.borrow().holds, 5);
    // Whoever goes away in a transaction does not keep the others waiting.
    let (client, _) = scene.query(client, "begin");
    drop(client);
    scene.stage.pass(1);
    assert_eq!(scene.ran().last().unwrap(), "app_a: rollback");
    assert_eq!(scene.database.0.borrow().held, None);
}

#[test]
fn statements_outlive_their_exchange() {
    let mut scene = Scene::new();
    let client = scene.client();
    let (client, heard) = scene.talk(client, extended(&["P one select 1", "S"]), 1);
    assert_eq!(heard, "1Z(I) ");
    let (client, heard) = scene.query(client, "select 2");
    assert_eq!(heard, "D[app_a: select 2]CZ(I) ");
    let (client, heard) = scene.talk(client, extended(&["B one", "E", "S"]), 1);
    assert_eq!(heard, "2D[app_a: execute one]CZ(I) ");
    // In a transaction it is prepared once.
    let (client, _) = scene.query(client, "begin");
    let (client, heard) = scene.talk(client, extended(&["B one", "E", "S"]), 1);
    assert_eq!(heard, "2D[app_a: execute one]CZ(T) ");
    let (client, heard) = scene.talk(client, extended(&["B one", "E", "S"]), 1);
    assert_eq!(heard, "2D[app_a: execute one]CZ(T) ");
    let (client, _) = scene.query(client, "commit");
    let (client, heard) = scene.talk(client, extended(&["C one", "S"]), 1);
    assert_eq!(heard, "3Z(I) ");
    let (_, heard) = scene.talk(client, extended(&["B one", "E", "S"]), 1);
    assert_eq!(heard, "E[ERROR 26000: there is no such statement]Z(I) ");
}

#[test]
fn settings_outlive_their_exchange() {
    let mut scene = Scene::new();
    let client = scene.client();
    let (client, _) = scene.query(client, "set timezone = 'CET'");
    let (client, _) = scene.talk(client, extended(&["P  set x.y = 1", "B", "E", "S"]), 1);
    scene.ran();
    let (client, _) = scene.query(client, "select 1");
    assert_eq!(
        scene.ran()[1..],
        [
            "app_a: set timezone = 'CET'",
            "app_a: set x.y = 1",
            "app_a: select 1"
        ]
    );
    let (client, _) = scene.query(client, "reset all");
    scene.ran();
    scene.query(client, "select 1");
    assert_eq!(scene.ran().len(), 2);
}

#[test]
fn a_flush_is_answered() {
    let mut scene = Scene::new();
    let client = scene.client();
    let mut client = client;
    let (client_back, heard) = scene.stage.run(async move {
        client
            .say(&extended(&["P one select 1", "B one", "E", "H"]))
            .await;
        let heard = client.hear(b"C").await;
        (client, heard)
    });
    assert_eq!(heard, "12D[app_a: execute one]C");
    let (client, heard) = scene.talk(client_back, extended(&["E", "S"]), 1);
    assert_eq!(heard, "D[app_a: execute ]CZ(I) ");
    let ran = scene.ran();
    assert_eq!(
        ran[ran.len() - 4..],
        [
            "app_a: begin",
            "app_a: execute one",
            "app_a: execute ",
            "app_a: commit"
        ]
    );
    assert_eq!(scene.database.0.borrow().held, None);
    // What fails is taken back by the Sync, and what came before that is not run.
    let (client, heard) = scene.talk(client, extended(&["B none", "H", "B one", "E", "S"]), 1);
    assert_eq!(heard, "E[ERROR 26000: there is no such statement]Z(I) ");
    assert_eq!(scene.ran().last().unwrap(), "app_a: rollback");
    let (_, heard) = scene.query(client, "select 1");
    assert_eq!(heard, "D[app_a: select 1]CZ(I) ");
}

#[test]
fn many_at_once_are_answered_in_order() {
    let mut scene = Scene::new();
    let client = scene.client();
    let mut bytes = extended(&["P  select 1", "B", "E", "S", "B none", "E", "S", "S"]);
    put_query(&mut bytes, "select 2");
    let (_, heard) = scene.talk(client, bytes, 4);
    assert_eq!(
        heard,
        "12D[app_a: execute ]CZ(I) E[ERROR 26000: there is no such statement]Z(I) Z(I) D[app_a: select 2]CZ(I) "
    );
}

#[test]
fn what_is_refused() {
    let mut scene = Scene::new();
    let client = scene.client();
    scene.ran();
    let (client, heard) = scene.query(client, "set session authorization postgres");
    assert!(
        heard.starts_with("E[ERROR 42501: ") && heard.ends_with("Z(I) "),
        "{heard}"
    );
    let (client, heard) = scene.query(client, "LISTEN jobs");
    assert!(heard.starts_with("E[ERROR 0A000: LISTEN"), "{heard}");
    let script = ["P  reset session authorization", "B", "E", "S"];
    let (client, heard) = scene.talk(client, extended(&script), 1);
    assert!(
        heard.starts_with("E[ERROR 42501: ") && heard.ends_with("Z(I) "),
        "{heard}"
    );
    assert_eq!(scene.ran(), Vec::<String>::new());
    let mut call = BytesMut::new();
    put(&mut call, b'F', b"\0\0\0\0");
    put_sync(&mut call);
    let (client, heard) = scene.talk(client, call, 1);
    assert_eq!(
        heard,
        "E[ERROR 0A000: function calls are not supported]Z(I) "
    );
    let mut odd = BytesMut::new();
    put(&mut odd, b'?', b"");
    let (_, heard) = scene.talk(client, odd, 1);
    assert_eq!(
        heard,
        "E[FATAL 08P01: invalid frontend message type 63]|end"
    );
}

#[test]
fn the_database_is_lost() {
    let table = [
        (
            Lost::NoOwner,
            false,
            "E[ERROR 57P03: nobody has the database open]Z(I) ",
        ),
        (
            Lost::NoOwner,
            true,
            "E[FATAL 57P03: nobody has the database open]|end",
        ),
        (
            Lost::Busy,
            false,
            "E[ERROR 53300: too many statements are waiting]Z(I) ",
        ),
        (
            Lost::TransactionLost,
            true,
            "E[FATAL 25P03: terminating connection due to idle-in-transaction timeout]|end",
        ),
        (
            Lost::OwnerLost,
            false,
            "E[FATAL 08006: the tab that had the database open is gone; whether the statement took effect is unknown]|end",
        ),
        (
            Lost::Broken("it broke".to_owned()),
            false,
            "E[FATAL 58000: it broke]|end",
        ),
    ];
    for (lost, in_transaction, expected) in table {
        let mut scene = Scene::new();
        let mut client = scene.client();
        if in_transaction {
            client = scene.query(client, "begin").0;
        }
        scene.database.0.borrow_mut().lost = Some(lost);
        let (client, heard) = scene.query(client, "select 1");
        assert_eq!(heard, expected);
        if heard.ends_with("Z(I) ") {
            scene.database.0.borrow_mut().lost = None;
            assert_eq!(
                scene.query(client, "select 1").1,
                "D[app_a: select 1]CZ(I) "
            );
        }
    }
    let mut scene = Scene::new();
    scene.database.0.borrow_mut().lost = Some(Lost::NoOwner);
    let (_, said) = scene.try_client("app_a", "secret");
    assert_eq!(said, "RE[FATAL 57P03: nobody has the database open]|end");
}

#[test]
fn a_statement_is_cancelled() {
    let mut scene = Scene::new();
    let guest = scene.guest.clone();
    let mut client = scene.client();
    let world = scene.stage.world();
    let (client, heard) = scene.stage.run(async move {
        let mut query = BytesMut::new();
        put_query(&mut query, "wait");
        client.say(&query).await;
        let cancel = |process: u32, secret: u32| {
            let guest = guest.clone();
            let mut bytes = BytesMut::new();
            for number in [16, 80_877_102, process, secret] {
                bytes.put_u32(number);
            }
            async move {
                let stream = guest.dial(PORT).await.unwrap();
                stream.write(bytes.freeze()).await.unwrap();
                assert_eq!(stream.read().await, Ok(None));
            }
        };
        // Nobody else knows the secret.
        cancel(1, 0).await;
        world.sleep(10).await;
        assert!(client.buffer.is_empty());
        let mut secret = [0; 4];
        // It is the first that a stage gives.
        Stage::new().world().random(&mut secret);
        cancel(1, u32::from_ne_bytes(secret)).await;
        let heard = client.hear(b"Z").await;
        (client, heard)
    });
    assert_eq!(
        heard,
        "E[ERROR 57014: canceling statement due to user request]Z(I) "
    );
    assert_eq!(
        scene.query(client, "select 1").1,
        "D[app_a: select 1]CZ(I) "
    );
}

#[test]
fn there_are_only_so_many_clients() {
    let mut scene = Scene::with(Limits {
        connections: 2,
        ..Limits::default()
    });
    let clients = (scene.client(), scene.client());
    let guest = scene.guest.clone();
    let heard = scene.stage.run(async move {
        let stream = guest.dial(PORT).await.unwrap();
        let mut client = Client {
            stream,
            buffer: BytesMut::new(),
        };
        client.hear(b"Z").await
    });
    assert_eq!(heard, "E[FATAL 53300: sorry, too many clients already]|end");
    drop(clients);
    scene.stage.pass(10);
    scene.client();
}

#[test]
fn a_long_answer_waits_for_its_reader() {
    struct Endless(Rc<std::cell::Cell<usize>>);
    impl Database for Endless {
        fn exchange(&self, exchange: Exchange) -> (Conversation, Answer) {
            let mut state = State {
                status: b'I',
                ..State::default()
            };
            if !String::from_utf8_lossy(&exchange.messages).contains("endless") {
                let answer = state.run(&exchange.messages).freeze();
                return (Conversation(1), Box::pin(stream::iter([Ok(answer)])));
            }
            let mut prelude = BytesMut::new();
            for _ in 0..3 {
                put_ready(&mut prelude, b'I');
            }
            let mut row = BytesMut::new();
            put(&mut row, b'D', &[7; 10_000]);
            let (made, row) = (Rc::clone(&self.0), row.freeze());
            let rows = stream::repeat_with(move || {
                made.set(made.get() + row.len());
                Ok(row.clone())
            });
            let first = stream::iter([Ok(prelude.freeze())]);
            (Conversation(2), Box::pin(first.chain(rows)))
        }
    }
    let mut scene = Scene::new();
    let made = Rc::<std::cell::Cell<usize>>::default();
    let (near, guest) = Pipes::joined(64 * 1024);
    let _listening = Listening::start(
        &scene.stage.world(),
        Limits::default(),
        near.listen(PORT),
        Rc::new(Endless(Rc::clone(&made))),
        Rc::clone(&scene.roles),
    );
    scene.guest = guest;
    let client = scene.client();
    let mut query = BytesMut::new();
    put_query(&mut query, "endless");
    let client = scene.stage.run(async move {
        client.say(&query).await;
        client
    });
    scene.stage.pass(60_000);
    assert!(made.get() > 0 && made.get() < 200_000, "{}", made.get());
    drop(client);
    scene.stage.pass(10);
    assert!(made.get() < 300_000);
}

#[test]
fn damage_never_panics() {
    let mut scene = Scene::new();
    let mut whole = extended(&["P one select 1", "B one", "E", "H", "C one", "S"]);
    put_query(&mut whole, "select 2");
    for place in 0..whole.len() {
        for bit in [0, 4, 7] {
            let client = scene.client();
            let mut damaged = whole.clone();
            damaged[place] ^= 1 << bit;
            let world = scene.stage.world();
            let heard = scene.stage.run(async move {
                client.say(&damaged).await;
                let mut client = client;
                let hear = client.hear(b"");
                let _ = crate::surroundings::within(&world, 100, hear).await;
                client
            });
            drop(heard);
            scene.stage.pass(10);
            assert_eq!(
                scene.database.0.borrow().held,
                None,
                "place {place}, bit {bit}"
            );
        }
    }
}
