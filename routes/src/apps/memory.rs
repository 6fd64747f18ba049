//! What is known of applications between requests, so that their traffic does not wait for the database
//! each time. None of it is the truth: it is read again whenever this gateway changes it, and when the
//! gateway wakes.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt,
    rc::Rc,
};

use serde_json::json;

use super::{
    app::{App, ascii},
    error::AppError,
    sql,
    traffic::cookies::{Jar, Kept},
};
use crate::{
    World,
    database::{Database, Session},
    vm,
    world::Timestamp,
};

/// How many clients' tokens are remembered, and for how many milliseconds. A session that ends by a
/// request to this gateway is forgotten at once.
const MOST_TOKENS: usize = 256;
const TOKEN_LIFETIME: u64 = 10_000;

/// The applications of one project.
#[derive(Debug)]
pub struct Apps {
    pub by_name: BTreeMap<String, Rc<App>>,
    /// The virtual machine's settings: JSON in ASCII.
    pub vm: String,
}

/// The cookies of a project's applications.
pub(super) type Jars = Rc<RefCell<HashMap<String, Jar>>>;

/// What is known, for each project.
#[derive(Default)]
pub struct Memory {
    projects: RefCell<HashMap<String, Held>>,
}

#[derive(Default)]
struct Held {
    /// Counts the reasons to read again.
    wanted: u64,
    apps: Option<Rc<Apps>>,
    jars: Option<Jars>,
    tokens: HashMap<String, (u64, Option<String>)>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let projects = self.projects.borrow();
        formatter.debug_list().entries(projects.keys()).finish()
    }
}

impl Memory {
    /// A project's applications as they are now.
    pub async fn get(&self, world: &impl World, project: &str) -> Result<Rc<Apps>, AppError> {
        loop {
            let wanted = {
                let projects = self.projects.borrow();
                let held = projects.get(project);
                if let Some(apps) = held.and_then(|held| held.apps.as_ref()) {
                    return Ok(Rc::clone(apps));
                }
                held.map_or(0, |held| held.wanted)
            };
            let (apps, jars) = load(world, project).await?;
            let mut projects = self.projects.borrow_mut();
            let held = projects.entry(project.to_owned()).or_default();
            if held.wanted == wanted {
                // What this gateway was told of cookies is newer than what it had written of them.
                held.jars.get_or_insert(jars);
                return Ok(Rc::clone(held.apps.get_or_insert_with(|| Rc::new(apps))));
            }
        }
    }

    /// The cookies of a project whose applications were read.
    pub(super) fn jars(&self, project: &str) -> Jars {
        let projects = self.projects.borrow();
        let jars = projects.get(project).and_then(|held| held.jars.clone());
        jars.unwrap_or_default()
    }

    /// A project's applications may be others now.
    pub fn forget(&self, project: &str) {
        let mut projects = self.projects.borrow_mut();
        let held = projects.entry(project.to_owned()).or_default();
        held.wanted += 1;
        held.apps = None;
        held.tokens.clear();
    }

    /// A project's database may be another now.
    pub fn forget_all(&self, project: &str) {
        self.forget(project);
        if let Some(held) = self.projects.borrow_mut().get_mut(project) {
            held.jars = None;
        }
    }

    /// Sessions may have begun or ended.
    pub fn forget_tokens(&self, project: &str) {
        if let Some(held) = self.projects.borrow_mut().get_mut(project) {
            held.tokens.clear();
        }
    }

    /// The token of a client that was looked up lately; the inner `None` where it has none.
    pub fn token(&self, project: &str, client: &str, now: Timestamp) -> Option<Option<String>> {
        let projects = self.projects.borrow();
        let (since, token) = projects.get(project)?.tokens.get(client)?;
        (now.0.saturating_sub(*since) < TOKEN_LIFETIME).then(|| token.clone())
    }

    pub fn remember_token(
        &self,
        project: &str,
        client: &str,
        now: Timestamp,
        token: Option<String>,
    ) {
        let mut projects = self.projects.borrow_mut();
        let tokens = &mut projects.entry(project.to_owned()).or_default().tokens;
        if tokens.len() >= MOST_TOKENS {
            tokens.clear();
        }
        tokens.insert(client.to_owned(), (now.0, token));
    }
}

async fn load(world: &impl World, project: &str) -> Result<(Apps, Jars), AppError> {
    let now = world.now().0;
    let statements = [sql::list(), sql::cookies(now), sql::vm_settings()];
    let results = Database::new(world, project)
        .run(&Session::default().read_only(), &statements)
        .await?;
    let [apps, cookies, settings] = results.as_slice() else {
        return Err(AppError::NoTable);
    };
    let by_name = sql::values::<App>(apps)
        .map(|app| (app.name.clone(), Rc::new(app)))
        .collect();
    let mut jars = HashMap::<String, Jar>::new();
    for Kept { app, cookie } in sql::values(cookies) {
        jars.entry(app).or_default().put(cookie);
    }
    let settings = settings.rows.first().and_then(|row| row.text(0));
    let settings: vm::Settings = settings
        .and_then(|json| serde_json::from_str(json).ok())
        .unwrap_or_default();
    let vm = ascii(&json!(settings).to_string());
    Ok((Apps { by_name, vm }, Rc::new(RefCell::new(jars))))
}
