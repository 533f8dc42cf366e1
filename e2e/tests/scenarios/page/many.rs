//! The page of a gateway with ten thousand tunnels.

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use warren_e2e::{
    browser::Browser,
    daemon::sibling,
    http,
    site::Site,
    wait::{Ask, until},
};

use super::{SLOW, is_sound, looks_like, opened};
use crate::support::SOON;

/// What shows so many tunnels that no ledger of a test has them; it goes with this.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

pub(super) fn many(site: &mut Site<'_>) -> Result<()> {
    const TUNNELS: u64 = 10_000;
    let folder = site.world().directory().join("many");
    fs::create_dir_all(&folder)?;
    let socket = folder.join("many.sock");
    let mut command = Command::new(sibling("examples/page_at_scale")?);
    command.arg(&socket).args([TUNNELS.to_string(), "60".to_owned()]);
    let _gateway = Gateway(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    until("the gateway answers", SLOW, || {
        let answer = http::unix(&socket, "GET", "/healthz", "", Duration::from_secs(10));
        Ok(Ask::holds(answer.is_ok(), || "no answer".into()))
    })?;
    let (web, mut browser) = opened(&site.client().namespace, &socket)?;
    browser.shows("10,000 tunnels", SLOW)?;
    let drawn = browser.value("document.querySelectorAll('.space .row').length")?;
    ensure!(
        (1..100).contains(&drawn.as_u64().unwrap_or(0)),
        "{drawn} rows are drawn of {TUNNELS}"
    );
    let busy = browser.tell(&json!({"do": "busy", "of": SCROLL}))?;
    let moved = &busy["value"];
    let places = moved["places"].as_array().context("no places")?;
    ensure!(
        places.len() > 20 && places.iter().all(|rows| rows.as_u64() > Some(5)),
        "{moved}"
    );
    println!(
        "while it scrolled for two seconds and {TUNNELS} tunnels changed: {} frames; longest tasks on the clock {} ms, on the processor {} ms",
        moved["frames"], busy["clock"], busy["processor"]
    );
    keeps_the_focus(&mut browser)?;
    browser.until(
        "/^(?!.*\\b0 ).*\\d/.test(document.querySelector('.sums').innerText)",
        SLOW,
    )?;
    browser.tell(&json!({"do": "press", "key": "/"}))?;
    browser.tell(&json!({"do": "fill", "label": "Find a key or an address", "text": "20.0.39.15"}))?;
    browser.shows("1 found", SLOW)?;
    browser.tell(&json!({"do": "press", "key": "Tab"}))?;
    browser.tell(&json!({"do": "press", "key": "Tab"}))?;
    browser.tell(&json!({"do": "press", "key": "Enter"}))?;
    browser.until("document.querySelector('.card .path li')", SLOW)?;
    is_sound(&mut browser)?;
    looks_like(&mut browser, "gateway")?;
    let page = web.page()?;
    let all = "document.body.innerText.includes('10,000 tunnels') && !document.querySelector('p.stale')";
    let loaded = browser.tell(&json!({"do": "busy", "open": page, "holds": all}))?;
    println!(
        "while it was loaded: longest tasks on the clock {} ms, on the processor {} ms",
        loaded["clock"], loaded["processor"]
    );
    // Another tab is given all of it by the first one.
    browser.tell(&json!({"do": "tab"}))?;
    ensure!(browser.open(&page)? == 200);
    browser.until(all, SLOW)?;
    until("one reader", SOON, || {
        let answer = http::unix(&socket, "GET", "/v3/status", "", Duration::from_secs(10))?;
        let status: Value = serde_json::from_slice(&answer.body)?;
        let streams = &status["streams"];
        Ok(Ask::holds(streams["readers"] == 1, || streams.to_string()))
    })
    .map(drop)
}

/// Who has a row's focus keeps it while the row can be seen, and is nowhere else than in the table after that.
fn keeps_the_focus(browser: &mut Browser) -> Result<()> {
    browser.value(
        "document.querySelector('.scroll').scrollTop = 6400; new Promise((done) => setTimeout(done, 300))",
    )?;
    let focused = browser.value(
        "(() => { const row = document.querySelector('.space .row[aria-rowindex=\"206\"] button'); row.focus(); return row.title; })()",
    )?;
    ensure!(focused.as_str().is_some_and(|key| !key.is_empty()), "{focused}");
    for _ in 0..3 {
        browser.value(
            "document.querySelector('.scroll').scrollTop += 64; new Promise((done) => setTimeout(done, 100))",
        )?;
        ensure!(browser.value("document.activeElement.title")? == focused);
    }
    browser.value("document.querySelector('.scroll').scrollTop = 0")?;
    browser.until("document.activeElement.className === 'scroll'", SLOW)
}

/// Scrolls for two seconds, and tells how many rows were there at each place, and how often it was looked.
const SCROLL: &str = "(async () => {
    const places = [];
    const scroll = document.querySelector('.scroll');
    let frames = 0;
    const frame = () => new Promise(requestAnimationFrame);
    for (const end = performance.now() + 2000; performance.now() < end; frames += 1) {
        scroll.scrollTop += 400;
        await frame();
        await frame();
        const at = scroll.getBoundingClientRect();
        const seen = [...document.querySelectorAll('.space .row')].map((row) => row.getBoundingClientRect());
        places.push(seen.filter((row) => row.bottom > at.top && row.top < at.bottom).length);
    }
    return {frames, places};
})()";
