//! The builder from outside: `imagebuilder iso` and `imagebuilder inspect` on
//! the real boot parts (scripts/boot-parts fetches them when they are absent).
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use initramfs::{EntryKind, ModuleIndex, ModuleName, read_archives};
use serde_json::Value;
use tempfile::TempDir;

mod common;
use common::{boot_parts, build, build_as, few_modules, imagebuilder, program, refused, stdout};

const LIMIT: u64 = 48 << 20;

/// A file of the ISO, by xorriso rather than by our own reader.
fn extract(dir: &Path, iso: &Path, path: &str) -> Vec<u8> {
    let target = dir.join("extracted");
    let _ = fs::remove_file(&target);
    let output = Command::new("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(iso)
        .args(["-extract", path])
        .arg(&target)
        .output()
        .expect("xorriso is missing: apt-get install xorriso");
    assert!(
        output.status.success(),
        "{path}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::read(target).unwrap()
}

#[test]
fn two_builds_are_identical_and_small_enough() {
    let one = TempDir::new().unwrap();
    let two = TempDir::new().unwrap();
    let config = one.path().join("my.toml");
    fs::write(&config, "answer = 42\n").unwrap();
    let more = [
        "--config",
        config.to_str().unwrap(),
        "--cmdline",
        "rescue.test=1",
    ];
    let (first, summary) = build(one.path(), "a.iso", &more);
    let (second, _) = build(two.path(), "other name.iso", &more);
    let bytes = fs::read(&first).unwrap();
    assert!(bytes == fs::read(second).unwrap(), "two builds differ");
    assert!(bytes.len() as u64 <= LIMIT, "{} bytes", bytes.len());
    assert_eq!(summary["size"], bytes.len());
    assert_eq!(summary["rescue"], "1.2.3");
    assert_eq!(
        extract(one.path(), &first, "/rescue.toml"),
        b"answer = 42\n"
    );
    let menu = String::from_utf8(extract(one.path(), &first, "/boot/grub/grub.cfg")).unwrap();
    assert_eq!(
        menu.matches(" rescue.test=1 $rescue_args\n").count(),
        2,
        "{menu}"
    );
    let leftovers: Vec<_> = fs::read_dir(two.path())
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(
        leftovers.len(),
        3,
        "stub, stub.c and the ISO: {leftovers:?}"
    );
}

#[test]
fn two_usb_images_are_identical() {
    let dir = TempDir::new().unwrap();
    let list = few_modules(dir.path());
    let more = ["--module-list", &list, "--data-size", "32MiB"];
    let (one, summary) = build_as("usb", dir.path(), "one.img", &more);
    let (two, _) = build_as("usb", dir.path(), "two.img", &more);
    let bytes = fs::read(&one).unwrap();
    assert!(bytes == fs::read(two).unwrap(), "two builds differ");
    assert_eq!(summary["size"], bytes.len());
    // Starts on a BIOS that wants boot code and an active entry.
    assert_eq!(bytes[510..512], [0x55, 0xaa]);
    assert!(bytes[0] != 0 && bytes[446 + 16] == 0x80 && bytes[446] == 0);
}

#[test]
fn two_network_trees_are_identical_and_nothing_else_is_replaced() {
    let dir = TempDir::new().unwrap();
    let list = few_modules(dir.path());
    let more = [
        "--module-list",
        &list,
        "--cmdline",
        "rescue.config=http://h/p/",
    ];
    let (tree, one) = build_as("pxe", dir.path(), "tree", &more);
    let (_, two) = build_as("pxe", dir.path(), "tree", &more);
    assert_eq!(one["sha256"], two["sha256"]);
    for file in ["boot.ipxe", "grub/grub.cfg"] {
        let text = fs::read_to_string(tree.join(file)).unwrap();
        assert!(text.contains(" rescue.config=http://h/p/"), "{text}");
    }
    let mine = dir.path().join("mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("README.txt"), "mine").unwrap();
    let stderr = refused(&["pxe", "--out", mine.to_str().unwrap()]);
    assert!(stderr.contains("was not made by this command"), "{stderr}");
    assert_eq!(fs::read(mine.join("README.txt")).unwrap(), b"mine");
}

#[test]
fn inspect_finds_what_was_built() {
    let dir = TempDir::new().unwrap();
    let (iso, summary) = build(dir.path(), "a.iso", &[]);
    let iso = iso.to_str().unwrap();
    let found: Value =
        serde_json::from_str(&stdout(&imagebuilder(&["inspect", "--json", iso]))).unwrap();
    assert_eq!(found["volume"], summary["volume"]);
    assert_eq!(found["kernel"], summary["kernel"]);
    assert_eq!(found["medium"]["volume"], summary["volume"]);
    assert_eq!(found["medium"]["rescue"], "1.2.3");
    let platforms: Vec<_> = found["cd"].as_array().unwrap().iter().collect();
    assert_eq!(
        platforms.iter().filter(|e| e["platform"] == "bios").count(),
        1
    );
    assert_eq!(
        platforms.iter().filter(|e| e["platform"] == "uefi").count(),
        1
    );
    assert_eq!(
        found["disk"],
        serde_json::json!({"bios": true, "uefi": true})
    );
    let esp: BTreeSet<_> = found["esp"].as_object().unwrap().keys().cloned().collect();
    for name in ["BOOTX64.EFI", "grubx64.efi", "mmx64.efi"] {
        assert!(esp.contains(&format!("EFI/BOOT/{name}")), "{esp:?}");
    }
    assert_eq!(found["config"], false);
    let text = stdout(&imagebuilder(&["inspect", iso]));
    assert!(
        text.contains("UEFI with Secure Boot (shim) as disk"),
        "{text}"
    );
}

/// The judge of the partition table is sgdisk.
#[test]
fn the_partition_table_is_valid() {
    let dir = TempDir::new().unwrap();
    let (iso, _) = build(dir.path(), "a.iso", &[]);
    let output = Command::new("sgdisk").arg("--verify").arg(&iso).output();
    let output = output.expect("sgdisk is missing: apt-get install gdisk");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("No problems found"), "{text}");
}

struct Medium {
    index: ModuleIndex,
    /// Of the base layer, by path.
    base: BTreeMap<String, Vec<u8>>,
    /// Of the drivers layer, by path.
    files: BTreeMap<String, Vec<u8>>,
}

fn medium() -> Medium {
    let dir = TempDir::new().unwrap();
    let (iso, _) = build(dir.path(), "a.iso", &[]);
    let base = files_of(&extract(dir.path(), &iso, "/boot/base.cpio.zst"));
    let index = serde_json::from_slice(&base["etc/rescue/modules.json"]).unwrap();
    let drivers = files_of(&extract(dir.path(), &iso, "/boot/drivers.cpio"));
    assert_eq!(drivers.len(), 1);
    let packed = dir.path().join("drivers.squashfs");
    fs::write(&packed, &drivers["layers/drivers.squashfs"]).unwrap();
    let root = dir.path().join("drivers");
    let mut command = Command::new("unsquashfs");
    command.args(["-quiet", "-no-progress", "-dest"]);
    let output = command.args([&root, &packed]).output();
    let output = output.expect("unsquashfs is missing: apt-get install squashfs-tools");
    assert!(output.status.success(), "{output:?}");
    let mut files = BTreeMap::new();
    collect(&root, "", &mut files);
    Medium { index, base, files }
}

/// What a restore puts onto the disk of a Linux that has no GRUB for a BIOS.
#[test]
fn the_tools_have_a_grub_for_a_bios_that_is_whole() {
    let dir = TempDir::new().unwrap();
    let (iso, _) = build(dir.path(), "a.iso", &[]);
    let tools = files_of(&extract(dir.path(), &iso, "/boot/tools.cpio"));
    let packed = dir.path().join("tools.squashfs");
    fs::write(&packed, &tools["layers/tools.squashfs"]).unwrap();
    let root = dir.path().join("tools");
    let mut command = Command::new("unsquashfs");
    command.args(["-quiet", "-no-progress", "-dest"]);
    let output = command.args([&root, &packed]).output();
    let output = output.expect("unsquashfs is missing: apt-get install squashfs-tools");
    assert!(output.status.success(), "{output:?}");
    let folder = root.join("usr/lib/grub/i386-pc");
    let mut set = grub::Set::default();
    for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        set.add(&name, fs::read(entry.path()).unwrap());
    }
    let moddep = set.text("moddep.lst").unwrap();
    let modules = grub::closure(&moddep, grub::USUAL);
    let core = grub::Core::new(&set, &modules, "/boot/grub", "").unwrap();
    assert!(grub::boot_sector(&set, &[0; grub::SECTOR], 34).is_ok());
    let bytes: u64 = set.files().map(|(_, bytes)| bytes.len() as u64).sum();
    assert!(bytes < 700 << 10, "{bytes}");
    assert!(core.len() < 300 << 10);
}

fn files_of(layer: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let entries = read_archives(layer).unwrap().into_iter();
    let entries = entries.filter(|e| e.kind == EntryKind::File);
    entries.map(|e| (e.path, e.data)).collect()
}

fn collect(folder: &Path, below: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = format!("{below}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}

/// PID 1 opens packed layers with nothing but what the base layer has.
#[test]
fn what_opens_a_packed_layer_is_not_in_one() {
    let Medium { index, base, files } = medium();
    let early: Vec<_> = base
        .keys()
        .filter(|p| p.starts_with("lib/early/"))
        .collect();
    let mut there = BTreeSet::new();
    for path in early {
        let name = path.split_once('-').unwrap().1.trim_end_matches(".ko");
        let module = &index.modules[&ModuleName::new(name)];
        assert!(module.deps.iter().all(|dep| there.contains(dep)), "{path}");
        assert_eq!(base[path], files[module.path.trim_start_matches('/')]);
        there.insert(ModuleName::new(name));
    }
    for name in ["loop", "squashfs"].map(ModuleName::new) {
        assert!(
            there.contains(&name) || index.builtin.contains(&name),
            "{name}"
        );
    }
}

#[test]
fn the_index_is_closed_and_its_modules_are_signed() {
    let Medium { index, files, .. } = medium();
    for (name, module) in &index.modules {
        let file = files.get(module.path.trim_start_matches('/'));
        let file = file.unwrap_or_else(|| panic!("{} is not on the medium", module.path));
        assert!(file.starts_with(b"\x7fELF"), "{name} is not unpacked");
        assert!(file.ends_with(b"~Module signature appended~\n"), "{name}");
        for other in module.deps.iter().chain(&module.pre).chain(&module.post) {
            assert!(index.modules.contains_key(other), "{name} wants {other}");
        }
    }
    assert_eq!(files.len(), index.modules.len(), "modules, nothing else");
    for name in index
        .load
        .iter()
        .chain(index.aliases.iter().map(|(_, name)| name))
    {
        assert!(index.modules.contains_key(name), "{name}");
    }
}

/// What a machine of the kinds we promise needs, by the words of issue 2.
#[test]
fn promised_drivers_are_there() {
    let Medium { index, .. } = medium();
    let promised = "ahci ata_piix nvme megaraid_sas mpt3sas mptsas mptspi hpsa smartpqi aacraid \
        arcmsr 3w-9xxx vmw_pvscsi virtio_blk virtio_scsi virtio_net hv_storvsc hv_netvsc \
        xen-blkfront sdhci mmc_block usb-storage uas iscsi_tcp e1000e igb ixgbe i40e ice tg3 \
        bnxt_en mlx5_core r8169 vmxnet3 ena xhci-pci ehci-pci ohci-pci uhci-hcd usbhid \
        hid-generic atkbd i8042 hyperv-keyboard ext4 xfs btrfs vfat exfat isofs udf nfs cifs \
        fuse squashfs overlay loop dm-mod md-mod nls_cp437 nls_utf8 qemu_fw_cfg virtio_console \
        crc32c_generic af_packet efivarfs";
    let there =
        |name: &ModuleName| index.modules.contains_key(name) || index.builtin.contains(name);
    let names = promised.split_whitespace().map(ModuleName::new);
    let missing: Vec<_> = names.filter(|name| !there(name)).collect();
    assert_eq!(missing, []);
}

/// Loads `name` as docs/MEDIUM.md says PID 1 does; collects paths in order.
fn load(index: &ModuleIndex, name: &ModuleName, order: &mut Vec<String>) {
    let module = &index.modules[name];
    if order.contains(&module.path) {
        return;
    }
    for first in module.pre.iter().chain(&module.deps) {
        load(index, first, order);
    }
    order.push(module.path.clone());
    for last in &module.post {
        load(index, last, order);
    }
}

/// The judge of dependencies is modprobe.
#[test]
fn modprobe_would_load_nothing_that_the_index_does_not() {
    let Medium { index, .. } = medium();
    let root = TempDir::new().unwrap();
    fs::create_dir_all(root.path().join("lib/modules")).unwrap();
    let tree = root.path().join("lib/modules").join(&index.kernel);
    std::os::unix::fs::symlink(boot_parts().join("modules"), tree).unwrap();
    for name in [
        "ahci", "btrfs", "cifs", "dm_crypt", "r8169", "uas", "vfat", "xhci_pci", "nfsv4",
    ] {
        let output = Command::new("/sbin/modprobe")
            .args([
                "--show-depends",
                "-C",
                "/dev/null",
                "-S",
                &index.kernel,
                "-d",
            ])
            .arg(root.path())
            .arg(name)
            .output()
            .expect("modprobe is missing: apt-get install kmod");
        let theirs = stdout(&output);
        let theirs: BTreeSet<_> = theirs
            .lines()
            .filter_map(|line| line.strip_prefix("insmod "))
            .filter_map(|line| line.split("/kernel/").nth(1))
            .map(|path| path.trim().split(".ko").next().unwrap().to_owned())
            .collect();
        let mut order = Vec::new();
        load(&index, &ModuleName::new(name), &mut order);
        let ours: BTreeSet<_> = order
            .iter()
            .filter_map(|path| path.split("/kernel/").nth(1))
            .map(|path| path.trim_end_matches(".ko").to_owned())
            .collect();
        assert!(!theirs.is_empty(), "{name}");
        let lacking: Vec<_> = theirs.difference(&ours).collect();
        assert!(lacking.is_empty(), "{name}: {lacking:?}");
    }
}

#[test]
fn mistakes_are_refused_before_anything_is_written() {
    let dir = TempDir::new().unwrap();
    let parts = boot_parts().to_str().unwrap();
    let out = dir.path().join("x.iso");
    let common = ["iso", "--out", out.to_str().unwrap(), "--boot-parts"];
    let dynamic = program(dir.path(), &[]);
    let rescue = ["--rescue", dynamic.to_str().unwrap()];
    let message = refused(&[&common[..], &[parts], &rescue].concat());
    assert!(
        message.contains("PID 1 must be static: use scripts/build-static"),
        "{message}"
    );

    let message = refused(&[&common[..], &["/nonexistent"], &rescue].concat());
    assert!(message.contains("/nonexistent holds no boot parts: run scripts/boot-parts"));

    let fixed = program(dir.path(), &["-static"]);
    let rescue = ["--rescue", fixed.to_str().unwrap()];
    let other = ["--kernel", fixed.to_str().unwrap(), "--modules", parts];
    let message = refused(&[&common[..], &[parts], &rescue, &other].concat());
    assert!(message.contains("this is no x86 Linux kernel"), "{message}");

    let kernel = dir.path().join("kernel");
    let mut bytes = fs::read(boot_parts().join("kernel")).unwrap();
    let at = usize::from(u16::from_le_bytes([bytes[0x20e], bytes[0x20f]])) + 0x200;
    bytes[at] = b'9';
    fs::write(&kernel, bytes).unwrap();
    let modules = boot_parts().join("modules");
    let other = [
        "--kernel",
        kernel.to_str().unwrap(),
        "--modules",
        modules.to_str().unwrap(),
    ];
    let message = refused(&[&common[..], &[parts], &rescue, &other].concat());
    assert!(message.contains(", the kernel is 9."), "{message}");
    assert!(!out.exists());
}

#[test]
fn inspect_refuses_what_is_no_iso() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("zeros");
    fs::write(&file, vec![0; 1 << 20]).unwrap();
    let message = refused(&["inspect", file.to_str().unwrap()]);
    assert!(
        message.contains("no ISO 9660: sector 16 lacks 'CD001'; nor: it has no EFI system"),
        "{message}"
    );
}
