//! The gateway's router: an HTTP request in, an HTTP response out, Postgres messages in between.
//!
//! Pure Rust on `http`, `bytes` and our own types. What it needs of the world (time, randomness,
//! a Postgres session) it asks for through [`World`].
//!
//! **Invariant:** nothing here depends on JavaScript bindings, on any target.

pub mod apps;
pub mod auth;
pub mod backup;
pub mod blobs;
pub mod body;
pub mod bundle;
pub mod config;
pub mod console;
pub mod cors;
pub mod database;
pub mod error;
pub mod functions;
pub mod identity;
pub mod outbox;
pub mod project;
pub mod rest;
pub mod router;
pub mod schema;
pub mod status;
pub mod storage;
pub mod table;
pub mod tar;
pub mod vm;
pub mod wire;
pub mod world;

pub use body::Body;
pub use error::ApiError;
pub use router::{Handled, Router};
pub use world::World;
