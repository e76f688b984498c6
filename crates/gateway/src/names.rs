//! What a devbox looks up: DNS messages (RFC 1035) answered from a book of synthetic addresses.
//!
//! Every name gets an address of its own, remembered as long as the devbox lives; nobody is asked, so no name leaves before a decision. What is dialled later
//! says by its address which name was meant.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};

use model::Host;
use model::limits::DEVBOX_NAMES_MAX;

use crate::unpoisoned::lock;

/// The networks whose addresses stand for names. Names begin at an offset, clear of the addresses that a devbox has itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// The IPv4 network; the first name is 256 above.
    pub v4: Ipv4Addr,
    /// The IPv6 network; the first name is 65,536 above.
    pub v6: Ipv6Addr,
}

/// The address book of one devbox.
pub struct Names {
    synthetic: Synthetic,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    hosts: Vec<Host>,
    numbers: HashMap<Host, u32>,
}

impl Names {
    /// An empty book.
    #[must_use]
    pub fn new(synthetic: Synthetic) -> Self {
        Self { synthetic, book: Mutex::default() }
    }

    /// The addresses of a name, new ones where it has none yet. None when the book is full.
    pub fn addresses(&self, host: &Host) -> Option<(Ipv4Addr, Ipv6Addr)> {
        let mut book = lock(&self.book);
        let number = match book.numbers.get(host) {
            Some(number) => *number,
            None if book.hosts.len() >= DEVBOX_NAMES_MAX => return None,
            None => {
                let number = u32::try_from(book.hosts.len()).ok()?;
                book.hosts.push(host.clone());
                book.numbers.insert(host.clone(), number);
                number
            }
        };
        let v4 = Ipv4Addr::from_bits(self.synthetic.v4.to_bits() + V4_OFFSET + number);
        let v6 = Ipv6Addr::from_bits(self.synthetic.v6.to_bits() + V6_OFFSET + u128::from(number));
        Some((v4, v6))
    }

    /// The name that an address was given out for.
    #[must_use]
    pub fn name_of(&self, address: IpAddr) -> Option<Host> {
        let number = match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_bits().checked_sub(self.synthetic.v4.to_bits())?.checked_sub(V4_OFFSET)?,
            IpAddr::V6(v6) => u32::try_from(v6.to_bits().checked_sub(self.synthetic.v6.to_bits())?.checked_sub(V6_OFFSET)?).ok()?,
        };
        let book = lock(&self.book);
        book.hosts.get(usize::try_from(number).ok()?).cloned()
    }

    /// The answer to a DNS message; none for what is no question at all.
    #[must_use]
    pub fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let [id_high, id_low, flags, ..] = *message.get(..HEADER_BYTES)? else { return None };
        if flags & RESPONSE_BIT != 0 {
            return None;
        }
        let reply = match Message::from_vec(message) {
            Ok(asked) => self.answer_message(&asked),
            Err(_) => Message::error_msg(u16::from_be_bytes([id_high, id_low]), OpCode::Query, ResponseCode::FormErr),
        };
        reply.to_vec().ok()
    }

    fn answer_message(&self, asked: &Message) -> Message {
        let mut reply = Message::new(asked.metadata.id, MessageType::Response, asked.metadata.op_code);
        reply.metadata = Metadata::response_from_request(&asked.metadata);
        reply.metadata.recursion_available = true;
        reply.add_queries(asked.queries.iter().cloned());
        if asked.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(EDNS_PAYLOAD_BYTES);
            reply.set_edns(edns);
        }
        let (code, answer) = match asked.queries.as_slice() {
            _ if asked.metadata.op_code != OpCode::Query => (ResponseCode::NotImp, None),
            [query] => self.answer_query(query),
            [] | [_, _, ..] => (ResponseCode::FormErr, None),
        };
        reply.metadata.response_code = code;
        reply.add_answers(answer);
        reply
    }

    fn answer_query(&self, query: &Query) -> (ResponseCode, Option<Record>) {
        let wanted = query.query_type();
        if query.query_class() != DNSClass::IN || !matches!(wanted, RecordType::A | RecordType::AAAA) {
            return (ResponseCode::NoError, None);
        }
        let Ok(host) = query.name().to_ascii().parse::<Host>() else { return (ResponseCode::NXDomain, None) };
        let Some((v4, v6)) = self.addresses(&host) else { return (ResponseCode::ServFail, None) };
        let data = if wanted == RecordType::A { RData::A(A(v4)) } else { RData::AAAA(AAAA(v6)) };
        (ResponseCode::NoError, Some(Record::from_rdata(query.name().clone(), TTL_S, data)))
    }
}

impl Default for Synthetic {
    /// 198.18.0.0/15 (RFC 2544, benchmarks) and fd00::/64 (RFC 4193), in neither of which anything real lives.
    fn default() -> Self {
        Self { v4: Ipv4Addr::new(198, 18, 0, 0), v6: Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0) }
    }
}

const V4_OFFSET: u32 = 1 << 8;
const V6_OFFSET: u128 = 1 << 16;
/// Short, so that names are looked up again soon after a restart of the gateway forgot them.
const TTL_S: u32 = 10;
/// RFC 1035, section 4.1.1.
const HEADER_BYTES: usize = 12;
const RESPONSE_BIT: u8 = 0x80;
/// What passes without fragments anywhere (DNS flag day 2020).
const EDNS_PAYLOAD_BYTES: u16 = 1232;

#[cfg(test)]
#[path = "names/tests.rs"]
mod tests;
