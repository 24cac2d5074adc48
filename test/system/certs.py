"""Throwaway certificates, made by the openssl program: authorities, servers' and clients' certificates."""

import itertools
import shutil
import ssl
from pathlib import Path
from typing import NamedTuple

from helpers import give_away, make_dir, remove_dir, run

KEYS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha256"],
    "ec384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"],
    "rsa": ["-newkey", "rsa:2048", "-sha256"],
    "ed25519": ["-newkey", "ed25519"],
}


class Certificate(NamedTuple):
    cert: Path
    key: Path

    def copy_to(self, folder, name="server"):
        """Copies that a test may change."""
        mine = Certificate(Path(folder) / f"{name}.crt", Path(folder) / f"{name}.key")
        mine.replace_by(self)
        return mine

    def replace_by(self, other):
        for there, here in zip(other, self):
            shutil.copyfile(there, here)
            here.chmod(0o600)
            give_away(here)

    @property
    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text())


class Authority:
    """Issues certificates; `cert` is its own, to be trusted.  kind: of its key, and so how it signs."""

    def __init__(self, folder, name, kind="ec"):
        self.dir, self.name = folder / name.replace(" ", "-"), name
        self.dir.mkdir(mode=0o755)
        self.numbers = itertools.count(1)
        self.cert, self.key = self.dir / "ca.crt", self.dir / "ca.key"
        run(["openssl", "req", "-x509", *KEYS[kind], "-nodes", "-keyout", self.key, "-out", self.cert, "-days", "30",
             "-subj", f"/CN={name}"])
        self.signing = [o for o in KEYS[kind] if o.startswith("-sha")]

    def issue(self, name, *, hosts=(), addresses=(), kind="ec", days=20):
        """A certificate for a common name; with host names and addresses it is also a server's."""
        number = next(self.numbers)
        made = Certificate(self.dir / f"{number}.crt", self.dir / f"{number}.key")
        request, extensions = self.dir / f"{number}.csr", self.dir / f"{number}.ext"
        names = ",".join([f"DNS:{h}" for h in hosts] + [f"IP:{a}" for a in addresses])
        extensions.write_text("basicConstraints=critical,CA:FALSE\n" + (f"subjectAltName={names}\n" if names else ""))
        run(["openssl", "req", "-new", *KEYS[kind], "-nodes", "-keyout", made.key, "-out", request, "-subj",
             f"/CN={name}"])
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, *self.signing,
             "-set_serial", str(number), "-extfile", extensions, "-days", str(days), "-out", made.cert])
        made.key.chmod(0o600)
        give_away(made.key)
        return made


class Certificates:
    """What the tests share; each is made when it is first asked for."""

    def __init__(self):
        self.dir = make_dir("pgu-certs-")
        self.made = {}

    def once(self, name, make):
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def authority(self, name="test authority", kind="ec"):
        return self.once(name, lambda: Authority(self.dir, name, kind))

    @property
    def ca(self):
        return self.authority()

    @property
    def other_ca(self):
        """Signs nothing that anybody should believe."""
        return self.authority("other authority")

    @property
    def server(self):
        """For localhost and 127.0.0.1."""
        return self.local("ec")

    def local(self, kind):
        """The same with another kind of key."""
        return self.once(f"localhost {kind}", lambda: self.ca.issue(
            "localhost", hosts=["localhost"], addresses=["127.0.0.1"], kind=kind))

    def foreign(self):
        """Signed by the authority that only others believe."""
        return self.once("foreign", lambda: self.other_ca.issue(
            "localhost", hosts=["localhost"], addresses=["127.0.0.1"]))

    def host(self, *names):
        return self.once("host " + " ".join(names), lambda: self.ca.issue(names[0], hosts=names))

    @property
    def expired(self):
        return self.once("expired", lambda: self.ca.issue(
            "localhost", hosts=["localhost"], addresses=["127.0.0.1"], days=-1))

    def client(self, name, ca=None):
        ca = ca or self.ca
        return self.once(f"client {name} {ca.name}", lambda: ca.issue(name))

    def close(self):
        remove_dir(self.dir)


def verifying(ca, client=None, alpn=None):
    """How a careful client speaks TLS: the authority is checked, and the name too."""
    context = ssl.create_default_context(cafile=str(ca.cert))
    if client:
        context.load_cert_chain(*map(str, client))
    if alpn:
        context.set_alpn_protocols([alpn])
    return context


def careless(client=None, alpn=None, lowest=None, highest=None):
    """How a client speaks TLS that checks nothing; lowest, highest: of ssl.TLSVersion."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if client:
        context.load_cert_chain(*map(str, client))
    if alpn:
        context.set_alpn_protocols([alpn])
    if lowest:
        context.minimum_version = lowest
    if highest:
        context.maximum_version = highest
    return context


def serving(certificate, client_ca=None, alpn=None):
    """How a scripted server speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*map(str, certificate))
    if client_ca:
        context.load_verify_locations(str(client_ca.cert))
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols([alpn])
    return context
