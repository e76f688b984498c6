//! The AppArmor profile: it names the program that printed it, and the parser that is here takes what it knows of it.

use std::process::{Command, Stdio};

use crate::world::World;

#[test]
fn the_profile_names_this_program_and_can_be_read() {
    let world = World::bare();
    let printed = world.command(&["doctor", "--apparmor-profile"]).stdin(Stdio::null()).output().unwrap();
    let profile = String::from_utf8(printed.stdout).unwrap();
    let program = world.command(&[]).get_program().to_str().unwrap().to_owned();
    assert!(profile.contains(&format!("profile tightlip {program} flags=(unconfined) {{\n  userns,\n")), "{profile}");
    let Some(parser) = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"].into_iter().find(|path| std::path::Path::new(path).exists())
    else {
        println!("skipped: no apparmor_parser is there");
        return;
    };
    let version = Command::new(parser).arg("--version").output().unwrap();
    let version = String::from_utf8_lossy(&version.stdout).lines().next().unwrap_or_default().to_owned();
    let major: u32 = version.rsplit(' ').next().and_then(|number| number.split('.').next()?.parse().ok()).unwrap();
    let known = if major >= 4 {
        profile
    } else {
        println!("{version} does not know `userns` and its abi: the profile is checked without these two lines");
        profile.lines().filter(|line| *line != "  userns," && !line.starts_with("abi ")).map(|line| format!("{line}\n")).collect()
    };
    let file = world.path().join("profile");
    for (text, is_read) in [(known.clone(), true), (known.replace("flags=(unconfined)", "flags=(nothing)"), false)] {
        std::fs::write(&file, text).unwrap();
        let read = Command::new(parser).args(["-Q", "-K"]).arg(&file).output().unwrap();
        assert_eq!(read.status.success(), is_read, "{}", String::from_utf8_lossy(&read.stderr));
    }
}
