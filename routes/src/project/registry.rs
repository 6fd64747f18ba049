//! The projects that are loaded, each once.

use std::{cell::RefCell, collections::HashMap, fmt, pin::pin, rc::Rc};

use futures::{
    FutureExt as _,
    future::{self, Either, LocalBoxFuture, Shared},
};
use http::StatusCode;

use super::Project;
use crate::{ApiError, World, config::Config, table::DEFAULT_PROJECT};

type Loading = Shared<LocalBoxFuture<'static, Result<Rc<Project>, Failed>>>;

/// A load that failed, for every request that waited for it.
#[derive(Clone)]
struct Failed {
    answer: ApiError,
    /// The database did not answer at all.
    silence: bool,
}

/// The loaded projects. Requests that come while one is loading share its load.
///
/// **Invariant:** a request that comes after [`Registry::reload`] sees the database as it was then,
/// or later.
pub struct Registry<W> {
    world: Rc<W>,
    config: Rc<Config>,
    entries: Rc<RefCell<HashMap<String, Entry>>>,
}

#[derive(Default)]
struct Entry {
    /// Counts the reasons to load again.
    wanted: u64,
    /// The last that was loaded, and for which count.
    loaded: Option<(u64, Rc<Project>)>,
    /// The load under way, and for which count.
    loading: Option<(u64, Loading)>,
}

impl<W> Clone for Registry<W> {
    fn clone(&self) -> Self {
        Self {
            world: Rc::clone(&self.world),
            config: Rc::clone(&self.config),
            entries: Rc::clone(&self.entries),
        }
    }
}

impl<W> fmt::Debug for Registry<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.borrow();
        formatter
            .debug_list()
            .entries(entries.iter().map(|(name, entry)| (name, entry.wanted)))
            .finish()
    }
}

impl<W: World + 'static> Registry<W> {
    pub fn new(world: Rc<W>, config: Config) -> Self {
        Self {
            world,
            config: Rc::new(config),
            entries: Rc::default(),
        }
    }

    pub fn world(&self) -> &W {
        &self.world
    }

    /// The world, for a task that goes on after the request.
    pub fn shared_world(&self) -> Rc<W> {
        Rc::clone(&self.world)
    }

    /// The settings that projects have unless their databases say otherwise.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Whether this project was loaded before, by this gateway.
    pub fn knows(&self, name: &str) -> bool {
        let entries = self.entries.borrow();
        entries
            .get(name)
            .is_some_and(|entry| entry.loaded.is_some())
    }

    /// What is known of this project may be out of date. Nobody loads it again before a request
    /// needs it.
    pub fn reload(&self, name: &str) {
        if let Some(entry) = self.entries.borrow_mut().get_mut(name) {
            entry.wanted += 1;
        }
    }

    /// The project as it is now. Where its database answers but it cannot be read again, it is
    /// served as it was, and the next request tries again. A database that does not answer is said
    /// to be away: what was known of it would tell of tables that are missing.
    pub async fn get(&self, name: &str) -> Result<Rc<Project>, ApiError> {
        let (wanted, before) = {
            let mut entries = self.entries.borrow_mut();
            if !entries.contains_key(name) {
                entries.insert(name.to_owned(), Entry::default());
            }
            let entry = &entries[name];
            match &entry.loaded {
                Some((count, project)) if *count == entry.wanted => return Ok(Rc::clone(project)),
                loaded => (entry.wanted, loaded.clone()),
            }
        };
        loop {
            let (count, loading) = self.loading(name);
            match loading.await {
                // A load that began before this request's reload may have seen less.
                Ok(_) if count < wanted => {}
                Ok(project) => return Ok(project),
                Err(failed) => match before {
                    Some((_, project)) if !failed.silence => return Ok(project),
                    _ => return Err(failed.answer),
                },
            }
        }
    }

    /// The load under way, or a new one.
    fn loading(&self, name: &str) -> (u64, Loading) {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(name.to_owned()).or_default();
        if let Some((count, loading)) = &entry.loading {
            return (*count, loading.clone());
        }
        let count = entry.wanted;
        let loading = self
            .clone()
            .load(name.to_owned(), count)
            .boxed_local()
            .shared();
        entry.loading = Some((count, loading.clone()));
        (count, loading)
    }

    async fn load(self, name: String, count: u64) -> Result<Rc<Project>, Failed> {
        let before = self.loaded(&name);
        let result = self.read(&name, before.as_deref()).await;
        let mut entries = self.entries.borrow_mut();
        let entry = entries.entry(name).or_default();
        entry.loading = None;
        let project = Rc::new(result?);
        entry.loaded = Some((count, Rc::clone(&project)));
        Ok(project)
    }

    fn loaded(&self, name: &str) -> Option<Rc<Project>> {
        let entries = self.entries.borrow();
        let (_, project) = entries.get(name)?.loaded.as_ref()?;
        Some(Rc::clone(project))
    }

    /// Loads a project, unless its name is nobody's: then there is no database to wait for.
    async fn read(&self, name: &str, before: Option<&Project>) -> Result<Project, Failed> {
        let loading = pin!(Project::load(&*self.world, name, &self.config, before));
        let asking = pin!(async {
            // The one that is addressed without a name may still be about to be made.
            name == DEFAULT_PROJECT || self.world.has_project(name).await
        });
        let result = match future::select(loading, asking).await {
            Either::Left((result, _)) => result,
            Either::Right((true, loading)) => loading.await,
            Either::Right((false, _)) => {
                let message = format!("There is no project {name}");
                return Err(Failed {
                    answer: ApiError::new(StatusCode::NOT_FOUND, "GW404", message),
                    silence: true,
                });
            }
        };
        result.map_err(|error| Failed {
            silence: error.is_silence(),
            answer: error.into(),
        })
    }
}
