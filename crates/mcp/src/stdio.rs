//! The door over standard input and output: one message a line, the guard before the protocol's own machinery, and its errors in our words.

use std::io;

use rmcp::ServiceExt;
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use crate::guard::{self, Verdict};
use crate::limits::{MESSAGE_BYTES_MAX, PIPE_BYTES};
use crate::problem::{self, Problem};
use crate::server::Server;

/// Serves one client until its input ends.
///
/// # Errors
/// When the output cannot be written.
pub async fn serve<R, W>(server: Server, input: R, output: W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let (told, mut telling) = tokio::io::split(ours);
    let served = async move {
        // It fails where the client never greets or says something else first: its messages were answered then.
        if let Ok(running) = server.serve(theirs).await {
            let _ended = running.waiting().await;
        }
    };
    let (say, said) = mpsc::channel(ANSWERS_MAX);
    let reading = async move {
        let read = read_all(BufReader::new(input), &mut telling, &say).await;
        // The machinery ends with its input, after what it was asked last.
        let _gone = telling.shutdown().await;
        read
    };
    let writing = write_all(BufReader::new(told), output, said);
    tokio::pin!(served, reading, writing);
    let (_served, read, written) = tokio::join!(served, reading, writing);
    read.and(written)
}

/// Judges each line, and hands it on or answers it.
async fn read_all<R, T>(mut input: R, telling: &mut T, say: &mpsc::Sender<Value>) -> io::Result<()>
where
    R: AsyncBufRead + Unpin,
    T: AsyncWrite + Unpin,
{
    let mut line = Vec::new();
    while let Some(is_whole) = read_line(&mut input, &mut line).await? {
        let answer = match (is_whole, line.trim_ascii()) {
            (false, _) => Some(Problem::TooLarge.message(None)),
            (true, []) => None,
            (true, text) => match guard::judge(text) {
                Verdict::Clean(message) | Verdict::Emptied(message) => {
                    // A machinery that has ended answers nothing more.
                    if telling.write_all(format!("{message}\n").as_bytes()).await.is_err() {
                        return Ok(());
                    }
                    None
                }
                Verdict::Refused(problem, id) => Some(problem.message(id)),
                Verdict::Dropped => None,
                Verdict::Illegible => Some(Problem::NotJson.message(None)),
            },
        };
        if let Some(answer) = answer
            && say.send(answer).await.is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// One line, whether it was whole, of at most so many bytes; none at the end. The rest of a longer one is read and thrown away.
async fn read_line(input: &mut (impl AsyncBufRead + Unpin), line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let (mut is_whole, mut has_begun) = (true, false);
    loop {
        let piece = input.fill_buf().await?;
        if piece.is_empty() {
            return Ok(has_begun.then_some(is_whole));
        }
        has_begun = true;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(piece.len(), |end| end + 1);
        is_whole &= line.len() + taken <= MESSAGE_BYTES_MAX;
        if is_whole {
            line.extend_from_slice(&piece[..taken]);
        }
        input.consume(taken);
        if end.is_some() {
            return Ok(Some(is_whole));
        }
    }
}

/// Writes what the machinery answers, in our words where it is an error, and our own answers.
async fn write_all<R, W>(mut told: BufReader<R>, mut output: W, mut said: mpsc::Receiver<Value>) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut line = Vec::new();
    let (mut is_open, mut is_told) = (true, true);
    while is_open || is_told {
        let message = tokio::select! {
            answer = said.recv(), if is_open => match answer {
                Some(answer) => answer.to_string(),
                None => { is_open = false; continue }
            },
            // What was read of a line stays in it where the other branch is taken.
            read = told.read_until(b'\n', &mut line), if is_told => match read {
                Ok(1..) => in_our_words(&std::mem::take(&mut line)),
                Ok(0) | Err(_) => { is_told = false; continue }
            },
        };
        output.write_all(format!("{}\n", message.trim_end()).as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

fn in_our_words(line: &[u8]) -> String {
    match serde_json::from_slice::<Value>(line) {
        Ok(mut message) if message.get("error").is_some() => {
            problem::reword(&mut message);
            message.to_string()
        }
        Ok(_) | Err(_) => String::from_utf8_lossy(line).into_owned(),
    }
}

/// Answers of our own that wait to be written.
const ANSWERS_MAX: usize = 16;
