//! Frontend messages: one buffer of statements, ended by a Sync or a simple query.

use std::{fmt, io};

use bytes::{BufMut as _, Bytes, BytesMut};
use postgres_protocol::{
    IsNull, Oid,
    message::frontend::{self, BindError},
};

/// A bind parameter in text format.
///
/// Its type is the server's to infer unless `type_oid` says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameter {
    /// The value's text; `None` is NULL.
    pub value: Option<Bytes>,
    /// The type's OID; 0 leaves it to the server.
    pub type_oid: Oid,
}

impl Parameter {
    /// SQL's NULL.
    pub const NULL: Self = Self {
        value: None,
        type_oid: 0,
    };

    /// A value whose type the server infers.
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self {
            value: Some(value.into()),
            type_oid: 0,
        }
    }

    /// Says the type: an OID of `pg_type`.
    #[must_use]
    pub const fn typed(mut self, type_oid: Oid) -> Self {
        self.type_oid = type_oid;
        self
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::new(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Parameter {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Bytes> for Parameter {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Parameter {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NULL, Into::into)
    }
}

/// The form of a column's values in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text = 0,
    /// As its type's send function writes it: bytes as they are.
    Binary = 1,
}

/// The most bytes that one message may carry: what a Postgres server accepts, less its own fields.
const LARGEST_MESSAGE: usize = 0x3fff_0000;

/// Why messages could not be built. Nothing is sent then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildError {
    /// A NUL byte in SQL or in a value: Postgres text has none. The server calls it SQLSTATE 22021.
    Nul,
    /// More parameters or bytes than one message can carry.
    TooLarge,
}

impl fmt::Display for BuildError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Nul => "invalid byte sequence for encoding \"UTF8\": 0x00",
            Self::TooLarge => "the statement is larger than a message of the Postgres protocol",
        })
    }
}

impl std::error::Error for BuildError {}

/// Builds the messages of one exchange.
///
/// The first thing that cannot be written fails [`Pipeline::finish`], so that the calls in between
/// read without a `?` each.
///
/// ```
/// use routes::wire::{Parameter, Pipeline};
///
/// let mut pipeline = Pipeline::new();
/// pipeline
///     .execute("select set_config('role', $1, true)", &["anon".into()])
///     .query("select json_agg(t) from todos t where id = $1", &["7".into()])
///     .sync();
/// let messages = pipeline.finish()?;
/// # Ok::<_, routes::wire::BuildError>(())
/// ```
#[derive(Debug, Default)]
pub struct Pipeline {
    buffer: BytesMut,
    failure: Option<BuildError>,
}

impl Pipeline {
    pub fn new() -> Self {
        Self::default()
    }

    /// A statement whose rows matter: Parse, Bind, Describe, Execute. It is answered with a
    /// `RowDescription` (or `NoData`) before its rows.
    pub fn query(&mut self, sql: &str, parameters: &[Parameter]) -> &mut Self {
        self.statement(sql, parameters, true, &[])
    }

    /// As [`Pipeline::query`], each column in the form of the same place in `formats`: text, or
    /// what its type sends.
    pub fn query_as(
        &mut self,
        sql: &str,
        parameters: &[Parameter],
        formats: &[Format],
    ) -> &mut Self {
        self.statement(sql, parameters, true, formats)
    }

    /// A statement whose rows are not looked at by name: Parse, Bind, Execute.
    pub fn execute(&mut self, sql: &str, parameters: &[Parameter]) -> &mut Self {
        self.statement(sql, parameters, false, &[])
    }

    /// A simple query: any number of statements, in a transaction of their own unless one is open;
    /// the server answers `ReadyForQuery` after it.
    pub fn simple(&mut self, sql: &str) -> &mut Self {
        if sql.len() > LARGEST_MESSAGE {
            return self.fail(BuildError::TooLarge);
        }
        if contains_nul(sql.as_bytes()) {
            return self.fail(BuildError::Nul);
        }
        self.write(|buffer| frontend::query(sql, buffer))
    }

    /// Ends the implicit transaction of the statements before it.
    pub fn sync(&mut self) -> &mut Self {
        self.write(|buffer| {
            frontend::sync(buffer);
            Ok(())
        })
    }

    /// The messages, ready for an [`crate::world::Exchange`].
    pub fn finish(self) -> Result<Bytes, BuildError> {
        match self.failure {
            None => Ok(self.buffer.freeze()),
            Some(failure) => Err(failure),
        }
    }

    fn statement(
        &mut self,
        sql: &str,
        parameters: &[Parameter],
        describe: bool,
        formats: &[Format],
    ) -> &mut Self {
        let values = || {
            parameters
                .iter()
                .filter_map(|parameter| parameter.value.as_deref())
        };
        // The protocol's own limits are 65,535 parameters and 2 GB; the server's for one message is
        // 1 GB.
        let size = values().fold(sql.len(), |size, value| size.saturating_add(value.len()));
        if parameters.len() > usize::from(u16::MAX) || size > LARGEST_MESSAGE {
            return self.fail(BuildError::TooLarge);
        }
        if contains_nul(sql.as_bytes()) || values().any(contains_nul) {
            return self.fail(BuildError::Nul);
        }
        self.write(|buffer| {
            // The last typed parameter ends the list: the server infers the rest.
            let typed = parameters
                .iter()
                .rposition(|parameter| parameter.type_oid != 0)
                .map_or(0, |last| last + 1);
            let types = parameters[..typed]
                .iter()
                .map(|parameter| parameter.type_oid);
            frontend::parse("", sql, types, buffer)?;
            let written = frontend::bind(
                "",
                "",
                [],
                parameters,
                |parameter, buffer| match &parameter.value {
                    None => Ok(IsNull::Yes),
                    Some(value) => {
                        buffer.put_slice(value);
                        Ok(IsNull::No)
                    }
                },
                formats.iter().map(|format| *format as i16),
                buffer,
            );
            match written {
                Ok(()) => {}
                Err(BindError::Serialization(error)) => return Err(error),
                Err(BindError::Conversion(error)) => return Err(io::Error::other(error)),
            }
            if describe {
                frontend::describe(b'P', "", buffer)?;
            }
            frontend::execute("", 0, buffer)
        })
    }

    fn fail(&mut self, failure: BuildError) -> &mut Self {
        self.failure.get_or_insert(failure);
        self
    }

    /// Writes a message whose parts were checked before.
    fn write(&mut self, message: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> &mut Self {
        if self.failure.is_none() && message(&mut self.buffer).is_err() {
            self.fail(BuildError::TooLarge);
        }
        self
    }
}

fn contains_nul(text: &[u8]) -> bool {
    text.contains(&0)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(build: impl FnOnce(&mut Pipeline), expected: Expect) {
        let mut pipeline = Pipeline::new();
        build(&mut pipeline);
        expected.assert_eq(&match pipeline.finish() {
            Ok(bytes) => bytes.escape_ascii().to_string(),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn messages_are_written_as_the_protocol_has_them() {
        check(
            |pipeline| {
                pipeline.query("select $1", &["x".into()]).sync();
            },
            expect![[
                r"P\x00\x00\x00\x11\x00select $1\x00\x00\x00B\x00\x00\x00\x11\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01x\x00\x00D\x00\x00\x00\x06P\x00E\x00\x00\x00\t\x00\x00\x00\x00\x00S\x00\x00\x00\x04"
            ]],
        );
        check(
            |pipeline| {
                let parameters = [
                    Parameter::from("7").typed(23),
                    Parameter::NULL,
                    None::<&str>.into(),
                ];
                pipeline.execute("select $1,$2,$3", &parameters);
            },
            expect![[
                r"P\x00\x00\x00\x1b\x00select $1,$2,$3\x00\x00\x01\x00\x00\x00\x17B\x00\x00\x00\x19\x00\x00\x00\x00\x00\x03\x00\x00\x00\x017\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00E\x00\x00\x00\t\x00\x00\x00\x00\x00"
            ]],
        );
        check(
            |pipeline| {
                pipeline.simple("rollback");
            },
            expect![[r"Q\x00\x00\x00\rrollback\x00"]],
        );
        check(|_| {}, expect![[""]]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let nul = || expect![[r#"invalid byte sequence for encoding "UTF8": 0x00"#]];
        check(|p| _ = p.query("select '\0'", &[]).sync(), nul());
        check(|p| _ = p.simple("select '\0'").sync(), nul());
        check(|p| _ = p.query("select $1", &["a\0b".into()]), nul());
        let many = vec![Parameter::NULL; 65_536];
        check(
            |p| _ = p.sync().query("select 1", &many).simple("\0"),
            expect!["the statement is larger than a message of the Postgres protocol"],
        );
        let mut pipeline = Pipeline::new();
        pipeline.execute("", &many[1..]);
        assert!(pipeline.finish().is_ok());
    }
}
