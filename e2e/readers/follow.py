"""Follows /v3/events with httpx-sse and keeps a copy of the state of its own making, until the daemon is off and has nothing left to do.

Prints one line of JSON: the copy, its position, the events in the order in which they came, and how each connection began.
"""
import json
import sys
import time

import httpx
import httpx_sse


def merge(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged


class Reader:
    def __init__(self):
        self.state, self.is_right, self.cursor = None, False, None
        self.events, self.began, self.is_new = [], [], True

    def take(self, frame):
        data = json.loads(frame.data)
        if self.is_new:
            self.began.append(frame.event + ":" + data.get("from", ""))
            self.is_new = False
        if frame.event == "snapshot":
            self.state, self.is_right = data["state"], True
        elif frame.event == "resumed":
            self.is_right = self.is_right and data["from"] == "memory"
        elif frame.event in ("gap", "reset"):
            self.is_right = False
        elif "patch" in data and self.is_right:
            self.state = merge(self.state, data["patch"])
        if frame.event == "event":
            self.events.append([data["position"], data["kind"]])
        # After it was taken in, and not before.
        if frame.id:
            self.cursor = frame.id

    def is_done(self):
        return self.is_right and not self.state["enabled"] and self.state["converged"] and not self.state["tunnels"]


def follow(socket, reader):
    transport = httpx.HTTPTransport(uds=socket)
    with httpx.Client(transport=transport, timeout=httpx.Timeout(10, read=45)) as client:
        headers = {"Last-Event-ID": reader.cursor} if reader.cursor else {}
        reader.is_new = True
        with httpx_sse.connect_sse(client, "GET", "http://warrend/v3/events", headers=headers) as source:
            for frame in source.iter_sse():
                reader.take(frame)
                if reader.is_done():
                    return True
    return False


def main():
    reader = Reader()
    while True:
        try:
            if follow(sys.argv[1], reader):
                break
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    kept = ("state", "events", "began")
    print(json.dumps({name: getattr(reader, name) for name in kept} | {"position": reader.cursor}))


main()
