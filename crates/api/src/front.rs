//! Asking the gateway, over the socketpair that is the only way to it: many questions at a time, each with its own time for the answer.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use link::agents::{AgentTell, AgentVerb, EntryAsk, EntryTell};
use link::calls::{Asked, Calls};
use link::front::{Ask, DevboxVerb, Tell};
use link::{PacketError, Packets};
use tokio::sync::oneshot;

use crate::limits::{GATEWAY_TIME, GATEWAY_WAITERS_MAX, GATEWAY_WRITE_TIME};

/// The api's end of the link.
pub struct Front {
    calls: Arc<Calls<Tell>>,
}

/// Why the gateway did not answer.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// It is not there, too slow, or too many ask.
    #[error("the gateway does not answer: it starts again by itself within seconds; try again, and look at the output of `tightlip up`")]
    Away,
    /// It could not answer.
    #[error("the gateway could not answer: try again, and look at the output of `tightlip up`")]
    Failed,
}

impl Front {
    /// The client over the api's end of the socketpair.
    ///
    /// # Errors
    /// When the system refuses to limit the wait, or gives no thread.
    pub fn new(end: Packets) -> Result<Self, PacketError> {
        // The line outlives an api that died: what the gateway answered that one must not be taken for an answer to this one.
        Self::numbered_from(end, (u64::from(std::process::id()) << u32::BITS) + 1)
    }

    fn numbered_from(end: Packets, number: u64) -> Result<Self, PacketError> {
        end.limit_wait(Some(GATEWAY_TIME))?;
        let calls = Calls::new(end, number);
        let listening = Arc::clone(&calls);
        thread::Builder::new().name("front".to_owned()).spawn(move || listening.listen(|_, _| {}))?;
        Ok(Self { calls })
    }

    /// Asks, and waits two seconds for the answer. Blocks.
    ///
    /// # Errors
    /// [`FrontError`].
    pub fn ask(&self, ask: Ask) -> Result<Tell, FrontError> {
        self.ask_within(ask, GATEWAY_TIME)
    }

    /// As [`Front::ask`], and waits so long. Blocks.
    ///
    /// # Errors
    /// [`FrontError`].
    pub fn ask_within(&self, ask: Ask, wait: Duration) -> Result<Tell, FrontError> {
        let (tell, told) = mpsc::sync_channel(1);
        let asked = self.begin(ask, move |answer| drop(tell.send(answer)))?;
        let told = told.recv_timeout(wait);
        drop(asked);
        answered(told.ok())
    }

    /// Asks something about devboxes, and waits for the answer as long as the question itself waits and two seconds more.
    ///
    /// # Errors
    /// [`FrontError`].
    pub(crate) async fn ask_devbox(&self, api_key: &str, verb: DevboxVerb, wait: Duration) -> Result<Tell, FrontError> {
        self.ask_later(Ask::Devbox { api_key: api_key.to_owned(), verb: Box::new(verb) }, wait + GATEWAY_TIME).await
    }

    /// Asks on behalf of the entry page.
    ///
    /// # Errors
    /// [`FrontError`].
    pub(crate) async fn ask_entry(&self, ask: EntryAsk) -> Result<EntryTell, FrontError> {
        let Tell::Entry(told) = self.ask_later(Ask::Entry(Box::new(ask)), GATEWAY_WRITE_TIME).await? else {
            return Err(FrontError::Failed);
        };
        Ok(*told)
    }

    /// Asks, and waits so long without a thread.
    ///
    /// # Errors
    /// [`FrontError`].
    pub(crate) async fn ask_later(&self, ask: Ask, wait: Duration) -> Result<Tell, FrontError> {
        let (tell, told) = oneshot::channel();
        // Where the caller is gone, nobody listens.
        let asked = self.begin(ask, move |answer| drop(tell.send(answer)))?;
        let told = tokio::time::timeout(wait, told).await;
        drop(asked);
        answered(told.ok().and_then(Result::ok))
    }

    /// Asks on behalf of an agent, and waits for what is written down first as long as that may take.
    ///
    /// # Errors
    /// [`FrontError`].
    pub(crate) async fn ask_agent(&self, api_key: &str, verb: AgentVerb) -> Result<AgentTell, FrontError> {
        let wait = match verb {
            AgentVerb::ListSecrets
            | AgentVerb::HowToUse { .. }
            | AgentVerb::TestSecret { .. }
            | AgentVerb::MyRefusals { .. }
            | AgentVerb::RequestStatus { .. }
            | AgentVerb::ListRequests { .. } => GATEWAY_TIME,
            AgentVerb::RequestSecret { .. } | AgentVerb::RequestAccess { .. } => GATEWAY_WRITE_TIME,
        };
        let (tell, told) = oneshot::channel();
        let ask = Ask::Agent { api_key: api_key.to_owned(), verb: Box::new(verb) };
        let asked = self.begin(ask, move |answer| drop(tell.send(answer)))?;
        let told = tokio::time::timeout(wait, told).await;
        drop(asked);
        let Tell::Agent(told) = answered(told.ok().and_then(Result::ok))? else { return Err(FrontError::Failed) };
        Ok(*told)
    }

    fn begin(&self, ask: Ask, then: impl FnOnce(Tell) + Send + 'static) -> Result<Asked<Tell>, FrontError> {
        if self.calls.waiting() >= GATEWAY_WAITERS_MAX {
            return Err(FrontError::Away);
        }
        self.calls.ask(&ask, &[], move |answer, _| then(answer)).map_err(|_| FrontError::Away)
    }
}

fn answered(told: Option<Tell>) -> Result<Tell, FrontError> {
    match told {
        None => Err(FrontError::Away),
        Some(Tell::Failed) => Err(FrontError::Failed),
        Some(told) => Ok(told),
    }
}

#[cfg(test)]
mod tests {
    use link::front::{Answer, Question};

    use super::*;

    fn answer(gateway: &Packets, number: u64, message: Tell) {
        gateway.send(&Answer { number: Some(number), message }, &[]).expect("sent");
    }

    #[test]
    fn a_gateway_that_is_gone_is_away() {
        let (end, gateway) = Packets::pair().expect("a pair");
        let front = Front::numbered_from(end, 1).expect("a front");
        drop(gateway);
        assert!(matches!(front.ask(Ask::Health), Err(FrontError::Away)));
    }

    #[test]
    fn an_answer_to_an_api_that_died_is_not_taken_for_ours() {
        let (end, gateway) = Packets::pair().expect("a pair");
        let front = Front::new(end).expect("a front");
        for number in 0..3 {
            answer(&gateway, number, Tell::NotReady("for the one that died".into()));
        }
        gateway.send(&"noise", &[]).expect("sent");
        let asked = thread::spawn(move || {
            let (question, _) = gateway.recv::<Question>().expect("a question");
            answer(&gateway, question.number.expect("a number"), Tell::Ready);
        });
        assert!(matches!(front.ask(Ask::Health), Ok(Tell::Ready)));
        asked.join().expect("answered");
    }

    #[test]
    fn a_failed_answer_is_an_error() {
        let (end, gateway) = Packets::pair().expect("a pair");
        let front = Front::numbered_from(end, 1).expect("a front");
        let asked = thread::spawn(move || {
            let (question, _) = gateway.recv::<Question>().expect("a question");
            answer(&gateway, question.number.expect("a number"), Tell::Failed);
        });
        assert!(matches!(front.ask(Ask::Health), Err(FrontError::Failed)));
        asked.join().expect("answered");
    }
}
