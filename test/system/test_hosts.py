"""Budgets of hosts ([hosts]): the cap is never exceeded by one connection, whatever happens; everybody is served."""

import random
import signal
import threading
import time

import psycopg
import pytest

import wire
from helpers import SLOW, wait_until

pytestmark = pytest.mark.ours("[hosts]")

NORMAL = dict(pool_mode="transaction", query_wait_timeout=60, server_login_retry=30)

# A backend that does not end as soon as it is asked to.
STUBBORN = ("DO $$BEGIN PERFORM pg_sleep({}); EXCEPTION WHEN query_canceled THEN PERFORM pg_sleep(0.3); END$$")
# One that no request ends.
DEAF = ("DO $$BEGIN LOOP BEGIN PERFORM pg_sleep(600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END$$")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Sampler:
    """Counts the client backends of a role in pg_stat_activity, as fast as one connection can.

    That is read backend by backend.  Where the machine is busy, one that was seen first may have ended, and another have come,
    before the last is: those were there together that still run when all have been read."""

    def __init__(self, pg, user="app"):
        self.pg, self.user = pg, user
        self.highest, self.samples, self.done = 0, 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done:
            try:
                with self.pg.connect() as c:
                    while not self.done:
                        pids = c.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [self.user]).fetchall()
                        if len(pids) > self.highest:
                            self.highest = max(self.highest, sum(is_running(pid) for pid, in pids))
                        self.samples += 1
            except psycopg.OperationalError:
                time.sleep(0.01)  # PostgreSQL is being restarted

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.done = True
        self.thread.join()


class Watch:
    """What pgusher itself counts at its host, as fast as its console tells it."""

    def __init__(self, p):
        self.p, self.highest, self.samples, self.done, self.failure = p, 0, 0, False, None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            while not self.done:
                self.highest = max(self.highest, host(self.p)["used"])
                self.samples += 1
        except Exception as e:
            self.failure = e

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *args):
        self.done = True
        self.thread.join()
        if self.failure is not None and kind is None:
            raise self.failure


def hosts(pg, **options):
    """One of max_connections is for cancel requests, so that there is one less for tenants."""
    return {"hosts": {f"{pg.host}:{pg.port}": " ".join(f"{k}={v}" for k, v in options.items())}}


def host(p):
    return next(r for r in p.console("SHOW HOSTS") if r["port"] == p.pg.port)


def many(n, **options):
    """n tenants on the databases that there are."""
    return {f"m{i}": {"host": "127.0.0.1", "port": options["port"], "dbname": f"t{i % 8 + 1}",
                      **{k: v for k, v in options.items() if k != "port"}} for i in range(n)}


class Crowd:
    """Clients in threads, each with a way to behave; what they could not do is in failures."""

    def __init__(self):
        self.threads, self.failures, self.served, self.lock, self.stop = [], [], {}, threading.Lock(), False

    def add(self, name, fn):
        def body():
            while not self.stop:
                try:
                    fn()
                    with self.lock:
                        self.served[name] = self.served.get(name, 0) + 1
                except Exception as e:
                    with self.lock:
                        self.failures.append(f"{name}: {e!r}")
                    time.sleep(0.01)
        self.threads.append(threading.Thread(target=body))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *args):
        self.stop = True
        for t in self.threads:
            t.join()


def back_to_zero(p, leave=0):
    """Nothing drifts: when all pools are empty, no place is taken."""
    p.console("RECONNECT")
    wait_until(lambda: host(p)["used"] <= leave, 10, f"places are given back: {host(p)}")
    assert host(p)["side"] == 0 and host(p)["waiting"] == 0


def ends_clean(p):
    """hosts_free tells of places that were never given back."""
    p.quit()
    assert "never given back" not in p.log(), p.log()[-2000:]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_cap_holds_in_a_storm(pg, pgusher, workers):
    """Connections that come and go, evictions, kills, cancels, reloads."""
    cap = 6
    p = pgusher(databases=many(24, port=pg.port, pool_size=4), sections=hosts(pg, max_connections=cap, min_lease=0.01),
                workers=workers, **NORMAL)

    def one_query(name):
        def run():
            with p.connect(name) as c:
                assert c.execute("SELECT current_database()").fetchone()
                c.execute("SELECT pg_sleep(0.002)")
        return run

    def cancelled(name):
        def run():
            with p.connect(name) as c:
                timer = threading.Timer(0.02, c.cancel)
                timer.start()
                try:
                    c.execute("SELECT pg_sleep(0.1)")
                except psycopg.errors.QueryCanceled:
                    pass
                timer.join()
        return run

    def left_alone(name):
        def run():
            c = p.wire(name)
            c.send(wire.query(STUBBORN.format(0.3)))
            time.sleep(0.01)
            c.close()
        return run

    crowd, rng = Crowd(), random.Random(workers)
    for i in range(24):
        crowd.add(f"m{i}", one_query(f"m{i}"))
    crowd.add("cancel", cancelled("m3"))
    crowd.add("cancel2", cancelled("m4"))
    crowd.add("abandon", left_alone("m5"))
    with Sampler(pg) as sampler, Watch(p) as watch, crowd:
        def missing():
            return {f"m{i}" for i in range(24)} - set(crowd.served)
        end = time.monotonic() + 5 * SLOW
        while (left := end - time.monotonic()) > 0 or missing() and left > -60:
            time.sleep(0.3)
            what = rng.choice(["reload", "terminate", "reconnect", "kill"])
            if what == "reload":
                p.console("RELOAD")
            elif what == "terminate":
                pg.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND random() < 0.5")
            elif what == "reconnect":
                p.console("RECONNECT")
            else:
                p.console(f"KILL m{rng.randrange(24)}")
                p.console("RESUME")
    assert sampler.samples > 20
    assert sampler.highest <= cap, f"{sampler.highest} backends, {sampler.samples} samples"
    assert sampler.highest > 1
    assert watch.samples > 20 and watch.highest <= cap, "cancel requests are counted as well"
    assert not missing(), f"never served: {missing()}; {crowd.failures[-5:]}"
    back_to_zero(p)
    ends_clean(p)


def test_a_lower_cap_counts_at_once(pg, pgusher):
    p = pgusher(databases=many(4, port=pg.port), sections=hosts(pg, max_connections=9, min_lease=0), **NORMAL)
    clients = [p.connect(f"m{i % 4}") for i in range(8)]
    for c in clients:
        c.autocommit = False
        c.execute("SELECT 1")
    assert host(p)["used"] == 8
    p.sections = hosts(pg, max_connections=3, min_lease=0)
    p.write()
    p.console("RELOAD")
    for c in clients:
        c.commit()
    wait_until(lambda: host(p)["used"] <= 3 and len(pg.backends(user="app")) <= 3, 5, "it shrinks")
    for c in clients:
        c.execute("SELECT 1")
        c.commit()
        assert len(pg.backends(user="app")) <= 3
    for c in clients:
        c.close()
    back_to_zero(p)


def test_each_of_300_tenants_on_10_connections(pg, pgusher):
    p = pgusher(databases=many(300, port=pg.port, pool_size=2), sections=hosts(pg, max_connections=10, min_lease=0.01),
                workers=2, max_client_conn=1000, **NORMAL)
    served, failures = set(), []

    def ask(first):
        for i in range(first, 300, 20):
            try:
                with p.connect(f"m{i}") as c:
                    assert c.execute("SELECT 1").fetchone() == (1,)
                served.add(i)
            except Exception as e:
                failures.append(f"m{i}: {e!r}")

    with Sampler(pg) as sampler:
        threads = [threading.Thread(target=ask, args=[k]) for k in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not failures, failures[:5]
    assert len(served) == 300
    assert sampler.highest <= 10
    assert host(p)["granted"] > 0
    back_to_zero(p)
    ends_clean(p)


def test_a_quiet_tenant_beside_a_noisy_one(pg, pgusher):
    """It gets its connection, and keeps it warm."""
    p = pgusher(databases=many(2, port=pg.port, pool_size=50), sections=hosts(pg, max_connections=5, min_lease=0.5),
                max_client_conn=1000, **NORMAL)
    crowd = Crowd()

    def loop():
        with p.connect("m0") as c:
            for _ in range(50):
                c.execute("SELECT pg_sleep(0.002)")

    for _ in range(16):
        crowd.add("noisy", loop)
    with Sampler(pg) as sampler, crowd:
        wait_until(lambda: host(p)["used"] == 4, 10, "the host is full")
        with p.connect("m1") as c:
            c.execute("SELECT 1")
            times = []
            for _ in range(60):
                time.sleep(0.01)
                since = time.monotonic()
                c.execute("SELECT 1")
                times.append(time.monotonic() - since)
        opened = host(p)["granted"]
    times.sort()
    assert times[len(times) // 2] < 0.25 * SLOW, times
    assert sampler.highest <= 4
    assert opened < 40, "the quiet tenant's connection is not taken away each time"
    assert not crowd.failures, crowd.failures[:3]


def test_a_cancel_finds_its_way_to_a_full_host(pg, pgusher):
    p = pgusher(databases=many(2, port=pg.port), sections=hosts(pg, max_connections=4, admin_reserve=1), **NORMAL)
    a, b = p.connect("m0"), p.connect("m1")
    threads = []
    for c in (a, b):
        threads.append(threading.Thread(target=lambda c=c: pytest.raises(psycopg.errors.QueryCanceled, c.execute,
                                                                         "SELECT pg_sleep(60)")))
        threads[-1].start()
    wait_until(lambda: host(p)["used"] == 2 and len(pg.backends(user="app", where="query like '%pg_sleep(60)%'")) == 2, 5)
    since = time.monotonic()
    for c in (a, b):
        c.cancel()
    for t in threads:
        t.join(60 * SLOW)
        assert not t.is_alive()
    assert time.monotonic() - since < 20 * SLOW
    a.close()
    b.close()
    back_to_zero(p)


def test_a_place_is_free_when_the_backend_has_ended(pg, pgusher):
    """A client leaves in the middle of something that takes its time to end, cancelled or not."""
    p = pgusher(databases=many(2, port=pg.port), sections=hosts(pg, max_connections=2), **NORMAL)
    with Sampler(pg) as sampler:
        for i in range(3):
            c = p.wire("m0")
            c.send(wire.query(STUBBORN.format(2)))
            wait_until(lambda: pg.backends(user="app", where="query like 'DO %' AND state = 'active'"), 5, "it runs")
            c.close()
            with p.connect("m1") as other:
                assert other.execute("SELECT 1").fetchone() == (1,)
    assert sampler.highest == 1
    back_to_zero(p)


def start_query(p, tenant, *queries):
    """A client in the middle of the first, with the others behind it."""
    before = len(p.pg.backends(user="app", where="state = 'active'"))
    c = p.wire(tenant)
    c.send(*map(wire.query, queries))
    wait_until(lambda: len(p.pg.backends(user="app", where="state = 'active'")) > before, 5, "it runs")
    return c


def test_who_waits_does_not_wait_for_a_backend_that_does_not_end(pg, pgusher):
    """It may take minutes: somebody else's idle connection is closed instead."""
    p = pgusher(databases=many(3, port=pg.port), sections=hosts(pg, max_connections=3, min_lease=0), **NORMAL)
    start_query(p, "m0", DEAF).close()
    try:
        wait_until(lambda: pg.backends(user="app", where="wait_event = 'PgSleep'") and host(p)["side"] == 0, 5, "it is cancelled")
        with Sampler(pg) as sampler, p.connect("m1") as idle, p.connect("m2") as other:
            for c in (idle, other, idle, other):
                since = time.monotonic()
                c.execute("SELECT 1")
                assert time.monotonic() - since < 20 * SLOW
        assert sampler.highest == 2
    finally:
        pg.terminate("t1")
    back_to_zero(p)
    ends_clean(p)


def test_abandoned_queries_do_not_fill_a_host(pg, pgusher):
    """All that it has were left in the middle of something, and the requests that end them need places as well."""
    p = pgusher(databases=many(4, port=pg.port), sections=hosts(pg, max_connections=5), **NORMAL)
    with Sampler(pg) as sampler:
        clients = [start_query(p, f"m{i % 3}", f"SELECT pg_sleep({600 + i})") for i in range(4)]
        wait_until(lambda: sampler.highest == 4, 5, "all are there")
        for c in clients:
            c.reset()
        wait_until(lambda: not pg.backends(user="app"), 5, "they are cancelled")
        with p.connect("m3") as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
    assert sampler.highest == 4
    back_to_zero(p)
    ends_clean(p)


def test_queries_behind_the_one_that_was_left_are_ended_as_well(pg, pgusher):
    """A cancel request ends one query, and what was sent behind it would run on, in a place of the host."""
    p = pgusher(databases=many(2, port=pg.port), sections=hosts(pg, max_connections=2), **NORMAL)
    c = start_query(p, "m0", "SELECT pg_sleep(600)", "SELECT pg_sleep(601)", STUBBORN.format(602))
    c.reset()
    with p.wire("m1") as other:
        assert other.query("SELECT 1", timeout=20 * SLOW) == [["1"]]
    back_to_zero(p)
    ends_clean(p)


@pytest.mark.parametrize("how", ["KILL m0", "test query timeout"])
def test_a_command_of_ours_that_takes_long_is_ended(pg, pgusher, how):
    """Its server is closed in the middle of it, with no client there."""
    p = pgusher(databases=many(2, port=pg.port), sections=hosts(pg, max_connections=2), pool_mode="session",
                server_reset_query="SELECT pg_sleep(600)", query_wait_timeout=60, server_connect_timeout=2)
    with p.wire("m0") as c:
        assert c.query("SELECT 1") == [["1"]]
    wait_until(lambda: pg.backends(user="app", where="state = 'active' AND query LIKE '%600%'"), 5, "it runs")
    if how.startswith("KILL"):
        p.console(how)
    with p.wire("m1") as other:
        assert other.query("SELECT 1", timeout=20 * SLOW) == [["1"]]
        p.change(server_reset_query="DISCARD ALL")
    back_to_zero(p)
    assert not pg.backends(user="app")


def test_cancels_wait_for_each_other_and_not_for_queries(pg, pgusher):
    """However many there are, the host has one place for them, and administrators have theirs."""
    p = pgusher(databases=many(3, port=pg.port, pool_size=10), sections=hosts(pg, max_connections=5, admin_reserve=1),
                workers=2, **NORMAL)
    with Watch(p) as watch:
        for _ in range(3):
            busy = [start_query(p, f"m{i}", "SELECT pg_sleep(600)") for i in range(3)]
            threads = [threading.Thread(target=c.cancel) for c in busy for _ in range(15)]
            for t in threads:
                t.start()
            for c in busy:
                assert [m.code for m in c.until_ready(10 * SLOW) if m.kind == "E"] == ["57014"]
            for t in threads:
                t.join()
            for c in busy:
                c.close()
    assert watch.samples > 20 and watch.highest <= 4
    back_to_zero(p)
    ends_clean(p)


def test_a_cancel_is_delivered_though_every_connection_is_busy(pg, pgusher):
    p = pgusher(databases=many(2, port=pg.port), sections=hosts(pg, max_connections=3), **NORMAL)
    a, b = start_query(p, "m0", "SELECT pg_sleep(600)"), start_query(p, "m1", "SELECT pg_sleep(601)")
    for c in (a, b):
        c.cancel()
        assert [m.code for m in c.until_ready() if m.kind == "E"] == ["57014"]
        c.send(wire.query("SELECT pg_sleep(600)"))
    a.close()
    b.close()
    back_to_zero(p)
    ends_clean(p)


def test_postgres_is_restarted_under_load(pg, pgusher):
    cap = 8
    p = pgusher(databases=many(8, port=pg.port, pool_size=10), sections=hosts(pg, max_connections=cap), workers=2,
                max_client_conn=2000, **NORMAL)
    crowd = Crowd()

    def one(name):
        def run():
            with p.connect(name) as c:
                for _ in range(20):
                    c.execute("SELECT 1")
        return run

    for i in range(64):
        crowd.add(f"c{i}", one(f"m{i % 8}"))
    with Sampler(pg) as sampler, crowd:
        wait_until(lambda: len(crowd.served) == 64, 20, "all are served")
        pg.stop(signal.SIGINT)
        pg.start()
        with crowd.lock:
            crowd.served.clear()
        wait_until(lambda: len(crowd.served) == 64, 30, "all are served again")
    assert sampler.highest <= cap
    back_to_zero(p)
    ends_clean(p)


def test_who_is_always_busy_keeps_its_min(pg, pgusher):
    """Whether a tenant has clients is not seen from its idle connections alone."""
    weights = {"m0": 1, "m1": 10}
    p = pgusher(databases={n: {**line, "weight": weights[n]} for n, line in many(2, port=pg.port).items()},
                sections=hosts(pg, max_connections=5, min=2, min_lease=0), pool_mode="transaction", query_wait_timeout=4)
    with p.connect("m0") as c:
        c.execute("SELECT 1")
    time.sleep(1)  # it has no clients, which is told at a tick
    crowd = Crowd()

    def work():
        with p.connect("m0") as c:
            while not crowd.stop:
                c.execute("SELECT pg_sleep(0.5)")
                crowd.served["m0"] = crowd.served.get("m0", 0) + 1

    for _ in range(2):
        crowd.add("work", work)
    with crowd:
        wait_until(lambda: crowd.served.get("m0", 0) >= 4, 5, "both have a connection")
        clients = [p.connect("m1", autocommit=False) for _ in range(3)]
        for c in clients[:2]:
            c.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="query_wait_timeout"):
            clients[2].execute("SELECT 1")
        assert host(p)["yielded"] == 0
    assert not crowd.failures, crowd.failures[:3]


# --- lists of hosts ---

def test_a_host_of_a_list_that_is_down_is_left_out(pg, pgusher):
    p = pgusher(databases={"two": f"host=127.0.0.9,127.0.0.1 port={pg.port} dbname=t1"}, **NORMAL)
    for _ in range(5):
        with p.connect("two") as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
        p.console("RECONNECT two")
    down = [r for r in p.console("SHOW HOSTS") if r["host"] == "127.0.0.9"]
    assert down and down[0]["status"] == "down" and 1 <= down[0]["failures"] <= 4


def test_target_session_attrs(pg, pgusher):
    """The one server that there is accepts writes: who wants a standby finds none, who prefers one takes it."""
    line = f"host=127.0.0.1,localhost port={pg.port} dbname=t1 target_session_attrs="
    p = pgusher(databases={"rw": line + "read-write", "prefer": line + "prefer-standby", "standby": line + "standby"},
                pool_mode="transaction", server_login_retry=1)
    for name in ("rw", "prefer"):
        with p.connect(name) as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="standby"):
        p.connect("standby")


def test_who_waits_for_a_full_host_does_not_when_the_line_names_another(pg, pgusher):
    p = pgusher(databases=many(2, port=pg.port), sections=hosts(pg, max_connections=1), **NORMAL)
    answers = []

    def ask():
        with p.connect("m1") as c:
            answers.append(c.execute("SELECT 1").fetchone())

    with p.connect("m0", autocommit=False) as holder:
        holder.execute("SELECT 1")
        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: host(p)["waiting"] == 1, 5, "it waits")
        p.change(databases={"m1": {"host": "localhost", "port": pg.port, "dbname": "t2"}})
        thread.join(60 * SLOW)
        assert answers == [(1,)]
        assert host(p)["waiting"] == 0
    back_to_zero(p)
    ends_clean(p)


def test_who_waits_for_a_list_takes_the_first_place(pg, pgusher):
    """At whichever of its hosts."""
    names = ("127.0.0.1", "localhost")
    p = pgusher(databases={"one": f"host={names[0]} port={pg.port} dbname=t1", "other": f"host={names[1]} port={pg.port} dbname=t2",
                           "both": f"host={','.join(names)} port={pg.port} dbname=t3"},
                sections={"hosts": {f"{name}:{pg.port}": "max_connections=1" for name in names}}, **NORMAL)
    p.wire("both").close()
    p.console("RECONNECT both")
    for free, busy in [("one", "other")] * 2 + [("other", "one")] * 2:  # it begins with one, then with the other
        with p.wire(free) as a, p.wire(busy) as b:
            a.query("BEGIN")
            b.query("BEGIN")
            c = p.wire("both")
            c.send(wire.query("SELECT 1"))
            wait_until(lambda: sum(r["waiting"] for r in p.console("SHOW HOSTS")) == 1, 5, "it waits")
            p.console(f"KILL {free}")  # its place is free, and nobody there asked for it
            assert wire.kinds(c.until_ready()) == "TDCZ"
            c.close()
            p.console(f"RESUME {free}")
        p.console("RECONNECT both")
        wait_until(lambda: sum(r["used"] for r in p.console("SHOW HOSTS")) <= 1, 5, "the places are free")
