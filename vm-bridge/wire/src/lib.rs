//! Message ports, timers and Web Locks, and lines over them: what the service worker and the VM worker
//! share of JavaScript. There is nothing for the host here.

#[cfg(target_arch = "wasm32")]
pub mod shell;
