//! The database worker: one queue before one Postgres session.
