"""The process: options, signals, daemon, pidfile, systemd, and how it ends."""

import hashlib
import os
import pwd
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import wire
from helpers import SLOW, as_user, free_port, give_away, run, wait_until
from pooler import EXE, PEER

SYSTEMD = pytest.mark.skipif(bool(PEER) and "systemd: yes" not in run([EXE, "--version"]).stdout,
                             reason="this PgBouncer was built without systemd")
MODERN = pytest.mark.ours("other signals in its time", since=(1, 23))


# ---- options ----

def test_version():
    done = run([EXE, "--version"])
    assert done.stdout.strip()
    assert run([EXE, "-V"]).stdout == done.stdout


def test_help():
    for option in ("--help", "-h"):
        text = run([EXE, option]).stdout
        for word in ("--daemon", "--quiet", "--verbose", "--user", "--version"):
            assert word in text


@pytest.mark.parametrize("args", [[], ["--nonsense"], ["a.ini", "b.ini"]])
def test_bad_options(args):
    done = subprocess.run([EXE, *args], capture_output=True, text=True, timeout=60 * SLOW, **as_user())
    assert done.returncode != 0 and done.stderr + done.stdout


@pytest.mark.skipif(bool(PEER), reason="the peer has no HTTP")
def test_new_token():
    """Standard output is the token and its line, which holds the token's hash, and loads."""
    def make(*args):
        return subprocess.run([EXE, "--new-token", *args], capture_output=True, text=True, timeout=60 * SLOW, **as_user())
    token, line = make("grafana").stdout.splitlines()
    assert re.fullmatch("pgusher_[0-9a-f]{64}", token)
    assert line == f"grafana = sha256:{hashlib.sha256(token.encode()).hexdigest()} scope=read"
    other, line = make().stdout.splitlines()
    assert other != token and line.startswith("name = sha256:")
    for args in (["a b"], ["a=b"], ["[a]"], [""], ["a", "b"]):
        done = make(*args)
        assert done.returncode == 1 and done.stderr and not done.stdout


def test_quiet_writes_only_the_logfile(pgusher):
    p = pgusher(args=["-q"])
    p.value("SELECT 1")
    assert p.stderr_path.read_text() == "" and "shop/app@127.0.0.1" in p.log()


@pytest.mark.plain("a line says tls=no")
def test_lines_of_the_log(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("SELECT 1")
    client = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ \[\d+\] LOG C-0x[0-9a-f]+: shop/app@127\.0\.0\.1:\d+ "
    p.wait_log(r"(?m)" + client + "login attempt: db=shop user=app tls=no")
    p.wait_log(r"(?m)" + client + r"closing because: .* \(age=\d+s\)")
    p.wait_log(rf"LOG S-0x[0-9a-f]+: shop/app@127\.0\.0\.1:{p.pg.port} new connection to server \(from 127\.0\.0\.1:\d+\)")
    with p.wire("shop", host=str(p.dir)):
        p.wait_log(r"shop/app@unix\(\d+\):\d+ login attempt")


# ---- signals ----

@MODERN
def test_sigquit_ends_at_once(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("BEGIN")
        start = time.monotonic()
        p.signal(signal.SIGQUIT)
        assert p.wait_exit() == 0
        assert time.monotonic() - start < 20 * SLOW
        got = c.until_closed()
        assert PEER or (got and got[-1].code == "57P01")


@MODERN
def test_sigterm_waits_for_clients(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("SELECT 1")
        p.signal(signal.SIGTERM)

        def closed():
            try:
                with p.wire() as x:
                    return x.login("shop", "app").kind != "Z"
            except (OSError, wire.Gone):
                return True
        wait_until(closed)
        for i in range(5):
            assert c.query(f"SELECT {i}") == [[str(i)]]
        assert p.alive
    assert p.wait_exit() == 0


@MODERN
def test_second_sigterm_ends_at_once(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("BEGIN")
        with p.logs("SIGTERM"):
            p.signal(signal.SIGTERM)
        p.signal(signal.SIGTERM)
        assert p.wait_exit() in (0, 1)
        c.until_closed()
    p.process = None


@MODERN
def test_sigint_waits_for_servers(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c, p.wire("shop") as idle:
        idle.query("SELECT 1")
        c.query("BEGIN")
        with p.logs("SIGINT"):
            p.signal(signal.SIGINT)
        assert c.query("SELECT 'in transaction'") == [["in transaction"]]
        assert p.alive
        c.query("COMMIT")
        assert p.wait_exit() == 0


@MODERN
def test_second_sigint_ends_at_once(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("BEGIN")
        with p.logs("SIGINT"):
            p.signal(signal.SIGINT)
        p.signal(signal.SIGINT)
        assert p.wait_exit() in (0, 1)
        c.until_closed()
    p.process = None


def test_sigusr1_pauses_and_sigusr2_resumes(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("SELECT 1")
        with p.logs("SIGUSR1"):
            p.signal(signal.SIGUSR1)
        wait_until(lambda: not p.servers("shop"))
        c.send(wire.query("SELECT 'held'"))
        c.quiet(0.2)
        with p.logs("SIGUSR2"):
            p.signal(signal.SIGUSR2)
        assert c.until_ready()[1].row == ["held"]


@MODERN
def test_sigusr2_while_shutting_down(pgusher):
    p = pgusher(pool_mode="transaction")
    with p.wire("shop") as c:
        c.query("SELECT 1")
        with p.logs("SIGTERM"):
            p.signal(signal.SIGTERM)
        with p.logs("got SIGUSR2 while shutting down, ignoring"):
            p.signal(signal.SIGUSR2)
        assert c.query("SELECT 1") == [["1"]]
    assert p.wait_exit() == 0


def test_signals_that_do_nothing(pgusher):
    p = pgusher()
    p.signal(signal.SIGPIPE)
    assert p.value("SELECT 1") == 1


def test_sockets_are_gone_after_the_end(pgusher):
    p = pgusher()
    sock = p.dir / f".s.PGSQL.{p.port}"
    assert sock.exists()
    p.quit()
    assert not sock.exists()
    with pytest.raises(OSError):
        p.wire()


# ---- daemon, pidfile, ports ----

def test_daemon(pgusher):
    p = pgusher(start=False, args=["-d"], pidfile=None)
    p.settings["pidfile"] = p.dir / "pid"
    p.write()
    parent = p.spawn()
    assert parent.wait(30 * SLOW) == 0
    pid = int(wait_until(lambda: (p.dir / "pid").exists() and (p.dir / "pid").read_text().strip()))
    assert pid != parent.pid
    try:
        wait_until(lambda: p.value("SELECT 1") == 1)
        assert os.getsid(pid) == pid or os.getpgid(pid) != os.getpgid(0)
    finally:
        os.kill(pid, signal.SIGQUIT if not PEER or PEER >= (1, 23) else signal.SIGTERM)

    def gone():
        try:
            os.kill(pid, 0)
            return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "Z"
        except (ProcessLookupError, FileNotFoundError):
            return True
    wait_until(gone, 10)
    assert not (p.dir / "pid").exists()
    assert p.stderr_path.read_text().strip() == "" or "ERROR" not in p.stderr_path.read_text()


def test_pidfile(pgusher):
    p = pgusher(start=False)
    p.settings["pidfile"] = p.dir / "pid"
    p.write()
    p.start()
    assert int((p.dir / "pid").read_text()) == p.pid
    second = p.spawn()
    assert second.wait(30 * SLOW) != 0
    assert p.value("SELECT 1") == 1
    p.quit()
    assert not (p.dir / "pid").exists()


def test_pidfile_of_one_who_is_dead(pgusher):
    p = pgusher(start=False)
    (p.dir / "pid").write_text("999999999\n")
    give_away(p.dir / "pid")
    p.settings["pidfile"] = p.dir / "pid"
    p.write()
    p.start()
    assert int((p.dir / "pid").read_text()) == p.pid


@pytest.mark.ours("goes on with its Unix socket", since=(1, 20))
def test_port_is_taken(pgusher):
    """A second instance must not share the port, though every worker listens on it."""
    p = pgusher()
    q = pgusher(start=False, listen_port=p.port)
    assert q.spawn().wait(30 * SLOW) != 0
    assert "in use" in q.output()
    assert p.value("SELECT 1") == 1


@pytest.mark.ours("starts as root")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be refused")
def test_refuses_to_be_root(pgusher):
    p = pgusher(start=False)
    done = subprocess.run([EXE, p.ini_path], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode != 0 and "root" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_user_option(pgusher):
    p = pgusher(start=False)
    p.port = free_port()
    name = pwd.getpwuid(p.dir.stat().st_uid).pw_name
    process = subprocess.Popen([EXE, "-u", name, p.ini_path], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=open(p.stderr_path, "w"), start_new_session=True, env=p.environment())
    p.port = p.settings["listen_port"]
    p.process = process
    wait_until(p.answers)
    assert os.stat(f"/proc/{process.pid}").st_uid == p.dir.stat().st_uid


# ---- systemd ----

@SYSTEMD
def test_notifies_systemd(pgusher):
    p = pgusher(start=False)
    path = p.dir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        path.chmod(0o777)
        notify.settimeout(30 * SLOW)
        environment = p.environment
        p.environment = lambda: {**environment(), "NOTIFY_SOCKET": str(path)}
        p.start()

        def until(word):
            while True:
                text = notify.recv(4096).decode()
                if word in text:
                    return
        until("READY=1")
        p.quit()
        if PEER is None:
            until("STOPPING=1")


@SYSTEMD
def test_socket_activation(pgusher):
    """Listening sockets from systemd take the place of listen_addr; shell sets LISTEN_PID as systemd does."""
    p = pgusher(start=False, listen_addr="", unix_socket_dir="")
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]

        def give():
            os.dup2(s.fileno(), 3)
            os.set_inheritable(3, True)
        process = subprocess.Popen(
            ["/bin/sh", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "{EXE}" "{p.ini_path}"'], cwd=p.dir,
            env=p.environment(), stdin=subprocess.DEVNULL, stdout=open(p.stderr_path, "w"), stderr=subprocess.STDOUT,
            start_new_session=True, pass_fds=(3,) if s.fileno() == 3 else (), preexec_fn=give, close_fds=False,
            **as_user())
        p.process = process
        p.port = port
        wait_until(p.answers)
        assert p.value("SELECT 1") == 1
        threads = [threading.Thread(target=p.value, args=("SELECT 1",)) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
