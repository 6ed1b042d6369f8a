//! The key of the service, exactly as its INF says, started at boot.

use hive::ValueType;

use super::edits::{Change, RegistryEdit, When};
use crate::inf::{Entry, Root, Service, Write};

/// `SERVICE_BOOT_START`.
const BOOT_START: u32 = 0;

/// Edits for one control set. Paths of the loader begin at the Windows folder.
pub(crate) fn edits(control_set: &str, service: &Service) -> Vec<RegistryEdit> {
    let key = format!("{control_set}\\Services\\{}", service.name);
    let image = format!("System32\\drivers\\{}", service.binary.name());
    let mut edits = vec![
        RegistryEdit::dword(&key, "Type", service.service_type),
        RegistryEdit::dword(&key, "Start", BOOT_START),
        RegistryEdit::dword(&key, "ErrorControl", service.error_control),
        RegistryEdit::set(&key, "ImagePath", ValueType::EXPAND_SZ, hive::sz(&image)),
    ];
    let texts = [
        ("Group", &service.group),
        ("DisplayName", &service.display_name),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            edits.push(RegistryEdit::text(&key, name, text));
        }
    }
    if !service.dependencies.is_empty() {
        let names = &service.dependencies;
        edits.push(RegistryEdit::strings(&key, "DependOnService", names));
    }
    if let Some(flags) = service.boot_flags {
        edits.push(RegistryEdit::dword(&key, "BootFlags", flags));
    }
    // Windows 8 and later: it would count more than Start.
    edits.push(RegistryEdit {
        key: format!("{key}\\StartOverride"),
        change: Change::Delete,
    });
    edits.extend(registry(&service.registry, control_set, &key));
    edits
}

/// Entries of an INF below the key that `HKR` means. `HKLM` counts where a
/// driver's other services are; what else there is is left to Windows.
pub(crate) fn registry(entries: &[Entry], control_set: &str, own: &str) -> Vec<RegistryEdit> {
    let edits = entries.iter().filter_map(|entry| {
        let key = match entry.root {
            Root::Relative => join(own, &entry.subkey),
            Root::Machine => format!("{control_set}\\{}", below_services(&entry.subkey)?),
            Root::Other => return None,
        };
        let change = change(entry);
        Some(RegistryEdit { key, change })
    });
    edits.collect()
}

/// Whether Windows has to do it when it runs.
pub(crate) fn is_left(entry: &Entry) -> bool {
    match entry.root {
        Root::Relative => false,
        Root::Machine => below_services(&entry.subkey).is_none(),
        Root::Other => true,
    }
}

fn below_services(path: &str) -> Option<&str> {
    let rest = after(path, "SYSTEM\\CurrentControlSet\\")?;
    after(rest, "Services\\")
        .filter(|below| !below.is_empty())
        .map(|_| rest)
}

fn after<'p>(path: &'p str, start: &str) -> Option<&'p str> {
    let (head, rest) = path.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

fn join(key: &str, subkey: &str) -> String {
    match subkey {
        "" => key.to_owned(),
        _ => format!("{key}\\{subkey}"),
    }
}

fn change(entry: &Entry) -> Change {
    let name = entry.name.clone();
    let when = match (entry.unless_there, entry.only_if_there) {
        (true, _) => When::Absent,
        (_, true) => When::Present,
        _ => When::Always,
    };
    match &entry.write {
        Write::Key => Change::Create,
        Write::Set(kind, data) => Change::Set(name, *kind, data.clone(), when),
        Write::Append(strings) => Change::AddStrings(name, strings.clone()),
        Write::DeleteStrings(strings) => Change::RemoveStrings(name, strings.clone()),
        Write::DeleteValue => Change::DeleteValue(name),
        Write::DeleteKey => Change::Delete,
    }
}
