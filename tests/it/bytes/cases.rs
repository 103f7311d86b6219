//! The faults of bytes, by name. They know HTTP and no server.

use std::sync::Arc;
use std::time::Duration;

use crate::bytes::proxy::{Fault, Spoil};
use crate::raw::{Answer, Framing, Step};

/// Longer than any request of these tests may take.
const TOO_LONG: Duration = Duration::from_secs(6);

/// What becomes of a body.
type Change = fn(&[u8]) -> Vec<u8>;
/// A fault with its name.
pub(super) type Case = (String, Fault);

fn after(spoil: impl Fn(&Answer) -> Vec<Step> + Send + Sync + 'static) -> Fault {
    let spoil: Spoil = Arc::new(spoil);
    Fault::After(spoil)
}

/// The answer cut at an offset, and how the connection then ends.
fn cut(framing: Framing, at: usize, end: Step) -> Fault {
    after(move |answer| {
        let mut bytes = answer.bytes(framing);
        bytes.truncate(at);
        vec![Step::Send(bytes), end.clone()]
    })
}

/// An answer like this one cut at every `stride`th offset, in each framing and with each end. The last offset is the byte
/// before the end.
pub(super) fn truncations(sample: &Answer, stride: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let ways = [
        (Framing::Length, "by length"),
        (Framing::Chunks, "in chunks"),
        (Framing::End, "until the end"),
    ];
    let ends = [
        (Step::Close, "farewell"),
        (Step::Cut, "cut"),
        (Step::Reset, "reset"),
    ];
    for (framing, framed) in ways {
        let whole = sample.bytes(framing);
        let head = whole.len() - body(sample, framing);
        // How a connection ends makes no difference to what comes before in another framing.
        let ends = match framing {
            Framing::Length => &ends[..],
            Framing::Chunks | Framing::End => &ends[..1],
        };
        for (number, (end, ended)) in ends.iter().enumerate() {
            // What follows the last brace or chunk is no part of the value.
            let last = whole.len() - 1;
            let offsets = (number..last).step_by(stride).chain([last]);
            for at in offsets {
                let part = if at < head { "head" } else { "body" };
                let name = format!("{part} {framed} truncated, {ended}");
                cases.push((name, cut(framing, at, end.clone())));
            }
        }
    }
    cases
}

fn body(sample: &Answer, framing: Framing) -> usize {
    let empty = sample.with(Vec::new());
    sample.bytes(framing).len() - empty.bytes(framing).len()
}

/// Connections that end without an answer, before and after the server did what was asked.
pub(super) fn silences() -> Vec<Case> {
    let ends = [
        ("closed", Step::Close),
        ("cut", Step::Cut),
        ("reset", Step::Reset),
        ("kept waiting", Step::Wait(TOO_LONG)),
    ];
    let mut cases = Vec::new();
    for (name, end) in ends {
        let steps = vec![end, Step::Reset];
        cases.push((
            format!("{name} before it is done"),
            Fault::Before(steps.clone()),
        ));
        cases.push((
            format!("{name} after it was done"),
            after(move |_| steps.clone()),
        ));
    }
    cases
}

/// Answers that come slowly, or never end.
pub(super) fn slow_and_huge(limit: usize) -> Vec<Case> {
    let drip = |from: usize| {
        after(move |answer| {
            let bytes = answer.bytes(Framing::Length);
            let from = from.min(bytes.len());
            let mut steps = vec![Step::Send(bytes[..from].to_vec())];
            for byte in &bytes[from..] {
                steps.push(Step::Send(vec![*byte]));
                steps.push(Step::Wait(Duration::from_millis(100)));
            }
            steps
        })
    };
    let filled = move |answer: &Answer| {
        let mut body = answer.body.clone();
        body.resize(limit + 1, b' ');
        answer.with(body)
    };
    let flood = |answer: &Answer| {
        let mut flooded = answer.clone();
        let header = ("x-flood".to_owned(), "x".repeat(8000));
        flooded.headers.extend(vec![header; 200]);
        vec![Step::Send(flooded.bytes(Framing::Length))]
    };
    vec![
        ("head byte by byte".to_owned(), drip(0)),
        ("body byte by byte".to_owned(), drip(600)),
        (
            "body larger than allowed".to_owned(),
            after(move |answer| vec![Step::Send(filled(answer).bytes(Framing::Length))]),
        ),
        (
            "chunks larger than allowed".to_owned(),
            after(move |answer| vec![Step::Send(filled(answer).bytes(Framing::Chunks))]),
        ),
        ("head of 1.6 MB".to_owned(), after(flood)),
    ]
}

/// Answers that are whole and are not what they should be.
pub(super) fn other_answers() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        let spoil = move |answer: &Answer| {
            let mut other = answer.clone();
            other.status = format!("HTTP/1.1 {status} Elsewhere");
            other.headers.push(("location".into(), "/elsewhere".into()));
            vec![Step::Send(other.bytes(Framing::Length))]
        };
        cases.push(("redirect".to_owned(), after(spoil)));
    }
    for status in [
        400, 401, 403, 404, 405, 408, 409, 412, 415, 418, 429, 500, 502, 503, 504,
    ] {
        let spoil = move |answer: &Answer| {
            let mut other = answer.with("<html>no</html>");
            other.status = format!("HTTP/1.1 {status} No");
            other.headers = vec![("content-type".into(), "text/html".into())];
            vec![Step::Send(other.bytes(Framing::Length))]
        };
        cases.push((format!("status {status} in HTML"), after(spoil)));
    }
    let bodies: [(&str, Change); 6] = [
        ("no body", |_| Vec::new()),
        ("a login page", |_| {
            b"<html><form>login</form></html>".to_vec()
        }),
        ("trailing bytes", |body| [body, b"}]x"].concat()),
        ("byte order mark", |body| [b"\xef\xbb\xbf", body].concat()),
        ("not UTF-8", |body| {
            let middle = body.len() / 2;
            [&body[..middle], b"\xff\xfe", &body[middle..]].concat()
        }),
        ("zero bytes", |body| vec![0; body.len()]),
    ];
    for (name, change) in bodies {
        let spoil = move |answer: &Answer| {
            let other = answer.with(change(&answer.body));
            vec![Step::Send(other.bytes(Framing::Length))]
        };
        cases.push((name.to_owned(), after(spoil)));
    }
    for said in ["text/html", "application/octet-stream", ""] {
        let spoil = move |answer: &Answer| {
            let mut other = answer.clone();
            other.headers.retain(|(name, _)| name != "content-type");
            if !said.is_empty() {
                other.headers.push(("content-type".into(), said.into()));
            }
            vec![Step::Send(other.bytes(Framing::Length))]
        };
        let said = if said.is_empty() { "none" } else { said };
        cases.push((format!("content type {said}"), after(spoil)));
    }
    cases.extend(broken_http());
    cases
}

/// Bytes that are not HTTP, or contradict themselves.
fn broken_http() -> Vec<Case> {
    let raw = |bytes: &'static [u8]| after(move |_| vec![Step::Send(bytes.to_vec()), Step::Close]);
    let lengths = |said: fn(usize) -> String| {
        after(move |answer| {
            let whole = answer.bytes(Framing::Length);
            let head = whole.len() - answer.body.len();
            let text = String::from_utf8_lossy(&whole[..head]).into_owned();
            let length = format!("content-length: {}", answer.body.len());
            let text = text.replace(&length, &said(answer.body.len()));
            let bytes = [text.as_bytes(), &answer.body].concat();
            vec![Step::Send(bytes), Step::Close]
        })
    };
    let gzip = |answer: &Answer| {
        let mut other = answer.clone();
        other
            .headers
            .push(("content-encoding".into(), "gzip".into()));
        vec![Step::Send(other.bytes(Framing::Length)), Step::Close]
    };
    vec![
        ("not HTTP".to_owned(), raw(b"SSH-2.0-OpenSSH_9.9\r\n")),
        (
            "status without a number".to_owned(),
            raw(b"HTTP/1.1 abc\r\n\r\n"),
        ),
        ("HTTP 0.9".to_owned(), raw(b"[]")),
        ("nothing but line breaks".to_owned(), raw(b"\r\n\r\n\r\n")),
        (
            "two lengths".to_owned(),
            lengths(|length| format!("content-length: 3\r\ncontent-length: {length}")),
        ),
        (
            "a negative length".to_owned(),
            lengths(|_| "content-length: -1".to_owned()),
        ),
        (
            "a length beyond 64 bits".to_owned(),
            lengths(|_| "content-length: 99999999999999999999999".to_owned()),
        ),
        (
            "a length too great".to_owned(),
            lengths(|length| format!("content-length: {}", length + 7)),
        ),
        (
            "a length too small".to_owned(),
            lengths(|length| format!("content-length: {}", length - 7)),
        ),
        ("said to be compressed".to_owned(), after(gzip)),
        (
            "the answer twice".to_owned(),
            after(|answer| {
                let bytes = answer.bytes(Framing::Length);
                vec![Step::Send([bytes.clone(), bytes].concat())]
            }),
        ),
        (
            "an interim answer first".to_owned(),
            after(|answer| {
                let bytes = answer.bytes(Framing::Length);
                vec![Step::Send(
                    [&b"HTTP/1.1 103 Hints\r\n\r\n"[..], &bytes].concat(),
                )]
            }),
        ),
    ]
}
