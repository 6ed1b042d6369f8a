//! Checks of keys and certificates, so that a mistake is found where it can be
//! mended, and not on the worst day of the year.

use anyhow::{Context, Result, bail, ensure};
use data_encoding::BASE64;
use x509_parser::pem::Pem;

/// Kinds of public keys that the medium's SSH server knows.
const SSH_KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// The lines of all `files` (name, text): one for each key, each once.
pub(super) fn authorized(files: &[(String, String)]) -> Result<String> {
    let mut lines: Vec<&str> = Vec::new();
    for (name, text) in files {
        let before = lines.len();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            check_authorized(line).with_context(|| format!("{name}, line {number}"))?;
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        let known = text.lines().any(|line| lines.contains(&line.trim()));
        ensure!(lines.len() > before || known, "{name} holds no key");
    }
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

fn check_authorized(line: &str) -> Result<()> {
    ensure!(
        !line.contains("PRIVATE KEY"),
        "this is a private key: give the public one, the file that ends with .pub"
    );
    let mut words = line.split_whitespace();
    let kind = words.next().unwrap_or_default();
    if !SSH_KINDS.contains(&kind) {
        // Options can name programs to run; a medium's configuration cannot.
        bail!(
            "expected a key that begins with one of {}; options before a key are not taken",
            SSH_KINDS.join(", ")
        );
    }
    let blob = words.next().unwrap_or_default();
    let blob = BASE64.decode(blob.as_bytes());
    let blob = blob.map_err(|error| anyhow::anyhow!("the key is no base64: {error}"))?;
    let inner = ssh_string(&blob).context("the key is cut short")?;
    ensure!(
        inner == kind.as_bytes(),
        "the line says {kind}, the key in it is a {:?}",
        String::from_utf8_lossy(inner)
    );
    ensure!(blob.len() > kind.len() + 4 + 16, "the key is cut short");
    Ok(())
}

/// The first string of an SSH blob: 4 bytes of length, then the bytes.
fn ssh_string(blob: &[u8]) -> Option<&[u8]> {
    let length = blob.get(..4)?.try_into().ok().map(u32::from_be_bytes)?;
    let end = usize::try_from(length).ok()?.checked_add(4)?;
    blob.get(4..end)
}

/// OpenSSH's own form, ed25519, without a passphrase.
/// Layout: PROTOCOL.key of OpenSSH.
pub(super) fn check_host_key(text: &str) -> Result<()> {
    const HOW: &str = "make one with: ssh-keygen -t ed25519 -N '' -f host_key";
    let blocks = blocks(text)?;
    let [block] = blocks.as_slice() else {
        bail!("expected one key, found {}; {HOW}", blocks.len());
    };
    ensure!(
        block.label == "OPENSSH PRIVATE KEY",
        "expected an OPENSSH PRIVATE KEY, found a {}; {HOW}",
        block.label
    );
    let rest = block.contents.strip_prefix(b"openssh-key-v1\0");
    let rest = rest.with_context(|| format!("it is no key of OpenSSH; {HOW}"))?;
    let cipher = ssh_string(rest).unwrap_or_default();
    ensure!(
        cipher == b"none",
        "the key has a passphrase, which nobody can type at the start; {HOW}"
    );
    let ed25519 = block.contents.windows(11).any(|w| w == b"ssh-ed25519");
    ensure!(ed25519, "expected an ed25519 key; {HOW}");
    Ok(())
}

/// A certificate in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// The last moment it counts.
    pub(crate) until: String,
}

/// The certificates in a PEM file; at least one.
pub(crate) fn certificates(text: &str) -> Result<Vec<Certificate>> {
    let mut out = Vec::new();
    for block in blocks(text)? {
        if block.label.contains("PRIVATE KEY") {
            bail!("it holds a private key: give a file with certificates only");
        }
        ensure!(
            matches!(block.label.as_str(), "CERTIFICATE" | "TRUSTED CERTIFICATE"),
            "expected certificates, found a {}",
            block.label
        );
        let parsed = block.parse_x509();
        let certificate = parsed.map_err(|error| {
            anyhow::anyhow!("certificate {} in it is damaged: {error}", out.len() + 1)
        })?;
        out.push(Certificate {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            until: certificate.validity().not_after.to_string(),
        });
    }
    ensure!(
        !out.is_empty(),
        "it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    );
    Ok(out)
}

/// A private key in PEM form that can be used without a passphrase.
pub(super) fn check_private_key(text: &str) -> Result<()> {
    // What OpenSSL writes before 3.0 says so in a line of its own.
    ensure!(
        !text.contains("ENCRYPTED"),
        "the key has a passphrase, which nobody can type at the start: take it off with \
         `openssl pkey -in KEY -out NEW`"
    );
    let labels: Vec<String> = blocks(text)?.into_iter().map(|block| block.label).collect();
    let keys = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"];
    let found = labels.iter().filter(|label| keys.contains(&label.as_str()));
    ensure!(
        found.count() == 1,
        "expected one private key in PEM form, found: {}",
        if labels.is_empty() {
            "nothing".to_owned()
        } else {
            labels.join(", ")
        }
    );
    Ok(())
}

/// A public key that images are trusted by, a file of minisign: a comment and
/// "Ed", id and key as base64 (<https://jedisct1.github.io/minisign/#public-key-format>).
pub(super) fn check_public(text: &str) -> Result<()> {
    const EXPECTED: &str = "expected a public key as `rescue key new` and minisign make it, two \
                            lines of which the second begins with RW";
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let key = match first.starts_with("untrusted comment:") {
        true => lines.next().unwrap_or_default(),
        false => first,
    };
    let bytes = BASE64.decode(key.as_bytes()).context(EXPECTED)?;
    ensure!(
        bytes.len() != SECRET_LEN,
        "this is a secret key: give the public one (.pub), and keep this one where it was"
    );
    ensure!(bytes.len() == 42 && bytes.starts_with(b"Ed"), "{EXPECTED}");
    ensure!(lines.all(|line| line.trim().is_empty()), "{EXPECTED}");
    Ok(())
}

/// Of minisign's secret keys, in bytes.
const SECRET_LEN: usize = 158;

fn blocks(text: &str) -> Result<Vec<Pem>> {
    let blocks: Result<Vec<Pem>, _> = Pem::iter_from_buffer(text.as_bytes()).collect();
    blocks.map_err(|error| anyhow::anyhow!("it is damaged: {error}"))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
