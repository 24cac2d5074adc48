"""The program under test: writes its files, starts it, asks its console, ends it and looks for what it left behind.

PGUSHER_EXE chooses the binary; a PgBouncer can stand in, to check the tests themselves against a known pooler.
PGUSHER_TEST_TLS=1 puts TLS under the tests that know nothing of it: clients (not over Unix sockets) and PostgreSQL.
"""

import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess

import psycopg
from psycopg.rows import dict_row

import wire
from certs import Certificates, careless
from helpers import (PATIENCE, TOP, as_user, end_with_us, free_port, give_away, make_dir, remove_dir, run,
                     session_processes, wait_until)
from postgres import ROLES

def reachable(exe):
    """The binary, or a copy of it where the account that servers run as may not go to the original (in /root)."""
    if not as_user() or not os.path.exists(exe) or run(["test", "-x", exe], check=False, **as_user()).returncode == 0:
        return exe
    folder = make_dir("pgu-exe-")
    atexit.register(remove_dir, folder)
    return shutil.copy(exe, folder)


PASSWORDS = {role: password for role, (password, _) in ROLES.items()}
PASSWORDS.update(admin="admin-secret", stats="stats-secret", other="other-secret")

TLS = None  # the certificates, when all is to speak TLS
if os.environ.get("PGUSHER_TEST_TLS"):
    TLS = Certificates()
    atexit.register(TLS.close)
SSLMODE = "prefer" if TLS else "disable"

EXE = os.environ.get("PGUSHER_EXE") or next(
    (str(p) for p in (TOP / "src/pgusher", TOP / "build/src/pgusher") if p.exists()), str(TOP / "src/pgusher"))
EXE = reachable(shutil.which(EXE) or EXE)

# What a PgBouncer of that version or older has never heard of.
UNKNOWN_TO_PEERS = {"workers": (9,), "max_login_clients": (9,), "prepared_text_budget": (9,),
                    "max_prepared_statements": (1, 20), "transaction_timeout": (1, 24),
                    "max_db_client_connections": (1, 23), "max_user_client_connections": (1, 23),
                    "query_wait_notify": (1, 24), "client_tls13_ciphers": (1, 23)}

SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "WARNING: ThreadSanitizer",
                   "runtime error:", "SUMMARY: ")


def peer_version(exe=EXE):
    """(1, 18) when the binary is a PgBouncer, None when it is ours."""
    try:
        first = run([exe, "--version"], check=False).stdout.split("\n")[0]
    except OSError:
        return None
    found = re.match(r"PgBouncer (\d+)\.(\d+)", first)
    if not found or "pgusher" in first.lower() or "pgusher" in os.path.basename(exe):
        return None
    return int(found[1]), int(found[2])


PEER = peer_version()


def ini_value(value):
    if isinstance(value, bool):
        return str(int(value))
    return str(value)


def options(values):
    """A dict as the value of a [databases] line; a string is taken as it is."""
    if isinstance(values, str):
        return values
    quoted = {k: str(v) if re.fullmatch(r"[\w.:/-]+", str(v)) else "'" + str(v).replace("'", "''") + "'"
              for k, v in values.items()}
    return " ".join(f"{k}={v}" for k, v in quoted.items())


class Pooler:
    host = "127.0.0.1"

    def __init__(self, pg, *, databases=None, users=None, userlist=None, certificates=None, tokens=None, args=(), start=True,
                 admin="admin", console=None, sections=None, **settings):
        """databases: name -> options or None, added to a line for each database of pg; {pg} stands for its address.
        certificates: host name -> Certificate, for [tls_certificates].
        tokens: name -> value, for [http_tokens].
        sections: further ones: name -> {line: value}; {pg} stands for its address.
        console: how to connect to it, where the Unix socket is no way in.
        settings: keys of [pgbouncer]; one that is None is left out, and so is a user whose secret is None."""
        self.pg = pg
        self.dir = make_dir("pgu-")
        self.ini_path = self.dir / "pgusher.ini"
        self.userlist_path = self.dir / "userlist.txt"
        self.log_path = self.dir / "log"
        self.stderr_path = self.dir / "stderr"
        self.port = free_port()
        self.admin_user, self.admin_options = admin, console or {}
        self.args = list(args)
        self.process = None
        self.spawned = []  # all that were ever started; close() ends those that should have ended themselves
        self.databases = {db: "{pg}" for db in pg.databases} if pg else {}
        self.databases.update(databases or {})
        self.users = users or {}
        self.certificates = certificates or {}
        self.tokens = tokens or {}
        self.sections = sections or {}
        self.userlist = dict(PASSWORDS)
        self.userlist.update(userlist or {})
        self.settings = {
            "listen_addr": self.host, "listen_port": self.port, "unix_socket_dir": self.dir,
            "auth_type": "trust", "auth_file": self.userlist_path, "admin_users": "admin", "stats_users": "stats",
            "logfile": self.log_path, "server_login_retry": 1,
        }
        if TLS and "client_tls_sslmode" not in settings:
            self.settings.update(client_tls_sslmode="allow", client_tls_cert_file=TLS.server.cert,
                                 client_tls_key_file=TLS.server.key)
        self.settings.update(settings)
        self.write()
        if start:
            try:
                self.start()
            except BaseException:
                self.kill()
                raise

    # ---- files ----

    def write(self):
        """Each at once: a reload may be reading them."""
        users = "".join('"%s" "%s"\n' % (u.replace('"', '""'), s.replace('"', '""')) for u, s in self.userlist.items()
                        if s is not None)
        for path, text, mode in ((self.ini_path, self.ini(), 0o644), (self.userlist_path, users, 0o600)):
            new = path.with_name(path.name + ".new")
            new.write_text(text)
            give_away(new)
            new.chmod(mode)
            os.replace(new, path)

    def ini(self):
        address = f"host={self.pg.host} port={self.pg.port}" if self.pg else ""
        lines = ["[databases]"]
        lines += [f"{name} = {options(value).replace('{pg}', address)}"
                  for name, value in self.databases.items() if value is not None]
        lines += ["[pgbouncer]"]
        lines += [f"{k} = {ini_value(v)}" for k, v in self.settings.items() if v is not None and self.knows(k)]
        if self.certificates:
            lines += ["[tls_certificates]"]
            lines += [f"{host} = cert_file={c.cert} key_file={c.key}" for host, c in self.certificates.items()]
        if self.tokens:
            lines += ["[http_tokens]"] + [f"{name} = {value}" for name, value in self.tokens.items()]
        for section, body in self.sections.items():
            lines += [f"[{section}]"] + [f"{name} = {options(value).replace('{pg}', address)}" for name, value in body.items()]
        if self.users:
            lines += ["[users]"] + [f"{name} = {options(value)}" for name, value in self.users.items()]
        return "\n".join(lines) + "\n"

    @staticmethod
    def knows(key):
        return PEER is None or PEER > UNKNOWN_TO_PEERS.get(key, (0,))

    def change(self, databases=None, **settings):
        """Change the files and RELOAD."""
        self.databases.update(databases or {})
        self.settings.update(settings)
        self.write()
        self.console("RELOAD")

    # ---- process ----

    def environment(self):
        env = dict(os.environ)
        report = f"log_path={self.dir}/sanitizer"
        env.setdefault("ASAN_OPTIONS", f"{report}:detect_leaks=1:exitcode=99:abort_on_error=0")
        env.setdefault("UBSAN_OPTIONS", f"{report}:print_stacktrace=1")
        env.setdefault("TSAN_OPTIONS", f"{report}:exitcode=99")
        for name in ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "NOTIFY_SOCKET"):
            env.pop(name, None)
        return env

    def spawn(self, args=None, **kwargs):
        args = [*(self.args if args is None else args), self.ini_path]
        with open(self.stderr_path, "ab") as err:
            give_away(self.stderr_path)
            process = subprocess.Popen([EXE, *map(str, args)], cwd=self.dir, env=self.environment(),
                                       stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True,
                                       preexec_fn=end_with_us(), **as_user(), **kwargs)
        self.spawned.append(process)
        return process

    def start(self, **kwargs):
        for _ in range(3):
            self.process = self.spawn(**kwargs)
            try:
                wait_until(self.answers, 10, "the console answers")
                return
            except RuntimeError:
                if "in use" not in self.output():
                    raise
                self.port = free_port()
                self.settings["listen_port"] = self.port
                self.write()
        raise RuntimeError(f"{EXE} finds no free port:\n{self.output()}")

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{EXE} ended with {self.process.returncode}:\n{self.output()}")
        try:
            self.console("SHOW VERSION")
            return True
        except psycopg.OperationalError:
            return False

    @property
    def pid(self):
        return self.process.pid

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, seconds=10):
        """Its exit status, when it has ended within that time."""
        return self.process.wait(seconds * PATIENCE)

    def quit(self):
        """End it at once."""
        self.signal(signal.SIGTERM if PEER and PEER < (1, 23) else signal.SIGQUIT)
        return self.wait_exit(20)

    def kill(self):
        if self.alive:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self, status=0):
        """End it and check that it went clean: exit status, sanitizers, nothing left running."""
        try:
            if self.process is None:
                return
            if self.alive:
                try:
                    got = self.quit()
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
                    raise AssertionError(f"{EXE} does not end when told so:\n{self.output()[-3000:]}") from None
            else:
                got = self.process.returncode
            reports = self.sanitizer_reports()
            assert not reports, reports
            old_peer = PEER and PEER < (1, 23) and got == 1  # its "fast exit"
            assert got == status or old_peer, f"exit status {got}:\n{self.output()[-3000:]}"
            left = session_processes(self.process.pid)
            assert not left, f"processes left behind: {left}"
        finally:
            for process in self.spawned:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            remove_dir(self.dir)

    def sanitizer_reports(self):
        text = "".join(p.read_text(errors="replace") for p in sorted(self.dir.glob("sanitizer*")))
        err = self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""
        if text or any(mark in err for mark in SANITIZER_MARKS):
            return (text + err)[-20000:]
        return ""

    # ---- its log ----

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def output(self):
        err = self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""
        return err or self.log()

    def wait_log(self, pattern, since=0, seconds=5):
        """Wait for a line that matches; since: a length of the log from before."""
        def look():
            return re.search(pattern, self.log()[since:])
        try:
            return wait_until(look, seconds)
        except TimeoutError:
            raise AssertionError(f"no line /{pattern}/ in the log:\n{self.log()[since:][-5000:]}") from None

    @contextlib.contextmanager
    def logs(self, pattern, seconds=5):
        """What happens inside must leave such a line in the log."""
        since = len(self.log())
        yield
        self.wait_log(pattern, since, seconds)

    # ---- clients ----

    def parameters(self, dbname, user, **kwargs):
        p = {"host": self.host, "port": self.port, "dbname": dbname, "user": user, "sslmode": SSLMODE,
             "gssencmode": "disable", "connect_timeout": int(20 * PATIENCE)}
        if PASSWORDS.get(user):
            p["password"] = PASSWORDS[user]
        p.update(kwargs)
        return {k: v for k, v in p.items() if v is not None}

    def connect(self, dbname="shop", user="app", autocommit=True, prepare_threshold=None, **kwargs):
        return psycopg.connect(autocommit=autocommit, prepare_threshold=prepare_threshold,
                               **self.parameters(dbname, user, **kwargs))

    def rows(self, query, dbname="shop", **kwargs):
        with self.connect(dbname, **kwargs) as c:
            cursor = c.execute(query)
            return cursor.fetchall() if cursor.description else []

    def value(self, query, dbname="shop", **kwargs):
        return self.rows(query, dbname, **kwargs)[0][0]

    def refused(self, dbname="shop", user="app", **kwargs):
        """Log in over the wire, which must fail: the error's fields."""
        with self.wire() as c:
            reply = c.login(dbname, user, kwargs.pop("password", PASSWORDS.get(user, "")), **kwargs)
            assert reply.kind == "E", f"logged in: {reply}"
            return reply.fields

    def wire(self, dbname=None, user="app", host=None, tls=None, direct=False, name="localhost", **kwargs):
        """A scripted client; logged in when a database is named.  tls, direct, name: see wire.Client.connect."""
        if TLS and self.settings["client_tls_sslmode"] == "allow" and not str(host).startswith("/"):
            tls = tls or careless()
        c = wire.Client.connect(host or self.host, self.port, tls, direct, name)
        if dbname:
            reply = c.login(dbname, user, PASSWORDS.get(user, ""), **kwargs)
            assert reply.kind == "Z", f"not logged in: {reply}"
        return c

    def psql(self, query, dbname="shop", user="app", check=True, env=None, args=(), **kwargs):
        address = {"host": self.host, "port": self.port, **kwargs}
        return run(["psql", "-X", "-A", "-t", "-h", str(address["host"]), "-p", str(address["port"]), "-U", user,
                    "-d", dbname, *args, "-c", query], check=check,
                   env={**self.environment(), "PGPASSWORD": PASSWORDS.get(user, ""), "PGSSLMODE": SSLMODE,
                        "PGGSSENCMODE": "disable", **(env or {})})

    def pgbench(self, *args, dbname="shop", user="app", check=True, timeout=60):
        return run([f"{self.pg.bindir}/pgbench", "-n", "-h", self.host, "-p", str(self.port), "-U", user,
                    *map(str, args), dbname], check=check, timeout=timeout,
                   env={**self.environment(), "PGPASSWORD": PASSWORDS.get(user, ""), "PGSSLMODE": SSLMODE,
                        "PGGSSENCMODE": "disable"})

    # ---- console ----

    def admin(self, user=None, dbname="pgbouncer", **kwargs):
        kwargs = {**self.admin_options, **kwargs}
        unix = self.settings.get("unix_socket_dir")
        kwargs.setdefault("host", str(unix) if unix else self.host)
        return self.connect(dbname, user or self.admin_user, **kwargs)

    def console(self, command, **kwargs):
        """The rows of a console command, as dicts."""
        with self.admin(row_factory=dict_row, **kwargs) as c:
            cursor = c.execute(command)
            return cursor.fetchall() if cursor.description else []

    def pool(self, database, user="app"):
        """The line of SHOW POOLS; all zero when there is none."""
        for row in self.console("SHOW POOLS"):
            if (row["database"], row["user"]) == (database, user):
                return row
        return dict.fromkeys(("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used", "sv_login"), 0)

    def servers(self, database):
        return [r for r in self.console("SHOW SERVERS") if r["database"] == database]

    def clients(self, database):
        return [r for r in self.console("SHOW CLIENTS") if r["database"] == database]

    def show_config(self, key):
        return {r["key"]: r for r in self.console("SHOW CONFIG")}[key]["value"]
