"""target_session_attrs and host=a,b: a primary and its standby that change what they are, and a host that says nothing."""

import contextlib
import socket

import psycopg
import pytest

from helpers import SLOW, as_user, run, wait_until
from postgres import SUPERUSER, Postgres

pytestmark = pytest.mark.ours("target_session_attrs")

NORMAL = dict(pool_mode="transaction", server_login_retry=30, query_wait_timeout=40 * SLOW)


class Standby(Postgres):
    """Of another one, at its port."""

    host = "127.0.0.2"

    def __init__(self, primary):
        self.primary = primary
        super().__init__(databases=[], conf=f"listen_addresses = '{self.host}'\n")

    def init(self):
        self.port = self.primary.port
        run([f"{self.bindir}/pg_basebackup", "-D", self.data, "-h", self.primary.host, "-p", str(self.port), "-U", SUPERUSER,
             "-R", "-X", "stream", "-c", "fast", "--no-sync"], cwd=self.dir, **as_user())
        with open(self.data / "postgresql.conf", "a") as f:
            f.write(f"unix_socket_directories = '{self.dir}'\n" + self.conf)

    def fill(self):
        pass


@pytest.fixture(scope="module")
def pair():
    with contextlib.ExitStack() as stack:
        primary = Postgres(databases=["shop"], hba="local all all trust\nhost all all samehost trust\n"
                           "local replication all trust\nhost replication all samehost trust\n",
                           conf="listen_addresses = '127.0.0.1'\nmax_wal_senders = 4\n")
        stack.callback(primary.close)
        standby = Standby(primary)
        stack.callback(standby.close)
        yield primary, standby


def lines(pair):
    at = f"host=127.0.0.1,127.0.0.2 port={pair[0].port} dbname=shop target_session_attrs="
    return {kind.replace("-", "_"): at + kind for kind in ("read-write", "read-only", "standby", "primary", "prefer-standby")}


WHERE = "SELECT host(inet_server_addr())"


def use(c):
    with contextlib.suppress(psycopg.Error):
        return c.execute(WHERE).fetchone()[0]


def test_a_server_becomes_read_only_and_the_standby_is_promoted(pair, pgusher):
    """The connections that there are go when they say so, and the new ones are at the right place."""
    primary, standby = pair
    p = pgusher(pg=primary, databases={"shop": None, **lines(pair)}, **NORMAL)
    with contextlib.ExitStack() as stack:
        c = {name: stack.enter_context(p.connect(name)) for name in lines(pair)}
        for name, at in (("read_write", "127.0.0.1"), ("primary", "127.0.0.1"), ("read_only", "127.0.0.2"),
                         ("standby", "127.0.0.2"), ("prefer_standby", "127.0.0.2")):
            # Where the standby takes its time to answer, who only prefers it has got the other one.
            wait_until(lambda: use(c[name]) == at or p.console(f"RECONNECT {name}"), 20 * SLOW, f"{name} is at {at}")
        standby.rows("SELECT pg_promote()")

        def have_left():
            """They say so with the answer to a query; without a server there is none to be had, and a query would wait."""
            left = [s["database"] for s in p.console("SHOW SERVERS") if s["addr"] == "127.0.0.2"]
            for name in set(left) & {"standby", "prefer_standby", "read_only"}:
                use(c[name])
            return not {"standby", "read_only"} & set(left)
        wait_until(have_left, 20 * SLOW, "who wants a standby is not at it")
        # Now it is the first that takes no writes.
        primary.rows("ALTER SYSTEM SET default_transaction_read_only = on")
        primary.rows("SELECT pg_reload_conf()")
        wait_until(lambda: use(c["read_write"]) == "127.0.0.2", 20 * SLOW, "writes go to the new one")
        wait_until(lambda: use(c["read_only"]) == "127.0.0.1", 20 * SLOW, "who wants to read only is at the old one")
        assert use(c["primary"]) == "127.0.0.1"


def test_those_that_are_idle_are_asked(pg, pgusher):
    """One of several says that it has changed: the next query on each of the others is not for the wrong server."""
    line = f"host={pg.host},localhost port={pg.port} dbname=shop target_session_attrs=read-write"
    p = pgusher(databases={"rw": line}, **NORMAL)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(p.connect("rw")) for _ in range(4)]
        for c in clients:
            c.execute("BEGIN")
            c.execute("SELECT 1")
        for c in clients:
            c.execute("COMMIT")

        def servers():
            return [s for s in p.console("SHOW SERVERS") if s["database"] == "rw"]
        wait_until(lambda: len(servers()) == 4, 20 * SLOW, "four servers")
        try:
            pg.rows("ALTER SYSTEM SET default_transaction_read_only = on")
            pg.rows("SELECT pg_reload_conf()")
            wait_until(lambda: pg.value("SHOW default_transaction_read_only") == "on", 20 * SLOW, "it is read-only")
            wait_until(lambda: use(clients[0]) is not None, 20 * SLOW, "one is used")
            wait_until(lambda: not servers(), 20 * SLOW, "all are gone")
        finally:
            with pg.connect() as c:
                c.execute("SET default_transaction_read_only = off")
                c.execute("ALTER SYSTEM RESET default_transaction_read_only")
                c.execute("SELECT pg_reload_conf()")
            wait_until(lambda: pg.value("SHOW default_transaction_read_only") == "off", 20 * SLOW, "it takes writes again")
        for c in clients:
            assert c.execute("SHOW transaction_read_only").fetchone() == ("off",)


def test_a_clients_own_setting_is_not_the_servers(pg, pgusher):
    line = f"host={pg.host},localhost port={pg.port} dbname=shop target_session_attrs=read-write"
    p = pgusher(databases={"rw": line}, **NORMAL)
    with p.connect("rw") as c, p.connect("rw") as other:
        backend = other.execute("SELECT pg_backend_pid()").fetchone()
        assert c.execute("SELECT pg_backend_pid()").fetchone() == backend, "they share one"
        c.execute("SET default_transaction_read_only = on")
        for _ in range(3):
            assert other.execute("SHOW transaction_read_only").fetchone() == ("off",)
            assert other.execute("SELECT pg_backend_pid()").fetchone() == backend, "it is not closed for that"
    assert {h["status"] for h in p.console("SHOW HOSTS")} <= {"up", "unknown"}


@pytest.mark.parametrize("how", ["carried along", "connect_query"])
def test_a_setting_that_is_not_the_servers(pg, pgusher, how):
    """What it reports is what a session, or the line, has set."""
    line = f"host={pg.host},localhost port={pg.port} dbname=shop target_session_attrs=read-write"
    if how == "connect_query":
        p = pgusher(databases={"rw": f"{line} connect_query='SET default_transaction_read_only = on'"}, **NORMAL)
    else:
        p = pgusher(databases={"rw": line}, track_extra_parameters="default_transaction_read_only", **NORMAL)
    with p.connect("rw") as c, p.connect("rw") as other:
        backend = other.execute("SELECT pg_backend_pid()").fetchone()
        if how != "connect_query":
            c.execute("SET default_transaction_read_only = on")
        for _ in range(3):
            assert c.execute("SHOW transaction_read_only").fetchone() == ("on",)
            for one in (c, other):
                assert one.execute("SELECT pg_backend_pid()").fetchone() == backend


def test_a_host_that_says_nothing(pg, pgusher):
    """It accepts, and that is all: the next of the list is tried long before server_connect_timeout."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.9", pg.port))
        silent.listen(20)
        p = pgusher(databases={"two": f"host=127.0.0.9,127.0.0.1 port={pg.port} dbname=t1"}, server_connect_timeout=1000, **NORMAL)
        assert p.value(WHERE, "two") == "127.0.0.1"
        log = p.log()
        assert "another host of the list is tried" in log
        assert [h for h in p.console("SHOW HOSTS") if h["host"] == "127.0.0.9" and h["failures"] > 0] == [], "it may be slow only"
