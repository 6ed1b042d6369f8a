//! Why a driver cannot be brought in.

/// The result of planning and applying.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a driver cannot be brought in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Windows installs drivers of other classes by itself once it runs.
    #[error(
        "{file}: expected a driver that Windows boots from (class SCSIAdapter, HDC or System), \
         found class {class}; put it where Windows looks for drivers instead"
    )]
    NotBootCritical { file: String, class: String },
    /// The INF installs nothing for the device.
    #[error("{file}: expected a service that drives the device in [{section}], found none")]
    NoDriver { file: String, section: String },
    /// Its name would mean something else in a script.
    #[error(
        "{file}: expected a name of ASCII letters, digits, spaces and ._-+() for an INF file; \
         rename it"
    )]
    OddName { file: String },
    /// The package is not complete.
    #[error("{file}: the package has no {}; take the whole package", .missing.join(", "))]
    Incomplete { file: String, missing: Vec<String> },
    /// It is no package of one driver.
    #[error(
        "{file}: expected at most {most} files beside it, found {count}; give its package a folder of its own"
    )]
    TooMany {
        file: String,
        count: usize,
        most: usize,
    },
    /// The hive is no `SYSTEM`.
    #[error("the hive has no ControlSet001 or other control set: is it SYSTEM?")]
    NoControlSet,
    /// The INF cannot be read.
    #[error(transparent)]
    Inf(#[from] crate::inf::Error),
    /// A hive cannot be read or edited.
    #[error(transparent)]
    Hive(#[from] hive::Error),
}
