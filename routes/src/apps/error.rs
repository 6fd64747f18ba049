//! Why something was not done about an application.

use http::{HeaderValue, StatusCode, header};

use super::settings::SettingsError;
use crate::{
    ApiError,
    blobs::FileError,
    body::BodyError,
    bundle::{BundleError, form::FormError},
    database::DatabaseError,
    world::Unavailable,
};

/// Why something was not done about an application: one variant for each answer.
#[derive(Debug)]
pub enum AppError {
    /// 404.
    Unknown(String),
    /// 400: no application has such a name.
    Name(String),
    /// 400; the text is for a person.
    Request(String),
    Settings(SettingsError),
    Bundle(BundleError),
    /// 409: another application listens there.
    PortTaken,
    /// 405, with the methods that there are.
    Method(&'static str),
    /// 501: nothing here keeps files.
    NoPlace,
    /// 404: the database is not one that the gateway made.
    NoTable,
    Database(DatabaseError),
    /// The VM worker did not answer.
    Unavailable(Unavailable),
    /// Who asks may not.
    Refused(ApiError),
    Body(BodyError),
}

impl From<SettingsError> for AppError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error)
    }
}

impl From<BundleError> for AppError {
    fn from(error: BundleError) -> Self {
        Self::Bundle(error)
    }
}

impl From<FileError> for AppError {
    fn from(error: FileError) -> Self {
        Self::Bundle(error.into())
    }
}

impl From<ApiError> for AppError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<FormError> for AppError {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Request(message) => Self::Request(message),
            FormError::Body(error) => Self::Body(error),
        }
    }
}

impl From<BodyError> for AppError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl From<Unavailable> for AppError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<DatabaseError> for AppError {
    fn from(error: DatabaseError) -> Self {
        const UNIQUE: &str = "23505";
        match error.sqlstate() {
            _ if error.lacks_table() => Self::NoTable,
            Some(UNIQUE) if error.constraint() == Some("apps_port_key") => Self::PortTaken,
            Some(_) | None => Self::Database(error),
        }
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let answer = |status, code, message: String| Self::new(status, code, message);
        match error {
            AppError::Unknown(name) => answer(
                StatusCode::NOT_FOUND,
                "GW404",
                format!("There is no application {name}"),
            ),
            AppError::NoTable => answer(
                StatusCode::NOT_FOUND,
                "GW404",
                "The project's database is not the gateway's: it has no applications".to_owned(),
            ),
            AppError::Name(name) => answer(
                StatusCode::BAD_REQUEST,
                "GW400",
                format!("{name:?} is no name of an application"),
            )
            .hint("A name is small letters, digits and dashes, at most 63, and does not begin with a dash"),
            AppError::Request(message) => answer(StatusCode::BAD_REQUEST, "GW400", message),
            AppError::Settings(error) => {
                answer(StatusCode::BAD_REQUEST, "GW400", error.to_string())
            }
            AppError::Bundle(error) => error.into(),
            AppError::PortTaken => answer(
                StatusCode::CONFLICT,
                "GW409",
                "Another application has this port".to_owned(),
            )
            .hint("Leave port out, and a free one is chosen"),
            AppError::Method(allowed) => answer(
                StatusCode::METHOD_NOT_ALLOWED,
                "GW405",
                "This method is not allowed here".to_owned(),
            )
            .header(header::ALLOW, HeaderValue::from_static(allowed)),
            AppError::NoPlace => answer(
                StatusCode::NOT_IMPLEMENTED,
                "GW501",
                "Nothing here keeps the files of applications".to_owned(),
            ),
            AppError::Database(error) => error.into(),
            AppError::Unavailable(error) => unavailable(&error),
            AppError::Refused(error) => error,
            AppError::Body(error) => error.into(),
        }
    }
}

/// What is said where no VM worker answers: 503, to be tried again.
pub fn unavailable(error: &Unavailable) -> ApiError {
    let message = match error {
        Unavailable::NoOwner => "No tab is open that could run the virtual machine".to_owned(),
        Unavailable::OwnerLost => {
            "The tab that ran the virtual machine went away before it answered".to_owned()
        }
        Unavailable::Deadline => "The virtual machine's worker did not answer in time".to_owned(),
        Unavailable::Busy => "Too many requests wait for the virtual machine".to_owned(),
        Unavailable::Version { ours, theirs } => format!(
            "The virtual machine's worker speaks version {theirs} of the protocol, the gateway {ours}"
        ),
        Unavailable::Broken(reason) => format!("The virtual machine cannot run: {reason}"),
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "GW503", message).retry_after()
}
