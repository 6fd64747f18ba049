//! The vectors of the S3 API reference for chunked uploads, whole and in pieces of every size.

use http::HeaderMap;

use super::*;
use crate::storage::s3::{
    checksum::{Algorithm, Checksum},
    signature::{Credentials, SignatureError, Signed},
};

const CRLF: &str = "\r\n";

/// The seed of a published vector: its claim, and the key that it proves.
fn seed(extra: &[(&'static str, &'static str)], signature: &str) -> (Claim, SigningKey) {
    let mut headers = HeaderMap::new();
    let mut signed = vec!["host", "x-amz-date"];
    for (name, value) in extra {
        headers.insert(*name, value.parse().unwrap());
        signed.push(name);
    }
    signed.sort_unstable();
    headers.insert("x-amz-date", "20130524T000000Z".parse().unwrap());
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={},Signature={signature}",
        signed.join(";")
    );
    headers.insert("authorization", authorization.parse().unwrap());
    let claim = Claim::read(&headers, &[]).unwrap();
    let credentials = Credentials {
        access_key: "AKIAIOSFODNN7EXAMPLE",
        secrets: vec!["wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
        region: "local",
    };
    let signed = Signed {
        method: "PUT",
        path: "/examplebucket/chunkObject.txt",
        query: &[],
        headers: &headers,
        host: "s3.amazonaws.com",
        length: None,
    };
    let key = claim.verify(&credentials, &signed);
    assert_ne!(key.as_ref().err(), Some(&SignatureError::Mismatch));
    (claim, key.unwrap())
}

fn chunk(size: usize, signature: &str) -> String {
    format!(
        "{size:x};chunk-signature={signature}{CRLF}{}{CRLF}",
        "a".repeat(size)
    )
}

type Decoded = (Vec<u8>, Vec<(String, String)>);

fn decode(mut decoder: Decoder, body: &str, piece: usize) -> Result<Decoded, ChunkError> {
    let mut payload = Vec::new();
    for bytes in body.as_bytes().chunks(piece) {
        for part in decoder.push(&Bytes::copy_from_slice(bytes))? {
            payload.extend_from_slice(&part);
        }
    }
    Ok((payload, decoder.finish()?))
}

const PIECES: [usize; 5] = [1, 7, 1000, 65_536, 1_000_000];

fn signed_seed() -> (Claim, SigningKey) {
    seed(
        &[
            ("content-encoding", "aws-chunked"),
            ("content-length", "66824"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ],
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
}

const FIRST: &str = "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648";
const SECOND: &str = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497";
const LAST: &str = "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9";

#[test]
fn signed_chunks_are_verified() {
    let (claim, key) = signed_seed();
    let decoder = || Decoder::signed(&claim, key.clone(), false);
    let body = [chunk(65_536, FIRST), chunk(1024, SECOND), chunk(0, LAST)].concat();
    for piece in PIECES {
        let (payload, trailer) = decode(decoder(), &body, piece).unwrap();
        assert_eq!(payload, "a".repeat(66_560).into_bytes());
        assert_eq!(trailer, []);
    }
    // Another byte, chunks left out or in another order, and an end that is missing.
    let tampered = body.replacen("aaaa", "aaab", 1);
    let swapped = [chunk(1024, SECOND), chunk(65_536, FIRST), chunk(0, LAST)].concat();
    let shortened = [chunk(65_536, FIRST), chunk(0, LAST)].concat();
    for wrong in [tampered, swapped, shortened] {
        let error = decode(decoder(), &wrong, 1000).unwrap_err();
        assert_eq!(error, ChunkError::Mismatch);
    }
    let malformed = |body: &str| match decode(decoder(), body, 1000) {
        Err(ChunkError::Malformed(text)) => text,
        other => panic!("{other:?}"),
    };
    let unended = [chunk(65_536, FIRST), chunk(1024, SECOND)].concat();
    assert_eq!(malformed(&unended), "Missing final chunk");
    assert_eq!(malformed(&unended[..100]), "Unexpected end of chunk data");
    assert_eq!(malformed("400\r\naaaa"), "Missing chunk signature");
    assert_eq!(
        malformed(&[&body, "x"].concat()),
        "Unexpected data after final chunk"
    );
    assert_eq!(malformed(&"a".repeat(400)), "Chunk header is too long");
    assert_eq!(malformed("-1;chunk-signature=\r\n"), "Invalid chunk size");
    let huge = decode(decoder(), "ffffffff;chunk-signature=\r\n", 1000);
    assert_eq!(huge.unwrap_err(), ChunkError::TooLarge);
}

#[test]
fn a_signed_trailer_is_verified() {
    let (claim, key) = seed(
        &[
            ("content-encoding", "aws-chunked"),
            (
                "x-amz-content-sha256",
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            ),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ],
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
    );
    let body = |signature: &str| {
        [
            &chunk(65_536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
            &chunk(1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
            "0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n",
            "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:",
            signature,
            "\r\n\r\n",
        ]
        .concat()
    };
    let signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    for piece in PIECES {
        let decoder = Decoder::signed(&claim, key.clone(), true);
        let (payload, trailer) = decode(decoder, &body(signature), piece).unwrap();
        let [(name, value)] = trailer.as_slice() else {
            panic!("{trailer:?}");
        };
        let mut checksum = Checksum::new(Algorithm::named(name).unwrap());
        checksum.update(&payload);
        assert_eq!(&checksum.finish(), value);
    }
    let decoder = Decoder::signed(&claim, key, true);
    let wrong = decode(decoder, &body(FIRST), 1000);
    assert_eq!(wrong.unwrap_err(), ChunkError::Mismatch);
}

#[test]
fn chunks_without_signatures_are_read() {
    let body = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n";
    for piece in PIECES {
        let (payload, trailer) = decode(Decoder::unsigned(), body, piece).unwrap();
        assert_eq!(payload, b"hello world");
        let wanted = ("x-amz-checksum-crc32".to_owned(), "DUoRhQ==".to_owned());
        assert_eq!(trailer, [wanted]);
    }
    let unended = decode(Decoder::unsigned(), "5\r\nhello\r\n0\r\n", 3);
    assert_eq!(
        unended.unwrap_err(),
        ChunkError::Malformed("Incomplete trailer section")
    );
    let (payload, _) = decode(Decoder::unsigned(), "0\r\n\r\n", 2).unwrap();
    assert_eq!(payload, b"");
}
