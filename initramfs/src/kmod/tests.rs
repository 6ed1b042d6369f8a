use super::*;

const DEP: &str = "\
kernel/drivers/ata/libata.ko: kernel/drivers/scsi/scsi_mod.ko kernel/drivers/scsi/scsi_common.ko
kernel/drivers/ata/libahci.ko.xz: kernel/drivers/ata/libata.ko kernel/drivers/scsi/scsi_mod.ko kernel/drivers/scsi/scsi_common.ko
kernel/drivers/ata/ahci.ko: kernel/drivers/ata/libahci.ko.xz kernel/drivers/ata/libata.ko kernel/drivers/scsi/scsi_mod.ko kernel/drivers/scsi/scsi_common.ko
kernel/drivers/scsi/scsi_mod.ko: kernel/drivers/scsi/scsi_common.ko
kernel/drivers/scsi/scsi_common.ko:
kernel/drivers/scsi/usb-storage.ko: kernel/drivers/scsi/scsi_mod.ko kernel/drivers/scsi/scsi_common.ko
kernel/fs/btrfs.ko:
kernel/crypto/crc32c_generic.ko:
kernel/crypto/crc32c-intel.ko.zst:
kernel/net/post.ko:
";
const ALIAS: &str = "\
# Aliases extracted from modules themselves.
alias pci:v00008086d00002922sv*sd*bc*sc*i* ahci
alias pci:v*d*sv*sd*bc01sc06i01* ahci
alias crypto-crc32c crc32c_generic
alias crypto-crc32c crc32c-intel
alias usb:v*p* usb-storage
alias fs-btrfs btrfs
alias dmi*:svn*A B C*: post
";
const SOFTDEP: &str = "\
softdep btrfs pre: crypto-crc32c sha256 xxhash64
softdep btrfs post: post
softdep usb_storage btrfs
";
const BUILTIN: &str = "kernel/drivers/base/loop.ko\nkernel/crypto/sha256.ko\n";

fn tree() -> ModuleTree {
    ModuleTree::from_texts(DEP, ALIAS, SOFTDEP, BUILTIN).unwrap()
}

fn names(list: &[&str]) -> Vec<ModuleName> {
    list.iter().map(|name| ModuleName::new(name)).collect()
}

fn closure(list: &str) -> Closure {
    let tree = tree();
    Closure::of(&Selection::from_list("list", list, &tree).unwrap(), &tree).unwrap()
}

#[test]
fn dashes_and_underscores_are_one() {
    assert_eq!(
        ModuleName::new("usb-storage"),
        ModuleName::new("usb_storage")
    );
    assert_eq!(
        ModuleName::of_path("a/crc32c-intel.ko.zst")
            .unwrap()
            .as_str(),
        "crc32c_intel"
    );
    assert_eq!(ModuleName::of_path("a/readme.txt"), None);
    assert_eq!(ModuleName::of_path("a/x.ko.bak"), None);
}

#[test]
fn dependencies_come_in_load_order() {
    let closure = closure("[storage]\nahci\n");
    let ahci = &closure.modules[&ModuleName::new("ahci")];
    assert_eq!(
        ahci.deps,
        names(&["scsi_common", "scsi_mod", "libata", "libahci"])
    );
    // Every dependency's own dependencies precede it.
    for module in closure.modules.values() {
        for (index, dep) in module.deps.iter().enumerate() {
            for earlier in &closure.modules[dep].deps {
                assert!(
                    module.deps[..index].contains(earlier),
                    "{dep} before {earlier}"
                );
            }
        }
    }
    assert_eq!(closure.modules.len(), 5);
}

#[test]
fn softdeps_follow_aliases_and_know_what_is_built_in() {
    let closure = closure("[fs]\nbtrfs\n");
    let btrfs = &closure.modules[&ModuleName::new("btrfs")];
    assert_eq!(btrfs.pre, names(&["crc32c_generic", "crc32c_intel"]));
    assert_eq!(btrfs.post, names(&["post"]));
    assert!(
        closure
            .modules
            .contains_key(&ModuleName::new("crc32c_intel"))
    );
    assert_eq!(
        closure.unresolved,
        ["btrfs: xxhash64"],
        "sha256 is built in"
    );
}

#[test]
fn folders_refusals_classes_and_the_load_list() {
    let tree = tree();
    let list = "[a] # comment\nload usb-storage\nload loop\n[b]\ndrivers/scsi/\n\
                drivers/ata/\n- drivers/ata/libahci\n- ahci\nno_such\nload nor_this\n";
    let selection = Selection::from_list("list", list, &tree).unwrap();
    let chosen: Vec<_> = selection.modules.keys().map(ModuleName::as_str).collect();
    assert_eq!(
        chosen,
        [
            "libahci",
            "libata",
            "scsi_common",
            "scsi_mod",
            "usb_storage"
        ]
    );
    assert_eq!(selection.modules[&ModuleName::new("usb_storage")], "a");
    assert_eq!(selection.modules[&ModuleName::new("scsi_mod")], "b");
    assert_eq!(selection.load, names(&["usb_storage"]), "loop is built in");
    assert_eq!(selection.absent, ["no_such", "nor_this"]);
}

#[test]
fn bad_lines_are_named() {
    let tree = tree();
    let message = |list| {
        Selection::from_list("my.list", list, &tree)
            .unwrap_err()
            .to_string()
    };
    assert!(message("ahci\n").contains("my.list, line 1: expected a [class] first"));
    assert!(message("[a]\n\nahci libata\n").contains("my.list, line 3"));
    let dep = ModuleTree::from_texts("a.ko b.ko\n", "", "", "").unwrap_err();
    assert!(dep.to_string().contains("modules.dep, line 1"));
}

#[test]
fn a_dependency_without_an_entry_is_an_error() {
    let tree = ModuleTree::from_texts("kernel/a.ko: kernel/b.ko\n", "", "", "").unwrap();
    let selection = Selection::from_list("list", "[x]\na\n", &tree).unwrap();
    let error = Closure::of(&selection, &tree).unwrap_err().to_string();
    assert_eq!(
        error,
        "module a depends on b, which modules.dep does not list; run depmod"
    );
}

/// The schema that PID 1 reads, byte for byte.
#[test]
fn the_index_is_the_documented_json() {
    let tree = tree();
    let list = "[x]\nload usb-storage\n";
    let selection = Selection::from_list("list", list, &tree).unwrap();
    let mut closure = Closure::of(&selection, &tree).unwrap();
    closure
        .modules
        .retain(|name, _| name.as_str() == "usb_storage");
    let index = ModuleIndex::new("6.1.0-test", &closure, &tree);
    let expected = serde_json::json!({
        "version": 1,
        "kernel": "6.1.0-test",
        "modules": {"usb_storage": {
            "path": "/lib/modules/6.1.0-test/kernel/drivers/scsi/usb-storage.ko",
            "deps": ["scsi_common", "scsi_mod"], "pre": ["btrfs"], "post": []
        }},
        "aliases": [["usb:v*p*", "usb_storage"]],
        "builtin": ["loop", "sha256"],
        "load": ["usb_storage"]
    });
    assert_eq!(serde_json::to_value(&index).unwrap(), expected);
    assert_eq!(
        serde_json::from_value::<ModuleIndex>(expected).unwrap(),
        index
    );
}

#[test]
fn the_default_list_is_well_formed() {
    Selection::from_list("modules.list", DEFAULT_LIST, &tree()).unwrap();
}

#[test]
fn drivers_that_were_left_out_are_listed_with_what_they_need() {
    let index = AbsentIndex::new("6.1", &closure("[storage]\nscsi_mod\n"), &tree());
    let expected = AbsentModule {
        path: "kernel/drivers/ata/ahci.ko".to_owned(),
        needs: ["libahci", "libata"]
            .map(|name| format!("kernel/drivers/ata/{name}.ko"))
            .to_vec(),
        aliases: vec![
            "pci:v*d*sv*sd*bc01sc06i01*".to_owned(),
            "pci:v00008086d00002922sv*sd*bc*sc*i*".to_owned(),
        ],
    };
    // Not usb-storage, which is on another bus, nor btrfs.
    assert_eq!(index.modules, [(ModuleName::new("ahci"), expected)].into());
    let all = AbsentIndex::new("6.1", &closure("[storage]\nahci\n"), &tree());
    assert_eq!(all.modules.len(), 0, "what is there is not absent");
}
