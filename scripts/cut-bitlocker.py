"""Cuts the BitLocker volumes of dissect.fve's tests down to boot sector and metadata.

usage: cut-bitlocker.py FOLDER_OF_BIN_GZ TARGET

What is encrypted becomes a hole, so that gigabytes are kilobytes.
"""

import gzip
import pathlib
import struct
import sys

METADATA = 1 << 16


def places(volume):
    """The boot sector, and where the copies of the metadata are."""
    head = volume.read(512)
    if not head.startswith(b"\xeb\x52\x90"):
        return head, struct.unpack_from("<3Q", head, 176)
    # Windows Vista says where the first is, and that one where the others are.
    (cluster,) = struct.unpack_from("<Q", head, 56)
    volume.seek(cluster * struct.unpack_from("<H", head, 11)[0] * head[13])
    return head, struct.unpack_from("<3Q", volume.read(64), 32)


def cut(path, target):
    with gzip.open(path) as volume, open(target, "wb") as out:
        head, copies = places(volume)
        out.write(head)
        for place in sorted(copies):
            volume.seek(place)
            out.seek(place)
            out.write(volume.read(METADATA))
        out.truncate(max(copies) + METADATA)


if __name__ == "__main__":
    source, target = map(pathlib.Path, sys.argv[1:])
    target.mkdir(parents=True)
    for path in sorted(source.glob("*.bin.gz")):
        cut(path, target / path.name.removesuffix(".gz"))
