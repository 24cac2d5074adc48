"""MOVE TENANT: a tenant changes place under load; its clients only wait, and nothing is lost or done twice."""

import contextlib
import threading
import time

import psycopg
import pytest

import wire
from helpers import SLOW, TOP, wait_until
from postgres import Postgres

pytestmark = pytest.mark.ours("it can not move tenants")


@pytest.fixture(scope="module")
def elsewhere():
    """Another PostgreSQL, with the catalogue and the places that tenants move to."""
    server = Postgres(databases=["shop", "wrong"])
    with server.connect() as c:
        c.execute("CREATE DATABASE fleet")
        c.execute("ALTER ROLE pgsu LOGIN")
    with server.connect("fleet") as c:
        c.execute((TOP / "etc/catalogue.sql").read_text())
        c.execute("ALTER ROLE pgusher_catalogue LOGIN")
    yield server
    server.close()


class Stage:
    """A tenant "acme" in the catalogue, whose database shop is on two servers."""

    def __init__(self, pgusher, old, new, **settings):
        self.old, self.new = old, new
        if not new.alive:
            new.start()
        for server in (old, new):
            with server.connect("shop", user="app") as c:
                c.execute("DROP TABLE IF EXISTS writes")
                c.execute("CREATE TABLE writes (id bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())")
        self.catalogue("TRUNCATE pgusher.tenants")
        self.catalogue("INSERT INTO pgusher.tenants (name, connstr, settings) VALUES ('acme', %s, 'pool_size=5')",
                       f"host={old.host} port={old.port} dbname=shop")
        settings.setdefault("pool_mode", "transaction")
        self.p = pgusher(tenant_catalogue=f"host=127.0.0.1 port={new.port} dbname=fleet user=pgusher_catalogue",
                         **settings)

    def catalogue(self, sql, *values):
        with self.new.connect("fleet") as c:
            cursor = c.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    @property
    def line(self):
        return self.catalogue("SELECT connstr || coalesce(' ' || settings, '') FROM pgusher.tenants")[0][0]

    def to(self, server, dbname="shop"):
        return f"host={server.host} port={server.port} dbname={dbname}"

    def move(self, place, **kwargs):
        return self.p.console(f"MOVE TENANT acme TO '{place}'", **kwargs)

    def refused(self, place):
        with pytest.raises(psycopg.Error) as e:
            self.move(place)
        return e.value

    def port(self, dbname="acme"):
        return self.p.value("SELECT inet_server_port()", dbname)

    def ids(self, server):
        return [row[0] for row in server.rows("SELECT id FROM writes ORDER BY id", "shop")]


@pytest.fixture
def stage(pgusher, pg, elsewhere):
    return lambda **settings: Stage(pgusher, pg, elsewhere, **settings)


class Writers:
    """Clients that write ids of their own, one after the other, and remember what was acknowledged and how long it took."""

    def __init__(self, p, n):
        self.p, self.n = p, n
        self.stop = threading.Event()
        self.acknowledged, self.errors, self.longest = [[] for _ in range(n)], [], [0.0] * n
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join(60)

    def run(self, i):
        try:
            with self.p.connect("acme") as c:
                number = i * 10_000_000
                while not self.stop.is_set():
                    number += 1
                    began = time.monotonic()
                    if number % 3:
                        c.execute("INSERT INTO writes (id) VALUES (%s)", (number,))
                    else:
                        with c.transaction():
                            c.execute("SELECT 1")
                            c.execute("INSERT INTO writes (id) VALUES (%s)", (number,))
                    self.longest[i] = max(self.longest[i], time.monotonic() - began)
                    self.acknowledged[i].append(number)
        except Exception as e:  # noqa: BLE001
            self.errors.append(e)

    @property
    def count(self):
        return sum(map(len, self.acknowledged))

    def wait_for_more(self, n=200):
        goal = self.count + n
        wait_until(lambda: self.count >= goal or self.errors, 20, "the writers go on")

    @property
    def all(self):
        return sorted(i for ids in self.acknowledged for i in ids)


@pytest.mark.parametrize("workers", [1, 2])
def test_moved_under_load_nothing_is_lost_or_doubled(stage, workers, record_property):
    s = stage(workers=workers)
    with Writers(s.p, 12) as w:
        w.wait_for_more()
        for there in (s.new, s.old, s.new):
            s.move(s.to(there))
            w.wait_for_more()
    assert not w.errors
    old, new = s.ids(s.old), s.ids(s.new)
    assert sorted(old + new) == w.all  # each acknowledged write is in one place, once
    assert old and new
    stall = max(w.longest)
    record_property("longest_stall_ms", round(stall * 1000))
    print(f"\n{workers} workers, {w.count} writes, longest stall {stall * 1000:.0f} ms")
    assert stall < 10 * SLOW
    assert "pool_size" in s.line  # what MOVE did not say stayed


def test_moved_under_pgbench(stage, record_property):
    """Every transaction of pgbench leaves one row: as many as it counts, and none fails."""
    s = stage(workers=2)
    for server in (s.old, s.new):
        with server.connect("shop", user="app") as c:
            c.execute("DROP SEQUENCE IF EXISTS ids")
            c.execute("CREATE SEQUENCE ids START %d INCREMENT 2" % (1 if server is s.old else 2))
    script = s.p.dir / "insert.sql"
    script.write_text("INSERT INTO writes (id) VALUES (nextval('ids'));\n")
    script.chmod(0o644)
    logs = s.p.dir / "bench"
    done = []
    bench = threading.Thread(target=lambda: done.append(
        s.p.pgbench("-c", 16, "-j", 2, "-T", 10, "-M", "prepared", "-f", script, "-l", f"--log-prefix={logs}",
                    dbname="acme")))
    bench.start()
    wait_until(lambda: len(s.ids(s.old)) > 100, 10, "it runs")
    s.move(s.to(s.new))
    bench.join(120)
    out = done[0].stdout
    assert "failed transactions: 0 " in out, out
    processed = int(out.split("actually processed: ")[1].split("/")[0].split()[0])
    old, new = s.ids(s.old), s.ids(s.new)
    assert len(old) + len(new) == processed
    assert old and new
    slowest = max(int(line.split()[2]) for log in s.p.dir.glob("bench.*") for line in log.read_text().splitlines()) / 1000
    record_property("slowest_transaction_ms", round(slowest))
    print(f"\n{processed} transactions, slowest {slowest:.0f} ms")
    assert slowest < 10000 * SLOW


def test_a_prepared_statement_goes_on(stage):
    s = stage()
    with s.p.connect("acme", prepare_threshold=0) as c:
        assert c.execute("SELECT inet_server_port() + %s", (0,)).fetchone() == (s.old.port,)
        s.move(s.to(s.new))
        assert c.execute("SELECT inet_server_port() + %s", (0,)).fetchone() == (s.new.port,)


def test_who_comes_in_between_waits(stage):
    """A transaction keeps the move waiting; who logs in meanwhile is served at the new place."""
    s = stage(workers=2)
    ports = []
    with held_move(s) as c:
        late = [threading.Thread(target=lambda: ports.append(s.port())) for _ in range(5)]
        for t in late:
            t.start()
        c.execute("INSERT INTO writes (id) VALUES (1)")
        for _ in range(50):
            c.execute("SELECT 1")
        assert not ports
        c.commit()
    for t in late:
        t.join(60)
    assert ports == [s.new.port] * 5
    assert s.ids(s.old) == [1]


# ---- moves that fail ----

def still_there(s):
    line = s.line
    assert str(s.old.port) in line and str(s.new.port) not in line
    assert s.port() == s.old.port


@pytest.mark.parametrize("place, sqlstate, words", [
    ("host=127.0.0.1 port=1 dbname=shop", "08001", "refused"),
    ("host=no-such-host.invalid dbname=shop", "08001", ""),
    ("no_such_key=1", "F0000", ""),
    ("host", "F0000", ""),
    ("{new} dbname=nowhere", "08001", "does not exist"),
])
def test_a_place_that_is_none(stage, place, sqlstate, words):
    s = stage()
    assert s.port() == s.old.port
    with s.p.connect("acme") as c:
        c.execute("SELECT 1")
        e = s.refused(place.replace("{new}", f"host={s.new.host} port={s.new.port}"))
        assert e.sqlstate == sqlstate
        assert words in str(e)
        assert c.execute("SELECT inet_server_port()").fetchone() == (s.old.port,)
    still_there(s)


def test_a_long_transaction_ends_the_move(stage):
    s = stage(tenant_move_timeout=1)
    with s.p.connect("acme", autocommit=False) as c, s.p.connect("acme") as other:
        c.execute("SELECT 1")
        e = s.refused(s.to(s.new))
        assert e.sqlstate == "55006"
        assert "1 in transactions" in e.diag.message_detail
        c.execute("INSERT INTO writes (id) VALUES (1)")
        c.commit()
        assert other.execute("SELECT inet_server_port()").fetchone() == (s.old.port,)
    still_there(s)


def test_clients_in_session_mode_are_named(stage):
    s = stage(pool_mode="session", tenant_move_timeout=3)
    with s.p.connect("acme") as c:
        c.execute("SELECT 1")
        e = s.refused(s.to(s.new))
        assert "1 lent for a whole session" in e.diag.message_detail
        assert c.execute("SELECT inet_server_port()").fetchone() == (s.old.port,)
    s.move(s.to(s.new))
    assert s.port() == s.new.port


def test_a_catalogue_that_can_not_be_written(stage):
    s = stage()
    with s.new.connect("fleet") as c:
        c.execute("REVOKE EXECUTE ON FUNCTION pgusher.save_tenant(text, text, boolean) FROM pgusher_catalogue")
        try:
            assert s.refused(s.to(s.new)).sqlstate == "42501"
        finally:
            c.execute("GRANT EXECUTE ON FUNCTION pgusher.save_tenant(text, text, boolean) TO pgusher_catalogue")
    still_there(s)
    s.move(s.to(s.new))
    assert s.port() == s.new.port


def test_a_catalogue_that_is_locked(stage):
    """Clients go on at the old place, or, when it could be written after all, at the new one; never at both."""
    s = stage()
    with s.p.connect("acme") as c, s.new.connect("fleet", autocommit=False) as lock:
        c.execute("SELECT 1")
        lock.execute("LOCK TABLE pgusher.tenants IN SHARE MODE")
        e = s.refused(s.to(s.new))
        assert e.sqlstate in ("08006", "08007", "57P03")
        assert c.execute("SELECT inet_server_port()").fetchone() == (s.old.port,)
        lock.rollback()
        final = s.new.port if str(s.new.port) in s.line else s.old.port
        wait_until(lambda: c.execute("SELECT inet_server_port()").fetchone() == (final,), 20, "as the catalogue says")


def test_the_answer_is_no_move_of_sql(stage):
    """libpq looks for a count behind "MOVE "."""
    s = stage()
    with s.p.wire("pgbouncer", "admin") as c:
        reply = c.ask(wire.query(f"MOVE TENANT acme TO '{s.to(s.new)}'"))
    assert [m.body for m in reply if m.kind == "C"] == [b"MOVED TENANT\0"]


def test_who_is_no_tenant_of_the_catalogue(stage):
    s = stage()
    with pytest.raises(psycopg.Error) as e:
        s.p.console(f"MOVE TENANT shop TO '{s.to(s.new)}'")
    assert e.value.sqlstate == "55000" and "RELOAD" in e.value.diag.message_hint
    with pytest.raises(psycopg.Error) as e:
        s.p.console(f"MOVE TENANT nobody TO '{s.to(s.new)}'")
    assert e.value.sqlstate == "3D000"


# ---- what happens meanwhile ----

@contextlib.contextmanager
def held_move(s, expect=None, then=lambda: None):
    """A move that waits for a transaction while the body runs; then the transaction ends, and when it is over: then()."""
    result = []

    def move():
        try:
            s.move(s.to(s.new))
            result.append(None)
        except psycopg.Error as e:
            result.append(e.sqlstate)

    with s.p.connect("acme", autocommit=False) as c, s.p.connect("acme") as waiter:
        c.execute("SELECT 1")
        with s.p.logs("tenant acme is being moved"):
            mover = threading.Thread(target=move)
            mover.start()
        asker = threading.Thread(target=lambda: swallow(lambda: waiter.execute("SELECT 1")))
        asker.start()
        wait_until(lambda: s.p.pool("acme")["cl_waiting"] == 1, 10, "a client waits")
        yield c
        with contextlib.suppress(psycopg.Error):
            c.rollback()
        mover.join(60)
        then()
        asker.join(60)
    assert result == [expect]


def swallow(fn):
    with contextlib.suppress(psycopg.Error):
        fn()


@pytest.mark.parametrize("command", ["MOVE TENANT acme TO 'host=127.0.0.1'", "DROP TENANT acme",
                                     "ALTER TENANT acme 'host=127.0.0.1'"])
def test_other_commands_are_refused_meanwhile(stage, command):
    s = stage()
    with held_move(s):
        with pytest.raises(psycopg.Error) as e:
            s.p.console(command)
        assert e.value.sqlstate == "55006"
    assert s.port() == s.new.port


def test_reload_and_disable_meanwhile(stage):
    s = stage()
    with held_move(s):
        s.p.console("RELOAD")
        s.p.console("DISABLE acme")
    assert s.p.refused("acme")["C"] == "57P03"
    s.p.console("ENABLE acme")
    assert s.port() == s.new.port


def test_resume_meanwhile_lends_nothing(stage):
    s = stage()
    with held_move(s) as c:
        with s.p.admin() as admin:
            with pytest.raises(psycopg.Error):
                admin.execute("RESUME acme")  # it is not paused
        assert s.p.pool("acme")["cl_waiting"] >= 1
        c.execute("SELECT 1")
    assert s.port() == s.new.port


def test_paused_meanwhile_it_stays_paused(stage):
    s = stage()

    def is_paused():
        return [r["paused"] for r in s.p.console("SHOW DATABASES") if r["name"] == "acme"] == [1]

    def resume():
        pauser.join(60)
        assert is_paused()
        assert s.p.pool("acme")["cl_waiting"] == 1
        s.p.console("RESUME acme")

    with held_move(s, then=resume):
        pauser = threading.Thread(target=lambda: s.p.console("PAUSE acme"))
        pauser.start()
        wait_until(is_paused, 5)
    assert s.port() == s.new.port


def test_a_change_of_the_catalogue_meanwhile_counts_in_the_end(stage):
    s = stage(tenant_move_timeout=60)
    with held_move(s, expect=None):
        s.catalogue("UPDATE pgusher.tenants SET settings = 'pool_size=7'")
    wait_until(lambda: s.port() == s.new.port, 10)
    row = next(r for r in s.p.console("SHOW DATABASES") if r["name"] == "acme")
    assert row["pool_size"] == 5  # MOVE wrote all of the line, as it was when it began


def test_shutdown_meanwhile(stage):
    s = stage()
    c = s.p.connect("acme", autocommit=False)
    c.execute("SELECT 1")
    with s.p.logs("tenant acme is being moved"):
        mover = threading.Thread(target=lambda: swallow(lambda: s.move(s.to(s.new))))
        mover.start()
    s.p.quit()
    mover.join(60)
    c.close()
    assert str(s.old.port) in s.line


# ---- the new place has a cap ----

def test_the_question_has_a_place_too(stage, elsewhere):
    """A full host is asked when it has a place, or not at all."""
    s = stage(sections={"hosts": {f"127.0.0.1:{elsewhere.port}": "max_connections=5"}}, pool_mode="transaction",
              databases={"mill": line_to(elsewhere, "wrong")})
    wait_until(lambda: s.p.console("SHOW CATALOGUE")[0]["connected"], 10, "the catalogue is connected")
    with contextlib.ExitStack() as busy:  # one place is the catalogue's, one that of cancel requests
        held = [busy.enter_context(s.p.connect("mill", autocommit=False)) for _ in range(3)]
        for c in held:
            c.execute("SELECT 1")
        error = s.refused(s.to(s.new))
        assert error.sqlstate == "53300" and "SHOW HOSTS" in error.diag.message_hint
        assert s.port() == s.old.port
        for c in held:
            c.commit()
        s.move(s.to(s.new))  # all places are taken still, but idle
    assert s.port() == s.new.port
    host = next(h for h in s.p.console("SHOW HOSTS") if h["port"] == elsewhere.port)
    assert host["evictions"] > 0


def line_to(server, dbname):
    return f"host={server.host} port={server.port} dbname={dbname} pool_size=5"
