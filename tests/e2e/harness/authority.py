"""A certificate authority of the tests, made by openssl."""

import os
import subprocess


class Authority:
    """Its certificate is in ca; issue() gives (certificate, key), files."""

    def __init__(self, folder, name="authority"):
        self.folder, self.name, self.count = folder, name, 0
        self.ca, self.key = self.path("pem"), self.path("key")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", self.key, "-out", self.ca, "-days", "30",
                     "-subj", f"/CN={name}")

    def path(self, ending):
        return os.path.join(self.folder, f"{self.name}.{ending}")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    def issue(self, *names, expired=False):
        self.count += 1
        key, request = self.path(f"{self.count}.key"), self.path(f"{self.count}.csr")
        certificate, extensions = self.path(f"{self.count}.pem"), self.path(f"{self.count}.ext")
        with open(extensions, "w", encoding="ascii") as f:
            f.write("subjectAltName=" + ",".join("DNS:" + n for n in names) + "\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=test")
        # openssl x509 takes a negative number of days only together with dates of its own
        days = ["-days", "30"]
        if expired:
            days = ["-days", "-1"]
        self.openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.key,
                     "-CAcreateserial", "-out", certificate, "-extfile", extensions, *days)
        return certificate, key
