//! How an upstream may write what it echoes.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// The text in a form; as it is where the form is none of these.
pub(super) fn write(form: &str, text: &str) -> Vec<u8> {
    let each = |write: &dyn Fn(u8) -> String| text.bytes().map(write).collect::<String>().into_bytes();
    let wide = |write: &dyn Fn(u16) -> Vec<u8>| text.bytes().flat_map(|byte| write(u16::from(byte))).collect::<Vec<u8>>();
    match form {
        "base64" => STANDARD.encode(text).into_bytes(),
        "base64-1" => STANDARD.encode(format!("a{text}")).into_bytes(),
        "base64-2" => STANDARD.encode(format!("a:{text}")).into_bytes(),
        "base64-bare" => STANDARD_NO_PAD.encode(text).into_bytes(),
        "base64url" => URL_SAFE_NO_PAD.encode(text).into_bytes(),
        "base64url-1" => URL_SAFE.encode(format!("?{text}")).into_bytes(),
        "base64url-2" => URL_SAFE_NO_PAD.encode(format!("??{text}??")).into_bytes(),
        "hex" => each(&|byte| format!("{byte:02x}")),
        "hex-upper" => each(&|byte| format!("{byte:02X}")),
        "percent" => each(&|byte| format!("%{byte:02X}")),
        "percent-lower" => each(&|byte| format!("%{byte:02x}")),
        "json" => each(&|byte| format!("\\u{byte:04x}")),
        "html" => each(&|byte| format!("&#{byte};")),
        "html-hex" => each(&|byte| format!("&#x{byte:X};")),
        "utf16" => wide(&|unit| unit.to_le_bytes().to_vec()),
        "utf16be" => wide(&|unit| unit.to_be_bytes().to_vec()),
        "utf32" => wide(&|unit| u32::from(unit).to_le_bytes().to_vec()),
        _ => text.as_bytes().to_vec(),
    }
}
