//! The answerer of DNS messages: it answers questions and nothing else, under their number, with addresses that say the name again.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gateway::Synthetic;
use gateway::names::Names;
use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use libfuzzer_sys::fuzz_target;
use model::Host;

fuzz_target!(|data: &[u8]| {
    let names = Names::new(Synthetic::default());
    let other: Host = "first.example.com".parse().expect("a host");
    names.addresses(&other);
    let Some(reply) = names.answer(data) else {
        return assert!(data.len() < 12 || data[2] & 0x80 != 0, "a question without an answer");
    };
    assert!(data.len() >= 12 && data[2] & 0x80 == 0, "an answer to no question");
    assert_eq!(reply[..2], data[..2], "an answer has its question's number");
    assert_eq!(names.answer(data).as_ref(), Some(&reply), "asked again, answered alike");
    // A name may be written shorter in a question than in its answer: it is written once more there, and compressed once.
    assert!(reply.len() <= 12 + (data.len() + 512) * 2, "{} bytes from {}", reply.len(), data.len());
    let reply = Message::from_vec(&reply).expect("an answer is a message");
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert!(reply.answers.len() <= 1 && reply.authorities.is_empty(), "no more than was asked");
    assert!(reply.queries.len() == 1 || reply.metadata.response_code != ResponseCode::NoError, "one question");
    let Some(answer) = reply.answers.first() else { return };
    let asked = &reply.queries[0];
    let host: Host = asked.name().to_ascii().parse().expect("only hosts have addresses");
    assert_eq!(&answer.name, asked.name());
    let address = if let RData::A(a) = &answer.data {
        IpAddr::V4(a.0)
    } else {
        let RData::AAAA(aaaa) = &answer.data else { panic!("{:?} was never asked for", answer.data) };
        IpAddr::V6(aaaa.0)
    };
    assert_eq!(asked.query_type(), if address.is_ipv4() { RecordType::A } else { RecordType::AAAA });
    match address {
        IpAddr::V4(v4) => assert!((Ipv4Addr::new(198, 18, 1, 0)..Ipv4Addr::new(198, 20, 0, 0)).contains(&v4)),
        IpAddr::V6(v6) => assert!((Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 1, 0)..Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0)).contains(&v6)),
    }
    assert_eq!(names.name_of(address), Some(host.clone()), "the address says its name");
    let mine = names.addresses(&host).expect("there is room");
    assert!(host == other || Some(mine) != names.addresses(&other), "two names, two addresses");
});
