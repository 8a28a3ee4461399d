#!/usr/bin/env python3
"""A STAND-IN for the Sophon dashboard, for the lab only: one page that shows the gateway's health."""

import html
import os
import signal
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GATEWAY = os.environ.get("Gateway__Url", "http://sophon-gateway:8081")
VERSION = os.environ.get("SOPHON_DASHBOARD_VERSION", "unknown")


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/healthz":
            return self._answer(200, "ok")
        try:
            with urllib.request.urlopen(f"{GATEWAY}/api/health", timeout=2) as answer:
                health = answer.read().decode()
        except OSError as error:
            health = str(error)
        return self._answer(200, f"<h1>Sophon {html.escape(VERSION)}</h1><pre>{html.escape(health)}</pre>")

    def _answer(self, code, text):
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print("info: Microsoft.Hosting.Lifetime[14]\n      Now listening on: http://[::]:8080", flush=True)
ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
