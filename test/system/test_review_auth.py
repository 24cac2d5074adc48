"""What somebody could try who has read the code: logins that meet a RELOAD, floods before any password, memory."""

import os
import re
import ssl

import pytest

import wire
from certs import careless, serving
from helpers import MEMORY_COUNTS, SLOW, give_away, make_dir, remove_dir, run, wait_until
from pooler import PASSWORDS
from postgres import ROLES, SUPERUSER
from test_tls_client import tls

pytestmark = pytest.mark.ours("it is no review of somebody else's house")

NOT_IN_FILE = {**dict.fromkeys(ROLES), SUPERUSER: ""}


def asked(name, secret):
    """A behaviour: answers auth_query once the test lets it, with that row."""
    def behave(c):
        if not c.accept():
            return
        while True:
            if c.receive(timeout=60).kind == "S":
                c.server.stall(30)
                c.send(wire.message("1"), wire.message("2"), wire.data_row(name, secret), wire.command_complete("SELECT 1"),
                       wire.ready())
    return behave


def start_lookup(p, server, database, user):
    c = p.wire()
    c.start(database, user)
    wait_until(lambda: server.connections, 5, "auth_query is asked")
    return c


# ---- between two steps of a login, the rules change ----

def test_any_wants_a_forced_user_though_it_came_meanwhile(pgusher, fake_server):
    """A user is being looked up when auth_type becomes any, which lets in only as somebody that the operator named."""
    server = fake_server(asked("app2", "x"))
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, userlist=NOT_IN_FILE, auth_dbname="keys", workers=1,
                databases={"keys": server.address})
    with start_lookup(p, server, "shop", "app2") as c:
        p.change(auth_type="any")
        server.release.set()
        m = c.authenticate("app2", "x")
        assert m.kind == "E", "let in without a forced user"
        assert c.auth_codes == []


# ---- what a stranger can make it keep ----

def known_databases(p):
    return {r["name"] for r in p.console("SHOW DATABASES")}


@pytest.fixture
def rules():
    folder = make_dir("pgu-rules-")
    (folder / "hba").write_text("local all all trust\nhost all all all md5\n")
    give_away(folder / "hba")
    yield folder / "hba"
    remove_dir(folder)


@pytest.mark.parametrize("auth_type", ["md5", "scram-sha-256", "hba"])
def test_strangers_make_no_databases(pgusher, rules, auth_type):
    """With a "*" line any name is a database's: none is remembered for who did not get in."""
    p = pgusher(auth_type=auth_type, auth_hba_file=rules, databases={"*": "{pg}", "shop": None})
    before = known_databases(p)
    for i in range(20):
        assert p.refused(f"made up {i}", f"guess{i}", password="wrong")["C"] == "28P01"
    assert known_databases(p) == before
    assert "made up 3" not in "".join(re.findall(".*registered new auto-database.*", p.log()))
    with p.wire("shop") as c:
        assert c.query("SELECT 1") == [["1"]]
    assert known_databases(p) == before | {"shop"}


def test_databases_that_only_strangers_asked_for_are_forgotten(pgusher):
    """Where each database looks up its own users, it must be asked; nothing of that stays."""
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, userlist=NOT_IN_FILE, databases={"*": "{pg}"})
    for i in range(20):
        p.refused(f"made up {i}", f"guess{i}", password="wrong")
    wait_until(lambda: not [d for d in known_databases(p) if d.startswith("made up")], 15 * SLOW,
               "databases of strangers are forgotten")
    totals = {r["list"]: r["items"] for r in p.console("SHOW LISTS")}
    assert totals["pools"] <= 1


def resident(p):
    with open(f"/proc/{p.pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_lookups_of_who_has_left_are_no_pile(pgusher, fake_server):
    """Names that are asked for and never waited for, while the place that knows them is slow."""
    server = fake_server(lambda c: c.accept() and c.server.stall(60))
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, userlist=NOT_IN_FILE, auth_dbname="keys", workers=1,
                databases={"keys": server.address})
    start_lookup(p, server, "shop", "first").close()
    before = resident(p)
    for i in range(4000):
        with p.wire() as c:
            c.start("shop", f"{i}" + "x" * 9000)
    with p.wire() as c:  # behind all of them
        c.send(wire.ssl_request())
        assert c.read(1) == b"N"
    grown = resident(p) - before
    assert not MEMORY_COUNTS or grown < 40e6, f"{grown / 1e6:.0f} MB for nobody"
    server.release.set()
    assert p.console("SHOW VERSION")


# ---- what stays in memory ----

def reads_memory(test):
    test = pytest.mark.skipif(os.geteuid() != 0, reason="only root may read the memory of others")(test)
    return pytest.mark.skipif(not MEMORY_COUNTS, reason="sanitizers keep freed memory, and map terabytes")(test)


def memory_of(p):
    with open(f"/proc/{p.pid}/maps") as maps, open(f"/proc/{p.pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights, _, _, _, *path = line.split()
            if "w" not in rights or path and path[0] in ("[vvar]", "[vsyscall]"):
                continue
            first, last = (int(x, 16) for x in span.split("-"))
            try:
                memory.seek(first)
                yield " ".join(path), memory.read(last - first)
            except OSError:
                continue


def places(p, secret):
    return [where or "heap?" for where, text in memory_of(p) for _ in range(text.count(secret.encode()))]


@reads_memory
@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("way", ["wrong", "right", "gone", "pipelined"])
def test_no_password_stays(pgusher, certs, encrypted, way):
    """In clear, so that it passes through every buffer; ours to check, so that nobody needs it afterwards."""
    word = f"Xq7-{way}-{'tls' if encrypted else 'plain'}-" + "zK9" * 10
    p = pgusher(auth_type="plain", workers=1, userlist={"app": wire.scram_verifier(word)},
                databases={"shop": "{pg} user=app2 password=app2-secret"}, **tls(certs, "allow"))
    given = "not-" + word if way == "wrong" else word
    for _ in range(3):
        with p.wire(tls=careless() if encrypted else None) as c:
            if way == "pipelined":
                c.send(wire.startup({"user": "app", "database": "shop"}) + wire.message("p", wire.cstr(given)))
                c.expect("R")
                c.expect("R")
            elif way == "gone":
                c.start("shop", "app")
                c.expect("R")
                c.send(wire.message("p", wire.cstr(given)))
            else:
                assert c.login("shop", "app", given).kind == ("E" if way == "wrong" else "Z")
                assert way == "wrong" or c.query("SELECT 1") == [["1"]]
    wait_until(lambda: not p.clients("shop"), 5, "they are gone")
    assert places(p, PASSWORDS["admin"]), "nothing is found where there is something"
    assert not places(p, given)


@reads_memory
@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("auth_type", ["plain", "md5", "scram-sha-256"])
def test_nothing_of_a_lookup_stays(pgusher, fake_server, certs, auth_type, encrypted):
    """auth_query gives a password in clear; the server's user is another."""
    word = f"Lw4-{auth_type}-{encrypted}-" + "jU6" * 10
    server = fake_server(asked("app2", word), tls=serving(certs.server) if encrypted else None)
    server.release.set()
    p = pgusher(auth_type=auth_type, auth_user=SUPERUSER, userlist=NOT_IN_FILE, auth_dbname="keys", workers=1,
                databases={"shop": "{pg} user=app password=app-secret",
                           "keys": f"{server.address} server_tls_sslmode={'require' if encrypted else 'disable'}"})
    for given in (word, word, "wrong", word):
        with p.wire() as c:
            assert c.login("shop", "app2", given).kind == ("E" if given == "wrong" else "Z")
    wait_until(lambda: not p.clients("shop"), 5, "they are gone")
    assert not places(p, word)


@reads_memory
def test_password_that_nobody_needs_is_not_kept(pgusher):
    """The servers' user is who logs in, but the line of the database has a password for it."""
    word = "Nk5-" + "pA7" * 10
    p = pgusher(auth_type="plain", userlist={"app": wire.scram_verifier(word)},
                databases={"shop": "{pg} user=app password=app-secret", "db_scram": "{pg} dbname=shop"})
    with p.wire() as c:
        assert c.login("shop", "app", word).kind == "Z"
        assert c.query("SELECT 1") == [["1"]]
        assert not places(p, word)
    with p.wire() as c:
        assert c.login("db_scram", "app", word).kind == "Z"
        assert len(places(p, word)) == 1, "the next connection is opened with it"


# ---- certificates that TLS itself lets pass, because it does not insist on any ----

@pytest.fixture(scope="module")
def by_certificate(module_pgusher, certs):
    folder = make_dir("pgu-rules-")
    (folder / "hba").write_text("local all all trust\nhostssl all all all cert\nhost all all all reject\n")
    give_away(folder / "hba")
    yield module_pgusher(auth_type="hba", auth_hba_file=folder / "hba", **tls(certs, "prefer", ca=certs.ca))
    remove_dir(folder)


def bad_certificates(certs):
    """Of somebody who calls himself app.  The last one is what makes the others bad ones."""
    impostor = certs.authority("impostor authority")
    chained = certs.ca.issue("app")
    mine = impostor.issue("app")
    return {
        "of another authority": impostor.issue("app"),
        "signed by itself": type(mine)(impostor.cert, impostor.key),
        "expired": certs.ca.issue("app", days=-1),
        "made by one that is no authority": sub_issue(certs, chained, "app"),
        "for another name": certs.client("app2"),
        "none": None,
        "good": certs.client("app"),
    }


def sub_issue(certs, issuer, name):
    """Signed with the key of an ordinary certificate, which is shown too."""
    made = certs.ca.issue(name)
    request = made.cert.with_suffix(".csr")
    extensions = made.cert.with_suffix(".ext")
    run(["openssl", "x509", "-req", "-in", request, "-CA", issuer.cert, "-CAkey", issuer.key, "-sha256",
         "-set_serial", "7", "-extfile", extensions, "-days", "5", "-out", made.cert])
    made.cert.write_text(made.cert.read_text() + issuer.cert.read_text())
    return made


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bad_certificates_are_none(by_certificate, certs, version):
    for what, certificate in bad_certificates(certs).items():
        with by_certificate.wire(tls=careless(client=certificate, lowest=version, highest=version)) as c:
            m = c.login("shop", "app", "app-secret")
            assert (m.kind == "Z") == (what == "good"), what
            assert c.auth_codes == ([0] if what == "good" else []), what
