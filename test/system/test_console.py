"""The admin console: exact columns and types, numbers that are right at once, commands, and who may give them."""

import re
import threading
import time

import psycopg
import pytest

import wire
from helpers import SLOW, wait_until
from pooler import PEER

INT4, INT8, NUMERIC, BYTEA, TEXT = 23, 20, 1700, 17, 25

SOCKET = ("type user database replication state addr port:i local_addr local_port:i connect_time request_time wait:i"
          " wait_us:i close_needed:i ptr link remote_pid:i tls application_name prepared_statements:i id:i")
COUNTERS = ("server_assignment_count xact_count query_count received sent xact_time query_time wait_time"
            " client_parse_count server_parse_count bind_count client_login_count")

COLUMNS = {
    "CLIENTS": SOCKET,
    "SERVERS": SOCKET,
    "SOCKETS": SOCKET + " recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i",
    "ACTIVE_SOCKETS": SOCKET + " recv_pos:i pkt_pos:i pkt_remain:i send_pos:i send_remain:i pkt_avail:i send_avail:i",
    "POOLS": "database user cl_active:i cl_waiting:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active:i"
             " sv_active_cancel:i sv_being_canceled:i sv_idle:i sv_used:i sv_tested:i sv_login:i maxwait:i maxwait_us:i"
             " pool_mode load_balance_hosts",
    "DATABASES": "name host port:i database force_user pool_size:i min_pool_size:i reserve_pool_size:i"
                 " server_lifetime:i pool_mode load_balance_hosts max_connections:i current_connections:i"
                 " max_client_connections:i current_client_connections:i paused:i disabled:i",
    "USERS": "name pool_size reserve_pool_size pool_mode max_user_connections:i current_connections:i"
             " max_user_client_connections:i current_client_connections:i",
    "PEERS": "peer_id:i host port:i pool_size:i",
    "PEER_POOLS": "peer_id:i cl_active_cancel_req:i cl_waiting_cancel_req:i sv_active_cancel:i sv_login:i",
    "STATS": "database " + " ".join(f"total_{c}:N" for c in COUNTERS.split()) + " "
             + " ".join(f"avg_{c}:N" for c in COUNTERS.replace("received", "recv").split()),
    "STATS_TOTALS": "database " + " ".join(
        f"{c}:N" for c in COUNTERS.replace("received", "bytes_received").replace(" sent", " bytes_sent").split()),
    "STATS_AVERAGES": "database " + " ".join(
        f"{c}:N" for c in ("server_assignment_count xact_count query_count bytes_received bytes_sent xact_time"
                           " query_time wait_time avg_client_parse_count avg_server_parse_count avg_bind_count"
                           " avg_client_login_count").split()),
    "TOTALS": "name value:N",
    "LISTS": "list items:i",
    "CONFIG": "key value default changeable",
    "MEM": "name size:i used:i free:i memtotal:i",
    "STATE": "key value",
    "VERSION": "version",
    "DNS_HOSTS": "hostname ttl:q addrs",
    "DNS_ZONES": "zonename serial:q count:i",
    "QUERIES": "digest kind calls:q errors:q slow:q rows:q total_ms:N mean_ms:N p50_ms:N p95_ms:N p99_ms:N max_ms:N"
               " wait_ms:N cache_hits:q tenants:q tables text",
    "TENANTS": "tenant clients:q servers:q calls:q errors:q slow:q slow_percent:N rows:q total_ms:N mean_ms:N p50_ms:N"
               " p95_ms:N p99_ms:N max_ms:N wait_ms:N bytes_in:q bytes_out:q state host port:i source weight:i waiting:q",
    "TENANT shop": "tenant state source host port:i database force_user pool_mode pool_size:i min_pool_size:i"
                   " reserve_pool_size:i max_connections:i max_client_connections:i weight:i tenant_workers:i workers:i"
                   " clients:q clients_by_worker servers:q pools:q waiting:q max_wait_ms:N limits allow deny threat_mode threats:q logins:q"
                   " transactions:q queries:q received:q sent:q statements:q statement_bytes:q",
    "HOSTS": "host port:i max_connections:i used:i side:i admin_reserve:i tenants:i waiting:i longest_wait_ms:N granted:q"
             " evictions:q yielded:q refused:q failures:q status down_since last_error pace pace_limit:i pace_active:i"
             " pace_waiting:i pace_gradient:N queries_per_second:N pace_reason",
    "LIMITS": "scope name kind limit:q burst:q used:q passed:q delayed:q refused:q shadowed:q delayed_ms:N mode source",
    "BANS": "network tenant since until seconds_left:q times:i refused:q by reason",
    "THREATS": "at tenant user client application_name mode rules action digest text",
    "CATALOGUE": "configured connected known:q absent:q asked:q hits:q notified:q answered_at last_error memory:q",
    "SLOW_QUERIES": "at tenant user database client application_name digest kind total_ms:N wait_ms:N first_byte_ms:N"
                    " blocked_ms:N rows:q bytes_in:q bytes_out:q sqlstate traceparent application route plan plan_note"
                    " text",
    "ALERTS": "id:q at last_at kind tenant digest value:N limit:N times:q delivery message text",
    "LATENCY": "from_ms:N to_ms:N count:q percent:N cumulative_percent:N",
}

# What issue 1 demands; the other ones need not be there yet.
REQUIRED = ("VERSION CONFIG DATABASES POOLS CLIENTS SERVERS STATS STATS_TOTALS STATS_AVERAGES TOTALS LISTS USERS MEM"
            " STATE").split()

OLD_PEER = pytest.mark.ours("columns of its time", since=(1, 25))


@pytest.fixture(scope="module")
def shared(module_pgusher):
    p = module_pgusher(pool_mode="transaction", stats_users="stats, stats2", admin_users="admin, admin2")
    for tenant in ("shop", "mill"):
        p.value("SELECT 1", tenant)
    return p


def types_of(cursor):
    names = {INT4: ":i", INT8: ":q", NUMERIC: ":N", BYTEA: ":b", TEXT: ""}
    return [c.name + names.get(c.type_code, f":{c.type_code}") for c in cursor.description]


# ---- SHOW ----

@OLD_PEER
@pytest.mark.parametrize("what", COLUMNS)
def test_columns_and_types(shared, what):
    with shared.admin() as c:
        try:
            cursor = c.execute(f"SHOW {what}")
        except psycopg.Error:
            if what in REQUIRED:
                raise
            pytest.skip("not in this release")
        got = [n for n in types_of(cursor)]
        wanted = COLUMNS[what].split()
        if PEER:
            wanted = [w for w in wanted if "client_login_count" not in w or w in got]
        assert got == wanted


def test_select_is_show(shared):
    with shared.admin() as c:
        assert c.execute("SELECT VERSION").fetchall() == c.execute("SHOW VERSION").fetchall() or PEER


@pytest.mark.parametrize("command", ["show pools", "SHOW POOLS;", "  Show  Pools ; ", "SHOW\tPOOLS\n"])
def test_spelling(shared, command):
    with shared.admin() as c:
        assert c.execute(command).description[0].name == "database"


@OLD_PEER
def test_version_is_that_of_the_command_line(shared):
    from helpers import run
    from pooler import EXE
    first = run([EXE, "--version"]).stdout.split("\n")[0]
    assert shared.console("SHOW VERSION") == [{"version": first}]


def test_help(shared):
    with shared.admin() as c:
        notices = []
        c.add_notice_handler(lambda d: notices.append((d.message_primary, d.message_detail)))
        c.execute("SHOW HELP")
        assert notices[0][0] == "Console usage"
        for word in ("SHOW", "PAUSE", "RESUME", "RELOAD", "KILL", "SHUTDOWN", "RECONNECT", "WAIT_CLOSE", "SET"):
            assert word in notices[0][1]


def test_config(shared):
    rows = {r["key"]: r for r in shared.console("SHOW CONFIG")}
    assert rows["pool_mode"]["value"] == "transaction" and rows["pool_mode"]["default"] == "session"
    assert rows["listen_port"]["value"] == str(shared.port) and rows["listen_port"]["changeable"] == "no"
    assert rows["default_pool_size"]["changeable"] == "yes"
    assert rows["server_lifetime"]["value"] == "3600"


def test_databases(shared):
    rows = {r["name"]: r for r in shared.console("SHOW DATABASES")}
    assert rows["shop"]["database"] == "shop" and rows["shop"]["host"] == "127.0.0.1"
    assert rows["shop"]["port"] == shared.pg.port and rows["shop"]["pool_size"] == 20
    assert rows["shop"]["paused"] == 0 and rows["shop"]["disabled"] == 0
    assert "pgbouncer" in rows or PEER is None


@OLD_PEER
def test_users(shared):
    rows = {r["name"]: r for r in shared.console("SHOW USERS")}
    assert {"app", "admin"} <= set(rows)
    assert rows["app"]["current_client_connections"] == 0


@OLD_PEER
def test_sizes_of_users_are_padded(pgusher):
    p = pgusher(users={"app": "pool_size=7 reserve_pool_size=2", "app2": "pool_mode=session"})
    rows = {r["name"]: r for r in p.console("SHOW USERS")}
    assert rows["app"]["pool_size"] == "%9d" % 7 and rows["app"]["reserve_pool_size"] == "%9d" % 2
    assert rows["app2"]["pool_size"] == "" and rows["app2"]["pool_mode"] == "session"


def test_lists(shared):
    rows = [(r["list"], r["items"]) for r in shared.console("SHOW LISTS")]
    names = [n for n, _ in rows]
    want = ("databases users peers pools peer_pools free_clients used_clients login_clients free_servers used_servers"
            " dns_names dns_zones dns_queries dns_pending").split()
    assert names == [w for w in want if w in names or not PEER or PEER >= (1, 25)]
    lists = dict(rows)
    assert lists["databases"] >= 14 and lists["used_clients"] >= 1


@OLD_PEER
def test_state(shared):
    assert {"key": "active", "value": "yes"} in shared.console("SHOW STATE")


def test_a_client_and_its_server_are_linked(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.connect(application_name="the app") as c, c.transaction():
        pid = c.execute("SELECT pg_backend_pid()").fetchone()[0]
        client, = p.clients("shop")
        server, = p.servers("shop")
        assert client["link"] == server["ptr"] and server["link"] == client["ptr"]
        assert server["remote_pid"] == pid and (client["type"], server["type"]) == ("C", "S")
        assert client["user"] == "app" and client["application_name"] == "the app"
        assert client["addr"] == "127.0.0.1" and client["local_port"] == p.port
        assert server["addr"] == "127.0.0.1" and server["port"] == p.pg.port
        assert client["state"] == "active" and server["state"] == "active"
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", client["connect_time"])
    server, = p.servers("shop")
    assert server["link"] == "" and server["state"] in ("idle", "used")


@OLD_PEER
def test_ids_count_up_by_one(pgusher):
    """One counter for clients and servers of all workers."""
    p = pgusher(pool_mode="session", workers=2)
    with p.admin(row_factory=psycopg.rows.dict_row) as a:
        def ids():
            return {r["id"] for what in ("CLIENTS", "SERVERS") for r in a.execute(f"SHOW {what}").fetchall()}
        first = max(ids())
        kept = []
        for i, tenant in enumerate(("shop", "mill", "forge")):
            c = p.connect(tenant)
            c.execute("SELECT 1")
            kept.append(c)
            assert ids() >= {first + 2 * i + 1, first + 2 * i + 2}
        for c in kept:
            c.close()


# ---- numbers ----

def pool_numbers(row):
    return {k: row[k] for k in ("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_login")}


def test_pool_numbers_are_exact_at_once(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=2, workers=2)
    with p.admin(row_factory=psycopg.rows.dict_row) as a:
        def shop():
            row = next(r for r in a.execute("SHOW POOLS").fetchall() if r["database"] == "shop")
            return [row[k] for k in ("cl_active", "cl_waiting", "sv_active", "sv_login")] + [
                row["sv_idle"] + row["sv_used"]]
        for _ in range(10):
            c = p.wire("shop")
            assert c.query("SELECT 1") == [["1"]]
            idle = shop()
            assert idle[:4] == [1, 0, 0, 0] and idle[4] >= 1
            c.query("BEGIN")
            busy = shop()
            assert busy[:4] == [1, 0, 1, 0]
            c.query("COMMIT")
            assert shop()[:4] == [1, 0, 0, 0]
            c.send(wire.TERMINATE)
            c.close()
            assert PEER or shop()[:4] == [0, 0, 0, 0]
            wait_until(lambda: shop()[:4] == [0, 0, 0, 0])


def stats(p, database="shop", what="STATS"):
    return next(r for r in p.console(f"SHOW {what}") if r["database"] == database)


def test_stats_are_exact_at_once(pgusher):
    p = pgusher(pool_mode="transaction", workers=2)
    with p.wire("shop") as c:
        for i in range(1, 8):
            c.query("SELECT 1")
            row = stats(p)
            assert (row["total_xact_count"], row["total_query_count"]) == (i, i)
        c.query("BEGIN")
        c.query("SELECT 1")
        row = stats(p)
        assert row["total_query_count"] == 9 or PEER
        c.query("COMMIT")
        row = stats(p)
        assert (row["total_xact_count"], row["total_query_count"]) == (8, 10)


@OLD_PEER
def test_every_counter(pgusher):
    """Bytes, times, assignments: against what the test itself sent and saw."""
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        before = stats(p)
        sent = received = 0
        for _ in range(5):
            message = wire.query("SELECT repeat('x', 1000)")
            sent += len(message)
            received += sum(len(m.raw) for m in c.ask(message))
        c.query("SELECT pg_sleep(0.2)")
        after = stats(p)
        grown = {k: after[k] - before[k] for k in after if k.startswith("total_")}
        assert grown["total_server_assignment_count"] == 6 and grown["total_query_count"] == 6
        assert 0 <= grown["total_received"] - sent < 100
        assert 0 <= grown["total_sent"] - received < 200
        assert 190_000 < grown["total_query_time"] < 20_000_000 * SLOW
        assert grown["total_xact_time"] >= grown["total_query_time"] - 1000
        totals = stats(p, what="STATS_TOTALS")
        assert totals["query_count"] == after["total_query_count"]
        everything = {r["name"]: r["value"] for r in p.console("SHOW TOTALS")}
        assert len(everything) in (22, 24)
        assert everything["total_query_count"] >= after["total_query_count"]


@OLD_PEER
def test_order_of_totals(shared):
    names = [r["name"] for r in shared.console("SHOW TOTALS")]
    base = ("server_assignment_count xact_count query_count client_bytes server_bytes xact_time query_time wait_time"
            " ps_client_parse_count ps_server_parse_count ps_bind_count client_login_count").split()
    if PEER:
        base = [b for b in base if f"total_{b}" in names]
    assert names == [f"total_{b}" for b in base] + [f"avg_{b}" for b in base]


@OLD_PEER
def test_stats_of_a_query_outside_of_transactions_in_extended_form(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        for _ in range(3):
            c.ask(wire.parse("", "SELECT 1"), wire.bind(), wire.execute(), wire.SYNC)
        row = stats(p)
        assert (row["total_xact_count"], row["total_query_count"]) == (3, 3)


@OLD_PEER
def test_averages(pgusher):
    p = pgusher(pool_mode="transaction", stats_period=1)
    with p.wire("shop") as c:
        def average():
            c.query("SELECT 1")
            return stats(p)["avg_query_count"] > 0 and stats(p)["avg_query_time"] > 0
        wait_until(average, 6)


# ---- PAUSE, RESUME ----

def in_background(p, command):
    failures = []

    def go():
        try:
            p.console(command)
        except psycopg.Error as e:
            failures.append(e)
    t = threading.Thread(target=go, daemon=True)
    t.failures = failures
    t.start()
    return t


def test_pause_waits_for_the_transaction_and_holds_the_next(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c, p.wire("shop") as other:
        c.query("BEGIN")
        pausing = in_background(p, "PAUSE shop")
        wait_until(lambda: p.console("SHOW DATABASES") and next(
            r for r in p.console("SHOW DATABASES") if r["name"] == "shop")["paused"] == 1)
        other.send(wire.query("SELECT 'held'"))
        assert c.query("SELECT 1") == [["1"]]
        pausing.join(0.2)
        assert pausing.is_alive()
        c.query("COMMIT")
        pausing.join(20 * SLOW)
        assert not pausing.is_alive() and not pausing.failures
        other.quiet(0.1)
        assert p.value("SELECT 'mill'", "mill") == "mill"
        p.console("RESUME shop")
        assert other.until_ready()[1].row == ["held"]


def test_pause_all_and_resume_all(pgusher):
    p = pgusher(pool_mode="transaction", workers=2)
    clients = {t: p.wire(t) for t in ("shop", "mill", "forge")}
    for c in clients.values():
        c.query("SELECT 1")
    p.console("PAUSE")
    for c in clients.values():
        c.send(wire.query("SELECT 'on'"))
    for c in clients.values():
        c.quiet(0.1)
    p.console("RESUME")
    for c in clients.values():
        assert c.until_ready()[1].row == ["on"]
        c.close()


def test_paused_twice_and_resumed_twice(pgusher):
    p = pgusher(pool_mode="transaction")
    p.console("PAUSE")
    with pytest.raises(psycopg.Error):
        p.console("PAUSE")
    p.console("RESUME")
    with pytest.raises(psycopg.Error):
        p.console("RESUME")
    with pytest.raises(psycopg.Error):
        p.console("PAUSE nosuch")
    assert p.value("SELECT 1") == 1


def test_pause_closes_the_servers(pgusher):
    """After PAUSE, PostgreSQL may be restarted."""
    p = pgusher(pool_mode="transaction")
    p.value("SELECT 1", "t4")
    p.console("PAUSE t4")
    wait_until(lambda: not p.pg.backends("t4"), 2)
    p.console("RESUME t4")
    assert p.value("SELECT 1", "t4") == 1


# ---- KILL, RECONNECT, WAIT_CLOSE, DISABLE ----

def test_kill(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("t5") as idle, p.wire("t5") as busy, p.wire("mill") as other:
        idle.query("SELECT 1")
        busy.query("BEGIN")
        p.console("KILL t5")
        for c in (idle, busy):
            got = c.until_closed(5)
            assert PEER or got[-1].code == "57P01"
        wait_until(lambda: not p.pg.backends("t5"), 2)
        assert other.query("SELECT 1") == [["1"]]
        p.console("RESUME t5")
    assert p.value("SELECT 1", "t5") == 1


@pytest.mark.ours("no KILL_CLIENT", since=(1, 24))
def test_kill_client(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop", application_name="victim") as victim, p.wire("shop", application_name="other") as other:
        victim.query("SELECT 1")
        row = next(r for r in p.clients("shop") if r["application_name"] == "victim")
        try:
            p.console(f"KILL_CLIENT {row['id']}")
        except psycopg.Error:
            pytest.skip("not in this release")
        victim.until_closed(5)
        assert other.query("SELECT 1") == [["1"]]


def test_reconnect_and_wait_close(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=3)
    with p.wire("t6") as c, p.wire("t6") as idle:
        c.query("BEGIN")
        idle.query("SELECT 1")
        old = {b[0] for b in p.pg.backends("t6")}
        assert len(old) == 2
        p.console("RECONNECT t6")
        waiting = in_background(p, "WAIT_CLOSE t6")
        assert int(idle.query("SELECT pg_backend_pid()")[0][0]) not in old
        waiting.join(0.2)
        assert waiting.is_alive()
        assert int(c.query("SELECT pg_backend_pid()")[0][0]) in old
        c.query("COMMIT")
        waiting.join(20 * SLOW)
        assert not waiting.is_alive() and not waiting.failures
        assert not old & {b[0] for b in p.pg.backends("t6")}
        assert int(c.query("SELECT pg_backend_pid()")[0][0]) not in old


def test_disable_and_enable(pgusher):
    p = pgusher(pool_mode="transaction")
    try:
        p.console("DISABLE shop")
    except psycopg.Error:
        pytest.skip("not in this release")
    got = p.refused("shop")
    assert PEER or got["C"] in ("57P03", "55000")
    assert p.value("SELECT 1", "mill") == 1
    p.console("ENABLE shop")
    assert p.value("SELECT 1") == 1


# ---- SET, errors, roles ----

def test_set(pgusher):
    p = pgusher()
    p.console("SET default_pool_size = 1")
    p.console("SET pool_mode = 'transaction'")
    p.console("set server_lifetime=7")
    assert (p.show_config("default_pool_size"), p.show_config("pool_mode")) == ("1", "transaction")
    assert p.show_config("server_lifetime") == "7"
    with p.wire("shop") as a, p.wire("shop") as b:
        a.query("BEGIN")
        b.send(wire.query("SELECT 1"))
        wait_until(lambda: p.pool("shop")["cl_waiting"] == 1)
        a.query("COMMIT")
        assert b.until_ready()[1].row == ["1"]


@pytest.mark.parametrize("command", ["SET nosuch = 1", "SET pool_mode = nonsense",
                                     pytest.param("SET listen_port = 1", marks=pytest.mark.ours("says it was done")),
                                     "SET default_pool_size = many"])
def test_set_refuses(shared, command):
    with shared.admin() as c:
        before = c.execute("SHOW CONFIG").fetchall()
        with pytest.raises(psycopg.Error):
            c.execute(command)
        assert c.execute("SHOW CONFIG").fetchall() == before


@pytest.mark.parametrize("command", ["NONSENSE", "SHOW NONSENSE", "SHOW", "PAUSE shop mill forge", "KILL_CLIENT",
                                     "SET", "SELECT 1", "SHUTDOWN NOW PLEASE", "'", "SHOW POOLS WHERE 1=1"])
def test_bad_commands(shared, command):
    with shared.admin() as c:
        with pytest.raises(psycopg.Error) as e:
            c.execute(command)
        assert PEER or e.value.sqlstate in ("08P01", "42601")
        assert c.execute("SHOW VERSION").fetchone()


def test_extended_protocol_is_refused_or_served(shared):
    """A driver that uses Parse gets an answer or a clear error; the console never hangs."""
    with shared.wire("pgbouncer", "admin") as c:
        c.send(wire.parse("", "SHOW VERSION"), wire.bind(), wire.describe("P"), wire.execute(), wire.SYNC)
        got = []
        try:
            while not got or got[-1].kind != "Z":
                got.append(c.receive(5))
        except wire.Gone:
            pass
        assert any(m.kind in "ED" for m in got)


def test_empty_command(shared):
    with shared.wire("pgbouncer", "admin") as c:
        c.send(wire.query(""))
        assert c.receive().kind in "IEC"


def test_several_commands_in_flight(shared):
    with shared.wire("pgbouncer", "admin") as c:
        c.send(*[wire.query("SHOW VERSION")] * 10)
        for _ in range(10):
            assert wire.kinds(c.until_ready()) == "TDCZ"


def test_database_by_our_own_name(shared):
    if PEER:
        pytest.skip("its console has one name")
    assert shared.console("SHOW VERSION", dbname="pgusher")


def test_stats_user_may_only_show(shared):
    with shared.admin("stats") as c:
        assert c.execute("SHOW STATS").fetchall()
        for command in ("PAUSE", "RELOAD", "KILL shop", "SHUTDOWN", "SET verbose = 1", "RECONNECT", "RESUME",
                        "WAIT_CLOSE"):
            with pytest.raises(psycopg.Error) as e:
                c.execute(command)
            assert PEER or e.value.sqlstate in ("42501", "08P01")
    assert shared.value("SELECT 1") == 1


def test_stats_user_sees_no_secrets(shared):
    with shared.admin("stats") as c:
        for what in ("CONFIG", "DATABASES", "USERS", "CLIENTS", "SERVERS", "QUERIES", "SLOW_QUERIES", "ALERTS"):
            try:
                rows = c.execute(f"SHOW {what}").fetchall()
            except psycopg.Error:
                continue
            assert "-secret" not in str(rows)       # all passwords of the tests end so


def test_exporter_as_stats_user(shared):
    """What Prometheus' exporters ask for."""
    with shared.admin("stats") as c:
        for what in ("LISTS", "STATS", "POOLS", "DATABASES"):
            assert c.execute(f"SHOW {what}").fetchall()


# ---- SHUTDOWN ----

def test_shutdown(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c, p.wire("shop") as busy:
        c.query("SELECT 1")
        busy.query("BEGIN")
        try:
            p.console("SHUTDOWN")
        except psycopg.OperationalError:
            pass  # it is gone before the answer
        for x in (c, busy):
            got = x.until_closed(5)
            assert PEER or (got and got[-1].code == "57P01")
    assert p.wait_exit() == 0


@pytest.mark.ours("no such word", since=(1, 23))
def test_shutdown_wait_for_clients(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("SELECT 1")
        in_background(p, "SHUTDOWN WAIT_FOR_CLIENTS")

        def closed():
            try:
                with p.wire() as x:
                    return x.login("shop", "app").kind != "Z"
            except (OSError, wire.Gone):
                return True
        wait_until(closed)
        assert c.query("SELECT 'still served'") == [["still served"]]
        assert p.alive
    assert p.wait_exit() == 0


@pytest.mark.ours("no such word", since=(1, 23))
def test_shutdown_wait_for_servers(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c, p.wire("shop") as idle:
        idle.query("SELECT 1")
        c.query("BEGIN")
        in_background(p, "SHUTDOWN WAIT_FOR_SERVERS")
        idle_end = time.monotonic() + 0.3
        while time.monotonic() < idle_end:
            assert c.query("SELECT 'in transaction'") == [["in transaction"]]
        assert p.alive
        c.query("COMMIT")
        assert p.wait_exit() == 0


# ---- tenants, hosts and bans ----

@pytest.fixture
def own(pgusher):
    p = pgusher(stats_users="stats")
    p.value("SELECT 1", "shop")
    return p


def refusal(p, command, user="admin"):
    with pytest.raises(psycopg.Error) as e:
        p.console(command, user=user)
    return e.value.diag


@pytest.mark.ours("commands of tenants")
def test_all_that_is_known_of_a_tenant(own):
    row, = own.console("SHOW TENANT shop")
    assert (row["tenant"], row["state"], row["source"], row["workers"]) == ("shop", "idle", "line", 1)
    assert row["queries"] == 1 and row["servers"] == 1 and row["database"] == "shop"
    assert not any("secret" in str(v) for v in row.values())
    unused, = own.console("SHOW TENANT mill")
    assert (unused["state"], unused["workers"], unused["servers"]) == ("idle", 0, 0)
    assert refusal(own, "SHOW TENANT nobody").sqlstate == "3D000"
    said = refusal(own, "SHOW TENANT")
    assert said.sqlstate == "08P01" and "SHOW TENANT <name>" in said.message_primary


@pytest.mark.ours("commands of tenants")
def test_orders_may_say_tenant(own):
    own.console("DISABLE TENANT mill")		# nobody has used it yet
    assert own.console("SHOW TENANT mill")[0]["state"] == "disabled"
    with pytest.raises(psycopg.OperationalError, match="disabled"):
        own.value("SELECT 1", "mill")
    own.console('ENABLE tenant "mill"')
    assert own.value("SELECT 1", "mill") == 1
    own.console("PAUSE TENANT shop")
    assert own.console("SHOW TENANT shop")[0]["state"] == "paused"
    own.console("RESUME TENANT shop")
    assert refusal(own, "PAUSE TENANT nobody").message_primary == "no such database: nobody"
    assert refusal(own, "PAUSE database shop").sqlstate == "08P01"


@pytest.mark.ours("commands of tenants")
@pytest.mark.parametrize("command,usage", [
    ("CREATE", "CREATE TENANT <name> ['<line>']"), ("CREATE TENANT a 'host=b' now", "CREATE TENANT <name> ['<line>']"),
    ("ALTER TENANT a", "ALTER TENANT <name> '<line>'"), ("DROP TENANT a 'host=b'", "DROP TENANT <name>"),
    ("MOVE TENANT a 'host=b'", "MOVE TENANT <name> TO '<line>'"), ("MOVE TENANT a TO", "MOVE TENANT <name> TO '<line>'"),
    ("BAN", "BAN <address>[/<bits>] [AT <tenant>] [FOR <seconds>] ['<reason>']"),
    ("UNBAN 10.0.0.7 FOR 60", "UNBAN <address>[/<bits>] [AT <tenant>]")])
def test_wrong_syntax_is_answered_with_the_grammar(shared, command, usage):
    said = refusal(shared, command)
    assert (said.sqlstate, said.message_hint) == ("08P01", usage)


@pytest.mark.ours("commands of tenants")
@pytest.mark.parametrize("command,shown", [
    ("ALTER TENANT acme host=x password=sesame", "ALTER TENANT ..."), ("CREATE TENANT a 'password=sesame' now", "CREATE TENANT ..."),
    ("MOVE TENANT a 'host=b password=sesame", "MOVE TENANT ..."), ("ALTER 'password=sesame'", "ALTER ..."),
    ("  password='sesame';", "password ..."), ("FROB ; ", "FROB"), ("FROB it", "FROB it")])
def test_what_may_be_a_password_is_not_logged(shared, command, shown):
    said = refusal(shared, command)
    assert said.message_primary == f"invalid command '{shown}', use SHOW HELP;"
    assert "sesame" not in shared.log()


@pytest.mark.ours("commands of tenants")
@pytest.mark.parametrize("command", [
    "CREATE TENANT a", "ALTER TENANT a 'host=b'", "DROP TENANT a", "MOVE TENANT a TO 'host=b'", "BAN 10.0.0.7",
    "UNBAN 10.0.0.7"])
def test_tenants_and_bans_are_for_administrators(shared, command):
    assert refusal(shared, command, "stats").sqlstate == "42501"


@pytest.mark.ours("commands of tenants")
def test_names_that_no_tenant_has(own):
    assert refusal(own, 'CREATE TENANT "a b"').sqlstate == "22023"
    assert "console itself" in refusal(own, "DROP TENANT pgbouncer").message_primary


@pytest.mark.ours("bans")
def test_bans_come_and_go(own):
    own.console("BAN 192.0.2.7")
    own.console("BAN 192.0.2.0/24 AT shop FOR 600 'it''s a scan'")
    own.console("BAN 2001:db8::/32 FOR 60")
    rows = {(r["network"], r["tenant"]): r for r in own.console("SHOW BANS")}
    assert set(rows) == {("192.0.2.7/32", None), ("192.0.2.0/24", "shop"), ("2001:db8::/32", None)}
    row = rows["192.0.2.0/24", "shop"]
    assert (row["by"], row["reason"]) == ("console", "it's a scan") and 590 <= row["seconds_left"] <= 600
    assert rows["192.0.2.7/32", None]["until"] is None
    assert [r["network"] for r in own.console("SHOW BANS shop")] == ["192.0.2.0/24"]
    own.console("UNBAN 192.0.2.0/24 AT shop")
    assert refusal(own, "UNBAN 192.0.2.0/24 AT shop").sqlstate == "42704"
    assert refusal(own, "BAN 192.0.2.0/99").sqlstate == "22023"
    assert "bits set behind" in refusal(own, "BAN 192.0.2.9/24").message_primary
    own.console("BAN unix AT mill")
    own.console("UNBAN unix")
    assert refusal(own, "BAN 192.0.2.9 FOR soon").sqlstate == "22023"
    assert refusal(own, "BAN 192.0.2.9 FOR 0").sqlstate == "22023"


@pytest.mark.ours("bans")
def test_who_is_banned_is_refused(own):
    own.console("BAN 127.0.0.1 AT shop FOR 600")
    with pytest.raises(psycopg.OperationalError):
        own.value("SELECT 1", "shop")
    assert own.value("SELECT 1", "mill") == 1
    own.console("UNBAN 127.0.0.1")
    assert own.value("SELECT 1", "shop") == 1


@pytest.mark.ours("hosts")
def test_hosts(own):
    row = own.console("SHOW HOSTS")[0]
    assert row["used"] >= 1 and row["status"] == "up" and row["pace"] == "off" and row["max_connections"] == 0
