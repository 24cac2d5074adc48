"""Who gets in: auth_query, the hba file, and what a stranger can learn from refusals (nothing)."""

import os
import pwd
import re
import threading
import time

import psycopg
import pytest

import wire
from certs import verifying
from helpers import SLOW, make_dir, remove_dir, wait_until
from pooler import PASSWORDS, PEER
from postgres import ROLES, SUPERUSER
from test_tls_client import tls, trusting

# With these, PostgreSQL alone knows the roles.
NOT_IN_FILE = {**dict.fromkeys(ROLES), SUPERUSER: ""}

ODD = "o'neil \"the\" $1 -- ;user"


@pytest.fixture(scope="module")
def roles(postgres):
    """More roles, and tables for queries of one's own."""
    with postgres.connect() as c:
        c.execute("SET password_encryption = 'scram-sha-256'")
        for name, options in {
            "changing": "LOGIN PASSWORD 'first'", "expired": "LOGIN PASSWORD 'right' VALID UNTIL '2020-01-01'",
            "locked": "NOLOGIN PASSWORD 'right'", "passless": "LOGIN", "lasting": "LOGIN PASSWORD 'right' VALID UNTIL"
            " 'infinity'", "until_tomorrow": "LOGIN PASSWORD 'right' VALID UNTIL 'tomorrow'",
            "asker": "LOGIN PASSWORD 'asker-secret'", "victim": "LOGIN PASSWORD 'victim-secret'",
            '"' + ODD.replace('"', '""') + '"': "LOGIN PASSWORD 'odd secret'",
        }.items():
            c.execute(f"CREATE ROLE {name} {options}")
        for i in range(12):
            c.execute(f"CREATE ROLE many{i} LOGIN PASSWORD 'secret {i}'")
    with postgres.connect("mill") as c:  # where other databases look users up
        c.execute("CREATE TABLE keys (who text, secret text)")
        c.execute("INSERT INTO keys VALUES ('tenant_user', 'from mill'), ('app2', 'app2-secret'), ('md5user', %s)",
                  (postgres.md5_verifier,))
        c.execute("CREATE FUNCTION key_of(name text) RETURNS TABLE (who text, secret text) LANGUAGE sql"
                  " SECURITY DEFINER AS 'SELECT who, secret FROM keys WHERE who = name'")
    with postgres.connect("forge") as c:
        c.execute("CREATE TABLE keys (who text, secret text)")
        c.execute("INSERT INTO keys VALUES ('tenant_user', 'from forge')")
        c.execute("GRANT SELECT ON keys TO asker")
        c.execute("CREATE SCHEMA evil AUTHORIZATION asker")
        c.execute("CREATE TABLE evil.keys (who text, secret text)")
        c.execute("INSERT INTO evil.keys VALUES ('tenant_user', 'from evil')")
        c.execute("GRANT SELECT ON evil.keys TO PUBLIC")
        c.execute("GRANT USAGE ON SCHEMA evil TO PUBLIC")
    yield
    for database in ("mill", "forge"):
        with postgres.connect(database) as c:
            c.execute("DROP TABLE keys CASCADE")
            c.execute("DROP FUNCTION IF EXISTS key_of")
            c.execute("DROP SCHEMA IF EXISTS evil CASCADE")


@pytest.fixture(scope="module", params=["plain", "md5", "scram-sha-256"])
def asking(request, module_pgusher, roles):
    """auth_query is the default; it reads pg_authid."""
    # 40 users leave idle connections: three poolers of them would use PostgreSQL up.
    p = module_pgusher(auth_type=request.param, auth_user=SUPERUSER, userlist=NOT_IN_FILE, pool_mode="transaction",
                       max_db_connections=30)
    p.auth_type = request.param
    return p


class Refusal:
    """False, and why."""

    def __init__(self, why):
        self.why = why

    def __bool__(self):
        return False

    def __repr__(self):
        return f"Refusal({self.why})"


def let_in(p, database, user, password):
    """Logged in, and as the role of that name on the server?"""
    with p.wire() as c:
        m = c.login(database, user, password)
        return c.query("SELECT current_user") == [[user]] if m.kind == "Z" else Refusal(m)


# ---- auth_query ----

CODES = {
    ("plain", "app"): [3, 0], ("plain", "md5user"): [3, 0],
    ("md5", "app"): [10, 11, 12, 0], ("md5", "md5user"): [5, 0],
    ("scram-sha-256", "app"): [10, 11, 12, 0],
}


@pytest.mark.parametrize("user", ["app", "md5user"])
def test_right_and_wrong_password(asking, user):
    codes = CODES.get((asking.auth_type, user))
    if codes:
        with asking.wire() as c:
            assert c.login("shop", user, PASSWORDS[user]).kind == "Z"
            assert c.auth_codes == codes
            assert c.query("SELECT current_user") == [[user]]
    else:
        assert PEER or asking.refused("shop", user)["C"] == "28P01"
    for wrong in ("wrong", "", PASSWORDS[user] + " "):
        got = asking.refused("shop", user, password=wrong)
        assert PEER or got["C"] == "28P01"


def test_new_password_counts_at_once(asking, pg):
    """No RELOAD, no wait: not for the new one, and the old one is none any more."""
    assert let_in(asking, "shop", "changing", "first")
    for old, new in (("first", "second"), ("second", "third"), ("third", "first")):
        pg.rows(f"SET password_encryption = 'scram-sha-256'; ALTER ROLE changing PASSWORD '{new}'")
        assert let_in(asking, "shop", "changing", new)
        assert asking.refused("shop", "changing", password=old)
    assert let_in(asking, "shop", "changing", "first")


def test_role_that_appears_and_goes(asking, pg):
    """That nobody is called so is not believed for long."""
    pg.rows("DROP ROLE IF EXISTS newcomer")
    assert asking.refused("shop", "newcomer", password="right")
    pg.rows("SET password_encryption = 'scram-sha-256'; CREATE ROLE newcomer LOGIN PASSWORD 'right'")
    wait_until(lambda: let_in(asking, "shop", "newcomer", "right"), 6, "the new role gets in")
    pg.rows("DROP ROLE newcomer")
    assert asking.refused("shop", "newcomer", password="right")


@pytest.mark.ours("VALID UNTIL is none of its business", since=(1, 24))
@pytest.mark.parametrize("user,fine", [("expired", False), ("locked", False), ("passless", False), ("lasting", True),
                                       ("until_tomorrow", True)])
def test_roles_that_may_not(asking, user, fine):
    if fine:
        assert let_in(asking, "shop", user, "right")
    else:
        assert asking.refused("shop", user, password="right")["C"] == "28P01"


def test_valid_until_is_looked_at_each_time(asking, pg):
    if PEER:
        pytest.skip("VALID UNTIL is none of its business before 1.24")
    pg.rows("ALTER ROLE expired VALID UNTIL 'infinity'")
    try:
        assert let_in(asking, "shop", "expired", "right")
    finally:
        pg.rows("ALTER ROLE expired VALID UNTIL '2020-01-01'")
    assert asking.refused("shop", "expired", password="right")


@pytest.mark.ours("tells them apart")
@pytest.mark.parametrize("user", ["expired", "locked", "passless", "nobody_at_all", ODD + "x", "x" * 63, "x" * 200])
def test_all_refusals_are_alike(asking, user):
    """Wrong password, unknown, expired, locked: same dialogue, same words, same code."""
    def try_in(name, password):
        with asking.wire() as c:
            m = c.login("shop", name, password)
            return ({k: v.replace(name, "NAME") for k, v in m.fields.items()}, c.auth_codes,
                    getattr(c, "mechanisms", None))
    assert try_in(user, "right") == try_in("lasting", "wrong")
    assert let_in(asking, "shop", "lasting", "right")  # or the delay would grow


@pytest.mark.parametrize("user", ["x' OR '1'='1", "app'--", "app\\", "$1", "app;", '"app"', "app\n", "%", "app%"])
def test_names_are_bound_never_pasted(asking, user):
    assert asking.refused("shop", user, password=PASSWORDS["app"])
    text = asking.pg.log_path.read_text()
    assert "syntax error" not in text and "unterminated" not in text


def test_odd_name(asking):
    assert let_in(asking, "shop", ODD, "odd secret")


@pytest.mark.parametrize("name", ["app", "wrong"])
def test_file_comes_before_the_query(pgusher, name):
    """Who is in auth_file is not looked up: the file's password counts alone."""
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, userlist={**NOT_IN_FILE, "app": "from the file"})
    if name == "app":
        assert let_in(p, "shop", "app", "from the file")
    else:
        assert p.refused("shop", "app", password=PASSWORDS["app"])


def test_many_at_once(asking):
    """They wait for each other's answer, or ask themselves; all get in, each as itself."""
    def log_in(i):
        try:
            assert let_in(asking, "shop", f"many{i}", f"secret {i}")
        except BaseException as e:  # noqa: BLE001
            failures.append((i, e))
    failures = []
    threads = [threading.Thread(target=log_in, args=(i,)) for i in list(range(12)) * 4]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures


@pytest.mark.parametrize("how", ["close", "reset"])
def test_clients_that_leave_in_the_middle(asking, certs, how):
    """While they are looked up, while their password is hashed, behind any message; whoever comes next is served."""
    for i in range(60):
        c = asking.wire()
        c.start("shop", "changing" if i % 2 else f"nobody{i}")
        if i % 6 > 1:
            m = c.expect("RE")
            if i % 6 > 2 and m.kind == "R" and m.number == 10:
                scram = wire.Scram("first")
                c.send(scram.first())
                if i % 6 > 3:
                    c.send(scram.final(c.expect("R").body[4:]))
            elif i % 6 > 2:
                c.send(wire.message("p", wire.cstr("first")))
        if how == "close":
            c.close()
        else:
            c.reset()
    assert let_in(asking, "shop", "changing", "first")
    wait_until(lambda: {r["list"]: r["items"] for r in asking.console("SHOW LISTS")}["login_clients"] == 0 or PEER)


def test_reload_in_the_middle_of_logins(pgusher, certs, roles):
    """Rules, certificates and answers are those of some moment; nobody is lost between two."""
    p = pgusher(auth_type="scram-sha-256", auth_user=SUPERUSER, userlist=NOT_IN_FILE, pool_mode="transaction",
                workers=2, **tls(certs, "prefer"))
    end = time.monotonic() + 3
    failures, logins, done = [], [], threading.Event()

    def log_in(user, context):
        try:
            while not done.is_set():
                with p.wire(tls=context) as c:
                    m = c.login("shop" if len(logins) % 2 else "mill", user, PASSWORDS[user])
                    assert m.kind == "Z", m
                    assert c.query("SELECT current_user") == [[user]]
                logins.append(user)
        except BaseException as e:  # noqa: BLE001
            failures.append(e)
    threads = [threading.Thread(target=log_in, args=(user, context)) for user in ("app", "app2", "scramuser")
               for context in (None, verifying(certs.ca))]
    for t in threads:
        t.start()
    reloads = 0
    while time.monotonic() < end or not failures and (reloads < 3 or len(logins) < 20):
        p.change(scram_iterations=4096 + reloads % 2, client_tls_sslmode=("prefer", "allow")[reloads % 2])
        reloads += 1
    done.set()
    for t in threads:
        t.join()
    assert not failures, failures


# ---- where it is asked ----

TABLE = "SELECT who, secret FROM keys WHERE who = $1"


@pytest.mark.ours("no such key", since=(1, 19))
def test_auth_dbname(pgusher, roles):
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, auth_dbname="mill", auth_query=TABLE, userlist=NOT_IN_FILE,
                databases={"shop": "{pg} user=app"})
    with p.wire() as c:
        assert c.login("shop", "tenant_user", "from mill").kind == "Z"
    assert p.refused("shop", "tenant_user", password="from forge")


@pytest.mark.ours("keys of a database", since=(1, 24))
def test_each_database_its_own_place(pgusher, roles):
    """Another database, another query, another asker: the same name is another user there."""
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, auth_query=TABLE,
                userlist={**NOT_IN_FILE, "asker": "asker-secret"},
                databases={
        "mill": "{pg} user=app", "forge": "{pg} user=app",
        "here": "{pg} user=app dbname=shop auth_dbname=mill auth_query='SELECT * FROM key_of($1)'",
        "there": "{pg} user=app dbname=shop auth_dbname=forge auth_user=asker",
    })
    for database, right, wrong in (("mill", "from mill", "from forge"), ("forge", "from forge", "from mill"),
                                   ("here", "from mill", "from forge"), ("there", "from forge", "from mill")):
        with p.wire() as c:
            assert c.login(database, "tenant_user", right).kind == "Z", database
        assert p.refused(database, "tenant_user", password=wrong), database


@pytest.mark.ours("no such key", since=(1, 19))
def test_console_users_are_looked_up(pgusher, roles):
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, auth_dbname="shop", userlist=NOT_IN_FILE,
                admin_users="admin, changing")
    assert p.console("SHOW VERSION", user="changing", password="first", host=p.host)
    assert p.refused("pgbouncer", "changing", password="wrong")
    assert p.refused("pgbouncer", "app", password=PASSWORDS["app"])


def test_no_auth_user_no_question(pgusher):
    p = pgusher(auth_type="md5", userlist=NOT_IN_FILE)
    got = p.refused("shop", "app", password=PASSWORDS["app"])
    assert PEER or got["C"] == "28P01"


@pytest.mark.parametrize("query", [
    "SELECT nonsense", "SELECT who FROM keys", "SELECT 1, 2, 3, $1::text", "SELEKT $1", "SELECT 1/0, $1",
    "SELECT rolname, rolpassword FROM pg_authid", "INSERT INTO nowhere VALUES ($1)", ""])
def test_query_that_is_wrong(pgusher, query):
    """The client hears that the fault is not its own, and no more; the log says what it is."""
    if PEER and query in ("", "SELECT rolname, rolpassword FROM pg_authid", "SELECT 1, 2, 3, $1::text"):
        pytest.skip("PgBouncer waits then")
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, userlist=NOT_IN_FILE, auth_query=query)
    got = p.refused("shop", "app", password=PASSWORDS["app"])
    if PEER is None:
        assert got["C"] != "28P01"
        assert "nonsense" not in str(got) and "keys" not in str(got)
        assert "auth_query" in p.log()
    p.userlist["app"] = "in the file now"
    p.write()
    p.console("RELOAD")
    assert let_in(p, "shop", "app", "in the file now")


def test_place_of_the_query_is_down(pgusher, roles):
    """Who must be looked up is refused in words, soon; who is in the file comes in."""
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, userlist={**NOT_IN_FILE, "app": "in the file"},
                server_connect_timeout=2, query_wait_timeout=3, server_login_retry=1, client_login_timeout=300,
                databases={"down": "host=127.0.0.1 port=1", "shop": "{pg} auth_dbname=down"})
    if PEER and PEER < (1, 24):
        pytest.skip("auth_dbname of a database is from 1.24 on")
    got = p.refused("shop", "app2", password=PASSWORDS["app2"])
    assert PEER or got["C"] != "28P01"
    assert let_in(p, "shop", "app", "in the file")
    assert let_in(p, "mill", "app2", PASSWORDS["app2"])  # that one is asked itself


def test_place_of_the_query_is_slow(pgusher, fake_server):
    """The loop goes on meanwhile, and client_login_timeout counts."""
    server = fake_server(lambda c: c.accept() and c.server.stall(170))
    p = pgusher(auth_type="md5", auth_user=SUPERUSER, userlist={**NOT_IN_FILE, "app": "in the file"},
                client_login_timeout=2, workers=1, databases={"stuck": server.address})
    with p.wire() as c:
        c.start("stuck", "app2")
        for _ in range(5):
            assert let_in(p, "shop", "app", "in the file")
        c.until_closed()
    server.release.set()


# ---- what clients can't do to it ----

def try_evil(p, **kwargs):
    """As tenant_user, with the password that only evil.keys knows, then with the true one."""
    with p.wire() as c:
        assert c.login("forge", "tenant_user", "from evil", **kwargs).kind == "E", "the client's search_path was used"
    with p.wire() as c:
        m = c.login("forge", "tenant_user", "from forge", **kwargs)
        assert m.kind == "Z", m


@pytest.mark.ours("CVE-2025-12819", since=(1, 25))
@pytest.mark.parametrize("parameters", [
    {"search_path": "evil"}, {"options": "-csearch_path=evil"}, {"options": "-c search_path=evil"},
    {"options": "--search_path=evil"}, {"options": "--search-path=evil"}])
def test_search_path_of_a_client_is_not_the_querys(pgusher, roles, parameters):
    p = pgusher(auth_type="md5", auth_user="asker", auth_query=TABLE, userlist={**NOT_IN_FILE, "asker": "asker-secret"},
                ignore_startup_parameters="search_path, options", track_extra_parameters="search_path",
                pool_mode="transaction", databases={"forge": "{pg} user=app"})
    try_evil(p, **parameters)


@pytest.mark.ours("CVE-2025-12819", since=(1, 25))
def test_session_of_the_asker_is_not_the_querys(pgusher, roles):
    """Somebody who may log in as auth_user, too, leaves a search_path behind on every connection of that pool."""
    p = pgusher(auth_type="md5", auth_user="asker", auth_query=TABLE, userlist={**NOT_IN_FILE, "asker": "asker-secret"},
                pool_mode="transaction", session_state="keep", databases={"forge": "{pg}"}, default_pool_size=2,
                admin_users="admin")
    clients = [p.connect("forge", "asker", password="asker-secret") for _ in range(2)]
    for c in clients:
        c.execute("BEGIN")
    for c in clients:
        c.execute("SET search_path = evil")
        assert c.execute("SELECT secret FROM keys").fetchone() == ("from evil",)
        c.execute("COMMIT")
    with p.wire() as c:
        assert c.login("forge", "tenant_user", "from evil").kind == "E"
    for c in clients:
        c.close()


# ---- what comes of it for servers ----

def test_scram_keys_pass_through(pgusher, roles):
    """The verifier is PostgreSQL's own, so what the client proved opens the server, again and again."""
    p = pgusher(auth_type="scram-sha-256", auth_user=SUPERUSER, userlist=NOT_IN_FILE, pool_mode="transaction",
                databases={"db_scram": "{pg} auth_dbname=shop"})
    with p.connect("db_scram", "app") as c:
        assert c.execute("SELECT current_user").fetchone() == ("app",)
        p.pg.terminate("db_scram")
        wait_until(lambda: not p.servers("db_scram"))
        assert c.execute("SELECT current_user").fetchone() == ("app",)


def test_plain_password_of_the_client_opens_a_server(pgusher, roles):
    """With auth_type = plain the client's own password is at hand."""
    p = pgusher(auth_type="plain", auth_user=SUPERUSER, userlist=NOT_IN_FILE, databases={
        "db_scram": "{pg} auth_dbname=shop"})
    assert let_in(p, "db_scram", "app", PASSWORDS["app"])


@pytest.mark.ours("asks for clients only")
@pytest.mark.parametrize("database,role", [("db_scram", "app2"), ("db_md5", "md5user"), ("db_plain", "app2")])
def test_password_of_a_forced_user(pgusher, roles, database, role):
    p = pgusher(auth_type="md5", userlist={**NOT_IN_FILE, "front": "front-secret"}, auth_query=TABLE,
                databases={database: f"{{pg}} user={role} auth_user={SUPERUSER} auth_dbname=mill"})
    with p.wire() as c:
        assert c.login(database, "front", "front-secret").kind == "Z"
        assert c.query("SELECT current_user") == [[role]]


# ---- the hba file ----

ME = pwd.getpwuid(os.geteuid()).pw_name

RULES = """\
# what the tests of the console need
local   all             admin,stats                     trust
local   t1              all                             peer  map=os
local   t2              all                             peer
local   all             all                             reject

host    shop            all     127.0.0.1/32            trust
host    mill            app     127.0.0.1   255.255.255.255   md5
hostssl forge           all     all                     scram-sha-256
host    t1              all     10.0.0.0/8              trust
host    t1              all     samehost                password
host    t2,"t3"         "app", app2   samenet           md5
host    t4              app2    all                     reject
host    t4              all     all                     trust
hostnossl t5            all     all                     trust
host    sameuser        all     all                     trust
host    "all"           all     all                     trust   # the database of that name
host    t6              "all"   all                     trust
host    t7              all     ::1/128                 trust
host    t8              all     127.0.0.0/30            scram-sha-256
host    t8              all     0.0.0.0/0               reject
"""
IDENT = f"""\
os   {ME}     app
os   "{ME}"   "app2"
mine nobody   all
"""

# database, user, how (plain, tls, unix), password -> the role, or None
HBA_CASES = [
    ("shop", "app", "plain", "", "app"), ("shop", "app2", "tls", "", "app2"),
    ("mill", "app", "plain", "app-secret", "app"), ("mill", "app", "plain", "wrong", None),
    ("mill", "app2", "plain", "app2-secret", None),
    ("forge", "app", "tls", "app-secret", "app"), ("forge", "app", "tls", "wrong", None),
    ("forge", "app", "plain", "app-secret", None),
    ("t1", "app", "plain", "app-secret", "app"), ("t1", "app", "plain", "", None),
    ("t2", "app", "plain", "app-secret", "app"), ("t3", "app2", "plain", "app2-secret", "app2"),
    ("t3", "md5user", "plain", "md5 secret", None),
    ("t4", "app", "plain", "", "app"), ("t4", "app2", "plain", "app2-secret", None),
    ("t5", "app", "plain", "", "app"), ("t5", "app", "tls", "", None),
    ("app", "app", "plain", "", "app"), ("app", "app2", "plain", "app2-secret", None),
    ("all", "app", "plain", "", "app"),
    ("t6", "app", "plain", "", None),
    ("t7", "app", "plain", "", None),
    ("t8", "app", "plain", "app-secret", "app"), ("t8", "app", "plain", "x", None),
    ("t1", "app", "unix", "", "app"), ("t1", "app2", "unix", "", "app2"), ("t1", "md5user", "unix", "", None),
    ("t2", "app", "unix", "app-secret", None),
    ("shop", "app", "unix", "app-secret", None),
]


@pytest.fixture(scope="module")
def by_rules(module_pgusher, certs):
    folder = make_dir("pgu-hba-")
    hba, ident = folder / "hba", folder / "ident"
    hba.write_text(RULES)
    ident.write_text(IDENT)
    p = module_pgusher(auth_type="hba", auth_hba_file=hba, auth_ident_file=ident, pool_mode="transaction",
                       databases={"app": "{pg} dbname=shop", "all": "{pg} dbname=shop"}, **tls(certs, "prefer"))
    p.hba = hba
    yield p
    remove_dir(folder)


@pytest.mark.ours("no maps, no samehost", since=(1, 23))
@pytest.mark.parametrize("database,user,how,password,role", HBA_CASES)
def test_hba(by_rules, certs, database, user, how, password, role):
    where = {"tls": {"tls": verifying(certs.ca)}, "unix": {"host": by_rules.dir}}.get(how, {})
    with by_rules.wire(**where) as c:
        m = c.login(database, user, password)
        if role is None:
            assert m.kind == "E" and (PEER or m.code in ("28000", "28P01")), m
        else:
            assert m.kind == "Z", m
            assert c.query("SELECT current_user") == [[role]]


@pytest.mark.ours("no maps, no samehost", since=(1, 23))
def test_hba_refusal_is_the_same_for_strangers(by_rules):
    """Whether a name is known is not to be learnt from a rule that asks for a password."""
    with by_rules.wire() as a, by_rules.wire() as b:
        known, strange = a.login("t8", "app", "x"), b.login("t8", "who_is_that", "x")
        assert a.auth_codes == b.auth_codes
        if PEER is None:
            assert {k: v.replace("who_is_that", "app") for k, v in strange.fields.items()} == known.fields
    assert let_in(by_rules, "t8", "app", PASSWORDS["app"])


@pytest.mark.ours("no maps, no samehost", since=(1, 23))
def test_hba_reload(by_rules):
    by_rules.hba.write_text(RULES.replace("host    t6              \"all\"", "host    t6              all"))
    by_rules.console("RELOAD")
    try:
        assert let_in(by_rules, "t6", "app", "")
    finally:
        by_rules.hba.write_text(RULES)
        by_rules.console("RELOAD")
    assert by_rules.refused("t6", "app")


BROKEN = {
    "unknown method": "host shop all all magic",
    "unknown type": "hots shop all all trust",
    "no method": "host shop all all",
    "bad address": "host shop all 300.1.1.1/32 trust",
    "bad bits": "host shop all 10.0.0.0/33 trust",
    "address without bits": "host shop all 10.0.0.1 trust",
    "quote left open": 'host "shop all all trust',
    "peer over TCP": "host all all all peer",
    "group": "host all +staff all trust",
}


@pytest.mark.ours("skips such lines")
@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN)
def test_hba_that_is_broken_changes_nothing(by_rules, line):
    """A line that is skipped would open a door, or close one, without a word."""
    by_rules.hba.write_text(f"# a comment\n{line}\n{RULES}")
    try:
        with pytest.raises(psycopg.Error) as e:
            by_rules.console("RELOAD")
        assert e.value.sqlstate == "F0000"
        assert re.search(rf"{re.escape(str(by_rules.hba))}\W+(line )?2\b", str(e.value)), str(e.value)
        assert let_in(by_rules, "shop", "app", "")
        assert by_rules.refused("t4", "app2")
    finally:
        by_rules.hba.write_text(RULES)
        by_rules.console("RELOAD")


@pytest.mark.ours("says nothing")
def test_hba_file_that_is_gone(by_rules):
    by_rules.hba.unlink()
    try:
        with pytest.raises(psycopg.Error):
            by_rules.console("RELOAD")
        assert let_in(by_rules, "shop", "app", "")
    finally:
        by_rules.hba.write_text(RULES)
        by_rules.console("RELOAD")


@pytest.mark.ours("peer needs the name")
def test_peer_without_a_map(pgusher):
    """One's own name in the system is one's name here; no other is."""
    folder = make_dir("pgu-hba-")
    try:
        hba = folder / "hba"
        hba.write_text("local all admin trust\nlocal all all peer\n")
        p = pgusher(auth_type="hba", auth_hba_file=hba, userlist={ME: ""}, databases={"shop": "{pg} user=app"})
        with p.wire(host=p.dir) as c:
            assert c.login("shop", ME, "").kind == "Z"
            assert c.query("SELECT current_user") == [["app"]]
        with p.wire(host=p.dir) as c:
            assert c.login("shop", "app", PASSWORDS["app"]).kind == "E"
    finally:
        remove_dir(folder)


@pytest.mark.ours("hba with auth_query")
def test_hba_with_auth_query(pgusher, certs, roles):
    folder = make_dir("pgu-hba-")
    try:
        hba = folder / "hba"
        hba.write_text("local all all trust\nhostssl all all all scram-sha-256\nhost all all all md5\n")
        p = pgusher(auth_type="hba", auth_hba_file=hba, auth_user=SUPERUSER, userlist=NOT_IN_FILE,
                    **tls(certs, "prefer"))
        with p.connect("shop", "app", **trusting(certs, channel_binding="require")) as c:
            assert c.execute("SELECT current_user").fetchone() == ("app",)
        assert let_in(p, "shop", "md5user", PASSWORDS["md5user"])
        assert p.refused("shop", "expired", password="right")["C"] == "28P01"
    finally:
        remove_dir(folder)


# ---- what refusals cost ----

@pytest.mark.ours("a stranger is told at once")
@pytest.mark.parametrize("auth_type", ["md5", "scram-sha-256"])
def test_time_tells_nothing(pgusher, auth_type):
    """A wrong password and an unknown name take the same time, and so does a name that was looked up."""
    p = pgusher(auth_type=auth_type, auth_user=SUPERUSER, userlist={**NOT_IN_FILE, "app": PASSWORDS["app"]})

    def refusal(user):
        with p.wire() as c:
            start = time.monotonic()
            assert c.login("shop", user, "wrong").kind == "E"
            return time.monotonic() - start
    took = {"in the file": [], "looked up": [], "unknown": []}

    def spread():
        """Others on the machine only ever add to it."""
        best = [min(v) for v in took.values()]
        return max(best) - min(best)
    for i in range(100):
        took["in the file"].append(refusal("app"))
        assert let_in(p, "shop", "app", PASSWORDS["app"])  # forgets the failure, or the next try would be delayed
        took["looked up"].append(refusal("scramuser"))
        assert let_in(p, "shop", "scramuser", PASSWORDS["scramuser"])
        took["unknown"].append(refusal(f"ghost{i}"))
        if i >= 14 and spread() < 0.05 * SLOW:
            break
    assert spread() < 0.05 * SLOW, took


@pytest.mark.ours("no delay")
def test_delay_grows_and_a_success_ends_it(pgusher):
    p = pgusher(auth_type="md5", userlist={"app": PASSWORDS["app"], "app2": PASSWORDS["app2"]})

    def attempt(user, password):
        """When it began, when it was answered, and how."""
        with p.wire() as c:
            start = time.monotonic()
            kind = c.login("shop", user, password).kind
            return start, time.monotonic(), kind

    def took(tried):
        return tried[1] - tried[0]
    tries = [attempt("app", f"guess {i}") for i in range(7)]
    for i, delay in ((3, 0.25), (4, 0.5), (5, 1), (6, 2)):  # behind the failure in front of it, which was after it began
        assert tries[i][1] - tries[i - 1][0] > 0.95 * delay, (i, tries)
    others = attempt("app2", PASSWORDS["app2"])
    assert others[2] == "Z" and took(others) < 3 * SLOW, "another user has to wait"
    owner = attempt("app", PASSWORDS["app"])  # late, but let in
    assert owner[2] == "Z" and owner[1] - tries[-1][0] > 3.8
    again = attempt("app", PASSWORDS["app"])
    assert again[2] == "Z" and took(again) < 3 * SLOW, "a success did not end it"
    assert took(attempt("app", "guess")) < 3 * SLOW


@pytest.mark.ours("no delay")
def test_delay_is_not_dodged_by_many_connections(pgusher):
    """Guesses at one name queue up, however many connections make them."""
    p = pgusher(auth_type="md5", userlist={"app": PASSWORDS["app"]})
    for i in range(3):
        p.refused("shop", "app", password=f"guess {i}")
    answered = []

    def guess(i):
        with p.wire() as c:
            try:
                if c.login("shop", "app", f"guess {i}").kind == "E":
                    answered.append(time.monotonic())
            except (wire.Gone, TimeoutError):
                pass
    start = time.monotonic()
    threads = [threading.Thread(target=guess, args=(i,)) for i in range(20)]
    for t in threads:
        t.start()
    time.sleep(1.5)
    assert len([t for t in answered if t - start < 1.5]) <= 4, "20 guesses at a time"
    p.kill()
    for t in threads:
        t.join()


@pytest.mark.ours("forgets a lock")
def test_who_waits_is_no_burden(pgusher):
    """Those that are delayed hold nothing that others need: everybody else comes in at once."""
    p = pgusher(auth_type="md5", workers=1, userlist={"app": PASSWORDS["app"], "app2": PASSWORDS["app2"]})
    for i in range(5):
        p.refused("shop", "app", password=f"guess {i}")
    waiting = []
    for _ in range(10):
        c = p.wire()
        c.start("shop", "app")
        waiting.append(c)
    start = time.monotonic()
    for _ in range(10):
        assert let_in(p, "shop", "app2", PASSWORDS["app2"])
    assert time.monotonic() - start < 10 * SLOW
    for c in waiting:
        c.close()


def test_no_secret_is_logged_or_shown(pgusher, certs, roles):
    """At the highest verbosity, through every way to log in, right and wrong."""
    secrets = {"file secret", "typo secret", "database secret", "victim-secret", "asker-secret", "md5 secret",
               "from forge", PASSWORDS["app"], PASSWORDS["admin"]}
    logs = []
    for auth_type in ("plain", "md5", "scram-sha-256"):
        p = pgusher(auth_type=auth_type, verbose=3, auth_user="asker", auth_query=TABLE, log_connections=1,
                    userlist={**NOT_IN_FILE, "asker": "asker-secret", "filed": "file secret"},
                    databases={"shop": "{pg} user=app", "forge": "{pg} user=app",
                               "db_scram": "{pg} user=app password=app-secret",
                               "wrong": "{pg} dbname=db_scram user=app password='database secret'"},
                    **tls(certs, "prefer"))
        for user, password, database in (("filed", "file secret", "shop"), ("filed", "typo secret", "shop"),
                                         ("tenant_user", "from forge", "forge"), ("victim", "victim-secret", "shop"),
                                         ("filed", "file secret", "db_scram"), ("filed", "file secret", "wrong")):
            for how in ({}, {"sslmode": "require"}):
                try:
                    with p.connect(database, user, password=password, **how) as c:
                        c.execute("SELECT 1")
                except psycopg.Error:
                    pass
        shown = [str(p.console(f"SHOW {what}")) for what in
                 ("CONFIG", "DATABASES", "USERS", "SERVERS", "CLIENTS", "POOLS", "SOCKETS", "FDS", "MEM")
                 if not (PEER and what == "FDS")]
        logs += [p.log(), p.output(), *shown]
    for text in logs:
        for secret in secrets:
            at = text.find(secret)
            assert at < 0, f"{secret!r} in {text[max(at - 200, 0):at + 100]!r}"


@pytest.mark.ours("hashes each time")
@pytest.mark.parametrize("auth_type", ["scram-sha-256", "plain"])
def test_many_logins_cost_few_hashes(pgusher, auth_type):
    """500 logins of 5 users take 5 hashes; at 100,000 rounds each of 500 would take some 40 ms of CPU."""
    def cpu():
        fields = open(f"/proc/{p.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    rounds = 100_000
    secrets = {f"u{i}": f"secret {i}" for i in range(5)}
    stored = {u: wire.scram_verifier(s, rounds=rounds) if auth_type == "plain" else s for u, s in secrets.items()}
    p = pgusher(auth_type=auth_type, userlist=stored, scram_iterations=rounds, databases={"shop": "{pg} user=app"})
    for user, secret in secrets.items():
        with p.wire() as c:
            assert c.login("shop", user, secret).kind == "Z"
    before = cpu()
    for i in range(500):
        with p.wire() as c:
            assert c.login("shop", f"u{i % 5}", f"secret {i % 5}").kind == "Z"
    assert cpu() - before < 2 * SLOW, f"{cpu() - before:.1f} s of CPU"


@pytest.mark.ours("hashes on its loop")
def test_hashing_does_not_hold_up_the_loop(pgusher):
    """While a password of 900,000 rounds is hashed, the one worker answers others."""
    slow = {f"slow{i}": f"secret {i}" for i in range(5)}
    p = pgusher(auth_type="scram-sha-256", workers=1, scram_iterations=900_000, userlist=slow,
                databases={"shop": "{pg} user=app"}, start=False)
    p.userlist.update({u: wire.scram_verifier(s) for u, s in PASSWORDS.items()})
    p.write()
    p.start()
    with p.wire("shop") as other:
        other.query("SELECT 1")
        def until_answered(c):
            """How many queries of the other are answered meanwhile."""
            n = 0
            while not c.buffer:
                assert other.query("SELECT 1") == [["1"]]
                n += 1
                try:
                    c.fill(0)
                except TimeoutError:
                    pass
            return n

        def while_it_hashes(user):
            """It may do so at any step of the login: of all but one, the answers are there at once."""
            scram, answered = wire.Scram(slow[user]), []
            with p.wire() as c:
                c.start("shop", user)
                answered.append(until_answered(c))
                assert c.expect("R").number == 10
                c.send(scram.first())
                answered.append(until_answered(c))
                final = scram.final(c.expect("R").body[4:])
                c.send(final)
                answered.append(until_answered(c))
                assert c.expect("R").number == 12
            return answered
        answered = [while_it_hashes(user) for user in slow]
        assert max(map(max, answered)) >= 10, answered
