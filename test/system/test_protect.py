"""What strangers and clients that misbehave can do: bans, allow and deny, the PROXY protocol, deadlines, budgets of
memory, rates of connections, cancel requests and log lines; and that somebody else is served meanwhile."""

import contextlib
import fcntl
import os
import re
import resource
import socket
import struct
import threading
import time

import psycopg
import pytest

import wire
from certs import careless
from helpers import MEMORY_COUNTS, SLOW, make_dir, remove_dir, status_kb, wait_until

pytestmark = [pytest.mark.ours("protection"), pytest.mark.plain("has its hands in the socket")]

PASSWORD = "app-secret"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def connect(p, source="127.0.0.1"):
    """A scripted client at one of this machine's own addresses."""
    return wire.Client(socket.create_connection((p.host, p.port), timeout=10 * SLOW, source_address=(source, 0)))


def told(reply):
    return reply.kind, reply.code, reply.fields.get("M", "")


def attempt(p, password, database="shop", user="app", source="127.0.0.1"):
    """Log in; what is told at the end."""
    with connect(p, source) as c:
        reply = c.login(database, user, password)
        return ("Z", "", "") if reply.kind == "Z" else told(reply)


# ---- PROXY protocol ----

def v1(address="10.9.8.7", port=5000):
    family = "TCP6" if ":" in address else "TCP4"
    to = "::1" if ":" in address else "127.0.0.1"
    return f"PROXY {family} {address} {to} {port} 6432\r\n".encode()


def v2(address="10.9.8.7", port=5000, command=0x21, tlvs=b""):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    to = "::1" if ":" in address else "127.0.0.1"
    body = (socket.inet_pton(family, address) + socket.inet_pton(family, to) + struct.pack("!HH", port, 6432) + tlvs)
    return SIGNATURE + bytes([command, 0x21 if ":" in address else 0x11]) + struct.pack("!H", len(body)) + body


LOCAL = SIGNATURE + b"\x20\0\0\0"


@pytest.fixture(scope="module")
def proxied(module_pgusher, certs):
    return module_pgusher(proxy_protocol="127.0.0.1", pool_mode="transaction", log_connections=1, ban_failures=3,
                          client_message_timeout=3 * SLOW, client_tls_sslmode="allow",
                          client_tls_cert_file=certs.server.cert, client_tls_key_file=certs.server.key)


def where(p, database="shop"):
    return [(r["addr"], r["port"]) for r in p.clients(database)]


@pytest.mark.parametrize("header,address", [
    (v1(), ("10.9.8.7", 5000)),
    (v1("2001:db8::7"), ("2001:db8::7", 5000)),
    (v2(), ("10.9.8.7", 5000)),
    (v2("2001:db8::7"), ("2001:db8::7", 5000)),
    (v2("::ffff:10.9.8.7"), ("10.9.8.7", 5000)),
    (v2(tlvs=b"\x02\0\x0bexample.com\x04\0\x02ab"), ("10.9.8.7", 5000)),
], ids=["v1", "v1-6", "v2", "v2-6", "v2-mapped", "v2-tlvs"])
def test_what_a_proxy_tells_is_where_a_client_is(proxied, header, address):
    for piece in (None, 7):
        with connect(proxied) as c, proxied.logs(re.escape(address[0]) + r"\]?:5000 login attempt: db=shop user=app"):
            c.send(header + wire.startup({"user": "app", "database": "shop"}), piece=piece)
            assert c.authenticate("app", "").kind == "Z"
            assert c.query("SELECT 1") == [["1"]]
            assert where(proxied) == [address]
        wait_until(lambda: not where(proxied))


def test_a_proxy_that_asks_whether_we_are_there(proxied):
    for header in (LOCAL, b"PROXY UNKNOWN\r\n"):
        with connect(proxied) as c:
            c.send(header)
            assert c.login("shop", "app").kind == "Z"
            assert where(proxied)[0][0] == "127.0.0.1"
    with connect(proxied) as c:
        c.send(LOCAL)  # and leaves


@pytest.mark.parametrize("what", [
    b"PROXY TCP4 10.9.8.7 x 1 2\r\n", b"PROXY " + b"x" * 200, SIGNATURE + b"\x21\x11\xff\xff", b"GET / HTTP/1.0\r\n\r\n",
    v2(command=0x22), wire.startup({"user": "app", "database": "shop"}), wire.ssl_request(),
], ids=["malformed", "endless", "huge", "http", "command", "none", "tls"])
def test_headers_that_are_none(proxied, what):
    with connect(proxied) as c:
        c.send(what)
        reply = c.expect("E")
        assert (reply.code, reply.fields["S"]) == ("08P01", "FATAL")
        assert c.until_closed() == []


def test_a_header_that_does_not_end(proxied):
    with connect(proxied) as c:
        c.send(v1()[:20])
        assert c.expect("E").fields["M"].endswith("(client_message_timeout)")


def test_who_is_no_proxy_may_not_tell(proxied):
    with connect(proxied, "127.0.0.2") as c:
        c.send(v1())
        assert c.expect("E").code == "08P01"
    with connect(proxied, "127.0.0.2") as c:
        assert c.login("shop", "app").kind == "Z"


def test_tls_behind_a_header(proxied):
    with connect(proxied) as c:
        c.send(v2())
        c.ask_for_tls()
        c.secure(careless())
        assert c.login("shop", "app").kind == "Z"
        assert where(proxied) == [("10.9.8.7", 5000)]
    with connect(proxied) as c:  # what stands behind an SSLRequest in clear is refused here, too
        c.send(v2() + wire.ssl_request() + wire.startup({"user": "app", "database": "shop"}))
        assert c.expect("E").code == "08P01"


def test_a_cancel_request_behind_a_header(proxied):
    with connect(proxied) as c:
        c.send(v1())
        assert c.login("shop", "app").kind == "Z"
        c.send(wire.query("SELECT pg_sleep(60)"))
        wait_until(lambda: proxied.pg.backends("shop", where="state = 'active' AND query LIKE '%pg_sleep(60)%'"))
        with connect(proxied) as by:
            by.send(v1("10.1.1.1") + wire.cancel_request(c.pid, c.key))
            by.until_closed()
        assert [m.code for m in c.until_ready() if m.kind == "E"] == ["57014"]


def test_hba_and_bans_know_what_a_proxy_told(pgusher):
    folder = make_dir("pgu-hba-")
    try:
        (folder / "hba").write_text("local all all trust\nhost all all 10.9.0.0/16 scram-sha-256\n")
        p = pgusher(proxy_protocol="127.0.0.0/8", auth_type="hba", auth_hba_file=folder / "hba", ban_failures=2,
                    pool_mode="transaction")

        def login(address, password):
            with connect(p) as c:
                c.send(v1(address))
                reply = c.login("shop", "app", password)
                return ("Z", "", "") if reply.kind == "Z" else told(reply)

        assert login("10.8.0.1", PASSWORD)[:2] == ("E", "28000")
        assert login("10.9.0.1", PASSWORD)[0] == "Z"
        assert [login("10.9.0.2", "wrong")[1] for _ in range(2)] == ["28P01", "28P01"]
        assert "10.9.0.2/32 is banned" in login("10.9.0.2", PASSWORD)[2]
        assert login("10.9.0.1", PASSWORD)[0] == "Z"
        p.console("BAN '10.9.0.1'")
        with connect(p) as c:
            c.send(v1("10.9.0.1"))
            assert c.until_closed() == []
    finally:
        remove_dir(folder)


# ---- bans ----

def test_failures_bring_a_ban(pgusher):
    p = pgusher(auth_type="scram-sha-256", ban_failures=3, ban_time=3600, ban_time_max=3600, pool_mode="transaction")
    with p.logs(r"WARNING .*@127.0.0.2.*too many failed logins: its address is banned"):
        for user in ("app", "nobody", "app2"):
            assert attempt(p, "wrong", user=user, source="127.0.0.2")[1] == "28P01"
    kind, code, message = attempt(p, PASSWORD, source="127.0.0.2")
    assert (kind, code) == ("E", "28000")
    assert re.fullmatch(r'127\.0\.0\.2/32 is banned from database "shop" for 3\d\d\d more seconds', message)
    assert attempt(p, PASSWORD, database="mill", source="127.0.0.2")[0] == "Z"
    assert attempt(p, PASSWORD, source="127.0.0.3")[0] == "Z"
    ban, = p.console("SHOW BANS")
    assert (ban["network"], ban["tenant"], ban["by"]) == ("127.0.0.2/32", "shop", "auto")
    p.console("UNBAN '127.0.0.2'")
    assert p.console("SHOW BANS") == []
    assert attempt(p, PASSWORD, source="127.0.0.2")[0] == "Z"


def test_a_database_that_does_not_exist_is_banned_as_others(pgusher):
    p = pgusher(auth_type="scram-sha-256", ban_failures=2)
    replies = {db: [attempt(p, "wrong", database=db, source="127.0.0.2")[1] for _ in range(3)] for db in ("shop", "nix")}
    assert replies == {"shop": ["28P01", "28P01", "28000"], "nix": ["28P01", "28P01", "28000"]}


def test_a_neighbour_can_not_lock_out_who_is_known(pgusher):
    p = pgusher(auth_type="scram-sha-256", ban_failures=3, pool_mode="transaction")
    assert attempt(p, PASSWORD, source="127.0.0.2")[0] == "Z"
    for _ in range(3):
        attempt(p, "wrong", user="app2", source="127.0.0.2")
    assert attempt(p, "app2-secret", user="app2", source="127.0.0.2")[1] == "28000"
    assert attempt(p, PASSWORD, source="127.0.0.2")[0] == "Z"


def test_unix_sockets_are_not_banned(pgusher):
    p = pgusher(auth_type="scram-sha-256", ban_failures=1, accept_rate=1)
    for _ in range(2):
        with p.wire(host=p.dir) as c:
            assert c.login("shop", "app", "wrong").code == "28P01"
    with p.wire(host=p.dir) as c:
        assert c.login("shop", "app", PASSWORD).kind == "Z"


# ---- allow and deny ----

def transcript(p, database, password, source):
    """All that a stranger learns, but for what is random by nature and for the name that he sent himself."""
    with connect(p, source) as c:
        reply = c.login(database, "scramuser", password)
        salt = (c.scram.salt, c.scram.rounds)
        return c.auth_codes, c.mechanisms, salt, {k: v.replace(database, "DB") for k, v in reply.fields.items()}


def test_who_may_not_come_learns_nothing(pgusher):
    p = pgusher(auth_type="scram-sha-256", pool_mode="transaction", databases={
        "inner": "{pg} dbname=shop allow='127.0.0.2, 10.0.0.0/8'", "outer": "{pg} dbname=shop deny='127.0.0.3'",
        "local": "{pg} dbname=shop allow=unix"})
    for database, source, allowed in (("inner", "127.0.0.2", True), ("inner", "127.0.0.3", False),
                                      ("outer", "127.0.0.2", True), ("outer", "127.0.0.3", False),
                                      ("local", "127.0.0.2", False)):
        with connect(p, source) as c:
            reply = c.login(database, "scramuser", "scram secret")
            assert (reply.kind == "Z") == allowed, (database, source, reply)
        if allowed:
            continue
        p.wait_log(rf"{database}/scramuser@{source}.*its address may not go to this database")
        for password in ("scram secret", "wrong"):
            assert transcript(p, database, password, source) == transcript(p, "nix", password, source)
    with p.wire(host=p.dir) as c:
        assert c.login("local", "scramuser", "scram secret").kind == "Z"


# ---- messages that do not end ----

def test_a_message_that_does_not_end(pgusher):
    """A client that begins a query and goes no further gives the only server back."""
    p = pgusher(pool_mode="transaction", default_pool_size=1, client_message_timeout=1)
    with p.wire("shop") as c, p.wire("shop") as other:
        c.send(wire.query("SELECT '" + "x" * 100000 + "'")[:50000])
        wait_until(lambda: p.pool("shop")["cl_active"] == 1)
        assert other.query("SELECT 1", timeout=20 * SLOW) == [["1"]]
        assert c.receive().fields["M"].endswith("(client_message_timeout)")


@pytest.mark.parametrize("beginning", [b"Q", b"Q\0\0", wire.parse("a", "SELECT 1")[:9], wire.query("SELECT 1")[:-1]])
def test_a_byte_now_and_then(pgusher, beginning):
    """A slow loris: each byte comes in time, the message never ends."""
    p = pgusher(pool_mode="transaction", client_message_timeout=1)
    with p.wire("shop") as c:
        end = time.monotonic() + 20 * SLOW
        c.send(beginning[:1])
        rest = iter(beginning[1:-1])
        with pytest.raises((wire.Gone, AssertionError)):
            while time.monotonic() < end:
                byte = next(rest, None)
                if byte is not None:
                    c.send(bytes([byte]))
                c.quiet(0.3)
        assert time.monotonic() < end


def test_what_takes_its_time_by_right(pgusher):
    """A session without a message, one that waits for its server, a COPY that goes slowly, and a long message that
    goes on are not in the way of client_message_timeout."""
    p = pgusher(pool_mode="transaction", default_pool_size=1, client_message_timeout=0.5)
    with p.wire("shop") as idle, p.wire("shop") as c, p.wire("shop") as waiting:
        waited = wire.query("SELECT 2")
        c.ask(wire.query("BEGIN; CREATE TEMP TABLE t (a text)"))
        c.send(wire.query("COPY t FROM STDIN"))
        assert c.receive().kind == "G"
        waiting.send(waited)
        data = wire.copy_data(b"x" * 50 + b"\n")
        for _ in range(3):
            c.send(data[:20])
            time.sleep(0.8)
            c.send(data[20:])
        c.send(wire.COPY_DONE)
        assert [m.kind for m in c.until_ready()] == ["C", "Z"]
        c.ask(wire.query("COMMIT"))
        assert [m.kind for m in waiting.until_ready()] == ["T", "D", "C", "Z"]
        assert idle.query("SELECT 3") == [["3"]]


# ---- readers that do not read ----

def test_a_client_that_never_reads(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1, client_write_timeout=1)
    with p.wire("shop") as c, p.wire("shop") as other:
        with p.logs("closing because: client_write_timeout", 20):
            c.send(wire.query("SELECT repeat('x', 100000) FROM generate_series(1, 10000)"))
            assert other.query("SELECT 1", timeout=20 * SLOW) == [["1"]]


def test_a_client_that_reads_slowly(pgusher):
    """It takes longer than the limit in all, but never stands still for so long."""
    p = pgusher(pool_mode="transaction", client_write_timeout=3 * SLOW)
    with p.wire("shop") as c:
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        c.send(wire.query("SELECT repeat('x', 100000) FROM generate_series(1, 200)"))
        end, size = time.monotonic() + 6 * SLOW, 0
        while time.monotonic() < end and size < 15000000:
            size += len(c.sock.recv(100000))
            time.sleep(0.04 * SLOW)
        while not c.buffer.endswith(wire.ready()):
            c.buffer = c.buffer[-10:]
            c.fill(20 * SLOW)
        c.buffer = b""
        assert c.query("SELECT 1") == [["1"]]


# ---- memory ----

def test_a_parse_of_300_megabytes(pgusher):
    """It is refused, never kept, and the session lives on; with another budget it is refused by another name."""
    p = pgusher(pool_mode="transaction", client_memory=1 << 20, default_pool_size=1)
    chunk = b"x" * (1 << 20)
    for name in ("a", "b"):
        with p.wire("shop") as c, p.wire("shop") as other:
            assert other.query("SELECT 1") == [["1"]]
            before = status_kb(p.pid, "VmRSS")
            c.send(b"P" + struct.pack("!I", 4 + 2 + 8 + 300 * len(chunk) + 4) + name.encode() + b"\0" + b"SELECT '")
            for _ in range(300):
                c.send(chunk)
            assert other.query("SELECT 2") == [["2"]], "it holds no server meanwhile"
            assert status_kb(p.pid, "VmRSS") - before < 5000 or not MEMORY_COUNTS
            c.send(b"'\0\0\0", wire.bind("", name), wire.execute(), wire.SYNC)
            got = c.until_ready(30 * SLOW)
            assert [(m.kind, m.code if m.kind == "E" else "") for m in got] == [("E", "54000"), ("Z", "")]
            assert c.query("SELECT 3") == [["3"]]
        p.change(client_memory=0)


def test_one_client_can_not_use_up_its_tenant(pgusher):
    p = pgusher(pool_mode="transaction", client_memory=100000, prepared_text_budget=10 << 20)
    text = "SELECT '" + "x" * 10000 + "'"
    with p.wire("shop") as c, p.wire("shop") as other:
        codes = [[m.code for m in c.ask(wire.parse(f"s{i}", text + f"::text || {i}"), wire.SYNC) if m.kind == "E"]
                 for i in range(20)]
        assert codes[:9] == [[]] * 9 and codes[-1] == ["53400"], codes
        assert [m.kind for m in other.ask(wire.parse("s", text), wire.SYNC)] == ["1", "Z"]
        assert c.ask(wire.close("S", "s1"), wire.SYNC)[0].kind == "3"
        assert c.ask(wire.parse("again", text), wire.SYNC)[0].kind == "1"


def test_messages_of_a_tenant_together(pgusher):
    """Each client is within its own budget; what they begin together is more than their tenant may have us keep."""
    p = pgusher(pool_mode="transaction", tenant_memory=4 << 20, default_pool_size=2)
    half = wire.parse("s", "SELECT '" + "x" * (1 << 20) + "'")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(p.wire("shop")) for _ in range(20)]
        for c in clients:
            c.send(half[:100000])
        refused = []

        def enough():
            refused.extend(c for c in clients if c not in refused and select_error(c))
            return len(refused) >= 16
        wait_until(enough, 5, "most are refused")
        enough()
        assert len(refused) <= 17, len(refused)
        other = stack.enter_context(p.wire("mill"))
        assert other.ask(half, wire.SYNC)[0].kind == "1", "another tenant has its own"
        for c in clients:
            c.send(half[100000:], wire.SYNC)
            assert c.until_ready()[-1].kind == "Z"


def select_error(c):
    try:
        reply = c.receive(0.05)
    except TimeoutError:
        return False
    assert (reply.kind, reply.code) == ("E", "53400"), reply
    return True


# ---- rates ----

def test_connections_of_one_address(pgusher):
    p = pgusher(accept_rate=1, pool_mode="transaction", log_rate=3)

    def is_closed():
        with connect(p, "127.0.0.2") as c:
            try:
                return c.login("shop", "app").kind != "Z"
            except (wire.Gone, OSError):
                return True
    since = len(p.log())
    closed = sum(is_closed() for _ in range(60))
    assert closed > 0
    assert attempt(p, "", source="127.0.0.3")[0] == "Z", "others may"
    p.wait_log(r"refused a connection from 127\.0\.0\.2:\d+: too many connections a second \(accept_rate\)", since)
    wait_until(lambda: not is_closed(), 10, "it may again")


def test_a_flood_of_cancel_requests(pgusher):
    """With a right key among wrong ones that come too often, the wrong ones are dropped; others may cancel."""
    p = pgusher(cancel_rate=1, pool_mode="transaction", log_rate=10)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT pg_sleep(60)"))
        wait_until(lambda: p.pg.backends("shop", where="state = 'active' AND query LIKE '%pg_sleep(60)%'"))
        with p.logs(r"closing because: too many cancel requests a second"):
            for i in range(50):
                with connect(p, "127.0.0.2") as by:
                    by.send(wire.cancel_request(c.pid, struct.pack("!I", i)))
        with connect(p, "127.0.0.3") as by:
            by.send(wire.cancel_request(c.pid, c.key))
        assert [m.code for m in c.until_ready() if m.kind == "E"] == ["57014"]


def test_a_flood_of_log_lines(pgusher):
    p = pgusher(log_rate=10, pool_mode="transaction")
    with p.wire("shop") as c:
        since = len(p.log())
        for _ in range(300):
            c.ask(wire.bind("", "nix"), wire.SYNC)
        found = p.wait_log(r'(\d+) more lines like this in the last second: "prepared statement did not exist', since, 10)
        assert int(found[1]) > 0

        def told_of():
            log = p.log()[since:]
            return (log.count("prepared statement did not exist: 'nix'") +
                    sum(int(n) for n in re.findall(r"(\d+) more lines like this", log)))
        wait_until(lambda: told_of() == 300, 10, "each is there or counted")


# ---- somebody else is served meanwhile ----

class Probe:
    """A client that connects, asks and leaves, again and again, while something else goes on: how long that takes."""

    def __init__(self, p):
        self.p, self.times, self.errors, self.stop = p, [], [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            since = time.monotonic()
            try:
                with psycopg.connect(**self.p.parameters("shop", "app", connect_timeout=int(40 * SLOW))) as c:
                    c.execute("SELECT 1")
            except psycopg.Error as e:
                self.errors.append(e)
            self.times.append(time.monotonic() - since)
            self.stop.wait(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def check(self, what):
        times = sorted(self.times)
        assert not self.errors, self.errors[:3]
        assert len(times) >= 3
        print(f"{what}: {len(times)} logins beside it, median {times[len(times) // 2] * 1000:.1f} ms, "
              f"longest {times[-1] * 1000:.1f} ms")
        assert times[-1] < 15 * SLOW


def flood(probe, seconds, one, threads=2):
    """Do one thing as often as it goes, for so long, and until the probe has been served a few times; how often a second."""
    since, counts = time.monotonic(), [0] * threads

    def run(i):
        while (took := time.monotonic() - since) < seconds or (len(probe.times) < 3 and took < 60 * SLOW):
            with contextlib.suppress(OSError):
                one()
                counts[i] += 1
    workers = [threading.Thread(target=run, args=(i,)) for i in range(threads)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    return sum(counts) / (time.monotonic() - since)


@pytest.fixture
def house(pgusher, certs):
    return pgusher(auth_type="scram-sha-256", pool_mode="transaction", max_login_clients=200, log_rate=100,
                   client_message_timeout=1, client_write_timeout=1, client_tls_sslmode="allow",
                   client_tls_cert_file=certs.server.cert, client_tls_key_file=certs.server.key)


def test_thousands_that_send_one_byte_each(house):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    n = min(10000, limit - 200 if limit > 0 else 10000)
    before = status_kb(house.pid, "VmRSS")
    with Probe(house) as probe, contextlib.ExitStack() as stack:
        for _ in range(n):
            with contextlib.suppress(OSError):
                with socket.create_connection((house.host, house.port), timeout=10 * SLOW) as s:
                    s.send(b"\0")
                    # The low numbers are for who uses select().
                    stack.callback(os.close, fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 1100))
        held = len(house.console("SHOW CLIENTS"))
        grown = status_kb(house.pid, "VmRSS") - before
    probe.check(f"{n} connections of one byte each (memory +{grown} kB)")
    assert held <= 210
    assert grown < 20000 or not MEMORY_COUNTS


def flooder(house, *parts, reads=False):
    def one():
        with socket.create_connection((house.host, house.port), timeout=10 * SLOW) as s:
            s.send(b"".join(parts))
            if reads:
                s.recv(1)
    return one


@pytest.mark.parametrize("what", ["SSLRequest", "SSLRequest and half a hello", "cancel requests with wrong keys",
                                  "connections that are closed at once"])
def test_floods(house, what):
    hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"x" * 100
    one = {"SSLRequest": flooder(house, wire.ssl_request(), reads=True),
           "SSLRequest and half a hello": flooder(house, wire.ssl_request(), hello),
           "cancel requests with wrong keys": flooder(house, wire.cancel_request(7, b"1234")),
           "connections that are closed at once": flooder(house)}[what]
    with Probe(house) as probe:
        rate = flood(probe, 2, one)
    probe.check(f"{rate:.0f} {what} a second")


def test_many_that_never_read(house):
    """They are logged in, ask for much and read nothing; the pool is theirs until client_write_timeout."""
    house.change(default_pool_size=5)
    with Probe(house) as probe, contextlib.ExitStack() as stack:
        for _ in range(20):
            c = stack.enter_context(house.wire("shop"))
            c.send(wire.query("SELECT repeat('x', 100000) FROM generate_series(1, 10000)"))
        wait_until(lambda: house.log().count("client_write_timeout") >= 20, 40, "all of them are closed")
    times = sorted(probe.times)
    print(f"20 that never read, 5 servers: {len(times)} logins beside it, longest {times[-1] * 1000:.0f} ms")
    assert not probe.errors, probe.errors[:3]
    assert times[-1] < 30 * SLOW
