//! BIRD.

use std::{
    fmt::Write as _,
    fs,
    io::{BufReader, Write as _},
    net::Ipv4Addr,
    os::unix::net::UnixStream,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};

use super::{Peer, SessionReport, Speaker, SpeakerConfig, log, timers};
use crate::wait::{Ask, scaled, until};

pub(super) fn bird_name(neighbor: Ipv4Addr) -> String {
    format!("user_{}", neighbor.to_string().replace('.', "_"))
}

pub(super) fn bird_answer(reader: &mut impl std::io::BufRead) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < 100_000 {
        let mut line = String::new();
        if reader.read_line(&mut line).context("BIRD does not answer")? == 0 {
            bail!("BIRD closed the connection");
        }
        let line = line.trim_end_matches(['\r', '\n']);
        let Some((code, text)) = line
            .split_at_checked(4)
            .filter(|(code, _)| code.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            lines.push(line.trim_start().to_owned());
            continue;
        };
        if code.starts_with(['8', '9']) {
            bail!("BIRD: {code}{text}");
        }
        lines.push(text.get(1..).unwrap_or_default().to_owned());
        if text.starts_with(' ') {
            return Ok(lines);
        }
    }
    bail!("BIRD's answer has no end")
}

impl Speaker {
    pub(super) fn bird_config(&self) -> String {
        let (keepalive, hold) = timers();
        let SpeakerConfig {
            router_id,
            local_asn,
            user_asn,
            announced,
            peers,
            is_graceful,
        } = &self.config;
        let graceful = if *is_graceful { "aware" } else { "off" };
        let mut text = format!(
            "log \"{}\" all;\nrouter id {router_id};\ntimeformat protocol iso long ms;\nprotocol device {{ scan time 1; }}\n\
             protocol kernel users {{ ipv4 {{ import none; export where source = RTS_BGP; }}; }}\n\
             protocol static announced {{\n  ipv4;\n",
            self.directory.join("bird.log").display()
        );
        for prefix in announced {
            let _ = writeln!(text, "  route {prefix} blackhole;");
        }
        let _ = writeln!(
            text,
            "}}\ntemplate bgp subscriber {{\n  passive yes;\n  hold time {hold};\n  keepalive time {keepalive};\n  error wait time 1, 2;\n  graceful restart {graceful};\n  \
             ipv4 {{ import none; import table yes; export where proto = \"announced\" || source = RTS_BGP; next hop self; import limit 1 action block; }};\n}}"
        );
        for Peer {
            local,
            neighbor,
            dz_ip,
        } in peers
        {
            let _ = writeln!(
                text,
                "protocol bgp {} from subscriber {{\n  local {local} as {local_asn};\n  neighbor {neighbor} as {user_asn};\n  \
                 ipv4 {{ import where net = {dz_ip}/32 && bgp_path.len = 1; }};\n}}",
                bird_name(*neighbor)
            );
        }
        text
    }

    pub(super) fn start_bird(&mut self) -> Result<()> {
        let file = |name: &str| self.directory.join(name);
        let control = file("bird.ctl");
        let _ = fs::remove_file(&control);
        let mut child = self
            .namespace
            .command("bird")
            .arg("-f")
            .arg("-c")
            .arg(file("bird.conf"))
            .arg("-s")
            .arg(&control)
            .arg("-P")
            .arg(file("bird.pid"))
            .stdin(Stdio::null())
            .stdout(log(&file("bird.out"))?)
            .stderr(log(&file("bird.out"))?)
            .spawn()
            .context("cannot run bird (package bird2)")?;
        let answers = until("BIRD answers", Duration::from_secs(10), || {
            if let Some(status) = child.try_wait()? {
                bail!(
                    "it ended with {status}: {}",
                    fs::read_to_string(file("bird.out")).unwrap_or_default()
                );
            }
            Ok(match self.bird_command("show status") {
                Ok(_) => Ask::Yes(()),
                Err(error) => Ask::NotYet(format!("{error:#}")),
            })
        });
        self.children.push(child);
        answers.map(drop)
    }

    pub(super) fn bird_session(&self, neighbor: Ipv4Addr) -> Result<SessionReport> {
        let name = bird_name(neighbor);
        let answer = self.bird_command(&format!("show protocols {name}"))?;
        let line = answer
            .iter()
            .map(|line| line.trim())
            .find(|line| line.starts_with(&name))
            .with_context(|| format!("BIRD knows no {name}: {answer:?}"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let since = words.get(4..6).map(|time| time.join(" ")).unwrap_or_default();
        let established = words.last() == Some(&"Established");
        Ok(SessionReport {
            established,
            since,
            detail: line.to_owned(),
        })
    }

    /// Speaks BIRD's control protocol: lines with a four-digit code, `-` after it for "more follows".
    pub(super) fn bird_command(&self, command: &str) -> Result<Vec<String>> {
        let stream = UnixStream::connect(self.directory.join("bird.ctl")).context("BIRD does not listen")?;
        stream.set_read_timeout(Some(scaled(Duration::from_secs(5))))?;
        let mut reader = BufReader::new(&stream);
        bird_answer(&mut reader)?;
        (&stream).write_all(format!("{command}\n").as_bytes())?;
        bird_answer(&mut reader)
    }
}
