//! The forward proxy for others' sandboxes, where the settings ask for one: somebody has to answer there, and to ask for a credential.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::looks::Looks;
use crate::config::Config;
use crate::folder::DataFolder;

/// Knocks at the proxy as a stranger would.
pub(super) fn look(folder: &DataFolder, looks: &mut Looks) {
    // Settings that cannot be read are told of where no server runs; one that runs has read them.
    let Some(address) = Config::load(&folder.config()).ok().and_then(|config| config.gateway) else { return };
    let found = match asks_for_credential(address) {
        Ok(true) => return looks.ok("proxy", format!("answers at {address}, and asks for its credential")),
        Ok(false) => format!("what answers at {address} of `[gateway] listen` is none of ours"),
        Err(_) => format!("nobody answers at {address} of `[gateway] listen`"),
    };
    looks.broken("proxy", found, MEND);
}

/// Whether a stranger there is asked for a credential; an error where nobody answers.
fn asks_for_credential(address: SocketAddr) -> io::Result<bool> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    Ok(answer(stream).is_ok_and(|head| {
        let code = format!("x-tightlip-refusal: {}\r\n", model::Refusal::ProxyCredentialMissing.code());
        String::from_utf8_lossy(&head).to_ascii_lowercase().contains(&code)
    }))
}

/// The head of the answer, as far as it comes.
fn answer(mut stream: TcpStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(STRANGER)?;
    let mut head = Vec::new();
    let mut piece = [0; 512];
    while head.len() < HEAD_BYTES_MAX && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => break,
            length => head.extend_from_slice(piece.get(..length).unwrap_or_default()),
        }
    }
    Ok(head)
}

const STRANGER: &[u8] = b"CONNECT doctor.tightlip.invalid:443 HTTP/1.1\r\nHost: doctor.tightlip.invalid:443\r\n\r\n";
/// It is on this machine.
const PATIENCE: Duration = Duration::from_secs(3);
const HEAD_BYTES_MAX: usize = 8192;
const MEND: &str = "tightlip down, then tightlip up   (a server that a command started for itself opens no proxy)";
