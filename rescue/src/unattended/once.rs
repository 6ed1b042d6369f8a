//! The one-shot token: a plan with `[once] claim` is followed only after a
//! server has said yes, and a server says yes to each token once.
//!
//! The server is asked (POST, with this machine's names) when everything else
//! is settled: right before the first write. Any 2xx status is a yes. 403, 404,
//! 409 and 410 mean that the token was used or withdrawn. Anything else, or no
//! answer, is no yes either: nothing is written.
//!
//! An interrupted restore that is continued does not ask again: the journal on
//! the target is there because the server had said yes.

use super::address::Address;
use store::Answer;

/// Why the restore is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OnceError {
    /// The token is used up.
    #[error(
        "{address} answered {status}: this plan's token was used already, or withdrawn. Nothing \
         was written. To restore again, hand out a new token, or choose the image in the dialogue"
    )]
    Used {
        /// Who was asked.
        address: String,
        /// The HTTP status.
        status: u16,
    },
    /// Neither yes nor no.
    #[error(
        "{address} must allow this restore first ([once] in the plan), and it did not: {why}. \
         Nothing was written"
    )]
    NoAnswer {
        /// Who was asked.
        address: String,
        /// The status, or what the network said.
        why: String,
    },
}

/// What the server's answer means.
///
/// # Errors
/// [`OnceError`] unless it is a yes.
pub fn judge(address: &Address, answer: Result<Answer, store::Error>) -> Result<(), OnceError> {
    let address = address.to_string();
    match answer {
        Ok(Answer { status: 200..=299 }) => Ok(()),
        Ok(Answer {
            status: status @ (403 | 404 | 409 | 410),
        }) => Err(OnceError::Used { address, status }),
        Ok(Answer { status }) => Err(OnceError::NoAnswer {
            address,
            why: format!("it answered {status}"),
        }),
        Err(error) => Err(OnceError::NoAnswer {
            address,
            why: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16) -> Result<(), OnceError> {
        let address = "http://u:p@h/claim/1".parse().unwrap();
        judge(&address, Ok(Answer { status }))
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        assert_eq!(outcome(200), Ok(()));
        assert_eq!(outcome(204), Ok(()));
        for used in [403, 404, 409, 410] {
            let error = outcome(used).unwrap_err();
            assert!(matches!(error, OnceError::Used { .. }), "{error}");
        }
        for other in [100, 301, 400, 401, 500, 503] {
            let error = outcome(other).unwrap_err();
            assert!(matches!(error, OnceError::NoAnswer { .. }), "{error}");
            assert!(!error.to_string().contains(":p@"), "{error}");
        }
    }
}
