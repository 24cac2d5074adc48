"""PostgreSQL's protocol by hand: messages, a scripted client, and a server that follows a script.

A client sends what the test says, in whatever pieces.  A server runs a function for every connection, in a thread;
an error in it fails the test when the server is closed.
"""

import base64
import functools
import hashlib
import hmac
import os
import select
import socket
import ssl
import struct
import threading
import time
from typing import NamedTuple

from helpers import PATIENCE

VERSION_3_0 = 0x00030000
VERSION_3_2 = 0x00030002
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102


# ---- building ----

def cstr(text):
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def message(kind, body=b""):
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


def untyped(body):
    return struct.pack("!I", len(body) + 4) + body


def startup(parameters, version=VERSION_3_0):
    pairs = b"".join(cstr(k) + cstr(v) for k, v in parameters.items())
    return untyped(struct.pack("!I", version) + pairs + b"\0")


def ssl_request():
    return untyped(struct.pack("!I", SSL_REQUEST))


def gssenc_request():
    return untyped(struct.pack("!I", GSSENC_REQUEST))


def cancel_request(pid, key):
    return untyped(struct.pack("!II", CANCEL_REQUEST, pid) + key)


def query(sql):
    return message("Q", cstr(sql))


def parse(name, sql, oids=()):
    return message("P", cstr(name) + cstr(sql) + struct.pack("!H", len(oids))
                   + b"".join(struct.pack("!I", o) for o in oids))


def bind(portal="", statement="", values=(), result_formats=()):
    body = cstr(portal) + cstr(statement) + struct.pack("!HH", 0, len(values))
    for v in values:
        data = None if v is None else str(v).encode()
        body += struct.pack("!i", -1) if data is None else struct.pack("!i", len(data)) + data
    body += struct.pack("!H", len(result_formats)) + b"".join(struct.pack("!H", f) for f in result_formats)
    return message("B", body)


def describe(kind, name=""):
    return message("D", kind.encode() + cstr(name))


def close(kind, name=""):
    return message("C", kind.encode() + cstr(name))


def execute(portal="", rows=0):
    return message("E", cstr(portal) + struct.pack("!I", rows))


def copy_data(data):
    return message("d", data)


def copy_fail(why):
    return message("f", cstr(why))


def function_call(oid, *values):
    body = struct.pack("!IHH", oid, 0, len(values))
    for v in values:
        body += struct.pack("!i", len(v)) + v
    return message("F", body + struct.pack("!H", 0))


SYNC = message("S")
FLUSH = message("H")
TERMINATE = message("X")
COPY_DONE = message("c")


# Backend messages, for the scripted server.

def auth(code, body=b""):
    return message("R", struct.pack("!I", code) + body)


AUTH_OK = auth(0)
AUTH_CLEARTEXT = auth(3)


def parameter_status(name, value):
    return message("S", cstr(name) + cstr(value))


def key_data(pid, key):
    return message("K", struct.pack("!I", pid) + key)


def ready(status="I"):
    return message("Z", status.encode())


def fields(**values):
    return b"".join(k.encode() + cstr(v) for k, v in values.items()) + b"\0"


def error(code="XX000", text="scripted error", severity="ERROR"):
    return message("E", fields(S=severity, V=severity, C=code, M=text))


def notice(text="scripted notice", code="00000"):
    return message("N", fields(S="NOTICE", V="NOTICE", C=code, M=text))


def notification(channel, payload="", pid=1):
    return message("A", struct.pack("!I", pid) + cstr(channel) + cstr(payload))


def row_description(*names):
    return message("T", struct.pack("!H", len(names)) + b"".join(
        cstr(n) + struct.pack("!IHIhiH", 0, 0, 25, -1, -1, 0) for n in names))


def data_row(*values):
    body = struct.pack("!H", len(values))
    for v in values:
        data = None if v is None else v if isinstance(v, bytes) else str(v).encode()
        body += struct.pack("!i", -1) if data is None else struct.pack("!i", len(data)) + data
    return message("D", body)


def command_complete(tag):
    return message("C", cstr(tag))


def result(*values, tag=None):
    """All of a simple query's answer with one row."""
    return (row_description(*(f"c{i}" for i in range(len(values)))) + data_row(*values)
            + command_complete(tag or "SELECT 1"))


# ---- reading ----

class Message(NamedTuple):
    kind: str
    body: bytes

    @property
    def raw(self):
        return message(self.kind, self.body)

    @property
    def fields(self):
        """E and N: code letter -> text."""
        out = {}
        for part in self.body.split(b"\0"):
            if part:
                out[chr(part[0])] = part[1:].decode(errors="replace")
        return out

    @property
    def code(self):
        return self.fields.get("C", "")

    @property
    def strings(self):
        return [s.decode(errors="replace") for s in self.body.split(b"\0")[:-1]]

    @property
    def row(self):
        """D: the columns as text."""
        out, at = [], 2
        for _ in range(struct.unpack_from("!H", self.body)[0]):
            size = struct.unpack_from("!i", self.body, at)[0]
            at += 4
            out.append(None if size < 0 else self.body[at:at + size].decode(errors="replace"))
            at += max(size, 0)
        return out

    @property
    def number(self):
        return struct.unpack_from("!I", self.body)[0]

    def __repr__(self):
        if self.kind in "EN" and len(self.body) > 4:
            return f"<{self.kind} {self.fields}>"
        return f"<{self.kind} {self.body[:80]!r}{'...' if len(self.body) > 80 else ''}>"


class Gone(Exception):
    """The other side has closed the connection."""


class Connection:
    def __init__(self, sock):
        self.sock = sock
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.timeout = 10 * PATIENCE

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with an RST, as a host that died does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, *parts, piece=None, pause=0):
        """Send the parts as one write, or in writes of `piece` bytes."""
        data = b"".join(parts)
        try:
            if piece is None:
                self.sock.sendall(data)
                return
            for at in range(0, len(data), piece):
                self.sock.sendall(data[at:at + piece])
                if pause:
                    time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as e:
            raise Gone(str(e)) from None

    @property
    def tls(self):
        return isinstance(self.sock, ssl.SSLSocket)

    def fill(self, timeout):
        decrypted = self.sock.pending() if self.tls else 0
        if not decrypted and not select.select([self.sock], [], [], max(timeout, 0))[0]:
            raise TimeoutError(f"no answer; buffered: {self.buffer[:200]!r}")
        try:
            data = self.sock.recv(262144)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as e:
            raise Gone(str(e)) from None
        if not data:
            raise Gone(f"closed; buffered: {self.buffer[:200]!r}")
        self.buffer += data

    def read(self, size, timeout=None):
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while len(self.buffer) < size:
            self.fill(end - time.monotonic())
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def receive(self, timeout=None):
        """The next message."""
        head = self.read(5, timeout)
        size = struct.unpack("!I", head[1:])[0]
        assert 4 <= size < 1 << 30, f"bad length {size} behind {head[:1]!r}"
        return Message(chr(head[0]), self.read(size - 4, timeout))

    def expect(self, kind, timeout=None):
        """The next message, which must be one of these letters."""
        got = self.receive(timeout)
        assert got.kind in kind, f"expected {kind}, got {got}"
        return got

    def quiet(self, seconds=0.1):
        """Nothing comes for that long."""
        assert not self.buffer, f"unexpected: {self.buffer[:200]!r}"
        try:
            self.fill(seconds)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected: {self.buffer[:200]!r}")

    def until_closed(self, timeout=None):
        """All messages up to the end of the connection."""
        out = []
        try:
            while True:
                out.append(self.receive(timeout))
        except Gone:
            return out


# ---- SCRAM, the client's side ----

@functools.lru_cache
def scram_keys(password, salt, rounds):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return client_key, hashlib.sha256(client_key).digest(), server_key


def scram_verifier(password, salt=b"0123456789abcdef", rounds=4096):
    _, stored, server = scram_keys(password, salt, rounds)
    b64 = lambda b: base64.b64encode(b).decode()  # noqa: E731
    return f"SCRAM-SHA-256${rounds}:{b64(salt)}${b64(stored)}:{b64(server)}"


PLAIN_SCRAM, SCRAM_PLUS = "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"


class Scram:
    """binding: the hash of the server's certificate, for SCRAM-SHA-256-PLUS; header: a GS2 header other than usual."""

    def __init__(self, password, binding=b"", header=None, mechanism=None):
        self.password = password
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first_bare = f"n=,r={self.nonce}"
        self.header = header or ("p=tls-server-end-point,," if binding else "n,,")
        self.mechanism = mechanism or (SCRAM_PLUS if binding else PLAIN_SCRAM)
        self.bound = base64.b64encode(self.header.encode() + binding).decode()

    def first(self):
        data = (self.header + self.first_bare).encode()
        return message("p", cstr(self.mechanism) + struct.pack("!I", len(data)) + data)

    def final(self, challenge):
        text = challenge.decode()
        values = dict(part.split("=", 1) for part in text.split(","))
        assert values["r"].startswith(self.nonce) and len(values["r"]) > len(self.nonce)
        self.salt, self.rounds = base64.b64decode(values["s"]), int(values["i"])
        client_key, stored, self.server_key = scram_keys(self.password, self.salt, self.rounds)
        without_proof = f"c={self.bound},r=" + values["r"]
        self.signed = ",".join((self.first_bare, text, without_proof)).encode()
        signature = hmac.digest(stored, self.signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return message("p", (without_proof + ",p=" + base64.b64encode(proof).decode()).encode())

    def check(self, final):
        signature = hmac.digest(self.server_key, self.signed, "sha256")
        assert final == b"v=" + base64.b64encode(signature), "the server does not prove that it knows the password"


def end_point(der, digest="sha256"):
    """Channel binding data tls-server-end-point of a certificate that is signed with this hash."""
    return hashlib.new(digest, der).digest()


# ---- the scripted client ----

class Client(Connection):
    """A client that does what the test says.  login() sets pid, key, parameters, notices, mechanisms."""

    binding = b""  # channel binding data; with it, SCRAM-SHA-256-PLUS is taken where it is offered

    @classmethod
    def connect(cls, host, port, tls=None, direct=False, name="localhost"):
        """tls: an ssl.SSLContext, with which TLS is spoken from the start (direct) or behind an SSLRequest."""
        c = cls.connect_plain(host, port)
        try:
            if tls and not direct:
                c.ask_for_tls()
            if tls:
                c.secure(tls, name)
        except BaseException:
            c.close()
            raise
        return c

    def ask_for_tls(self):
        self.send(ssl_request())
        answer = self.read(1)
        assert answer == b"S", f"TLS is refused: {answer + self.buffer!r}"
        assert not self.buffer, f"bytes before TLS: {self.buffer!r}"

    def secure(self, tls, name="localhost"):
        """The handshake; name: what is asked for (SNI) and checked."""
        self.sock = tls.wrap_socket(self.sock, server_hostname=name)

    def bind_channel(self, digest="sha256"):
        self.binding = end_point(self.sock.getpeercert(True), digest)

    @classmethod
    def connect_plain(cls, host, port):
        if str(host).startswith("/"):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(10 * PATIENCE)
            sock.connect(f"{host}/.s.PGSQL.{port}")
        else:
            sock = socket.create_connection((host, port), timeout=10 * PATIENCE)
        return cls(sock)

    def start(self, database, user, version=VERSION_3_0, **options):
        self.send(startup({"user": user, "database": database, **options}, version))

    def login(self, database="shop", user="app", password="", version=VERSION_3_0, **options):
        """Up to the first ReadyForQuery or ErrorResponse, which is returned."""
        self.start(database, user, version, **options)
        return self.authenticate(user, password)

    def authenticate(self, user, password):
        self.parameters, self.notices, self.negotiated, self.auth_codes = {}, [], [], []
        scram = None
        while True:
            m = self.receive()
            if m.kind == "R":
                code = m.number
                self.auth_codes.append(code)
                if code == 3:
                    self.send(message("p", cstr(password)))
                elif code == 5:
                    inner = hashlib.md5((password + user).encode()).hexdigest()
                    outer = hashlib.md5(inner.encode() + m.body[4:8]).hexdigest()
                    self.send(message("p", cstr("md5" + outer)))
                elif code == 10:
                    self.mechanisms = [s for s in m.body[4:].split(b"\0") if s]
                    bound = self.binding if SCRAM_PLUS.encode() in self.mechanisms else b""
                    scram = self.scram = Scram(password, bound)
                    self.send(scram.first())
                elif code == 11:
                    self.send(scram.final(m.body[4:]))
                elif code == 12:
                    scram.check(m.body[4:])
            elif m.kind == "S":
                name, value = m.strings
                self.parameters[name] = value
            elif m.kind == "K":
                self.pid, self.key = m.number, m.body[4:]
            elif m.kind == "v":
                self.negotiated.append(m)
            elif m.kind == "N":
                self.notices.append(m)
            else:
                return m

    def until_ready(self, timeout=None):
        """All messages up to and with ReadyForQuery."""
        out = []
        while not out or out[-1].kind != "Z":
            out.append(self.receive(timeout))
        return out

    def ask(self, *parts, timeout=None):
        self.send(*parts)
        return self.until_ready(timeout)

    def query(self, sql, timeout=None):
        """The rows of a simple query; an error raises ServerError."""
        out = []
        failure = None
        for m in self.ask(query(sql), timeout=timeout):
            if m.kind == "D":
                out.append(m.row)
            elif m.kind == "E":
                failure = m
        if failure:
            raise ServerError(failure.fields)
        return out

    def cancel(self, key=None, pid=None, tls=None):
        """Send a CancelRequest for this connection on one of its own, and wait until that is closed.

        tls: how to speak TLS there; plain, as PQcancel does, without."""
        address = self.sock.getpeername()
        host, port = (address[:2] if isinstance(address, tuple) else (None, None))
        if host:
            c = Client.connect(host, port, tls)
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(address)
            c = Connection(sock)
        with c:
            c.send(cancel_request(self.pid if pid is None else pid, self.key if key is None else key))
            assert c.until_closed() == []


class ServerError(Exception):
    def __init__(self, values):
        super().__init__(f"{values.get('C')}: {values.get('M')}")
        self.fields = values
        self.code = values.get("C")


def kinds(messages):
    """The letters of some messages as one string."""
    return "".join(m.kind for m in messages)


# ---- the scripted server ----

DEFAULT_PARAMETERS = {
    "server_version": "15.0 (scripted)", "server_encoding": "UTF8", "client_encoding": "UTF8",
    "application_name": "", "is_superuser": "off", "session_authorization": "app", "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres", "TimeZone": "UTC", "integer_datetimes": "on", "standard_conforming_strings": "on",
}


class ServerConnection(Connection):
    """One connection that the scripted server has accepted."""

    def __init__(self, sock, server, number):
        super().__init__(sock)
        self.server = server
        self.number = number
        self.pid = 1000 + number
        self.key = os.urandom(4)
        self.queries = []

    def secure(self, tls):
        """The handshake, when TLS was agreed upon or is to be spoken from the start."""
        assert not self.buffer, f"bytes before TLS: {self.buffer!r}"
        self.sock.settimeout(10 * PATIENCE)
        self.sock = tls.wrap_socket(self.sock, server_side=True)

    def read_startup(self):
        """The startup packet's parameters; answers SSL (with the server's tls) and GSS requests, records cancels
        (then None)."""
        while True:
            size = struct.unpack("!I", self.read(4))[0]
            body = self.read(size - 4)
            code = struct.unpack_from("!I", body)[0]
            if code == SSL_REQUEST and self.server.tls:
                self.send(b"S")
                self.secure(self.server.tls)
            elif code in (SSL_REQUEST, GSSENC_REQUEST):
                self.send(b"N")
            elif code == CANCEL_REQUEST:
                self.server.cancels.append((struct.unpack_from("!I", body, 4)[0], body[8:]))
                return None
            else:
                parts = body[4:].split(b"\0")
                self.parameters = dict(zip((p.decode() for p in parts[0::2]), (p.decode() for p in parts[1::2])))
                return self.parameters

    def welcome(self, status="I", **parameters):
        """What a server says after a good login."""
        values = {**DEFAULT_PARAMETERS, **parameters}
        self.send(AUTH_OK, *(parameter_status(k, v) for k, v in values.items()), key_data(self.pid, self.key),
                  ready(status))

    def scram(self, password, mechanisms=(PLAIN_SCRAM,), binding=b"", rounds=4096, salt=b"0123456789abcdef"):
        """Ask for SCRAM; what the client chose and whether its proof (and binding) fits: (mechanism, GS2 header, bool).
        The server proves itself, too; nothing is sent behind that."""
        self.send(auth(10, b"".join(cstr(m) for m in mechanisms) + b"\0"))
        body = self.expect("p").body
        mechanism, _, rest = body.partition(b"\0")
        first = rest[4:].decode()
        header, first_bare = first[:first.index(",,") + 2], first[first.index(",,") + 2:]
        nonce = first_bare.partition("r=")[2] + base64.b64encode(os.urandom(18)).decode()
        challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={rounds}"
        self.send(auth(11, challenge.encode()))
        without_proof, _, proof = self.expect("p").body.decode().rpartition(",p=")
        bound = base64.b64encode(header.encode() + (binding if header.startswith("p=") else b"")).decode()
        client_key, stored, server_key = scram_keys(password, salt, rounds)
        signed = ",".join((first_bare, challenge, without_proof)).encode()
        signature = hmac.digest(stored, signed, "sha256")
        fits = (bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature)) == client_key
                and without_proof == f"c={bound},r={nonce}")
        if fits:
            self.send(auth(12, b"v=" + base64.b64encode(hmac.digest(server_key, signed, "sha256"))))
        return mechanism.decode(), header, fits

    def accept(self, **parameters):
        """Startup and welcome; False when this was a cancel."""
        if self.read_startup() is None:
            return False
        self.welcome(**parameters)
        return True

    def expect_query(self, sql=None):
        m = self.expect("Q")
        text = m.strings[0]
        self.queries.append(text)
        assert sql is None or text == sql, f"expected {sql!r}, got {text!r}"
        return text

    def serve(self, answer=None):
        """Answer messages sensibly until the other side closes.

        answer(connection, sql) may send an answer to a simple query (up to, without, ReadyForQuery) and return
        True; otherwise the answer is one row with the query's own text."""
        status = "I"
        while True:
            try:
                m = self.receive(timeout=600)
            except (Gone, TimeoutError, OSError):
                return
            if m.kind == "X":
                return
            if m.kind == "Q":
                sql = m.strings[0]
                self.queries.append(sql)
                word = sql.split()[0].upper().rstrip(";") if sql.split() else ""
                if word == "BEGIN":
                    status = "T"
                elif word in ("COMMIT", "ROLLBACK"):
                    status = "I"
                if not (answer and answer(self, sql)):
                    if not sql.strip():
                        self.send(message("I"))
                    elif word in ("BEGIN", "COMMIT", "ROLLBACK", "SET", "DISCARD", "DEALLOCATE", "RESET"):
                        self.send(command_complete(word))
                    else:
                        self.send(result(sql))
                self.send(ready(status))
            elif m.kind == "S":
                self.send(ready(status))
            elif m.kind == "P":
                self.queries.append("Parse " + m.strings[1])
                self.send(message("1"))
            elif m.kind == "B":
                self.send(message("2"))
            elif m.kind == "C":
                self.send(message("3"))
            elif m.kind == "D":
                self.send(message("n"))
            elif m.kind == "E":
                self.send(data_row("executed"), command_complete("SELECT 1"))


class FakeServer:
    """Listens; runs behaviour(connection) in a thread for each connection.

    Without behaviour it accepts everybody and answers each query with a row that holds the query's text."""

    host = "127.0.0.1"

    def __init__(self, behaviour=None, answer=None, tls=None, **parameters):
        self.tls = tls
        self.behaviour = behaviour or (lambda c: c.accept(**parameters) and c.serve(answer))
        self.connections, self.cancels, self.errors = [], [], []
        self.threads = []
        self.release = threading.Event()  # for behaviours that stall until the test lets them go on
        self.closing = False
        self.sock = socket.create_server((self.host, 0), backlog=100)
        self.port = self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"host={self.host} port={self.port}"

    def run(self):
        while not self.closing:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            c = ServerConnection(sock, self, len(self.connections) + 1)
            self.connections.append(c)
            thread = threading.Thread(target=self.handle, args=(c,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def handle(self, c):
        try:
            self.behaviour(c)
        except (Gone, TimeoutError, OSError) as e:
            c.ended = e
        except Exception as e:  # noqa: BLE001
            self.errors.append(e)
        finally:
            c.close()

    def stall(self, seconds=60):
        """For a behaviour: wait until the test sets `release`."""
        self.release.wait(seconds)

    def stop_listening(self):
        # shutdown() wakes the thread in accept(); close() alone would not
        self.closing = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        self.thread.join(5 * PATIENCE)

    def close(self):
        self.release.set()
        self.stop_listening()
        for c in self.connections:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5 * PATIENCE)
        assert not self.errors, f"the scripted server failed: {self.errors!r}"
