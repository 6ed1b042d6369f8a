//! `seed IMAGE OUT`: turns a small disk image into a seed for the targets that
//! read sparse disks.

use std::{env, fs, io};

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [image, out] = args.as_slice() else {
        return Err(io::Error::other("usage: seed IMAGE OUT"));
    };
    fs::write(out, fuzz::SparseDisk::encode(&fs::read(image)?))
}
