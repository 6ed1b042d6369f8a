//! Whole systems: all files in which they name volumes.

mod common;

use common::{Tree, after};
use linux::devices::renamed;
use linux::names::{Known, Volume};
use proptest::prelude::*;

fn volume(number: u32, kind: &str, uuid: &str, mount: &str) -> Volume {
    Volume {
        partition: Some(number),
        kind: kind.to_owned(),
        uuid: Some(uuid.to_owned()),
        partuuid: Some(format!("5ec0de00-0{number}")),
        partuuid_now: Some(format!("5ec0de00-0{number}")),
        mount: (!mount.is_empty()).then(|| mount.to_owned()),
        ..Volume::default()
    }
}

fn of(volumes: Vec<Volume>) -> Known {
    Known {
        volumes,
        ..Known::default()
    }
}

/// Debian 12 on a disk with an MBR, its administrator fond of plain names.
#[test]
fn debian_with_kernel_names() {
    let tree = Tree::of(&[
        (
            "/etc/fstab",
            "# /etc/fstab: static file system information.\n#\n# <file system> <mount point>   <type>  <options>       <dump>  <pass>\n\
             # / was on /dev/sda1 during installation\n/dev/sda1 /               ext4    errors=remount-ro 0       1\n\
             # swap was on /dev/sda5 during installation\n/dev/sda5 none            swap    sw              0       0\n\
             /dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0\n",
        ),
        (
            "/etc/default/grub",
            "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\n\
             GRUB_CMDLINE_LINUX_DEFAULT=\"quiet resume=/dev/sda5\"\nGRUB_CMDLINE_LINUX=\"\"\nGRUB_DISABLE_LINUX_UUID=true\n",
        ),
        (
            "/boot/grub/grub.cfg",
            "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Debian GNU/Linux' --class debian {\n\tset root='hd0,msdos1'\n\
             \tif [ x$feature_platform_search_hint = xy ]; then\n\
             \t  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 1111\n\tfi\n\
             \tlinux\t/boot/vmlinuz-6.1.0-18-amd64 root=/dev/sda1 ro quiet resume=/dev/sda5\n\
             \tinitrd\t/boot/initrd.img-6.1.0-18-amd64\n}\n",
        ),
        ("/etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda5\n"),
    ]);
    let known = of(vec![
        volume(1, "ext4", "1111", "/"),
        volume(5, "swap", "5555", ""),
    ]);
    let told = renamed(&tree, &known);
    let fstab = after(&told, "/etc/fstab").unwrap();
    assert!(fstab.contains("\nUUID=1111 /               ext4 "));
    assert!(fstab.contains("\nUUID=5555 none "));
    assert!(fstab.contains("# / was on /dev/sda1 during"));
    let grub = after(&told, "/etc/default/grub").unwrap();
    assert!(grub.contains("=\"quiet resume=UUID=5555\"\n"));
    let menu = after(&told, "/boot/grub/grub.cfg").unwrap();
    assert!(menu.contains("root=UUID=1111 ro quiet resume=UUID=5555\n"));
    assert!(menu.contains("set root='hd0,msdos1'"));
    let resume = told.files.iter().find(|f| f.path.ends_with("/resume"));
    assert_eq!(resume.unwrap().text, "RESUME=UUID=5555\n");
    assert_eq!(resume.unwrap().copies, ["/conf/conf.d/resume"]);
    assert_eq!((told.lines.len(), told.warnings.len()), (4, 0), "{told:?}");
    // Once is enough.
    let mut again = Tree(tree.0.clone());
    for file in &told.files {
        again.0.insert(file.path.clone(), file.text.clone().into());
    }
    assert_eq!(renamed(&again, &known), linux::Edits::default());
}

/// RHEL 9 as its installer makes it: nothing but the devices file knows the disk.
#[test]
fn rhel_as_installed() {
    let pvid = "3NFhwAW1RAQzJz8uOsZqkcqasKhlZt9b";
    let entries = "title Red Hat Enterprise Linux (5.14.0-362.el9.x86_64) 9.3 (Plow)\nversion 5.14.0-362.el9.x86_64\n\
        linux /vmlinuz-5.14.0-362.el9.x86_64\ninitrd /initramfs-5.14.0-362.el9.x86_64.img $tuned_initrd\n\
        options root=/dev/mapper/rhel-root ro crashkernel=1G-4G:192M resume=/dev/mapper/rhel-swap rd.lvm.lv=rhel/root $tuned_params\n";
    let devices = format!(
        "# LVM uses devices listed in this file.\nVERSION=1.1.2\n\
         IDTYPE=sys_wwid IDNAME=naa.6003048000000001 DEVNAME=/dev/sda3 PVID={pvid} PART=3\n"
    );
    let tree = Tree::of(&[
        (
            "/etc/fstab",
            "/dev/mapper/rhel-root   /                       xfs     defaults        0 0\n\
             UUID=2222 /boot                   xfs     defaults        0 0\n\
             UUID=AB12-CD34          /boot/efi               vfat    umask=0077,shortname=winnt 0 2\n",
        ),
        (
            "/boot/loader/entries/f00-5.14.0-362.el9.x86_64.conf",
            entries,
        ),
        ("/etc/lvm/devices/system.devices", &devices),
        (
            "/etc/lvm/lvm.conf",
            "devices {\n\t# use_devicesfile = 1\n}\n",
        ),
    ]);
    let pv = volume(
        3,
        "LVM2_member",
        "3NFhwA-W1RA-QzJz-8uOs-Zqkc-qasK-hlZt9b",
        "",
    );
    let mut known = of(vec![volume(2, "xfs", "2222", "/boot"), pv]);
    let told = renamed(&tree, &known);
    assert_eq!(told.moved.len(), 1);
    assert_eq!(told.moved[0].from, "/etc/lvm/devices/system.devices");
    assert!(told.files.is_empty());
    known.wwids = vec![(0, "eui.00000000000000018ce38e0300001b2c".into())];
    let told = renamed(&tree, &known);
    assert!(told.moved.is_empty() && told.warnings.is_empty());
    let new = after(&told, "/etc/lvm/devices/system.devices").unwrap();
    assert_eq!(
        new,
        devices.replace(
            "naa.6003048000000001",
            "eui.00000000000000018ce38e0300001b2c"
        )
    );
    known.wwids = vec![(0, "naa.6003048000000001".into())];
    assert_eq!(renamed(&tree, &known), linux::Edits::default());
}

/// RHEL 8: `kernelopts` in grubenv, a FIPS `boot=`, the root by the path of its disk.
#[test]
fn rhel_with_an_environment_block() {
    let mut block = "# GRUB Environment Block\nsaved_entry=f00-4.18.0\n\
        kernelopts=root=/dev/disk/by-path/pci-0000:03:00.0-scsi-0:2:0:0-part2 ro fips=1 boot=/dev/sda1 \nboot_success=0\n"
        .to_owned();
    block.push_str(&"#".repeat(1024 - block.len()));
    let tree = Tree::of(&[
        (
            "/etc/fstab",
            "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:2:0:0-part2 / xfs defaults 0 0\n/dev/sda1 /boot xfs defaults 0 0\n",
        ),
        ("/boot/grub2/grubenv", &block),
    ]);
    let known = of(vec![
        volume(1, "xfs", "1111", "/boot"),
        volume(2, "xfs", "2222", "/"),
    ]);
    let told = renamed(&tree, &known);
    let new = after(&told, "/boot/grub2/grubenv").unwrap();
    assert_eq!(new.len(), 1024);
    assert!(
        new.contains("\nkernelopts=root=UUID=2222 ro fips=1 boot=UUID=1111 \nboot_success=0\n###")
    );
    assert_eq!(told.warnings.len(), 0, "{told:?}");
}

/// openSUSE: btrfs with subvolumes by the id of the disk, GRUB of UEFI.
#[test]
fn opensuse_by_id() {
    let disk = "/dev/disk/by-id/ata-ST1000NM0033-9ZM173_Z1W0ABCD";
    let fstab = format!(
        "{disk}-part2  /                       btrfs  defaults                      0  0\n\
         {disk}-part2  /var                    btrfs  subvol=/@/var                 0  0\n\
         {disk}-part1  /boot/efi               vfat   utf8                          0  2\n\
         {disk}-part3  swap                    swap   defaults                      0  0\r\n"
    );
    let grub = format!(
        "GRUB_CMDLINE_LINUX_DEFAULT=\"splash=silent resume={disk}-part3 quiet mitigations=auto\""
    );
    let tree = Tree::of(&[("/etc/fstab", &fstab), ("/etc/default/grub", &grub)]);
    let known = of(vec![
        volume(1, "vfat", "AB12-CD34", ""),
        volume(2, "btrfs", "2222", "/"),
        volume(3, "swap", "3333", ""),
    ]);
    let told = renamed(&tree, &known);
    let expected = fstab
        .replace(&format!("{disk}-part1"), "UUID=AB12-CD34")
        .replace(&format!("{disk}-part2"), "UUID=2222")
        .replace(&format!("{disk}-part3"), "UUID=3333");
    assert_eq!(after(&told, "/etc/fstab").unwrap(), expected);
    // The missing end of line is still missing.
    let expected = grub.replace(&format!("{disk}-part3"), "UUID=3333");
    assert_eq!(after(&told, "/etc/default/grub").unwrap(), expected);
    assert_eq!(told.warnings.len(), 0, "{told:?}");
}

/// Arch with systemd-boot, LUKS, and a table that has become a GPT meanwhile.
#[test]
fn arch_converted() {
    let tree = Tree::of(&[
        (
            "/etc/fstab",
            "/dev/mapper/root\t/         \text4      \trw,relatime\t0 1\nPARTUUID=5ec0de00-01\t/boot     \tvfat      \trw\t0 2\n",
        ),
        ("/etc/crypttab", "root  PARTUUID=5ec0de00-02  none  luks\n"),
        (
            "/boot/loader/entries/arch.conf",
            "title   Arch Linux\nlinux   /vmlinuz-linux\ninitrd  /initramfs-linux.img\noptions cryptdevice=PARTUUID=5ec0de00-02:root root=/dev/mapper/root rw\n",
        ),
        (
            "/boot/loader/entries/stub.conf",
            "title   No initramfs\nlinux   /vmlinuz-own\noptions root=/dev/sda3 rw\n",
        ),
    ]);
    let mut known = of(vec![
        volume(1, "vfat", "AB12-CD34", "/boot"),
        volume(2, "crypto_LUKS", "2222", ""),
        volume(3, "ext4", "3333", ""),
    ]);
    known.called = vec![(0, "/dev/sda".into())];
    let untouched = renamed(&tree, &known);
    assert_eq!(untouched.files.len(), 1, "{untouched:?}");
    for (at, volume) in known.volumes.iter_mut().enumerate() {
        volume.partuuid_now = Some(format!("new-{}", at + 1));
    }
    let told = renamed(&tree, &known);
    assert!(
        after(&told, "/etc/fstab")
            .unwrap()
            .contains("PARTUUID=new-1\t/boot")
    );
    assert_eq!(
        after(&told, "/etc/crypttab"),
        Some("root  PARTUUID=new-2  none  luks\n")
    );
    let entry = after(&told, "/boot/loader/entries/arch.conf").unwrap();
    assert!(entry.contains("cryptdevice=PARTUUID=new-2:root root=/dev/mapper/root rw"));
    let stub = after(&told, "/boot/loader/entries/stub.conf").unwrap();
    assert!(stub.contains("options root=PARTUUID=new-3 rw"));
}

/// Entries of another system in the menu tell nothing about this one's disk.
#[test]
fn the_menu_of_two_systems() {
    let menu = "menuentry 'Own' {\nlinux /vmlinuz root=UUID=1111\ninitrd /i\n}\nmenuentry 'Other' {\n\
        linux /vmlinuz root=/dev/sdb1\ninitrd /i\n}\n";
    let tree = Tree::of(&[
        ("/etc/fstab", "UUID=1111 / ext4 defaults 0 1\n"),
        ("/boot/grub/grub.cfg", menu),
    ]);
    let known = of(vec![volume(1, "ext4", "1111", "/")]);
    let told = renamed(&tree, &known);
    assert!(told.files.is_empty(), "{told:?}");
    assert!(told.warnings[0].contains("/dev/sdb1"), "{told:?}");
    // Alone it does.
    let tree = Tree::of(&[(
        "/boot/grub/grub.cfg",
        &menu.replace("UUID=1111", "/dev/sdb1"),
    )]);
    assert_eq!(renamed(&tree, &known).files.len(), 1);
    // Two of them say nothing: one is of another disk.
    let both = menu.replace("UUID=1111", "/dev/sda1");
    let tree = Tree::of(&[("/boot/grub/grub.cfg", &both)]);
    let told = renamed(&tree, &known);
    assert_eq!((told.files.len(), told.warnings.len()), (0, 2), "{told:?}");
}

#[test]
fn what_is_no_text_is_told_and_left() {
    let mut tree = Tree::of(&[("/etc/fstab", "/dev/sda1 / ext4\n")]);
    tree.0.insert("/etc/crypttab".into(), vec![0xff, 0xfe, 0]);
    tree.0.insert("/etc/mdadm.conf".into(), vec![b'#'; 2 << 20]);
    let told = renamed(&tree, &of(vec![volume(1, "ext4", "1111", "/")]));
    assert_eq!(told.files.len(), 1);
    assert_eq!(told.warnings.len(), 2);
    assert!(told.warnings[0].contains("/etc/crypttab is no text"));
}

proptest! {
    /// Whatever the files hold: no panic, and nothing but words that name volumes is different.
    #[test]
    fn any_text_is_survived(
        texts in proptest::collection::vec(
            "(/dev/sda[0-9]{1,2}|/dev/[hs]d|root=|resume=|UUID=|PARTUUID=1|\"|'|=|:|,|#| |\t|\n|\r\n|\\\\|ä|linux |options |append |\
             initrd |DEVICE|ARRAY|devices=|filter = \\[|IDTYPE=|IDNAME=|PVID=1|kernelopts=|GRUB_CMDLINE_LINUX=|/|ext4|swap|none){0,40}",
            8)
    ) {
        let paths = [
            "/etc/fstab", "/etc/crypttab", "/etc/default/grub", "/boot/grub/grub.cfg",
            "/boot/loader/entries/a.conf", "/boot/grub/grubenv", "/etc/lvm/lvm.conf", "/etc/mdadm.conf",
        ];
        let pairs: Vec<(&str, &str)> = paths.into_iter().zip(texts.iter().map(String::as_str)).collect();
        let mut known = of(vec![volume(1, "ext4", "1111", "/"), volume(2, "LVM2_member", "1", "")]);
        known.called = vec![(0, "/dev/sda".into())];
        let told = renamed(&Tree::of(&pairs), &known);
        for file in &told.files {
            let (_, before) = pairs.iter().find(|(path, _)| *path == file.path).unwrap();
            prop_assert!(*before != file.text);
            prop_assert!(!file.edits.is_empty());
            prop_assert_eq!(before.matches('\n').count(), file.text.matches('\n').count());
            prop_assert_eq!(before.ends_with('\n'), file.text.ends_with('\n'));
        }
    }
}
