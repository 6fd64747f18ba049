//! PostgREST's configuration file: `name = value` lines.

use super::{Config, ConfigError};

/// Reads a configuration file on top of `config`. The environment and other files are not read.
///
/// ```
/// use routes::config::{Config, parse};
///
/// let text = r#"
///     db-schemas = "api, public"  # the first is the default
///     db-max-rows = 500
///     app.settings.greeting = "say \"hello\""
/// "#;
/// let config = parse(text, Config::default())?;
/// assert_eq!(config.db_schemas, ["api", "public"]);
/// assert_eq!(config.db_max_rows, Some(500));
/// # Ok::<_, routes::config::ConfigError>(())
/// ```
pub fn parse(text: &str, mut config: Config) -> Result<Config, ConfigError> {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = setting(line).ok_or(ConfigError::Line(index + 1))?;
        config.set(name, &value)?;
    }
    Ok(config)
}

fn setting(line: &str) -> Option<(&str, String)> {
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if name.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let (value, rest) = match value.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => match value.split_once('#') {
            Some((bare, _comment)) => (bare.trim().to_owned(), ""),
            None => (value.to_owned(), ""),
        },
    };
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some((name, value))
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[index + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// Shows the settings that are not the default.
    fn check(text: &str, expected: Expect) {
        let shown = match parse(text, Config::default()) {
            Err(error) => error.to_string(),
            Ok(config) => {
                let (changed, default) =
                    (format!("{config:#?}"), format!("{:#?}", Config::default()));
                let default: Vec<&str> = default.lines().collect();
                let lines = changed.lines().filter(|line| !default.contains(line));
                lines.map(str::trim).collect::<Vec<_>>().join(" ")
            }
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn settings_are_read() {
        check("", expect![[""]]);
        check("# nothing\n\n  # more\n", expect![[""]]);
        check(r#"db-schemas = "a, b ,c""#, expect![[r#""a", "b", "c","#]]);
        check("db-schema=a", expect![[r#""a","#]]);
        check(
            r#"db-anon-role = "" # nobody"#,
            expect!["db_anon_role: None,"],
        );
        check("db-anon-role = web#nobody", expect![[r#""web","#]]);
        check("db-max-rows = 7", expect!["7,"]);
        check(r#"db-max-rows = """#, expect!["db_max_rows: None,"]);
        check(
            "db-tx-end = rollback-allow-override",
            expect!["rollback: true, allow_override: true,"],
        );
        check("db-plan-enabled = TRUE", expect!["db_plan_enabled: true,"]);
        check(
            "openapi-mode = disabled",
            expect!["openapi_mode: Disabled,"],
        );
        check(
            r#"server-cors-allowed-origins = "http://a.test, http://b.test""#,
            expect![[r#"server_cors_allowed_origins: Some( [ "http://a.test", "http://b.test","#]],
        );
        check(
            "db-uri = \"postgres://\"\nserver-port = 3000",
            expect![[""]],
        );
    }

    #[test]
    fn secrets_are_read_too() {
        let read = |text| parse(text, Config::default()).unwrap();
        let config = read(r#"jwt-secret = "a \"b\" \\ # c" # d"#);
        assert_eq!(config.jwt_secret.as_deref(), Some(r#"a "b" \ # c"#));
        let config = read("app.settings.a = 1\napp.settings.b = 2\napp.settings.a = 3");
        let settings = [("app.settings.b", "2"), ("app.settings.a", "3")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(config.app_settings, settings);
    }

    #[test]
    fn an_error_names_its_setting() {
        check(
            "db-max-rows = many",
            expect!["db-max-rows: expected a number of rows"],
        );
        check(
            "db-max-rows = -1",
            expect!["db-max-rows: expected a number of rows"],
        );
        check(
            "db-schemas = \"\"",
            expect!["db-schemas: expected one schema or more"],
        );
        check(
            "db-schemas = \"public, pg_catalog\"",
            expect!["db-schemas: expected no schema of the database itself"],
        );
        check(
            "db-tx-end = maybe",
            expect![
                "db-tx-end: expected commit, commit-allow-override, rollback or rollback-allow-override"
            ],
        );
        check(
            "db-tx-end = -allow-override",
            expect![
                "db-tx-end: expected commit, commit-allow-override, rollback or rollback-allow-override"
            ],
        );
        check(
            "db-plan-enabled = 2",
            expect!["db-plan-enabled: expected true or false"],
        );
        check(
            "openapi-mode = open",
            expect!["openapi-mode: expected follow-privileges, ignore-privileges or disabled"],
        );
        check(
            "max-body-bytes = 1MB",
            expect!["max-body-bytes: expected a number of bytes"],
        );
        check(
            "db-pool-size = 3",
            expect!["db-pool-size: there is no such setting"],
        );
        check(
            "\n\ndb-schemas",
            expect![[r#"line 3: expected name = "value""#]],
        );
        check(
            r#"jwt-secret = "open"#,
            expect![[r#"line 1: expected name = "value""#]],
        );
        check(
            r#"jwt-secret = "a" b"#,
            expect![[r#"line 1: expected name = "value""#]],
        );
        check(
            "two words = 1",
            expect![[r#"line 1: expected name = "value""#]],
        );
    }
}
