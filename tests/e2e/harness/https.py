"""A small HTTPS server: what it answers, and what it was asked."""

import http.server
import ssl
import threading
import time


class Https:
    """answer(method, path, body): (status, {field: value}, octets), or a function that gets the
    handler and does as it likes."""

    def __init__(self, address, certificate, answer, port=443):
        self.requests = []
        self.answer = answer
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                server.requests.append((self.command, self.path, self.headers, body))
                got = server.answer(self.command, self.path, body)
                if callable(got):
                    got(self)
                    self.close_connection = True
                    return
                status, fields, octets = got
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def policy(mode, *mx, max_age=604800):
    lines = ["version: STSv1", f"mode: {mode}"] + [f"mx: {m}" for m in mx] + [f"max_age: {max_age}"]
    return "\r\n".join(lines + [""]).encode()


def text(octets, status=200, kind="text/plain"):
    return lambda *_: (status, {"Content-Type": kind}, octets)


def dribble(octets):
    def send(handler):
        for octet in octets:
            try:
                handler.wfile.write(bytes([octet]))
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(2)
    return lambda *_: send
