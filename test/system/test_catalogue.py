"""Tenants that a table in a PostgreSQL database lists: found, kept, refreshed, changed by hand and from the console."""

import struct
import time

import psycopg
import pytest

import wire
from helpers import SLOW, TOP, Deadline, status_kb, wait_until
from postgres import Postgres

pytestmark = pytest.mark.ours("it has no catalogue of tenants")

QUERY = "SELECT connstr, settings FROM pgusher.tenants WHERE name = $1"


@pytest.fixture(scope="module")
def fleet():
    """A PostgreSQL of its own for the catalogue: it is stopped while the tenants' goes on."""
    server = Postgres(databases=[])
    with server.connect() as c:
        c.execute("CREATE DATABASE fleet")
    with server.connect("fleet") as c:
        c.execute((TOP / "etc/catalogue.sql").read_text())
        c.execute("ALTER ROLE pgusher_catalogue LOGIN")
    yield server
    server.close()


@pytest.fixture
def catalogue(fleet, pg):
    """The catalogue, empty."""
    if not fleet.alive:
        fleet.start()
    c = Catalogue(fleet, pg)
    c.run("TRUNCATE pgusher.tenants")
    return c


class Catalogue:
    def __init__(self, fleet, pg):
        self.fleet, self.pg = fleet, pg

    @property
    def address(self):
        return f"host=127.0.0.1 port={self.fleet.port} dbname=fleet user=pgusher_catalogue"

    def run(self, sql, *values):
        with self.fleet.connect("fleet") as c:
            cursor = c.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def line(self, dbname):
        return f"host={self.pg.host} port={self.pg.port} dbname={dbname}"

    def add(self, name, dbname="shop", settings=None):
        self.run("INSERT INTO pgusher.tenants (name, connstr, settings) VALUES (%s, %s, %s)", name, self.line(dbname),
                 settings)

    def backend(self):
        """The pooler's connection to it."""
        rows = self.run("SELECT pid FROM pg_stat_activity WHERE usename = 'pgusher_catalogue'")
        return rows[0][0] if rows else None


def facts(p):
    return p.console("SHOW CATALOGUE")[0]


def connected(p):
    return wait_until(lambda: facts(p)["connected"] in (True, "t", 1, "yes"), 10, "the catalogue is connected")


def start(pgusher, catalogue, **settings):
    settings.setdefault("tenant_catalogue", catalogue.address)
    p = pgusher(pool_mode="transaction", **settings)
    connected(p)
    return p


def where(p, tenant):
    return p.value("SELECT tenant FROM who", tenant)


# ---- finding ----

@pytest.mark.parametrize("workers", [1, 2])
def test_a_tenant_is_found_in_the_catalogue(pgusher, catalogue, workers):
    catalogue.add("acme", "shop")
    catalogue.add("zeta", "mill", "pool_size=3")
    p = start(pgusher, catalogue, workers=workers)
    assert where(p, "acme") == "shop"
    assert where(p, "zeta") == "mill"
    assert where(p, "forge") == "forge"  # a line of the file goes before
    assert p.refused("nobody")["C"] == "3D000"
    assert {r["name"]: r["pool_size"] for r in p.console("SHOW DATABASES")}["zeta"] == 3


def test_an_answer_is_kept(pgusher, catalogue):
    catalogue.add("acme")
    p = start(pgusher, catalogue)
    where(p, "acme")
    p.refused("nobody")
    asked = facts(p)["asked"]
    for _ in range(5):
        p.refused("nobody")
    assert facts(p)["asked"] == asked
    assert (facts(p)["known"], facts(p)["absent"]) == (1, 1)


def test_names_that_are_none_do_not_reach_the_database(pgusher, catalogue):
    p = start(pgusher, catalogue)
    for name in ("a b", "';--", "..", "x" * 64, "-x", "a/b"):
        assert p.refused(name)["C"] == "3D000"
    assert facts(p)["asked"] == 0


# ---- changes ----

def test_a_new_tenant_is_there_at_once(pgusher, catalogue):
    p = start(pgusher, catalogue, tenant_negative_ttl=300)
    assert p.refused("acme")["C"] == "3D000"
    catalogue.add("acme")
    wait_until(lambda: facts(p)["absent"] == 0, 5, "the notification has come")
    assert where(p, "acme") == "shop"


def test_a_changed_line_reaches_clients_that_are_there(pgusher, catalogue):
    catalogue.add("acme", "shop")
    p = start(pgusher, catalogue, tenant_ttl=300)
    with p.connect("acme") as c:
        assert c.execute("SELECT tenant FROM who").fetchone() == ("shop",)
        catalogue.run("UPDATE pgusher.tenants SET connstr = %s", catalogue.line("mill"))
        wait_until(lambda: c.execute("SELECT tenant FROM who").fetchone() == ("mill",), 5, "the new place")


def test_a_dropped_tenant_ends(pgusher, catalogue):
    catalogue.add("acme", "shop")
    p = start(pgusher, catalogue, tenant_ttl=300)
    with p.connect("acme") as c:
        c.execute("SELECT 1")
        catalogue.run("DELETE FROM pgusher.tenants")
        with pytest.raises(psycopg.OperationalError):
            for _ in Deadline(5, "the client is closed"):
                c.execute("SELECT 1")
    assert p.refused("acme")["C"] == "3D000"


def test_without_notifications_the_ttl_brings_changes(pgusher, catalogue):
    catalogue.add("acme", "shop")
    p = start(pgusher, catalogue, tenant_ttl=1, tenant_channel="")
    assert where(p, "acme") == "shop"
    catalogue.run("UPDATE pgusher.tenants SET connstr = %s", catalogue.line("mill"))
    wait_until(lambda: where(p, "acme") == "mill", 10, "the ttl is over")


def test_a_wrong_line_leaves_the_old_one(pgusher, catalogue):
    catalogue.add("acme", "shop")
    p = start(pgusher, catalogue)
    assert where(p, "acme") == "shop"
    with p.logs("catalogue's answer on tenant \"acme\" can't be used"):
        catalogue.run("UPDATE pgusher.tenants SET connstr = 'host=10.0.0.1 no_such_key=1'")
    assert where(p, "acme") == "shop"
    catalogue.run("INSERT INTO pgusher.tenants (name, connstr) VALUES ('broken', 'host=')")
    assert p.refused("broken")["C"] == "57P03"


def test_a_wrong_line_is_told_with_its_tenant(pgusher, catalogue):
    catalogue.add("acme", settings="wieght=3")
    p = start(pgusher, catalogue)
    assert p.refused("acme")["C"] == "57P03"
    assert facts(p)["last_error"] == 'tenant "acme": unknown key "wieght": do you mean weight?'


@pytest.mark.parametrize("payload", ["", "acme", "nobody", "../../x", "a b", "'; DROP TABLE x", "\u00e9" * 100, "x" * 7000])
def test_whatever_is_notified_does_no_harm(pgusher, catalogue, payload):
    catalogue.add("acme", "shop")
    p = start(pgusher, catalogue)
    assert where(p, "acme") == "shop"
    before = facts(p)["notified"]
    with catalogue.fleet.connect("fleet") as c:
        for _ in range(20):
            c.execute("SELECT pg_notify('pgusher_tenants', %s)", (payload,))
    wait_until(lambda: facts(p)["notified"] == before + 20, 5, "they have come")
    assert where(p, "acme") == "shop"


# ---- a catalogue that is away ----

def test_what_is_known_serves_while_the_catalogue_is_down(pgusher, catalogue):
    catalogue.add("acme", "shop")
    p = start(pgusher, catalogue, tenant_ttl=1)
    assert where(p, "acme") == "shop"
    catalogue.fleet.stop()
    wait_until(lambda: facts(p)["last_error"], 10, "it is noticed")
    assert where(p, "acme") == "shop"
    assert p.refused("never_asked")["C"] == "57P03"
    assert where(p, "acme") == "shop"
    catalogue.fleet.start()
    catalogue.run("UPDATE pgusher.tenants SET connstr = %s", catalogue.line("mill"))
    wait_until(lambda: where(p, "acme") == "mill", 20, "it is asked again")
    assert p.refused("never_asked")["C"] == "3D000"


def test_a_lost_connection_is_made_again_and_what_was_missed_is_asked(pgusher, catalogue):
    catalogue.add("acme", "shop")
    p = start(pgusher, catalogue, tenant_ttl=3600)
    assert where(p, "acme") == "shop"
    with catalogue.fleet.connect("fleet") as c:
        c.execute("ALTER ROLE pgusher_catalogue NOLOGIN")
        c.execute("SELECT pg_terminate_backend(%s)", (catalogue.backend(),))
        wait_until(lambda: facts(p)["last_error"], 10, "it is noticed")
        c.execute("UPDATE pgusher.tenants SET connstr = %s", (catalogue.line("mill"),))
        c.execute("ALTER ROLE pgusher_catalogue LOGIN")
    wait_until(lambda: where(p, "acme") == "mill", 20, "it is asked again")


def test_a_client_waits_while_the_connection_is_made_again(pgusher, catalogue):
    catalogue.add("acme", "shop")
    p = start(pgusher, catalogue)
    with catalogue.fleet.connect("fleet") as c:
        c.execute("SELECT pg_terminate_backend(%s)", (catalogue.backend(),))
    assert where(p, "acme") == "shop"


def test_no_stampede_after_a_reconnect(pgusher, catalogue):
    """All that is kept is asked again once, few at a time, and nobody waits for that."""
    n = 2000
    catalogue.run("INSERT INTO pgusher.tenants (name, connstr) SELECT 'c' || i, %s FROM generate_series(1, %s) i",
                  catalogue.line("shop"), n)
    p = start(pgusher, catalogue, tenant_ttl=3600, workers=1)
    fill(p, [f"c{i}" for i in range(1, n + 1)])
    assert facts(p)["known"] == n
    asked = facts(p)["asked"]
    with catalogue.fleet.connect("fleet") as c:
        c.execute("SELECT pg_terminate_backend(%s)", (catalogue.backend(),))
    wait_until(lambda: facts(p)["asked"] == asked + n, 20, "all are asked again")
    assert where(p, "c7") == "shop"
    assert facts(p)["asked"] == asked + n


def fill(p, names):
    """Have the catalogue asked for each: what PAUSE does, without a client."""
    with p.admin() as admin:
        for name in names:
            admin.execute(f"ENABLE {name}")


def test_a_tenant_that_was_asked_for_costs_little(pgusher, catalogue):
    n = 5000
    catalogue.run("INSERT INTO pgusher.tenants (name, connstr) SELECT 'tenant_' || i, %s FROM generate_series(1, %s) i",
                  catalogue.line("shop"), n)
    p = start(pgusher, catalogue, tenant_ttl=3600, workers=1)
    fill(p, [f"tenant_{i}" for i in range(1, n + 1)])
    f = facts(p)
    assert f["known"] == n
    assert f["memory"] / n < 300, f


# ---- a catalogue that is hostile ----

def talk(answer):
    """A server that lets everybody in, and answers what asks for a tenant with answer(c, values); None: never more."""
    def behave(c):
        c.accept()
        while True:
            sql, values = b"", []
            while True:
                m = c.receive(60)
                if m.kind == "P":
                    sql = m.body.split(b"\0")[1]
                elif m.kind == "B":
                    values = bind_values(m.body)
                elif m.kind == "S":
                    break
                elif m.kind == "X":
                    return
            if values:
                reply = answer(c, values)
            elif sql.startswith(b"LISTEN"):
                reply = done("LISTEN")
            else:
                reply = one_row("1")
            if reply is None:
                c.server.stall()
                return
            c.send(reply + wire.ready())
    return behave


def bind_values(body):
    at = body.index(b"\0", body.index(b"\0") + 1) + 1
    formats, = struct.unpack_from("!H", body, at)
    at += 2 + 2 * formats
    n, = struct.unpack_from("!H", body, at)
    at += 2
    values = []
    for _ in range(n):
        size, = struct.unpack_from("!i", body, at)
        values.append(body[at + 4:at + 4 + max(size, 0)].decode())
        at += 4 + max(size, 0)
    return values


def done(tag):
    return wire.message("1") + wire.message("2") + wire.message("n") + wire.command_complete(tag)


def one_row(*values):
    return (wire.message("1") + wire.message("2") + wire.row_description(*[f"c{i}" for i in range(len(values))])
            + wire.data_row(*values) + wire.command_complete("SELECT 1"))


def rows(*rows_):
    width = len(rows_[0]) if rows_ else 1
    return (wire.message("1") + wire.message("2") + wire.row_description(*[f"c{i}" for i in range(width)])
            + b"".join(wire.data_row(*r) for r in rows_) + wire.command_complete(f"SELECT {len(rows_)}"))


def hostile(pgusher, fake_server, answer, **settings):
    server = fake_server(talk(answer))
    p = pgusher(pool_mode="transaction", tenant_catalogue=f"{server.address} dbname=fleet user=x", **settings)
    connected(p)
    return p, server


def well(pg):
    return one_row(f"host={pg.host} port={pg.port} dbname=shop", None)


def test_a_scripted_catalogue_is_believed(pgusher, fake_server, pg):
    """So that the refusals below are for what they are meant for."""
    p, _ = hostile(pgusher, fake_server, lambda c, values: well(pg))
    assert where(p, "acme") == "shop"


@pytest.mark.parametrize("what", ["three columns", "two rows", "no rows at all", "an error", "NULL", "a huge line", "copy", "rubbish"])
def test_an_answer_that_is_none(pgusher, fake_server, pg, what):
    line = f"host={pg.host} port={pg.port} dbname=shop"
    answers = {
        "three columns": one_row(line, "", "x"),
        "two rows": rows((line, None), (line, None)),
        "no rows at all": done("UPDATE 1"),
        "an error": wire.message("1") + wire.error("42P01", "relation does not exist"),
        "NULL": one_row(None, "pool_size=3"),
        "a huge line": one_row(line + " application_name=" + "x" * 10000),
        "copy": wire.message("1") + wire.message("2") + wire.message("H", b"\0\0\0"),
        "rubbish": wire.message("?", b"rubbish"),
    }
    good = ["well"]
    p, _ = hostile(pgusher, fake_server, lambda c, values: well(pg) if values[0] in good else answers[what])
    assert where(p, "well") == "shop"
    assert p.refused("acme")["C"] == "57P03"
    assert where(p, "well") == "shop"
    wait_until(lambda: facts(p)["connected"] in (True, "t", 1, "yes"), 10, "it is connected again")


def test_a_catalogue_that_hangs_holds_nobody_up(pgusher, fake_server, pg):
    p, server = hostile(pgusher, fake_server, lambda c, values: well(pg) if values[0] == "well" else None)
    assert where(p, "well") == "shop"
    began = time.monotonic()
    assert p.refused("acme")["C"] == "57P03"
    assert time.monotonic() - began < 25 * SLOW
    assert where(p, "well") == "shop"
    assert where(p, "forge") == "forge"


def test_a_catalogue_that_never_lets_us_in(pgusher, fake_server, pg):
    server = fake_server(lambda c: c.server.stall())
    p = pgusher(pool_mode="transaction", tenant_catalogue=f"{server.address} dbname=fleet user=x")
    assert where(p, "shop") == "shop"
    assert p.refused("acme")["C"] == "57P03"
    wait_until(lambda: "no answer" in (facts(p)["last_error"] or ""), 15, "it says so")


def test_an_endless_answer_is_cut_off(pgusher, fake_server, pg):
    """A row of which there is always more; what is kept of it is bounded."""
    def answer(c, values):
        if values[0] == "well":
            return well(pg)
        c.send(wire.message("1") + wire.message("2") + wire.row_description("c0", "c1"))
        c.send(b"D" + struct.pack("!I", 900_000_000) + struct.pack("!H", 2) + struct.pack("!I", 800_000_000))
        while True:
            c.send(b"x" * 65536)

    p, _ = hostile(pgusher, fake_server, answer)
    assert where(p, "well") == "shop"
    before = status_kb(p.pid, "VmHWM")
    assert p.refused("acme")["C"] == "57P03"
    wait_until(lambda: facts(p)["last_error"], 10, "it is cut off")
    if SLOW == 1:
        assert status_kb(p.pid, "VmHWM") - before < 100_000
    assert where(p, "well") == "shop"


# ---- the console writes it ----

def refusal(p, command):
    with pytest.raises(psycopg.Error) as e:
        p.console(command)
    return e.value.sqlstate, e.value.diag.message_primary


def test_created_anew_while_the_old_one_ends(pgusher, catalogue):
    """CREATE is answered when every worker knows: the next connection gets in, whatever is left of the old one."""
    p = start(pgusher, catalogue, workers=2)
    for database in ("shop", "mill") * 3:
        p.console(f"CREATE TENANT acme '{catalogue.line(database)}'")
        with p.connect("acme") as c:
            assert c.execute("SELECT current_database()").fetchone() == (database,)
            p.console("DROP TENANT acme")


@pytest.mark.parametrize("workers", [1, 2])
def test_create_alter_drop(pgusher, catalogue, workers):
    p = start(pgusher, catalogue, workers=workers, tenant_ttl=3600, tenant_negative_ttl=3600)
    assert p.refused("acme")["C"] == "3D000"
    p.console(f"CREATE TENANT acme '{catalogue.line('shop')} pool_size=2'")
    with p.connect("acme") as c:
        assert c.execute("SELECT tenant FROM who").fetchone() == ("shop",)
        p.console(f"ALTER TENANT acme '{catalogue.line('mill')}'")
        assert c.execute("SELECT tenant FROM who").fetchone() == ("mill",)
        p.console("DROP TENANT acme")
        with pytest.raises(psycopg.OperationalError):
            c.execute("SELECT 1")
    assert p.refused("acme")["C"] == "3D000"
    assert catalogue.run("SELECT count(*) FROM pgusher.tenants") == [(0,)]


def pace(p, catalogue):
    return next(r["pace"] for r in p.console("SHOW HOSTS") if r["port"] == catalogue.pg.port)


def test_altered_a_pool_has_its_size_found_out_or_no_more(pgusher, catalogue):
    p = start(pgusher, catalogue)
    p.console(f"CREATE TENANT acme '{catalogue.line('shop')} pool_size=2'")
    with p.connect("acme") as c:
        c.execute("SELECT 1")
        assert pace(p, catalogue) == "off"
        p.console(f"ALTER TENANT acme '{catalogue.line('shop')} pool_size=auto'")
        wait_until(lambda: pace(p, catalogue) != "off", 5, "it has a pace")
        c.execute("SELECT 1")
        with c.transaction():
            p.console(f"ALTER TENANT acme '{catalogue.line('shop')} pool_size=2'")
            row = next(r for r in p.console("SHOW HOSTS") if r["port"] == catalogue.pg.port)
            assert not row["pace_active"]


@pytest.mark.parametrize("workers", [1, 2])
def test_altered_a_tenant_has_the_limits_of_its_new_class(pgusher, catalogue, workers):
    """Who is connected, too, on each worker that serves it."""
    limits = {"class:tiny": "query_length=10", "class:small": "query_length=20"}
    p = start(pgusher, catalogue, workers=workers, tenant_workers=workers, tenant_ttl=3600, sections={"limits": limits})
    alter = f"ALTER TENANT acme '{catalogue.line('shop')} {{}}'"
    p.console(alter.replace("ALTER", "CREATE").format(""))
    clients = [p.wire() for _ in range(4)]
    try:
        for c in clients:
            c.login("acme", "app")
        for line, most in [("", 100), ("limits=tiny", 10), ("limits=small", 20), ("limits=tiny", 10), ("", 100)]:
            p.console(alter.format(line))
            for c in clients:
                assert wire.kinds(c.ask(wire.query("SELECT 1".ljust(most)))) == "TDCZ", line
                assert wire.kinds(c.ask(wire.query("SELECT 1".ljust(most + 1)))) == ("EZ" if line else "TDCZ"), line
    finally:
        for c in clients:
            c.close()


def test_what_the_console_is_refused(pgusher, catalogue):
    p = start(pgusher, catalogue)
    line = catalogue.line("shop")
    p.console(f"CREATE TENANT acme '{line}'")
    assert refusal(p, f"CREATE TENANT acme '{line}'")[0] == "42710"
    assert refusal(p, f"ALTER TENANT nobody '{line}'")[0] == "3D000"
    assert refusal(p, "DROP TENANT nobody")[0] == "3D000"
    assert refusal(p, "CREATE TENANT two 'no_such_key=1'")[0] == "F0000"
    assert refusal(p, f"ALTER TENANT shop '{line}'")[0] == "55000"  # the file's
    catalogue.run("REVOKE EXECUTE ON FUNCTION pgusher.drop_tenant(text) FROM pgusher_catalogue")
    assert refusal(p, "DROP TENANT acme")[0] == "42501"
    catalogue.run("GRANT EXECUTE ON FUNCTION pgusher.drop_tenant(text) TO pgusher_catalogue")
    assert where(p, "acme") == "shop"


def test_without_a_catalogue_nothing_is_written(pgusher):
    p = pgusher()
    assert refusal(p, "CREATE TENANT acme 'host=x'")[0] == "55000"
    assert refusal(p, "MOVE TENANT acme TO 'host=x'")[0] == "55000"


def test_a_catalogue_that_is_away_can_not_be_written(pgusher, catalogue):
    p = start(pgusher, catalogue)
    catalogue.fleet.stop()
    assert refusal(p, f"CREATE TENANT acme '{catalogue.line('shop')}'")[0] in ("57P03", "08007")


def test_a_reload_brings_and_takes_the_catalogue(pgusher, catalogue):
    catalogue.add("acme", "shop")
    p = pgusher(pool_mode="transaction")
    assert p.refused("acme")["C"] == "3D000"
    p.change(tenant_catalogue=catalogue.address)
    connected(p)
    with p.connect("acme") as c:
        assert c.execute("SELECT tenant FROM who").fetchone() == ("shop",)
        p.change(tenant_catalogue="")
        with pytest.raises(psycopg.OperationalError):
            c.execute("SELECT 1")
    assert p.refused("acme")["C"] == "3D000"
    wait_until(lambda: catalogue.backend() is None, 5, "nobody is connected to it any more")


def test_its_connection_counts_on_its_host(pgusher, catalogue):
    p = start(pgusher, catalogue, sections={"hosts": {f"127.0.0.1:{catalogue.fleet.port}": "max_connections=5"}})
    row = next(r for r in p.console("SHOW HOSTS") if r["port"] == catalogue.fleet.port)
    assert (row["used"], row["side"]) == (1, 1)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_session_goes_where_the_catalogue_says(pgusher, catalogue, workers):
    """SET pgusher.tenant: the worker of the tenant asks, and who can't be had brings the session back."""
    for name, dbname in (("one", "shop"), ("two", "mill"), ("three", "forge")):
        catalogue.add(name, dbname)
    p = start(pgusher, catalogue, workers=workers, users={"app": "tenants=*"})
    with p.connect("one") as c:
        for name, dbname in (("two", "mill"), ("three", "forge"), ("one", "shop")):
            c.execute(f"SET pgusher.tenant = '{name}'")
            assert c.execute("SELECT tenant FROM who").fetchone()[0] == dbname
            with pytest.raises(psycopg.Error) as e:
                c.execute("SET pgusher.tenant = 'nowhere'")
            assert e.value.sqlstate == "3D000"
            assert c.execute("SELECT tenant FROM who").fetchone()[0] == dbname
