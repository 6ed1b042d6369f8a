//! Pictures of the machine's screen, taken while it works.

use anyhow::{Context, Result, bail, ensure};
use qemu::Vm;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Kept of one drill.
const MOST: usize = 24;
/// Sides of a screen that QEMU shows.
const LONGEST_SIDE: usize = 8192;
/// A text screen as QEMU draws it: 80 × 25 characters of 9 × 16.
const TEXT_SCREEN: (usize, usize) = (720, 400);
/// Where the characters of a text screen are: IBM VGA Technical Reference.
const TEXT_MEMORY: u64 = 0xb_8000;
const COLUMNS: usize = 80;
const ROWS: usize = 25;

/// One picture.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Picture {
    /// Seconds after the drill's begin.
    pub(crate) at: f64,
    /// What was going on.
    pub(crate) caption: String,
    /// Its file in the report's folder.
    pub(crate) file: String,
    #[serde(skip)]
    pub(crate) png: Vec<u8>,
    /// It stays when there are too many.
    #[serde(skip)]
    pub(crate) stays: bool,
}

/// The pictures of one drill.
#[derive(Debug)]
pub(crate) struct Gallery {
    scratch: PathBuf,
    pictures: Vec<Picture>,
    last: Vec<u8>,
}

/// What the screen shows.
#[derive(Debug, PartialEq, Eq)]
struct Pixmap {
    width: usize,
    height: usize,
    /// Red, green, blue.
    pixels: Vec<u8>,
}

impl Gallery {
    /// Works in this folder.
    pub(crate) fn new(scratch: PathBuf) -> Self {
        Self {
            scratch,
            pictures: Vec::new(),
            last: Vec::new(),
        }
    }

    /// Takes a picture; one that shows what the last shows is not kept unless it is
    /// `wanted`. The lines on the screen, when it is a text screen.
    pub(crate) fn take(
        &mut self,
        vm: &mut Vm,
        at: f64,
        caption: &str,
        wanted: bool,
    ) -> Result<Option<Vec<String>>> {
        let file = self.scratch.join("screen.ppm");
        vm.pixmap(&file)?;
        let bytes = fs::read(&file).context("reading a picture of the screen")?;
        let pixmap = Pixmap::parse(&bytes).context("reading a picture of the screen")?;
        let is_text = (pixmap.width, pixmap.height) == TEXT_SCREEN;
        if wanted || bytes != self.last {
            self.pictures.push(Picture {
                at,
                caption: caption.to_owned(),
                file: String::new(),
                png: pixmap.png()?,
                stays: wanted,
            });
            self.last = bytes;
            self.thin_out();
        }
        match is_text {
            true => self.text(vm).map(Some),
            false => Ok(None),
        }
    }

    fn text(&self, vm: &mut Vm) -> Result<Vec<String>> {
        let file = self.scratch.join("screen.mem");
        vm.memory(TEXT_MEMORY, (COLUMNS * ROWS * 2) as u64, &file)?;
        let memory = fs::read(&file).context("reading the text screen's memory")?;
        Ok(text_of(&memory))
    }

    /// Of two neighbours that are close in time the first goes; the very first, the
    /// last and those that were wanted stay.
    fn thin_out(&mut self) {
        while self.pictures.len() > MOST {
            let gaps = self.pictures.windows(2).enumerate();
            let may_go = |pair: &[Picture]| pair.first().is_some_and(|one| !one.stays);
            let inner = gaps.skip(1).filter(|(_, pair)| may_go(pair));
            let gap = |pair: &[Picture]| match pair {
                [one, next] => next.at - one.at,
                _ => f64::MAX,
            };
            let least = inner.min_by(|a, b| gap(a.1).total_cmp(&gap(b.1)));
            match least.map(|(at, _)| at) {
                Some(at) => drop(self.pictures.remove(at)),
                None => return,
            }
        }
    }

    /// All of them, each named for its file.
    pub(crate) fn finish(mut self, prefix: &str) -> Vec<Picture> {
        for (n, picture) in self.pictures.iter_mut().enumerate() {
            picture.file = format!("{prefix}-{:02}.png", n + 1);
        }
        self.pictures
    }
}

/// The characters of a text screen's memory: character and colour, one byte each.
fn text_of(memory: &[u8]) -> Vec<String> {
    let row = |row: &[u8]| {
        let characters = row.chunks(2).filter_map(|pair| pair.first());
        let text: String = characters
            .map(|c| match c {
                0x20..=0x7e => char::from(*c),
                _ => ' ',
            })
            .collect();
        text.trim_end().to_owned()
    };
    memory.chunks(COLUMNS * 2).map(row).collect()
}

impl Pixmap {
    /// Parses a binary portable pixmap (netpbm's ppm(5)) with 8 bits a colour.
    fn parse(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes;
        let mut words = Vec::new();
        while words.len() < 4 {
            let end = rest.iter().position(u8::is_ascii_whitespace);
            let (word, after) = rest.split_at(end.context("the header ends early")?);
            rest = after.get(1..).unwrap_or_default();
            if !word.is_empty() {
                words.push(std::str::from_utf8(word).context("no header")?);
            }
        }
        let number = |word: &str| word.parse::<usize>().context("a number");
        let (width, height) = match words.as_slice() {
            ["P6", width, height, "255"] => (number(width)?, number(height)?),
            other => bail!("expected P6, width, height, 255; found {other:?}"),
        };
        ensure!(
            (1..=LONGEST_SIDE).contains(&width) && (1..=LONGEST_SIDE).contains(&height),
            "a screen of {width} × {height}"
        );
        let len = width * height * 3;
        ensure!(
            rest.len() == len,
            "expected {len} bytes of pixels, found {}",
            rest.len()
        );
        Ok(Self {
            width,
            height,
            pixels: rest.to_vec(),
        })
    }

    /// As PNG, with a palette when there are few colours, as on consoles.
    fn png(&self) -> Result<Vec<u8>> {
        let (width, height) = (u32::try_from(self.width)?, u32::try_from(self.height)?);
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, width, height);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let indexed = self.indexed();
        let data = match &indexed {
            Some((palette, indices)) => {
                encoder.set_color(png::ColorType::Indexed);
                encoder.set_palette(palette.clone());
                indices
            }
            None => {
                encoder.set_color(png::ColorType::Rgb);
                &self.pixels
            }
        };
        let mut writer = encoder.write_header().context("making a PNG")?;
        writer.write_image_data(data).context("making a PNG")?;
        writer.finish().context("making a PNG")?;
        Ok(out)
    }

    fn indexed(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut colours: BTreeMap<&[u8], u8> = BTreeMap::new();
        let mut palette = Vec::new();
        let mut indices = Vec::with_capacity(self.pixels.len() / 3);
        for pixel in self.pixels.chunks_exact(3) {
            let index = match colours.get(pixel) {
                Some(index) => *index,
                None => {
                    let index = u8::try_from(colours.len()).ok()?;
                    colours.insert(pixel, index);
                    palette.extend_from_slice(pixel);
                    index
                }
            };
            indices.push(index);
        }
        Some((palette, indices))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixmap_becomes_a_png_with_the_same_pixels() {
        let mut ppm = b"P6\n3 2\n255\n".to_vec();
        let pixels: Vec<u8> = (0..18).collect();
        ppm.extend(&pixels);
        let pixmap = Pixmap::parse(&ppm).unwrap();
        assert_eq!((pixmap.width, pixmap.height), (3, 2));
        let png = pixmap.png().unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(&png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut back = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut back).unwrap();
        assert_eq!(back, pixels);
    }

    #[test]
    fn many_colours_need_no_palette() {
        let mut ppm = b"P6 20 20 255\n".to_vec();
        ppm.extend((0..400_u32).flat_map(|n| [n.to_le_bytes()[0], n.to_le_bytes()[1], 7]));
        let pixmap = Pixmap::parse(&ppm).unwrap();
        assert!(pixmap.indexed().is_none());
        assert!(pixmap.png().unwrap().starts_with(b"\x89PNG"));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for bytes in [
            &b""[..],
            b"P6",
            b"P5 1 1 255 x",
            b"P6 1 1 255\nxx",
            b"P6 99999999 9 255\n",
        ] {
            assert!(Pixmap::parse(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_text_screen_is_read() {
        let mut memory = vec![0; COLUMNS * ROWS * 2];
        for (at, c) in b"No bootable device.".iter().enumerate() {
            memory[COLUMNS * 2 + at * 2] = *c;
            memory[COLUMNS * 2 + at * 2 + 1] = 7;
        }
        let lines = text_of(&memory);
        assert_eq!(lines.len(), ROWS);
        assert_eq!(lines[1], "No bootable device.");
    }

    #[test]
    fn a_long_drill_keeps_the_first_and_the_last_picture() {
        let mut gallery = Gallery::new(PathBuf::new());
        for n in 0..200 {
            gallery.pictures.push(Picture {
                at: f64::from(n),
                caption: n.to_string(),
                file: String::new(),
                png: Vec::new(),
                stays: n == 5,
            });
            gallery.thin_out();
        }
        let kept = gallery.finish("x");
        assert_eq!(kept.len(), MOST);
        assert_eq!((kept[0].at, kept[MOST - 1].at), (0.0, 199.0));
        assert!(kept.iter().any(|picture| picture.caption == "5"));
        assert_eq!(kept[0].file, "x-01.png");
    }
}
