//! How a web server is reached: whom to trust, who to be, how long to wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::proxy::Proxy;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// How long a server that answered before may be silent.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// What reaching a web server takes beside its address.
///
/// The crate reads no files: certificates and keys are given as the text of
/// PEM files (RFC 7468).
#[derive(Debug, Clone, Default)]
pub struct Web {
    /// The only authorities to trust; if not given, those that browsers trust.
    pub trust: Option<Vec<u8>>,
    /// The certificate (with its chain) to show to servers that ask, and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The proxy through which servers are reached.
    pub proxy: Option<Proxy>,
    /// Says whether the server is waited for.
    pub silence: Arc<Silence>,
}

/// Why certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPem {
    /// There is no certificate in the text.
    #[error(
        "{0} holds no certificate: expected a PEM file, with a line -----BEGIN CERTIFICATE-----"
    )]
    NoCertificate(&'static str),
    /// There is no key in the text.
    #[error(
        "the client key is none: expected a PEM file, with a line -----BEGIN PRIVATE KEY-----; \
         one that is encrypted cannot be used"
    )]
    NoKey,
    /// The text is broken.
    #[error("{what} cannot be read: {reason}")]
    Broken {
        /// Of what.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl Web {
    /// The proxy through which the server of `address` is reached, if any.
    pub(crate) fn proxy_towards(&self, address: &str) -> Option<&Proxy> {
        self.proxy.as_ref()?.towards(address)
    }

    /// What sends requests to the server of `address` this way.
    pub(crate) fn agent(&self, address: &str) -> Result<Agent, BadPem> {
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &self.trust {
            let roots = certificates("the CA file", pem)?;
            tls = tls.root_certs(RootCerts::Specific(Arc::new(roots)));
        }
        if let Some((chain, key)) = &self.identity {
            let chain = certificates("the client certificate", chain)?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, private(key)?)));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(self.proxy_towards(address).map(Proxy::inner))
            .user_agent("rescue")
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(15)))
            .max_idle_connections(64)
            .max_idle_connections_per_host(64)
            .tls_config(tls.build())
            .build();
        Ok(config.into())
    }

    /// Whether what was given can be used at all.
    ///
    /// # Errors
    /// [`BadPem`].
    pub fn check(&self) -> Result<(), BadPem> {
        self.agent("").map(drop)
    }
}

fn items(what: &'static str, pem: &[u8]) -> Result<Vec<PemItem<'static>>, BadPem> {
    let items: Result<_, _> = parse_pem(pem).collect();
    items.map_err(|error| BadPem::Broken {
        what,
        reason: error.to_string(),
    })
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<Certificate<'static>>, BadPem> {
    let found: Vec<_> = items(what, pem)?
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(BadPem::NoCertificate(what));
    }
    Ok(found)
}

fn private(pem: &[u8]) -> Result<PrivateKey<'static>, BadPem> {
    let mut items = items("the client key", pem)?.into_iter();
    let key = items.find_map(|item| match item {
        PemItem::PrivateKey(key) => Some(key),
        _ => None,
    });
    key.ok_or(BadPem::NoKey)
}

/// Since when a server does not answer, if it does not: shared between the
/// store's readers, who find out, and whoever tells the operator.
#[derive(Debug, Default)]
pub struct Silence(Mutex<Option<(Instant, String)>>);

impl Silence {
    /// For how long there was no answer, and what the network said; `None`
    /// while the server answers.
    #[must_use]
    pub fn now(&self) -> Option<(Duration, String)> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, reason) = state.as_ref()?;
        Some((since.elapsed(), reason.clone()))
    }

    /// There was no answer: `reason`.
    pub(crate) fn begins(&self, reason: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.get_or_insert_with(|| (Instant::now(), reason.to_owned()));
    }

    /// The server answered.
    pub(crate) fn ends(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        let with = |trust: &[u8]| Web {
            trust: Some(trust.to_vec()),
            ..Web::default()
        };
        let none = BadPem::NoCertificate("the CA file");
        assert_eq!(with(b"hello").check(), Err(none));
        let cut = with(b"-----BEGIN CERTIFICATE-----\nMII").check();
        assert!(
            matches!(cut, Err(BadPem::Broken { .. } | BadPem::NoCertificate(_))),
            "{cut:?}"
        );
        assert_eq!(Web::default().check(), Ok(()));
    }

    #[test]
    fn silence_begins_once_and_ends() {
        let silence = Silence::default();
        assert!(silence.now().is_none());
        silence.begins("first");
        silence.begins("second");
        assert_eq!(silence.now().unwrap().1, "first");
        silence.ends();
        assert!(silence.now().is_none());
    }
}
