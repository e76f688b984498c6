//! What lies in the work folder.

use std::path::Path;

use super::looks::Looks;

/// Notes files of values, which everything on this machine but a devbox reads.
pub(super) fn look(looks: &mut Looks) {
    let names = std::fs::read_dir(".").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut files: Vec<String> = names.filter(|name| name.starts_with(".env") && Path::new(name).is_file()).collect();
    files.sort();
    // A name that a shell would act upon is written by whoever reads this.
    let is_plain = |name: &&String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
    if files.is_empty() {
        looks.ok("work folder", "no .env file");
    } else {
        let first = files.iter().find(is_plain).map_or("FILE", String::as_str);
        looks.note(
            "work folder",
            format!("{} may hold values; devboxes see an empty file, everything else on this machine sees it all", files.join(", ")),
            format!("store the values and take them out of the file: tightlip import {first} --replace"),
        );
    }
}
