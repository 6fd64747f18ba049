//! Applications, asked for through the router.

mod deployed;
pub(crate) mod fixture;
mod traffic;
