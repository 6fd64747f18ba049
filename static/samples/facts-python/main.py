"""A JSON API on Python's own HTTP server: facts of the machine, and what was sent to it."""

import hashlib
import json
import os
import platform
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

started = time.time()


def facts():
    with open("/proc/meminfo", encoding="ascii") as lines:
        memory = dict(line.split(":", 1) for line in lines)
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "memory_available": memory["MemAvailable"].strip(),
        "pid": os.getpid(),
        "up_seconds": round(time.time() - started, 1),
        "supabase_url": os.environ.get("SUPABASE_URL"),
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urlsplit(self.path)
        if path.path == "/":
            self.answer(200, facts())
        elif path.path == "/api/health":
            self.answer(200, {"ok": True, "pid": os.getpid()})
        elif path.path == "/api/echo":
            self.answer(200, {"query": dict(parse_qsl(path.query)), "headers": dict(self.headers)})
        else:
            self.answer(404, {"message": f"There is no GET {path.path} here"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/api/hash":
            self.answer(200, {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})
        elif self.path == "/api/crash":
            # Ends the process, to show that it is started again.
            self.answer(202, {"crashing": True})
            print("asked to crash", file=sys.stderr, flush=True)
            os._exit(7)
        else:
            self.answer(404, {"message": f"There is no POST {self.path} here"})

    def answer(self, status, value):
        body = json.dumps(value, indent=2).encode() + b"\n"
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, text, *values):
        print(text % values, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


port = int(os.environ.get("PORT", "8000"))
print(f"facts: listening on {port}", flush=True)
Server((os.environ.get("HOST", "0.0.0.0"), port), Handler).serve_forever()
