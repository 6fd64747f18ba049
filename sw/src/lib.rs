//! The service worker's WASM: JavaScript's requests in and out of the router.
//!
//! The same module runs in a service worker and, behind `node:http`, in Node.

pub mod border;
pub mod line;
pub mod options;
#[cfg(target_arch = "wasm32")]
pub mod shell;
pub mod tunnel;
