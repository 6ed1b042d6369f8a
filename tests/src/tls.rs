//! A real nginx that speaks TLS with certificates of a private authority.

use anyhow::{Context, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Starting nginx takes much less.
const START: Duration = Duration::from_secs(10);

/// An authority that nobody knows but the test.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM.
    pub certificate: String,
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Valid {
    /// Now.
    Now,
    /// Until years ago.
    NoMore,
    /// In years.
    NotYet,
}

/// Whether a server asks for a client's certificate.
#[derive(Debug, Clone, Copy)]
pub enum Asks<'a> {
    /// It does not.
    Nobody,
    /// It wants one that this authority signed.
    For(&'a Authority),
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When keys cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        let mut wanted = params(&[], name, Valid::Now)?;
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = wanted.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(wanted, key),
            certificate,
        })
    }

    /// A certificate for `names` (host names or addresses) and its key, PEM.
    ///
    /// # Errors
    /// When keys cannot be made.
    pub fn issue(&self, names: &[&str], valid: Valid) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let wanted = params(names, "somebody", valid)?;
        let certificate = wanted.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

fn params(names: &[&str], subject: &str, valid: Valid) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, subject);
    let (from, to) = match valid {
        Valid::Now => (2020, 2090),
        Valid::NoMore => (2020, 2021),
        Valid::NotYet => (2080, 2090),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    Ok(params)
}

/// nginx on a port of the loopback; ends with this.
#[derive(Debug)]
pub struct TlsServer {
    child: Child,
    port: u16,
}

impl TlsServer {
    /// Serves `root` with `identity` (certificate and key); its own files go to
    /// `folder`. Each answer is slowed down to `pace` bytes per second, if given.
    ///
    /// # Errors
    /// When nginx is missing (package nginx-light) or does not start.
    pub fn serve(
        root: &Path,
        folder: &Path,
        identity: &(String, String),
        asks: Asks<'_>,
        pace: Option<u32>,
    ) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        fs::write(folder.join("server.pem"), &identity.0)?;
        fs::write(folder.join("server.key"), &identity.1)?;
        let clients = match asks {
            Asks::Nobody => String::new(),
            Asks::For(authority) => {
                fs::write(folder.join("clients.pem"), &authority.certificate)?;
                "ssl_client_certificate clients.pem; ssl_verify_client on;".to_owned()
            }
        };
        let pace = pace.map_or(String::new(), |pace| format!("limit_rate {pace};"));
        let config = config(root, folder, port, &format!("{clients} {pace}"));
        fs::write(folder.join("nginx.conf"), config)?;
        let mut child = Command::new("nginx")
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .arg("-p")
            .arg(folder)
            .args(["-e", "stderr", "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("running nginx (package nginx-light)")?;
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait()?.is_some();
            if ended || started.elapsed() > START {
                let mut said = String::new();
                drop(child.kill());
                if let Some(mut errors) = child.stderr.take() {
                    drop(errors.read_to_string(&mut said));
                }
                ensure!(false, "nginx does not start: {said}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { child, port })
    }

    /// Its address under the name or address `host`.
    #[must_use]
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One process, no files but below `folder`.
fn config(root: &Path, folder: &Path, port: u16, more: &str) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {}/{kind}; ", folder.display()))
        .concat();
    format!(
        "daemon off; master_process off; pid nginx.pid; events {{}}\n\
         http {{ access_log off; {temporary}\n\
         server {{ listen 127.0.0.1:{port} ssl; root {}; ssl_certificate server.pem;\n\
         ssl_certificate_key server.key; {more} }} }}\n",
        root.display()
    )
}
