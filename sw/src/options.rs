//! What JavaScript says about its surroundings when it makes a gateway.

use http::{HeaderMap, HeaderName, HeaderValue};
use routes::config::{self, Config};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The one argument of the `Gateway` constructor, as JSON.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The version of everything that was built with this module.
    pub build: String,
    /// The Web Lock that this instance holds while it lives; empty where there are none.
    pub life: String,
    /// Headers that every answer has.
    pub headers: Map<String, Value>,
    /// The text of a PostgREST configuration file, on top of a local Supabase stack's settings.
    pub config_text: String,
    /// Settings under PostgREST's names, on top of that.
    pub config: Map<String, Value>,
}

impl Options {
    /// Reads the argument; the error is for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("the gateway's options: {error}"))
    }

    /// The headers of [`Options::headers`].
    pub fn header_map(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let refused = || format!("the gateway's options: the header {name:?} cannot be sent");
            let text = value.as_str().ok_or_else(refused)?;
            let value = HeaderValue::from_str(text).map_err(|_invalid| refused())?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_invalid| refused())?;
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// The settings of every project, as far as its own database does not have others.
    pub fn config(&self) -> Result<Config, String> {
        let mut config = config::parse(&self.config_text, Config::default())
            .map_err(|error| format!("the configuration file: {error}"))?;
        for (name, value) in &self.config {
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            config
                .set(name, &value)
                .map_err(|error| format!("the configuration: {error}"))?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_or_refused() {
        let options = Options::parse(r#"{"build":"b1","headers":{"X-A":"1"}}"#).unwrap();
        assert_eq!((options.build.as_str(), options.life.as_str()), ("b1", ""));
        assert_eq!(options.header_map().unwrap()["x-a"], "1");
        for (text, error) in [
            (
                "",
                "the gateway's options: EOF while parsing a value at line 1 column 0",
            ),
            (
                r#"{"bild":""}"#,
                "the gateway's options: unknown field `bild`, expected one of `build`, `life`, `headers`, `config_text`, `config` at line 1 column 7",
            ),
        ] {
            assert_eq!(Options::parse(text).unwrap_err(), error);
        }
        for headers in [r#"{"a b":""}"#, r#"{"a":"\n"}"#, r#"{"a":1}"#] {
            let text = format!(r#"{{"headers":{headers}}}"#);
            assert!(
                Options::parse(&text).unwrap().header_map().is_err(),
                "{headers}"
            );
        }
    }

    #[test]
    fn settings_come_from_a_file_and_then_by_name() {
        let text = r#"{"config_text":"db-max-rows = 5\ndb-schemas = \"a, b\"","config":{"db-max-rows":7,"db-anon-role":null}}"#;
        let config = Options::parse(text).unwrap().config().unwrap();
        assert_eq!(config.db_max_rows, Some(7));
        assert_eq!(config.db_schemas, ["a", "b"]);
        assert_eq!(config.db_anon_role, None);
        for text in [
            r#"{"config_text":"nonsense"}"#,
            r#"{"config":{"db-schemas":""}}"#,
        ] {
            assert!(Options::parse(text).unwrap().config().is_err(), "{text}");
        }
    }
}
