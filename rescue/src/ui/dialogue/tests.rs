//! A machine that is made up: two disks, one repository.

use std::collections::VecDeque;

use anyhow::bail;

use super::*;
use crate::event::Sink;
use crate::inventory::{Bus, Disk, DiskKind, StartedBy, Use};

/// A machine with three disks and one repository.
pub(in crate::ui) struct Fake {
    /// What the next restore ends with.
    pub(in crate::ui) fail: Option<Next>,
    pub(in crate::ui) image_disks: u32,
    pub(in crate::ui) restored: Vec<Choice>,
    /// What is found by each look for a plan.
    pub(in crate::ui) plans: VecDeque<Option<&'static str>>,
    /// Ways to repositories.
    pub(in crate::ui) place_forms: Vec<Form>,
    /// What was filled in.
    pub(in crate::ui) filled: Vec<Vec<String>>,
    /// A Windows has no driver until a folder is given.
    pub(in crate::ui) lacks_driver: bool,
    /// For what the disk would be changed.
    pub(in crate::ui) converts: Option<StartedBy>,
    /// What is encrypted in the image, and what opens it.
    pub(in crate::ui) encrypted: Vec<[&'static str; 2]>,
    /// An interrupted restore is on the target.
    pub(in crate::ui) resumes: bool,
    /// What a restore ends with.
    pub(in crate::ui) report: String,
    /// How often the shell was run.
    pub(in crate::ui) shells: usize,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            fail: None,
            image_disks: 1,
            restored: Vec::new(),
            plans: VecDeque::new(),
            place_forms: vec![share()],
            filled: Vec::new(),
            lacks_driver: false,
            converts: None,
            encrypted: Vec::new(),
            resumes: false,
            report: "It is there, and was checked.\n".into(),
            shells: 0,
        }
    }
}

pub(in crate::ui) fn disk(name: &str, serial: Option<&str>) -> Disk {
    Disk {
        path: format!("/dev/{name}").into(),
        name: name.into(),
        kind: DiskKind::Device,
        size: 500 << 30,
        sector_size: 512,
        physical_sector: 4096,
        model: Some("Fast SSD".into()),
        serial: serial.map(str::to_owned),
        wwn: None,
        bus: Bus::Nvme,
        removable: false,
        read_only: false,
        rotational: false,
        uses: Vec::new(),
    }
}

fn share() -> Form {
    Form {
        id: "smb",
        offer: "A Windows or Samba share (SMB)".into(),
        heading: "A share of a Windows or Samba server".into(),
        fields: vec![
            Field::text("share", "Share, as //server/share/folder", ""),
            Field::text("user", "User", "guest"),
            Field::secret("password", "Password"),
            Field::one_of("version", "Protocol", &["3.1.1", "2.1"]),
        ],
        help: "The password is kept in memory only.".into(),
    }
}

fn link() -> Form {
    Form {
        id: "link",
        offer: "eth0 (52:54:00:12:34:56), by DHCP".into(),
        heading: "How is eth0 to get its address?".into(),
        fields: vec![
            Field::one_of("method", "Method", &["dhcp", "static"]),
            Field::text("address", "Address and prefix, as 10.0.0.5/24", ""),
        ],
        help: "Only a static address needs the other fields.".into(),
    }
}

impl World for Fake {
    fn unattended(&mut self) -> Option<String> {
        self.plans.pop_front()?.map(str::to_owned)
    }

    fn overview(&mut self) -> Overview {
        Overview {
            site: None,
            version: "1.2.3".into(),
            machine: "Dell Inc. PowerEdge R740, serial number 7XK3M, started by UEFI".into(),
            network: vec!["eth0 (52:54:00:12:34:56): 10.0.2.15/24 (from 10.0.2.2)".into()],
            disks: vec![
                "/dev/nvme0n1  Fast SSD (serial S4EV, nvme), 500.0 GiB".into(),
                "/dev/sdb  Fast SSD (no serial number, nvme), 500.0 GiB".into(),
            ],
            looking: true,
            warnings: vec!["no driver for 1000:00e6 (RAID controller)".into()],
        }
    }

    fn places(&mut self) -> Vec<Place> {
        vec![Place {
            title: "/backup on sdb1 (ext4, labelled RESCUE)".into(),
            location: "/mnt/r".into(),
        }]
    }

    fn place_forms(&mut self) -> Vec<Form> {
        self.place_forms.clone()
    }

    fn network_forms(&mut self) -> Vec<Form> {
        vec![link()]
    }

    fn submit(&mut self, form: &Form, values: &[String]) -> anyhow::Result<Filled> {
        self.filled.push(values.to_vec());
        match form.id {
            "smb" if values[0].is_empty() => bail!("no share was named"),
            "smb" => Ok(Filled::Place("/mnt/r".into())),
            _ => Ok(Filled::Done("eth0 has 10.0.0.5/24 now.".into())),
        }
    }

    fn images(&mut self, location: &str) -> anyhow::Result<Vec<ImageLine>> {
        if location != "/mnt/r" {
            bail!("{location} is no repository");
        }
        let line = |id: &str, unusable: Option<&str>| ImageLine {
            id: id.into(),
            title: "web1, captured 2025-11-22 04:28 UTC".into(),
            details: Vec::new(),
            unusable: unusable.map(str::to_owned),
        };
        let machine = "machine: web1.example.org (Dell Inc. PowerEdge R740), serial number 7XK3M";
        Ok(vec![
            line("2025-b", Some("its manifest is damaged")),
            ImageLine {
                details: vec![machine.into()],
                ..line("2025-a", None)
            },
        ])
    }

    fn disks(&mut self, _: &str, _: &str) -> anyhow::Result<Vec<DiskLine>> {
        let line = |index| DiskLine {
            index,
            title: format!("disk {index}"),
        };
        Ok((0..self.image_disks).map(line).collect())
    }

    fn targets(&mut self, _: &str) -> anyhow::Result<Vec<TargetLine>> {
        let line = |disk, unusable: Option<Use>| TargetLine {
            disk,
            holds: "nothing that is known".into(),
            unusable: unusable.map(|u| u.to_string()),
        };
        Ok(vec![
            line(disk("nvme0n1", Some("S4EV")), None),
            line(disk("sdb", None), Some(Use::Repository)),
            line(disk("vda", None), None),
        ])
    }

    fn driver_folders(&mut self, _: &Disk) -> Vec<Place> {
        vec![Place {
            title: "/drivers on sdc1 (vfat, labelled STICK)".into(),
            location: "/mnt/drivers".into(),
        }]
    }

    fn locked(&mut self, choice: &Choice) -> anyhow::Result<Vec<String>> {
        let locked = self.encrypted.iter();
        let locked = locked.filter(|[_, opens]| !choice.passphrases.has(opens));
        Ok(locked.map(|[volume, _]| (*volume).to_owned()).collect())
    }

    fn plan(&mut self, choice: &Choice) -> anyhow::Result<Planned> {
        let drivers = choice.drivers.as_deref();
        if let Some(folder) = drivers.filter(|folder| *folder != "/mnt/drivers") {
            bail!("{folder} has no driver for Windows: no .inf file");
        }
        let (image, path) = (&choice.image, choice.target.path.display());
        Ok(Planned {
            text: match drivers {
                Some(folder) => format!("{image} goes to {path}, drivers from {folder}\n"),
                None => format!("{image} goes to {path}\n"),
            },
            lacks_driver: self.lacks_driver && drivers.is_none(),
            resumes: self.resumes && !choice.start_over,
            converts: match (self.converts, choice.keep) {
                (None, _) => Converts::Nothing,
                (Some(by), false) => Converts::For(by),
                (Some(by), true) => Converts::Kept(by),
            },
        })
    }

    fn restore(&mut self, choice: &Choice, _: &dyn Sink) -> Result<String, Stopped> {
        if let Some(next) = self.fail.take() {
            let error = anyhow::anyhow!("connection refused").context("reading pack ab12");
            return Err(Stopped { error, next });
        }
        self.restored.push(choice.clone());
        Ok(self.report.clone())
    }

    fn shell(&mut self) -> anyhow::Result<Left> {
        self.shells += 1;
        Ok(Left::Back)
    }
}
