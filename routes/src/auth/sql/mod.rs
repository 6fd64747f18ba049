//! The only module of Auth that writes SQL: fixed texts, values as bind parameters.
//!
//! Statements run as the schema's owner with `auth` as their search path, and name it all the same.

pub mod audit;
pub mod custom_providers;
pub mod external;
pub mod factors;
pub mod flow_states;
pub mod oauth_authorizations;
pub mod oauth_clients;
pub mod one_time;
pub mod passkeys;
pub mod sessions;
pub mod users;
