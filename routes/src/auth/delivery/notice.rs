//! Mails that tell a user what changed in the account: nobody waits for them, and none of them holds
//! a key.
//!
//! Each is sent only where the project asks for it by `auth.email.notification.<kind>.enabled`, and
//! after what it tells of is done. What goes wrong on the way fails no request: the change stands, and
//! the outbox says what became of the mail.
//!
//! Source: supabase/auth, `internal/api/user.go`, `verify.go`, `identity.go`, `mfa.go` and `mail.go`.

use super::{
    super::{
        Context,
        mail::Letter,
        user::{Factor, User},
    },
    Outgoing,
};
use crate::World;

/// The password is another one.
pub async fn password_changed<W: World>(context: &Context<'_, W>, user: &User) {
    tell(context, Letter::PasswordChanged, user, user.email(), vec![]).await;
}

/// The user has another address; the old one is told. Who had none is told nothing.
pub async fn email_changed<W: World>(context: &Context<'_, W>, before: &User, after: &User) {
    let old = before.email();
    if old != after.email() && !after.email().is_empty() {
        let more = vec![("OldEmail", old)];
        tell(context, Letter::EmailChanged, after, old, more).await;
    }
}

/// The user has another number; and, where they had none by which they sign in, a new way to do so.
pub async fn phone_changed<W: World>(context: &Context<'_, W>, before: &User, after: &User) {
    let (old, new) = (before.phone(), after.phone());
    if !old.is_empty() && !new.is_empty() && old != new {
        let more = vec![("OldPhone", old), ("Phone", new)];
        tell(context, Letter::PhoneChanged, after, after.email(), more).await;
    }
    if before.identity("phone").is_none() && after.identity("phone").is_some() {
        identity_linked(context, after, "phone").await;
    }
}

/// The user signs in by a provider from now on.
pub async fn identity_linked<W: World>(context: &Context<'_, W>, user: &User, provider: &str) {
    let more = vec![("Provider", provider)];
    tell(context, Letter::IdentityLinked, user, user.email(), more).await;
}

/// The user signs in by a provider no longer. `user` is as before: what is unlinked may take the
/// address with it.
pub async fn identity_unlinked<W: World>(context: &Context<'_, W>, user: &User, provider: &str) {
    let more = vec![("Provider", provider)];
    tell(context, Letter::IdentityUnlinked, user, user.email(), more).await;
}

/// A factor was proved for the first time.
pub async fn factor_enrolled<W: World>(context: &Context<'_, W>, user: &User, factor: &Factor) {
    let more = vec![("FactorType", factor.factor_type.as_str())];
    tell(context, Letter::FactorEnrolled, user, user.email(), more).await;
}

/// A factor was given up.
pub async fn factor_unenrolled<W: World>(context: &Context<'_, W>, user: &User, factor: &Factor) {
    let more = vec![("FactorType", factor.factor_type.as_str())];
    tell(context, Letter::FactorUnenrolled, user, user.email(), more).await;
}

async fn tell<W: World>(
    context: &Context<'_, W>,
    letter: Letter,
    user: &User,
    to: &str,
    more: Vec<(&'static str, &str)>,
) {
    if to.is_empty() || !context.settings.notifies(letter) {
        return;
    }
    let mut outgoing = Outgoing::default();
    if outgoing.notice(context, letter, user, to, more).is_ok() {
        // Whoever reads the answer has what they asked for, with or without the mail.
        let _untold = outgoing.send(context, Vec::new()).await;
    }
}
