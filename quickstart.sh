#!/bin/bash
# Shows pgusher at its main job: three companies, a database each, behind one pooler.
# "./quickstart.sh --help" tells what it does; everything it makes is in one temporary folder.
set -Eeuo pipefail
# In functions and $( ) as well: an error ends the script, and the EXIT trap cleans up.
shopt -s inherit_errexit

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
keep=no
seconds=5
binary=
mode=prepared
packages=(build-essential autoconf automake pkg-config libevent-dev libssl-dev libidn-dev libsystemd-dev
	libldap-dev libpam0g-dev libbsd-dev uthash-dev libpg-query-dev libjansson-dev libpq-dev libxxhash-dev
	libcurl4-openssl-dev libhiredis-dev postgresql-15)

# database        role      trade      seed orders company/city
tenants="
acme_castings     acme      castings   1    4000   Acme Castings GmbH/Siegen
borealis_tools    borealis  tools      2    2500   Borealis Tools AB/Uddevalla
cobalt_machining  cobalt    machining  3    6000   Cobalt Machining Ltd/Sheffield
"
clients=8	# of pgbench, for each tenant
pool_size=4	# server connections that they share

usage() {
	cat <<-END
	usage: ./quickstart.sh [--keep] [--seconds N] [--binary FILE] [--mode MODE]

	On a Debian 12, as root or as a user who may sudo:
	  1. installs what is missing to build and run (apt-get)
	  2. builds pgusher, outside of this folder
	  3. starts a throwaway PostgreSQL 15 with three companies' ERP databases
	  4. starts pgusher in front of it: transaction pooling, SCRAM logins
	  5. queries each company's data through it with psql, then loads all with pgbench
	  6. asks pgusher's console what was routed where, how fast, over how many connections
	and removes everything again but the packages.

	  --keep         leave PostgreSQL and pgusher running; says how to connect and to stop
	  --seconds N    how long pgbench runs ($seconds)
	  --binary FILE  run this program instead of building one
	  --mode MODE    pgbench's query mode: simple, extended or prepared ($mode)
	END
}

# ---------------------------------------------------------------- talking

if [ -t 1 ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
	bold='' dim='' red='' green='' plain=''
fi

section() {
	printf '\n%s== %s%s\n' "$bold" "$*" "$plain"
}

die() {
	printf '\n%squickstart: %s%s\n' "$red" "$*" "$plain" >&2
	exit 1
}

# step TEXT COMMAND...: runs the command with its output in the log; shows the end of it if it fails.
step() {
	local text=$1 start=$EPOCHREALTIME said
	said=$(wc -c <"$log")
	shift
	printf '   %-76s' "$text"
	if "$@" >>"$log" 2>&1; then
		awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { sub(",", ".", a); sub(",", ".", b)
			printf "%sdone %5.1f s%s\n", green, b - a, plain }' green="$green" plain="$plain"
	else
		printf '%sfailed%s\n' "$red" "$plain"
		tail -c "+$((said + 1))" "$log" | tail -n 30 >&2
		die "\"$text\" failed; the end of its output is above"
	fi
}

# await SECONDS COMMAND...: until the command succeeds; false if it says 2, or too much time has passed.
await() {
	local deadline=$((SECONDS + $1)) status
	shift
	while status=0; "$@" || status=$?; [ $status != 0 ]; do
		[ $status != 2 ] && [ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

# table COLUMN...: of a report of psql -A with a header, these columns, aligned.
table() {
	awk -F'|' -v want="$*" '
	NR == 1 { n = split(want, w, " "); for (i = 1; i <= NF; i++) at[$i] = i }
	{
		for (i = 1; i <= n; i++) {
			v = w[i] in at ? $at[w[i]] : "?"
			cell[NR, i] = v
			if (length(v) > width[i]) width[i] = length(v)
			if (NR > 1 && v !~ /^[0-9.]*$/) left[i] = 1
		}
	}
	END {
		for (r = 1; r <= NR; r++) {
			line = "   "
			for (i = 1; i <= n; i++)
				line = line sprintf(left[i] ? "%-*s  " : "%*s  ", width[i], cell[r, i])
			sub(/ +$/, "", line)
			print line
		}
	}'
}

# ---------------------------------------------------------------- ending

dir='' pgusher_pid='' postgres_up=no ending=no
bench_pids=()

stop_all() {
	local pid
	for pid in "${bench_pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	[ -z "$pgusher_pid" ] || kill -QUIT "$pgusher_pid" 2>/dev/null || true
	if [ -n "$pgusher_pid" ] && ! await 3 gone "$pgusher_pid"; then
		kill -KILL "$pgusher_pid" 2>/dev/null || true
	fi
	if [ "$postgres_up" = yes ]; then
		as_server "$pg_bin/pg_ctl" -D "$dir/postgres" -m immediate -w stop >/dev/null 2>&1 || true
	fi
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# shellcheck disable=SC2317  # the traps call it
finish() {
	local status=$?
	[ "$ending" = no ] || return
	ending=yes
	trap '' INT TERM
	if [ -n "$dir" ] && ! { [ "$keep" = yes ] && [ "$status" = 0 ]; }; then
		stop_all
		rm -rf "$dir"
		printf '\n%sStopped and removed everything in %s.%s\n' "$dim" "$dir" "$plain"
	fi
	exit "$status"
}

# ---------------------------------------------------------------- who does what

# Servers run as an unprivileged user: PostgreSQL insists on it, and so should you.
as_server() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"
	else
		"$@"
	fi
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -- "$@"
	fi
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
	local missing=() p
	for p in "${packages[@]}"; do
		is_installed "$p" || missing+=("$p")
	done
	if [ ${#missing[@]} = 0 ]; then
		echo "   nothing to install"
		return
	fi
	echo "   missing: ${missing[*]}"
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || die "needs root or sudo to install: ${missing[*]}"
		sudo -v || die "sudo refused"
	fi
	step "apt-get update" as_root apt-get -q update
	step "apt-get install" as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qy --no-install-recommends install "${missing[@]}"
}

free_port() {
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}

password() {
	od -An -tx1 -N12 /dev/urandom | tr -d ' \n'
}

each_tenant() {
	local database role trade seed orders rest
	while read -r database role trade seed orders rest; do
		[ -z "$database" ] || "$@" "$database" "$role" "$trade" "$seed" "$orders" \
			"${rest%/*}" "${rest#*/}"
	done <<<"$tenants"
}

# ---------------------------------------------------------------- the parts

# From a copy, so that neither an earlier build in this folder nor root's files get into the way.
build() {
	mkdir "$dir/source" "$dir/build"
	tar -C "$root" --exclude=./.git --exclude='*.o' --exclude='*.a' --exclude='.deps' \
		--exclude='.dirstamp' --exclude=./config.status --exclude=./config.log \
		--exclude=./Makefile --exclude=./src/build.h --exclude='stamp-h1' \
		--exclude=./src/pgusher --exclude=./autom4te.cache -cf - . | tar -C "$dir/source" -xf -
	step "autogen.sh" "$dir/source/autogen.sh"
	step "configure" in_build "$dir/source/configure" -q
	step "make" in_build make -j"$(nproc)" src/pgusher
	binary=$dir/build/src/pgusher
}

in_build() {
	(cd "$dir/build" && "$@")
}

start_postgres() {
	as_server "$pg_bin/initdb" -D "$dir/postgres" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N
	cat >>"$dir/postgres/postgresql.conf" <<-END
	listen_addresses = '127.0.0.1'
	port = $pg_port
	unix_socket_directories = '$dir'
	password_encryption = 'scram-sha-256'
	shared_buffers = '64MB'
	# Nobody will miss this data after a crash.
	fsync = off
	synchronous_commit = off
	full_page_writes = off
	END
	cat >"$dir/postgres/pg_hba.conf" <<-END
	local all postgres trust
	host  all all 127.0.0.1/32 scram-sha-256
	END
	as_server "$pg_bin/pg_ctl" -D "$dir/postgres" -l "$dir/postgres.log" -w start </dev/null
}

as_dba() {
	"$pg_bin/psql" -qX -v ON_ERROR_STOP=1 -h "$dir" -p "$pg_port" -U postgres "$@"
}

add_tenant() {
	local database=$1 role=$2 trade=$3 seed=$4 orders=$5 company=$6 city=$7 secret
	secret=$(password)
	as_dba -d postgres -v role="$role" -v db="$database" -v secret="$secret" <<-'END'
	CREATE ROLE :"role" LOGIN PASSWORD :'secret';
	CREATE DATABASE :"db" OWNER :"role";
	REVOKE CONNECT ON DATABASE :"db" FROM PUBLIC;
	END
	as_dba -d "$database" -c "SET ROLE $role" -f "$root/test/erp/schema.sql" -v company="$company" \
		-v city="$city" -v industry="$trade" -v seed="$seed" -v orders="$orders" \
		-f "$root/test/erp/seed.sql"
	echo "127.0.0.1:*:*:$role:$secret" >>"$dir/pgpass"
	echo "$database = host=127.0.0.1 port=$pg_port dbname=$database" >>"$dir/databases"
}

make_database() {
	step "$1: $6, $7, $5 production orders" add_tenant "$@"
}

# pgusher knows users by the same verifiers as PostgreSQL: no password is in any of its files.
configure_pgusher() {
	local secret
	secret=$(password)
	echo "127.0.0.1:*:*:operator:$secret" >>"$dir/pgpass"
	as_dba -d postgres -v secret="$secret" <<<"CREATE ROLE operator PASSWORD :'secret';"
	as_dba -d postgres -At -c "SELECT format('\"%s\" \"%s\"', rolname, rolpassword)
		FROM pg_authid WHERE rolpassword IS NOT NULL ORDER BY 1" >"$dir/userlist.txt"
	cat >"$dir/pgusher.ini" <<-END
	[databases]
	$(cat "$dir/databases")

	[pgbouncer]
	listen_addr = 127.0.0.1
	listen_port = $port
	unix_socket_dir = $dir
	auth_type = scram-sha-256
	auth_file = $dir/userlist.txt
	admin_users = operator
	pool_mode = transaction
	default_pool_size = $pool_size
	max_client_conn = 200
	http_listen = 127.0.0.1:$http_port
	logfile = $dir/pgusher.log
	pidfile = $dir/pgusher.pid
	END
	rm "$dir/databases"
	chmod 600 "$dir/userlist.txt" "$dir/pgpass"
	touch "$dir/pgusher.log"
	if [ "$(id -u)" = 0 ]; then
		chown postgres: "$dir"/{userlist.txt,pgusher.ini,pgusher.log}
		[ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID" "$dir/pgpass"
	fi
}

start_pgusher() {
	# setsid: a Ctrl-C is for this script, which then ends the servers in order.
	if [ "$(id -u)" = 0 ]; then
		setsid setpriv --reuid=postgres --regid=postgres --clear-groups -- \
			"$binary" -q "$dir/pgusher.ini" </dev/null >>"$dir/pgusher.out" 2>&1 &
	else
		setsid "$binary" -q "$dir/pgusher.ini" </dev/null >>"$dir/pgusher.out" 2>&1 &
	fi
	pgusher_pid=$!
}

pgusher_answers() {
	if gone "$pgusher_pid"; then
		echo "$binary has ended:"
		cat "$dir/pgusher.out" "$dir/pgusher.log"
		return 2
	fi
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null
}

# ---------------------------------------------------------------- the show

export PGSSLMODE=disable PGGSSENCMODE=disable PGCONNECT_TIMEOUT=10
unset PGSERVICE PGOPTIONS PGDATABASE PGUSER PGHOST PGPORT PGPASSWORD

through() {
	local role=$1 database=$2
	shift 2
	"$pg_bin/psql" -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U "$role" "$@" "$database"
}

console() {
	through operator pgbouncer -A -c "$1" --pset footer=off
}

ask_tenant() {
	local database=$1 role=$2 company=$6 answer
	answer=$(through "$role" "$database" -At -F ' | ' <<-'END'
	SELECT c.name, c.city, count(*) FILTER (WHERE p.status = 'running') || ' orders running',
		count(*) FILTER (WHERE p.status IN ('running', 'released') AND p.due_on < '2026-07-01') || ' late',
		(SELECT sum(quantity * unit_price)::bigint FROM sales_orders WHERE status = 'invoiced') || ' EUR invoiced'
	FROM company AS c, production_orders AS p GROUP BY c.name, c.city;
	END
	)
	printf '   %-17s as %-9s -> %s\n' "$database" "$role" "$answer"
	[ "${answer%% | *}" = "$company" ] || die "$database answered with another company's data"
}

show_orders() {
	echo
	echo "   acme's next orders, by psql -h 127.0.0.1 -p $port -U acme acme_castings:"
	through acme acme_castings <<-'END' | sed '/^$/d; s/^/   /; s/ *$//'
	SELECT p.order_no, s.customer, p.item_name, p.quantity_done || '/' || p.quantity AS done, p.due_on
	FROM production_orders AS p JOIN sales_orders AS s USING (sales_order_id)
	WHERE p.status = 'running' ORDER BY p.priority, p.due_on LIMIT 4;
	END
}

# Acme's own password, Borealis' database: PostgreSQL's refusal must come through.
ask_for_strangers_data() {
	local said
	if said=$(through acme borealis_tools -At -c "SELECT name FROM company" 2>&1); then
		die "acme could read borealis_tools: $said"
	fi
	printf '   %-17s as %-9s -> %s\n' borealis_tools acme "refused: $(sed -n '1s/.*FATAL: *//p' <<<"$said")"
}

# A thread for each client: pgbench prepares statements with a call that blocks the thread, and another
# client of that thread may be the one who has the server connection.
start_bench() {
	local database=$1 role=$2 orders=$5
	"$pg_bin/pgbench" -h 127.0.0.1 -p "$port" -U "$role" -n -M "$mode" -c $clients -j $clients -T "$seconds" \
		-f "$root/test/erp/workload.sql" -D orders="$orders" "$database" >"$dir/bench.$database" 2>&1 &
	bench_pids+=($!)
}

report_bench() {
	local out=$dir/bench.$1
	grep -E 'error|FATAL|ERROR' "$out" | sort | uniq -c | head -n 5 >&2 || true
	grep -q '^tps' "$out" || { cat "$out"; die "pgbench on $1 failed"; }
	awk -v db="$1" '
	/actually processed/ { n = $NF }
	/failed transactions/ { failed = $5 }
	/^latency average/ { latency = $4 }
	/^tps/ { tps = $3 }
	END { printf "   %-17s %7d transactions, %6.0f a second, %6.2f ms each, %d failed\n", db, n, tps, latency, failed }' "$out"
}

load_tenants() {
	local pid failed=0
	each_tenant start_bench
	sleep "$(awk -v s="$seconds" 'BEGIN { print s / 2 }')"
	console 'SHOW POOLS' >"$dir/pools" || true
	for pid in "${bench_pids[@]}"; do
		wait "$pid" || failed=1
	done
	bench_pids=()
	each_tenant report_bench
	[ $failed = 0 ] || die "pgbench reported errors"
}

# Totals divided, so that it need not wait for the end of a stats_period.
latencies() {
	awk -F'|' -v OFS='|' '
	function per(sum, n) { return n ? sprintf("%.3f", sum / n / 1000) : "-" }
	NR == 1 {
		for (i = 1; i <= NF; i++) at[$i] = i
		print "database", "transactions", "queries", "ms_per_transaction", "ms_per_query", "ms_waited", "MB_in", "MB_out"
		next
	}
	$1 != "pgbouncer" && $1 != "pgusher" {
		x = $at["total_xact_count"]; q = $at["total_query_count"]
		print $1, x, q, per($at["total_xact_time"], x), per($at["total_query_time"], q), per($at["total_wait_time"], x),
			sprintf("%.1f", $at["total_received"] / 1e6), sprintf("%.1f", $at["total_sent"] / 1e6)
	}'
}

show_console() {
	# shellcheck disable=SC2016  # awk's dollars
	local tenants_only='NR == 1 || ($1 != "pgbouncer" && $1 != "pgusher")'
	section "What pgusher's console says"
	echo "   SHOW DATABASES: where each name leads"
	console 'SHOW DATABASES' | awk -F'|' "$tenants_only" |
		table name host port database pool_size current_connections
	echo
	echo "   SHOW POOLS in the middle of the load: $clients clients a tenant on at most $pool_size server connections"
	awk -F'|' "$tenants_only" "$dir/pools" |
		table database user cl_active cl_waiting sv_active sv_idle sv_used maxwait_us pool_mode
	echo
	echo "   SHOW STATS: what each tenant took"
	console 'SHOW STATS' | latencies |
		table database transactions queries ms_per_transaction ms_per_query ms_waited MB_in MB_out
	echo
	echo "   SHOW QUERIES: the statements that took longest, all tenants together, without their literals"
	console 'SHOW QUERIES' | awk -F'|' -v OFS='|' 'NR <= 6 { $NF = substr($NF, 1, 60); print }' |
		table calls tenants total_ms mean_ms p95_ms p99_ms text
}

write_stop_script() {
	cat >"$dir/stop" <<-END
	#!/bin/sh
	# Ends what quickstart.sh --keep left running, and removes its folder.
	kill -QUIT $pgusher_pid 2>/dev/null
	$([ "$(id -u)" != 0 ] || echo setpriv --reuid=postgres --regid=postgres --clear-groups --) \
		$pg_bin/pg_ctl -D $dir/postgres -m immediate -w stop >/dev/null
	rm -rf $dir
	END
	chmod 755 "$dir/stop"
}

connect_line() {
	printf '   PGPASSFILE=%s psql -h 127.0.0.1 -p %s -U %s %s\n' "$dir/pgpass" "$port" "$2" "$1"
}

show_how_to_connect() {
	section "How to connect by hand"
	each_tenant connect_line
	connect_line pgbouncer operator
	echo "   (the last is the console: SHOW HELP; and SHOW POOLS; SHOW QUERIES; ...)"
	echo "   The dashboard is http://127.0.0.1:$http_port/ and the metrics are http://127.0.0.1:$http_port/metrics"
	echo "   The configuration is $dir/pgusher.ini, the log $dir/pgusher.log"
	if [ "$keep" = yes ]; then
		write_stop_script
		printf '\n%sStill running. Stop and remove it with:%s  %s\n' "$bold" "$plain" \
			"$([ "$(id -u)" != 0 ] || [ -z "${SUDO_UID:-}" ] || echo "sudo ")$dir/stop"
	else
		echo "   All this ends now; with --keep it stays for you to try."
	fi
}

# ---------------------------------------------------------------- main

while [ $# -gt 0 ]; do
	case $1 in
	--keep) keep=yes ;;
	--seconds) seconds=${2:?--seconds needs a number}; shift ;;
	--binary) binary=$(realpath -e -- "${2:?--binary needs a file}"); shift ;;
	--mode) mode=${2:?--mode needs simple, extended or prepared}; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 1 ;;
	esac
	shift
done
case $seconds in '' | *[!0-9]* | 0) die "--seconds wants a whole number above 0" ;; esac

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

dir=$(mktemp -d "${TMPDIR:-/tmp}/pgusher-quickstart.XXXXXX")
chmod 755 "$dir"
log=$dir/log
: >"$log"
pg_bin=/usr/lib/postgresql/15/bin

section "1. Packages"
install_packages
[ "$(id -u)" != 0 ] || chown postgres: "$dir"

section "2. Build"
if [ -n "$binary" ]; then
	echo "   $binary is given"
else
	build
fi
echo "   $("$binary" --version | head -n 1)"

section "3. PostgreSQL with three tenants"
pg_port=$(free_port 54320)
postgres_up=yes
step "initdb and start, port $pg_port" start_postgres
each_tenant make_database

section "4. pgusher"
port=$(free_port 6432)
http_port=$(free_port 8432)
configure_pgusher
export PGPASSFILE=$dir/pgpass
start_pgusher
step "start, port $port" await 10 pgusher_answers

section "5. Queries through pgusher"
each_tenant ask_tenant
ask_for_strangers_data
show_orders

section "6. Load: pgbench's $mode queries, all tenants at once, $clients clients each, $seconds s"
load_tenants

show_console
show_how_to_connect
