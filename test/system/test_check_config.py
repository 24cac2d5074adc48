"""--check-config: what start would refuse it refuses in the same words, and it tells all at once, with file and line."""

import re
import socket

import pytest

from certs import Certificates
from helpers import SLOW, free_port, give_away

pytestmark = pytest.mark.ours("no such option")


@pytest.fixture(scope="module")
def certificates():
    made = Certificates()
    yield made
    made.close()


def run_with(p, text, *args, files=()):
    """Exit status and output for these files, in the folder of p."""
    p.ini_path.write_bytes(text if isinstance(text, bytes) else text.replace("{dir}", str(p.dir)).encode())
    for name, content in dict(files).items():
        (p.dir / name).write_text(content)
        (p.dir / name).chmod(0o600)
        give_away(p.dir / name)
    p.stderr_path.write_text("")
    process = p.spawn(list(args))
    return process.wait(20 * SLOW), p.output()


def lines_of(output, level):
    """What was logged at this level, without its head."""
    return [m.group(1) for m in re.finditer(rf"(?m)^\S+ \S+ UTC \[\d+\] {level} (.*)$", output)]


def without_place(message):
    return re.sub(r"^\S+:\d+: ", "", message)


BASE = "[pgbouncer]\nauth_type = any\nunix_socket_dir = {dir}\nlisten_port = {port}\n"

LONG = "x" * 64 + ".invalid"  # no server of names is asked for such
REFUSED = {
    "unknown key": ("listen_prot = 1\n", 'unknown key "listen_prot" in [pgbouncer]: do you mean listen_port?'),
    "unknown key of a database": ("[databases]\na = hots=x\n", 'unknown key "hots" in [databases]: do you mean host?'),
    "class of limits": ("[databases]\na = limits=glod\n[limits]\nclass:gold = queries=1\n", "do you mean gold?"),
    "unit": ("query_timeout = 5s\n", 'invalid value "5s" for query_timeout'),
    "section": ("[databse]\n", "unknown section [databse]"),
    "include": ("%include {dir}/none.ini\n", "none.ini\": No such file"),
    "include of a directory": ("%include {dir}\n", "Is a directory"),
    "include of itself": ("%include {ini}\n", "that is this file, or one that includes it"),
    "users": ("auth_type = trust\nauth_file = {dir}/users\n", "users:1: the password must follow"),
    "hba": ("auth_type = hba\nauth_hba_file = {dir}/hba\n", "hba:1: "),
    "no hba": ("auth_type = hba\nauth_hba_file = {dir}/none\n", "none\": No such file"),
    "maps": ("auth_ident_file = {dir}/ident\n", "ident:1: "),
    "certificate": ("client_tls_sslmode = require\nclient_tls_cert_file = {dir}/none\nclient_tls_key_file = {dir}/none\n",
                    "TLS setup failed: "),
    "certificate of HTTP": ("http_tls_cert_file = {dir}/x.crt\n", "http_tls_cert_file and http_tls_key_file go together"),
    "key of HTTP": ("http_tls_key_file = {dir}/x.key\n", "http_tls_cert_file and http_tls_key_file go together"),
    "authorities": ("server_tls_sslmode = verify-ca\n", "server_tls_sslmode verify-ca needs server_tls_ca_file"),
    "open HTTP": ("http_listen = 0.0.0.0:{port}\n", "can be reached from other machines"),
    "log": ("logfile = {dir}/none/log\n", "can't open log file"),
    "log that is a directory": ("logfile = {dir}\n", "Is a directory"),
    "pidfile": ("pidfile = {dir}/none/pid\n", "cannot write pidfile"),
    "user": ("user = pgusher-nobody-has-this-name\n", 'there is no user "pgusher-nobody-has-this-name" to become'),
    "facility": ("syslog = 1\nsyslog_facility = locale0\n", "syslog_facility"),
    "address": ("listen_addr = 192.0.2.1\n", "cannot listen on 192.0.2.1:{port}: Cannot assign requested address"),
    "second address": ("listen_addr = 127.0.0.1, 192.0.2.1\n", "cannot listen on 192.0.2.1:{port}: Cannot assign"),
    "address named twice": ("so_reuseport = 0\nlisten_addr = 127.0.0.1, localhost\n",
                            "cannot listen on localhost:{port}: Address already in use"),
    "address of all and one": ("so_reuseport = 0\nlisten_addr = 0.0.0.0, 127.0.0.1\n",
                               "cannot listen on 127.0.0.1:{port}: Address already in use"),
    "name": (f"listen_addr = {LONG}\n", f'cannot look up "{LONG}"'),
    "folder": ("unix_socket_dir = {dir}/none\n", "/.s.PGSQL.{port}: No such file or directory"),
    "folder that is a file": ("unix_socket_dir = {dir}/users\n", "/.s.PGSQL.{port}: Not a directory"),
    "group": ("unix_socket_group = pgusher-nobody-has-this-name\n", "does not exist"),
}
FILES = {"users": '"a"\n', "hba": "local all all magic\n", "ident": "m\n"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_start_refuses_check_refuses(pgusher, name):
    p = pgusher(start=False)
    line, message = (t.replace("{port}", str(p.port)).replace("{ini}", str(p.ini_path)) for t in REFUSED[name])
    text = BASE.replace("{port}", str(p.port)) + line
    checked, said = run_with(p, text, "--check-config", files=FILES)
    started, complained = run_with(p, text)
    assert (checked, started) == (1, 1), said + complained
    errors = lines_of(said, "ERROR")
    assert any(message in e for e in errors), said
    for e in errors:
        assert re.match(r"\S+:\d+: ", e), f"no place: {e}"
    told = {without_place(m) for m in lines_of(complained, "ERROR") + lines_of(complained, "FATAL")}
    assert {without_place(e) for e in errors} & told, said + complained
    assert re.search(r"(?m)^\S+pgusher\.ini: \d+ errors?$", said), said


ODD = {
    "users": ("auth_type = trust\nauth_file = {dir}/none\n", "could not open auth_file"),
    "slow queries": ("slow_query_log = {dir}/none/slow\n", "cannot open slow_query_log"),
    "threats": ("threat_mode = record\nthreat_file = {dir}/users\n", "threat_file: "),
    "threats nowhere": ("threat_mode = record\nthreat_file = {dir}/none/habits\n", "threat_file: cannot "),
    "HTTP": ("http_listen = 127.0.0.1:{port}, 192.0.2.1:{port}\nhttp_tls_cert_file = {cert}\nhttp_tls_key_file = {key}\n"
             "[http_tokens]\na = sha256:" + 64 * "0" + "\n",
             "HTTP: cannot listen on 192.0.2.1:{port}: Cannot assign requested address"),
    "tenants": ("[databases]\na =\n[tenants]\na =\n", '"a" is in [databases], too, at '),
}


@pytest.mark.parametrize("name", ODD)
def test_what_start_bears_is_a_warning(pgusher, certificates, name):
    p = pgusher(start=False)
    line, message = (t.replace("{port}", str(p.port)).replace("{cert}", str(certificates.server.cert))
                     .replace("{key}", str(certificates.server.key)) for t in ODD[name])
    status, said = run_with(p, BASE.replace("{port}", str(p.port)) + line, "--check-config", files=FILES)
    assert status == 0, said
    assert any(message in w and re.match(r"\S+:\d+: ", w) for w in lines_of(said, "WARNING")), said
    assert ": no errors, 1 warning, " in said


def test_all_is_told_at_once(pgusher):
    p = pgusher(start=False)
    text = (BASE.replace("{port}", str(p.port)) + "nosuch = 1\npool_mode = x\n%include {dir}/more.ini\n"
            "[databases]\na = port=x\n")
    status, said = run_with(p, text, "--check-config", files={"more.ini": "[users]\nb = pool_mode=y\n"})
    places = [re.match(r"\S*?([^/]+:\d+): ", e).group(1) for e in lines_of(said, "ERROR")]
    assert status == 1 and places == ["pgusher.ini:5", "pgusher.ini:6", "more.ini:2", "pgusher.ini:9"], said
    assert "pgusher.ini: 4 errors\n" in said


def test_a_reload_tells_all_and_changes_nothing(pgusher):
    p = pgusher(pool_mode="transaction")
    p.ini_path.write_text(p.ini_path.read_text() + "\n[pgbouncer]\npool_mode = x\nnosuch = 1\n")
    since = len(p.log())
    with pytest.raises(Exception, match="pool_mode"):
        p.console("RELOAD")
    p.wait_log(r"ERROR \S+:\d+: invalid value \"x\" for pool_mode", since)
    p.wait_log(r"ERROR \S+:\d+: unknown key \"nosuch\"", since)
    assert p.show_config("pool_mode") == "transaction"


def test_check_leaves_everything_as_it_is(pgusher):
    """Not even the pooler that runs with this very file is a fault, and no file is made."""
    p = pgusher(start=False)
    p.settings["pidfile"] = p.dir / "pid"
    p.write()
    p.start()
    before = sorted(f.name for f in p.dir.iterdir())
    checked = p.spawn(["--check-config"])
    assert checked.wait(20 * SLOW) == 0, p.output()
    assert sorted(f.name for f in p.dir.iterdir()) == before
    assert p.console("SHOW VERSION")


def test_nothing_is_listened_to(pgusher):
    p = pgusher(start=False)
    text = BASE.replace("{port}", str(p.port)) + "listen_addr = 127.0.0.1\nlogfile = {dir}/new.log\npidfile = {dir}/new.pid\n"
    status, said = run_with(p, text, "--check-config")
    assert status == 0 and lines_of(said, "ERROR|WARNING") == [], said
    assert not list(p.dir.glob("new.*")) and not list(p.dir.glob(".s.PGSQL.*"))


@pytest.mark.parametrize("addr, where", [("127.0.0.1", "127.0.0.1:{port}"), ("::1", "[::1]:{port}")])
def test_an_address_in_use_is_named(pgusher, addr, where):
    """All addresses or none: start says which one can't be had, and why."""
    with socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET) as other:
        try:
            other.bind((addr, free_port()))
        except OSError:
            pytest.skip("no such address here")
        other.listen()
        port = other.getsockname()[1]
        p = pgusher(start=False)
        text = BASE.replace("{port}", str(port)) + f"listen_addr = {addr}\n"
        status, said = run_with(p, text)
        assert status == 1
        assert f"cannot listen on {where.format(port=port)}: Address already in use" in said
        assert not list(p.dir.glob(".s.PGSQL.*"))


@pytest.mark.parametrize("text, message", [
    (b"\xef\xbb\xbf[pgbouncer]\r\nauth_type = any\r\nnosuch = 1\r\n", "pgusher.ini:3: unknown key"),
    ("[pgbouncer]\nnosuch = 1\n".encode("utf-16"), "pgusher.ini:1: the file is UTF-16: save it as UTF-8"),
    (b"[pgbouncer]\na = b\0c\n", "pgusher.ini:2: the line holds a zero byte"),
    (b"[pgbouncer]\n#" + 2 * 1024 * 1024 * b"x" + b"\n", "pgusher.ini:2: the line is longer than 1048576 bytes"),
    (b"[pgbouncer]\npool_mode = 'session'\n", "pgusher.ini:2: invalid value \"'session'\" for pool_mode: it must be one of "
                                               "session, transaction, statement; values stand without quotes"),
    (b"[pgbouncer]\nmax_client_conn = 5 ; or more\n", "; a comment stands in a line of its own"),
    (b"[pgbouncer]\n[databases]\na = postgres://u:geheim@h/d\n", "pgusher.ini:3: a URI can't stand here: write host="),
    (b"[pgbouncer]\n%include conf.d/*.ini\n", "%include takes one file, and no pattern"),
], ids=["CRLF", "UTF-16", "zero byte", "long line", "quotes", "comment", "URI", "pattern"])
def test_what_editors_and_habits_leave(pgusher, text, message):
    p = pgusher(start=False)
    status, said = run_with(p, text, "--check-config")
    assert status == 1 and message in said, said
    assert "geheim" not in said


def test_limits_are_shown_in_the_unit_of_all_times(pgusher):
    """transaction is in seconds in the file, and in milliseconds where it is shown."""
    p = pgusher(sections={"limits": {"tenant": {"transaction": 2}}})
    with p.connect() as c:
        c.execute("SELECT 1")
        assert [r["limit"] for r in p.console("SHOW LIMITS") if r["kind"] == "transaction"] == [2000]
