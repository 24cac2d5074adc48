"""Replication connections: PostgreSQL's own programs and a subscriber, through transaction pooling, plain and with TLS."""

import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

import wire
from helpers import SLOW, as_user, end_with_us, make_dir, remove_dir, run, wait_until
from pooler import Pooler
from postgres import SUPERUSER, Postgres
from test_tls_client import tls

pytestmark = pytest.mark.ours("what its tests want of replication connections")

# app has no line for physical replication, and no right to the other.
HBA = """\
local all all trust
host replication repl,pgsu samehost trust
host db_scram all samehost scram-sha-256
host all all samehost trust
"""
CONF = """\
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
wal_sender_timeout = 5s
wal_retrieve_retry_interval = 100ms
"""
SECRET = "repl-secret"
MODES = ["disable", "verify-full"]


@pytest.fixture(scope="module")
def master(certs):
    server = Postgres(["shop", "mill", "db_scram"], HBA, certs.server, conf=CONF)
    with server.connect() as c:
        c.execute(f"CREATE ROLE repl LOGIN REPLICATION PASSWORD '{SECRET}'")
    yield server
    server.close()


@pytest.fixture(scope="module")
def p(master, certs):
    """Clients come as they like; servers are asked for TLS.  Programs for physical replication name no database but
    "replication"."""
    made = Pooler(master, pool_mode="transaction", userlist={"repl": SECRET, SUPERUSER: ""},
                  **tls(certs, "allow"), server_tls_sslmode="require",
                  databases={"small": "{pg} dbname=shop pool_size=1", "replication": "{pg} dbname=shop"})
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def other(master):
    """Start one more: other(auth_type=...)."""
    kept = []

    def begin(**kwargs):
        kept.append(Pooler(master, **kwargs))
        return kept[-1]
    yield begin
    for made in kept:
        made.close()


@pytest.fixture
def folder():
    made = make_dir("pgu-wal-")
    yield made
    remove_dir(made)


def conninfo(p, certs, sslmode="disable", dbname="shop", user="repl", **more):
    values = {"host": "localhost", "hostaddr": "127.0.0.1", "port": p.port, "user": user, "dbname": dbname,
              "sslmode": sslmode, "sslrootcert": certs.ca.cert, "gssencmode": "disable", **more}
    return " ".join(f"{k}='{v}'" for k, v in values.items())


def program(master, name, *args, **kwargs):
    return run([f"{master.bindir}/{name}", *map(str, args)], cwd=master.dir, **as_user(), **kwargs)


def start(master, name, *args, **kwargs):
    return subprocess.Popen([f"{master.bindir}/{name}", *map(str, args)], cwd=master.dir, stdin=subprocess.DEVNULL,
                            stderr=subprocess.STDOUT, preexec_fn=end_with_us(), **as_user(), **kwargs)


def walsenders(master, where="true"):
    return master.rows(f"SELECT application_name, state FROM pg_stat_replication WHERE {where} ORDER BY 1")


def kinds_of(rows):
    return sorted(row["replication"] for row in rows if row["replication"] != "none")


def is_over(p, master):
    """Nothing of a test's replication is left."""
    return not walsenders(master) and not kinds_of(p.console("SHOW SERVERS") + p.console("SHOW CLIENTS"))


@pytest.fixture(autouse=True)
def nothing_left(p, master):
    yield
    wait_until(lambda: is_over(p, master), 10, "no replication connections are left")


def replicate(p, how, dbname="shop", user="repl", **options):
    return p.wire(dbname, user, replication=how, **options)


# ---- commands ----

@pytest.mark.parametrize("how", ["database", "on", "1", "TRUE"])
def test_identify_system(p, master, how):
    with replicate(p, how) as c:
        (system, _, _, dbname), = c.query("IDENTIFY_SYSTEM")
        assert system == str(master.value("SELECT system_identifier FROM pg_control_system()"))
        assert dbname == ("shop" if how == "database" else None)


def test_they_are_shown(p):
    with p.wire("shop", "repl") as plain, replicate(p, "database"), replicate(p, "database"), replicate(p, "yes"):
        plain.query("SELECT 1")
        for command in "SHOW CLIENTS", "SHOW SERVERS":
            rows = [r for r in p.console(command) if r["database"] == "shop" and r["user"] == "repl"]
            assert sorted(r["replication"] for r in rows) == ["logical", "logical", "none", "physical"]
            assert all(r["state"] == "active" for r in rows if r["replication"] != "none")
        lines = [r for r in p.console("SHOW POOLS") if (r["database"], r["user"]) == ("shop", "repl")]
        assert len(lines) == 1, "people call all of a user's servers a pool"
        assert (lines[0]["cl_active"], lines[0]["sv_active"], lines[0]["sv_idle"]) == (4, 3, 1)


def test_startup_parameters_reach_the_server(p):
    options = {"application_name": "sub1", "options": "-c enable_seqscan=off -c work_mem=123kB",
               "extra_float_digits": "2", "DateStyle": "German"}
    with replicate(p, "database", **options) as c:
        for name, value in {"application_name": "sub1", "enable_seqscan": "off", "work_mem": "123kB",
                            "extra_float_digits": "2", "DateStyle": "German, DMY"}.items():
            assert c.query(f"SHOW {name}") == [[value]]
        assert c.parameters["application_name"] == "sub1"
        assert c.parameters["DateStyle"] == "German, DMY"


def test_a_session_of_its_own(p, master):
    """In transaction pooling, too, and nobody else gets what it has set."""
    with replicate(p, "database") as c:
        c.query("SET work_mem = '77kB'")
        pid = c.query("SELECT pg_backend_pid()")
        for _ in range(3):
            with p.wire("shop", "repl") as other:
                assert other.query("SELECT pg_backend_pid()") != pid
        c.query("CREATE TEMP TABLE mine (i int)")
        assert c.query("SELECT count(*) FROM mine") == [["0"]]
        assert c.query("SHOW work_mem") == [["77kB"]]
        assert c.query("SELECT pg_backend_pid()") == pid
    wait_until(lambda: not master.backends(where=f"pid = {pid[0][0]}"))


def test_a_prepared_statement_keeps_its_name(p):
    with replicate(p, "database") as c:
        c.query("PREPARE q AS SELECT 5")
        assert c.query("EXECUTE q") == [["5"]]


def test_cancel(p, master):
    with replicate(p, "database") as c:
        c.send(wire.query("SELECT pg_sleep(60)"))
        wait_until(lambda: master.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'"
                                        " AND wait_event = 'PgSleep'") == 1)
        c.cancel()
        assert [m.code for m in c.until_ready() if m.kind == "E"] == ["57014"]
        assert c.query("SELECT 1") == [["1"]]


def test_errors_are_those_of_postgresql(p):
    with replicate(p, "yes") as c:
        with pytest.raises(wire.ServerError) as e:
            c.query("SELECT 1")
        assert e.value.code == "0A000"
        with pytest.raises(wire.ServerError) as e:
            c.query("START_REPLICATION SLOT nowhere 0/0")
        assert e.value.code == "42704"
        assert c.query("IDENTIFY_SYSTEM")


# ---- who may ----

@pytest.mark.parametrize("how, code, words", [
    ("database", "42501", "must be superuser or replication role"),
    ("yes", "28000", "no pg_hba.conf entry for replication connection"),
    ("maybe", "22023", 'invalid value for parameter "replication"'),
])
def test_who_may_not_hears_it_from_postgresql(p, how, code, words):
    fields = p.refused("shop", "app", replication=how)
    assert fields["C"] == code
    if code != "42501" or "WAL sender" not in fields["M"]:  # PostgreSQL 16 has other words
        assert words in fields["M"]
    assert p.value("SELECT 1") == 1, "others are let in as before"


def test_no_replication_is_no_secret_way(p):
    with p.wire("shop", "app", replication="off") as c:
        with pytest.raises(wire.ServerError) as e:
            c.query("IDENTIFY_SYSTEM")
        assert e.value.code == "42601"


def test_hba(other):
    """`all` does not mean physical replication; `replication` means nothing else."""
    p = other(userlist={"repl": SECRET}, start=False, auth_type="hba")
    rules = p.dir / "rules"
    p.settings["auth_hba_file"] = rules
    rules.write_text("local all all trust\nhost replication repl all trust\nhost mill repl all trust\n")
    p.write()
    p.start()
    with replicate(p, "yes") as c:
        assert c.query("IDENTIFY_SYSTEM")
    assert p.refused("mill", "app", replication="yes")["C"] == "28000"
    assert p.refused("shop", "repl")["C"] == "28000"
    assert p.refused("shop", "repl", replication="database")["C"] == "28000"
    with replicate(p, "database", "mill") as c:
        assert c.query("IDENTIFY_SYSTEM")
    rules.write_text("local all all trust\nhost all all all trust\n")
    p.console("RELOAD")
    fields = p.refused("shop", "repl", replication="yes")
    assert fields["C"] == "28000" and "hba" in fields["M"]
    with replicate(p, "database") as c:
        assert c.query("IDENTIFY_SYSTEM")


def test_scram_keys_and_auth_query(other):
    """Nobody has told us the password: what the client proves with logs it in on its server."""
    p = other(auth_type="scram-sha-256", userlist={"repl": None, SUPERUSER: "trusted"},
              databases={"db_scram": "{pg} auth_dbname=shop"}, auth_user=SUPERUSER)
    with p.wire() as c:
        assert c.login("db_scram", "repl", SECRET, replication="database").kind == "Z"
        assert c.query("SELECT current_user") == [["repl"]]
    with p.wire() as c:
        assert c.login("db_scram", "repl", "wrong", replication="database").code == "28P01"


# ---- limits ----

def test_it_counts_in_its_pool(p, master):
    with p.wire("small", "repl") as other:
        first = other.query("SELECT pg_backend_pid()")
        with p.logs("closing because: evicted"):
            c = replicate(p, "database", "small")
        with c:
            assert c.query("SELECT pg_backend_pid()") != first
            other.send(wire.query("SELECT 'at last'"))
            wait_until(lambda: p.pool("small", "repl")["cl_waiting"] == 1)
            other.quiet()
            c.send(wire.TERMINATE)
            rows = [m.row for m in other.until_ready() if m.kind == "D"]
            assert rows == [["at last"]]


def test_one_that_waits_for_room(p):
    with replicate(p, "database", "small") as first, p.wire() as second:
        second.start("small", "repl", replication="database")
        wait_until(lambda: p.pool("small", "repl")["cl_waiting"] == 1)
        assert first.query("SELECT 1") == [["1"]]
        first.send(wire.TERMINATE)
        assert second.authenticate("repl", "").kind == "Z"
        assert second.query("SELECT 2") == [["2"]]


# ---- programs ----

@pytest.mark.parametrize("sslmode", MODES)
def test_pg_basebackup(p, master, certs, folder, sslmode):
    program(master, "pg_basebackup", "-d", conninfo(p, certs, sslmode), "-D", folder / "copy", "-X", "stream",
            "--checkpoint=fast", "--no-sync")
    program(master, "pg_verifybackup", folder / "copy")


@pytest.mark.parametrize("sslmode", MODES)
def test_pg_receivewal(p, master, certs, folder, sslmode):
    """Stopped in the middle of the stream, it ends as it does without us."""
    slot = "wal_" + sslmode.replace("-", "_")
    address = conninfo(p, certs, sslmode)
    program(master, "pg_receivewal", "-d", address, "-S", slot, "--create-slot")
    process = start(master, "pg_receivewal", "-d", address, "-S", slot, "-D", folder, "--no-sync",
                    stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: walsenders(master, "state = 'streaming'"), 10)
        first = master.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())")
        with master.connect("shop") as c:
            c.execute("CREATE TABLE IF NOT EXISTS wal (t text)")
            c.execute("INSERT INTO wal SELECT repeat(md5(i::text), 10) FROM generate_series(1, 20000) i")
            c.execute("SELECT pg_switch_wal()")
        wait_until((folder / first).exists, 10, "the file is complete")
        assert (folder / first).read_bytes() == (master.data / "pg_wal" / first).read_bytes()
        process.send_signal(signal.SIGINT)
        assert process.wait(30 * SLOW) == 0, process.stdout.read()
    finally:
        process.kill()
        process.communicate()
    wait_until(lambda: not walsenders(master))
    master.rows(f"SELECT pg_drop_replication_slot('{slot}')")


@pytest.mark.parametrize("sslmode", MODES)
def test_pg_recvlogical(p, master, certs, sslmode):
    slot = "log_" + sslmode.replace("-", "_")
    address = conninfo(p, certs, sslmode)
    program(master, "pg_recvlogical", "-d", address, "-S", slot, "-P", "test_decoding", "--create-slot")
    with master.connect("shop") as c:
        c.execute("CREATE TABLE IF NOT EXISTS log (i int, t text)")
        c.execute("INSERT INTO log SELECT i, repeat('x', 200) FROM generate_series(1, 20000) i")
    end = master.value("SELECT pg_current_wal_insert_lsn()")
    done = program(master, "pg_recvlogical", "-d", address, "-S", slot, "--start", "-f", "-", "--endpos", end,
                   "--no-loop", "-o", "include-xids=0")
    lines = [line for line in done.stdout.split("\n") if "public.log: INSERT" in line]
    assert [int(line.split("i[integer]:")[1].split(" ")[0]) for line in lines] == list(range(1, 20001))
    assert done.stdout.rstrip().endswith("COMMIT")
    program(master, "pg_recvlogical", "-d", address, "-S", slot, "--drop-slot")


# ---- a subscriber ----

@pytest.fixture(params=MODES)
def subscriber(p, master, certs, request):
    """mill follows shop's table."""
    with master.connect("shop") as shop, master.connect("mill") as mill:
        for c in shop, mill:
            c.execute("CREATE TABLE followed (i int PRIMARY KEY)")
        shop.execute("GRANT SELECT ON followed TO repl")
        shop.execute("INSERT INTO followed SELECT generate_series(1, 1000)")
        shop.execute("CREATE PUBLICATION pub FOR TABLE followed")
        shop.execute("SELECT pg_create_logical_replication_slot('sub', 'pgoutput')")
        address = conninfo(p, certs, request.param, password=SECRET)
        mill.execute("CREATE SUBSCRIPTION sub CONNECTION $conninfo$" + address + "$conninfo$ PUBLICATION pub"
                     " WITH (create_slot = false)")
    yield lambda: master.value("SELECT count(*) FROM followed", "mill")
    with master.connect("mill") as mill:
        mill.execute("ALTER SUBSCRIPTION sub DISABLE")
        mill.execute("ALTER SUBSCRIPTION sub SET (slot_name = NONE)")
        mill.execute("DROP SUBSCRIPTION sub")
        mill.execute("DROP TABLE followed")
    with master.connect("shop") as shop:
        shop.execute("DROP PUBLICATION pub")
        shop.execute("DROP TABLE followed")
        wait_until(lambda: not walsenders(master))
        shop.execute("SELECT pg_drop_replication_slot('sub')")


def test_logical_subscriber(p, master, subscriber):
    wait_until(lambda: subscriber() == 1000, 20, "the first copy is done")
    with master.connect("shop") as shop:
        shop.execute("INSERT INTO followed SELECT generate_series(1001, 3000)")
    wait_until(lambda: subscriber() == 3000, 10, "what is new comes")
    wait_until(lambda: kinds_of(p.clients("shop")) == kinds_of(p.servers("shop")) == ["logical"], 10,
               "the first copy's connection has gone")
    # RECONNECT ends it; it comes again by itself, and misses nothing.
    old = {row["remote_pid"] for row in p.servers("shop")}
    with p.logs("closing because: database configuration changed"):
        p.console("RECONNECT shop")
    with master.connect("shop") as shop:
        shop.execute("INSERT INTO followed SELECT generate_series(3001, 4000)")
    wait_until(lambda: subscriber() == 4000, 20, "it has come back")
    assert not old & {row["remote_pid"] for row in p.servers("shop") if row["replication"] == "logical"}
    master.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
    with master.connect("shop") as shop:
        shop.execute("INSERT INTO followed SELECT generate_series(4001, 5000)")
    wait_until(lambda: subscriber() == 5000, 20, "it has come back again")


def test_pause_waits_for_it_and_reconnect_ends_it(p):
    with replicate(p, "database") as c, ThreadPoolExecutor(1) as pool:
        pause = pool.submit(p.console, "PAUSE shop")
        try:
            wait_until(lambda: any(r["name"] == "shop" and r["paused"] for r in p.console("SHOW DATABASES")))
            assert c.query("SELECT 1") == [["1"]]
            assert not pause.done()
            p.console("RECONNECT shop")
            assert c.expect("E").code == "57P01"
            pause.result(30 * SLOW)
        finally:
            p.console("RESUME shop")
    assert p.value("SELECT 2") == 2
