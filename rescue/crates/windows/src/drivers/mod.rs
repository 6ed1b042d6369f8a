//! Which driver of the Windows on the disk serves a controller of the machine.
//!
//! Windows 8 and later look a device's ids up in `SYSTEM\DriverDatabase`,
//! Windows 7 in `CriticalDeviceDatabase` of the control set. Both are in the hive
//! that is restored, so the answer is the one that this Windows will find.

mod database;
mod ids;
mod service;
mod supply;

pub(crate) use database::critical_key;
pub use database::{Database, Generation, Match};
pub use ids::{Device, HYPER_V_PCI, HYPER_V_STORAGE, PciDevice};
pub use service::{Service, file_of};
pub use supply::driver_to_supply;
