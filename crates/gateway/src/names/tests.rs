//! Tests of the address book and of DNS messages.
#![allow(clippy::unwrap_used, reason = "tests")]

use hickory_proto::rr::Name;
use proptest::prelude::*;

use super::*;

fn ask(names: &Names, name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let asked = message.to_vec().unwrap();
    let reply = Message::from_vec(&names.answer(&asked).unwrap()).unwrap();
    assert_eq!(reply.metadata.id, message.metadata.id);
    assert_eq!(reply.metadata.message_type, MessageType::Response);
    assert_eq!(reply.queries, message.queries);
    reply
}

fn address(reply: &Message) -> Option<IpAddr> {
    let data = &reply.answers.first()?.data;
    if let RData::A(A(v4)) = data {
        return Some(IpAddr::V4(*v4));
    }
    let RData::AAAA(AAAA(v6)) = data else { panic!("{data:?}") };
    Some(IpAddr::V6(*v6))
}

#[test]
fn what_is_no_question_is_not_answered() {
    let names = Names::new(Synthetic::default());
    assert_eq!(names.answer(b""), None);
    assert_eq!(names.answer(&[0; 11]), None);
    let response = Message::response(7, OpCode::Query).to_vec().unwrap();
    assert_eq!(names.answer(&response), None);
}

#[test]
fn a_malformed_question_is_told_so_under_its_own_number() {
    let names = Names::new(Synthetic::default());
    let mut asked = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    asked.extend_from_slice(b"\x3fshort");
    let reply = Message::from_vec(&names.answer(&asked).unwrap()).unwrap();
    assert_eq!((reply.metadata.id, reply.metadata.response_code), (0x1234, ResponseCode::FormErr));
    let none = Message::from_vec(&names.answer(&[0x12, 0x34, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap()).unwrap();
    assert_eq!(none.metadata.response_code, ResponseCode::FormErr);
}

#[test]
fn every_name_has_one_address_of_each_sort() {
    let names = Names::new(Synthetic::default());
    let first = address(&ask(&names, "api.example.com.", RecordType::A)).unwrap();
    let again = address(&ask(&names, "API.Example.com.", RecordType::A)).unwrap();
    let other = address(&ask(&names, "evil.example.com.", RecordType::A)).unwrap();
    let v6 = address(&ask(&names, "api.example.com.", RecordType::AAAA)).unwrap();
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(names.name_of(first).unwrap().as_str(), "api.example.com");
    assert_eq!(names.name_of(v6).unwrap().as_str(), "api.example.com");
    assert_eq!(names.name_of(other).unwrap().as_str(), "evil.example.com");
}

#[test]
fn a_mapped_address_is_read_as_the_one_it_maps() {
    let names = Names::new(Synthetic::default());
    let (v4, _) = names.addresses(&"api.example.com".parse().unwrap()).unwrap();
    assert!(names.name_of(IpAddr::V6(v4.to_ipv6_mapped())).is_some());
}

#[test]
fn an_address_that_was_not_given_out_stands_for_nothing() {
    let names = Names::new(Synthetic::default());
    names.addresses(&"api.example.com".parse().unwrap()).unwrap();
    for text in [
        "198.18.0.1",
        "198.18.1.1",
        "198.17.255.255",
        "198.20.0.0",
        "93.184.216.34",
        "0.0.0.0",
        "255.255.255.255",
        "fd00::1",
        "::",
        "::1",
        "fd01::1:0",
        "ffff::",
    ] {
        assert_eq!(names.name_of(text.parse().unwrap()), None, "{text}");
    }
}

#[test]
fn other_records_are_empty_and_addresses_as_names_do_not_exist() {
    let names = Names::new(Synthetic::default());
    for kind in [RecordType::HTTPS, RecordType::SVCB, RecordType::TXT, RecordType::MX, RecordType::PTR, RecordType::ANY] {
        let reply = ask(&names, "api.example.com.", kind);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NoError, 0), "{kind}");
    }
    let reply = ask(&names, "127.0.0.1.", RecordType::A);
    assert_eq!((reply.metadata.response_code, reply.answers.len()), (ResponseCode::NXDomain, 0));
}

#[test]
fn a_question_with_edns_has_an_answer_with_edns() {
    let names = Names::new(Synthetic::default());
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii("a.example.").unwrap(), RecordType::A));
    message.set_edns(Edns::new());
    let reply = Message::from_vec(&names.answer(&message.to_vec().unwrap()).unwrap()).unwrap();
    assert!(reply.edns.is_some());
    assert_eq!(reply.answers.len(), 1);
}

#[test]
fn an_update_is_not_done() {
    let names = Names::new(Synthetic::default());
    let message = Message::new(9, MessageType::Query, OpCode::Notify);
    let reply = Message::from_vec(&names.answer(&message.to_vec().unwrap()).unwrap()).unwrap();
    assert_eq!(reply.metadata.response_code, ResponseCode::NotImp);
}

#[test]
fn a_full_book_gives_no_more_addresses() {
    let names = Names::new(Synthetic::default());
    for number in 0..DEVBOX_NAMES_MAX {
        names.addresses(&format!("n{number}.example").parse().unwrap()).unwrap();
    }
    assert_eq!(ask(&names, "one.more.example.", RecordType::A).metadata.response_code, ResponseCode::ServFail);
    let (last, _) = names.addresses(&format!("n{}.example", DEVBOX_NAMES_MAX - 1).parse().unwrap()).unwrap();
    assert!(last < Ipv4Addr::new(198, 20, 0, 0));
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let names = Names::new(Synthetic::default());
        if let Some(reply) = names.answer(&bytes) {
            prop_assert!(Message::from_vec(&reply).is_ok());
        }
    }
}
