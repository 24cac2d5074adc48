"""Thousands of tenants in use: what goes through all of them does so in slices, and is whole all the same."""

import threading

import psycopg
import pytest

import wire
from helpers import SLOW, wait_until

pytestmark = pytest.mark.ours("[tenants]")

N = 3000 if SLOW == 1 else 1000
NAMES = [f"m{i:04}" for i in range(N)]
NEW = [f"new{i}" for i in range(16)]  # of both workers
KNOWN = {*NAMES, *NEW}
GONE = set(NAMES[::50])


def lines(size, without=(), more=()):
    """They share one database."""
    return {name: f"{{pg}} dbname=shop pool_size={size}" for name in [*NAMES, *more] if name not in without}


@pytest.fixture
def many(pgusher):
    """All of them are in use, though nobody has asked them anything."""
    p = pgusher(pool_mode="transaction", workers=2, sections={"tenants": lines(3)}, log_pooler_errors=0)
    with p.wire("pgbouncer", "admin") as c:
        c.send(*(wire.query(f"RECONNECT {name}") for name in NAMES))
        for _ in NAMES:
            assert c.until_ready(60 * SLOW)[0].kind == "C"
    return p


class Asking(threading.Thread):
    """A client that asks one thing after the other, until it is told to stop or fails."""

    def __init__(self, p, tenant):
        super().__init__(daemon=True)
        self.client, self.answers, self.failure, self.stop = p.wire(tenant), 0, None, False
        self.client.query("SELECT 1")

    def run(self):
        try:
            while not self.stop:
                assert self.client.query("SELECT 1") == [["1"]]
                self.answers += 1
        except (wire.ServerError, wire.Gone, OSError) as e:
            self.failure = e
        finally:
            self.client.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.join()


def rewrite(p, **kwargs):
    p.sections["tenants"] = lines(**kwargs)
    p.write()


def sizes(p):
    return {r["name"]: r["pool_size"] for r in p.console("SHOW DATABASES") if r["name"] in KNOWN}


def test_reload_reaches_all_before_it_is_answered(many):
    with Asking(many, NAMES[0]) as first, Asking(many, NAMES[-1]) as last, Asking(many, NAMES[50]) as gone:
        rewrite(many, size=7, without=GONE - {NAMES[0]})
        many.console("RELOAD")
        assert set(sizes(many).values()) == {7}
        assert len(sizes(many)) == N - len(GONE) + 1
        wait_until(lambda: gone.failure is not None)
        # What it sent as it was told that may have cost it the words.
        assert isinstance(gone.failure, wire.Gone) or gone.failure.code == "57P01", gone.failure
        before = first.answers, last.answers
        wait_until(lambda: first.answers > before[0] and last.answers > before[1])
    assert first.failure is None and last.failure is None
    assert many.refused(NAMES[50])


def test_two_reloads_at_once(many):
    """The second one is read while the first one is under way: it counts, and both are answered."""
    with many.wire("pgbouncer", "admin") as a, many.wire("pgbouncer", "admin") as b, Asking(many, NAMES[1]) as asking:
        for size in (5, 8, 4, 9):
            rewrite(many, size=size, without=GONE if size in (8, 9) else ())
            (a if size in (5, 4) else b).send(wire.query("RELOAD"))
            (a if size in (5, 4) else b).send(wire.query("SHOW VERSION"))
        for c in a, b, a, b:
            assert c.until_ready(30 * SLOW)[0].strings == ["RELOAD"]
            c.until_ready(30 * SLOW)
        rewrite(many, size=9, without=GONE)
        many.console("RELOAD")
        assert set(sizes(many).values()) == {9}
        assert not GONE & set(sizes(many))
    assert asking.failure is None


def test_who_comes_while_a_reload_is_under_way(many):
    """Whoever comes finds the new file in force, whether it has been there before or not."""
    rewrite(many, size=6, without=GONE, more=NEW)
    with many.wire("pgbouncer", "admin") as c:
        c.send(wire.query("RELOAD"))
        # It has come to a worker when a tenant of it that only the new file has lets somebody in.
        for name in NEW:
            wait_until(lambda name=name: lets_in(many, name), 30 * SLOW)
        assert not lets_in(many, max(GONE))
        assert lets_in(many, NAMES[-1])
        c.until_ready(30 * SLOW)
    assert set(sizes(many).values()) == {6}


# ---- orders to all ----

HELD = NAMES[:200:4]


def open_servers(p):
    return sum(r["sv_idle"] + r["sv_used"] + r["sv_active"] + r["sv_tested"] + r["sv_login"] for r in p.console("SHOW POOLS")
               if r["database"] in KNOWN)


def test_pause_and_resume_all(many):
    clients = [many.wire(name) for name in HELD]
    for c in clients:
        assert c.query("SELECT 1") == [["1"]]
    assert open_servers(many) == len(HELD)
    many.console("PAUSE")
    assert open_servers(many) == 0
    for c in clients:
        c.send(wire.query("SELECT 2"))
    clients[0].quiet()
    assert {r["paused"] for r in many.console("SHOW DATABASES") if r["name"] in KNOWN} == {1}
    many.console("RESUME")
    for c in clients:
        assert c.until_ready(30 * SLOW)[1].row == ["2"]
        c.close()
    assert {r["paused"] for r in many.console("SHOW DATABASES") if r["name"] in KNOWN} == {0}


def test_resume_while_all_are_being_paused(many):
    """The last one counts, for each tenant."""
    with many.wire("pgbouncer", "admin") as a, many.wire("pgbouncer", "admin") as b, many.wire(NAMES[-1]) as c:
        for _ in range(5):
            c.query("SELECT 1")
            a.send(wire.query("PAUSE"))
            b.send(wire.query("RESUME"))
            a.until_ready(30 * SLOW)
            b.until_ready(30 * SLOW)
            assert len({r["paused"] for r in many.console("SHOW DATABASES") if r["name"] in KNOWN}) == 1
            if many.console("SHOW DATABASES")[0]["paused"]:
                many.console("RESUME")


def test_kill_all(many):
    clients = [many.wire(name) for name in HELD]
    for c in clients:
        assert c.query("SELECT 1") == [["1"]]
    clients[0].send(wire.query("SELECT pg_sleep(100)"))
    many.console("KILL")
    assert open_servers(many) == 0
    for c in clients:
        assert c.receive(30 * SLOW).code == "57P01"
        c.until_closed(30 * SLOW)
        c.close()
    many.console("RESUME")
    assert lets_in(many, HELD[0])


def test_reconnect_all(many):
    clients = [many.wire(name) for name in HELD]
    pids = [c.query("SELECT pg_backend_pid()") for c in clients]
    many.console("RECONNECT")
    for c, pid in zip(clients, pids):
        assert c.query("SELECT pg_backend_pid()") != pid
        c.close()


def lets_in(p, tenant):
    try:
        with p.connect(tenant) as c:
            return c.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False
