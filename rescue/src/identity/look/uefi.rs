//! What is asked of a volume for a conversion to UEFI.

use disk::ReadAt;

use super::wire::{Answer, Job};
use super::{Kind, Search, plain};
use crate::adapt::uefi::{BootFile, Installed, NewStore, Starts, StartsWhat, Survey};
use crate::firmware::NewNames;

impl Search<'_> {
    /// What of an NTFS volume matters for UEFI.
    pub(crate) fn survey(&self, volume: &dyn ReadAt) -> Answer<Survey> {
        let found: Survey = self.job(volume, Kind::Ntfs, Job::Survey)?;
        let all = |texts: Vec<String>| texts.iter().take(20).map(|text| plain(text)).collect();
        Ok(Survey {
            windows: found.windows.map(|windows| Installed {
                arch: plain(&windows.arch),
                lacks: all(windows.lacks),
            }),
            starts: found.starts.map(|starts| Starts {
                system: match starts.system {
                    StartsWhat::Unknown(why) => StartsWhat::Unknown(plain(&why)),
                    known => known,
                },
                others: all(starts.others),
            }),
        })
    }

    /// The files that its Windows has for an EFI system partition.
    pub(crate) fn boot_files(&self, volume: &dyn ReadAt) -> Answer<Vec<BootFile>> {
        self.job(volume, Kind::Ntfs, Job::BootFiles)
    }

    /// Its boot store, for UEFI.
    pub(crate) fn new_store(
        &self,
        volume: &dyn ReadAt,
        names: &NewNames,
        system: u64,
    ) -> Answer<NewStore> {
        let job = Job::NewStore(names.clone(), system);
        let found: NewStore = self.job(volume, Kind::Ntfs, job)?;
        let all = |texts: &[String]| texts.iter().take(1000).map(|text| plain(text)).collect();
        Ok(NewStore {
            edits: all(&found.edits),
            warnings: all(&found.warnings),
            bytes: found.bytes,
        })
    }
}
