#!/usr/bin/env python3
"""Judges a Windows disk image, with none of the project's own code.

  check.py --before BEFORE.raw --after AFTER.raw [--allow PREFIX]... [--boot SERVICE]...
           [--critical ID=SERVICE]... [--same FILE]... [--strangers]
           [--staged FILE]... [--uefi]

BEFORE is the disk as it was when its Windows last ran, AFTER what was made of
it. One line for each thing that was looked at, `ok` or `WRONG`; exit status 1
when anything is wrong. With --uefi AFTER was made for UEFI of a disk that a BIOS started. Secrets are compared, never printed.

Reads with sfdisk (fdisk), sgdisk (gdisk), fsck.fat (dosfstools), ntfscat and ntfsls (ntfs-3g), mtools, hivexregedit
(libwin-hivex-perl), regipy and impacket (scripts/oracles), whose Python runs it.
"""

import argparse
import functools
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile
import uuid

from regipy.recovery import apply_transaction_logs
from regipy.registry import RegistryHive

SECTOR = 512
BLOCK = 1 << 20
CONFIG = "Windows/System32/config"
BOOT_MANAGER = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
LOADER, RESUME, FIRMWARE = 0x10200003, 0x10200004, 0x101FFFFF


class Missing(Exception):
    """Something that the disk should have is not there."""


def run(*words):
    environment = dict(os.environ, PATH="/usr/sbin:/sbin:/usr/bin:/bin", MTOOLS_SKIP_CHECK="1")
    done = subprocess.run(words, capture_output=True, env=environment)
    if done.returncode != 0:
        raise Missing(f"{words[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


class Volume:
    """The files of one partition; letters of names count without case."""

    def __init__(self, path, is_ntfs):
        self.path, self.is_ntfs, self.listings, self.folders = path, is_ntfs, {}, set()

    def names(self, folder):
        if folder not in self.listings:
            if self.is_ntfs:
                lines = run("ntfsls", "-f", "-p", "/" + folder, self.path).decode().splitlines()
            else:
                lines = run("mdir", "-b", "-i", self.path, "::/" + folder).decode().splitlines()
                self.folders |= {line[3:].rstrip("/") for line in lines if line.endswith("/")}
                lines = [line.rstrip("/").rsplit("/", 1)[-1] for line in lines]
            self.listings[folder] = lines
        return self.listings[folder]

    def find(self, path):
        found = ""
        for part in path.replace("\\", "/").strip("/").split("/"):
            same = [name for name in self.names(found) if name.lower() == part.lower()]
            if not same:
                raise Missing(f"no {path}")
            if len(same) > 1:
                raise Missing(f"{path}: {len(same)} names that are one to Windows")
            found = f"{found}/{same[0]}" if found else same[0]
        return found

    def has(self, path):
        try:
            return bool(self.find(path))
        except Missing:
            return False

    def read(self, path):
        found = self.find(path)
        if self.is_ntfs:
            return run("ntfscat", "-f", self.path, "/" + found)
        return run("mtype", "-i", self.path, "::/" + found)


class Disk:
    """The partition table as sfdisk reads it, and the volumes."""

    def __init__(self, image, folder):
        self.image = image
        table = json.loads(run("sfdisk", "--json", image))["partitiontable"]
        self.is_gpt = table["label"] == "gpt"
        self.id = table["id"].lower()
        self.parts = table.get("partitions", [])
        os.makedirs(folder, exist_ok=True)
        for number, part in enumerate(self.parts):
            part["volume"] = self.volume(part, os.path.join(folder, str(number)))
        self.windows = self.one(lambda p: p["volume"] and p["volume"].has(CONFIG + "/SYSTEM"), "Windows")
        start = "EFI/Microsoft/Boot/BCD" if self.is_gpt else "Boot/BCD"
        self.start = self.one(lambda p: p["volume"] and p["volume"].has(start), start)
        self.store = self.start["volume"].read(start)

    def one(self, test, what):
        found = [part for part in self.parts if test(part)]
        if len(found) != 1:
            raise Missing(f"{what} is on {len(found)} partitions, not one")
        return found[0]

    def volume(self, part, path):
        """The partition in a file of its own, if it is NTFS or FAT."""
        with open(self.image, "rb") as disk, open(path, "wb") as out:
            disk.seek(part["start"] * SECTOR)
            left = part["size"] * SECTOR
            while left:
                block = disk.read(min(BLOCK, left))
                if not block:
                    return None
                left -= len(block)
                if block.strip(b"\0"):
                    out.write(block)
                else:
                    out.seek(len(block), 1)
            out.truncate(part["size"] * SECTOR)
        with open(path, "rb") as file:
            first = file.read(SECTOR)
        part["path"] = path
        part["hidden"] = struct.unpack_from("<I", first, 0x1C)[0]
        is_ntfs = first[3:11] == b"NTFS    "
        return Volume(path, is_ntfs) if is_ntfs or first[82:87] == b"FAT32" else None

    def partition(self, scheme, part, disk):
        """The partition that a name means; None when it is not on this disk."""
        for candidate in self.parts:
            if self.is_gpt and scheme == "gpt":
                same = candidate.get("uuid", "").lower() == part and disk in (None, self.id)
            else:
                same = scheme == "mbr" and not self.is_gpt
                same = same and (candidate["start"] * SECTOR, int(self.id, 16)) == (part, disk)
            if same:
                return candidate
        return None


class Report:
    def __init__(self):
        self.wrong = 0

    def say(self, is_right, text):
        self.wrong += not is_right
        print(f"{'ok   ' if is_right else 'WRONG'} {text}")


# --- registry -------------------------------------------------------------------


def hive(data, folder, name):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


@functools.cache
def exported(path):
    """All values by key and name, as hivexregedit has them."""
    text = run("hivexregedit", "--export", path, "\\").decode("latin-1")
    values, key = {}, ""
    for line in text.splitlines():
        if line.startswith("["):
            key = line[2:-1]
            values[(key, None)] = ""
        elif "=" in line:
            name, data = line.split("=", 1) if line.startswith("@") else split_name(line)
            values[(key, name)] = data
    return values


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def split_name(line):
    end = 1
    while line[end] != '"':
        end += 2 if line[end] == "\\" else 1
    return line[1:end], line[end + 2 :]


def below(key, prefix):
    key, prefix = key.lower(), prefix.lower().strip("\\")
    return key == prefix or key.startswith(prefix + "\\")


def check_identity(report, before, after):
    for name in ("SAM", "SECURITY"):
        sums = [hashlib.sha256(disk.windows["volume"].read(f"{CONFIG}/{name}")).hexdigest() for disk in (before, after)]
        report.say(sums[0] == sums[1], f"{name}: sha256 {sums[1][:16]}, was {sums[0][:16]}")


def check_system(report, old, new, allowed):
    # The same bytes need not be read twice: the export takes seconds.
    old, new = exported(old), exported(old if contents(old) == contents(new) else new)
    changed = sorted({entry[0] for entry in old.keys() | new.keys() if old.get(entry) != new.get(entry)})
    outside = [key for key in changed if not any(below(key, prefix) for prefix in allowed)]
    report.say(not outside, f"SYSTEM: {len(changed)} keys differ, {len(outside)} where nothing may")
    for key in outside[:20]:
        report.say(False, f"SYSTEM: {key} differs")


SEARCHED = "Microsoft\\Windows\\CurrentVersion"


def check_staged(report, before, after, staged, folder):
    """INF files that Windows finds where it looks for drivers; nothing else in
    SOFTWARE is different."""
    old, new = (hive(d.windows["volume"].read(CONFIG + "/SOFTWARE"), folder, n) for d, n in ((before, "old-sw"), (after, "new-sw")))
    paths = [values_of(RegistryHive(path).get_key("\\" + SEARCHED)).get("devicepath") for path in (old, new)]
    paths = [str(path).split(";") for path in paths]
    report.say(paths[1][: len(paths[0])] == paths[0], f"SOFTWARE: DevicePath begins with what it was, {paths[0]}")
    added = [path.lower() for path in paths[1][len(paths[0]) :]]
    wanted = sorted({inf.rsplit("\\", 1)[0].lower() for inf in staged})
    report.say(sorted(added) == wanted, f"SOFTWARE: DevicePath has {wanted} added (it has {added})")
    kind = [line for line in old_and_new_types(old, new)]
    report.say(kind == ["REG_EXPAND_SZ"] * 2, f"SOFTWARE: DevicePath is {kind}")
    changed = {entry for entry in exported(old).keys() | exported(new).keys() if exported(old).get(entry) != exported(new).get(entry)}
    expected = {(SEARCHED, "DevicePath")}
    report.say(changed == (expected if staged else set()), f"SOFTWARE: what differs is {sorted(changed)[:5]}")
    for inf in staged:
        path = inf.replace("%SystemRoot%", "Windows")
        report.say(after.windows["volume"].has(path), f"{inf} is there")
    check_first_boot(report, after, hive(after.windows["volume"].read(CONFIG + "/SYSTEM"), folder, "service"), staged)


def old_and_new_types(*paths):
    for path in paths:
        values = RegistryHive(path).get_key("\\" + SEARCHED).get_values(as_json=False)
        yield from (value.value_type for value in values if value.name.lower() == "devicepath")


def check_first_boot(report, disk, system, staged):
    """A service that goes before anything is installed, and a script for each INF."""
    registry = RegistryHive(system)
    sets = [key.name for key in registry.root.iter_subkeys() if key.name.lower().startswith("controlset")]
    script = disk.windows["volume"].read("Windows/Drivers/rescue/first-boot.cmd").decode("ascii")
    lines = script.split("\r\n")
    for control_set in sets:
        values = values_of(registry.get_key(f"\\{control_set}\\Services\\rescue-drivers"))
        starts = (values.get("type"), values.get("start"), values.get("objectname")) == (0x10, 2, "LocalSystem")
        report.say(starts, f"{control_set}: the service of the first start")
        names = "%SystemRoot%\\Drivers\\rescue\\first-boot.cmd" in str(values.get("imagepath"))
        report.say(names, f"{control_set}: it runs the script")
        gone = [at for at, line in enumerate(lines) if f"\\{control_set}\\Services\\rescue-drivers" in line]
        installs = [at for at, line in enumerate(lines) if "pnputil" in line]
        report.say(bool(gone) and max(gone) < min(installs), f"{control_set}: the script takes the service away first")
    for inf in staged:
        count = sum("pnputil" in line and f'"{inf}"' in line for line in lines)
        report.say(count == 1, f"the script installs {inf}")


def values_of(key):
    return {value.name.lower(): value.value for value in key.get_values(as_json=False)}


def check_services(report, disk, system, services):
    registry = RegistryHive(system)
    sets = [key.name for key in registry.root.iter_subkeys() if key.name.lower().startswith("controlset")]
    report.say(bool(sets), f"SYSTEM: {len(sets)} control sets")
    for service in services:
        for control_set in sets:
            check_service(report, disk, registry, control_set, service)


def check_service(report, disk, registry, control_set, service):
    what = f"{control_set}: {service}"
    services = registry.get_key(f"\\{control_set}\\Services")
    found = [key for key in services.iter_subkeys() if key.name.lower() == service.lower()]
    if not found:
        report.say(False, f"{what} is no service")
        return
    values = values_of(found[0])
    names = [key.name.lower() for key in found[0].iter_subkeys()] if found[0].subkey_count else []
    report.say(values.get("start") == 0, f"{what} starts at boot (Start={values.get('start')})")
    report.say("startoverride" not in names, f"{what} has no StartOverride")
    image = str(values.get("imagepath") or f"System32\\drivers\\{service}.sys")
    image = image.split("SystemRoot\\", 1)[-1]
    report.say(disk.windows["volume"].has(f"Windows\\{image}"), f"{what} has its file {image}")


# --- names of partitions --------------------------------------------------------


def mounted(disk, system):
    """(name, partition) of what MountedDevices has for hard disks."""
    for name, data in values_of(RegistryHive(system).get_key("\\MountedDevices")).items():
        data = bytes.fromhex(data) if isinstance(data, str) else bytes(data)
        if len(data) == 12:
            signature, offset = struct.unpack("<IQ", data)
            yield name, disk.partition("mbr", offset, signature)
        elif len(data) == 24 and data.startswith(b"DMIO:ID:"):
            yield name, disk.partition("gpt", str(uuid.UUID(bytes_le=data[8:])), None)


def check_mounted(report, disk, system, elsewhere):
    """What was on another disk, `elsewhere`, is not looked for on this one."""
    letters = 0
    for name, part in mounted(disk, system):
        if name in elsewhere and part is None:
            continue
        report.say(part is not None, f"MountedDevices: {name} is a partition of the disk")
        if name == "\\dosdevices\\c:":
            letters += 1
            report.say(part is disk.windows, "MountedDevices: C: is where Windows is")
    report.say(letters == 1, "MountedDevices: there is a C:")


def descriptors(data):
    """(offset, scheme, partition, disk) of each partition that an element names."""
    for at in range(0x10, len(data) - 0x47, 4):
        kind, _, size = struct.unpack_from("<III", data, at)
        if (kind, size) != (6, 0x48):
            continue
        scheme = struct.unpack_from("<I", data, at + 0x24)[0]
        if scheme == 0:
            guid = [str(uuid.UUID(bytes_le=data[at + o : at + o + 16])) for o in (0x10, 0x28)]
            yield at, "gpt", *guid
        else:
            yield at, "mbr", struct.unpack_from("<Q", data, at + 0x10)[0], struct.unpack_from("<I", data, at + 0x28)[0]


def objects(store):
    for key in RegistryHive(store).get_key("\\Objects").iter_subkeys():
        parts = {part.name: part for part in key.iter_subkeys()}
        elements = {}
        for element in parts["Elements"].iter_subkeys() if parts["Elements"].subkey_count else []:
            elements[element.name] = values_of(element).get("element")
        yield key.name.lower(), values_of(parts["Description"]).get("type"), elements


def data_of(value):
    return bytes.fromhex(value) if isinstance(value, str) else bytes(value or b"")


def check_store(report, disk, store, elsewhere):
    """Every partition it names is on this disk, but those that were not before."""
    known = {name: (kind, elements) for name, kind, elements in objects(store)}
    for name, (kind, elements) in known.items():
        for element, value in elements.items():
            if element[1:2] != "1":
                continue
            for at, *device in descriptors(data_of(value)):
                part = disk.partition(*device)
                if part is None and kind == FIRMWARE and device[2] in elsewhere:
                    continue
                report.say(part is not None, f"BCD: {name} {element} is a partition of the disk")
                direct = at == 0x10 and element in ("11000001", "21000001")
                if part and direct and kind in (LOADER, RESUME):
                    report.say(part is disk.windows, f"BCD: {name} {element} is where Windows is")
        path = elements.get("12000002", "")
        if kind == LOADER and list_at(elements.get("11000001")) == [0x10]:
            report.say(disk.windows["volume"].has(path), f"BCD: {name} has its loader {path}")
    manager = known.get(BOOT_MANAGER, (None, {}))[1]
    report.say(manager.get("23000003", "").lower() in known, "BCD: the default entry is there")
    for _, *device in descriptors(data_of(manager.get("11000001"))):
        report.say(disk.partition(*device) is disk.start, "BCD: the boot manager is where it starts from")


def list_at(value):
    return [at for at, *_ in descriptors(data_of(value))]


def disks_elsewhere(disk, store):
    """Disks that firmware entries name and that this is not."""
    found = set()
    for _, kind, elements in objects(store):
        for element, value in elements.items() if kind == FIRMWARE else []:
            if element[1:2] == "1":
                found |= {device[3] for device in descriptors(data_of(value))}
    return found - {disk.id}


def check_start(report, disk):
    part = disk.start
    if disk.is_gpt:
        is_esp = part["type"].upper() == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
        report.say(is_esp, "GPT: the boot manager is on an EFI system partition")
        report.say(part["volume"].has("EFI/Microsoft/Boot/bootmgfw.efi"), "ESP: bootmgfw.efi is there")
        return
    report.say(bool(part.get("bootable")), "MBR: the boot manager's partition is active")
    report.say(part["volume"].has("bootmgr"), "MBR: bootmgr is there")
    report.say(part["hidden"] == part["start"], f"MBR: the boot sector says it is at {part['hidden']}")


# --- BIOS to UEFI ---------------------------------------------------------------

ESP_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
TYPES = {"7": "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "27": "DE94BBA4-06D1-4D40-A16A-BFD50179D6AC"}
COPIED = {"EFI": "", "Fonts": "/Fonts", "Resources": "/Resources"}


def files_below(volume, folder):
    """Paths of files below a folder, as they are written."""
    for name in volume.names(folder):
        path = f"{folder}/{name}"
        if name in (".", ".."):
            continue
        if path in volume.folders or volume.is_ntfs and is_folder(volume, path):
            yield from files_below(volume, path)
        else:
            yield path


def is_folder(volume, path):
    """ntfscat finds no contents in a folder."""
    try:
        volume.read(path)
    except Missing:
        return True
    return False


def check_table_for_uefi(report, before, after):
    report.say(not before.is_gpt and after.is_gpt, "table: an MBR became a GPT")
    said = run("sgdisk", "-v", after.image).decode()
    report.say("No problems found" in said, "table: sgdisk -v finds no problems")
    esps = [part for part in after.parts if part["type"].upper() == ESP_TYPE]
    report.say(esps == [after.start], f"table: {len(esps)} EFI system partition, where the boot manager is")
    for old in before.parts:
        same = [new for new in after.parts if (new["start"], new["size"]) == (old["start"], old["size"])]
        report.say(len(same) == 1, f"table: a partition is at sector {old['start']} as before")
        if same and same[0] not in esps:
            right = TYPES.get(old["type"].lower().lstrip("0"))
            report.say(same[0]["type"].upper() == right, f"table: the one at {old['start']} has type {same[0]['type']}")
    places = {part["start"] for part in before.parts}
    new = [part for part in after.parts if part["start"] not in places]
    report.say(all(part in esps for part in new), f"table: {len(new)} partitions are new")
    with open(after.image, "rb") as disk:
        report.say(not disk.read(440).strip(b"\0"), "table: no code for a BIOS is left")


def check_esp(report, before, after):
    esp, windows = after.start["volume"], before.windows["volume"]
    done = subprocess.run(["/usr/sbin/fsck.fat", "-n", after.start["path"]], capture_output=True)
    report.say(done.returncode == 0, f"ESP: fsck.fat: {done.stdout.decode(errors='replace').splitlines()[-1:]}")
    report.say(not esp.is_ntfs, "ESP: it is a FAT32")
    report.say(after.start["hidden"] == after.start["start"], "ESP: its boot sector says where it is")
    expected = {"efi/microsoft/boot/bcd": None}
    for source, target in COPIED.items():
        for path in files_below(windows, f"Windows/Boot/{source}"):
            name = path[len(f"Windows/Boot/{source}") :]
            expected[f"efi/microsoft/boot{target}{name}".lower()] = path
    expected["efi/boot/bootx64.efi"] = "Windows/Boot/EFI/bootmgfw.efi"
    found = {path.lower(): path for path in files_below(esp, "EFI")}
    report.say(found.keys() == expected.keys(), f"ESP: {sorted(found.keys() ^ expected.keys())} too many or missing")
    report.say(len(expected) > 10, f"ESP: {len(expected)} files were expected")
    for path, source in expected.items():
        if source and path in found:
            same = esp.read(found[path]) == windows.read(source)
            report.say(same, f"ESP: {found[path]} is {source}")


def check_store_for_uefi(report, before, after, store):
    known = {name: (kind, elements) for name, kind, elements in objects(store)}
    manager = known.get(BOOT_MANAGER, (None, {}))[1]
    path = manager.get("12000002", "")
    report.say(path == "\\EFI\\Microsoft\\Boot\\bootmgfw.efi", f"BCD: the boot manager is {path}")
    report.say("26000005" not in manager, "BCD: it does not resume")
    default = known.get(manager.get("23000003", "").lower(), (None, {}))[1]
    path = default.get("12000002", "").lower()
    report.say(path == "\\windows\\system32\\winload.efi", f"BCD: the default entry starts {path}")
    system = [after.partition(*device) for _, *device in descriptors(data_of(default.get("21000001")))]
    report.say(system == [after.windows], "BCD: the default entry's Windows is where it is")
    mbr = [at for _, elements in known.values() for value in elements.values() if isinstance(value, (str, bytes)) for at in mbr_in(value)]
    report.say(not mbr, f"BCD: {len(mbr)} devices are of an MBR")
    signature = ",".join(f"{byte:02x}" for byte in struct.pack("<I", int(before.id, 16)))
    left = [key for (key, _), data in exported(store).items() if signature in data]
    report.say(not left, f"BCD: the old signature is in {left}")


def mbr_in(value):
    try:
        data = data_of(value)
    except ValueError:
        return []
    return [at for at, scheme, *_ in descriptors(data) if scheme == "mbr"]


def check_uefi(report, before, after, system, store):
    check_table_for_uefi(report, before, after)
    check_esp(report, before, after)
    check_store_for_uefi(report, before, after, store)
    signature = struct.pack("<I", int(before.id, 16))
    values = values_of(RegistryHive(system).get_key("\\MountedDevices"))
    old = [name for name, data in values.items() if data_of(data)[:4] == signature]
    report.say(not old, f"MountedDevices: {old} are of the MBR")


# --- secrets --------------------------------------------------------------------


@functools.cache
def secrets(system, sam, security):
    """What secretsdump finds, as one sum, and of what kinds."""
    words = [sys.executable, os.path.join(os.path.dirname(sys.executable), "secretsdump.py")]
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        for name, data in (("system", system), ("sam", sam), ("security", security)):
            words += ["-" + name, hive(data, folder, name)]
        lines = run(*words, "LOCAL").decode(errors="replace").splitlines()
    found = [line for line in lines if line and not line.startswith(("Impacket", "[*] Cleaning"))]
    kinds = {kind for kind in ("bootKey", "$MACHINE.ACC") if any(kind in line for line in found)}
    return hashlib.sha256("\n".join(found).encode()).hexdigest(), kinds


def secrets_of(disk, system):
    return secrets(contents(system), *(disk.windows["volume"].read(f"{CONFIG}/{name}") for name in ("SAM", "SECURITY")))


# --- logs of SYSTEM ---------------------------------------------------------------


def base_block(data):
    """(sequence before, sequence after, bytes of bins) of a hive or a log."""
    return struct.unpack_from("<II", data, 4) + struct.unpack_from("<I", data, 40)


def is_clean(data):
    first, second, _ = base_block(data)
    return first == second and struct.unpack_from("<I", data, 508)[0] == checksum(data)


def checksum(data):
    total = 0
    for number in struct.unpack_from("<127I", data):
        total ^= number
    return {0xFFFFFFFF: 0xFFFFFFFE, 0: 1}.get(total, total)


def logs_of(disk):
    """The logs of SYSTEM that hold something, the older first."""
    volume, found = disk.windows["volume"], []
    for ending in ("LOG1", "LOG2"):
        path = f"{CONFIG}/SYSTEM.{ending}"
        data = volume.read(path) if volume.has(path) else b""
        if data[512:516] == b"HvLE":
            found.append(data)
    return sorted(found, key=lambda log: base_block(log)[0])


def last_entry(log):
    """(sequence, bytes of bins) of a log's last entry: a step higher each."""
    at, last = 512, (0, 0)
    while log[at : at + 4] == b"HvLE":
        size, _, sequence, bins = struct.unpack_from("<IIII", log, at + 4)
        if last[0] not in (0, sequence - 1):
            break
        at, last = at + size, (sequence, bins)
    return last


def system_of(disk, folder, name):
    """SYSTEM as its Windows would load it: what only its logs hold is put in by
    regipy, which leaves the base block to others."""
    data = disk.windows["volume"].read(CONFIG + "/SYSTEM")
    logs = logs_of(disk)
    if not logs or is_clean(data):
        return hive(data, folder, name)
    sequence, bins = last_entry(logs[-1])
    # (regipy does not make a file longer.)
    path = hive(data + bytes(max(0, 4096 + bins - len(data))), folder, name)
    older, newer = hive(logs[0], folder, name + ".older"), hive(logs[-1], folder, name + ".newer")
    replayed, _ = apply_transaction_logs(path, newer, older, path + ".replayed")
    data = bytearray(contents(replayed))
    struct.pack_into("<II", data, 4, sequence, sequence)
    struct.pack_into("<I", data, 40, bins)
    struct.pack_into("<I", data, 508, checksum(data))
    return hive(bytes(data), folder, os.path.basename(replayed))


def check_logs(report, before, after):
    """Logs that a changed SYSTEM was brought up to date from count no more."""
    old, new = (disk.windows["volume"].read(CONFIG + "/SYSTEM") for disk in (before, after))
    logs = logs_of(before)
    if old == new or is_clean(old) or not logs:
        return
    sequence, bins = last_entry(logs[-1])
    report.say(is_clean(new), "SYSTEM: it is written to the end")
    report.say(base_block(new)[0] > sequence, f"SYSTEM: it is newer ({base_block(new)[0]}) than its logs ({sequence})")
    report.say(base_block(new)[2] >= bins, f"SYSTEM: it has {base_block(new)[2]} bytes of bins, the logs' end {bins}")
    report.say(logs_of(after) == logs, "SYSTEM: its logs are as they were")


# --- what more was asked for ------------------------------------------------------


def check_critical(report, system, wanted):
    """Windows 7 finds these drivers by these ids early enough, in each control set."""
    registry = RegistryHive(system)
    sets = [key.name for key in registry.root.iter_subkeys() if key.name.lower().startswith("controlset")]
    for entry in wanted:
        name, service = entry.split("=")
        name = name.replace("\\", "#")
        for control_set in sets:
            database = registry.get_key(f"\\{control_set}\\Control\\CriticalDeviceDatabase")
            found = [key for key in database.iter_subkeys() if key.name.lower() == name.lower()]
            values = values_of(found[0]) if found else {}
            same = str(values.get("service", "")).lower() == service.lower() and "classguid" in values
            report.say(same, f"{control_set}: CriticalDeviceDatabase has {service} for {name}")


def check_same(report, before, after, files):
    for path in files:
        sums = [hashlib.sha256(disk.windows["volume"].read(path)).hexdigest() for disk in (before, after)]
        report.say(sums[0] == sums[1], f"{path}: sha256 {sums[1][:16]}, was {sums[0][:16]}")


def judge(report, arguments, folder):
    before = Disk(arguments.before, os.path.join(folder, "before"))
    after = Disk(arguments.after, os.path.join(folder, "after"))
    check_identity(report, before, after)
    check_logs(report, before, after)
    systems = [system_of(before, folder, "old"), system_of(after, folder, "new")]
    check_system(report, *systems, arguments.allow)
    check_services(report, after, systems[1], arguments.boot)
    check_critical(report, systems[1], arguments.critical)
    check_same(report, before, after, arguments.same)
    if arguments.staged:
        check_staged(report, before, after, arguments.staged, folder)
    elsewhere = {name for name, part in mounted(before, systems[0]) if part is None}
    check_mounted(report, after, systems[1], elsewhere)
    stores = [hive(d.store, folder, n) for d, n in ((before, "old-bcd"), (after, "new-bcd"))]
    check_store(report, after, stores[1], disks_elsewhere(before, stores[0]))
    check_start(report, after)
    if arguments.uefi:
        check_uefi(report, before, after, systems[1], stores[1])
    (old, found), (new, _) = secrets_of(before, systems[0]), secrets_of(after, systems[1])
    # Of hives that are not of one machine only the boot key can be told.
    if arguments.strangers:
        report.say("bootKey" in found and old == new, "secrets: the boot key is the same")
    else:
        report.say("$MACHINE.ACC" in found and old == new, "secrets: the machine's account and all others are the same")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True)
    parser.add_argument("--after", required=True)
    parser.add_argument("--allow", action="append", default=[])
    parser.add_argument("--boot", action="append", default=[])
    parser.add_argument("--critical", action="append", default=[], help="an entry that Windows 7 has to have")
    parser.add_argument("--strangers", action="store_true", help="SYSTEM is of another machine than SAM and SECURITY")
    parser.add_argument("--same", action="append", default=[], help="a file of Windows' volume that has to be as before")
    parser.add_argument("--staged", action="append", default=[])
    parser.add_argument("--uefi", action="store_true")
    arguments, report = parser.parse_args(), Report()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        try:
            judge(report, arguments, folder)
        except Missing as error:
            report.say(False, str(error))
    print(f"{report.wrong} wrong")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
