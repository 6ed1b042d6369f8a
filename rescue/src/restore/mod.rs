//! The restore engine: plan, arm, write, verify, activate.
