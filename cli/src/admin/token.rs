//! Tokens as the engine API has them: JWT with HS256, whose only claim that counts is when they were made.

use crate::keys::{self, KeyError};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha2::Sha256;
use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// How far a token's time may be from ours, in seconds; the engine API's value.
const AGE_SECS_MAX: u64 = 60;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// The one header we write. Readers of the engine API accept it.
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Why a token is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token is no JWT")]
    Malformed,
    #[error("the token is not signed with HS256")]
    Algorithm,
    #[error("the token is signed with another key")]
    Signature,
    #[error("the token says {issued}, the time here is {now}; at most {AGE_SECS_MAX} s may be between them")]
    Time { issued: u64, now: u64 },
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
}

/// The key that tokens are signed with.
#[derive(Clone)]
pub(crate) struct Secret([u8; KEY_BYTES]);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Reads the key file given to `--flag`: 64 hex digits that only its owner can read.
    pub(crate) fn load(path: &Path, flag: &'static str) -> Result<Self, KeyError> {
        let text = keys::read_private(path, flag)?;
        let text = text.trim();
        let mut key = [0; KEY_BYTES];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut key).map_err(|_| {
            KeyError::Malformed {
                path: path.into(),
                flag,
            }
        })?;
        Ok(Self(key))
    }

    /// Writes a new random key, if there is none.
    pub(crate) fn create(path: &Path) -> Result<(), KeyError> {
        if path.exists() {
            return Ok(());
        }
        keys::write_private(path, &hex::encode(rand::random::<[u8; KEY_BYTES]>()))
    }

    /// A token for now.
    pub(crate) fn token(&self) -> String {
        self.token_at(unix_now())
    }

    pub(super) fn token_at(&self, issued: u64) -> String {
        let claims = format!(r#"{{"iat":{issued}}}"#);
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(HEADER),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// Checks a token somebody sent.
    pub(crate) fn check(&self, token: &str) -> Result<(), TokenError> {
        self.check_at(token, unix_now())
    }

    fn check_at(&self, token: &str, now: u64) -> Result<(), TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header: Header = part(header)?;
        if header.alg != "HS256" {
            return Err(TokenError::Algorithm);
        }
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Malformed)?;
        // Compares in constant time.
        self.mac(signed)
            .verify_slice(&signature)
            .map_err(|_| TokenError::Signature)?;
        let issued = part::<Claims>(claims)?.iat;
        if issued.abs_diff(now) > AGE_SECS_MAX {
            return Err(TokenError::Time { issued, now });
        }
        Ok(())
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.chain_update(signed)
    }
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret = Secret([7; KEY_BYTES]);

    fn forged(header: &str, claims: &str) -> String {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = URL_SAFE_NO_PAD.encode(SECRET.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    #[test]
    fn a_token_counts_for_a_minute_to_both_sides() {
        let token = SECRET.token_at(1_000);
        for now in [940, 1_000, 1_060] {
            assert_eq!(SECRET.check_at(&token, now), Ok(()), "{now}");
        }
        for now in [0, 939, 1_061, u64::MAX] {
            assert_eq!(
                SECRET.check_at(&token, now),
                Err(TokenError::Time { issued: 1_000, now })
            );
        }
        assert_eq!(SECRET.check(&SECRET.token()), Ok(()));
    }

    /// The example of RFC 7515, appendix A.1: what others sign we read, up to its time.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                      eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .unwrap();
        let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap().chain_update(signed);
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        assert_eq!(signature, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn what_is_not_signed_with_the_key_is_refused() {
        let token = SECRET.token_at(1_000);
        let other = Secret([8; KEY_BYTES]).token_at(1_000);
        assert_eq!(SECRET.check_at(&other, 1_000), Err(TokenError::Signature));
        let (signed, _) = token.rsplit_once('.').unwrap();
        let cases = [
            (format!("{signed}."), TokenError::Signature),
            (signed.to_owned(), TokenError::Malformed),
            (String::new(), TokenError::Malformed),
            ("a.b.c".to_owned(), TokenError::Malformed),
            (format!("{token}A"), TokenError::Signature),
            (format!("{token}="), TokenError::Malformed),
            (
                forged(r#"{"alg":"none"}"#, r#"{"iat":1000}"#),
                TokenError::Algorithm,
            ),
            (
                forged(r#"{"alg":"HS512"}"#, r#"{"iat":1000}"#),
                TokenError::Algorithm,
            ),
            (forged(HEADER, "{}"), TokenError::Malformed),
            (forged(HEADER, r#"{"iat":-1}"#), TokenError::Malformed),
        ];
        for (token, expected) in cases {
            assert_eq!(SECRET.check_at(&token, 1_000), Err(expected), "{token}");
        }
    }

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt");
        Secret::create(&path).unwrap();
        let first = Secret::load(&path, "admin-jwt-file").unwrap();
        Secret::create(&path).unwrap();
        assert_eq!(Secret::load(&path, "admin-jwt-file").unwrap().0, first.0);
        keys::write_private(&path, "0x12").unwrap();
        let error = Secret::load(&path, "admin-jwt-file").unwrap_err().to_string();
        assert!(
            error.contains("admin-jwt-file") && error.contains("64 hex"),
            "{error}"
        );
    }
}
