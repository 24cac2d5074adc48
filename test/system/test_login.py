"""Login on both sides: who gets in, who does not, and what each is told."""

import base64
import re
import time

import psycopg
import pytest

import wire
from helpers import SLOW, run, user_name, wait_until, as_user
from pooler import PASSWORDS, PEER
from postgres import md5_secret

SECRETS = {
    "plain_u": "plain secret",
    "md5_u": md5_secret("md5_u", "md5 secret"),
    "scram_u": wire.scram_verifier("scram secret"),
    'odd "user"': 'pass "word" \\ \'x\'',
    "üser": "pässwörd",
}
WORDS = {"plain_u": "plain secret", "md5_u": "md5 secret", "scram_u": "scram secret",
         'odd "user"': 'pass "word" \\ \'x\'', "üser": "pässwörd"}

# auth_type, user -> authentication codes that the client must see, or None when the secret can't serve
ACCEPTED = {
    ("trust", "plain_u"): [0], ("trust", "md5_u"): [0], ("trust", "scram_u"): [0],
    ("plain", "plain_u"): [3, 0], ("plain", "md5_u"): [3, 0], ("plain", "scram_u"): [3, 0],
    ("md5", "plain_u"): [5, 0], ("md5", "md5_u"): [5, 0], ("md5", "scram_u"): [10, 11, 12, 0],
    ("scram-sha-256", "plain_u"): [10, 11, 12, 0], ("scram-sha-256", "scram_u"): [10, 11, 12, 0],
    ("plain", 'odd "user"'): [3, 0], ("md5", 'odd "user"'): [5, 0], ("scram-sha-256", 'odd "user"'): [10, 11, 12, 0],
    ("plain", "üser"): [3, 0], ("md5", "üser"): [5, 0], ("scram-sha-256", "üser"): [10, 11, 12, 0],
}


@pytest.fixture(scope="module", params=["trust", "plain", "md5", "scram-sha-256"])
def by_type(request, module_pgusher):
    p = module_pgusher(auth_type=request.param, userlist=SECRETS, pool_mode="transaction",
                       databases={"shop": "{pg} user=app"})
    p.auth_type = request.param
    return p


# ---- clients ----

@pytest.mark.parametrize("user", SECRETS)
def test_right_password(by_type, user):
    codes = ACCEPTED.get((by_type.auth_type, user))
    if codes is None:
        pytest.skip("not to be accepted with this auth_type, or tested elsewhere")
    with by_type.wire() as c:
        assert c.login("shop", user, WORDS[user]).kind == "Z"
        assert c.auth_codes == codes
        assert c.query("SELECT current_user") == [["app"]]


@pytest.mark.parametrize("user", SECRETS)
@pytest.mark.parametrize("password", ["wrong", "", "plain secre", "plain secret "])
def test_wrong_password(by_type, user, password):
    if by_type.auth_type == "trust":
        pytest.skip("trust asks for none")
    with by_type.logs("(password|SASL) authentication failed|empty password"):
        got = by_type.refused("shop", user, password=password)
    if PEER is None:
        assert got["C"] == "28P01"
        assert re.search("(password|SASL) authentication failed|empty password", got["M"])
        assert got["S"] == got["V"] == "FATAL"


def test_md5_secret_can_not_serve_scram(by_type):
    if by_type.auth_type != "scram-sha-256":
        pytest.skip("SCRAM only")
    got = by_type.refused("shop", "md5_u", password="md5 secret")
    assert PEER or got["C"] == "28P01"


def test_unknown_user_is_told_the_same(by_type):
    if by_type.auth_type == "trust":
        with by_type.wire() as c:
            m = c.login("shop", "nobody_knows_me", "x")
            assert m.kind == "E" and (PEER or m.code in ("28000", "28P01"))
        return
    with by_type.wire() as known, by_type.wire() as unknown, by_type.wire() as again:
        wrong = known.login("shop", "plain_u", "wrong")
        strange = unknown.login("shop", "nobody_knows_me", "wrong")
        if by_type.auth_type == "md5" and PEER is None:  # some users are asked for SCRAM: so are some strangers
            again.login("shop", "nobody_knows_me", "wrong")
            assert unknown.auth_codes in ([5], [10, 11]) and again.auth_codes == unknown.auth_codes
        else:
            assert known.auth_codes == unknown.auth_codes
        if PEER is None:
            a, b = wrong.fields, strange.fields
            b["M"] = b["M"].replace("nobody_knows_me", "plain_u")
            assert a == b


def test_mock_challenge_is_stable(by_type):
    """Unknown users get a salt that stays, of its own, as real ones do."""
    if by_type.auth_type != "scram-sha-256":
        pytest.skip("SCRAM only")
    if PEER:
        pytest.skip("PgBouncer can't: its salt changes")

    def salt(user):
        with by_type.wire() as c:
            c.login("shop", user, "x")
            return c.scram.salt, c.scram.rounds, len(c.scram.salt)
    assert salt("ghost1") == salt("ghost1")
    assert salt("ghost1")[0] != salt("ghost2")[0]
    assert salt("ghost1")[1:] == salt("plain_u")[1:]


def test_psql_and_psycopg(by_type):
    for user in ("plain_u", "scram_u"):
        with by_type.connect(user=user, password=WORDS[user]) as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
        got = by_type.psql("SELECT 1", user=user, env={"PGPASSWORD": WORDS[user]})
        assert got.stdout.strip() == "1"


SCRAM_BREAKS = {
    "no mechanism": wire.message("p", b"\0"),
    "empty": wire.message("p", b""),
    "unknown mechanism": wire.message("p", b"SCRAM-SHA-1\0\0\0\0\5n,,n="),
    "negative length": wire.message("p", b"SCRAM-SHA-256\0\xff\xff\xff\xff"),
    "length too long": wire.message("p", b"SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n=,r=abc"),
    "no nonce": wire.message("p", b"SCRAM-SHA-256\0\0\0\0\x05n,,n="),
    "binding wanted": wire.message("p", b"SCRAM-SHA-256\0\0\0\0\x1dp=tls-server-end-point,,n=,r=a"),
    "garbage": wire.message("p", b"SCRAM-SHA-256\0\0\0\0\x10" + b"\xff" * 16),
    "a query instead": wire.query("SELECT 1"),
    "much too long": wire.message("p", b"SCRAM-SHA-256\0" + b"\0\1\0\0" + b"n,,n=,r=" + b"x" * 65528),
}


@pytest.mark.ours("crashes or waits")
@pytest.mark.parametrize("answer", SCRAM_BREAKS.values(), ids=SCRAM_BREAKS)
def test_broken_scram(by_type, answer):
    if by_type.auth_type != "scram-sha-256":
        pytest.skip("SCRAM only")
    with by_type.wire() as c:
        c.start("shop", "scram_u")
        assert c.expect("R").number == 10
        c.send(answer)
        got = c.until_closed(5)
        assert not any(m.kind in "SKZ" for m in got)
        assert PEER or all(m.code in ("08P01", "28P01", "28000") for m in got if m.kind == "E"), got
    assert by_type.alive


def test_proof_of_another_is_refused(by_type):
    """A proof that is one bit off, and one that is too short."""
    if by_type.auth_type != "scram-sha-256":
        pytest.skip("SCRAM only")
    for change in (lambda p: bytes([p[0] ^ 1]) + p[1:], lambda p: p[:31] + bytes([p[31] ^ 0x80]), lambda p: p[:16],
                   lambda p: b""):
        with by_type.wire() as c:
            c.start("shop", "scram_u")
            c.expect("R")
            scram = wire.Scram("scram secret")
            c.send(scram.first())
            text = scram.final(c.expect("R").body[4:])[5:].decode()
            without, proof = text.rsplit(",p=", 1)
            forged = base64.b64encode(change(base64.b64decode(proof))).decode()
            c.send(wire.message("p", f"{without},p={forged}".encode()))
            got = c.until_closed(5)
            assert not any(m.kind in "SKZ" for m in got)


def test_secrets_stay_out_of_the_log(pgusher):
    p = pgusher(auth_type="plain", verbose=3, userlist=SECRETS, databases={
        "shop": "{pg} user=app password=database-secret"})
    for password in ("plain secret", "my-typo-secret"):
        with p.wire() as c:
            c.login("shop", "plain_u", password)
    text = p.log() + p.output()
    for secret in ("plain secret", "my-typo-secret", "database-secret", "app-secret"):
        assert secret not in text
    assert not any("database-secret" in str(r) for what in ("CONFIG", "DATABASES", "USERS", "SERVERS")
                   for r in p.console(f"SHOW {what}"))


def test_any(pgusher):
    """auth_type = any: whatever name, every client works as the forced user."""
    p = pgusher(auth_type="any", auth_file=None, databases={db: None for db in ("mill", "forge", "db_plain", "db_md5",
                "db_scram", *(f"t{i}" for i in range(1, 9)))} | {"shop": "{pg} user=app"}, admin_users="admin",
                start=False)
    p.process = p.spawn()

    def get_in():
        try:
            return p.value("SELECT current_user", user="whoever")
        except psycopg.OperationalError:
            return None
    assert wait_until(get_in) == "app"


def test_very_long_password(pgusher):
    word = "x" * 65000
    if PEER:
        word = "x" * 900
    p = pgusher(auth_type="plain", userlist={"long": word}, databases={"shop": "{pg} user=app"})
    with p.wire() as c:
        assert c.login("shop", "long", word).kind == "Z"
    assert p.refused("shop", "long", password=word[:-1])


@pytest.mark.ours("plain password in a userlist is cut")
def test_password_packet_over_the_limit(pgusher):
    p = pgusher(auth_type="plain")
    with p.wire() as c:
        c.start("shop", "app")
        c.expect("R")
        try:
            c.send(wire.message("p", b"x" * 1000000 + b"\0"))
        except wire.Gone:
            pass
        got = c.until_closed(5)
        assert not any(m.kind == "Z" for m in got)
    assert p.value("SELECT 1", password=PASSWORDS["app"]) == 1


# ---- databases and limits ----

def test_unknown_database(by_type):
    with by_type.logs(r"no such database: nosuch|database \"nosuch\" does not exist"):
        got = by_type.refused("nosuch", "plain_u", password=WORDS["plain_u"])
    if PEER is None:
        assert got["C"] == "3D000" and "nosuch" in got["M"]


def test_unknown_database_is_told_only_after_the_password(by_type):
    if by_type.auth_type == "trust" or PEER:
        pytest.skip("only where a password is asked, and PgBouncer differs")
    assert by_type.refused("nosuch", "plain_u", password="wrong")["C"] == "28P01"


def test_fallback_database(pgusher):
    with pgusher(databases={"*": "{pg}", "shop": None}).connect("shop") as c:
        assert c.execute("SELECT tenant FROM who").fetchone() == ("shop",)


def test_fallback_database_that_postgresql_does_not_know(pgusher):
    p = pgusher(databases={"*": "{pg}"})
    with p.wire() as c:
        m = c.login("nosuch", "app")
        if m.kind == "Z":
            c.send(wire.query("SELECT 1"))
            m = c.receive()
        assert m.kind == "E" and (PEER or m.code == "3D000")


def test_too_many_clients(pgusher):
    p = pgusher(max_client_conn=3)
    kept = [p.wire("shop") for _ in range(3)]
    with p.wire() as c:
        try:
            m = c.login("shop", "app")
        except wire.Gone as e:
            pytest.fail(f"no error was sent: {e}")
        assert m.kind == "E" and (PEER or m.code == "53300")
    kept.pop().close()
    with p.wire() as c:
        def get_in():
            with p.wire() as again:
                return again.login("shop", "app").kind == "Z"
        wait_until(get_in, 2)


# ---- servers ----

@pytest.mark.parametrize("database", ["db_plain", "db_md5", "db_scram"])
@pytest.mark.parametrize("source", ["userlist", "database"])
def test_plain_password_to_a_server(pgusher, database, source):
    options = "{pg} user=app" + (" password=app-secret" if source == "database" else "")
    userlist = {"app": PASSWORDS["app"] if source == "userlist" else "", "front": "front-secret"}
    p = pgusher(databases={database: options}, userlist=userlist)
    if database == "db_md5":
        pass  # the role has a SCRAM verifier; PostgreSQL then asks for SCRAM even in an md5 line
    assert p.value("SELECT current_user", database, user="front", password="front-secret") == "app"


def test_md5_secret_to_an_md5_server(pgusher):
    p = pgusher(auth_type="md5", userlist={"md5user": md5_secret("md5user", "md5 secret")})
    assert p.value("SELECT current_user", "db_md5", user="md5user", password="md5 secret") == "md5user"


def test_md5_server_with_a_plain_secret(pgusher):
    p = pgusher(auth_type="scram-sha-256", userlist={"md5user": "md5 secret"})
    assert p.value("SELECT current_user", "db_md5", user="md5user", password="md5 secret") == "md5user"


def test_scram_pass_through(pgusher):
    """With the server's own verifier in the userlist, a client's proof opens the server too, and again later."""
    p = pgusher(auth_type="scram-sha-256", userlist={"scramuser": "VERIFIER"}, pool_mode="transaction", start=False)
    p.userlist["scramuser"] = p.pg.scram_verifier
    p.write()
    p.start()
    with p.connect("db_scram", "scramuser", password="scram secret") as c:
        assert c.execute("SELECT current_user").fetchone() == ("scramuser",)
        p.pg.terminate("db_scram")
        wait_until(lambda: not p.servers("db_scram"))
        assert c.execute("SELECT current_user").fetchone() == ("scramuser",)
    assert p.refused("db_scram", "scramuser", password="wrong")


def test_forced_user(pgusher):
    p = pgusher(databases={"shop": "{pg} user=app2 password=app2-secret"})
    assert p.value("SELECT current_user", user="app") == "app2"
    with p.connect(user="app") as a, p.connect(user="other") as b:
        a.execute("SELECT 1")
        b.execute("SELECT 1")
        # one pool: that of the forced user (PgBouncer names it by the client's when that is the same)
        assert {r["user"] for r in p.servers("shop")} == {"app2"}


def test_server_refuses_the_password(pgusher):
    p = pgusher(userlist={"app": "not the password"}, query_wait_timeout=5)
    with p.logs(r"server login failed: FATAL.*password authentication failed"):
        with p.wire() as c:
            m = c.login("db_scram", "app")
            if m.kind == "Z":
                c.send(wire.query("SELECT 1"))
                m = c.receive()
            assert m.kind == "E"
            assert PEER or m.code in ("28P01", "08006", "08001", "28000")
    assert p.value("SELECT 1") == 1


def test_server_refuses_the_role(pgusher):
    """The client hears what the server said, at once or when the pool has tried for server_login_retry."""
    p = pgusher()
    with p.wire() as c:
        m = c.login("shop", "noconn")
        if m.kind == "Z":
            c.send(wire.query("SELECT 1"))
            m = c.receive()
        assert m.kind == "E" and (PEER or m.code in ("53300", "08006")), m
        assert "too many connections for role" in m.fields["M"]


# ---- time and half-open connections ----

@pytest.mark.ours("closes at half a packet", since=(1, 25))
@pytest.mark.parametrize("stage", ["nothing", "half a packet", "password missing"])
def test_login_timeout(pgusher, stage):
    p = pgusher(client_login_timeout=1, tcp_defer_accept=0, auth_type="md5")
    packet = wire.startup({"user": "app", "database": "shop"})
    with p.wire() as c:
        start = time.monotonic()
        if stage == "half a packet":
            c.send(packet[:10])
        if stage == "password missing":
            c.send(packet)
            c.expect("R")
        c.until_closed()
        assert 0.8 < time.monotonic() - start < 20 * SLOW
    p.wait_log(r"closing because: client_login_timeout|login timeout|client_login_timeout")


@pytest.mark.ours("counts anew with every byte", since=(1, 18))
def test_login_timeout_is_absolute(pgusher):
    """A byte now and then does not buy more time."""
    p = pgusher(client_login_timeout=1, tcp_defer_accept=0)
    with p.wire() as c:
        start = time.monotonic()
        packet = wire.startup({"user": "app", "database": "shop", "application_name": "x" * 200})
        with pytest.raises(wire.Gone):
            for byte in packet:
                c.send(bytes([byte]))
                time.sleep(0.1)
                if time.monotonic() - start > 15:
                    pytest.fail("still open")


@pytest.mark.ours("half-open logins hold client slots")
@pytest.mark.parametrize("stage", ["nothing", "half a packet", "password missing", "ssl"])
def test_half_open_connections_do_not_lock_real_logins_out(pgusher, stage):
    p = pgusher(max_client_conn=10, client_login_timeout=60, tcp_defer_accept=0, auth_type="md5")
    half = []
    for _ in range(150):
        c = p.wire()
        try:
            if stage == "half a packet":
                c.send(b"\0\0\0\x40\0\3\0\0user")
            elif stage == "password missing":
                c.start("shop", "app")
            elif stage == "ssl":
                c.send(wire.ssl_request())
        except wire.Gone:
            pass
        half.append(c)
    start = time.monotonic()
    with p.connect() as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert time.monotonic() - start < 20 * SLOW
    for c in half:
        c.close()


# ---- the console's door ----

def test_console_over_the_unix_socket_needs_no_password(pgusher):
    """User pgbouncer with our own uid; anybody else must know a password."""
    p = pgusher(auth_type="md5", admin_users="admin")
    got = run(["psql", "-X", "-At", "-h", str(p.dir), "-p", str(p.port), "-U", "pgbouncer", "-d", "pgbouncer", "-w",
               "-c", "SHOW VERSION"], env=p.environment(), **as_user())
    assert got.stdout.strip()
    assert user_name()


def test_console_wants_a_password(pgusher):
    p = pgusher(auth_type="md5")
    assert p.console("SHOW VERSION", host=p.host)
    got = p.refused("pgbouncer", "admin", password="wrong")
    assert PEER or got["C"] == "28P01"


def test_console_is_not_for_everybody(pgusher):
    p = pgusher()
    got = p.refused("pgbouncer", "app")
    assert PEER or got["C"] in ("42501", "28000")
    assert re.search(r"admin|not allowed|permission|console", got["M"])
