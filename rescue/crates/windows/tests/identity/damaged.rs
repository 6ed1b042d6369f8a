//! Damaged hives: not known, and why; never a panic.

use hive::{FileTime, Hive, ValueType, checksum};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use windows::identity::{Fact, Outcome};

use crate::fixtures::{Machine, unpacked};

/// The machine with one value of SECURITY's policy replaced.
fn with(key: &str, kind: ValueType, data: &[u8]) -> Machine {
    let mut machine = Machine::joined_secrets();
    let mut edit = machine.security.unwrap().edit(FileTime(1)).unwrap();
    edit.set_value(key, "", kind, data).unwrap();
    machine.security = Some(Hive::open(edit.finish().unwrap(), &[]).unwrap().0);
    machine
}

#[test]
fn a_damaged_value_is_not_known_and_the_rest_is() {
    let identity = with("Policy\\PolPrDmS", ValueType::NONE, &[1, 4, 0, 0]).identity();
    for why in [
        &identity.policy.primary.sid.why(),
        &identity.policy.joined.why(),
    ] {
        let why = why.expect("not known");
        assert!(why.starts_with("Policy\\PolPrDmS: no SID"), "{why}");
    }
    assert!(identity.policy.primary.name.known().is_some());
    let identity = with("Policy\\PolPrDmN", ValueType::NONE, &[9; 8]).identity();
    let why = identity.policy.primary.name.why().expect("not known");
    assert!(why.contains("is not inside its 8 bytes"), "{why}");
    let identity = with("Policy\\PolEKList", ValueType::NONE, &[0; 172]).identity();
    let outcome = &identity.checks[2].outcome;
    assert_eq!(outcome, &Outcome::Unknown("there is no SYSTEM".to_owned()));
    let password = "Policy\\Secrets\\$MACHINE.ACC\\CupdTime";
    let identity = with(password, ValueType::NONE, &[1; 7]).identity();
    let why = identity.password.changed.why().expect("not known");
    assert!(why.contains("expected a time of 8 bytes"), "{why}");
}

/// What cannot be opened is told apart from what another key would open.
#[test]
fn secrets_of_another_form_are_not_judged() {
    let system = Machine::joined().system;
    let outcome = |machine: Machine| {
        let machine = Machine {
            system: system.clone(),
            ..machine
        };
        machine.identity().checks[2].outcome.clone()
    };
    let form = with("Policy\\PolEKList", ValueType::NONE, &[0; 172]);
    let Outcome::Unknown(why) = outcome(form) else {
        panic!("an unknown form");
    };
    assert!(why.contains("form of PolEKList"), "{why}");
    let mut machine = Machine::joined_secrets();
    let mut edit = machine.security.unwrap().edit(FileTime(1)).unwrap();
    edit.delete_key("Policy\\PolEKList").unwrap();
    edit.create_key("Policy\\PolSecretEncryptionKey").unwrap();
    let old = "Policy\\PolSecretEncryptionKey";
    edit.set_value(old, "", ValueType::NONE, &[1; 76]).unwrap();
    machine.security = Some(Hive::open(edit.finish().unwrap(), &[]).unwrap().0);
    let Outcome::Unknown(why) = outcome(machine) else {
        panic!("the form of XP");
    };
    assert!(why.contains("Windows XP"), "{why}");
}

#[test]
fn without_any_hive_nothing_is_known() {
    let identity = Machine::default().identity();
    assert_eq!(identity.machine_sid.why(), Some("there is no SAM"));
    assert_eq!(identity.product.name.why(), Some("there is no SOFTWARE"));
    assert!(identity.secrets.hashes.is_empty());
    assert!(
        identity
            .checks
            .iter()
            .all(|c| matches!(c.outcome, Outcome::Unknown(_)))
    );
    assert_eq!(identity.condition.findings(), []);
}

fn damaged(bytes: &[u8], patches: &[(Index, u8)]) -> Option<Hive> {
    let places: Vec<usize> = (4096..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut bytes = bytes.to_vec();
    for (index, byte) in patches {
        bytes[*index.get(&places)] = *byte;
    }
    let sum = checksum(&bytes).to_le_bytes();
    bytes[508..512].copy_from_slice(&sum);
    Hive::open(bytes, &[]).ok().map(|(hive, _)| hive)
}

fn patches() -> impl Strategy<Value = Vec<(Index, u8)>> {
    let byte = prop_oneof![Just(0), Just(0xff), Just(0x80), any::<u8>()];
    prop::collection::vec((any::<Index>(), byte), 1..40)
}

proptest! {
    #![proptest_config(Config { cases: 200, ..Config::default() })]

    #[test]
    fn any_bytes_in_a_secret(data in prop::collection::vec(any::<u8>(), 0..200), head: bool) {
        let mut data = data;
        if head {
            // So that it looks like one.
            let form = [0, 0, 0, 1].into_iter().chain([7; 16]).chain([3, 0, 0, 0]);
            data.splice(..0, form);
        }
        let system = {
            static SYSTEM: std::sync::OnceLock<Option<Hive>> = std::sync::OnceLock::new();
            SYSTEM.get_or_init(|| Machine::ten().system).clone()
        };
        let machine = with("Policy\\PolEKList", ValueType::NONE, &data);
        let identity = Machine { system, ..machine }.identity();
        prop_assert_ne!(&identity.checks[2].outcome, &Outcome::Holds);
    }

    #[test]
    fn damaged_hives(sam in patches(), security in patches()) {
        static HIVES: std::sync::OnceLock<[Vec<u8>; 2]> = std::sync::OnceLock::new();
        let names = ["joined-8.1/SAM", "joined-8.1/SECURITY"];
        let hives = HIVES.get_or_init(|| names.map(unpacked));
        let machine = Machine {
            sam: damaged(&hives[0], &sam),
            security: damaged(&hives[1], &security),
            ..Machine::default()
        };
        let identity = machine.identity();
        if let Fact::Known(sid) = &identity.machine_sid {
            prop_assert!(sid.is_domain());
        }
    }
}
