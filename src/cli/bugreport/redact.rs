//! Taking secrets out of texts, whoever wrote them: those that are known by name, and whatever looks like one.

use warren_ledger::Endpoint;

/// What stands for a secret.
const MASK: &str = "***";
/// Anything shorter is no secret, and occurs by chance.
const SHORTEST: usize = 4;
/// Schemes of URLs that hold none.
const HARMLESS: [&str; 2] = ["file", "unix"];
/// Words in the names of settings that are secrets.
const WORDS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "authorization",
];
/// The bytes of a key, as keypair files have them.
const KEY_BYTES: usize = 32;

/// Secrets that are known.
#[derive(Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// One more.
    pub fn add(&mut self, secret: &str) {
        if secret.len() >= SHORTEST && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_owned());
            // The longest first, so that none is left in halves.
            self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// Whatever is secret in the URLs of a text: user, password, and all beyond the host, as a whole and in its parts.
    pub fn learn(&mut self, text: &str) {
        for url in urls(text) {
            let Ok(endpoint) = Endpoint::http(url).or_else(|_| Endpoint::websocket(url)) else {
                continue;
            };
            let url = endpoint.secret_url();
            self.add(url.username());
            self.add(url.password().unwrap_or_default());
            self.add(url.path().trim_matches('/'));
            url.path_segments()
                .into_iter()
                .flatten()
                .for_each(|part| self.add(part));
            url.query()
                .into_iter()
                .chain(url.fragment())
                .for_each(|part| self.add(part));
            url.query_pairs().for_each(|(_, value)| self.add(&value));
        }
    }

    /// The settings of a file in TOML that are secrets. A file that does not parse teaches nothing; it must be masked.
    ///
    /// # Errors
    /// When it does not parse.
    pub fn learn_settings(&mut self, text: &str) -> Result<(), ()> {
        self.learn(text);
        let table: toml::Table = toml::from_str(text).map_err(|_| ())?;
        table
            .iter()
            .for_each(|(key, value)| self.learn_setting(key, value));
        Ok(())
    }

    fn learn_setting(&mut self, key: &str, value: &toml::Value) {
        match value {
            toml::Value::String(text) if is_secret(key) => self.add(text),
            toml::Value::Table(table) => table
                .iter()
                .for_each(|(key, value)| self.learn_setting(key, value)),
            toml::Value::Array(values) => values.iter().for_each(|value| self.learn_setting(key, value)),
            toml::Value::String(_)
            | toml::Value::Integer(_)
            | toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Datetime(_) => {}
        }
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        let known = self.0.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.as_str(), MASK)
        });
        without_keys(&without_settings(&without_url_secrets(&known)))
    }
}

/// A configuration file that does not parse, without any value.
pub fn without_values(text: &str) -> String {
    let masked = text.lines().map(|line| match line.split_once('=') {
        Some((key, _)) if !key.trim_start().starts_with('#') && !key.contains("://") => {
            format!("{key}= {MASK}\n")
        }
        Some(_) | None if line.trim_start().starts_with(['[', '#']) && !line.contains("://") => {
            format!("{line}\n")
        }
        Some(_) | None => format!("{MASK}\n"),
    });
    masked.collect()
}

/// Whether a setting of this name is a secret. A file that holds one is none.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    WORDS.iter().any(|word| key.contains(word)) && !key.ends_with("file")
}

fn urls(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("://")
        .map(|(at, _)| &text[start_of(text, at)..end_of(text, at)])
}

fn start_of(text: &str, colon: usize) -> usize {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    text[..colon]
        .rfind(|c| !is_scheme(c))
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8))
}

fn end_of(text: &str, colon: usize) -> usize {
    let ends = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '\\' | '|')
    };
    text[colon..]
        .find(ends)
        .map_or(text.len(), |length| colon + length)
}

/// Scheme, host and port of each URL; `***` for the rest, as the daemon shows its endpoints.
fn without_url_secrets(text: &str) -> String {
    let (mut out, mut done) = (String::with_capacity(text.len()), 0);
    for (colon, _) in text.match_indices("://") {
        if colon < done {
            continue;
        }
        let (start, end) = (start_of(text, colon).max(done), end_of(text, colon));
        let (scheme, rest) = (&text[start..colon], &text[colon + 3..end]);
        if scheme.is_empty() || HARMLESS.contains(&scheme) {
            continue;
        }
        out.push_str(&text[done..start]);
        out.push_str(&shown(scheme, rest));
        done = end;
    }
    out + &text[done..]
}

fn shown(scheme: &str, rest: &str) -> String {
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, beyond) = rest.split_at(length);
    let host = authority.rsplit('@').next().unwrap_or_default();
    // What follows a URL in a sentence or a list belongs to nobody's secret.
    let bare = host.trim_end_matches([',', ';', '.', ')', ']', '}', ':']);
    let (bare, tail) = if host.starts_with('[') {
        (host, "")
    } else {
        (bare, &host[bare.len()..])
    };
    let is_plain = bare
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'));
    let has_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = is_plain
        && bare
            .rsplit_once(':')
            .is_none_or(|(_, port)| has_port(port) || bare.starts_with('['));
    if !is_host {
        return format!("{scheme}://{MASK}");
    }
    let has_more = authority.contains('@') || !beyond.trim_start_matches('/').is_empty();
    if has_more {
        format!("{scheme}://{bare}/{MASK}")
    } else {
        format!("{scheme}://{bare}{tail}{beyond}")
    }
}

/// The values of settings that are secrets by their names: `token=x`, `"password": "x"`, `Authorization: Bearer x`.
fn without_settings(text: &str) -> String {
    text.split_inclusive('\n').map(without_settings_of_line).collect()
}

fn without_settings_of_line(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let (mut out, mut done) = (String::with_capacity(line.len()), 0);
    loop {
        let next = WORDS
            .iter()
            .filter_map(|word| Some((done + lower.get(done..)?.find(word)?, word.len())))
            .min();
        let Some((at, length)) = next else {
            return out + &line[done..];
        };
        let after = at + length;
        match value_of(line, after) {
            Some((from, to)) => {
                out.push_str(&line[done..from]);
                out.push_str(MASK);
                done = to;
            }
            None => {
                out.push_str(&line[done..after]);
                done = after;
            }
        }
    }
}

/// Where the value begins and ends whose name's secret word ends at `after`.
fn value_of(line: &str, after: usize) -> Option<(usize, usize)> {
    let name = line[after..]
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')))
        .map(|length| after + length)?;
    if line[after..name].to_ascii_lowercase().ends_with("file") {
        return None;
    }
    let rest = line[name..].trim_start_matches(['"', '\'', '\\', ' ']);
    let value = rest.strip_prefix(['=', ':'])?.trim_start();
    let value = ["Bearer ", "bearer ", "Basic ", "basic "]
        .iter()
        .find_map(|word| value.strip_prefix(word))
        .unwrap_or(value);
    let quoted = value.trim_start_matches('\\').strip_prefix(['"', '\'']);
    let (value, ends): (&str, &[char]) = match quoted {
        Some(inside) => (inside, &['"', '\'', '\n']),
        None => (value, &[' ', '\t', ',', ';', '}', ']', '"', '\'', '\n']),
    };
    let length = value.find(ends).unwrap_or(value.len());
    let is_structure = value.starts_with(['{', '[']) || ["null", "true", "false"].contains(&&value[..length]);
    (length > 0 && !is_structure).then(|| (line.len() - value.len(), line.len() - value.len() + length))
}

/// Lists of bytes as long as a key: a keypair file has 64 of them.
fn without_keys(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(open) = rest.find('[') {
        let (before, list) = rest.split_at(open + 1);
        out.push_str(before);
        let length = list
            .find(|c: char| !(c.is_ascii_digit() || c.is_whitespace() || c == ','))
            .unwrap_or(list.len());
        let numbers = list[..length]
            .split(',')
            .filter(|number| number.trim().parse::<u8>().is_ok())
            .count();
        if numbers >= KEY_BYTES {
            out.push_str("\"***\"");
            rest = &list[length..];
        } else {
            rest = list;
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use warren_state::random::{Random, SplitMix64};

    use super::*;

    const TOKEN: &str = "t0psecret";

    fn redacted(text: &str) -> String {
        Secrets::default().redact(text)
    }

    #[test]
    fn urls_keep_their_host_and_lose_what_may_be_a_secret() {
        for (text, expected) in [
            ("http://localhost:8899", "http://localhost:8899"),
            ("see http://localhost:8899, or", "see http://localhost:8899, or"),
            ("https://h.example/t0psecret", "https://h.example/***"),
            ("wss://me:t0psecret@h.example:1/x y", "wss://h.example:1/*** y"),
            ("https://h.example?k=t0psecret\"}", "https://h.example/***\"}"),
            ("https://me:t0ps/ecret@h/", "https://***"),
            (
                "http://[2001:db8::1]:8899/t0psecret",
                "http://[2001:db8::1]:8899/***",
            ),
            (
                "a http://a/t0psecret b ws://b/t0psecret",
                "a http://a/*** b ws://b/***",
            ),
            ("file:///usr/share/doc", "file:///usr/share/doc"),
            ("socks5://u:t0psecret@p:1080", "socks5://p:1080/***"),
            ("ü://x/t0psecret ümlaut", "ü://x/t0psecret ümlaut"),
        ] {
            assert_eq!(redacted(text), expected);
        }
    }

    #[test]
    fn settings_lose_their_values_by_their_names_alone() {
        for text in [
            "password = \"t0psecret\"",
            "{\"api_key\":\"t0psecret\",\"x\":1}",
            "token=t0psecret next",
            "Authorization: Bearer t0psecret",
            "level=info auth_token: t0psecret;",
            "msg=\"{\\\"token\\\":\\\"t0psecret\\\"}\"",
            "BGP_PASSWORD='t0psecret'",
        ] {
            let text = redacted(text);
            assert!(!text.contains(TOKEN) && text.contains(MASK), "{text}");
        }
        for text in [
            "password_file = \"/etc/warren/p\"",
            "check its token, and the network: well",
            "{\"token\": {\"a\": 1}}",
            "password: null",
        ] {
            assert_eq!(redacted(text), text);
        }
        assert_eq!(
            redacted("{\"api_key\":\"x1y2\",\"x\":1}"),
            "{\"api_key\":\"***\",\"x\":1}",
            "still JSON"
        );
    }

    #[test]
    fn a_known_secret_is_taken_out_wherever_it_stands() {
        let mut secrets = Secrets::default();
        secrets.learn("DZ_LEDGER_RPC_URL=https://rpc.example/v1/t0psecret?x=qu3ry");
        let text = secrets.redact("connecting with t0psecret, then qu3ry, to v1 of rpc.example");
        assert_eq!(text, "connecting with ***, then ***, to v1 of rpc.example");
        let mut secrets = Secrets::default();
        assert!(
            secrets
                .learn_settings("[bgp]\npassword = \"\"\"\nlong one\"\"\"\npassword_file = \"/etc/p\"\n")
                .is_ok()
        );
        assert_eq!(secrets.redact("the long one of /etc/p"), "the *** of /etc/p");
    }

    #[test]
    fn a_file_that_does_not_parse_shows_no_value() {
        assert_eq!(
            without_values("[a]\n# x\nk = \"t0psecret\nt0psecret\n"),
            "[a]\n# x\nk = ***\n***\n"
        );
    }

    #[test]
    fn a_url_loses_its_secret_whatever_stands_around_it() {
        let around = [
            "",
            " ",
            "://",
            "token",
            "=",
            ":",
            "\"",
            "'",
            "\\",
            "ü",
            "\n",
            "[1,2",
            "@",
            "file://",
            "http://a",
            "ws://u:p@",
            "password: ",
            ",",
            "]",
            "{",
        ];
        for seed in 0..4000 {
            let mut random = SplitMix64::new(seed);
            let mut piece = || around[usize::try_from(random.next_u64() % around.len() as u64).unwrap()];
            let text = format!(
                "{}{}{}https://h.example/t0psecret{}{}",
                piece(),
                piece(),
                piece(),
                piece(),
                piece()
            );
            let redacted = redacted(&text);
            assert!(!redacted.contains(TOKEN), "{text:?} became {redacted:?}");
        }
    }

    #[test]
    fn lists_as_long_as_a_key_are_taken_out() {
        let list = |count: u8| {
            (0..count)
                .map(|byte| byte.to_string())
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(
            redacted(&format!("{{\"k\":[{}]}}", list(64))),
            "{\"k\":[\"***\"]}"
        );
        assert_eq!(redacted("[1,2,3]"), "[1,2,3]");
    }
}
