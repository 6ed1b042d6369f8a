//! The terminal behind the screen: bytes in, bytes out, a size.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

/// What the full-screen interface is drawn on.
pub trait Device: Write + Send {
    /// Columns and rows, as they are now.
    fn size(&self) -> (u16, u16);

    /// Waits for something to read; whether there is.
    fn wait(&mut self, limit: Duration) -> bool;

    /// What was typed; `None` when nobody is there any more.
    fn read(&mut self) -> Option<Vec<u8>>;

    /// Passes bytes through as they are from now on, or as a shell wants it.
    fn set_raw(&mut self, raw: bool);

    /// Ends this process as Ctrl-C would have done.
    fn interrupt(&mut self);
}

/// Standard input and output.
#[derive(Debug)]
pub struct Tty {
    input: File,
    output: File,
    settings: Option<sys::console::Settings>,
}

impl Tty {
    /// This process's.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn standard() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self {
            input: input.into(),
            output: output.into(),
            settings: None,
        })
    }
}

impl Write for Tty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Device for Tty {
    fn size(&self) -> (u16, u16) {
        sys::console::size(&self.output).unwrap_or((80, 24))
    }

    fn wait(&mut self, limit: Duration) -> bool {
        sys::poll::readable(self.input.as_fd(), limit).unwrap_or(true)
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 256];
        loop {
            match self.input.read(&mut buffer) {
                Ok(0) => return None,
                Ok(len) => return Some(buffer.get(..len).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    fn set_raw(&mut self, raw: bool) {
        self.settings = None;
        if raw {
            self.settings = sys::console::Settings::of(&self.input).ok();
            // A terminal that refuses is used as it is.
            let _ = sys::console::set_raw(&self.input);
        }
    }

    fn interrupt(&mut self) {
        self.set_raw(false);
        let _ = sys::process::interrupt_self();
    }
}
