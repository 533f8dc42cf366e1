//! A status that is watched, through a pipe and on a terminal.

use super::*;

pub(super) fn watched(site: &mut Site<'_>) -> Result<()> {
    let mut daemon = site.start_daemon()?;
    let mut status = Reading::warren(site, &daemon, "watched", &["status", "--watch"])?;
    status.await_line("disconnected")?;
    await_readers(&daemon, 1)?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    status.await_line("BGP Session Up")?;
    daemon.terminate()?;
    status.await_line("warrend does not answer")?;
    daemon.resume()?;
    await_working(site, &daemon, &connection, SOON)?;
    until("it is shown again", SOON, || {
        let said = status.said();
        let last = said.rsplit("warrend does not answer").next().unwrap_or_default();
        Ok(Ask::holds(last.contains("BGP Session Up"), || said.clone()))
    })?;
    let said = status.said();
    ensure!(!said.contains('\u{1b}'), "it is no terminal: {said:?}");
    let blocks: Vec<&str> = said.split("\n\n").collect();
    ensure!(blocks.len() < 40, "a block for each change, and no other: {said}");
    Ok(())
}

/// `script` gives the program a terminal, and writes down all that comes over it.
pub(super) fn watched_on_a_terminal(site: &mut Site<'_>) -> Result<()> {
    let mut daemon = site.start_daemon()?;
    let typed = format!(
        "exec {} --sock-file {} status --watch",
        sibling("warren")?.display(),
        daemon.socket().display()
    );
    let mut command = site.client().namespace.command("script");
    command.args(["-qefc", &typed, "/dev/null"]);
    let mut status = Reading::start_with(command, &daemon, "terminal", Stdio::piped())?;
    status.await_line("disconnected")?;
    await_readers(&daemon, 1)?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    status.await_line("BGP Session Up")?;
    daemon.terminate()?;
    status.await_line("warrend does not answer")?;
    let mut keys = status.child.stdin.take().context("no keyboard")?;
    keys.write_all(b"\x03")?;
    status.await_end()?;
    let said = status.said();
    let (before, shown) = said.split_once(BEGIN).context("it takes no page of its own")?;
    let (shown, left) = shown.split_once(END).context("it leaves the page as it was")?;
    // The terminal says itself which keys were pressed.
    let shown = shown.strip_suffix("^C").unwrap_or(shown);
    ensure!(before.is_empty(), "{before:?}");
    ensure!(
        left.contains("BGP Session Up"),
        "what was shown last stays to be read: {left:?}"
    );
    let frames: Vec<&str> = shown.split(HOME).skip(1).collect();
    ensure!(frames.len() >= 3, "it is drawn anew when it changes: {shown:?}");
    for frame in frames {
        is_painted_over(frame).with_context(|| format!("{frame:?}"))?;
    }
    Ok(())
}

/// How `warren top` is ended: by a key, or by a signal.
const ENDS: [(&str, (u16, u16), Option<&str>); 4] = [
    ("key", (24, 80), None),
    ("term", (24, 80), Some("TERM")),
    ("hup", (50, 160), Some("HUP")),
    ("int", (24, 80), Some("INT")),
];

pub(super) fn topped(site: &mut Site<'_>) -> Result<()> {
    let daemon = site.start_daemon()?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    for (name, (rows, columns), signal) in ENDS {
        let pid = daemon.state_directory().with_file_name(format!("top-{name}.pid"));
        let typed = format!(
            "stty rows {rows} cols {columns}; sh -c 'echo $$ > {}; exec {} --sock-file {} top'; echo \"ended $?\"; stty -a",
            pid.display(),
            sibling("warren")?.display(),
            daemon.socket().display()
        );
        let mut command = site.client().namespace.command("script");
        command.args(["-qefc", &typed, "/dev/null"]).env("TERM", "xterm");
        let mut top = Reading::start_with(command, &daemon, &format!("top-{name}"), Stdio::piped())?;
        // Where there is nothing to be painted, nothing is.
        top.await_line("doublezero0")?;
        // The last line is where the terminal ends.
        top.await_line(&format!("\x1b[{rows};1H"))?;
        top.await_line("q quits")?;
        match signal {
            None => top.child.stdin.as_mut().context("no keyboard")?.write_all(b"q")?,
            Some(signal) => {
                let pid = fs::read_to_string(&pid)?;
                let sent = Command::new("kill").args(["-s", signal, pid.trim()]).status()?;
                ensure!(sent.success(), "{signal} is not sent");
            }
        }
        top.await_end()?;
        let said = top.said();
        let (shown, left) = said
            .rsplit_once("\x1b[?1049l")
            .with_context(|| format!("{name}: it does not leave its page: {said:?}"))?;
        ensure!(shown.contains("\x1b[?1049h"), "{name}: {shown:?}");
        ensure!(left.contains("ended 0"), "{name}: {left:?}");
        // Lines are edited and keys are shown again, and there is a cursor.
        for word in [" icanon", " echo "] {
            ensure!(left.contains(word), "{name}: {left:?} lacks {word:?}");
        }
        let (hidden, seen) = (said.rfind("\x1b[?25l"), said.rfind("\x1b[?25h"));
        ensure!(hidden < seen, "{name}: the cursor is hidden");
    }
    Ok(())
}

/// The terminal's other page, without a cursor and without lines that go on in the next one; and back.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const END: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// To the first line.
const HOME: &str = "\x1b[1;1H";

/// Each line is written over the one in its place; what is left of that, and what is below the last one, goes afterwards.
fn is_painted_over(frame: &str) -> Result<()> {
    let lines = frame.strip_suffix("\x1b[J").context("more is cleared, or less")?;
    for (number, line) in lines.split("\x1b[K").enumerate() {
        let place = if number == 0 {
            String::new()
        } else {
            format!("\x1b[{};1H", number + 1)
        };
        let text = line.strip_prefix(&place).or(line.is_empty().then_some(""));
        let text = text.with_context(|| format!("line {number} is elsewhere"))?;
        ensure!(!without_colours(text).contains('\x1b'), "{text:?}");
    }
    Ok(())
}

/// Colours move nothing and clear nothing.
fn without_colours(text: &str) -> String {
    let colours = ["0", "1", "2", "31", "32", "33", "36"].map(|code| format!("\x1b[{code}m"));
    colours
        .iter()
        .fold(text.to_owned(), |text, colour| text.replace(colour, ""))
}
