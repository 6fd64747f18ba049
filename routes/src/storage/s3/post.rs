//! Uploads by a form whose policy somebody signed.

use http::Response;

use super::{
    Request, S3Error,
    access::{caller, credentials, explained},
    command::Target,
    object::{store, user_metadata},
    payload::Verdict,
    policy::{Lengths, Policy},
    signature::Claim,
};
use crate::{
    Body, World,
    body::{BodyError, Chunks},
    storage::{
        Context,
        object::{
            form,
            upload::{Place, Properties},
        },
    },
};

pub(super) async fn upload<W: World>(
    context: &Context<'_, W>,
    target: Target,
    body: Body,
) -> Result<Response<Body>, S3Error> {
    let (fields, chunks) = form::fields(context.headers(), body).await?;
    let claim = Claim::of_form(&fields)?;
    let field = |wanted: &str| {
        let mut fields = fields.iter();
        let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str())
    };
    let encoded = field("policy").unwrap_or_default();
    claim
        .verify_policy(&credentials(context, &claim)?, encoded)
        .map_err(|error| explained(&claim, error))?;
    let now = context.world.now();
    let lengths = Policy::parse(encoded)?.check(&fields, &target.bucket, now)?;
    let name = field("key").ok_or_else(|| S3Error::missing_parameter("Key"))?;
    let or = |name: &str, other: &str| {
        let text = field(name).filter(|text| !text.is_empty());
        text.unwrap_or(other).to_owned()
    };
    let properties = Properties {
        mime_type: or("content-type", "application/octet-stream"),
        cache_control: or("cache-control", "no-cache"),
        user_metadata: user_metadata(
            fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        ),
    };
    let request = Request {
        context,
        caller: caller(context, &claim)?,
        query: Vec::new(),
        target: target.clone(),
    };
    let verdict = Verdict::default();
    let chunks = match lengths {
        None => chunks,
        Some(lengths) => within(chunks, lengths, verdict.clone()),
    };
    let place = Place {
        bucket: &target.bucket,
        name,
        owner: request.caller.owner.as_deref(),
        upsert: true,
    };
    store(&request, place, properties, None, chunks, verdict).await
}

/// A file that has as many bytes as its policy allows, or ends with an error.
fn within(chunks: Chunks, lengths: Lengths, verdict: Verdict) -> Chunks {
    use futures::StreamExt as _;
    let counted = futures::stream::try_unfold((chunks, 0_u64), move |(mut chunks, seen)| {
        let verdict = verdict.clone();
        async move {
            let refuse = |code, message: &str| {
                verdict.refuse(S3Error::bad_request(code, message));
                BodyError::Interrupted(message.to_owned())
            };
            let Some(chunk) = chunks.next().await.transpose()? else {
                if seen < lengths.least {
                    let message = "Your proposed upload is smaller than the minimum allowed size";
                    return Err(refuse("EntityTooSmall", message));
                }
                return Ok(None);
            };
            let seen = seen + chunk.len() as u64;
            if seen > lengths.most {
                let message = "Your proposed upload exceeds the maximum allowed size";
                return Err(refuse("EntityTooLarge", message));
            }
            Ok(Some((chunk, (chunks, seen))))
        }
    });
    Box::pin(counted)
}
