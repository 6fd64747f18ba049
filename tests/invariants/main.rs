//! What always holds (README, "Invariants"), read from the sources and from cargo.
#![cfg(test)]

mod bindings;
mod clocks;
mod folders;
mod paths;
mod source;
mod sql;
mod unsafe_code;
