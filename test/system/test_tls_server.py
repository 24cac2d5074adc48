"""TLS between us and servers: modes, certificates on both sides, a fleet with several authorities, hostile servers."""

import os
import re
import ssl
import threading

import psycopg
import pytest

import wire
from certs import serving
from helpers import SLOW, wait_until
from pooler import PASSWORDS, PEER
from postgres import Postgres
from test_tls_client import tls, trusting

HBA = """\
local all all trust
hostssl db_ssl all samehost trust
hostnossl db_nossl all samehost trust
hostssl db_cert all samehost cert
hostssl db_scram all samehost scram-sha-256
host db_ssl,db_nossl,db_cert,db_scram all samehost reject
host all all samehost trust
"""
DATABASES = ["shop", "db_ssl", "db_nossl", "db_cert", "db_scram"]

HOW = "SELECT ssl, coalesce(version, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def secure_pg(certs):
    """PostgreSQL with TLS; its certificate is for localhost and 127.0.0.1."""
    server = Postgres(DATABASES, HBA, certs.server, certs.ca)
    yield server
    server.close()


@pytest.fixture(scope="module")
def other_pg(certs):
    """Another one, whose certificate another authority has signed."""
    server = Postgres(["mill"], HBA, certs.foreign())
    yield server
    server.close()


def checks(certs, mode="verify-full", ca=None, **more):
    return {"server_tls_sslmode": mode, "server_tls_ca_file": (ca or certs.ca).cert, **more}


def is_secured(p, dbname="shop", **kwargs):
    """Does the server see TLS on the connection that it got from us?"""
    return p.rows(HOW, dbname, **kwargs)[0][0]


def refusal(p, dbname="shop", user="app"):
    """What a client is told when there is no server for it."""
    if PEER:
        pytest.skip("PgBouncer lets its clients wait")
    with p.wire() as c:
        m = c.login(dbname, user, PASSWORDS.get(user, ""))
        if m.kind == "Z":
            c.send(wire.query("SELECT 1"))
            m = c.receive(15 * SLOW)
        assert m.kind == "E", m
        return m.fields


# ---- modes ----

# server_tls_sslmode, the database -> TLS, plain, or not at all, with a PostgreSQL that speaks TLS.
# allow is prefer, as with PgBouncer; and who has agreed to TLS is not tried in plain.
MODES = {
    "disable": {"shop": "plain", "db_ssl": None, "db_nossl": "plain"},
    "allow": {"shop": "tls", "db_ssl": "tls", "db_nossl": None},
    "prefer": {"shop": "tls", "db_ssl": "tls", "db_nossl": None},
    "require": {"shop": "tls", "db_ssl": "tls", "db_nossl": None},
    "verify-ca": {"shop": "tls", "db_ssl": "tls", "db_nossl": None},
    "verify-full": {"shop": "tls", "db_ssl": "tls", "db_nossl": None},
}


@pytest.mark.parametrize("mode", MODES)
def test_mode_with_a_server_that_speaks_tls(pgusher, secure_pg, certs, mode):
    p = pgusher(pg=secure_pg, **checks(certs, mode))
    for database, expected in MODES[mode].items():
        if expected is None:
            assert refusal(p, database), database
        else:
            assert is_secured(p, database) == (expected == "tls"), database
            shown = p.servers(database)[0]["tls"]
            assert bool(re.fullmatch(r"TLSv1\.3/[\w-]+/?[\w-]*", shown)) == (expected == "tls"), shown


@pytest.mark.parametrize("mode", MODES)
def test_mode_with_a_server_that_does_not(pgusher, certs, mode):
    p = pgusher(**checks(certs, mode))
    if mode in ("disable", "allow", "prefer"):
        assert not is_secured(p)
    else:
        with p.logs("refused TLS|SSL|TLS"):
            got = refusal(p)
        assert got["C"] in ("08001", "08006")
        assert re.search("TLS|SSL", got["M"])


@pytest.mark.ours("disable", since=(1, 21))
def test_default_is_prefer(pgusher, secure_pg):
    assert is_secured(pgusher(pg=secure_pg))


def test_unix_socket_goes_without(pgusher, secure_pg, certs):
    p = pgusher(pg=secure_pg, databases={"shop": f"host={secure_pg.dir} port={secure_pg.port}"}, **checks(certs))
    assert p.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [(False,)]


# ---- its certificate ----

@pytest.mark.parametrize("mode,fine", [("require", True), ("verify-ca", False), ("verify-full", False)])
def test_server_of_another_authority(pgusher, other_pg, certs, mode, fine):
    settings = checks(certs, mode)
    if mode == "require":
        settings["server_tls_ca_file"] = None
    p = pgusher(pg=other_pg, **settings)
    if fine:
        assert is_secured(p, "mill")
        return
    with p.logs(r"certificate verify failed|certificate verification"):
        got = refusal(p, "mill")
    assert got["C"] in ("08001", "08006")
    assert re.search("TLS|SSL|certificate", got["M"])


@pytest.mark.parametrize("mode,host,fine", [
    ("verify-full", "localhost", True), ("verify-full", "127.0.0.1", True), ("verify-ca", "127.0.0.2", True),
    ("verify-full", "127.0.0.2", False)])
def test_server_of_another_name(pgusher, secure_pg, certs, mode, host, fine):
    if host == "127.0.0.2":
        (secure_pg.data / "postgresql.conf").open("a").write("listen_addresses = 'localhost, 127.0.0.2'\n")
        secure_pg.restart()
    p = pgusher(pg=secure_pg, databases={"shop": f"host={host} port={secure_pg.port}"}, **checks(certs, mode))
    if fine:
        assert is_secured(p)
        return
    with p.logs("name|address|mismatch"):
        refusal(p)


@pytest.mark.parametrize("case", ["right", "other name", "expired"])
def test_scripted_servers_certificate(pgusher, fake_server, certs, case):
    certificate = {"right": certs.server, "other name": certs.host("db.example"), "expired": certs.expired}[case]
    server = fake_server(tls=serving(certificate))
    p = pgusher(databases={"shop": f"host=localhost port={server.port}"}, **checks(certs))
    if case == "right":
        assert p.value("SELECT 1") == "SELECT 1"
    else:
        with p.logs("expired" if case == "expired" else "mismatch|name"):
            refusal(p)


@pytest.mark.parametrize("host,sni", [("localhost", "localhost"), ("127.0.0.1", None)])
def test_name_is_sent(pgusher, fake_server, certs, host, sni):
    """A proxy in front of the fleet may go by it.  An address is no name (RFC 6066)."""
    seen = []
    context = serving(certs.server)
    context.sni_callback = lambda sock, name, ctx: seen.append(name)
    server = fake_server(tls=context)
    p = pgusher(databases={"shop": f"host={host} port={server.port}"}, **checks(certs))
    assert p.value("SELECT 1") == "SELECT 1"
    assert set(seen) == {sni}


def test_no_session_is_resumed(pgusher, fake_server, certs):
    """Not even on connections to the same server: it may hold many tenants."""
    reused = []

    def behave(c):
        if c.accept():
            reused.append(c.sock.session_reused)
            c.serve()
    server = fake_server(behave, tls=serving(certs.server))
    p = pgusher(databases={d: f"host=localhost port={server.port}" for d in ("shop", "mill")}, **checks(certs))
    for _ in range(2):
        assert p.value("SELECT 1", "shop") == p.value("SELECT 1", "mill") == "SELECT 1"
        p.console("RECONNECT")
        wait_until(lambda: not p.servers("shop") and not p.servers("mill"))
    assert len(reused) >= 4 and not any(reused)


# ---- our certificate ----

def test_certificate_shown_to_a_server(pgusher, secure_pg, certs):
    mine = certs.client("app")
    p = pgusher(pg=secure_pg, server_tls_cert_file=mine.cert, server_tls_key_file=mine.key, **checks(certs))
    assert p.value("SELECT current_user", "db_cert") == "app"
    with p.connect("shop") as c:
        assert c.execute("SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == ("/CN=app",)


def test_no_certificate_for_a_server_that_wants_one(pgusher, secure_pg, certs):
    p = pgusher(pg=secure_pg, **checks(certs))
    assert "certificate" in refusal(p, "db_cert")["M"]


def test_certificate_of_another_user(pgusher, secure_pg, certs):
    mine = certs.client("app")
    p = pgusher(pg=secure_pg, server_tls_cert_file=mine.cert, server_tls_key_file=mine.key, **checks(certs))
    assert "certificate authentication failed" in refusal(p, "db_cert", "app2")["M"]


# ---- a fleet ----

@pytest.mark.ours("one setting for all servers")
def test_every_database_has_its_own(pgusher, secure_pg, other_pg, pg, certs):
    """Two servers of two authorities and one without TLS, each with the certificate that fits it."""
    mine = certs.client("app")
    p = pgusher(pg=secure_pg, **checks(certs), databases={
        "mill": f"host=localhost port={other_pg.port} server_tls_ca_file={certs.other_ca.cert}",
        "forge": f"host={pg.host} port={pg.port} server_tls_sslmode=disable",
        "db_cert": "{pg} " + f"server_tls_cert_file={mine.cert} server_tls_key_file={mine.key}",
        "wrong": f"host=localhost port={other_pg.port} dbname=mill",
        "naked": f"host={pg.host} port={pg.port} dbname=forge",
    })
    assert is_secured(p, "shop") and is_secured(p, "mill") and not is_secured(p, "forge")
    assert p.value("SELECT current_user", "db_cert") == "app"
    assert "certificate" in refusal(p, "wrong")["M"]
    assert "TLS" in refusal(p, "naked")["M"]


@pytest.mark.ours("keeps them, and keys per database")
def test_connections_are_made_anew_when_the_rules_change(pgusher, secure_pg, certs):
    p = pgusher(pg=secure_pg, pool_mode="transaction", **checks(certs, "disable"))
    address = f"host={secure_pg.host} port={secure_pg.port}"
    with p.connect() as c:
        assert c.execute(HOW).fetchone() == (False, "")
        pid = p.servers("shop")[0]["remote_pid"]
        p.change(server_tls_sslmode="require")
        assert c.execute(HOW).fetchone()[0]
        with c.transaction():  # a transaction that is under way ends where it began
            before = c.execute("SELECT pg_backend_pid()").fetchone()
            p.change(databases={"shop": address + " server_tls_sslmode=disable"})
            assert c.execute("SELECT pg_backend_pid()").fetchone() == before
        assert c.execute(HOW).fetchone() == (False, "")
        # what changes nothing closes nothing
        pid = p.servers("shop")[0]["remote_pid"]
        p.change(databases={"shop": address + " server_tls_sslmode=disable pool_size=3"})
        c.execute("SELECT 1")
        assert p.servers("shop")[0]["remote_pid"] == pid


BAD_FILES = {
    "no authorities": ({"server_tls_sslmode": "verify-full"}, "server_tls_ca_file"),
    "authorities are gone": ({"server_tls_sslmode": "verify-full", "server_tls_ca_file": "/nonexistent/ca"},
                             "/nonexistent/ca"),
    "key without certificate": ({"server_tls_key_file": "KEY"}, "certificate file"),
    "another's key": ({"server_tls_cert_file": "CERT", "server_tls_key_file": "OTHER"}, r"\.(key|crt)"),
    "mode": ({"server_tls_sslmode": "verify-fully"}, "server_tls_sslmode"),
}


@pytest.mark.ours("says less")
@pytest.mark.parametrize("where", ["global", "database"])
@pytest.mark.parametrize("case", BAD_FILES.values(), ids=BAD_FILES)
def test_bad_settings_change_nothing(pgusher, secure_pg, certs, case, where):
    mine = certs.client("app")
    files = {"KEY": mine.key, "CERT": mine.cert, "OTHER": certs.client("joe").key}
    settings = {k: files.get(v, v) for k, v in case[0].items()}
    p = pgusher(pg=secure_pg, server_tls_sslmode="require")
    address = f"host={secure_pg.host} port={secure_pg.port} "
    with pytest.raises(psycopg.Error, match=case[1]) as e:
        if where == "global":
            p.change(**settings)
        else:
            p.change(databases={"shop": address + " ".join(f"{k}={v}" for k, v in settings.items())})
    assert e.value.sqlstate == "F0000"
    assert is_secured(p)


# ---- what a server may ask for ----

@pytest.mark.ours("no such key")
@pytest.mark.parametrize("allowed,database,fine", [
    ("scram-sha-256", "db_scram", True), ("scram-sha-256", "db_plain", False), ("scram-sha-256", "db_md5", True),
    ("scram-sha-256", "shop", False), ("password,scram-sha-256", "db_plain", True), ("none", "shop", True),
    ("!none", "shop", False), ("!password,!none", "db_plain", False), ("!password,!none", "db_scram", True),
    ("scram-sha-256-plus", "db_scram", False)])
def test_server_require_auth(pgusher, allowed, database, fine):
    """The roles have SCRAM verifiers, so PostgreSQL asks for SCRAM even in an md5 line."""
    p = pgusher(server_require_auth=allowed)
    if fine:
        assert p.value("SELECT 1", database) == 1
        return
    with p.logs("server_require_auth"):
        got = refusal(p, database)
    assert "server_require_auth" in got["M"]


@pytest.mark.ours("no such key")
def test_server_require_auth_of_a_database(pgusher, pg):
    address = f"host={pg.host} port={pg.port} "
    p = pgusher(databases={"shop": address + "server_require_auth=scram-sha-256"})
    assert "server_require_auth" in refusal(p, "shop")["M"]
    assert p.value("SELECT 1", "mill") == 1
    p.change(databases={"shop": address})
    assert p.value("SELECT 1", "shop") == 1


@pytest.mark.ours("no channel binding")
def test_scram_plus_with_postgresql(pgusher, secure_pg, certs):
    p = pgusher(pg=secure_pg, server_require_auth="scram-sha-256-plus", **checks(certs))
    assert p.value("SELECT current_user", "db_scram") == "app"


def scram_server(chosen, certs, offers, password=PASSWORDS["app"], **kwargs):
    """A behaviour: ask for SCRAM, note what was chosen, let in who proves itself."""
    def behave(c):
        if c.read_startup() is None:
            return
        chosen.append(c.scram(password, offers, wire.end_point(certs.server.der), **kwargs))
        if chosen[-1][2]:
            c.welcome()
            c.serve()
    return behave


@pytest.mark.ours("no channel binding")
@pytest.mark.parametrize("offers,expected", [
    ([wire.SCRAM_PLUS, wire.PLAIN_SCRAM], (wire.SCRAM_PLUS, "p=tls-server-end-point,,", True)),
    ([wire.PLAIN_SCRAM, wire.SCRAM_PLUS], (wire.SCRAM_PLUS, "p=tls-server-end-point,,", True)),
    ([wire.SCRAM_PLUS], (wire.SCRAM_PLUS, "p=tls-server-end-point,,", True)),
    # "y": we could have; a server that did offer it learns that somebody took the offer away
    ([wire.PLAIN_SCRAM], (wire.PLAIN_SCRAM, "y,,", True)),
])
def test_channel_binding_to_a_server(pgusher, fake_server, certs, offers, expected):
    chosen = []
    server = fake_server(scram_server(chosen, certs, offers), tls=serving(certs.server))
    p = pgusher(databases={"shop": f"host=localhost port={server.port}"}, **checks(certs))
    assert p.value("SELECT 1") == "SELECT 1"
    assert chosen == [expected]


@pytest.mark.ours("no channel binding")
def test_channel_binding_without_tls(pgusher, fake_server, certs):
    """PLUS without TLS is nothing to choose, and we say that we can't bind ("n")."""
    chosen = []
    server = fake_server(scram_server(chosen, certs, [wire.SCRAM_PLUS, wire.PLAIN_SCRAM]))
    p = pgusher(databases={"shop": server.address})
    assert p.value("SELECT 1") == "SELECT 1"
    assert chosen == [(wire.PLAIN_SCRAM, "n,,", True)]


@pytest.mark.ours("no channel binding")
def test_somebody_between_us_and_a_server(pgusher, fake_server, certs):
    """Whoever decrypts in the middle, with a certificate of its own that we'd believe, can't pass our proof on."""
    chosen = []
    server = fake_server(scram_server(chosen, certs, [wire.SCRAM_PLUS, wire.PLAIN_SCRAM]),
                         tls=serving(certs.once("middle", lambda: certs.ca.issue("localhost", hosts=["localhost"]))))
    p = pgusher(databases={"shop": f"host=localhost port={server.port}"}, **checks(certs))
    refusal(p)
    assert chosen and not chosen[0][2]


@pytest.mark.parametrize("case", ["wrong signature", "no proof", "million rounds", "zero rounds", "foreign nonce"])
def test_hostile_scram_server(pgusher, fake_server, case):
    def behave(c):
        if c.read_startup() is None:
            return
        c.send(wire.auth(10, wire.cstr(wire.PLAIN_SCRAM) + b"\0"))
        nonce = c.expect("p").body.rpartition(b"r=")[2].decode() + "more"
        rounds = {"million rounds": 2_000_000_000, "zero rounds": 0}.get(case, 4096)
        if case == "foreign nonce":
            nonce = "x" * len(nonce)
        c.send(wire.auth(11, f"r={nonce},s=MDEyMzQ1Njc4OWFiY2RlZg==,i={rounds}".encode()))
        c.expect("p")
        if case == "wrong signature":
            c.send(wire.auth(12, b"v=" + b"A" * 43 + b"="))
        c.welcome()
        c.serve()
    server = fake_server(behave)
    p = pgusher(databases={"shop": server.address})
    got = refusal(p)
    assert PEER or got["C"] in ("08P01", "28P01", "28000", "08006", "08001")
    assert p.value("SELECT 1", "mill") == 1


# ---- hostile answers to an SSLRequest ----

SECRET_WORDS = "TLS-is-for-losers-call-555-1234"


ANSWERS = {
    "an error": wire.error("28000", SECRET_WORDS, "FATAL"),
    "an old error": b"E" + SECRET_WORDS.encode() + b"\0",
    "an endless error": b"E" + SECRET_WORDS.encode() * 10000,
    "junk": b"Q" + SECRET_WORDS.encode(),
    "nothing but the end": b"",
    "bytes behind the S": b"S" + wire.AUTH_OK + wire.ready() + SECRET_WORDS.encode(),
    "junk for a handshake": b"S",
}


@pytest.mark.parametrize("mode", ["require", "prefer"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_hostile_answer(pgusher, fake_server, certs, answer, mode):
    """What a server says before TLS stands may be anybody's word (CVE-2024-10977): it is for the log, not for clients."""
    def behave(c):
        c.read(8)
        if answer == b"S":
            c.send(answer)
            c.read(10)
            c.send(SECRET_WORDS.encode() * 10)
        elif answer:
            c.send(answer)
        else:
            return
        c.sock.settimeout(5)
        while c.sock.recv(1000):
            pass
    server = fake_server(behave)
    p = pgusher(databases={"shop": server.address}, server_tls_sslmode=mode, server_connect_timeout=2)
    got = refusal(p)
    assert SECRET_WORDS[:10] not in str(got)
    assert got["C"] in ("08001", "08006")
    if mode == "prefer":
        assert p.value("SELECT 1", "mill") == 1


def test_server_that_never_answers(pgusher, fake_server):
    server = fake_server(lambda c: c.server.stall(30))
    p = pgusher(databases={"shop": server.address}, server_tls_sslmode="require", server_connect_timeout=1)
    refusal(p)
    server.release.set()


def test_server_that_stalls_in_the_handshake(pgusher, fake_server):
    def behave(c):
        c.read(8)
        c.send(b"S")
        c.server.stall(30)
    server = fake_server(behave)
    p = pgusher(databases={"shop": server.address}, server_tls_sslmode="require", server_connect_timeout=1)
    with p.logs("closing because: connect(ion)? time"):
        refusal(p)
    server.release.set()


# ---- direct TLS ----

@pytest.mark.ours("no such key")
@pytest.mark.parametrize("alpn", ["postgresql", None])
def test_direct(pgusher, fake_server, certs, alpn):
    """No SSLRequest, and the protocol is named; a server that doesn't name it in turn is none of PostgreSQL's."""
    agreed = []

    def behave(c):
        c.secure(serving(certs.server, alpn=alpn))
        agreed.append(c.sock.selected_alpn_protocol())
        if c.accept():
            c.serve()
    server = fake_server(behave)
    p = pgusher(databases={"shop": f"host=localhost port={server.port} server_tls_negotiation=direct"}, **checks(certs))
    if alpn:
        assert p.value("SELECT 1") == "SELECT 1"
        assert agreed == ["postgresql"]
    else:
        assert refusal(p)["C"] in ("08001", "08006")


@pytest.mark.ours("no such key")
def test_direct_needs_a_mode_that_insists(pgusher, certs):
    p = pgusher(server_tls_sslmode="prefer")
    with pytest.raises(psycopg.Error, match="server_tls_negotiation|direct"):
        p.change(server_tls_negotiation="direct")


# ---- both sides, and what flows ----

def test_both_sides(pgusher, secure_pg, certs):
    p = pgusher(pg=secure_pg, pool_mode="transaction", auth_type="scram-sha-256", **tls(certs), **checks(certs))
    with p.connect("db_scram", **trusting(certs)) as c:
        assert c.execute(HOW).fetchone() == (True, "TLSv1.3")
        rows = c.execute("SELECT i, repeat('w', 3000) FROM generate_series(1, 5000) i").fetchall()
        assert [r[0] for r in rows] == list(range(1, 5001))
        with c.cursor().copy("COPY (SELECT repeat('c', 1000) FROM generate_series(1, 5000)) TO STDOUT") as copy:
            assert sum(map(len, copy)) == 5000 * 1001


def test_cancel_over_tls(pgusher, secure_pg, certs):
    """The cancel request to the server goes over TLS, too: its key is as good as the connection."""
    p = pgusher(pg=secure_pg, **checks(certs))
    with p.wire("db_ssl") as c:
        c.send(wire.query("SELECT pg_sleep(30)"))
        wait_until(lambda: secure_pg.backends("db_ssl", where="query LIKE '%pg_sleep%' AND state = 'active'"))
        c.cancel()
        assert [m.code for m in c.until_ready() if m.kind == "E"] == ["57014"]


@pytest.mark.ours("goes plain", since=(1, 25))
def test_cancel_key_is_never_sent_in_the_clear(pgusher, fake_server, certs):
    """To a scripted server that has spoken TLS, and for the cancel declines it: then it is not cancelled."""
    seen = []

    def behave(c):
        if c.server.release.is_set():
            c.read(8)
            c.send(b"N")
            with pytest.raises(wire.Gone):
                seen.append(c.read(4, 5))
            return
        if c.accept():
            c.serve(lambda conn, sql: sql == "wait" and conn.server.done.wait(20) and False)
    server = fake_server(behave, tls=serving(certs.server))
    server.done = threading.Event()
    p = pgusher(databases={"shop": f"host=localhost port={server.port}"}, server_tls_sslmode="prefer")
    with p.wire("shop") as c:
        c.query("SELECT 1")
        c.send(wire.query("wait"))
        wait_until(lambda: "wait" in server.connections[0].queries)
        server.release.set()
        c.cancel()
        wait_until(lambda: len(server.threads) >= 2 and not server.threads[1].is_alive())
        server.done.set()
        assert c.until_ready()[1].row == ["wait"]
    assert not server.cancels and not seen


def test_server_that_dies(pgusher, fake_server, certs):
    """A cut without close_notify inside an answer is an error, and the client is told."""
    def answer(c, sql):
        if sql != "die":
            return False
        c.send(wire.row_description("a"))
        c.sock.shutdown(2)
        raise wire.Gone("died")
    server = fake_server(lambda c: c.accept() and c.serve(answer), tls=serving(certs.server))
    p = pgusher(databases={"shop": f"host=localhost port={server.port}"}, **checks(certs))
    with p.wire("shop") as c:
        assert c.query("SELECT 1") == [["SELECT 1"]]
        c.send(wire.query("die"))
        got = c.until_closed()
        assert got[-1].kind == "E"
    assert p.value("SELECT 1") == "SELECT 1"


def test_renegotiation_by_a_server_is_refused(pgusher, fake_server, certs):
    """Junk inside an open connection ends it."""
    def answer(c, sql):
        if sql != "junk":
            return False
        os.write(c.sock.fileno(), b"\x16\x03\x03\0\x04\0\0\0\0")
        c.sock.settimeout(5)
        c.sock.recv(100)
        raise wire.Gone("closed")
    server = fake_server(lambda c: c.accept() and c.serve(answer), tls=serving(certs.server))
    p = pgusher(databases={"shop": f"host=localhost port={server.port}"}, **checks(certs))
    with p.wire("shop") as c:
        c.send(wire.query("junk"))
        assert c.until_closed()[-1].kind == "E"


@pytest.mark.parametrize("version", ["TLSv1_1", "TLSv1_2"])
def test_version_of_a_server(pgusher, fake_server, certs, version):
    context = serving(certs.local("rsa"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    server = fake_server(tls=context)
    p = pgusher(databases={"shop": f"host=localhost port={server.port}"}, **checks(certs))
    if version == "TLSv1_2":
        assert p.value("SELECT 1") == "SELECT 1"
        assert p.servers("shop")[0]["tls"].startswith("TLSv1.2/")
    else:
        refusal(p)
