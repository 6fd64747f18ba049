//! Tokens and keys, good and forged.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use expect_test::{Expect, expect};
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::*;
use crate::ApiError;

/// The secret of PostgREST's own test suite, which signed the tokens below.
const SECRET: &str = "reallyreallyreallyreallyverysafe";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn config() -> Config {
    Config {
        jwt_secret: Some(SECRET.to_owned()),
        db_anon_role: Some("anon".to_owned()),
        ..Config::default()
    }
}

fn sign(claims: &Value) -> String {
    sign_with(&Header::new(Algorithm::HS256), claims, SECRET.as_bytes())
}

fn sign_with(header: &Header, claims: &Value, secret: &[u8]) -> String {
    crypto::install();
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn show(identity: Result<Identity, IdentityError>) -> String {
    match identity {
        Ok(identity) => {
            let claims = Value::Object(identity.claims);
            format!("{} {claims}", identity.role)
        }
        Err(error) => {
            let mut error = ApiError::from(error);
            let challenge = error.headers.remove("www-authenticate");
            let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
            let details = error.details.unwrap_or_default();
            let (status, code, message) = (error.status.as_u16(), error.code, error.message);
            format!(
                "{status} {code} {message} | {details} | {}",
                challenge.unwrap_or_default()
            )
        }
    }
}

fn check(config: &Config, token: Option<&str>, expected: Expect) {
    let verifier = Verifier::new(config, None).unwrap();
    expected.assert_eq(&show(verifier.identify(token.map(str::as_bytes), NOW)));
}

fn check_claims(audience: Option<&str>, claims: Value, expected: Expect) {
    let config = Config {
        jwt_aud: audience.map(str::to_owned),
        ..config()
    };
    check(&config, Some(&sign(&claims)), expected);
}

#[test]
fn a_token_is_its_role_and_claims() {
    // Made by PostgREST's authors, not by the crate that verifies it here.
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjk5OTk5OTk5OTksInJvbGUiOiJwb3N0Z3\
                 Jlc3RfdGVzdF9hdXRob3IiLCJpZCI6Impkb2UifQ.Dpss-QoLYjec5OTsOaAc3FNVsSjA89wACoV-0r\
                 a3ClA";
    check(
        &config(),
        Some(token),
        expect![[
            r#"postgrest_test_author {"exp":9999999999,"role":"postgrest_test_author","id":"jdoe"}"#
        ]],
    );
    check_claims(
        None,
        json!({"sub": "x"}),
        expect![[r#"anon {"sub":"x","role":"anon"}"#]],
    );
    check_claims(None, json!({"role": 7}), expect![[r#"7 {"role":"7"}"#]]);
    check(&config(), None, expect![[r#"anon {"role":"anon"}"#]]);
    let no_anon = Config {
        db_anon_role: None,
        ..config()
    };
    check(
        &no_anon,
        None,
        expect!["401 PGRST302 Anonymous access is disabled | null | Bearer"],
    );
    check(
        &no_anon,
        Some(&sign(&json!({}))),
        expect!["401 PGRST302 Anonymous access is disabled | null | Bearer"],
    );
}

#[test]
fn a_forged_token_is_refused() {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"role": "service_role"});
    let real = sign(&claims);
    let (signed, signature) = real.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();

    let other_key = sign_with(&Header::new(Algorithm::HS256), &claims, b"another secret");
    check(
        &config(),
        Some(&other_key),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "None of the keys was able to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
    let swapped = format!("{header}.{}.{signature}", part(json!({"role": "postgres"})));
    check(
        &config(),
        Some(&swapped),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "None of the keys was able to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
    check(
        &config(),
        Some(&format!("{signed}.")),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "None of the keys was able to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
    check(
        &config(),
        Some(&format!("{signed}.!{signature}")),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "None of the keys was able to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
    for none in ["none", "None", "NONE"] {
        let unsecured = format!("{}.{}.", part(json!({"alg": none})), part(claims.clone()));
        let verifier = Verifier::new(&config(), None).unwrap();
        assert!(
            verifier.identify(Some(unsecured.as_bytes()), NOW).is_err(),
            "{none}"
        );
    }
    let unsecured = format!("{}.{}.", part(json!({"alg": "none"})), part(claims.clone()));
    check(
        &config(),
        Some(&unsecured),
        expect![[
            r#"401 PGRST301 Wrong or unsupported encoding algorithm | "JWT is unsecured but expected 'alg' was not 'none'" | Bearer error="invalid_token", error_description="Wrong or unsupported encoding algorithm""#
        ]],
    );
    let hs512 = sign_with(&Header::new(Algorithm::HS512), &claims, SECRET.as_bytes());
    check(
        &config(),
        Some(&hs512),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "No suitable key was found to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
    let critical = format!(
        "{}.{}.{signature}",
        part(json!({"alg": "HS256", "crit": ["b64"], "b64": false})),
        part(claims)
    );
    check(
        &config(),
        Some(&critical),
        expect![[
            r#"401 PGRST301 JWT cryptographic operation failed | null | Bearer error="invalid_token", error_description="JWT cryptographic operation failed""#
        ]],
    );
    check(
        &config(),
        Some(""),
        expect![[
            r#"401 PGRST301 Empty JWT is sent in Authorization header | null | Bearer error="invalid_token", error_description="Empty JWT is sent in Authorization header""#
        ]],
    );
    check(
        &config(),
        Some("a.b"),
        expect![[
            r#"401 PGRST301 Expected 3 parts in JWT; got 2 | null | Bearer error="invalid_token", error_description="Expected 3 parts in JWT; got 2""#
        ]],
    );
    check(
        &config(),
        Some("a.b.c.d.e"),
        expect![[
            r#"401 PGRST301 Expected 3 parts in JWT; got 5 | null | Bearer error="invalid_token", error_description="Expected 3 parts in JWT; got 5""#
        ]],
    );
    check(
        &config(),
        Some("a.b.c"),
        expect![[
            r#"401 PGRST301 JWT cryptographic operation failed | null | Bearer error="invalid_token", error_description="JWT cryptographic operation failed""#
        ]],
    );
    check(
        &config(),
        Some(&sign(&json!(["no", "object"]))),
        expect![[
            r#"401 PGRST303 Parsing claims failed | null | Bearer error="invalid_token", error_description="Parsing claims failed""#
        ]],
    );
    let unknown = format!("{}.e30.x", part(json!({"alg": "HS1"})));
    check(
        &config(),
        Some(&unknown),
        expect![[
            r#"401 PGRST301 JWT cryptographic operation failed | null | Bearer error="invalid_token", error_description="JWT cryptographic operation failed""#
        ]],
    );
    let no_secret = Config {
        jwt_secret: None,
        ..config()
    };
    check(
        &no_secret,
        Some(&real),
        expect!["500 PGRST300 Server lacks JWT secret | null | "],
    );
    check(&no_secret, None, expect![[r#"anon {"role":"anon"}"#]]);
}

#[test]
fn claims_say_when_and_for_whom_a_token_is_valid() {
    let now = NOW.seconds();
    let expired = || {
        expect![[
            r#"401 PGRST303 JWT expired | null | Bearer error="invalid_token", error_description="JWT expired""#
        ]]
    };
    check_claims(None, json!({"exp": now - 31}), expired());
    check_claims(None, json!({"exp": 1.5}), expired());
    check_claims(None, json!({"exp": -1e300}), expired());
    check_claims(
        None,
        json!({"exp": now - 30}),
        expect![[r#"anon {"exp":1699999970,"role":"anon"}"#]],
    );
    check_claims(
        None,
        json!({"exp": null}),
        expect![[r#"anon {"exp":null,"role":"anon"}"#]],
    );
    check_claims(
        None,
        json!({"exp": "9999999999"}),
        expect![[
            r#"401 PGRST303 The JWT 'exp' claim must be a number | null | Bearer error="invalid_token", error_description="The JWT 'exp' claim must be a number""#
        ]],
    );
    check_claims(
        None,
        json!({"nbf": now + 31}),
        expect![[
            r#"401 PGRST303 JWT not yet valid | null | Bearer error="invalid_token", error_description="JWT not yet valid""#
        ]],
    );
    check_claims(
        None,
        json!({"nbf": now + 30}),
        expect![[r#"anon {"nbf":1700000030,"role":"anon"}"#]],
    );
    check_claims(
        None,
        json!({"nbf": {}}),
        expect![[
            r#"401 PGRST303 The JWT 'nbf' claim must be a number | null | Bearer error="invalid_token", error_description="The JWT 'nbf' claim must be a number""#
        ]],
    );
    check_claims(
        None,
        json!({"iat": now + 31}),
        expect![[
            r#"401 PGRST303 JWT issued at future | null | Bearer error="invalid_token", error_description="JWT issued at future""#
        ]],
    );
    check_claims(
        None,
        json!({"iat": "invalid"}),
        expect![[
            r#"401 PGRST303 The JWT 'iat' claim must be a number | null | Bearer error="invalid_token", error_description="The JWT 'iat' claim must be a number""#
        ]],
    );
    check_claims(
        None,
        json!({"aud": {"a": "b"}}),
        expect![[
            r#"401 PGRST303 The JWT 'aud' claim must be a string or an array of strings | null | Bearer error="invalid_token", error_description="The JWT 'aud' claim must be a string or an array of strings""#
        ]],
    );
    check_claims(
        None,
        json!({"aud": ["a", {}]}),
        expect![[
            r#"401 PGRST303 The JWT 'aud' claim must be a string or an array of strings | null | Bearer error="invalid_token", error_description="The JWT 'aud' claim must be a string or an array of strings""#
        ]],
    );
    check_claims(
        None,
        json!({"aud": "any"}),
        expect![[r#"anon {"aud":"any","role":"anon"}"#]],
    );
    let ours = Some("ours");
    check_claims(
        ours,
        json!({"aud": "ours"}),
        expect![[r#"anon {"aud":"ours","role":"anon"}"#]],
    );
    check_claims(
        ours,
        json!({"aud": ["other", "ours"]}),
        expect![[r#"anon {"aud":["other","ours"],"role":"anon"}"#]],
    );
    check_claims(
        ours,
        json!({"aud": []}),
        expect![[r#"anon {"aud":[],"role":"anon"}"#]],
    );
    check_claims(
        ours,
        json!({"aud": null}),
        expect![[r#"anon {"aud":null,"role":"anon"}"#]],
    );
    check_claims(
        ours,
        json!({"aud": "other"}),
        expect![[
            r#"401 PGRST303 JWT not in audience | null | Bearer error="invalid_token", error_description="JWT not in audience""#
        ]],
    );
    check_claims(
        ours,
        json!({"aud": ""}),
        expect![[
            r#"401 PGRST303 JWT not in audience | null | Bearer error="invalid_token", error_description="JWT not in audience""#
        ]],
    );
    check_claims(
        ours,
        json!({"aud": ["other"]}),
        expect![[
            r#"401 PGRST303 JWT not in audience | null | Bearer error="invalid_token", error_description="JWT not in audience""#
        ]],
    );
}

fn jwks() -> Config {
    Config {
        jwt_secret: Some(
            json!({"keys": [
                {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"},
                {"kty": "oct", "kid": "old", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET)},
                {"kty": "OKP", "crv": "Ed25519", "kid": "new",
                 "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            ]})
            .to_string(),
        ),
        ..config()
    }
}

#[test]
fn a_key_verifies_only_its_own_algorithm_and_id() {
    let claims = json!({"role": "a"});
    let with = |kid: Option<&str>, algorithm, secret: &[u8]| {
        let header = Header {
            kid: kid.map(str::to_owned),
            ..Header::new(algorithm)
        };
        sign_with(&header, &claims, secret)
    };
    let secret = SECRET.as_bytes();
    check(
        &jwks(),
        Some(&with(Some("old"), Algorithm::HS256, secret)),
        expect![[r#"a {"role":"a"}"#]],
    );
    check(
        &jwks(),
        Some(&with(None, Algorithm::HS256, secret)),
        expect![[r#"a {"role":"a"}"#]],
    );
    check(
        &jwks(),
        Some(&with(Some("new"), Algorithm::HS256, secret)),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "No suitable key was found to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
    check(
        &jwks(),
        Some(&with(Some("old"), Algorithm::HS384, secret)),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "No suitable key was found to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
    // A public key as an HMAC secret: the classic confusion.
    let public = URL_SAFE_NO_PAD
        .decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
        .unwrap();
    check(
        &jwks(),
        Some(&with(Some("new"), Algorithm::HS256, &public)),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "No suitable key was found to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
    check(
        &jwks(),
        Some(&with(None, Algorithm::HS256, &public)),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "None of the keys was able to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
}

/// RFC 7515, appendices A.2 and A.3: signatures that other implementations made.
#[test]
fn rsa_and_elliptic_curves_verify() {
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
                  b290Ijp0cnVlfQ";
    let rsa = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YK\
               t_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBA\
               rLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI\
               7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypG\
               lUPQGe77Rw";
    let elliptic = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3\
                    -Kg6NU1Q";
    let rsa_key = json!({
        "kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz\
              P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6\
              3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw\
              Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW\
              yuXpoQ",
    });
    let elliptic_key = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let tokens = [
        (rsa_key, format!("eyJhbGciOiJSUzI1NiJ9.{claims}.{rsa}")),
        (
            elliptic_key,
            format!("eyJhbGciOiJFUzI1NiJ9.{claims}.{elliptic}"),
        ),
    ];
    for (key, token) in &tokens {
        let keys = KeySet::parse(&key.to_string(), false).unwrap();
        assert_eq!(keys.verify(token.as_bytes()).unwrap()["iss"], "joe");
        let forged = token.replace("eyJpc3Mi", "eyJpc3Nj");
        assert_eq!(
            keys.verify(forged.as_bytes()),
            Err(IdentityError::WrongSignature)
        );
        assert_eq!(keys.signing_secret(), None);
    }
    let elliptic_keys = KeySet::parse(&tokens[1].0.to_string(), false).unwrap();
    let wrong_kind = elliptic_keys.verify(tokens[0].1.as_bytes());
    assert_eq!(wrong_kind, Err(IdentityError::NoSuitableKey));
}

/// Keys that are none: whoever signed, nothing verifies, and nothing panics.
#[test]
fn a_damaged_key_verifies_nothing() {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for (algorithm, key) in [
        (
            "EdDSA",
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        ),
        ("EdDSA", json!({"kty": "OKP", "crv": "Ed25519", "x": ""})),
        (
            "ES256",
            json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
        ),
        ("RS256", json!({"kty": "RSA", "n": "AAAA", "e": "AQAB"})),
        ("RS256", json!({"kty": "RSA", "n": "", "e": ""})),
        ("RS512", json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})),
    ] {
        let keys = KeySet::parse(&key.to_string(), false).unwrap();
        for signature in ["", "AAAA", "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6d"] {
            let token = format!(
                "{}.{}.{signature}",
                part(json!({"alg": algorithm})),
                part(json!({}))
            );
            let verified = keys.verify(token.as_bytes());
            assert_eq!(verified, Err(IdentityError::WrongSignature), "{key}");
        }
    }
}

/// RFC 8037, appendix A.4: a signature that another implementation made.
#[test]
fn public_keys_verify() {
    let payload = "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpA\
                     r_MuM0KAg";
    let token = format!("eyJhbGciOiJFZERTQSJ9.{payload}.{signature}");
    // The payload is a sentence: a verified signature over no claims.
    check(
        &jwks(),
        Some(&token),
        expect![[
            r#"401 PGRST303 Parsing claims failed | null | Bearer error="invalid_token", error_description="Parsing claims failed""#
        ]],
    );
    let other = token.replace("RXho", "RXhi").replace(".RXh", ".SXh");
    check(
        &jwks(),
        Some(&other),
        expect![[
            r#"401 PGRST301 No suitable key or wrong key type | "None of the keys was able to decode the JWT" | Bearer error="invalid_token", error_description="No suitable key or wrong key type""#
        ]],
    );
}

#[test]
fn a_key_set_is_read_or_refused() {
    let check = |secret: &str, base64: bool, expected: Expect| {
        expected.assert_eq(&match KeySet::parse(secret, base64) {
            Ok(keys) => format!("{keys:?}"),
            Err(error) => error.to_string(),
        });
    };
    check(SECRET, false, expect!["[(None, [HS256])]"]);
    check(
        "short",
        false,
        expect!["The JWT secret must be at least 32 characters long."],
    );
    check(
        "cmVhbGx5cmVhbGx5cmVhbGx5cmVhbGx5dmVyeXNhZmU=",
        true,
        expect!["[(None, [HS256])]"],
    );
    check(
        "cmVhbGx5cmVhbGx5cmVhbGx5cmVhbGx5dmVyeXNhZmU.",
        true,
        expect!["[(None, [HS256])]"],
    );
    check("not base64!", true, expect!["it is not base64"]);
    check(
        r#"{"keys": []}"#,
        false,
        expect!["no usable key: the set is empty"],
    );
    check(
        r#"{"kty": "oct", "k": "AAAA"}"#,
        false,
        expect!["[(None, [HS256, HS384, HS512])]"],
    );
    check(
        r#"{"kty": "oct", "k": "AAAA", "alg": "RS256"}"#,
        false,
        expect!["no usable key: its alg does not fit its kty"],
    );
    check(
        r#"{"kty": "oct", "k": "AAAA", "use": "enc"}"#,
        false,
        expect!["no usable key: the key is for encryption"],
    );
    check(
        r#"{"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA"}"#,
        false,
        expect!["no usable key: the curve P384 is not supported"],
    );
    check(
        r#"{"kty": "nonsense"}"#,
        false,
        expect!["no usable key: its kty is not supported"],
    );
}

fn check_bearer(headers: &[(&'static str, &str)], expected: Expect) {
    let keys = Keys {
        publishable: "sb_publishable_p".to_owned(),
        secret: "sb_secret_s".to_owned(),
        anon: "ANON".to_owned(),
        service_role: "SERVICE".to_owned(),
        jwt_secret: String::new(),
        s3_access_key_id: String::new(),
        s3_secret_access_key: String::new(),
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let token = Keys::bearer(Some(&keys), &map);
    expected.assert_eq(&format!(
        "{:?}",
        token.map(|token| token.escape_ascii().to_string())
    ));
    // Without keys of its own a project knows no `sb_` key, but tokens all the same.
    if !headers.iter().any(|(_, value)| value.contains("sb_")) {
        assert_eq!(Keys::bearer(None, &map), token);
    }
}

#[test]
fn keys_are_rewritten_to_the_tokens_they_stand_for() {
    let (apikey, authorization) = ("apikey", "authorization");
    check_bearer(&[], expect!["None"]);
    check_bearer(&[(apikey, "sb_secret_s")], expect![[r#"Some("SERVICE")"#]]);
    check_bearer(
        &[(apikey, "sb_publishable_p")],
        expect![[r#"Some("ANON")"#]],
    );
    check_bearer(
        &[(apikey, "sb_secret_x")],
        expect![[r#"Some("sb_secret_x")"#]],
    );
    check_bearer(&[(apikey, "JWT")], expect![[r#"Some("JWT")"#]]);
    check_bearer(&[(apikey, "")], expect!["None"]);
    check_bearer(
        &[(authorization, "Bearer JWT")],
        expect![[r#"Some("JWT")"#]],
    );
    check_bearer(
        &[(authorization, "bearer  JWT")],
        expect![[r#"Some("JWT")"#]],
    );
    check_bearer(&[(authorization, "Bearer")], expect![[r#"Some("")"#]]);
    check_bearer(&[(authorization, "Basic YTpi")], expect!["None"]);
    check_bearer(&[(authorization, "Bearerx JWT")], expect!["None"]);
    let user = (authorization, "Bearer JWT");
    check_bearer(
        &[(apikey, "sb_secret_s"), user],
        expect![[r#"Some("JWT")"#]],
    );
    let key = (authorization, "Bearer sb_secret_s");
    check_bearer(
        &[(apikey, "sb_publishable_p"), key],
        expect![[r#"Some("ANON")"#]],
    );
    check_bearer(&[key], expect!["None"]);
}

#[test]
fn a_role_path_leads_into_the_claims() {
    let check = |path: &str, expected: Expect| {
        let claims = json!({
            "role": "a", "x-y": {"$r": ["b", "c"]}, "n": 1,
            "roles": ["other", 7, "api_user", "user"],
        });
        expected.assert_eq(&match RolePath::parse(path) {
            Ok(path) => format!(
                "{:?}",
                path.find(claims.as_object().unwrap()).map(Value::to_string)
            ),
            Err(error) => error.to_string(),
        });
    };
    check(".role", expect![[r#"Some("\"a\"")"#]]);
    check(r#"."x-y".$r[1]"#, expect![[r#"Some("\"c\"")"#]]);
    check(".roles[9]", expect!["None"]);
    check(".role.deeper", expect!["None"]);
    check(
        r#".roles[?(@ == "user")]"#,
        expect![[r#"Some("\"user\"")"#]],
    );
    check(
        r#".roles[?(@ != "other")]"#,
        expect![[r#"Some("\"api_user\"")"#]],
    );
    check(
        r#".roles[?(@ ^== "api")]"#,
        expect![[r#"Some("\"api_user\"")"#]],
    );
    check(
        r#".roles[?(@ ==^ "_user")]"#,
        expect![[r#"Some("\"api_user\"")"#]],
    );
    check(
        r#".roles[?(@*=="i_u")]"#,
        expect![[r#"Some("\"api_user\"")"#]],
    );
    check(r#".role[?(@ == "a")]"#, expect!["None"]);
    check("", expect![[r#"not a path into claims at """#]]);
    check("role", expect![[r#"not a path into claims at "role""#]]);
    check("[0]", expect![[r#"not a path into claims at "[0]""#]]);
    check(".role.", expect![[r#"not a path into claims at ".""#]]);
    check(".x-y", expect![[r#"not a path into claims at "-y""#]]);
    check(
        ".roles[-1]",
        expect![[r#"not a path into claims at "[-1]""#]],
    );
    check(
        r#".roles[?(@ > "user")]"#,
        expect![[r#"not a path into claims at "[?(@ > "user")]""#]],
    );
    check(
        r#".roles[?(@ == "user")].x"#,
        expect![[r#"not a path into claims at "[?(@ == "user")].x""#]],
    );
}

#[test]
fn a_projects_keys_are_made_of_its_secrets() {
    let random = |buffer: &mut [u8]| buffer.fill(7);
    let secrets = Secrets::generate(random, NOW);
    let keys = Keys::new("demo", &secrets, None);
    expect![
        "sb_publishable_BwcHBwcHBwcHBwcHBwcHBw_BwcHBwcH sb_secret_BwcHBwcHBwcHBwcHBwcHBw_BwcHBwcH"
    ]
    .assert_eq(&format!("{} {}", keys.publishable, keys.secret));
    assert_eq!(format!("{secrets:?} {keys:?}"), "Secrets(…) Keys(…)");
    assert_eq!(keys, Keys::new("demo", &secrets, None));

    let unconfigured = Config {
        jwt_secret: None,
        ..config()
    };
    let verifier = Verifier::new(&unconfigured, Some(&secrets.jwt_secret)).unwrap();
    let service = verifier.identify(Some(keys.service_role.as_bytes()), NOW);
    expect![[r#"service_role {"iss":"supabase-lite","ref":"demo","role":"service_role","iat":1700000000,"exp":2015360000}"#]].assert_eq(&show(service));
    assert_eq!(
        verifier
            .identify(Some(keys.anon.as_bytes()), NOW)
            .unwrap()
            .role,
        "anon"
    );

    // The settings' secret signs instead of the project's own, where it can.
    let verifier = Verifier::new(&config(), Some(&secrets.jwt_secret)).unwrap();
    let configured = verifier.keys.as_ref().unwrap().signing_secret();
    assert_eq!(configured, Some(SECRET.as_bytes()));
    let keys = Keys::new("demo", &secrets, configured);
    assert_eq!(keys.jwt_secret, SECRET);
    assert_eq!(
        verifier
            .identify(Some(keys.anon.as_bytes()), NOW)
            .unwrap()
            .role,
        "anon"
    );
}
