//! The Windows that a driver is for, and the decorations that name it:
//! `NTamd64.10.0...16299`.

use super::number;

/// A processor architecture that Windows 7 and later runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 32 bits.
    X86,
    /// x86-64.
    Amd64,
    /// ARM with 64 bits.
    Arm64,
}

impl Arch {
    /// As decorations and names of packages have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86 => "x86",
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// `PROCESSOR_ARCHITECTURE_…`, as the driver database has it.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::X86 => 0,
            Self::Amd64 => 9,
            Self::Arm64 => 12,
        }
    }

    /// By its [number](Self::number).
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        let all = [Self::X86, Self::Amd64, Self::Arm64];
        all.into_iter()
            .find(|arch| u32::from(arch.number()) == number)
    }
}

/// What kind of Windows it is, by the numbers that decorations use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// A client.
    Workstation = 1,
    /// A server that is a domain controller.
    DomainController = 2,
    /// Any other server.
    Server = 3,
}

/// The Windows that is looked for a driver for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub arch: Arch,
    /// 6 for Windows 7 to 8.1, 10 for later ones.
    pub major: u32,
    /// 1: Windows 7, 2: 8, 3: 8.1, 0 for later ones.
    pub minor: u32,
    /// Such as 19045.
    pub build: u32,
    pub product: Product,
    /// `VER_SUITE_…` bits; drivers hardly ever ask for them.
    pub suite: u32,
}

/// `NT[arch][.[major][.[minor][.[product][.[suite][.[build]]]]]]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decoration {
    /// `None` without one; an architecture that [`Arch`] does not know (ia64,
    /// arm) is `Some(None)`.
    pub arch: Option<Option<Arch>>,
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub product: Option<u32>,
    pub suite: Option<u32>,
    /// The first build it is for.
    pub build: Option<u32>,
}

/// How well a decoration fits, to be compared: version, build, then whether it
/// names product, suite, architecture.
pub(crate) type Fit = (u32, u32, u32, bool, bool, bool);

impl Decoration {
    /// Reads a decoration; `None` when it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let mut parts = lower.strip_prefix("nt")?.split('.');
        let arch = match parts.next()? {
            "" => None,
            "x86" => Some(Some(Arch::X86)),
            "amd64" => Some(Some(Arch::Amd64)),
            "arm64" => Some(Some(Arch::Arm64)),
            "ia64" | "arm" => Some(None),
            _ => return None,
        };
        let mut part = || match parts.next().unwrap_or_default() {
            "" => Some(None),
            text => number::parse(text).map(Some),
        };
        let decoration = Self {
            arch,
            major: part()?,
            minor: part()?,
            product: part()?,
            suite: part()?,
            build: part()?,
        };
        parts.next().is_none().then_some(decoration)
    }

    /// How well it fits, `None` when it is not for this Windows. What names no
    /// architecture is for x86, since Windows Server 2003 SP1. A build counts
    /// within its version only: every later version is later than any build.
    /// (Microsoft's "INF Manufacturer section".)
    pub(crate) fn fit(&self, target: &Target) -> Option<Fit> {
        let arch = self.arch.unwrap_or(Some(Arch::X86));
        let version = (self.major.unwrap_or(0), self.minor.unwrap_or(0));
        let is_same = version == (target.major, target.minor);
        let build = self.build.filter(|_| is_same).unwrap_or(0);
        let fits = arch == Some(target.arch)
            && version <= (target.major, target.minor)
            && build <= target.build
            && self.product.is_none_or(|p| p == target.product as u32)
            && self.suite.is_none_or(|s| target.suite & s == s);
        let named = (
            self.product.is_some(),
            self.suite.is_some(),
            self.arch.is_some(),
        );
        fits.then_some((version.0, version.1, build, named.0, named.1, named.2))
    }
}

#[cfg(test)]
impl Target {
    /// Windows Server 2019, for tests.
    pub(crate) const TEN: Self = Self {
        arch: Arch::Amd64,
        major: 10,
        minor: 0,
        build: 17763,
        product: Product::Server,
        suite: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Target = Target::TEN;

    fn fits(text: &str) -> bool {
        Decoration::parse(text).unwrap().fit(&TEN).is_some()
    }

    #[test]
    fn decorations_fit_or_not() {
        for text in [
            "NTamd64",
            "ntAMD64.6.1",
            "NTamd64.10.0",
            "NTamd64.10",
            "NTamd64.10.0...16299",
            "NTamd64.6.3...19999",
        ] {
            assert!(fits(text), "{text}");
        }
        for text in [
            "NTamd64.10.0.3",
            "NTamd64.6.0.0x3",
            "NTamd64...3",
            "NTamd64.10.0...17763",
        ] {
            assert!(fits(text), "{text}");
        }
        for text in [
            "NTx86",
            "NT",
            "NT.6.1",
            "NTia64",
            "NTarm64",
            "NTamd64.10.1",
            "NTamd64.11",
        ] {
            assert!(!fits(text), "{text}");
        }
        for text in [
            "NTamd64.10.0...18362",
            "NTamd64.10.0.1",
            "NTamd64.6.1..0x40",
        ] {
            assert!(!fits(text), "{text}");
        }
        for text in ["amd64", "NTmips", "NTamd64.x", "NTamd64.1.2.3.4.5.6"] {
            assert_eq!(Decoration::parse(text), None, "{text}");
        }
        let x86 = Target {
            arch: Arch::X86,
            ..TEN
        };
        assert!(Decoration::default().fit(&x86).is_some());
    }

    #[test]
    fn the_closer_decoration_fits_better() {
        let fit = |text: &str| Decoration::parse(text).unwrap().fit(&TEN);
        let order = [
            "NTamd64",
            "NTamd64...3",
            "NTamd64.6.1",
            "NTamd64.6.3",
            "NTamd64.10.0",
            "NTamd64.10.0.3",
            "NTamd64.10.0...14393",
            "NTamd64.10.0...17763",
        ];
        for pair in order.windows(2) {
            assert!(fit(pair[0]) < fit(pair[1]), "{pair:?}");
        }
    }
}
