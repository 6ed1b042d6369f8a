#!/usr/bin/env python3
"""Judges what a restored Windows starts from, with none of the project's own code.

  start.py --before BEFORE.raw --after AFTER.raw [--fallback]

Of the EFI system partition, or else of the NTFS with Boot/BCD: its boot store does
not wake Windows (26000005) and is otherwise the same, element by element; an EFI
system partition is sound (fsck.fat), and all its other files are the same, bit by
bit, and no others are there but, with --fallback, EFI/BOOT/BOOTX64.EFI, which is
EFI/Microsoft/Boot/bootmgfw.efi. One line for each thing that was looked at, `ok`
or `WRONG`; exit status 1 when anything is wrong.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from regipy.registry import RegistryHive

SECTOR = 512
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
STORES = {True: "EFI/Microsoft/Boot/BCD", False: "Boot/BCD"}
LOADER, FALLBACK = "EFI/Microsoft/Boot/bootmgfw.efi", "EFI/BOOT/BOOTX64.EFI"
BOOT_MANAGER = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
ATTEMPT_RESUME = "26000005"


def run(*words):
    environment = dict(os.environ, PATH="/usr/sbin:/sbin:/usr/bin:/bin", MTOOLS_SKIP_CHECK="1")
    done = subprocess.run(words, capture_output=True, env=environment)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise ValueError(f"{' '.join(words)}: {said}")
    return done.stdout


class Start:
    """The partition that a Windows starts from, in a file of its own."""

    def __init__(self, image, folder, name):
        table = json.loads(run("sfdisk", "--json", image))["partitiontable"]
        parts = table["partitions"]
        self.is_uefi = table["label"] == "gpt"
        chosen = [p for p in parts if (p["type"].upper() == ESP if self.is_uefi else p.get("bootable"))]
        if len(chosen) != 1:
            raise ValueError(f"{image}: {len(chosen)} partitions to start from")
        self.path = os.path.join(folder, name)
        with open(image, "rb") as disk, open(self.path, "wb") as out:
            disk.seek(chosen[0]["start"] * SECTOR)
            left = chosen[0]["size"] * SECTOR
            while left:
                block = disk.read(min(1 << 20, left))
                left -= len(block)
                out.write(block)

    def read(self, path):
        if self.is_uefi:
            return run("mtype", "-i", self.path, "::/" + path)
        return run("ntfscat", "-f", self.path, "/" + path)

    def files(self):
        """Of FAT: every path in small letters, and the content."""
        listed = run("mdir", "-/", "-b", "-i", self.path, "::/").decode().splitlines()
        paths = [line.removeprefix("::/") for line in listed if not line.endswith("/")]
        return {path.lower(): self.read(path) for path in paths}

    def elements(self, folder):
        path = self.path + ".store"
        with open(path, "wb") as file:
            file.write(self.read(STORES[self.is_uefi]))
        found = {}
        for thing in RegistryHive(path).get_key("\\Objects").iter_subkeys():
            parts = {part.name: part for part in thing.iter_subkeys()}
            for part in parts.values():
                keys = list(part.iter_subkeys()) if part.subkey_count else []
                for key in [part, *keys]:
                    for value in key.get_values(as_json=True):
                        found[(thing.name.lower(), part.name, key.name, value.name)] = str(value.value)
        return found


def judge(say, arguments, folder):
    before, after = Start(arguments.before, folder, "before"), Start(arguments.after, folder, "after")
    old, new = before.elements(folder), after.elements(folder)
    wakes = (BOOT_MANAGER, "Elements", ATTEMPT_RESUME, "Element")
    say(not any(key[2] == ATTEMPT_RESUME for key in new), "BCD: it does not wake Windows")
    old.pop(wakes, None)
    say(len(old) > 50 and old == new, f"BCD: {len(new)} other values are the same")
    if not after.is_uefi:
        say(not arguments.fallback, "a BIOS has no fallback")
        return
    say(bool(run("fsck.fat", "-n", after.path)), "ESP: fsck.fat finds nothing")
    old, new = before.files(), after.files()
    store, fallback = STORES[True].lower(), FALLBACK.lower()
    if arguments.fallback:
        say(new.get(fallback) == new[LOADER.lower()], "ESP: the fallback is Windows' loader")
        say(fallback not in old, "ESP: there was none before")
        new.pop(fallback, None)
    say(len(old) > 2 and old.keys() == new.keys(), f"ESP: {len(new)} files are there, and no others")
    differ = [path for path in old if path != store and old[path] != new.get(path)]
    say(not differ, f"ESP: the others are the same {differ}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True)
    parser.add_argument("--after", required=True)
    parser.add_argument("--fallback", action="store_true")
    arguments, wrong = parser.parse_args(), []

    def say(is_right, text):
        wrong.extend([] if is_right else [text])
        print(f"{'ok   ' if is_right else 'WRONG'} {text}")

    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        try:
            judge(say, arguments, folder)
        except (ValueError, OSError, KeyError) as error:
            say(False, f"{type(error).__name__}: {error}")
    print(f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
