//! `warren status --watch`.

use std::{
    io::{self, IsTerminal as _},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use warren_api::{client::Client, v3};

use super::{Shown, look};
use crate::{OK, changes::Changes, ended::Ended, output, picture::Style as Can};

/// Another page that the terminal shows until it is left, without a cursor and without a line that goes on in the next one.
const BEGIN: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const END: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// From one look to the next: how long something lasts is shown on a terminal.
const TICK: Duration = Duration::from_secs(1);

/// Shows the services whenever they change, until it is interrupted or nobody reads any more: on a terminal in the same place, otherwise
/// a block for each change, as JSON a line.
///
/// # Errors
/// When the daemon does not answer the first time, or answers what makes no sense.
pub async fn run(client: &Client, as_json: bool) -> anyhow::Result<u8> {
    let first = look(client, None).await?;
    let mut screen = Screen::begin(as_json)?;
    let mut changes = Changes::of(client);
    let mut ended = Ended::watch()?;
    if !screen.show(&first)? {
        return Ok(OK);
    }
    loop {
        tokio::select! {
            () = changes.next(TICK) => {}
            () = ended.told() => return Ok(OK),
        }
        let goes_on = match look(client, changes.told()).await {
            Ok(shown) => screen.show(&shown)?,
            Err(error) if error.is_unreachable() => screen.gone(&error.to_string())?,
            Err(error) => return Err(error.into()),
        };
        if !goes_on {
            return Ok(OK);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Terminal,
    Plain,
    Json,
}

/// What is shown, and where.
struct Screen {
    style: Style,
    /// What matters of what is shown: how long it lasts does not.
    shown: Option<Value>,
    lines: Vec<String>,
}

impl Screen {
    fn begin(as_json: bool) -> anyhow::Result<Self> {
        let style = match (as_json, io::stdout().is_terminal()) {
            (true, _) => Style::Json,
            (false, true) => Style::Terminal,
            (false, false) => Style::Plain,
        };
        if style == Style::Terminal {
            output::text(BEGIN)?;
        }
        Ok(Self {
            style,
            shown: None,
            lines: Vec::new(),
        })
    }

    /// Says whether anybody still reads.
    fn show(&mut self, shown: &Shown) -> anyhow::Result<bool> {
        let what = what_matters(shown);
        let is_new = self.shown.as_ref() != Some(&what);
        self.shown = Some(what);
        match self.style {
            Style::Terminal => self.paint(lines(shown)),
            Style::Plain if is_new => self.block(lines(shown)),
            Style::Json if is_new => Ok(output::line(&serde_json::to_string(&shown.document())?)?),
            Style::Plain | Style::Json => Ok(true),
        }
    }

    /// What was shown last is of the past.
    fn gone(&mut self, why: &str) -> anyhow::Result<bool> {
        let is_new = self.shown.take().is_some();
        let said = format!("warrend does not answer ({}); what was:", output::tame(why));
        match self.style {
            Style::Terminal if is_new => {
                let was = std::mem::take(&mut self.lines);
                self.paint([said].into_iter().chain(was).collect())
            }
            Style::Plain if is_new => self.block(vec![now(), said.replace("; what was:", "")]),
            Style::Json if is_new => {
                let gone = json!({ "schema": v3::SCHEMA, "unreachable": why });
                Ok(output::line(&gone.to_string())?)
            }
            Style::Terminal | Style::Plain | Style::Json => Ok(true),
        }
    }

    fn paint(&mut self, lines: Vec<String>) -> anyhow::Result<bool> {
        if lines != self.lines {
            output::text(&painted(&lines))?;
            self.lines = lines;
        }
        Ok(true)
    }

    fn block(&mut self, lines: Vec<String>) -> anyhow::Result<bool> {
        Ok(output::line(&(lines.join("\n") + "\n"))?)
    }
}

impl Drop for Screen {
    /// What was shown last stays to be read.
    fn drop(&mut self) {
        if self.style == Style::Terminal {
            let _unwritable = output::text(&format!("{END}{}\n", self.lines.join("\n")));
        }
    }
}

/// Each line over the one that is in its place: nothing is cleared before something else is there, and a screen that is too small has the
/// first of them.
fn painted(lines: &[String]) -> String {
    let each = lines.iter().enumerate();
    let each = each.map(|(number, line)| format!("\x1b[{};1H{line}\x1b[K", number + 1));
    each.collect::<String>() + "\x1b[J"
}

/// Without empty lines: one stands between a block and the next.
fn lines(shown: &Shown) -> Vec<String> {
    let picture = shown.text(Can::of_stdout());
    [now()]
        .into_iter()
        .chain(picture.lines().filter(|line| !line.is_empty()).map(str::to_owned))
        .collect()
}

fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    output::date(now.as_secs())
}

fn what_matters(shown: &Shown) -> Value {
    let status = shown.status.as_ref().map(|status| {
        let tunnels = status.tunnels.iter().map(|tunnel| {
            json!([tunnel.id, tunnel.phase, tunnel.session, tunnel.session_cause, tunnel.failure.as_ref().map(|failure| &failure.detail)])
        });
        json!({
            "enabled": status.enabled, "stopping": status.stopping, "switch": status.switch_unknown, "store": status.store_problem,
            "address": status.client_ip, "stale": status.view.stale, "held": status.view.held,
            "tunnels": tunnels.collect::<Vec<_>>(), "refused": status.refused.iter().map(|refused| &refused.code).collect::<Vec<_>>(),
        })
    });
    json!([shown.table(), status])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_painted_over_line_by_line_and_never_cleared_before() {
        let text = painted(&["one".to_owned(), "two".to_owned()]);
        assert_eq!(text, "\x1b[1;1Hone\x1b[K\x1b[2;1Htwo\x1b[K\x1b[J");
    }
}
