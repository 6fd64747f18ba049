//! What is sent to users who sign up or change how they are reached, and what they bring back.

#![expect(clippy::unused_async, reason = "what sends asks the database")]

use super::{Context, error::AuthError, pkce::Challenge, user::User};
use crate::World;

/// Text messages go by `sms` or by `whatsapp`; without a word by the first.
pub fn check_channel(channel: &str) -> Result<(), AuthError> {
    if matches!(channel, "" | "sms" | "whatsapp") {
        return Ok(());
    }
    Err(AuthError::invalid(
        "Invalid channel, supported values are 'sms' or 'whatsapp'. 'whatsapp' is only supported if \
         Twilio or Twilio Verify is used as the provider.",
    ))
}

/// A mail with which a new user proves that the address is theirs.
pub async fn confirmation<W: World>(
    _context: &Context<'_, W>,
    _user: &User,
    _challenge: Option<&Challenge>,
) -> Result<(), AuthError> {
    Err(AuthError::internal("Error sending confirmation email"))
}

/// A text message with which a new user proves that the number is theirs.
pub async fn phone_confirmation<W: World>(
    _context: &Context<'_, W>,
    _user: &User,
    _phone: &str,
    _channel: &str,
) -> Result<(), AuthError> {
    Err(AuthError::internal("Error sending confirmation sms"))
}

/// The mails that confirm a new address, to it and to the old one.
pub async fn email_change<W: World>(
    _context: &Context<'_, W>,
    _user: &User,
    _email: &str,
    _challenge: Option<&Challenge>,
) -> Result<(), AuthError> {
    Err(AuthError::internal("Error sending email change email"))
}

/// The text message that confirms a new number.
pub async fn phone_change<W: World>(
    _context: &Context<'_, W>,
    _user: &User,
    _phone: &str,
    _channel: &str,
) -> Result<(), AuthError> {
    Err(AuthError::internal("Error sending phone change sms"))
}

/// Whether a nonce is the one that was sent for a reauthentication; it is good once.
pub async fn check_nonce<W: World>(
    _context: &Context<'_, W>,
    _user: &User,
    _nonce: &str,
) -> Result<(), AuthError> {
    Err(AuthError::unprocessable(
        super::error::ErrorCode::ReauthenticationNotValid,
        "Nonce has expired or is invalid",
    ))
}
