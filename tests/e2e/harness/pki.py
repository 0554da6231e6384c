"""Certificates of servers, and what TLSA records say of them; policy hosts of MTA-STS."""

import datetime
import hashlib
import http.server
import os
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


class Server:
    """A certificate: chain (with its authority) and key are paths."""

    def __init__(self, ca, names, begins, ends, number):
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"server {number}")]))
            .issuer_name(ca.name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins * DAY).not_valid_after(now + ends * DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
            .sign(ca.key, hashes.SHA256()))
        self.chain = ca.write(f"{number}.pem", self.certificate.public_bytes(PEM) +
                              ca.certificate.public_bytes(PEM))
        self.key = ca.write(f"{number}.key", key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.files = (self.chain, self.key)


class Ca:
    def __init__(self, folder, name="authority"):
        self.folder, self.count = folder, 0
        os.makedirs(folder, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.utcnow()
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - 99 * DAY).not_valid_after(now + 99 * DAY)
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(self.key, hashes.SHA256()))
        self.path = self.write("ca.pem", self.certificate.public_bytes(PEM))

    def write(self, name, octets):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(octets)
        os.chmod(path, 0o600 if name.endswith(".key") else 0o644)
        return path

    def server(self, *names, begins=-1, ends=30):
        self.count += 1
        return Server(self, names, begins, ends, self.count)


def tlsa(usage, selector, matching, certificate):
    """The record's text (RFC 6698 2.1)."""
    octets = certificate.public_bytes(DER) if selector == 0 else certificate.public_key().public_bytes(
        DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    data = {1: lambda x: hashlib.sha256(x).digest(), 2: lambda x: hashlib.sha512(x).digest()}.get(
        matching, lambda x: x)(octets)
    return f"{usage} {selector} {matching} {data.hex()}"


class Policies:
    """HTTPS on one address for many domains; answers: {domain: text, or a function of the handler}."""

    def __init__(self, address, server):
        self.answers, self.asked = {}, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                domain = self.headers["Host"].split(":")[0].removeprefix("mta-sts.")
                outer.asked.append(domain)
                answer = outer.answers.get(domain)
                if callable(answer):
                    answer(self)
                elif answer is None or self.path != "/.well-known/mta-sts.txt":
                    self.send_error(404)
                else:
                    outer.send(self, answer)

            def log_message(self, *_):
                pass
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*server.files)
        self.server = http.server.ThreadingHTTPServer((address, 443), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def send(handler, text, kind="text/plain"):
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        try:
            handler.wfile.write(text.encode())
        except OSError:
            pass  # whoever asked has read enough

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def policy(*mx, mode="enforce", max_age=604800):
    return f"version: STSv1\r\nmode: {mode}\r\n" + "".join(f"mx: {m}\r\n" for m in mx) + f"max_age: {max_age}\r\n"
