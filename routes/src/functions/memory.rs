//! What is known of functions between requests, so that calls do not wait for the database each time.
//! None of it is the truth: it is read again whenever this gateway changes it, and when the gateway
//! wakes.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fmt,
    rc::Rc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::channel::mpsc;
use serde::Deserialize;

use super::{
    Function,
    error::FunctionError,
    logs::{Query, Written},
    sql,
};
use crate::{
    World,
    apps::sql::values,
    database::{Database, Session},
};

/// Lines that wait for one reader of a log. One that falls behind is let go of, and comes again for what
/// it missed.
const MOST_WAITING: usize = 512;
/// Lines of a function that are written before it is looked whether there are too many.
const PRUNED_EVERY: usize = 500;

/// The functions and the secrets of one project.
#[derive(Debug)]
pub struct Functions {
    pub by_name: BTreeMap<String, Rc<Function>>,
    pub secrets: BTreeMap<String, Sealed>,
}

/// A row of `gateway.secrets`.
#[derive(Debug, Clone, Deserialize)]
pub struct Sealed {
    /// Base64 of what [`World::seal`] made.
    #[serde(rename = "sealed")]
    pub bytes: String,
    pub digest: String,
    pub updated_at: String,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    #[serde(flatten)]
    sealed: Sealed,
}

/// The project's secrets, open.
#[derive(Default)]
pub struct Opened {
    pub values: BTreeMap<String, String>,
    /// Those that the key of today does not open.
    pub unreadable: Vec<String>,
}

impl fmt::Debug for Opened {
    /// Shows no value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.values.keys())
            .entries(&self.unreadable)
            .finish()
    }
}

/// What is known, for each project.
#[derive(Default)]
pub struct Memory {
    projects: RefCell<HashMap<String, Held>>,
}

#[derive(Default)]
struct Held {
    /// Counts the reasons to read again.
    wanted: u64,
    functions: Option<Rc<Functions>>,
    opened: Option<Rc<Opened>>,
    followers: Vec<Follower>,
    /// Lines of each function that were written since it was looked whether there are too many; none
    /// where nobody looked in this life of the gateway.
    unpruned: HashMap<String, usize>,
}

/// Somebody who reads a function's log as it is written.
struct Follower {
    function: String,
    query: Query,
    lines: mpsc::Sender<Rc<Written>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let projects = self.projects.borrow();
        formatter.debug_list().entries(projects.keys()).finish()
    }
}

impl Memory {
    /// A project's functions as they are now.
    pub async fn get(
        &self,
        world: &impl World,
        project: &str,
    ) -> Result<Rc<Functions>, FunctionError> {
        loop {
            let wanted = {
                let projects = self.projects.borrow();
                let held = projects.get(project);
                if let Some(functions) = held.and_then(|held| held.functions.as_ref()) {
                    return Ok(Rc::clone(functions));
                }
                held.map_or(0, |held| held.wanted)
            };
            let functions = load(world, project).await?;
            let mut projects = self.projects.borrow_mut();
            let held = projects.entry(project.to_owned()).or_default();
            if held.wanted == wanted {
                let functions = held.functions.get_or_insert_with(|| Rc::new(functions));
                return Ok(Rc::clone(functions));
            }
        }
    }

    /// A project's secrets as they are now.
    pub async fn opened(
        &self,
        world: &impl World,
        project: &str,
    ) -> Result<Rc<Opened>, FunctionError> {
        loop {
            let functions = self.get(world, project).await?;
            let wanted = {
                let projects = self.projects.borrow();
                let held = projects.get(project);
                if let Some(opened) = held.and_then(|held| held.opened.as_ref()) {
                    return Ok(Rc::clone(opened));
                }
                held.map_or(0, |held| held.wanted)
            };
            let mut opened = Opened::default();
            for (name, secret) in &functions.secrets {
                match open(world, project, name, &secret.bytes).await {
                    Some(value) => {
                        opened.values.insert(name.clone(), value);
                    }
                    None => opened.unreadable.push(name.clone()),
                }
            }
            let mut projects = self.projects.borrow_mut();
            let held = projects.entry(project.to_owned()).or_default();
            if held.wanted == wanted {
                return Ok(Rc::clone(
                    held.opened.get_or_insert_with(|| Rc::new(opened)),
                ));
            }
        }
    }

    /// A project's functions or secrets may be others now.
    pub fn forget(&self, project: &str) {
        let mut projects = self.projects.borrow_mut();
        let held = projects.entry(project.to_owned()).or_default();
        held.wanted += 1;
        held.functions = None;
        held.opened = None;
    }

    /// What is written to a function's log from now on, as far as the query asks for it.
    pub(super) fn follow(
        &self,
        project: &str,
        function: &str,
        query: &Query,
    ) -> mpsc::Receiver<Rc<Written>> {
        let (lines, receiver) = mpsc::channel(MOST_WAITING);
        let mut projects = self.projects.borrow_mut();
        let held = projects.entry(project.to_owned()).or_default();
        held.followers.push(Follower {
            function: function.to_owned(),
            query: query.clone(),
            lines,
        });
        receiver
    }

    /// Tells those who read a function's log, and says whether it is time to look for what is too many.
    pub(super) fn wrote(&self, project: &str, function: &str, lines: &[Rc<Written>]) -> bool {
        let mut projects = self.projects.borrow_mut();
        let held = projects.entry(project.to_owned()).or_default();
        held.followers.retain_mut(|follower| {
            if follower.function != function {
                return !follower.lines.is_closed();
            }
            let mut wanted = lines.iter().filter(|line| follower.query.wants(line));
            wanted.all(|line| follower.lines.try_send(Rc::clone(line)).is_ok())
        });
        let count = held.unpruned.get(function).copied();
        let count = count.unwrap_or(PRUNED_EVERY) + lines.len();
        let is_due = count >= PRUNED_EVERY;
        held.unpruned
            .insert(function.to_owned(), if is_due { 0 } else { count });
        is_due
    }

    /// Lets go of those who read the log of a function that is gone.
    pub(super) fn let_go(&self, project: &str, function: &str) {
        if let Some(held) = self.projects.borrow_mut().get_mut(project) {
            held.followers
                .retain(|follower| follower.function != function);
            held.unpruned.remove(function);
        }
    }
}

async fn load(world: &impl World, project: &str) -> Result<Functions, FunctionError> {
    let statements = [sql::list(), sql::secrets()];
    let results = Database::new(world, project)
        .run(&Session::default().read_only(), &statements)
        .await?;
    let [functions, secrets] = results.as_slice() else {
        return Err(FunctionError::NoTable);
    };
    let by_name = values::<Function>(functions)
        .map(|function| (function.name.clone(), Rc::new(function)))
        .collect();
    let secrets = values::<Row>(secrets)
        .map(|row| (row.name, row.sealed))
        .collect();
    Ok(Functions { by_name, secrets })
}

/// What is sealed is the name and the value, so that no row stands for another's.
async fn open(world: &impl World, project: &str, name: &str, sealed: &str) -> Option<String> {
    let sealed = STANDARD.decode(sealed).ok()?;
    let bytes = world.open(project, sealed.into()).await.ok()?;
    let value = bytes
        .strip_prefix(name.as_bytes())?
        .strip_prefix(b"\0".as_slice())?;
    String::from_utf8(value.to_vec()).ok()
}
