//! The api's questions, answered with metadata only. Nothing of what arrives here is trusted: what changes something comes with an API key, which is checked
//! here once more.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use link::agents::{AgentTell, AgentVerb, EntryAsk, EntryTell};
use link::cli::Denial;
use link::front::{Answer, Ask, Denied, Question, Tell};
use link::{PacketError, Packets};
use model::limits::LINK_PAGE_ITEMS_MAX;
use service::{Agent, AgentsError, BindingsError, Gate, KeysError};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use zeroize::Zeroizing;

use crate::activity::Activity;
use crate::hosted::Hosting;
use crate::shares::{Places, Shares, Strangers};

/// What the api's questions are answered from.
pub(crate) struct Desk {
    pub(crate) gate: Arc<Gate>,
    pub(crate) activity: Arc<Activity>,
    pub(crate) hosting: Arc<Hosting>,
    pub(crate) runtime: Handle,
    /// Looks into the databases: one after the other for each account.
    pub(crate) looks: Shares,
    /// Places of those looks.
    pub(crate) places: Places,
    /// Agents with a key, and pages of requests.
    pub(crate) strangers: Strangers,
}

impl Desk {
    /// Answers what is looked up, on a thread that may wait. One account's looks wait for each other, and no longer than its asker does.
    async fn look(self: &Arc<Self>, ask: Ask) -> Tell {
        let held = match &ask {
            Ask::Bindings { account, .. } | Ask::Events { account, .. } => {
                let Some(share) = self.looks.take(account) else { return Tell::Failed };
                let Ok(turn) = tokio::time::timeout(LOOK_WAIT, self.looks.turn(account)).await else { return Tell::Failed };
                Some((share, turn))
            }
            Ask::Health | Ask::Figures | Ask::MarkKey { .. } | Ask::KeyUses | Ask::Devbox { .. } | Ask::Agent { .. } | Ask::Entry(_) => {
                None
            }
        };
        let thread = match held {
            Some(_) => self.looks.thread().await,
            // What everybody needs does not wait behind what one account looks at.
            None => self.looks.thread_apart().await,
        };
        let Ok(_thread) = thread else { return Tell::Failed };
        let desk = Arc::clone(self);
        tokio::task::spawn_blocking(move || tell(&desk.gate, &desk.activity, ask)).await.unwrap_or(Tell::Failed)
    }
}

impl Desk {
    /// Answers whoever is not known yet.
    async fn stranger(self: &Arc<Self>, ask: Ask) -> Tell {
        match ask {
            Ask::Agent { api_key, verb } => Tell::Agent(Box::new(self.agent(api_key, *verb).await)),
            Ask::Entry(ask) => Tell::Entry(Box::new(self.entry(*ask).await)),
            // Answered elsewhere.
            Ask::Health
            | Ask::Figures
            | Ask::MarkKey { .. }
            | Ask::KeyUses
            | Ask::Devbox { .. }
            | Ask::Bindings { .. }
            | Ask::Events { .. } => Tell::Failed,
        }
    }

    /// Answers an agent that shows an API key. Whose it is, is looked up apart from what accounts ask; then it waits for its account's turn, as looks do.
    async fn agent(self: &Arc<Self>, api_key: String, verb: AgentVerb) -> AgentTell {
        self.activity.touch();
        let api_key = Zeroizing::new(api_key);
        let Ok(thread) = self.strangers.thread().await else { return busy() };
        let gate = Arc::clone(&self.gate);
        let found = tokio::task::spawn_blocking(move || gate.authenticate(Some(&api_key))).await;
        drop(thread);
        let caller = match found {
            Ok(Ok(caller)) => caller,
            Ok(Err(error)) => return AgentsError::from(error).into(),
            Err(_) => return AgentsError::Undecided.into(),
        };
        let account = caller.account.id.clone();
        let Some(share) = self.looks.take(&account) else { return busy() };
        let Ok(turn) = tokio::time::timeout(LOOK_WAIT, self.looks.turn(&account)).await else { return busy() };
        let Ok(_thread) = self.looks.thread().await else { return busy() };
        let gate = Arc::clone(&self.gate);
        let told = tokio::task::spawn_blocking(move || gate.agent(&Agent::Key(&caller), verb)).await;
        drop((share, turn));
        let told = told.unwrap_or_else(|_| AgentsError::Undecided.into());
        self.activity.expect_at_link_of(&told);
        told
    }

    /// Answers the page of a request. There is no account to wait for before its link was looked up.
    async fn entry(self: &Arc<Self>, ask: EntryAsk) -> EntryTell {
        self.activity.touch();
        let Ok(_thread) = self.strangers.thread().await else { return AgentsError::Undecided.into() };
        let gate = Arc::clone(&self.gate);
        let told = tokio::task::spawn_blocking(move || gate.entry(ask)).await.unwrap_or_else(|_| AgentsError::Undecided.into());
        if matches!(told, EntryTell::Opened { .. }) {
            self.activity.expect_at_page();
        }
        told
    }
}

/// A place for a stranger's question, or what is answered at once.
fn admit(desk: &Desk, ask: &Ask) -> Result<OwnedSemaphorePermit, Tell> {
    let is_page = matches!(ask, Ask::Entry(_));
    if !fits(ask) {
        return Err(if is_page {
            Tell::Entry(Box::new(AgentsError::TooLong.into()))
        } else {
            Tell::Agent(Box::new(AgentsError::TooLong.into()))
        });
    }
    desk.strangers.place().ok_or_else(|| {
        let denied = too_many("too much is asked at a time: wait a moment, and try again");
        if is_page { Tell::Entry(Box::new(EntryTell::Denied(denied))) } else { Tell::Agent(Box::new(AgentTell::Denied(denied))) }
    })
}

/// What is answered where one account asks too much at a time.
fn busy() -> AgentTell {
    AgentTell::Denied(too_many("this account asks too much at a time: wait for some of it to be answered, and try again"))
}

fn too_many(message: &str) -> Denied {
    Denied { why: Denial::Unavailable, code: "too_many_questions".to_owned(), message: message.to_owned() }
}

/// Whether a question is as long as one may be, however many parts it has: looked at before it waits, and before anybody reads what it says. It is written nowhere.
fn fits(ask: &Ask) -> bool {
    struct Room(usize);

    impl io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::WriteZero)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    serde_json::to_writer(Room(STRANGER_JSON_BYTES_MAX), ask).is_ok()
}

/// Answers questions side by side, until the api's end is gone for good: that is when the supervisor is.
pub(crate) fn serve(link: &Packets, answers: &Answers, desk: &Arc<Desk>) {
    // An api that does not take its answers is not waited for.
    if let Err(error) = link.limit_wait(Some(WAIT)) {
        tracing::warn!(%error, "failed to limit the wait on the api");
    }
    loop {
        let question = match link.recv::<Question>() {
            Ok((question, _unasked_descriptors)) => question,
            Err(PacketError::Timeout) => continue,
            Err(PacketError::Malformed) => {
                tracing::warn!("the api asked something that is not of the protocol");
                continue;
            }
            Err(PacketError::Closed) => return,
            Err(PacketError::Io(error)) => {
                tracing::warn!(%error, "failed to read the api's question");
                std::thread::park_timeout(WAIT);
                continue;
            }
        };
        match question.message {
            Ask::Devbox { api_key, verb } => {
                let hosting = Arc::clone(&desk.hosting);
                // One more than may be asked at a time is told so at once, and costs nothing else.
                let Some(place) = hosting.place_to_ask() else {
                    answers.give(question.number, Tell::Devbox(Box::new(Hosting::busy())));
                    continue;
                };
                let answers = answers.clone();
                desk.runtime.spawn(async move {
                    let told = hosting.obey(api_key, *verb).await;
                    drop(place);
                    answers.give(question.number, Tell::Devbox(Box::new(told)));
                });
            }
            ask @ (Ask::Agent { .. } | Ask::Entry(_)) => match admit(desk, &ask) {
                Ok(place) => {
                    let (desk, answers) = (Arc::clone(desk), answers.clone());
                    desk.runtime.clone().spawn(async move {
                        let told = desk.stranger(ask).await;
                        drop(place);
                        answers.give(question.number, told);
                    });
                }
                Err(told) => answers.give(question.number, told),
            },
            ask @ (Ask::Health | Ask::Figures | Ask::MarkKey { .. } | Ask::Bindings { .. } | Ask::KeyUses | Ask::Events { .. }) => {
                let Some(place) = desk.places.take() else {
                    answers.give(question.number, Tell::Failed);
                    continue;
                };
                let (desk, answers) = (Arc::clone(desk), answers.clone());
                desk.runtime.clone().spawn(async move {
                    let told = desk.look(ask).await;
                    drop(place);
                    answers.give(question.number, told);
                });
            }
        }
    }
}

/// Answers on their way: written by a thread of their own, so that an api that takes none holds up nobody. What does not fit any more is dropped, and its
/// asker gives up by itself.
#[derive(Clone)]
pub(crate) struct Answers(SyncSender<Answer>);

impl Answers {
    /// Those over this line.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(link: Arc<Packets>) -> io::Result<Self> {
        let (give, waiting) = sync_channel::<Answer>(ANSWERS_MAX);
        let write = move || {
            for answer in waiting {
                if let Err(error) = link.send(&answer, &[]) {
                    tracing::warn!(%error, "failed to answer the api");
                }
            }
        };
        std::thread::Builder::new().name("answers".to_owned()).spawn(write)?;
        Ok(Self(give))
    }

    fn give(&self, number: Option<u64>, message: Tell) {
        if self.0.try_send(Answer { number, message }).is_err() {
            tracing::warn!("an answer to the api was dropped: it does not take them");
        }
    }
}

fn tell(gate: &Gate, activity: &Activity, ask: Ask) -> Tell {
    match ask {
        // Asked by whatever watches the server, so it does not count as use.
        Ask::Health => match gate.check() {
            Ok(()) => Tell::Ready,
            Err(error) => Tell::NotReady(error.to_string()),
        },
        // Likewise.
        Ask::Figures => gate.figures().map_or_else(|error| failed(&error), Tell::Figures),
        Ask::Bindings { account, name, after } => {
            activity.touch();
            match gate.views(&account, name.as_ref(), after.as_ref()) {
                Ok((bindings, next)) => Tell::Bindings { bindings, next },
                // The api knows which secrets there are; one that is gone meanwhile has no bindings.
                Err(BindingsError::NotFound) => Tell::Bindings { bindings: Vec::new(), next: None },
                Err(error) => failed(&error),
            }
        }
        Ask::MarkKey { api_key, new } => {
            activity.touch();
            Tell::Marked(gate.mark_key(&Zeroizing::new(api_key), new).map_err(|error| denied(&error)))
        }
        // Answered elsewhere.
        Ask::Devbox { .. } | Ask::Agent { .. } | Ask::Entry(_) => Tell::Failed,
        // Asked now and then by itself, so that does not count as use either.
        Ask::KeyUses => Tell::KeyUses(gate.take_uses(LINK_PAGE_ITEMS_MAX)),
        Ask::Events { account, name, after, limit } => {
            activity.touch();
            gate.events(&account, name, after, limit).map_or_else(|error| failed(&error), Tell::Events)
        }
    }
}

fn denied(error: &KeysError) -> Denied {
    Denied { why: error.denial(), code: error.code().to_owned(), message: error.to_string() }
}

fn failed(error: &dyn std::error::Error) -> Tell {
    tracing::warn!("failed to answer the api: {error}");
    Tell::Failed
}

/// Answers that wait for the api to take them: a few megabytes at most.
const ANSWERS_MAX: usize = 256;
/// An agent's question, or a page's: twenty of the longest hosts and a reason of a thousand characters, with room.
const STRANGER_JSON_BYTES_MAX: usize = 16 * 1024;
const WAIT: Duration = Duration::from_secs(1);
/// The api does not wait longer.
const LOOK_WAIT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(hosts: usize, reason: &str) -> Ask {
        let host = format!("{0}.{0}.{0}.example.com", "a".repeat(63)).parse().expect("a host");
        let hosts = vec![host; hosts];
        let name = "N".repeat(255).parse().expect("a name");
        let form = Some(format!("basic:{}", "u".repeat(255)).parse().expect("a form"));
        Ask::Agent { api_key: "k".repeat(47), verb: Box::new(AgentVerb::RequestSecret { name, hosts, form, reason: reason.to_owned() }) }
    }

    #[test]
    fn the_longest_legal_question_fits_and_no_longer_one_waits() {
        assert!(fits(&asking(20, &"\u{1f600}".repeat(1000))));
        assert!(!fits(&asking(1000, "because")) && !fits(&asking(1, &"pwd=".repeat(8192))));
        assert!(fits(&Ask::Entry(Box::new(EntryAsk::Open { link: "a".repeat(64) }))));
        assert!(!fits(&Ask::Entry(Box::new(EntryAsk::Open { link: "a".repeat(64 * 1024) }))));
    }
}
