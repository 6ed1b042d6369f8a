//! Reading disks into a repository.
