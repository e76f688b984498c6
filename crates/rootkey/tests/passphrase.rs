//! The root key out of a passphrase: what is refused, and that the same words give the same key, here and by the published vector of Argon2id.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rootkey::passphrase::{derive, make};
use rootkey::{Passphrase, PassphraseError};
use tempfile::TempDir;
use zeroize::Zeroizing;

const WORDS: &str = "correct horse battery";

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.passphrase.json");
    (folder, path)
}

fn passphrase(text: &str) -> Passphrase {
    typed(text.as_bytes()).unwrap()
}

fn typed(bytes: &[u8]) -> Result<Passphrase, PassphraseError> {
    Passphrase::from_input(Zeroizing::new(bytes.to_vec()))
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn short_ones_and_what_is_no_text_are_refused() {
    for text in ["", "\n", "elevenchars", "elevenchars\r\n", "ääääääääääää".split_at(20).0] {
        assert!(matches!(typed(text.as_bytes()), Err(PassphraseError::TooShort)), "{text:?}");
    }
    assert!(matches!(typed(&[0xff; 20]), Err(PassphraseError::NotText)));
    assert!(matches!(typed(&[b'x'; 1025]), Err(PassphraseError::NotText)));
    assert!(typed("ääääääääääää".as_bytes()).is_ok() && typed(&[b'x'; 1024]).is_ok());
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let (folder, _) = folder();
    let path = folder.path().join("words");
    for mode in [0o640, 0o604, 0o644, 0o622] {
        write(&path, WORDS, mode);
        assert!(matches!(Passphrase::read(&path), Err(PassphraseError::Readable)), "{mode:o}");
    }
    assert!(matches!(Passphrase::read(&folder.path().join("none")), Err(PassphraseError::File(_))));
    assert!(matches!(Passphrase::read(folder.path()), Err(PassphraseError::File(_))));
    write(&path, &format!("{WORDS}\r\n"), 0o600);
    assert!(Passphrase::read(&path).unwrap().is(&passphrase(WORDS)));
    write(&path, &format!("{WORDS} "), 0o400);
    assert!(!Passphrase::read(&path).unwrap().is(&passphrase(WORDS)), "a blank is a character like any other");
}

#[test]
fn a_recipe_that_is_missing_damaged_or_weaker_is_refused() {
    let (_folder, path) = folder();
    assert!(matches!(derive(&path, &passphrase(WORDS)).err(), Some(PassphraseError::Missing)));
    make(&path, &passphrase(WORDS)).unwrap();
    let good = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("65536", "65535"),
        ("65536", "4294967295"),
        ("\"passes\": 3", "\"passes\": 2"),
        ("\"lanes\": 1", "\"lanes\": 0"),
        ("argon2id", "argon2i"),
        ("\"format\": 1", "\"format\": 2"),
        ("\"salt\": \"", "\"salt\": \"0"),
        ("\"salt\": \"", "\"salt\": \"+"),
        ("}", ""),
    ] {
        assert!(good.contains(from), "{good}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        assert!(matches!(derive(&path, &passphrase(WORDS)).err(), Some(PassphraseError::Malformed)), "{from} -> {to}");
    }
}

#[test]
fn a_recipe_is_never_overwritten() {
    let (_folder, path) = folder();
    fs::write(&path, "something").unwrap();
    assert!(matches!(make(&path, &passphrase(WORDS)).err(), Some(PassphraseError::Exists)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "something");
}

#[test]
fn the_same_words_give_the_same_key_and_others_another() {
    let (folder, path) = folder();
    let made = make(&path, &passphrase(WORDS)).unwrap().to_hex();
    assert_eq!(derive(&path, &passphrase(WORDS)).unwrap().to_hex(), made);
    assert_ne!(derive(&path, &passphrase("correct horse batterx")).unwrap().to_hex(), made);
    let other = folder.path().join("other.json");
    assert_ne!(make(&other, &passphrase(WORDS)).unwrap().to_hex(), made, "each salt is its own");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let recipe = fs::read_to_string(&path).unwrap();
    assert!(!recipe.contains(made.as_str()) && !recipe.contains("horse"));
}

/// Made by the reference implementation (argon2-cffi 25.1): `hash_secret_raw(b"correct horse battery", bytes(range(16)), 3, 65536, 1, 32, Type.ID)`.
#[test]
fn the_derivation_is_argon2id_as_others_do_it() {
    let (_folder, path) = folder();
    let recipe = r#"{"format":1,"kdf":"argon2id","memory_kib":65536,"passes":3,"lanes":1,"salt":"000102030405060708090a0b0c0d0e0f"}"#;
    fs::write(&path, recipe).unwrap();
    assert_eq!(derive(&path, &passphrase(WORDS)).unwrap().to_hex().as_str(), VECTOR);
}

const VECTOR: &str = "904b42492da04031a468a6d1d51689848c15e5c88d8587b0186dce574b8c4bcc";
