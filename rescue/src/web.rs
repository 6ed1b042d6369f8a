//! Reaching web servers as the operator or the plan says, and telling when one
//! falls silent.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::unattended::plan::{Pem, Plan};
use ::site::network::{NoProxy, Proxy};
use anyhow::{Context, bail};
use store::{Silence, Web};

use crate::event::{Event, Sink};
use crate::init::network::settings;
use crate::init::site;

/// No file of certificates is larger than this many bytes.
const LARGEST: u64 = 1 << 20;
/// How often is looked whether the server is silent.
const TICK: Duration = Duration::from_millis(500);
/// Between reminders that it still is.
const REMINDER: Duration = Duration::from_secs(60);

/// Whom to trust on https:// addresses, and who to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Access {
    /// For https://: trust only servers whose certificate this authority (a PEM file) signed;
    /// if not given, the authorities that browsers trust.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<Pem>,

    /// For https:// servers that ask who you are: your certificate and its chain (a PEM file).
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<Pem>,

    /// The key of --client-cert (a PEM file, not encrypted).
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<Pem>,

    /// Reach web servers through this proxy: http://proxy:3128 or http://user:password@proxy:3128.
    /// (The environment, HTTP_PROXY and the like, is not looked at.)
    #[arg(long, value_name = "URL")]
    pub proxy: Option<Proxy>,

    /// Servers that are reached without it.
    #[arg(skip)]
    pub no_proxy: Vec<NoProxy>,

    /// A plan says all this: the operator's word on the proxy counts more.
    #[arg(skip)]
    pub of_plan: bool,
}

impl From<&Plan> for Access {
    fn from(plan: &Plan) -> Self {
        let (wanted, network) = (&plan.restore, &plan.network);
        Self {
            proxy: wanted.proxy.clone().or(network.proxy.clone()),
            no_proxy: network.no_proxy.clone(),
            ca: wanted.ca.clone(),
            client_cert: wanted.client_cert.clone(),
            client_key: wanted.client_key.clone(),
            of_plan: true,
        }
    }
}

impl Access {
    /// With the files read, as the store takes it.
    ///
    /// # Errors
    /// When a file cannot be read, or holds something else.
    pub fn web(&self) -> anyhow::Result<Web> {
        let trust = match &self.ca {
            Some(ca) => Some(read(ca)?),
            None => authorities_of(Path::new(site::FOLDER))?,
        };
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            (None, None) => identity_of(Path::new(site::FOLDER))?,
            _ => bail!("a client certificate needs its key: give client-cert and client-key"),
        };
        let web = Web {
            trust,
            identity,
            proxy: self.proxy(settings::operators_proxy())?,
            ..Web::default()
        };
        web.check().context("preparing to speak TLS")?;
        Ok(web)
    }
}

impl Access {
    /// The proxy that was given with the command, else that of the operator (`operators`;
    /// empty for none), of the plan or of the medium.
    fn proxy(&self, operators: Option<String>) -> anyhow::Result<Option<store::Proxy>> {
        let (given, mut except) = match &self.proxy {
            Some(proxy) if !self.of_plan || operators.is_none() => {
                (Some(proxy.clone()), self.no_proxy.clone())
            }
            _ => settings::proxy(operators),
        };
        if except.is_empty() {
            except.clone_from(&self.no_proxy);
        }
        let except: Vec<String> = except.iter().map(|e| e.as_str().to_owned()).collect();
        let proxy = given.map(|proxy| store::Proxy::new(&proxy.reveal(), &except));
        Ok(proxy.transpose()?)
    }
}

/// The authorities that the site put into its medium, if this is one.
fn authorities_of(site: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let Ok(files) = std::fs::read_dir(site.join("tls/ca")) else {
        return Ok(None);
    };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        all.extend(read(&Pem::File(path))?);
        all.push(b'\n');
    }
    Ok(Some(all))
}

/// The client certificate that the site put into its medium, and its key.
fn identity_of(site: &Path) -> anyhow::Result<Option<(Vec<u8>, Vec<u8>)>> {
    let (certificate, key) = (site.join("tls/client.pem"), site.join("tls/client.key"));
    if !certificate.exists() {
        return Ok(None);
    }
    Ok(Some((
        read(&Pem::File(certificate))?,
        read(&Pem::File(key))?,
    )))
}

/// The text of a file of certificates or keys.
fn read(pem: &Pem) -> anyhow::Result<Vec<u8>> {
    let path = match pem {
        Pem::Text(text) => return Ok(text.clone().into_bytes()),
        Pem::File(path) => path,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    file.take(LARGEST.saturating_add(1))
        .read_to_end(&mut bytes)
        .with_context(|| format!("reading {}", path.display()))?;
    if bytes.len() as u64 > LARGEST {
        bail!("{} is no PEM file: it is larger than 1 MiB", path.display());
    }
    Ok(bytes)
}

/// Does `work`, and tells `sink` meanwhile when the repository's server falls
/// silent and when it answers again.
pub fn watched<T>(silence: &Silence, sink: &dyn Sink, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (over, is_over) = channel::<()>();
        scope.spawn(move || tell(silence, sink, &is_over));
        let result = work();
        drop(over);
        result
    })
}

fn tell(silence: &Silence, sink: &dyn Sink, is_over: &Receiver<()>) {
    let mut told: Option<Duration> = None;
    while is_over.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        match (silence.now(), told) {
            (Some((since, reason)), None) => {
                sink.emit(Event::Warning {
                    text: format!(
                        "the repository's server does not answer ({reason}). It is waited for, \
                         and the work goes on by itself when it is back: look after the network \
                         cable, the switch and the server"
                    ),
                });
                told = Some(since);
            }
            (Some((since, _)), Some(last)) if since > last.saturating_add(REMINDER) => {
                let text = format!("still no answer after {} s", since.as_secs());
                sink.emit(Event::Warning { text });
                told = Some(since);
            }
            (None, Some(_)) => {
                let text = "the repository's server answers again: going on".to_owned();
                sink.emit(Event::Note { text });
                told = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_medium_was_given_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path();
        assert_eq!(authorities_of(site).unwrap(), None);
        assert_eq!(identity_of(site).unwrap(), None);
        std::fs::create_dir_all(site.join("tls/ca")).unwrap();
        for (name, text) in [
            ("ca/b.pem", "two"),
            ("ca/a.pem", "one"),
            ("client.pem", "me"),
            ("client.key", "my key"),
        ] {
            std::fs::write(site.join("tls").join(name), text).unwrap();
        }
        assert_eq!(authorities_of(site).unwrap().unwrap(), b"one\ntwo\n");
        let (certificate, key) = identity_of(site).unwrap().unwrap();
        assert_eq!((&certificate[..], &key[..]), (&b"me"[..], &b"my key"[..]));
    }

    #[test]
    fn the_proxy_of_a_plan_is_used_but_not_for_everybody() {
        let text = "[restore]\nfrom = \"/r\"\n[target]\nonly-disk = true\n[network]\n\
                    proxy = \"http://site:1\"\nno-proxy = [\"lab\"]\n";
        let plan = |text: &str| crate::unattended::plan::parse("x", text).unwrap();
        let web = Access::from(&plan(text)).web().unwrap();
        assert_eq!(
            format!("{:?}", web.proxy.unwrap()),
            "Proxy(http://site:1, not for [\"lab\"])"
        );
        let own = text.replace("[target]", "proxy = \"http://me:secret@own:2\"\n[target]");
        let web = Access::from(&plan(&own)).web().unwrap();
        assert_eq!(
            format!("{:?}", web.proxy.unwrap()),
            "Proxy(http://own:2, not for [\"lab\"])"
        );
        assert!(Access::default().web().unwrap().proxy.is_none());
    }

    #[test]
    fn the_operators_proxy_counts_before_the_plans_but_not_before_the_commands() {
        let proxy = |of_plan, operators: Option<&str>| {
            let access = Access {
                proxy: Some("http://given:1".parse().unwrap()),
                of_plan,
                ..Access::default()
            };
            let proxy = access.proxy(operators.map(str::to_owned)).unwrap();
            proxy.map(|proxy| proxy.to_string())
        };
        let given = Some("http://given:1".to_owned());
        assert_eq!(proxy(true, None), given);
        let own = Some("http://own:2".to_owned());
        assert_eq!(proxy(true, Some("http://own:2")), own);
        assert_eq!(proxy(true, Some("")), None, "the operator wants none");
        assert_eq!(proxy(false, Some("http://own:2")), given);
    }

    #[test]
    fn what_cannot_work_is_refused_before_any_request() {
        let access = |ca: &str| Access {
            ca: Some(ca.parse().unwrap()),
            ..Access::default()
        };
        let error = format!("{:#}", access("/no/such/file").web().unwrap_err());
        assert!(error.contains("/no/such/file"), "{error}");
        let error = format!(
            "{:#}",
            access("-----BEGIN NONSENSE-----").web().unwrap_err()
        );
        assert!(error.contains("the CA file"), "{error}");
        let lonely = Access {
            client_cert: Some("/x".parse().unwrap()),
            ..Access::default()
        };
        assert!(lonely.web().unwrap_err().to_string().contains("client-key"));
        assert!(Access::default().web().is_ok());
    }
}
