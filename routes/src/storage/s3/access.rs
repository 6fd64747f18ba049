//! Whose request it is: what signed it, and for whom.

use http::uri::Uri;
use serde_json::{Map, Value};

use super::{
    S3Error,
    signature::{Claim, Credentials, SignatureError, Signed, SigningKey},
};
use crate::{
    Body, World,
    identity::Identity,
    storage::{Caller, Context, StorageError},
};

/// The largest body that is read before its signature is known, where its length is signed and only
/// the body itself can tell it.
const LARGEST_UNMEASURED: usize = 64 * 1024 * 1024;

/// A request that is somebody's.
pub(super) struct Granted {
    pub(super) claim: Claim,
    pub(super) key: SigningKey,
    pub(super) caller: Caller,
}

/// A body, and its length where a header has to tell it and does not: a service worker sees no
/// `Content-Length`, though the client signed it.
pub(super) async fn measured<W: World>(
    context: &Context<'_, W>,
    body: Body,
) -> Result<(Body, Option<u64>), S3Error> {
    let signs_length = |text: &str| {
        let signed = text.split("SignedHeaders=").nth(1).unwrap_or_default();
        let signed = signed.split(',').next().unwrap_or_default();
        signed.split(';').any(|name| name == "content-length")
    };
    let is_signed = context.header("authorization").is_some_and(signs_length);
    if !is_signed || context.header("content-length").is_some() {
        return Ok((body, None));
    }
    let bytes = body.collect(LARGEST_UNMEASURED).await;
    let bytes = bytes.map_err(StorageError::from)?;
    let length = bytes.len() as u64;
    Ok((Body::from(bytes), Some(length)))
}

/// Measures a request's signature.
pub(super) fn grant<W: World>(
    context: &Context<'_, W>,
    query: &[(String, String)],
    length: Option<u64>,
) -> Result<Granted, S3Error> {
    let claim = Claim::read(context.headers(), query)?;
    claim.check_time(context.world.now())?;
    let host = host(context);
    let signed = Signed {
        method: context.head.method.as_str(),
        path: context.head.uri.path(),
        query,
        headers: context.headers(),
        host: &host,
        length,
    };
    let key = claim.verify(&credentials(context, &claim)?, &signed);
    let key = key.map_err(|error| explained(&claim, error))?;
    let caller = caller(context, &claim)?;
    Ok(Granted { claim, key, caller })
}

/// The secrets that a claim may have been made with.
pub(super) fn credentials<'a, W: World>(
    context: &Context<'a, W>,
    claim: &Claim,
) -> Result<Credentials<'a>, S3Error> {
    let project = context.project;
    let missing = || SignatureError::Denied("Missing S3 Protocol Access Key ID or Secret Key");
    let keys = project.keys.as_ref().ok_or_else(missing)?;
    let region = context.settings.s3_region.as_str();
    if claim.session_token.is_some() {
        // The token is what counts, and is looked at below; what signs is known to every client.
        return Ok(Credentials {
            access_key: &project.name,
            secrets: vec![&keys.anon, &keys.publishable, &project.name],
            region,
        });
    }
    Ok(Credentials {
        access_key: &keys.s3_access_key_id,
        secrets: vec![&keys.s3_secret_access_key],
        region,
    })
}

/// Who a claim is for.
pub(super) fn caller<W: World>(context: &Context<'_, W>, claim: &Claim) -> Result<Caller, S3Error> {
    let Some(token) = &claim.session_token else {
        let mut claims = Map::new();
        claims.insert("role".to_owned(), "service_role".into());
        return Ok(Caller {
            identity: Identity {
                role: "service_role".to_owned(),
                claims,
            },
            owner: None,
            is_authenticated: true,
        });
    };
    let verifier = &context.project.verifier;
    let identity = verifier.identify(Some(token.as_bytes()), context.world.now());
    let identity = identity.map_err(StorageError::from)?;
    let owner = identity.claims.get("sub").and_then(Value::as_str);
    Ok(Caller {
        owner: owner.filter(|owner| !owner.is_empty()).map(str::to_owned),
        identity,
        is_authenticated: true,
    })
}

/// Where a session token came with the signature, that may be what is wrong.
pub(super) fn explained(claim: &Claim, error: SignatureError) -> S3Error {
    let mut refused = S3Error::from(error.clone());
    if error == SignatureError::Mismatch && claim.session_token.is_some() {
        "The request signature we calculated does not match the signature you provided, \
         Check your credentials. The session token should be a valid JWT token"
            .clone_into(&mut refused.message);
    }
    refused
}

/// The host that the client addressed, with its port where that is not the scheme's own.
fn host<W: World>(context: &Context<'_, W>) -> String {
    if let Some(forwarded) = context.header("x-forwarded-host") {
        let host = forwarded.to_ascii_lowercase();
        let port = context.header("x-forwarded-port");
        return match port.filter(|port| !port.is_empty() && !matches!(*port, "80" | "443")) {
            None => host,
            Some(port) => {
                let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
                [name, ":", port].concat()
            }
        };
    }
    let addressed = context.header("host").map(str::to_owned);
    addressed.unwrap_or_else(|| authority(&context.head.uri))
}

fn authority(uri: &Uri) -> String {
    let authority = uri.authority();
    authority.map_or_else(String::new, ToString::to_string)
}
