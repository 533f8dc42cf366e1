//! The live page in a real browser: `warren web`, Chromium, and a tunnel that comes, is changed, and goes.

mod many;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use warren_e2e::{
    browser::{self, Browser},
    daemon::{Daemon, sibling},
    netns::Namespace,
    observe::{await_gone, await_working, link_index},
    ping,
    site::{LINK, Site, TEST_ADDRESSES},
    wait::{Ask, until},
};
use warren_ledger::accounts::{UserStatus, UserType};

use crate::{Scenario, support::SOON};

/// Those that need a browser.
pub const BROWSER: &[Scenario] = &[
    (
        "the_page_shows_a_tunnel_over_a_connect_a_drift_a_restart_and_a_ban",
        lived,
    ),
    (
        "two_tabs_share_a_stream_and_none_is_left_when_both_are_hidden",
        shared,
    ),
    (
        "the_page_asks_twice_and_then_disables_with_the_callers_rights",
        switched,
    ),
    (
        "what_the_ledger_says_is_text_on_the_page_and_only_changes_of_state_are_read_out",
        foreign_text,
    ),
    (
        "the_page_shows_what_a_tunnel_used_of_its_cap_and_that_it_is_held",
        capped,
    ),
    (
        "ten_thousand_tunnels_scroll_and_are_found_while_they_change",
        many::many,
    ),
];

/// How much of a kept picture may differ. Ages, times and keys are 0.3 % of it from one run to the next; where something more happened, what is
/// below that line moves, and 7 % differ.
const TOLERANCE: f64 = 0.08;
/// The browser starts, and a page is drawn.
const SLOW: Duration = Duration::from_secs(30);
/// The whole way of the one tunnel is there.
const WORKS: &str =
    "document.querySelectorAll('.path li.ok').length >= 5 && !document.querySelector('p.stale')";

/// Nothing on the page moves by itself.
const STILL: &str = "[...document.querySelectorAll('*')].map((one) => getComputedStyle(one))\
    .every((style) => style.transitionDuration === '0s' && style.animationName === 'none')";
/// What has a colour has a sign and a word too.
const SAID: &str =
    "[...document.querySelectorAll('.badge')].every((one) => one.textContent.trim().split(' ').length > 1)";

/// When something was seen first, in milliseconds.
const PAINT: &str = "Math.round(performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0)";
const PAINTED: &str = "performance.getEntriesByName('first-contentful-paint').length > 0";

/// `warren web`, and the link that it printed; it goes with this.
struct Web {
    child: Child,
    link: String,
}

impl Web {
    fn start(namespace: &Namespace, socket: &Path) -> Result<Self> {
        let mut command = namespace.command(sibling("warren")?);
        command.arg("--sock-file").arg(socket).arg("web");
        let home = socket.parent().context("no folder")?;
        command.env_clear().env("HOME", home);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run warren web")?;
        let mut link = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut link)?;
        ensure!(link.starts_with("http://127.0.0.1:"), "{link:?}");
        let link = link.trim().to_owned();
        Ok(Self { child, link })
    }

    /// The page, for a browser that has the cookie.
    fn page(&self) -> Result<String> {
        let place = self.link.split('?').next().context("no place")?;
        Ok(format!("{place}ui/"))
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// A browser beside a daemon, with the page open.
fn opened(namespace: &Namespace, socket: &Path) -> Result<(Web, Browser)> {
    let web = Web::start(namespace, socket)?;
    let home = socket.parent().context("no folder")?;
    let mut browser = Browser::start(namespace.command("node"), home)?;
    ensure!(browser.open(&web.link)? == 200);
    let place = browser.value("location.pathname + location.search")?;
    ensure!(place == "/ui/", "the token is not in the address: {place}");
    browser.until(PAINTED, SLOW)?;
    println!(
        "first painted {} ms after it was asked for",
        browser.value(PAINT)?
    );
    Ok((web, browser))
}

/// Nobody is kept out, in both colours and on a small screen; nothing is asked of elsewhere, and nothing was refused to the page.
fn is_sound(browser: &mut Browser) -> Result<()> {
    for colours in ["dark", "light"] {
        browser.tell(&json!({"do": "look", "colours": colours, "motion": "reduce"}))?;
        let found = browser.tell(&json!({"do": "axe"}))?;
        ensure!(found == json!([]), "{colours}: {found}");
    }
    ensure!(
        browser.value(STILL)? == true,
        "something moves for somebody who asked for less of it"
    );
    ensure!(browser.value(SAID)? == true, "a colour says what no word says");
    for (width, height) in [(360, 740), (3840, 2160), (1280, 900)] {
        browser.tell(&json!({"do": "size", "width": width, "height": height}))?;
        let wide = browser.value("document.documentElement.scrollWidth <= innerWidth")?;
        ensure!(wide == true, "at {width} it is wider than the screen");
    }
    let complaints = browser.tell(&json!({"do": "complaints"}))?;
    ensure!(complaints == json!([]), "{complaints}");
    Ok(())
}

/// What is seen is what was seen when somebody looked at it last.
fn looks_like(browser: &mut Browser, name: &str) -> Result<()> {
    let folder = browser::page().with_file_name("docs").join("page");
    let path = folder.join(format!("{name}.png"));
    let write = std::env::var_os("WARREN_WRITE_PICTURES").is_some();
    if write {
        fs::create_dir_all(&folder)?;
    }
    let differs = browser.tell(&json!({"do": "picture", "path": path, "write": write}))?;
    let differs = differs.as_f64().context("no share")?;
    println!("{name}: {differs:.4} of the picture differs");
    ensure!(
        differs <= TOLERANCE,
        "{name}: {differs:.3} of it differs; WARREN_WRITE_PICTURES=1 keeps the new one"
    );
    Ok(())
}

fn await_readers(daemon: &Daemon, count: u64) -> Result<()> {
    until(&format!("{count} readers"), SOON, || {
        let readers = &daemon.json("/v3/status")?["streams"]["readers"];
        Ok(Ask::holds(readers.as_u64() == Some(count), || {
            readers.to_string()
        }))
    })
    .map(drop)
}

fn lived(site: &mut Site<'_>) -> Result<()> {
    let mut daemon = site.start_daemon()?;
    let client = Arc::clone(&site.client().namespace);
    let (web, mut browser) = opened(&client, &daemon.socket())?;
    browser.shows("There are none.", SLOW)?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    browser.until(WORKS, SLOW)?;
    browser.until(
        "document.querySelector('.card h3').innerText.includes('doublezero0')",
        SLOW,
    )?;
    browser.shows("peering -> active", SLOW)?;
    is_sound(&mut browser)?;
    looks_like(&mut browser, "tunnel")?;

    let before = link_index(&client, LINK)?;
    client.ip(&format!("link del {LINK}\n"))?;
    until("another link is there", SOON, || {
        let is_new = link_index(&client, LINK).is_ok_and(|index| index != before);
        Ok(Ask::holds(is_new, || "no new link".into()))
    })?;
    browser.shows("was changed by something else and repaired", SLOW)?;
    await_working(site, &daemon, &connection, SOON)?;
    browser.until(WORKS, SLOW)?;

    daemon.terminate()?;
    browser.shows("stale since", SLOW)?;
    is_sound(&mut browser)?;
    daemon.resume()?;
    await_working(site, &daemon, &connection, SOON)?;
    browser.until(WORKS, SLOW)?;
    await_readers(&daemon, 1)?;

    connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&client, &daemon, SOON)?;
    browser.shows("the user is banned", SLOW)?;
    browser.until("document.querySelectorAll('.path li.wrong').length === 1", SLOW)?;
    is_sound(&mut browser)?;
    looks_like(&mut browser, "banned")?;
    ensure!(browser.open(&web.link)? == 403, "the link works once");
    Ok(())
}

fn shared(site: &mut Site<'_>) -> Result<()> {
    let daemon = site.start_daemon()?;
    let client = Arc::clone(&site.client().namespace);
    let (web, mut browser) = opened(&client, &daemon.socket())?;
    browser.shows("There are none.", SLOW)?;
    browser.tell(&json!({"do": "tab"}))?;
    let page = web.page()?;
    ensure!(browser.open(&page)? == 200, "the cookie is the browser's");
    browser.shows("There are none.", SLOW)?;
    let connection = site.connect(0, UserType::IBRL)?;
    await_working(site, &daemon, &connection, SOON)?;
    for tab in [0, 1] {
        browser.tell(&json!({"do": "turn", "to": tab}))?;
        browser.until(WORKS, SLOW)?;
    }
    await_readers(&daemon, 1)?;
    // Headless, no tab is ever hidden by another: each is told that it is.
    let become_ = |browser: &mut Browser, tab: u64, state: &str| -> Result<()> {
        browser.tell(&json!({"do": "turn", "to": tab}))?;
        let told = format!(
            "Object.defineProperty(document, 'visibilityState', {{configurable: true, get: () => '{state}'}}); \
             document.dispatchEvent(new Event('visibilitychange'))"
        );
        browser.value(&told).map(drop)
    };
    become_(&mut browser, 0, "hidden")?;
    await_readers(&daemon, 1)?;
    browser.tell(&json!({"do": "turn", "to": 1}))?;
    browser.until(WORKS, SLOW)?;
    become_(&mut browser, 1, "hidden")?;
    await_readers(&daemon, 0)?;
    connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&client, &daemon, SOON)?;
    become_(&mut browser, 0, "visible")?;
    browser.shows("the user is banned", SLOW)?;
    await_readers(&daemon, 1)
}

fn switched(site: &mut Site<'_>) -> Result<()> {
    let connection = site.connect(0, UserType::IBRL)?;
    let daemon = site.start_daemon()?;
    await_working(site, &daemon, &connection, SOON)?;
    let client = Arc::clone(&site.client().namespace);
    let (_web, mut browser) = opened(&client, &daemon.socket())?;
    browser.until(WORKS, SLOW)?;
    let enabled = |daemon: &Daemon| -> Result<Value> { Ok(daemon.json("/v3/status")?["enabled"].take()) };
    let status = browser.value("fetch('/disable', {method: 'POST'}).then((answer) => answer.status)")?;
    ensure!(status == 428, "it was not confirmed: {status}");
    browser.tell(&json!({"do": "click", "role": "button", "name": "Disable…"}))?;
    ensure!(enabled(&daemon)? == true, "it asks first");
    let found = browser.tell(&json!({"do": "axe"}))?;
    ensure!(found == json!([]), "{found}");
    // What is chosen where nobody chooses is to leave it.
    browser.tell(&json!({"do": "press", "key": "Enter"}))?;
    browser.until("!document.querySelector('dialog').open", SLOW)?;
    ensure!(enabled(&daemon)? == true);
    browser.tell(&json!({"do": "click", "role": "button", "name": "Disable…"}))?;
    browser.tell(&json!({"do": "click", "role": "button", "name": "Disable it"}))?;
    await_gone(&client, &daemon, SOON)?;
    browser.shows("the daemon is disabled", SLOW)?;
    ensure!(enabled(&daemon)? == false);
    Ok(())
}

fn foreign_text(site: &mut Site<'_>) -> Result<()> {
    const NAME: &str = "<img src=x onerror=bad()>";
    site.network
        .edit_device(site.device_key(), |device| device.code = NAME.to_owned())?;
    let connection = site.connect(0, UserType::IBRL)?;
    let daemon = site.start_daemon()?;
    await_working(site, &daemon, &connection, SOON)?;
    let client = Arc::clone(&site.client().namespace);
    let (_web, mut browser) = opened(&client, &daemon.socket())?;
    browser.until(WORKS, SLOW)?;
    browser.shows(NAME, SLOW)?;
    ensure!(browser.value("document.querySelectorAll('img').length")? == 0);

    // Ages grow and packets pass, and nothing of it is read out.
    let regions =
        browser.value("document.querySelectorAll('[aria-live], [role=alert], [role=status]').length")?;
    ensure!(regions == 1, "{regions} places are read out");
    browser.value(
        "globalThis.told = []; new MutationObserver(() => told.push(document.querySelector('[aria-live]').textContent))
            .observe(document.querySelector('[aria-live]'), {subtree: true, childList: true, characterData: true}); 1",
    )?;
    browser.until(
        "((now) => (globalThis.first ??= now) !== now)(document.querySelector('.path').textContent)",
        SLOW,
    )?;
    let told = browser.value("told")?;
    ensure!(told == json!([]), "{told}");
    connection.set_status(&site.network, UserStatus::BANNED)?;
    await_gone(&client, &daemon, SOON)?;
    browser.until("told.some((one) => one.includes('1 problem'))", SLOW)?;
    browser.until("document.title.startsWith('1 problem')", SLOW)?;
    browser.shows("What to do: ask whoever runs the network", SLOW)?;

    // Were there a way in, nothing could be done with it.
    for (done, refused) in [
        ("fetch('https://192.0.2.1/').catch(() => {})", "connect-src"),
        (
            "document.body.append(Object.assign(new Image(), {src: 'http://192.0.2.1/a.png'}))",
            "img-src",
        ),
        (
            "try { document.body.innerHTML = '<b>'; } catch {}",
            "require-trusted-types-for",
        ),
    ] {
        let said = browser.value(&format!(
            "new Promise((done) => {{
                document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective), {{once: true}});
                setTimeout(() => done('nothing'), 10_000);
                {done};
            }})"
        ))?;
        ensure!(said == refused, "{done}: {said}");
    }
    Ok(())
}

fn capped(site: &mut Site<'_>) -> Result<()> {
    let connection = site.connect(0, UserType::IBRL)?;
    let file = site.world().directory().join("capped.toml");
    fs::write(&file, "[caps]\nsource = \"local\"\nbatch_interval = \"1s\"\n")?;
    let mut config = site.daemon_config();
    config.more.push(format!("-config={}", file.display()));
    let daemon = site.start_daemon_with(config)?;
    ensure!(daemon.post("/enable")?.status == 200);
    await_working(site, &daemon, &connection, SOON)?;
    let client = Arc::clone(&site.client().namespace);
    let (web, mut browser) = opened(&client, &daemon.socket())?;
    browser.until(WORKS, SLOW)?;
    ensure!(
        browser.value("document.querySelector('#caps')")?.is_null(),
        "nobody has a cap"
    );
    let cap = json!({"device": connection.user.owner.to_string(), "cap": "50kB/day"});
    let given = daemon.post_body("/v3/caps", &cap.to_string())?;
    ensure!(given.status < 300, "{given:?}");
    browser.until(
        "/of 50.?kB/i.test(document.querySelector('#caps')?.innerText)",
        SLOW,
    )?;
    // Used up by what goes over the tunnel, which is counted.
    let across = ping::Stream::start(
        &client,
        connection.user.dz_ip,
        TEST_ADDRESSES[0],
        Duration::from_millis(2),
    )?;
    browser.until("document.querySelector('#caps .badge.attention')", 2 * SLOW)?;
    browser.until(
        "/^[1-9].*B$/.test(document.querySelector('#usage td')?.innerText)",
        SLOW,
    )?;
    across.finish()?;
    let held = browser.value("document.querySelector('#caps td:last-child').innerText")?;
    ensure!(
        held.as_str().is_some_and(|held| held.starts_with("held to")),
        "{held}"
    );
    let told = |text: &str| {
        format!(
            "document.querySelector('#timeline').innerText.includes({})",
            json!(text)
        )
    };
    for text in ["may use 50KB/day", &format!("{LINK} tunnel is held to up")] {
        browser.until(&told(text), SLOW)?;
    }
    browser.until(
        "/1 held to a rate/.test(document.querySelector('header').innerText)",
        SLOW,
    )?;
    is_sound(&mut browser)?;
    looks_like(&mut browser, "held")?;
    // What is kept on disk is told to a page that is opened later, too.
    let page = web.page()?;
    ensure!(browser.open(&page)? == 200);
    browser.until(&told("tunnel is held to up"), SLOW)
}
