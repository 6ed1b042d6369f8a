//! What can go wrong between an initiator and a target.

use std::io;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The connection broke, or nothing came in time.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The target refuses the login.
    #[error("{0}")]
    Refused(Refusal),
    /// The target is somewhere else.
    #[error("the target sends initiators to {to:?}")]
    Moved {
        /// "address:port", perhaps with ",group".
        to: String,
    },
    /// What came is no answer to what was sent.
    #[error("{what} at byte {at} of the server's answer: expected {expected}, found {found}")]
    Malformed {
        /// The field.
        what: &'static str,
        /// Where it is.
        at: usize,
        /// What the standard wants.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A value that was negotiated cannot be used.
    #[error("the target answers {key}={value}, expected {expected}")]
    Negotiation {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What could be used.
        expected: &'static str,
    },
    /// It does not come to an end.
    #[error("the login did not end after {0} messages")]
    Endless(usize),
}

impl Error {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    /// Whether the other side accepts connections and then says nothing.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        let silent = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
        matches!(self, Self::Io { source, .. } if silent.contains(&source.kind()))
    }
}

/// Why a target refuses a login: Status-Class and Status-Detail of RFC 7143,
/// section 11.13.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// 02/01.
    #[error("user name or password are wrong, or the target wants one")]
    Authentication,
    /// 02/02.
    #[error("this initiator may not use the target")]
    NotAllowed,
    /// 02/03.
    #[error("the server has no such target")]
    NoTarget,
    /// 02/04.
    #[error("the target was removed")]
    Removed,
    /// 02/05.
    #[error("the target speaks another version of iSCSI")]
    Version,
    /// 02/06.
    #[error("the target has too many connections")]
    TooMany,
    /// 03/01.
    #[error("the target is not in service now")]
    Unavailable,
    /// 03/02.
    #[error("the target is short of resources")]
    Resources,
    /// Anything else.
    #[error("the target refuses the login with status {class:02x}/{detail:02x}")]
    Other {
        /// Status-Class.
        class: u8,
        /// Status-Detail.
        detail: u8,
    },
}

impl Refusal {
    pub(crate) const fn of(class: u8, detail: u8) -> Self {
        match (class, detail) {
            (2, 1) => Self::Authentication,
            (2, 2) => Self::NotAllowed,
            (2, 3) => Self::NoTarget,
            (2, 4) => Self::Removed,
            (2, 5) => Self::Version,
            (2, 6) => Self::TooMany,
            (3, 1) => Self::Unavailable,
            (3, 2) => Self::Resources,
            _ => Self::Other { class, detail },
        }
    }
}
