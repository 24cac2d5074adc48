"""Odd and hostile peers: bytes in any pieces, lengths that lie, letters that nobody knows, servers that die."""

import socket
import struct
import threading
import time

import pytest

import wire
from helpers import MEMORY_COUNTS, status_kb, wait_until
from pooler import PEER


@pytest.fixture(scope="module")
def shared(module_pgusher):
    return module_pgusher(pool_mode="transaction", default_pool_size=3, tcp_defer_accept=0, max_client_conn=200)


def alive(p):
    assert p.alive and p.value("SELECT 1") == 1


def ends(connection, codes=("08P01",)):
    """The connection is closed, with an error of such a code or without a word."""
    got = connection.until_closed(5)
    for m in got:
        if m.kind == "E":
            assert m.code in codes or PEER, m
    return got


# ---- pieces ----

@pytest.mark.ours("a startup packet in pieces", since=(1, 25))
def test_startup_cut_at_every_byte(shared):
    whole = wire.startup({"user": "app", "database": "shop", "application_name": "cut"})
    for at in range(1, len(whole)):
        with shared.wire() as c:
            c.send(whole[:at])
            c.send(whole[at:])
            assert c.authenticate("app", "").kind == "Z"


@pytest.mark.ours("a startup packet in pieces", since=(1, 25))
def test_startup_byte_by_byte(shared):
    with shared.wire() as c:
        c.send(wire.startup({"user": "app", "database": "shop"}), piece=1, pause=0.0005)
        assert c.authenticate("app", "").kind == "Z"


PIPELINE = (wire.parse("", "SELECT $1::text"), wire.bind("", "", ["piece"]), wire.describe("P"), wire.execute(),
            wire.SYNC, wire.query("SELECT 'second'"))


def test_pipeline_cut_at_every_byte(shared):
    whole = b"".join(PIPELINE)
    with shared.wire("shop") as c:
        for at in range(1, len(whole)):
            c.send(whole[:at])
            c.send(whole[at:])
            got = c.until_ready() + c.until_ready()
            assert wire.kinds(got) == "12TDCZTDCZ", at
            assert [m.row for m in got if m.kind == "D"] == [["piece"], ["second"]]


def test_pipeline_byte_by_byte(shared):
    with shared.wire("shop") as c:
        c.send(*PIPELINE, piece=1, pause=0.0005)
        assert wire.kinds(c.until_ready() + c.until_ready()) == "12TDCZTDCZ"


@pytest.mark.ours("a welcome in pieces", since=(1, 25))
def test_server_that_speaks_byte_by_byte(pgusher, fake_server):
    def slow(c):
        c.read_startup()
        welcome = [wire.AUTH_OK, *(wire.parameter_status(k, v) for k, v in wire.DEFAULT_PARAMETERS.items()),
                   wire.key_data(1, b"abcd"), wire.ready()]
        c.send(*welcome, piece=1)
        while True:
            m = c.receive(60)
            if m.kind == "X":
                return
            c.send(wire.result("drip " + m.strings[0]), wire.ready(), piece=1, pause=0.0002)
    server = fake_server(slow)
    p = pgusher(databases={"fake": server.address}, pool_mode="transaction", server_reset_query="",
                server_check_delay=1000)
    with p.wire("fake") as c:
        for i in range(5):
            assert c.query(f"ask {i}") == [[f"drip ask {i}"]]


# ---- startup ----

@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 8, 10001, 0x7fffffff, 0x80000000, 0xffffffff])
def test_startup_length_lies(shared, size):
    with shared.wire() as c:
        c.send(struct.pack("!II", size, wire.VERSION_3_0))
        if size > 8:
            try:
                c.send(b"user\0app\0" * 2000) if size > 10000 and not PEER else c.sock.shutdown(socket.SHUT_WR)
            except wire.Gone:
                pass  # so soon
        ends(c)
    alive(shared)


@pytest.mark.parametrize("body", [b"", b"user", b"user\0", b"user\0app", b"user\0app\0", b"user\0app\0database\0\0",
                                  b"user\0app\0\0more\0", b"\0", b"user\0\0\0", b"=\0\0user\0app\0\0"],
                         ids=lambda b: repr(b)[2:-1])
def test_startup_parameters_malformed(shared, body):
    with shared.wire() as c:
        c.send(wire.untyped(struct.pack("!I", wire.VERSION_3_0) + body))
        c.sock.shutdown(socket.SHUT_WR)
        got = c.until_closed(5)
        assert not any(m.kind == "Z" for m in got), got
    alive(shared)


@pytest.mark.ours("waits for what a length promises")
@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00" + b"\0" * 60,
                                     b"\xff" * 64, b"\0" * 64], ids=["http", "tls", "ff", "zero"])
def test_startup_garbage(shared, garbage):
    with shared.wire() as c:
        c.send(garbage)
        ends(c)
    alive(shared)


def test_startup_without_user(shared):
    with shared.wire() as c:
        c.send(wire.startup({"database": "shop"}))
        got = c.until_closed(5)
        assert got[-1].kind == "E" and (PEER or got[-1].code == "28000"), got


def test_database_defaults_to_the_user(pgusher):
    p = pgusher(databases={"app": "{pg} dbname=mill"})
    with p.wire() as c:
        c.send(wire.startup({"user": "app"}))
        assert c.authenticate("app", "").kind == "Z"
        assert c.query("SELECT tenant FROM who") == [["mill"]]


@pytest.mark.parametrize("version", [0x00020000, 0x00040000, 0x00010003, 0x7fff0000])
def test_protocols_of_another_age(shared, version):
    with shared.wire() as c:
        c.start("shop", "app", version)
        got = c.until_closed(5)
        assert wire.kinds(got) == "E" and (PEER or got[0].code == "0A000"), got


@pytest.mark.ours("protocol negotiation", since=(1, 25))
@pytest.mark.parametrize("version", [0x00030001, 0x00030003, 0x00030063, 0x0003ffff])
def test_newer_minor_is_negotiated_once(shared, version):
    with shared.wire() as c:
        assert c.login("shop", "app", version=version).kind == "Z"
        assert len(c.negotiated) == 1
        newest, count = struct.unpack_from("!II", c.negotiated[0].body)
        assert newest in (0x00030000, 0x00030002, 0, 2) and count == 0
        assert c.query("SELECT 1") == [["1"]]


@pytest.mark.ours("protocol negotiation", since=(1, 25))
def test_protocol_options_are_refused_by_name(shared):
    with shared.wire() as c:
        assert c.login("shop", "app", **{"_pq_.one": "1", "_pq_.two": "2"}).kind == "Z"
        assert len(c.negotiated) == 1
        body = c.negotiated[0].body
        assert struct.unpack_from("!I", body, 4)[0] == 2
        assert body[8:].split(b"\0")[:2] == [b"_pq_.one", b"_pq_.two"]
        assert c.query("SELECT 1") == [["1"]]


def test_protocol_3_0_is_not_negotiated(shared):
    with shared.wire("shop") as c:
        assert c.negotiated == [] and len(c.key) == 4


@pytest.mark.ours("protocol 3.2", since=(1, 25))
def test_protocol_3_2_gets_a_long_key_or_a_negotiation(shared):
    with shared.wire() as c:
        assert c.login("shop", "app", version=wire.VERSION_3_2).kind == "Z"
        assert len(c.key) == (4 if c.negotiated else 32) or PEER
        assert c.query("SELECT 1") == [["1"]]


# ---- SSL and GSS requests ----

@pytest.mark.plain("asks for TLS itself")
@pytest.mark.parametrize("requests", [
    [wire.ssl_request()], [wire.gssenc_request()], [wire.ssl_request(), wire.gssenc_request()],
    [wire.gssenc_request(), wire.ssl_request()]], ids=["ssl", "gss", "ssl+gss", "gss+ssl"])
def test_encryption_is_answered_no(shared, requests):
    with shared.wire() as c:
        for request in requests:
            c.send(request)
            assert c.read(1) == b"N"
            c.quiet(0.02)
        assert c.login("shop", "app").kind == "Z"


@pytest.mark.plain("asks for TLS itself")
@pytest.mark.ours("answers them without end")
@pytest.mark.parametrize("request_", [wire.ssl_request(), wire.gssenc_request()], ids=["ssl", "gss"])
def test_encryption_is_answered_only_once(shared, request_):
    with shared.wire() as c:
        c.send(request_)
        assert c.read(1) == b"N"
        c.send(request_)
        ends(c)
    alive(shared)


@pytest.mark.ours("takes what lies behind a request", since=(1, 25))
@pytest.mark.parametrize("request_", [wire.ssl_request(), wire.gssenc_request()], ids=["ssl", "gss"])
def test_nothing_may_be_buffered_behind_a_request(shared, request_):
    """Whoever stands in the middle could have put it there (CVE-2021-23214)."""
    with shared.wire() as c:
        c.send(request_ + wire.startup({"user": "app", "database": "shop"}))
        try:
            first = c.read(1, 5)
        except wire.Gone:
            first = b""
        got = b"".join(m.raw for m in c.until_closed(5)) if first != b"E" else b""
        assert first in (b"", b"N", b"E") and b"Z\0\0\0\5I" not in got
    alive(shared)


# ---- after login ----

@pytest.mark.parametrize("size", [0, 1, 3, 0x80000000, 0xffffffff])
@pytest.mark.parametrize("letter", ["Q", "P", "S", "d"])
def test_message_length_lies(shared, letter, size):
    with shared.wire("shop") as c:
        c.send(letter.encode() + struct.pack("!I", size) + b"x" * 16)
        ends(c, ("08P01", "54000"))
    alive(shared)


@pytest.mark.parametrize("letter", ["\0", " ", "0", "a", "b", "e", "K", "R", "T", "V", "Z", "z", "\x7f", "\xff"])
def test_unknown_letter(shared, letter):
    with shared.wire("shop") as c:
        c.send(letter.encode("latin1") + struct.pack("!I", 8) + b"abcd")
        ends(c)
    alive(shared)


@pytest.mark.parametrize("letter,body", [
    ("Q", b""), ("Q", b"SELECT 1"), ("P", b""), ("P", b"name"), ("P", b"\0SELECT 1\0"), ("P", b"\0SELECT 1\0\0\5\0\0"),
    ("P", b"\0SELECT 1\0\xff\xff"), ("B", b""), ("B", b"\0\0"), ("B", b"\0\0\0\1"), ("B", b"\0\0\0\0\0\1\x7f\xff\xff\xff"),
    ("B", b"\0nosuch"), ("D", b""), ("D", b"X\0"), ("D", b"S"), ("D", b"Snosuch"), ("C", b""), ("C", b"X\0"),
    ("C", b"Sname"), ("E", b""), ("E", b"\0"), ("E", b"\0\0\0"), ("F", b""), ("F", b"\0\0\0\1"), ("S", b"extra")],
    ids=lambda v: v if isinstance(v, str) else repr(v)[2:-1].replace("\\x00", "0"))
def test_message_body_malformed(shared, letter, body):
    """An error or an end, in bounded time; nobody else notices, and the server is usable after."""
    with shared.wire("shop") as c:
        try:
            c.send(wire.message(letter, body), wire.SYNC)
            got = c.until_closed(0.3)
        except (TimeoutError, wire.Gone):
            got = []
        assert all(m.kind in "EZN123tTnDCIv" for m in got)
    for _ in range(3):
        alive(shared)


LONG = "n" * 20000


@pytest.mark.ours("renames statements only if all of the message has come")
@pytest.mark.parametrize("begins,whole", [
    ("parse", wire.parse(LONG, "SELECT set_config('search_path', 'evil', false)")), ("portal", wire.bind(LONG, "s")),
    ("statement", wire.bind("", LONG)), ("both", wire.bind(LONG[:10000], LONG[:10000])),
    ("describe", wire.describe("S", LONG)), ("close", wire.close("S", LONG)), ("execute", wire.execute(LONG))],
    ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("how", ["in pieces", "at once"])
def test_names_that_are_too_long_to_be_read(shared, begins, whole, how):
    """No message passes whose names nobody has read, however it comes."""
    with shared.wire("shop") as c:
        c.ask(wire.parse("s", "SELECT 1"), wire.SYNC)
        c.send(whole[:17000] if how == "in pieces" else whole)
        [m] = ends(c)
        assert m.fields["S"] == "FATAL" and "too long" in m.fields["M"]
    alive(shared)


def test_copy_messages_outside_of_copy(shared):
    """PostgreSQL ignores CopyData, CopyDone and CopyFail when there is no COPY."""
    with shared.wire("shop") as c:
        try:
            c.send(wire.copy_data(b"x"), wire.COPY_DONE, wire.copy_fail("no"), wire.query("SELECT 1"))
            got = c.until_ready()
            assert got[-1].kind == "Z"
        except (wire.Gone, TimeoutError):
            pass
    alive(shared)


def test_half_a_message_then_nothing(shared):
    c = shared.wire("shop")
    c.send(wire.query("SELECT 1")[:-3])
    c.reset()
    alive(shared)


def test_announced_gigabyte_takes_no_memory(shared):
    """Only bytes that have come may cost memory."""
    before = status_kb(shared.pid, "VmRSS")
    clients = [shared.wire("shop") for _ in range(20)]
    for i, c in enumerate(clients):
        c.send("QPBd"[i % 4].encode() + struct.pack("!I", 0x3fffffff) + b"abc")
    alive(shared)
    after = status_kb(shared.pid, "VmRSS")
    for c in clients:
        c.reset()
    assert after - before < 20000 or not MEMORY_COUNTS, f"{before} kB -> {after} kB"


@pytest.mark.ours("does not bound a Parse")
def test_large_parse_is_bounded(pgusher):
    """A Parse over the text budget is refused or passed on; it must not swell the process for good."""
    p = pgusher(pool_mode="transaction", prepared_text_budget=1 << 20)
    with p.wire("shop") as c:
        for i in range(40):
            got = c.ask(wire.parse(f"s{i}", f"SELECT {i}, '" + "x" * 200000 + "'"), wire.SYNC)
            assert got[-1].kind == "Z"
        assert c.query("SELECT 1") == [["1"]]
    assert status_kb(p.pid, "VmRSS") < 60000 or not MEMORY_COUNTS


def test_query_of_many_megabytes_in_small_pieces(shared):
    text = "SELECT length('" + "x" * (3 << 20) + "')"
    with shared.wire("shop") as c:
        c.send(wire.query(text), piece=7001)
        assert c.until_ready()[1].row == [str(3 << 20)]


@pytest.mark.plain("has its hands in the socket")
def test_client_that_sends_and_never_reads(pgusher):
    """Answers nobody reads stop the flow instead of filling memory."""
    p = pgusher(pool_mode="transaction")
    alive(p)
    before = status_kb(p.pid, "VmRSS")
    with p.wire("shop") as c:
        c.sock.setblocking(False)
        flood = wire.query("SELECT repeat('x', 1000000)") * 50
        sent, stuck = 0, time.monotonic()
        while time.monotonic() - stuck < 0.5 and sent < 20 << 20:
            try:
                sent += c.sock.send(flood)
                stuck = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        assert p.value("SELECT 1") == 1
        grown = status_kb(p.pid, "VmRSS") - before
    assert grown < 30000 or not MEMORY_COUNTS, f"grown by {grown} kB"
    wait_until(lambda: not p.clients("shop"))


# ---- what servers may say at any time ----

def test_unasked_messages_go_to_the_client(pgusher, fake_server):
    """Notices, notifications and parameter changes before, inside and behind an answer."""
    extra = (wire.notice("hear"), wire.notification("chan", "load"), wire.parameter_status("TimeZone", "Asia/Tokyo"))

    def answer(c, sql):
        c.send(*extra, wire.row_description("x"), *extra, wire.data_row("1"), *extra, wire.command_complete("SELECT 1"),
               *extra)
        return True
    server = fake_server(answer=answer)
    p = pgusher(databases={"fake": server.address}, pool_mode="session")
    with p.wire("fake") as c:
        got = c.ask(wire.query("SELECT 1"))
        assert wire.kinds(got) == "NASTNASDNASCNASZ"
        assert got[1].body[4:] == b"chan\0load\0" and got[2].strings == ["TimeZone", "Asia/Tokyo"]


def test_notification_while_idle_in_session_mode(pgusher):
    p = pgusher(pool_mode="session")
    with p.wire("shop") as c:
        c.query("LISTEN news")
        p.pg.rows("NOTIFY news, 'extra'", "shop")
        assert c.expect("A").strings[-1] == "extra"


def test_notice_from_an_idle_pooled_server(pgusher, fake_server):
    """What a server says while nobody has it reaches nobody."""
    go = threading.Event()

    def behaviour(c):
        if not c.accept():
            return

        def chat():
            go.wait(20)
            c.send(wire.notice("to nobody"), wire.parameter_status("application_name", "other"))
        threading.Thread(target=chat, daemon=True).start()
        c.serve()
    server = fake_server(behaviour)
    p = pgusher(databases={"fake": server.address}, pool_mode="transaction", server_reset_query="")
    with p.wire("fake") as c:
        assert c.query("first") == [["first"]]
        go.set()
        c.quiet(0.2)
        assert c.query("second") == [["second"]]


# ---- servers that break ----

def broken(pgusher, fake_server, *answer, then="close"):
    """A pooler before a server that answers "break" that way, and everything else well."""
    def behaviour(c):
        if not c.accept():
            return

        def reply(conn, sql):
            if sql != "break":
                return False
            conn.send(*answer)
            if then == "close":
                raise wire.Gone("scripted")
            if then == "reset":
                conn.reset()
                raise wire.Gone("scripted")
            return True
        c.serve(reply)
    server = fake_server(behaviour)
    return pgusher(databases={"fake": server.address}, pool_mode="transaction", server_reset_query="",
                   server_check_delay=1000)


DEATHS = {
    "at once": (),
    "behind the description": (wire.row_description("a"),),
    "in the middle of a row": (wire.row_description("a"), wire.data_row("z" * 1000)[:300]),
    "in the middle of a header": (wire.row_description("a"), wire.data_row("z")[:3]),
    "before ready": (wire.result("done"),),
    "in a row of megabytes": (wire.row_description("a"), wire.data_row("z" * (4 << 20))[:3 << 20]),
}


def check_torn_answer(raw, whole):
    """What came from the server came unchanged; an error may follow, but only between two messages."""
    at = 0
    while len(raw) >= at + 5:
        end = at + 1 + struct.unpack_from("!I", raw, at + 1)[0]
        if end > len(raw):
            break
        if raw[at:at + 1] == b"E":
            assert end == len(raw), "more came behind the error"
            assert PEER or wire.Message("E", raw[at + 5:]).code in ("08006", "57P01", "57P02")
            return
        at = end
    assert whole.startswith(raw)


@pytest.mark.parametrize("then", ["close", "reset"])
@pytest.mark.parametrize("answer", [pytest.param(a, id=name, marks=(
    [pytest.mark.ours("writes its error into a row")] if " row" in name else [])) for name, a in DEATHS.items()])
def test_server_dies_while_it_answers(pgusher, fake_server, answer, then):
    p = broken(pgusher, fake_server, *answer, then=then)
    with p.wire("fake") as bystander, p.wire("fake") as victim:
        assert bystander.query("fine") == [["fine"]]
        victim.send(wire.query("break"))
        raw = b""
        try:
            while True:
                victim.fill(victim.timeout)
                raw, victim.buffer = raw + victim.buffer, b""
        except wire.Gone:
            pass
        check_torn_answer(raw, b"".join(answer))
        assert bystander.query("still fine") == [["still fine"]]
    assert p.value("again", "fake") == "again"


GARBAGE = {
    "unknown letter": b"\x01\0\0\0\4",
    "length 0": b"D\0\0\0\0",
    "length 3": b"T\0\0\0\3",
    "length ffffffff": b"D\xff\xff\xff\xff",
    "frontend letter": b"Q\0\0\0\x08abc\0",
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "ready without a status": b"Z\0\0\0\4",
    "ready with a strange status": b"Z\0\0\0\5X",
    "ready too long": b"Z\0\0\0\6II",
    "parameter without a value": wire.message("S", b"TimeZone\0"),
    "parameter without an end": wire.message("S", b"TimeZone"),
    "empty error": wire.message("E", b""),
    "authentication again": wire.AUTH_OK,
    "copy out of nowhere": wire.message("d", b"x"),
}


@pytest.mark.parametrize("garbage", [pytest.param(g, id=name, marks=(
    [pytest.mark.ours("leaves the client waiting")] if name == "ready too long" else [])) for name, g in GARBAGE.items()])
def test_server_sends_garbage(pgusher, fake_server, garbage):
    """Its client gets an end or an error, the next one another server; nothing hangs and nothing crashes."""
    p = broken(pgusher, fake_server, garbage, then="close")
    with p.wire("fake") as c:
        c.send(wire.query("break"))
        try:
            c.until_closed(5)
        except AssertionError:
            pass  # the garbage itself was passed on
    assert p.value("after", "fake") == "after"
    assert p.alive


def test_server_answers_more_than_it_was_asked(pgusher, fake_server):
    """A second answer in the same breath must never be the next client's."""
    def answer(c, sql):
        if sql != "double":
            return False
        c.send(wire.result("double"), wire.ready(), wire.result("nobody asked"))
        return True
    server = fake_server(answer=answer)
    p = pgusher(databases={"fake": server.address}, pool_mode="transaction", default_pool_size=1,
                server_reset_query="", server_check_delay=1000)
    with p.wire("fake") as c:
        c.send(wire.query("double"))
        try:
            c.until_closed(0.3)
        except (TimeoutError, wire.Gone):
            pass
    with p.wire("fake") as c:
        assert c.query("mine") == [["mine"]]


LOGIN_GARBAGE = {
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "nothing": b"",
    "ready at once": wire.ready(),
    "unknown authentication": wire.auth(99),
    "gss": wire.auth(7),
    "short authentication": wire.message("R", b"\0\0"),
    "sasl without mechanisms": wire.auth(10, b"\0"),
    "sasl with a strange one": wire.auth(10, b"GS2-KRB5\0\0"),
    "length 0": b"R\0\0\0\0",
    "length ffffffff": b"R\xff\xff\xff\xff",
    "key too short": wire.AUTH_OK + wire.message("K", b"\0\0"),
    "key too long": wire.AUTH_OK + wire.key_data(1, b"x" * 5000),
    "a row": wire.AUTH_OK + wire.data_row("x"),
    "endless parameters": wire.AUTH_OK + wire.parameter_status("p" * 5000, "v" * 5000) * 400,
}


@pytest.mark.parametrize("garbage", [pytest.param(g, id=name, marks=(
    [pytest.mark.ours("crashes")] if name == "ready at once" else [])) for name, g in LOGIN_GARBAGE.items()])
def test_server_sends_garbage_at_login(pgusher, fake_server, garbage):
    """The waiting client gets an error in bounded time, and the tenant beside it works on."""
    def behaviour(c):
        if c.read_startup() is not None:
            c.send(garbage)
    server = fake_server(behaviour)
    p = pgusher(databases={"fake": server.address}, pool_mode="transaction", query_wait_timeout=3,
                server_connect_timeout=2)
    with p.wire() as c:
        m = c.login("fake", "app")
        while m.kind == "Z":
            c.send(wire.query("SELECT 1"))
            m = c.receive()
        assert m.kind == "E" and len(m.code) == 5
    alive(p)


def test_connections_come_and_go(pgusher):
    """Some hundreds of logins leave no client and no memory behind."""
    p = pgusher(pool_mode="transaction", max_client_conn=100, log_connections=0, log_disconnections=0)

    def burst(n):
        for _ in range(n):
            with p.wire("shop") as c:
                c.send(wire.query("SELECT 1"), wire.TERMINATE)
    burst(200)
    before = status_kb(p.pid, "VmRSS")
    burst(800)
    wait_until(lambda: not p.clients("shop"))
    assert status_kb(p.pid, "VmRSS") - before < 3000 or not MEMORY_COUNTS
