//! The smallest guest: a boot sector that says a line and leaves.

/// I/O port of COM1's transmit register; its line status is five further.
const COM1: u16 = 0x3f8;
/// I/O port of QEMU's `isa-debug-exit` device, by convention.
pub(crate) const DEBUG_EXIT: u16 = 0xf4;

/// How much the guest computes before it speaks: nothing for an accelerator or a
/// translator, minutes where every instruction traps.
const ROUNDS: u32 = 1 << 24;
/// SeaBIOS boots no disk smaller than one cylinder.
const DISK: usize = 1 << 20;

/// A bootable disk of 1 MiB that computes a moment, prints `message` on the
/// first serial port, then ends a QEMU that has `-device isa-debug-exit,iobase=0xf4` with exit status
/// `2 * code + 1`; on other machines it halts.
///
/// At most 400 bytes of `message` are kept. Real-mode code, assembled by hand
/// from Intel's SDM, volume 2.
#[must_use]
pub fn boot_disk(message: &str, code: u8) -> Vec<u8> {
    let text: Vec<u8> = message.bytes().take(400).filter(|b| *b != 0).collect();
    let mut sector = vec![
        0xfa, // cli
        0x31, 0xc0, // xor ax, ax
        0x8e, 0xd8, // mov ds, ax
        0xfc, // cld
    ];
    sector.extend([0x66, 0xb9]); // mov ecx, ROUNDS
    sector.extend(ROUNDS.to_le_bytes());
    sector.extend([
        0x66, 0xff, 0x06, 0x00, 0x10, // work: inc dword [0x1000]
        0x66, 0x49, // dec ecx
        0x75, 0xf7, // jnz work
    ]);
    sector.extend([0xbe, 0, 0]); // mov si, text (patched below)
    let text_operand = sector.len() - 2;
    let next = sector.len();
    sector.extend([
        0xac, // next: lodsb
        0x84, 0xc0, // test al, al
        0x74, 0, // jz done (patched below)
        0x88, 0xc4, // mov ah, al
    ]);
    let jump_to_done = next + 4;
    let [low, high] = (COM1 + 5).to_le_bytes();
    sector.extend([0xba, low, high]); // mov dx, line status
    sector.extend([
        0xec, // busy: in al, dx
        0xa8, 0x20, // test al, transmitter empty
        0x74, 0xfb, // jz busy
        0x88, 0xe0, // mov al, ah
    ]);
    let [low, high] = COM1.to_le_bytes();
    sector.extend([0xba, low, high, 0xee]); // mov dx, COM1; out dx, al
    let back = next.wrapping_sub(sector.len() + 2).to_le_bytes();
    sector.extend([0xeb, back[0]]); // jmp next
    let done = sector.len();
    sector[jump_to_done] = (done - jump_to_done - 1).to_le_bytes()[0];
    let [low, high] = DEBUG_EXIT.to_le_bytes();
    sector.extend([0xb0, code, 0xba, low, high, 0xee]); // mov al, code; out
    sector.extend([0xf4, 0xeb, 0xfd]); // hlt; jmp hlt
    let address = 0x7c00 + sector.len();
    sector[text_operand..text_operand + 2].copy_from_slice(&address.to_le_bytes()[..2]);
    sector.extend(text);
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector.resize(DISK, 0);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_boot_disk_that_points_at_its_text() {
        let sector = boot_disk("hello\n", 3);
        assert_eq!(sector.len(), DISK);
        assert_eq!(&sector[510..512], &[0x55, 0xaa]);
        let after_work = 6 + 6 + 9;
        assert_eq!(sector[after_work], 0xbe);
        let operand = [sector[after_work + 1], sector[after_work + 2]];
        let address = usize::from(u16::from_le_bytes(operand));
        assert_eq!(&sector[address - 0x7c00..][..7], b"hello\n\0");
    }

    #[test]
    fn a_long_message_is_cut() {
        let disk = boot_disk(&"x".repeat(1000), 0);
        assert_eq!(&disk[510..513], &[0x55, 0xaa, 0]);
    }
}
