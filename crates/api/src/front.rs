//! Asking the gateway, over the socketpair that is the only way to it: one question at a time, two seconds for the answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use link::front::{Answer, Ask, Question, Tell};
use link::{PacketError, Packets};

use crate::limits::{GATEWAY_TIME, GATEWAY_WAITERS_MAX, LATE_ANSWERS_MAX};

/// The api's end of the link.
pub struct Front {
    line: Mutex<Line>,
    waiting: AtomicUsize,
}

struct Line {
    end: Packets,
    /// The last question's number.
    number: u64,
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
    /// When the system refuses to limit the wait.
    pub fn new(end: Packets) -> Result<Self, PacketError> {
        // The line outlives an api that died: what the gateway answered that one must not be taken for an answer to this one.
        Self::numbered_from(end, u64::from(std::process::id()) << u32::BITS)
    }

    fn numbered_from(end: Packets, number: u64) -> Result<Self, PacketError> {
        end.limit_wait(Some(GATEWAY_TIME))?;
        Ok(Self { line: Mutex::new(Line { end, number }), waiting: AtomicUsize::new(0) })
    }

    /// Asks, and waits for the answer. Blocks.
    ///
    /// # Errors
    /// [`FrontError`].
    pub fn ask(&self, ask: Ask) -> Result<Tell, FrontError> {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let told = if before < GATEWAY_WAITERS_MAX {
            self.line.lock().unwrap_or_else(PoisonError::into_inner).ask(ask).map_err(|_| FrontError::Away)
        } else {
            Err(FrontError::Away)
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        match told? {
            Tell::Failed => Err(FrontError::Failed),
            told @ (Tell::Ready | Tell::NotReady(_) | Tell::Bindings { .. } | Tell::Events(_) | Tell::Figures(_) | Tell::KeyUses(_)) => {
                Ok(told)
            }
        }
    }
}

impl Line {
    fn ask(&mut self, ask: Ask) -> Result<Tell, PacketError> {
        self.number += 1;
        self.end.send(&Question { number: self.number, ask }, &[])?;
        for _ in 0..LATE_ANSWERS_MAX {
            match self.end.recv::<Answer>() {
                Ok((answer, _)) if answer.number == self.number => return Ok(answer.tell),
                // The answer to a question that was given up.
                Ok(_) | Err(PacketError::Malformed) => {}
                Err(error) => return Err(error),
            }
        }
        Err(PacketError::Timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(gateway: &Packets, number: u64, tell: Tell) {
        gateway.send(&Answer { number, tell }, &[]).expect("sent");
    }

    #[test]
    fn a_gateway_that_is_gone_is_away() {
        let (end, gateway) = Packets::pair().expect("a pair");
        let front = Front::numbered_from(end, 0).expect("a front");
        drop(gateway);
        assert!(matches!(front.ask(Ask::Health), Err(FrontError::Away)));
    }

    #[test]
    fn a_late_answer_is_not_taken_for_another() {
        let (end, gateway) = Packets::pair().expect("a pair");
        let front = Front::numbered_from(end, 0).expect("a front");
        answer(&gateway, 0, Tell::NotReady("late".into()));
        gateway.send(&"noise", &[]).expect("sent");
        answer(&gateway, 1, Tell::Ready);
        assert!(matches!(front.ask(Ask::Health), Ok(Tell::Ready)));
    }

    #[test]
    fn an_answer_to_an_api_that_died_is_not_taken_for_ours() {
        let (end, gateway) = Packets::pair().expect("a pair");
        let front = Front::new(end).expect("a front");
        for number in 0..3 {
            answer(&gateway, number, Tell::NotReady("for the one that died".into()));
        }
        let asked = std::thread::spawn(move || {
            let (question, _) = gateway.recv::<Question>().expect("a question");
            answer(&gateway, question.number, Tell::Ready);
        });
        assert!(matches!(front.ask(Ask::Health), Ok(Tell::Ready)));
        asked.join().expect("answered");
    }

    #[test]
    fn a_failed_answer_is_an_error() {
        let (end, gateway) = Packets::pair().expect("a pair");
        let front = Front::numbered_from(end, 0).expect("a front");
        answer(&gateway, 1, Tell::Failed);
        assert!(matches!(front.ask(Ask::Health), Err(FrontError::Failed)));
    }
}
