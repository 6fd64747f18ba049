//! Ceremonies with an authenticator made of real keys.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use expect_test::{Expect, expect};
use minicbor::{Encoder, encode::Error as EncodeError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use signature::Signer as _;

use super::*;

const CHALLENGE: &[u8] = b"0123456789abcdef0123456789abcdef";
const HANDLE: &[u8] = b"0e0a3aa1-5b0c-4a3f-9e57-6ff6e2b6a001";

fn party() -> RelyingParty {
    RelyingParty {
        id: "example.test".to_owned(),
        name: "Example".to_owned(),
        origins: vec!["https://example.test".to_owned()],
    }
}

fn challenge() -> Challenge {
    Challenge {
        bytes: CHALLENGE.to_vec(),
        user_verification_required: false,
    }
}

enum Key {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
    /// Its public half, and the one signature that its private half made: that of a right use.
    Rsa {
        modulus: &'static str,
        signature: &'static str,
    },
}

/// Made with Node's crypto.
const RSA: Key = Key::Rsa {
    modulus: "2JLIx9RkaQYfHmdyxqP0NLrk5TpM39X3BtUwARdMLqGAYaOKX5zWj-Xqq4QaBeqFaTdCbYvWM2ajF03T\
              nadgtbZTpWjbMq8Rota1E7SeL6edELGp1fjch3QKXRC8Gz1mPk7DTp7mgJUMA6-\
              P5R6ylaDWmb1uup7oMGmPUB00AjBktMTFTthNMPdAKRZSg4D05mHubP9Rl147eXi6JSCvq50hRupR8AC\
              97Y-FYQTIbSrPna9nq5noSdnNARpLWcbTuC-vWhRopy8ID4OahrCEGof7C1_cvM8cRZIBuWTYGEmfLry\
              FNZL76m6L0PkNo6dsF9f4KYm44UoDvJWmzEshcQ",
    signature: "pgPAYoVbdVO3Nwf8AxDiqMhAZ3FxAeBWEbBWiEjpFVOYnSFFFhk56cPmRdqyz6-\
                N8xuWO0rWvM57gNke89FnwDamL87_3Yd_dKdNllck3SspreNmPu8221xVKKcuE9KFAflfVRYrJ19Xlbv\
                gj9dM8v_dCu2aPxEtvuJ2VPL5Wm8X7b1OGLzrJgDLeLjzB6cHe-1aUeTke7XwV43hy-HF5l0cvP3gshq\
                D9pnn6PQVmBvv1zxyCrWRzCP0CcGE9mHWvSet5Tq1twGLEXEMHfQEMZ3RIRRsI9tkr8GyGASjqIRJVkV\
                LEfSs-0JVJXTFvcLDfSTLsi9HzuP2oDGNfN0XKQ",
};

impl Key {
    fn p256() -> Self {
        Self::P256(p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap())
    }

    fn ed25519() -> Self {
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[7; 32]))
    }

    fn cose(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        let written: Result<(), EncodeError<_>> = (|| {
            match self {
                Self::P256(key) => {
                    let point = key.verifying_key().to_encoded_point(false);
                    encoder.map(5)?.i64(1)?.i64(2)?.i64(3)?.i64(-7)?;
                    encoder.i64(-1)?.i64(1)?;
                    encoder.i64(-2)?.bytes(point.x().unwrap())?;
                    encoder.i64(-3)?.bytes(point.y().unwrap())?;
                }
                Self::Ed25519(key) => {
                    encoder.map(4)?.i64(1)?.i64(1)?.i64(3)?.i64(-8)?;
                    encoder.i64(-1)?.i64(6)?;
                    encoder.i64(-2)?.bytes(key.verifying_key().as_bytes())?;
                }
                Self::Rsa { modulus, .. } => {
                    let modulus = URL_SAFE_NO_PAD.decode(modulus).unwrap();
                    encoder.map(4)?.i64(1)?.i64(3)?.i64(3)?.i64(-257)?;
                    encoder.i64(-1)?.bytes(&modulus)?;
                    encoder.i64(-2)?.bytes(&[1, 0, 1])?;
                }
            }
            Ok(())
        })();
        written.unwrap();
        encoder.into_writer()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::Rsa { signature, .. } => URL_SAFE_NO_PAD.decode(signature).unwrap(),
        }
    }
}

fn authenticator_data(flags: u8, count: u32, credential: Option<(&[u8], &[u8])>) -> Vec<u8> {
    let mut data = Sha256::digest(b"example.test").to_vec();
    data.push(flags | if credential.is_some() { 0x40 } else { 0 });
    data.extend(count.to_be_bytes());
    if let Some((id, key)) = credential {
        data.extend([0xaa; 16]);
        data.extend(u16::try_from(id.len()).unwrap().to_be_bytes());
        data.extend(id);
        data.extend(key);
    }
    data
}

fn client_data(kind: &str, challenge: &[u8], origin: &str) -> Vec<u8> {
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
        .to_string()
        .into_bytes()
}

fn object(format: &str, data: &[u8], statement: impl FnOnce(&mut Encoder<Vec<u8>>)) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encoder
        .map(3)
        .unwrap()
        .str("fmt")
        .unwrap()
        .str(format)
        .unwrap();
    encoder.str("attStmt").unwrap();
    statement(&mut encoder);
    encoder.str("authData").unwrap().bytes(data).unwrap();
    encoder.into_writer()
}

fn none(encoder: &mut Encoder<Vec<u8>>) {
    encoder.map(0).unwrap();
}

fn attestation(id: &[u8], client_data: &[u8], object: &[u8]) -> Value {
    json!({
        "id": URL_SAFE_NO_PAD.encode(id),
        "rawId": URL_SAFE_NO_PAD.encode(id),
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
            "transports": ["internal"],
        },
    })
}

fn assertion(id: &[u8], client_data: &[u8], data: &[u8], signature: &[u8]) -> Value {
    json!({
        "id": URL_SAFE_NO_PAD.encode(id),
        "rawId": URL_SAFE_NO_PAD.encode(id),
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": URL_SAFE_NO_PAD.encode(HANDLE),
        },
    })
}

fn create(json: &Value) -> Result<Registered, WebAuthnError> {
    register(&party(), &challenge(), &Attestation::read(json)?)
}

/// A registration that is right but for what `change` does to its parts.
fn registration(key: &Key, change: impl FnOnce(&mut Parts)) -> Result<Registered, WebAuthnError> {
    let mut parts = Parts {
        kind: "webauthn.create",
        origin: "https://example.test",
        challenge: CHALLENGE.to_vec(),
        flags: 0x45,
        count: 1,
        id: b"credential".to_vec(),
        key: key.cose(),
        after: Vec::new(),
    };
    change(&mut parts);
    let client_data = client_data(parts.kind, &parts.challenge, parts.origin);
    let mut data = authenticator_data(parts.flags, parts.count, Some((b"credential", &parts.key)));
    data.extend(parts.after);
    let object = object("none", &data, none);
    create(&attestation(&parts.id, &client_data, &object))
}

struct Parts {
    kind: &'static str,
    origin: &'static str,
    challenge: Vec<u8>,
    flags: u8,
    count: u32,
    id: Vec<u8>,
    key: Vec<u8>,
    /// What follows the credential in the authenticator's data.
    after: Vec<u8>,
}

#[test]
fn credentials_of_every_algorithm_are_registered_and_used() {
    for key in [Key::p256(), Key::ed25519(), RSA] {
        let registered = registration(&key, |_| {}).unwrap();
        assert_eq!(registered.credential.id, b"credential");
        assert_eq!(registered.credential.public_key, key.cose());
        assert_eq!(registered.credential.sign_count, 1);
        assert_eq!(registered.aaguid, [0xaa; 16]);
        assert_eq!(registered.attestation, "none");
        assert_eq!(registered.transports, ["internal"]);
        let used = usage(&key, &registered.credential, |_| {}).unwrap();
        assert_eq!(used.sign_count, 2);
        assert!(used.flags.user_present() && used.flags.user_verified());
    }
}

#[test]
fn a_registration_is_checked() {
    let check = |change: fn(&mut Parts), expected: Expect| {
        let outcome = registration(&Key::p256(), change);
        expected.assert_eq(&match outcome {
            Ok(_) => "registered".to_owned(),
            Err(error) => error.to_string(),
        });
    };
    check(|_| {}, expect!["registered"]);
    check(
        |parts| parts.kind = "webauthn.get",
        expect!["the response is of the other ceremony"],
    );
    check(
        |parts| parts.challenge = b"another".to_vec(),
        expect!["the challenge is another one"],
    );
    check(
        |parts| parts.origin = "https://evil.test",
        expect!["the origin is not allowed"],
    );
    check(
        |parts| parts.origin = "https://example.test.evil.test",
        expect!["the origin is not allowed"],
    );
    check(
        |parts| parts.origin = "http://example.test",
        expect!["the origin is not allowed"],
    );
    check(|parts| parts.flags = 0x40, expect!["no user was present"]);
    check(
        |parts| parts.flags = 0x51,
        expect!["the backup flags contradict each other"],
    );
    check(|parts| parts.flags = 0x59, expect!["registered"]);
    check(
        |parts| parts.id = b"another".to_vec(),
        expect!["the credential's id does not match"],
    );
    check(
        |parts| parts.key = vec![0xa0],
        expect!["the public key cannot be read"],
    );
    // ES384.
    check(
        |parts| {
            let mut encoder = Encoder::new(Vec::new());
            encoder.map(2).unwrap().i64(1).unwrap().i64(2).unwrap();
            encoder.i64(3).unwrap().i64(-35).unwrap();
            parts.key = encoder.into_writer();
        },
        expect!["the public key is of an algorithm that was not offered"],
    );
    // A point that is not on the curve.
    check(
        |parts| {
            let last = parts.key.len() - 1;
            parts.key[last] ^= 1;
        },
        expect!["the public key cannot be read"],
    );
    check(
        |parts| parts.after = vec![0],
        expect!["the authenticator's data cannot be read"],
    );
    check(
        |parts| {
            parts.flags |= 0x80;
            parts.after = vec![0xa0];
        },
        expect!["registered"],
    );
    check(
        |parts| {
            parts.flags |= 0x80;
            parts.after = vec![0xa1];
        },
        expect!["the authenticator's data cannot be read"],
    );
}

#[test]
fn attestations_are_checked() {
    let key = Key::p256();
    let client_data = client_data("webauthn.create", CHALLENGE, "https://example.test");
    let data = authenticator_data(0x45, 0, Some((b"credential", &key.cose())));
    let hash = Sha256::digest(&client_data);
    let signature = key.sign(&[data.as_slice(), &hash[..]].concat());
    let packed = |algorithm: i64, signature: &[u8]| {
        object("packed", &data, |encoder| {
            encoder.map(2).unwrap().str("alg").unwrap();
            encoder.i64(algorithm).unwrap().str("sig").unwrap();
            encoder.bytes(signature).unwrap();
        })
    };
    let check = |object: &[u8], expected: Expect| {
        let outcome = create(&attestation(b"credential", &client_data, object));
        expected.assert_eq(&match outcome {
            Ok(registered) => registered.attestation.to_owned(),
            Err(error) => error.to_string(),
        });
    };
    check(&packed(-7, &signature), expect!["self"]);
    check(
        &packed(-8, &signature),
        expect!["the attestation cannot be read"],
    );
    check(
        &packed(-7, &key.sign(b"else")),
        expect!["the signature is wrong"],
    );
    let certified = object("packed", &data, |encoder| {
        encoder
            .map(1)
            .unwrap()
            .str("x5c")
            .unwrap()
            .array(0)
            .unwrap();
    });
    check(
        &certified,
        expect!["the attestation's format is not supported"],
    );
    let statement = |encoder: &mut Encoder<Vec<u8>>| {
        encoder.map(1).unwrap().str("a").unwrap().null().unwrap();
    };
    check(
        &object("none", &data, statement),
        expect!["the attestation cannot be read"],
    );
    check(
        &object("tpm", &data, none),
        expect!["the attestation's format is not supported"],
    );
    check(&[], expect!["the attestation cannot be read"]);
    // A map that says it has 2^64-1 entries, and one without a length.
    check(&[0xbb; 9], expect!["the attestation cannot be read"]);
    check(&[0xbf, 0xff], expect!["the attestation cannot be read"]);
    let without = authenticator_data(0x05, 0, None);
    check(
        &object("none", &without, none),
        expect!["there is no credential in the response"],
    );
}

/// A use that is right but for what `change` does to its parts.
fn usage(
    key: &Key,
    credential: &Credential,
    change: impl FnOnce(&mut Use),
) -> Result<Used, WebAuthnError> {
    let mut parts = Use {
        kind: "webauthn.get",
        flags: 0x05,
        count: 2,
        id: b"credential".to_vec(),
        handle: HANDLE.to_vec(),
        required: false,
        tamper: false,
    };
    change(&mut parts);
    let client_data = client_data(parts.kind, CHALLENGE, "https://example.test");
    let mut data = authenticator_data(parts.flags, parts.count, None);
    let hash = Sha256::digest(&client_data);
    let signature = key.sign(&[data.as_slice(), &hash[..]].concat());
    if parts.tamper {
        data[36] += 1;
    }
    let json = assertion(&parts.id, &client_data, &data, &signature);
    let challenge = Challenge {
        user_verification_required: parts.required,
        ..challenge()
    };
    authenticate(
        &party(),
        &challenge,
        std::slice::from_ref(credential),
        &parts.handle,
        &Assertion::read(&json)?,
    )
}

struct Use {
    kind: &'static str,
    flags: u8,
    count: u32,
    id: Vec<u8>,
    handle: Vec<u8>,
    required: bool,
    tamper: bool,
}

#[test]
fn a_use_is_checked() {
    let key = Key::p256();
    let credential = registration(&key, |_| {}).unwrap().credential;
    let check = |change: fn(&mut Use), expected: Expect| {
        expected.assert_eq(&match usage(&key, &credential, change) {
            Ok(used) => format!("used {}", used.sign_count),
            Err(error) => error.to_string(),
        });
    };
    check(|_| {}, expect!["used 2"]);
    check(
        |parts| parts.count = 1,
        expect!["the authenticator's counter went back"],
    );
    check(
        |parts| parts.count = 0,
        expect!["the authenticator's counter went back"],
    );
    check(
        |parts| parts.tamper = true,
        expect!["the signature is wrong"],
    );
    check(
        |parts| parts.kind = "webauthn.create",
        expect!["the response is of the other ceremony"],
    );
    check(
        |parts| parts.id = b"another".to_vec(),
        expect!["the credential is not allowed here"],
    );
    check(
        |parts| parts.handle = b"another".to_vec(),
        expect!["the credential belongs to another user"],
    );
    check(|parts| parts.flags = 0x04, expect!["no user was present"]);
    check(
        |parts| {
            parts.flags = 0x01;
            parts.required = true;
        },
        expect!["the user was not verified"],
    );
    check(
        |parts| parts.flags = 0x0d,
        expect!["the backup flags contradict each other"],
    );
    let other = Key::ed25519();
    assert_eq!(
        usage(&other, &credential, |_| {}),
        Err(WebAuthnError::Signature)
    );
    let uncounted = Credential {
        sign_count: 0,
        ..credential.clone()
    };
    assert!(usage(&key, &uncounted, |parts| parts.count = 0).is_ok());
}

#[test]
fn another_relying_party_is_refused() {
    let key = Key::p256();
    let client_data = client_data("webauthn.create", CHALLENGE, "https://example.test");
    let mut data = authenticator_data(0x45, 0, Some((b"credential", &key.cose())));
    data[0] ^= 1;
    let json = attestation(b"credential", &client_data, &object("none", &data, none));
    assert_eq!(create(&json), Err(WebAuthnError::RelyingParty));
}

#[test]
fn nothing_cut_short_is_read() {
    let key = Key::p256();
    let client_data = client_data("webauthn.create", CHALLENGE, "https://example.test");
    let data = authenticator_data(0x45, 0, Some((b"credential", &key.cose())));
    let whole = object("none", &data, none);
    for length in 0..whole.len() {
        let json = attestation(b"credential", &client_data, &whole[..length]);
        assert!(create(&json).is_err(), "{length}");
    }
    for length in 0..data.len() {
        let json = attestation(
            b"credential",
            &client_data,
            &object("none", &data[..length], none),
        );
        assert!(create(&json).is_err(), "{length}");
    }
}

#[test]
fn the_browser_is_asked() {
    let party = party();
    let credentials = [b"credential".to_vec()];
    let options = Options {
        party: &party,
        challenge: CHALLENGE,
        user_verification: Requirement::Preferred,
        resident_key: Some(Requirement::Required),
        credentials: &credentials,
    };
    let user = Entity {
        handle: HANDLE,
        name: "a@example.test",
    };
    expect![[r#"{"rp":{"name":"Example","id":"example.test"},"user":{"name":"a@example.test","displayName":"a@example.test","id":"MGUwYTNhYTEtNWIwYy00YTNmLTllNTctNmZmNmUyYjZhMDAx"},"challenge":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY","pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"public-key","alg":-8},{"type":"public-key","alg":-257}],"timeout":300000,"authenticatorSelection":{"userVerification":"preferred","residentKey":"required","requireResidentKey":true},"attestation":"none","excludeCredentials":[{"type":"public-key","id":"Y3JlZGVudGlhbA"}]}"#]]
        .assert_eq(&options.create(user).to_string());
    expect![[r#"{"challenge":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY","timeout":300000,"rpId":"example.test","userVerification":"preferred","allowCredentials":[{"type":"public-key","id":"Y3JlZGVudGlhbA"}]}"#]]
        .assert_eq(&options.get().to_string());
}
