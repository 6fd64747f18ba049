//! The vectors of the S3 API reference: "Examples: signature calculations".

use expect_test::{Expect, expect};
use http::{HeaderMap, HeaderName};

use super::*;
use crate::storage::s3::command::query;

const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const HOST: &str = "examplebucket.s3.amazonaws.com";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn credentials() -> Credentials<'static> {
    Credentials {
        access_key: ACCESS_KEY,
        secrets: vec!["another", SECRET],
        region: "local",
    }
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

fn authorization(signed: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},Signature={signature}"
    )
}

struct Vector<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a [(&'a str, &'a str)],
    signed: &'a str,
    signature: &'a str,
}

fn verify(vector: &Vector<'_>) -> Result<(), SignatureError> {
    let mut headers = headers(vector.headers);
    let authorization = authorization(vector.signed, vector.signature);
    headers.insert("authorization", authorization.parse().unwrap());
    headers.insert("x-amz-date", "20130524T000000Z".parse().unwrap());
    let (path, text) = vector.target.split_once('?').unwrap_or((vector.target, ""));
    let query = query(text);
    let claim = Claim::read(&headers, &query)?;
    let signed = Signed {
        method: vector.method,
        path,
        query: &query,
        headers: &headers,
        host: HOST,
        length: None,
    };
    claim.verify(&credentials(), &signed).map(drop)
}

#[test]
fn published_signatures_are_ours() {
    let vectors = [
        Vector {
            method: "GET",
            target: "/test.txt",
            headers: &[("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY)],
            signed: "host;range;x-amz-content-sha256;x-amz-date",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        },
        Vector {
            method: "PUT",
            target: "/test%24file.text",
            headers: &[
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                (
                    "x-amz-content-sha256",
                    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
                ),
            ],
            signed: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        },
        Vector {
            method: "GET",
            target: "/?lifecycle",
            headers: &[("x-amz-content-sha256", EMPTY)],
            signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        },
        Vector {
            method: "GET",
            target: "/?max-keys=2&prefix=J",
            headers: &[("x-amz-content-sha256", EMPTY)],
            signed: "host;x-amz-content-sha256;x-amz-date",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        },
    ];
    for vector in &vectors {
        assert_eq!(
            verify(vector),
            Ok(()),
            "{} {}",
            vector.method,
            vector.target
        );
        let others = [
            Vector {
                method: "DELETE",
                ..*vector
            },
            Vector {
                target: "/other",
                ..*vector
            },
            Vector {
                headers: &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
                ..*vector
            },
            Vector {
                signed: "host",
                ..*vector
            },
            Vector {
                signature: EMPTY,
                ..*vector
            },
            Vector {
                signature: "",
                ..*vector
            },
        ];
        for other in &others {
            assert_eq!(verify(other), Err(SignatureError::Mismatch));
        }
    }
}

/// `now` is in seconds after the vector's date.
fn presigned(target: &str, now: u64) -> Result<(), SignatureError> {
    let (path, text) = target.split_once('?').unwrap();
    let query = query(text);
    let headers = HeaderMap::new();
    let claim = Claim::read(&headers, &query)?;
    claim.check_time(Timestamp((1_369_353_600 + now) * 1000))?;
    let signed = Signed {
        method: "GET",
        path,
        query: &query,
        headers: &headers,
        host: HOST,
        length: None,
    };
    claim.verify(&credentials(), &signed).map(drop)
}

#[test]
fn a_presigned_url_is_good_for_what_it_names_and_as_long_as_it_says() {
    let target = |path: &str, expires: &str| {
        format!(
            "{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
        )
    };
    assert_eq!(presigned(&target("/test.txt", "86400"), 86_400), Ok(()));
    let refused = [
        (
            target("/test.txt", "86400"),
            86_401,
            SignatureError::Expired,
        ),
        (target("/test.txt", "86500"), 0, SignatureError::Mismatch),
        (target("/other.txt", "86400"), 0, SignatureError::Mismatch),
        (
            target("/test.txt", "604801"),
            0,
            SignatureError::Invalid("Invalid expiration"),
        ),
        (
            target("/test.txt", "-1"),
            0,
            SignatureError::Invalid("Invalid expiration"),
        ),
    ];
    for (target, now, error) in refused {
        assert_eq!(presigned(&target, now), Err(error), "{target} {now}");
    }
}

#[test]
fn a_request_is_good_for_a_quarter_of_an_hour() {
    let headers = headers(&[
        ("authorization", &authorization("host", EMPTY)),
        ("x-amz-date", "20130524T000000Z"),
    ]);
    let claim = Claim::read(&headers, &[]).unwrap();
    let at = |seconds: u64| claim.check_time(Timestamp(seconds * 1000));
    assert_eq!(at(1_369_353_600 - 900), Ok(()));
    assert_eq!(at(1_369_353_600 + 900), Ok(()));
    assert_eq!(at(1_369_353_600 - 901), Err(SignatureError::Skewed));
    assert_eq!(at(1_369_353_600 + 901), Err(SignatureError::Skewed));
}

fn claim(lines: &[(&str, &str)], expected: Expect) {
    let read = Claim::read(&headers(lines), &[]);
    expected.assert_eq(&format!(
        "{:?}",
        read.map(|claim| (claim.scope, claim.headers))
    ));
}

#[test]
fn claims_are_read_with_care() {
    let date = ("x-amz-date", "20130524T000000Z");
    let scheme = |fields: &str| ["AWS4-HMAC-SHA256 ", fields].concat();
    claim(&[date], expect!["Err(Missing)"]);
    claim(
        &[date, ("authorization", "Bearer x")],
        expect!["Err(Missing)"],
    );
    claim(
        &[
            date,
            (
                "authorization",
                &scheme(
                    "Credential=a/20130524/r/s3/aws4_request, SignedHeaders=Host;x, Signature=00",
                ),
            ),
        ],
        expect![[
            r#"Ok((Scope { access_key: "a", date: "20130524", region: "r", service: "s3" }, ["host", "x"]))"#
        ]],
    );
    claim(
        &[
            date,
            (
                "authorization",
                &scheme("Credential=a/20130524/r/s3, SignedHeaders=host, Signature=00"),
            ),
        ],
        expect![[r#"Err(Invalid("Invalid credentials"))"#]],
    );
    claim(
        &[
            date,
            (
                "authorization",
                &scheme("Credential=a/20130524/r/s3/aws4_request, Signature=00"),
            ),
        ],
        expect![[r#"Err(Invalid("Invalid signature format"))"#]],
    );
    claim(
        &[(
            "authorization",
            &scheme("Credential=a/20130524/r/s3/aws4_request,SignedHeaders=host,Signature=00"),
        )],
        expect![[r#"Err(Invalid("Invalid signature format"))"#]],
    );
}

#[test]
fn credentials_must_be_the_projects() {
    let text = |scope: &str| {
        let fields = format!("AWS4-HMAC-SHA256 Credential={scope},SignedHeaders=host,Signature=00");
        let headers = headers(&[
            ("authorization", &fields),
            ("x-amz-date", "20130524T000000Z"),
        ]);
        let claim = Claim::read(&headers, &[]).unwrap();
        let signed = Signed {
            method: "GET",
            path: "/",
            query: &[],
            headers: &headers,
            host: HOST,
            length: None,
        };
        claim.verify(&credentials(), &signed).map(drop)
    };
    let denied = |text| Err(SignatureError::Denied(text));
    assert_eq!(
        text("other/20130524/local/s3/aws4_request"),
        denied("Invalid Access Key")
    );
    assert_eq!(
        text(&[ACCESS_KEY, "/20130524/local/sqs/aws4_request"].concat()),
        denied("Invalid Service")
    );
    assert_eq!(
        text(&[ACCESS_KEY, "/20130524/mars-1/s3/aws4_request"].concat()),
        Err(SignatureError::Mismatch)
    );
}
