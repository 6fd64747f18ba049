//! Who may sign in: the apps' roles, with their passwords.

use std::{cell::RefCell, collections::BTreeMap, fmt};

/// The roles of apps that were met, by name.
#[derive(Default)]
pub struct Roles(RefCell<BTreeMap<String, String>>);

impl Roles {
    /// A role has this password from now on. A role without a name or a password is none.
    pub fn know(&self, role: &str, password: &str) {
        if !role.is_empty() && !password.is_empty() {
            self.0
                .borrow_mut()
                .insert(role.to_owned(), password.to_owned());
        }
    }

    /// Nobody signs in as this role any more.
    pub fn forget(&self, role: &str) {
        self.0.borrow_mut().remove(role);
    }

    pub fn password(&self, role: &str) -> Option<String> {
        self.0.borrow().get(role).cloned()
    }
}

impl fmt::Debug for Roles {
    /// Shows no password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.0.borrow().keys())
            .finish()
    }
}
