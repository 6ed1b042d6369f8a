//! What the kernel's error numbers mean when a share cannot be mounted.

use std::io;

use sys::Errno;

/// Why a share cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// The server does not speak the version that was tried.
    Version,
    /// NFS: this machine may not have it.
    NotThisMachine,
    /// SMB: name or password are wrong.
    WrongPassword,
    /// SMB: a password is needed.
    NoGuests,
    /// SMB: the user is known but may not use the share.
    NotThisUser,
    /// SMB: the account cannot be used now.
    Account,
    /// SMB: no share of that name.
    NoShare,
    /// No such folder.
    NoFolder,
    /// It took too long.
    Silent,
    /// Anything else.
    Other,
}

impl Problem {
    pub(super) fn is_version(self) -> bool {
        self == Self::Version
    }

    /// What is wrong with `place`, and what to do.
    pub(super) fn sentence(self, place: &str, error: &io::Error) -> String {
        let what = match self {
            Self::Version => "the server speaks no version of the protocol that is known here",
            Self::NotThisMachine => {
                "the server does not let this machine have it: add this machine's address to the \
                 export's clients"
            }
            Self::WrongPassword => {
                "user name or password are wrong: smb://user:password@server/share, or fill in \
                 the form for SMB shares"
            }
            Self::NoGuests => {
                "the server takes no guests: give a user and a password \
                 (smb://user:password@server/share, or the form for SMB shares)"
            }
            Self::NotThisUser => "the user may not use this share: ask who administers the server",
            Self::Account => {
                "the account is disabled, locked, or its password has expired: ask who \
                 administers the server"
            }
            Self::NoShare => "the server has no share of that name",
            Self::NoFolder => "the server has no such export or folder",
            Self::Silent => "the server accepts connections and then does not answer",
            Self::Other => return format!("{place} cannot be mounted: {error}"),
        };
        format!("{place}: {what}")
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// What an error of an NFS mount means.
pub(super) fn nfs_problem(error: &io::Error) -> Problem {
    match errno(error) {
        Errno::EPROTONOSUPPORT | Errno::EPROTO | Errno::EOPNOTSUPP | Errno::EINVAL => {
            Problem::Version
        }
        Errno::EACCES | Errno::EPERM => Problem::NotThisMachine,
        Errno::ENOENT | Errno::ENOTDIR | Errno::ESTALE => Problem::NoFolder,
        Errno::ETIMEDOUT | Errno::EIO => Problem::Silent,
        _ => Problem::Other,
    }
}

/// What an error of an SMB mount means; `status` is what the server said.
pub(super) fn smb_problem(error: &io::Error, status: Option<&str>, has_user: bool) -> Problem {
    match status.unwrap_or_default() {
        "STATUS_LOGON_FAILURE" | "STATUS_WRONG_PASSWORD" | "STATUS_NO_SUCH_USER" => {
            return login_problem(has_user);
        }
        "STATUS_ACCESS_DENIED" if has_user => return Problem::NotThisUser,
        "STATUS_BAD_NETWORK_NAME" => return Problem::NoShare,
        "STATUS_ACCOUNT_DISABLED"
        | "STATUS_ACCOUNT_LOCKED_OUT"
        | "STATUS_ACCOUNT_EXPIRED"
        | "STATUS_ACCOUNT_RESTRICTION"
        | "STATUS_PASSWORD_EXPIRED"
        | "STATUS_PASSWORD_MUST_CHANGE" => return Problem::Account,
        _ => {}
    }
    match errno(error) {
        Errno::EACCES | Errno::EPERM => login_problem(has_user),
        Errno::EKEYEXPIRED | Errno::EKEYREVOKED | Errno::ENOKEY => Problem::Account,
        Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT => Problem::Version,
        Errno::ENOENT => Problem::NoShare,
        Errno::ETIMEDOUT | Errno::EHOSTDOWN | Errno::EAGAIN => Problem::Silent,
        _ => Problem::Other,
    }
}

fn login_problem(has_user: bool) -> Problem {
    if has_user {
        Problem::WrongPassword
    } else {
        Problem::NoGuests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(number: Errno) -> io::Error {
        io::Error::from_raw_os_error(number as i32)
    }

    #[test]
    fn what_the_server_said_counts_before_the_number() {
        let denied = error(Errno::EACCES);
        let smb = |status, user| smb_problem(&denied, status, user);
        assert_eq!(
            smb(Some("STATUS_LOGON_FAILURE"), true),
            Problem::WrongPassword
        );
        assert_eq!(
            smb(Some("STATUS_ACCESS_DENIED"), true),
            Problem::NotThisUser
        );
        assert_eq!(smb(Some("STATUS_ACCESS_DENIED"), false), Problem::NoGuests);
        assert_eq!(smb(None, true), Problem::WrongPassword);
        assert_eq!(
            smb(Some("STATUS_ACCOUNT_LOCKED_OUT"), true),
            Problem::Account
        );
        let none = error(Errno::ENOENT);
        assert_eq!(smb_problem(&none, None, true), Problem::NoShare);
    }

    #[test]
    fn sentences_name_the_place_and_what_to_do() {
        let denied = error(Errno::EACCES);
        let text = nfs_problem(&denied).sentence("nfs://nas/b", &denied);
        assert!(
            text.starts_with("nfs://nas/b: ") && text.contains("export's clients"),
            "{text}"
        );
        let strange = error(Errno::ENOMEM);
        let text = nfs_problem(&strange).sentence("nfs://nas/b", &strange);
        assert!(text.contains("memory"), "{text}");
        assert!(nfs_problem(&error(Errno::EPROTONOSUPPORT)).is_version());
    }
}
