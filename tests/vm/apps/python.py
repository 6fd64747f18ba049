# What the tests ask of a Python application.
import hashlib, http.server, json, os, sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, media="application/json"):
        self.send_response(200)
        self.send_header("content-type", media)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/crash":
            sys.stderr.write("about to end\n")
            sys.stderr.flush()
            os._exit(4)
        self.answer(json.dumps({"path": self.path, "runtime": "python"}).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.answer(json.dumps({"sha256": hashlib.sha256(body).hexdigest(), "length": len(body)}).encode())


http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
