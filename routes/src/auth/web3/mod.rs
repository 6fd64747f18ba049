//! `POST /token?grant_type=web3`: who holds a wallet's key signs a message of EIP-4361.
//!
//! Source: supabase/auth, `internal/api/web3.go`, `internal/utilities/siwe` and `siws`.

mod chain;
mod message;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER_PERMISSIVE;
use http::Response;
use serde::Deserialize;
use serde_json::json;

use super::{
    AuthError, Context, ErrorCode,
    external::{self, Profile},
    limits::Limit,
    redirect::Address,
    session::{self, Grant, Method, SignedIn, read_user},
    sql,
};
use crate::{Body, World};
use chain::Chain;
use message::Message;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Parameters {
    message: String,
    signature: String,
    chain: String,
}

/// How long a message is good, in seconds, either way
/// (`GOTRUE_EXTERNAL_WEB3_…_MAXIMUM_VALIDITY_DURATION`).
const VALIDITY: i64 = 600;

pub(super) async fn grant<W: World>(context: &Context<'_, W>) -> Result<Response<Body>, AuthError> {
    let settings = context.settings;
    let disabled = |message: &str| {
        Err(AuthError::unprocessable(
            ErrorCode::Web3ProviderDisabled,
            message,
        ))
    };
    if !settings.web3_solana_enabled && !settings.web3_ethereum_enabled {
        return disabled("Web3 provider is disabled");
    }
    context.limit(Limit::Web3)?;
    let parameters: Parameters = context.json()?;
    let chain = match parameters.chain.as_str() {
        "solana" if settings.web3_solana_enabled => Chain::Solana,
        "ethereum" if settings.web3_ethereum_enabled => Chain::Ethereum,
        "solana" => return disabled("Solana Web3 provider is disabled"),
        "ethereum" => return disabled("Ethereum Web3 provider is disabled"),
        _ => {
            let code = ErrorCode::Web3UnsupportedChain;
            return Err(AuthError::bad_request(code, "Unsupported chain"));
        }
    };
    let message = read(chain, &parameters)?;
    check(context, chain, &message)?;
    let name = chain.label();
    let mut profile = Profile::new("", format!("web3:{name}:{}", message.address));
    for (key, value) in [
        ("address", json!(message.address)),
        ("chain", json!(name)),
        ("network", json!(message.chain_id)),
        ("domain", json!(message.domain)),
        ("statement", json!(message.statement)),
    ] {
        profile.set_custom(key, value);
    }
    profile.settle_email();
    let signed_in = context
        .database()
        .transaction(&context.session(), async |transaction| {
            let settled = external::settle(context, transaction, "web3", &profile, true).await?;
            let user_id = settled.user.id;
            let (begun, mut statements) =
                session::begin(context, user_id, Method::Web3, Grant::default());
            statements.push(sql::users::by_id(user_id));
            let mut results = transaction.run(&statements).await?;
            let user = read_user(results.pop())?
                .ok_or_else(|| AuthError::internal("Database error granting user"))?;
            Ok::<_, AuthError>(SignedIn {
                user,
                session: begun.session,
                refresh_token: begun.refresh_token,
            })
        })
        .await?;
    signed_in.into_response(context)
}

/// The message, once its signature is the wallet's.
fn read(chain: Chain, parameters: &Parameters) -> Result<Message, AuthError> {
    let text = &parameters.message;
    if text.len() < 64 {
        return Err(AuthError::invalid("message is too short"));
    }
    if text.len() > 20 * 1024 {
        return Err(AuthError::invalid("message must not exceed 20KB"));
    }
    let signature = match chain {
        Chain::Solana => {
            if !matches!(parameters.signature.len(), 86 | 88) {
                let message =
                    "signature must be 64 bytes encoded as base64 with or without padding";
                return Err(AuthError::invalid(message));
            }
            let signature = parameters.signature.trim_end_matches('=');
            let signature = signature.replace('+', "-").replace('/', "_");
            URL_SAFE_NO_PAD.decode(signature).map_err(|_error| {
                AuthError::invalid("signature does not contain valid base64 characters")
            })?
        }
        Chain::Ethereum => {
            let wrong = || {
                AuthError::invalid(
                    "signature must be 65 bytes long, encoded as a 130 character-long hexadecimal string",
                )
            };
            let digits = parameters.signature.trim_start_matches("0x");
            let signature = HEXLOWER_PERMISSIVE.decode(digits.as_bytes());
            signature
                .ok()
                .filter(|signature| signature.len() == 65)
                .ok_or_else(wrong)?
        }
    };
    let message = Message::parse(chain, text).map_err(AuthError::invalid)?;
    if !chain.verify(&message.address, text, &signature) {
        let reason = "Signature does not match address in message";
        return Err(AuthError::oauth("invalid_grant", reason));
    }
    Ok(message)
}

/// Whether a message is for this site, and for now.
fn check<W: World>(
    context: &Context<'_, W>,
    chain: Chain,
    message: &Message,
) -> Result<(), AuthError> {
    let name = chain.name();
    let refused = |reason: String| Err(AuthError::oauth("invalid_grant", reason));
    let uri = Address::parse(&message.uri)
        .ok_or_else(|| AuthError::invalid(format!("{}: URI is not valid", chain.prefix())))?;
    let is_local = uri.host == "localhost";
    if uri.scheme != "https" && !is_local {
        return refused(format!(
            "Signed {name} message is using URI which does not use HTTPS"
        ));
    }
    if !context.allows_redirect(&message.uri) {
        return refused(format!(
            "Signed {name} message is using URI which is not allowed on this server, message was signed for another app"
        ));
    }
    let domain = format!("https://{}/", message.domain);
    if !is_local && (uri.host_and_port() != message.domain || !context.allows_redirect(&domain)) {
        return refused(format!(
            "Signed {name} message is using a Domain that does not match the one in URI which is not allowed on this server"
        ));
    }
    let now = context.now;
    if message.not_before.is_some_and(|begin| now < begin) {
        return refused(format!("Signed {name} message becomes valid in the future"));
    }
    if message.expires_at.is_some_and(|end| now > end) {
        return refused(format!("Signed {name} message is expired"));
    }
    if now > message.issued_at.plus(VALIDITY) {
        return refused(format!("{name} message was issued too long ago"));
    }
    if now < message.issued_at.plus(-VALIDITY) {
        return refused(format!("{name} message was issued too far in the future"));
    }
    Ok(())
}
