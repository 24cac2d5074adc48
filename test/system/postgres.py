"""A real PostgreSQL for the tests, in a folder of its own, run by an unprivileged user."""

import hashlib
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from helpers import as_user, end_with_us, free_port, give_away, make_dir, remove_dir, run, wait_until

SUPERUSER = "pgsu"
TENANTS = ["shop", "mill", "forge"] + [f"t{i}" for i in range(1, 9)]
DATABASES = TENANTS + ["db_plain", "db_md5", "db_scram"]

# One database per way to log in; everything else is "trust".
HBA = """\
local all all trust
host db_plain all samehost password
host db_md5 all samehost md5
host db_scram all samehost scram-sha-256
host all all samehost trust
"""

CONF = """\
listen_addresses = 'localhost'
max_connections = 200
shared_buffers = 32MB
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
max_wal_size = 256MB
log_connections = off
log_min_messages = warning
lc_messages = 'C'
timezone = 'UTC'
"""


def md5_secret(user, password):
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


# Roles and their passwords; how PostgreSQL stores each.
ROLES = {
    "app": ("app-secret", "scram-sha-256"),
    "app2": ("app2-secret", "scram-sha-256"),
    "md5user": ("md5 secret", "md5"),
    "scramuser": ("scram secret", "scram-sha-256"),
    "noconn": ("noconn-secret", "scram-sha-256"),
}


def find_bindir():
    """Where initdb and postgres are: what pg_config says, else Debian's newest."""
    if shutil.which("pg_config"):
        return run(["pg_config", "--bindir"]).stdout.strip()
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    if not found:
        raise RuntimeError("PostgreSQL's server programs are missing (Debian: apt install postgresql-15)")
    return str(found[-1].parent)


class Postgres:
    """certificate: speak TLS with it; client_ca: the authority whose clients' certificates it believes.
    conf: further lines of postgresql.conf."""

    host = "127.0.0.1"

    def __init__(self, databases=DATABASES, hba=HBA, certificate=None, client_ca=None, conf=""):
        self.databases, self.hba = databases, hba
        self.certificate, self.client_ca, self.conf = certificate, client_ca, conf
        self.bindir = find_bindir()
        self.dir = make_dir("pgu-pg-")
        self.data = self.dir / "data"
        self.log_path = self.dir / "log"
        self.port = free_port()
        self.process = None
        self.init()
        self.start()
        self.fill()

    def init(self):
        run([f"{self.bindir}/initdb", "-D", self.data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync", "--no-instructions"], cwd=self.dir, **as_user())
        with open(self.data / "postgresql.conf", "a") as f:
            f.write(CONF + f"unix_socket_directories = '{self.dir}'\n" + self.tls_conf() + self.conf)
        (self.data / "pg_hba.conf").write_text(self.hba)

    def tls_conf(self):
        if self.certificate is None:
            return ""
        mine = self.certificate.copy_to(self.data)
        ca = f"ssl_ca_file = '{self.client_ca.cert}'\n" if self.client_ca else ""
        return f"ssl = on\nssl_cert_file = '{mine.cert}'\nssl_key_file = '{mine.key}'\n{ca}"

    def start(self):
        for attempt in range(3):
            with open(self.log_path, "a") as log:
                self.process = subprocess.Popen(
                    [f"{self.bindir}/postgres", "-D", self.data, "-p", str(self.port)], cwd=self.dir,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    preexec_fn=end_with_us(signal.SIGQUIT), **as_user())
            give_away(self.log_path)
            try:
                wait_until(self.answers, 30, "PostgreSQL answers")
                return
            except RuntimeError:
                self.port = free_port()
        raise RuntimeError("PostgreSQL does not start:\n" + self.log_path.read_text()[-3000:])

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError("PostgreSQL ended:\n" + self.log_path.read_text()[-3000:])
        try:
            self.connect().close()
            return True
        except psycopg.OperationalError:
            return False

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast, SIGQUIT: immediate, SIGTERM: smart."""
        if self.alive:
            self.process.send_signal(how)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(60)
        self.process = None

    def restart(self, how=signal.SIGINT):
        self.stop(how)
        self.start()

    def fill(self):
        with self.connect() as c:
            for role, (password, stored) in ROLES.items():
                c.execute(f"SET password_encryption = '{stored}'")
                c.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{password}'")
            c.execute("ALTER ROLE noconn CONNECTION LIMIT 0")
            c.execute("GRANT pg_signal_backend TO app")
            c.execute("CREATE DATABASE tenant_template OWNER app TEMPLATE template0")
        with self.connect("tenant_template", user="app") as c:
            c.execute("CREATE VIEW who AS SELECT current_database()::text AS tenant")
        with self.connect() as c:
            for db in self.databases:
                c.execute(f"CREATE DATABASE {db} OWNER app TEMPLATE tenant_template")
        self.scram_verifier = self.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'scramuser'")
        self.md5_verifier = self.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'md5user'")

    def connect(self, dbname="postgres", user=SUPERUSER, **kwargs):
        kwargs.setdefault("autocommit", True)
        return psycopg.connect(host=self.host, port=self.port, dbname=dbname, user=user, sslmode="disable",
                               gssencmode="disable", connect_timeout=30, **kwargs)

    def rows(self, query, dbname="postgres", **kwargs):
        with self.connect(dbname, **kwargs) as c:
            cursor = c.execute(query)
            return cursor.fetchall() if cursor.description else []

    def value(self, query, dbname="postgres", **kwargs):
        return self.rows(query, dbname, **kwargs)[0][0]

    def backends(self, dbname=None, user=None, where="true"):
        """The client backends of a database: rows (pid, state, query, application_name)."""
        return self.rows(
            "SELECT pid, state, query, application_name FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            + (f" AND datname = '{dbname}'" if dbname else "") + (f" AND usename = '{user}'" if user else "")
            + f" AND {where} ORDER BY backend_start")

    def terminate(self, dbname):
        """End all backends of a database, and wait until they are gone (there may be new ones)."""
        ended = {row[0] for row in self.rows("SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
                                             f" WHERE datname = '{dbname}' AND pid <> pg_backend_pid()")}
        wait_until(lambda: not ended & {b[0] for b in self.backends(dbname)}, 5, f"backends of {dbname} end")

    def block_logins(self, dbname, reject=True):
        """Let PostgreSQL refuse new connections to a database (28000), or allow them again."""
        (self.data / "pg_hba.conf").write_text((f"host {dbname} all samehost reject\n" if reject else "") + self.hba)
        with self.connect() as c:
            c.execute("SELECT pg_reload_conf()")

        def seen():
            try:
                self.connect(dbname).close()
                return not reject
            except psycopg.OperationalError:
                return reject
        wait_until(seen, 5, "PostgreSQL has read pg_hba.conf")

    def close(self):
        self.stop(signal.SIGQUIT)
        remove_dir(self.dir)
