//! Doing what was planned, and checking that this and nothing else was done.

use std::collections::BTreeSet;

use hive::{Edit, Hive, What, diff};

use super::plan::{Change, Plan, Refusal};

/// Why a plan was not applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Windows would not start, and nobody said to go on.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// An edit failed.
    #[error("cannot {what}")]
    Edit {
        /// The edit.
        what: String,
        /// Why.
        source: hive::Error,
    },
}

/// Applies a plan; `forced` goes on where the plan refuses. Returns how many
/// edits changed anything.
///
/// # Errors
/// When the plan refuses, or an edit fails: nothing must be written then.
pub fn apply(plan: &Plan, edit: &mut Edit, forced: bool) -> Result<usize, ApplyError> {
    if let Some(refusal) = plan.refusals.first().filter(|_| !forced) {
        return Err(refusal.clone().into());
    }
    let mut changed = 0;
    for planned in &plan.edits {
        let done = one(&planned.change, edit).map_err(|source| ApplyError::Edit {
            what: planned.change.to_string(),
            source,
        })?;
        changed += usize::from(done);
    }
    Ok(changed)
}

fn one(change: &Change, edit: &mut Edit) -> hive::Result<bool> {
    match change {
        Change::DeleteKey { key } => edit.delete_key(key),
        Change::CreateKey { key } => edit.create_key(key),
        Change::DeleteValue { key, value } => edit.delete_value(key, value),
        Change::Set {
            key,
            value,
            kind,
            data,
        } => edit.set_value(key, value, *kind, data),
    }
}

/// What is not as it was planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A hive is damaged.
    #[error(transparent)]
    Hive(#[from] hive::Error),
    /// An edit is not there.
    #[error("the adapted hive lacks an edit: {what}; do not start this Windows")]
    Missing {
        /// The edit.
        what: String,
    },
    /// Something else changed.
    #[error(
        "the adapted hive differs where nothing was planned: {what}; do not start this Windows"
    )]
    Unplanned {
        /// The difference.
        what: String,
    },
}

/// Compares the hive before and after with the plan.
///
/// # Errors
/// When an edit is missing, or anything else differs; times of keys may, where
/// something in the key was to change.
pub fn verify(before: &Hive, after: &Hive, plan: &Plan) -> Result<(), VerifyError> {
    for planned in &plan.edits {
        if !is_done(after, &planned.change)? {
            let what = planned.change.to_string();
            return Err(VerifyError::Missing { what });
        }
    }
    let places = Places::of(plan);
    match diff(before, after)?
        .into_iter()
        .find(|change| !places.allow(change))
    {
        None => Ok(()),
        Some(change) => Err(VerifyError::Unplanned {
            what: change.to_string(),
        }),
    }
}

fn is_done(hive: &Hive, change: &Change) -> hive::Result<bool> {
    match change {
        Change::DeleteKey { key } => Ok(hive.find(key)?.is_none()),
        Change::CreateKey { key } => Ok(hive.find(key)?.is_some()),
        Change::DeleteValue { key, value } => match hive.find(key)? {
            Some(key) => Ok(key.value(value)?.is_none()),
            None => Ok(true),
        },
        Change::Set {
            key,
            value,
            kind,
            data,
        } => {
            let found = hive.find(key)?.map(|key| key.value(value)).transpose()?;
            match found.flatten() {
                Some(found) => Ok(found.value_type() == *kind && *found.data()? == **data),
                None => Ok(false),
            }
        }
    }
}

/// Where a plan allows differences: paths and names in small letters.
#[derive(Default)]
struct Places {
    /// Keys that come or go, with all in them.
    trees: BTreeSet<String>,
    values: BTreeSet<(String, String)>,
    /// Keys that something was to change in.
    times: BTreeSet<String>,
}

impl Places {
    fn of(plan: &Plan) -> Self {
        let mut places = Self::default();
        for planned in &plan.edits {
            match &planned.change {
                Change::DeleteKey { key } | Change::CreateKey { key } => {
                    let key = key.to_lowercase();
                    let parent = key.rsplit_once('\\').map(|(parent, _)| parent);
                    places.times.insert(parent.unwrap_or_default().to_owned());
                    places.trees.insert(key);
                }
                Change::Set { key, value, .. } | Change::DeleteValue { key, value } => {
                    let key = key.to_lowercase();
                    places.values.insert((key.clone(), value.to_lowercase()));
                    places.times.insert(key);
                }
            }
        }
        places
    }

    fn allow(&self, change: &hive::Change) -> bool {
        let key = change.key.to_lowercase();
        let below = |tree: &String| {
            let rest = key.strip_prefix(tree.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
        };
        match &change.what {
            What::Time(..) => self.times.contains(&key),
            What::Value(name, ..) => {
                let name = String::from_utf16_lossy(name.units()).to_lowercase();
                self.values.contains(&(key.clone(), name)) || self.trees.iter().any(below)
            }
            What::KeyAdded | What::KeyRemoved => self.trees.iter().any(below),
            What::Class(..) | What::Security(..) | What::Form(..) => false,
        }
    }
}
