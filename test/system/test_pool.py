"""Pools: how many servers, who waits, how long they live, what they are cleaned of, and what happens when they go."""

import threading
import time

import pytest

import wire
from helpers import SLOW, wait_until
from pooler import PEER


class Worker(threading.Thread):
    """Runs a function beside the test; result() gives its value or raises what it raised."""

    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self.function, self.args, self.value, self.failure = function, args, None, None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.args)
        except BaseException as e:  # noqa: BLE001
            self.failure = e

    def result(self, timeout=30):
        self.join(timeout * SLOW)
        assert not self.is_alive(), "still running"
        if self.failure:
            raise self.failure
        return self.value


def holding(p, n, dbname="shop", **kwargs):
    """n clients that hold a server each, in a transaction."""
    out = []
    for _ in range(n):
        c = p.wire(dbname, **kwargs)
        c.query("BEGIN")
        out.append(c)
    return out


# ---- sizes ----

def test_pool_size_bounds_servers(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=3)
    workers = [Worker(p.value, "SELECT 1 FROM pg_sleep(0.3)") for _ in range(12)]
    most = 0
    while any(w.is_alive() for w in workers):
        most = max(most, len(p.pg.backends("shop")))
    for w in workers:
        assert w.result() == 1
    assert 1 <= most <= 3


def test_pool_size_zero_is_no_limit(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=0)
    held = holding(p, 7)
    assert len(p.pg.backends("shop")) == 7
    for c in held:
        c.query("COMMIT")


def test_pool_size_of_a_database(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=5, databases={"shop": "{pg} pool_size=2"})
    held = holding(p, 2)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT 1"))
        wait_until(lambda: p.pool("shop")["cl_waiting"] == 1)
        c.quiet(0.1)
        assert len(p.pg.backends("shop")) == 2
        held[0].query("COMMIT")
        assert c.until_ready()[1].row == ["1"]


@pytest.mark.ours("no pool_size in [users]", since=(1, 24))
def test_pool_size_of_a_user(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=5, users={"app": "pool_size=1"})
    held = holding(p, 1)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT 1"))
        wait_until(lambda: p.pool("shop")["cl_waiting"] == 1)
        held[0].query("COMMIT")
        assert c.until_ready()[1].row == ["1"]


def test_pools_grow_no_more_than_needed(pgusher):
    """One client after the other needs one server."""
    p = pgusher(pool_mode="transaction", default_pool_size=10)
    for _ in range(10):
        with p.connect() as c:
            c.execute("SELECT 1")
    assert len(p.servers("shop")) == 1


def test_a_pool_for_each_user(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    a, b = p.wire("shop", "app"), p.wire("shop", "app2")
    a.query("BEGIN")
    assert b.query("SELECT current_user") == [["app2"]]
    assert a.query("SELECT current_user") == [["app"]]
    a.close(), b.close()


@pytest.mark.ours("fills it only with traffic", since=(1, 20))
def test_min_pool_size(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=5, min_pool_size=3, databases={"mill": "{pg} user=app"})
    p.value("SELECT 1", "mill")
    wait_until(lambda: len(p.servers("mill")) == 3, 8)
    p.pg.terminate("mill")
    wait_until(lambda: len(p.servers("mill")) == 3 and len(p.pg.backends("mill")) == 3, 8)


def test_reserve_pool(pgusher):
    """Who has waited for reserve_pool_timeout gets a server more."""
    p = pgusher(pool_mode="transaction", default_pool_size=1, reserve_pool_size=1, reserve_pool_timeout=1)
    holder, = holding(p, 1)
    with p.wire("shop") as c:
        start = time.monotonic()
        with p.logs("taking connection from reserve_pool"):
            c.send(wire.query("SELECT 1"))
            assert c.until_ready()[1].row == ["1"]
        assert time.monotonic() - start > 0.8
    holder.close()


def test_max_db_connections(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=5, databases={"shop": "{pg} max_db_connections=2"})
    held = holding(p, 1) + holding(p, 1, user="app2")
    with p.wire("shop") as c:
        c.send(wire.query("SELECT 1"))
        c.quiet(0.3)
        assert len(p.pg.backends("shop")) == 2
        held[1].query("COMMIT")
        assert c.until_ready()[1].row == ["1"]
        assert len(p.pg.backends("shop")) <= 2


def test_max_user_connections_over_several_tenants(pgusher):
    """The limit of a user spans databases, and workers; an idle server elsewhere makes room."""
    p = pgusher(pool_mode="transaction", default_pool_size=5, users={"app": "max_user_connections=2"}, workers=2)
    for tenant in ("shop", "mill", "forge", "t1", "t2", "t3"):
        with p.wire(tenant) as c:
            assert c.query("SELECT tenant FROM who") == [[tenant]]
            assert len(p.pg.backends(user="app")) <= 2


# ---- the queue ----

def test_waiters_are_served_in_order(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    holder, = holding(p, 1)
    clients = [p.wire("shop") for _ in range(8)]
    with p.pg.connect("shop", user="app") as c:
        c.execute("DROP TABLE IF EXISTS pool_order")
        c.execute("CREATE TABLE pool_order (id serial, k int)")
    for k, c in enumerate(clients):
        c.send(wire.query(f"INSERT INTO pool_order (k) VALUES ({k})"))
        wait_until(lambda: p.pool("shop")["cl_waiting"] == k + 1)
    holder.query("COMMIT")
    for c in clients:
        assert wire.kinds(c.until_ready()) == "CZ"
        c.close()
    assert p.pg.value("SELECT array_agg(k ORDER BY id) FROM pool_order", "shop") == list(range(8))


@pytest.mark.ours("does not notice")
def test_waiter_that_leaves_does_not_hold_up_the_others(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    holder, = holding(p, 1)
    gone, next_ = p.wire("shop"), p.wire("shop")
    gone.send(wire.query("SELECT 'gone'"))
    wait_until(lambda: p.pool("shop")["cl_waiting"] == 1)
    next_.send(wire.query("SELECT 'next'"))
    wait_until(lambda: p.pool("shop")["cl_waiting"] == 2)
    gone.reset()
    wait_until(lambda: p.pool("shop")["cl_waiting"] == 1)
    holder.query("COMMIT")
    assert next_.until_ready()[1].row == ["next"]
    next_.close(), holder.close()


def test_query_wait_timeout(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1, query_wait_timeout=1)
    holder, = holding(p, 1)
    with p.wire("shop") as c:
        start = time.monotonic()
        c.send(wire.query("SELECT 1"))
        with p.logs("query_wait_timeout"):
            got = c.until_closed()
        assert time.monotonic() - start > 0.8
        assert got[-1].kind == "E" and (PEER or got[-1].code == "53300")
        assert "query_wait_timeout" in got[-1].fields["M"]
    assert holder.query("SELECT 1") == [["1"]]
    holder.close()


@pytest.mark.ours("sends no notice", since=(1, 24))
def test_query_wait_notify(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1, query_wait_notify=1)
    holder, = holding(p, 1)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT 1"))
        assert c.expect("N").fields["S"] == "NOTICE"
        holder.query("COMMIT")
        assert wire.kinds(c.until_ready()) == "TDCZ"
    holder.close()


def test_maxwait_is_shown(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    holder, = holding(p, 1)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT 1"))
        wait_until(lambda: p.pool("shop")["cl_waiting"] == 1)

        def waits():
            row = p.pool("shop")
            return row["maxwait"] * 1_000_000 + row["maxwait_us"] > 200_000
        wait_until(waits)
        holder.query("COMMIT")
        c.until_ready()
        row = p.pool("shop")
        assert (row["cl_waiting"], row["maxwait"], row["maxwait_us"]) == (0, 0, 0)
    holder.close()


# ---- age ----

def test_server_lifetime(pgusher):
    p = pgusher(pool_mode="transaction", server_lifetime=1)
    pid = p.value("SELECT pg_backend_pid()")
    wait_until(lambda: pid not in [b[0] for b in p.pg.backends("shop")], 8)
    assert p.value("SELECT pg_backend_pid()") != pid


def test_server_lifetime_of_a_lent_server(pgusher):
    """It ends when it comes back, not in the middle of a transaction."""
    p = pgusher(pool_mode="transaction", server_lifetime=1)
    with p.wire("shop") as c:
        c.query("BEGIN")
        pid = c.query("SELECT pg_backend_pid()")
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert c.query("SELECT pg_backend_pid()") == pid
        c.query("COMMIT")
        wait_until(lambda: int(pid[0][0]) not in [b[0] for b in p.pg.backends("shop")], 5)


def test_server_idle_timeout(pgusher):
    p = pgusher(pool_mode="transaction", server_idle_timeout=1)
    assert p.value("SELECT 1") == 1
    with p.logs("server idle timeout|server_idle_timeout", 8):
        wait_until(lambda: not p.pg.backends("shop"), 8)
    assert p.value("SELECT 1") == 1


def test_check_query_before_an_old_server_is_lent(pgusher, fake_server):
    server = fake_server()
    p = pgusher(databases={"fake": server.address}, pool_mode="transaction", server_check_delay=0,
                server_check_query="SELECT 'are you there'", server_reset_query="")
    with p.wire("fake") as c:
        for i in range(3):
            assert c.query(f"ask {i}") == [[f"ask {i}"]]
    assert "SELECT 'are you there'" in server.connections[0].queries


def test_server_round_robin(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=3, server_round_robin=1)
    held = holding(p, 3)
    for c in held:
        c.query("COMMIT")
    pids = {held[0].query("SELECT pg_backend_pid()")[0][0] for _ in range(6)}
    assert len(pids) == 3


def test_last_used_server_first(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=3)
    held = holding(p, 3)
    for c in held:
        c.query("COMMIT")
    pids = {held[0].query("SELECT pg_backend_pid()")[0][0] for _ in range(6)}
    assert len(pids) == 1


# ---- cleaning ----

def test_reset_query_in_session_mode(pgusher):
    p = pgusher(pool_mode="session", default_pool_size=1)
    with p.wire("shop") as c:
        pid = c.query("SELECT pg_backend_pid()")
        c.query("SET work_mem = '77MB'")
        c.query("CREATE TEMP TABLE leftover (x int)")
        c.query("PREPARE leftover AS SELECT 1")
        c.query("SELECT pg_advisory_lock(4711)")
        c.query("LISTEN leftover")
    with p.wire("shop") as c:
        assert c.query("SELECT pg_backend_pid()") == pid
        assert c.query("SHOW work_mem") != [["77MB"]]
        assert c.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [["0"]]
        assert c.query("SELECT count(*) FROM pg_prepared_statements") == [["0"]]
        assert c.query("SELECT count(*) FROM pg_listening_channels()") == [["0"]]
        with pytest.raises(wire.ServerError) as e:
            c.query("SELECT * FROM leftover")
        assert e.value.code == "42P01"


@pytest.mark.ours("goes on with it")
def test_reset_query_that_fails_drops_the_server(pgusher):
    p = pgusher(pool_mode="session", default_pool_size=1, server_reset_query="SELECT 1/0")
    with p.wire("shop") as c:
        first = c.query("SELECT pg_backend_pid()")
    with p.wire("shop") as c:
        assert c.query("SELECT pg_backend_pid()") != first


def test_no_reset_query_in_transaction_mode(pgusher, fake_server):
    server = fake_server()
    p = pgusher(databases={"fake": server.address}, pool_mode="transaction", server_reset_query="DISCARD ALL",
                server_check_delay=1000)
    for i in range(3):
        assert p.value(f"ask {i}", "fake") == f"ask {i}"
    assert server.connections[0].queries == ["ask 0", "ask 1", "ask 2"]


def test_reset_query_always(pgusher, fake_server):
    server = fake_server()
    p = pgusher(databases={"fake": server.address}, pool_mode="transaction", server_reset_query="DISCARD ALL",
                server_reset_query_always=1, server_check_delay=1000)
    for i in range(2):
        assert p.value(f"ask {i}", "fake") == f"ask {i}"
    wait_until(lambda: server.connections[0].queries == ["ask 0", "DISCARD ALL", "ask 1", "DISCARD ALL"])


def test_connect_query(pgusher):
    p = pgusher(pool_mode="transaction", databases={"shop": "{pg} connect_query='SET work_mem = ''33MB'''"})
    assert p.value("SHOW work_mem") == "33MB"


def test_connect_query_that_fails(pgusher):
    """It is logged, and the connection is used all the same: that is PgBouncer's contract."""
    p = pgusher(pool_mode="transaction", databases={"shop": "{pg} connect_query='SELECT 1/0'"})
    with p.logs("division by zero"):
        assert p.value("SELECT 1") == 1


# ---- startup parameters and session state ----

TRACKED = {"client_encoding": "LATIN1", "DateStyle": "German, DMY", "TimeZone": "Asia/Tokyo",
           "application_name": "tracked app"}


@pytest.mark.ours("application_name stays behind", since=(1, 20))
def test_startup_parameters_follow_the_client(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop", **TRACKED) as a, p.wire("shop") as b:
        plain = {k: b.query(f"SHOW {k}") for k in TRACKED}
        for _ in range(3):
            for name, value in TRACKED.items():
                assert a.query(f"SHOW {name}") == [[value]], name
            for name in TRACKED:
                assert b.query(f"SHOW {name}") == plain[name], name
        assert a.parameters["client_encoding"] == "LATIN1" and a.parameters["TimeZone"] == "Asia/Tokyo"


def test_set_follows_the_client(pgusher):
    """SET of a tracked parameter is the client's own, on whatever server."""
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        got = a.ask(wire.query("SET TimeZone = 'Asia/Tokyo'"))
        assert wire.kinds(got) == "CSZ" and got[1].strings == ["TimeZone", "Asia/Tokyo"]
        b.query("SET DateStyle = 'German'")
        for _ in range(3):
            assert a.query("SHOW TimeZone") == [["Asia/Tokyo"]]
            assert b.query("SHOW TimeZone") != [["Asia/Tokyo"]]
            assert b.query("SHOW DateStyle")[0][0].startswith("German")
            assert a.query("SHOW DateStyle")[0][0].startswith("ISO")


def test_set_in_a_transaction_that_is_rolled_back(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a:
        before = a.query("SHOW TimeZone")
        a.query("BEGIN")
        a.query("SET TimeZone = 'Asia/Tokyo'")
        a.query("ROLLBACK")
        assert a.query("SHOW TimeZone") == before


def test_quotes_in_parameters(pgusher):
    """What a client sends as a value stays a value."""
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    nasty = "'; DROP TABLE who; --\\"
    with p.wire("shop", application_name=nasty) as a, p.wire("shop") as b:
        b.query("SELECT 1")
        assert a.query("SHOW application_name") == [[nasty]]
        b.query("SELECT 1")
        assert a.query("SELECT tenant FROM who") == [["shop"]]


def test_invalid_startup_parameter(pgusher):
    """PostgreSQL refuses it; so do we, and nobody else is harmed."""
    p = pgusher(pool_mode="transaction", default_pool_size=1, query_wait_timeout=5)
    with p.wire() as c:
        m = c.login("shop", "app", TimeZone="Nowhere/Land")
        if m.kind == "Z":
            c.send(wire.query("SELECT 1"))
            m = c.receive()
        assert m.kind == "E" and (PEER or m.code == "22023"), m
    assert p.value("SELECT 1") == 1


def test_unknown_startup_parameter(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire() as c:
        m = c.login("shop", "app", nonsense="1")
        assert m.kind == "E" and "nonsense" in m.fields["M"]
    p.settings["ignore_startup_parameters"] = "nonsense"
    p.write()
    p.console("RELOAD")
    with p.wire("shop", nonsense="1") as c:
        assert c.query("SELECT 1") == [["1"]]


def test_reported_parameters_are_the_servers(pgusher):
    """A client learns at login what a direct connection would tell."""
    p = pgusher(pool_mode="transaction")
    direct = wire.Client.connect(p.pg.host, p.pg.port)
    direct.login("shop", "app")
    with p.wire("shop") as c:
        missing = set(direct.parameters) - set(c.parameters)
        assert not missing
        for name in ("server_version", "server_encoding", "integer_datetimes", "DateStyle", "client_encoding"):
            assert c.parameters[name] == direct.parameters[name]
    direct.close()


# ---- clients and servers that go ----

@pytest.mark.ours("lets the query run on")
def test_client_gone_query_is_cancelled(pgusher):
    p = pgusher(pool_mode="transaction")
    c = p.wire("shop")
    c.send(wire.query("SELECT pg_sleep(60)"))
    wait_until(lambda: p.pg.backends("shop", where="state = 'active' AND query LIKE '%pg_sleep(60)%'"))
    c.reset()
    wait_until(lambda: not p.pg.backends("shop", where="state = 'active' AND query LIKE '%pg_sleep(60)%'"), 1)
    assert p.value("SELECT 1") == 1


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_client_gone_transaction_is_rolled_back(pgusher, mode):
    p = pgusher(pool_mode=mode, default_pool_size=1)
    with p.pg.connect("shop", user="app") as c:
        c.execute("DROP TABLE IF EXISTS pool_gone")
        c.execute("CREATE TABLE pool_gone (x int)")
    c = p.wire("shop")
    c.query("BEGIN")
    c.query("INSERT INTO pool_gone VALUES (1)")
    c.reset()
    wait_until(lambda: not p.pg.backends("shop", where="state LIKE 'idle in%'"), 1)
    assert p.value("SELECT count(*) FROM pool_gone") == 0


def test_idle_server_killed_is_not_lent(pgusher):
    p = pgusher(pool_mode="transaction", server_check_delay=1000)
    with p.wire("shop") as c:
        for _ in range(5):
            assert c.query("SELECT 1") == [["1"]]
            p.pg.terminate("shop")
            wait_until(lambda: not p.servers("shop"), 2)


@pytest.mark.ours("may lend it once")
def test_idle_server_killed_a_moment_ago_is_not_lent(pgusher):
    """The end of an idle server and the next query may come in one turn of the loop."""
    p = pgusher(pool_mode="transaction", server_check_delay=1000)
    with p.wire("shop") as c:
        for _ in range(20):
            assert c.query("SELECT 1") == [["1"]]
            p.pg.terminate("shop")
            assert c.query("SELECT 2") == [["2"]]


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_server_killed_under_its_client(pgusher, mode):
    """A clean error at once, for that client only."""
    p = pgusher(pool_mode=mode, default_pool_size=2)
    with p.wire("shop") as other, p.wire("shop") as c:
        if mode == "transaction":
            other.query("BEGIN")
        other.query("SELECT 1")
        c.send(wire.query("SELECT pg_sleep(60)"))
        found = wait_until(lambda: p.pg.backends("shop", where="state = 'active' AND query LIKE '%pg_sleep(60)%'"))
        p.pg.rows(f"SELECT pg_terminate_backend({found[0][0]})")
        got = c.until_closed()
        assert got[-1].kind == "E" and got[-1].code in ("57P01", "08006", "08P01")
        assert other.query("SELECT 'fine'") == [["fine"]]


def test_server_killed_between_queries_of_a_transaction(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=2)
    with p.wire("shop") as c:
        c.query("BEGIN")
        p.pg.terminate("shop")
        got = c.until_closed(5)
        assert got and got[-1].kind == "E" and (PEER or got[-1].code in ("57P01", "08006"))
    assert p.value("SELECT 1") == 1


# ---- servers that can't be reached ----

def connect_and_ask(p, dbname="shop"):
    return p.value("SELECT 1", dbname)


@pytest.mark.ours("waits for server_login_retry")
def test_server_that_comes_back_is_used_within_a_second(pgusher):
    p = pgusher(pool_mode="transaction", server_login_retry=100)
    assert p.value("SELECT 1") == 1
    p.pg.stop()
    waiter = Worker(connect_and_ask, p)
    p.wait_log("connect failed|Connection refused|could not connect|cannot connect", seconds=5)
    time.sleep(0.9)
    p.pg.start()
    back = time.monotonic()
    assert waiter.result() == 1
    assert time.monotonic() - back < 20 * SLOW


@pytest.mark.ours("locks the pool out for server_login_retry")
def test_one_failed_login_does_not_lock_the_pool_out(pgusher):
    p = pgusher(pool_mode="transaction", server_login_retry=100, databases={"alias": "{pg} dbname=mill"})
    p.pg.block_logins("mill")
    try:
        with p.wire() as c:
            m = c.login("alias", "app")
            if m.kind == "Z":
                c.send(wire.query("SELECT 1"))
                m = c.receive()
            assert m.kind == "E" and m.code == "28000"
    finally:
        p.pg.block_logins("mill", False)
    start = time.monotonic()
    assert p.value("SELECT tenant FROM who", "alias") == "mill"
    assert time.monotonic() - start < 20 * SLOW


@pytest.mark.ours("waits for server_login_retry")
def test_all_wait_while_the_server_restarts(pgusher):
    """A restart of under a second costs nobody an error who has no query on a server."""
    p = pgusher(pool_mode="transaction", server_login_retry=100, default_pool_size=4)
    clients = [p.connect() for _ in range(8)]
    for c in clients:
        c.execute("SELECT 1")
    p.pg.stop()
    workers = [Worker(lambda c=c: c.execute("SELECT 1").fetchone()[0]) for c in clients]
    p.pg.start()
    for w in workers:
        assert w.result() == 1
    for c in clients:
        c.close()


@pytest.mark.ours("lets them wait")
def test_nobody_listens(pgusher):
    """After server_login_retry the waiting clients are told; never a hang."""
    from helpers import free_port
    p = pgusher(pool_mode="transaction", server_login_retry=1, query_wait_timeout=300,
                databases={"void": f"host=127.0.0.1 port={free_port()}"})
    start = time.monotonic()
    with p.wire() as c:
        m = c.login("void", "app")
        if m.kind == "Z":
            c.send(wire.query("SELECT 1"))
            m = c.receive()
        assert m.kind == "E" and (PEER or m.code in ("08001", "08006")), m
    assert time.monotonic() - start < 20 * SLOW
    assert p.value("SELECT 1") == 1


@pytest.mark.ours("lets them wait")
def test_server_accepts_and_says_nothing(pgusher, fake_server):
    server = fake_server(lambda c: c.server.stall())
    p = pgusher(pool_mode="transaction", server_connect_timeout=1, server_login_retry=1, query_wait_timeout=300,
                databases={"mute": server.address})
    start = time.monotonic()
    with p.logs("connect timeout", 10), p.wire() as c:
        m = c.login("mute", "app")
        if m.kind == "Z":
            c.send(wire.query("SELECT 1"))
            m = c.receive()
        assert m.kind == "E"
    assert time.monotonic() - start < 20 * SLOW
    assert p.value("SELECT 1") == 1


def test_one_attempt_in_flight(pgusher, fake_server):
    """Twenty waiting clients do not make twenty connection attempts at once."""
    def behaviour(c):
        c.read_startup()
        c.server.stall()
        c.welcome()
        c.serve()
    server = fake_server(behaviour)
    p = pgusher(pool_mode="transaction", default_pool_size=20, databases={"slow": server.address})
    clients = []
    for _ in range(20):
        c = p.wire()
        c.start("slow", "app")
        clients.append(c)
    wait_until(lambda: len(p.clients("slow")) == 20 and server.connections)
    assert len(server.connections) == 1
    server.release.set()
    for c in clients:
        assert c.authenticate("app", "").kind == "Z"
        assert c.query("x") == [["x"]]
        c.close()


# ---- timeouts ----

def test_idle_transaction_timeout(pgusher):
    p = pgusher(pool_mode="transaction", idle_transaction_timeout=1)
    with p.wire("shop") as c:
        c.query("BEGIN")
        with p.logs("idle transaction timeout"):
            got = c.until_closed()
        assert got[-1].kind == "E" and (PEER or got[-1].code == "25P03")
    wait_until(lambda: not p.pg.backends("shop", where="state LIKE 'idle in%'"))


def test_query_timeout(pgusher):
    p = pgusher(pool_mode="transaction", query_timeout=1)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT pg_sleep(60)"))
        with p.logs("query timeout"):
            try:
                got = c.until_closed()
            except TimeoutError:
                got = c.until_ready()
        errors = [m for m in got if m.kind == "E"]
        assert errors and (PEER or errors[0].code == "57014")
    if PEER is None:  # PgBouncer leaves the query running
        wait_until(lambda: not p.pg.backends("shop", where="state = 'active' AND query LIKE '%pg_sleep(60)%'"), 2)


@pytest.mark.ours("no transaction_timeout", since=(1, 25))
def test_transaction_timeout(pgusher):
    """However busy it is."""
    p = pgusher(pool_mode="transaction", transaction_timeout=1)
    with p.wire("shop") as c:
        c.query("BEGIN")
        got = [None]
        start = time.monotonic()
        try:
            while time.monotonic() - start < 30 * SLOW:
                c.send(wire.query("SELECT pg_sleep(0.05)"))
                while got[-1] is None or got[-1].kind != "Z":
                    got.append(c.receive())
                got.append(None)
            pytest.fail("still open")
        except wire.Gone:
            # our next query may have met a closed door while the error was on its way
            got += c.until_closed()
        assert PEER or [m.code for m in got if m and m.kind == "E"] == ["25P04"]
    p.wait_log("transaction timeout")


def test_client_idle_timeout(pgusher):
    p = pgusher(pool_mode="transaction", client_idle_timeout=2)
    with p.wire("shop") as c:
        c.query("SELECT 1")
        with p.logs("client_idle_timeout"):
            got = c.until_closed()
        assert got[-1].kind == "E" and (PEER or got[-1].code == "57P05")


def test_client_in_a_transaction_is_not_idle(pgusher):
    p = pgusher(pool_mode="transaction", client_idle_timeout=2)
    with p.wire("shop") as c:
        c.send(wire.query("SELECT pg_sleep(4.5)"))
        assert wire.kinds(c.until_ready()) == "TDCZ"
