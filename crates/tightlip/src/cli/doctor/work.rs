//! What lies in the work folder.

use std::path::Path;

use super::looks::Looks;

/// Notes files of values, which everything on this machine but a devbox reads.
pub(super) fn look(looks: &mut Looks) {
    let names = std::fs::read_dir(".").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut files: Vec<String> = names.filter(|name| name.starts_with(".env") && Path::new(name).is_file()).collect();
    files.sort();
    if files.is_empty() {
        looks.ok("work folder", "no .env file");
    } else {
        looks.note(
            "work folder",
            format!("{} may hold values; devboxes see an empty file, everything else on this machine sees it all", files.join(", ")),
            "store the values and take them out of the file: tightlip import .env --replace",
        );
    }
}
