//! The mails that Auth writes, in GoTrue's words unless the project has its own.
//!
//! Source: supabase/auth, `internal/mailer/templatemailer`.

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    Confirmation,
    Invite,
    Recovery,
    MagicLink,
    EmailChange,
    Reauthentication,
    PasswordChanged,
    EmailChanged,
    PhoneChanged,
    IdentityLinked,
    IdentityUnlinked,
    FactorEnrolled,
    FactorUnenrolled,
}

impl Letter {
    /// The mails that tell what changed, each sent only where the project wants it.
    pub const NOTIFICATIONS: [Self; 7] = [
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::PhoneChanged,
        Self::IdentityLinked,
        Self::IdentityUnlinked,
        Self::FactorEnrolled,
        Self::FactorUnenrolled,
    ];

    /// The notification whose name is this followed by `_notification`, as `password_changed`.
    pub fn notification(kind: &str) -> Option<Self> {
        let is_named = |letter: &Self| letter.name().strip_suffix("_notification") == Some(kind);
        Self::NOTIFICATIONS.into_iter().find(is_named)
    }

    /// The template's name, in settings and in the outbox.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation",
            Self::Invite => "invite",
            Self::Recovery => "recovery",
            Self::MagicLink => "magic_link",
            Self::EmailChange => "email_change",
            Self::Reauthentication => "reauthentication",
            Self::PasswordChanged => "password_changed_notification",
            Self::EmailChanged => "email_changed_notification",
            Self::PhoneChanged => "phone_changed_notification",
            Self::IdentityLinked => "identity_linked_notification",
            Self::IdentityUnlinked => "identity_unlinked_notification",
            Self::FactorEnrolled => "mfa_factor_enrolled_notification",
            Self::FactorUnenrolled => "mfa_factor_unenrolled_notification",
        }
    }

    /// `type` in the mail's link; empty for a mail without one.
    pub const fn link_type(self) -> &'static str {
        match self {
            Self::Confirmation => "signup",
            Self::Invite => "invite",
            Self::Recovery => "recovery",
            Self::MagicLink => "magiclink",
            Self::EmailChange => "email_change",
            Self::Reauthentication
            | Self::PasswordChanged
            | Self::EmailChanged
            | Self::PhoneChanged
            | Self::IdentityLinked
            | Self::IdentityUnlinked
            | Self::FactorEnrolled
            | Self::FactorUnenrolled => "",
        }
    }

    pub(super) const fn subject(self) -> &'static str {
        match self {
            Self::Confirmation => "Confirm your email address",
            Self::Invite => "You've been invited",
            Self::Recovery => "Reset your password",
            Self::MagicLink => "Your sign-in link",
            Self::EmailChange => "Confirm your new email address",
            Self::Reauthentication => "{{ .Token }} is your verification code",
            Self::PasswordChanged => "Your password was changed",
            Self::EmailChanged => "Your email address was changed",
            Self::PhoneChanged => "Your phone number was changed",
            Self::IdentityLinked => "A new sign-in method was linked to your account",
            Self::IdentityUnlinked => "A sign-in method was removed from your account",
            Self::FactorEnrolled => "A new verification method was added to your account",
            Self::FactorUnenrolled => "A verification method was removed from your account",
        }
    }

    pub(super) const fn content(self) -> &'static str {
        match self {
            Self::Confirmation => CONFIRMATION,
            Self::Invite => INVITE,
            Self::Recovery => RECOVERY,
            Self::MagicLink => MAGIC_LINK,
            Self::EmailChange => EMAIL_CHANGE,
            Self::Reauthentication => REAUTHENTICATION,
            Self::PasswordChanged => PASSWORD_CHANGED,
            Self::EmailChanged => EMAIL_CHANGED,
            Self::PhoneChanged => PHONE_CHANGED,
            Self::IdentityLinked => IDENTITY_LINKED,
            Self::IdentityUnlinked => IDENTITY_UNLINKED,
            Self::FactorEnrolled => FACTOR_ENROLLED,
            Self::FactorUnenrolled => FACTOR_UNENROLLED,
        }
    }
}

const CONFIRMATION: &str = "\
<h2>Confirm your email address</h2>

<p>Follow the link below to confirm this email address and finish signing up.</p>
<p><a href=\"{{ .ConfirmationURL }}\">Confirm email address</a></p>
";

const INVITE: &str = "\
<h2>You've been invited</h2>

<p>You've been invited to create an account. Follow the link below to accept.</p>
<p><a href=\"{{ .ConfirmationURL }}\">Accept invitation</a></p>
";

const RECOVERY: &str = "\
<h2>Reset your password</h2>

<p>We received a request to reset your password. Follow the link below to choose a new one.</p>
<p><a href=\"{{ .ConfirmationURL }}\">Reset password</a></p>
<p>If you didn't request this, you can safely ignore this email.</p>
";

const MAGIC_LINK: &str = "\
<h2>Your sign-in link</h2>

<p>Follow the link below to sign in. This link expires shortly and can only be used once.</p>
<p><a href=\"{{ .ConfirmationURL }}\">Sign in</a></p>
";

const EMAIL_CHANGE: &str = "\
<h2>Confirm your new email address</h2>

<p>Follow the link below to confirm {{ .NewEmail }} as your new email address.</p>
<p><a href=\"{{ .ConfirmationURL }}\">Confirm new email address</a></p>
<p>If you didn't request this change, you can safely ignore this email.</p>
";

const REAUTHENTICATION: &str = "\
<h2>Your verification code</h2>

<p>Use the code below to verify your identity. It expires shortly.</p>
<p>{{ .Token }}</p>
";

const PASSWORD_CHANGED: &str = "\
<h2>Your password was changed</h2>

<p>The password for your account was recently changed.</p>
<p>If you didn't make this change, reset your password and contact support immediately.</p>
";

const EMAIL_CHANGED: &str = "\
<h2>Your email address was changed</h2>

<p>The email address for your account was changed from {{ .OldEmail }} to {{ .Email }}.</p>
<p>If you didn't make this change, contact support immediately.</p>
";

const PHONE_CHANGED: &str = "\
<h2>Your phone number was changed</h2>

<p>The phone number for your account was changed from {{ .OldPhone }} to {{ .Phone }}.</p>
<p>If you didn't make this change, contact support immediately.</p>
";

const IDENTITY_LINKED: &str = "\
<h2>A new sign-in method was linked</h2>

<p>Your {{ .Provider }} account was linked as a new sign-in method for {{ .Email }}.</p>
<p>If you didn't make this change, contact support immediately.</p>
";

const IDENTITY_UNLINKED: &str = "\
<h2>A sign-in method was removed</h2>

<p>Your {{ .Provider }} account was removed as a sign-in method for {{ .Email }}.</p>
<p>If you didn't make this change, contact support immediately.</p>
";

const FACTOR_ENROLLED: &str = "\
<h2>A new verification method was added</h2>

<p>Sign-in verification method {{ .FactorType }} was added to your account.</p>
<p>If you didn't make this change, contact support immediately.</p>
";

const FACTOR_UNENROLLED: &str = "\
<h2>A verification method was removed</h2>

<p>Sign-in verification method {{ .FactorType }} was removed from your account.</p>
<p>If you didn't make this change, contact support immediately.</p>
";
