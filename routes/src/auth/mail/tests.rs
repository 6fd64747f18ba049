use expect_test::{Expect, expect};

use super::*;

fn draft(letter: Letter) -> Draft<'static> {
    Draft {
        id: Uuid::nil(),
        letter,
        about: Recipient {
            user_id: Uuid::nil(),
            email: "ann+x@x.test",
            data: None,
        },
        to: "ann+x@x.test",
        key: Some(Key {
            code: "012345",
            token: "pkce_abc",
            redirect_to: "http://y.test/?a=b",
        }),
        more: vec![("NewEmail", "<b>@y.test")],
    }
}

fn check(letter: Letter, settings: &Settings, expected: Expect) {
    let shown = match draft(letter).write(settings, "http://x.test/auth/v1", "http://y.test") {
        Ok(message) => format!(
            "{} {} {}\n{}\n{}\n{}\n{:?} {:?}",
            message.kind,
            message.sender,
            message.recipient,
            message.subject,
            message.html.unwrap_or_default(),
            message.text,
            message.link,
            message.code
        ),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn mails_are_written() {
    let settings = Settings::default();
    check(
        Letter::Confirmation,
        &settings,
        expect![[r#"
        confirmation admin@email.com ann+x@x.test
        Confirm your email address
        <h2>Confirm your email address</h2>

        <p>Follow the link below to confirm this email address and finish signing up.</p>
        <p><a href="http://x.test/auth/v1/verify?token=pkce_abc&amp;type=signup&amp;redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db">Confirm email address</a></p>

        Confirm your email address
        Follow the link below to confirm this email address and finish signing up.
        Confirm email address [http://x.test/auth/v1/verify?token=pkce_abc&type=signup&redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db]
        Some("http://x.test/auth/v1/verify?token=pkce_abc&type=signup&redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db") Some("012345")"#]],
    );
    check(
        Letter::EmailChange,
        &settings,
        expect![[r#"
        email_change admin@email.com ann+x@x.test
        Confirm your new email address
        <h2>Confirm your new email address</h2>

        <p>Follow the link below to confirm &lt;b&gt;@y.test as your new email address.</p>
        <p><a href="http://x.test/auth/v1/verify?token=pkce_abc&amp;type=email_change&amp;redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db">Confirm new email address</a></p>
        <p>If you didn't request this change, you can safely ignore this email.</p>

        Confirm your new email address
        Follow the link below to confirm <b>@y.test as your new email address.
        Confirm new email address [http://x.test/auth/v1/verify?token=pkce_abc&type=email_change&redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db]
        If you didn't request this change, you can safely ignore this email.
        Some("http://x.test/auth/v1/verify?token=pkce_abc&type=email_change&redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db") Some("012345")"#]],
    );
    check(
        Letter::Reauthentication,
        &settings,
        expect![[r#"
        reauthentication admin@email.com ann+x@x.test
        012345 is your verification code
        <h2>Your verification code</h2>

        <p>Use the code below to verify your identity. It expires shortly.</p>
        <p>012345</p>

        Your verification code
        Use the code below to verify your identity. It expires shortly.
        012345
        None Some("012345")"#]],
    );
}

#[test]
fn every_letter_has_its_words() {
    let settings = Settings::default();
    for letter in [
        Letter::Confirmation,
        Letter::Invite,
        Letter::Recovery,
        Letter::MagicLink,
        Letter::EmailChange,
        Letter::Reauthentication,
        Letter::PasswordChanged,
        Letter::EmailChanged,
        Letter::PhoneChanged,
        Letter::IdentityLinked,
        Letter::IdentityUnlinked,
        Letter::FactorEnrolled,
        Letter::FactorUnenrolled,
    ] {
        let message = draft(letter)
            .write(&settings, "http://x.test/auth/v1", "http://y.test")
            .unwrap();
        let has_link = !letter.link_type().is_empty();
        assert_eq!(message.link.is_some(), has_link, "{letter:?}");
        let html = message.html.unwrap();
        assert_eq!(html.contains("href"), has_link, "{letter:?}");
        assert!(
            !message.subject.is_empty() && !html.contains("{{"),
            "{letter:?}"
        );
    }
}

#[test]
fn words_of_the_project_come_first() {
    let mut settings = Settings::default();
    for (name, value) in [
        ("auth.email.smtp.sender_name", "A \"B\"\r\nC"),
        (
            "auth.email.template.magic_link.subject",
            "Code {{ .Token }}\nfor you",
        ),
        (
            "auth.email.template.magic_link.content",
            r#"<a href="{{ .SiteURL }}/confirm?token_hash={{ .TokenHash }}&next={{ .RedirectTo }}">{{ .Data.name }}</a>"#,
        ),
        ("auth.email.template.invite.content", "{{ .Token "),
    ] {
        settings.set(name, value).unwrap();
    }
    check(
        Letter::MagicLink,
        &settings,
        expect![[r#"
        magic_link "A BC" <admin@email.com> ann+x@x.test
        Code 012345 for you
        <a href="http://y.test/confirm?token_hash=pkce_abc&next=http%3a%2f%2fy.test%2f%3fa%3db"></a>
        [http://y.test/confirm?token_hash=pkce_abc&next=http%3a%2f%2fy.test%2f%3fa%3db]
        Some("http://x.test/auth/v1/verify?token=pkce_abc&type=magiclink&redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db") Some("012345")"#]],
    );
    check(
        Letter::Invite,
        &settings,
        expect![[r#"
        invite "A BC" <admin@email.com> ann+x@x.test
        You've been invited
        <h2>You've been invited</h2>

        <p>You've been invited to create an account. Follow the link below to accept.</p>
        <p><a href="http://x.test/auth/v1/verify?token=pkce_abc&amp;type=invite&amp;redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db">Accept invitation</a></p>

        You've been invited
        You've been invited to create an account. Follow the link below to accept.
        Accept invitation [http://x.test/auth/v1/verify?token=pkce_abc&type=invite&redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db]
        Some("http://x.test/auth/v1/verify?token=pkce_abc&type=invite&redirect_to=http%3A%2F%2Fy.test%2F%3Fa%3Db") Some("012345")"#]],
    );
}

#[test]
fn text_messages_have_a_code() {
    let settings = Settings::default();
    let id = Uuid::nil();
    let message = sms(
        &settings,
        id,
        id,
        "confirmation",
        Channel::Sms,
        "491",
        "777777",
    )
    .unwrap();
    assert_eq!(message.text, "Your code is 777777");
    assert_eq!(message.recipient, "491");
}
