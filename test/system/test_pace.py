"""pool_size = auto: how many servers of a host work at a time is found out, within active_floor and active_ceiling."""

import contextlib
import statistics
import subprocess
import threading
import time

import pytest

import wire
from helpers import SLOW, end_with_us, wait_until

pytestmark = pytest.mark.ours("pool_size = auto")

# A server for which each one more at a time makes less of it; and one for which it never does.
CROWDED = ("SELECT pg_sleep(0.001 * power(count(*), 1.7)) FROM pg_stat_activity"
           " WHERE state = 'active' AND datname = current_database() AND backend_type = 'client backend';\n")
ROOMY = "SELECT pg_sleep(0.01);\n"


def start(pgusher, pg, floor, ceiling, **settings):
    line = f"active_floor={floor} active_ceiling={ceiling}"
    return pgusher(pool_mode="transaction", default_pool_size="auto", workers=1, query_wait_timeout=60 * SLOW,
                   sections={"hosts": {f"{pg.host}:{pg.port}": line}}, **settings)


def host(p):
    """Its row; before the first connection there may be none, and no pace."""
    rows = [r for r in p.console("SHOW HOSTS") if r["port"] == p.pg.port] or [{"pace": "off"}]
    return {k: 0 if v is None else v for k, v in rows[0].items()}


def count(p, name):
    return host(p).get("pace_" + name, 0)


class Load:
    """pgbench with so many clients, as long as the test wants."""

    def __init__(self, p, script, clients, dbname="shop"):
        self.path = p.dir / f"{dbname}.sql"
        self.path.write_text(script)
        self.command = [f"{p.pg.bindir}/pgbench", "-n", "-f", str(self.path), "-c", str(clients), "-T", "600", "-h", p.host,
                        "-p", str(p.port), "-U", "app", dbname]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=end_with_us())
        return self

    def __exit__(self, *args):
        failed = self.process.poll()
        self.process.kill()
        _, told = self.process.communicate()
        assert failed is None, told


# ---- what is shown ----

def test_it_is_off_where_pools_have_a_size(pgusher, pg):
    p = pgusher(pool_mode="transaction", default_pool_size=5)
    assert p.value("SELECT 1") == 1
    assert host(p)["pace"] == "off"


def test_state_and_reason_are_shown(pgusher, pg):
    p = start(pgusher, pg, 1, 16)
    assert p.value("SELECT 1") == 1
    row = host(p)
    assert row["pace"] == "measuring"
    assert 1 <= row["pace_limit"] <= 16
    with Load(p, ROOMY, 24):
        wait_until(lambda: host(p)["pace"] in ("growing", "shrinking", "steady"), 20, "something was found out")
        wait_until(lambda: (row := host(p))["pace_waiting"] > 0 and "compared with" in row["pace_reason"], 10, "and why")
    wait_until(lambda: count(p, "active") == 0 and count(p, "waiting") == 0, 10, "all are through")


def test_a_pool_may_have_it_by_itself(pgusher, pg):
    p = pgusher(pool_mode="transaction", default_pool_size=5, databases={"mill": "{pg} pool_size=auto"})
    assert p.value("SELECT 1", "shop") == 1
    assert host(p)["pace"] == "off"
    assert p.value("SELECT 1", "mill") == 1
    assert host(p)["pace"] != "off"


def test_reload_switches_it_on_and_off(pgusher, pg):
    p = pgusher(pool_mode="transaction", default_pool_size=5)
    with Load(p, ROOMY, 12):
        for size, on in (("auto", True), (3, False), ("auto", True)):
            p.change(default_pool_size=size)
            if on:
                wait_until(lambda: count(p, "active") > 0 and count(p, "waiting") > 0, 10, "it paces")
            assert p.value("SELECT 1") == 1
    wait_until(lambda: count(p, "active") == 0 and count(p, "waiting") == 0, 10, "all are through")


# ---- bounds ----

def test_floor_and_ceiling_hold(pgusher, pg):
    p = start(pgusher, pg, 3, 3)
    with Load(p, ROOMY, 12):
        wait_until(lambda: len(pg.backends("shop")) == 3, 10, "all are in use")
        for _ in range(30):
            assert count(p, "limit") == 3
            assert len(pg.backends("shop")) <= 3


def test_it_grows_where_more_do_more(pgusher, pg):
    p = start(pgusher, pg, 1, 12)
    with Load(p, ROOMY, 40):
        wait_until(lambda: count(p, "limit") >= 10, 30, "it grows")
        wait_until(lambda: len(pg.backends("shop")) >= 10, 10, "so do pools")
    assert len(pg.backends("shop")) <= 12


@pytest.mark.timeout(400)
def test_it_shrinks_where_fewer_do_more_and_comes_back(pgusher, pg):
    p = start(pgusher, pg, 1, 12)
    with Load(p, ROOMY, 40):
        wait_until(lambda: count(p, "limit") >= 9, 30, "it grows")
    with Load(p, CROWDED, 40):
        wait_until(lambda: count(p, "limit") <= 4, 30, "it shrinks")
    with Load(p, ROOMY, 40):
        wait_until(lambda: count(p, "limit") >= 9, 30, "it grows again")


# ---- everybody is served ----

def test_tenants_beyond_the_pace_are_all_served(pgusher, pg):
    p = start(pgusher, pg, 1, 1)
    failures, served = [], []

    def ask(dbname):
        try:
            with p.connect(dbname) as c:
                for i in range(20):
                    assert c.execute(f"SELECT {i}").fetchone()[0] == i
            served.append(dbname)
        except BaseException as e:  # noqa: BLE001
            failures.append(e)

    with Load(p, ROOMY, 20):
        threads = [threading.Thread(target=ask, args=(db,)) for db in ("mill", "forge", "t1", "t2") for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60 * SLOW)
    assert not failures, failures
    assert len(served) == 12


def test_a_quiet_tenant_has_its_turn_beside_one_that_always_waits(pgusher, pg):
    """Its servers are idle, the place is taken: it is the next one all the same.  It thinks for longer than a turn of the
    other one takes, so that it has left the line each time."""
    p = start(pgusher, pg, 1, 1)
    took = []

    def turns():
        return next(int(r["total_query_count"]) for r in p.console("SHOW STATS") if r["database"] == "shop")
    with p.connect("mill") as c, Load(p, ROOMY, 16):
        wait_until(lambda: p.pool("shop")["cl_waiting"] >= 12, 10, "the other one waits")
        first, start_of_all = turns(), time.monotonic()
        for _ in range(30):
            time.sleep(0.03)
            began = time.monotonic()
            c.execute("SELECT 1")
            took.append(time.monotonic() - began)
        of_a_turn = (time.monotonic() - start_of_all) / (turns() - first)
    assert statistics.median(took) < 5 * of_a_turn      # and not the turns of all sixteen


def test_who_has_nothing_to_lend_stands_in_nobodys_way(pgusher, pg):
    """Places are free and one tenant's server is idle: it does not matter that those of another one wait."""
    p = start(pgusher, pg, 4, 4)
    took = []
    with p.connect("mill") as c, contextlib.ExitStack() as stack:
        c.execute("SELECT 1")
        waiting = [stack.enter_context(contextlib.closing(p.connect("shop"))) for _ in range(20)]
        waiting[0].execute("SELECT 1")
        p.console("PAUSE shop")
        for other in waiting:
            other.pgconn.send_query(b"SELECT 1")
            time.sleep(0.01)
            began = time.monotonic()
            c.execute("SELECT 1")
            took.append(time.monotonic() - began)
        wait_until(lambda: p.pool("shop")["cl_waiting"] == 20, 10, "they wait")
        p.console("RESUME shop")
    assert statistics.median(took) < 0.1 * SLOW


def is_answered(c):
    c.pgconn.consume_input()
    return not c.pgconn.is_busy()


def test_the_place_of_a_server_that_dies_is_the_next_ones(pgusher, pg):
    """Who works for long is set aside: on a slow machine it may be so before the other one has to wait."""
    p = start(pgusher, pg, 1, 1)
    waited = 0
    with p.connect("mill") as c:
        c.execute("SELECT 1")
        for _ in range(100):
            with contextlib.closing(p.connect("shop")) as other:
                other.pgconn.send_query(b"SELECT pg_sleep(60)")
                wait_until(lambda: pg.backends("shop", where="query = 'SELECT pg_sleep(60)' AND state = 'active'"), 10,
                           "it works")
                c.pgconn.send_query(b"SELECT 1")
                wait_until(lambda: is_answered(c) or p.pool("mill")["cl_waiting"] == 1, 10, "the other one waits")
                waited += not is_answered(c)
                assert pg.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                                " WHERE query = 'SELECT pg_sleep(60)'") == 1
                while (result := c.pgconn.get_result()) is not None:
                    assert result.error_message == b""
            wait_until(lambda: not pg.backends("shop", where="query = 'SELECT pg_sleep(60)'"), 10, "it has ended")
            if waited == 5:
                return
    pytest.skip(f"it had to wait {waited} times only: the machine is slow")


def test_who_sits_in_a_transaction_keeps_nobody_waiting(pgusher, pg):
    p = start(pgusher, pg, 1, 12)
    held = []
    for _ in range(8):
        c = p.wire("shop")
        c.query("BEGIN")
        held.append(c)
    assert p.value("SELECT 1") == 1
    assert p.value("SELECT 1", "mill") == 1
    for c in held:
        c.query("COMMIT")
    with Load(p, ROOMY, 20):
        wait_until(lambda: count(p, "waiting") > 0, 10, "somebody waits")
        wait_until(lambda: count(p, "active") <= 12, 10, "they are counted again")


def test_who_waits_for_a_lock_keeps_nobody_waiting(pgusher, pg):
    p = start(pgusher, pg, 1, 2)
    waiters = [p.wire("mill"), p.wire("forge")]
    with pg.connect("mill") as a, pg.connect("forge") as b:
        a.execute("SELECT pg_advisory_lock(1)")
        b.execute("SELECT pg_advisory_lock(1)")
        for w in waiters:
            w.send(wire.query("SELECT pg_advisory_xact_lock(1)"))
        for db in ("t1", "t2", "shop"):
            assert p.value("SELECT 1", db) == 1
    for w in waiters:
        while w.receive().kind != "Z":
            pass
