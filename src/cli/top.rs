//! `warren top`: the picture of what a host's tunnels do, on a terminal, as it changes.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use anyhow::bail;
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout},
    style::{Color, Modifier, Style as Look},
    text::{Line as Row, Span as Piece, Text},
    widgets::{Block, Borders, Paragraph},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use warren_api::{client::Client, v3::JournalPage};

use super::{
    OK,
    changes::Changes,
    ended::Ended,
    output,
    picture::{Line, Style, Tone, span},
    status::{Shown, look},
};

/// From one look to the next, at most: ages grow.
const TICK: Duration = Duration::from_secs(1);
/// Columns that what a line did not have room for is further in.
const FURTHER_IN: usize = 2;
/// Lines of what happened last, below the picture.
const HAPPENED: u16 = 6;

/// Shows the picture until `q`, or once.
///
/// # Errors
/// When the daemon does not answer the first time, or standard output is not a terminal.
pub async fn run(client: &Client, once: bool, as_json: bool) -> anyhow::Result<u8> {
    let first = look(client, None).await?;
    if as_json {
        return match first.picture() {
            Some(picture) => output::json(&picture),
            None => bail!("this daemon offers no more than `warren status` shows"),
        };
    }
    if once {
        return output::text(&first.text(Style::of_stdout()));
    }
    if !io::stdout().is_terminal() {
        bail!("standard output is not a terminal: `warren top --once` prints the picture once");
    }
    let mut ended = Ended::watch()?;
    let mut terminal = ratatui::try_init()?;
    let shown = tokio::select! {
        shown = follow(client, &mut terminal, first) => shown,
        () = ended.told() => Ok(()),
    };
    ratatui::try_restore()?;
    shown.map(|()| OK)
}

async fn follow(client: &Client, terminal: &mut DefaultTerminal, first: Shown) -> anyhow::Result<()> {
    let mut keys = keys();
    let mut changes = Changes::of(client);
    let mut screen = Screen::of(&first, happened(client).await);
    loop {
        terminal.draw(|frame| screen.draw(frame))?;
        tokio::select! {
            () = changes.next(TICK) => match look(client, changes.told()).await {
                Ok(shown) => screen.show(&shown, happened(client).await),
                Err(error) => screen.stale = Some(error.to_string()),
            },
            key = keys.recv() => match key {
                Some(key) if !screen.pressed(key) => {}
                Some(_) | None => return Ok(()),
            },
        }
    }
}

/// What is pressed; a terminal that changed its size counts as something that does nothing.
fn keys() -> UnboundedReceiver<KeyEvent> {
    let (pressed, keys) = unbounded_channel();
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            let key = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => key,
                Event::Resize(..) => KeyEvent::new(KeyCode::Null, KeyModifiers::NONE),
                Event::Key(_) | Event::Mouse(_) | Event::Paste(_) | Event::FocusGained | Event::FocusLost => {
                    continue;
                }
            };
            if pressed.send(key).is_err() {
                return;
            }
        }
    });
    keys
}

/// What happened last, the newest first; nothing where the daemon keeps none.
async fn happened(client: &Client) -> Vec<String> {
    // Measurements come each minute, and would be all that is seen of a quiet host.
    let page: Result<JournalPage, _> = client
        .read(&format!("/v3/journal?level=info&limit={HAPPENED}"))
        .await;
    let entries = page.map(|page| page.entries).unwrap_or_default();
    let told = |entry: &serde_json::Value| {
        let when = output::date(entry["unix_ms"].as_u64()? / 1000);
        Some(output::tame(&format!("{when}  {}", entry["text"].as_str()?)))
    };
    entries.iter().rev().filter_map(told).collect()
}

/// What is on the terminal.
struct Screen {
    lines: Vec<Line>,
    happened: Vec<String>,
    /// Why what is shown is of the past.
    stale: Option<String>,
    scrolled: usize,
    height: usize,
}

impl Screen {
    fn of(shown: &Shown, happened: Vec<String>) -> Self {
        let mut screen = Self {
            lines: Vec::new(),
            happened: Vec::new(),
            stale: None,
            scrolled: 0,
            height: 0,
        };
        screen.show(shown, happened);
        screen
    }

    fn show(&mut self, shown: &Shown, happened: Vec<String>) {
        self.lines = shown.lines(Style::of_stdout());
        (self.happened, self.stale) = (happened, None);
    }

    /// Whether that was the end.
    fn pressed(&mut self, key: KeyEvent) -> bool {
        let page = self.height.saturating_sub(1).max(1);
        #[allow(clippy::wildcard_enum_match_arm, reason = "all other keys do nothing")]
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Down | KeyCode::Char('j') => self.scrolled += 1,
            KeyCode::Up | KeyCode::Char('k') => self.scrolled = self.scrolled.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scrolled += page,
            KeyCode::PageUp => self.scrolled = self.scrolled.saturating_sub(page),
            KeyCode::Home => self.scrolled = 0,
            KeyCode::End => self.scrolled = usize::MAX,
            _ => {}
        }
        false
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let happened = if frame.area().height >= 24 {
            HAPPENED + 1
        } else {
            0
        };
        let [top, middle, bottom, last] = Layout::vertical([
            Constraint::Length(u16::from(self.stale.is_some())),
            Constraint::Min(1),
            Constraint::Length(happened),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        if let Some(why) = &self.stale {
            let said = span(format!("stale: {why}"), Tone::Attention);
            frame.render_widget(Text::from(row(&vec![said])), top);
        }
        let lines: Vec<Line> = self
            .lines
            .iter()
            .flat_map(|line| wrapped(line, middle.width.into()))
            .collect();
        self.height = usize::from(middle.height);
        self.scrolled = self.scrolled.min(lines.len().saturating_sub(self.height));
        let seen = lines.iter().skip(self.scrolled).take(self.height);
        frame.render_widget(Paragraph::new(seen.map(row).collect::<Vec<_>>()), middle);
        let events: Vec<Row<'_>> = self.happened.iter().map(|line| Row::raw(line.as_str())).collect();
        let block = Block::default().borders(Borders::TOP).title("what happened");
        frame.render_widget(Paragraph::new(events).block(block), bottom);
        let below = lines.len().saturating_sub(self.scrolled + self.height);
        let more = if below > 0 {
            format!("  {below} more lines below")
        } else {
            String::new()
        };
        let help = format!("q quits, arrows and PgUp/PgDn scroll{more}");
        frame.render_widget(Text::styled(help, look_of(Tone::Quiet)), last);
    }
}

/// A line in as many as it takes, each after the first one further in; broken between words, where a word has room.
fn wrapped(line: &Line, width: usize) -> Vec<Line> {
    let letters = |line: &Line| line.iter().map(|span| span.text.chars().count()).sum::<usize>();
    let first = line.first().map_or("", |span| span.text.as_str());
    let indent = " ".repeat((first.len() - first.trim_start().len() + FURTHER_IN).min(width / 2));
    let (mut done, mut last) = (Vec::new(), Line::new());
    for piece in line {
        for word in piece.text.split_inclusive(' ') {
            let mut rest = word;
            while letters(&last) + rest.trim_end().chars().count() > width {
                let is_begun = letters(&last) > indent.len();
                let room = width.saturating_sub(letters(&last)).max(1);
                if !is_begun {
                    let end = rest.char_indices().nth(room).map_or(rest.len(), |(at, _)| at);
                    last.push(span(&rest[..end], piece.tone));
                    rest = &rest[end..];
                }
                done.push(std::mem::replace(
                    &mut last,
                    vec![span(indent.clone(), Tone::Plain)],
                ));
            }
            last.push(span(rest, piece.tone));
        }
    }
    done.push(last);
    done
}

fn row(line: &Line) -> Row<'_> {
    let pieces = line
        .iter()
        .map(|span| Piece::styled(span.text.as_str(), look_of(span.tone)));
    Row::from(pieces.collect::<Vec<_>>())
}

fn look_of(tone: Tone) -> Look {
    let plain = Look::default();
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) && tone != Tone::Strong {
        return plain;
    }
    match tone {
        Tone::Plain => plain,
        Tone::Quiet => plain.add_modifier(Modifier::DIM),
        Tone::Strong => plain.add_modifier(Modifier::BOLD),
        Tone::Good => plain.fg(Color::Green),
        Tone::Going => plain.fg(Color::Cyan),
        Tone::Attention => plain.fg(Color::Yellow),
        Tone::Bad => plain.fg(Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    fn screen(lines: usize) -> Screen {
        let line = |number: usize| vec![span(format!("line {number}"), Tone::Plain)];
        Screen {
            lines: (0..lines).map(line).collect(),
            happened: vec!["2026-11-27  enabled".to_owned()],
            stale: None,
            scrolled: 0,
            height: 0,
        }
    }

    fn drawn(screen: &mut Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let cells = buffer.content().chunks(usize::from(width));
        cells
            .map(|row| {
                row.iter()
                    .map(|cell| cell.symbol())
                    .collect::<String>()
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn on_the_smallest_terminal_the_picture_comes_first_and_what_happened_below() {
        let mut screen = screen(40);
        let rows = drawn(&mut screen, 80, 24);
        assert_eq!(rows[0], "line 0");
        assert!(rows[16].starts_with("what happened"), "{rows:?}");
        assert_eq!(rows[17], "2026-11-27  enabled");
        assert_eq!(
            rows[23],
            "q quits, arrows and PgUp/PgDn scroll  24 more lines below"
        );
    }

    #[test]
    fn what_a_narrow_terminal_has_no_room_for_goes_on_in_the_next_line_and_nothing_is_cut() {
        let text = "  x session the device was asked for its session 17 times and has never said a word of it, see `warren doctor`";
        let line = vec![span(&text[..12], Tone::Bad), span(&text[12..], Tone::Plain)];
        let mut screen = Screen {
            lines: vec![line.clone()],
            ..screen(0)
        };
        let rows = drawn(&mut screen, 80, 24);
        assert_eq!(
            rows[..2],
            [
                "  x session the device was asked for its session 17 times and has never said a",
                "    word of it, see `warren doctor`"
            ]
        );
        for width in 1..150 {
            let lines = wrapped(&line, width);
            let text_of = |line: &Line| line.iter().map(|span| span.text.as_str()).collect::<String>();
            let words: String = lines.iter().map(text_of).collect();
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&words), letters(text), "{width}");
            assert!(
                lines
                    .iter()
                    .all(|line| text_of(line).trim_end().chars().count() <= width),
                "{width}: {lines:?}"
            );
        }
        assert_eq!(wrapped(&Line::new(), 80), [Line::new()]);
    }

    #[test]
    fn it_scrolls_to_the_end_and_no_further_and_q_ends_it() {
        let mut screen = screen(40);
        drawn(&mut screen, 80, 24);
        let press = |screen: &mut Screen, code| screen.pressed(KeyEvent::new(code, KeyModifiers::NONE));
        for code in [KeyCode::End, KeyCode::Down, KeyCode::PageDown] {
            assert!(!press(&mut screen, code));
            assert_eq!(drawn(&mut screen, 80, 24)[15], "line 39", "{code:?}");
        }
        press(&mut screen, KeyCode::Home);
        assert_eq!(drawn(&mut screen, 80, 24)[0], "line 0");
        assert!(press(&mut screen, KeyCode::Char('q')));
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_told_above_what_was() {
        let mut screen = screen(3);
        screen.stale = Some("nobody answers".to_owned());
        let rows = drawn(&mut screen, 80, 24);
        assert_eq!(rows[..2], ["stale: nobody answers", "line 0"]);
    }
}
