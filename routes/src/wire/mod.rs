//! Postgres wire protocol messages, built and parsed. No I/O here.
