//! A world for tests: a database that knows the statements of applications and others that it is told,
//! files in memory, and a VM worker that answers what it was told to.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use bytes::{BufMut as _, Bytes};
use futures::{executor::block_on, future::LocalBoxFuture, stream};
use http::{Request, Response};
use serde_json::{Value, json};

use crate::{
    Body, Handled, Router, World,
    blobs::{Files, memory::Memory},
    bundle,
    config::Config,
    database::told::message,
    identity::{Keys, Secrets},
    router::{Sender, Trusted},
    schema::NOTHING,
    world::{Answer, Exchange, SealError, Timestamp, Transaction, Unavailable},
};

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);
pub(crate) const ORIGIN: &str = "http://localhost:5173";

/// What the VM worker was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
    pub(crate) wake: bool,
}

type Worker = Box<dyn Fn(&Asked) -> Result<Response<Body>, Unavailable>>;

/// Statements that are not applications': the backend's messages for one with its parameters, where it is
/// known.
type More = Box<dyn Fn(&str, &[Option<String>]) -> Option<Vec<u8>>>;

pub(crate) struct Fake {
    pub(crate) rows: RefCell<BTreeMap<String, Value>>,
    pub(crate) cookies: RefCell<BTreeMap<(String, String, String), Value>>,
    vm: RefCell<Option<String>>,
    /// The session of any client, as rows of a user and a session.
    pub(crate) session: RefCell<Option<(String, String)>>,
    pub(crate) statements: RefCell<Vec<String>>,
    pub(crate) files: Rc<Memory>,
    pub(crate) worker: RefCell<Option<Worker>>,
    pub(crate) asked: RefCell<Vec<Asked>>,
    pub(crate) more: RefCell<Option<More>>,
    /// What [`World::seal`] seals with.
    pub(crate) key: Cell<u8>,
    pub(crate) now: Cell<u64>,
    random: Cell<u8>,
    tasks: RefCell<VecDeque<LocalBoxFuture<'static, ()>>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            rows: RefCell::default(),
            cookies: RefCell::default(),
            vm: RefCell::default(),
            session: RefCell::default(),
            statements: RefCell::default(),
            files: Rc::default(),
            worker: RefCell::default(),
            asked: RefCell::default(),
            more: RefCell::default(),
            key: Cell::new(1),
            now: Cell::new(NOW.0),
            random: Cell::default(),
            tasks: RefCell::default(),
        }
    }
}

pub(crate) fn secrets() -> Secrets {
    Secrets::generate(|buffer| buffer.fill(7), NOW)
}

pub(crate) fn keys() -> Keys {
    Keys::new("default", &secrets(), None)
}

fn rows(columns: usize, rows: &[Vec<Option<String>>]) -> Vec<u8> {
    let mut description = Vec::new();
    description.put_u16(u16::try_from(columns).unwrap());
    for _ in 0..columns {
        description.extend_from_slice(b"column");
        description.extend_from_slice(&[0; 7]);
        description.put_u32(25);
        description.extend_from_slice(&[255; 6]);
        description.put_u16(0);
    }
    let mut bytes = message(b'T', &description);
    for row in rows {
        let mut body = Vec::new();
        body.put_u16(u16::try_from(row.len()).unwrap());
        for value in row {
            match value {
                None => body.put_i32(-1),
                Some(value) => {
                    body.put_u32(u32::try_from(value.len()).unwrap());
                    body.extend_from_slice(value.as_bytes());
                }
            }
        }
        bytes.extend(message(b'D', &body));
    }
    bytes.extend(message(b'C', b"SELECT 1\0"));
    bytes
}

fn texts(values: &[&str]) -> Vec<Option<String>> {
    values
        .iter()
        .map(|value| Some((*value).to_owned()))
        .collect()
}

pub(crate) fn column(values: impl Iterator<Item = String>) -> Vec<u8> {
    let values: Vec<_> = values.map(|value| vec![Some(value)]).collect();
    rows(1, &values)
}

/// Each statement of an exchange with its parameters; `None` for a Sync.
fn statements(messages: &[u8]) -> Vec<Option<(String, Vec<Option<String>>)>> {
    let mut found = Vec::new();
    let mut rest = messages;
    let mut sql = String::new();
    while let [tag, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
        let body = &after[..length];
        match tag {
            b'P' => {
                let mut parts = body.split(|byte| *byte == 0);
                sql = String::from_utf8(parts.nth(1).unwrap().to_vec()).unwrap();
            }
            b'B' => found.push(Some((sql.clone(), parameters(body)))),
            b'S' => found.push(None),
            b'Q' => {
                let text = body.split(|byte| *byte == 0).next().unwrap_or_default();
                let text = String::from_utf8(text.to_vec()).unwrap();
                found.extend([Some((text, Vec::new())), None]);
            }
            _ => {}
        }
        rest = &after[length..];
    }
    found
}

fn parameters(body: &[u8]) -> Vec<Option<String>> {
    let mut at = 0;
    for _ in 0..2 {
        at += body[at..].iter().position(|byte| *byte == 0).unwrap() + 1;
    }
    let short = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
    at += 2 + 2 * short(at);
    let count = short(at);
    at += 2;
    let mut values = Vec::new();
    for _ in 0..count {
        let length = i32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        at += 4;
        match usize::try_from(length) {
            Err(_null) => values.push(None),
            Ok(length) => {
                values.push(Some(
                    String::from_utf8_lossy(&body[at..at + length]).into_owned(),
                ));
                at += length;
            }
        }
    }
    values
}

impl Fake {
    fn answer(&self, sql: &str, parameters: &[Option<String>]) -> Vec<u8> {
        let text = |index: usize| parameters[index].clone().unwrap_or_default();
        let value = |index: usize| serde_json::from_str::<Value>(&text(index)).unwrap();
        self.statements.borrow_mut().push(sql.to_owned());
        if let Some(more) = &*self.more.borrow()
            && let Some(answer) = more(sql, parameters)
        {
            return answer;
        }
        if sql.starts_with("with made as") {
            let secrets = secrets();
            return rows(
                2,
                &[
                    texts(&["jwt-secret", &secrets.jwt_secret]),
                    texts(&["publishable-key", &secrets.publishable]),
                    texts(&["secret-key", &secrets.secret]),
                    texts(&["keys-issued-at", &secrets.issued_at.to_string()]),
                ],
            );
        }
        if sql.starts_with("select split_part(setting") {
            return rows(2, &[]);
        }
        if sql.starts_with("select json_build_object('name'") {
            return column(self.rows.borrow().values().map(Value::to_string));
        }
        if sql.starts_with("select json_build_object('app'") {
            return column(self.cookies.borrow().values().map(Value::to_string));
        }
        if sql.starts_with("select value from gateway.settings") {
            return column(self.vm.borrow().iter().cloned());
        }
        if sql.starts_with("insert into gateway.settings") {
            *self.vm.borrow_mut() = Some(text(0));
            return column(std::iter::empty());
        }
        if sql.starts_with("insert into gateway.apps") {
            let mut rows = self.rows.borrow_mut();
            let before = rows.get(&text(0)).cloned();
            let ports: Vec<u64> = rows
                .values()
                .map(|row| row["settings"]["port"].as_u64().unwrap())
                .collect();
            let port = match (&parameters[4], &before) {
                (Some(port), _) => port.parse().unwrap(),
                (None, Some(before)) => before["settings"]["port"].as_u64().unwrap(),
                (None, None) => (8001..9000).find(|port| !ports.contains(port)).unwrap(),
            };
            let is_taken = |row: &&Value| {
                row["settings"]["port"] == json!(port) && row["name"] != json!(text(0))
            };
            if rows.values().any(|row| is_taken(&row)) {
                let fields = "SERROR\0VERROR\0C23505\0Mno\0napps_port_key\0\0";
                return message(b'E', fields.as_bytes());
            }
            let password =
                before.map_or_else(|| json!(text(10)), |before| before["role_password"].clone());
            let row = json!({
                "name": text(0),
                "settings": {"runtime": text(1), "entry": text(2), "command": value(3), "port": port,
                    "env": value(5), "limits": value(6), "autostart": value(7), "start_deadline_s": value(8)},
                "role": text(9), "role_password": password,
                "bundle": {"file": text(11), "sha256": text(12), "bytes": value(13), "files": value(14)},
                "created_at": "2023-11-14T22:13:20+00:00", "updated_at": "2023-11-14T22:13:20+00:00",
            });
            rows.insert(text(0), row.clone());
            return column([row.to_string()].into_iter());
        }
        if sql.starts_with("update gateway.apps") {
            let mut rows = self.rows.borrow_mut();
            let row = rows.get_mut(&text(0)).unwrap();
            let port = parameters[4]
                .as_ref()
                .map_or_else(|| row["settings"]["port"].clone(), |_| value(4));
            row["settings"] = json!({"runtime": text(1), "entry": text(2), "command": value(3),
                "port": port, "env": value(5), "limits": value(6), "autostart": value(7),
                "start_deadline_s": value(8)});
            return column([row.to_string()].into_iter());
        }
        if sql.starts_with("select gateway.create_app_role") {
            return rows(1, &[vec![None]]);
        }
        if sql.starts_with("select to_json(gateway.drop_app_role") {
            return column([r#"["app_shop.orders"]"#.to_owned()].into_iter());
        }
        if sql.starts_with("delete from gateway.apps") {
            let row = self.rows.borrow_mut().remove(&text(0));
            return column(row.iter().map(Value::to_string));
        }
        if sql.starts_with("insert into gateway.app_cookies") {
            let cookie = json!({"app": text(0), "name": text(1), "path": text(2), "value": text(3),
                "expires_at": parameters[4].as_ref().map(|_| value(4)), "same_site": parameters[5],
                "created_at": value(6)});
            let key = (text(0), text(1), text(2));
            self.cookies.borrow_mut().insert(key, cookie);
            return column(std::iter::empty());
        }
        if sql.starts_with("delete from gateway.app_cookies") {
            let key = (text(0), text(1), text(2));
            self.cookies.borrow_mut().remove(&key);
            return column(std::iter::empty());
        }
        if sql.contains("gateway.client_sessions") {
            let session = self.session.borrow();
            let session = session
                .iter()
                .map(|(user, session)| texts(&[user, session]));
            return rows(2, &session.collect::<Vec<_>>());
        }
        if sql.starts_with("SELECT set_config") {
            return message(b'C', b"SELECT 1\0");
        }
        if sql.contains("as facts") || sql.contains("facts") {
            return column([NOTHING.to_owned()].into_iter());
        }
        column(["a state".to_owned()].into_iter())
    }
}

impl World for Fake {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.get())
    }

    fn random(&self, buffer: &mut [u8]) {
        // As `secrets` has them, and each time other ones.
        buffer.fill(7 + self.random.replace(self.random.get() + 1));
    }

    fn origin(&self) -> Option<String> {
        Some(ORIGIN.to_owned())
    }

    async fn has_project(&self, project: &str) -> bool {
        project != "nobody"
    }

    async fn exchange(&self, _project: &str, exchange: Exchange) -> Result<Answer, Unavailable> {
        let mut bytes = Vec::new();
        let mut failed = false;
        for statement in statements(&exchange.messages) {
            match statement {
                None => {
                    failed = false;
                    let status = if exchange.hold { b"T" } else { b"I" };
                    bytes.extend(message(b'Z', status));
                }
                Some(_) if failed => {}
                Some((sql, parameters)) => {
                    let answer = self.answer(&sql, &parameters);
                    failed = answer[0] == b'E';
                    bytes.extend(answer);
                }
            }
        }
        Ok(Answer {
            chunks: Box::pin(stream::iter([Ok(Bytes::from(bytes))])),
            transaction: Transaction(0),
        })
    }

    async fn seal(&self, project: &str, bytes: Bytes) -> Result<Bytes, SealError> {
        let sealed = bytes.iter().map(|byte| byte ^ self.key.get());
        let key = format!("{project} {} ", self.key.get());
        Ok(key.bytes().chain(sealed).collect())
    }

    async fn open(&self, project: &str, sealed: Bytes) -> Result<Bytes, SealError> {
        let key = format!("{project} {} ", self.key.get());
        let sealed = sealed.strip_prefix(key.as_bytes());
        let sealed = sealed.ok_or_else(|| SealError::Failed("another key".to_owned()))?;
        Ok(sealed.iter().map(|byte| byte ^ self.key.get()).collect())
    }

    fn files(&self, _project: &str) -> Option<Rc<dyn Files>> {
        Some(Rc::clone(&self.files) as Rc<dyn Files>)
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.tasks.borrow_mut().push_back(task);
    }

    async fn guest(
        &self,
        project: &str,
        request: Request<Body>,
        wake: bool,
    ) -> Result<Response<Body>, Unavailable> {
        assert_eq!(project, "default");
        let (head, body) = request.into_parts();
        let body = body.collect(usize::MAX).await.unwrap();
        let asked = Asked {
            line: format!("{} {}", head.method, head.uri),
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            wake,
        };
        self.asked.borrow_mut().push(asked.clone());
        match &*self.worker.borrow() {
            None => Err(Unavailable::NoOwner),
            Some(worker) => worker(&asked),
        }
    }
}

/// A router whose worker, if there is one, answers so.
pub(crate) fn router() -> Router<Fake> {
    Router::new(Fake::default(), Config::default())
}

pub(crate) fn worker(
    router: &Router<Fake>,
    answer: impl Fn(&Asked) -> Result<Response<Body>, Unavailable> + 'static,
) {
    *router.world().worker.borrow_mut() = Some(Box::new(answer));
}

/// A response as its status, lines of headers, and a body.
pub(crate) fn response(status: u16, headers: &str, body: &str) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for line in headers
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (name, value) = line.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    response.body(Body::from(body.to_owned())).unwrap()
}

/// A request as `METHOD path`, lines of headers, and a body behind an empty line.
pub(crate) fn request(text: &str) -> Request<Body> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines().map(str::trim);
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{ORIGIN}{path}"));
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// The same of the gateway's own page.
pub(crate) fn trusted(text: &str) -> Request<Body> {
    let mut request = request(text);
    request.extensions_mut().insert(Trusted);
    request
}

/// The same as a service worker knows it: sent by the page of this path.
pub(crate) fn from_page(text: &str, page: &str) -> Request<Body> {
    let mut request = request(text);
    request.extensions_mut().insert(Sender {
        url: Some(format!("{ORIGIN}{page}")),
        referrer: Some(format!("{ORIGIN}{page}")),
        mode: "cors".to_owned(),
        destination: String::new(),
        credentials: true,
    });
    request
}

/// A navigation, by a link of this page or by the person at the browser.
pub(crate) fn navigation(text: &str, referrer: Option<&str>) -> Request<Body> {
    let mut request = request(text);
    request.extensions_mut().insert(Sender {
        url: None,
        referrer: referrer.map(str::to_owned),
        mode: "navigate".to_owned(),
        destination: "document".to_owned(),
        credentials: true,
    });
    request
}

pub(crate) fn answer(
    router: &Router<Fake>,
    request: Request<Body>,
) -> (http::response::Parts, String) {
    let handled = block_on(router.handle(request));
    let Handled::Response(response) = handled else {
        panic!("passed through");
    };
    run_tasks(router);
    let (head, body) = response.into_parts();
    let body = block_on(body.collect(usize::MAX)).unwrap();
    (head, String::from_utf8(body.to_vec()).unwrap())
}

/// What the router left to be done without anybody waiting.
pub(crate) fn run_tasks(router: &Router<Fake>) {
    loop {
        let task = router.world().tasks.borrow_mut().pop_front();
        match task {
            Some(task) => block_on(task),
            None => return,
        }
    }
}

/// The status, the headers that are not everywhere, and the body.
pub(crate) fn show(router: &Router<Fake>, request: Request<Body>) -> String {
    let (head, body) = answer(router, request);
    let everywhere = [
        "access-control-allow-origin",
        "access-control-expose-headers",
        "content-length",
        "proxy-status",
    ];
    let mut lines = vec![head.status.to_string()];
    for (name, value) in &head.headers {
        if !everywhere.contains(&name.as_str()) {
            lines.push(format!("{name}: {}", value.to_str().unwrap()));
        }
    }
    lines.push(body);
    lines.join("\n")
}

/// What the worker was asked since the last time, one a line.
pub(crate) fn asked(router: &Router<Fake>) -> Vec<String> {
    let asked = router.world().asked.take();
    let line = |asked: &Asked| format!("{} wake={}", asked.line, asked.wake);
    asked.iter().map(line).collect()
}

/// Deploys an application of the runtime node.
pub(crate) fn deploy(router: &Router<Fake>, name: &str) {
    let zip = bundle::tests::zip(&[bundle::tests::file("server.js", name)]);
    let mut request = trusted(&format!(
        "PUT /gateway/apps/{name}?runtime=node\ncontent-type: application/zip"
    ));
    *request.body_mut() = Body::from(Bytes::from(zip));
    let (head, body) = answer(router, request);
    assert_eq!(head.status, 201, "{body}");
    router.world().asked.take();
}
