//! What makes a Linux system itself.

use std::collections::BTreeMap;

use data_encoding::{BASE64, BASE64_NOPAD};
use image::{IdentityKey, System};
use sha2::{Digest, Sha256};

use crate::files::{Files, FilesError};

/// [`System::family`] of these.
pub(crate) const FAMILY: &str = "linux";

/// Where a system says what it is (os-release(5)); the first that exists counts.
const RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// No text read here is larger than this many bytes.
const TEXT: u64 = 64 << 10;
/// Databases of secrets may be this large.
const DATABASE: u64 = 64 << 20;

/// What only this machine has, and must keep: item and file.
const SECRETS: [(&str, &str); 4] = [
    ("krb5 keytab", "/etc/krb5.keytab"),
    ("sssd.conf", "/etc/sssd/sssd.conf"),
    ("samba secrets", "/var/lib/samba/private/secrets.tdb"),
    ("sssd secrets", "/var/lib/sss/secrets/secrets.ldb"),
];

/// Where the host keys of the SSH server are.
const SSH: &str = "/etc/ssh";

/// The system below `files`, when it is a Linux system; disk and partition are
/// for the caller to fill in.
///
/// # Errors
/// When a file of it cannot be read.
pub(super) fn read(files: &dyn Files, key: &IdentityKey) -> Result<Option<System>, FilesError> {
    let Some(release) = release(files)? else {
        return Ok(None);
    };
    let hostname = text(files, "/etc/hostname")?.map(|t| first_line(&t));
    let hostname = hostname.filter(|name| !name.is_empty());
    let mut identity = BTreeMap::new();
    if let Some(name) = &hostname {
        identity.insert("hostname".to_owned(), name.clone());
    }
    if let Some(id) = text(files, "/etc/machine-id")?.filter(|id| !id.trim().is_empty()) {
        identity.insert(
            "machine-id".to_owned(),
            key.hash("machine-id", id.trim().as_bytes()),
        );
    }
    for (name, path) in SECRETS {
        if let Some(bytes) = files.read(path, DATABASE)? {
            identity.insert(name.to_owned(), key.hash(name, &bytes));
        }
    }
    host_keys(files, key, &mut identity)?;
    Ok(Some(System {
        disk: 0,
        partition: 0,
        family: FAMILY.to_owned(),
        name: pretty_name(&release),
        hostname,
        identity,
    }))
}

fn release(files: &dyn Files) -> Result<Option<String>, FilesError> {
    for path in RELEASE {
        if let Some(text) = text(files, path)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn text(files: &dyn Files, path: &str) -> Result<Option<String>, FilesError> {
    let bytes = files.read(path, TEXT)?;
    Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()))
}

/// Fingerprints of the public keys, as `ssh-keygen -l` prints them, and hashes
/// of the private ones.
fn host_keys(
    files: &dyn Files,
    key: &IdentityKey,
    identity: &mut BTreeMap<String, String>,
) -> Result<(), FilesError> {
    for file in files.list(SSH)? {
        let Some(kind) = file.strip_prefix("ssh_host_") else {
            continue;
        };
        let path = format!("{SSH}/{file}");
        if let Some(kind) = kind.strip_suffix("_key.pub") {
            let line = text(files, &path)?.unwrap_or_default();
            if let Some(print) = fingerprint(&line) {
                identity.insert(format!("ssh host key {kind}"), print);
            }
        } else if let Some(kind) = kind.strip_suffix("_key") {
            let name = format!("ssh private host key {kind}");
            if let Some(bytes) = files.read(&path, TEXT)? {
                identity.insert(name.clone(), key.hash(&name, &bytes));
            }
        }
    }
    Ok(())
}

/// "SHA256:…" of a line like "ssh-ed25519 AAAAC3… root@web1".
fn fingerprint(line: &str) -> Option<String> {
    let blob = line.split_whitespace().nth(1)?;
    let blob = BASE64.decode(blob.as_bytes()).ok()?;
    Some(format!(
        "SHA256:{}",
        BASE64_NOPAD.encode(&Sha256::digest(&blob))
    ))
}

fn first_line(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|l| !l.is_empty() && !l.starts_with('#'));
    plain(lines.next().unwrap_or_default())
}

/// What a terminal can show of a line.
fn plain(line: &str) -> String {
    let shown = line.chars().filter(|c| !c.is_control());
    shown.take(255).collect()
}

/// PRETTY_NAME of an os-release file, without its quotes.
fn pretty_name(release: &str) -> Option<String> {
    let value = |key: &str| {
        let mut lines = release
            .lines()
            .filter_map(|l| l.trim().strip_prefix(key)?.strip_prefix('='));
        let value = lines.next_back()?.trim();
        let quoted = ['"', '\'']
            .iter()
            .find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
        let plain = plain(&quoted.unwrap_or(value).replace('\\', ""));
        (!plain.is_empty()).then_some(plain)
    };
    value("PRETTY_NAME").or_else(|| value("NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Folder;
    use std::fs;
    use std::path::Path;

    /// An Ed25519 key made for this test with ssh-keygen, and what it says of it.
    const PUBLIC: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPL9C1j1NtwYSO7vUcjiFGsNQGYfNyrYQ4vffaIE2I5M t\n";

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn a_system_is_known_with_everything_that_makes_it_itself() {
        let root = tempfile::tempdir().unwrap();
        let key = IdentityKey::new([7; 32]);
        let of = || read(&Folder::open(root.path()).unwrap(), &key).unwrap();
        assert_eq!(of(), None);
        write(
            root.path(),
            &[
                (
                    "usr/lib/os-release",
                    "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
                ),
                ("etc/hostname", "# mine\nweb1\n"),
                ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
                ("etc/krb5.keytab", "k"),
                ("etc/ssh/ssh_host_ed25519_key", "private"),
                ("etc/ssh/ssh_host_ed25519_key.pub", PUBLIC),
            ],
        );
        let system = of().unwrap();
        assert_eq!(system.title(), "Debian GNU/Linux 12 (bookworm), web1");
        let names: Vec<&str> = system.identity.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "hostname",
                "krb5 keytab",
                "machine-id",
                "ssh host key ed25519",
                "ssh private host key ed25519"
            ]
        );
        let all = format!("{:?}", system.identity);
        assert!(
            !all.contains("0123456789") && !all.contains("private\""),
            "{all}"
        );
        write(root.path(), &[("etc/machine-id", "f\n")]);
        assert_eq!(
            system.differences(&of().unwrap()),
            ["machine-id is another"]
        );
    }

    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pub");
        fs::write(&path, PUBLIC).unwrap();
        let shown = std::process::Command::new("ssh-keygen")
            .arg("-lf")
            .arg(&path)
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let print = fingerprint(PUBLIC).unwrap();
        assert!(shown.contains(&print), "{print} is not in {shown:?}");
        assert_eq!(fingerprint("ssh-ed25519"), None);
        assert_eq!(fingerprint("ssh-ed25519 !!"), None);
    }

    #[test]
    fn names_are_read_as_os_release_has_them() {
        assert_eq!(pretty_name("PRETTY_NAME='A B'\n"), Some("A B".to_owned()));
        assert_eq!(pretty_name("NAME=Arch\n"), Some("Arch".to_owned()));
        assert_eq!(pretty_name("PRETTY_NAME=\n"), None);
        assert_eq!(pretty_name("# nothing\n"), None);
    }
}
