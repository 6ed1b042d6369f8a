//! What is told of the machines in the collection.

use hive::FileTime;
use windows::identity::{Fact, Outcome, Role, Sid, StaticAddress, Weight};

use crate::fixtures::{Machine, hex};
use crate::oracles;

fn known<T: Clone>(fact: &Fact<T>) -> T {
    fact.known().expect("it is known").clone()
}

fn text(fact: &Fact<String>) -> &str {
    fact.known().expect("it is known")
}

fn sid(fact: &Fact<Sid>) -> String {
    known(fact).to_string()
}

/// The SID that `digits` stand for, read as its definition says.
fn sid_of(digits: &str) -> String {
    let bytes: Vec<u8> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    let parts = bytes[8..]
        .chunks(4)
        .map(|part| u32::from_le_bytes(part.try_into().unwrap()));
    let parts: Vec<String> = parts.map(|part| part.to_string()).collect();
    format!("S-1-{}-{}", bytes[7], parts.join("-"))
}

#[test]
fn a_machine_in_a_domain() {
    let identity = Machine::joined().identity();
    let machine = "S-1-5-21-4070822719-3404542230-2541167049";
    assert_eq!(sid(&identity.machine_sid), machine);
    let policy = &identity.policy;
    assert_eq!(sid(&policy.accounts.sid), machine);
    assert_eq!(text(&policy.accounts.name), "STUDENT-PC8");
    assert_eq!(text(&policy.primary.name), "INTERNAL");
    let domain = "S-1-5-21-226059406-2984137831-1201299043";
    assert_eq!(sid(&policy.primary.sid), domain);
    assert_eq!(text(&policy.dns), "internal.greendale.edu");
    assert_eq!(text(&policy.forest), "internal.greendale.edu");
    assert_eq!(text(&policy.guid), "b83d62e7-7cc7-4eb0-9853-a2af9716bdae");
    assert_eq!(policy.joined, Fact::Known(true));
    assert_eq!(text(&identity.names.computer), "STUDENT-PC8");
    assert_eq!(text(&identity.names.host), "student-pc8");
    assert_eq!(text(&identity.names.domain), "internal.greendale.edu");
    let title = "Windows 8.1 Enterprise Evaluation (build 9600)";
    assert_eq!(identity.product.title().unwrap(), title);
    assert_eq!(text(&identity.product.edition), "EnterpriseEval");
    assert_eq!(identity.product.revision, Fact::Absent);
    assert_eq!(identity.role, Fact::Known(Role::Workstation));
    assert_eq!(
        text(&identity.machine_guid),
        "57af23bf-2427-4be7-8f68-9bc5abbf945a"
    );
    let changed = known(&identity.password.changed);
    assert_eq!(changed, FileTime(0x01d2_39c3_eefd_8b84));
    assert_eq!(changed.to_string(), "2016-11-08T13:28:03Z");
    assert_eq!(identity.password.days, Fact::Known(30));
    assert_eq!(identity.password.kept, Fact::Known(false));
    let outcomes: Vec<&Outcome> = identity.checks.iter().map(|c| &c.outcome).collect();
    assert_eq!(outcomes, [&Outcome::Holds; 4], "{:?}", identity.checks);
    assert_eq!(identity.secrets.unknown, [] as [&str; 0]);
    let condition = &identity.condition;
    assert_eq!(condition.setup_type, Fact::Known(0));
    assert_eq!(condition.command, Fact::Absent);
    assert_eq!(text(&condition.image_state), "IMAGE_STATE_COMPLETE");
    assert_eq!(text(&condition.time_zone), "Pacific Standard Time");
    assert_eq!(condition.portable, Fact::Absent);
    assert_eq!(condition.findings(), []);
    let bound = &identity.bound;
    assert_eq!(bound.addresses, Fact::Known(Vec::new()));
    assert_eq!(bound.tpm, Fact::Known(false));
    // (regipy's DigitalProductId4 has it at the same place.)
    assert_eq!(text(&bound.licence), "Retail:TB:Eval");
}

/// An address that was set, a TPM.
#[test]
fn what_stays_behind_is_told() {
    let mut machine = Machine::joined();
    let mut edit = machine.system.unwrap().edit(FileTime(1)).unwrap();
    let set = "ControlSet001";
    let card = "{143ED9ED-ABBA-4E29-A597-ABD62167CD04}";
    let card = format!("{set}\\Services\\Tcpip\\Parameters\\Interfaces\\{card}");
    let tpm = format!("{set}\\Enum\\ACPI\\MSFT0101\\1");
    let class = "{D94EE5D8-D189-4994-83D2-F68D7D41B0E6}";
    edit.create_key(&card).unwrap();
    edit.create_key(&tpm).unwrap();
    let addresses = hive::multi_sz(&["10.0.0.5", "0.0.0.0"]);
    for (key, name, kind, data) in [
        (&card, "EnableDHCP", hive::ValueType::DWORD, hive::dword(0)),
        (&card, "IPAddress", hive::ValueType::MULTI_SZ, addresses),
        (&tpm, "ClassGUID", hive::ValueType::SZ, hive::sz(class)),
    ] {
        edit.set_value(key, name, kind, &data).unwrap();
    }
    machine.system = Some(hive::Hive::open(edit.finish().unwrap(), &[]).unwrap().0);
    let bound = machine.identity().bound;
    let address = StaticAddress {
        address: "10.0.0.5".to_owned(),
        connection: Some("Ethernet".to_owned()),
    };
    assert_eq!(bound.addresses, Fact::Known(vec![address]));
    assert_eq!(bound.tpm, Fact::Known(true));
}

#[test]
fn others_read_the_same_of_it() {
    let machine = Machine::joined();
    let identity = machine.identity();
    let (system, software) = (machine.system.unwrap(), machine.software.unwrap());
    let (sam, security) = (machine.sam.unwrap(), machine.security.unwrap());
    let said = oracles::regipy(&sam, &["local_sid"]);
    assert!(said.contains(&sid(&identity.machine_sid)), "{said}");
    let said = oracles::regipy(
        &system,
        &["host_domain_name", "computer_name", "timezone_data2"],
    );
    for name in [
        format!("'hostname': '{}'", text(&identity.names.host)),
        format!("'domain': '{}'", text(&identity.names.domain)),
        format!("'name': '{}'", text(&identity.names.computer)),
        format!(
            "'TimeZoneKeyName': '{}'",
            text(&identity.condition.time_zone)
        ),
    ] {
        assert!(said.contains(&name), "{name} is not in {said}");
    }
    let said = oracles::regipy(&software, &["winver_plugin"]);
    for name in [
        format!("'CurrentBuild': '{}'", known(&identity.product.build)),
        format!("'EditionID': '{}'", text(&identity.product.edition)),
        format!("'ProductName': '{}'", text(&identity.product.name)),
    ] {
        assert!(said.contains(&name), "{name} is not in {said}");
    }
    let names = ["PolAcDmS", "PolPrDmS", "PolEKList"];
    let values = oracles::policy(&security, &names);
    assert_eq!(sid_of(&values[0]), sid(&identity.policy.accounts.sid));
    assert_eq!(sid_of(&values[1]), sid(&identity.policy.primary.sid));
    let hashes = &identity.secrets.hashes;
    assert_eq!(hashes["PolEKList"], values[2]);
    let said = oracles::secretsdump(&system, &sam, &security);
    let key = format!("Target system bootKey: 0x{}", hashes["boot key"]);
    assert!(said.contains(&key), "not the boot key: {said}");
    let account = format!(
        "{}\\{}$:plain_password_hex:",
        text(&identity.policy.primary.name),
        text(&identity.names.computer)
    );
    // It opens there, too, and has the length that ours calls sane.
    let password = said.lines().find_map(|line| line.strip_prefix(&account));
    assert_eq!(password.expect("a password").len(), 2 * 240);
}

#[test]
fn hashes_of_hives_are_of_their_bins() {
    let machine = Machine::server();
    let hashes = machine.identity().secrets.hashes;
    let names: Vec<&str> = hashes.keys().map(String::as_str).collect();
    let all = [
        "DPAPI_SYSTEM",
        "NL$KM",
        "PolEKList",
        "SAM account F",
        "SAM hive",
        "SECURITY hive",
    ];
    assert_eq!(names, all);
    let security = machine.security.unwrap();
    let end = 4096 + security.bins_size() as usize;
    assert_eq!(
        hashes["SECURITY hive"],
        hex(&security.as_bytes()[4096..end])
    );
    // A hive whose logs were replayed once and for all is the same.
    let written = hive::Hive::open(security.as_bytes().to_vec(), &[])
        .unwrap()
        .0;
    let again = Machine {
        security: Some(written),
        ..Machine::default()
    }
    .identity();
    assert_eq!(
        again.secrets.hashes["SECURITY hive"],
        hashes["SECURITY hive"]
    );
    let mut edit = security.edit(FileTime(1)).unwrap();
    let (kind, other) = (hive::ValueType::NONE, [0x0f, 0, 1, 0]);
    edit.set_value("Policy\\PolRevision", "", kind, &other)
        .unwrap();
    let edited = hive::Hive::open(edit.finish().unwrap(), &[]).unwrap().0;
    let edited = Machine {
        security: Some(edited),
        ..Machine::default()
    };
    let edited = edited.identity().secrets.hashes;
    assert_ne!(edited["SECURITY hive"], hashes["SECURITY hive"]);
    assert_eq!(edited["NL$KM"], hashes["NL$KM"]);
}

#[test]
fn a_server_in_a_workgroup() {
    let machine = Machine::server();
    let identity = machine.identity();
    let own = "S-1-5-21-3656677704-2377210397-1510584988";
    assert_eq!(sid(&identity.machine_sid), own);
    assert_eq!(sid(&identity.policy.accounts.sid), own);
    let said = oracles::regipy(&machine.sam.unwrap(), &["local_sid"]);
    assert!(said.contains(own), "{said}");
    assert_eq!(text(&identity.policy.accounts.name), "CHITONSRV");
    assert_eq!(text(&identity.policy.primary.name), "WORKGROUP");
    assert_eq!(identity.policy.primary.sid, Fact::Absent);
    assert_eq!(identity.policy.joined, Fact::Known(false));
    assert_eq!(identity.policy.dns, Fact::Absent);
    assert_eq!(identity.policy.guid, Fact::Absent);
    assert_eq!(identity.password.changed, Fact::Absent);
    assert_eq!(identity.role.why(), Some("there is no SYSTEM"));
    assert_eq!(identity.checks[0].outcome, Outcome::Holds);
    for check in &identity.checks[1..] {
        assert!(matches!(check.outcome, Outcome::Unknown(_)), "{check}");
    }
    assert_eq!(identity.checks.len(), 3, "{:?}", identity.checks);
}

#[test]
fn a_windows_10_of_which_only_system_is_there() {
    let machine = Machine::ten();
    let identity = machine.identity();
    assert_eq!(text(&identity.names.computer), "DESKTOP-PM6C56D");
    assert_eq!(identity.names.domain, Fact::Absent);
    assert_eq!(text(&identity.condition.time_zone), "Eastern Standard Time");
    assert_eq!(identity.role, Fact::Known(Role::Workstation));
    assert_eq!(identity.machine_sid.why(), Some("there is no SAM"));
    assert_eq!(identity.policy.joined.why(), Some("there is no SECURITY"));
    let said = oracles::regipy(&machine.system.unwrap(), &["bootkey", "computer_name"]);
    assert!(
        said.contains(&identity.secrets.hashes["boot key"]),
        "{said}"
    );
    assert!(said.contains("'DESKTOP-PM6C56D'"), "{said}");
}

/// impacket decrypts this to garbage without a word.
#[test]
fn the_system_of_another_machine_does_not_open() {
    let machine = Machine {
        system: Machine::ten().system,
        ..Machine::joined_secrets()
    };
    let identity = machine.identity();
    let [_, _, opens, password] = identity.checks.as_slice() else {
        panic!("{:?}", identity.checks);
    };
    let Outcome::Fails(how) = &opens.outcome else {
        panic!("{opens}");
    };
    assert!(how.contains("does not open SECURITY"), "{how}");
    assert!(
        matches!(password.outcome, Outcome::Unknown(_)),
        "{password}"
    );
}

#[test]
fn the_sam_of_another_machine_is_told() {
    let machine = Machine {
        sam: Machine::server().sam,
        ..Machine::joined_secrets()
    };
    let identity = machine.identity();
    let text = identity.checks[0].to_string();
    let words =
        "NO, SAM says S-1-5-21-3656677704-2377210397-1510584988, SECURITY S-1-5-21-4070822719";
    assert!(text.contains(words), "{text}");
}

/// What sysprep, an installation, another role, … leave behind.
#[test]
fn what_stands_against_a_restore_is_told() {
    let mut machine = Machine::ten();
    let mut edit = machine.system.unwrap().edit(FileTime(1)).unwrap();
    let set = "ControlSet001\\Control";
    let dword = |number| (hive::ValueType::DWORD, hive::dword(number));
    let sz = |text| (hive::ValueType::SZ, hive::sz(text));
    for (path, name, (kind, data)) in [
        ("Setup".to_owned(), "SystemSetupInProgress", dword(1)),
        ("Setup".to_owned(), "SetupType", dword(2)),
        ("Setup".to_owned(), "CmdLine", sz("oobe\\windeploy.exe")),
        (
            format!("{set}\\ProductOptions"),
            "ProductType",
            sz("LanmanNT"),
        ),
        (format!("{set}\\Lsa"), "MachineIdentityIsolation", dword(2)),
        (set.to_owned(), "PortableOperatingSystem", dword(1)),
        (
            format!("{set}\\TimeZoneInformation"),
            "RealTimeIsUniversal",
            dword(1),
        ),
    ] {
        edit.set_value(&path, name, kind, &data).unwrap();
    }
    machine.system = Some(hive::Hive::open(edit.finish().unwrap(), &[]).unwrap().0);
    let findings = machine.identity().condition.findings();
    let text: Vec<&str> = findings.iter().map(|f| f.text.as_str()).collect();
    let text = text.join("\n");
    for words in [
        "(SystemSetupInProgress is 1)",
        "(SetupType is 2)",
        "may run \"oobe\\\\windeploy.exe\"",
        "domain controller",
        "MachineIdentityIsolation is 2",
        "Windows To Go",
        "clock for UTC",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(findings.iter().all(|f| f.short.len() <= 78), "{findings:?}");
    let notes = findings.iter().filter(|f| f.weight == Weight::Note);
    assert_eq!((findings.len(), notes.count()), (7, 1));
}
