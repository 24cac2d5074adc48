"""Cancel requests: they end the query that they are meant for, at once, and never another one."""

import threading
import time

import psycopg
import pytest

import wire
from helpers import wait_until


def active(pg, dbname="shop"):
    return pg.backends(dbname, where="state = 'active' AND query LIKE '%pg_sleep%'")


def start_sleep(c, pg, seconds=30):
    c.send(wire.query(f"SELECT pg_sleep({seconds})"))
    wait_until(lambda: active(pg))


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_running_query(pgusher, mode):
    p = pgusher(pool_mode=mode)
    with p.wire("shop") as c:
        start_sleep(c, p.pg)
        c.cancel()
        got = c.until_ready()
        assert wire.kinds(got) in ("EZ", "TEZ") and got[-2].code == "57014"
        assert c.query("SELECT 1") == [["1"]]


def test_driver_cancels(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.connect() as c:
        def cancel():
            wait_until(lambda: active(p.pg))
            c.cancel()
        threading.Thread(target=cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT pg_sleep(30)")
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_in_a_transaction(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("BEGIN")
        start_sleep(c, p.pg)
        c.cancel()
        got = c.until_ready()
        assert got[-2].code == "57014" and got[-1].body == b"E"
        c.query("ROLLBACK")


def test_over_the_unix_socket(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop", host=str(p.dir)) as c:
        start_sleep(c, p.pg)
        c.cancel()
        assert c.until_ready()[-2].code == "57014"


def test_whichever_worker_hears_it(pgusher):
    """Every cancel connection may be accepted by another worker than the query's."""
    p = pgusher(pool_mode="transaction", workers=4, default_pool_size=5)
    for tenant in ("shop", "mill", "forge", "t1", "t2"):
        with p.wire(tenant) as c:
            for _ in range(4):
                c.send(wire.query("SELECT pg_sleep(30)"))
                wait_until(lambda: active(p.pg, tenant))
                c.cancel()
                assert c.until_ready()[-2].code == "57014"


@pytest.mark.ours("closes the client instead")
def test_queued_query_is_answered_at_once(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as holder, p.wire("shop") as c:
        holder.query("BEGIN")
        for _ in range(3):
            c.send(wire.query("SELECT 'queued'"))
            wait_until(lambda: p.pool("shop")["cl_waiting"] == 1)
            c.cancel()
            got = c.until_ready()
            assert wire.kinds(got) == "EZ" and got[0].code == "57014" and got[1].body == b"I"
        assert p.pool("shop")["cl_waiting"] == 0
        holder.query("COMMIT")
        assert c.query("SELECT 1") == [["1"]]


@pytest.mark.ours("closes the client instead")
def test_queued_pipeline_is_answered_at_once(pgusher):
    """The cancelled batch ends at its Sync; what is queued behind that runs."""
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as holder, p.wire("shop") as c:
        holder.query("BEGIN")
        c.send(wire.parse("", "SELECT 'first'"), wire.bind(), wire.execute(), wire.SYNC)
        wait_until(lambda: p.pool("shop")["cl_waiting"] == 1)
        c.cancel()
        got = c.until_ready()
        assert wire.kinds(got) == "EZ" and got[0].code == "57014"
        holder.query("COMMIT")
        assert c.query("SELECT 1") == [["1"]]


def test_late_cancel_hits_nobody(pgusher):
    """A's query is long done when his cancel comes; B has the server now."""
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        for i in range(60):
            assert a.query("SELECT 'a'") == [["a"]]
            b.send(wire.query(f"SELECT pg_sleep(0.01), {i}"))
            a.cancel()
            assert wire.kinds(b.until_ready()) == "TDCZ"


def test_cancel_that_races_with_the_end(pgusher):
    """Cancels sent while queries end on their own: only the canceller's query may be hit, ever."""
    p = pgusher(pool_mode="transaction", default_pool_size=2)
    stop = threading.Event()
    failures = []

    def innocent(k):
        try:
            with p.wire("shop") as c:
                i = 0
                while not stop.is_set():
                    i += 1
                    assert c.query(f"SELECT '{k}-{i}', pg_sleep(0.002)")[0][0] == f"{k}-{i}"
        except Exception as e:  # noqa: BLE001
            failures.append(e)
    threads = [threading.Thread(target=innocent, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    with p.wire("shop") as c:
        for i in range(80):
            c.send(wire.query("SELECT pg_sleep(0.005)"))
            time.sleep(0.001 * (i % 10))
            c.cancel()
            got = c.until_ready()
            assert wire.kinds(got) in ("TDCZ", "EZ", "TEZ", "TDEZ")
            assert c.query(f"SELECT {i}") == [[str(i)]]
    stop.set()
    for t in threads:
        t.join()
    assert not failures, failures


def test_wrong_keys_do_nothing(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=2)
    with p.wire("shop") as c:
        start_sleep(c, p.pg, 120)
        for key in (b"\0\0\0\0", bytes(b ^ 1 for b in c.key), c.key[:3] + bytes([c.key[3] ^ 0x80]), c.key + c.key,
                    b"x" * 32, b"x" * 256):
            c.cancel(key=key)
        for pid in (0, 1, 0xffffffff, (c.pid + 1) & 0xffffffff):
            c.cancel(pid=pid)
        c.quiet(0.3)
        assert active(p.pg)
        c.cancel()
        assert c.until_ready()[-2].code == "57014"


def test_idle_and_gone_clients(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as c:
        c.query("SELECT 1")
        c.cancel()
        assert c.query("SELECT 2") == [["2"]]
        other = p.wire("shop")
        other.close()
        wait_until(lambda: len(p.clients("shop")) == 1)
        c.cancel(pid=other.pid, key=other.key)
        assert c.query("SELECT pg_sleep(0.05), 3") == [["", "3"]]


def test_second_query_of_a_pipeline(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.send(wire.query("SELECT 1"), wire.query("SELECT pg_sleep(30)"), wire.query("SELECT 3"))
        assert wire.kinds(c.until_ready()) == "TDCZ"
        wait_until(lambda: active(p.pg))
        c.cancel()
        assert c.until_ready()[-2].code == "57014"
        assert wire.kinds(c.until_ready()) == "TDCZ"


def test_server_is_not_lent_while_a_cancel_is_in_flight(pgusher, fake_server):
    """The server has not yet read A's cancel; until that has ended, B may not get A's server."""
    cancel_seen, release, finish = threading.Event(), threading.Event(), threading.Event()

    def behaviour(c):
        if not c.accept():
            cancel_seen.set()
            release.wait(120)
            return
        c.serve(lambda conn, sql: sql == "slow" and finish.wait(120) and False)
    server = fake_server(behaviour)
    p = pgusher(databases={"fake": server.address}, pool_mode="transaction", default_pool_size=1,
                server_reset_query="", server_check_delay=1000)
    with p.wire("fake") as a, p.wire("fake") as b:
        a.send(wire.query("slow"))
        wait_until(lambda: p.pool("fake")["sv_active"] == 1)
        canceller = p.wire()
        canceller.send(wire.cancel_request(a.pid, a.key))
        assert cancel_seen.wait(20)
        assert [key for _, key in server.cancels] == [server.connections[0].key]
        finish.set()
        assert a.until_ready()[1].row == ["slow"]
        b.send(wire.query("mine"))
        b.quiet(0.3)
        assert "mine" not in server.connections[0].queries
        release.set()
        assert b.until_ready()[1].row == ["mine"]
        canceller.close()
    assert server.cancels[0][0] == server.connections[0].pid


def test_storm_of_cancels(pgusher):
    """Two hundred cancel connections at once disturb nobody and leave nothing."""
    p = pgusher(pool_mode="transaction", default_pool_size=2, max_client_conn=400)
    with p.wire("shop") as c, p.wire("shop") as other:
        c.query("SELECT 1")
        storm = []
        for _ in range(200):
            s = p.wire()
            s.send(wire.cancel_request(c.pid, c.key))
            storm.append(s)
        assert other.query("SELECT 2") == [["2"]]
        for s in storm:
            s.until_closed()
            s.close()
        wait_until(lambda: c.query("SELECT 3") == [["3"]])
    wait_until(lambda: p.pool("shop")["cl_waiting"] == 0)
