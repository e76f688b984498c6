//! An upstream whose every word a test says, and which hears every word as it comes.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::upstream::{Hand, hand};

/// One connection at a time.
pub struct Puppet {
    heard: UnboundedReceiver<Heard>,
    say: UnboundedSender<Option<Vec<u8>>>,
    all: String,
}

enum Heard {
    Text(String),
    /// Its connection ended, by either side.
    End,
}

/// A puppet, and the hand that moves as it does.
pub fn puppet() -> (Hand, Puppet) {
    let (hear, heard) = unbounded_channel();
    let (say, said) = unbounded_channel::<Option<Vec<u8>>>();
    let said = Arc::new(Mutex::new(said));
    let hand = hand(move |mut stream, _| {
        let (hear, said) = (hear.clone(), Arc::clone(&said));
        async move {
            let mut said = said.lock().await;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                tokio::select! {
                    read = stream.read(&mut buffer) => match read {
                        Ok(length) if length > 0 => {
                            let _ = hear.send(Heard::Text(String::from_utf8_lossy(&buffer[..length]).into_owned()));
                        }
                        Ok(_) | Err(_) => break,
                    },
                    words = said.recv() => match words.flatten() {
                        Some(words) => {
                            stream.write_all(&words).await.unwrap();
                            stream.flush().await.unwrap();
                        }
                        None => {
                            let _ = stream.shutdown().await;
                            break;
                        }
                    },
                }
            }
            let _ = hear.send(Heard::End);
        }
    });
    (hand, Puppet { heard, say, all: String::new() })
}

impl Puppet {
    /// Waits until this has come. Gives all that has.
    pub async fn hears(&mut self, wanted: &str) -> &str {
        while !self.all.contains(wanted) {
            match timeout(WAIT, self.heard.recv()).await.unwrap_or_else(|_| panic!("{wanted:?} did not come: {:?}", self.all)) {
                Some(Heard::Text(text)) => self.all.push_str(&text),
                Some(Heard::End) | None => panic!("the connection ended before {wanted:?} came: {:?}", self.all),
            }
        }
        &self.all
    }

    /// Waits until its connection has ended. Gives all that has come.
    pub async fn is_left(&mut self) -> &str {
        while let Some(Heard::Text(text)) = timeout(WAIT, self.heard.recv()).await.expect("an end in time") {
            self.all.push_str(&text);
        }
        &self.all
    }

    /// What came is no part of what comes.
    pub fn forgets(&mut self) {
        self.all.clear();
    }

    pub fn says(&self, words: impl AsRef<[u8]>) {
        self.say.send(Some(words.as_ref().to_vec())).unwrap();
    }

    /// What says words in its place, from anywhere.
    pub fn voice(&self) -> impl Fn(Vec<u8>) + Send + Sync + 'static {
        let say = self.say.clone();
        move |words| say.send(Some(words)).unwrap()
    }

    /// Closes its connection.
    pub fn leaves(&self) {
        self.say.send(None).unwrap();
    }
}

/// For what must happen at once, on a machine that is busy.
const WAIT: Duration = Duration::from_secs(20);
