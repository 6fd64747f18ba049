//! The VM worker.
//!
//! [`engine`] is whatever runs a guest: it boots, it has a network, it stops. [`network`] is the switch
//! that its ports hang on; on it, [`http`] asks the guest's programs, and what is [`served`] answers
//! them: the [`gateway`]. Beside the guest, [`functions`] run in isolates.
//! Clocks, chance and tasks are the [`surroundings`]'.

pub mod agent;
pub mod apps;
pub mod engine;
pub mod failure;
pub mod functions;
pub mod gateway;
pub mod http;
pub mod inside;
pub mod machine;
pub mod network;
pub mod outbound;
pub mod parts;
pub mod postgres;
pub mod served;
#[cfg(target_arch = "wasm32")]
pub mod shell;
pub mod snapshot;
pub mod surroundings;
#[cfg(test)]
mod testing;
pub mod tunnel;
pub mod vm;
