#!/usr/bin/env bash
# Installs what the tests need, builds, and runs all tests; the last line is "N passed, N failed".
set -u -o pipefail

usage() {
	cat <<-END
	usage: test/run.sh [option...] [-- pytest arguments]

	Builds a copy of this checkout, out of the tree, with warnings as errors; runs "make check" (unit
	tests, corpus replay, lint) and the system tests.  Then the same, but for the slowest system tests, built
	with ASan and UBSan; then the unit tests, and the system tests of moving and mixing, built with TSan.

	  --quick           leave out the sanitizers
	  --full            the slowest system tests under ASan and UBSan, too
	  --no-install      never call apt-get
	  --jobs N          pytest processes (default: twice the CPUs, up to 8)
	  --build-dir DIR   where to build (default: build/test)
	  --help

	Up to three of a kind that fail run again, alone; the output tells which passed only then.

	Started as root, servers under test run as an unprivileged user.  Exit status: 0 all passed, 1 something
	failed, 2 the tests could not be run.
	END
}

die() { printf 'test/run.sh: %s\n' "$*" >&2; exit 2; }

top=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P) || exit 2
sanitizers=quick install=yes jobs='' out=$top/build/test
while [ $# -gt 0 ]; do
	case $1 in
	--quick) sanitizers=no ;;
	--full) sanitizers=full ;;
	--no-install) install=no ;;
	--jobs) jobs=${2:?} && shift ;;
	--build-dir) out=${2:?} && shift ;;
	--help | -h) usage && exit 0 ;;
	--) shift && break ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done
if [ -z "$jobs" ]; then
	jobs=$((2 * $(nproc)))		# half of the time they wait for something
	[ "$jobs" -le 8 ] || jobs=8
fi
python=/usr/bin/python3

# ---- what is needed -----------------------------------------------------------

needed=(
	gcc make autoconf automake pkg-config libevent-dev libssl-dev libidn-dev libbsd-dev uthash-dev
	libsystemd-dev libldap-dev libpam0g-dev libcriterion-dev
	libpg-query-dev libjansson-dev libpq-dev libxxhash-dev libcurl4-openssl-dev libhiredis-dev
	postgresql-15 postgresql-client-15 util-linux procps openssl
	python3 python3-psycopg python3-pytest python3-pytest-timeout python3-pytest-xdist
)
# Their tests are skipped, in words, where these are missing.
wanted=(
	prometheus-pgbouncer-exporter python3-psycopg2
	slapd libpam-pwdfile testssl.sh redis-server
	python3-jsonschema
	prometheus python3-prometheus-client chromium chromium-driver
	golang-go golang-github-lib-pq-dev
	default-jdk-headless libpostgresql-jdbc-java
	nodejs
)
# Debian's node-pg goes with Debian's node only; for others npm has it.
export NODE_PATH=/usr/share/nodejs:$out/node/node_modules
has_node_pg() { node -e 'require("pg")' 2>/dev/null; }
has_node_pg || wanted+=(node-pg)

missing_of() {
	local p
	for p in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || echo "$p"
	done
}

apt() {
	local root=()
	[ "$(id -u)" = 0 ] || root=(sudo -n)
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy -o Dpkg::Use-Pty=0 "$@"
}

# All at once, or if that fails, each that can be.
install_optional() {
	local p absent
	apt install --no-install-recommends "$@" >>"$out/apt.log" 2>&1 && return
	for p in "$@"; do
		apt install --no-install-recommends "$p" >>"$out/apt.log" 2>&1
	done
	mapfile -t absent < <(missing_of "$@")
	[ ${#absent[@]} = 0 ] || echo "   not there, their tests will be skipped: ${absent[*]}"
}

install_packages() {
	local missing optional
	command -v dpkg-query >/dev/null || return 0
	mapfile -t missing < <(missing_of "${needed[@]}")
	mapfile -t optional < <(missing_of "${wanted[@]}")
	[ ${#missing[@]} != 0 ] || [ ${#optional[@]} != 0 ] || return 0
	echo "== installing: ${missing[*]} ${optional[*]}"
	apt update >"$out/apt.log" 2>&1 || echo "   apt-get update failed (see $out/apt.log)"
	if [ ${#missing[@]} != 0 ]; then
		apt install --no-install-recommends "${missing[@]}" >>"$out/apt.log" 2>&1 ||
			{ tail -n 20 "$out/apt.log"; die "could not install: ${missing[*]}"; }
	fi
	[ ${#optional[@]} = 0 ] || install_optional "${optional[@]}"
	has_node_pg || ! command -v npm >/dev/null ||
		npm install --prefix "$out/node" --no-audit --no-fund pg@8 >>"$out/apt.log" 2>&1
}

# ---- counting -----------------------------------------------------------------

passed=0 failed=0 skipped=0 again=0
broken=()

count() {                       # count NAME PASSED FAILED SKIPPED
	passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
	printf '== %-28s %5d passed, %d failed, %d skipped   (%d s so far)\n' "$1" "$2" "$3" "$4" "$SECONDS"
	[ "$3" = 0 ] || broken+=("$1")
}

# The parts of "make check": Criterion's programs count by the tests in them, everything else as one.
count_check() {                 # count_check NAME DIR STATUS
	local name=$1 dir=$2 status=$3 trs result line good=0 bad=0 skip=0 p f
	while IFS= read -r trs; do
		result=$(sed -n 's/^:test-result: \([A-Z]*\).*/\1/p' "$trs" | head -n 1)
		line=$(sed 's/\x1b\[[0-9;]*m//g' "${trs%.trs}.log" 2>/dev/null |
			sed -n 's/.*Synthesis: Tested: [0-9]* | Passing: \([0-9]*\) | Failing: \([0-9]*\) | Crashing: \([0-9]*\).*/\1 \2 \3/p' |
			tail -n 1)
		p=0 f=0
		if [ -n "$line" ]; then
			read -r p f crashed <<<"$line"
			f=$((f + crashed))
		elif [ "$result" = PASS ] || [ "$result" = XFAIL ]; then
			p=1
		fi
		case $result in
		PASS | XFAIL) ;;
		SKIP) skip=$((skip + 1)) ;;
		*) [ "$f" != 0 ] || f=1 ;;
		esac
		if [ "$f" != 0 ]; then
			printf -- '--- %s\n' "${trs%.trs}"
			tail -n 60 "${trs%.trs}.log"
		fi
		good=$((good + p)) bad=$((bad + f))
	done < <(find "$dir" -name '*.trs' | sort)
	if [ "$bad" = 0 ] && [ "$status" != 0 ]; then
		grep -E 'error|\*\*\*' "$dir/check.log" | head -n 20
		bad=1
	fi
	if [ $((good + bad)) = 0 ]; then
		echo "   make check ran nothing"
		bad=1
	fi
	count "$name" "$good" "$bad" "$skip"
}

numbers_of() {                  # numbers_of JUNIT_XML: passed, failed, skipped
	"$python" - "$1" 2>/dev/null <<-'END' || echo '0 1 0'
		import sys, xml.etree.ElementTree as tree
		n = [0, 0, 0, 0]
		for suite in tree.parse(sys.argv[1]).getroot().iter("testsuite"):
		    n = [a + int(suite.get(k, 0)) for a, k in zip(n, ("tests", "failures", "errors", "skipped"))]
		bad = n[1] + n[2]
		print(max(n[0] - bad - n[3], 0), bad, n[3])
	END
}

# On a machine that others use, a thread may stand still for a second where it hurts.  So a few that failed among all the
# others run again, alone; that is told, and who fails twice has failed.
again_max=3
may_run_again() {               # may_run_again FAILED
	[ "$1" -ge 1 ] && [ "$1" -le "$again_max" ]
}

# ---- stages -------------------------------------------------------------------

# The files as they are now, so that a checkout that is configured, or that is read-only, does not matter.
copy_source() {
	local files=$out/files
	if ! git -C "$top" ls-files -z --cached --others --exclude-standard >"$files" 2>/dev/null; then
		(cd "$top" && find . \( -name .git -o -path ./build -o -name '*.o' \) -prune -o -type f -print0) >"$files"
	fi
	mkdir -p "$out/src"
	"$python" - "$top" "$files" "$out/src" <<-'END' || die "could not copy the source"
		import os, shutil, sys
		top, files, to = sys.argv[1:]
		wanted = set()
		for name in open(files, "rb").read().decode().split("\0"):
		    name = os.path.normpath(name)
		    source, target = os.path.join(top, name), os.path.join(to, name)
		    if name in ("", ".") or not os.path.isfile(source):
		        continue
		    wanted.add(name)
		    s = os.stat(source)
		    try:
		        t = os.stat(target)
		        if t.st_mtime == s.st_mtime and t.st_size == s.st_size:
		            continue
		    except OSError:
		        os.makedirs(os.path.dirname(target), exist_ok=True)
		    shutil.copy2(source, target)
		for folder in ("src", "test"):		# what is gone there must be gone here
		    for path, _, names in os.walk(os.path.join(to, folder)):
		        for name in names:
		            target = os.path.join(path, name)
		            if os.path.relpath(target, to) not in wanted and not name.endswith(".in"):
		                os.unlink(target)
	END
	if [ ! -x "$out/src/configure" ] || [ -n "$(find "$out/src" \( -name configure.ac -o -name '*.am' -o -name '*.mk' -o -name '*.m4' \) \
		-newer "$out/src/configure" -not -path '*/autom4te.cache/*' -not -name aclocal.m4 -print -quit)" ]; then
		(cd "$out/src" && ./autogen.sh) >"$out/autogen.log" 2>&1 || { tail -n 30 "$out/autogen.log"; die "autogen.sh failed"; }
	fi
}

build() {                       # build NAME CONFIGURE_ARG...
	local name=$1 dir=$out/$1
	shift
	mkdir -p "$dir"
	printf '== building %s: configure %s\n' "$name" "$*"
	if [ "$(cat "$dir/configured" 2>/dev/null)" != "$*" ] || [ "$out/src/configure" -nt "$dir/configured" ]; then
		(cd "$dir" && "$out/src/configure" "$@") >"$dir/configure.out" 2>&1 ||
			{ tail -n 30 "$dir/configure.out"; return 1; }
		printf '%s\n' "$*" >"$dir/configured"
	fi
	make -C "$dir" -j "$(nproc)" >"$dir/make.log" 2>&1 || { grep -E 'error|warning|\*\*\*' "$dir/make.log" | head -n 40; return 1; }
}

check() {                       # check NAME
	local dir=$out/$1 status trs failures
	find "$dir" -name '*.trs' -delete
	timeout -k 10 1500 make -C "$dir" -k -j "$(nproc)" check VERBOSE= >"$dir/check.log" 2>&1
	status=$?
	mapfile -t failures < <(find "$dir" -name '*.trs' -exec grep -lE '^:test-result: (FAIL|ERROR)' {} +)
	if [ "$status" = 2 ] && may_run_again ${#failures[@]}; then
		for trs in "${failures[@]}"; do
			printf -- '--- %s, which runs again, alone\n' "${trs%.trs}"
			tail -n 60 "${trs%.trs}.log"
		done
		timeout -k 10 900 make -C "$dir" recheck VERBOSE= >"$dir/recheck.log" 2>&1
		status=$?
		[ "$status" != 0 ] || again=$((again + ${#failures[@]}))
	fi
	count_check "make check ($1)" "$dir" "$status"
}

run_pytest() {                  # run_pytest DIR REPORT SECONDS PYTEST_ARG...
	local dir=$1 report=$1/$2 limit=$3 status
	shift 3
	rm -f "$report.xml"
	(
		cd "$top/test/system" &&
			PYTHONDONTWRITEBYTECODE=1 PGUSHER_EXE=$dir/src/pgusher timeout -k 20 "$limit" \
				"$python" -m pytest -q --tb=short -o addopts="--strict-markers -ra" -o cache_dir="$dir/cache" \
				--junitxml="$report.xml" "$@"
	) >"$report.log" 2>&1
	status=$?
	[ "$status" != 0 ] || return 0
	grep -E '^(FAILED|ERROR)' "$report.log" || tail -n 40 "$report.log"
	echo "   the whole report: $report.log"
	return "$status"
}

system() {                      # system NAME SECONDS PYTEST_ARG...
	local name=$1 limit=$2 dir=$out/$1 status p f s p_again f_again
	shift 2
	rm -rf "$dir/cache"
	run_pytest "$dir" system "$limit" -n "$jobs" --dist loadfile "$@"
	status=$?
	read -r p f s <<<"$(numbers_of "$dir/system.xml")"
	[ "$status" = 0 ] || [ "$f" != 0 ] || f=1
	if [ "$status" = 1 ] && may_run_again "$f"; then
		echo "   once more, alone"
		run_pytest "$dir" again 600 --lf --lfnf=none "$@"
		read -r p_again f_again _ <<<"$(numbers_of "$dir/again.xml")"
		if [ $((p_again + f_again)) = "$f" ]; then
			p=$((p + p_again)) f=$f_again again=$((again + p_again))
		fi
	fi
	count "system tests ($name)" "$p" "$f" "$s"
}

stage_plain() {
	if ! build plain --enable-werror; then
		count "build (plain)" 0 1 0
		return
	fi
	check plain
	system plain 1500 "$@"
}

stage_sanitized() {
	local subset=(-m "not slow")
	if ! build sanitized --enable-werror --enable-sanitizers; then
		count "build (sanitized)" 0 1 0
		return
	fi
	check sanitized
	[ "$sanitizers" != full ] || subset=()
	PGUSHER_SLOW=3 system sanitized 1500 "${subset[@]}" "$@"
}

stage_threads() {
	if ! build threads --enable-werror --enable-tsan; then
		count "build (threads)" 0 1 0
		return
	fi
	check threads
	PGUSHER_SLOW=4 system threads 900 test_move.py test_tokens.py test_reports.py test_slow_log.py -m "not slow"
}

mkdir -p "$out" || exit 2
[ "$install" = no ] || install_packages
[ -x "$python" ] || die "$python is missing"
copy_source
stage_plain "$@"
if [ "$sanitizers" != no ]; then
	stage_sanitized "$@"
	stage_threads
fi

[ ${#broken[@]} = 0 ] || printf '== failed: %s\n' "${broken[@]}"
[ "$again" = 0 ] || echo "== $again passed at the second try only; they are named above"
[ "$skipped" = 0 ] || echo "== $skipped skipped; the reports name the reasons"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
