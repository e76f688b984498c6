//! One connection to the stand-in: requests are read and answered, and every byte that belongs to no whole request is kept as well.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Part, Record, State, lock, reply};

type Stream = BufReader<Kept<StreamOwned<ServerConnection, Kept<TcpStream>>>>;

/// A stream of which all that was read is kept.
struct Kept<S> {
    inner: S,
    taken: Vec<u8>,
}

impl<S: Read> Read for Kept<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.taken.extend_from_slice(&buffer[..got]);
        Ok(got)
    }
}

impl<S: Write> Write for Kept<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Serves one connection to its end.
pub(super) fn serve(stream: TcpStream, config: Arc<ServerConfig>, state: &State) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let dialled = stream.local_addr().ok()?.ip().to_canonical();
    let mut connection = ServerConnection::new(config).ok()?;
    let mut wire = Kept { inner: stream, taken: Vec::new() };
    if connection.complete_io(&mut wire).is_err() {
        let _ = wire.inner.set_read_timeout(Some(LINGER));
        let _ = wire.read_to_end(&mut Vec::new());
        keep(state, "", dialled, wire.taken);
        return None;
    }
    let host = connection.server_name().unwrap_or_default().to_owned();
    let mut stream: Stream = BufReader::new(Kept { inner: StreamOwned::new(connection, wire), taken: Vec::new() });
    let mut whole = 0;
    while answer(&mut stream, &host, dialled, state, &mut whole).is_some() {}
    // What is still on its way is somebody's too.
    let _ = stream.get_mut().inner.sock.inner.set_read_timeout(Some(LINGER));
    let _ = stream.read_to_end(&mut Vec::new());
    let rest = stream.get_ref().taken.get(whole..).unwrap_or_default().to_vec();
    keep(state, &host, dialled, rest);
    Some(())
}

/// Keeps what was no whole request.
fn keep(state: &State, host: &str, dialled: IpAddr, bytes: Vec<u8>) {
    if !bytes.is_empty() {
        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line).trim_end().to_owned();
        lock(&state.remnants).push(Record { host: host.to_owned(), line, bytes, dialled });
    }
}

/// Reads a request and answers it; none where no more is to be read. `whole` is up to where the stream was requests.
fn answer(stream: &mut Stream, host: &str, dialled: IpAddr, state: &State, whole: &mut usize) -> Option<()> {
    let record = read_request(stream, host, dialled)?;
    *whole = stream.get_ref().taken.len() - stream.buffer().len();
    lock(&state.records).push(record.clone());
    let spec = lock(&state.spec).clone();
    let echoes = lock(&state.echoes).contains(&record.host);
    let reply = if echoes { reply::plain(&record.bytes) } else { reply::reply(&record, &spec, &mut lock(&state.stored)) };
    for part in reply {
        match part {
            Part::Say(bytes) => stream.get_mut().write_all(&bytes).and_then(|()| stream.get_mut().flush()).ok()?,
            Part::Pause => std::thread::park_timeout(PAUSE),
        }
    }
    if record.wants_close() || record.line.contains(" /say/") {
        let tls = &mut stream.get_mut().inner;
        tls.conn.send_close_notify();
        let _ = tls.flush();
        let _ = tls.sock.inner.shutdown(Shutdown::Write);
        return None;
    }
    Some(())
}

/// Reads one request; none at the connection's end, or where it is none.
fn read_request(stream: &mut Stream, host: &str, dialled: IpAddr) -> Option<Record> {
    let mut bytes = Vec::new();
    let mut line = String::new();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut buffer = Vec::new();
        stream.read_until(b'\n', &mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer);
        let text = String::from_utf8_lossy(&buffer).trim_end().to_owned();
        if line.is_empty() {
            line.clone_from(&text);
        }
        if text.is_empty() {
            break;
        }
        let lower = text.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
    }
    if chunked {
        read_chunks(stream, &mut bytes)?;
    } else {
        read_exactly(stream, length, &mut bytes)?;
    }
    Some(Record { host: host.to_owned(), line, bytes, dialled })
}

/// As many bytes, and no fewer; however many are promised, no more room is taken than there are.
fn read_exactly(stream: &mut Stream, length: u64, bytes: &mut Vec<u8>) -> Option<()> {
    let got = stream.by_ref().take(length).read_to_end(bytes).ok()?;
    (got as u64 == length).then_some(())
}

fn read_chunks(stream: &mut Stream, bytes: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut size = Vec::new();
        stream.read_until(b'\n', &mut size).ok()?;
        if size.contains(&b';') {
            bytes.extend_from_slice(&size);
        }
        let size = u64::from_str_radix(String::from_utf8_lossy(&size).trim().split(';').next()?, 16).ok()?;
        if size == 0 {
            return read_trailers(stream, bytes);
        }
        read_exactly(stream, size, bytes)?;
        read_exactly(stream, 2, &mut Vec::new())?;
    }
}

fn read_trailers(stream: &mut Stream, bytes: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = Vec::new();
        stream.read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
        if line.trim_ascii().is_empty() {
            return Some(());
        }
        bytes.extend_from_slice(&line);
    }
}

const PAUSE: Duration = Duration::from_millis(150);
/// How long the end of a connection is waited for, once nothing more is answered.
const LINGER: Duration = Duration::from_millis(300);
