"""Passwords that PAM checks: service "pgbouncer", which only root can set up."""

import itertools
import os
import signal
import socket
import time
from pathlib import Path

import psycopg
import pytest

import wire
from helpers import SLOW, give_away, make_dir, remove_dir, run, wait_until
from pooler import EXE, PASSWORDS

SERVICE = Path("/etc/pam.d/pgbouncer")
OURS = "# made by pgusher's tests, which remove it\n"
SECRETS = {"app": "pam secret", "md5user": "pässwörd: (*) \\", "closed": "goes on to the server"}


def find_module(name):
    return next((p for where in ("/lib", "/usr/lib", "/lib64", "/usr/lib64")
                 for p in Path(where).glob(f"**/security/{name}.so")), None)


pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason=f"only root can make {SERVICE}"),
    pytest.mark.skipif(find_module("pam_exec") is None, reason="PAM's modules are missing"),
]

# Says who was asked for, and knows everybody's password; "hang" does.
PROGRAM = """\
#!/bin/sh
password=$(tr -d '\\000')
echo "$PAM_SERVICE|$PAM_TYPE|$PAM_USER|$PAM_RHOST" >>{dir}/asked
case $PAM_USER in
hang) echo $$ >>{dir}/hangs; exec sleep 60 ;;
esac
test "$password" = "secret of $PAM_USER"
"""


class Service:
    def __init__(self):
        self.dir = make_dir("pgu-pam-")
        self.program = self.dir / "check"
        self.program.write_text(PROGRAM.format(dir=self.dir))
        self.program.chmod(0o755)
        self.passwords = self.dir / "passwords"
        hashes = (run(["openssl", "passwd", "-6", s]).stdout.strip() for s in SECRETS.values())
        self.passwords.write_text("".join(f"{user}:{h}\n" for user, h in zip(SECRETS, hashes)))
        self.passwords.chmod(0o600)
        give_away(self.passwords)

    def use(self, *lines):
        SERVICE.write_text(OURS + "\n".join(lines) + "\n")

    def use_program(self):
        self.use(f"auth required pam_exec.so quiet expose_authtok {self.program}", "account required pam_permit.so")

    def use_file(self):
        if any(mark in Path(EXE).read_bytes() for mark in (b"__asan_init", b"__tsan_init")):
            pytest.skip("under sanitizers crypt() crashes where libcrypt is loaded late")
        if find_module("pam_pwdfile") is None:
            pytest.skip("pam_pwdfile is missing (Debian: apt install libpam-pwdfile)")
        self.use(f"auth required pam_pwdfile.so pwdfile={self.passwords}", "account required pam_permit.so")

    def read(self, name):
        path = self.dir / name
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def close(self):
        for pid in self.read("hangs"):
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        SERVICE.unlink(missing_ok=True)
        remove_dir(self.dir)


@pytest.fixture
def pam():
    if SERVICE.exists() and not SERVICE.read_text().startswith(OURS):
        pytest.skip(f"{SERVICE} is there, and not ours to change")
    s = Service()
    yield s
    s.close()


@pytest.fixture(scope="module")
def people(postgres):
    with postgres.connect() as c:
        if c.execute("SELECT FROM pg_roles WHERE rolname = 'closed'").fetchone() is None:
            c.execute("CREATE ROLE closed LOGIN")
        c.execute(f"ALTER ROLE closed PASSWORD '{SECRETS['closed']}'")


@pytest.fixture
def by_pam(pgusher, pam, people):
    """A pooler that asks PAM for everybody but app2, and a console that does not need it."""
    p = pgusher(auth_type="hba", start=False, workers=1, databases={"shop": "{pg} user=app password=app-secret"})
    p.settings["auth_hba_file"] = p.dir / "hba.conf"
    (p.dir / "hba.conf").write_text("local all all trust\nhost all app2 all scram-sha-256\nhost all all all pam\n")
    p.write()
    p.start()
    return p


addresses = itertools.count(2)


def visitor(p):
    """A client from an address that nobody has failed from yet, and that need not wait for it."""
    source = f"127.0.1.{next(addresses)}"
    c = wire.Client(socket.create_connection((p.host, p.port), 10 * SLOW, (source, 0)))
    c.source = source
    return c


def gets_in(p, user, password):
    with visitor(p) as c:
        reply = c.login("shop", user, password)
        if reply.kind == "Z":
            assert c.auth_codes == [3, 0]
            assert c.query("SELECT 1") == [["1"]]
            return True
        assert (reply.kind, reply.code) == ("E", "28P01"), reply
        return False


def test_file_of_passwords(by_pam, pam):
    pam.use_file()
    for user in "app", "md5user":
        assert gets_in(by_pam, user, SECRETS[user])
        assert not gets_in(by_pam, user, SECRETS[user] + " ")
        assert not gets_in(by_pam, user, "")
    assert not gets_in(by_pam, "app", PASSWORDS["app"])
    assert not gets_in(by_pam, "scramuser", PASSWORDS["scramuser"])
    assert not gets_in(by_pam, "app:", SECRETS["app"])
    assert not gets_in(by_pam, "app\n", SECRETS["app"])
    assert SECRETS["app"] not in by_pam.log()


def test_what_modules_are_told(by_pam, pam):
    pam.use_program()
    with visitor(by_pam) as c:
        assert c.login("shop", "md5user", "secret of md5user").kind == "Z"
        assert pam.read("asked") == [f"pgbouncer|auth|md5user|{c.source}"]
    assert not gets_in(by_pam, "md5user", "secret of app")


def test_no_address_on_a_unix_socket(by_pam, pam):
    pam.use_program()
    (by_pam.dir / "hba.conf").write_text("local pgbouncer all trust\nlocal all all pam\n")
    by_pam.console("RELOAD")
    with by_pam.wire(host=by_pam.dir) as c:
        assert c.login("shop", "md5user", "secret of md5user").kind == "Z"
    assert pam.read("asked") == ["pgbouncer|auth|md5user|"]


def test_auth_type(pgusher, pam, people):
    pam.use_program()
    p = pgusher(auth_type="pam", console={"password": "secret of admin"},
                databases={"shop": "{pg} user=app password=app-secret"})
    assert gets_in(p, "md5user", "secret of md5user")
    assert not gets_in(p, "md5user", "md5 secret")
    with pytest.raises(psycopg.OperationalError):
        p.console("SHOW VERSION", password="admin-secret")


def test_password_goes_on_to_the_server(by_pam, pam):
    pam.use_file()
    with visitor(by_pam) as c:
        assert c.login("db_scram", "closed", SECRETS["closed"]).kind == "Z"
        assert c.query("SELECT current_user") == [["closed"]]


@pytest.mark.parametrize("auth, account, welcome", [
    ("pam_permit.so", "pam_permit.so", True),
    ("pam_deny.so", "pam_permit.so", False),
    ("pam_permit.so", "pam_deny.so", False),
])
def test_both_questions_count(by_pam, pam, auth, account, welcome):
    pam.use(f"auth required {auth}", f"account required {account}")
    assert gets_in(by_pam, "app", "whatever") == welcome
    assert "PAM service" not in by_pam.log()


def test_broken_service(by_pam, pam):
    pam.use("auth required pam_that_is_not_there.so", "account required pam_permit.so")
    with by_pam.logs('PAM service "pgbouncer": '):
        assert not gets_in(by_pam, "app", "whatever")
    pam.use_program()
    assert gets_in(by_pam, "app", "secret of app")


def test_many_at_once(by_pam, pam):
    """Each gets the verdict on its own password."""
    pam.use_file()
    clients = [visitor(by_pam) for _ in range(24)]
    for i, c in enumerate(clients):
        user = ("app", "md5user")[i % 2]
        c.start("shop", user)
        assert c.expect("R").number == 3
        c.send(wire.message("p", wire.cstr(SECRETS[user] if i % 3 else "wrong")))
    for i, c in enumerate(clients):
        assert c.expect("RE").kind == ("R" if i % 3 else "E"), i
        c.close()


def test_module_that_hangs_holds_up_nobody_else(by_pam, pam):
    pam.use_program()
    clients = [visitor(by_pam) for _ in range(20)]
    for i, c in enumerate(clients):
        c.start("shop", "hang")
        assert c.expect("R").number == 3
        c.send(wire.message("p", b"secret\0"))
    wait_until(lambda: pam.read("hangs"), 10, "the module hangs")
    slowest = 0
    for _ in range(10):
        start = time.monotonic()
        assert by_pam.value("SELECT 2", user="app2") == 2
        slowest = max(slowest, time.monotonic() - start)
    assert slowest < 4.5, "somebody else's PAM module held up a login"
    with by_pam.logs('PAM service "pgbouncer": another login', seconds=9):
        pass
    for c in clients:
        c.close()
    start = time.monotonic()
    assert by_pam.quit() == 0
    assert time.monotonic() - start < 10 * SLOW, "a module that hangs keeps the process from ending"
    for pid in pam.read("hangs"):
        os.kill(int(pid), signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 5, "the hanging program is gone")
