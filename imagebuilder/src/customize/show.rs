//! What a medium has been given, for people and for programs. Secrets are not
//! shown.

use anyhow::Result;
use disk::human_bytes;
use serde::Serialize;
use site::{Kind, Name};

use super::keys;
use super::reserved::{Area, Reserved};
use crate::parts::sha256;

/// What `--show --json` and `inspect --json` print.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// Size of the area in bytes.
    capacity: u64,
    /// Bytes of it that are in use.
    used: u64,
    /// Why nothing of the area counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    damaged: Option<String>,
    files: Vec<File>,
    /// More words for the kernel.
    kernel_args: String,
}

#[derive(Debug, Serialize)]
struct File {
    name: String,
    /// What it is for.
    purpose: &'static str,
    /// In bytes.
    size: u64,
    /// Of a secret there is none: it could be guessed by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// What it says, where that is short and no secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<String>,
}

impl Shown {
    pub(crate) fn of(reserved: &Reserved) -> Self {
        let (files, damaged) = match &reserved.area {
            Area::Holds(contents) => (contents.iter().map(file).collect(), None),
            Area::Damaged(why) => (Vec::new(), Some(why.clone())),
        };
        Self {
            capacity: reserved.capacity,
            used: reserved.used,
            damaged,
            files,
            kernel_args: masked(&reserved.words),
        }
    }

    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            print!("{}", self.text());
        }
        Ok(())
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = format!(
            "Site area: {} of {} used\n",
            human_bytes(self.used),
            human_bytes(self.capacity)
        );
        if let Some(why) = &self.damaged {
            out.push_str(&format!(
                "  DAMAGED: {why}. Nothing of it is used; write it again with --reset\n"
            ));
        } else if self.files.is_empty() {
            out.push_str("  empty\n");
        }
        for file in &self.files {
            let (name, purpose) = (&file.name, file.purpose);
            out.push_str(&format!(
                "  {name} ({purpose}, {})\n",
                human_bytes(file.size)
            ));
            for line in &file.lines {
                out.push_str(&format!("    {line}\n"));
            }
        }
        let words = match self.kernel_args.as_str() {
            "" => "none",
            words => words,
        };
        out.push_str(&format!("More words for the kernel: {words}\n"));
        out
    }
}

fn file((name, data): (&Name, &[u8])) -> File {
    let kind = name.kind();
    File {
        name: name.to_string(),
        purpose: kind.title(),
        size: data.len() as u64,
        sha256: (!kind.is_secret()).then(|| sha256(data)),
        lines: lines(kind, data),
    }
}

fn lines(kind: Kind, data: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(data);
    match kind {
        Kind::Config | Kind::Plan => text.lines().map(masked).collect(),
        Kind::AuthorizedKeys => text.lines().map(short_key).collect(),
        Kind::Ca | Kind::ClientCertificate => {
            let found = keys::certificates(&text).unwrap_or_default();
            found.iter().map(certificate).collect()
        }
        Kind::HostKey | Kind::ClientKey => vec!["(secret, not shown)".to_owned()],
        Kind::TrustedKey => text.lines().map(printable).collect(),
        Kind::Firmware | Kind::Module | Kind::ModuleIndex => Vec::new(),
    }
}

/// "ssh-ed25519 …end comment".
fn short_key(line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    let (kind, key) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let end = key.len().saturating_sub(12);
    let end = key.get(end..).unwrap_or(key);
    printable(format!("{kind} …{end} {}", words.next().unwrap_or("")).trim_end())
}

fn certificate(certificate: &keys::Certificate) -> String {
    let by = match certificate.subject == certificate.issuer {
        true => "itself".to_owned(),
        false => certificate.issuer.clone(),
    };
    printable(&format!(
        "{}, signed by {by}, until {}",
        certificate.subject, certificate.until
    ))
}

/// Nothing from a medium may drive the reader's terminal.
fn printable(text: &str) -> String {
    let safe = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(safe).collect()
}

/// Words in the name of a setting that holds a secret.
const SECRET: [&str; 5] = ["password", "passphrase", "secret", "token", "chap"];

/// A line of a configuration without the passwords in it.
fn masked(line: &str) -> String {
    let line = printable(line);
    if let Some((key, _)) = line.split_once('=') {
        let lower = key.to_lowercase();
        if SECRET.iter().any(|word| lower.contains(word)) {
            return format!("{key}= (not shown)");
        }
    }
    let mut out = String::new();
    let mut rest = line.as_str();
    // "http://user:password@host": what is between `:` and `@` goes.
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at_checked(at + 3).unwrap_or((rest, ""));
        out.push_str(before);
        let end = after.find(['/', '"', ' ', '\'']).unwrap_or(after.len());
        let (authority, later) = after.split_at_checked(end).unwrap_or((after, ""));
        match authority.rsplit_once('@') {
            Some((user, host)) => {
                let name = user.split(':').next().unwrap_or_default();
                out.push_str(&format!("{name}:***@{host}"));
            }
            None => out.push_str(authority),
        }
        rest = later;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(masked("password = \"x\""), "password = (not shown)");
        assert_eq!(masked("chap-secret=\"x\""), "chap-secret= (not shown)");
        assert_eq!(
            masked("from = \"https://me:pw@host/a\" # http://b"),
            "from = \"https://me:***@host/a\" # http://b"
        );
        assert_eq!(
            masked("proxy=http://u:p@h:3128 x"),
            "proxy=http://u:***@h:3128 x"
        );
        assert_eq!(masked("image = \"a\u{1b}[2J\""), "image = \"a\u{fffd}[2J\"");
    }
}
