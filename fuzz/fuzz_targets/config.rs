//! `tightlip.toml`: an error names a line of the file, and what is accepted means what it says. The product's own source is compiled in.
//!
//! Input: the file; or, behind a zero byte, the text of a setting that may hold a password.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/tightlip/src"]
#[allow(dead_code, reason = "the whole file is taken, and only its reader is called")]
mod product {
    pub mod config;
}

/// What the file takes of the product beside it: no variable is set here.
mod folder {
    pub fn set(_name: &str) -> Option<std::path::PathBuf> {
        None
    }
}

use product::config::{Config, ConfigError};

const PASSWORD: &str = "zq8Passw0rd";

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.strip_prefix('\0') {
        None => whole(text),
        Some(setting) => kept_quiet(setting),
    }
});

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/data/tightlip.toml"))
}

fn whole(text: &str) {
    match parse(text) {
        Err(ConfigError::Wrong { line, why, .. }) => {
            assert!(!why.is_empty() && line.is_none_or(|line| (1..=text.matches('\n').count() + 1).contains(&line)));
        }
        Err(ConfigError::Read { .. }) => panic!("nothing was read"),
        Ok(config) => {
            // A comment changes nothing, and an unknown word is never ignored. (A byte order mark is one at the beginning only.)
            let text = text.trim_start_matches('\u{feff}');
            assert_eq!(parse(&format!("# a comment\n{text}\n# another\n")).ok().as_ref(), Some(&config));
            for table in ["api", "gateway", "devbox"] {
                assert!(parse(&format!("{text}\n[{table}.unknown]\nword = 1\n")).is_err(), "an unknown table in [{table}]");
            }
            assert!(parse(&format!("unknown = 1\n{text}")).is_err(), "an unknown word");
            if let Some(tls) = &config.tls {
                assert!(tls.files.certificate.is_absolute() && tls.files.key.is_absolute());
            }
            for host in &config.resolve {
                assert_eq!(host.host.as_str().parse().as_ref(), Ok(&host.host));
            }
            let proxy = config.ways.proxy.as_ref();
            assert!(proxy.is_none_or(|proxy| proxy.port > 0 && !proxy.name.is_empty() && !proxy.name.contains(['@', '/'])));
        }
    }
}

/// A password in the proxy's URL is in no error.
fn kept_quiet(setting: &str) {
    let url = setting.replace('\u{1}', PASSWORD);
    let quoted = toml::Value::String(url.clone()).to_string();
    if let Err(error) = parse(&format!("[gateway]\nupstream_proxy = {quoted}\n")) {
        assert!(!url.contains(PASSWORD) || !format!("{error} {error:?}").contains(PASSWORD), "a password in an error");
    } else {
        assert!(!url.contains('@'), "user and password have a file of their own");
    }
}
