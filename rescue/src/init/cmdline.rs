//! The kernel command line: what boot loaders and tests tell us.

/// The words of a kernel command line, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cmdline {
    words: Vec<(String, Option<String>)>,
}

impl Cmdline {
    /// Reads it as the kernel does: words between spaces; a double quote
    /// starts or ends a stretch in which spaces count.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut words = Vec::new();
        let mut word = String::new();
        let mut quoted = false;
        for c in text.trim_end().chars().chain([' ']) {
            match c {
                '"' => quoted = !quoted,
                c if c.is_ascii_whitespace() && !quoted => {
                    if !word.is_empty() {
                        words.push(split(&std::mem::take(&mut word)));
                    }
                }
                c => word.push(c),
            }
        }
        if !word.is_empty() {
            words.push(split(&word));
        }
        Self { words }
    }

    /// That of the running kernel; empty where /proc does not tell.
    #[must_use]
    pub fn current() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default())
    }

    /// The last value given to `key`, as the kernel lets the last one win.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.values(key).last().copied()
    }

    /// Every value given to `key`.
    #[must_use]
    pub fn values(&self, key: &str) -> Vec<&str> {
        let named = self.words.iter().filter(|(k, _)| k == key);
        named.filter_map(|(_, v)| v.as_deref()).collect()
    }

    /// Whether the bare word `key` is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.words.iter().any(|(k, v)| k == key && v.is_none())
    }

    /// Parameters given to a module: "`module`.name=value" without the prefix.
    /// `-` and `_` are the same in names.
    #[must_use]
    pub fn module_parameters(&self, module: &str) -> String {
        let mut out: Vec<String> = Vec::new();
        for (key, value) in &self.words {
            let Some((name, parameter)) = key.split_once('.') else {
                continue;
            };
            if name.replace('-', "_") == module {
                out.push(match value {
                    Some(value) if value.contains(' ') => format!("{parameter}=\"{value}\""),
                    Some(value) => format!("{parameter}={value}"),
                    None => parameter.to_owned(),
                });
            }
        }
        out.join(" ")
    }
}

fn split(word: &str) -> (String, Option<String>) {
    match word.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (word.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_values_and_quotes() {
        let line = Cmdline::parse(
            "console=tty0 console=ttyS0,115200 quiet rescue.config=\"http://h/a b\" x=\n",
        );
        assert_eq!(line.value("console"), Some("ttyS0,115200"));
        assert_eq!(line.values("console").len(), 2);
        assert!(line.has("quiet") && !line.has("console"));
        assert_eq!(line.value("rescue.config"), Some("http://h/a b"));
        assert_eq!(line.value("x"), Some(""));
        assert_eq!(line.value("absent"), None);
    }

    #[test]
    fn module_parameters_are_collected() {
        let line =
            Cmdline::parse("usb-storage.delay_use=0 usb_storage.quirks=\"a b\" loop.max_loop=8");
        assert_eq!(
            line.module_parameters("usb_storage"),
            "delay_use=0 quirks=\"a b\""
        );
        assert_eq!(line.module_parameters("ext4"), "");
    }
}
