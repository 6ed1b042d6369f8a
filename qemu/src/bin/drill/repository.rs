//! Where the repository is, and how it is reached. The drill's machine reaches nothing:
//! what this side reads is handed to it (`serve`).

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Proxy, Store, Web};

/// How https:// and http:// repositories are reached; as `rescue` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reach {
    /// For https://: trust only servers whose certificate this authority (a PEM file) signed;
    /// if not given, the authorities that browsers trust
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// For https:// servers that ask who you are: your certificate and its chain (a PEM file)
    #[arg(long, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,

    /// The key of --client-cert (a PEM file, not encrypted)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,

    /// Reach web servers through this proxy: http://proxy:3128 or
    /// http://user:password@proxy:3128
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
}

/// A repository that this machine can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repository {
    /// A folder's path from the root, or an address (perhaps with a password in it).
    location: String,
    reach: Reach,
}

impl Repository {
    /// The one at `from`. Whether it is there is not asked of a server yet.
    pub(crate) fn new(from: &str, reach: &Reach) -> Result<Self> {
        let location = match from.split_once("://") {
            None => folder(from)?,
            Some(("file", path)) => folder(path)?,
            Some(("http" | "https", _)) => from.to_owned(),
            Some((scheme, _)) => bail!(
                "{scheme}:// is no address that a drill can read: give a folder, http:// or https:// \
                 (a share has to be mounted first)"
            ),
        };
        let reach = Reach {
            ca: found(reach.ca.as_deref())?,
            client_cert: found(reach.client_cert.as_deref())?,
            client_key: found(reach.client_key.as_deref())?,
            proxy: reach.proxy.clone(),
        };
        Ok(Self { location, reach })
    }

    /// What the program `rescue` is given to reach it.
    pub(crate) fn words(&self) -> Vec<String> {
        let file = |file: &Option<PathBuf>| file.as_ref().map(|f| f.display().to_string());
        let options = [
            ("--from", Some(self.location.clone())),
            ("--ca", file(&self.reach.ca)),
            ("--client-cert", file(&self.reach.client_cert)),
            ("--client-key", file(&self.reach.client_key)),
            ("--proxy", self.reach.proxy.clone()),
        ];
        let given = options
            .into_iter()
            .filter_map(|(name, value)| Some([name.to_owned(), value?]));
        given.flatten().collect()
    }

    /// Its folder, where it is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        (!self.location.contains("://")).then(|| Path::new(&self.location))
    }

    /// Ready to be read.
    pub(crate) fn open(&self) -> Result<Arc<dyn Store>> {
        let read = |file: &Option<PathBuf>| {
            let text = file
                .as_ref()
                .map(|file| fs::read(file).with_context(|| format!("reading {}", file.display())));
            text.transpose()
        };
        let reach = &self.reach;
        let proxy = reach.proxy.as_deref().map(|url| Proxy::new(url, &[]));
        let web = Web {
            trust: read(&reach.ca)?,
            identity: read(&reach.client_cert)?.zip(read(&reach.client_key)?),
            proxy: proxy.transpose()?,
            ..Web::default()
        };
        web.check().context("preparing to speak TLS")?;
        Ok(store::open(&self.location, &web)?)
    }

    /// Puts it where the process that [`serve`](crate::serve) is finds it. Nobody else
    /// may read that: there may be passwords in it.
    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string(self).context("describing the repository")?;
        let _ = fs::remove_file(file);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file);
        made.and_then(|mut made| made.write_all(text.as_bytes()))
            .with_context(|| format!("writing {}", file.display()))
    }

    /// What [`save`](Self::save) put there.
    pub(crate) fn saved(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file);
        let text = text.with_context(|| format!("reading {}", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))
    }
}

fn folder(from: &str) -> Result<String> {
    let path = Path::new(from);
    ensure!(path.is_dir(), "{from} is no folder");
    let path = path
        .canonicalize()
        .with_context(|| format!("finding {from}"))?;
    let text = path.to_str();
    Ok(text
        .with_context(|| format!("{from} has a name that is no text"))?
        .to_owned())
}

/// The file's path from the root: what needs it runs elsewhere.
fn found(file: Option<&Path>) -> Result<Option<PathBuf>> {
    let found = file.map(|file| {
        file.canonicalize()
            .with_context(|| format!("finding {}", file.display()))
    });
    found.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_and_web_servers_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let reach = Reach::default();
        for good in [
            path,
            &format!("file://{path}"),
            "http://h/r",
            "https://u:p@h:8/r",
        ] {
            Repository::new(good, &reach).unwrap();
        }
        for (bad, why) in [
            ("/no/such/folder", "no folder"),
            ("smb://h/r", "mounted first"),
            ("file:///no/such", "no folder"),
        ] {
            let said = Repository::new(bad, &reach).unwrap_err().to_string();
            assert!(said.contains(why), "{bad}: {said}");
        }
        let missing = Reach {
            ca: Some("/no/such/ca".into()),
            ..Reach::default()
        };
        let said = Repository::new("https://h", &missing).unwrap_err();
        assert!(said.to_string().contains("/no/such/ca"), "{said}");
    }

    #[test]
    fn what_is_saved_is_found_and_nobody_else_s_business() {
        let folder = tempfile::tempdir().unwrap();
        let (pem, file) = (folder.path().join("ca.pem"), folder.path().join("saved"));
        fs::write(&pem, "no PEM").unwrap();
        let reach = Reach {
            ca: Some(pem.clone()),
            proxy: Some("http://p:3128".to_owned()),
            ..Reach::default()
        };
        let one = Repository::new("https://u:p@h/r", &reach).unwrap();
        one.save(&file).unwrap();
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Repository::saved(&file).unwrap(), one);
        one.save(&file).unwrap();
        let pem = pem.canonicalize().unwrap().display().to_string();
        assert_eq!(
            one.words(),
            [
                "--from",
                "https://u:p@h/r",
                "--ca",
                &pem,
                "--proxy",
                "http://p:3128"
            ]
        );
        let refused = one.open().err().unwrap();
        assert!(
            format!("{refused:#}").contains("no certificate"),
            "{refused:#}"
        );
    }
}
