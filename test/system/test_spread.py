"""Tenants that several workers serve (tenant_workers): their clients and servers are spread, their limits stay exact."""

import contextlib
import threading
import time

import psycopg
import pytest

import wire
from helpers import SLOW, wait_until
from test_hosts import Sampler

pytestmark = pytest.mark.ours("tenant_workers")

SHOP = dict(pool_mode="transaction", query_wait_timeout=60)


def tenant(p, name="shop"):
    return p.console(f"SHOW TENANT {name}")[0]


def wait_parts(p, n, name="shop", seconds=20):
    wait_until(lambda: tenant(p, name)["workers"] == n, seconds * SLOW, f"{n} workers serve {name}")


class Load:
    """Clients that ask one thing after the other, each its own number, and look at what they are told."""

    def __init__(self, p, n, dbname="shop", query="SELECT %s::int", endure=()):
        self.p, self.dbname, self.query, self.endure = p, dbname, query, endure
        self.done, self.failures, self.counts = False, [], [0] * n
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]

    def run(self, i):
        while not self.done:
            try:
                with self.p.connect(self.dbname, prepare_threshold=2 if i % 2 else None) as c:
                    while not self.done:
                        number = i * 1000000 + self.counts[i]
                        got = c.execute(self.query, [number]).fetchone()[0]
                        assert got == number, (got, number)
                        self.counts[i] += 1
            except Exception as e:
                if not any(text in str(e) for text in self.endure):
                    self.failures.append(e)
                    return
                time.sleep(0.01)

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *args):
        self.done = True
        for t in self.threads:
            t.join()

    def goes_on(self, seconds=20):
        """All of them are answered from now on."""
        before = list(self.counts)
        wait_until(lambda: self.failures or all(a > b for a, b in zip(self.counts, before)), seconds * SLOW, "all are served")
        assert not self.failures, self.failures[:3]


@pytest.mark.parametrize("workers", [2, 4])
def test_clients_are_on_several_workers(pgusher, workers):
    p = pgusher(workers=workers, tenant_workers=workers, default_pool_size=4, **SHOP)
    with Sampler(p.pg) as sampler, Load(p, 16) as load:
        wait_parts(p, workers)
        load.goes_on()
        wait_until(lambda: min(clients_by_worker(p)) >= 2 and len(clients_by_worker(p)) == workers, 20 * SLOW,
                   "each worker has some")
        load.goes_on()
    assert not load.failures, load.failures[:3]
    assert sampler.samples > 10 and sampler.highest <= 4


def clients_by_worker(p, name="shop"):
    return [int(n) for n in tenant(p, name)["clients_by_worker"].split(",")]


@pytest.fixture
def spread(pgusher):
    p = pgusher(workers=2, tenant_workers=2, default_pool_size=4, **SHOP)
    with Load(p, 12) as load:
        wait_parts(p, 2)
        wait_until(lambda: min(clients_by_worker(p)) >= 4, 20 * SLOW, "both have some")
        yield p, load
    assert not load.failures, load.failures[:3]


def test_pause_stops_all_parts(spread):
    p, load = spread
    for _ in range(3):
        p.console("PAUSE shop")
        try:
            wait_until(lambda: p.pg.backends("shop", "app") == [], 5, "its servers are closed")
            # What was answered before it was paused may be counted a little later, one a client.
            before = sum(load.counts)
            time.sleep(0.3)
            assert sum(load.counts) - before <= len(load.counts)
        finally:
            p.console("RESUME shop")
        load.goes_on()


def test_reload_and_reconnect_under_load(spread):
    p, load = spread
    for size in (2, 6, 4):
        p.change(databases={"shop": f"{{pg}} dbname=shop pool_size={size}"})
        load.goes_on()
        old = pids(p)
        p.console("RECONNECT shop")
        p.console("WAIT_CLOSE shop")
        wait_until(lambda: not old & pids(p), 10 * SLOW, "none of the old ones is left")
        load.goes_on()
        wait_until(lambda: len(pids(p)) <= size, 5, "no more than the new size")


def pids(p, user="app"):
    with p.pg.connect() as c:
        return {r[0] for r in c.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [user]).fetchall()}


def test_kill_ends_all_clients(pgusher):
    p = pgusher(workers=2, tenant_workers=2, default_pool_size=4, **SHOP)
    told = ("terminated by an administrator", "server closed the connection", "is disabled", "the connection is closed",
            "consuming input failed", "connection failed")
    with Load(p, 12, endure=told) as load:
        wait_parts(p, 2)
        for _ in range(3):
            p.console("DISABLE shop")
            p.console("KILL shop")
            wait_until(lambda: tenant(p)["clients"] == 0, 10 * SLOW, "no client is left")
            assert sum(clients_by_worker(p)) == 0
            p.console("RESUME shop")
            assert "is disabled" in p.refused("shop")["M"]
            p.console("ENABLE shop")
            load.goes_on()
    assert not load.failures, load.failures[:3]


def test_narrowed_and_widened_under_load(pgusher):
    """Nobody notices: statements and settings go along; the pool's size holds all the time."""
    p = pgusher(workers=4, tenant_workers=4, default_pool_size=6, **SHOP)
    with Sampler(p.pg) as sampler, Load(p, 20) as load, p.connect("shop") as own:
        own.execute("SET application_name = 'mine'")
        own.prepare_threshold = 0
        for n in (4, 1, 3, 2, 4, 1):
            p.console(f"SET tenant_workers = {n}")
            wait_parts(p, n)
            load.goes_on()
            wait_until(lambda: len(clients_by_worker(p)) == n, 20 * SLOW, "all have come")
            wait_until(lambda: sum(clients_by_worker(p)) == tenant(p)["clients"] == 21, 5, "nobody is on the way")
            for i in range(5):
                assert own.execute("SELECT %s::int, current_setting('application_name')", [i]).fetchone() == (i, "mine")
    assert not load.failures, load.failures[:3]
    assert sampler.highest <= 6
    wait_until(lambda: tenant(p)["clients"] == 0, 10 * SLOW, "nobody is left over")


def test_clients_leave_while_they_are_moved(pgusher):
    p = pgusher(workers=2, tenant_workers=1, default_pool_size=4, **SHOP)
    stop = False
    failures = []

    def come_and_go():
        while not stop:
            try:
                with p.wire() as c:
                    c.login("shop", "app")
                    c.send(wire.query("SELECT 1"))
            except Exception as e:
                failures.append(e)
                return

    threads = [threading.Thread(target=come_and_go) for _ in range(6)]
    with Load(p, 6) as load:
        for t in threads:
            t.start()
        for n in (2, 1, 2, 1):
            p.console(f"SET tenant_workers = {n}")
            wait_parts(p, n)
            load.goes_on()
        stop = True
        for t in threads:
            t.join()
    assert not failures and not load.failures, (failures + load.failures)[:3]
    wait_until(lambda: tenant(p)["clients"] == 0, 10 * SLOW, "nobody is left over")
    assert sum(map(int, filter(None, tenant(p)["clients_by_worker"].split(",")))) == 0


def test_counts_of_clients_are_exact(pgusher):
    p = pgusher(workers=2, tenant_workers=2, max_db_client_connections=7, default_pool_size=4, **SHOP)
    with p.connect("shop"):
        wait_parts(p, 2)
        others = [p.connect("shop") for _ in range(6)]
        for _ in range(4):
            assert "max_db_client_connections" in p.refused("shop")["M"]
        others.pop().close()
        wait_until(lambda: tenant(p)["clients"] == 6, 5 * SLOW, "one has left")
        others.append(p.connect("shop"))
        assert "max_db_client_connections" in p.refused("shop")["M"]
        for c in others:
            c.close()


def test_two_workers_pass_no_more_than_the_rate(pgusher):
    """200 a second, over both together; each by itself would pass as many."""
    p = pgusher(workers=2, tenant_workers=2, default_pool_size=4,
                sections={"limits": {"tenant": "queries=200 queries_burst=1 max_delay=30"}}, **SHOP)
    # Who waits for its turn nearly all the time hardly ever moves: so the parts are there before the load is.
    with p.connect():
        wait_parts(p, 2)
        load = Load(p, 8)
    with load:
        wait_until(lambda: min(clients_by_worker(p)) >= 2, 20 * SLOW, "both have some")
        load.goes_on()
        began, before = time.monotonic(), sum(load.counts)
        time.sleep(5)
        rate = (sum(load.counts) - before) / (time.monotonic() - began)
    assert not load.failures, load.failures[:3]
    assert rate <= 200 * 1.03, rate
    assert SLOW > 1 or rate >= 200 * 0.2, rate


def test_more_workers_than_servers_are_of_no_use(pgusher):
    p = pgusher(workers=4, tenant_workers=4, databases={"shop": "{pg} dbname=shop pool_size=2"}, **SHOP)
    with Load(p, 6) as load:
        wait_parts(p, 2)
        load.goes_on()
        p.change(databases={"shop": "{pg} dbname=shop pool_size=1"})
        wait_parts(p, 1)
        load.goes_on()


def test_one_tenant_of_its_own(pgusher):
    """The others stay where they are."""
    p = pgusher(workers=2, databases={"shop": "{pg} dbname=shop tenant_workers=2"}, default_pool_size=4, **SHOP)
    with Load(p, 4), Load(p, 4, "mill") as mill:
        wait_parts(p, 2)
        mill.goes_on()
        assert tenant(p, "mill")["workers"] == 1 and tenant(p, "mill")["clients_by_worker"] is None


def test_reports_are_of_all_parts(spread):
    p, load = spread
    p.console("PAUSE shop")
    try:
        told = sum(load.counts)
        assert tenant(p)["clients"] == 12
        assert [r["cl_active"] + r["cl_waiting"] for r in p.console("SHOW POOLS")
                if (r["database"], r["user"]) == ("shop", "app")] == [12]
        assert [r["current_client_connections"] for r in p.console("SHOW DATABASES") if r["name"] == "shop"] == [12]
        assert [r["total_query_count"] >= told for r in p.console("SHOW STATS") if r["database"] == "shop"] == [True]
        assert len([r for r in p.console("SHOW TENANTS") if r["tenant"] == "shop"]) == 1
        assert tenant(p)["queries"] >= told
    finally:
        p.console("RESUME shop")


def test_auto_narrows_what_is_quiet(pgusher):
    p = pgusher(workers=2, tenant_workers=2, default_pool_size=4, **SHOP)
    with p.connect("shop") as c:
        wait_parts(p, 2)
        p.console("SET tenant_workers = auto")
        wait_parts(p, 1, seconds=60)
        assert c.execute("SELECT 1").fetchone() == (1,)


def hold_all(p, n, **kwargs):
    """Clients in transactions, which have all the servers that there are."""
    held = [p.connect("shop", autocommit=False, **kwargs) for _ in range(n)]
    for c in held:
        c.execute("SELECT 1")
    return held


def test_who_comes_to_a_new_part_is_let_in_with_a_server_that_is_handed_over(pgusher):
    """No login there asks PostgreSQL itself what a server reports: there is no room for one."""
    p = pgusher(workers=2, tenant_workers=1, default_pool_size=2, **SHOP)
    held = hold_all(p, 2)
    p.console("SET tenant_workers = 2")
    wait_parts(p, 2)
    answers = []

    def ask():
        with p.connect("shop") as c:
            answers.append(c.execute("SELECT 1").fetchone())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    wait_until(lambda: tenant(p)["waiting"] > 0, 10 * SLOW, "some wait")
    for c in held:
        c.commit()
    for t in threads:
        t.join(60 * SLOW)
    assert answers == [(1,)] * 4
    for c in held:
        c.close()


@pytest.mark.parametrize("limit", ["users", "databases"])
def test_fewer_servers_than_workers(pgusher, limit):
    """One server is for all of them: it goes where somebody waits, though his worker's part of it is none."""
    few = {"users": {"app2": "pool_size=1"}} if limit == "users" else {}
    p = pgusher(workers=2, tenant_workers=2, default_pool_size=4, **few, **SHOP)
    with Sampler(p.pg, "app2") as sampler, contextlib.ExitStack() as stack:
        with p.connect("shop"):
            wait_parts(p, 2)
        if limit == "databases":
            p.change(databases={"shop": "{pg} dbname=shop max_db_connections=1"})
        answers = []

        def ask():
            c = stack.enter_context(contextlib.closing(p.connect("shop", user="app2")))
            for _ in range(3):
                answers.append(c.execute("SELECT 1").fetchone())

        for n in (1, 1, 1, 4):  # one after the other, then together
            threads = [threading.Thread(target=ask) for _ in range(n)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(60 * SLOW)
        assert len(answers) == 3 * 7
    assert sampler.highest == 1


def test_one_server_for_four_workers(pgusher, pg):
    """However its number is found, all who wait for it have their turn."""
    p = pgusher(workers=4, tenant_workers=4, default_pool_size="auto", **SHOP,
                sections={"hosts": {f"{pg.host}:{pg.port}": "active_floor=1 active_ceiling=1"}})
    with Load(p, 16) as load:
        began = time.monotonic()
        while time.monotonic() < began + 8 * SLOW:
            load.goes_on(6)
    assert not load.failures, load.failures[:3]
