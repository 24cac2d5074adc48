"""Everything at once: clients that change tenants, pipeline, cancel and vanish, while operators pause, kill, disable, reload
hosts and limits.  Nobody sees another tenant's answer, nobody is forgotten, and all counts come out even."""

import random
import threading
import time

import pytest

import wire
from helpers import SLOW, wait_until

pytestmark = pytest.mark.ours("tenants, hosts and limits")

TENANTS = ["shop", "mill", "forge"] + [f"t{i}" for i in range(1, 9)]
SECONDS = 6
PATIENCE = 30 * SLOW


def sections(pg, n):
    """One of several configurations: caps, limits and threats come, change and go."""
    hosts = {f"{pg.host}:{pg.port}": f"max_connections={(12, 6, 20)[n % 3]} admin_reserve=1 min_lease=0.05"}
    limits = [{"tenant": "clients=500 active=3 queries=3000 queue=40 max_delay=2", "user:app": "active=30 bytes=50000000"},
              {"tenant": "clients=500 active=8 queue=100", "address": "clients=1000"}, {}][n % 3]
    return {"hosts": hosts if n % 4 else {}, "limits": limits}


class Guest:
    """A client with a mind of its own."""

    def __init__(self, p, seed, failures):
        self.p, self.random, self.failures = p, random.Random(seed), failures
        self.served = 0
        self.stop = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stop and not self.failures:
            try:
                self.visit()
            except (wire.Gone, OSError):
                time.sleep(0.01)
            except Exception as e:
                self.failures.append(repr(e))

    def visit(self):
        tenant = self.random.choice(TENANTS)
        with self.p.wire() as c:
            c.timeout = PATIENCE
            if c.login(tenant, "app").kind != "Z":
                return
            for _ in range(self.random.randrange(1, 40)):
                if self.stop:
                    return
                tenant = self.random.choice([self.change, self.change, self.ask, self.pipeline, self.transaction, self.prepare,
                                             self.cancel, self.vanish])(c, tenant)

    def expect(self, messages, tenant):
        for m in messages:
            if m.kind == "D" and m.row != [tenant]:
                raise AssertionError(f"{m.row} of {tenant}")
        self.served += sum(m.kind == "D" for m in messages)

    def ask(self, c, tenant):
        self.expect(c.ask(wire.query("SELECT tenant FROM who")), tenant)
        return tenant

    def change(self, c, tenant):
        wanted = self.random.choice(TENANTS)
        ok = not any(m.kind == "E" for m in c.ask(wire.query(f"SET pgusher.tenant = '{wanted}'")))
        return self.ask(c, wanted if ok else tenant)

    def pipeline(self, c, tenant):
        other = self.random.choice(TENANTS)
        c.send(*[wire.query("SELECT tenant FROM who")] * 5, wire.query(f"SET pgusher.tenant = '{other}'"),
               *[wire.query("SELECT tenant FROM who")] * 5)
        for i in range(11):
            messages = c.until_ready()
            if i == 5 and not any(m.kind == "E" for m in messages):
                tenant = other
            self.expect(messages, tenant)
        return tenant

    def transaction(self, c, tenant):
        for sql in ("BEGIN", "SELECT tenant FROM who", "SELECT pg_sleep(0.01) IS NULL", "COMMIT"):
            messages = c.ask(wire.query(sql))
            if sql.startswith("SELECT tenant"):
                self.expect(messages, tenant)
        return tenant

    def prepare(self, c, tenant):
        c.ask(wire.parse("s", "SELECT tenant FROM who"), wire.SYNC)
        self.expect(c.ask(wire.bind("", "s"), wire.execute(), wire.SYNC), tenant)
        return tenant

    def cancel(self, c, tenant):
        """Whatever it hits, the query is answered."""
        c.send(wire.query(self.random.choice(["SELECT pg_sleep(0.2)", f"SET pgusher.tenant = '{tenant}'"])))
        c.cancel()
        c.until_ready()
        return self.ask(c, tenant)

    def vanish(self, c, tenant):
        c.send(wire.query(self.random.choice(["SELECT pg_sleep(0.1)", f"SET pgusher.tenant = '{self.random.choice(TENANTS)}'"])))
        c.reset()
        raise wire.Gone


def disturb(p, seed, until):
    r = random.Random(seed)
    n = 0
    while time.monotonic() < until:
        t = r.choice(TENANTS)
        what = r.randrange(6)
        if what == 0:
            p.console(f"PAUSE {t}")
            time.sleep(0.05)
            p.console(f"RESUME {t}")
        elif what == 1:
            p.console(f"KILL {t}")
            p.console(f"RESUME {t}")
        elif what == 2:
            p.console(f"DISABLE {t}")
            p.console(f"ENABLE {t}")
        elif what == 3:
            p.console(f"RECONNECT {t}")
        elif what == 4:
            n += 1
            p.sections = sections(p.pg, n)
            p.change()
        else:
            for what in ("LIMITS", "HOSTS", "TENANTS", "POOLS", "CLIENTS"):
                p.console(f"SHOW {what}")
        time.sleep(0.02)


def counts(p):
    """What is not as it is when nobody is there."""
    found = [("limit", r["kind"], r["name"], r["used"]) for r in p.console("SHOW LIMITS")
             if r["kind"] in ("clients", "active", "queue") and r["used"]]
    found += [("client", r["database"]) for r in p.console("SHOW CLIENTS") if r["database"] in TENANTS]
    servers = len([r for r in p.console("SHOW SERVERS") if r["database"] in TENANTS])
    found += [("host", r["used"], servers, r["side"]) for r in p.console("SHOW HOSTS")
              if r["port"] == p.pg.port and (r["used"] != servers or r["waiting"] or r["side"])]
    return found


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_storm(pgusher, pg, workers):
    p = pgusher(pool_mode="transaction", workers=workers, users={"app": "tenants=*"}, default_pool_size=4, query_wait_timeout=60,
                sections=sections(pg, 1), max_client_conn=500)
    failures = []
    guests = [Guest(p, seed, failures) for seed in range(16)]
    try:
        disturb(p, workers, time.monotonic() + SECONDS)
        wait_until(lambda: failures or all(g.served for g in guests), 20, "all are served")
    finally:
        for g in guests:
            g.stop = True
        for g in guests:
            g.thread.join(2 * PATIENCE)
    assert not failures, failures
    assert not any(g.thread.is_alive() for g in guests)
    p.sections = sections(pg, 1)
    p.change()
    try:
        wait_until(lambda: not counts(p), 20)
    except TimeoutError:
        raise AssertionError(counts(p)) from None
    with p.connect() as c:  # it is as good as new
        for t in TENANTS:
            c.execute(f"SET pgusher.tenant = '{t}'")
            assert c.execute("SELECT tenant FROM who").fetchone()[0] == t
