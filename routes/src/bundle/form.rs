//! A deployment as it is sent: a form with the settings and the ZIP, or the ZIP alone.

use bytes::{Bytes, BytesMut};
use futures::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    channel::mpsc,
    future::{Fuse, LocalBoxFuture},
};
use http::{HeaderMap, header, request::Parts};
use multer::{Field, Multipart};

use crate::{Body, body::BodyError};

/// The largest settings.
const LARGEST_SETTINGS: usize = 256 * 1024;
/// Parts that a form may have.
const MOST_PARTS: usize = 10;

/// What is to be deployed.
#[derive(Debug)]
pub struct Upload {
    /// JSON, where it was sent.
    pub settings: Option<Bytes>,
    pub zip: Bytes,
}

/// Why there is nothing to deploy.
#[derive(Debug)]
pub enum FormError {
    /// It is no such form; the text is for a person.
    Request(String),
    Body(BodyError),
}

impl From<BodyError> for FormError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl Upload {
    /// Reads `multipart/form-data` with the fields `settings` (JSON) and `bundle` (a ZIP), or a ZIP by
    /// itself. A ZIP of more than `largest` bytes is refused: it is in memory while it is looked at.
    pub async fn read(
        head: &Parts,
        body: Body,
        settings: &str,
        largest: usize,
    ) -> Result<Self, FormError> {
        let media = media_type(&head.headers);
        if media.starts_with("multipart/form-data") {
            return from_form(&media_value(&head.headers), body, settings, largest).await;
        }
        if !matches!(
            media.as_str(),
            "application/zip" | "application/x-zip-compressed" | "application/octet-stream"
        ) {
            return Err(FormError::Request(format!(
                "Send multipart/form-data with the fields {settings} and bundle, or application/zip"
            )));
        }
        let zip = body.collect(largest).await?;
        Ok(Self {
            settings: None,
            zip,
        })
    }
}

fn media_value(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

fn media_type(headers: &HeaderMap) -> String {
    let value = media_value(headers);
    let media = value.split(';').next().unwrap_or_default();
    media.trim().to_ascii_lowercase()
}

/// Carries a body into a channel, once: the crate that reads forms takes only what may pass between
/// threads, which a body of ours may not.
type Carry = Fuse<LocalBoxFuture<'static, ()>>;

async fn from_form(
    content_type: &str,
    body: Body,
    settings: &str,
    largest: usize,
) -> Result<Upload, FormError> {
    let boundary = multer::parse_boundary(content_type)
        .map_err(|_none| FormError::Request("The form has no boundary".to_owned()))?;
    let (mut sender, receiver) = mpsc::channel(0);
    let mut chunks = body.into_chunks();
    let carry = async move {
        while let Some(chunk) = chunks.next().await {
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    };
    let mut carry: Carry = carry.boxed_local().fuse();
    let mut form = Multipart::new(receiver, boundary);
    let (mut json, mut zip) = (None, None);
    for _ in 0..MOST_PARTS {
        let field = carried(&mut carry, form.next_field()).await;
        let Some(field) = field.map_err(|error| refusal(&error))? else {
            break;
        };
        match field.name() {
            Some(name) if name == settings => {
                json = Some(collect(&mut carry, field, LARGEST_SETTINGS).await?);
            }
            Some("bundle") => zip = Some(collect(&mut carry, field, largest).await?),
            Some(_) | None => {
                return Err(FormError::Request(format!(
                    "The form has the fields {settings} and bundle, and no other"
                )));
            }
        }
    }
    Ok(Upload {
        settings: json,
        zip: zip.ok_or_else(|| FormError::Request("The form has no field bundle".to_owned()))?,
    })
}

async fn collect(
    carry: &mut Carry,
    mut field: Field<'static>,
    limit: usize,
) -> Result<Bytes, FormError> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = carried(carry, field.chunk()).await.transpose() {
        let chunk = chunk.map_err(|error| refusal(&error))?;
        if whole.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge { limit }.into());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// What `future` gives, while the body is carried to it.
async fn carried<T>(carry: &mut Carry, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| {
        let _ = carry.poll_unpin(context);
        future.as_mut().poll(context)
    })
    .await
}

fn refusal(error: &multer::Error) -> FormError {
    if let multer::Error::StreamReadFailed(error) = error
        && let Some(error) = error.downcast_ref::<BodyError>()
    {
        return error.clone().into();
    }
    FormError::Request(format!("The form cannot be read: {error}"))
}
