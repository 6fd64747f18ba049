//! What a wallet signs: a text that a person can read (EIP-4361).

use super::{super::time::Time, chain::Chain};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub domain: String,
    pub address: String,
    pub statement: Option<String>,
    pub uri: String,
    pub chain_id: String,
    pub issued_at: Time,
    pub expires_at: Option<Time>,
    pub not_before: Option<Time>,
}

impl Message {
    /// Reads a message; what is wrong with it otherwise, in GoTrue's words.
    pub(super) fn parse(chain: Chain, text: &str) -> Result<Self, String> {
        let wrong = |reason: &str| format!("{}: {reason}", chain.prefix());
        let lines: Vec<&str> = text.split('\n').collect();
        if lines.len() < 6 {
            return Err(wrong("message needs at least 6 lines"));
        }
        let header = format!(" wants you to sign in with your {} account:", chain.name());
        let domain = lines[0].strip_suffix(&header).map(str::trim);
        let domain = domain
            .ok_or_else(|| wrong(&format!("message first line does not end in {header:?}")))?;
        if !is_domain(domain) {
            return Err(wrong("domain in first line of message is not valid"));
        }
        let address = lines[1].trim();
        if !chain.is_address(address) {
            return Err(wrong(match chain {
                Chain::Ethereum => "wallet address is not in valid format",
                Chain::Solana => "wallet address is not in base58 format",
            }));
        }
        if !lines[2].is_empty() {
            return Err(wrong("third line must be empty"));
        }
        let (statement, fields) = if !lines[3].is_empty() && lines[4].is_empty() {
            (Some(lines[3].to_owned()), 5)
        } else {
            (None, 3)
        };
        let mut version = "";
        let (mut uri, mut chain_id) = ("", "");
        let (mut issued_at, mut expires_at, mut not_before) = (None, None, None);
        let mut in_resources = false;
        for (index, line) in lines.iter().enumerate().skip(fields) {
            let line = line.trim();
            if in_resources && line.starts_with("- ") {
                continue;
            }
            in_resources = line == "Resources:";
            if in_resources || line.is_empty() {
                continue;
            }
            let (key, value) = line
                .split_once(':')
                .ok_or_else(|| wrong(&format!("encountered unparsable line at index {index}")))?;
            let value = value.trim();
            let time = || {
                let invalid = wrong(&format!("{key} is not a valid ISO8601 timestamp"));
                Time::parse(value).map(Some).ok_or(invalid)
            };
            match key {
                "URI" => uri = value,
                "Version" => version = value,
                "Chain ID" => chain_id = value,
                "Issued At" => issued_at = time()?,
                "Expiration Time" => expires_at = time()?,
                "Not Before" => not_before = time()?,
                _ => {}
            }
        }
        if version != "1" {
            let reason = format!("Version value is not supported, expected 1 got {version:?}");
            return Err(wrong(&reason));
        }
        let issued_at = issued_at.ok_or_else(|| wrong("Issued At is not specified"))?;
        if uri.is_empty() {
            return Err(wrong("URI is not specified"));
        }
        let is_chain = match chain {
            Chain::Ethereum => chain_id.bytes().all(|byte| byte.is_ascii_digit()),
            Chain::Solana => {
                let network = chain_id.strip_prefix("solana:").unwrap_or(chain_id);
                ["", "mainnet", "testnet", "devnet", "localnet"].contains(&network)
            }
        };
        if !is_chain {
            return Err(wrong("Chain ID is not valid"));
        }
        if expires_at.is_some_and(|end| issued_at > end) {
            return Err(wrong("Issued At is after Expiration Time"));
        }
        if not_before
            .zip(expires_at)
            .is_some_and(|(begin, end)| begin > end)
        {
            return Err(wrong("Not Before is after Expiration Time"));
        }
        Ok(Self {
            domain: domain.to_owned(),
            address: address.to_owned(),
            statement,
            uri: uri.to_owned(),
            chain_id: chain_id.to_owned(),
            issued_at,
            expires_at,
            not_before,
        })
    }
}

/// A host, with or without a port.
fn is_domain(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(is_label) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    fn check(text: &str, expected: Expect) {
        let text = text.replace("ADDRESS", ADDRESS);
        expected.assert_eq(&match Message::parse(Chain::Ethereum, &text) {
            Ok(message) => format!(
                "{} {:?} {} {:?} {} {:?}",
                message.domain,
                message.statement,
                message.uri,
                message.chain_id,
                message.issued_at,
                message.expires_at.map(|end| end.to_string())
            ),
            Err(reason) => reason,
        });
    }

    #[test]
    fn messages_are_read() {
        let head = "a.test wants you to sign in with your Ethereum account:\nADDRESS\n\n";
        check(
            &format!(
                "{head}Hello\n\nURI: https://a.test/x\nVersion: 1\nChain ID: 1\nNonce: n\nIssued At: 2026-01-01T00:00:00Z\nExpiration Time: 2026-01-01T01:00:00.5Z\nResources:\n- https://b.test"
            ),
            expect![[
                r#"a.test Some("Hello") https://a.test/x "1" 2026-01-01T00:00:00Z Some("2026-01-01T01:00:00.5Z")"#
            ]],
        );
        check(
            &format!("{head}URI: https://a.test\nVersion: 1\nIssued At: 2026-01-01T00:00:00Z"),
            expect![[r#"a.test None https://a.test "" 2026-01-01T00:00:00Z None"#]],
        );
        check(
            &format!("{head}URI: https://a.test\nVersion: 2\nIssued At: 2026-01-01T00:00:00Z"),
            expect![[r#"siwe: Version value is not supported, expected 1 got "2""#]],
        );
        check(
            &format!("{head}URI: https://a.test\nVersion: 1\nIssued At: today"),
            expect!["siwe: Issued At is not a valid ISO8601 timestamp"],
        );
        check(
            &format!("{head}URI: https://a.test\nVersion: 1\nnonsense"),
            expect!["siwe: encountered unparsable line at index 5"],
        );
        check("a\nb", expect!["siwe: message needs at least 6 lines"]);
        check(
            "a wants you to sign in with your Solana account:\nADDRESS\n\n\n\n\n",
            expect![[
                r#"siwe: message first line does not end in " wants you to sign in with your Ethereum account:""#
            ]],
        );
        check(
            "a_b wants you to sign in with your Ethereum account:\nADDRESS\n\n\n\n\n",
            expect!["siwe: domain in first line of message is not valid"],
        );
        check(
            "a wants you to sign in with your Ethereum account:\n0x1\n\n\n\n\n",
            expect!["siwe: wallet address is not in valid format"],
        );
    }
}
