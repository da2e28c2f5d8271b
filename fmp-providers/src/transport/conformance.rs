//! What every transport must do, as checks that run against any of them.
//!
//! Each check panics with what it saw. [`programs`] runs all that need no service on the host.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use fmp_core::{Digest, Secret};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::{Input, Output, STDOUT_LIMIT, Transport, TransportError};

/// Every check that needs only programs.
pub async fn programs(transport: &dyn Transport) {
    exit_status(transport).await;
    streams_stay_apart(transport).await;
    arguments_arrive(transport).await;
    surroundings(transport).await;
    large_input(transport).await;
    secret_input(transport).await;
    unread_input(transport).await;
    broken_input(transport).await;
    too_much_output(transport).await;
    many_at_once(transport).await;
    traffic_is_counted(transport).await;
}

async fn run(transport: &dyn Transport, program: &str, args: &[&str], stdin: Input) -> Output {
    let output = transport.run(program, args, stdin).await;
    output.unwrap_or_else(|error| panic!("{program} {args:?}: {error:?}"))
}

/// An exit status is data, a signal and a missing program included.
pub async fn exit_status(transport: &dyn Transport) {
    for (script, status) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
    {
        assert_eq!(run(transport, "sh", &["-c", script], Input::Empty).await.status, status, "{script}");
    }
    assert_eq!(run(transport, "fmp-no-such-program", &[], Input::Empty).await.status, 127);
}

/// Standard output and standard error are two streams, and neither holds anything of ours.
pub async fn streams_stay_apart(transport: &dyn Transport) {
    let output = run(transport, "sh", &["-c", "printf out; printf err >&2"], Input::Empty).await;
    assert_eq!((output.text().as_ref(), output.complaint().as_ref()), ("out", "err"));
    let silent = run(transport, "true", &[], Input::Empty).await;
    assert_eq!(silent, Output::default());
}

/// Arguments arrive to the letter.
pub async fn arguments_arrive(transport: &dyn Transport) {
    let args = [
        "",
        " ",
        "a b",
        "it's",
        "\"",
        "\\",
        "\\n",
        "a\nb\n",
        "\t",
        "*",
        "?",
        "[a]",
        "~",
        "$HOME",
        "${x}",
        "$(id)",
        "`id`",
        "!",
        "!!",
        "#",
        ";",
        "&",
        "|",
        ">",
        "-n",
        "--",
        "a=b",
        "%s",
        "ёжик",
        "日本",
        "🦔",
        "\u{1b}[0m",
    ];
    let mut call = vec!["-c", r#"for a in "$@"; do printf '%s\0' "$a"; done"#, "sh"];
    call.extend(args);
    let output = run(transport, "sh", &call, Input::Empty).await;
    let expected: Vec<u8> = args.iter().flat_map(|arg| arg.bytes().chain([0])).collect();
    assert_eq!(output.stdout, expected, "{}", output.text());
}

/// Messages are in no local language, and the administrator's programs are found.
pub async fn surroundings(transport: &dyn Transport) {
    let output = run(transport, "sh", &["-c", r#"printf '%s %s' "$LC_ALL" "$PATH""#], Input::Empty).await;
    assert!(output.text().starts_with("C "), "{}", output.text());
    assert!(output.text().contains("/usr/sbin"), "{}", output.text());
}

/// Ten million bytes arrive unchanged.
pub async fn large_input(transport: &dyn Transport) {
    let bytes: Vec<u8> =
        (0..10_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes().into_iter().take(1)).collect();
    let expected = Digest::of(&bytes).hex();
    for input in [Input::Bytes(bytes.clone()), Input::Reader(Box::new(std::io::Cursor::new(bytes)))] {
        let output = run(transport, "sha256sum", &[], input).await;
        assert_eq!(output.text().split(' ').next(), Some(expected.as_str()));
    }
}

/// A secret arrives on the standard input.
pub async fn secret_input(transport: &dyn Transport) {
    let output = run(transport, "cat", &[], Secret::new("canary\n").into()).await;
    assert_eq!(output.text(), "canary\n");
}

/// A program may end without having read its input.
pub async fn unread_input(transport: &dyn Transport) {
    let output = run(transport, "sh", &["-c", "exit 3"], Input::Reader(Box::new(tokio::io::repeat(b'x')))).await;
    assert_eq!(output.status, 3);
}

/// Input that can't be read here is an error, not a short file there.
pub async fn broken_input(transport: &dyn Transport) {
    let error = transport.run("cat", &[], Input::Reader(Box::new(Broken))).await.err();
    assert!(matches!(error, Some(TransportError::Input { .. })), "{error:?}");
}

/// A file that breaks off at once.
struct Broken;

impl AsyncRead for Broken {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("broken on purpose")))
    }
}

/// Endless output is refused; the transport is usable afterwards.
pub async fn too_much_output(transport: &dyn Transport) {
    let zeros = (STDOUT_LIMIT + 1).to_string();
    let error = transport.run("head", &["-c", &zeros, "/dev/zero"], Input::Empty).await.err();
    assert!(matches!(error, Some(TransportError::OutputTooLong { .. })), "{error:?}");
    assert!(run(transport, "true", &[], Input::Empty).await.success());
}

/// More runs at once than a default sshd has sessions, each with its own answer.
pub async fn many_at_once(transport: &dyn Transport) {
    let one = |n: u32| async move {
        let n = n.to_string();
        let output = run(transport, "sh", &["-c", "cat; printf %s \"$1\"", "sh", &n], n.as_str().into()).await;
        assert_eq!(output.text(), format!("{n}{n}"));
    };
    tokio::join!(
        one(1),
        one(2),
        one(3),
        one(4),
        one(5),
        one(6),
        one(7),
        one(8),
        one(9),
        one(10),
        one(11),
        one(12),
        one(13),
        one(14),
        one(15),
        one(16),
        one(17),
        one(18),
        one(19),
        one(20)
    );
}

/// What goes over the wire is counted.
pub async fn traffic_is_counted(transport: &dyn Transport) {
    let before = transport.traffic();
    run(transport, "cat", &[], vec![b'x'; 100_000].into()).await;
    let after = transport.traffic();
    assert!(after.sent_bytes - before.sent_bytes >= 100_000, "{after:?}");
    assert!(after.received_bytes - before.received_bytes >= 100_000, "{after:?}");
}

/// A tunnel to `port` gives what the service there says first; a port without a service refuses.
pub async fn tunnel(transport: &dyn Transport, port: u16, greeting: &[u8]) {
    let mut stream = transport.tunnel(port).await.unwrap_or_else(|error| panic!("port {port}: {error:?}"));
    let mut seen = vec![0; greeting.len()];
    stream.read_exact(&mut seen).await.unwrap_or_else(|error| panic!("port {port}: {error:?}"));
    assert_eq!(seen, greeting);
    let refused = transport.tunnel(1).await.err();
    assert!(matches!(refused, Some(TransportError::TunnelRefused { port: 1, .. })), "{refused:?}");
}
