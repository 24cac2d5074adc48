"""What flows inside TLS: messages across records, large results, slow readers, moves, cancels; and hostile handshakes."""

import contextlib
import hashlib
import os
import socket
import ssl
import struct
import subprocess
import threading
import time

import psycopg
import pytest

import wire
from certs import careless, verifying
from helpers import MEMORY_COUNTS, SLOW, status_kb, wait_until
from pooler import PASSWORDS, PEER
from test_tls_client import tls

TENANTS = ["shop", "mill", "forge"] + [f"t{i}" for i in range(1, 9)]
APPLICATION_DATA = 23


class RecordClient(wire.Client):
    """Does TLS between buffers, so that a test has the records in its hands."""

    records = ()

    def secure(self, tls, name="localhost", piece=None):
        self.socket, self.records, self.undecided = self.sock, [], b""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.inner = tls.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        while True:
            try:
                self.inner.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush(piece)
                self.take()
            except ssl.SSLError as e:
                raise wire.Gone(str(e)) from None
        self.flush(piece)

    def flush(self, piece=None):
        data = self.outgoing.read()
        for at in range(0, len(data), piece or len(data) or 1):
            self.socket.sendall(data[at:at + (piece or len(data))])

    def take(self, timeout=None):
        """Read from the socket once; notes (type, length) of each record."""
        self.socket.settimeout(self.timeout if timeout is None else timeout)
        try:
            data = self.socket.recv(65536)
        except socket.timeout as e:
            raise TimeoutError(str(e)) from None
        except OSError as e:
            raise wire.Gone(str(e)) from None
        if not data:
            raise wire.Gone("closed")
        self.incoming.write(data)
        self.undecided += data
        while len(self.undecided) >= 5:
            kind, size = self.undecided[0], struct.unpack_from("!H", self.undecided, 3)[0]
            if len(self.undecided) < 5 + size:
                break
            self.records.append((kind, size))
            self.undecided = self.undecided[5 + size:]

    def send(self, *parts, piece=None, pause=0):
        """piece: how many bytes to put into a record."""
        if not self.records:
            super().send(*parts, piece=piece, pause=pause)
            return
        data = b"".join(parts)
        for at in range(0, len(data), piece or len(data) or 1):
            self.inner.write(data[at:at + (piece or len(data))])
        self.flush()

    def fill(self, timeout):
        if not self.records:
            super().fill(timeout)
            return
        while True:
            try:
                data = self.inner.read(65536)
                if not data:
                    raise wire.Gone("close_notify")
                self.buffer += data
                return
            except ssl.SSLWantReadError:
                self.take(timeout)
            except ssl.SSLError as e:
                raise wire.Gone(str(e)) from None

    def close_notify(self):
        with contextlib.suppress(ssl.SSLWantReadError):
            self.inner.unwrap()
        self.flush()


def by_records(p, context=None, piece=None, dbname="shop"):
    c = RecordClient.connect_plain(p.host, p.port)
    c.ask_for_tls()
    c.secure(context or careless(), piece=piece)
    if dbname:
        assert c.login(dbname, "app", PASSWORDS["app"]).kind == "Z"
    return c


@pytest.fixture(scope="module", params=[1, 2])
def secure(request, module_pgusher, certs):
    """One and two workers; few servers, so that clients wait for each other."""
    return module_pgusher(pool_mode="transaction", auth_type="scram-sha-256", workers=request.param,
                          default_pool_size=2, max_client_conn=500, **tls(certs))


@pytest.fixture(scope="module")
def single(module_pgusher, certs):
    return module_pgusher(pool_mode="transaction", auth_type="scram-sha-256", workers=1, **tls(certs))


# ---- messages and records ----

@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_handshake_in_single_bytes(single, version):
    context = careless(lowest=ssl.TLSVersion[version], highest=ssl.TLSVersion[version])
    with by_records(single, context, piece=1) as c:
        assert c.query("SELECT 1") == [["1"]]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 100])
def test_messages_cut_into_records(single, piece):
    with by_records(single) as c:
        c.send(wire.parse("", "SELECT $1::text"), wire.bind(values=["x" * 50]), wire.describe("P"), wire.execute(),
               wire.SYNC, wire.query("SELECT 2"), piece=piece)
        assert wire.kinds(c.until_ready()) == "12TDCZ"
        assert c.until_ready()[1].row == ["2"]


def test_startup_and_queries_in_one_record(single):
    c = RecordClient.connect_plain(single.host, single.port)
    with c:
        c.ask_for_tls()
        c.secure(careless())
        c.start("shop", "app", application_name="x" * 3000)
        assert c.authenticate("app", PASSWORDS["app"]).kind == "Z"
        c.send(*(wire.query(f"SELECT {i}") for i in range(300)))
        rows = [[m.row for m in c.until_ready() if m.kind == "D"] for _ in range(300)]
        assert rows == [[[str(i)]] for i in range(300)]


def test_query_over_many_records(single):
    """A message of 3 MB comes in some 200 records."""
    text = os.urandom(1_500_000).hex()
    with by_records(single) as c:
        assert c.query(f"SELECT md5('{text}')") == [[hashlib.md5(text.encode()).hexdigest()]]


@pytest.mark.ours("a record for each chunk")
def test_one_record_for_all_replies_of_a_turn(pgusher, fake_server, certs):
    """200 rows that a server sent at once are one record, not 200."""
    rows = wire.row_description("a") + b"".join(wire.data_row("x" * 40) for _ in range(200))

    def behave(c):
        if not c.accept():
            return
        while True:
            m = c.receive(timeout=600)
            if m.kind == "X":
                return
            if m.kind == "Q" and m.strings[0] == "rows":
                c.send(rows, wire.command_complete("SELECT 200"), wire.ready())
            elif m.kind == "Q":
                c.send(wire.command_complete("SET"), wire.ready())
    server = fake_server(behave)
    p = pgusher(pool_mode="transaction", databases={"shop": server.address}, **tls(certs))
    with by_records(p) as c:
        c.send(wire.query("rows"))
        c.until_ready()
        before = len(c.records)
        for _ in range(5):
            c.send(wire.query("rows"))
            assert len(c.until_ready()) == 203
        got = c.records[before:]
        assert all(kind == APPLICATION_DATA for kind, _ in got)
        assert len(got) <= 7, got  # 5, if the kernel hands over what the server sent in one piece


def test_end_without_close_notify_and_with(single):
    """However a client leaves, its server serves the next one."""
    for leave in ("close_notify", "close", "reset", "terminate", "in the middle of a record"):
        c = by_records(single)
        c.send(wire.query("SELECT 1"))
        if leave == "close_notify":
            c.close_notify()
        elif leave == "terminate":
            c.until_ready()
            c.send(wire.TERMINATE)
        elif leave == "in the middle of a record":
            c.inner.write(wire.query("SELECT 2"))
            c.socket.sendall(c.outgoing.read()[:10])
        if leave == "reset":
            c.reset()
        else:
            c.close()
    wait_until(lambda: not single.clients("shop"))
    assert single.value("SELECT 1", **{"sslmode": "require"}) == 1


def test_close_notify_is_answered(single):
    """The end that we say, when a client has said Terminate, is an end and no cut: nobody need fear truncation."""
    with by_records(single) as c:
        c.send(wire.TERMINATE)
        with pytest.raises(wire.Gone, match="close_notify"):
            c.receive()


JUNK = {
    "plain text": b"SELECT 1;\n" * 10,
    "a plain query": wire.query("SELECT 1"),
    "an empty record": b"\x17\x03\x03\0\0",
    "a record of noise": b"\x17\x03\x03\0\x40" + bytes(range(64)),
    "a record too long": b"\x17\x03\x03\xff\xff" + b"x" * 20000,
    "an alert": b"\x15\x03\x03\0\x02\x02\x28",
    "a handshake again": b"\x16\x03\x01\0\x05\x01\0\0\x01\0",
    "zeroes": bytes(100),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_in_an_open_connection(single, junk):
    with by_records(single) as c, single.wire("shop", tls=careless()) as other:
        c.socket.sendall(junk)
        c.until_closed()
        assert other.query("SELECT 1") == [["1"]]


def test_key_update(single):
    """TLS 1.3 lets a peer change keys at any time."""
    s = subprocess.Popen(["openssl", "s_client", "-starttls", "postgres", "-connect", f"{single.host}:{single.port}",
                          "-tls1_3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        seen = b""

        def read_until(words):
            nonlocal seen
            end = time.monotonic() + 60 * SLOW
            while words not in seen:
                assert time.monotonic() < end, seen
                os.set_blocking(s.stdout.fileno(), False)
                seen += s.stdout.read() or b""
                time.sleep(0.01)
        read_until(b"Verify return code")
        for _ in range(3):
            s.stdin.write(b"K\n")
            s.stdin.flush()
            read_until(b"KEYUPDATE")
            seen = b""
        s.stdin.write(wire.startup({"user": "app", "database": "shop"}))
        s.stdin.flush()
        read_until(b"SCRAM-SHA-256")
    finally:
        s.kill()
        s.communicate()


# ---- much data ----

def test_large_result(secure):
    with secure.connect(sslmode="require") as c:
        rows = c.execute("SELECT i, repeat(chr(65 + i % 26), 5000) FROM generate_series(1, 4000) i").fetchall()
        assert len(rows) == 4000
        assert all(text == chr(65 + i % 26) * 5000 for i, text in rows)


def test_one_large_value_both_ways(secure):
    text = os.urandom(2_000_000).hex()
    with secure.connect(sslmode="require") as c:
        assert c.execute("SELECT %s::text", (text,)).fetchone() == (text,)


def test_a_reader_that_takes_its_time(single):
    """40 MB wait in PostgreSQL, not in us; and nothing is lost or mixed up on the way."""
    with by_records(single) as c, single.wire("shop", tls=careless()) as other:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        other.query("SELECT 1")
        before = status_kb(single.pid, "VmRSS")
        c.send(wire.query("SELECT i, repeat('x', 10000) FROM generate_series(1, 4000) i"))
        assert c.receive().kind == "T"
        for i in range(1, 20):
            assert c.receive().row[0] == str(i)
            assert other.query("SELECT 1") == [["1"]]  # nobody waits for the slow one
        if MEMORY_COUNTS and PEER is None:
            assert status_kb(single.pid, "VmRSS") - before < 3000
        rest = c.until_ready()
        assert [m.row[0] for m in rest[:-2]] == [str(i) for i in range(20, 4001)]


def test_many_slow_readers(secure):
    """Small socket buffers, so that every record is taken in pieces."""
    def read_slowly(number):
        try:
            with secure.wire(tls=careless()) as c:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
                assert c.login(TENANTS[number % len(TENANTS)], "app", PASSWORDS["app"]).kind == "Z"
                for round_ in range(3):
                    rows = c.query(f"SELECT i, repeat('{number}-', 3000) FROM generate_series(1, 60) i",
                                   timeout=100 * SLOW)
                    assert rows == [[str(i), f"{number}-" * 3000] for i in range(1, 61)]
        except BaseException as e:  # noqa: BLE001
            failures.append(e)
    failures = []
    threads = [threading.Thread(target=read_slowly, args=(n,)) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures


def test_copy_both_ways(secure):
    with secure.connect("mill", sslmode="require") as c:
        c.execute("DROP TABLE IF EXISTS copied")
        c.execute("CREATE TABLE copied (i int, t text)")
        with c.cursor().copy("COPY copied FROM STDIN") as copy:
            for i in range(20000):
                copy.write(f"{i}\t{'y' * 200}\n")
        assert c.execute("SELECT count(*), sum(length(t)) FROM copied").fetchone() == (20000, 4000000)
        with c.cursor().copy("COPY (SELECT * FROM copied ORDER BY i) TO STDOUT") as copy:
            data = b"".join(copy)
        assert data == b"".join(b"%d\t%s\n" % (i, b"y" * 200) for i in range(20000))
        c.execute("DROP TABLE copied")


def test_pipeline(secure):
    with secure.connect(sslmode="require") as c, c.pipeline():
        cursors = [c.execute("SELECT %s::int, repeat('z', 500)", (i,)) for i in range(500)]
        assert [cur.fetchone()[0] for cur in cursors] == list(range(500))


def test_both_directions_at_once(single):
    """The client sends without reading until nothing more goes out, then reads all."""
    with by_records(single) as c:
        count = 400
        sent = threading.Thread(target=lambda: c.socket.sendall(data), daemon=True)
        for i in range(count):
            c.inner.write(wire.query(f"SELECT {i}, repeat('v', 20000)"))
        data = c.outgoing.read()
        sent.start()
        time.sleep(0.3)
        for i in range(count):
            assert c.until_ready()[1].row[0] == str(i)
        sent.join()


@pytest.mark.ours("no prepared statements", since=(1, 21))
def test_prepared_statements(secure):
    with secure.connect(sslmode="require", prepare_threshold=0) as a, \
            secure.connect(sslmode="require", prepare_threshold=0) as b:
        for i in range(20):
            assert a.execute("SELECT %s + 1", (i,)).fetchone() == (i + 1,)
            assert b.execute("SELECT %s + 2", (i,)).fetchone() == (i + 2,)


def test_every_tenant_every_client(secure):
    """Accepted by any worker, served by the tenant's: the TLS connection moves along."""
    clients = [(t, secure.wire(t, tls=careless())) for _ in range(6) for t in TENANTS]
    for round_ in range(2):
        for tenant, c in clients:
            c.send(wire.query(f"SELECT tenant, {round_} FROM who"))
        for tenant, c in clients:
            assert c.until_ready()[1].row == [tenant, str(round_)]
    for _, c in clients:
        c.close()
    wait_until(lambda: not [r for r in secure.console("SHOW CLIENTS") if r["database"] in TENANTS])


@pytest.mark.ours("closes at half a packet", since=(1, 25))
def test_a_whole_login_in_flight_while_it_moves(secure):
    """The startup packet, the password and queries are in records that come while the client changes workers."""
    for tenant in TENANTS:
        with by_records(secure, dbname=None) as c:
            c.send(wire.startup({"user": "app", "database": tenant}), piece=5)
            assert c.authenticate("app", PASSWORDS["app"]).kind == "Z"
            assert c.query("SELECT tenant FROM who") == [[tenant]]


def test_trust_and_queries_ahead_of_the_answer(pgusher, certs):
    p = pgusher(pool_mode="transaction", workers=2, **tls(certs))
    for tenant in TENANTS:
        with by_records(p, dbname=None) as c:
            c.send(wire.startup({"user": "app", "database": tenant}), wire.query("SELECT tenant FROM who"),
                   wire.query("SELECT 2"))
            assert c.authenticate("app", "").kind == "Z"
            assert c.until_ready()[1].row == [tenant]
            assert c.until_ready()[1].row == ["2"]


@pytest.mark.parametrize("over", ["plain", "tls"])
def test_cancel(secure, over):
    """PQcancel of a TLS connection is plain, whatever the mode; newer clients encrypt it."""
    with secure.wire("shop", tls=careless()) as c:
        c.send(wire.query("SELECT pg_sleep(30)"))
        wait_until(lambda: secure.pg.backends("shop", where="query LIKE '%pg_sleep%' AND state = 'active'"))
        c.cancel(tls=careless() if over == "tls" else None)
        got = c.until_ready()
        assert [m.code for m in got if m.kind == "E"] == ["57014"]
        assert c.query("SELECT 1") == [["1"]]


def test_psycopg_cancel(secure):
    with secure.connect(sslmode="require") as c:
        def cancel():
            wait_until(lambda: secure.pg.backends("shop", where="query LIKE '%pg_sleep%' AND state = 'active'"))
            c.cancel()
        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT pg_sleep(30)")
        canceller.join()


def test_pgbench(secure):
    script = secure.dir / "script.sql"
    script.write_text("\\set a random(1, 1000)\nSELECT :a + 1;\nSELECT repeat('x', :a);\n")
    env = {**secure.environment(), "PGPASSWORD": PASSWORDS["app"], "PGSSLMODE": "require"}
    for mode in ("simple", "extended", "prepared")[:2 if PEER and PEER < (1, 21) else 3]:
        got = subprocess.run([f"{secure.pg.bindir}/pgbench", "-n", "-h", secure.host, "-p", str(secure.port), "-U",
                              "app", "-M", mode, "-c", "10", "-t", "50", "-f", str(script), "t8"], env=env, text=True,
                             capture_output=True, timeout=100 * SLOW)
        assert got.returncode == 0, got.stdout + got.stderr
        assert "number of transactions actually processed: 500/500" in got.stdout


@pytest.mark.ours("15.6 KB, and more")
@pytest.mark.skipif(not MEMORY_COUNTS, reason="sanitizers keep what is freed")
def test_memory_of_idle_clients(pgusher, certs):
    """At most 15 KB each, OpenSSL's share included; and it comes back."""
    def private():
        return status_kb(p.pid, "Private_Dirty")
    p = pgusher(pool_mode="transaction", max_client_conn=1000, workers=1, **tls(certs))

    def join(count):
        return [p.wire("shop", tls=careless()) for _ in range(count)]
    for c in join(30):
        c.query("SELECT 1")
        c.close()
    wait_until(lambda: not p.clients("shop"))
    before = private()
    clients = join(300)
    for c in clients:
        c.query("SELECT repeat('x', 100000)")
    each = (private() - before) / len(clients)
    for c in clients:
        c.close()
    assert each <= 15, f"{each:.1f} KB for each idle client"


# ---- hostile handshakes ----

def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    inner = careless().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        inner.do_handshake()
    return outgoing.read()


STALLS = {"nothing": b"", "a byte": b"\x16", "half a hello": client_hello()[:100], "no answer to ours": client_hello()}


@pytest.mark.parametrize("direct", [False, pytest.param(True, marks=pytest.mark.ours("no direct TLS"))],
                         ids=["asked", "direct"])
@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
def test_stalled_handshake(pgusher, certs, stall, direct):
    p = pgusher(client_login_timeout=1, tcp_defer_accept=0, **tls(certs))
    if direct and stall == STALLS["no answer to ours"]:
        pytest.skip("without ALPN it is refused at once")
    with wire.Client.connect_plain(p.host, p.port) as c:
        start = time.monotonic()
        if not direct:
            c.ask_for_tls()
        c.send(stall)
        with pytest.raises(wire.Gone):
            while True:
                c.read(1)
        assert 0.8 < time.monotonic() - start < 20 * SLOW
    p.wait_log(r"closing because: client_login_timeout")


def test_stall_behind_the_handshake(pgusher, certs):
    """TLS stands, and then nothing comes, or half a packet."""
    p = pgusher(client_login_timeout=1, tcp_defer_accept=0, **tls(certs))
    for begun in (b"", b"\0\0\0\x20\0\3"):
        with p.wire(tls=careless()) as c:
            start = time.monotonic()
            c.send(begun)
            c.until_closed()
            assert 0.8 < time.monotonic() - start < 20 * SLOW


@pytest.mark.ours("half-open logins hold client slots")
@pytest.mark.parametrize("stall", [STALLS["half a hello"], STALLS["no answer to ours"]], ids=["half", "unanswered"])
def test_flood_of_half_handshakes(pgusher, certs, stall):
    p = pgusher(max_client_conn=10, client_login_timeout=60, tcp_defer_accept=0, **tls(certs))
    kept = []
    for _ in range(150):
        c = wire.Client.connect_plain(p.host, p.port)
        with contextlib.suppress(wire.Gone):
            c.ask_for_tls()
            c.send(stall)
        kept.append(c)
    start = time.monotonic()
    with p.wire("shop", tls=verifying(certs.ca)) as c:
        assert c.query("SELECT 1") == [["1"]]
    assert time.monotonic() - start < 20 * SLOW
    for c in kept:
        c.close()


@pytest.mark.parametrize("behind", [wire.startup({"user": "app", "database": "shop"}), client_hello(), b"x"],
                         ids=["startup packet", "hello", "byte"])
def test_bytes_behind_an_sslrequest_are_refused(single, behind):
    """They came unencrypted, maybe from somebody in between, and would count as the client's (CVE-2021-23214)."""
    with wire.Client.connect_plain(single.host, single.port) as c:
        c.send(wire.ssl_request() + behind)
        got = b""
        with contextlib.suppress(wire.Gone):
            while True:
                got += c.read(1)
        got = got.removeprefix(b"S")
        assert got == b"" or (got[:1] == b"E" and b"08P01" in got), got
    assert single.alive


GARBAGE = {
    "noise": bytes(range(256)) * 4,
    "zeroes": bytes(4096),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a startup packet": wire.startup({"user": "app", "database": "shop"}),
    "another SSLRequest": wire.ssl_request(),
    "hello of SSL 2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40),
    "hello cut and closed": client_hello()[:60],
    "hello with a wrong length": b"\x16\x03\x01\xff\xff" + client_hello()[5:],
    "hello of length 0": b"\x16\x03\x01\0\0",
    "an alert": b"\x15\x03\x01\0\x02\x02\x28",
    "data before a hello": b"\x17\x03\x03\0\x05hello",
    "hello twice": client_hello() * 2,
    "a message of 16 MB": b"\x16\x03\x01\x40\0\x01\xff\xff\xff" + bytes(16380),
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_for_a_handshake(single, garbage):
    since = len(single.log())
    with wire.Client.connect_plain(single.host, single.port) as c:
        c.ask_for_tls()
        c.send(garbage)
        with contextlib.suppress(wire.Gone, OSError):
            c.sock.shutdown(socket.SHUT_WR)
            while True:
                c.read(1)
    single.wait_log("closing because: |handshake", since)
    assert single.value("SELECT 1", sslmode="require") == 1


@pytest.mark.ours("no direct TLS")
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_for_first_bytes(single, garbage):
    if garbage in (GARBAGE["a startup packet"], GARBAGE["another SSLRequest"]):
        pytest.skip("there it is right")
    with wire.Client.connect_plain(single.host, single.port) as c:
        c.send(garbage)
        got = b""
        with contextlib.suppress(wire.Gone, OSError):
            c.sock.shutdown(socket.SHUT_WR)
            while True:
                got += c.read(1)
        assert b"SCRAM" not in got
    assert single.value("SELECT 1", sslmode="require") == 1


def test_sslrequest_inside_tls(single):
    with single.wire(tls=careless()) as c:
        c.send(wire.ssl_request())
        got = c.until_closed()
        assert all(m.kind == "E" for m in got)


@pytest.mark.ours("answers without end", since=(1, 25))
def test_sslrequests_without_end(pgusher):
    """Declined once, it may not be asked again: each would cost us an answer."""
    p = pgusher(client_tls_sslmode="disable")
    with p.wire() as c:
        c.send(wire.ssl_request())
        assert c.read(1) == b"N"
        with contextlib.suppress(wire.Gone):
            c.send(wire.ssl_request())
            assert c.read(1) != b"N"


def test_clients_that_leave_while_they_shake_hands(secure):
    hello = client_hello()
    for i in range(100):
        c = wire.Client.connect_plain(secure.host, secure.port)
        c.ask_for_tls()
        c.send(hello[:i * 7])
        if i % 2:
            c.reset()
        else:
            c.close()
    assert secure.value("SELECT 1", sslmode="require") == 1
    if PEER is None:
        wait_until(lambda: {r["list"]: r["items"] for r in secure.console("SHOW LISTS")}["login_clients"] == 0)


def test_a_client_that_does_not_believe_us(single, certs):
    """Its alert is a reason that the log tells."""
    with single.logs(r"(?i)unknown ca|certificate unknown|bad certificate"):
        with pytest.raises(ssl.SSLError):
            single.wire(tls=verifying(certs.other_ca))
