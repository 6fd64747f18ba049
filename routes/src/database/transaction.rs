//! A transaction that stays open between exchanges.

use super::{Database, DatabaseError, Session, Statement};
use crate::{
    World,
    wire::{Messages, Pipeline, StatementResult, TransactionStatus},
    world::{self, Exchange},
};

/// An open transaction. The database rolls it back where nobody goes on with it for seconds.
#[derive(Debug)]
pub struct Transaction<'a, W> {
    database: Database<'a, W>,
    session: Session,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open(world::Transaction),
    /// A statement failed: only a rollback is answered.
    Failed(world::Transaction),
    /// Ended by the database, or never to be found again.
    Gone,
}

impl<'a, W: World> Transaction<'a, W> {
    pub(super) fn new(database: Database<'a, W>, session: Session) -> Self {
        Self {
            database,
            session,
            state: State::New,
        }
    }

    /// Runs statements in one exchange. After a failure there is only the rollback.
    pub async fn run(
        &mut self,
        statements: &[Statement],
    ) -> Result<Vec<StatementResult>, DatabaseError> {
        let mut pipeline = Pipeline::new();
        let mut before = 0;
        if self.state == State::New {
            pipeline.execute("BEGIN", &[]);
            before = 1 + self.session.write(&mut pipeline);
        }
        for statement in statements {
            pipeline.query(&statement.sql, &statement.parameters);
        }
        pipeline.sync();
        let mut results = self.exchange(pipeline, true).await?;
        results.drain(..before.min(results.len()));
        Ok(results)
    }

    /// Runs one statement as [`Transaction::run`] does.
    pub async fn one(&mut self, statement: Statement) -> Result<StatementResult, DatabaseError> {
        let results = self.run(&[statement]).await?;
        Ok(results.into_iter().next().unwrap_or_default())
    }

    /// Makes what ran stay. Where a statement failed that is a failure, whatever became of the
    /// first one's: COMMIT would say that it was a rollback, and nobody would look.
    pub(super) async fn commit(mut self) -> Result<(), DatabaseError> {
        match self.state {
            State::New => Ok(()),
            State::Open(_) => self.end("COMMIT").await,
            State::Failed(_) => {
                self.end("ROLLBACK").await?;
                Err(DatabaseError::RolledBack)
            }
            State::Gone => Err(DatabaseError::RolledBack),
        }
    }

    pub(super) async fn rollback(mut self) -> Result<(), DatabaseError> {
        match self.state {
            State::New | State::Gone => Ok(()),
            State::Open(_) | State::Failed(_) => self.end("ROLLBACK").await,
        }
    }

    async fn end(&mut self, command: &'static str) -> Result<(), DatabaseError> {
        let mut pipeline = Pipeline::new();
        pipeline.simple(command);
        self.exchange(pipeline, false).await.map(drop)
    }

    async fn exchange(
        &mut self,
        pipeline: Pipeline,
        hold: bool,
    ) -> Result<Vec<StatementResult>, DatabaseError> {
        let transaction = match self.state {
            State::Open(transaction) | State::Failed(transaction) => Some(transaction),
            State::New => None,
            // Its statements would run outside of it.
            State::Gone => return Err(DatabaseError::RolledBack),
        };
        let exchange = Exchange {
            messages: pipeline.finish()?,
            idempotent: false,
            transaction,
            hold,
        };
        self.state = State::Gone;
        let Database { world, project } = self.database;
        let messages = Messages::new(world.exchange(project, exchange).await?);
        let held = messages.transaction();
        let statements = messages.statements().await?;
        self.state = match statements.status {
            TransactionStatus::Open => State::Open(held),
            TransactionStatus::Failed => State::Failed(held),
            TransactionStatus::Idle => State::Gone,
        };
        Ok(statements.all()?)
    }
}
