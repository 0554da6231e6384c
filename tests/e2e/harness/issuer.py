"""An issuer of tokens: its HTTP or HTTPS side."""

import http.server
import ssl
import subprocess
import threading
import urllib.parse


class Issuer:
    """What answer() gives for (path, form, authorization): status and octets. requests: what was
    asked, as (command, path, form). certificate: HTTPS with it."""

    def __init__(self, answer, port=8080, certificate=None):
        self.requests = []
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                length = int(self.headers.get("Content-Length", 0))
                form = dict(urllib.parse.parse_qsl(self.rfile.read(length).decode()))
                issuer.requests.append((self.command, self.path, form))
                status, body = answer(self.path, form, self.headers.get("Authorization"))
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:8080/moved")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            do_POST = do_GET

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def certificate_of(w, names="IP:127.0.0.1"):
    """Certificate, which is its own authority, and key."""
    cert, key = w.path("issuer.pem"), w.path("issuer.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10", "-sha256", "-subj",
                    "/CN=issuer", "-addext", f"subjectAltName={names}", "-keyout", key, "-out",
                    cert], check=True, stderr=subprocess.DEVNULL)
    return cert, key
