//! The Agent Skill over this door (SEP-2640): its files as resources, and the manifest that a client checks them with.

use model::limits::NAME_BYTES_MAX;
use rmcp::model::{
    CacheScope, GetSkillResult, ListSkillsResult, ReadResourceResult, Resource, ResourceContents, Skill, SkillFrontmatter, SkillResource,
    SkillResources,
};
use skill::{FILES, File, INSTRUCTIONS, NAME};

/// The files as resources.
pub(crate) fn resources() -> Vec<Resource> {
    let resource = |file: &File| {
        let resource = Resource::new(uri(file), file.path).with_mime_type(file.media_type).with_size(file.text.len() as u64);
        if file.path == INSTRUCTIONS.path { resource.with_title(NAME).with_description(skill::description()) } else { resource }
    };
    FILES.iter().map(resource).collect()
}

/// One file; none where there is none of this address.
pub(crate) fn read(asked: &str) -> Option<ReadResourceResult> {
    let file = FILES.iter().filter(|_| asked.len() <= NAME_BYTES_MAX).find(|file| uri(file) == asked)?;
    let contents = ResourceContents::text(file.text, uri(file)).with_mime_type(file.media_type);
    Some(ReadResourceResult::new(vec![contents]).with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
}

/// All skills: the one.
pub(crate) fn list() -> ListSkillsResult {
    ListSkillsResult::with_all_items(vec![manifest()]).with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public)
}

/// The skill whose instructions have this address.
pub(crate) fn get(asked: &str) -> Option<GetSkillResult> {
    let manifest = manifest();
    (manifest.uri == asked).then(|| GetSkillResult::new(manifest).with_ttl_ms(FRESH_MS).with_cache_scope(CacheScope::Public))
}

fn manifest() -> Skill {
    let files = FILES.iter().map(|file| SkillResource::from_bytes(uri(file), file.text.as_bytes())).collect();
    Skill::new(uri(&INSTRUCTIONS), frontmatter(), SkillResources::Files(files))
}

/// The head of the instructions, whose lines are of the form `key: text`.
fn frontmatter() -> SkillFrontmatter {
    let head = INSTRUCTIONS.text.split("---\n").nth(1).unwrap_or_default();
    let fields = head.lines().filter_map(|line| line.split_once(": ")).filter(|(key, _)| !["name", "description"].contains(key));
    fields.fold(SkillFrontmatter::new(NAME, skill::description()), |front, (key, text)| front.with_field(key, text))
}

fn uri(file: &File) -> String {
    format!("skill://{NAME}/{}", file.path)
}

/// The files change with the program only. Milliseconds: an hour.
pub(crate) const FRESH_MS: u64 = 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_valid_and_every_file_is_what_it_says() {
        let skill = manifest();
        skill.validate().expect("a valid skill");
        assert!(skill.frontmatter.extra.contains_key("license") && !skill.frontmatter.description.is_empty());
        let SkillResources::Files(files) = &skill.resources else { panic!("files") };
        assert_eq!(files.len(), FILES.len());
        for (file, listed) in FILES.iter().zip(files) {
            listed.verify(file.text.as_bytes()).expect("its digest");
            assert!(read(&listed.uri).is_some());
        }
        for unknown in ["skill://other/SKILL.md", "file:///etc/passwd", "skill://using-brokered-secrets/../SKILL.md", ""] {
            assert!(read(unknown).is_none() && get(unknown).is_none());
        }
    }
}
