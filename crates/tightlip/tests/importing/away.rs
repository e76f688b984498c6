//! A server that goes away in the middle, and a file that changes meanwhile: what was stored is told, and the file is as it was.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;

use crate::place::{Place, code, said, told};

/// What answers in a server's place: no secrets at first, and so many creates; before each of them `meanwhile` is called.
fn standin(creates: usize, meanwhile: impl Fn() + Send + 'static) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut left = creates;
        for stream in listener.incoming().map(Result::unwrap) {
            let mut reader = BufReader::new(stream);
            let (line, body) = request(&mut reader);
            if line.starts_with("GET /v1/secrets?") {
                answer(reader.get_mut(), r#"{"secrets":[],"has_more":false,"total_count":0}"#);
                continue;
            }
            assert!(line.starts_with("POST /v1/secrets "), "{line}");
            if left == 0 {
                return;
            }
            left -= 1;
            meanwhile();
            let sent: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let name = sent["name"].as_str().unwrap();
            answer(
                reader.get_mut(),
                &format!(r#"{{"id":"sec_000000000000000000000","name":"{name}","create_time_ms":1,"update_time_ms":1}}"#),
            );
        }
    });
    (url, thread)
}

fn request(reader: &mut BufReader<TcpStream>) -> (String, Vec<u8>) {
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        length = line.strip_prefix("content-length: ").map_or(length, |text| text.parse().unwrap());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first, body)
}

fn answer(stream: &mut TcpStream, body: &str) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
}

fn import(place: &Place, url: &str, arguments: &[&str]) -> Output {
    let all: Vec<&str> = ["--url", url, "import", "many.env"].iter().chain(arguments).copied().collect();
    place.watched(place.command(&all).env("TIGHTLIP_API_KEY", "tlk_any"))
}

fn many(place: &Place) -> String {
    (0..10).map(|number| format!("KEY_{number}={}\n", place.github.value())).collect()
}

#[test]
fn a_server_that_goes_away_leaves_it_told_what_is_stored_and_what_is_not() {
    let place = Place::new();
    let text = many(&place);
    let path = place.write("many.env", &text);
    let (url, thread) = standin(3, || {});
    let output = import(&place, &url, &["--replace", "--json"]);
    thread.join().unwrap();
    assert_eq!(code(&output), 1, "{}", said(&output));
    let result = serde_json::from_slice(&output.stdout).unwrap();
    let done: Vec<String> = told(&result).iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(done[..5], ["stored", "stored", "stored", "unsure", "not_stored"]);
    let words = said(&output);
    assert!(words.contains("stored: KEY_0, KEY_1, KEY_2; not stored: KEY_4,") && words.contains("not known: KEY_3;"), "{words}");
    assert!(words.contains("--only KEY_0 --only KEY_1 --only KEY_2 --update --replace"), "{words}");
    assert_eq!((&result["replaced"], std::fs::read_to_string(&path).unwrap()), (&false.into(), text));
    // The real one, where nothing is stored yet, and once more.
    assert!(told(&place.json(&["import", "many.env"])).iter().all(|line| line.ends_with(" stored")));
    assert!(told(&place.json(&["import", "many.env"])).iter().all(|line| line.ends_with(" exists")));
    assert_eq!(place.json(&["import", "many.env", "--update", "--replace"])["replaced"], true);
}

#[test]
fn a_server_that_is_not_there_is_told_as_that() {
    let place = Place::new();
    place.write("many.env", many(&place));
    let output = import(&place, "http://127.0.0.1:1", &[]);
    assert_eq!(code(&output), 6, "{}", said(&output));
}

#[test]
fn a_file_that_was_changed_meanwhile_is_left_as_it_is_now() {
    let place = Place::new();
    for how in ["written into", "renamed over"] {
        let path = place.write("many.env", many(&place));
        let (changed, beside) = (path.clone(), place.folder().join("beside"));
        let (url, _thread) = standin(10, move || {
            if how == "written into" {
                std::fs::write(&changed, "MINE=1\n").unwrap();
            } else {
                std::fs::write(&beside, "MINE=1\n").unwrap();
                std::fs::rename(&beside, &changed).unwrap();
            }
        });
        let output = import(&place, &url, &["--replace"]);
        assert_eq!(code(&output), 1, "{how}: {}", said(&output));
        assert!(said(&output).contains("was changed since it was read"), "{how}: {}", said(&output));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "MINE=1\n", "{how}");
        assert_eq!(std::fs::read_dir(place.folder()).unwrap().count(), 1, "no copy is left");
    }
}
