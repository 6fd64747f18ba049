//! Mails and text messages: what they say, and the links in them.

mod letter;
pub mod template;
mod text;

use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use letter::Letter;
use template::{Format, Template, TemplateError};

use super::{redirect, settings::Settings, user::User};
use crate::outbox::{Channel, Message};

/// Whom a mail is about: a user, or one who is about to be made.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    pub user_id: Uuid,
    pub email: &'a str,
    /// What users say of themselves: `{{ .Data }}`.
    pub data: Option<&'a Map<String, Value>>,
}

impl<'a> From<&'a User> for Recipient<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            user_id: user.id,
            email: user.email(),
            data: user.raw_user_meta_data.as_ref(),
        }
    }
}

/// The code and the token that a mail carries, and where its link leads in the end.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    pub code: &'a str,
    pub token: &'a str,
    pub redirect_to: &'a str,
}

/// A mail before it is written.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    pub id: Uuid,
    pub letter: Letter,
    pub about: Recipient<'a>,
    /// Where it goes.
    pub to: &'a str,
    pub key: Option<Key<'a>>,
    /// What this letter says beside the usual.
    pub more: Vec<(&'static str, &'a str)>,
}

impl Draft<'_> {
    /// Writes the mail. `api` is where links lead, `site` the application's address.
    pub fn write(
        &self,
        settings: &Settings,
        api: &str,
        site: &str,
    ) -> Result<Message, TemplateError> {
        let mut values = Map::new();
        let mut set = |name: &str, value: Value| values.insert(name.to_owned(), value);
        set("SiteURL", site.into());
        set("Email", self.about.email.into());
        set("Data", json!(self.about.data));
        let mut link = None;
        if let Some(key) = self.key {
            set("Token", key.code.into());
            if !self.letter.link_type().is_empty() {
                let address = action_link(api, key.token, self.letter.link_type(), key.redirect_to);
                set("ConfirmationURL", address.as_str().into());
                set("TokenHash", key.token.into());
                set("RedirectTo", key.redirect_to.into());
                link = Some(address);
            }
        }
        for (name, value) in &self.more {
            set(name, (*value).into());
        }
        let values = Value::Object(values);
        let own = settings.templates.get(self.letter.name());
        let subject = own.and_then(|own| own.subject.as_deref());
        let content = own.and_then(|own| own.content.as_deref());
        let render = |text: &str| Template::parse(text, Format::Html)?.render(&values);
        // Words that cannot be read keep nobody from signing in.
        let words = |own: Option<&str>, usual: &str| match own.map(render) {
            Some(Ok(text)) => Ok(text),
            Some(Err(_)) | None => render(usual),
        };
        let html = words(content, self.letter.content())?;
        let subject = words(subject, self.letter.subject())?;
        Ok(Message {
            id: self.id,
            channel: Channel::Email,
            kind: self.letter.name(),
            sender: sender(settings),
            recipient: self.to.to_owned(),
            // A header has one line.
            subject: subject.replace(['\r', '\n'], " "),
            text: text::of_html(&html),
            html: Some(html),
            link,
            code: self.key.map(|key| key.code.to_owned()),
            user_id: Some(self.about.user_id),
        })
    }
}

/// A text message with a code.
pub fn sms(
    settings: &Settings,
    id: Uuid,
    user_id: Uuid,
    kind: &'static str,
    channel: Channel,
    phone: &str,
    code: &str,
) -> Result<Message, TemplateError> {
    text_message(
        &settings.sms_template,
        id,
        user_id,
        kind,
        channel,
        phone,
        code,
    )
}

/// A text message of any template that has a code.
pub fn text_message(
    template: &str,
    id: Uuid,
    user_id: Uuid,
    kind: &'static str,
    channel: Channel,
    phone: &str,
    code: &str,
) -> Result<Message, TemplateError> {
    let template = Template::parse(template, Format::Text)?;
    Ok(Message {
        id,
        channel,
        kind,
        sender: String::new(),
        recipient: phone.to_owned(),
        subject: String::new(),
        html: None,
        text: template.render(&json!({"Code": code}))?,
        link: None,
        code: Some(code.to_owned()),
        user_id: Some(user_id),
    })
}

/// The link that does what a token is for.
pub fn action_link(api: &str, token: &str, link_type: &str, redirect_to: &str) -> String {
    // What has none of these signs may be encoded already.
    let redirect_to = if redirect_to.contains(['&', '=', '#']) {
        redirect::encode(redirect_to)
    } else {
        redirect_to.to_owned()
    };
    let token = redirect::encode(token);
    format!("{api}/verify?token={token}&type={link_type}&redirect_to={redirect_to}")
}

/// Who the project's mails are from: `"Name" <address>`.
fn sender(settings: &Settings) -> String {
    let address = &settings.smtp_admin_email;
    match settings.smtp_sender_name.as_str() {
        "" => address.clone(),
        name => {
            let name = name.replace(['"', '\\', '\r', '\n'], "");
            format!("\"{name}\" <{address}>")
        }
    }
}

#[cfg(test)]
mod tests;
