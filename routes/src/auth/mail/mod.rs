//! Mail.
pub mod template;
