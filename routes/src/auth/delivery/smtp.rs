//! Mails for a mail server.

use super::super::settings::Settings;
use crate::{
    outbox::{Channel, Message},
    world::{Mail, MailServer},
};

/// The mail for the project's server; `None` for a text message, or where there is no server.
pub(super) fn mail(settings: &Settings, message: &Message) -> Option<Mail> {
    if message.channel != Channel::Email || !settings.delivers_mail() {
        return None;
    }
    Some(Mail {
        server: MailServer {
            host: settings.smtp_host.clone(),
            port: u16::try_from(settings.smtp_port).ok()?,
            user: settings.smtp_user.clone(),
            password: settings.smtp_pass.clone(),
        },
        id: message.id.to_string(),
        from: message.sender.clone(),
        to: message.recipient.clone(),
        subject: message.subject.clone(),
        html: message.html.clone().unwrap_or_default(),
        text: message.text.clone(),
    })
}
