"""testssl.sh looks at us as the sample configuration has it, with TLS switched on, and finds nothing weak."""

import json
import shutil
import subprocess

import pytest

from helpers import SLOW, TOP, as_user, make_dir, remove_dir
from test_tls_client import tls

# Protocols, cipher categories, forward secrecy, vulnerabilities.  The certificate is a test's: nobody asks about it.
CHECKS = {
    "protocols": ["-p", "-s", "-f"],
    "vulnerabilities": ["-U"],
}


@pytest.fixture(scope="module")
def sample(module_pgusher, certs):
    p = module_pgusher(start=False, log_connections=0, log_disconnections=0,
                       **tls(certs, "require", certs.local("rsa")))
    own = p.ini()
    p.ini = lambda: (TOP / "etc/pgusher.ini").read_text() + "\n" + own
    p.write()
    p.start()
    return p


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.ours("no ALPN, CBC", since=(9,))
@pytest.mark.parametrize("checks", CHECKS.values(), ids=CHECKS)
def test_nothing_weak(sample, checks):
    if shutil.which("testssl") is None:
        pytest.skip("testssl is missing (Debian: apt install testssl.sh)")
    folder = make_dir("pgu-testssl-")
    report = folder / "report.json"
    try:
        done = subprocess.run(["testssl", "--quiet", "--color", "0", "--nodns", "none", "--warnings", "off",
                               "--connect-timeout", "5", "--openssl-timeout", "10", "--starttls", "postgres",
                               *checks, "--jsonfile", str(report), "--ip", sample.host, f"localhost:{sample.port}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", cwd=folder, timeout=190 * SLOW, **as_user())
        findings = json.loads(report.read_text())
    finally:
        remove_dir(folder)
    assert len([f for f in findings if f["severity"] == "OK"]) >= 5, done.stdout  # it did look
    # engine_problem: the openssl that testssl uses knows no GOST
    bad = [f for f in findings if f["severity"] not in ("OK", "INFO", "DEBUG") and f["id"] != "engine_problem"]
    assert not bad, bad
