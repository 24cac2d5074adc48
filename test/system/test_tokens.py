"""Unique tokens go through pools while backends, clients and PostgreSQL are killed.

Whatever breaks, an answer holds the token of its question, or there is no answer.
"""

import random
import signal
import threading
import time

import pytest

import wire
from helpers import wait_until
from pooler import PEER


class Crowd:
    """Clients that ask in every way, each in a thread, and reconnect when they are cut off."""

    def __init__(self, p, n, kinds):
        self.p = p
        self.stop = threading.Event()
        self.wrong, self.answers, self.cuts = [], 0, 0
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.live, args=(k, kinds[k % len(kinds)]), daemon=True)
                        for k in range(n)]
        for t in self.threads:
            t.start()

    def live(self, k, kind):
        serial = 0
        dice = random.Random(k)
        while not self.stop.is_set():
            try:
                tenant = ("shop", "mill", "forge")[k % 3]
                with self.p.wire(tenant) as c:
                    c.timeout = 60
                    if kind == "prepared":
                        c.ask(wire.parse("echo", "SELECT $1::text"), wire.SYNC)
                    while not self.stop.is_set():
                        serial += 1
                        token = f"{tenant}-{k}-{serial}"
                        getattr(self, kind)(c, token, dice)
                        with self.lock:
                            self.answers += 1
                        if dice.random() < 0.01:
                            c.send(wire.query(f"SELECT '{token} abandoned', pg_sleep(0.01)"))
                            c.reset()
                            break
            except (wire.Gone, OSError):
                with self.lock:
                    self.cuts += 1
                time.sleep(0.01)
            except AssertionError as e:
                # "not logged in" is the pooler's right while PostgreSQL is down
                if "not logged in" in str(e):
                    time.sleep(0.02)
                    continue
                self.wrong.append(f"{kind} {k}: {e}")
                return
            except Exception as e:  # noqa: BLE001
                self.wrong.append(f"{kind} {k}: {e!r}")
                return

    @staticmethod
    def check(messages, tokens):
        """Rows hold the tokens in this order; after an error some may be missing at the end."""
        rows = [m.row[0] for m in messages if m.kind == "D"]
        if any(m.kind == "E" for m in messages):
            fatal = next(m for m in messages if m.kind == "E")
            assert rows == tokens[:len(rows)], f"{rows} is no beginning of {tokens}"
            if fatal.fields.get("V", fatal.fields.get("S")) == "FATAL" or messages[-1].kind != "Z":
                raise wire.Gone(fatal.code)
        else:
            assert rows == tokens, f"{rows} instead of {tokens}"

    def until_ready(self, c):
        got = []
        try:
            while not got or got[-1].kind != "Z":
                got.append(c.receive())
        except wire.Gone:
            if not got:
                raise
        return got

    def simple(self, c, token, dice):
        c.send(wire.query(f"SELECT '{token}'"))
        self.check(self.until_ready(c), [token])

    def slow(self, c, token, dice):
        c.send(wire.query(f"SELECT '{token}' FROM pg_sleep({dice.random() / 50})"))
        self.check(self.until_ready(c), [token])

    def extended(self, c, token, dice):
        c.send(wire.parse("", "SELECT $1::text"), wire.bind("", "", [token]), wire.execute(), wire.SYNC)
        self.check(self.until_ready(c), [token])

    def prepared(self, c, token, dice):
        c.send(wire.bind("", "echo", [token]), wire.execute(), wire.SYNC)
        self.check(self.until_ready(c), [token])

    def pipeline(self, c, token, dice):
        """Several batches in flight, one of them with an error."""
        n = dice.randint(2, 6)
        bad = dice.randrange(n)
        for i in range(n):
            c.send(wire.parse("", "SELECT $1::text" + (" , 1/0" if i == bad else "")),
                   wire.bind("", "", [f"{token}-{i}"]), wire.execute(), wire.SYNC)
        for i in range(n):
            got = self.until_ready(c)
            if i == bad:
                error = [m for m in got if m.kind == "E"]
                assert error and not any(m.kind == "D" for m in got), got
                if error[0].code != "22012":
                    raise wire.Gone(error[0].code)
            else:
                self.check(got, [f"{token}-{i}"])

    def transaction(self, c, token, dice):
        for sql in ("BEGIN", f"SELECT '{token}-a'", f"SELECT '{token}-b'", "COMMIT"):
            c.send(wire.query(sql))
            got = self.until_ready(c)
            self.check(got, [sql[8:-1]] if sql.startswith("SELECT") else [])
            if any(m.kind == "E" for m in got):
                c.send(wire.query("ROLLBACK"))
                self.until_ready(c)
                return

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join(100)
        assert not any(t.is_alive() for t in self.threads), "a client hangs"
        assert not self.wrong, "\n".join(self.wrong[:10])
        assert self.answers > 100


KINDS = ["simple", "slow", "extended", "pipeline", "transaction"] + (
    ["prepared"] if not PEER or PEER >= (1, 21) else [])


def busy(crowd, n):
    """Wait until that many more answers have come: the crowd is alive."""
    want = crowd.answers + n
    wait_until(lambda: crowd.answers >= want or crowd.wrong, 30, "answers come")


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_while_backends_are_killed(pgusher, mode):
    p = pgusher(pool_mode=mode, default_pool_size=3 if mode == "transaction" else 10, workers=2, query_wait_timeout=20)
    crowd = Crowd(p, 18, KINDS)
    for _ in range(25):
        busy(crowd, 20)
        p.pg.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"
                  " AND random() < 0.4 AND datname IN ('shop', 'mill', 'forge')")
    crowd.end()


def test_while_queries_are_cancelled(pgusher):
    """From the server's side, and by clients who cancel whatever they have."""
    p = pgusher(pool_mode="transaction", default_pool_size=2, workers=2)

    crowd = Crowd(p, 12, KINDS)
    with p.wire("shop") as c:
        for _ in range(60):
            c.send(wire.query("SELECT 'mine', pg_sleep(0.01)"))
            c.cancel()
            got = c.until_ready()
            assert wire.kinds(got) in ("TDCZ", "EZ", "TEZ", "TDEZ")
    # nobody in the crowd has cancelled anything: not one error may have come
    busy(crowd, 50)
    crowd.end()


@pytest.mark.slow
def test_while_postgresql_crashes(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=3, workers=2, server_login_retry=1, query_wait_timeout=20)
    crowd = Crowd(p, 18, KINDS)
    for how in (signal.SIGQUIT, signal.SIGINT, signal.SIGQUIT):
        busy(crowd, 100)
        p.pg.restart(how)
    busy(crowd, 100)
    crowd.end()


def test_while_the_configuration_is_reloaded(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=3, workers=2)
    crowd = Crowd(p, 12, KINDS)
    for i in range(10):
        busy(crowd, 20)
        p.change({"shop": "{pg} application_name=round_%d" % i})
        p.console("RECONNECT")
    crowd.end()
