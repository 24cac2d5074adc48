"""The examples in doc/: every configuration is read, and what stands behind a `$` is run.

A fenced block belongs to an example by the word behind its language:

    ```ini scram/pgusher.ini        a file of the example "scram"; so is any language with a path
    ```sql scram                    run as superuser in the database shop, before pgusher starts
    ```console scram                commands behind "$ ", and what they print, to the letter
    ```log scram                    lines (without their time) that are in the log then
    ```sh tls                       run in the folder tls, once, for all examples

A block without such a word is not looked at.
"""

import re
import socket
from types import SimpleNamespace

import pytest

import pooler
from certs import Certificate
from directory import Directory, find_slapd, person
from helpers import TOP, as_user, give_away, make_dir, remove_dir, run, user_name
from postgres import Postgres

pytestmark = pytest.mark.ours("has other documents")

SAMPLES = sorted((TOP / "etc").glob("*.ini"))

# PostgreSQL as the documents have it: a password for everybody.  (Its "md5" takes SCRAM where SCRAM is stored.)
HBA = """\
local all all trust
host all pgsu samehost trust
host tenant_template all samehost trust
host all all samehost md5
"""

ROLES = """\
SET password_encryption = 'md5';
CREATE ROLE old LOGIN PASSWORD 'old-secret';
SET password_encryption = 'scram-sha-256';
CREATE ROLE mary LOGIN PASSWORD 'mary-secret';
"""

PEOPLE = "".join([
    person("mary", "mary-in-ldap"),
    person("kim", "kim-in-ldap", employeeType="shop"),
    person("joe", "joe-in-ldap", employeeType="visitor"),
])


class Block(SimpleNamespace):
    """language, example, file (or None), text, line."""


def blocks(document):
    """The marked blocks of doc/<document>."""
    lines = (TOP / "doc" / document).read_text().splitlines()
    found, block = [], None
    for number, line in enumerate(lines, 1):
        if block is None and line.startswith("```"):
            language, _, word = line[3:].strip().partition(" ")
            example, _, file = word.partition("/")
            block = Block(language=language, example=example, file=file or None, lines=[], line=number)
        elif block is not None and line == "```":
            if block.example:
                found.append(block)
            block = None
        elif block is not None:
            block.lines.append(line)
    assert block is None, f"{document}:{block.line}: this block has no end"
    return found


def examples(document):
    """Name -> blocks, in order."""
    made = {}
    for block in blocks(document):
        if block.language != "sh":
            made.setdefault(block.example, []).append(block)
    return made


DOCUMENTS = ["authentication.md", "from-pgbouncer.md", "monitoring.md", "tenants.md"]
EXAMPLES = [pytest.param(document, name, found, id=name)
            for document in DOCUMENTS for name, found in examples(document).items()]
RUNNABLE = [e for e in EXAMPLES if any(b.language == "console" for b in e.values[2])]


def pick(found, language):
    return [b for b in found if b.language == language and not b.file]


@pytest.fixture(scope="module")
def tls():
    """The folder that the documented commands fill with certificates."""
    folder = make_dir("pgu-docs-")
    for document in DOCUMENTS:
        for block in blocks(document):
            if block.language == "sh":
                assert block.example == "tls", f"{document}:{block.line}"
                run(["sh", "-e", "-c", "\n".join(block.lines)], cwd=folder, **as_user())
    yield folder
    remove_dir(folder)


@pytest.fixture(scope="module")
def server(tls):
    made = Postgres(databases=["shop", "erp"], hba=HBA, certificate=Certificate(tls / "db1.crt", tls / "db1.key"),
                    client_ca=SimpleNamespace(cert=tls / "ca.crt"))
    with made.connect() as c:
        c.execute(ROLES)
    yield made
    made.close()


@pytest.fixture(scope="module")
def directory(tls):
    """What ldap.example.com stands for."""
    if find_slapd() is None:
        pytest.skip("slapd is missing (Debian: apt install slapd)")
    made = Directory(Certificate(tls / "db1.crt", tls / "db1.key"), SimpleNamespace(cert=tls / "ca.crt"), PEOPLE)
    yield made
    made.close()


class Documented(pooler.Pooler):
    """pgusher with the files of an example, in a folder of its own."""

    def __init__(self, pg, found, tls, directory=None, **kwargs):
        self.files = {b.file: "\n".join(b.lines) + "\n" for b in found if b.file}
        self.tls, self.directory = tls, directory
        super().__init__(pg, **kwargs)

    def here(self, text):
        """What the documents say, for this machine."""
        server = f"127.0.0.1 port={self.pg.port}"
        for word, meaning in (("host=127.0.0.1 port=6432", f"host=127.0.0.1 port={self.port}"),
                              ("6432", str(self.port)),
                              ("/run/pgusher", str(self.dir)), ("/etc/pgusher", str(self.dir)),
                              ("listen_addr = *", "listen_addr = 127.0.0.1"), ("192.0.2.7", "127.0.0.1"),
                              ("erpserver", user_name())):
            text = text.replace(word, meaning)
        if self.directory:
            d = self.directory
            text = text.replace("ldapserver=ldap.example.com", f"ldapserver={d.host} ldapport={d.port}")
            text = text.replace("ldaps://ldap.example.com", f"ldaps://{d.host}:{d.tls_port}")
        # Told the address by PGHOSTADDR, psql does not name the host.
        text = re.sub(r'"\w+\.example\.com" \((127\.0\.0\.1)\)', r'"\1"', text)
        return re.sub(r"host=(db\d\.example\.com|127\.0\.0\.1)(?! port=)", f"host={server}", text)

    def write(self):
        (self.dir / "tls").exists() or (self.dir / "tls").symlink_to(self.tls)
        for name, text in self.files.items():
            text = self.here(text)
            if name.endswith(".ini"):
                more = f"logfile = {self.log_path}\n"
                if "unix_socket_dir" not in text:
                    more += f"unix_socket_dir = {self.dir}\n"
                text = text.replace("[pgbouncer]\n", "[pgbouncer]\n" + more)
            path = self.dir / name
            path.write_text(text)
            path.chmod(0o600)
            give_away(path)

    def answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"it ended with {self.process.returncode}:\n{self.output()}")
        try:
            socket.create_connection((self.host, self.port), 5).close()
            return True
        except OSError:
            return False

    def check(self):
        return run([pooler.EXE, "--check-config", self.ini_path], check=False, cwd=self.dir, **as_user())

    def type(self, command):
        """What a command of the document prints."""
        env = {k: v for k, v in self.environment().items() if not k.startswith("PG")}
        env.update(HOME=str(self.dir), LC_ALL="C", PGGSSENCMODE="disable", PGCONNECT_TIMEOUT="20")
        if ".example.com" in command:
            env["PGHOSTADDR"] = "127.0.0.1"
        return run(["sh", "-c", self.here(command)], check=False, cwd=self.dir, env=env, **as_user()).stdout


def transcript(block):
    """Pairs of a command and the lines that it prints."""
    pairs = []
    for line in block.lines:
        if line.startswith("$ "):
            pairs.append((line[2:], []))
        else:
            pairs[-1][1].append(line)
    return pairs


def log_pattern(line):
    """A documented line of the log, whatever its addresses and times are."""
    text = re.escape(line)
    text = re.sub(r"0x[0-9a-f]+", "0x[0-9a-f]+", text)
    text = re.sub(r"(?<=127\\\.0\\\.0\\\.1:)\d+|(?<=age=)\d+", r"\\d+", text)
    return re.sub(r"(?<=unix\\\()\d+", r"\\d+", text)


@pytest.mark.parametrize("document, name, found", EXAMPLES)
def test_configuration_is_read(document, name, found, server, tls):
    p = Documented(server, found, tls, start=False)
    try:
        got = p.check()
        assert got.returncode == 0, got.stdout
        assert not re.search("WARNING|ERROR", got.stdout), got.stdout
    finally:
        p.close()


@pytest.mark.parametrize("document, name, found", RUNNABLE)
def test_commands_do_what_is_said(document, name, found, server, tls, request, monkeypatch):
    directory = request.getfixturevalue("directory") if name.startswith("ldap") else None
    if directory:
        monkeypatch.setenv("LDAPCONF", str(directory.ldap_conf))
    for block in pick(found, "sql"):
        with server.connect("shop") as c:
            c.execute("\n".join(block.lines))
    p = Documented(server, found, tls, directory)
    try:
        for block in pick(found, "console"):
            for command, lines in transcript(block):
                said = p.here("\n".join(lines)).rstrip()
                assert p.type(command).rstrip() == said, f"doc/{document}:{block.line}: $ {command}\n{p.log()}"
        for block in pick(found, "log"):
            for line in block.lines:
                p.wait_log(log_pattern(p.here(line)))
    finally:
        p.close()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
def test_sample_is_read(path):
    folder = make_dir("pgu-sample-")
    try:
        text = path.read_text().replace("/etc/pgusher", str(folder))
        for name, content in (("pgusher.ini", text), ("userlist.txt", (TOP / "etc/userlist.txt").read_text())):
            (folder / name).write_text(content)
            (folder / name).chmod(0o600)
            give_away(folder / name)
        got = run([pooler.EXE, "--check-config", "pgusher.ini"], check=False, cwd=folder, **as_user())
        assert got.returncode == 0 and not re.search("WARNING|ERROR", got.stdout), got.stdout
    finally:
        remove_dir(folder)


@pytest.mark.parametrize("document", ["README.md", "NEWS.md", "SECURITY.md", "CONTRIBUTING.md",
                                      *sorted(str(p.relative_to(TOP)) for p in (TOP / "doc").glob("*.md"))])
def test_links_lead_somewhere(document):
    """Files that are named exist, and so do the headings."""
    for target in re.findall(r"\]\(([^)\s]+)\)", (TOP / document).read_text()):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, heading = target.partition("#")
        path = (TOP / document).parent / file if file else TOP / document
        assert path.exists(), target
        if heading:
            headings = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-")
                        for h in re.findall(r"(?m)^#+ +(.*)$", path.read_text())]
            assert heading in headings, f"{target}: {headings}"
