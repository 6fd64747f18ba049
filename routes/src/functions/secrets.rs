//! `/gateway/secrets`: what functions find in their environment beside what the gateway puts there.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Memory, collect, end_old, error::FunctionError, sql};
use crate::{
    Body, World,
    database::{Database, Session},
    project::Project,
    router::json_response,
    vm,
};

/// The longest value, in bytes, as Supabase has it.
const LONGEST_VALUE: usize = 24 * 1024;
/// The longest name.
const LONGEST_NAME: usize = 256;
/// Secrets that a project may have.
const MOST: usize = 100;
/// Beginnings of names that are the gateway's.
const RESERVED: [&str; 2] = ["SUPABASE_", "SB_"];

#[derive(Deserialize)]
#[serde(untagged)]
enum Sent {
    List(Vec<Pair>),
    Object(Map<String, Value>),
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: String,
}

/// Answers a request whose path behind the secrets' own is `path`: empty, or from a `/` on.
pub async fn handle<W: World>(
    world: &W,
    memory: &Memory,
    project: &Project,
    path: &str,
    request: Request<Body>,
) -> Result<Response<Body>, FunctionError> {
    let (head, body) = request.into_parts();
    vm::authorize(world, project, &head, "A secret")?;
    if !path.trim_matches('/').is_empty() {
        return Err(FunctionError::Request(
            "Secrets are named in the body, not in the path".to_owned(),
        ));
    }
    let statements = match head.method.as_str() {
        "GET" | "HEAD" => return list(world, memory, project).await,
        "POST" => {
            let known = memory.get(world, &project.name).await?;
            let pairs = parse(&collect(body).await?)?;
            let mut names: Vec<&str> = pairs.iter().map(|pair| pair.name.as_str()).collect();
            names.extend(known.secrets.keys().map(String::as_str));
            names.sort_unstable();
            names.dedup();
            if names.len() > MOST {
                return refuse(format!("A project has at most {MOST} secrets"));
            }
            let mut statements = Vec::new();
            for Pair { name, value } in &pairs {
                let digest = format!("{:x}", Sha256::digest(value));
                let bytes = [name.as_bytes(), b"\0", value.as_bytes()].concat();
                let sealed = world.seal(&project.name, bytes.into()).await?;
                let sealed = STANDARD.encode(sealed);
                statements.push(sql::keep_secret(name, &sealed, &digest[..8]));
            }
            statements
        }
        "DELETE" => {
            let names: Vec<String> =
                serde_json::from_slice(&collect(body).await?).map_err(|_other| {
                    FunctionError::Request("Send a JSON array of names".to_owned())
                })?;
            vec![sql::forget_secrets(&json!(names).to_string())]
        }
        _ => return Err(FunctionError::Method("OPTIONS,GET,HEAD,POST,DELETE")),
    };
    if !statements.is_empty() {
        Database::new(world, &project.name)
            .run(&Session::default(), &statements)
            .await?;
        memory.forget(&project.name);
        let known = memory.get(world, &project.name).await?;
        for name in known.by_name.keys() {
            end_old(world, &project.name, name).await;
        }
    }
    list(world, memory, project).await
}

async fn list<W: World>(
    world: &W,
    memory: &Memory,
    project: &Project,
) -> Result<Response<Body>, FunctionError> {
    let known = memory.get(world, &project.name).await?;
    let secrets = known.secrets.iter().map(|(name, secret)| {
        json!({"name": name, "digest": secret.digest, "updated_at": secret.updated_at})
    });
    Ok(json_response(StatusCode::OK, secrets.collect()))
}

fn refuse<T>(message: impl Into<String>) -> Result<T, FunctionError> {
    Err(FunctionError::Request(message.into()))
}

/// Reads `[{"name","value"}]` or `{NAME: value}`, and says nothing of a value where it is refused.
fn parse(json: &[u8]) -> Result<Vec<Pair>, FunctionError> {
    let Ok(sent) = serde_json::from_slice(json) else {
        return refuse(
            "Send a JSON array of {\"name\",\"value\"}, or an object of names and values",
        );
    };
    let pairs = match sent {
        Sent::List(pairs) => pairs,
        Sent::Object(object) => {
            let mut pairs = Vec::new();
            for (name, value) in object {
                let Value::String(value) = value else {
                    return refuse(format!("The value of {name} is no text"));
                };
                pairs.push(Pair { name, value });
            }
            pairs
        }
    };
    for Pair { name, value } in &pairs {
        if let Some(reserved) = RESERVED.iter().find(|start| name.starts_with(**start)) {
            return refuse(format!(
                "{name}: names that begin with {reserved} are the gateway's own"
            ));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(allowed)
            && !name.starts_with(|first: char| first.is_ascii_digit());
        if !is_name {
            return refuse(format!(
                "{name:?} is no name of a secret; they are letters, digits and _"
            ));
        }
        if value.len() > LONGEST_VALUE {
            return refuse(format!(
                "The value of {name} is longer than {LONGEST_VALUE} bytes"
            ));
        }
        if value.contains('\0') {
            return refuse(format!("The value of {name} has a NUL"));
        }
    }
    Ok(pairs)
}
