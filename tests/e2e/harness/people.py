"""Certificates of persons, and openssl cms as their mail program."""

import base64
import datetime
import os
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from harness.case import check, equal

DAY = datetime.timedelta(days=1)


class Authority:
    def __init__(self, folder, name="authority"):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.utcnow()
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name)
            .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY).not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(self.key, hashes.SHA256()))
        self.path = self.write("authority.pem", pem(self.certificate))

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def person(self, address, kind="ec", begins=-1, ends=30, purpose=None, name=None):
        return Person(self, address, kind, begins, ends, purpose, name or address)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Person:
    """certificate and key are paths."""

    def __init__(self, authority, address, kind, begins, ends, purpose, name):
        now = datetime.datetime.utcnow()
        self.authority, self.address = authority, address
        key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else \
            rsa.generate_private_key(65537, 2048)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(authority.name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins * DAY).not_valid_after(now + ends * DAY)
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(address)]), False)
            .add_extension(x509.ExtendedKeyUsage(
                [purpose or ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
            .sign(authority.key, hashes.SHA256()))
        self.pem = pem(certificate)
        self.certificate = authority.write(name + ".pem", self.pem)
        self.key = authority.write(name + ".key", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))

    def publish(self, folder):
        """Into a folder of rewrite.certificates."""
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, self.address + ".pem"), "wb") as f:
            f.write(self.pem)
        return self

    def may_read(self, content):
        return self.run(content, "-decrypt", "-recip", self.certificate, "-inkey",
                        self.key).returncode == 0

    def decrypt(self, content):
        """The entity inside, as openssl cms gives it."""
        done = self.run(content, "-decrypt", "-binary", "-recip", self.certificate, "-inkey",
                        self.key)
        check(done.returncode == 0, self.address, "cannot read it:", done.stderr.decode())
        return done.stdout

    def verify(self, content):
        """The signed entity; the signature is ours and holds for the authority, both as openssl
        reads the message and over the exact bytes of its first part."""
        signer = self.certificate + ".seen"
        part, der = self.parts(content)
        done = self.run(part, "-verify", "-inform", "DER", "-in",
                        self.authority.write("signature", der), "-content", "/dev/stdin",
                        "-binary", "-CAfile", self.authority.path)
        check(done.returncode == 0, "the bytes are others:", done.stderr.decode(), part[:500])
        done = self.run(content, "-verify", "-CAfile", self.authority.path, "-purpose",
                        "smimesign", "-signer", signer)
        check(done.returncode == 0, "the signature does not hold:", done.stderr.decode(),
              content[:3000].decode("latin-1"))
        with open(signer, "rb") as f:
            seen = x509.load_pem_x509_certificate(f.read())
        check(seen == x509.load_pem_x509_certificate(self.pem), "somebody else has signed")
        return done.stdout

    @staticmethod
    def parts(content):
        """RFC 1847: the line end before a delimiter belongs to that."""
        boundary = content.split(b'boundary="', 1)[1].split(b'"', 1)[0]
        _, first, second, rest = content.split(b"--" + boundary)
        equal(rest, b"--\r\n")
        check(first.startswith(b"\r\n") and first.endswith(b"\r\n"), "no lines of their own")
        return first[2:-2], base64.b64decode(second.split(b"\r\n\r\n", 1)[1])

    @staticmethod
    def run(content, *words):
        return subprocess.run(["openssl", "cms", *words], input=content,
                              capture_output=True, timeout=60, check=False)
