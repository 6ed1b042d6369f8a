//! Having Windows install the packages properly when it runs again.

use hive::ValueType;

use super::edits::{Change, RegistryEdit};

/// A script and the service that starts it, once. Not tried on a Windows from
/// here; the machine boots and works without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBoot {
    /// Where the script goes: from the root of the volume, with `\`.
    pub path: String,
    /// The script, with the line ends of Windows.
    pub script: String,
    /// Edits of `SYSTEM`.
    pub system: Vec<RegistryEdit>,
}

const SERVICE: &str = "rescue-drivers";

/// A service rather than `Setup\CmdLine`: that changes whether Windows thinks it
/// is being set up, and a script that fails there keeps the machine from its
/// logon. `cmd` is no service and leaves at once, which Windows notes as an
/// error (7000 or 7009) and forgives; the script goes on by itself.
pub(crate) fn first_boot(windows: &str, control_sets: &[String], infs: &[String]) -> FirstBoot {
    let script_path = format!(r"\{windows}\Drivers\rescue\first-boot.cmd");
    let script = r"%SystemRoot%\Drivers\rescue\first-boot.cmd";
    let image = format!(
        "%SystemRoot%\\System32\\cmd.exe /c start \"rescue\" /b %SystemRoot%\\System32\\cmd.exe /c \"{script}\""
    );
    let mut system = Vec::new();
    for control_set in control_sets {
        let key = format!("{control_set}\\Services\\{SERVICE}");
        system.push(RegistryEdit::dword(&key, "Type", 0x10));
        system.push(RegistryEdit::dword(&key, "Start", 2));
        system.push(RegistryEdit::dword(&key, "ErrorControl", 0));
        let kind = ValueType::EXPAND_SZ;
        system.push(RegistryEdit::set(&key, "ImagePath", kind, hive::sz(&image)));
        system.push(RegistryEdit::text(&key, "ObjectName", "LocalSystem"));
        let shown = "Installs drivers that rescue brought in";
        system.push(RegistryEdit::text(&key, "DisplayName", shown));
    }
    FirstBoot {
        path: script_path,
        script: text(infs),
        system,
    }
}

/// The old form of pnputil's options: Windows 7 knows no other, later ones know
/// both.
fn text(infs: &[String]) -> String {
    let log = r#">> "%SystemRoot%\Drivers\rescue\first-boot.log" 2>&1"#;
    let mut lines = vec!["@echo off".to_owned()];
    for inf in infs {
        lines.push(format!(
            r#""%SystemRoot%\System32\pnputil.exe" -i -a "%SystemRoot%\{inf}" {log}"#
        ));
    }
    let sc = r#""%SystemRoot%\System32\sc.exe""#;
    lines.push(format!("{sc} delete {SERVICE} {log}"));
    lines.join("\r\n") + "\r\n"
}

/// Edits that take the service out again.
impl FirstBoot {
    /// What undoes [`FirstBoot::system`].
    #[must_use]
    pub fn undo(&self) -> Vec<RegistryEdit> {
        let mut keys: Vec<&String> = self.system.iter().map(|edit| &edit.key).collect();
        keys.dedup();
        let edits = keys.into_iter().map(|key| RegistryEdit {
            key: key.clone(),
            change: Change::Delete,
        });
        edits.collect()
    }
}
