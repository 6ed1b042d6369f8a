//! Why a server is not trusted, or does not trust us, in words.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// The words for what `error` holds of TLS, when it is final: trying again
/// would not help. `None` for everything else.
pub(crate) fn refusal(error: &ureq::Error) -> Option<String> {
    match error {
        ureq::Error::Rustls(error) => in_words(error),
        ureq::Error::Io(error) => in_words(within(error)?),
        _ => None,
    }
}

/// As [`refusal`], for an error of reading.
pub(crate) fn refusal_while_reading(error: &std::io::Error) -> Option<String> {
    if let Some(tls) = within(error) {
        return in_words(tls);
    }
    refusal(error.get_ref()?.downcast_ref()?)
}

fn within(error: &std::io::Error) -> Option<&TlsError> {
    let inner = error.get_ref()?;
    if let Some(tls) = inner.downcast_ref() {
        return Some(tls);
    }
    within(inner.downcast_ref()?)
}

fn in_words(error: &TlsError) -> Option<String> {
    match error {
        TlsError::InvalidCertificate(why) => Some(certificate(why)),
        TlsError::AlertReceived(alert) => alert_in_words(*alert),
        TlsError::NoCertificatesPresented => Some("the server shows no certificate".to_owned()),
        TlsError::InvalidMessage(_) => {
            Some("what answers there does not speak TLS: is it an http:// address?".to_owned())
        }
        TlsError::PeerIncompatible(why) => Some(format!(
            "the server speaks no TLS that is safe today (1.2 or 1.3): {why:?}"
        )),
        _ => None,
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::UnknownIssuer => {
            "the server's certificate was signed by nobody who is trusted here. If it is your own \
             authority, give its certificate: --ca FILE, or `ca` in the plan"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the server's certificate has expired. {}", clock())
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the server's certificate is not valid yet. {}", clock())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name: use the name or address that it \
             was made for, or give the server one for this address"
                .to_owned()
        }
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        other => format!("the server's certificate cannot be trusted: {other}"),
    }
}

fn alert_in_words(alert: AlertDescription) -> Option<String> {
    match alert {
        AlertDescription::CertificateRequired => Some(
            "the server wants to know who asks: give --client-cert and --client-key, or \
             `client-cert` and `client-key` in the plan"
                .to_owned(),
        ),
        AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => Some(format!(
            "the server does not accept the client certificate ({alert:?}). {}",
            clock()
        )),
        _ => None,
    }
}

/// A wrong clock makes good certificates bad: it is told beside the verdict.
fn clock() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |d| d.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!(
        "This machine's clock says {year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC: if that \
         is wrong, set it (in the firmware's setup, or with `date`) and try again"
    )
}

/// Year, month and day of the day `days` after 1970-01-01, in the Gregorian
/// calendar, counted from the 1st of March of year 0, so that the day that
/// leap years add comes last.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days.saturating_add(719_468);
    let (era, day) = (days / ERA, days % ERA);
    let leap_days = day / 1460 + day / (ERA - 1);
    let year_of_era = (day.saturating_add(day / 36_524)).saturating_sub(leap_days) / 365;
    let before = 365 * year_of_era + year_of_era / 4 - year_of_era / 100;
    let day_of_year = day.saturating_sub(before);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year.saturating_sub((153 * month + 2) / 5) + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year_of_era + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(59), (1970, 3, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(20_781), (2026, 11, 24));
        assert_eq!(date(47_540), (2100, 2, 28));
        assert_eq!(date(47_541), (2100, 3, 1));
        assert_eq!(date(19_722), (2023, 12, 31));
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let words = |e| in_words(&TlsError::InvalidCertificate(e)).unwrap();
        assert!(words(CertificateError::UnknownIssuer).contains("--ca FILE"));
        assert!(words(CertificateError::Expired).contains("clock says 20"));
        assert!(words(CertificateError::NotValidYet).contains("clock says 20"));
        assert!(words(CertificateError::NotValidForName).contains("another name"));
        let asked = TlsError::AlertReceived(AlertDescription::CertificateRequired);
        assert!(in_words(&asked).unwrap().contains("--client-cert"));
        assert_eq!(in_words(&TlsError::HandshakeNotComplete), None);
    }

    #[test]
    fn it_is_found_within_errors_of_reading() {
        let tls = || TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        let io = std::io::Error::other(tls());
        assert!(refusal_while_reading(&io).is_some());
        let deeper = std::io::Error::other(ureq::Error::Io(std::io::Error::other(tls())));
        assert!(refusal_while_reading(&deeper).is_some());
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(refusal_while_reading(&reset).is_none());
    }
}
