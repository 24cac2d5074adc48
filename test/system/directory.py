"""A real LDAP server for the tests (slapd, in a folder of its own, unprivileged), and one that never answers."""

import base64
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from helpers import as_user, end_with_us, free_port, give_away, make_dir, remove_dir, run, wait_until

SCHEMAS = Path("/etc/ldap/schema")
BASE = "dc=example,dc=net"
# 400 letters, 700 bytes.
LONG_UNITS = ["ou=" + "-".join([word] * 3) for word in ("йцукенгшщзхъфывапролджэячсмитьбю", "съешьещёэтихмягкихфранцузскихбулок")]
LONG = ",".join(reversed(LONG_UNITS))

# Who searches where nobody else may.
READER, READER_PASSWORD = f"cn=reader,{BASE}", "reader's secret"

CONF = """\
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
pidfile {dir}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {cert}
TLSCertificateKeyFile {key}
access to dn.base="" by * read
access to dn.subtree="ou=closed,{base}" attrs=userPassword by anonymous auth
access to dn.subtree="ou=closed,{base}" by dn.exact="{reader}" read by * none
access to attrs=userPassword by anonymous auth
access to * by * read
database ldif
suffix "{base}"
directory {dir}/data
"""


def find_slapd():
    found = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/lib/openldap")
    return found if found and SCHEMAS.is_dir() else None


def line(name, value):
    """Of LDIF, whatever the value is made of."""
    return f"{name}:: {base64.b64encode(value.encode()).decode()}\n"


def entry(dn, **attributes):
    return line("dn", dn) + "".join(line(name, v) for name, values in attributes.items()
                                    for v in ([values] if isinstance(values, str) else values)) + "\n"


def person(uid, password, under=BASE, rdn=None, **more):
    return entry(f"{rdn or 'uid=' + uid},{under}", objectClass="inetOrgPerson", uid=uid, cn=uid, sn=uid,
                 userPassword=password, **more)


class Directory:
    """certificate, ca: what it shows with ldaps and StartTLS, and who signed that."""

    host = "127.0.0.1"

    def __init__(self, certificate, ca, people):
        self.dir = make_dir("pgu-ldap-")
        self.log_path = self.dir / "log"
        self.process = None
        # Under /usr/sbin it may be confined to the folders of the system's own directory.
        self.exe = shutil.copy(find_slapd(), self.dir)
        (self.dir / "data").mkdir()
        give_away(self.dir / "data")
        self.certificate = certificate.copy_to(self.dir)
        self.conf = self.dir / "slapd.conf"
        self.conf.write_text(CONF.format(schemas=SCHEMAS, dir=self.dir, base=BASE, reader=READER, ca=ca.cert,
                                         cert=self.certificate.cert, key=self.certificate.key))
        self.ldap_conf = self.write_ldap_conf("ldap.conf", ca)
        try:
            self.fill(people)
            self.start()
        except BaseException:
            self.close()
            raise

    def write_ldap_conf(self, name, ca):
        """For LDAPCONF: whom a client believes."""
        path = self.dir / name
        path.write_text(f"TLS_CACERT {ca.cert}\nTLS_REQCERT demand\n")
        return path

    def fill(self, people):
        ldif = self.dir / "people.ldif"
        ldif.write_text(
            entry(BASE, objectClass=["dcObject", "organization"], dc="example", o="Example")
            + "".join(entry(f"{unit},{BASE}", objectClass="organizationalUnit", ou=unit.partition("=")[2])
                      for unit in ("ou=closed", "ou=north", "ou=south", LONG_UNITS[0]))
            + entry(f"{LONG},{BASE}", objectClass="organizationalUnit", ou=LONG_UNITS[1].partition("=")[2])
            + entry(READER, objectClass="person", cn="reader", sn="reader", userPassword=READER_PASSWORD) + people)
        run([self.exe, "-T", "add", "-f", self.conf, "-l", ldif], **as_user())

    def start(self):
        for _ in range(3):
            self.port, self.tls_port = free_port(), free_port()
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(
                    [self.exe, "-d", "stats", "-f", self.conf, "-h",
                     f"ldap://{self.host}:{self.port} ldaps://{self.host}:{self.tls_port}"],
                    cwd=self.dir, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    preexec_fn=end_with_us(), **as_user())
            wait_until(lambda: self.listens() or self.process.poll() is not None, 20, "slapd listens")
            if self.process.poll() is None:
                return
        raise RuntimeError("slapd does not start:\n" + self.log())

    def listens(self):
        try:
            for port in self.port, self.tls_port:
                socket.create_connection((self.host, port), timeout=1).close()
            return True
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.stop()
        remove_dir(self.dir)


class Silence:
    """A port where connections are taken and no more than a beginning is said; ends: and then they are closed."""

    host = "127.0.0.1"

    def __init__(self, says=b"", ends=False):
        self.says, self.ends = says, ends
        self.kept = []
        self.socket = socket.create_server((self.host, 0), backlog=200)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.take, daemon=True)
        self.thread.start()

    def take(self):
        try:
            while True:
                s = self.socket.accept()[0]
                s.sendall(self.says)
                if self.ends:
                    s.close()
                else:
                    self.kept.append(s)
        except OSError:
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        for s in self.socket, *self.kept:
            s.close()
