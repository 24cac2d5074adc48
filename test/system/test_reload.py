"""RELOAD and SIGHUP: what changes, what stays, and that a broken file does nothing."""

import re
import resource
import signal
import subprocess
import threading
import time

import psycopg
import pytest

import wire
from helpers import MEMORY_COUNTS, SLOW, status_kb, wait_until
from pooler import EXE, PEER


def reload_fails(p):
    """RELOAD is refused: the error, and what the log says since."""
    since = len(p.log())
    with pytest.raises(psycopg.Error) as e:
        p.console("RELOAD")
    assert e.value.sqlstate == "F0000" or PEER and PEER < (1, 24)
    return e.value, p.log()[since:]


@pytest.mark.ours("applies what stands before the error")
@pytest.mark.parametrize("line,word", [
    ("nosuch_key = 1", "nosuch_key"), ("pool_mode = sometimes", "pool_mode"), ("default_pool_size = many", "default_pool_size"),
    ("server_lifetime = -x", "server_lifetime"), ("this is no setting", None), ("[unknown section", None)])
def test_broken_file_changes_nothing(pgusher, line, word):
    """And it says which file, which line, and what is wrong."""
    p = pgusher(pool_mode="transaction", default_pool_size=7)
    with p.wire("shop") as c:
        c.query("SELECT 1")
        p.settings["default_pool_size"] = 9
        p.write()
        text = p.ini_path.read_text().replace("[pgbouncer]\n", f"[pgbouncer]\n{line}\n")
        p.ini_path.write_text(text)
        number = text.split("\n").index(line) + 1
        error, logged = reload_fails(p)
        if PEER is None:
            assert f"pgusher.ini:{number}" in logged + str(error)
            assert word is None or word in logged + str(error)
        assert p.show_config("default_pool_size") == "7"
        assert c.query("SELECT 2") == [["2"]]
        p.write()
        p.console("RELOAD")
        assert p.show_config("default_pool_size") == "9"


@pytest.mark.ours("applies what stands before the error")
def test_broken_database_line_changes_nothing(pgusher):
    p = pgusher(pool_mode="transaction")
    for bad in ("host=127.0.0.1 port=notaport", "host=127.0.0.1 nosuch=1", "host='open"):
        p.databases["shop"] = bad
        p.databases["new"] = "{pg} dbname=shop"
        p.write()
        reload_fails(p)
        assert p.value("SELECT tenant FROM who") == "shop"
        assert p.refused("new")
    p.databases["shop"] = "{pg}"
    p.write()
    p.console("RELOAD")
    assert p.value("SELECT tenant FROM who", "new") == "shop"


@pytest.mark.ours("goes on without it")
def test_missing_file_changes_nothing(pgusher):
    p = pgusher(pool_mode="transaction")
    p.ini_path.rename(p.dir / "away")
    reload_fails(p)
    assert p.value("SELECT 1") == 1
    (p.dir / "away").rename(p.ini_path)
    p.console("RELOAD")


def test_missing_userlist_keeps_the_users(pgusher):
    p = pgusher(auth_type="md5")
    p.userlist_path.unlink()
    with p.logs("userlist.txt.*No such file"):
        try:
            p.console("RELOAD")
        except psycopg.Error as e:
            assert e.sqlstate == "F0000"
    assert p.value("SELECT 1") == 1


@pytest.mark.ours("ignores it")
def test_broken_userlist_changes_nothing(pgusher):
    p = pgusher(auth_type="md5")
    for bad in ('"app" "app-secret\n', 'app app-secret\n'):
        p.userlist_path.write_text(bad)
        _, logged = reload_fails(p)
        assert "userlist.txt:1" in logged
        assert p.value("SELECT 1") == 1


def test_sighup_reloads(pgusher):
    p = pgusher(default_pool_size=7)
    p.settings["default_pool_size"] = 8
    p.write()
    p.signal(signal.SIGHUP)
    wait_until(lambda: p.show_config("default_pool_size") == "8")


@pytest.mark.ours("sets keys back to their defaults")
def test_sighup_with_a_broken_file(pgusher):
    p = pgusher(default_pool_size=7)
    p.ini_path.write_text("[pgbouncer]\nnosuch = 1\n")
    with p.logs("nosuch"):
        p.signal(signal.SIGHUP)
    assert p.show_config("default_pool_size") == "7"
    assert p.value("SELECT 1") == 1


def test_database_comes_and_goes(pgusher):
    p = pgusher(pool_mode="transaction")
    assert p.refused("fresh")
    p.change({"fresh": "{pg} dbname=mill"})
    with p.wire("fresh") as c:
        assert c.query("SELECT tenant FROM who") == [["mill"]]
        p.change({"fresh": None})
        got = c.until_closed(5)
        assert got[-1].kind == "E"
    assert p.refused("fresh")
    wait_until(lambda: not [r for r in p.servers("fresh")])
    assert not [r for r in p.console("SHOW DATABASES") if r["name"] == "fresh"]


def test_database_moves_to_another_server(pgusher, fake_server):
    old = fake_server(answer=lambda c, sql: c.send(wire.result("old")) or True)
    new = fake_server(answer=lambda c, sql: c.send(wire.result("new")) or True)
    p = pgusher(databases={"moving": old.address}, pool_mode="transaction", server_reset_query="")
    with p.wire("moving") as c, p.wire("moving") as busy:
        assert c.query("SELECT 1") == [["old"]]
        busy.query("BEGIN")
        p.change({"moving": new.address})
        assert c.query("SELECT 1") == [["new"]]
        # a transaction ends where it began
        assert busy.query("SELECT 1") == [["old"]]
        busy.query("COMMIT")
        assert busy.query("SELECT 1") == [["new"]]
    p.wait_log("(?m)S-0x.*: moving.*closing because: (database configuration changed|obsolete connection|close_needed)")
    wait_until(lambda: len(p.servers("moving")) >= 1 and all(
        r["port"] == new.port for r in p.servers("moving")))


def test_pool_sizes_change(pgusher):
    p = pgusher(pool_mode="transaction", default_pool_size=1)
    with p.wire("shop") as a, p.wire("shop") as b:
        a.query("BEGIN")
        b.send(wire.query("SELECT 1"))
        b.quiet(0.1)
        p.change(default_pool_size=2)
        assert b.until_ready()[1].row == ["1"]
        a.query("COMMIT")


def test_missing_keys_are_set_back(pgusher):
    p = pgusher(server_lifetime=77, default_pool_size=5)
    assert p.show_config("server_lifetime") == "77"
    p.change(server_lifetime=None, default_pool_size=None)
    assert p.show_config("server_lifetime") == "3600"
    assert p.show_config("default_pool_size") == "20"


@pytest.mark.ours("says nothing")
def test_keys_that_need_a_restart_stay(pgusher):
    p = pgusher()
    port = p.port
    with p.logs("listen_port"):
        p.change(listen_port=port + 1)
    p.settings["listen_port"] = port
    assert p.value("SELECT 1") == 1
    assert p.show_config("listen_port") == str(port)


def test_userlist_changes(pgusher):
    p = pgusher(auth_type="plain", databases={"shop": "{pg} user=app"})
    with p.wire() as old:
        assert old.login("shop", "other", "other-secret").kind == "Z"
        p.userlist["other"] = "changed"
        p.userlist["late"] = "late-secret"
        p.write()
        p.console("RELOAD")
        assert p.refused("shop", "other", password="other-secret")
        for user, word in (("other", "changed"), ("late", "late-secret")):
            with p.wire() as c:
                assert c.login("shop", user, word).kind == "Z"
        assert old.query("SELECT 1") == [["1"]]


def test_userlist_is_read_again_by_itself_or_at_reload(pgusher):
    """A user who was taken out can't log in after RELOAD."""
    p = pgusher(auth_type="plain", databases={"shop": "{pg} user=app"})
    del p.userlist["other"]
    p.write()
    p.console("RELOAD")
    assert p.refused("shop", "other", password="other-secret")


# ---- the file's form ----

def test_form_of_the_file(pgusher):
    """What PgBouncer's own parser takes: comments, indents, empty values, quotes, reopened sections, %include."""
    p = pgusher(start=False)
    (p.dir / "more.ini").write_text(f"[databases]\nincluded = host=127.0.0.1 port={p.pg.port} dbname=forge\n")
    p.ini_path.write_text(f"""\
;; a comment
# another one
[databases]
  shop = host=127.0.0.1 port={p.pg.port}
quoted = host='127.0.0.1' port={p.pg.port} dbname='shop' application_name='it''s me'
with-dash = host=127.0.0.1 port={p.pg.port} dbname=mill

   [pgbouncer]
   listen_addr=127.0.0.1
listen_port   =   {p.port}
unix_socket_dir = {p.dir}
auth_type = trust
auth_file = {p.userlist_path}
admin_users = admin , second
pidfile =
logfile = {p.log_path}
pool_mode = transaction
[databases]
late = host=127.0.0.1 port={p.pg.port} dbname=mill
%include {p.dir}/more.ini
""")
    p.start()
    assert p.value("SELECT tenant FROM who") == "shop"
    assert p.value("SHOW application_name", "quoted", application_name=None) in ("it's me", "")
    assert p.value("SELECT tenant FROM who", "with-dash") == "mill"
    assert p.value("SELECT tenant FROM who", "late") == "mill"
    assert p.value("SELECT tenant FROM who", "included") == "forge"
    assert p.show_config("pool_mode") == "transaction"


@pytest.mark.ours("no such option")
def test_check_config(pgusher):
    p = pgusher(start=False)
    good = p.spawn(["--check-config"])
    assert good.wait(30 * SLOW) == 0
    p.ini_path.write_text(p.ini_path.read_text() + "\n[pgbouncer]\nnosuch = 1\n")
    number = p.ini_path.read_text().split("\n").index("nosuch = 1") + 1
    bad = p.spawn(["--check-config"])
    assert bad.wait(30 * SLOW) != 0
    assert f"pgusher.ini:{number}" in p.output() and "nosuch" in p.output()


@pytest.mark.parametrize("text,word", [
    ("[pgbouncer]\nnosuch = 1\n", "nosuch"), ("[pgbouncer]\npool_mode = x\n", "pool_mode"), ("listen_port = 1\n", ""),
    ("[databases]\nx = port=y\n", "")])
def test_start_with_a_broken_file(pgusher, text, word):
    p = pgusher(start=False)
    p.ini_path.write_text(text)
    process = p.spawn()
    assert process.wait(30 * SLOW) == 1
    assert word in p.output()
    if PEER is None:
        assert re.search(r"pgusher\.ini:\d", p.output())


def test_start_without_a_file():
    done = subprocess.run([EXE, "/nonexistent/pgusher.ini"], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 1 and "/nonexistent/pgusher.ini" in done.stderr + done.stdout


# ---- many tenants ----

def many(p, n=2000):
    return {f"tenant_{i:04}": "{pg} dbname=" + ("shop", "mill", "forge")[i % 3] for i in range(n)}


@pytest.mark.ours("a line in the log at every start")
def test_more_clients_than_open_files(pgusher):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # a limit that is less is raised to it
    if most == resource.RLIM_INFINITY:
        pytest.skip("any number of files may be open here")
    p = pgusher(max_client_conn=100, max_login_clients=10)
    assert "the limit of open files" not in p.log()
    with p.logs(f"the limit of open files, {most}, may not do: .* allow for {most + 210} "):
        p.change(max_client_conn=most + 100)
    since = len(p.log())
    p.change(max_client_conn=50)
    assert "the limit of open files" not in p.log()[since:]
    p = pgusher(max_client_conn=most)
    assert "LimitNOFILE" in p.log()


def test_two_thousand_databases(pgusher):
    p = pgusher(pool_mode="transaction", start=False)
    p.databases.update(many(p))
    p.write()
    start = time.monotonic()
    p.start()
    took = time.monotonic() - start
    assert p.value("SELECT tenant FROM who", "tenant_1999") == "mill"
    rows = p.console("SHOW DATABASES")
    assert len([r for r in rows if r["name"].startswith("tenant_")]) == 2000
    assert took < 10 * SLOW, f"start took {took:.2f} s"
    assert status_kb(p.pid, "VmRSS") < 40000 or not MEMORY_COUNTS


@pytest.mark.slow
def test_reload_of_many_databases_under_load(pgusher):
    p = pgusher(pool_mode="transaction", start=False, default_pool_size=2, workers=2)
    p.databases.update(many(p))
    p.write()
    p.start()
    stop = threading.Event()
    failures, done = [], []

    def work(k):
        name = f"tenant_{k:04}"
        want = ("shop", "mill", "forge")[k % 3]
        try:
            with p.connect(name) as c:
                while not stop.is_set():
                    assert c.execute("SELECT tenant FROM who").fetchone()[0] == want
                    done.append(k)
        except Exception as e:  # noqa: BLE001
            failures.append((k, e))
    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for round_ in range(6):
        p.databases["tenant_1000"] = None if round_ % 2 else "{pg} dbname=shop"
        p.settings["default_pool_size"] = 2 + round_
        p.write()
        p.console("RELOAD")
        before = len(done)
        wait_until(lambda: len(done) > before + 12 or failures)
    stop.set()
    for t in threads:
        t.join()
    assert not failures, failures
