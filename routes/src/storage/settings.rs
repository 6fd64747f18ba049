//! Storage's settings: the names of Supabase CLI's `config.toml` and its defaults, storage-api's own
//! environment names beside them.
//!
//! Sources: supabase/cli, `pkg/config/templates/config.toml`; supabase/storage, `src/config.ts`.

/// Why a setting was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingError {
    /// Storage has no setting of this name.
    Unknown,
    /// What it may be.
    Expected(&'static str),
}

/// The settings of one project's Storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The largest file that any bucket takes, in bytes.
    pub file_size_limit: u64,
    /// Seconds that a signed address for an upload is good for.
    pub signed_upload_expiry: u64,
    pub image_transformation: bool,
    pub s3_protocol: bool,
    /// The region that the S3 protocol says it is in.
    pub s3_region: String,
    /// The S3 access key; without one, the project has its own.
    pub s3_access_key_id: Option<String>,
    pub s3_secret_access_key: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file_size_limit: 50 * 1024 * 1024,
            signed_upload_expiry: 2 * 60 * 60,
            image_transformation: true,
            s3_protocol: true,
            s3_region: "local".to_owned(),
            s3_access_key_id: None,
            s3_secret_access_key: None,
        }
    }
}

impl Settings {
    /// Whether a setting of this name is one of Storage's, known or not.
    pub fn is_named(name: &str) -> bool {
        name.starts_with("storage.")
            || matches!(
                name,
                "FILE_SIZE_LIMIT"
                    | "UPLOAD_FILE_SIZE_LIMIT"
                    | "UPLOAD_SIGNED_URL_EXPIRATION_TIME"
                    | "ENABLE_IMAGE_TRANSFORMATION"
                    | "IMAGE_TRANSFORMATION_ENABLED"
                    | "S3_PROTOCOL_ENABLED"
                    | "S3_PROTOCOL_ACCESS_KEY_ID"
                    | "S3_PROTOCOL_ACCESS_KEY_SECRET"
                    | "STORAGE_S3_REGION"
            )
    }

    /// Changes one setting.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        match name {
            "storage.file_size_limit" | "FILE_SIZE_LIMIT" | "UPLOAD_FILE_SIZE_LIMIT" => {
                let expected = SettingError::Expected("a size, as 50MiB or 52428800");
                self.file_size_limit = size(value).ok_or(expected)?;
            }
            "storage.signed_upload_expiry" | "UPLOAD_SIGNED_URL_EXPIRATION_TIME" => {
                let seconds = value.parse();
                self.signed_upload_expiry =
                    seconds.map_err(|_not_a_number| SettingError::Expected("seconds"))?;
            }
            "storage.image_transformation.enabled"
            | "IMAGE_TRANSFORMATION_ENABLED"
            | "ENABLE_IMAGE_TRANSFORMATION" => self.image_transformation = flag(value)?,
            "storage.s3_protocol.enabled" | "S3_PROTOCOL_ENABLED" => {
                self.s3_protocol = flag(value)?;
            }
            "storage.s3_protocol.region" | "STORAGE_S3_REGION" => {
                value.clone_into(&mut self.s3_region);
            }
            "storage.s3_protocol.access_key_id" | "S3_PROTOCOL_ACCESS_KEY_ID" => {
                self.s3_access_key_id = given(value);
            }
            "storage.s3_protocol.secret_access_key" | "S3_PROTOCOL_ACCESS_KEY_SECRET" => {
                self.s3_secret_access_key = given(value);
            }
            _ => return Err(SettingError::Unknown),
        }
        Ok(())
    }
}

/// A text, unless it is empty.
fn given(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn flag(value: &str) -> Result<bool, SettingError> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(SettingError::Expected("true or false")),
    }
}

/// Bytes in `50MiB`, `50MB` or `50m`, all powers of 1024 as the CLI reads them; or a plain number.
fn size(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(lower.len());
    let number: u64 = lower[..digits].parse().ok()?;
    let factor = match lower[digits..].trim() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    number.checked_mul(1 << (10 * factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_or_refused() {
        let mut settings = Settings::default();
        for (text, bytes) in [
            ("50MiB", 52_428_800),
            ("5GB", 5_368_709_120),
            ("1000", 1000),
            ("2 k", 2048),
        ] {
            assert_eq!(settings.set("storage.file_size_limit", text), Ok(()));
            assert_eq!(settings.file_size_limit, bytes, "{text}");
        }
        assert_eq!(settings.set("S3_PROTOCOL_ENABLED", "false"), Ok(()));
        assert!(!settings.s3_protocol);
        for (name, value) in [
            ("storage.file_size_limit", ""),
            ("storage.file_size_limit", "lots"),
            ("storage.file_size_limit", "99999999999999t"),
            ("storage.s3_protocol.enabled", "yes"),
            ("storage.nothing", "1"),
        ] {
            assert!(settings.set(name, value).is_err(), "{name} {value}");
        }
    }
}
