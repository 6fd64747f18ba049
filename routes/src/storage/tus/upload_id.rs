//! An upload's id: the base64url of `<bucket>/<key>/<version>`, as it stands in its URL.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Written without padding, read with or without.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an upload becomes: an object, in a version that no other upload has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId {
    pub bucket: String,
    pub key: String,
    pub version: String,
}

impl UploadId {
    /// Reads the last part of an upload's URL.
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = ENGINE.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (bucket, rest) = text.split_once('/')?;
        let (key, version) = rest.rsplit_once('/')?;
        if bucket.is_empty() || key.is_empty() || version.is_empty() {
            return None;
        }
        Some(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: version.to_owned(),
        })
    }

    /// The last part of the upload's URL.
    pub fn encode(&self) -> String {
        ENGINE.encode([&*self.bucket, &self.key, &self.version].join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_written() {
        for (bucket, key) in [
            ("avatars", "a.png"),
            ("b 1", "folder/deep/é.png"),
            ("b", "a//b"),
        ] {
            let id = UploadId {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                version: "0e5d9c36-5a3c-4c8a-9a3f-8a8a5d7b7c7d".to_owned(),
            };
            assert_eq!(UploadId::decode(&id.encode()), Some(id));
        }
        let encoded = |text: &str| ENGINE.encode(text);
        for wrong in ["", "/", "a", "a/b", "a//v", "/k/v", "a/k/"] {
            assert_eq!(UploadId::decode(&encoded(wrong)), None, "{wrong}");
        }
        assert_eq!(UploadId::decode("?"), None);
    }
}
