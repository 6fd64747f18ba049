//! A project: its settings, its keys, and what its database looks like.

mod error;
mod registry;

use http::{HeaderMap, HeaderValue, StatusCode, header};

pub use error::LoadError;
pub use registry::Registry;

use crate::{
    ApiError, World,
    auth::{self, keys::SigningKeys},
    config::{Config, ConfigError},
    identity::{Identity, IdentityError, KeySet, Keys, Secrets, Verifier, VerifierError},
    schema::{self, Known, Mark, Snapshot},
    storage,
    wire::{Messages, Parameter, Pipeline, Row, Statements},
    world::{Exchange, Timestamp},
};

/// What the gateway knows of one project. Nothing in it is the truth: all of it is read again from
/// the project's database when that says so, and when the gateway wakes.
#[derive(Debug)]
pub struct Project {
    pub name: String,
    pub config: Config,
    /// `None` for a database that has no place for them, as one that the gateway did not make.
    pub keys: Option<Keys>,
    pub verifier: Verifier,
    /// What signs access tokens; `None` where there is no key that could.
    pub signing: Option<SigningKeys>,
    pub snapshot: Snapshot,
}

/// The secrets, made where there are none yet: whoever comes first makes them, and everyone reads
/// the same.
const SECRETS: &str = "\
with made as (
  insert into gateway.settings (name, value)
  values ('jwt-secret', $1), ('publishable-key', $2), ('secret-key', $3), ('keys-issued-at', $4)
  on conflict (name) do nothing
  returning name, value
)
select name, value from made
union all
select name, value from gateway.settings";

/// Settings in the database, as PostgREST has them: `ALTER ROLE authenticator SET pgrst.db_schemas
/// = '…'`. Those for this database come last and win.
const SETTINGS: &str = "\
select split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1)
from pg_catalog.pg_db_role_setting
cross join lateral unnest(setconfig) with ordinality as settings (setting, position)
where setrole = (select oid from pg_catalog.pg_roles where rolname = $1)
and setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
and setting like 'pgrst.%'
order by setdatabase, position";

/// The role of the secret key.
const SERVICE_ROLE: &str = "service_role";

/// A table that is not there: the database is not one that the gateway made.
const UNDEFINED_TABLE: &str = "42P01";

impl Project {
    /// Loads a project from its database. The schema that is known of it, from `before` or from an
    /// earlier life of the gateway, is taken where the database says that it is still so.
    ///
    /// That is one round trip, and another one where the schema that was known is not so any more,
    /// or settings in the database name other schemas.
    pub async fn load(
        world: &impl World,
        name: &str,
        config: &Config,
        before: Option<&Self>,
    ) -> Result<Self, LoadError> {
        let known = if let Some(before) = before {
            Known::Read(before.snapshot.clone())
        } else {
            let kept = world.kept(name).await;
            kept.map_or(Known::Nothing, Known::from_kept)
        };
        let candidate = Secrets::generate(|buffer| world.random(buffer), world.now());
        let mut messages = ask(world, name, &candidate, config, known.is_nothing()).await?;
        let own = match next(&mut messages).await?.all() {
            Ok(results) => Some(results),
            Err(error) if error.sqlstate == UNDEFINED_TABLE => None,
            Err(error) => return Err(LoadError::Database(error)),
        };
        let secrets = own.as_deref().map(|own| secrets(rows(own))).transpose()?;
        let settings = next(&mut messages)
            .await?
            .all()
            .map_err(LoadError::Database)?;
        let asked = config;
        let own = rows(own.as_deref().unwrap_or_default());
        let config = with_own_settings(asked.clone(), own)?;
        let config = with_settings(config, rows(&settings))?;
        let told = next(&mut messages).await?.all();
        let told = told.map_err(LoadError::Database)?;
        let state = schema::state(&told).ok_or(LoadError::Incomplete)?;
        let mark = Mark::of(&state, &config);
        let snapshot = if known.is_nothing() && mark == Mark::of(&state, asked) {
            schema::answered(world, name, &config, &told)?
        } else if let Some(snapshot) = known.marked(mark) {
            snapshot
        } else {
            schema::load(world, name, &config).await?
        };
        let stored = secrets.as_ref().map(|secrets| secrets.jwt_secret.as_str());
        let mut verifier = Verifier::new(&config, stored)?;
        let signing_keys = match config.auth.signing_keys.as_str() {
            "" => None,
            keys => Some(SigningKeys::parse(keys)?),
        };
        if let Some(keys) = &signing_keys {
            // What they sign is as good as what the secret signs, which signs the API keys.
            let more =
                KeySet::from_jwks(keys.verifying().to_vec()).map_err(VerifierError::KeySet)?;
            verifier.keys = Some(match verifier.keys.take() {
                Some(keys) => keys.with(more),
                None => more,
            });
        }
        let signing = verifier
            .keys
            .as_ref()
            .and_then(|keys| keys.signing_secret());
        let signing_keys = signing_keys.or_else(|| signing.map(SigningKeys::secret));
        Ok(Self {
            name: name.to_owned(),
            signing: signing_keys,
            keys: secrets.map(|secrets| keys(name, &secrets, signing, &config)),
            config,
            verifier,
            snapshot,
        })
    }

    /// The token that a request's headers carry or stand for.
    pub fn bearer<'a>(&'a self, headers: &'a HeaderMap) -> Option<&'a [u8]> {
        Keys::bearer(self.keys.as_ref(), headers)
    }

    /// The secret that this project's own tokens are signed with.
    pub fn signing_secret(&self) -> Option<&[u8]> {
        self.verifier.keys.as_ref()?.signing_secret()
    }

    /// Who sends a request with these headers.
    pub fn identify(&self, headers: &HeaderMap, now: Timestamp) -> Result<Identity, IdentityError> {
        self.verifier.identify(self.bearer(headers), now)
    }

    /// Lets only those pass who hold the project's secret key: 401 to those who say not who they are,
    /// 403 to those who are somebody else. `what` begins the sentence that says so.
    pub fn authorize(
        &self,
        headers: &HeaderMap,
        now: Timestamp,
        what: &str,
    ) -> Result<(), ApiError> {
        let token = self.bearer(headers);
        let identity = self.verifier.identify(token, now)?;
        let message = || format!("{what} needs the project's secret key");
        if token.is_none() {
            let error = ApiError::new(StatusCode::UNAUTHORIZED, "GW401", message());
            let scheme = HeaderValue::from_static("Bearer");
            return Err(error.header(header::WWW_AUTHENTICATE, scheme));
        }
        if identity.role != SERVICE_ROLE {
            let role = format!("The request is signed for the role {}", identity.role);
            let error = ApiError::new(StatusCode::FORBIDDEN, "GW403", message());
            return Err(error.details(role));
        }
        Ok(())
    }
}

/// Asks for secrets, settings and the schema's state; `whole` asks for the schema too.
async fn ask(
    world: &impl World,
    name: &str,
    candidate: &Secrets,
    config: &Config,
    whole: bool,
) -> Result<Messages, LoadError> {
    let mut pipeline = Pipeline::new();
    // Each question is a transaction of its own: the first may fail without the others.
    pipeline
        .query(
            SECRETS,
            &[
                candidate.jwt_secret.as_str().into(),
                candidate.publishable.as_str().into(),
                candidate.secret.as_str().into(),
                candidate.issued_at.to_string().into(),
            ],
        )
        .sync()
        .query(
            SETTINGS,
            &[Parameter::from(config.db_authenticator.as_deref())],
        )
        .sync();
    if whole {
        schema::question(&mut pipeline, config);
    } else {
        pipeline.query(schema::STATE, &[]).sync();
    }
    let exchange = Exchange {
        messages: pipeline.finish()?,
        idempotent: true,
        transaction: None,
        hold: false,
    };
    Ok(Messages::new(world.exchange(name, exchange).await?))
}

async fn next(messages: &mut Messages) -> Result<Statements, LoadError> {
    messages.until_ready().await?.ok_or(LoadError::Incomplete)
}

fn rows(results: &[crate::wire::StatementResult]) -> impl Iterator<Item = (&str, &str)> {
    let rows = results.iter().flat_map(|result| &result.rows);
    rows.filter_map(|row: &Row| Some((row.text(0)?, row.text(1)?)))
}

fn secrets<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Secrets, LoadError> {
    let (mut jwt_secret, mut publishable, mut secret, mut issued_at) = (None, None, None, None);
    for (name, value) in rows {
        match name {
            "jwt-secret" => jwt_secret = Some(value.to_owned()),
            "publishable-key" => publishable = Some(value.to_owned()),
            "secret-key" => secret = Some(value.to_owned()),
            "keys-issued-at" => issued_at = value.parse().ok(),
            _ => {}
        }
    }
    match (jwt_secret, publishable, secret, issued_at) {
        (Some(jwt_secret), Some(publishable), Some(secret), Some(issued_at)) => Ok(Secrets {
            jwt_secret,
            publishable,
            secret,
            issued_at,
        }),
        _ => Err(LoadError::Incomplete),
    }
}

/// A project's keys, as far as its settings do not name others.
fn keys(name: &str, secrets: &Secrets, signing: Option<&[u8]>, config: &Config) -> Keys {
    let mut keys = Keys::new(name, secrets, signing);
    if let Some(id) = &config.storage.s3_access_key_id {
        keys.s3_access_key_id.clone_from(id);
    }
    if let Some(secret) = &config.storage.s3_secret_access_key {
        keys.s3_secret_access_key.clone_from(secret);
    }
    keys
}

/// Settings of the APIs that the page may change: `auth.…` and `storage.…` in `gateway.settings`.
fn with_own_settings<'a>(
    mut config: Config,
    settings: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Config, LoadError> {
    let is_named = |name: &str| auth::Settings::is_named(name) || storage::Settings::is_named(name);
    for (name, value) in settings.filter(|(name, _)| is_named(name)) {
        match config.set(name, value) {
            // Of a later version of the gateway.
            Ok(()) | Err(ConfigError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(config)
}

fn with_settings<'a>(
    mut config: Config,
    settings: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Config, LoadError> {
    for (setting, value) in settings {
        let name = setting.strip_prefix("pgrst.").unwrap_or(setting);
        let set = match name.strip_prefix("app.settings.") {
            Some(_) => config.set(name, value),
            None => config.set(&name.replace('_', "-"), value),
        };
        match set {
            // A setting of another PostgREST: what it asks for is not to be had here.
            Ok(()) | Err(ConfigError::Unknown(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(config)
}
