//! Having Windows install the packages properly when it runs again.

use hive::ValueType;

use super::edits::{Change, RegistryEdit};

/// A script and the service that starts it, once. Not tried on a Windows from
/// here; the machine boots and works without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstBoot {
    /// Where the script goes: from the root of the volume, with `\`.
    pub path: String,
    /// The INF files it installs, from the Windows folder.
    pub infs: Vec<String>,
    /// Edits of `SYSTEM`.
    pub system: Vec<RegistryEdit>,
}

const SERVICE: &str = "rescue-drivers";

/// A service rather than `Setup\CmdLine`: that changes whether Windows thinks it
/// is being set up, and a script that fails there keeps the machine from its
/// logon. And rather than `RunOnce`, which waits for somebody to log on. `cmd` is no
/// service and leaves at once, which Windows notes as an error (7000 or 7009) and
/// forgives; the script goes on by itself. It waits for what `pnputil` needs: the
/// plug-and-play service, and the one that checks signatures.
pub(crate) fn first_boot(windows: &str, control_sets: &[String], inf: String) -> FirstBoot {
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
        let needs = ["RpcSs", "PlugPlay", "CryptSvc"];
        system.push(RegistryEdit::strings(&key, "DependOnService", &needs));
        let shown = "Installs drivers that rescue brought in";
        system.push(RegistryEdit::text(&key, "DisplayName", shown));
    }
    FirstBoot {
        path: script_path,
        infs: vec![inf],
        system,
    }
}

impl FirstBoot {
    /// One script for the packages of both: there is one place for it.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for inf in &other.infs {
            if !self.infs.contains(inf) {
                self.infs.push(inf.clone());
            }
        }
        self
    }

    /// The script, with the line ends of Windows. The service goes first, from
    /// every control set: a driver that crashes Windows must not be installed at every
    /// start. `pnputil` is given its options in their old form: Windows 7 knows no
    /// other, later ones know both.
    #[must_use]
    pub fn script(&self) -> String {
        let log = r#">> "%SystemRoot%\Drivers\rescue\first-boot.log" 2>&1"#;
        let pnputil = r#""%SystemRoot%\System32\pnputil.exe" -i -a"#;
        let [sc, reg] = ["sc", "reg"].map(|name| format!(r#""%SystemRoot%\System32\{name}.exe""#));
        let mut lines = vec![
            "@echo off".to_owned(),
            format!("echo %DATE% %TIME% {log}"),
            format!("{sc} delete {SERVICE} {log}"),
        ];
        let mut keys: Vec<&String> = self.system.iter().map(|edit| &edit.key).collect();
        keys.dedup();
        let keys = keys.into_iter();
        lines.extend(keys.map(|key| format!(r#"{reg} delete "HKLM\SYSTEM\{key}" /f {log}"#)));
        let infs = self.infs.iter();
        lines.extend(infs.map(|inf| format!(r#"{pnputil} "%SystemRoot%\{inf}" {log}"#)));
        lines.push(format!("echo %DATE% %TIME% done {log}"));
        // It can be run again by hand, and tells what was done.
        lines.join("\r\n") + "\r\n"
    }

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
