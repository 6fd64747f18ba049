//! Statements of several sessions that leave nothing behind.

use super::{Database, DatabaseError, Session, Statement};
use crate::{
    World,
    wire::{Messages, PgError, Pipeline, StatementResult},
    world::Exchange,
};

/// What came of a rehearsal: the results of the statements before the one that failed, if one did.
#[derive(Debug)]
pub struct Rehearsal {
    pub results: Vec<StatementResult>,
    pub failure: Option<Box<PgError>>,
}

impl<W: World> Database<'_, W> {
    /// Runs statements, each as somebody, and takes back whatever they did: what they read is the
    /// answer, and whether they were allowed. One exchange; it may be asked again.
    pub async fn rehearse(
        self,
        steps: &[(&Session, Statement)],
    ) -> Result<Rehearsal, DatabaseError> {
        let mut pipeline = Pipeline::new();
        pipeline.execute("BEGIN", &[]);
        // Where the results of the statements themselves stand among all results.
        let mut places = Vec::with_capacity(steps.len());
        let mut count = 1;
        for (session, statement) in steps {
            count += session.write(&mut pipeline);
            pipeline.query(&statement.sql, &statement.parameters);
            places.push(count);
            count += 1;
        }
        // Constraints that wait for the commit would not be asked without one.
        pipeline.execute("SET CONSTRAINTS ALL IMMEDIATE", &[]);
        // After the Sync, so that it runs where a statement failed as well.
        pipeline.sync().simple("ROLLBACK");
        let exchange = Exchange {
            messages: pipeline.finish()?,
            idempotent: true,
            transaction: None,
            hold: false,
        };
        let answer = self.world.exchange(self.project, exchange).await?;
        let mut messages = Messages::new(answer);
        let statements = messages.until_ready().await?.unwrap_or_default();
        while messages.until_ready().await?.is_some() {}
        let mut all: Vec<_> = statements.results.into_iter().map(Some).collect();
        let results = places
            .into_iter()
            .map_while(|place| all.get_mut(place).and_then(Option::take))
            .collect();
        Ok(Rehearsal {
            results,
            failure: statements.error.map(|failure| failure.error),
        })
    }
}
