//! Forms for repositories on servers: what the operator fills in, and the
//! place it names.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use ::site::plan::lun::{Initiator, Lun, is_target};
use ::site::plan::secret::Secret;
use ::site::plan::share::{Nfs, Server, Smb, User};
use anyhow::{Context, bail, ensure};

use crate::ui::dialogue::{Field, Form};
use crate::unattended::Place;

const NFS: &str = "nfs";
const SMB: &str = "smb";
const ISCSI: &str = "iscsi";

/// Every form, in the order of the menu.
#[must_use]
pub fn forms() -> Vec<Form> {
    vec![nfs_form(), smb_form(), iscsi_form()]
}

fn nfs_form() -> Form {
    Form {
        id: NFS,
        offer: "A folder of an NFS server".to_owned(),
        heading: "Which folder of which NFS server? A port goes behind the name: server:2049"
            .to_owned(),
        fields: vec![
            server(),
            Field::text("folder", "Export and folder, as /srv/backup", ""),
        ],
        help: "The folder is named as the server names it. The export must let this machine's \
               address in; `showmount -e server` on another machine lists the exports. The folder \
               is only read."
            .to_owned(),
    }
}

fn smb_form() -> Form {
    Form {
        id: SMB,
        offer: "A share of Windows, Samba or a NAS (SMB)".to_owned(),
        heading: "Which share of which server? Without a user this machine comes as a guest."
            .to_owned(),
        fields: vec![
            server(),
            Field::text("share", "Share and folder, as backup/web", ""),
            Field::text("user", "User, or DOMAIN\\user", ""),
            Field::secret("password", "Password"),
        ],
        help: "The server is a name or an address; a port goes behind it: server:445. The \
               password is kept in memory only and is never shown. The share is only read."
            .to_owned(),
    }
}

fn iscsi_form() -> Form {
    Form {
        id: ISCSI,
        offer: "A disk of an iSCSI server".to_owned(),
        heading: "Which disk of which server? Target and number may stay empty where the server \
                  has one only; the user, where it asks for none."
            .to_owned(),
        fields: vec![
            server(),
            Field::text("target", "Target, as iqn.2025-01.org.example:a", ""),
            Field::text("number", "Number of the disk (LUN)", ""),
            Field::text("folder", "Folder on the disk", ""),
            Field::text("user", "User (CHAP)", ""),
            Field::secret("password", "Password"),
        ],
        help: "The server is a name or an address; a port goes behind it: server:3260. Where a \
               target is left empty and the server has several, they are shown. The disk's file \
               system is only read, and nothing is written to the disk."
            .to_owned(),
    }
}

fn server() -> Field {
    Field::text("server", "Server, by name or address", "")
}

/// The place that the form `id` of [`forms`] names with these values.
///
/// # Errors
/// What is missing, or cannot be.
pub fn place(id: &str, values: &[String]) -> anyhow::Result<Place> {
    let place = match (id, values) {
        (NFS, [server, folder]) => Place::Nfs(nfs(server, folder)?),
        (SMB, [server, share, user, password]) => Place::Smb(smb(server, share, user, password)?),
        (ISCSI, [server, target, number, folder, user, password]) => {
            let lun = lun(server, target, number, folder)?;
            let user = parse_initiator(user, password)?;
            Place::Iscsi(Lun { user, ..lun })
        }
        _ => bail!("there is no form {id:?} with {} fields", values.len()),
    };
    // What the places of plans may not hold is refused here, too.
    Ok(place.reveal().parse()?)
}

fn nfs(server: &str, folder: &str) -> anyhow::Result<Nfs> {
    let server = parse_server(server)?;
    ensure!(!folder.trim().is_empty(), "no export was named");
    stays_inside(folder, "the export")?;
    Ok(Nfs {
        server,
        path: format!("/{}", folder.trim().trim_start_matches('/')),
    })
}

fn smb(server: &str, share: &str, user: &str, password: &str) -> anyhow::Result<Smb> {
    let server = parse_server(server)?;
    let path = share.trim().replace('\\', "/");
    let path = path.trim_start_matches('/');
    let (share, folder) = path.split_once('/').unwrap_or((path, ""));
    ensure!(!share.is_empty(), "no share was named");
    stays_inside(folder, "the share")?;
    Ok(Smb {
        user: parse_user(user, password)?,
        server,
        share: share.to_owned(),
        folder: PathBuf::from(folder),
    })
}

fn lun(server: &str, target: &str, number: &str, folder: &str) -> anyhow::Result<Lun> {
    let server = parse_server(server)?;
    let (target, number) = (target.trim(), number.trim());
    let target = Some(target).filter(|target| !target.is_empty());
    if let Some(name) = target {
        ensure!(
            is_target(name),
            "{name:?} is no target: its name begins with \"iqn.\", \"eui.\" or \"naa.\" and has \
             letters, digits, \"-\", \".\" and \":\""
        );
    }
    let number = match number {
        "" => None,
        digits => Some(digits.parse::<u32>().ok().map(u64::from).with_context(|| {
            format!("{digits:?} is no number of a disk: it is 0, 1, 2 and so on")
        })?),
    };
    stays_inside(folder, "the disk")?;
    Ok(Lun {
        user: None,
        server,
        target: target.map(str::to_owned),
        number,
        folder: PathBuf::from(folder.trim().trim_matches('/')),
    })
}

fn parse_initiator(name: &str, password: &str) -> anyhow::Result<Option<Initiator>> {
    let name = name.trim();
    match (name.is_empty(), password.is_empty()) {
        (true, true) => Ok(None),
        (true, false) => bail!("there is a password and no user: whose is it?"),
        (false, true) => bail!("there is a user and no password: iSCSI needs both"),
        (false, false) => Ok(Some(Initiator {
            name: name.to_owned(),
            password: Secret::new(password),
        })),
    }
}

/// "user", "DOMAIN\user", or nothing for a guest.
fn parse_user(text: &str, password: &str) -> anyhow::Result<Option<User>> {
    let text = text.trim();
    if text.is_empty() {
        ensure!(
            password.is_empty(),
            "there is a password and no user: whose is it?"
        );
        return Ok(None);
    }
    let (domain, name) = match text.split_once('\\') {
        Some((domain, name)) => (Some(domain.to_owned()), name),
        None => (None, text),
    };
    ensure!(!name.is_empty(), "{text:?} names a domain and no user");
    Ok(Some(User {
        domain,
        name: name.to_owned(),
        password: Some(Secret::new(password)),
    }))
}

fn parse_server(text: &str) -> anyhow::Result<Server> {
    let text = text.trim();
    ensure!(!text.is_empty(), "no server was named");
    let parsed = match text.parse::<Ipv6Addr>() {
        Ok(address) => Server::parse(&format!("[{address}]")),
        Err(_) => Server::parse(text),
    };
    parsed.with_context(|| {
        format!(
            "{text:?} is no server: write its name or its address, and where it is not the usual \
             port, :port behind it (an IPv6 address with a port in brackets)"
        )
    })
}

fn stays_inside(folder: &str, what: &str) -> anyhow::Result<()> {
    let leads_out = folder.split('/').any(|part| part == "..");
    ensure!(
        !leads_out,
        "the folder {folder:?} leads out of {what}: write it without \"..\""
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(id: &str, values: &[&str]) -> anyhow::Result<String> {
        let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        Ok(place(id, &values)?.reveal())
    }

    #[test]
    fn what_is_filled_in_is_a_place() {
        for (id, values, expected) in [
            (
                NFS,
                &["nas", "/srv/my backup"][..],
                "nfs://nas/srv/my%20backup",
            ),
            (NFS, &[" fd00::1 ", "srv"], "nfs://[fd00::1]/srv"),
            (
                SMB,
                &["nas:1445", "backup", "", ""],
                "smb://nas:1445/backup",
            ),
            (
                SMB,
                &["nas", "\\backup\\web\\1", "W\\joe", "a:b@c"],
                "smb://W;joe:a%3Ab%40c@nas/backup/web/1",
            ),
            (ISCSI, &["nas", "", "", "", "", ""], "iscsi://nas"),
            (
                ISCSI,
                &["nas", "iqn.a:b", "2", "/2024/", "joe", "a:b"],
                "iscsi://joe:a%3Ab@nas/iqn.a:b/2/2024",
            ),
            (
                ISCSI,
                &["nas", "iqn.a:b", "", "2024", "", ""],
                "iscsi://nas/iqn.a:b/%32024",
            ),
        ] {
            assert_eq!(filled(id, values).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        for (id, values, expected) in [
            (NFS, &["", "/srv"][..], "no server was named"),
            (NFS, &["nas", " "], "no export was named"),
            (NFS, &["nas", "/a/../b"], "leads out of the export"),
            (NFS, &["nas,sec=none", "/a"], "is no server"),
            (SMB, &["nas", "\\\\", "", ""], "no share was named"),
            (SMB, &["nas", "s/../..", "", ""], "leads out of the share"),
            (SMB, &["nas", "s", "", "pw"], "whose is it?"),
            (SMB, &["nas", "s", "W\\", "pw"], "a domain and no user"),
            (ISCSI, &["nas", "nas", "", "", "", ""], "is no target"),
            (ISCSI, &["nas", "", "one", "", "", ""], "is no number"),
            (
                ISCSI,
                &["nas", "", "", "..", "", ""],
                "leads out of the disk",
            ),
            (ISCSI, &["nas", "", "", "", "joe", ""], "needs both"),
            (ISCSI, &["nas", "", "", "", "", "pw"], "whose is it?"),
            ("other", &[], "there is no form"),
        ] {
            let error = filled(id, values).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("pw"), "{error}");
        }
    }

    #[test]
    fn every_form_leads_to_a_place() {
        for form in forms() {
            let value = |field: &Field| match field.name {
                "target" => "iqn.a".to_owned(),
                _ => "1".to_owned(),
            };
            let values: Vec<String> = form.fields.iter().map(value).collect();
            assert!(place(form.id, &values).is_ok(), "{}", form.id);
        }
    }
}
