//! What is to be changed, and what is to be said.

/// What a system needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edits {
    /// Files whose contents change, or that are new.
    pub files: Vec<TextEdit>,
    /// Files that get another name.
    pub moved: Vec<Moved>,
    /// What is done, a sentence each.
    pub lines: Vec<String>,
    /// What may not work and is left as it is, a sentence each.
    pub warnings: Vec<String>,
}

/// A file with other contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// The path that the system has for it.
    pub path: String,
    /// All that is in it from now on.
    pub text: String,
    /// Whether there was none before: then its folder may not be there either. It is for root and all may
    /// read it (0644), and with SELinux it needs the label of its folder (`security.selinux`), since udev may not
    /// read what has none. Files that were there keep owner, mode and label.
    pub new: bool,
    /// What changes, without a full stop: "/dev/sda2 is UUID=… now".
    pub edits: Vec<String>,
    /// Where distributions put a copy of it into the initramfs. A copy that is there must
    /// be replaced by this text as well; one of a new file belongs where there is such a folder.
    pub copies: Vec<String>,
}

/// A file that gets another name in its folder, so that it is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The path that it had.
    pub from: String,
    /// The path that it gets. There is none such yet.
    pub to: String,
    /// Why, a sentence.
    pub why: String,
    /// Where distributions put a copy of it into the initramfs: it must not be used there either.
    pub copies: Vec<String>,
}

impl Edits {
    /// All of `other` too.
    pub fn extend(&mut self, other: Self) {
        self.files.extend(other.files);
        self.moved.extend(other.moved);
        self.lines.extend(other.lines);
        for warning in other.warnings {
            self.warn(warning);
        }
    }

    /// A warning, said once.
    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// `file`, and a line that says so.
    pub(crate) fn file(&mut self, file: TextEdit) {
        let edits = file.edits.join("; ");
        self.lines.push(format!("{}: {edits}.", file.path));
        self.files.push(file);
    }
}
