# What the scripts that make disks with an operating system share: source it after
# scripts/lib.sh; $patients is the folder the results are kept in.
# shellcheck shell=bash

MIB=$((1 << 20))

# Bytes of standard input into file $1 at byte $2.
poke() { dd of="$1" bs=1M oflag=seek_bytes seek="$2" conv=notrunc status=none; }

# $1 as $2 bytes, little endian.
little_endian() {
    local value=$1 n
    for ((n = 0; n < $2; n++)); do
        # shellcheck disable=SC2059 # the format is the byte
        printf "\\x$(printf %02x $((value & 255)))"
        value=$((value >> 8))
    done
}

new_uuid() { cat /proc/sys/kernel/random/uuid; }

# Owners and device nodes of another system, as root or as if.
like_root() { if [ "$(id -u)" = 0 ]; then "$@"; else fakeroot -- "$@"; fi; }

# A folder's or file's content in one word.
digest() { find "$@" -type f -print0 | sort -z | xargs -0 cat | sha256sum | cut -c1-16; }

# The folder of boot parts: what was unpacked last, or now.
boot_parts() { "$ROOT/scripts/boot-parts" --offline 2>/dev/null || "$ROOT/scripts/boot-parts"; }

# The vendor's folder on EFI system partitions.
vendor() { if grep -qi '^ID=ubuntu' /etc/os-release; then echo ubuntu; else echo debian; fi; }

# --- an operating system -----------------------------------------------------------

# The host's own archive: its sources, its proxy.
host_sources() {
    local file found=no
    for file in /etc/apt/sources.list.d/{debian,ubuntu}.sources /etc/apt/sources.list; do
        if grep -qsE '^(deb |Types: deb)' "$file"; then echo "$file"; found=yes; fi
    done
    [ "$found" = yes ] || die "apt has no Debian or Ubuntu source: add one to /etc/apt/sources.list"
}
apt_settings() {
    apt-config dump | grep -E '^Acquire::(https?::|Check-|ForceIPv|Retries)' |
        sed 's/^/--aptopt=/; s/;$//' || true
}

# What nobody needs in a virtual machine, and a restore would only have to carry.
EXCLUDED=(drivers/{gpu,media,staging,iio,isdn,bluetooth,infiniband,thunderbolt,comedi}
    drivers/net/{wireless,can,ethernet/{mellanox,chelsio,broadcom,qlogic,intel/ice}}
    sound fs/{ocfs2,gfs2,ceph,cifs,smb,nfs,nfsd,f2fs,jfs,afs} net/{wireless,mac80211,bluetooth})

# Makes $1, the tar of a small system that tells its facts; $2 is more packages, each
# with a comma before it; what follows are more words for mmdebstrap.
bootstrap() {
    local out=$1 packages=$2 codename kernel excludes=() dir sources settings
    shift 2
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    kernel=linux-image-amd64
    [ -n "$(candidate $kernel)" ] || kernel=linux-image-generic
    for dir in "${EXCLUDED[@]}"; do
        excludes+=(--dpkgopt="path-exclude=*/lib/modules/*/kernel/$dir/*")
    done
    excludes+=(--dpkgopt='path-exclude=/usr/share/'{doc,man,locale,info}'/*')
    mapfile -t sources < <(host_sources)
    mapfile -t settings < <(apt_settings)
    say "making a small $codename system (a few minutes)"
    # shellcheck disable=SC2016 # $1 is mmdebstrap's
    mmdebstrap --quiet --variant=essential --format=tar "${excludes[@]}" "${settings[@]}" \
        --include="systemd-sysv,udev,kmod,zstd,initramfs-tools,mount,iproute2,$kernel$packages" \
        --customize-hook='echo patient >"$1/etc/hostname"' \
        --customize-hook='chroot "$1" passwd -d root' \
        --customize-hook="upload '$ROOT/scripts/patient/facts' /usr/local/sbin/facts" \
        --customize-hook="upload '$ROOT/scripts/patient/facts.service' /etc/systemd/system/facts.service" \
        --customize-hook='chmod 755 "$1/usr/local/sbin/facts"' \
        --customize-hook='chroot "$1" systemctl -q enable facts.service' \
        --customize-hook='chroot "$1" systemctl -q mask apt-daily.timer systemd-networkd-wait-online.service' \
        "$@" --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
        "$codename" "$out.new" "${sources[@]}" >&2
    mv "$out.new" "$out"
}

# Words for `bootstrap` that make /usr/share/$1.img in the system, an initramfs that
# has the modules $2... and what they need, and no others.
# shellcheck disable=SC2016 # $1 is mmdebstrap's
initramfs_of() {
    local name=$1 folder=/tmp/$1
    shift
    printf -- '--customize-hook=%s\n' \
        "mkdir \"\$1$folder\"" \
        "cp -a \"\$1/etc/initramfs-tools/.\" \"\$1$folder\"" \
        "echo MODULES=list >\"\$1$folder/conf.d/list\"" \
        "printf '%s\n' $* >\"\$1$folder/modules\"" \
        "chroot \"\$1\" mkinitramfs -d $folder -o /usr/share/$name.img \"\$(ls \"\$1/lib/modules\")\"" \
        "rm -r \"\$1$folder\""
}

# Gives the system (or what will be laid over one) in $1 an identity of its own as
# patient $2, and writes $2.json, which a restored machine must still show.
identity() {
    local dir=$1 name=$2 id keys type
    mkdir -p "$dir/etc/ssh"
    id=$(new_uuid | tr -d -)
    echo "$id" >"$dir/etc/machine-id"
    echo "patient-$name" >"$dir/etc/hostname"
    for type in ed25519 ecdsa; do
        ssh-keygen -q -t $type -N '' -C "root@patient-$name" -f "$dir/etc/ssh/ssh_host_${type}_key"
    done
    keys=$(cat "$dir"/etc/ssh/ssh_host_*_key | sha256sum | cut -d ' ' -f 1)
    printf '{"machine_id":"%s","hostname":"patient-%s","host_keys":"%s"}\n' \
        "$id" "$name" "$keys" >"$patients/$name.json"
}

# --- boot loaders ------------------------------------------------------------------

# Writes GRUB's boot.img $2 and core $3 to disk $1, the core at sector $4 of the 2048 of
# its partition.
# As grub-install does, which only works on block devices. Facts: boot.h and setup.c of
# GRUB: boot.img has the core's LBA at 0x5c and a jump at 0x66 that is blanked on hard
# disks; the core's first sector ends with a block list entry: LBA of the rest (8
# bytes), its sectors (2), its segment (2).
embed_grub() {
    local image=$1 boot=$2 core=$3 lba=$4
    [ "$(stat -c %s "$core")" -le $((2048 * 512)) ] || die "GRUB's core does not fit its partition"
    poke "$image" $((lba * 512)) <"$core"
    little_endian $((lba + 1)) 8 | poke "$image" $((lba * 512 + 512 - 12))
    head -c 440 "$boot" | poke "$image" 0
    little_endian "$lba" 8 | poke "$image" $((0x5c))
    printf '\x90\x90' | poke "$image" $((0x66))
}

# Makes an EFI system partition on disk $1 at byte $2, $3 MiB, volume number $4 (eight
# hex digits), with the signed shim and GRUB of folder $5 in a distribution's places;
# $6 is GRUB's first configuration.
esp_filesystem() {
    local image=$1 offset=$2 mib=$3 id=$4 efi=$5 config=$6 esp=$1.esp own
    own=$(vendor)
    truncate -s "${mib}M" "$esp"
    mkfs.vfat -F 32 -n ESP -i "$id" "$esp" >/dev/null
    mmd -i "$esp" ::EFI ::EFI/BOOT "::EFI/$own"
    mcopy -i "$esp" "$efi/shimx64.efi" ::EFI/BOOT/BOOTX64.EFI
    mcopy -i "$esp" "$efi/shimx64.efi" "::EFI/$own/shimx64.efi"
    mcopy -i "$esp" "$efi/mmx64.efi" ::EFI/BOOT/mmx64.efi
    mcopy -i "$esp" "$efi/grubx64-disk.efi" ::EFI/BOOT/grubx64.efi
    mcopy -i "$esp" "$efi/grubx64-disk.efi" "::EFI/$own/grubx64.efi"
    printf '%s\n' "$config" | mcopy -i "$esp" - "::EFI/$own/grub.cfg"
    poke "$image" "$offset" <"$esp"
    rm "$esp"
}

# A volume number as /dev/disk/by-uuid and fstab write it.
fat_uuid() { echo "${1:0:4}-${1:4}" | tr a-f A-F; }
