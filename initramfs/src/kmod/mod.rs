//! Kernel modules: which to take, what they need, how PID 1 finds them.
//!
//! `names` and `depmod` parse depmod's files (pure), `tree` reads them from a
//! folder, `list` is the readable selection, `closure` adds everything that
//! the selection needs, `index` is the data shipped for PID 1, `absent` what it says of drivers that were left out, `unpack`
//! and `modinfo` deal with the module files themselves; `extra` is about drivers
//! that are added to a finished medium.

mod absent;
mod closure;
mod depmod;
mod extra;
mod index;
mod layer;
mod list;
mod modinfo;
mod names;
mod tree;
pub(crate) mod unpack;

pub use absent::{AbsentIndex, AbsentModule};
pub use closure::{Closure, LoadedModule};
pub use depmod::SoftDep;
pub use extra::ExtraModules;
pub use index::{ModuleIndex, ModuleRecord};
pub use layer::{Drivers, driver_layer};
pub use list::{Class, DEFAULT_LIST, Selection};
pub use names::ModuleName;
pub use tree::ModuleTree;

#[cfg(test)]
mod tests;
