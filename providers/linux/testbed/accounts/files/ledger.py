#!/usr/bin/env python3.11
"""A small program with PostgreSQL: GET / says how many entries there are."""
import http.server
import subprocess


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        count = subprocess.run(["psql", "-Atc", "SELECT count(*) FROM entries", "ledger"],
                               capture_output=True, text=True).stdout.strip()
        body = f"<!doctype html><title>Ledger</title><p>{count} entries</p>\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", 8301), Handler).serve_forever()
