//! A project's database as Auth, Storage and the gateway's own pages use it: typed statements in a
//! transaction of somebody, rows back.
//!
//! [`Database::run`] is the usual way: settings and statements in one exchange, one transaction, all
//! or nothing. [`Database::transaction`] keeps a transaction open between exchanges, for where what
//! comes next depends on the rows. It keeps everybody else of the project waiting, so nothing slow
//! (hashing, files, the network) happens inside.
//!
//! REST has its own way (`rest::run`), which streams.

mod error;
mod rehearsal;
mod session;
mod statement;
mod transaction;

pub use error::DatabaseError;
pub use rehearsal::Rehearsal;
pub use session::{Session, Setting, settings};
pub use statement::Statement;
pub use transaction::Transaction;

use crate::{
    World,
    wire::{Messages, Pipeline, StatementResult},
    world::Exchange,
};

/// The Postgres session of one project.
#[derive(Debug)]
pub struct Database<'a, W> {
    world: &'a W,
    project: &'a str,
}

impl<W> Clone for Database<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Database<'_, W> {}

impl<'a, W: World> Database<'a, W> {
    pub const fn new(world: &'a W, project: &'a str) -> Self {
        Self { world, project }
    }

    /// Runs statements as somebody, in one transaction and one exchange: all take effect or none.
    /// The results are those of `statements`, in order.
    ///
    /// A read-only session is asked again where the database's owner dies meanwhile.
    pub async fn run(
        self,
        session: &Session,
        statements: &[Statement],
    ) -> Result<Vec<StatementResult>, DatabaseError> {
        let mut pipeline = Pipeline::new();
        let before = session.write(&mut pipeline);
        for statement in statements {
            pipeline.query(&statement.sql, &statement.parameters);
        }
        pipeline.sync();
        let exchange = Exchange {
            messages: pipeline.finish()?,
            idempotent: session.is_read_only(),
            transaction: None,
            hold: false,
        };
        let answer = self.world.exchange(self.project, exchange).await?;
        let mut results = Messages::new(answer).statements().await?.all()?;
        results.drain(..before.min(results.len()));
        Ok(results)
    }

    /// Runs one statement as [`Database::run`] does.
    pub async fn one(
        self,
        session: &Session,
        statement: Statement,
    ) -> Result<StatementResult, DatabaseError> {
        let results = self.run(session, &[statement]).await?;
        Ok(results.into_iter().next().unwrap_or_default())
    }

    /// Does `work` in a transaction that stays open between its exchanges; it commits where `work`
    /// succeeds and rolls back where it fails. It begins with the first statement.
    ///
    /// What must stay although the request fails is a success of `work` that carries the failure.
    pub async fn transaction<T, E: From<DatabaseError>>(
        self,
        session: &Session,
        work: impl AsyncFnOnce(&mut Transaction<'a, W>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut transaction = Transaction::new(self, session.clone());
        match work(&mut transaction).await {
            Ok(value) => {
                transaction.commit().await?;
                Ok(value)
            }
            Err(error) => {
                // What failed is told, not that its rollback failed too: the database rolls back a
                // transaction that nobody goes on with.
                let _ = transaction.rollback().await;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod told;
