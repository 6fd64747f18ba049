//! A message on its way: what it says, and the token that it carries.

use super::super::{
    Context,
    error::{AuthError, ErrorCode},
    limits::Limit,
    mail::{Draft, Key, Letter, Recipient, text_message},
    one_time::{self, Flow, Kind, OneTime},
    sql,
    time::Time,
    user::User,
};
use crate::{
    World,
    database::Statement,
    outbox::{self, Channel, Delivery, Message},
};

/// Messages, and the statements that keep the tokens in them. Nothing is kept and nothing leaves
/// before [`Outgoing::send`].
#[derive(Debug, Default)]
pub struct Outgoing {
    statements: Vec<Statement>,
    messages: Vec<Message>,
}

/// A mail with a token that belongs to a kind.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    pub letter: Letter,
    pub kind: Kind,
    /// Where it goes, and what its code is good for.
    pub to: &'a str,
    pub flow: Flow,
}

impl Outgoing {
    /// Adds a statement that runs before the message is there.
    pub fn statement(&mut self, statement: Statement) {
        self.statements.push(statement);
    }

    /// Adds a mail with a new token.
    pub fn mail<W: World>(
        &mut self,
        context: &Context<'_, W>,
        about: Recipient<'_>,
        token: Token<'_>,
        more: Vec<(&'static str, &str)>,
    ) -> Result<(), AuthError> {
        let Token {
            letter,
            kind,
            to,
            flow,
        } = token;
        let one_time = context.one_time(to, flow);
        let redirect_to = context.referrer();
        let key = Key {
            code: &one_time.code,
            token: &one_time.token,
            redirect_to: &redirect_to,
        };
        let draft = Draft {
            id: context.uuid(),
            letter,
            about,
            to,
            key: Some(key),
            more,
        };
        self.draft(context, &draft)?;
        self.statements.push(sql::one_time::keep(
            context.uuid(),
            about.user_id,
            kind,
            &one_time.token,
            to,
        ));
        Ok(())
    }

    /// Adds a mail that tells something.
    pub fn notice<W: World>(
        &mut self,
        context: &Context<'_, W>,
        letter: Letter,
        user: &User,
        to: &str,
        more: Vec<(&'static str, &str)>,
    ) -> Result<(), AuthError> {
        let draft = Draft {
            id: context.uuid(),
            letter,
            about: user.into(),
            to,
            key: None,
            more,
        };
        self.draft(context, &draft)
    }

    fn draft<W: World>(
        &mut self,
        context: &Context<'_, W>,
        draft: &Draft<'_>,
    ) -> Result<(), AuthError> {
        let message = draft
            .write(context.settings, &context.url, &context.site_url())
            .map_err(|error| {
                let letter = draft.letter.name();
                AuthError::internal(format!("Error sending {letter} email: {error}"))
            })?;
        self.messages.push(message);
        Ok(())
    }

    /// Adds a text message with a code. Numbers that tests use have theirs, and get no message.
    pub fn text<W: World>(
        &mut self,
        context: &Context<'_, W>,
        user: &User,
        kind: Kind,
        phone: &str,
        channel: Channel,
    ) -> Result<(), AuthError> {
        let (one_time, is_test) = match context.settings.test_otp.get(phone) {
            Some(code) => (OneTime::of_code(code.clone(), phone, Flow::Implicit), true),
            None => (context.one_time_sms(phone), false),
        };
        self.statements.push(sql::one_time::keep(
            context.uuid(),
            user.id,
            kind,
            &one_time.token,
            phone,
        ));
        if is_test {
            return Ok(());
        }
        let subject = match kind {
            Kind::PhoneChange => "phone_change",
            Kind::Reauthentication => "reauthentication",
            Kind::Confirmation
            | Kind::Recovery
            | Kind::EmailChangeNew
            | Kind::EmailChangeCurrent => "confirmation",
        };
        let template = &context.settings.sms_template;
        let id = context.uuid();
        let message = text_message(
            template,
            id,
            user.id,
            subject,
            channel,
            phone,
            &one_time.code,
        );
        self.messages.push(message.map_err(|error| {
            AuthError::internal(format!("error generating sms template: {error}"))
        })?);
        Ok(())
    }

    /// Keeps the tokens and the messages after `before`, in one transaction, and sends what a server
    /// takes. The id of the last message, which text messages are answered with.
    pub async fn send<W: World>(
        self,
        context: &Context<'_, W>,
        before: Vec<Statement>,
    ) -> Result<Option<String>, AuthError> {
        for message in &self.messages {
            context.limit_sent(match message.channel {
                Channel::Email => Limit::EmailSent,
                Channel::Sms | Channel::WhatsApp => Limit::SmsSent,
            })?;
        }
        let mut statements = before;
        statements.extend(self.statements);
        statements.extend(self.messages.iter().map(outbox::insert));
        context
            .database()
            .run(&context.session(), &statements)
            .await?;
        for message in &self.messages {
            deliver(context, message).await?;
        }
        Ok(self.messages.last().map(|message| message.id.to_string()))
    }
}

/// Hands a mail over to the project's mail server, where it has one and the gateway can reach it.
async fn deliver<W: World>(context: &Context<'_, W>, message: &Message) -> Result<(), AuthError> {
    let Some(mail) = super::smtp::mail(context.settings, message) else {
        return Ok(());
    };
    let Some(delivered) = context.world.deliver(mail).await else {
        return Ok(());
    };
    let delivery = match &delivered {
        Ok(()) => Delivery::Sent,
        Err(reason) => Delivery::Failed(reason.clone()),
    };
    context
        .database()
        .one(&context.session(), outbox::deliver(message.id, &delivery))
        .await?;
    delivered.map_err(|_reason| {
        // The reason may tell of the server, and stands in the outbox.
        AuthError::internal(format!(
            "Error sending {} email",
            message.kind.replace('_', " ")
        ))
    })
}

impl<W: World> Context<'_, W> {
    fn one_time(&self, address: &str, flow: Flow) -> OneTime {
        let digits = u32::try_from(self.settings.email_otp_length).unwrap_or(6);
        OneTime::issue(self.world, address, digits, flow)
    }

    fn one_time_sms(&self, phone: &str) -> OneTime {
        let digits = u32::try_from(self.settings.sms_otp_length).unwrap_or(6);
        OneTime::issue(self.world, phone, digits, Flow::Implicit)
    }

    /// 429 where the user was sent such a mail a moment ago.
    pub fn check_mail_interval(&self, sent_at: Option<Time>) -> Result<(), AuthError> {
        let interval = self.settings.email_max_frequency.0;
        check_interval(
            one_time::wait(sent_at, interval, self.now),
            ErrorCode::OverEmailSendRateLimit,
        )
    }

    /// 429 where the user was sent such a text message a moment ago.
    pub fn check_text_interval(&self, sent_at: Option<Time>) -> Result<(), AuthError> {
        let interval = self.settings.sms_max_frequency.0;
        check_interval(
            one_time::wait(sent_at, interval, self.now),
            ErrorCode::OverSmsSendRateLimit,
        )
    }
}

fn check_interval(wait: Option<i64>, code: ErrorCode) -> Result<(), AuthError> {
    let Some(seconds) = wait else { return Ok(()) };
    let message =
        format!("For security purposes, you can only request this after {seconds} seconds.");
    Err(AuthError::too_many_requests(code, message))
}
