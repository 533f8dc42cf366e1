use super::*;

const AT: &str = "0000000000000000000000000000000a.1.10";

fn frame(name: &str, data: Value) -> Frame {
    Frame {
        name: name.to_owned(),
        id: None,
        data: data.to_string(),
    }
}

#[test]
fn an_event_is_a_line_in_the_daemons_words_that_do_nothing_to_a_terminal() {
    let event = json!({"kind": "of_later", "unix_ms": 1_760_464_781_999_u64, "level": "warn", "text": "what a later\u{1b} daemon says\n"});
    let text = in_words(&event);
    assert!(
        text.starts_with("2025-10-14 17:59:41 UTC  warn   what a later"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}') && !text.contains('\n'), "{text:?}");
    assert!(in_words(&json!({"kind": "switched"})).ends_with("  switched"));
}

#[test]
fn what_is_too_much_to_be_told_at_once_is_asked_for_piece_by_piece() {
    let mut teller = FramePrinter::new(false, false);
    let event = json!({"position": AT, "kind": "switched", "text": "x", "unix_ms": 1});
    let reset = frame(
        "reset",
        json!({"asked": AT, "reason": "too much happened since then"}),
    );
    assert_eq!(teller.frame(&frame("event", event)).unwrap(), Next::More);
    let position = AT.parse().unwrap();
    assert_eq!(teller.frame(&reset).unwrap(), Next::After(position));
    assert_eq!(
        teller.frame(&reset).unwrap(),
        Next::More,
        "without an event between them it would go on for ever"
    );
}

#[test]
fn who_was_too_slow_asks_again_for_what_was_left_out() {
    let mut teller = FramePrinter::new(true, false);
    let gap = frame(
        "gap",
        json!({"from": AT, "to": "0000000000000000000000000000000a.1.20", "dropped": 4}),
    );
    assert_eq!(teller.frame(&gap).unwrap(), Next::After(AT.parse().unwrap()));
}

#[test]
fn a_daemon_that_was_never_there_is_an_error_and_one_that_goes_is_waited_for() {
    let lost = || ClientError::Missing("/x".into());
    let mut teller = FramePrinter::new(true, false);
    assert!(teller.lost(lost()).is_err());
    teller
        .frame(&frame("snapshot", json!({"position": AT, "state": {}})))
        .unwrap();
    assert_eq!(teller.lost(lost()).unwrap(), Next::More);
    let mut once = FramePrinter::new(false, false);
    once.frame(&frame("snapshot", json!({"position": AT, "state": {}})))
        .unwrap();
    assert!(
        once.lost(lost()).is_err(),
        "who does not follow waits for nothing"
    );
}

#[test]
fn a_query_has_nothing_in_it_that_means_something_else() {
    assert_eq!(escaped("tunnel,session"), "tunnel,session");
    assert_eq!(escaped("a&b=c d"), "a%26b%3Dc%20d");
}
